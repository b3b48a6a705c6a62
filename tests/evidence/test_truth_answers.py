"""Answers of the truth benchmark where they are known: questions apart, missing missing, no false winner."""

import json

import numpy as np
import pandas as pd
import pytest

from phonoscope.evidence.advice import check, predictive_measures, recommend, to_json_object
from phonoscope.evidence.answers import QUESTIONS, answer_table, by_distance, control_table, over_pairs, ranking, scored
from phonoscope.evidence.benchmark import CEILING, COLUMNS
from phonoscope.evidence.causal import GRADES, USES
from phonoscope.evidence.label_free import LABEL_FREE
from phonoscope.evidence.pairs import PAIRS
from phonoscope.files import to_json

CAUSAL = dict(zip(GRADES, (0.9, 0.7, 0.5, 0.3, 0.1), strict=True))


def _chosen(table):
    return {row["question"]: row for row in recommend(scored(table))}


AT_GOAL = tuple(PAIRS)[1::3]


def _table(methods, *, pairs=AT_GOAL):
    """A run in which a method puts `at` of its evidence at the used cue, and reaches `place` of what is attainable.

    Each method is (kind, at, place, slope); None for `at` or `slope`: no answer.
    """
    rows = []
    for key in pairs:
        pair = PAIRS[key]
        distance = {"distance_ms" if pair.in_time else "distance_hz": pair.distance}
        facts = {"pair": pair.name, **distance, "network": "n", "front_end": "f", "seed": 0, "learnt": True}
        for method, (kind, at, place, slope) in methods.items():
            named = {"method": method, "kind": "control" if kind == "data" else kind}
            for uses in USES:
                share = np.nan if at is None else at
                first = share if kind == "data" or uses == "first" else 1 - share
                mass = 0.2 + 0.8 * 0.9 * place
                row = {"share": first, "share_positive": first, "mass": mass, "mass_positive": mass, "null": 0.2}
                row |= {"auc": 0.5 + place / 2, "auc_positive": 0.5 + place / 2}
                row |= {"causal": float(uses == "first")}
                rows.append({**named, **facts, "uses": uses, **row})
            for uses, causal in CAUSAL.items():
                share = np.nan if slope is None else 0.5 + slope * (causal - 0.5)
                row = {"share": share, "share_positive": share, "causal": causal}
                rows.append({**named, **facts, "uses": uses, **row})
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


GOOD = {
    "sharp": ("method", 0.9, 0.8, 1.0),
    "blurred": ("method", 0.9, 0.3, 0.8),
    "blind": ("method", None, 0.0, None),
    "wrong": ("method", 0.3, 0.1, -1.0),
    "peer": ("peer", 0.8, 0.5, 0.5),
    "data (weighted)": ("data", 0.8, 0.5, 0.0),
    "random: sharp": ("control", 0.5, 0.0, 0.0),
    CEILING: ("bound", 1.0, 1.0, None),
}


@pytest.fixture(scope="module")
def table():
    return _table(GOOD)


@pytest.fixture(scope="module")
def answers(table):
    return answer_table(scored(table)).set_index(["method", "question"])


def test_blur_is_not_falsehood(answers):
    for question in ("which band", "which moment"):
        assert answers.loc[("sharp", question), "estimate"] == answers.loc[("blurred", question), "estimate"] == 1
        assert answers.loc[("wrong", question), "estimate"] == 0
    assert answers.loc[("sharp", "exact band"), "estimate"] == pytest.approx(0.8)
    assert answers.loc[("blurred", "exact moment"), "estimate"] == pytest.approx(0.3)


def test_the_exact_place_is_asked_only_where_the_cue_is_right(answers):
    wrong = answers.loc[("wrong", "exact band")]
    assert np.isnan(wrong["estimate"])
    assert wrong["n"] == 0


def test_how_much_is_a_rank_and_a_slope(answers):
    assert answers.loc[("blurred", "how much"), "estimate"] == pytest.approx(1)
    assert answers.loc[("blurred", "slope"), "estimate"] == pytest.approx(0.8)
    assert answers.loc[("wrong", "how much"), "estimate"] == pytest.approx(-1)
    assert answers.loc[("random: sharp", "how much"), "estimate"] == 0  # the same share whatever the network uses


def test_missing_stays_missing_and_is_counted(answers):
    blind = answers.loc["blind"]
    assert blind["estimate"].isna().all()
    assert (blind["n"] == 0).all()
    assert blind.loc["which band", "missing"] == 2 * sum(not PAIRS[key].in_time for key in AT_GOAL)
    assert blind.loc["how much", "missing"] == len(AT_GOAL)
    assert answers.loc[("sharp", "which band"), "missing"] == 0


