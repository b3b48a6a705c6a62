"""The cues that can be planted: what each does to a carrier for each class, and where in Hz and s it then lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from phonoscope.evidence.carriers import Carriers
from phonoscope.synthesis.source_filter import cascade, envelope, equalise, glottal_source, shaped_noise

ABSENT = float("nan")  # value of a class that is told by the lack of the cue

BUMP_DB = (18.0, 2.0)  # height of a planted formant: mean and standard deviation over tokens
NOISE_DB = (12.0, 1.5)  # power of planted noise above the carrier's own power in that band
HUM_HZ = (50.0, 100.0, 150.0)
HUM_DB = (-5.0, 2.0)  # root mean square of the hum re that of the voice: a loud one, beside voices above 80 Hz
CLICK_DB = (10.0, 1.5)  # root mean square of a click re that of the voice
CLICK_SECONDS = 0.008
SILENCE_DB = (-30.0, 3.0)  # of a stretch that is silenced: rooms are never quite silent
SOFTER_DB = (-12.0, 1.5)
STRETCH_SECONDS = 0.025
VOICED_BELOW_HZ = 1000.0  # of the F0 cue: above it there is breath alone, the same for every class
CROSSOVER_HZ = 80.0
FADE_SECONDS = 0.004
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
    """One way in which two classes differ, and nothing else.

    Attributes
    ----------
    name
        What it is called.
    values
        Of the two classes: the middle of the cue in Hz or s, or an F0 in Hz; NaN: cue absent.
    plant
        ``(cue, carriers, values (token,)) -> waveforms``.
    place
        ``(cue, carriers, token, value) -> regions`` that the cue fills in a token with this value; see `regions`.
    half
        Half the width of what is planted, Hz or s: beyond it nothing changes.
    strength_db
        Mean and standard deviation over tokens.
    in_time
        Whether the cue lies in time (and fills all frequencies) rather than in frequency.
    """

    name: str
    values: tuple[float, float]
    plant: Plant
    place: Place
    half: float
    strength_db: tuple[float, float] = (0.0, 0.0)
    in_time: bool = False

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
    if cue.in_time:
        return [Region(0.0, carriers.sample_rate / 2, centre - cue.half, centre + cue.half)]
    return [Region(centre - cue.half, centre + cue.half)]


@_by_token
def _plant_bump(cue: Cue, carriers: Carriers, token: int, value: float) -> np.ndarray:
    centre, gain = value * carriers.place[token], cue.strength(carriers, token)
    return bump(carriers.sounds[token], carriers.sample_rate, centre, cue.half, gain)


@_by_token
def _plant_noise(cue: Cue, carriers: Carriers, token: int, value: float) -> np.ndarray:
    sound, centre, over = carriers.sounds[token], value * carriers.place[token], cue.strength(carriers, token)
    return sound + band_noise(sound, carriers.sample_rate, centre, cue.half, over, carriers.rng(token, round(value)))


@_by_token
def _plant_stretch(cue: Cue, carriers: Carriers, token: int, value: float) -> np.ndarray:
    """Change the level of a stretch; the rest stays as it is to the sample."""
    sound, rate = carriers.sounds[token], carriers.sample_rate
    distance = np.abs(np.arange(sound.size) / rate - value * carriers.place[token])
    inside = np.clip((cue.half - distance) / FADE_SECONDS, 0, 1)
    return sound * 10 ** (cue.strength(carriers, token) * (0.5 - 0.5 * np.cos(np.pi * inside)) / 20)


@_by_token
def _plant_click(cue: Cue, carriers: Carriers, token: int, value: float) -> np.ndarray:
    sound, rate = carriers.sounds[token], carriers.sample_rate
    offset = np.arange(sound.size) / rate - value * carriers.place[token]
    shape = np.where(np.abs(offset) < cue.half, 0.5 + 0.5 * np.cos(np.pi * offset / cue.half), 0.0)
    noise = carriers.rng(token, 2).standard_normal(sound.size)
    return sound + noise * shape * np.sqrt(np.mean(sound**2)) * 10 ** (cue.strength(carriers, token) / 20)


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


def _below_voicing_limit(*_: object) -> list[Region]:
    return [Region(0.0, VOICED_BELOW_HZ)]


def _hum_lines(*_: object) -> list[Region]:
    return [Region(0.0, HUM_HZ[-1])]


def formant(name: str, values: tuple[float, float], half_hz: float = 150.0) -> Cue:
    """A formant that moves.

    Parameters
    ----------
    name
        ``f1``, ``f2`` …
    values
        Its place in each class, Hz.
    half_hz
        See `bump`.
    """
    return Cue(name, values, _plant_bump, _around, half_hz, BUMP_DB)


def noise(values: tuple[float, float], half_hz: float = 120.0) -> Cue:
    """Noise in a band, in one of the classes or in both, Hz."""
    return Cue("noise", values, _plant_noise, _around, half_hz, NOISE_DB)


def hum() -> Cue:
    """A mains hum of 50 Hz and its harmonics under the second class: a shortcut."""
    return Cue("hum", (ABSENT, HUM_HZ[1]), _plant_hum, _hum_lines, HUM_HZ[1], HUM_DB)


def pitch() -> Cue:
    """A low or a high voice: harmonics up to 1 kHz, the same breath above. It speaks anew, so it comes first."""
    return Cue("f0", (110.0, 190.0), _plant_pitch, _below_voicing_limit, VOICED_BELOW_HZ / 2)


def click(values: tuple[float, float]) -> Cue:
    """A click at a moment, s."""
    return Cue("click", values, _plant_click, _around, CLICK_SECONDS / 2, CLICK_DB, in_time=True)


def stretch(name: str, values: tuple[float, float], strength_db: tuple[float, float] = SILENCE_DB) -> Cue:
    """A stretch that is silenced, or made softer.

    Parameters
    ----------
    name
        ``onset`` (silence at the start), ``gap`` (in the middle), ``duration`` (at the end: the voice ends earlier), or
        ``level``.
    values
        Its middle in each class, s.
    strength_db
        Mean and standard deviation of the change of level.
    """
    return Cue(name, values, _plant_stretch, _around, STRETCH_SECONDS / 2, strength_db, in_time=True)
