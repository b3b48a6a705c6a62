"""The slope of peaks against formants: 1 for maps that follow, 0 for maps that stay, whatever the classes do."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from phonoscope.evidence.following import _judged, formant_following, profile_peaks, with_verdicts
from phonoscope.judgement.intervals import Interval

CENTRES = (np.arange(64) + 0.5) * 62.5


def talkers(count=240, seed=0, sd=120.0):
    """Formants of two classes, 12 talkers: class means differ by 600 Hz, tokens by the talker and at random."""
    random = np.random.default_rng(seed)
    speaker = random.integers(0, 12, count)
    label = np.where(random.random(count) < 0.5, "i", "u")
    f2 = np.where(label == "i", 2000.0, 1400.0) + sd * random.normal(size=12)[speaker] + 60 * random.normal(size=count)
    formants = pd.DataFrame({"token": [f"t{i}" for i in range(count)], "f1_50": 400.0, "f2_50": f2, "f3_50": np.nan})
    return formants, label, pd.DataFrame({"speaker": speaker})


def bumps(at, width=100.0, tokens=None):
    values = np.exp(-0.5 * ((CENTRES - np.asarray(at)[:, None]) / width) ** 2) - 0.05
    names = [f"t{i}" for i in range(len(values))] if tokens is None else tokens
    return xr.DataArray(
        values,
        dims=("token", "frequency"),
        coords={"token": names, "frequency": CENTRES},
        attrs={"resolution_hz": 200.0},
    )


def rows(table, formant="F2"):
    return table[table["formant"] == formant].set_index("label")


def test_maps_that_follow_have_slope_one_and_maps_that_stay_have_slope_zero():
    formants, label, clusters = talkers()
    follow = rows(formant_following(bumps(formants["f2_50"]), formants, label, clusters, numbers=[2]))
    assert follow["slope"].to_numpy() == pytest.approx(1, abs=0.05)
    assert follow.loc["all", "low"] <= follow.loc["all", "slope"] <= follow.loc["all", "high"]
    assert set(follow["verdict"]) == {"follows"}
    assert follow["control_follows"].to_numpy() == pytest.approx(1, abs=0.05)
    assert follow["control_fixed"].to_numpy() == pytest.approx(0, abs=0.12)
    # Peaks at one place a class: between the classes they move by exactly what the formants do, within them not at all.
    stay = rows(
        formant_following(bumps(np.where(label == "i", 2000.0, 1400.0)), formants, label, clusters, numbers=[2])
    )
    assert stay["slope"].to_numpy() == pytest.approx(0, abs=1e-9)
    assert set(stay["verdict"]) == {"does not follow"}


def test_half_the_way_is_half_the_slope():
    formants, label, clusters = talkers()
    mean = np.where(label == "i", 2000.0, 1400.0)
    half = rows(formant_following(bumps(mean + 0.4 * (formants["f2_50"] - mean)), formants, label, clusters))
    assert half.loc["all", "slope"] == pytest.approx(0.4, abs=0.05)
    assert half.loc["all", "verdict"] == "does not follow"  # 0.4 (0.38 to 0.42): shown to be less than half


@pytest.mark.parametrize(
    ("low", "high", "control", "verdict"),
    [
        (0.6, 1.4, 1.0, "follows"),
        (0.3, 1.2, 1.0, "cannot be told"),
        (0.6, 1.7, 1.0, "cannot be told"),
        (-0.2, 0.4, 1.0, "does not follow"),
        (-1.75, -0.16, 1.0, "does not follow"),  # it goes the other way: nobody may say that it stays
        (1.6, 2.4, 1.0, "does not follow"),
        (-1.75, 0.6, 1.0, "cannot be told"),
        (0.35, 1.0, 0.7, "follows"),
        (0.6, 1.4, 0.3, "cannot be told"),  # too coarse a map
        (np.nan, np.nan, 1.0, "cannot be told"),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side_of_the_bounds(low, high, control, verdict):
    interval = Interval((low + high) / 2, low, high, 20, "speaker", (high - low) / 2 / 1.96, 1e6)
    row = {"label": "all", "slope": interval.estimate, "control_follows": control, **_judged(interval, control)}
    assert with_verdicts(pd.DataFrame([row]))["verdict"].tolist() == [verdict]


def test_slopes_of_many_methods_are_corrected_together_and_single_classes_apart():
    one = {"label": "all", "slope": 1.0, "control_follows": 1.0, "p": 0.01}
    assert with_verdicts(pd.DataFrame([one]))["verdict"].tolist() == ["follows"]
    both = with_verdicts(pd.DataFrame([one] * 10 + [{**one, "label": "i", "p": 0.02}] * 2))
    assert both["p_holm"].tolist() == pytest.approx([0.1] * 10 + [0.04] * 2)
    assert both["verdict"].tolist() == ["cannot be told"] * 10 + ["follows"] * 2


@pytest.mark.parametrize(("share", "wrong"), [(0.5, "follows"), (0.5, "does not follow"), (0.0, "follows")])
def test_verdicts_are_wrong_one_time_in_twenty_at_most(share, wrong):
    """Peaks that move by just half of what their formant does, or not at all, with an error of their own."""
    spoilt = 0
    for seed in range(40):
        formants, label, clusters = talkers(96, seed)
        mean = np.where(label == "i", 2000.0, 1400.0)
        error = np.random.default_rng(1000 + seed).normal(size=96) * 80
        profiles = bumps(mean + share * (formants["f2_50"] - mean) + error)
        table = rows(formant_following(profiles, formants, label, clusters, numbers=[2], seed=seed))
        spoilt += table.loc["all", "verdict"] == wrong
    assert spoilt <= 5  # of 40: one in twenty, and what chance adds to it one time in a hundred


def test_fewer_than_six_units_have_no_interval():
    formants, label, _ = talkers(60)
    few = pd.DataFrame({"speaker": np.arange(60) % 5})
    table = formant_following(bumps(formants["f2_50"]), formants, label, few, numbers=[2])
    by_tokens = formant_following(bumps(formants["f2_50"]), formants, label, None, numbers=[2])
    assert (table["n_units"] >= 6).all() or table["low"].isna().all()
    assert rows(by_tokens).loc["all", "verdict"] == "follows"


def test_the_control_says_what_a_coarse_map_can_show():
    formants, label, clusters = talkers(sd=20.0)
    coarse = bumps(formants["f2_50"], width=500.0).isel(frequency=slice(None, None, 16))
    coarse.attrs["resolution_hz"] = 1000.0
    table = rows(formant_following(coarse, formants, label, clusters))
    fine = rows(formant_following(bumps(formants["f2_50"]), formants, label, clusters))
    assert table.loc["all", "formant_sd"] == pytest.approx(fine.loc["all", "formant_sd"])
    assert abs(fine.loc["all", "control_follows"] - 1) < 0.1


def test_tokens_without_formants_or_without_importance_are_reported():
    formants, label, clusters = talkers(60)
    profiles = bumps(formants["f2_50"])
    profiles[0] = -1.0
    formants.loc[1:3, "f2_50"] = np.nan
    table = formant_following(profiles, formants, label, clusters, numbers=[2, 3])
    assert rows(table).loc["all", "n"] == 56
    reasons = {entry["reason"]: entry["count"] for entry in table.attrs["left_out"]}
    assert reasons == {"no F2": 3, "nothing positive around F2": 1, "no F3": 60}
    assert rows(table, "F3").empty


def test_a_peak_is_the_vertex_of_a_parabola_on_an_uneven_axis():
    centres = np.array([100.0, 250.0, 500.0, 900.0])
    values = 5 - ((centres - 430) / 100) ** 2
    values = np.maximum(values, 0)[None]
    exact = 5 - ((centres - 380) / 300) ** 2
    peaks = profile_peaks(exact[None], centres, np.array([0.0]), np.array([1000.0]))
    assert peaks == pytest.approx([380])
    assert profile_peaks(values, centres, np.array([600.0]), np.array([800.0])).tolist() == pytest.approx(
        [np.nan], nan_ok=True
    )
    rising = np.array([[1.0, 2.0, 3.0, 4.0]])
    assert profile_peaks(rising, centres, np.array([0.0]), np.array([600.0])) == pytest.approx([500])