def test_a_network_that_did_not_learn_is_left_out_for_all(table, answers):
    rows = (table["pair"] == "f1 + f2") & (table["uses"] == "first")
    less = answer_table(scored(table.assign(learnt=table["learnt"] & ~rows))).set_index(["method", "question"])
    assert less.loc[("sharp", "which band"), "n"] == answers.loc[("sharp", "which band"), "n"] - 1
    assert less.loc[("blind", "which band"), "missing"] == less.loc[("sharp", "which band"), "n"]


def test_a_tie_is_half_right():
    even = answer_table(scored(_table({"even": ("method", 0.5, 0.0, 0.5), CEILING: ("bound", 1.0, 1.0, None)})))
    assert even.set_index(["method", "question"]).loc[("even", "which band"), "estimate"] == 0.5


def test_close_cues_are_not_among_the_goals_but_in_the_table_of_distances():
    near = [key for key, pair in PAIRS.items() if pair.distance < (40 if pair.in_time else 500)]
    table = pd.concat([
        _table({"m": ("method", 0.3, 0.1, 1.0), CEILING: ("bound", 1.0, 1.0, None)}, pairs=near),
        _table({"m": ("method", 0.9, 0.5, 1.0), CEILING: ("bound", 1.0, 1.0, None)},
               pairs=[key for key in PAIRS if key not in near]),
    ])  # fmt: skip
    answers = answer_table(scored(table)).set_index(["method", "question"])
    assert answers.loc[("m", "which band"), "estimate"] == answers.loc[("m", "which moment"), "estimate"] == 1
    right = by_distance(scored(table)).set_index(["method", "axis", "distance"])["right"]
    assert right["m", "Hz", 200] == right["m", "ms", 20] == 0
    assert right["m", "Hz", 500] == right["m", "Hz", 1000] == right["m", "ms", 40] == right["m", "ms", 100] == 1


def test_intervals_are_over_pairs_and_need_six():
    pairs = pd.Series(np.repeat(list("abcdef"), 50))
    values = pd.Series(np.repeat([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], 50))
    found = over_pairs(values, pairs)
    assert found["estimate"] == pytest.approx(0.5)
    assert found["high"] - found["low"] > 0.5  # six units, not three hundred
    few = over_pairs(values[pairs < "f"], pairs[pairs < "f"])
    assert np.isnan(few["low"])
    assert few["pairs"] == 5


def test_maps_of_the_data_are_at_chance_however_lopsided(table):
    controls = control_table(scored(table))
    assert controls.loc["data", "estimate"] == pytest.approx(0.5)
    assert controls.loc["data", "low"] == pytest.approx(0.5)
    assert controls.loc["random", "estimate"] == pytest.approx(0.5)
    # The network for the other cue is this one's mirror image: .9, .9 and .3 become .1, .1 and .7.
    assert controls.loc["other", "estimate"] == pytest.approx(0.3)


def test_data_are_counted_where_both_networks_learnt(table):
    half = table.assign(learnt=table["learnt"] & ~((table["pair"] == "f1 + f2") & (table["uses"] == "first")))
    controls = control_table(scored(half))
    assert controls.loc["data", "estimate"] == pytest.approx(0.5)
    assert controls.loc["data", "n"] == control_table(scored(table)).loc["data", "n"] - 2


def test_a_sound_run_passes_its_check():
    methods = {f"m{k}": ("method", 0.9, 0.5, 1.0) for k in range(4)}
    controls = {"data (weighted)": ("data", 0.8, 0.5, 0.0), CEILING: ("bound", 1.0, 1.0, None)}
    sound = _table(methods | controls)
    assert check(sound) == []
    few = check(_table(dict(list(methods.items())[:3]) | controls))
    assert len(few) == 1
    assert "3 methods lie clearly above chance" in few[0]
    knowing = check(_table(methods | controls | {"data (weighted)": ("control", 0.8, 0.5, 0.0)}))
    assert any("data alone are not at chance: 0.80" in text for text in knowing)
    (upside_down, *_) = check(_table(dict.fromkeys(methods, ("method", 0.2, 0.1, 1.0)) | controls))
    assert "not below chance" in upside_down
    lazy = sound.assign(learnt=sound["pair"].isin(["f1 + f2", "f2 + f3", "hum + f1", "f2 + noise", "gap + click",
                                                   "onset + click"]))  # fmt: skip
    assert any("50% of the networks learnt" in text for text in check(lazy))


def test_a_method_is_recommended_where_it_wins_whatever_is_left_out(table):
    chosen = _chosen(table)
    assert chosen["exact band"]["recommended"] == "sharp"
    assert chosen["exact moment"]["recommended"] == "sharp"
    # Both are always right about the cue, and follow its use in rank: nothing tells them apart.
    for question in ("which band", "which moment", "how much"):
        assert chosen[question]["recommended"] is None
        assert set(chosen[question]["not_worse"]) == {"sharp", "blurred"}


