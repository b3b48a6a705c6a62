"""Confusions: counts by hand, laws, intervals that know their clusters, and the human reference."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from phonoscope.errors import PhonoscopeError
from phonoscope.phonetics.confusions import (
    accuracy_table,
    asymmetry_table,
    beside_human,
    confusion_table,
    human_confusions,
)

pairs_of_labels = st.lists(st.tuples(st.sampled_from("iuɑ"), st.sampled_from("iuɑ")), min_size=1, max_size=40)


def test_confusion_table_by_hand():
    true, predicted = ["i", "i", "i", "u", None, "u"], ["i", "i", "u", "u", "u", pd.NA]
    table = confusion_table(true, predicted, ["u", "i", "ɝ"])
    cells = {(row.true, row.predicted): (row.count_, row.row_percent) for row in _renamed(table).itertuples()}
    assert list(table["true"]) == ["u"] * 3 + ["i"] * 3 + ["ɝ"] * 3
    assert cells["i", "u"] == (1, pytest.approx(100 / 3))
    assert cells["u", "u"] == (1, 100.0)
    assert cells["ɝ", "i"][0] == 0
    assert np.isnan(cells["ɝ", "i"][1])
    assert table.attrs["left_out"][0]["count"] == 2


def _renamed(table):
    return table.rename(columns={"count": "count_"})


@given(pairs_of_labels)
@settings(max_examples=40, deadline=None)
def test_every_token_is_counted_once(pairs):
    true, predicted = zip(*pairs, strict=True)
    table = confusion_table(true, predicted)
    assert table["count"].sum() == len(pairs)
    assert table.groupby("true")["row_percent"].sum(min_count=1).dropna().to_numpy() == pytest.approx(100.0)
    correct = table[table["true"] == table["predicted"]]["count"].sum()
    assert accuracy_table(true, predicted)["estimate"][0] == pytest.approx(correct / len(pairs))


def test_unknown_class_and_unequal_lengths_are_refused():
    with pytest.raises(PhonoscopeError, match="classes u occur"):
        confusion_table(["i"], ["u"], ["i"])
    with pytest.raises(PhonoscopeError, match="2 tokens"):
        confusion_table(["i", "u"], ["i"])
    with pytest.raises(PhonoscopeError, match="no token"):
        accuracy_table([None], ["i"])


def test_accuracies_by_hand():
    true = np.array(["i"] * 80 + ["u"] * 20)
    predicted = np.array(["i"] * 72 + ["u"] * 8 + ["u"] * 10 + ["i"] * 10)
    table = accuracy_table(true, predicted)
    assert list(table["measure"]) == ["accuracy", "pooled accuracy", "balanced accuracy", "hit rate", "hit rate"]
    assert table["estimate"].to_numpy() == pytest.approx([0.82, 0.82, 0.7, 0.9, 0.5])
    assert list(table["n"]) == [100, 100, 100, 80, 20]
    assert np.isnan([table["low"][1], table["high"][1]]).all()
    half = 1.96 * np.sqrt(0.82 * 0.18 / 100)
    assert table["low"][0] == pytest.approx(0.82 - half, abs=0.02)
    assert table["high"][0] == pytest.approx(0.82 + half, abs=0.02)
    # two classes drawn on their own: variances of the hit rates add
    half = 1.96 * np.sqrt(0.9 * 0.1 / 80 + 0.25 / 20) / 2
    assert table["high"][2] - table["low"][2] == pytest.approx(2 * half, rel=0.2)


def test_intervals_widen_when_whole_speakers_fail():
    speaker = np.repeat(np.arange(10), 20)
    predicted = np.where(speaker < 2, "u", "i")
    with_speakers = accuracy_table(["i"] * 200, predicted, pd.DataFrame({"speaker": speaker}))
    without = accuracy_table(["i"] * 200, predicted)
    assert with_speakers["estimate"][0] == without["estimate"][0] == pytest.approx(0.8)
    width = with_speakers["high"][0] - with_speakers["low"][0]
    assert width > 3 * (without["high"][0] - without["low"][0])
    assert with_speakers["n_units"][0] == 10
    few = accuracy_table(["i"] * 200, predicted, pd.DataFrame({"speaker": speaker // 5, "recording": speaker}))
    assert (few["unit"][0], few.attrs["note"]) == ("recording", "holds for these only: 2 speakers")


def test_every_speaker_counts_the_same_and_trainings_count_too():
    speaker = np.repeat(np.arange(7), [40, *[4] * 6])
    true = np.array(["i", "u"] * 32)
    right = true.copy()
    half = np.where(speaker == 0, "i", true)  # the speaker of most tokens is half wrong
    table = accuracy_table(true, [right, half], pd.DataFrame({"speaker": speaker}))
    assert table["estimate"][0] == pytest.approx((7 + 6.5) / 14)
    assert table["estimate"][1] == pytest.approx((64 + 44) / 128)
    assert set(table["trainings"]) == {2}
    alone = accuracy_table(true, half, pd.DataFrame({"speaker": speaker}))
    assert alone["estimate"][0] == pytest.approx(6.5 / 7)
    assert set(alone["trainings"]) == {1}


def test_asymmetry_of_equal_classes_is_mcnemars_exact_test():
    true = ["ɔ"] * 50 + ["ɑ"] * 50
    predicted = ["ɔ"] * 38 + ["ɑ"] * 12 + ["ɑ"] * 47 + ["ɔ"] * 3
    table = asymmetry_table(true, predicted)
    row = table.iloc[0]
    assert (row["label_a"], row["label_b"], row["a_as_b"], row["b_as_a"], row["difference"]) == ("ɔ", "ɑ", 12, 3, 9)
    assert row["percent_difference"] == pytest.approx(24.0 - 6.0)
    assert row["p"] == pytest.approx(binomtest(3, 15, 0.5).pvalue)
    assert row["p_holm"] == row["p"]


def test_asymmetry_of_unequal_classes_compares_rates_not_counts():
    # one in ten both ways: 30 of 300 against 3 of 30 is symmetric
    true = ["a"] * 300 + ["b"] * 30
    predicted = ["a"] * 270 + ["b"] * 30 + ["b"] * 27 + ["a"] * 3
    row = asymmetry_table(true, predicted).iloc[0]
    assert row["difference"] == 27
    assert row["percent_difference"] == pytest.approx(0.0)
    assert row["p"] > 0.9


@given(pairs_of_labels)
@settings(max_examples=40, deadline=None)
def test_asymmetry_does_not_depend_on_names_of_classes(pairs):
    true, predicted = zip(*pairs, strict=True)
    swap = {"i": "z", "u": "y", "ɑ": "x"}
    renamed = asymmetry_table([swap[x] for x in true], [swap[x] for x in predicted])
    plain = asymmetry_table(true, predicted)
    assert sorted(renamed["p"]) == pytest.approx(sorted(plain["p"]))
    assert (plain["percent_difference"] >= -1e-9).all()
    assert (plain["p_holm"] >= plain["p"]).all()


def test_no_confusions_no_rows():
    table = asymmetry_table(["i", "u"], ["i", "u"])
    assert len(table) == 0
    assert {"label_a", "p_holm"} <= set(table.columns)


def test_equal_rates_are_called_asymmetric_at_most_at_the_nominal_rate():
    rng = np.random.default_rng(0)
    true = np.array(["a"] * 120 + ["b"] * 60)
    other = np.where(true == "a", "b", "a")
    p = []
    for _ in range(200):
        table = asymmetry_table(true, np.where(rng.random(180) < 0.2, other, true))
        p.append(table["p"].iloc[0])
    assert 0.005 < np.mean(np.array(p) <= 0.05) <= 0.08  # exact and discrete: below .05 rather than at it


def test_equal_rates_of_speakers_who_differ_are_called_asymmetric_one_time_in_twenty_at_most():
    rng = np.random.default_rng(1)
    speaker = np.repeat(np.arange(12), 30)
    true = np.tile(np.repeat(["a", "b"], 15), 12)
    other = np.where(true == "a", "b", "a")
    p = {"speakers": [], "tokens": []}
    for _ in range(150):
        # of each speaker, one of the two vowels may lie near the other: no direction over speakers
        rate = rng.beta(0.5, 3.0, (12, 2))[speaker, (true == "b").astype(int)]
        predicted = np.where(rng.random(len(true)) < rate, other, true)
        for unit, clusters in (("speakers", speaker), ("tokens", None)):
            table = asymmetry_table(true, predicted, clusters)
            p[unit].append(table["p"].iloc[0] if len(table) else 1.0)
    wrong = {unit: np.mean(np.array(values) < 0.05) for unit, values in p.items()}
    assert wrong["speakers"] <= 0.08
    assert wrong["tokens"] > 0.2


def test_a_direction_that_speakers_share_is_found_and_few_speakers_find_none():
    speaker = np.repeat(np.arange(10), 20)
    true = np.tile(np.repeat(["a", "b"], 10), 10)
    taken = np.tile([1, 1, 1, 1, 1, 1, 0, 0, 0, 0] + [0] * 10, 10) == 1
    predicted = np.where(taken & (np.arange(200) % 7 > 0), "b", true)
    row = asymmetry_table(true, predicted, speaker).iloc[0]
    assert (row["label_a"], row["n_units"], row["unit"]) == ("a", 10, "cluster")
    assert row["p"] < 0.01
    few = asymmetry_table(true[:80], predicted[:80], speaker[:80]).iloc[0]
    assert np.isnan(few["p"])
    assert np.isnan(few["p_holm"])


def test_people_hear_most_vowels_and_their_errors_have_a_direction():
    human = human_confusions()
    percent = human.set_index(["true", "predicted"])["percent"]
    right = human[human["true"] == human["predicted"]]
    assert len(right) == 12
    # equal numbers of tokens a vowel: the published overall rate is the mean of the rates
    assert right["percent"].mean() == pytest.approx(94.6, abs=0.1)
    assert percent["ɔ", "ɑ"] == 15.1
    assert percent["ɔ", "ɑ"] > percent["ɑ", "ɔ"]
    assert (human.groupby("true")["percent"].sum() <= 100.0).all()
    assert not human.duplicated(["true", "predicted"]).any()


def test_human_confusions_stand_beside_the_networks():
    true = ["ɑ"] * 10 + ["æ"] * 10 + ["u"] * 10
    predicted = ["æ"] * 3 + ["ɑ"] * 7 + ["ɑ"] + ["æ"] * 9 + ["ɑ"] * 2 + ["u"] * 8
    table = beside_human(asymmetry_table(true, predicted)).set_index(["label_a", "label_b"])
    row = table.loc["ɑ", "æ"]
    assert (row["percent_a_as_b"], row["percent_b_as_a"]) == (30, 10)
    assert (row["human_a_as_b"], row["human_b_as_a"]) == (0.79, 0.18)
    assert row["agrees"]
    assert pd.isna(table.loc["u", "ɑ"]["agrees"])
    other = beside_human(asymmetry_table(predicted[:20], true[:20]))
    assert not other["agrees"].iloc[0]
