"""Who is taken for whom: confusions, accuracies with cluster intervals, asymmetries, and what people confuse."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from itertools import combinations

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.judgement.bootstrap import PerToken, holm, interval_of, resampling_unit, unit_sums, unit_weights
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
    predicted: PerToken,
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Accuracy, balanced accuracy and the hit rate of every class, with cluster-bootstrap (percentile) intervals.

    Parameters
    ----------
    true, predicted : sequences of n_tokens
        NA in either takes no part.
    clusters : DataFrame or sequence of n_tokens, optional
        Columns from the highest level down; see `phonoscope.judgement.bootstrap.resampling_unit`.
    n_bootstrap : int
        Number of bootstrap samples.
    confidence : float
        Coverage of the intervals, between 0 and 1.
    seed : int
        Of the resampling.

    Returns
    -------
    DataFrame
        ``measure`` ("accuracy", "balanced accuracy", "hit rate"), ``label`` (NA but for hit rates), ``estimate, low,
        high``, ``n`` tokens, ``n_units, unit``. If every token of every unit is right, the interval collapses to 1:
        use `wilson_interval` on the number of units then.
    """
    truth, guess, kept = _both(true, predicted)
    if not kept.any():
        raise PhonoscopeError("no token has both a true and a predicted class.")
    unit = resampling_unit(clusters, len(true))
    codes = np.unique(unit.codes[kept], return_inverse=True)[1]
    n_units = int(codes.max()) + 1
    classes = sorted(set(truth))
    member = (truth[:, None] == np.array(classes)).astype(float)
    hits = member * (truth == guess)[:, None]
    members, hit = unit_sums(member, codes, n_units), unit_sums(hits, codes, n_units)
    samples = unit_weights(n_units, n_bootstrap, seed)
    observed, drawn = _rates(members, hit, np.ones((1, n_units)))[0], _rates(members, hit, samples)
    units_with = np.array([n_units, n_units, *(members > 0).sum(axis=0)])
    low, high = interval_of(drawn, n_units=units_with, confidence=confidence)
    table = pd.DataFrame(
        {
            "measure": ["accuracy", "balanced accuracy", *["hit rate"] * len(classes)],
            "label": [pd.NA, pd.NA, *classes],
            "estimate": observed,
            "low": low,
            "high": high,
            "n": [len(truth), len(truth), *members.sum(axis=0).astype(int)],
            "n_units": units_with,
            "unit": unit.level,
        }
    )
    table.attrs["note"] = unit.note
    return table


def asymmetry_table(true: PerToken, predicted: PerToken) -> pd.DataFrame:
    """Is a taken for b more often than b for a? ``C − Cᵀ`` with an exact test for each pair of classes.

    Given ``k = C[a, b] + C[b, a]`` confusions of a pair, ``C[a, b]`` is binomial if both directions are equally
    likely *a token*, with probability ``n_a / (n_a + n_b)``: McNemar's exact test when the classes are of equal size,
    and its counterpart for rates when they are not. Tokens count as independent: with few talkers or recordings the
    p-values are too small.

    Parameters
    ----------
    true, predicted : sequences of n_tokens
        NA in either takes no part.

    Returns
    -------
    DataFrame
        One row a pair that was confused at all: ``label_a, label_b``; ``a_as_b, b_as_a`` counts; ``percent_a_as_b,
        percent_b_as_a`` of the tokens of a and of b; ``difference`` of the counts, ``percent_difference``; ``p,
        p_holm``. The class that is more often (by rate) taken for the other is ``label_a``.
    """
    from scipy.stats import binomtest

    truth, guess, _ = _both(true, predicted)
    classes = sorted({*truth, *guess})
    counts = _matrix(truth, guess, classes)
    n = counts.sum(axis=1)
    rows = []
    for first, second in combinations(range(len(classes)), 2):
        there, back = counts[first, second], counts[second, first]
        if there + back == 0 or n[first] == 0 or n[second] == 0:
            continue
        a, b = (first, second) if there * n[second] >= back * n[first] else (second, first)
        forth, back = int(counts[a, b]), int(counts[b, a])
        p = binomtest(forth, forth + back, float(n[a] / (n[a] + n[b]))).pvalue
        rates = 100.0 * forth / n[a], 100.0 * back / n[b], forth - back, 100.0 * (forth / n[a] - back / n[b])
        rows.append((classes[a], classes[b], forth, back, *rates, float(p)))
    columns = ["label_a", "label_b", "a_as_b", "b_as_a", "percent_a_as_b", "percent_b_as_a", "difference"]
    table = pd.DataFrame(rows, columns=[*columns, "percent_difference", "p"])
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


def _rates(members: np.ndarray, hits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Accuracy, balanced accuracy and hit rates of each sample; balanced over the classes that were drawn."""
    n, right = weights @ members, weights @ hits
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = right / n
        overall = right.sum(axis=1) / n.sum(axis=1)
        balanced = np.where(n > 0, rate, 0.0).sum(axis=1) / (n > 0).sum(axis=1)
    return np.column_stack([overall, balanced, rate])
