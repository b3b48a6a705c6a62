"""What follows from the answers: which method to take, which measures predict the truth, whether the run is sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.evidence.answers import (
    CELL,
    QUESTIONS,
    READINGS,
    answer_table,
    asked_in,
    at_used_cue,
    by_distance,
    control_table,
    over_pairs,
    ranking,
    scored,
)
from phonoscope.evidence.label_free import LABEL_FREE
from phonoscope.judgement.units import MIN_UNITS

_LEAST_COVERAGE = 0.8  # of the networks on which a method must have run to be recommended
_AT_CHANCE = 0.03  # so near to 0.5 a share is practically at chance
_LEAST_LEARNT = 0.7  # of the networks of a run that is sound


def recommend(answers: pd.DataFrame) -> list[dict[str, Any]]:
    """Which method to take for each question, if any.

    A method is recommended if it is ahead of every other one, on the networks on which both ran, in every score of the
    question, by all of the evidence and by the part for the class, with any cue left out, and its lead over each has a
    95 % interval over pairs above 0.

    Parameters
    ----------
    answers
        From `scored`.

    Returns
    -------
    list of dict
        One a question: ``question, recommended`` (None where no method qualifies), ``best, estimate`` of the best by
        its mean, and ``not_worse``: the best, and the methods over which its lead is not clear.
    """
    rows = []
    for question in QUESTIONS:
        columns = (question.column, *question.beside)
        wide, *others_wide = (_wide(answers, column, reading) for column in columns for reading in READINGS)
        fitting = [str(name) for name in wide if wide[name].notna().mean() >= _LEAST_COVERAGE]
        row: dict[str, Any] = {"question": question.name, "recommended": None, "best": None, "estimate": None}
        if not fitting:
            rows.append({**row, "not_worse": []})
            continue
        best = str(wide[fitting].mean().idxmax())
        others = [name for name in fitting if name != best]
        close = [name for name in others if not _leads(wide, best, name)]
        wins = others and not close and all(
            _ahead(scores, best, name) for scores in (wide, *others_wide) for name in others
        )  # fmt: skip
        row |= {"recommended": best if wins else None, "best": best, "estimate": float(wide[best].mean())}
        rows.append({**row, "not_worse": [best, *close]})
    return rows


def _wide(answers: pd.DataFrame, column: str, reading: str) -> pd.DataFrame:
    """Scores of methods (columns) on networks or blocks (rows); the pair is a level of the index."""
    asked = answers[asked_in(answers, column) & (answers["kind"] == "method")]
    names = [*CELL, "uses"]
    keyed = asked.fillna({name: -1.0 for name in names if name.startswith("distance")})
    score = f"{column}{reading}"
    wide = keyed.pivot_table(index=names, columns="method", values=score, sort=False, dropna=False, observed=True)
    return wide.dropna(how="all")


def _leads(wide: pd.DataFrame, best: str, other: str) -> bool:
    """Whether one method leads another by an interval, over pairs, that lies wholly above 0."""
    lead = (wide[best] - wide[other]).dropna()
    return bool(over_pairs(lead, lead.index.get_level_values("pair").to_series(index=lead.index))["low"] > 0)


def _ahead(wide: pd.DataFrame, best: str, other: str) -> bool:
    """Whether one method is ahead of another with all cues, and with any of them left out."""
    lead = (wide[best] - wide[other]).dropna()
    pairs = lead.index.get_level_values("pair")
    cues = sorted({cue for pair in pairs for cue in pair.split(" + ")})
    kept = [np.ones(len(lead), bool), *(np.array([cue not in pair.split(" + ") for pair in pairs]) for cue in cues)]
    return all(lead[rows].mean() > 0 for rows in kept if rows.any())


def predictive_measures(answers: pd.DataFrame) -> pd.DataFrame:
    """How well measures without planted truth order the methods of a network as the truth does.

    Parameters
    ----------
    answers
        From `scored`.

    Returns
    -------
    DataFrame
        One row a measure and truth (``which``: share of the evidence at the used cue; ``where``: share of the
        attainable localisation): ``estimate, low, high`` of Spearman's ρ over methods, mean over networks with its
        interval over pairs; and ``loss, loss_low, loss_high``: how far the method that the measure likes best lies
        below the best in truth.
    """
    rows = answers[(answers["kind"] == "method") & (answers["uses"] != "both")]
    found = []
    for measure in LABEL_FREE:
        told = rows.dropna(subset=[measure])
        for truth, column in (("which", "which"), ("where", "attained")):
            cells = [
                _one_network(group, measure, column)
                for _, group in told.dropna(subset=[column]).groupby([*CELL, "uses"], dropna=False, sort=False)
            ]
            frame = pd.DataFrame([cell for cell in cells if cell], columns=["pair", "rho", "loss"])
            correlation, loss = (over_pairs(frame[name], frame["pair"], most=1.0) for name in ("rho", "loss"))
            lost = {"loss": loss["estimate"], "loss_low": loss["low"], "loss_high": loss["high"]}
            found.append({"measure": measure, "truth": truth, **correlation, **lost})
    return pd.DataFrame(found)


def _one_network(group: pd.DataFrame, measure: str, column: str) -> dict[str, Any] | None:
    if len(group) < MIN_UNITS or group[measure].nunique() < 2 or group[column].nunique() < 2:
        return None
    chosen = group[column].iloc[int(group[measure].to_numpy().argmax())]
    return {
        "pair": group["pair"].iloc[0],
        "rho": group[measure].corr(group[column], method="spearman"),
        "loss": float(group[column].max() - chosen),
    }


def check(table: pd.DataFrame, *, least_above: int = 4) -> list[str]:
    """What is wrong with a run of the benchmark itself; empty if it is sound.

    Parameters
    ----------
    table
        From `run_benchmark`.
    least_above
        So many methods must lie clearly above chance.

    Notes
    -----
    The maps of the data must lie at chance, the maps of the network that uses the other cue below it, and most
    networks must have learnt what they were to use.
    """
    rows = scored(table)
    controls, answers = control_table(rows).to_dict("index"), answer_table(rows)
    wrong = []
    data, other = controls["data"], controls["other"]
    if not (data["low"] >= 0.5 - _AT_CHANCE and data["high"] <= 0.5 + _AT_CHANCE):
        wrong.append(f"maps of the data alone are not at chance: {_words(data)}")
    if not other["high"] < 0.5:
        wrong.append(f"maps of the network that uses the other cue are not below chance: {_words(other)}")
    which = answers[(answers["question"] == "which, any distance") & (answers["kind"] == "method")]
    above = which[which["low"] > 0.5 + _AT_CHANCE]
    if len(above) < least_above:
        wrong.append(f"{len(above)} methods lie clearly above chance; expected {least_above} or more")
    learnt = table.drop_duplicates([*CELL, "uses"])["learnt"].mean()
    if learnt < _LEAST_LEARNT:
        wrong.append(f"{learnt:.0%} of the networks learnt what they were to use; expected {_LEAST_LEARNT:.0%} or more")
    return wrong


def _words(row: Mapping[Any, float]) -> str:
    return f"{row['estimate']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


SCORE_NAMES = (
    "method", "kind", "pair", "uses", "network", "front_end", "seed", "distance_hz", "distance_ms", "learnt", "causal",
    "share", "which", "mass", "null", "auc", "pointing", "problem",
)  # fmt: skip


def to_json_object(table: pd.DataFrame, absent: dict[str, str]) -> dict[str, Any]:
    """The whole result as one JSON value.

    Parameters
    ----------
    table
        From `run_benchmark`.
    absent
        Methods and peers that could not be run at all, with the reason.

    Returns
    -------
    dict
        ``ranking`` and ``peers`` (the best first), ``scores`` (a network and method, peer or control each),
        ``controls`` (``data, random, other``), ``answers``, ``by_distance``, ``recommended``, ``predictive_measures``,
        ``not_learnt`` and ``absent``.
    """
    answers = scored(table)
    controls = control_table(answers)
    unlearnt = table[~table["learnt"].astype(bool)]
    return {
        "ranking": ranking(answers),
        "peers": ranking(answers, "peer"),
        "controls": {
            str(name): {"which": row["estimate"], "low": row["low"], "high": row["high"], "n": int(row["n"])}
            for name, row in controls.iterrows()
        },
        "recommended": recommend(answers),
        "answers": answer_table(answers).to_dict("records"),
        "by_distance": by_distance(answers).to_dict("records"),
        "predictive_measures": predictive_measures(answers).to_dict("records"),
        "not_learnt": unlearnt[[*CELL, "uses", "causal"]].drop_duplicates().to_dict("records"),
        "absent": absent,
        "scores": table.assign(which=at_used_cue(table))[list(SCORE_NAMES)].to_dict("records"),
    }
