"""Intervals that cover, with six speakers too: the jackknife over whole units, Student's t, on a scale that suits.

The standard error of a statistic comes from leaving out one unit at a time (the sum of the squared changes, which is
never too small on average: CR3, Bell and McCaffrey 2002). The interval is symmetric where errors are: on the logit of
proportions, the logarithm of ratios, Fisher's z of correlations. Student's t has the degrees of freedom of equally
large units that would count as much (Kish 1965), so that few large units do not pass for many. Where a network was
trained several times, both chances count: which speakers are tested, and how a training turned out.
``benchmarks/coverage.py`` holds the intervals to their 95 %.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit, ndtr, ndtri, stdtr, stdtrit

from phonoscope.judgement.units import MIN_UNITS, PerToken, Unit, resampling_unit, unit_sums

Scale = Literal["plain", "difference", "proportion", "ratio", "correlation"]

_BLOCK_VALUES = 20_000_000  # weights held in memory at once
# To the scale, its slope, and back.
_SCALES: dict[str, tuple[Callable[..., np.ndarray], Callable[..., np.ndarray], Callable[..., np.ndarray]]] = {
    "plain": (np.asarray, np.ones_like, np.asarray),
    "difference": (np.asarray, np.ones_like, np.asarray),
    "proportion": (logit, lambda x: 1 / (x * (1 - x)), expit),
    "ratio": (np.log, lambda x: 1 / x, np.exp),
    "correlation": (np.arctanh, lambda x: 1 / (1 - x**2), np.tanh),
}
# Least and largest value: of these scales it is known how far a value can lie from what all units agree on.
_RANGES = {"difference": (-1.0, 1.0), "proportion": (0.0, 1.0)}
_SAME = 1e-12  # a spread below this share of the estimate is rounding


class Interval(NamedTuple):
    """An estimate with its interval, and what it rests on.

    Attributes
    ----------
    estimate, low, high
        The bounds are NaN where no interval can be given.
    n_units, unit
        How many units, and their level.
    error, df
        Standard error on the scale, and degrees of freedom.
    scale
        On which the error is the same in both directions.
    n_trainings
        Trainings that the estimate is a mean over.
    from_trainings
        Part of the variance that comes from them, 0 to 1.
    """

    estimate: float
    low: float
    high: float
    n_units: int
    unit: str
    error: float = float("nan")
    df: float = float("nan")
    scale: Scale = "plain"
    n_trainings: int = 1
    from_trainings: float = 0.0

    def p_above(self, bound: float) -> float:
        """Two-sided p of "not above `bound`": small where the estimate lies clearly above; NaN without an interval."""
        return _two_sided(-self._distance(bound), self.df, self.error)

    def p_below(self, bound: float) -> float:
        """Two-sided p of "not below `bound`": small where the estimate lies clearly below; NaN without an interval."""
        return _two_sided(self._distance(bound), self.df, self.error)

    def errors_from(self, *bounds: float) -> float:
        """How many standard errors the estimate lies from the nearest of some bounds; NaN without a standard error."""
        if not self.error > 0:
            return float("nan")
        return min(abs(self._distance(bound)) for bound in bounds)

    def _distance(self, bound: float) -> float:
        """From the bound to the estimate in standard errors; by how much it can differ where all units agree."""
        away = self.estimate - bound
        if self.error > 0:
            if not np.isfinite(self.low):
                return float("nan")
            to, *_ = _SCALES[self.scale]
            with np.errstate(divide="ignore", invalid="ignore"):
                return float((to(self.estimate) - to(bound)) / self.error)
        if self.error == 0 and self.n_units >= MIN_UNITS:
            room = max(1 - abs(away), 1e-12) if self.scale in _RANGES else 0.0
            with np.errstate(divide="ignore"):
                return 0.0 if away == 0 else float(np.sign(away) * np.sqrt(np.divide(self.n_units * abs(away), room)))
        return float("nan")


def jackknife_interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    n_tokens: int,
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    scale: Scale = "plain",
    confidence: float = 0.95,
) -> Interval:
    """Interval of any statistic that can be written with token weights.

    Parameters
    ----------
    statistic : callable
        Maps weights (samples, n_tokens) to values (samples,), or (samples, training) for a mean over trainings; all
        ones is the observed statistic. Of means: `mean_interval`.
    n_tokens, clusters
        As in `resampling_unit`, whose units are left out as wholes.
    scale : {"plain", "difference", "proportion", "ratio", "correlation"}
        What kind of value it is; "difference" is one of proportions.
    confidence : float
        Coverage of the interval, between 0 and 1.
    """
    unit = resampling_unit(clusters, n_tokens)
    observed = np.atleast_2d(np.asarray(statistic(np.ones((1, n_tokens))), dtype=float).T).T
    size = max(1, _BLOCK_VALUES // max(n_tokens, 1))
    blocks = [
        np.asarray(statistic((np.arange(at, min(at + size, unit.n_units))[:, None] != unit.codes).astype(float)))
        for at in range(0, unit.n_units, size)
    ]
    left_out = np.concatenate(blocks).reshape(unit.n_units, -1)
    return interval_of(observed[0], left_out, unit, scale=scale, confidence=confidence)


def mean_interval(
    values: np.ndarray,
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    over: np.ndarray | None = None,
    of_units: bool = False,
    scale: Scale = "plain",
    confidence: float = 0.95,
) -> Interval:
    """Interval of a mean, or of a ratio of sums; see `jackknife_interval`.

    Parameters
    ----------
    values : ndarray (n_tokens,) or (training, n_tokens)
        With several trainings, the mean over them.
    clusters
        As in `resampling_unit`.
    over : ndarray, shape of the values, optional
        The statistic is the sum of the values over the sum of these; ones, and so the mean, by default.
    of_units : bool
        The mean over units of the mean of each, so that every speaker counts the same; not that over tokens.
    scale, confidence
        As in `jackknife_interval`.
    """
    values = np.atleast_2d(np.asarray(values, dtype=float))
    unit = resampling_unit(clusters, values.shape[1])
    divisors = np.ones_like(values) if over is None else np.broadcast_to(over, values.shape)
    sums, totals = (unit_sums(each.T, unit.codes, unit.n_units) for each in (values, divisors))  # (unit, training)
    if of_units:
        sums, totals = sums / totals, np.ones_like(totals)
    counts = np.ones(unit.n_units) if of_units else None
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = sums.sum(axis=0) / totals.sum(axis=0)
        left_out = (sums.sum(axis=0) - sums) / (totals.sum(axis=0) - totals)
    return interval_of(observed, left_out, unit, counts=counts, scale=scale, confidence=confidence)


def interval_of(
    observed: np.ndarray,
    left_out: np.ndarray,
    unit: Unit,
    *,
    counts: np.ndarray | None = None,
    scale: Scale = "plain",
    confidence: float = 0.95,
) -> Interval:
    """Interval of a statistic from its values with each unit left out.

    Parameters
    ----------
    observed : ndarray (training,)
        The statistic, of each training.
    left_out : ndarray (unit, training)
        The same with each unit left out; a unit whose value is not finite (nothing is left) does not count.
    unit : Unit
        What was left out.
    counts : ndarray (unit,), optional
        How much each unit weighs; its number of tokens by default. Units of weight 0 do not count.
    scale, confidence
        As in `jackknife_interval`.
    """
    weights = np.bincount(unit.codes, minlength=unit.n_units).astype(float) if counts is None else counts
    n_units = int((weights > 0).sum())
    estimate, error, df, part = standard_error(observed, left_out, weights, scale=scale)
    low, high = limits(estimate, error, df, n_units, scale=scale, confidence=confidence)
    values = (float(estimate), float(low), float(high), n_units, unit.level, float(error), float(df))
    return Interval(*values, scale, len(observed), float(part))


def training_interval(values: np.ndarray, *, scale: Scale = "plain", confidence: float = 0.95) -> Interval:
    """Interval of a mean over trainings alone, of what needs no tokens: a property of their weights.

    Parameters
    ----------
    values : ndarray (training,)
        On the scale's own values; a single training has no interval.
    scale, confidence
        As in `jackknife_interval`.
    """
    count, (to, _, back) = len(values), _SCALES[scale]
    on_scale = to(np.asarray(values, dtype=float))
    error = float(on_scale.std(ddof=1) / np.sqrt(count)) if count > 1 else float("nan")
    away = stdtrit(max(count - 1, 1), (1 + confidence) / 2) * error
    estimate, low, high = (float(back(on_scale.mean() + side)) for side in (0.0, -away, away))
    return Interval(estimate, low, high, count, "training", error, max(count - 1, 1), scale, count, 1.0)


@np.errstate(invalid="ignore", divide="ignore")
def standard_error(
    observed: np.ndarray, left_out: np.ndarray, weights: np.ndarray, *, scale: Scale = "plain"
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean over trainings, its standard error on the scale, degrees of freedom, and the part of trainings.

    The variance is that over units, of the mean of trainings, and that over trainings. What a training makes of single
    units is in both, so the interval is wide rather than narrow (Owen 2007). Degrees of freedom are Satterthwaite's.

    Parameters
    ----------
    observed : ndarray (training, ...)
    left_out : ndarray (unit, training, ...)
    weights : ndarray (unit, ...)
        How much each unit weighs in the statistic; units of weight 0 do not count.
    scale
        As in `jackknife_interval`.

    Returns
    -------
    estimate, error, df, from_trainings : ndarray (...)
        The error is NaN with fewer than two units, 0 where all units agree; the last is a part of the variance, 0 to 1.
    """
    n_trainings = len(observed)
    estimate = observed.mean(axis=0)
    weights = np.broadcast_to(weights.reshape(weights.shape + (1,) * (left_out.ndim - 1 - weights.ndim)),
                              (len(left_out), *left_out.shape[2:]))  # fmt: skip
    counted = (weights > 0) & np.isfinite(left_out).all(axis=1)
    n_units = counted.sum(axis=0)
    change = np.where(counted[:, None], left_out - observed, 0.0)
    variance = (change.mean(axis=1) ** 2).sum(axis=0)
    kish = np.where(counted, weights, 0).sum(axis=0) ** 2 / np.where(counted, weights**2, 0).sum(axis=0)
    df = np.maximum(kish - 1, 1.0)
    of_trainings = np.zeros_like(variance)
    if n_trainings > 1:
        further = observed.var(axis=0, ddof=1) / n_trainings
        parts = variance**2 / df + further**2 / (n_trainings - 1)
        variance = variance + further
        of_trainings = np.where(variance > 0, further / variance, 0.0)
        df = np.where(variance > 0, variance**2 / parts, df)
    error = np.sqrt(variance)
    error = np.where(error <= _SAME * np.maximum(np.abs(estimate), 1e-3), 0.0, error)
    slope = _SCALES[scale][1](estimate)
    return estimate, np.where(n_units < 2, np.nan, np.where(error > 0, error * slope, 0.0)), df, of_trainings


