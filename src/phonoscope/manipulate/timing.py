"""Durations of voiceless stretches: noise or silence made shorter or longer, and silence at the edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from phonoscope.manipulate import measures
from phonoscope.manipulate.cue import Asked, Cue
from phonoscope.manipulate.sounds import Sounds

_GRAIN_SECONDS = 0.01


def remade(recorded: Sounds, asked: Asked, arrays: Sequence[np.ndarray], start: np.ndarray, end: np.ndarray) -> Sounds:
    """Stimuli of other lengths.

    Parameters
    ----------
    recorded, asked
        See `Cue`.
    arrays
        One a stimulus, (sample,).
    start, end
        Of the stretch in each, s.
    """
    stimuli = Sounds.of(arrays, recorded.sample_rate, start, end, recorded.ceiling, recorded.samples.device)
    return stimuli.changed(stimuli.samples, expected=recorded.shared(measures.formants)[0][asked.of])


def change_length(recorded: Sounds, asked: Asked) -> Sounds:
    """Cut or lengthen the stretch by overlapping grains of 10 ms: closures, bursts, aspiration, but no voices."""
    arrays = []
    for of, seconds in zip(asked.of, asked.value, strict=True):
        sound, rate = recorded.arrays[of], recorded.sample_rate
        first, last = round(recorded.start[of] * rate), round(recorded.end[of] * rate)
        middle = overlapped(sound[first:last], max(0, round(seconds * rate)), round(_GRAIN_SECONDS * rate))
        arrays.append(np.concatenate([sound[:first], middle, sound[last:]]).astype(np.float32))
    start = recorded.start[asked.of]
    rounded = np.round(np.maximum(asked.value, 0) * recorded.sample_rate) / recorded.sample_rate
    return remade(recorded, asked, arrays, start, start + rounded)


def overlapped(sound: np.ndarray, length: int, grain: int) -> np.ndarray:
    """Sound of another length made of its own grains, each taken from where it lies in proportion; same power.

    Parameters
    ----------
    sound : array (sample,)
        Without periods.
    length : int
        Samples wanted.
    grain : int
        Samples of a grain; half of it overlaps with the next.
    """
    if length == sound.size or length == 0:
        return sound[:length]
    half = min(grain, sound.size, length) // 2
    if half < 2:
        return np.interp(
            np.linspace(0, 1, length), np.linspace(0, 1, max(sound.size, 2)), np.resize(sound, max(sound.size, 2))
        )
    # The square root of a Hann window: grains are not in phase, so that their energies add up, not their amplitudes.
    n_grains = -(-length // half) + 1
    window = np.sin(np.pi * (np.arange(2 * half) + 0.5) / (2 * half))
    padded = np.pad(sound, half, mode="reflect")
    made = np.zeros((n_grains + 1) * half)
    for number in range(n_grains):
        source = round(number * half / max(length, 1) * sound.size)
        source = min(source, padded.size - 2 * half)
        made[number * half : number * half + 2 * half] += padded[source : source + 2 * half] * window
    return made[half : half + length]


def add_silence(recorded: Sounds, asked: Asked) -> Sounds:
    """Put silence before and behind the sound."""
    silence = np.round(np.maximum(asked.value, 0) * recorded.sample_rate).astype(int)
    arrays = [np.pad(recorded.arrays[of], n) for of, n in zip(asked.of, silence, strict=True)]
    shift = silence / recorded.sample_rate
    return remade(recorded, asked, arrays, recorded.start[asked.of] + shift, recorded.end[asked.of] + shift)


def leading_silence(sounds: Sounds) -> np.ndarray:
    """Seconds before the first sample that is not zero, (sound,)."""
    heard = sounds.samples != 0
    first = torch.where(heard.any(1), heard.int().argmax(1), sounds.lengths)
    return first.cpu().numpy() / sounds.sample_rate


VOT = Cue(
    name="vot",
    summary="duration of a stretch without a voice: closure, aspiration (voice onset time), frication",
    unit="s",
    steps=(-0.04, -0.02, 0.0, 0.02, 0.04),
    change=change_length,
    measure=measures.duration,
    units=("%",),
    needs="the stretch to cut or lengthen",
    slack=0.001,
    measured=False,
)
SILENCE = Cue(
    name="silence",
    summary="silence before and behind the sound",
    unit="s",
    steps=(0.0, 0.05, 0.1, 0.2),
    change=add_silence,
    measure=leading_silence,
    absolute=True,
    slack=0.001,
    measured=False,
)
