"""Classification images: which cells of hertz and seconds move an answer, from answers to random changes.

Reverse correlation (Ahumada & Lovell 1971; Varnet et al. 2013 for speech): every trial changes the level of all cells
at random; a penalised logistic regression of the answers on the changes gives each cell a weight. Clusters of cells are
tested against the same with the answers of each token shuffled (Maris & Oostenveld 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import label as connected
from scipy.special import expit

from phonoscope.errors import PerceptionError

PENALTIES = tuple(10.0 ** np.arange(-4, 2.5, 0.5))  # of the squared weights, in trials
_FOLDS = 5
_NEWTON_STEPS, _DONE = 30, 1e-8
_Z_OF_CLUSTERS = 2.0  # of a single cell
ALPHA = 0.05


class ClassificationImage(NamedTuple):
    """Weights of cells, and what they can be trusted for.

    Attributes
    ----------
    weights
        Change of the log odds of the answer for one unit of change of each cell, shape (frequency, time).
    z
        The weights in standard deviations of those of shuffled answers, same shape.
    cluster
        Number of the significant cluster of each cell, 0 where there is none, same shape.
    clusters
        One row a cluster that was tested: ``cluster, sign, cells, mass`` (sum of z) and ``p``, corrected for all.
    penalty
        That predicts answers best which were not fitted.
    explained
        Share of the deviance of such answers that the image explains.
    n_trials
        How many answers it rests on.
    """

    weights: np.ndarray
    z: np.ndarray
    cluster: np.ndarray
    clusters: pd.DataFrame
    penalty: float
    explained: float
    n_trials: int


def classification_image(
    cells: np.ndarray,
    answered: np.ndarray,
    tokens: Sequence[object] | np.ndarray | None = None,
    *,
    shuffles: int = 500,
    seed: int = 0,
) -> ClassificationImage:
    """Fit a classification image to trials of a model, or of a person.

    Parameters
    ----------
    cells : ndarray (trial, frequency, time)
        How much each cell was changed, in dB or any other unit.
    answered : ndarray (trial,)
        Whether the answer in question was given, 0 or 1; or how probable a model finds it.
    tokens
        Which sound was changed in each trial: each has its own intercept, and answers are shuffled within it. All are
        the same by default.
    shuffles
        How often the answers are shuffled.
    seed
        Of the folds and the shuffles.

    Raises
    ------
    PerceptionError
        If the trials are too few, or all answers are the same.
    """
    cells, answered = np.asarray(cells, dtype=float), np.asarray(answered, dtype=float)
    if len(cells) != len(answered) or cells.ndim != 3:
        raise PerceptionError(
            f"{len(answered)} answers to changes of the shape {cells.shape}; expected (trial, frequency, time)"
        )
    _, rows, columns = cells.shape
    codes = np.zeros(len(answered), dtype=int) if tokens is None else pd.factorize(np.asarray(tokens, dtype=object))[0]
    if len(answered) < 2 * rows * columns:
        raise PerceptionError(
            f"{len(answered)} trials are too few for {rows * columns} cells: ask at least {2 * rows * columns} times"
        )
    if not np.ptp(answered) > 0:
        raise PerceptionError("all answers are the same: choose stronger changes, or a sound nearer to a boundary")
    x = cells.reshape(len(cells), -1)
    rng = np.random.default_rng(seed)
    offsets = _offsets(answered, codes)
    folds = rng.permutation(len(x)) % _FOLDS
    penalty, explained = _best_penalty(x, answered, offsets, folds)
    weights, curvature = _fitted(x, answered, offsets, penalty)
    null = _shuffled(x, answered, codes, curvature, shuffles, rng)
    deviation = null.std(axis=0)
    z = np.divide(weights, deviation, out=np.zeros_like(weights), where=deviation > 0).reshape(rows, columns)
    null_z = (null / np.where(deviation > 0, deviation, 1.0)).reshape(-1, rows, columns)
    cluster, clusters = _tested(z, np.array([_largest_mass(each) for each in null_z]))
    return ClassificationImage(weights.reshape(rows, columns), z, cluster, clusters, penalty, explained, len(answered))


def _offsets(answered: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Log odds of the answer to each token as a whole, a half trial added on either side."""
    counts, sums = np.bincount(codes), np.bincount(codes, answered)
    return np.log((sums + 0.5) / (counts - sums + 0.5))[codes]


