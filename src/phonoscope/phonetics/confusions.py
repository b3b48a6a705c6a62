"""Who is taken for whom: confusions, accuracies with cluster intervals, asymmetries, and what people confuse."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.judgement.claims import more_often
from phonoscope.judgement.intervals import Interval, interval_of, mean_interval
from phonoscope.judgement.permutation import holm
from phonoscope.judgement.units import PerToken, cluster_rows, resampling_unit, unit_sums
from phonoscope.left_out import LeftOut
from phonoscope.phonetics.profiles import as_labels


def confusion_table(true: PerToken, predicted: PerToken, labels: Sequence[str] | None = None) -> pd.DataFrame:
    """Count how often each class was taken for each.

    Parameters
    ----------
    true, predicted : sequences of n_tokens
        Tokens with NA in either take no part; ``attrs["left_out"]`` counts them.
    labels : sequence of str, optional
        Order of the classes, e.g. by place and height; alphabetical if not given.

    Returns
    -------
    DataFrame
        Tidy, every pair of classes: ``true, predicted, count, row_percent`` (of the tokens of the true class; NaN for
        a class without tokens).

    Raises
    ------
    PhonoscopeError
        If the numbers differ, or a class occurs that is not in `labels`.
    """
    truth, guess, kept = _both(true, predicted)
    classes = sorted({*truth, *guess}) if labels is None else list(labels)
    if unknown := sorted({*truth, *guess} - set(classes)):
        raise PhonoscopeError(f"classes {', '.join(unknown)} occur but are not among labels: {', '.join(classes)}.")
    counts = _matrix(truth, guess, classes)
    with np.errstate(invalid="ignore"):
        percent = 100.0 * counts / counts.sum(axis=1, keepdims=True)
    table = pd.DataFrame(
        {
            "true": np.repeat(classes, len(classes)),
            "predicted": np.tile(classes, len(classes)),
            "count": counts.ravel(),
            "row_percent": percent.ravel(),
        }
    )
    left_out = LeftOut()
    left_out.add("token", "no true or no predicted class", int((~kept).sum()))
    table.attrs["left_out"] = left_out.entries()
    return table


def accuracy_table(
    true: PerToken,
    predicted: PerToken | Sequence[PerToken],
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Accuracy, balanced accuracy and the hit rate of every class, with intervals over speakers and trainings.

    Parameters
    ----------
    true : sequence of n_tokens
        Classes; NA takes no part.
    predicted : sequence of n_tokens, or one such sequence a training
        NA takes no part. Of several trainings, estimates are means, and intervals count both chances.
    clusters : DataFrame or sequence of n_tokens, optional
        Columns from the highest level down; see `phonoscope.judgement.units.resampling_unit`.
    confidence : float
        Coverage of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        ``measure, label`` (NA but for hit rates), ``estimate, low, high``, ``n`` tokens, ``n_units, unit, trainings``.
        Measures: "accuracy", the mean over units of each one's accuracy, so that every speaker counts the same; "pooled
        accuracy" of all tokens, without an interval; "balanced accuracy", the mean over classes of their "hit rate".
    """
    n, intervals = accuracy_intervals(true, predicted, clusters, confidence=confidence)
    rows = [
        (*key, interval.estimate, interval.low, interval.high, n[key], interval.n_units, interval.unit)
        for key, interval in intervals.items()
    ]
    columns = ["measure", "label", "estimate", "low", "high", "n", "n_units", "unit"]
    table = pd.DataFrame(rows, columns=columns)
    table["label"] = table["label"].where(table["label"] != "", pd.NA)
    table["trainings"] = intervals["accuracy", ""].n_trainings
    table.attrs["note"] = resampling_unit(clusters, len(true)).note
    return table


def accuracy_results(table: pd.DataFrame) -> dict[str, Any]:
    """The accuracies of an `accuracy_table` as plain values, as the results of a run hold them.

    ``accuracy, accuracy_interval`` (None, None where there is none) ``, pooled_accuracy, balanced_accuracy,
    balanced_accuracy_interval, n_units, unit, trainings``.
    """
    rows = {row["measure"]: row for row in table.to_dict("records")}
    overall, balanced = rows["accuracy"], rows["balanced accuracy"]

    def bounds(row: dict[Any, Any]) -> list[float | None]:
        return [float(row[name]) if np.isfinite(row[name]) else None for name in ("low", "high")]

    return {
        "accuracy": float(overall["estimate"]),
        "accuracy_interval": bounds(overall),
        "pooled_accuracy": float(rows["pooled accuracy"]["estimate"]),
        "balanced_accuracy": float(balanced["estimate"]),
        "balanced_accuracy_interval": bounds(balanced),
        **{name: overall[name] for name in ("n_units", "unit", "trainings")},
    }


