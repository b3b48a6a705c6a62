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


def _scores(maps, regions, other=((3500, 4000),), **options):
    """Scores of maps against one cue, with the other at the top of the axis."""
    truth = Truth(tuple(Region(*region) for region in regions), ())
    away = Truth(tuple(Region(*region) for region in other), ())
    return score_maps(maps, [truth] * len(maps), [away] * len(maps), **options)


def test_evidence_at_the_used_cue_scores_one_and_at_the_other_zero():
    value = np.zeros((1, 16, 4))
    value[:, 4:6] = 2.0  # 1000 to 1500 Hz
    at_first = _scores(_maps(value), [(1000, 1500)]).iloc[0]
    assert at_first[["which", "mass", "auc", "pointing"]].tolist() == [1.0, 1.0, 1.0, 1.0]
    at_second = _scores(_maps(value), [(2000, 2500)], [(1000, 1500)]).iloc[0]
    assert at_second["which"] == 0.0


def test_which_is_told_per_hz_so_that_the_wider_cue_gains_nothing():
    value = np.ones((1, 16, 4))
    row = _scores(_maps(value), [(0, 2000)], [(3000, 3250)]).iloc[0]
    assert row["which"] == pytest.approx(0.5)
    value[:, :8] = 3.0
    assert _scores(_maps(value), [(0, 2000)], [(3000, 3250)])["which"][0] == pytest.approx(0.75)


def test_both_places_of_a_cue_count():
    value = np.zeros((1, 16, 4))
    value[:, [4, 8, 12]] = 1.0  # 1000, 2000 and 3000 Hz
    row = _scores(_maps(value), [(1000, 1250), (2000, 2250)], [(3000, 3500)]).iloc[0]
    assert row["which"] == pytest.approx(1 / (1 + 0.5))


def test_what_both_cues_fill_counts_for_neither():
    value = np.zeros((1, 16, 4))
    value[:, 4] = 5.0  # 1000 to 1250 Hz: in both
    value[:, 3] = 1.0  # in the first alone
    row = _scores(_maps(value), [(750, 1250)], [(1000, 1500)]).iloc[0]
    assert row["which"] == 1.0


def test_a_cell_that_holds_both_cues_cannot_tell_them_apart():
    value = np.zeros((1, 2, 4))
    value[:, 0] = 1.0  # 0 to 2000 Hz
    assert _scores(_maps(value), [(500, 700)], [(1200, 1400)])["which"][0] == pytest.approx(0.5)


def test_a_map_with_one_cell_along_the_axis_cannot_say():
    assert np.isnan(_scores(_maps(np.ones((1, 1, 4))), [(500, 700)])["which"][0])
    in_time = [(0, MAX_HZ, 0.0, 0.05)], [(0, MAX_HZ, 0.1, 0.15)]
    assert np.isnan(_scores(_maps(np.ones((1, 4, 1))), *in_time)["which"][0])
    assert _scores(_maps(np.ones((1, 1, 4))), *in_time)["which"][0] == pytest.approx(0.5)


def test_the_other_cue_is_taken_out_of_the_plane_for_the_exact_place():
    value = np.zeros((1, 16, 4))
    value[:, 4:6] = 1.0  # 1000 to 1500 Hz
    value[:, 14:] = 9.0  # the other cue
    row = _scores(_maps(value), [(1000, 1500)]).iloc[0]
    assert row[["mass", "auc", "pointing"]].tolist() == [1.0, 1.0, 1.0]
    assert row["null"] == pytest.approx(500 / 3500)
    assert row["which"] == pytest.approx(0.1)


def test_a_uniform_map_scores_chance():
    row = _scores(_maps(np.full((1, 16, 3), -0.7)), [(1000, 1500)]).iloc[0]
    assert row["which"] == pytest.approx(0.5)
    assert row["mass"] == pytest.approx(row["null"])
    assert row["auc"] == pytest.approx(0.5)


def test_an_empty_map_scores_chance_and_says_so():
    row = _scores(_maps(np.zeros((1, 8, 2))), [(1000, 1500)]).iloc[0]
    assert row["empty"]
    assert row["which"] == 0.5
    assert row["mass"] == row["pointing"] == row["null"]
    assert row["auc"] == 0.5


def test_the_opposite_of_a_perfect_map_scores_zero():
    value = np.full((1, 16, 4), 2.0)
    value[:, 4:6] = 0.0
    row = _scores(_maps(value), [(1000, 1500)]).iloc[0]
    assert row[["which", "mass", "auc", "pointing"]].tolist() == [0.0, 0.0, 0.0, 0.0]


def test_evidence_for_and_against_are_told_apart():
    value = np.zeros((1, 8, 1))
    value[0, 2], value[0, 5] = 3.0, -1.0  # 1000–1500 and 2500–3000 Hz
    masses = {part: _scores(_maps(value), [(1000, 1500)], part=part)["mass"][0] for part in ("absolute", "positive")}
    assert masses == {"absolute": 0.75, "positive": 1.0}
    assert _scores(_maps(value), [(1000, 1500)], part="negative")["mass"][0] == 0


