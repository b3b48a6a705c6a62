"""Are classes with similar maps confused more often? The overlap of profiles against confusion rates, tested."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

FEWEST_PAIRS = 6  # four classes
_DRAWS = 4999
_EXACT_ORDERS = 5040  # seven classes


class Overlap(NamedTuple):
    """Spearman's rho between overlap and confusion over pairs of classes, one-sided p, and how it was tested.

    ``rho`` is NaN, with ``note`` saying why, where nothing can be said.
    """

    rho: float
    p: float
    pairs: int
    note: str


def overlap_against_confusions(correlations: pd.DataFrame, confusions: pd.DataFrame, *, seed: int = 0) -> Overlap:
    """Test whether classes whose mean profiles are alike are taken for each other more often (§4.1 of the paper).

    Pairs of classes are not independent (one class is in several), so the test renames whole classes (Mantel 1967):
    all orders of up to seven classes, otherwise 4999 random ones.

    Parameters
    ----------
    correlations : DataFrame
        ``label_a, label_b, r``, from `profile_correlations`.
    confusions : DataFrame
        ``true, predicted, row_percent``, from `confusion_table`; both directions of a pair are added up.
    seed : int
        Of the random orders.
    """
    known = correlations[np.isfinite(correlations["r"].to_numpy(dtype=float))]
    pairs = list(zip(known["label_a"], known["label_b"], strict=True))
    if len(pairs) < FEWEST_PAIRS:
        return Overlap(math.nan, math.nan, len(pairs), f"only {len(pairs)} pairs of classes")
    rates = confusions.set_index(["true", "predicted"])["row_percent"].fillna(0.0)
    confused = np.array([rates.get((a, b), 0.0) + rates.get((b, a), 0.0) for a, b in pairs])
    alike = known["r"].to_numpy(dtype=float)
    if np.ptp(confused) == 0 or np.ptp(alike) == 0:
        return Overlap(math.nan, math.nan, len(pairs), "no two classes were confused more often than others")
    alike, confused = (pd.Series(values).rank().to_numpy() for values in (alike, confused))
    rho = float(np.corrcoef(alike, confused)[0, 1])  # Spearman's
    classes = sorted({name for pair in pairs for name in pair})
    p, exact = _mantel(classes, pairs, alike, confused, rho, seed)
    how = "all orders of the classes" if exact else f"{_DRAWS} random orders of the classes"
    return Overlap(rho, p, len(pairs), how)


def _mantel(
    classes: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    alike: np.ndarray,
    confused: np.ndarray,
    observed: float,
    seed: int,
) -> tuple[float, bool]:
    """One-sided p of a rank correlation when classes are renamed, and whether all orders were tried."""
    index_of = {name: i for i, name in enumerate(classes)}
    rows, columns = np.array([index_of[a] for a, _ in pairs]), np.array([index_of[b] for _, b in pairs])
    matrix = np.full((len(classes), len(classes)), np.nan)
    matrix[rows, columns] = matrix[columns, rows] = confused
    complete = len(pairs) == math.comb(len(classes), 2)
    exact = complete and math.factorial(len(classes)) <= _EXACT_ORDERS
    random = np.random.default_rng(seed)
    orders = (
        (np.array(order) for order in itertools.permutations(range(len(classes))))
        if exact
        else (random.permutation(len(classes)) for _ in range(_DRAWS))
    )
    reached = total = 0
    for order in orders:
        renamed = matrix[order[rows], order[columns]]
        both = np.isfinite(renamed)
        reached += bool(np.corrcoef(alike[both], renamed[both])[0, 1] >= observed - 1e-12) if both.sum() > 2 else False
        total += 1
    return (reached / total, True) if exact else ((reached + 1) / (total + 1), False)
