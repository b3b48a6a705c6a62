"""Does a model know how often it is right? Confidence beside accuracy, over speakers or recordings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from phonoscope.judgement.claims import SUPPORTED, above, below
from phonoscope.judgement.intervals import jackknife_interval, mean_interval
from phonoscope.judgement.units import PerToken, cluster_rows

MOST_BINS = 10
_FEWEST_IN_BIN = 10
_DRAWS = 1000
OVER, UNDER, OPEN = "too sure", "not sure enough", "cannot be told"


def reliability(
    confidence: np.ndarray, right: np.ndarray, clusters: pd.DataFrame | PerToken | None = None
) -> pd.DataFrame:
    """Confidence and accuracy in bins of equally many tokens, the least confident first.

    Parameters
    ----------
    confidence : ndarray (token,)
        Probability of the class that was chosen, 0 to 1.
    right : ndarray (token,)
        Whether it was the true one.
    clusters
        Levels from the highest down; see `phonoscope.judgement.units.resampling_unit`.

    Returns
    -------
    DataFrame
        ``bin`` (from 1), ``confidence`` (mean), ``accuracy, low, high`` (95 %), ``n, n_units, unit``.
    """
    confidence, right = np.asarray(confidence, dtype=float), np.asarray(right, dtype=float)
    bins = _bins(confidence)
    rows = []
    for number in range(int(bins.max()) + 1):
        chosen = np.flatnonzero(bins == number)
        accuracy = mean_interval(right[chosen], cluster_rows(clusters, chosen), scale="proportion")
        row = {"bin": number + 1, "confidence": confidence[chosen].mean(), "accuracy": accuracy.estimate}
        row |= {"low": accuracy.low, "high": accuracy.high, "n": len(chosen), "n_units": accuracy.n_units}
        rows.append(row | {"unit": accuracy.unit})
    return pd.DataFrame(rows)


def calibration(
    confidence: np.ndarray,
    right: np.ndarray,
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    smallest: float = 0.01,
    seed: int = 0,
) -> dict[str, Any]:
    """Expected calibration error and overconfidence, each with its interval and what chance alone would give.

    The error is the mean over tokens of the distance between confidence and accuracy in bins of equally many tokens
    (Naeini et al. 2015). It is never zero, not even for a model that knows exactly how often it is right, so the error
    of such a model stands beside it: right and wrong drawn anew with the model's own confidence.

    Parameters
    ----------
    confidence, right, clusters
        As of `reliability`.
    smallest
        Smallest overconfidence that counts.
    seed
        Of the draws.

    Returns
    -------
    dict
        ``error, error_low, error_high``, ``chance, chance_high`` (mean, and 95th percentile, of a calibrated model);
        ``overconfidence, low, high`` (mean confidence minus accuracy), ``verdict``; ``n, n_units, unit``.
    """
    confidence, right = np.asarray(confidence, dtype=float), np.asarray(right, dtype=float)
    bins = np.eye(int(_bins(confidence).max()) + 1)[_bins(confidence)]
    gap = confidence - right

    def error(weights: np.ndarray) -> np.ndarray:
        return np.abs((weights * gap) @ bins).sum(axis=1) / weights.sum(axis=1)

    draws = np.random.default_rng(seed).random((_DRAWS, len(right))) < confidence
    by_chance = np.abs((confidence - draws) @ bins).sum(axis=1) / len(right)
    interval = jackknife_interval(error, len(right), clusters)
    over = mean_interval(gap, clusters, scale="difference")
    ways = {OVER: above(over, smallest), UNDER: below(over, -smallest)}
    verdict = next((name for name, judged in ways.items() if judged.verdict() == SUPPORTED), OPEN)
    return {
        "error": interval.estimate,
        "error_low": max(interval.low, 0.0),
        "error_high": interval.high,
        "chance": float(by_chance.mean()),
        "chance_high": float(np.quantile(by_chance, 0.95)),
        "overconfidence": over.estimate,
        "low": over.low,
        "high": over.high,
        "verdict": verdict,
        "n": len(right),
        "n_units": over.n_units,
        "unit": over.unit,
    }


def _bins(confidence: np.ndarray) -> np.ndarray:
    """Bin of each token, from 0: equally many in each, equal confidences in one."""
    count = int(np.clip(len(confidence) // _FEWEST_IN_BIN, 1, MOST_BINS))
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, count + 1)[1:-1]))
    return np.unique(np.searchsorted(edges, confidence, side="left"), return_inverse=True)[1]
