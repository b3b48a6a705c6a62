"""Accuracies over trainings: planted ones, whose means and intervals are known."""

import numpy as np
import pandas as pd
import pytest

from phonoscope.phonetics.confusions import accuracy_table
from phonoscope.tasks.recordings.over_seeds import accuracy_over_seeds, summary_over_seeds


def predictions(*chances: float, speakers: int = 20, of_each: int = 10, network: str = "n") -> pd.DataFrame:
    """Trainings that are right with these chances on the same recordings of two classes."""
    random = np.random.default_rng(0)
    count = speakers * of_each
    tables = []
    for seed, chance in enumerate(chances):
        truth = np.array(["a", "b"] * (count // 2), dtype=object)
        right = random.random(count) < chance
        guess = np.where(right, truth, np.where(truth == "a", "b", "a"))
        table = {"seed": seed, "class": truth, "predicted": guess, "recording": [f"r{i}" for i in range(count)]}
        tables.append(pd.DataFrame(table | {"speaker": [f"s{i // of_each}" for i in range(count)], "network": network}))
    return pd.concat(tables, ignore_index=True).assign(share=1.0)


def row(table: pd.DataFrame, measure: str = "balanced accuracy") -> pd.Series:
    return table.set_index("measure").loc[measure]


def test_one_training_is_what_it_is_without_this() -> None:
    table = predictions(0.7)
    expected = accuracy_table(table["class"], table["predicted"], table[["speaker", "recording"]], seed=3)
    pd.testing.assert_frame_equal(accuracy_over_seeds(table, 3), expected)


def test_two_opposite_trainings_say_nothing_about_a_third() -> None:
    """Drawn twice each with chance 1/4, so the percentiles are those of one training alone."""
    found = accuracy_over_seeds(predictions(0.0, 1.0), 0)
    for measure in ("accuracy", "balanced accuracy"):
        assert tuple(row(found, measure)[["estimate", "low", "high"]]) == (0.5, 0.0, 1.0)
    assert row(found, "accuracy")["n_units"] == 20


def test_equal_trainings_leave_the_interval_of_the_speakers() -> None:
    one = predictions(0.7)
    found = row(accuracy_over_seeds(pd.concat([one, one.assign(seed=1)], ignore_index=True), 0))
    expected = row(accuracy_over_seeds(one, 0))
    assert found["estimate"] == pytest.approx(expected["estimate"])
    assert found["low"] == pytest.approx(expected["low"], abs=0.01)
    assert found["high"] == pytest.approx(expected["high"], abs=0.01)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Trainings with chances of their own around 0.7: a new training on new speakers has 0.7 on average."""
    random = np.random.default_rng(1)
    inside = 0
    for _ in range(100):
        table = predictions(*np.clip(random.normal(0.7, 0.05, 3), 0, 1), speakers=10, of_each=8)
        table["predicted"] = np.where(
            random.random(len(table)) < random.normal(0.7, 0.05, 3)[table["seed"]], table["class"], "c"
        )
        found = row(accuracy_over_seeds(table, 0))
        inside += found["low"] <= 0.7 <= found["high"]
    assert 80 <= inside <= 100


def test_the_summary_holds_the_mean_and_each_training() -> None:
    small, large = predictions(0.5, 0.6), predictions(0.8, 0.9, 1.0)
    table = pd.concat([small.assign(share=0.5), large], ignore_index=True)
    curve = [
        {"network": "n", "seed": seed, "share": share, "n_train": round(100 * share), "cpu_seconds": 2.0 + seed}
        | {"balanced_accuracy": (part["class"] == part["predicted"]).groupby(part["class"]).mean().mean()}
        for (share, seed), part in table.groupby(["share", "seed"])
    ]
    found = summary_over_seeds(pd.DataFrame(curve), table, 0).set_index("share")
    assert found["seeds"].to_dict() == {0.5: 2, 1.0: 3}
    each = [entry["balanced_accuracy"] for entry in curve if entry["share"] == 1]
    assert found.loc[1.0, "balanced_accuracy"] == pytest.approx(np.mean(each))
    assert found.loc[1.0, "sd"] == pytest.approx(np.std(each, ddof=1))
    assert found.loc[1.0, "most"] == 1.0
    assert found.loc[1.0, "each"].endswith(", 100.0")
    assert found.loc[1.0, "cpu_seconds"] == 3.0
