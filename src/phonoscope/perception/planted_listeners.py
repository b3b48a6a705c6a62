"""Listeners whose rule is known: their log odds are linear in what they hear of one cue, or of two.

They have ears of their own: none is a measure of `phonoscope.manipulate`, so that an error of the instrument's measures
is not shared by those on whom it is tried. Resonances are Praat's (extra ``praat``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pandas as pd

from phonoscope.errors import MissingExtraError
from phonoscope.perception.cue_scales import cue_scale
from phonoscope.perception.planted_talkers import SAMPLE_RATE, usual
from phonoscope.perception.presenting import Presented
from phonoscope.scales import hz_to_bark

FORMANTS = ("f1", "f2", "f3")
_CEILING_HZ = 5500.0
_NEAR_BARK = 1.0  # a resonance that is not found so near to where it was put is heard there
_F0_HZ = (75.0, 300.0)
_MIDDLE_SECONDS = 0.07  # however long the sound: what is heard of the voice says nothing about its duration
_OCTAVE_COST = 0.1  # per octave: of equally good periods the shorter one
_TILT_HZ = (100.0, 5000.0)
_HIGH_HZ = 4000.0


def heard(presented: Presented) -> pd.DataFrame:
    """What is heard in each stimulus: a column a cue, in the cue's own unit, a row a stimulus.

    A formant is the resonance nearest to where it was put: these listeners count no poles. Where no formant was moved,
    it is as recorded: they are not drawn aside by a tilt, as trackers are.

    Parameters
    ----------
    presented
        Tokens of `draw_tokens`, with every formant moved in some.
    """
    table = presented.table
    put = np.stack([_put(table, formant) for formant in FORMANTS], axis=1)
    found = np.stack([_nearest(_poles(sound), wanted) for sound, wanted in zip(presented.sounds, put, strict=True)])
    columns = {formant: _as_recorded(table, column) for formant, column in zip(FORMANTS, found.T, strict=True)}
    return pd.DataFrame(columns | {cue: [ear(sound) for sound in presented.sounds] for cue, ear in EARS.items()})


def answers(heard_values: pd.DataFrame, weights: Mapping[str, float]) -> np.ndarray:
    """Logits (stimulus, 2) of a listener: 0, and odds that are linear in what it hears.

    Parameters
    ----------
    heard_values
        From `heard`.
    weights
        Logits of the second class per standard deviation of the talkers, of each cue that it hears.
    """
    odds = np.zeros(len(heard_values))
    for cue, weight in weights.items():
        middle, spread = usual(cue)
        odds += weight * (cue_scale(cue).to(heard_values[cue].to_numpy()) - middle) / spread
    return np.stack([np.zeros(len(odds)), odds], axis=1)


def _as_recorded(table: pd.DataFrame, found: np.ndarray) -> np.ndarray:
    """Values of a formant, those of the recorded sound where no formant was moved."""
    of_formants = table["cue"].isin(FORMANTS).to_numpy()
    still = pd.Series(found).where(of_formants & (table["step"] == 0).to_numpy())
    return np.where(of_formants, found, still.groupby(table["token"].to_numpy()).transform("mean"))


def _put(table: pd.DataFrame, formant: str) -> np.ndarray:
    """Where a formant was put in each stimulus, Hz."""
    moved = (table["cue"] == formant).to_numpy()
    recorded = table["before"].where(moved).groupby(table["token"]).transform("mean")
    return np.where(moved, table["intended"], recorded)


def _poles(sound: np.ndarray) -> np.ndarray:
    """Resonances in the middle of a sound, Hz: Praat's Burg method."""
    if find_spec("parselmouth") is None:
        raise MissingExtraError("praat-parselmouth", "praat")
    import parselmouth  # ty: ignore[import-not-found]

    whole = parselmouth.Sound(sound.astype(np.float64), SAMPLE_RATE)
    tracks = whole.to_formant_burg(time_step=0.005, max_number_of_formants=5, maximum_formant=_CEILING_HZ)
    poles = np.array([tracks.get_value_at_time(number, whole.duration / 2) for number in range(1, 6)])
    return poles[np.isfinite(poles)]


def _nearest(poles: np.ndarray, put: np.ndarray) -> np.ndarray:
    away = np.abs(hz_to_bark(poles)[None] - hz_to_bark(put)[:, None])
    if not poles.size:
        return put
    return np.where(away.min(axis=1) < _NEAR_BARK, poles[away.argmin(axis=1)], put)


def _period(sound: np.ndarray) -> tuple[float, float]:
    """F0 in Hz, and the correlation of the middle of the sound with itself one period later."""
    edge = max(0, len(sound) - round(_MIDDLE_SECONDS * SAMPLE_RATE)) // 2
    middle = sound[edge : len(sound) - edge].astype(np.float64)
    window, points = np.hanning(len(middle)), 2 * len(middle)
    spectra = [np.fft.rfft(each, points) for each in ((middle - middle.mean()) * window, window)]
    own, of_window = (np.fft.irfft(np.abs(each) ** 2) for each in spectra)
    first, last = (round(SAMPLE_RATE / hertz) for hertz in reversed(_F0_HZ))
    last = min(last, len(middle) - 2)
    lags = np.arange(last + 2)
    correlation = own[lags] / own[0] * of_window[0] / np.maximum(of_window[lags], 1e-12)
    cost = _OCTAVE_COST * np.log2(np.maximum(lags, 1) / first)
    at = first + int(np.argmax((correlation - cost)[first : last + 1]))
    left, top, right = correlation[at - 1 : at + 2]
    bend = left - 2 * top + right
    return SAMPLE_RATE / (at + (0.5 * (left - right) / bend if bend < 0 else 0.0)), float(top)


def _harmonicity(sound: np.ndarray) -> float:
    share = np.clip(_period(sound)[1], 1e-3, 1 - 1e-3)
    return float(10 * np.log10(share / (1 - share)))


def _level(sound: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(sound.astype(np.float64) ** 2) + 1e-20))


def _tilt(sound: np.ndarray) -> float:
    """Slope of a line through the levels of third-octave bands, dB per octave."""
    power, hertz = _power(sound)
    edges = _TILT_HZ[0] * 2 ** (np.arange(int(3 * np.log2(_TILT_HZ[1] / _TILT_HZ[0])) + 1) / 3)
    bands = [power[(hertz >= low) & (hertz < high)].mean() for low, high in pairwise(edges)]
    return float(np.polyfit(np.arange(len(bands)) / 3, 10 * np.log10(bands), 1)[0])


def _high_band(sound: np.ndarray) -> float:
    power, hertz = _power(sound)
    return float(10 * np.log10(power[hertz >= _HIGH_HZ].sum() / power.sum()))


def _power(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points = max(4096, len(sound))
    return np.abs(np.fft.rfft(sound, points)) ** 2 + 1e-20, np.fft.rfftfreq(points, 1 / SAMPLE_RATE)


EARS: dict[str, Callable[[np.ndarray], float]] = {
    "f0": lambda sound: _period(sound)[0],
    "duration": lambda sound: len(sound) / SAMPLE_RATE,
    "level": _level,
    "tilt": _tilt,
    "hnr": _harmonicity,
    "high_band": _high_band,
}