def limits(
    estimate: np.ndarray, error: np.ndarray, df: np.ndarray, n_units: np.ndarray | int, *,
    scale: Scale = "plain", confidence: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Bounds of an interval.

    Where all units agree on a proportion or a difference of proportions, the interval is the one that so many
    independent units allow (Wilson 1927). Where they agree to the last digit on anything else, it has no width.

    Parameters
    ----------
    estimate, error, df : ndarray (...)
        From `standard_error`.
    n_units : int or ndarray (...)
        With fewer than six there is no interval.
    scale, confidence
        As in `jackknife_interval`.
    """
    to, _, back = _SCALES[scale]
    upper = (1 + confidence) / 2
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        away = stdtrit(df, upper) * error
        low, high = back(to(estimate) - away), back(to(estimate) + away)
        wide = ndtri(upper) ** 2 / (n_units + ndtri(upper) ** 2) if scale in _RANGES else 0.0
        least, most = _RANGES.get(scale, (-np.inf, np.inf))
        low = np.where(error == 0, np.maximum(estimate - wide, least), low)
        high = np.where(error == 0, np.minimum(estimate + wide, most), high)
    few = np.asarray(n_units) < MIN_UNITS
    return np.where(few, np.nan, low), np.where(few, np.nan, high)


def _two_sided(distance: float, df: float, error: float) -> float:
    """Twice the probability of a larger distance, at most 1."""
    tail = ndtr(distance) if error == 0 else stdtr(df, distance)
    return float(np.minimum(2 * tail, 1.0))
