"""The committed result of the truth benchmark: what is known of each method where the truth was planted.

Made by ``phonoscope bench truth --out FOLDER``, and copied from there: ``truth.csv`` has the scores, from which
``truth_answers.csv`` and ``truth_measures.csv`` follow.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import pandas as pd

from phonoscope.evidence.answers import by_distance, scored
from phonoscope.evidence.planted_scores import ANSWERS

RESULTS, MEASURES = "truth.csv", "truth_measures.csv"
_QUESTIONS = ("how much", "exact band", "exact moment")


@cache
def planted_results() -> pd.DataFrame:
    """Scores of all methods, peers, controls and bounds; columns as in `benchmark.COLUMNS`, some left out."""
    with (files("phonoscope.data") / RESULTS).open(encoding="utf-8") as file:
        return pd.read_csv(file)


@cache
def planted_answer_table() -> pd.DataFrame:
    """Answers of all methods, peers and controls; see `answer_table`."""
    with (files("phonoscope.data") / ANSWERS).open(encoding="utf-8") as file:
        return pd.read_csv(file)


@cache
def planted_measures() -> pd.DataFrame:
    """How well measures that need no planted truth predict it; see `advice.predictive_measures`."""
    with (files("phonoscope.data") / MEASURES).open(encoding="utf-8") as file:
        return pd.read_csv(file)


def answers_by_distance(table: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Methods, peers and controls (rows, the best first) × what they were asked (columns), for a figure.

    Parameters
    ----------
    table
        Scores, from `run_benchmark`.
    answers
        Of the same run, from `answer_table`.

    Returns
    -------
    DataFrame
        Share right about which cue at each class of distances (``≥ 200 Hz`` …), then the other questions; NaN where
        there is no answer.
    """
    right = by_distance(scored(table))
    right["column"] = [f"≥ {row.distance} {row.axis}" for row in right.itertuples()]
    wide = right.pivot_table(index="method", columns="column", values="right", sort=False)
    order = sorted(wide.columns, key=lambda name: (name.endswith("ms"), int(name.split()[1])))
    asked = answers.pivot_table(index="method", columns="question", values="estimate", sort=False)
    whole = wide[order].join(asked.reindex(columns=list(_QUESTIONS)))
    best = answers[answers["question"] == "which, any distance"].set_index("method")["estimate"]
    kinds = answers.drop_duplicates("method").set_index("method")["kind"]
    ranks = {"bound": 0, "method": 1, "peer": 1, "control": 2}
    return whole.loc[sorted(whole.index, key=lambda name: (ranks[kinds[name]], -best[name]))]
