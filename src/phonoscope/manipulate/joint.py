"""Several formants moved at once, in one filtering and one closed loop: the stimuli of a grid of two cues."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from phonoscope.errors import AudioError
from phonoscope.manipulate import measures
from phonoscope.manipulate.continua import GOOD_ENOUGH, MISSED, corrected
from phonoscope.manipulate.cue import BARK, Asked
from phonoscope.manipulate.formants import LEAST_HZ, changed_formants, known_tracks, ordered, replaced
from phonoscope.manipulate.numbering import FORMANTS
from phonoscope.manipulate.sounds import Sounds, weights

SLACK_HZ = 20.0
USUAL_BANDWIDTHS_HZ = np.array([80.0, 100.0, 160.0, 240.0])  # of F1 to F4; those of men's vowels are a little smaller
_AWAY_BARK = 1.0


class Moved(NamedTuple):
    """Stimuli whose formants were moved.

    Attributes
    ----------
    sounds
        The stimuli.
    achieved
        F1 to F4 as measured in them, Hz, shape (stimulus, 4); NaN where none was found.
    missed
        Whether a formant that was to move is not where it was meant to be, shape (stimulus,): further away than 15 % of
        its step and 20 Hz.
    """

    sounds: Sounds
    achieved: np.ndarray
    missed: np.ndarray


def move_formants(
    recorded: Sounds, of: np.ndarray, targets: np.ndarray, *, rounds: int = 2, tracks: xr.Dataset | None = None
) -> Moved:
    """Move several formants of each stimulus to given frequencies; the others stay, or are pushed on.

    Whole tracks move, in parallel on the Bark scale. All resonances are replaced in one filtering; then all are
    measured, and what is not yet where it should be is corrected, all formants together. A resonance of a usual
    bandwidth keeps it. A dull one, which often stands for two that ran together, gets sharper as it moves, and has a
    usual bandwidth from 1 Bark on.

    Parameters
    ----------
    recorded
        The recorded sounds.
    of : array (stimulus,)
        Of which of them each stimulus is made.
    targets : array (stimulus, 4)
        Where F1 to F4 shall lie in the middle of the stretch, Hz; NaN for a formant that is not moved.
    rounds
        Corrections at most; 0 leaves the loop open.
    tracks
        Formants of the sound (`phonoscope.formants`), where they are known better than what is measured here.

    Raises
    ------
    AudioError
        If the targets have another shape, or do not rise from formant to formant.
    """
    of, targets = np.asarray(of, dtype=int), np.asarray(targets, dtype=float)
    if targets.shape != (len(of), FORMANTS):
        raise AudioError(f"found targets of the shape {targets.shape}; expected ({len(of)} stimuli, {FORMANTS})")
    floor = np.fmax.accumulate(np.where(np.isnan(targets), -np.inf, targets), axis=1)
    if (targets[:, 1:] <= floor[:, :-1]).any():
        raise AudioError("found targets that do not rise from formant to formant; expected F1 < F2 < F3 < F4")
    known = known_tracks(recorded, tracks)
    before = recorded.shared(measures.formants)[0][of]
    size = np.abs(targets - before)
    command, wanted = targets.copy(), np.isfinite(targets)

    def made(rows: np.ndarray) -> Sounds:
        return _made(recorded, known, of[rows], before[rows], command[rows])

    best = made(np.arange(len(of)))
    achieved = best.shared(measures.formants)[0].copy()
    latest = achieved.copy()
    for _ in range(rounds):
        error = np.where(wanted, np.abs(achieved - targets), 0.0)
        good = error <= np.maximum(GOOD_ENOUGH * size, SLACK_HZ / 10)
        again = np.flatnonzero(~(good | ~wanted).all(axis=1) & ~(np.isnan(before) & wanted).any(axis=1))
        if not again.size:
            break
        command[again] = corrected(command, before, latest, targets)[again]
        trial = made(again)
        latest[again] = found = trial.shared(measures.formants)[0]
        worst = [_worst(each, targets[again], size[again]) for each in (found, achieved[again])]
        better = np.flatnonzero(worst[0] < worst[1])
        best = best.with_sounds(again[better], trial[better])
        achieved[again[better]] = found[better]
    return Moved(best, achieved, ~(_worst(achieved, targets, size) <= 1.0))


def _worst(achieved: np.ndarray, targets: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Largest error of each stimulus, 1 where it is just allowed; infinite where a formant was not found."""
    error = np.abs(achieved - targets) / (MISSED * size + SLACK_HZ)
    return np.where(np.isfinite(targets), np.where(np.isnan(error), np.inf, error), 0.0).max(axis=1)


def _made(
    recorded: Sounds, known: tuple[np.ndarray, np.ndarray], of: np.ndarray, before: np.ndarray, command: np.ndarray
) -> Sounds:
    """Stimuli whose formants in the middle of the stretch are commanded, NaN for those that stay."""
    old, bandwidth = (part[of] for part in known)
    weight = weights(recorded)[of]
    offset = np.nan_to_num(BARK.to(np.maximum(command, LEAST_HZ)) - BARK.to(before))
    moving = np.flatnonzero((offset != 0).any(axis=0))
    new = old.copy()
    for k in moving:
        path = np.maximum(BARK.moved(old[..., k], weight * offset[:, None, k]), LEAST_HZ)
        new[..., k] = np.where(offset[:, None, k] != 0, path, old[..., k])
    for k in moving:
        new = ordered(new, old, int(k), recorded.sample_rate / 2)
    away = np.minimum(weight[..., None] * np.abs(offset)[:, None] / _AWAY_BARK, 1.0)
    sharper = bandwidth * np.minimum(USUAL_BANDWIDTHS_HZ / bandwidth, 1.0) ** away
    asked = Asked(of, before, command)
    return changed_formants(recorded, asked, replaced(recorded, asked, known, (new, sharper)), old, new)
