"""Equal error rate of a detector, with an interval over speakers and detectors."""

from __future__ import annotations

import numpy as np
import pandas as pd

from phonoscope.judgement.intervals import Interval, interval_of
from phonoscope.judgement.units import resampling_unit

_VALUES_AT_ONCE = 2_000_000


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


def equal_error_interval(parts: list[pd.DataFrame]) -> Interval:
    """Mean equal error rate of several detectors of the same recordings, over speakers (or recordings) and detectors.

    Parameters
    ----------
    parts : list of DataFrame
        One a detector: ``speaker, recording, truth`` ("real" or "spoofed") and ``score``, the same recordings in each.

    Returns
    -------
    Interval
        0 to 1; the units counted are those that have the rarer kind.
    """
    first = parts[0]
    unit = resampling_unit(first[["speaker", "recording"]].reset_index(drop=True), len(first))
    spoofed = (first["truth"] == "spoofed").to_numpy()
    weights = (np.arange(unit.n_units)[:, None] != unit.codes).astype(float)
    observed, left_out = [], []
    for part in parts:
        scores = part["score"].to_numpy(dtype=float)
        observed.append(equal_error_rate(spoofed, scores))
        left_out.append(equal_error_rates(spoofed, scores, weights))
    kinds = [np.bincount(unit.codes[side], minlength=unit.n_units) for side in (spoofed, ~spoofed)]
    rarer = min(kinds, key=np.count_nonzero)
    return interval_of(np.array(observed), np.stack(left_out, axis=1), unit, counts=rarer, scale="proportion")


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
