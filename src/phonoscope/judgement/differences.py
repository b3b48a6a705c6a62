"""Do two groups of tokens, or two models on the same tokens, differ in a mean? By units, not by tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from phonoscope.judgement.intervals import Interval, Scale, limits, mean_interval


def difference_test(
    first: np.ndarray,
    second: np.ndarray,
    clusters: tuple[pd.DataFrame | None, pd.DataFrame | None],
    *,
    paired: bool,
    scale: Scale = "plain",
) -> dict[str, Any]:
    """Difference of two means over units, with its 95 % interval and p.

    Pairs: the mean difference of each unit, with Student's t over units. Unrelated groups: each has its own units, and
    Welch's degrees of freedom.

    Parameters
    ----------
    first, second : ndarray (token,) or (training, token)
        Finite values; the same tokens in the same order if `paired`. Of several trainings, their mean counts.
    clusters
        Levels of each, from the highest down; the first's serve both if `paired`.
    paired : bool
    scale : {"plain", "difference"}
        "difference" of proportions: where all units agree, the bound that so many units allow.

    Returns
    -------
    dict
        ``first, second`` (means over units), ``difference, low, high, p, n_first, n_second, n_units, unit, test``. No
        interval and no p with fewer than six units.
    """
    first, second = (np.atleast_2d(np.asarray(each, dtype=float)) for each in (first, second))
    sizes = {"n_first": first.shape[1], "n_second": second.shape[1]}
    if 0 in sizes.values():
        unknown = dict.fromkeys(("first", "second", "difference", "low", "high", "p"), np.nan)
        return unknown | sizes | {"n_units": 0, "unit": "", "test": "no token"}
    means = [
        mean_interval(values, levels, of_units=True, scale=scale)
        for values, levels in zip((first, second), (clusters[0], clusters[0] if paired else clusters[1]), strict=True)
    ]
    if paired:
        interval = paired_interval(first, second, clusters[0], scale=scale)
        test = f"{interval.n_units} {interval.unit}s, each paired with itself"
    else:
        interval = unpaired_interval(*means, scale)
        test = f"{means[0].n_units} {means[0].unit}s and {means[1].n_units} {means[1].unit}s"
    tested = {"difference": interval.estimate, "low": interval.low, "high": interval.high}
    tested["p"] = float(np.minimum(interval.p_above(0), interval.p_below(0)))
    estimates = {"first": means[0].estimate, "second": means[1].estimate}
    return estimates | tested | sizes | {"n_units": interval.n_units, "unit": interval.unit, "test": test}


def paired_interval(
    first: np.ndarray, second: np.ndarray, clusters: pd.DataFrame | None, *, scale: Scale = "difference"
) -> Interval:
    """Mean over units of the difference of two values of the same tokens.

    Parameters
    ----------
    first, second : ndarray (token,) or (training, token)
        Trainings are paired in their order where both have the same number; else each counts by its mean.
    clusters
        Levels from the highest down.
    scale
        "difference" of proportions, or "plain".
    """
    first, second = np.atleast_2d(first), np.atleast_2d(second)
    if len(first) != len(second):
        first, second = first.mean(axis=0, keepdims=True), second.mean(axis=0, keepdims=True)
    return mean_interval(first - second, clusters, of_units=True, scale=scale)


def unpaired_interval(first: Interval, second: Interval, scale: Scale = "plain") -> Interval:
    """Difference of two estimates over unrelated units, with Welch's degrees of freedom.

    Parameters
    ----------
    first, second
        With their standard errors and degrees of freedom; the unit named is the first's.
    scale
        "difference" of proportions, or "plain".
    """
    parts = np.array([first.error**2, second.error**2])
    error = np.sqrt(parts.sum())
    df = parts.sum() ** 2 / (parts**2 / [first.df, second.df]).sum() if error > 0 else min(first.df, second.df)
    n_units = min(first.n_units, second.n_units)
    difference = first.estimate - second.estimate
    low, high = limits(np.asarray(difference), np.asarray(error), np.asarray(df), n_units, scale=scale)
    return Interval(difference, float(low), float(high), n_units, first.unit, float(error), float(df), scale)
