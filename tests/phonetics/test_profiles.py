"""Profiles: exact band integrals against quadrature, class means, bands and correlations."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from scipy.stats import t as student

from phonoscope.errors import PhonoscopeError
from phonoscope.phonetics.profiles import (
    band_share,
    band_weights,
    cell_centres,
    class_profiles,
    density,
    energy_profile,
    profile,
    profile_correlations,
)


def make_maps(values, centres=None, **attrs):
    values = np.asarray(values, dtype=float)
    dims = ("token", "frequency", "time")[: values.ndim]
    centres = np.arange(values.shape[1]) * 250.0 + 125.0 if centres is None else centres
    coords = {"token": [f"r:{i:04d}" for i in range(len(values))], "frequency": centres}
    return xr.DataArray(values, dims=dims, coords=coords, attrs=attrs)


def test_profile_is_the_sum_over_time_and_keeps_what_is_known_of_the_map():
    maps = make_maps(np.random.default_rng(0).normal(size=(3, 4, 5)), resolution_hz=560.0, method="cam")
    result = profile(maps.transpose("time", "token", "frequency"))
    assert result.dims == ("token", "frequency")
    assert result.values == pytest.approx(maps.values.sum(axis=2))
    assert result.attrs == {"resolution_hz": 560.0, "method": "cam"}
    assert list(result["token"].values) == list(maps["token"].values)


def test_profile_of_a_profile_is_refused():
    with pytest.raises(PhonoscopeError, match="token"):
        profile(make_maps(np.ones((2, 3))))


def test_energy_is_counted_from_the_floor_up():
    spectrogram = make_maps([[[-60.0, -60.0], [-20.0, -40.0]], [[-90.0, -80.0], [-90.0, -90.0]]])
    assert energy_profile(spectrogram).values == pytest.approx(np.array([[0.0, 30.0], [5.0, 0.0]]))
    assert energy_profile(spectrogram, floor_db=-50.0).values == pytest.approx(np.array([[0.0, 20.0], [0.0, 0.0]]))


centre_lists = (
    st.lists(st.floats(-200.0, 4200.0), min_size=1, max_size=8, unique=True)
    .map(sorted)
    .filter(lambda centres: all(np.diff(centres) > 1.0))
)


@given(centre_lists, st.floats(0.0, 4000.0), st.floats(0.0, 4000.0), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_band_integral_equals_quadrature_of_the_interpolated_curve(centres, one, two, seed):
    low, high = min(one, two), max(one, two)
    values = np.random.default_rng(seed).uniform(0.0, 1.0, len(centres))
    grid = np.unique(np.clip([low, high, *centres], low, high))
    # np.interp holds the ends constant; between knots the curve is a line, so the trapezoid is exact
    expected = trapezoid(np.interp(grid, centres, values), grid) if len(grid) > 1 else 0.0
    found = band_weights(np.array(centres), np.array(low), np.array(high)) @ values
    assert found == pytest.approx(expected, abs=1e-8)


def test_band_weights_are_vectorised_and_an_inverted_band_is_empty():
    centres = np.array([100.0, 500.0, 900.0])
    low, high = np.array([[0.0, 400.0], [800.0, 50.0]]), np.array([[1000.0, 600.0], [700.0, 80.0]])
    weights = band_weights(centres, low, high)
    assert weights.shape == (2, 2, 3)
    assert weights.sum(axis=-1) == pytest.approx(np.array([[1000.0, 200.0], [0.0, 30.0]]))
    assert np.isnan(band_weights(centres, np.array(np.nan), np.array(np.nan))).all()


def test_density_integrates_to_one_up_to_the_edge():
    values = np.random.default_rng(1).uniform(size=(5, 16))
    centres = np.arange(16) * 250.0 + 125.0
    for max_hz in (4000.0, 3100.0, 11025.0):
        whole = band_share(density(values, centres, max_hz), centres, np.zeros(5), np.full(5, max_hz))
        assert whole == pytest.approx(np.ones(5))


def test_flat_map_has_the_area_share_and_an_empty_one_none():
    centres = np.arange(7) * 571.0 + 286.0
    flat = density(np.array([[2.0] * 7, [0.0] * 7]), centres, 4000.0)
    share = band_share(flat, centres, np.array([300.0, 300.0]), np.array([500.0, 500.0]))
    assert share[0] == pytest.approx(200 / 4000)
    assert np.isnan(share[1])


def test_cells_of_an_uneven_axis_hold_mass_not_height():
    centres = np.array([100.0, 200.0, 400.0, 800.0, 1600.0])
    heights = 1.0 / np.gradient(centres)
    found = density(np.ones((1, 5)), centres, 2000.0)[0]
    assert found / found[0] == pytest.approx(heights / heights[0])


def test_one_cell_is_a_flat_density():
    assert density(np.array([[3.0]]), np.array([700.0]), 4000.0) == pytest.approx(np.array([[1 / 4000]]))


def test_axis_must_increase():
    with pytest.raises(PhonoscopeError, match="lowest first"):
        cell_centres(make_maps(np.ones((1, 3)), [900.0, 500.0, 100.0]))


def test_class_profiles_are_means_with_a_band_by_speaker():
    rng = np.random.default_rng(2)
    speaker = np.repeat(np.arange(10), 8)
    labels = np.tile(["i", "u"], 40)
    values = rng.normal(size=(80, 3)) + 3.0 * rng.normal(size=(10, 3))[speaker]
    table = class_profiles(make_maps(values), labels, pd.DataFrame({"speaker": speaker}))
    assert list(table.columns) == ["label", "frequency", "mean", "low", "high", "n", "n_units", "unit"]
    mean_i = table[table["label"] == "i"]
    assert mean_i["mean"].to_numpy() == pytest.approx(values[labels == "i"].mean(axis=0))
    assert (table["n"] == 40).all()
    assert set(table["n_units"]) == {10}
    assert set(table["unit"]) == {"speaker"}
    assert (table["low"] < table["mean"]).all()
    assert (table["mean"] < table["high"]).all()
    width = (table["high"] - table["low"]).mean()
    ignoring = class_profiles(make_maps(values), labels)
    assert width > 1.5 * (ignoring["high"] - ignoring["low"]).mean()


def test_class_profile_band_is_students_interval_of_its_units():
    # each speaker constant: an interval of the mean of 8 values, whatever the numbers of tokens
    speaker = np.repeat(np.arange(8), 5)
    table = class_profiles(make_maps(np.repeat(np.arange(8.0), 5)[:, None]), ["i"] * 40, speaker)
    half = student.ppf(0.975, 7) * np.arange(8.0).std(ddof=1) / np.sqrt(7)  # CR3: over n − 1
    assert table["high"][0] - table["low"][0] == pytest.approx(2 * half)


def test_what_is_left_out_of_class_profiles_is_counted():
    values = np.ones((4, 2))
    values[1, 0] = np.nan
    table = class_profiles(make_maps(values), ["i", "i", None, pd.NA])
    assert {(entry["reason"], entry["count"]) for entry in table.attrs["left_out"]} == {
        ("profile not finite", 1),
        ("no label", 2),
    }
    assert set(table["label"]) == {"i"}
    assert table["low"].isna().all()
    with pytest.raises(PhonoscopeError, match="3 labels for 4 tokens"):
        class_profiles(make_maps(values), ["i"] * 3)


def test_profile_correlation_is_pearson_and_marks_flat_profiles():
    values = np.array([[1.0, 2.0, 4.0], [2.0, 4.0, 8.0], [3.0, 1.0, 0.5], [0.1, 0.1, 0.1]])
    pairs = profile_correlations(class_profiles(make_maps(values), ["a", "b", "c", "flat"]))
    r = pairs.set_index(["label_a", "label_b"])["r"].to_dict()
    assert r["a", "b"] == pytest.approx(1.0)
    assert r["a", "c"] == pytest.approx(np.corrcoef(values[0], values[2])[0, 1])
    assert np.isnan(r["a", "flat"])
    assert pairs.attrs["mean_r"] == pytest.approx(np.mean([r["a", "b"], r["a", "c"], r["b", "c"]]))
