"""Nulls: their laws, their cancelling, what they find when it is planted, and peaks and bands with known answers."""

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from phonoscope.errors import PhonoscopeError
from phonoscope.filters import (
    Branch,
    FilterBank,
    band_shares,
    band_test,
    bank_of,
    cumulative_response,
    learned_minus_null,
    null_responses,
    null_test,
    random_bank,
    response_spectrum,
    spectral_peaks,
    spectrum_bank,
)
from phonoscope.judgement.resampling import Resampling, resample
from phonoscope.judgement.units import resampling_unit

RATE = 8000
SHAPE = FilterBank([Branch(np.ones((12, 16)), 8)], RATE)


def coloured(seed: int, samples: int = 1200) -> np.ndarray:
    white = np.random.default_rng(seed).standard_normal(samples + 50)
    return np.convolve(white, 0.9 ** np.arange(51), mode="valid")


@pytest.fixture(scope="module")
def waves() -> list[np.ndarray]:
    return [coloured(seed) for seed in range(6)]


@pytest.fixture(scope="module")
def nulls(waves: list[np.ndarray]) -> xr.DataArray:
    return null_responses(SHAPE, waves, n_seeds=20, n_fft=64)


@pytest.fixture(scope="module")
def tuned(waves: list[np.ndarray]) -> xr.DataArray:
    """Response of random filters of which half were replaced by resonators at 2 kHz."""
    n = np.arange(16) - 7.5
    weights = random_bank(SHAPE, 1000).branches[0].weights.copy()
    weights[:6, 0] = 0.4 * np.cos(2 * np.pi * 2000 / RATE * n + np.arange(6)[:, None]) * np.hanning(18)[1:-1]
    return cumulative_response(FilterBank([Branch(weights, 8)], RATE), waves, RATE, n_fft=64)


def test_random_weights_follow_the_law_of_the_framework() -> None:
    torch.manual_seed(0)
    theirs = bank_of(torch.nn.Sequential(torch.nn.Conv1d(1, 4000, 25)), RATE).branches[0].weights
    ours = random_bank(FilterBank([Branch(theirs, 3, padding=(2, 2), name="c")], RATE), 1).branches[0]
    assert ours.weights.dtype == np.float32
    assert (ours.stride, ours.padding, ours.name) == (3, (2, 2), "c")
    quantiles = np.linspace(0, 1, 11)
    assert_allclose(np.quantile(ours.weights, quantiles), np.quantile(theirs, quantiles), atol=4e-3)
    assert np.abs(ours.weights).max() <= 0.2
    other = random_bank(SHAPE, 1).branches[0].weights
    assert not np.array_equal(other, random_bank(SHAPE, 2).branches[0].weights)
    assert np.array_equal(other, random_bank(SHAPE, 1).branches[0].weights)
    assert np.iscomplexobj(random_bank(FilterBank([Branch(np.ones((2, 5)) * 1j)], RATE)).dictionary)


@settings(max_examples=15, deadline=None)
@given(seconds=st.floats(0.004, 0.03), hop=st.integers(5, 90))
def test_the_spectrum_bank_is_a_hann_spectrogram(seconds: float, hop: int) -> None:
    bank, wave = spectrum_bank(RATE, hop=hop, window_seconds=seconds), coloured(1)
    width = round(seconds * RATE)
    window = np.hanning(2 * width + 1)[1::2]
    window *= width / window.sum()
    frames = bank.frames(wave) * window
    expected = np.abs(np.fft.rfft(frames, 512, axis=1)).T
    found = response_spectrum(bank, wave, RATE, n_fft=512)
    assert_allclose(found.values, expected, atol=1e-5 * expected.max())
    assert found.sizes["time"] == (len(wave) - 1) // hop + 1


def test_the_spectrum_of_the_sound_cancels(waves: list[np.ndarray]) -> None:
    learned = random_bank(SHAPE, 77)
    kernel = np.array([1.0, 0.9])  # a mild low-pass that changes every curve
    found = [
        learned_minus_null(
            cumulative_response(learned, sounds, RATE, n_fft=64), null_responses(SHAPE, sounds, n_seeds=8, n_fft=64)
        )
        for sounds in (waves, [np.convolve(wave, kernel) for wave in waves])
    ]
    moved = np.abs(found[0]["learned"] - found[1]["learned"]).max()
    assert moved > 2.0
    assert np.abs(found[0]["difference"] - found[1]["difference"]).mean() < 0.25 * moved


