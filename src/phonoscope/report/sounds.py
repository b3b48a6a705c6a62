"""Sounds inside a page: equally loud, without clicks, as addresses that hold them."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from phonoscope.report.style import data_address

LEVEL_RMS = 0.1  # −20 dB re full scale
MOST_PEAK = 0.98
SILENCE_SECONDS = 0.08  # before and after: browsers swallow the first milliseconds of a sound
RAMP_SECONDS = 0.005


def equally_loud(sounds: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Bring sounds to the same root mean square, the highest at which none of them is clipped, at most −20 dB."""
    levels = [float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) for sound in sounds]
    even = [sound / level if level > 0 else sound for sound, level in zip(sounds, levels, strict=True)]
    peak = max((float(np.abs(sound).max(initial=0.0)) for sound in even), default=0.0)
    gain = min(LEVEL_RMS, MOST_PEAK / peak) if peak > 0 else LEVEL_RMS
    return [gain * sound for sound in even]


def evenly_raised(sounds: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Multiply sounds by one factor, so that the loudest has −20 dB and none is clipped: their differences stay."""
    levels = [float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) for sound in sounds if len(sound)]
    level = max(levels, default=0.0)
    peak = max((float(np.abs(sound).max(initial=0.0)) for sound in sounds), default=0.0)
    gain = min(LEVEL_RMS / level, MOST_PEAK / peak) if level > 0 else 1.0
    return [gain * np.asarray(sound, dtype=np.float64) for sound in sounds]


def ramped(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Fade a sound in and out within 5 ms, so that it does not click."""
    length = min(round(RAMP_SECONDS * sample_rate), len(sound) // 2)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(length, 1))
    faded = np.asarray(sound, dtype=np.float64).copy()
    faded[:length] *= rise
    faded[len(faded) - length :] *= rise[::-1]
    return faded


def wav_address(sound: np.ndarray, sample_rate: int) -> str:
    """A sound as an address with the sound in it: WAV of 16 bits, which every browser plays, with silence around it."""
    import soundfile

    silence = np.zeros(round(SILENCE_SECONDS * sample_rate))
    buffer = io.BytesIO()
    whole = np.clip(np.concatenate([silence, sound, silence]), -1.0, 1.0)
    soundfile.write(buffer, whole, sample_rate, format="WAV", subtype="PCM_16")
    return data_address("audio/wav", buffer.getvalue())
