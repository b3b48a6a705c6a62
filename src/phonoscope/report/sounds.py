"""Sounds inside a page: a token as it is, with only what its map points at, and with that removed."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from phonoscope.errors import PhonoscopeError
from phonoscope.report.content import Content
from phonoscope.report.plates import Sound

LEVEL_RMS = 0.1  # −20 dB re full scale
MOST_PEAK = 0.98
SILENCE_SECONDS = 0.08  # before and after: browsers swallow the first milliseconds of a sound
LONGEST_SECONDS = 4.0  # longer sounds stay in the run folder: the page must stay small
RAMP_SECONDS = 0.005


def token_sounds(
    content: Content, row: Mapping[Any, Any], waveform: np.ndarray, sample_rate: int
) -> tuple[list[Sound], str]:
    """Return the sounds of an example token, equally loud, and a sentence on what is missing or worth knowing.

    Parameters
    ----------
    row
        Of the run's examples: ``token, class, start, end`` (s in the waveform).
    waveform : ndarray (sample,)
        The token with as much context before as after it.
    """
    from phonoscope.attribution.listening import masked_sounds

    if len(waveform) > LONGEST_SECONDS * sample_rate:
        return [], f"Longer than {LONGEST_SECONDS:g} s: the sound stays in the run folder."
    start, end = (round(float(row[limit]) * sample_rate) for limit in ("start", "end"))
    name = f"{content.name(row['class'])}, token {row['token']}"
    parts = [("in its surroundings", ramped(waveform, sample_rate), f"{name}, with its surroundings")]
    parts.append(("the token", ramped(waveform[start:end], sample_rate), f"{name}, alone"))
    note = ""
    try:
        one = content.run.maps(str(content.facts.get("method", "cam")), [str(row["token"])])[0]
        masked = masked_sounds(waveform, sample_rate, one, context_seconds=float(row["start"]))
    except PhonoscopeError as error:
        note = f"Nothing can be masked: {error}."
    else:
        if np.any(masked.only):
            parts.append(("only what the map marks", masked.only, f"{name}, only what the map points at"))
            note = f"{100 * masked.power_share:.0f} % of its power lies under the map."
        else:
            note = "Nothing in the map speaks for the class, so nothing can be let through."
        parts.append(("with that removed", masked.without, f"{name}, without what the map points at"))
    loud = equally_loud([sound for _, sound, _ in parts])
    return [
        Sound(label, wav_address(sound, sample_rate), alt) for (label, _, alt), sound in zip(parts, loud, strict=True)
    ], note


def equally_loud(sounds: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Bring sounds to the same root mean square, the highest at which none of them is clipped, at most −20 dB."""
    levels = [float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) for sound in sounds]
    even = [sound / level if level > 0 else sound for sound, level in zip(sounds, levels, strict=True)]
    peak = max((float(np.abs(sound).max(initial=0.0)) for sound in even), default=0.0)
    gain = min(LEVEL_RMS, MOST_PEAK / peak) if peak > 0 else LEVEL_RMS
    return [gain * sound for sound in even]


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
    return "data:audio/wav;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
