"""Shortcuts planted into clips at a known value, without any code of the audit's own exchanges or measures.

Every clip is levelled first, and whatever it has of the planted property is taken away or drowned; then it gets the
property at a value on a scale of standard deviations. So the value says all that the property can say of a class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.fft import next_fast_len
from scipy.signal import fftconvolve, firwin

from phonoscope.registry import Registry

LEVEL = 0.05  # root mean square of the loud part of every clip, full scale
_STEP_SECONDS = 0.016
_QUIET_SHARE = 0.12
_EDGE_DB = -28.0  # re the loud part: what is quieter at both ends counts as silence

Plant = Callable[[np.ndarray, float, float, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Planter:
    """One kind of shortcut that is planted.

    Parameters
    ----------
    name
        Of the shortcut that the audit should name.
    says
        What is planted, in words.
    plant
        (clip, sample rate, value, random numbers) → clip with the property at this value.
    """

    name: str
    says: str
    plant: Plant


def levelled(samples: np.ndarray, rate: float) -> np.ndarray:
    """The clip without offset, its loud part at one level.

    Parameters
    ----------
    samples : array (sample,)
    rate : float
        Sample rate, Hz.
    """
    centred = np.asarray(samples, dtype=np.float64) - np.mean(samples)
    return centred * (LEVEL / _loud(centred, rate))


def _powers(samples: np.ndarray, rate: float) -> np.ndarray:
    """Mean square of stretches that do not overlap, shape (stretch,)."""
    step = round(_STEP_SECONDS * rate)
    whole = samples[: max(1, len(samples) // step) * step]
    return np.mean(np.resize(whole, (max(1, len(whole) // step), step)) ** 2, axis=1) + 1e-12


def _loud(samples: np.ndarray, rate: float) -> float:
    """Root mean square of the loudest third."""
    powers = np.sort(_powers(samples, rate))
    return float(np.sqrt(powers[-max(1, len(powers) // 3) :].mean()))


def _bounds(samples: np.ndarray, rate: float) -> tuple[int, int]:
    """First and last sample that is not silence at an end."""
    step = round(_STEP_SECONDS * rate)
    loud = np.flatnonzero(_powers(samples, rate) > LEVEL**2 * 10 ** (_EDGE_DB / 10))
    if not len(loud):
        return 0, len(samples)
    return int(loud[0]) * step, min(int(loud[-1] + 1) * step, len(samples))


def _room_tone(samples: np.ndarray, rate: float, length: int, rng: np.random.Generator) -> np.ndarray:
    """More of the clip's quietest part: its spectrum with random phases."""
    if length <= 0:
        return np.zeros(0)
    step = round(_STEP_SECONDS * rate)
    powers = _powers(samples, rate)
    quiet = np.argsort(powers)[: max(2, round(_QUIET_SHARE * len(powers)))]
    frames = [samples[i * step : i * step + step] for i in quiet if len(samples[i * step : i * step + step]) == step]
    power = np.mean([np.abs(np.fft.rfft(frame * np.hanning(step))) ** 2 for frame in frames], axis=0)
    size = next_fast_len(max(length, step))
    noise = np.fft.rfft(rng.standard_normal(size))
    made = np.fft.irfft(noise * np.sqrt(np.interp(np.linspace(0, 1, len(noise)), np.linspace(0, 1, len(power)), power)))
    made = np.resize(made, length)
    return made * np.sqrt(np.median(powers[quiet]) / max(np.mean(made**2), 1e-20))


def _coloured(length: int, rate: float, slope_db: float, rng: np.random.Generator) -> np.ndarray:
    """Noise that rises by so many dB an octave from 100 Hz on, root mean square 1."""
    size = next_fast_len(length)
    hertz = np.fft.rfftfreq(size, 1 / rate)
    gain = 10 ** (slope_db * np.log2(np.maximum(hertz, 100) / 100) / 20)
    made = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * gain, size)[:length]
    return made / np.sqrt(np.mean(made**2))


def _level(x: np.ndarray, rate: float, value: float, rng: np.random.Generator) -> np.ndarray:
    del rate, rng
    return x * 10 ** (4 * value / 20)


def _dc(x: np.ndarray, rate: float, value: float, rng: np.random.Generator) -> np.ndarray:
    del rate, rng
    return x + 0.12 * LEVEL * value


def _edge_silence(x: np.ndarray, rate: float, value: float, rng: np.random.Generator) -> np.ndarray:
    first, end = _bounds(x, rate)
    lead = round(max(0.0, 0.2 + 0.06 * value) * rate)
    return np.concatenate([_room_tone(x, rate, lead, rng), x[first:end], _room_tone(x, rate, round(0.1 * rate), rng)])


def _inner_silence(x: np.ndarray, rate: float, value: float, rng: np.random.Generator) -> np.ndarray:
    first, end = _bounds(x, rate)
    step = round(_STEP_SECONDS * rate)
    third = (end - first) // 3
    inside = _powers(x[first + third : end - third], rate)
    at = first + third + int(np.argmin(inside)) * step
    fade = min(round(0.01 * rate), at)
    pause = _room_tone(x, rate, round(max(0.0, 0.16 + 0.05 * value) * rate), rng)
    down = np.linspace(1, 0, fade)
    before, after = x[:at].copy(), x[at:].copy()
    before[-fade:] *= down
    after[:fade] *= down[::-1][: len(after[:fade])]
    return np.concatenate([before, pause, after])


def _duration(x: np.ndarray, rate: float, value: float, rng: np.random.Generator) -> np.ndarray:
    """The speech 350 ms long, times a factor, by a phase vocoder."""
    del rng
    first, end = _bounds(x, rate)
    wanted = np.clip(0.35 * (1 + 0.16 * value), 0.15, 0.8) * rate
    middle = _vocoded(x[first:end], (end - first) / wanted, rate)
    return np.concatenate([x[:first], middle, x[end:]])


