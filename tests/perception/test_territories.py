"""Territory maps, trading relations and normalisation of listeners whose rule is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax

from phonoscope.errors import PerceptionError
from phonoscope.perception import Trials
from phonoscope.perception.grids import FormantGrid
from phonoscope.perception.planes import logistic_plane, normalisation, trading_relation
from phonoscope.perception.territories import agreement, boundary_lines, published_territory, territory
from phonoscope.scales import hz_to_bark
from phonoscope.synthesis.talkers import published_vowels

GRID = FormantGrid(steps=(9, 9))
LABELS = ["i", "u", "ɑ"]


def measured(tokens=16, seed=0):
    """Every token at every place of the grid, each of its own talker, who brings along F3 and F0."""
    rng = np.random.default_rng(seed)
    parts = []
    for token in range(tokens):
        targets = GRID.targets() + rng.normal(0, 8, (len(GRID.targets()), 4))
        f3, f0 = rng.normal(2700, 200), rng.normal(160, 40)
        table = pd.DataFrame({"token": token, "class": "i", "speaker": f"s{token}", "recording": f"r{token}",
                              "cue": "f1+f2", "missed": False, "unit": "Hz", "achieved": np.nan,
                              "f1": targets[:, 0], "f2": targets[:, 1], "before_f3": f3, "f0": f0})  # fmt: skip
        table["f3"] = np.maximum(f3, table["f2"] + 200)
        table["step"] = GRID.cells(*GRID.targets()[:, :2].T).astype(float)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def table():
    return measured()


def answered(table, weights, trainings=1, noise=0.0):
    """Log odds of i against u that are linear in Bark."""
    odds = sum(weight * (hz_to_bark(table[name].to_numpy()) - hz_to_bark(middle))
               for name, (weight, middle) in weights.items())  # fmt: skip
    rng = np.random.default_rng(1)
    z = np.zeros((trainings, len(table), len(LABELS)))
    z[..., 0] = odds + noise * rng.normal(size=(trainings, table["token"].nunique()))[:, table["token"]]
    z[..., 2] = 3.0 * (hz_to_bark(table["f1"].to_numpy()) - hz_to_bark(650.0))
    return Trials(table, LABELS, log_softmax(z, axis=-1))


def test_the_territory_is_the_rule(table):
    found = territory(answered(table, {"f2": (5.0, 1400.0)}), GRID)
    f1, f2 = found["f1"].values, found["f2"].values
    winner = found["winner"].values
    there = found["n"].values > 0
    open_ = (f1 > 690)[:, None] & there
    assert (winner[open_ & (f2 < 1300)] == "ɑ").all()
    assert (winner[(f1 < 600)[:, None] & (f2 < 1300) & there] == "u").all()
    assert (winner[(f1 < 600)[:, None] & (f2 > 1500) & there] == "i").all()
    assert np.allclose(found["share"].sum("label").values[there], 1.0)
    assert int(found["n"].sum()) + found.attrs["outside"] == len(table)
    assert set(winner[~there].ravel()) <= {""}
    assert np.all(found["low"].values[there] <= found["winner_share"].values[there])


def test_lines_run_where_two_answers_are_equally_frequent(table):
    lines = boundary_lines(territory(answered(table, {"f2": (5.0, 1400.0)}), GRID))
    between = lines[(lines["label"] == "i") & (lines["against"] == "u")]
    step = np.diff(hz_to_bark(GRID.places[1])).mean()
    assert np.abs(hz_to_bark(between["f2"]) - hz_to_bark(1400.0)).max() < step
    assert between["f1"].max() < 750
    low = lines[(lines["label"] == "u") & (lines["against"] == "ɑ")]
    assert low["f1"].median() == pytest.approx(650.0, rel=0.06)
    assert low["f2"].max() < 1600


def test_where_one_answer_is_always_given_there_is_no_line(table):
    log_p = np.tile(np.log([0.2, 0.7, 0.1]), (1, len(table), 1))
    found = territory(Trials(table, LABELS, log_p), GRID)
    assert len(boundary_lines(found)) == 0
    assert set(found["winner"].values.ravel()) == {"u", ""}


def test_missed_and_strayed_stimuli_are_counted_and_left_out(table):
    wild = table["step"] == 40
    far = table["step"] == 44
    spoilt = table.assign(missed=wild, f2=table["f2"].where(~far, 3500.0))
    found = territory(answered(spoilt, {"f2": (5.0, 1400.0)}), GRID)
    assert found.attrs["missed"] == wild.sum() == int(found["missed"].values.ravel()[40])
    assert found.attrs["outside"] >= far.sum()
    assert found["n"].values.ravel()[40] < 16


def test_a_trading_relation_is_the_ratio_of_both_slopes(table):
    found = trading_relation(answered(table, {"f1": (-1.0, 500.0), "f2": (2.0, 1400.0)}, 2, 0.5), "i", "u")
    assert found["trade"] == pytest.approx(0.5, abs=0.02)  # 1 Bark more of F1 needs half a Bark more of F2
    assert found["low"] <= found["trade"] <= found["high"]
    assert found["slope_second"] == pytest.approx(2.0, rel=0.1)
    assert found["trainings"] == 2
    none = trading_relation(answered(table, {"f1": (-1.0, 500.0)}), "i", "u")
    assert np.isnan(none["trade"])
    assert none["why_not"]


def test_intervals_of_trading_relations_cover():
    """Talkers who are heard by more or less of F1: the interval of the mean trade covers it."""
    table, hits = measured(8), 0
    rng = np.random.default_rng(2)
    for _ in range(40):
        trade = rng.normal(0.5, 0.2, 8)[table["token"]]
        odds = 2.0 * (hz_to_bark(table["f2"]) - hz_to_bark(1400.0) - trade * (hz_to_bark(table["f1"]) - 5.0))
        z = np.zeros((1, len(table), 3))
        z[0, :, 0] = odds
        found = trading_relation(Trials(table, LABELS, log_softmax(z, axis=-1)), "i", "u")
        hits += found["low"] <= 0.5 <= found["high"]
    assert hits >= 34


@pytest.mark.parametrize(
    ("rule", "shift"),
    [
        ({"f2": (2.0, 1400.0)}, {"f3": 0.0, "f0": 0.0}),
        ({"f2": (2.0, 1400.0), "f3": (-2.0, 2700.0)}, {"f3": 1.0, "f0": 0.0}),
        ({"f2": (2.0, 1400.0), "f0": (-0.6, 160.0)}, {"f3": 0.0, "f0": 0.3}),
    ],
)
def test_a_boundary_moves_with_the_talker_as_planted(table, rule, shift):
    found = normalisation(answered(table, rule, noise=0.05), "i", "u").set_index("by")
    for name, wanted in shift.items():
        row = found.loc[name]
        assert row["shift"] == pytest.approx(wanted, abs=0.1)
        assert row["low"] - 0.02 <= wanted <= row["high"] + 0.02
    assert found["pushed"].iloc[0] > 0
    of_talkers = normalisation(answered(table, rule), "i", "u", of_talker=True).set_index("by")
    assert of_talkers["shift"].to_dict() == pytest.approx(shift, abs=0.1)


def test_normalisation_says_why_not(table):
    deaf = normalisation(answered(table, {"f1": (1.0, 500.0)}), "i", "u")
    assert deaf["shift"].isna().all()
    assert deaf["why_not"].str.contains("neither answer").all()
    alike = normalisation(answered(table.assign(f0=120.0), {"f2": (2.0, 1400.0)}), "i", "u").set_index("by")
    assert "hardly differ" in alike.loc["f0", "why_not"]
    with pytest.raises(PerceptionError, match="f4 was not moved"):
        normalisation(answered(table, {"f2": (2.0, 1400.0)}), "i", "u", cue="f4")
    with pytest.raises(PerceptionError, match="was moved itself"):
        normalisation(answered(table, {"f2": (2.0, 1400.0)}), "i", "u", by=["f1"])
    with pytest.raises(PerceptionError, match="not measured"):
        normalisation(answered(table, {"f2": (2.0, 1400.0)}), "i", "u", by=["b1"])


def test_a_logistic_plane_is_found():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    share = 1 / (1 + np.exp(-(0.3 + x @ [1.0, -2.0, 0.0])))
    assert logistic_plane(x, share) == pytest.approx([0.3, 1.0, -2.0, 0.0], abs=1e-4)


def test_published_vowels_own_their_means():
    found = published_territory()
    published = published_vowels()
    for sex, group in (("m", "men"), ("f", "women")):
        for vowel in ("i", "æ", "u"):
            hz = published[sex, vowel]
            place = found.sel(group=group).sel(f1=hz["f1"], f2=hz["f2"], method="nearest")
            assert place["winner"].item() == vowel, (group, vowel)
    assert np.allclose(found["share"].sum("label"), 1.0)
    few = published_territory(GRID, ["i", "oʊ", "aa"])
    assert set(few["winner"].values.ravel()) <= {"i", "oʊ", "aa"}
    assert len(boundary_lines(few.sel(group="men"))) > 0
    with pytest.raises(PerceptionError, match="published table"):
        published_territory(GRID, ["s"])


def test_who_answers_as_people_agrees_with_them(table):
    published = published_territory(GRID, LABELS)
    cells = GRID.cells(table["f1"], table["f2"])
    winners = published["winner"].sel(group="men").values.ravel()[cells]
    log_p = np.log(np.where(winners[:, None] == np.array(LABELS), 0.98, 0.01))[None]
    inside = table[cells >= 0].reset_index(drop=True)
    found = agreement(Trials(inside, LABELS, log_p[:, cells >= 0]), published, GRID).set_index("group")
    assert found.loc["men", "agreement"] == 1.0
    assert 0.3 < found.loc["children", "agreement"] < 1.0
    shuffled = np.random.default_rng(0).permutation(log_p[0, cells >= 0])[None]
    chance = agreement(Trials(inside, LABELS, shuffled), published, GRID).set_index("group").loc["men"]
    assert chance["agreement"] == pytest.approx(chance["chance"], abs=0.05)
    assert chance["low"] < chance["agreement"] < chance["high"]