def image_weights(
    cells: np.ndarray, answered: np.ndarray, tokens: Sequence[object] | np.ndarray, penalty: float
) -> np.ndarray:
    """Weights (frequency, time) alone, under a known penalty: to compare listeners, each alike.

    Parameters
    ----------
    cells, answered, tokens
        As of `classification_image`.
    penalty
        As of a `ClassificationImage`.
    """
    cells, answered = np.asarray(cells, dtype=float), np.asarray(answered, dtype=float)
    offsets = _offsets(answered, pd.factorize(np.asarray(tokens, dtype=object))[0])
    return _fitted(cells.reshape(len(cells), -1), answered, offsets, penalty)[0].reshape(cells.shape[1:])


def _fitted(
    x: np.ndarray, y: np.ndarray, offsets: np.ndarray, penalty: float, start: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of a logistic regression with squared penalty, and the matrix of second derivatives there."""
    ridge = np.append(np.full(x.shape[1], penalty * len(x)), 0.0)  # the intercept, which comes last, costs nothing
    z = np.column_stack([x, np.ones(len(x))])
    found = np.append(np.zeros(x.shape[1]) if start is None else start, 0.0)
    hessian = np.diag(ridge)
    for _ in range(_NEWTON_STEPS):
        p = expit(offsets + z @ found)
        hessian = z.T @ (z * (p * (1 - p))[:, None]) + np.diag(ridge)
        step = np.linalg.solve(hessian, z.T @ (y - p) - ridge * found)
        found = found + step
        if np.abs(step).max() <= _DONE * max(np.abs(found).max(), 1e-12):
            break
    return found[:-1], hessian[:-1, :-1]


def _best_penalty(x: np.ndarray, y: np.ndarray, offsets: np.ndarray, folds: np.ndarray) -> tuple[float, float]:
    """The penalty under which answers that were left out are most probable, and the deviance explained of these."""
    scale, losses = float(x.var()), np.zeros(len(PENALTIES))
    for fold in range(_FOLDS):
        out, weights = folds == fold, None
        for at in reversed(range(len(PENALTIES))):  # each begins where the next stronger one ended
            weights, _ = _fitted(x[~out], y[~out], offsets[~out], PENALTIES[at] * scale, weights)
            losses[at] += _deviance(y[out], offsets[out] + x[out] @ weights)
    best = int(np.argmin(losses))
    none = _deviance(y, offsets)
    return PENALTIES[best] * scale, float(1 - losses[best] / none) if none > 0 else 0.0


def _deviance(y: np.ndarray, odds: np.ndarray) -> float:
    return float((np.logaddexp(0.0, odds) - y * odds).sum())


def _shuffled(
    x: np.ndarray, y: np.ndarray, codes: np.ndarray, hessian: np.ndarray, shuffles: int, rng: np.random.Generator
) -> np.ndarray:
    """Weights (shuffle, cell) of answers shuffled within tokens: one Newton step from none, as good as all of them."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    groups = np.split(order, starts[1:])
    away = y - (np.bincount(codes, y) / np.bincount(codes))[codes]
    scores = np.empty((shuffles, x.shape[1]))
    for i in range(shuffles):
        mixed = np.empty_like(away)
        for group in groups:
            mixed[group] = away[rng.permutation(group)]
        scores[i] = mixed @ x
    return np.linalg.solve(hessian, scores.T).T


def _clusters_of(z: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Neighbouring cells of one sign beyond the threshold: their mask and mass."""
    found = []
    for sign in (1, -1):
        numbered, count = connected(sign * z > _Z_OF_CLUSTERS)
        found += [(numbered == i, float(z[numbered == i].sum())) for i in range(1, count + 1)]
    return found


def _largest_mass(z: np.ndarray) -> float:
    return max((abs(mass) for _, mass in _clusters_of(z)), default=0.0)


def _tested(z: np.ndarray, largest: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
    """Clusters beside the largest of every shuffle."""
    numbers, rows = np.zeros(z.shape, dtype=int), []
    for mask, mass in sorted(_clusters_of(z), key=lambda each: -abs(each[1])):
        p = float((1 + (largest >= abs(mass)).sum()) / (1 + len(largest)))
        rows.append({"cluster": len(rows) + 1, "sign": int(np.sign(mass)), "cells": int(mask.sum()), "mass": mass,
                     "p": p})  # fmt: skip
        if p < ALPHA:
            numbers[mask] = len(rows)
    return numbers, pd.DataFrame(rows, columns=["cluster", "sign", "cells", "mass", "p"])