def accuracy_intervals(
    true: PerToken,
    predicted: PerToken | Sequence[PerToken],
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    confidence: float = 0.95,
) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], Interval]]:
    """Numbers of tokens and intervals by measure and label ("" but for hit rates); see `accuracy_table`.

    Parameters
    ----------
    true, predicted, clusters, confidence
        As of `accuracy_table`.
    """
    guesses = [predicted] if len(predicted) == 0 or np.ndim(predicted[0]) == 0 else list(predicted)
    kept = np.logical_and.reduce([_both(true, guess)[2] for guess in guesses])
    if not kept.any():
        raise PhonoscopeError("no token has both a true and a predicted class.")
    truth = as_labels(true, len(true))[kept].to_numpy(dtype=str)
    right = np.stack([truth == as_labels(guess, len(true))[kept].to_numpy(dtype=str) for guess in guesses]).astype(
        float
    )
    unit = resampling_unit(clusters, len(true))
    codes = np.unique(unit.codes[kept], return_inverse=True)[1]
    unit = unit._replace(codes=codes, n_units=int(codes.max()) + 1)
    classes = sorted(set(truth))
    member = (truth[:, None] == np.array(classes)).astype(float)
    members = unit_sums(member, codes, unit.n_units)  # (unit, class)
    hits = np.stack([unit_sums(member * each[:, None], codes, unit.n_units) for each in right], axis=1)
    counts = members.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        of_units = hits.sum(axis=2) / counts[:, None]  # (unit, training)
        without = (of_units.sum(axis=0) - of_units) / (unit.n_units - 1)
        rates = hits.sum(axis=0) / members.sum(axis=0)  # (training, class)
        rates_without = (hits.sum(axis=0) - hits) / (members.sum(axis=0) - members)[:, None]
    scarcest = members[:, np.argmin(members.sum(axis=0) ** 2 / (members**2).sum(axis=0))]

    def interval(observed: np.ndarray, left_out: np.ndarray, weights: np.ndarray) -> Interval:
        return interval_of(observed, left_out, unit, counts=weights, scale="proportion", confidence=confidence)

    unknown = float("nan")
    intervals = {
        ("accuracy", ""): interval(of_units.mean(axis=0), without, np.ones(unit.n_units)),
        ("pooled accuracy", ""): Interval(float(right.mean()), unknown, unknown, unit.n_units, unit.level),
        ("balanced accuracy", ""): interval(rates.mean(axis=1), rates_without.mean(axis=2), scarcest),
    }
    n = dict.fromkeys(intervals, len(truth))
    for c, name in enumerate(classes):
        intervals["hit rate", name] = interval(rates[:, c], rates_without[:, :, c], members[:, c])
        n["hit rate", name] = int(members[:, c].sum())
    return n, intervals