def test_what_was_planted_is_found(tuned: xr.DataArray, nulls: xr.DataArray) -> None:
    table = learned_minus_null(tuned, nulls)
    assert 1700 <= table.loc[table["difference"].idxmax(), "frequency"] <= 2300
    result = null_test(tuned, nulls).iloc[0]
    assert result["p"] == pytest.approx(1 / 21)
    assert table["z"].max() > result["critical_z"]
    assert result["max_z"] == pytest.approx(table["z"].abs().max())
    bands = band_test(tuned, nulls, {"low": (200, 1200), "planted": (1700, 2300)})
    low, planted = bands.iloc[0], bands.iloc[1]
    assert planted["p"] == pytest.approx(1 / 21)
    assert planted["share"] > planted["null_high"]
    assert low["z"] < 0


def test_random_weights_are_not_called_learned(waves: list[np.ndarray], nulls: xr.DataArray) -> None:
    few = nulls.isel(token=slice(0, 2))
    p, p_band = [], []
    for seed in range(500, 560):
        own = cumulative_response(random_bank(SHAPE, seed), waves[:2], RATE, n_fft=64)
        p.append(null_test(own, few)["p"][0])
        p_band.append(band_test(own, few, {"middle": (1000, 2000)})["p"][0])
    for values in (np.array(p), np.array(p_band)):
        assert (values <= 0.1).mean() < 0.25  # 0.1 expected; 0.25 is four standard deviations off
        assert 0.3 < values.mean() < 0.7


def test_bands_come_from_the_weights_given(tuned: xr.DataArray, nulls: xr.DataArray, waves: list[np.ndarray]) -> None:
    labels = ["a", "a", "a", "b", "b", None]
    drawn = resample(resampling_unit(None, 6), 300)
    spectrum = cumulative_response(spectrum_bank(RATE, hop=8), waves, RATE)
    table = learned_minus_null(tuned, nulls, spectrum, labels=labels, resampled=drawn)
    assert table.groupby("label")["n"].first().to_dict() == {"a": 3, "b": 2}
    assert table["low"].isna().all()  # of three tokens and of two nothing is known
    every = learned_minus_null(tuned, nulls, spectrum, resampled=drawn)
    inside = (every["low"] <= every["difference"] + 1e-9) & (every["difference"] <= every["high"] + 1e-9)
    assert inside.mean() > 0.95
    assert (table["null_low"] <= table["null_high"]).all()
    alone = learned_minus_null(tuned.isel(token=[3, 4]), nulls.isel(token=[3, 4]))
    assert_allclose(table.loc[table["label"] == "b", "difference"], alone["difference"])
    assert alone["low"].isna().all()
    assert (
        np.corrcoef(table.loc[table["label"] == "a", "spectrum"], table.loc[table["label"] == "a", "null"])[0, 1] > 0.5
    )
    tight = learned_minus_null(tuned, nulls, resampled=Resampling(np.ones((2, 6)), np.arange(6)))
    assert_allclose(tight["low"], tight["difference"])


def test_curves_that_do_not_belong_together_are_refused(tuned: xr.DataArray, nulls: xr.DataArray) -> None:
    with pytest.raises(PhonoscopeError, match="different tokens"):
        learned_minus_null(tuned.isel(token=[0]), nulls)
    with pytest.raises(PhonoscopeError, match="same n_fft"):
        learned_minus_null(tuned.isel(frequency=slice(0, 9)), nulls)
    with pytest.raises(PhonoscopeError, match="at least 3 seeds"):
        null_test(tuned, nulls.isel(seed=[0, 1]))
    with pytest.raises(PhonoscopeError, match="2 labels for 6"):
        band_test(tuned, nulls, {"a": (0, 100)}, labels=["a", "b"])
    with pytest.raises(PhonoscopeError, match="no token has a label"):
        learned_minus_null(tuned, nulls, labels=[None] * 6)


def curves(*peaks: tuple[float, float], tokens: int = 8, jitter: float = 0.0) -> xr.DataArray:
    frequency = np.arange(0, 4001, 20.0)
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(tokens):
        moved = [(hz + jitter * rng.standard_normal(), height) for hz, height in peaks]
        rows.append(1 + sum(height * np.exp(-((frequency - hz) ** 2) / (2 * 80**2)) for hz, height in moved))
    return xr.DataArray(np.array(rows), dims=("token", "frequency"), coords={"frequency": frequency})


def test_peaks_are_found_where_they_are() -> None:
    found = spectral_peaks(curves((1013, 9.0), (2500, 1.0)))
    assert found["frequency"][0] == pytest.approx(1013, abs=1)
    assert found["prominence"].tolist() == pytest.approx([20, 20 * np.log10(2)], abs=0.1)
    assert found["level"].tolist() == pytest.approx([0, -20 * np.log10(5)], abs=0.1)
    assert spectral_peaks(curves((1013, 0.05))).empty
    assert spectral_peaks(curves((40, 9.0))).empty  # below 60 Hz