def test_regions_are_blurred_for_the_exact_place_and_not_for_which():
    value = np.zeros((1, 16, 4))
    value[:, 3] = 1.0  # 750 to 1000 Hz, just below the cue
    row = _scores(_maps(value), [(1000, 1500)], blur=(250.0, 0.0)).iloc[0]
    assert row["mass"] == 1.0
    assert row["which"] == 0.5  # nothing at either cue


def test_the_profile_is_summed_with_signs_before_its_peak_is_taken():
    value = np.zeros((1, 8, 2))
    value[0, 5] = [5.0, -5.0]  # comes and goes
    value[0, 2] = 1.0
    row = _scores(_maps(value), [(1000, 1500)]).iloc[0]
    assert row["pointing"] == 1
    assert row["mass"] == pytest.approx(2 / 12)


@given(
    st.lists(st.floats(0.01, 10), min_size=4, max_size=4),
    st.integers(1, 6),
    st.floats(0, 3000),
    st.floats(50, 3000),
)
@settings(max_examples=50, deadline=None)
def test_scores_do_not_depend_on_the_grid(heights, finer, low, width):
    """The same density on a grid that is `finer` times as fine holds the same masses."""
    coarse = np.array(heights)[None, :, None]
    fine = np.repeat(coarse, finer, axis=1) / finer
    regions = [(low, min(low + width, MAX_HZ))]
    # The other cue lies beyond the axis, so that nothing is taken out of the plane.
    a, b = (_scores(_maps(value), regions, [(MAX_HZ, MAX_HZ + 1)]).iloc[0] for value in (coarse, fine))
    for name in ("mass", "null"):
        assert a[name] == pytest.approx(b[name], abs=1e-9)
    assert a["auc"] == pytest.approx(b["auc"], abs=1e-6, nan_ok=True)  # NaN: the band is all there is


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=20, deadline=None)
def test_auc_equals_counting_pairs(seed):
    rng = np.random.default_rng(seed)
    value = rng.integers(0, 4, (1, 8, 3)).astype(float) + 0.1
    inside, kept = np.zeros((8, 3), bool), np.ones((8, 3), bool)
    inside[2:4] = True
    kept[7] = False
    pairs = [(a > b) + 0.5 * (a == b) for a in value[0][inside] for b in value[0][kept & ~inside]]
    assert _scores(_maps(value), [(1000, 2000)])["auc"][0] == pytest.approx(np.mean(pairs))


def test_uneven_cells_hold_their_value_over_their_own_extent():
    maps = _maps(np.array([[[1.0], [1.0], [2.0], [4.0]]])).assign_coords(frequency=[250.0, 750.0, 1250.0, 2750.0])
    np.testing.assert_allclose(band_edges(maps), [0, 500, 1000, 2000, 4000])
    row = _scores(maps, [(2000, 3000)], [(0, 500)]).iloc[0]
    # Densities are .002, .002, .002 and .002 per Hz: no place stands out.
    assert row["which"] == pytest.approx(0.5)
    assert row["auc"] == pytest.approx(0.5)
    assert row["mass"] == pytest.approx(4 * 0.5 / 7)


def test_overlapping_regions_count_once():
    regions = [Region(0, 1000), Region(500, 1500), Region(1400, 1600)]
    share = inside_share(regions, np.array([0.0, 2000.0, 4000.0]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(share, [[0.8], [0.0]])


def test_stretches_are_scored_in_time():
    value = np.zeros((1, 2, 8))
    value[0, :, 1] = 1.0
    # An axis of 0.4 s around a token of 0.2 s: from −0.1 to 0.3 s, columns of 50 ms.
    maps = _maps(value, seconds=0.4)
    np.testing.assert_allclose(time_edges(maps), [np.linspace(-0.1, 0.3, 9)], atol=1e-12)
    cues = [(0, MAX_HZ, -0.05, 0.0)], [(0, MAX_HZ, 0.2, 0.25)]
    row = _scores(maps, *cues).iloc[0]
    assert row[["which", "mass", "null", "auc", "pointing"]].tolist() == pytest.approx([1.0, 1.0, 1 / 7, 1.0, 1.0])
    late = _scores(maps.copy(data=np.roll(value, 5, axis=2)), *cues).iloc[0]
    assert late["which"] == 0
    assert late["mass"] == late["null"]  # all of it is at the other cue: nothing is said about the place


def test_wrong_shapes_and_values_are_refused():
    maps, truth = _maps(np.ones((2, 4, 1))), Truth((Region(0, 1000),), ())
    with pytest.raises(PhonoscopeError, match="1 and 2 truths for 2 maps"):
        score_maps(maps, [truth], [truth] * 2)
    with pytest.raises(PhonoscopeError, match="not finite"):
        score_maps(maps.where(maps["frequency"] > 600), [truth] * 2, [truth] * 2)
    with pytest.raises(PhonoscopeError, match="has no place"):
        score_maps(maps, [truth] * 2, [truth, Truth((), ())])
    with pytest.raises(PhonoscopeError, match="part is 'up'"):
        score_maps(maps, [truth] * 2, [truth] * 2, part="up")  # ty: ignore[invalid-argument-type]
