"""The cues that can be planted: what each does to a carrier for each class, and where in Hz and s it then lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from phonoscope.evidence.carriers import Carriers
from phonoscope.synthesis.source_filter import cascade, envelope, equalise, glottal_source, shaped_noise

ABSENT = float("nan")  # value of a class that is told by the lack of the cue

BUMP_DB = (18.0, 2.0)  # height of a planted formant: mean and standard deviation over tokens
WEAK_BUMP_DB = (10.0, 1.5)
CLEAR_BUMP_DB = (14.0, 1.5)  # in a conflict: strong enough that the noise beside it is hardly used
NOISE_DB = (12.0, 1.5)  # power of planted noise above the carrier's own power in that band
WEAK_NOISE_DB = (7.0, 1.5)
LOUD_DB = (24.0, 3.0)  # of the distractor
DISTRACTOR_HZ, DISTRACTOR_HALF_HZ = 1450.0, 220.0
HUM_HZ = (50.0, 100.0, 150.0)
HUM_DB = (-5.0, 2.0)  # root mean square of the hum re that of the voice: a loud one, beside voices above 80 Hz
VOICED_BELOW_HZ = 1000.0  # of the F0 cue: above it there is breath alone, the same for every class
CROSSOVER_HZ = 80.0
FADE_SECONDS = 0.005
_SILENT_DB = -300.0
_CURVE_POINTS = 33


class Region(NamedTuple):
    """A rectangle of the plane of frequency and time: Hz, and s from the token's start (−inf to inf: all of it)."""

    low_hz: float
    high_hz: float
    start: float = -np.inf
    end: float = np.inf


Plant = Callable[["Cue", Carriers, np.ndarray], list[np.ndarray]]
Place = Callable[["Cue", Carriers, int, float], list[Region]]


@dataclass(frozen=True)
class Cue:
    """One way in which classes differ, and nothing else.

    Attributes
    ----------
    name, summary
        What it is called; one line about it.
    values
        By number of classes, the value of each class: a place in Hz, a duration in s, an F0 in Hz; NaN: cue absent.
    plant
        ``(cue, carriers, values (token,)) -> waveforms``.
    place
        ``(cue, carriers, token, value) -> regions`` that the cue fills in a token with this value; see `regions`.
    half_hz
        Half the width of what is planted, Hz: beyond it the spectrum is untouched.
    strength_db
        Mean and standard deviation over tokens.
    carriers
        Arguments of `draw_carriers`: formants kept clear of the planted place.
    in_time
        Whether the cue lies in time (and fills all frequencies) rather than in frequency.
    front_end
        Settings of the spectrogram in which it can be seen.
    """

    name: str
    summary: str
    values: Mapping[int, tuple[float, ...]]
    plant: Plant
    place: Place
    half_hz: float = 0.0
    strength_db: tuple[float, float] = (0.0, 0.0)
    carriers: Mapping[str, Any] = field(default_factory=dict)
    in_time: bool = False
    front_end: Mapping[str, Any] = field(default_factory=dict)

    def strength(self, carriers: Carriers, token: int) -> float:
        """Strength of the cue in one token, dB: the same whatever the class."""
        mean, spread = self.strength_db
        return mean + spread * float(carriers.strength_z[token])

    def regions(self, carriers: Carriers, token: int, value: float) -> list[Region]:
        """Regions that the cue fills in a token with this value; none where it is absent."""
        return [] if np.isnan(value) else self.place(self, carriers, token, value)


def bump(waveform: np.ndarray, sample_rate: int, centre_hz: float, half_hz: float, gain_db: float) -> np.ndarray:
    """Raise the spectrum around a place, as a formant does, and leave the rest as it is.

    A resonator of a cascade changes the level of everything above it. This gain is a raised cosine in dB, `gain_db` at
    the centre and exactly 0 dB from `half_hz` outwards, applied without delay.

    Parameters
    ----------
    waveform : array (sample,)
    sample_rate, centre_hz, half_hz
        Hz.
    gain_db
        dB.
    """
    offset = np.linspace(-1, 1, _CURVE_POINTS)
    return equalise(waveform, sample_rate, centre_hz + half_hz * offset, gain_db * (0.5 + 0.5 * np.cos(np.pi * offset)))


def band_noise(
    carrier: np.ndarray, sample_rate: int, centre_hz: float, half_hz: float, over_db: float, rng: np.random.Generator
) -> np.ndarray:
    """Noise in one band, with nothing outside of it.

    Parameters
    ----------
    carrier : array (sample,)
        The noise is as long.
    sample_rate, centre_hz, half_hz
        Hz.
    over_db
        Power of the noise above the carrier's own in that band, dB.
    rng
        Random numbers of the noise.
    """
    spectrum = np.abs(np.fft.rfft(carrier)) ** 2
    inside = np.abs(np.fft.rfftfreq(carrier.size, 1 / sample_rate) - centre_hz) <= half_hz
    # Power per Hz: the mean square of the carrier's part in the band, over its width.
    density = 2 * spectrum[inside].sum() / carrier.size**2 / (2 * half_hz)
    level_db = 10 * np.log10(density + 1e-30) + over_db
    edge = np.array([-1.0, -0.9, 0.9, 1.0])
    curve = np.array([_SILENT_DB, level_db, level_db, _SILENT_DB])
    noise = shaped_noise(carrier.size, sample_rate, centre_hz + half_hz * edge, curve, rng)
    return noise * envelope(carrier.size, sample_rate, 0.012, 0.025)


