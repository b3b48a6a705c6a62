"""STRS and CRS against closed forms: any tight frame gives the Fourier magnitude, whatever its filters are."""

import itertools
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import phonoscope.filters.crs as crs_module
from phonoscope.errors import PhonoscopeError
from phonoscope.filters import (
    Branch,
    FilterBank,
    as_published,
    cumulative_response,
    mean_response,
    response_spectrum,
    scaling_effect,
    to_decibel,
)
from phonoscope.filters.scaling import scaled

RATE = 16_000


def stft(wave: np.ndarray, width: int, hop: int, n_fft: int, window: np.ndarray | float = 1.0) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(wave, width)[::hop] * window
    kernel = np.exp(-2j * np.pi * np.outer(np.arange(n_fft // 2 + 1), np.arange(width)) / n_fft)
    return np.abs(kernel @ frames.T)


def bank_from(dictionary: np.ndarray, hop: int = 3) -> FilterBank:
    return FilterBank([Branch(dictionary.T, hop)], RATE)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(samples)


def fourier_atoms(width: int) -> np.ndarray:
    n = np.arange(width)
    return np.exp(2j * np.pi * np.outer(n, n) / width)


def real_fourier_basis(width: int) -> np.ndarray:
    """Orthonormal cosines and sines, one filter a column."""
    n = np.arange(width)
    columns = [np.full(width, width**-0.5)]
    for k in range(1, (width + 1) // 2):
        columns += [np.cos(2 * np.pi * k * n / width) * (2 / width) ** 0.5]
        columns += [np.sin(2 * np.pi * k * n / width) * (2 / width) ** 0.5]
    if width % 2 == 0:
        columns.append((-1.0) ** n * width**-0.5)
    return np.array(columns).T


@pytest.mark.parametrize("n_fft", [16, 64, 9])
def test_fourier_atoms_give_the_short_time_fourier_transform(n_fft: int) -> None:
    wave, atoms = noise(200), fourier_atoms(16)
    found = response_spectrum(bank_from(atoms), wave, RATE, n_fft=n_fft)
    assert_allclose(found.values, 16 * stft(wave, 16, 3, n_fft), rtol=1e-10, atol=1e-10)


def test_eq_1_as_printed_is_wrong_for_complex_filters() -> None:
    wave, atoms = noise(200), fourier_atoms(16)
    frames = np.lib.stride_tricks.sliding_window_view(wave, 16)[::3]
    printed = np.abs(np.fft.fft(atoms, 64, axis=0)[:33] @ (atoms.T @ frames.T))
    truth = 16 * stft(wave, 16, 3, 64)
    assert np.linalg.norm(printed - truth) / np.linalg.norm(truth) > 0.05
    assert_allclose(response_spectrum(bank_from(atoms), wave, RATE, n_fft=64).values, truth, atol=1e-10)


def test_a_complex_filter_answers_at_its_own_frequency() -> None:
    tone = np.exp(2j * np.pi * 0.125 * np.arange(64)) * np.hanning(64)
    found = response_spectrum(bank_from(tone[:, None]), noise(4000), RATE).mean("time")
    assert float(found["frequency"][int(found.values.argmax())]) == pytest.approx(2000, abs=20)


@settings(max_examples=25, deadline=None)
@given(width=st.integers(2, 24), more=st.integers(0, 12), seed=st.integers(0, 99), n_fft=st.sampled_from([8, 32, 50]))
def test_any_parseval_frame_gives_the_fourier_magnitude(width: int, more: int, seed: int, n_fft: int) -> None:
    square = np.random.default_rng(seed).standard_normal((width + more, width))
    frame = np.linalg.qr(square)[0].T  # rows orthonormal: D Dᵀ = I; a basis where more is 0
    wave = noise(150, seed)
    found = response_spectrum(bank_from(frame), wave, RATE, n_fft=n_fft)
    assert_allclose(found.values, stft(wave, width, 3, n_fft), atol=1e-10)


def test_fourier_bases_of_several_widths_share_their_centre() -> None:
    widths, wave = (10, 30, 50), noise(400)
    branches = [Branch(real_fourier_basis(w).T, 5, padding=((w - 10) // 2, (w - 10) // 2)) for w in widths]
    staircase = sum((np.abs(np.arange(50) - 24.5) < w / 2).astype(float) for w in widths)
    found = response_spectrum(FilterBank(branches, RATE), wave, RATE, n_fft=128)
    expected = stft(np.pad(wave, 20), 50, 5, 128, staircase)
    assert_allclose(found.values, expected, atol=1e-10)
    left = response_spectrum(as_published(FilterBank(branches, RATE), 5), wave, RATE, n_fft=128)
    stairs = sum((np.arange(50) < w).astype(float) for w in widths)
    assert_allclose(left.values, stft(np.pad(wave, (0, 49)), 50, 5, 128, stairs), atol=1e-10)


@pytest.mark.parametrize("shape", [(5, 12), (40, 12)])
def test_strs_is_the_spectrum_of_the_frame_after_the_frame_operator(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    bank = FilterBank(
        [Branch(rng.standard_normal(shape), 4, padding=(3, 2)), Branch(rng.standard_normal((3, 7)), 4)], RATE
    )
    wave = noise(300)
    operator = bank.dictionary @ bank.dictionary.T
    expected = np.abs(np.fft.rfft(bank.frames(wave) @ operator, 64, axis=1)).T
    assert_allclose(response_spectrum(bank, wave, RATE, n_fft=64).values, expected, rtol=1e-9)


def by_the_letter(
    filters: list[np.ndarray], wave: np.ndarray, hop: int, n_fft: int, first: int, count: int
) -> np.ndarray:
    """Eq. 1, sample by sample, filters centred on each other; frame 0 of the widest begins at sample -first."""
    widest = max(len(f) for f in filters)
    found = np.zeros((n_fft // 2 + 1, count), dtype=complex)
    for f, i, j in itertools.product(filters, range(n_fft // 2 + 1), range(count)):
        offset = (widest - len(f)) // 2
        response = 0.0
        for m in range(len(f)):
            at = j * hop - first + offset + m
            response += f[m] * wave[at] if 0 <= at < len(wave) else 0.0
        found[i, j] += response * sum(f[n] * np.exp(-2j * np.pi * i * (n + offset) / n_fft) for n in range(len(f)))
    return np.abs(found)


def test_strs_is_eq_1_by_the_letter() -> None:
    rng = np.random.default_rng(4)
    narrow, wide, wave = rng.standard_normal((2, 4)), rng.standard_normal((2, 8)), rng.standard_normal(40)
    bank = FilterBank([Branch(narrow, 5), Branch(wide, 5, padding=(2, 2))], RATE)
    found = response_spectrum(bank, wave, RATE, n_fft=16)
    assert_allclose(found.values, by_the_letter([*narrow, *wide], wave, 5, 16, 2, found.sizes["time"]), rtol=1e-9)


# Sums, maxima and one cell of seeded cases, computed in double precision by the published code's own formulas
# (left) and with filters and frames centred: widths, filters a width, samples, hop, seed, samples before the sound.
PUBLISHED_CASES = [
    ((30,), 8, 1600, 10, 11, 14, (376188.83472959895, 348.7930255509352, 83.11729457621638),
     (371461.64778365206, 370.51354903074474, 88.45101961458748)),
    ((10, 30, 50), 4, 1600, 10, 12, 20, (588586.5561317282, 541.3282861155526, 28.256014381958767),
     (598835.0932652657, 633.1079272029124, 50.878414097530225)),
    ((7,), 16, 400, 1, 13, 3, (639014.3925098293, 304.2663762961603, 64.52542947496124),
     (638192.8504747266, 304.2663762961603, 53.89310364703352)),
]  # fmt: skip


@pytest.mark.parametrize("case", PUBLISHED_CASES, ids=lambda case: str(case[0]))
def test_values_of_the_published_code(case: tuple) -> None:
    widths, filters, samples, hop, seed, before, left, centred = case
    rng = np.random.default_rng(seed)
    weights = [rng.standard_normal((filters, 1, width)).astype(np.float32) for width in widths]
    wave = rng.standard_normal(samples).astype(np.float32)
    count = (samples - 1) // hop + 1
    branches = []
    for one, width in zip(weights, widths, strict=True):
        first = before - (max(widths) - width) // 2
        branches.append(Branch(one, hop, padding=(first, max(0, (count - 1) * hop + width - first - samples))))
    bank = FilterBank(branches, RATE)
    for found, expected in (
        (response_spectrum(as_published(bank, hop), wave, RATE, n_fft=64).values, left),
        (response_spectrum(bank, wave, RATE, n_fft=64).values, centred),
    ):
        assert found.shape == (33, count)
        assert_allclose((found.sum(dtype=float), found.max(), found[10, 20]), expected, rtol=1e-5)


def test_filters_longer_than_the_transform_lose_nothing() -> None:
    rng = np.random.default_rng(5)
    filters, wave = rng.standard_normal((4, 50)), noise(200)
    found = response_spectrum(FilterBank([Branch(filters, 7)], RATE), wave, RATE, n_fft=16)
    kernel = np.exp(-2j * np.pi * np.outer(np.arange(9), np.arange(50)) / 16)
    frames = np.lib.stride_tricks.sliding_window_view(wave, 50)[::7]
    assert_allclose(found.values, np.abs(kernel @ filters.T @ (filters @ frames.T)), rtol=1e-10)
    truncated = np.abs(np.fft.rfft(filters, 16, axis=1).T @ (filters @ frames.T))
    assert np.linalg.norm(truncated - found.values) / np.linalg.norm(found.values) > 0.2
    long = FilterBank([Branch(rng.standard_normal((2, 1500)), 100)], RATE)
    assert response_spectrum(long, noise(3000), RATE).sizes["frequency"] == 1025


def test_axes_are_in_hertz_and_seconds() -> None:
    bank = FilterBank([Branch(np.ones((2, 5)), 8, padding=(2, 2), name="conv")], 8000)
    found = response_spectrum(bank, noise(800), 8000)
    assert found.dims == ("frequency", "time")
    assert found["frequency"].values[[0, -1]].tolist() == [0, 4000]
    assert_allclose(found["time"].values, np.arange(100) * 0.001)
    assert found["frequency"].attrs["units"] == "Hz"
    assert found.attrs["layer"] == "conv"
    assert found.attrs["resolution_hz"] == 1600
    click = np.zeros(800)
    click[400] = 1
    energy = (response_spectrum(bank, click, 8000) ** 2).sum("frequency")
    assert float((energy * energy["time"]).sum() / energy.sum()) == pytest.approx(0.05)


def test_a_batch_is_its_single_waveforms() -> None:
    rng = np.random.default_rng(6)
    bank = FilterBank([Branch(rng.standard_normal((6, 20)).astype(np.float32), 5)], RATE)
    waves = rng.standard_normal((3, 5000)).astype(np.float32)
    batch = response_spectrum(bank, waves, RATE)
    assert batch.dims == ("token", "frequency", "time")
    assert batch.dtype == np.float32
    for one, wave in zip(batch, waves, strict=True):
        assert_allclose(one.values, response_spectrum(bank, wave, RATE).values, rtol=1e-6)
    shifted = response_spectrum(bank, waves[0, 5:], RATE)
    assert_allclose(shifted.values, batch.values[0, :, 1:], rtol=1e-3, atol=1e-4)
    assert_allclose(response_spectrum(bank, 3 * waves[0], RATE).values, 3 * batch.values[0], rtol=1e-4, atol=1e-4)


@pytest.fixture
def bank() -> FilterBank:
    return FilterBank([Branch(np.random.default_rng(7).standard_normal((6, 9)), 3, padding=(4, 4))], RATE)


def test_means_over_time_are_what_their_names_say(bank: FilterBank) -> None:
    waves = [noise(3000, 1), noise(1501, 2)]
    full = [response_spectrum(bank, wave, RATE, n_fft=64) for wave in waves]
    told: list[tuple[int, int]] = []
    amplitude = cumulative_response(bank, iter(waves), RATE, n_fft=64, progress=lambda *done: told.append(done))
    cumulative_response(bank, waves, RATE, n_fft=64, progress=lambda *done: told.append(done))
    assert told == [(1, 1), (2, 2), (1, 2), (2, 2)]
    assert amplitude.dims == ("token", "frequency")
    for row, strs in zip(amplitude, full, strict=True):
        assert_allclose(row.values, strs.mean("time").values, rtol=1e-10)
    decibel = cumulative_response(bank, waves, RATE, n_fft=64, mean="decibel")
    assert_allclose(decibel.values[0], (20 * np.log10(full[0].values)).mean(axis=1), rtol=1e-6, atol=1e-6)
    power = cumulative_response(bank, waves, RATE, n_fft=64, mean="power")
    assert_allclose(power.values[1], np.sqrt((full[1].values ** 2).mean(axis=1)), rtol=1e-9)
    assert (power.values >= amplitude.values).all()
    assert (10 ** (decibel.values / 20) <= amplitude.values * (1 + 1e-9)).all()  # geometric below arithmetic mean
    assert len({amplitude.attrs["method"], decibel.attrs["method"], power.attrs["method"]}) == 3


def test_unusable_waveforms_are_named_and_the_others_kept(bank: FilterBank) -> None:
    waves = [noise(300), np.full(300, np.nan), np.zeros(0), noise(400)]
    found = cumulative_response(bank, waves, RATE, tokens=["a", "b", "c", "d"])
    assert found["token"].values.tolist() == ["a", "d"]
    left_out = found.attrs["left_out"]
    assert [entry["examples"] for entry in left_out] == [["b"], ["c"]]
    assert "not finite" in left_out[0]["reason"]
    with pytest.raises(PhonoscopeError, match=r"waveform b: .*not finite"):
        cumulative_response(bank, waves, RATE, tokens=["a", "b", "c", "d"], strict=True)
    with pytest.raises(PhonoscopeError, match="constant"):
        cumulative_response(bank, [np.zeros(300)], RATE, scaling="minmax")
    assert float(cumulative_response(bank, [np.zeros(300)], RATE).max()) == 0
    with pytest.raises(PhonoscopeError, match="silence"):
        cumulative_response(bank, [np.zeros(300)], RATE, mean="decibel")


def test_running_means_are_means(bank: FilterBank) -> None:
    waves, speakers = [noise(300, seed) for seed in range(5)], ["x", "y", "x", "x", "y"]
    rows = cumulative_response(bank, waves, RATE)
    found = mean_response(bank, iter(waves), RATE, groups=speakers)
    for name in ("x", "y"):
        own = rows.values[[speaker == name for speaker in speakers]]
        assert_allclose(found.sel(group=name).values, own.mean(axis=0))
        assert_allclose(found["deviation"].sel(group=name).values, own.std(axis=0, ddof=1))
        assert int(found["count"].sel(group=name)) == len(own)
    assert_allclose(mean_response(bank, waves, RATE).values[0], rows.values.mean(axis=0))


def test_memory_does_not_grow_with_the_corpus() -> None:
    bank = FilterBank([Branch(np.random.default_rng(8).standard_normal((16, 7)).astype(np.float32))], RATE)

    def peak(clips: int) -> int:
        waves: Iterator[np.ndarray] = (noise(RATE, seed).astype(np.float32) for seed in range(clips))
        tracemalloc.start()
        mean_response(bank, waves, RATE)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2)
    # The least of three: what other threads of the process allocate meanwhile is counted too, and only adds.
    few, many = (min(peak(clips) for _ in range(3)) for clips in (3, 15))
    assert many < few * 1.05
    assert many < 513 * RATE * 4 / 4  # a quarter of one clip's STRS


def test_minmax_scaling_adds_what_the_report_says() -> None:
    time = np.arange(RATE) / RATE
    wave = np.maximum(np.sin(2 * np.pi * 200 * time), 0.0)
    wave -= wave.mean()
    lifted = scaled(wave, "minmax")
    assert_allclose([lifted.min(), lifted.max()], [-0.1, 0.1])
    expected = lifted.mean() ** 2 / np.mean(lifted**2)
    report = scaling_effect([wave, np.zeros(50)], RATE)
    assert report["before"][0] < 1e-12
    assert report["after"][0] == pytest.approx(expected, rel=1e-6)
    assert expected > 0.1
    assert report["after"].isna()[1]
    assert scaling_effect([wave + 5.0], RATE, "rms")["after"][0] < 1e-12
    bank = FilterBank([Branch(np.eye(32)[:, ::-1].copy(), 16)], RATE)
    peaks = [float(response_spectrum(bank, wave, RATE, scaling=kind).mean("time")[0]) for kind in ("rms", "minmax")]
    assert peaks[1] / 0.1 > peaks[0] / 10  # the offset is in the response at 0 Hz
    with pytest.raises(PhonoscopeError, match="not known"):
        scaled(wave, "peak")  # ty: ignore[invalid-argument-type]


def test_minmax_scaling_of_real_clips(shared_data: object) -> None:
    from pathlib import Path

    from phonoscope.audio import read_audio

    files = sorted((Path(str(shared_data)) / "speech_commands").glob("*/*_nohash_0.flac"))[::12][:60]
    report = scaling_effect([read_audio(file)[0] for file in files], RATE)
    assert report["before"].median() < 0.02
    assert report["after"].median() > 0.2


def test_levels_are_relative_to_the_largest() -> None:
    array = xr.DataArray([[1.0, 10.0], [1e-9, 0.0]], dims=("frequency", "time"))
    assert to_decibel(array).values.tolist() == [[-20, 0], [-80, -80]]
    with pytest.raises(PhonoscopeError, match="zero everywhere"):
        to_decibel(array * 0)


@pytest.mark.parametrize("wave", [np.zeros((2, 2, 50)), np.zeros(50, dtype=complex), np.array([np.nan] * 50)])
def test_waveforms_that_are_none_are_refused(bank: FilterBank, wave: np.ndarray) -> None:
    with pytest.raises(PhonoscopeError, match=r"expected real samples|not finite"):
        response_spectrum(bank, wave, RATE)


def test_unknown_means_are_refused(bank: FilterBank) -> None:
    with pytest.raises(PhonoscopeError, match="amplitude, decibel, power"):
        crs_module.cumulative_response(bank, [noise(90)], RATE, mean="median")  # ty: ignore[invalid-argument-type]
