"""Tests by flipping the signs of whole units, and Holm's correction for many tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

_FLIP_BLOCK = 500  # sign patterns held in memory at once


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