def _by_token(speak: Callable[[Cue, Carriers, int, float], np.ndarray]) -> Plant:
    """Plant token by token, from its number and the value of its class; where the cue is absent, the carrier stays."""

    def plant(cue: Cue, carriers: Carriers, values: np.ndarray) -> list[np.ndarray]:
        return [
            sound if np.isnan(value) else speak(cue, carriers, token, value)
            for token, (sound, value) in enumerate(zip(carriers.sounds, values, strict=True))
        ]

    return plant


def _around(cue: Cue, carriers: Carriers, token: int, value: float) -> list[Region]:
    centre = value * float(carriers.place[token])
    return [Region(centre - cue.half_hz, centre + cue.half_hz)]


def _with_bump(cue: Cue, carriers: Carriers, token: int, value: float) -> np.ndarray:
    centre, gain = value * carriers.place[token], cue.strength(carriers, token)
    return bump(carriers.sounds[token], carriers.sample_rate, centre, cue.half_hz, gain)


@_by_token
def _plant_noise(cue: Cue, carriers: Carriers, token: int, value: float) -> np.ndarray:
    sound, centre, over = carriers.sounds[token], value * carriers.place[token], cue.strength(carriers, token)
    return sound + band_noise(sound, carriers.sample_rate, centre, cue.half_hz, over, carriers.rng(token, 1))


@_by_token
def _plant_beside_distractor(cue: Cue, carriers: Carriers, token: int, value: float) -> np.ndarray:
    rng = carriers.rng(token, 2)
    centre = DISTRACTOR_HZ * (1 + 0.02 * rng.uniform(-1, 1))
    gain = LOUD_DB[0] + LOUD_DB[1] * rng.uniform(-1.7, 1.7)
    return bump(_with_bump(cue, carriers, token, value), carriers.sample_rate, centre, DISTRACTOR_HALF_HZ, gain)


@_by_token
def _plant_duration(_cue: Cue, carriers: Carriers, token: int, value: float) -> np.ndarray:
    """The middle of the carrier, as long as its class asks for: what two classes share is the same to the sample."""
    sound = carriers.sounds[token]
    length = min(sound.size, round(value * carriers.place[token] * carriers.sample_rate))
    length -= (sound.size - length) % 2  # so that the middle stays the middle
    first = (sound.size - length) // 2
    return sound[first : first + length] * envelope(length, carriers.sample_rate, FADE_SECONDS, FADE_SECONDS)


def _whole_token(_cue: Cue, carriers: Carriers, token: int, value: float) -> list[Region]:
    """The token itself: s from its own start."""
    return [Region(0.0, carriers.sample_rate / 2, 0.0, value * float(carriers.place[token]))]


def _plant_pitch(_cue: Cue, carriers: Carriers, values: np.ndarray) -> list[np.ndarray]:
    """Voice with the F0 of the class below 1 kHz; above it breath, of the same formants and the same in all classes.

    A voice whose harmonics end at a maximum voiced frequency (Stylianou 2001) is how breathy speech is modelled; here
    it confines F0, which otherwise spaces the harmonics of the whole spectrum, to a known band. The part below has the
    same level in every class.
    """
    rate = carriers.sample_rate
    breaths, voices = [], []
    for k, sound in enumerate(carriers.sounds):
        shape = envelope(sound.size, rate, 0.012, 0.025)
        noise = carriers.rng(k, 3).standard_normal(sound.size)
        breaths.append(noise * shape)
        contour = carriers.f0[[k]] / carriers.f0[k, 1] * values[k] * carriers.place[k]
        seconds = np.array([sound.size / rate])
        voices.append(glottal_source(contour, seconds, rate, carriers.rng(k, 4))[0])
    high = cascade(breaths, carriers.frequencies, carriers.bandwidths, rate)
    low = cascade(voices, carriers.frequencies, carriers.bandwidths, rate)
    crossover = np.array([VOICED_BELOW_HZ - CROSSOVER_HZ, VOICED_BELOW_HZ])
    planted = []
    for k, sound in enumerate(carriers.sounds):
        below = equalise(low[k], rate, crossover, np.array([0.0, _SILENT_DB]))
        above = equalise(high[k], rate, crossover + CROSSOVER_HZ, np.array([_SILENT_DB, 0.0]))
        level = np.sqrt(np.mean(sound**2))
        below *= level / np.sqrt(np.mean(below**2))
        above *= 10 ** (-12 / 20) * level / np.sqrt(np.mean(above**2))
        background = carriers.rng(k, 5).standard_normal(sound.size) * 10 ** (-50 / 20) * level
        planted.append(below + above + background)
    return planted


