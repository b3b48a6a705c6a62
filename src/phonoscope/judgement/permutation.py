"""Permutation tests that flip the signs of whole units, and Holm's correction for many tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np


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


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's (1979) adjusted p over all finite entries; NaN stays NaN."""
    values = np.asarray(p, dtype=float)
    adjusted = np.full(values.shape, np.nan)
    finite = np.flatnonzero(np.isfinite(values))
    order = finite[np.argsort(values[finite], kind="stable")]
    steps = values[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