def test_a_lead_that_hangs_on_one_cue_recommends_nothing():
    bound = {CEILING: ("bound", 1.0, 1.0, None)}
    clicks = [key for key in PAIRS if "click" in key]
    rest = [key for key in PAIRS if "click" not in key]
    lead = {"a": ("method", 0.9, 0.9, 1.0), "b": ("method", 0.9, 0.2, 1.0)}
    behind = {"a": ("method", 0.9, 0.50, 1.0), "b": ("method", 0.9, 0.51, 1.0)}
    table = pd.concat([_table(lead | bound, pairs=clicks), _table(behind | bound, pairs=rest)])
    moment = _chosen(table)["exact moment"]
    assert moment["best"] == "a"
    assert moment["recommended"] is None


def test_a_lead_in_one_reading_recommends_nothing(table):
    signs = table.copy()
    signs.loc[signs["method"] == "sharp", "mass_positive"] = 0.25
    chosen = _chosen(signs)
    assert chosen["exact band"]["best"] == "sharp"
    assert chosen["exact band"]["recommended"] is None


def test_a_lead_by_sharpening_alone_recommends_nothing(table):
    """A power of a map has more of its evidence inside, and not one place in better order."""
    same = table.copy()
    same.loc[same["method"].isin(["sharp", "blurred"]), ["auc", "auc_positive"]] = 0.8
    chosen = _chosen(same)
    assert chosen["exact band"]["best"] == "sharp"
    assert chosen["exact band"]["recommended"] is None


def test_a_method_that_seldom_runs_is_not_recommended(table):
    seldom = table.copy()
    rows = (seldom["method"] == "sharp") & seldom["pair"].isin(["f1 + f2", "f2 + f3", "gap + click"])
    seldom.loc[rows, ["share", "share_positive", "mass", "mass_positive"]] = np.nan
    band = _chosen(seldom)["exact band"]
    assert band["best"] == "blurred"
    assert band["recommended"] is None  # it has no rival left


def test_the_ranking_puts_right_before_sharp(table):
    assert ranking(scored(table)) == ["sharp", "blurred", "wrong"]
    assert ranking(scored(table), "peer") == ["peer"]


def test_a_measure_that_orders_methods_as_the_truth_does_is_found():
    methods = {f"m{k}": ("method", 0.6 + 0.05 * k, 0.1 * k + 0.1, 1.0) for k in range(7)}
    table = _table(methods | {CEILING: ("bound", 1.0, 1.0, None)})
    number = table["method"].str.extract(r"m(\d)")[0].astype(float)
    table[LABEL_FREE[0]], table[LABEL_FREE[1]] = number, -number
    found = predictive_measures(scored(table)).set_index(["measure", "truth"])
    for truth in ("which", "where"):
        assert found.loc[(LABEL_FREE[0], truth), "estimate"] == pytest.approx(1)
        assert found.loc[(LABEL_FREE[1], truth), "estimate"] == pytest.approx(-1)
        assert found.loc[(LABEL_FREE[0], truth), "loss"] == pytest.approx(0)
    assert found.loc[(LABEL_FREE[1], "where"), "loss"] == pytest.approx(0.6)
    assert np.isnan(found.loc[(LABEL_FREE[2], "which"), "estimate"])


def test_the_json_object_has_what_programs_expect(table):
    value = json.loads(to_json(to_json_object(table, {"grad-cam": "not installed"})))
    assert set(value) >= {"ranking", "scores", "controls", "peers", "recommended"}
    assert {name: control["which"] for name, control in value["controls"].items()} == pytest.approx(
        {"data": 0.5, "random": 0.5, "other": 0.3}
    )
    score = next(row for row in value["scores"] if row["method"] == "sharp" and row["uses"] == "second")
    needed = {"method", "pair", "uses", "network", "seed", "distance_hz", "distance_ms", "which", "mass", "null", "auc",
              "pointing"}  # fmt: skip
    assert needed <= set(score)
    assert score["which"] == pytest.approx(0.9)
    graded = next(row for row in value["scores"] if row["uses"] == "4:1")
    assert graded["which"] is None
    assert {row["question"] for row in value["recommended"]} == {question.name for question in QUESTIONS}
    assert value["absent"] == {"grad-cam": "not installed"}


def test_which_of_a_network_is_its_share_at_the_used_cue(table):
    rows = scored(table)
    sharp = rows[(rows["method"] == "sharp") & (rows["uses"] != "both")]
    assert sharp["which"].to_numpy() == pytest.approx(0.9)
