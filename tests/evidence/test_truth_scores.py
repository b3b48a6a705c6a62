"""Scores against planted truth: closed forms, slow twins, and no advantage for any grid."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from phonoscope.errors import PhonoscopeError
from phonoscope.evidence.agreement import band_edges
from phonoscope.evidence.cues import Region
from phonoscope.evidence.planted import Truth
from phonoscope.evidence.truth import inside_share, score_maps, time_edges

MAX_HZ = 4000.0


def _maps(values, *, seconds=None, duration=0.2):
    """Maps (token, frequency, time) on an even grid from 0 to 4000 Hz, on a stretched axis or a fixed one."""
    values = np.asarray(values, dtype=float)
    tokens, rows, columns = values.shape
    share = (np.arange(columns) + 0.5) / columns
    length = duration if seconds is None else seconds
    inside = share * length + (0.0 if seconds is None else (duration - seconds) / 2)
    return xr.DataArray(
        values,
        dims=("token", "frequency", "time"),
        coords={
            "token": [str(k) for k in range(tokens)],
            "frequency": (np.arange(rows) + 0.5) * MAX_HZ / rows,
            "time": share,
            "seconds": (("token", "time"), np.tile(inside, (tokens, 1))),
            "duration": ("token", np.full(tokens, duration)),
        },
        attrs={"max_hz": MAX_HZ} | ({} if seconds is None else {"time_seconds": seconds}),
    )


def _band(low, high):
    return Truth((Region(low, high),), ())


def test_a_perfect_map_scores_one_and_its_opposite_zero():
    value = np.zeros((1, 16, 4))
    value[:, 4:6] = 2.0  # 1000 to 1500 Hz
    truth = [_band(1000, 1500)]
    perfect = score_maps(_maps(value), truth).iloc[0]
    assert perfect[["mass", "auc", "pointing"]].tolist() == [1.0, 1.0, 1.0]
    assert perfect["error_hz"] == 0
    opposite = score_maps(_maps(2.0 - value), truth).iloc[0]
    assert opposite[["mass", "auc", "pointing"]].tolist() == [0.0, 0.0, 0.0]


def test_a_uniform_map_scores_the_null():
    row = score_maps(_maps(np.full((1, 10, 3), -0.7)), [_band(1000, 1500)]).iloc[0]
    assert row["null"] == pytest.approx(0.125)
    assert row["mass"] == pytest.approx(row["null"])
    assert row["auc"] == pytest.approx(0.5)
    assert row["pointing"] == pytest.approx(0.2)  # two of ten equal peaks lie inside, at 1000 and 1400 Hz
    assert row["pointing_null"] == pytest.approx(0.125)


def test_an_empty_map_scores_the_null_and_says_so():
    row = score_maps(_maps(np.zeros((1, 10, 3))), [_band(0, 400)]).iloc[0]
    assert row[["mass", "pointing", "auc"]].tolist() == pytest.approx([0.1, 0.1, 0.5])
    assert row["empty"]
    assert np.isnan(row["error_hz"])


def test_a_token_without_truth_is_not_scored():
    scores = score_maps(_maps(np.ones((2, 4, 2))), [Truth((), (Region(0, 1000),)), _band(0, 1000)], which="present")
    assert np.isnan(scores["mass"][0])
    assert scores["mass"][1] == pytest.approx(0.25)


def test_positive_and_negative_evidence_are_told_apart():
    value = np.zeros((1, 8, 1))
    value[0, 2], value[0, 6] = 3.0, -1.0  # 1000–1500 and 3000–3500 Hz
    truth = [_band(1000, 1500)]
    masses = {part: score_maps(_maps(value), truth, part=part)["mass"][0] for part in ("absolute", "positive")}
    assert masses == {"absolute": 0.75, "positive": 1.0}
    assert score_maps(_maps(value), truth, part="negative")["mass"][0] == 0


def test_present_and_elsewhere_are_scored_apart():
    value = np.zeros((1, 8, 1))
    value[0, 2], value[0, 6] = 3.0, -1.0
    truth = [Truth((Region(1000, 1500),), (Region(3000, 3500),))]
    masses = [score_maps(_maps(value), truth, which=which)["mass"][0] for which in ("regions", "present", "elsewhere")]
    assert masses == [1.0, 0.75, 0.25]


def test_error_is_the_distance_of_the_peak_to_the_nearest_band():
    value = np.zeros((1, 8, 2))
    value[0, 0] = 1.0  # peak at 250 Hz
    truth = [Truth((Region(1000, 1500),), (Region(3000, 3500),))]
    row = score_maps(_maps(value), truth).iloc[0]
    assert row["error_hz"] == 750
    assert row["pointing"] == 0


def test_the_profile_is_summed_with_signs_before_its_peak_is_taken():
    value = np.zeros((1, 8, 2))
    value[0, 6] = [5.0, -5.0]  # comes and goes
    value[0, 2] = 1.0
    row = score_maps(_maps(value), [_band(1000, 1500)]).iloc[0]
    assert row["pointing"] == 1
    assert row["mass"] == pytest.approx(2 / 12)


@given(
    st.lists(st.floats(0.01, 10), min_size=4, max_size=4),
    st.integers(1, 6),
    st.floats(0, 3900),
    st.floats(50, 4000),
)
@settings(max_examples=50, deadline=None)
def test_mass_and_null_do_not_depend_on_the_grid(heights, finer, low, width):
    """The same density on a grid that is `finer` times as fine holds the same masses."""
    coarse = np.array(heights)[None, :, None]
    fine = np.repeat(coarse, finer, axis=1) / finer
    truth = [_band(low, min(low + width, MAX_HZ))]
    a, b = (score_maps(_maps(value), truth).iloc[0] for value in (coarse, fine))
    assert a["mass"] == pytest.approx(b["mass"], abs=1e-9)
    assert a["null"] == pytest.approx(b["null"], abs=1e-9)
    assert a["auc"] == pytest.approx(b["auc"], abs=1e-6, nan_ok=True)  # NaN: the band is all there is


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=20, deadline=None)
def test_auc_equals_counting_pairs(seed):
    rng = np.random.default_rng(seed)
    value = rng.integers(0, 4, (1, 8, 3)).astype(float) + 0.1
    inside = np.zeros((8, 3), bool)
    inside[2:4] = True
    pairs = [(a > b) + 0.5 * (a == b) for a in value[0][inside] for b in value[0][~inside]]
    assert score_maps(_maps(value), [_band(1000, 2000)])["auc"][0] == pytest.approx(np.mean(pairs))


def test_uneven_cells_hold_their_value_over_their_own_extent():
    maps = _maps(np.array([[[1.0], [1.0], [2.0], [4.0]]])).assign_coords(frequency=[250.0, 750.0, 1250.0, 2750.0])
    np.testing.assert_allclose(band_edges(maps), [0, 500, 1000, 2000, 4000])
    row = score_maps(maps, [_band(2000, 3000)]).iloc[0]
    assert row["mass"] == pytest.approx(4 * 0.5 / 8)
    assert row["null"] == pytest.approx(0.25)
    # Densities are .002, .002, .002 and .002 per Hz: no place stands out.
    assert row["auc"] == pytest.approx(0.5)
    assert row["pointing"] == pytest.approx(0.25)  # four equal peaks, one in the band (at 3000 Hz, the last cell)


def test_overlapping_regions_count_once():
    regions = [Region(0, 1000), Region(500, 1500), Region(1400, 1600)]
    share = inside_share(regions, np.array([0.0, 2000.0, 4000.0]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(share, [[0.8], [0.0]])


def test_stretches_are_scored_in_time():
    value = np.zeros((1, 2, 8))
    value[0, :, [1, 6]] = 1.0
    # An axis of 0.4 s around a token of 0.2 s: from −0.1 to 0.3 s, columns of 50 ms.
    maps = _maps(value, seconds=0.4)
    np.testing.assert_allclose(time_edges(maps), [np.linspace(-0.1, 0.3, 9)], atol=1e-12)
    truth = [Truth((Region(0, MAX_HZ, -0.05, 0.0),), (Region(0, MAX_HZ, 0.2, 0.25),))]
    row = score_maps(maps, truth).iloc[0]
    assert row[["mass", "null", "auc", "pointing"]].tolist() == pytest.approx([1.0, 0.25, 1.0, 1.0])
    assert row["error_seconds"] == 0
    assert np.isnan(row["error_hz"])
    late = score_maps(maps.copy(data=np.roll(value, 1, axis=2)), truth).iloc[0]
    assert late["mass"] == 0
    assert late["error_seconds"] == pytest.approx(0.025)


def test_a_map_without_cells_in_time_is_at_chance_about_time():
    truth = [Truth((), (Region(0, MAX_HZ, 0.0, 0.05),))]
    row = score_maps(_maps(np.ones((1, 4, 1))), truth).iloc[0]
    assert row["mass"] == row["null"] == row["pointing"] == pytest.approx(0.25)


def test_energy_is_scored_beside_the_map():
    energy = np.zeros((1, 8, 2))
    energy[0, :4] = 1.0
    row = score_maps(_maps(np.ones((1, 4, 1))), [_band(0, 1000)], energy=_maps(energy)).iloc[0]
    assert row["energy"] == pytest.approx(0.5)


def test_wrong_shapes_and_values_are_refused():
    maps = _maps(np.ones((2, 4, 1)))
    with pytest.raises(PhonoscopeError, match="1 truths for 2 maps"):
        score_maps(maps, [_band(0, 1000)])
    with pytest.raises(PhonoscopeError, match="not finite"):
        score_maps(maps.where(maps["frequency"] > 600), [_band(0, 1000)] * 2)
    with pytest.raises(PhonoscopeError, match="part is 'up'"):
        score_maps(maps, [_band(0, 1000)] * 2, part="up")
    with pytest.raises(PhonoscopeError, match="not negative"):
        score_maps(maps, [_band(0, 1000)] * 2, energy=-maps)
