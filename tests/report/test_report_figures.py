"""The data behind the figures of results: extents, units and places, against closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from phonoscope.errors import PhonoscopeError
from phonoscope.report import bands, confusions, maps, profiles, shares, style, vowel_chart


def new_axes():
    return style.new_figure(4, 3).subplots()


# Maps


def tidy_means(values: np.ndarray, frequency: list[float], time: list[float], **columns) -> pd.DataFrame:
    rows = [(f, t, values[i, j]) for i, f in enumerate(frequency) for j, t in enumerate(time)]
    facts = {"kind": "map", "subset": "all", "class": "i", "count": 3} | columns
    return pd.DataFrame(rows, columns=["frequency", "time", "mean"]).assign(**facts)


def test_mean_array_sorts_low_frequency_first_and_keeps_the_count():
    values = np.arange(6.0).reshape(3, 2)
    means = tidy_means(values[::-1], [3000.0, 2000.0, 1000.0], [0.2, 0.8]).sample(frac=1, random_state=0)
    array = maps.mean_array(means, "map", "all", "i")
    np.testing.assert_array_equal(array.values, values)
    np.testing.assert_array_equal(array["frequency"], [1000.0, 2000.0, 3000.0])
    assert array.attrs["count"] == 3


@pytest.mark.parametrize("asked", [("map", "errors", "i"), ("map", "all", "u"), ("spectrogram", "all", "i")])
def test_mean_that_is_not_there_is_refused(asked):
    means = tidy_means(np.ones((1, 1)), [1000.0], [0.5])
    with pytest.raises(PhonoscopeError, match="no token is in it"):
        maps.mean_array(means, *asked)


def test_map_cells_lie_at_their_centres_unsmoothed_and_centred_at_zero():
    values = xr.DataArray(
        [[1.0, -2.0], [0.5, 0.0], [3.0, -1.0]],
        dims=("frequency", "time"),
        coords={"frequency": [200.0, 1000.0, 3000.0], "time": [0.1, 0.7]},
    )
    axes = new_axes()
    maps.draw_map(axes, values, max_hz=4000.0, limit=2.5)
    (mesh,) = axes.collections
    np.testing.assert_array_equal(mesh.get_array(), values)
    corners = mesh.get_coordinates()
    np.testing.assert_allclose(corners[:, 0, 1], [0, 600, 2000, 4000])
    np.testing.assert_allclose(corners[0, :, 0], [0, 0.4, 1])
    assert mesh.get_clim() == (-2.5, 2.5)
    assert mesh.get_cmap()(0.5)[:3] == pytest.approx((0.97, 0.97, 0.97), abs=0.01)
    assert axes.get_ylim() == (0, 4000)


def test_one_scale_holds_all_classes_and_leaves_out_what_has_no_token():
    means = pd.concat(
        [
            tidy_means(np.array([[1.0, -4.0]]), [500.0], [0.2, 0.8]),
            tidy_means(np.array([[99.0, 0.0]]), [500.0], [0.2, 0.8], subset="errors"),
            tidy_means(np.array([[50.0, 0.0]]), [500.0], [0.2, 0.8], count=0, **{"class": "u"}),
        ]
    )
    assert maps.map_limit(means) == 4.0
    assert maps.map_limit(means.assign(mean=0.0)) == 1.0


def test_class_map_figure_shares_one_frequency_axis_and_says_what_it_counts():
    mean_map = xr.DataArray(
        np.ones((2, 2)), dims=("frequency", "time"), coords={"frequency": [1000.0, 3000.0], "time": [0.25, 0.75]}
    ).assign_attrs(count=7)
    figure = maps.class_map_figure(
        mean_map, mean_map, bands.class_formants(pd.DataFrame({"token": []}), {}), max_hz=4000.0, limit=1, title="/i/"
    )
    assert {axes.get_ylim() for axes in figure.axes} == {(0, 4000)}
    assert figure.axes[0].get_ylabel() == "Frequency (Hz)"
    assert figure.axes[2].get_title(loc="left") == "map, n = 7"


def test_contours_are_left_away_where_few_spectrograms_were_averaged():
    hz = np.linspace(100, 3900, 20)
    level = -30.0 * np.abs(hz - 1000) / 1000
    picture = xr.DataArray(
        np.tile(level[:, None], 6), dims=("frequency", "time"), coords={"frequency": hz, "time": np.linspace(0, 1, 6)}
    )
    drawn = {}
    for count in (2, 50):
        figure = maps.class_map_figure(
            picture,
            picture.assign_attrs(count=count),
            bands.class_formants(pd.DataFrame({"token": []}), {}),
            max_hz=4000.0,
            limit=1.0,
            title="x",
        )
        drawn[count] = len(figure.axes[2].collections)
    assert drawn == {2: 1, 50: 2}


# Formants of classes


def test_class_formants_are_means_over_what_was_found():
    table = pd.DataFrame(
        {
            "token": ["a", "b", "c", "d"],
            "f1_50": [300.0, 500.0, np.nan, 9.0],
            "b1_50": [60.0, 100.0, 10.0, 9.0],
            "f2_50": [np.nan] * 4,
        }
    )
    found = bands.class_formants(table, {"a": "i", "b": "i", "c": "i"})
    assert len(found) == 1  # F2 was found nowhere, d has no class
    row = found.iloc[0]
    assert (row["class"], row["formant"], row["n"], row["mean_hz"]) == ("i", "F1", 2, 400.0)
    assert row["sd_hz"] == pytest.approx(np.sqrt(2) * 100)
    assert (row["bandwidth_hz"], row["low_hz"], row["high_hz"]) == (80.0, 360.0, 440.0)


def test_formant_boxes_are_as_wide_as_the_band_and_none_lies_above_the_axis():
    table = pd.DataFrame({"token": ["a"], "f1_50": [400.0], "b1_50": [80.0], "f4_50": [5000.0], "b4_50": [200.0]})
    found = bands.class_formants(table, {"a": "i"})
    axes = new_axes()
    bands.mark_formants(axes, found, 4000.0)
    (box,) = axes.patches
    assert (box.get_y(), box.get_height()) == (360.0, 80.0)
    assert [text.get_text() for text in axes.texts] == ["F1"]
    assert axes.get_ylim() == (0, 4000)


# Profiles


@given(st.lists(st.tuples(st.floats(-50, 50), st.integers(1, 200)), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_chance_profile_is_the_mean_over_tokens(classes):
    table = pd.DataFrame(
        [
            {"label": str(i), "frequency": hz, "mean": mean + hz, "n": n}
            for i, (mean, n) in enumerate(classes)
            for hz in (100.0, 200.0)
        ]
    )
    each = np.repeat([mean for mean, _ in classes], [n for _, n in classes])
    chance = profiles.chance_profile(table)
    assert chance["mean"].to_numpy() == pytest.approx(each.mean() + np.array([100.0, 200.0]), abs=1e-9)


def a_profile() -> pd.DataFrame:
    hz = np.array([3000.0, 500.0, 1500.0])
    return pd.DataFrame({"frequency": hz, "mean": hz / 1000, "low": hz / 1000 - 0.5, "high": hz / 1000 + 0.5})


def test_profile_runs_over_the_whole_band_in_hertz_with_chance_and_energy():
    energy = pd.DataFrame({"frequency": [0.0, 4000.0], "mean": [10.0, 40.0]})
    chance = pd.DataFrame({"frequency": [500.0, 3000.0], "mean": [1.0, 1.0]})
    axes = new_axes()
    profiles.draw_profile(axes, a_profile(), max_hz=4000.0, colour="#000000", chance=chance, energy=energy)
    assert axes.get_xlim() == (0, 4000)
    lines = {line.get_label(): line.get_data() for line in axes.lines}
    np.testing.assert_array_equal(lines["importance"][0], [500, 1500, 3000])
    np.testing.assert_array_equal(lines["importance"][1], [0.5, 1.5, 3.0])
    np.testing.assert_array_equal(lines["chance"][1], [1.0, 1.0])
    areas = {area.get_label(): area.get_paths()[0].get_extents() for area in axes.collections}
    assert (areas["interval"].y0, areas["interval"].y1) == (0.0, 3.5)
    foot, top = axes.get_ylim()
    assert areas["energy"].y1 == pytest.approx(foot + 0.92 * (top - foot))


def test_profile_limits_hold_bands_and_zero():
    foot, top = profiles.profile_limits(a_profile())
    assert foot < 0.0 < 3.5 < top
    flat = pd.DataFrame({"mean": [0.0], "low": [np.nan], "high": [np.nan]})
    assert profiles.profile_limits(flat) == (-1.0, 1.0)


def test_profile_figure_labels_quantity_and_unit():
    none = bands.class_formants(pd.DataFrame({"token": []}), {})
    figure = profiles.profile_figure(a_profile(), none, max_hz=4000.0, colour="#000000", title="/i/", unit="logit")
    assert figure.axes[1].get_xlabel() == "Frequency (Hz)"
    assert figure.axes[1].get_ylabel() == "Importance (summed logit)"


def test_empty_profile_is_refused():
    with pytest.raises(PhonoscopeError, match="nothing to draw"):
        profiles.draw_profile(new_axes(), a_profile().assign(mean=np.nan), max_hz=4000.0, colour="#000000")


# Vowel chart


@given(st.integers(0, 10_000), st.integers(3, 40))
@settings(max_examples=30, deadline=None)
def test_ellipse_lies_one_standard_deviation_from_the_mean(seed, n):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 2)) * 100 + [1500, 500]
    offset = vowel_chart.sd_ellipse(*points.T) - points.mean(axis=0)
    inverse = np.linalg.inv(np.cov(points.T))
    assert np.einsum("pi,ij,pj->p", offset, inverse, offset) == pytest.approx(1.0, rel=1e-6)


def vowel_tokens(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"f1_50": rng.normal(500, 30, n), "f2_50": rng.normal(1500, 90, n)})
    return table.assign(f1_20=400.0, f2_20=1400.0, f1_80=600.0, f2_80=1700.0)


def test_vowel_chart_has_reversed_axes_in_hertz_a_letter_and_an_arrow():
    table = vowel_tokens(30)
    axes = new_axes()
    vowel_chart.draw_vowel_chart(axes, table, pd.Series(["ɝ"] * 30), {"ɝ": "#000000", "u": "#ff0000"})
    assert axes.get_xlim()[0] > axes.get_xlim()[1]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("F2 (Hz)", "F1 (Hz)")
    assert axes.xaxis.get_label_position() == "top"
    letters = {text.get_text(): text.get_position() for text in axes.texts if text.get_text()}
    assert letters == {"ɝ": pytest.approx((table["f2_50"].mean(), table["f1_50"].mean()))}
    (arrow,) = [text for text in axes.texts if not text.get_text()]
    assert tuple(arrow.xyann) == (1400.0, 400.0)
    assert tuple(arrow.xy) == (1700.0, 600.0)


def test_two_tokens_get_a_letter_but_no_ellipse():
    drawn = {}
    for n in (2, 3):
        axes = new_axes()
        vowel_chart.draw_vowel_chart(axes, vowel_tokens(n), pd.Series(["i"] * n), {"i": "#000000"})
        drawn[n] = len(axes.lines)
    assert drawn == {2: 1, 3: 2}  # the dots, then the ellipse


def test_one_slip_of_the_tracker_does_not_squeeze_the_chart():
    table = vowel_tokens(500)
    usual = vowel_chart.chart_limits(table)
    table.loc[0, ["f1_50", "f2_50"]] = [3000.0, 9000.0]
    (high_f2, _), (high_f1, _) = vowel_chart.chart_limits(table)
    assert high_f2 < usual[0][0] + 100
    assert high_f1 < usual[1][0] + 100


# Recognition


def confusion_rows() -> pd.DataFrame:
    rows = [("i", "i", 8, 80.0), ("i", "u", 2, 20.0), ("u", "i", 0, 0.0), ("u", "u", 5, 100.0)]
    return pd.DataFrame(rows, columns=["true", "predicted", "count", "row_percent"])


def test_confusions_have_rows_for_what_was_spoken_top_down():
    np.testing.assert_array_equal(confusions.confusion_matrix(confusion_rows(), ["u", "i"]), [[5, 0], [2, 8]])
    axes = new_axes()
    confusions.draw_confusions(axes, confusion_rows(), ["i", "u"])
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0.5, 0.5): "8\n80.0 %", (1.5, 0.5): "2\n20.0 %", (0.5, 1.5): "0", (1.5, 1.5): "5\n100.0 %"}
    assert axes.get_ylim() == (2, 0)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("taken for", "spoken")
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["i", "u"]
    (mesh,) = axes.collections
    assert mesh.get_clim() == (0, 100)


def test_class_without_tokens_shows_a_dash():
    rows = confusion_rows()
    rows.loc[rows["true"] == "u", ["count", "row_percent"]] = [0, np.nan]
    axes = new_axes()
    confusions.draw_confusions(axes, rows, ["i", "u"])
    assert [text.get_text() for text in axes.texts][2:] == ["–", "–"]


def test_accuracy_shows_the_network_then_baselines_best_first_then_classes_in_order():
    columns = ["measure", "label", "estimate", "low", "high"]
    rows = [
        ("accuracy", pd.NA, 0.9, 0.8, 0.95),
        ("balanced accuracy", pd.NA, 0.88, 0.7, 0.94),
        ("hit rate", "u", 0.5, np.nan, np.nan),
        ("hit rate", "i", 1.0, 1.0, 1.0),
    ]
    baselines = pd.DataFrame({"name": ["majority class", "LDA"], "accuracy": [0.2, 0.7]})
    table = confusions.accuracy_rows(pd.DataFrame(rows, columns=columns), baselines, ["i", "u"])
    assert table["what"].tolist()[2:] == ["LDA", "majority class", "i", "u"]
    axes = new_axes()
    confusions.draw_accuracy(axes, table)
    dots = [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([90, 88, 70, 20, 100, 50])
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert axes.get_xlabel() == "tokens recognised (%)"


# Shares


def ratio_rows(**columns) -> pd.DataFrame:
    row = {"formant": "F1", "null": "run", "ratio": 1.2, "low": 1.1, "high": 1.4, "energy_ratio": 1.5}
    return pd.DataFrame([row | columns])


def test_ratios_stand_on_a_logarithmic_axis_around_one():
    axes = new_axes()
    shares.draw_ratios(axes, ratio_rows())
    assert axes.get_xscale() == "log"
    low, high = axes.get_xlim()
    assert low < 1 < 1.5 < high
    marks = {line.get_marker(): float(line.get_xdata()[0]) for line in axes.lines if line.get_linestyle() == "None"}
    assert marks["|"] == 1.5
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in dots] == [1.2]
    assert any(list(line.get_xdata()) == [1.1, 1.4] for line in axes.lines)


def test_interval_beyond_the_axis_is_marked_as_going_on():
    axes = new_axes()
    shares.draw_ratios(axes, ratio_rows(low=0.0), limits=(0.5, 2.0))
    assert [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "<"] == [0.5]
    assert not [line for line in axes.lines if line.get_marker() == ">"]


def test_ratio_that_is_not_known_leaves_a_gap():
    axes = new_axes()
    shares.draw_ratios(axes, ratio_rows(ratio=np.nan, low=np.nan, high=np.nan, energy_ratio=np.nan))
    assert not [line for line in axes.lines if line.get_marker() in ("o", "|")]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["F1"]


@given(st.lists(st.floats(0.001, 500), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_ratio_limits_hold_one_and_stay_readable(ratios):
    table = pd.concat([ratio_rows(ratio=ratio, low=ratio, high=ratio) for ratio in ratios])
    low, high = shares.ratio_limits(table)
    assert 0.1 <= low < 1 < high <= 20
    inside = [ratio for ratio in ratios if 0.11 < ratio < 18]
    assert all(low <= ratio <= high for ratio in inside)
