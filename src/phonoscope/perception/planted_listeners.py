"""Listeners whose rule is known: their log odds are linear in what they hear of one cue, or of two.

Each has an ear of its own. None of them is a measure of `phonoscope.manipulate`, so that an error of the instrument's
measures is not shared by those on whom it is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.linalg import solve_toeplitz
from scipy.signal import resample_poly

from phonoscope.perception.cue_scales import cue_scale
from phonoscope.perception.planted_talkers import DRAWN, MEASURED, SAMPLE_RATE

Ear = Callable[[np.ndarray], float]

_LPC_HZ, _LPC_ORDER = 10000, 12
# Where the talkers' formants lie, Hz.
_BANDS_HZ = {"f1": (250.0, 900.0), "f2": (950.0, 2150.0), "f3": (2000.0, 3300.0)}
_POINTS = 2048
_F0_HZ = (75.0, 300.0)
_TILT_HZ = (100.0, 5000.0)
_HIGH_HZ = 4000.0


def resonance(sound: np.ndarray, band: tuple[float, float]) -> float:
    """Highest peak of the all-pole spectrum in a band, Hz: linear prediction by autocorrelation."""
    slow = resample_poly(sound.astype(np.float64), _LPC_HZ, SAMPLE_RATE)
    steep = np.diff(slow) * 1.0
    middle = steep[len(steep) // 4 : -(len(steep) // 4)] * np.hamming(len(steep) - 2 * (len(steep) // 4))
    lags = np.correlate(middle, middle, "full")[len(middle) - 1 :][: _LPC_ORDER + 1]
    lags[0] *= 1 + 1e-9
    poles = solve_toeplitz(lags[:-1], lags[1:])
    spectrum = -np.log(np.abs(np.fft.rfft(np.concatenate([[1.0], -poles]), _POINTS)))
    hertz = np.fft.rfftfreq(_POINTS, 1 / _LPC_HZ)
    inside = np.flatnonzero((hertz >= band[0]) & (hertz <= band[1]))
    peaks = [k for k in inside if spectrum[k] >= spectrum[k - 1] and spectrum[k] > spectrum[k + 1]]
    if not peaks:
        return float("nan")
    at = max(peaks, key=lambda k: spectrum[k])
    return float(np.interp(_summit(spectrum, at), np.arange(len(hertz)), hertz))


def period(sound: np.ndarray) -> tuple[float, float]:
    """F0 in Hz, and the correlation of the sound with itself one period later."""
    middle = sound[len(sound) // 4 : -(len(sound) // 4)].astype(np.float64)
    window = np.hanning(len(middle))
    n = 2 * len(middle)
    spectra = (np.fft.rfft((middle - middle.mean()) * window, n), np.fft.rfft(window, n))
    own, of_window = (np.fft.irfft(np.abs(each) ** 2) for each in spectra)
    first, last = (round(SAMPLE_RATE / hertz) for hertz in reversed(_F0_HZ))
    last = min(last, len(middle) - 2)
    correlation = own[: last + 2] / own[0] * of_window[0] / np.maximum(of_window[: last + 2], 1e-12)
    costs = 0.05 * np.log2(np.maximum(np.arange(last + 2), 1) / first)
    at = first + int(np.argmax((correlation - costs)[first : last + 1]))
    return SAMPLE_RATE / _summit(correlation, at), float(correlation[at])


def pitch(sound: np.ndarray) -> float:
    """F0, Hz."""
    return period(sound)[0]


def harmonicity(sound: np.ndarray) -> float:
    """Harmonics to noise, dB."""
    share = np.clip(period(sound)[1], 1e-3, 1 - 1e-3)
    return float(10 * np.log10(share / (1 - share)))


def duration(sound: np.ndarray) -> float:
    """Seconds."""
    return len(sound) / SAMPLE_RATE


def level(sound: np.ndarray) -> float:
    """Root mean square, dB."""
    return float(20 * np.log10(np.sqrt(np.mean(sound.astype(np.float64) ** 2)) + 1e-9))


def tilt(sound: np.ndarray) -> float:
    """Slope of a line through the levels of third-octave bands, dB per octave."""
    power, hertz = _power(sound)
    edges = _TILT_HZ[0] * 2 ** (np.arange(int(3 * np.log2(_TILT_HZ[1] / _TILT_HZ[0])) + 1) / 3)
    bands = [power[(hertz >= low) & (hertz < high)].mean() for low, high in zip(edges, edges[1:], strict=False)]
    return float(np.polyfit(np.arange(len(bands)) / 3, 10 * np.log10(bands), 1)[0])


def high_band(sound: np.ndarray) -> float:
    """Energy above 4000 Hz against the whole, dB."""
    power, hertz = _power(sound)
    return float(10 * np.log10(power[hertz >= _HIGH_HZ].sum() / power.sum()))


def _power(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points = max(4096, len(sound))
    return np.abs(np.fft.rfft(sound, points)) ** 2 + 1e-20, np.fft.rfftfreq(points, 1 / SAMPLE_RATE)


def _summit(values: np.ndarray, at: int) -> float:
    """Place of a maximum between samples, by a parabola."""
    left, middle, right = values[at - 1 : at + 2]
    bend = left - 2 * middle + right
    return at + (0.5 * (left - right) / bend if bend < 0 else 0.0)


EARS: dict[str, Ear] = {
    **{name: partial(resonance, band=band) for name, band in _BANDS_HZ.items()},
    "f0": pitch,
    "duration": duration,
    "level": level,
    "tilt": tilt,
    "hnr": harmonicity,
    "high_band": high_band,
}
# Middle on the scale of the cue, and spread.
_USUAL = {cue: (float(cue_scale(cue).to(middle)), spread) for cue, (middle, spread) in DRAWN.items()} | MEASURED
_USUAL["high_band"] = (-28.0, 5.0)


@dataclass(frozen=True)
class Listener:
    """A listener who hears some cues, and nothing else.

    Parameters
    ----------
    weights
        Of each cue that it hears: logits of the second class per standard deviation of the talkers.
    ears
        How it hears each.
    """

    weights: Mapping[str, float]

    def __call__(self, sounds: Sequence[np.ndarray]) -> np.ndarray:
        """Logits (sound, 2). What it cannot hear in a sound leaves it undecided."""
        odds = np.zeros(len(sounds))
        for cue, weight in self.weights.items():
            middle, spread = _USUAL[cue]
            heard = cue_scale(cue).to(np.array([EARS[cue](sound) for sound in sounds]))
            odds += weight * np.nan_to_num((heard - middle) / spread)
        return np.stack([np.zeros(len(sounds)), odds], axis=1)
