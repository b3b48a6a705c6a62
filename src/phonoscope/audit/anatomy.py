"""A recording taken apart: level, offset, hum, silence, background and speech, so that each can be exchanged alone.

A recording is read as ``level × (speech + background) + hum + offset``. Its quietest frames are the background; what a
Wiener filter leaves of the rest is called speech. Everything but the level is relative to it, so that a recording made
louder has changed in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import uniform_filter1d

from phonoscope.audit.transform import Transform, transform_of

FRAME_SECONDS = 0.02
HOP_SECONDS = 0.01
QUIET_SHARE = 0.1  # of the frames: the background
MAINS = (50.0, 60.0)
HARMONICS = 5
SILENCE = 1e-6  # full scale: below this nothing was recorded
_FEWEST_QUIET, _FEWEST_ALIKE = 5, 3
_QUIET_SPREAD = 5.0  # dB
_SMOOTHED = 5  # frames
_SPEECH_BELOW_PEAK = 30.0  # dB: frames at least so loud are speech
_SPEECH_ABOVE_FLOOR = 10.0  # dB, where the background is louder than that
_LEAST_RUN = 3  # frames: shorter stretches are clicks, or no pauses
_LEAST_GAIN = 0.05  # of the Wiener filter
_OVERESTIMATE = 2.0  # of the background's power, so that little of it is left in the speech
_FEWEST_OF_HUM = 0.06  # s of background: the hum of a shorter one cannot be told from noise
_HUM_ABOVE_FLOOR = 6.0  # dB: louder frames are not fitted
_HUM_FORETOLD = 0.05  # of the power in one half that the other half must foretell


@dataclass(frozen=True)
class Hum:
    """Mains hum: complex amplitudes of the harmonics of one mains frequency, full scale, phase at sample 0."""

    mains: float
    amplitude: np.ndarray

    def wave(self, samples: int, rate: float) -> np.ndarray:
        """Sound of the hum, shape (samples,)."""
        made = np.zeros(samples)
        if not self.amplitude.any():
            return made
        turn = np.exp(2j * np.pi * self.mains / rate * np.arange(samples))
        harmonic = np.ones(samples, dtype=complex)
        for amplitude in self.amplitude:
            harmonic *= turn
            made += amplitude.real * harmonic.real - amplitude.imag * harmonic.imag
        return made


class Anatomy:
    """Parts of one recording.

    Parameters
    ----------
    samples : array (sample,)
        The recording.
    rate : float
        Its sample rate, Hz.
    """

    def __init__(self, samples: np.ndarray, rate: float) -> None:
        self.samples, self.rate = np.asarray(samples, dtype=np.float64), float(rate)
        self.frame, self.hop = round(FRAME_SECONDS * rate), round(HOP_SECONDS * rate)

    @cached_property
    def offset(self) -> float:
        """Mean of the samples (DC), full scale."""
        return float(self.samples.mean()) if len(self.samples) else 0.0

    @cached_property
    def hum(self) -> Hum:
        """Mains hum, fitted to what is not much louder than the background; none where half of it foretells no other.

        A fit to noise explains noise; hum goes on with its phase.
        """
        around = self.samples - self.offset
        loudness = frame_levels(around, self.frame, self.hop)
        floor = loudness[_quietest(loudness)].mean()
        weight = np.zeros(len(around), dtype=bool)
        for first in np.flatnonzero(loudness < floor + _HUM_ABOVE_FLOOR) * self.hop:
            weight[first : first + self.frame] = True
        none = Hum(MAINS[0], np.zeros(1, dtype=complex))
        if weight.sum() < _FEWEST_OF_HUM * self.rate:
            return none
        at, heard = np.flatnonzero(weight) / self.rate, around[weight]
        heard = heard - heard.mean()  # what is constant there is no hum
        block = (np.arange(len(heard)) // self.frame) % 2 == 0
        best, most = none, _HUM_FORETOLD
        for mains in MAINS:
            columns = _harmonics(at, mains, self.rate)
            left = sum(_foretold(columns, heard, side) for side in (block, ~block))
            share = 1 - left / max(float(heard @ heard), 1e-20)
            if share > most:
                found, *_ = np.linalg.lstsq(columns, heard, rcond=1e-3)
                count = (columns.shape[1] - 1) // 2
                best, most = Hum(mains, found[:count] - 1j * found[count : 2 * count]), share
        return best

    @cached_property
    def hum_wave(self) -> np.ndarray:
        """Sound of the hum, shape (sample,)."""
        return self.hum.wave(len(self.samples), self.rate)

    @cached_property
    def rest(self) -> np.ndarray:
        """The recording without offset and hum, shape (sample,)."""
        return self.samples - self.offset - self.hum_wave

    @cached_property
    def loudness(self) -> np.ndarray:
        """Level of each frame of the rest, dB re full scale, shape (frame,)."""
        return frame_levels(self.rest, self.frame, self.hop)

    @cached_property
    def quiet(self) -> np.ndarray:
        """Positions of the quietest frames, which are the background."""
        return _quietest(self.loudness)

    @cached_property
    def active(self) -> np.ndarray:
        """Which frames hold speech, by their level; shape (frame,)."""
        peak, floor = np.quantile(self.loudness, [0.95, QUIET_SHARE])
        threshold = max(peak - _SPEECH_BELOW_PEAK, min(floor + _SPEECH_ABOVE_FLOOR, peak - 6.0))
        return _without_short_runs(_without_short_runs(self.loudness >= threshold, True), False)

    @cached_property
    def span(self) -> tuple[int, int]:
        """First sample of the speech, and the one after its last."""
        found = np.flatnonzero(self.active)
        if not len(found):
            return 0, len(self.samples)
        return int(found[0]) * self.hop, min(int(found[-1]) * self.hop + self.frame, len(self.samples))

    @cached_property
    def level(self) -> float:
        """Root mean square of the speech in the frames that hold it, without the background's, full scale."""
        some = self.loudness[self.active] if self.active.any() else self.loudness
        power = float(np.mean(10 ** (some / 10)))
        return max(float(np.sqrt(max(power - self.floor**2, power / 4))), SILENCE)

    @cached_property
    def pauses(self) -> list[tuple[int, int]]:
        """Silences between the first and the last speech, as (first, end) samples."""
        first, end = (edge // self.hop for edge in self.span)
        edges = np.flatnonzero(np.diff(self.active[first:end].astype(int)))
        starts = [int(edge) + first + 1 for edge in edges if self.active[first + edge]]
        ends = [int(edge) + first + 1 for edge in edges if not self.active[first + edge]]
        return [(a * self.hop + self.frame - self.hop, b * self.hop) for a, b in zip(starts, ends, strict=False)
                if b * self.hop > a * self.hop + self.frame - self.hop]  # fmt: skip

    @property
    def spoken(self) -> int:
        """Samples from the first to the last speech, without the pauses."""
        return max(self.span[1] - self.span[0] - sum(end - first for first, end in self.pauses), 1)

    @property
    def transform(self) -> Transform:
        """Transform that gives the spectra."""
        return transform_of(self.frame, self.hop, self.rate)

    @cached_property
    def hertz(self) -> np.ndarray:
        """Frequencies of the spectra, shape (frequency,)."""
        return self.transform.hertz

    @cached_property
    def spectrum(self) -> np.ndarray:
        """Short-time spectra of the rest, complex, shape (frequency, time)."""
        return self.transform.forth(np.pad(self.rest, (0, max(0, self.frame - len(self.rest)))))

    @cached_property
    def background_power(self) -> np.ndarray:
        """Mean power of the background's spectra, shape (frequency,)."""
        centre = (self.quiet * self.hop + self.frame // 2) / self.hop - self.transform.first
        index = np.clip(np.round(centre).astype(int), 0, self.spectrum.shape[1] - 1)
        return np.mean(np.abs(self.spectrum[:, index]) ** 2, axis=1)

    @cached_property
    def speech(self) -> np.ndarray:
        """The rest with the background suppressed, shape (sample,)."""
        power = np.abs(self.spectrum) ** 2
        smooth = uniform_filter1d(power, 3, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = 1 - _OVERESTIMATE * self.background_power[:, None] / np.maximum(smooth, 1e-30)
        gain = np.clip(gain, _LEAST_GAIN, 1.0)
        return self.transform.back(self.spectrum * gain, max(len(self.rest), self.frame))[: len(self.rest)]

    @cached_property
    def background(self) -> np.ndarray:
        """What the speech leaves of the rest, shape (sample,)."""
        return self.rest - self.speech

    @cached_property
    def floor(self) -> float:
        """Root mean square of the background in the quietest frames, full scale."""
        return max(float(np.sqrt(np.mean(10 ** (self.loudness[self.quiet] / 10)))), SILENCE)

    def texture(self, samples: int, seed: int = 0) -> np.ndarray:
        """More of the background: noise of its spectrum and level, shape (samples,).

        Parameters
        ----------
        samples
            How many.
        seed
            Of the noise.
        """
        return shaped_noise(samples, self.hertz, self.background_power, self.floor, self.rate, seed)

    def quiet_grains(self) -> np.ndarray:
        """The quietest frames one after another, as recorded, shape (sample,)."""
        return np.concatenate([self.rest[i * self.hop : i * self.hop + self.frame] for i in np.sort(self.quiet)])


def shaped_noise(
    samples: int, hertz: np.ndarray, power: np.ndarray, level: float, rate: float, seed: int
) -> np.ndarray:
    """Gaussian noise of a spectrum and root mean square, shape (samples,).

    Parameters
    ----------
    samples
        How many.
    hertz, power
        The spectrum, any unit of power.
    level
        Root mean square, full scale.
    rate
        Sample rate, Hz.
    seed
        Of the noise.
    """
    if not samples or power.sum() <= 0:
        return np.zeros(samples)
    white = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples))
    made = np.fft.irfft(white * np.sqrt(np.interp(np.fft.rfftfreq(samples, 1 / rate), hertz, power)), samples)
    size = np.sqrt(np.mean(made**2))
    return made * (level / size) if size > 0 else made


def frame_levels(samples: np.ndarray, frame: int, hop: int) -> np.ndarray:
    """Level of frames, dB re full scale, shape (frame,), at least one.

    Parameters
    ----------
    samples : array (sample,)
    frame, hop : int
        Length and distance, samples.
    """
    padded = np.pad(samples, (0, max(0, frame - len(samples))))
    total = np.concatenate([[0.0], np.cumsum(padded**2)])
    first = np.arange(0, len(padded) - frame + 1, hop)
    return 10 * np.log10(np.maximum((total[first + frame] - total[first]) / frame, SILENCE**2))


def _quietest(loudness: np.ndarray) -> np.ndarray:
    """Positions of the quietest frames."""
    smooth = uniform_filter1d(10 ** (loudness / 10), _SMOOTHED)  # so that noise that flutters is not taken for quieter
    ordered = np.argsort(smooth, kind="stable")[: max(_FEWEST_QUIET, round(QUIET_SHARE * len(loudness)))]
    alike = smooth[ordered] <= smooth[ordered[0]] * 10 ** (_QUIET_SPREAD / 10)  # louder ones hold the end of a vowel
    return ordered[: max(_FEWEST_ALIKE, np.count_nonzero(alike))]


def _without_short_runs(mask: np.ndarray, value: bool) -> np.ndarray:
    """The mask with runs of a value that are too short turned into the other."""
    edges = np.flatnonzero(np.diff(np.concatenate([[not value], mask, [not value]]).astype(int)))
    found = mask.copy()
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        if end - first < _LEAST_RUN:
            found[first:end] = not value
    return found


def _harmonics(t: np.ndarray, mains: float, rate: float) -> np.ndarray:
    """Cosines and sines of the harmonics of a mains frequency, and a constant, shape (sample, column)."""
    count = max(1, min(HARMONICS, int((rate / 2 - 1) // mains)))
    angle = 2 * np.pi * mains * np.outer(t, np.arange(1, count + 1))
    return np.concatenate([np.cos(angle), np.sin(angle), np.ones((len(t), 1))], axis=1)


def _foretold(columns: np.ndarray, samples: np.ndarray, learnt: np.ndarray) -> float:
    """Power that a fit to some samples leaves in the others."""
    found, *_ = np.linalg.lstsq(columns[learnt], samples[learnt], rcond=1e-3)
    return float(np.sum((samples[~learnt] - columns[~learnt] @ found) ** 2))
