"""Intervals and tests for tokens that are not independent: tokens of one recording, recordings of one speaker.

Whole units of the highest level that has enough of them are resampled; every statistic is a function of their
weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri, stdtrit

from phonoscope.errors import PhonoscopeError

PerToken: TypeAlias = Sequence[Any] | np.ndarray | pd.Series  # one value a token

_FLIP_BLOCK = 500  # sign patterns held in memory at once
MIN_UNITS = 6  # five units allow only 2**5 patterns of signs: no two-sided p below .05


class Unit(NamedTuple):
    """What is resampled: ``codes`` (token,) from 0, the name of the level, how many units, what it does not cover."""

    codes: np.ndarray
    level: str
    n_units: int
    note: str


class Interval(NamedTuple):
    """An estimate with its bootstrap interval, the number of units resampled and their level."""

    estimate: float
    low: float
    high: float
    n_units: int
    unit: str


def resampling_unit(clusters: pd.DataFrame | PerToken | None, n_tokens: int, *, min_units: int = MIN_UNITS) -> Unit:
    """Choose the level whose units are resampled: the highest one that has at least `min_units`.

    Levels with fewer units pass through to the next: a one-speaker corpus is resampled by recordings, and `note` says
    that nothing follows about other speakers. Units of a level are nested in the levels above it. A missing value
    (NA) is taken from the level below, so a token without a speaker counts as a unit of its own recording.

    Parameters
    ----------
    clusters : DataFrame (n_tokens rows), sequence of n_tokens, or None
        Columns from the highest level down (``tokens[["speaker", "recording"]]``); a sequence is one level; None:
        tokens.
    n_tokens : int
    min_units : int
        A level with fewer units is not resampled. If even the tokens are fewer, they are the unit.

    Raises
    ------
    PhonoscopeError
        If the number of rows is not `n_tokens`.
    """
    levels = _levels(clusters, n_tokens)
    passed = []
    for name, codes in levels:
        n_units = int(codes.max(initial=-1)) + 1
        if n_units >= min_units or name == "token":
            note = f"holds for these only: {', '.join(passed)}" if passed else ""
            return Unit(codes, name, n_units, note)
        passed.append(f"{n_units} {name}{'s' if n_units != 1 else ''}")
    raise AssertionError("the token level always ends the search")  # _levels appends it


def cluster_rows(clusters: pd.DataFrame | PerToken | None, rows: np.ndarray) -> pd.DataFrame | pd.Series | None:
    """Clusters of some of the tokens, by position or mask."""
    if clusters is None:
        return None
    return (clusters if isinstance(clusters, pd.DataFrame) else pd.Series(list(clusters), dtype="object")).iloc[rows]


def unit_weights(n_units: int, n_bootstrap: int, seed: int = 0) -> np.ndarray:
    """How often each unit was drawn in each bootstrap sample: ndarray (n_bootstrap, n_units), rows sum to n_units.

    Parameters
    ----------
    n_units : int
        Number of units.
    n_bootstrap : int
        Number of samples.
    seed : int
        Where the random numbers start.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_units, np.full(n_units, 1.0 / n_units), size=n_bootstrap).astype(float)


def unit_sums(values: np.ndarray, codes: np.ndarray, n_units: int) -> np.ndarray:
    """Sum values (token, ...) over the tokens of each unit: ndarray (n_units, ...).

    Parameters
    ----------
    values : ndarray (token, ...)
    codes : ndarray of int (token,)
        Unit of each token, from 0.
    n_units : int
        Number of units; one without tokens sums to 0.
    """
    sums = np.zeros((n_units, *values.shape[1:]))
    np.add.at(sums, codes, values)
    return sums


def mean_samples(values: np.ndarray, codes: np.ndarray, n_bootstrap: int, seed: int = 0) -> np.ndarray:
    """Bootstrap samples of a mean when whole units are drawn.

    Parameters
    ----------
    values : ndarray (token, ...)
    codes : ndarray (token,)
        Unit of each token, from 0 without gaps.
    n_bootstrap, seed
        Number of samples, and where the random numbers start.

    Returns
    -------
    ndarray (n_bootstrap, ...)
    """
    counts = np.bincount(codes).astype(float)
    drawn = unit_weights(len(counts), n_bootstrap, seed)
    sums = drawn @ unit_sums(values, codes, len(counts))
    return sums / (drawn @ counts).reshape(-1, *[1] * (values.ndim - 1))


