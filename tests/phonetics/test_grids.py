"""Tests of grids: regions found where they were planted, no more false alarms than promised, exact small cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.phonetics.grids import class_difference, grid_test, group_difference, paired_difference


def test_all_patterns_of_signs_are_tried_when_units_are_few():
    scores = np.ones((8, 1))
    tested = grid_test(scores, "speaker")
    assert tested.t == pytest.approx([np.sqrt(8)])
    # only all plus and all minus reach so far: 2 of 2**8
    assert tested.p_region == pytest.approx([2 / 256])
    assert tested.p_cell == pytest.approx([2 / 256])


def test_regions_are_connected_cells_of_one_sign():
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 0.1, (30, 6, 6))
    scores[:, 0:2, 0:2] += 1.0
    scores[:, 2:4, 0:2] -= 1.0  # touches the first, other sign
    tested = grid_test(scores, "speaker")
    assert (tested.p_region[0:4, 0:2] < 0.01).all()
    assert (tested.t[0:2, 0:2] > 0).all()
    assert (tested.t[2:4, 0:2] < 0).all()
    assert tested.p_region[5, 5] > 0.05


def test_families_share_the_correction_but_no_region():
    scores = np.zeros((8, 2, 3))
    scores[:, :, 1] = 1.0
    joined = grid_test(scores, "speaker", connected_axes=2)
    apart = grid_test(scores, "speaker", connected_axes=1)
    assert joined.p_region[0, 1] == apart.p_region[0, 1] == 2 / 256
    # with neighbours across families one region of twice the mass
    noisy = scores + np.random.default_rng(1).normal(0, 1.5, scores.shape)
    assert grid_test(noisy, "s", connected_axes=2).t == pytest.approx(grid_test(noisy, "s", connected_axes=1).t)


def test_false_alarms_stay_at_the_promised_rate():
    rng = np.random.default_rng(2)
    alarms = 0
    for number in range(200):
        field = rng.normal(0, 1, (12, 9))
        smooth = field + np.roll(field, 1, axis=1)
        alarms += bool(grid_test(smooth, "speaker", n_flips=199, seed=number).p_region.min() < 0.05)
    assert alarms <= 20  # 5 % of 200 is 10; 20 has a probability below 0.002


def test_too_few_units_test_nothing_and_say_so():
    tested = grid_test(np.ones((3, 4)), "speaker")
    assert (tested.p_region == 1).all()
    assert "3 speakers" in tested.note


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(PhonoscopeError, match="finite"):
        grid_test(np.full((8, 2), np.nan), "speaker")


def planted(n_speakers: int = 10) -> tuple[xr.DataArray, pd.DataFrame]:
    rng = np.random.default_rng(3)
    tokens = pd.DataFrame({"speaker": np.repeat(np.arange(n_speakers), 12), "class": ["i", "u", "æ"] * 4 * n_speakers})
    values = rng.normal(0, 1, (len(tokens), 5, 4)) + rng.normal(0, 2, n_speakers)[tokens["speaker"], None, None]
    values[(tokens["class"] == "i").to_numpy(), 3:] += 2.0
    coords = {"frequency": np.arange(5) * 500.0, "time": np.arange(4) / 4}
    return xr.DataArray(values, dims=("token", "frequency", "time"), coords=coords), tokens


def test_class_difference_finds_the_planted_rows_and_is_the_difference_of_means():
    maps, tokens = planted()
    found = class_difference(maps, tokens["class"], tokens[["speaker"]])
    own = (tokens["class"] == "i").to_numpy()
    expected = maps.values[own].mean(axis=0) - maps.values[~own].mean(axis=0)
    np.testing.assert_allclose(found["difference"].sel(label="i").values, expected)
    significant = found["p_region"].sel(label="i").values < 0.05
    assert significant[3:].all()
    assert not significant[:2].any()
    assert found.attrs["n_units"] == 10
    assert "same mean" in found.attrs["null"]


def test_tokens_that_are_not_finite_or_without_a_class_take_no_part():
    maps, tokens = planted()
    spoilt = maps.copy()
    spoilt[0] = np.nan
    labels = tokens["class"].copy()
    labels[1] = None
    found = class_difference(spoilt, labels, tokens[["speaker"]])
    rest = class_difference(maps[2:], tokens["class"][2:], tokens[["speaker"]][2:])
    np.testing.assert_allclose(found["t"].sel(label="æ").values, rest["t"].sel(label="æ").values)


def test_pairs_cancel_what_tokens_have_in_common():
    rng = np.random.default_rng(4)
    common = rng.normal(0, 50, (40, 6))
    first, second = common + rng.normal(0, 1, (40, 6)), common + rng.normal(0, 1, (40, 6))
    first[:, 2] += 2
    difference, tested = paired_difference(first, second, np.repeat(np.arange(20), 2))
    assert difference[2] == pytest.approx(2, abs=1)
    assert tested.p_region[2] < 0.05
    assert tested.n_units == 20
    _, apart = group_difference(first, second, (np.repeat(np.arange(20), 2), np.repeat(np.arange(20), 2)))
    assert apart.p_region[2] > 0.05
    assert apart.n_units == 40


def test_groups_of_unequal_size_differ_by_their_means():
    rng = np.random.default_rng(5)
    first, second = rng.normal(1, 0.1, (30, 2)), rng.normal(0, 0.1, (50, 2))
    difference, tested = group_difference(first, second, (None, None))
    np.testing.assert_allclose(difference, first.mean(axis=0) - second.mean(axis=0))
    assert (tested.p_region < 0.01).all()
