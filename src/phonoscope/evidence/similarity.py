"""Rank correlations of many maps or profiles at once, and their means over chosen pairs."""

from __future__ import annotations

import numpy as np
import pandas as pd


def rank_correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman correlation of every row of ``a`` with every row of ``b``; 0 where either is flat.

    Parameters
    ----------
    a, b
        Shape (n, ...) and (m, ...), with the same number of values a row.

    Returns
    -------
    ndarray (n, m)
    """
    return _ranked(a) @ _ranked(b).T


def _ranked(values: np.ndarray) -> np.ndarray:
    """Ranks of each row (ties share theirs), centred, of length 1; zero for a flat row."""
    # pandas ranks as scipy.stats does, whose import takes 50 MB
    places = pd.DataFrame(values.reshape(len(values), -1)).rank(axis=1).to_numpy(copy=True)
    places -= places.mean(1, keepdims=True)
    length = np.sqrt(np.square(places).sum(1, keepdims=True))
    return np.divide(places, length, out=np.zeros_like(places), where=length > 1e-9)


def mean_where(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean of each row over the columns where the mask holds, shape (row,); NaN where it never does."""
    counts = mask.sum(1)
    return np.divide((values * mask).sum(1), counts, out=np.full(len(values), np.nan), where=counts > 0)
