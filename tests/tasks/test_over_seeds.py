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
        table["token"] = [f"t{i:04d}" for i in range(count)]
        tables.append(pd.DataFrame(table | {"speaker": [f"s{i // of_each}" for i in range(count)], "network": network}))
    return pd.concat(tables, ignore_index=True).assign(share=1.0)


def row(table: pd.DataFrame, measure: str = "balanced accuracy") -> pd.Series:
    return table.set_index("measure").loc[measure]


def test_one_training_is_what_it_is_without_this() -> None:
    table = predictions(0.7).sort_values("token", ignore_index=True)
    expected = accuracy_table(table["class"], table["predicted"], table[["speaker", "recording"]])
    pd.testing.assert_frame_equal(accuracy_over_seeds(table), expected)


def test_two_opposite_trainings_say_nothing_about_a_third() -> None:
    table = accuracy_over_seeds(predictions(0.0, 1.0))
    for measure in ("accuracy", "balanced accuracy"):
        assert row(table, measure)["estimate"] == 0.5
        assert row(table, measure)["low"] < 0.01
        assert row(table, measure)["high"] > 0.99
    assert row(table, "accuracy")["n_units"] == 20
    assert row(table, "accuracy")["trainings"] == 2


def test_equal_trainings_leave_the_interval_of_the_speakers() -> None:
    once = predictions(0.7)
    both = row(accuracy_over_seeds(pd.concat([once, once.assign(seed=1)], ignore_index=True)))
    expected = row(accuracy_over_seeds(once))
    assert tuple(both[["estimate", "low", "high"]]) == pytest.approx(tuple(expected[["estimate", "low", "high"]]))


def test_recordings_are_paired_whatever_their_order() -> None:
    table = predictions(0.7, 0.8)
    mixed = table.sample(frac=1, random_state=1, ignore_index=True)
    pd.testing.assert_frame_equal(accuracy_over_seeds(table), accuracy_over_seeds(mixed))


def test_the_summary_holds_the_mean_and_each_training() -> None:
    small, large = predictions(0.5, 0.6), predictions(0.8, 0.9, 1.0)
    table = pd.concat([small.assign(share=0.5), large], ignore_index=True)
    curve = [
        {"network": "n", "seed": seed, "share": share, "n_train": round(100 * share), "cpu_seconds": 2.0 + seed}
        | {"balanced_accuracy": (part["class"] == part["predicted"]).groupby(part["class"]).mean().mean()}
        for (share, seed), part in table.groupby(["share", "seed"])
    ]
    summary = summary_over_seeds(pd.DataFrame(curve), table).set_index("share")
    assert summary["seeds"].to_dict() == {0.5: 2, 1.0: 3}
    each = [entry["balanced_accuracy"] for entry in curve if entry["share"] == 1]
    assert summary.loc[1.0, "balanced_accuracy"] == pytest.approx(np.mean(each))
    assert summary.loc[1.0, "sd"] == pytest.approx(np.std(each, ddof=1))
    assert summary.loc[1.0, "most"] == 1.0
    assert summary.loc[1.0, "each"].endswith(", 100.0")
    assert summary.loc[1.0, "cpu_seconds"] == 3.0