def bootstrap_interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    n_tokens: int,
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    method: Literal["percentile", "bca"] = "percentile",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Cluster-bootstrap interval of any statistic that can be written with token weights.

    Parameters
    ----------
    statistic : callable
        Maps weights (samples, n_tokens) to values (samples,); all ones is the observed statistic. Of means:
        `mean_interval`.
    n_tokens, clusters
        As in `resampling_unit`, whose units are resampled as wholes.
    method : {"percentile", "bca"}
        BCa (Efron 1987) corrects bias and skewness, with the acceleration from leaving out one unit at a time.
    n_bootstrap, confidence, seed
        Number of samples, share of the interval, and where the random numbers start.

    Returns
    -------
    Interval
        ``low`` and ``high`` are NaN if there are fewer than two units.
    """
    unit = resampling_unit(clusters, n_tokens)
    estimate = float(statistic(np.ones((1, n_tokens)))[0])
    if unit.n_units < 2:
        return Interval(estimate, float("nan"), float("nan"), unit.n_units, unit.level)
    samples = np.asarray(statistic(unit_weights(unit.n_units, n_bootstrap, seed)[:, unit.codes]))
    jackknife = None
    if method == "bca":
        jackknife = np.asarray(statistic((np.arange(unit.n_units)[:, None] != unit.codes).astype(float)))
    low, high = interval_of(samples, estimate, jackknife, n_units=unit.n_units, confidence=confidence)
    return Interval(estimate, float(low), float(high), unit.n_units, unit.level)


def mean_interval(
    values: np.ndarray,
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    over: np.ndarray | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Interval:
    """Cluster-bootstrap interval of a mean, or of a ratio of sums; see `bootstrap_interval`.

    Parameters
    ----------
    values : ndarray (n_tokens,)
    clusters
        As in `resampling_unit`.
    over : ndarray (n_tokens,), optional
        The statistic is the sum of the values over the sum of these; ones, and so the mean, by default.
    n_bootstrap, seed
        Number of samples, and where the random numbers start.
    """
    divisors = np.ones(len(values)) if over is None else over
    return bootstrap_interval(
        lambda w: (w @ values) / (w @ divisors), len(values), clusters, n_bootstrap=n_bootstrap, seed=seed
    )


def interval_of(
    samples: np.ndarray,
    estimate: np.ndarray | float | None = None,
    jackknife: np.ndarray | None = None,
    *,
    n_units: int | np.ndarray | None = None,
    confidence: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    """Interval from bootstrap samples: percentile, or BCa when estimate and jackknife values are given.

    Samples of n units vary too little, by √((n − 1)/n), and few units call for Student's t: with `n_units` the tails
    are moved out to ``t · √(n/(n − 1))`` standard deviations (expanded percentile, Hesterberg 2015, Am. Stat. 69, 371).

    Parameters
    ----------
    samples : ndarray (n_bootstrap, ...)
        Samples that are not finite (a class was not drawn) are left out.
    estimate : ndarray (...)
    jackknife : ndarray (n_units, ...)
        The statistic with each unit left out.
    n_units : int or ndarray (...), optional
        Units that were resampled, at least 2; not given: tails as they are.
    confidence : float
        Coverage of the interval, between 0 and 1.

    Returns
    -------
    low, high : ndarray (...)
    """
    samples = np.asarray(samples, dtype=float)
    bounds = np.full((2, *samples.shape[1:]), np.nan)
    units = np.broadcast_to(np.inf if n_units is None else n_units, samples.shape[1:])
    for at in np.ndindex(*samples.shape[1:]):
        drawn = samples[(slice(None), *at)]
        drawn = drawn[np.isfinite(drawn)]
        if len(drawn) < 2 or units[at] < 2:
            continue
        tails = _tails(float(units[at]), confidence)
        quantiles = ndtr(tails)
        if jackknife is not None and estimate is not None:
            left_out = np.asarray(jackknife, dtype=float)[(slice(None), *at)]
            point = float(np.asarray(estimate)[at])
            quantiles = _bca_quantiles(drawn, point, left_out[np.isfinite(left_out)], tails)
        bounds[(slice(None), *at)] = np.quantile(drawn, quantiles)
    return bounds[0], bounds[1]


def sign_flips(n_units: int, n_flips: int, block: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Signs of units, for tests that flip them.

    Parameters
    ----------
    n_units, n_flips
        As many patterns as there are (2 to the power of `n_units`) are all of them; fewer are drawn at random.
    block
        Patterns held in memory at once.
    seed
        Where the random numbers start.

    Yields
    ------
    ndarray (flip, n_units)
        1 and −1.
    """
    rng = np.random.default_rng(seed)
    for start in range(0, n_flips, block):
        size = min(block, n_flips - start)
        if n_flips == 2**n_units:
            flipped = np.arange(start, start + size)[:, None] >> np.arange(n_units) & 1
        else:
            flipped = rng.integers(0, 2, size=(size, n_units), dtype=np.int8)
        yield 1.0 - 2.0 * flipped


