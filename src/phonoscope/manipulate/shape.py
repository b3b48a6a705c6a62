"""Level and spectral tilt."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from phonoscope.manipulate import measures
from phonoscope.manipulate.cue import Asked, Cue
from phonoscope.manipulate.sounds import Sounds, filtered, frames, weights

_PIVOT_HZ = 1000.0


def weighted(recorded: Sounds, asked: Asked) -> Tensor:
    """How far each frame takes part, shape (stimulus, frame, 1)."""
    cut = recorded.shared(frames)
    return torch.as_tensor(recorded.shared(weights)[asked.of], dtype=cut.power.dtype, device=cut.power.device)[
        ..., None
    ]


def shaped(recorded: Sounds, asked: Asked, gain_db: np.ndarray, *, keep_power: bool = True) -> Sounds:
    """Stimuli whose stretch is filtered without phase.

    Parameters
    ----------
    recorded, asked
        See `Cue`.
    gain_db
        In dB, shape (stimulus, bin) or (stimulus, 1).
    keep_power
        Whether each frame keeps its energy.
    """
    weight = weighted(recorded, asked)
    gain = torch.as_tensor(gain_db, dtype=weight.dtype, device=weight.device)[:, None]
    of = torch.as_tensor(asked.of, device=weight.device)
    stimuli = recorded[asked.of]
    return stimuli.changed(
        filtered(recorded, of, 10 ** (weight * gain / 10), keep_power=keep_power),
        expected=recorded.shared(measures.formants)[0][asked.of],
    )


def change_level(recorded: Sounds, asked: Asked) -> Sounds:
    """Make the stretch louder or softer."""
    return shaped(recorded, asked, (asked.value - asked.before)[:, None], keep_power=False)


def change_tilt(recorded: Sounds, asked: Asked) -> Sounds:
    """Add a slope to the spectrum; each frame keeps its energy."""
    octaves = np.log2(np.maximum(recorded.shared(frames).hertz, 50.0) / _PIVOT_HZ)
    return shaped(recorded, asked, (asked.value - asked.before)[:, None] * octaves)


LEVEL = Cue(
    name="level",
    summary="level of the stretch: of a vowel, a frication or a burst",
    unit="dB",
    steps=(-12.0, -8.0, -4.0, 0.0, 4.0, 8.0, 12.0),
    change=change_level,
    measure=measures.level,
    slack=0.1,
)
TILT = Cue(
    name="tilt",
    summary="slope of the spectrum, 100 to 5000 Hz",
    unit="dB/octave",
    steps=(-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0),
    change=change_tilt,
    measure=measures.tilt,
    slack=0.2,
)