def asymmetry_table(
    true: PerToken, predicted: PerToken, clusters: pd.DataFrame | PerToken | None = None
) -> pd.DataFrame:
    """Is a taken for b more often than b for a? ``C − Cᵀ`` with a test for each pair of classes.

    With clusters, each of the two rates has its interval over speakers (or recordings), and their difference the
    interval made of both (Newcombe 1998). Without, tokens count as independent: given ``k = C[a, b] + C[b, a]``
    confusions of a pair, ``C[a, b]`` is binomial if both directions are equally likely *a token*, with probability
    ``n_a / (n_a + n_b)``, which is McNemar's exact test when the classes are of equal size.

    Parameters
    ----------
    true, predicted : sequences of n_tokens
        NA in either takes no part.
    clusters : DataFrame or sequence, optional
        Cluster columns of the tokens from the highest level down, or one cluster a token.

    Returns
    -------
    DataFrame
        One row a pair that was confused at all: ``label_a, label_b``; ``a_as_b, b_as_a`` counts; ``percent_a_as_b,
        percent_b_as_a`` of the tokens of a and of b; ``difference`` of the counts, ``percent_difference``; ``n_units,
        unit`` of the test; ``p, p_holm``, NaN with fewer than six units. The class that is more often (by rate) taken
        for the other is ``label_a``.
    """
    from scipy.stats import binomtest

    truth, guess, kept = _both(true, predicted)
    levels = cluster_rows(clusters, np.flatnonzero(kept))
    classes = sorted({*truth, *guess})
    counts = _matrix(truth, guess, classes)
    n = counts.sum(axis=1)

    def rate(which: int, other: int) -> Interval:
        rows = np.flatnonzero(truth == classes[which])
        taken = (guess[rows] == classes[other]).astype(float)
        return mean_interval(taken, cluster_rows(levels, rows), scale="proportion")

    rows = []
    for first, second in combinations(range(len(classes)), 2):
        there, back = counts[first, second], counts[second, first]
        if there + back == 0 or n[first] == 0 or n[second] == 0:
            continue
        a, b = (first, second) if there * n[second] >= back * n[first] else (second, first)
        forth, back = int(counts[a, b]), int(counts[b, a])
        if levels is None:
            p = binomtest(forth, forth + back, float(n[a] / (n[a] + n[b]))).pvalue
            tested = int(n[a] + n[b]), "token", float(p)
        else:
            judged = more_often(rate(a, b), rate(b, a))
            of = judged.interval
            tested = (0, "", np.nan) if of is None else (of.n_units, of.unit, judged.p)
        rates = 100.0 * forth / n[a], 100.0 * back / n[b], forth - back, 100.0 * (forth / n[a] - back / n[b])
        rows.append((classes[a], classes[b], forth, back, *rates, *tested))
    columns = ["label_a", "label_b", "a_as_b", "b_as_a", "percent_a_as_b", "percent_b_as_a", "difference"]
    table = pd.DataFrame(rows, columns=[*columns, "percent_difference", "n_units", "unit", "p"])
    table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
    return table.sort_values("p", kind="stable", ignore_index=True)


def human_confusions() -> pd.DataFrame:
    """How 20 listeners heard the American English vowels of Hillenbrand et al. (1995): a reference beside a network's.

    Returns
    -------
    DataFrame
        ``true, predicted`` (IPA), ``percent`` of responses, ``source``: the identification rate of all twelve vowels
        and the confusions whose two directions differ; pairs that are not listed are not known here, not zero.
    """
    with (files("phonoscope.data") / "human_confusions.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def beside_human(asymmetry: pd.DataFrame) -> pd.DataFrame:
    """Put what people confuse beside the asymmetries of a network.

    Parameters
    ----------
    asymmetry : DataFrame
        From `asymmetry_table`.

    Returns
    -------
    DataFrame
        ``label_a, label_b, percent_a_as_b, percent_b_as_a, p_holm, human_a_as_b, human_b_as_a`` (per cent; NaN where
        the reference does not list the pair) ``, agrees`` (do people err in the same direction; NA where not known).
    """
    human = human_confusions().set_index(["true", "predicted"])["percent"]
    columns = ["label_a", "label_b", "percent_a_as_b", "percent_b_as_a", "p_holm"]
    table = asymmetry[columns].reset_index(drop=True).copy()
    pairs = list(zip(table["label_a"], table["label_b"], strict=True))
    table["human_a_as_b"] = np.array([human.get((a, b), np.nan) for a, b in pairs], dtype=float)
    table["human_b_as_a"] = np.array([human.get((b, a), np.nan) for a, b in pairs], dtype=float)
    difference = (table["human_a_as_b"] - table["human_b_as_a"]) * (table["percent_a_as_b"] - table["percent_b_as_a"])
    table["agrees"] = pd.array([pd.NA if not np.isfinite(d) or d == 0 else d > 0 for d in difference], dtype="boolean")
    return table


def _both(true: PerToken, predicted: PerToken) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes of the tokens that have both, and which these are."""
    truth, guess = as_labels(true, len(true)), as_labels(predicted, len(true))
    kept = (truth.notna() & guess.notna()).to_numpy()
    return truth[kept].to_numpy(dtype=str), guess[kept].to_numpy(dtype=str), kept


def _matrix(truth: np.ndarray, guess: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    index = pd.Index(classes)
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (index.get_indexer(pd.Index(truth)), index.get_indexer(pd.Index(guess))), 1)
    return counts