def _below_voicing_limit(*_: object) -> list[Region]:
    return [Region(0.0, VOICED_BELOW_HZ)]


@_by_token
def _plant_hum(cue: Cue, carriers: Carriers, token: int, _value: float) -> np.ndarray:
    sound, rng = carriers.sounds[token], carriers.rng(token, 6)
    time = np.arange(sound.size) / carriers.sample_rate
    phases = rng.uniform(0, 2 * np.pi, len(HUM_HZ))
    heights = np.exp(0.3 * rng.standard_normal(len(HUM_HZ)))
    hum = heights @ np.sin(2 * np.pi * np.outer(HUM_HZ, time) + phases[:, None])
    hum *= np.sqrt(np.mean(sound**2) / np.mean(hum**2)) * 10 ** (cue.strength(carriers, token) / 20)
    # Faded at the ends: a hum that is cut off has a spectrum beyond its lines.
    return sound + hum * envelope(sound.size, carriers.sample_rate, 0.012, 0.025)


def _hum_lines(*_: object) -> list[Region]:
    return [Region(0.0, HUM_HZ[-1])]


_NARROW_BAND = {"window_seconds": 0.025}
F2_VALUES = {2: (1250.0, 1750.0), 5: (1000.0, 1230.0, 1510.0, 1860.0, 2290.0)}
_F2_CARRIERS = {
    "damped": "f2", "ranges_hz": {"f1": (300.0, 560.0), "f3": (2850.0, 3200.0), "f4": (3800.0, 4200.0)}
}  # fmt: skip

CUES: dict[str, Cue] = {
    cue.name: cue
    for cue in (
        Cue(
            "f1", "the first formant moves", {2: (380.0, 680.0), 5: (280.0, 420.0, 560.0, 700.0, 840.0)},
            _by_token(_with_bump), _around, half_hz=150.0, strength_db=BUMP_DB,
            carriers={"damped": "f1", "ranges_hz": {"f2": (1350.0, 1900.0)}},
        ),
        Cue(
            "f2", "the second formant moves", F2_VALUES,
            _by_token(_with_bump), _around, half_hz=180.0, strength_db=BUMP_DB, carriers=_F2_CARRIERS,
        ),
        Cue(
            "f3", "the third formant moves", {2: (2400.0, 3000.0), 5: (2150.0, 2420.0, 2720.0, 3060.0, 3440.0)},
            _by_token(_with_bump), _around, half_hz=200.0, strength_db=BUMP_DB,
            carriers={"damped": "f3", "ranges_hz": {"f2": (1000.0, 1600.0), "f4": (3900.0, 4300.0)}},
        ),
        Cue(
            "noise-band", "weak noise in one band, present or absent (five classes: in one of five bands)",
            {2: (ABSENT, 3200.0), 5: (900.0, 1700.0, 2500.0, 3300.0, 4100.0)},
            _plant_noise, _around, half_hz=170.0, strength_db=NOISE_DB,
            carriers={"ranges_hz": {"f3": (2350.0, 2600.0), "f4": (3900.0, 4300.0)}},
        ),
        Cue(
            "duration", "the same sound, longer or shorter",
            {2: (0.09, 0.16), 5: (0.06, 0.085, 0.12, 0.17, 0.24)},
            _plant_duration, _whole_token, carriers={"seconds": (0.25, 0.2501)}, in_time=True,
            front_end={"time": "fixed", "seconds": 0.32},
        ),
        Cue(
            "f0", "low or high voice: harmonics up to 1 kHz, the same breath above",
            {2: (110.0, 190.0), 5: (85.0, 115.0, 155.0, 210.0, 285.0)},
            _plant_pitch, _below_voicing_limit, front_end=_NARROW_BAND,
        ),
        Cue(
            "hum", "a mains hum of 50 Hz and its harmonics under one of two classes: a shortcut", {2: (ABSENT, 50.0)},
            _plant_hum, _hum_lines, strength_db=HUM_DB, front_end=_NARROW_BAND,
        ),
        Cue(
            "distractor", "a weak formant moves while a louder one stays",
            {2: (2600.0, 3400.0), 5: (2300.0, 2650.0, 3050.0, 3500.0, 4000.0)},
            _plant_beside_distractor, _around, half_hz=200.0, strength_db=WEAK_BUMP_DB,
            carriers={"damped": "f3", "ranges_hz": {"f2": (1300.0, 1600.0)}},
        ),
    )
}  # fmt: skip
# Two cues that agree while the network learns and disagree when it is explained; the first one's carriers suit both.
CONFLICT = (
    Cue(
        "f2", "the second formant moves", {2: F2_VALUES[2]},
        _by_token(_with_bump), _around, half_hz=180.0, strength_db=CLEAR_BUMP_DB, carriers=_F2_CARRIERS,
    ),
    Cue(
        "noise-band", "weak noise in one band, present or absent", {2: (ABSENT, 4350.0)},
        _plant_noise, _around, half_hz=170.0, strength_db=WEAK_NOISE_DB,
    ),
)  # fmt: skip
