"""What the truth benchmark answers: which cue, how much of each, and where exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from phonoscope.evidence.causal import USES
from phonoscope.judgement.intervals import mean_interval
from phonoscope.judgement.units import MIN_UNITS

GOAL_HZ, GOAL_MS = 500.0, 40.0  # from this distance on, methods are to be right
READINGS = ("", "_positive")  # all of the evidence, and the part that speaks for the class
_FEWEST_GRADES, _LEAST_SPREAD = 3, 0.2  # networks of a block, and spread of their causal shares, to rank them
CELL = ("pair", "distance_hz", "distance_ms", "network", "front_end", "seed")


@dataclass(frozen=True)
class Question:
    """One thing that methods are asked.

    Attributes
    ----------
    name
        In words.
    column
        Of the score, in what `scored` gives.
    beside
        Columns of further scores in which a method must be ahead to be recommended.
    """

    name: str
    column: str
    beside: tuple[str, ...] = ()


# Right about which of two cues, at the goal's distance or further; rank correlation of the evidence's share with the
# causal share; localisation relative to the attainable. That can be had by sharpening alone, the AUC beside it cannot.
QUESTIONS = (
    Question("which band", "right_hz", ("which_hz",)),
    Question("which moment", "right_ms", ("which_ms",)),
    Question("how much", "rho"),
    Question("exact band", "attained_hz", ("auc_hz",)),
    Question("exact moment", "attained_ms", ("auc_ms",)),
)


def scored(table: pd.DataFrame) -> pd.DataFrame:
    """Turn the table of the benchmark into answers: one row a network (or, for *how much*, block) and method.

    Parameters
    ----------
    table
        From `run_benchmark`.

    Returns
    -------
    DataFrame
        The rows of networks that use one cue, with ``which`` (share of the evidence at that cue), ``right`` (about
        which cue; a tie counts as half), ``attained`` (localisation, 0 for chance and 1 for what an ideal listener
        would draw) and ``auc``, both only where the method is right about the cue, and a column a question; then a row
        a block of networks that use both, ``uses`` "both", with ``rho`` and ``slope``. Every score comes in both
        `READINGS`; NaN where it is not asked or not answered. Maps of the data, which are the same for both networks
        of a block, are counted where both learnt, so that no cue counts twice.
    """
    learnt = table[table["learnt"].astype(bool)]
    pure = learnt[learnt["uses"].isin(USES)].copy()
    far = {"_hz": pure["distance_hz"] >= GOAL_HZ, "_ms": pure["distance_ms"] >= GOAL_MS}
    both = pure.groupby(list(CELL), dropna=False)["uses"].transform("nunique") == len(USES)
    counted = both | ~pure["method"].str.startswith("data (")
    for reading in READINGS:
        which = at_used_cue(pure, reading).where(counted)
        right = ((which > 0.5) + 0.5 * (which == 0.5)).where(which.notna())
        attained = _attained(pure, reading).where(right > 0.5)
        scores = {"which": which, "right": right, "attained": attained}
        scores["auc"] = pure[f"auc{reading}"].where(attained.notna())
        for name, values in scores.items():
            pure[f"{name}{reading}"] = values
            for axis, rows in far.items():
                pure[f"{name}{axis}{reading}"] = values.where(rows)
    return pd.concat([pure, _how_much(learnt[~learnt["uses"].isin(USES)])], ignore_index=True)


def at_used_cue(table: pd.DataFrame, reading: str = "") -> pd.Series:
    """Share of the evidence at the cue that each network uses; NaN for networks that use both.

    Parameters
    ----------
    table
        From `run_benchmark`.
    reading
        One of `READINGS`.
    """
    share = table[f"share{reading}"]
    return share.where(table["uses"] == "first", (1 - share).where(table["uses"] == "second"))


def _attained(pure: pd.DataFrame, reading: str) -> pd.Series:
    """Localisation ``(mass − null) / (1 − null)`` of each row over that of the ideal listener to the same network."""
    local = (pure[f"mass{reading}"] - pure["null"]) / (1 - pure["null"])
    ideal = local.where(pure["kind"] == "bound")
    return local / ideal.groupby([pure[name] for name in (*CELL, "uses")], dropna=False).transform("max")


def _how_much(graded: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation and slope of the evidence's share against the causal share, a row a block and method."""
    rows, names = [], ["method", "kind", *CELL]
    for cell, group in graded.groupby(names, dropna=False, sort=False):
        facts = dict(zip(names, cell, strict=True)) | {"uses": "both"}
        for reading in READINGS:
            told = group[["causal", f"share{reading}"]].to_numpy(dtype=float)
            causal, share = told[np.isfinite(told).all(axis=1)].T
            if len(causal) >= _FEWEST_GRADES and np.ptp(causal) >= _LEAST_SPREAD:
                ranks = np.corrcoef(rankdata(causal), rankdata(share))[0, 1] if np.ptp(share) > 0 else 0.0
                facts[f"rho{reading}"] = float(ranks)
                facts[f"slope{reading}"] = float(np.polyfit(causal, share, 1)[0])
        rows.append(facts)
    scores = [f"{name}{reading}" for name in ("rho", "slope") for reading in READINGS]
    return pd.DataFrame(rows, columns=[*names, "uses", *scores])


