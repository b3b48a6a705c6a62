"""Logistic curves through shares of answers: of a network, which gives probabilities, and of people, who make slips."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

_STEPS, _DONE = 60, 1e-10
_RIDGE = 1e-9  # of the slope: answers that are all on one side have no finite one
_LAPSE_PRIOR = (1.0, 10.0)  # Beta; as of Schütt et al. 2016, most weight on few slips
_LARGEST_LAPSE = 0.2
_STEEPEST = 20.0  # per standard deviation of x; spread of a normal prior, so that a clean step has a finite slope


def logistic_lines(x: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logistic regression of shares on one value by maximum likelihood, for many weightings at once.

    Parameters
    ----------
    x : ndarray (n,)
        The value.
    shares : ndarray (..., n)
        Between 0 and 1: probabilities, or answers of 0 and 1.
    weights : ndarray (..., n)
        How much each counts; shapes are broadcast.

    Returns
    -------
    intercept, slope : ndarray (...)
        Of the log odds; NaN where the weighted values of ``x`` do not differ.
    """
    weights, shares = np.broadcast_arrays(weights, shares)
    total = weights.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = (weights * x).sum(-1, keepdims=True) / total[..., None]
        away = x - middle
        spread = np.sqrt((weights * away**2).sum(-1, keepdims=True) / total[..., None])
        z = np.where(spread > 0, away / spread, np.nan)
    a, b = np.zeros(total.shape), np.zeros(total.shape)
    for _ in range(_STEPS):
        p = expit(a[..., None] + b[..., None] * z)
        v, r = weights * p * (1 - p), weights * (shares - p)
        s0, s1, s2 = v.sum(-1) + _RIDGE * total, (v * z).sum(-1), (v * z**2).sum(-1) + _RIDGE * total
        g0, g1 = r.sum(-1), (r * z).sum(-1) - _RIDGE * total * b
        with np.errstate(invalid="ignore", divide="ignore"):
            determinant = s0 * s2 - s1**2
            da, db = (s2 * g0 - s1 * g1) / determinant, (s0 * g1 - s1 * g0) / determinant
            # Newton's step, no longer than what keeps a curve that is nearly a step from running away.
            short = np.minimum(1.0, 4.0 / np.maximum(np.hypot(da, db), 1e-12))
        a, b = a + short * da, b + short * db
        if np.nanmax(np.abs(short * db), initial=0.0) < _DONE and np.nanmax(np.abs(short * da), initial=0.0) < _DONE:
            break
    slope = b / spread[..., 0]
    return a - slope * middle[..., 0], slope


class Psychometric(NamedTuple):
    """A fitted psychometric function ``lapse / 2 + (1 − lapse) / (1 + exp(−slope (x − boundary)))``.

    Attributes
    ----------
    boundary
        Where both answers are equally likely, in the unit of ``x``.
    slope
        Of the log odds at the boundary, per unit of ``x``.
    lapse
        Share of answers given at random.
    """

    boundary: float
    slope: float
    lapse: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Probability of the answer at values of ``x``."""
        return self.lapse / 2 + (1 - self.lapse) * expit(self.slope * (np.asarray(x, dtype=float) - self.boundary))


def fit_psychometric(x: np.ndarray, answered: np.ndarray, asked: np.ndarray) -> Psychometric:
    """Fit a psychometric function to counts of people's answers, slips allowed for.

    The most probable one under a Beta(1, 10) prior of the lapse rate, which is the same for both answers (Wichmann &
    Hill 2001; Schütt, Harmeling, Macke & Wichmann 2016), and a wide prior of the slope, which keeps that of a clean
    step finite.

    Parameters
    ----------
    x : ndarray (step,)
        Value of the cue.
    answered, asked : ndarray (step,)
        How often the answer was given, and how often it could have been.
    """
    x, answered, asked = (np.asarray(values, dtype=float) for values in (x, answered, asked))
    if not asked.sum() > 0:
        return Psychometric(np.nan, np.nan, np.nan)
    weights = asked / asked.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.where(asked > 0, answered / asked, 0.0)
    intercept, slope = (float(value) for value in logistic_lines(x, shares, weights))
    middle = float((weights * x).sum())
    spread = float(np.sqrt((weights * (x - middle) ** 2).sum()))
    if not spread > 0:
        return Psychometric(np.nan, np.nan, np.nan)

    z = (x - middle) / spread

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the log posterior, and its gradient."""
        a, b, c = parameters
        unit = expit(c)
        lapse, heard = _LARGEST_LAPSE * unit, expit(a + b * z)
        p = lapse / 2 + (1 - lapse) * heard
        first, second = _LAPSE_PRIOR
        value = -(answered * np.log(p) + (asked - answered) * np.log1p(-p)).sum() + (b / _STEEPEST) ** 2 / 2
        value -= (first - 1) * np.log(lapse) + (second - 1) * np.log1p(-lapse)
        by_p = -(answered / p - (asked - answered) / (1 - p))
        by_line = by_p * (1 - lapse) * heard * (1 - heard)
        by_lapse = (by_p * (0.5 - heard)).sum() - (first - 1) / lapse + (second - 1) / (1 - lapse)
        gradient = (by_line.sum(), (by_line * z).sum() + b / _STEEPEST**2, by_lapse * lapse * (1 - unit))
        return float(value), np.array(gradient)

    first = np.clip([intercept + slope * middle, slope * spread], -_STEEPEST, _STEEPEST)
    # Many slips around a steep curve, or none around a flat one: there may be two peaks.
    starts = [np.array([*first, -4.0]), np.array([*(3 * first), 0.0])]
    limits = [(None, None), (None, None), (-8.0, 8.0)]
    best = min((minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits) for start in starts),
               key=lambda found: found.fun)  # fmt: skip
    a, b, c = best.x
    at = middle - a / b * spread if b != 0 else float("nan")
    return Psychometric(float(at), float(b / spread), float(_LARGEST_LAPSE * expit(c)))