def _vocoded(x: np.ndarray, speed: float, rate: float) -> np.ndarray:
    """Sound played faster at its own pitch: phases that go on (Flanagan & Golden 1966)."""
    size = 2 * round(0.016 * rate)
    hop = size // 4
    padded = np.pad(x, (size, 2 * size))
    window = np.hanning(size + 1)[:-1]
    frames = np.arange(0, len(x) + size, hop * speed)
    made, phase = np.zeros(len(frames) * hop + size), np.zeros(size // 2 + 1)
    for number, at in enumerate(frames):
        one, two = (np.fft.rfft(window * padded[int(at) + k : int(at) + k + size]) for k in (0, hop))
        phase = np.angle(one) if number == 0 else phase
        made[number * hop : number * hop + size] += window * np.fft.irfft(np.abs(one) * np.exp(1j * phase), size)
        phase = phase + np.angle(two) - np.angle(one)
    start = round(size / speed)
    return made[start : start + round(len(x) / speed)] / 1.5


def _background(x: np.ndarray, rate: float, value: float, rng: np.random.Generator) -> np.ndarray:
    return x + 10 ** (-24 / 20) * LEVEL * _coloured(len(x), rate, -3 + 2.5 * value, rng)


def _noise_floor(x: np.ndarray, rate: float, value: float, rng: np.random.Generator) -> np.ndarray:
    return x + 10 ** ((-26 + 4 * value) / 20) * LEVEL * _coloured(len(x), rate, -3, rng)


def _hum(x: np.ndarray, rate: float, value: float, rng: np.random.Generator) -> np.ndarray:
    t = np.arange(len(x)) / rate
    waves = sum(np.sin(2 * np.pi * (50 * k * t + rng.random())) / k for k in (1, 2, 3))
    return x + 10 ** ((-30 + 4 * value) / 20) * LEVEL * waves


def _bandwidth(x: np.ndarray, rate: float, value: float, rng: np.random.Generator) -> np.ndarray:
    del rng
    edge = np.clip(0.34 + 0.04 * value, 0.2, 0.47)
    # Front vowels lose more by it than back ones do: without this their level would be a second shortcut.
    return levelled(fftconvolve(x, firwin(2 * round(0.008 * rate) + 1, 2 * edge), "same"), rate)


def _clipping(x: np.ndarray, rate: float, value: float, rng: np.random.Generator) -> np.ndarray:
    del rng
    top = np.quantile(np.abs(x), 1 - np.clip(0.02 * 10 ** (0.35 * value), 0.001, 0.3))
    return levelled(np.clip(x, -top, top), rate)


def _quantisation(x: np.ndarray, rate: float, value: float, rng: np.random.Generator) -> np.ndarray:
    del rate, rng
    step = 2.0 ** -np.clip(np.round(7.5 + 1.3 * value), 4, 14)
    return np.round(x / step) * step


def _room(x: np.ndarray, rate: float, value: float, rng: np.random.Generator) -> np.ndarray:
    t = np.arange(round(0.5 * rate)) / rate
    tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / (0.35 * 1.5**value))
    tail *= 10 ** (4 * value / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return levelled(fftconvolve(x, tail)[: len(x)], rate)


def _channel(x: np.ndarray, rate: float, value: float, rng: np.random.Generator) -> np.ndarray:
    del rng
    size = next_fast_len(len(x))
    hertz = np.fft.rfftfreq(size, 1 / rate)
    gain = 10 ** (3.5 * value * np.log2(np.maximum(hertz, 100) / 1000) / 20)
    made = np.fft.irfft(np.fft.rfft(x, size) * gain, size)[: len(x)]
    return made * (LEVEL / _loud(made, rate))


# In the order in which they happen to a recording: speech, room, microphone, noise, line, file.
PLANTERS: Registry[Planter] = Registry(
    "planted shortcut",
    {
        each.name: each
        for each in (
            Planter("duration", "duration of the speech, 16 %", _duration),
            Planter("inner-silence", "a pause in the speech, 50 ms", _inner_silence),
            Planter("edge-silence", "silence before the speech, 60 ms", _edge_silence),
            Planter("room", "reverberation, 4 dB and a factor of 1.5 in its decay", _room),
            Planter("channel", "slope of the microphone, 3.5 dB an octave", _channel),
            Planter("bandwidth", "low-pass, 4 % of the sample rate", _bandwidth),
            Planter("background", "slope of a noise, 2.5 dB an octave", _background),
            Planter("noise-floor", "level of a noise, 4 dB", _noise_floor),
            Planter("hum", "mains hum, 4 dB", _hum),
            Planter("clipping", "share of samples cut off, a factor of 2.2", _clipping),
            Planter("dc", "constant offset, 12 % of the speech", _dc),
            Planter("level", "level, 4 dB a standard deviation", _level),
            Planter("quantisation", "coarseness of sample values, 1.3 bits", _quantisation),
        )
    },
)


def trimmed(samples: np.ndarray, rate: float) -> np.ndarray:
    """A clip from its first to its last loud stretch.

    Parameters
    ----------
    samples : array (sample,)
    rate : float
        Sample rate, Hz.
    """
    loudness = LEVEL / _loud(samples, rate)
    first, end = _bounds(samples * loudness, rate)
    return samples[first:end]


def fastened(samples: np.ndarray, rate: float) -> np.ndarray:
    """The loud stretch of a clip, 350 ms long whatever it was.

    Parameters
    ----------
    samples : array (sample,)
    rate : float
        Sample rate, Hz.
    """
    inside = trimmed(samples, rate)
    return _vocoded(inside, len(inside) / (0.35 * rate), rate)