def over_pairs(values: pd.Series, pairs: pd.Series, *, most: float = np.inf) -> dict[str, float]:
    """Mean over what was scored, with its 95 % interval over pairs of cues; no interval from fewer than six.

    Parameters
    ----------
    values
        Scores; missing ones are left out.
    pairs
        Pair of each.
    most
        Largest size that such a value can have, as 1 of a correlation: no interval reaches beyond.
    """
    kept = values.notna()
    if not kept.any():
        return {"estimate": np.nan, "low": np.nan, "high": np.nan, "n": 0, "pairs": 0}
    by_pair = values[kept].astype(float).groupby(pairs[kept]).agg(["sum", "size"])
    found = {"estimate": float(values[kept].mean()), "n": int(kept.sum()), "pairs": len(by_pair)}
    if len(by_pair) < MIN_UNITS:
        return {**found, "low": np.nan, "high": np.nan}
    counted = bool(values[kept].isin([0.0, 1.0]).all())  # right or wrong
    sizes = by_pair["size"].to_numpy(dtype=float)
    interval = mean_interval(by_pair["sum"].to_numpy(), over=sizes, scale="proportion" if counted else "plain")
    return {**found, "low": max(interval.low, -most), "high": min(interval.high, most)}


def answer_table(answers: pd.DataFrame) -> pd.DataFrame:
    """What each method, peer and control scores in each question.

    Parameters
    ----------
    answers
        From `scored`.

    Returns
    -------
    DataFrame
        One row a method and question: ``method, kind, question, estimate, low, high`` (95 %, over pairs of cues),
        ``n`` scored, ``pairs``, ``missing`` (networks or blocks on which it gave no answer), ``positive`` (the same
        estimate from the evidence for the class alone). Beside the questions: ``which, any distance`` (mean share of
        the evidence at the used cue) and ``slope``.
    """
    columns = [(question.name, question.column) for question in QUESTIONS]
    columns += [("which, any distance", "which"), ("slope", "slope")]
    rows = []
    for (method, kind), group in answers.groupby(["method", "kind"], sort=False):
        for name, column in columns:
            asked = group[asked_in(group, column)]
            found = over_pairs(asked[column], asked["pair"], most=1.0 if column == "rho" else np.inf)
            rest = {"missing": len(asked) - int(found["n"]), "positive": asked[f"{column}_positive"].mean()}
            rows.append({"method": method, "kind": kind, "question": name, **found, **rest})
    names = ["method", "kind", "question", "estimate", "low", "high", "n", "pairs", "missing", "positive"]
    return pd.DataFrame(rows, columns=names)


def asked_in(rows: pd.DataFrame, column: str) -> pd.Series:
    """Rows in which a question is asked, whether or not it is answered."""
    if column in ("rho", "slope"):
        return rows["uses"] == "both"
    pure = rows["uses"] != "both"
    if column.endswith("_hz"):
        return pure & (rows["distance_hz"] >= GOAL_HZ)
    return pure & (rows["distance_ms"] >= GOAL_MS) if column.endswith("_ms") else pure


def by_distance(answers: pd.DataFrame) -> pd.DataFrame:
    """How often each method is right about which cue, at each distance: from what distance on can it be believed?

    Parameters
    ----------
    answers
        From `scored`.

    Returns
    -------
    DataFrame
        ``method, kind, axis`` (Hz or ms), ``distance`` (lower edge of the class of distances), ``right, n``.
    """
    rows = answers.dropna(subset=["right"])
    hertz = rows["distance_hz"].notna()
    edges = np.where(
        hertz, np.digitize(rows["distance_hz"], [GOAL_HZ, 1000.0]), np.digitize(rows["distance_ms"], [GOAL_MS, 100.0])
    )
    names = {True: ("200", "500", "1000"), False: ("20", "40", "100")}
    rows = rows.assign(
        axis=np.where(hertz, "Hz", "ms"), distance=[int(names[bool(h)][e]) for h, e in zip(hertz, edges, strict=True)]
    )
    grouped = rows.groupby(["method", "kind", "axis", "distance"], sort=False)["right"]
    return grouped.agg(["mean", "size"]).reset_index().rename(columns={"mean": "right", "size": "n"})


def control_table(answers: pd.DataFrame) -> pd.DataFrame:
    """What says nothing about the network in question: the data, random weights, and the network for the other cue.

    Parameters
    ----------
    answers
        From `scored`.

    Returns
    -------
    DataFrame
        Index ``data, random, other``; ``estimate, low, high`` of ``which`` (0.5 is chance), ``n``, ``pairs``.
    """
    rows = answers[answers["uses"] != "both"]
    data = rows[rows["method"].str.startswith("data (")]
    random = rows[rows["method"].str.startswith("random: ")]
    methods = rows[rows["kind"] == "method"]
    parts = {"data": data["which"], "random": random["which"], "other": 1 - methods["which"]}
    return pd.DataFrame({name: over_pairs(values, rows.loc[values.index, "pair"]) for name, values in parts.items()}).T


def ranking(answers: pd.DataFrame, kind: str = "method") -> list[str]:
    """Methods, or peers, by how often they are right about which cue, then by the exact place; the best first.

    Parameters
    ----------
    answers
        From `scored`.
    kind
        ``method`` or ``peer``.
    """
    means = answers[answers["kind"] == kind].groupby("method")[["right", "attained"]].mean().dropna(subset=["right"])
    return means.sort_values(["right", "attained"], ascending=False).index.tolist()
