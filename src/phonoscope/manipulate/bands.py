"""Bands of frequency made stronger or weaker, and the centre of gravity moved."""

from __future__ import annotations

import numpy as np
import torch

from phonoscope.manipulate import measures
from phonoscope.manipulate.cue import Asked, Cue
from phonoscope.manipulate.shape import shaped
from phonoscope.manipulate.sounds import Sounds, frames

HIGH_HZ = 4000.0
VOICING_HZ = 300.0
_EDGE_HZ = 200.0  # width of the raised-cosine edge of a band


def above(hertz: np.ndarray, edge: float | np.ndarray) -> np.ndarray:
    """Rise from 0 below an edge to 1 above it, over 200 Hz."""
    return 0.5 - 0.5 * np.cos(np.pi * np.clip((hertz - edge) / _EDGE_HZ + 0.5, 0, 1))


def _share_db(sounds: Sounds, inside: np.ndarray) -> np.ndarray:
    energy = sounds.shared(measures.spectrum)[1]
    part = (energy * torch.as_tensor(inside, device=energy.device)).sum(1)
    return measures.decibels((part / energy.sum(1).clamp_min(1e-30)).cpu().numpy())


def change_high_band(recorded: Sounds, asked: Asked) -> Sounds:
    """Make what lies above 4000 Hz stronger or weaker; what lies below stays as it is."""
    band = above(recorded.shared(frames).hertz, HIGH_HZ)
    return shaped(recorded, asked, (asked.value - asked.before)[:, None] * band, keep_power=False)


def change_voicing_bar(recorded: Sounds, asked: Asked) -> Sounds:
    """Make what lies below 300 Hz stronger or weaker; what lies above stays as it is."""
    band = 1 - above(recorded.shared(frames).hertz, VOICING_HZ)
    return shaped(recorded, asked, (asked.value - asked.before)[:, None] * band, keep_power=False)


def high_band(sounds: Sounds) -> np.ndarray:
    """Energy above 4000 Hz against the whole, dB, (sound,)."""
    hertz = sounds.shared(measures.spectrum)[0]
    return _share_db(sounds, above(hertz, HIGH_HZ))


def voicing_bar(sounds: Sounds) -> np.ndarray:
    """Energy below 300 Hz against the whole, dB, (sound,)."""
    hertz = sounds.shared(measures.spectrum)[0]
    return _share_db(sounds, 1 - above(hertz, VOICING_HZ))


def change_centre(recorded: Sounds, asked: Asked) -> Sounds:
    """Move the centre of gravity by a gain that grows exponentially with frequency; each frame keeps its energy.

    Of all spectra with the centre wanted, this one is nearest to the recorded spectrum (least relative entropy). Its
    exponent is found by Newton's method: the derivative of the centre is the variance of the spectrum.
    """
    hertz, energy = recorded.shared(measures.spectrum)
    power = energy.cpu().numpy()[asked.of] / 1.0
    kilohertz = hertz / 1000
    slope = np.zeros(len(power))
    for _ in range(30):
        weights = power * np.exp(slope[:, None] * (kilohertz - kilohertz[-1] / 2))
        weights /= np.maximum(weights.sum(1, keepdims=True), 1e-300)
        centre = weights @ kilohertz
        variance = np.maximum(weights @ kilohertz**2 - centre**2, 1e-3)
        slope = np.clip(slope + np.clip((asked.value / 1000 - centre) / variance, -0.5, 0.5), -8, 8)
    gain = 10 * np.log10(np.e) * slope[:, None] * (recorded.shared(frames).hertz / 1000)
    return shaped(recorded, asked, gain, keep_power=True)


HIGH = Cue(
    name="high_band",
    summary="energy above 4000 Hz, against the whole",
    unit="dB",
    steps=(-24.0, -12.0, -6.0, 0.0, 6.0, 12.0),
    change=change_high_band,
    measure=high_band,
    needs="a sample rate above 8000 Hz",
    slack=0.5,
)
VOICING = Cue(
    name="voicing_bar",
    summary="energy below 300 Hz, against the whole: the voicing bar of a closure",
    unit="dB",
    steps=(-24.0, -12.0, -6.0, 0.0, 6.0, 12.0),
    change=change_voicing_bar,
    measure=voicing_bar,
    needs="for consonants, the stretch of the closure or frication",
    slack=0.5,
)
CENTRE = Cue(
    name="centre",
    summary="centre of gravity of the spectrum, as of a frication",
    unit="Hz",
    steps=(-1000.0, -500.0, 0.0, 500.0, 1000.0),
    change=change_centre,
    measure=measures.centre_of_gravity,
    units=("Bark", "%"),
    needs="for consonants, the stretch of the frication",
    slack=20.0,
)
