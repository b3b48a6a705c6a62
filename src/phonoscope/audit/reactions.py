"""What a model bears: changes that no class has more of than another, each beside a sham of the same size."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import soundfile
import soxr
from scipy.signal import fftconvolve

from phonoscope.audit.anatomy import Anatomy
from phonoscope.audit.using import SMALLEST_SHARE, Answer
from phonoscope.judgement.claims import above
from phonoscope.judgement.intervals import Interval, mean_interval
from phonoscope.judgement.permutation import holm
from phonoscope.registry import Registry

TELEPHONE_HZ = 3400.0
LOW_HZ = 1000.0  # below it: voice and first formants; from there to 3.4 kHz: the other vowel formants
BANDS = ("speech-low", "speech-middle", "speech-high")  # reactions that take a band out of the speech
_NARROW_RATE = 8000
_SHIFT_SECONDS = 0.05
_ROOM_SECONDS = 0.3
_ROOM_DB = -6.0  # of the reverberation, re the direct sound
_DEVICE_DB = 6.0
_MU = 255.0
_BLOCK = 64

Change = Callable[[Anatomy, int], np.ndarray]


@dataclass(frozen=True)
class Reaction:
    """A change that every recording gets alike.

    Parameters
    ----------
    name
        Its name.
    says
        What was done, as a clause: "with the silence at the edges cut off".
    change
        (recording, seed) → changed recording.
    """

    name: str
    says: str
    change: Change


def trim(own: Anatomy, seed: int) -> np.ndarray:
    """The recording from the first to the last speech."""
    del seed
    first, end = own.span
    return own.samples[first:end]


def pad(own: Anatomy, seed: int) -> np.ndarray:
    """A quarter of a second of the own background on either side."""
    more = round(0.25 * own.rate)
    wave = own.hum.wave(len(own.rest) + 2 * more, own.rate)
    sides = [own.texture(more, seed), own.rest, own.texture(more, seed + 1)]
    return np.concatenate(sides) + wave + own.offset


def without_speech(own: Anatomy, seed: int) -> np.ndarray:
    """Background, hum and offset alone, as long as the recording."""
    first, end = own.span
    rest = own.rest.copy()
    rest[first:end] = own.texture(end - first, seed)
    return rest + own.hum_wave + own.offset


def without_background(own: Anatomy, seed: int) -> np.ndarray:
    """Speech alone; digital silence before, after and in between."""
    del seed
    first, end = own.span
    kept = np.zeros_like(own.speech)
    kept[first:end] = own.speech[first:end]
    return kept


def shift(own: Anatomy, seed: int) -> np.ndarray:
    """The sound 50 ms later, its end put before its beginning."""
    del seed
    return np.roll(own.samples, round(_SHIFT_SECONDS * own.rate))


def low_pass(own: Anatomy, seed: int) -> np.ndarray:
    """Nothing above 3.4 kHz, as on the telephone."""
    del seed
    spectrum = np.fft.rfft(own.samples)
    hertz = np.fft.rfftfreq(len(own.samples), 1 / own.rate)
    return np.fft.irfft(spectrum * np.clip((TELEPHONE_HZ + 100 - hertz) / 100, 0, 1), len(own.samples))


def without_band(own: Anatomy, seed: int, *, low: float, high: float) -> np.ndarray:
    """Nothing of the speech between two frequencies; the background stays.

    Parameters
    ----------
    own
        The recording.
    seed
        Nothing is drawn.
    low, high
        Hz.
    """
    del seed
    hertz = np.fft.rfftfreq(len(own.speech), 1 / own.rate)
    removed = np.fft.rfft(own.speech) * ((hertz >= low) & (hertz < high))
    return own.samples - np.fft.irfft(removed, len(own.speech))


def resample(own: Anatomy, seed: int) -> np.ndarray:
    """Down to 8 kHz and back; down to half the rate where that is no more."""
    del seed
    narrow = min(_NARROW_RATE, own.rate / 2)
    there = soxr.resample(own.samples, own.rate, narrow)
    return _as_long(soxr.resample(there, narrow, own.rate), own)


def eight_bits(own: Anatomy, seed: int) -> np.ndarray:
    """Eight bits by the mu-law (ITU-T G.711), as loud as recorded."""
    del seed
    top = max(float(np.abs(own.samples).max(initial=0.0)), 1e-9)
    x = own.samples / top
    squeezed = np.round(np.sign(x) * np.log1p(_MU * np.abs(x)) / np.log1p(_MU) * 127) / 127
    return top * np.sign(squeezed) * np.expm1(np.abs(squeezed) * np.log1p(_MU)) / _MU


def codec(own: Anatomy, seed: int) -> np.ndarray:
    """Coded as Ogg Vorbis at a low quality and decoded."""
    del seed
    buffer, rate = io.BytesIO(), round(own.rate)
    top = max(float(np.abs(own.samples).max(initial=0.0)), 1e-9)
    soundfile.write(buffer, own.samples / top * 0.5, rate, format="OGG", subtype="VORBIS", compression_level=0.9)
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float64")
    return _as_long(decoded, own) * top / 0.5


def in_a_room(own: Anatomy, seed: int) -> np.ndarray:
    """Reverberation of 300 ms, 6 dB below the direct sound."""
    t = np.arange(round(_ROOM_SECONDS * own.rate)) / own.rate
    tail = np.random.default_rng(seed).standard_normal(len(t)) * 10 ** (-3 * t / _ROOM_SECONDS)
    tail *= 10 ** (_ROOM_DB / 20) / np.sqrt(np.sum(tail**2))
    tail[0] += 1
    return fftconvolve(own.samples, tail)[: len(own.samples)]


def another_device(own: Anatomy, seed: int) -> np.ndarray:
    """Coloured by a smooth response that is drawn for each recording, ±6 dB."""
    rng = np.random.default_rng(seed)
    hertz = np.fft.rfftfreq(len(own.samples), 1 / own.rate)
    place = np.log(1 + hertz / 700) / np.log(1 + own.rate / 1400)
    gain = np.interp(place, np.linspace(0, 1, 6), rng.uniform(-_DEVICE_DB, _DEVICE_DB, 6))
    return np.fft.irfft(np.fft.rfft(own.samples) * 10 ** (gain / 20), len(own.samples))


def louder(own: Anatomy, seed: int) -> np.ndarray:
    """Six decibels louder."""
    del seed
    return 2 * own.samples


REACTIONS: Registry[Reaction] = Registry(
    "reaction",
    {
        each.name: each
        for each in (
            Reaction("speech-removed", "with the speech replaced by background", without_speech),
            Reaction("background-removed", "with speech alone, on digital silence", without_background),
            Reaction("trimmed", "with the silence at the edges cut off", trim),
            Reaction("padded", "with 250 ms of background added on either side", pad),
            Reaction("time-shift", "50 ms later", shift),
            Reaction("louder", "6 dB louder", louder),
            Reaction("telephone-band", "without what lies above 3.4 kHz", low_pass),
            Reaction("speech-low", "without what its speech has below 1 kHz",
                     partial(without_band, low=0, high=LOW_HZ)),
            Reaction("speech-middle", "without what its speech has from 1 to 3.4 kHz",
                     partial(without_band, low=LOW_HZ, high=TELEPHONE_HZ)),
            Reaction("speech-high", "without what its speech has above 3.4 kHz",
                     partial(without_band, low=TELEPHONE_HZ, high=np.inf)),
            Reaction("resampled", "resampled to 8 kHz, or half the rate, and back", resample),
            Reaction("mu-law", "with 8 bits (mu-law)", eight_bits),
            Reaction("codec", "coded as Ogg Vorbis and decoded", codec),
            Reaction("reverberation", "in a room of 300 ms", in_a_room),
            Reaction("device", "through another device (±6 dB)", another_device),
        )
    },
)  # fmt: skip


def react(
    reaction: Reaction, anatomies: Sequence[Anatomy], answer: Answer, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray | None]:
    """Ask about changed recordings, and about shams: log odds (training, recording, label), twice.

    The sham adds the same change, played at another time, to the recording: as much energy of the same colour that is
    none of the change. None where the change is one of length.

    Parameters
    ----------
    reaction
        What is changed.
    anatomies
        Of the recordings.
    answer
        Sounds → log odds (training, sound, label).
    seed
        Of noise that is drawn.
    """
    changed, shams = [], []
    for first in range(0, len(anatomies), _BLOCK):
        some = anatomies[first : first + _BLOCK]
        made = [reaction.change(each, seed + first + number) for number, each in enumerate(some)]
        changed.append(answer([sound.astype(np.float32) for sound in made]))
        if all(len(sound) == len(own.samples) for sound, own in zip(made, some, strict=True)):
            rolled = [
                own.samples + np.roll(sound - own.samples, len(sound) // 2)
                for sound, own in zip(made, some, strict=True)
            ]
            shams.append(answer([sound.astype(np.float32) for sound in rolled]))
    whole = sum(each.shape[1] for each in shams) == len(anatomies)
    return np.concatenate(changed, axis=1), np.concatenate(shams, axis=1) if whole else None


def reactions_table(
    found: Sequence[tuple[Reaction, np.ndarray, np.ndarray | None]],
    before: np.ndarray,
    correct: np.ndarray | None,
    clusters: pd.DataFrame,
) -> pd.DataFrame:
    """What each change did to the answers, with intervals over speakers or recordings, and trainings.

    Parameters
    ----------
    found
        Of `react`.
    before : array (training, recording, label)
        Log odds of the recordings as they are.
    correct : array of int (recording,) or None
        Position of the right label.
    clusters
        ``speaker, recording``.

    Returns
    -------
    DataFrame
        ``reaction, says``; ``decisions`` (share that change) with its interval, ``sham`` (that of the sham);
        ``effect`` (mean change of the log odds of the answer) with its interval; ``accuracy_before, accuracy`` and
        its interval; ``verdict`` on "the model reacts", ``p_holm``.
    """
    rows, judged = [], []
    label = before.mean(axis=0).argmax(axis=1)
    index = np.arange(before.shape[1])
    for reaction, after, sham in found:
        moved = mean_interval(_moved(before, after), clusters, scale="proportion")
        effect = mean_interval(after[:, index, label] - before[:, index, label], clusters)
        row = {"reaction": reaction.name, "says": reaction.says} | _named("decisions", moved)
        row["sham"] = float(_moved(before, sham).mean()) if sham is not None else np.nan
        row |= _named("effect", effect)
        if correct is not None:
            right = mean_interval((after.argmax(axis=-1) == correct).astype(float), clusters, scale="proportion")
            row["accuracy_before"] = float((before.argmax(axis=-1) == correct).mean())
            row |= _named("accuracy", right)
        judged.append(above(moved, np.fmax(SMALLEST_SHARE, row["sham"])))
        rows.append(row)
    adjusted = holm([each.p for each in judged])
    verdicts = [each.verdict(p) for each, p in zip(judged, adjusted, strict=True)]
    return pd.DataFrame(rows).assign(verdict=verdicts, p_holm=adjusted)


def _moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (after.argmax(axis=-1) != before.argmax(axis=-1)).astype(float)


def _named(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _as_long(samples: np.ndarray, own: Anatomy) -> np.ndarray:
    """Cut or filled with silence to the length of the recording."""
    length = len(own.samples)
    return np.pad(samples[:length], (0, max(0, length - len(samples))))
