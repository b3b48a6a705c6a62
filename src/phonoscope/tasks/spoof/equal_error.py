"""Equal error rate of a detector, with a cluster-bootstrap interval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from phonoscope.judgement.bootstrap import interval_of, resampling_unit, unit_weights

N_DRAWS = 1000
_VALUES_AT_ONCE = 2_000_000


class EqualError(NamedTuple):
    """Equal error rate and its 95 % interval, 0 to 1; NaN where it is not known."""

    estimate: float
    low: float
    high: float


def equal_error_rates(spoofed: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Error rate at the threshold where as large a share of spoofed as of real recordings is taken for the other.

    Between two thresholds both rates are interpolated, so recordings with equal scores count as a detector that guesses
    among them: scores that are all the same give one half.

    Parameters
    ----------
    spoofed : ndarray of bool (recording,)
    scores : ndarray (recording,)
        Higher means more likely spoofed.
    weights : ndarray (draw, recording)
        How often each recording counts.

    Returns
    -------
    ndarray (draw,)
        0 to 1. NaN where either kind is missing.
    """
    order = np.argsort(scores, kind="stable")
    ordered, fake = scores[order], spoofed[order]
    # Thresholds stand below all scores and above each value that occurs, never between equal scores.
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    size = max(1, _VALUES_AT_ONCE // max(len(scores), 1))
    blocks = [weights[start : start + size][:, order] for start in range(0, len(weights), size)]
    return np.concatenate([_crossings(block * fake, block * ~fake, ends) for block in blocks])


def equal_error_rate(spoofed: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Equal error rate of one set of scores; see `equal_error_rates`. All recordings count once without weights.

    Parameters
    ----------
    spoofed, scores
        As of `equal_error_rates`.
    weights : ndarray (recording,), optional
        How often each recording counts.
    """
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=float)
    return float(equal_error_rates(np.asarray(spoofed, dtype=bool), np.asarray(scores), weights[None])[0])


def equal_error_interval(parts: list[pd.DataFrame], *, seed: int = 0, n_draws: int = N_DRAWS) -> EqualError:
    """Mean equal error rate of several detectors of the same recordings, resampling speakers (or recordings).

    Parameters
    ----------
    parts : list of DataFrame
        One a detector: ``speaker, recording, truth`` ("real" or "spoofed") and ``score``, the same recordings in each.
    seed : int
        Of the resampling.
    n_draws : int
        Number of bootstrap samples.

    Returns
    -------
    EqualError
        Expanded percentile interval (`phonoscope.judgement.bootstrap.interval_of`); the units counted are those that
        the rarer kind has.
    """
    estimates, drawn, fewest = [], [], np.inf
    for part in parts:
        clusters = part[["speaker", "recording"]].reset_index(drop=True)
        unit = resampling_unit(clusters, len(part))
        spoofed, scores = (part["truth"] == "spoofed").to_numpy(), part["score"].to_numpy(dtype=float)
        estimates.append(equal_error_rate(spoofed, scores))
        drawn.append(equal_error_rates(spoofed, scores, unit_weights(unit.n_units, n_draws, seed)[:, unit.codes]))
        fewest = min(fewest, len(set(unit.codes[spoofed])), len(set(unit.codes[~spoofed])))
    if fewest < 2:
        return EqualError(float(np.mean(estimates)), float("nan"), float("nan"))
    low, high = interval_of(np.mean(drawn, axis=0), n_units=int(fewest))
    return EqualError(float(np.mean(estimates)), float(low), float(high))


def _crossings(fake: np.ndarray, real: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Where the share of missed spoofed recordings, rising, meets that of false alarms, falling, in each row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        missed = np.cumsum(fake, axis=1)[:, ends] / fake.sum(axis=1, keepdims=True)
        alarms = 1 - np.cumsum(real, axis=1)[:, ends] / real.sum(axis=1, keepdims=True)
    rows = np.arange(len(fake))
    missed = np.column_stack([np.zeros(len(fake)), missed])
    alarms = np.column_stack([np.ones(len(fake)), alarms])
    gap = missed - alarms
    after = np.maximum((gap >= 0).argmax(axis=1), 1)
    before = after - 1
    share = -gap[rows, before] / (gap[rows, after] - gap[rows, before])
    return missed[rows, before] + share * (missed[rows, after] - missed[rows, before])