def test_intervals_of_peaks_cover_the_spread_of_tokens() -> None:
    data = curves((1000, 9.0), (2500, 1.0), tokens=40, jitter=50.0)
    found = spectral_peaks(data, resampled=resample(resampling_unit(None, 40), 200, seed=1))
    first = found.iloc[0]
    assert first["low"] < first["frequency"] < first["high"]
    assert 15 < first["high"] - first["low"] < 90  # 4 × 50 Hz / √40, a little less or more by the shape
    assert first["found"] == 1
    nulls = xr.concat([curves((1000, 9.0)), curves((3300, 9.0))], "seed")
    assert spectral_peaks(data, nulls=nulls)["in_null"].tolist() == [0.5, 0.0]
    with pytest.raises(PhonoscopeError, match="of 3 tokens"):
        spectral_peaks(data, resampled=Resampling(np.ones((5, 3)), np.arange(3)))


def test_intervals_of_six_speakers_are_as_wide_as_they_must_be(tuned: xr.DataArray, nulls: xr.DataArray) -> None:
    drawn = resample(resampling_unit(list("abcdef"), 6), 400, seed=3)
    table = learned_minus_null(tuned, nulls, initial=tuned * 0.5 + 1, resampled=drawn)
    samples = drawn.weights @ tuned.transpose("token", "frequency").values.astype(float)
    shapes = 20 * np.log10(samples / samples.mean(axis=1, keepdims=True))
    low, high = drawn.interval(shapes)
    assert_allclose(table["learned_low"], low, rtol=1e-6)
    assert_allclose(table["learned_high"], high, rtol=1e-6)
    raw = np.diff(np.quantile(shapes, [0.025, 0.975], axis=0), axis=0)[0]
    assert ((high - low) > 1.15 * raw).mean() > 0.9  # Student's t of five degrees, on samples of six
    for name in ("learned", "difference", "moved"):
        prefix = "" if name == "difference" else f"{name}_"
        assert (table[f"{prefix}low"] < table[name]).mean() > 0.95
    wide, pooled = (table[f"{p}high"] - table[f"{p}low"] for p in ("", "moved_"))
    assert (wide > 0).all()
    assert (pooled > 0).all()


def test_a_class_of_one_speaker_has_no_interval(tuned: xr.DataArray, nulls: xr.DataArray) -> None:
    drawn = resample(resampling_unit([0, 0, 1, 2, 3, 4], 6, min_units=5), 200)
    table = learned_minus_null(tuned, nulls, labels=["one"] * 2 + ["four"] * 4, resampled=drawn)
    assert table[["low", "high", "learned_low", "learned_high"]].isna().all(axis=None)
    six = resample(resampling_unit(list("abcdef"), 6), 200)
    assert learned_minus_null(tuned, nulls, resampled=six)[["low", "high"]].notna().all(axis=None)


def test_intervals_of_peaks_know_how_many_speakers_were_drawn() -> None:
    data = curves((1000, 9.0), tokens=6, jitter=50.0)
    drawn = resample(resampling_unit(list("abcdef"), 6), 400, seed=2)
    peak = spectral_peaks(data, resampled=drawn).iloc[0]
    places = np.array([spectral_peaks(data[0].copy(data=row))["frequency"][0] for row in drawn.weights @ data.values])
    low, high = drawn.interval(places)
    assert (peak["low"], peak["high"]) == (pytest.approx(float(low), abs=1), pytest.approx(float(high), abs=1))
    assert peak["high"] - peak["low"] > 1.15 * float(np.diff(np.quantile(places, [0.025, 0.975]))[0])


@settings(max_examples=30, deadline=None)
@given(cut=st.floats(1, 3999), slope=st.floats(0, 3))
def test_shares_of_bands_are_integrals(cut: float, slope: float) -> None:
    frequency = np.arange(0, 4001, 50.0)
    line = xr.DataArray(1 + slope * frequency / 4000, dims="frequency", coords={"frequency": frequency})
    found = band_shares(line, {"below": (0, cut), "above": (cut, 4000)}).set_index("band")["share"]
    expected = (cut + slope * cut**2 / 8000) / (4000 + slope * 2000)
    assert found["below"] == pytest.approx(expected, rel=1e-9)
    assert found.sum() == pytest.approx(1)
    with pytest.raises(PhonoscopeError, match="within 0–4000 Hz"):
        band_shares(line, {"outside": (3000, 5000)})


def test_shares_keep_the_names_of_the_curves() -> None:
    data = curves((1000, 9.0), tokens=2).assign_coords(token=["x", "y"])
    found = band_shares(data, {"F": (800, 1200), "all": (0, 4000)})
    assert found["token"].tolist() == ["x", "y", "x", "y"]
    assert found.loc[found["band"] == "all", "share"].tolist() == pytest.approx([1, 1])
    assert (found.loc[found["band"] == "F", "share"] > found.loc[found["band"] == "F", "area"]).all()