def sign_flip_p(scores: np.ndarray, n_permutations: int = 1000, seed: int = 0) -> np.ndarray:
    """Two-sided p that units' contributions sum to zero, by flipping their signs; all patterns of up to 12 units.

    Parameters
    ----------
    scores : ndarray (n_units, test)
        Contribution of each unit to each statistic; under the null hypothesis independent and symmetric about zero.
    n_permutations : int
        Patterns of signs drawn at random; all patterns where there are no more, or no more than 12 units.
    seed : int
        Where the random numbers start.

    Returns
    -------
    ndarray (test,)
        NaN where scores are not finite; 1 where all are zero.
    """
    scores = np.asarray(scores, dtype=float)
    n_units = len(scores)
    finite = np.isfinite(scores).all(axis=0)
    scores = np.where(finite, scores, 0.0)
    observed = np.abs(scores.sum(axis=0))
    exact = n_units <= 12 or 2**n_units <= n_permutations
    n_flips = 2**n_units if exact else n_permutations
    # sums that are equal in exact arithmetic must count as ties: allow for rounding
    least = observed * (1 - 1e-10)
    reached = sum((np.abs(s @ scores) >= least).sum(axis=0) for s in sign_flips(n_units, n_flips, _FLIP_BLOCK, seed))
    p = reached / n_flips if exact else (reached + 1) / (n_flips + 1)
    return np.where(finite, p, np.nan)


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's (1979) adjusted p over all finite entries; NaN stays NaN."""
    values = np.asarray(p, dtype=float)
    adjusted = np.full(values.shape, np.nan)
    finite = np.flatnonzero(np.isfinite(values))
    order = finite[np.argsort(values[finite], kind="stable")]
    steps = values[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def wilson_interval(successes: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's (1927) score interval of a proportion of *independent* trials; NaN for n = 0.

    Parameters
    ----------
    successes, n : int
        Trials that succeeded, and all trials.
    confidence : float
        Coverage of the interval, between 0 and 1.
    """
    from scipy.stats import binomtest

    if n == 0:
        return float("nan"), float("nan")
    interval = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def _tails(n_units: float, confidence: float) -> np.ndarray:
    """Lower and upper tail in standard deviations, for samples of that many units."""
    upper = (1 + confidence) / 2
    z = ndtri(upper) if np.isinf(n_units) else stdtrit(n_units - 1, upper) * np.sqrt(n_units / (n_units - 1))
    return np.array([-z, z])


def _bca_quantiles(samples: np.ndarray, point: float, jackknife: np.ndarray, tails: np.ndarray) -> np.ndarray:
    n = len(samples)
    below = np.clip(((samples < point).sum() + 0.5 * (samples == point).sum()) / n, 1 / (n + 1), n / (n + 1))
    bias = ndtri(below)
    centred = jackknife.mean() - jackknife if len(jackknife) else np.zeros(1)  # none: no skewness is known
    spread = (centred**2).sum() ** 1.5
    acceleration = (centred**3).sum() / (6 * spread) if spread > 0 else 0.0
    return ndtr(bias + (bias + tails) / (1 - acceleration * (bias + tails)))


def _levels(clusters: pd.DataFrame | PerToken | None, n_tokens: int) -> list[tuple[str, np.ndarray]]:
    """Levels from the highest down as (name, codes), each nested in the one above; the tokens come last."""
    tokens = ("token", np.arange(n_tokens))
    if clusters is None:
        return [tokens]
    table = clusters if isinstance(clusters, pd.DataFrame) else pd.DataFrame({"cluster": list(clusters)})
    table = table.reset_index(drop=True).drop(columns="token", errors="ignore")
    if len(table) != n_tokens:
        raise PhonoscopeError(
            f"clusters has {len(table)} rows for {n_tokens} tokens: pass rows of the token table, in the same order."
        )
    levels, above = [], np.zeros(n_tokens, dtype=int)
    for position, column in enumerate(table.columns):
        keys = table[column].astype("object")
        missing = keys.isna()
        if missing.all():
            continue  # nothing is known at this level
        if missing.any():
            for lower in table.columns[position + 1 :]:
                keys = keys.where(keys.notna(), "unknown, " + table[lower].astype("string").astype("object"))
            unknown = pd.Series([f"unknown, token {i}" for i in range(n_tokens)], dtype="object")
            keys = keys.where(keys.notna(), unknown)
        codes = pd.factorize(keys)[0]
        above = pd.factorize(above * n_tokens + codes)[0]  # there are fewer codes than tokens
        levels.append((str(column), above))
    return [*levels, tokens]
