"""Voiceless stops, fricatives and an affricate: noise shaped by spectra measured in read speech, closure and burst."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from phonoscope.synthesis.source_filter import envelope, equalise, shaped_noise
from phonoscope.synthesis.talkers import Talker, require_phones

_HERTZ = np.array(
    [0, 125, 375, 750, 1250, 1750, 2250, 2750, 3250, 3750, 4500, 5500, 6500, 7500, 8500, 9500, 10500, 12000.0]
)
# Measured levels are of 43 Hz wide bands relative to the whole power of the same recording's vowels.
_MEASURED_BAND_HZ = 22050 / 512
_BURST_MEASURED_SECONDS = 0.004
# Spectral peaks of men lie lower and of children higher than those of the woman that was measured.
_FREQUENCY_FACTOR = {"m": 0.88, "f": 1.0, "c": 1.08}
LEVEL_SD_DB = 3.0
TILT_SD_DB = 2.0  # at the ends of the spectrum, per token
DURATION_SD = 0.22
SHORTEST_SECONDS = 0.055


@dataclass(frozen=True)
class _Recipe:
    """How a consonant is made: levels in dB at `_HERTZ`, durations in s, times as fractions of the duration."""

    seconds: float
    noise_db: tuple[float, ...]
    closure: float = 0.0  # fraction of the duration that is closed
    burst_seconds: float = 0.0
    burst_db: float = 0.0  # energy of the transient, relative to 4 ms of the noise
    sustained: float = 1.0  # amplitude that the burst's spectrum falls to
    aspiration_db: float = -np.inf  # level of the breath through the vocal tract that follows
    peak_hz: tuple[float, float] | None = None  # where a compact burst has its peak, drawn per token
    peak_db: float = 0.0
    attack_seconds: float = 0.02
    decay_seconds: float = 0.02


# Median spectra of 507 tokens of one woman reading (public-domain recordings), smoothed; about 5 dB spread per band.
# The bursts are the loudest 4 ms above 1.5 kHz; those of t and k vary most.
_RECIPES = {
    "p": _Recipe(
        0.080,
        (-50, -45, -35, -34, -39, -39, -41, -43, -46, -46, -46, -50, -52, -52, -54, -59, -65, -70),
        closure=0.58, burst_seconds=0.004, burst_db=4, sustained=0.15, aspiration_db=0, peak_hz=(500, 1300), peak_db=5,
        attack_seconds=0.0005,
    ),
    "t": _Recipe(
        0.080,
        (-52, -46, -42, -42, -46, -44, -42, -42, -40, -36, -31, -31, -31, -32, -35, -39, -45, -52),
        closure=0.47, burst_seconds=0.012, burst_db=1, sustained=0.35, aspiration_db=1, peak_hz=(3500, 5200), peak_db=5,
        attack_seconds=0.0005,
    ),
    "k": _Recipe(
        0.090,
        (-52, -48, -40, -39, -41, -41, -42, -47, -48, -46, -43, -50, -52, -50, -49, -53, -58, -64),
        closure=0.55, burst_seconds=0.010, burst_db=2, sustained=0.25, aspiration_db=1, peak_hz=(1300, 2800),
        peak_db=12, attack_seconds=0.0005,
    ),
    "f": _Recipe(0.110, (-52, -49, -45, -46, -48, -47, -46, -47, -47, -46, -45, -46, -46, -45, -43, -44, -48, -53)),
    "s": _Recipe(0.115, (-54, -52, -49, -52, -57, -55, -54, -55, -53, -47, -39, -29, -24, -20, -22, -28, -35, -42)),
    "θ": _Recipe(0.095, (-50, -47, -42, -43, -48, -50, -52, -53, -53, -52, -51, -51, -51, -48, -47, -50, -56, -62)),
    "ʃ": _Recipe(0.105, (-55, -52, -50, -52, -56, -47, -40, -36, -32, -27, -26, -30, -30, -33, -37, -42, -49, -56)),
    "tʃ": _Recipe(
        0.105,
        (-54, -50, -47, -48, -50, -42, -36, -33, -31, -26, -27, -30, -28, -33, -36, -43, -48, -55),
        closure=0.33, burst_seconds=0.008, burst_db=0, sustained=0.8, peak_hz=(3000, 4200), peak_db=5,
        attack_seconds=0.001, decay_seconds=0.03,
    ),
}  # fmt: skip
# What is heard while the mouth is closed: voicing that dies away and the room, in the same units.
_CLOSURE_DB = (-44, -44, -38, -41, -52, -54, -56, -60, -66, -66, -66, -72, -74, -75, -76, -78, -83, -88)
_ASPIRATION_DB = (-52, -48, -42, -40, -41, -39, -41, -43, -45, -44, -46, -50, -53, -55, -57, -61, -66, -72)

ARPABET = {"p": "P", "t": "T", "k": "K", "f": "F", "s": "S", "tʃ": "CH", "ʃ": "SH", "θ": "TH"}
CONSONANTS = tuple(ARPABET)


def draw_consonants(talker: Talker, consonants: Sequence[str], repeats: int, rng: np.random.Generator) -> pd.DataFrame:
    """Plan `repeats` tokens of each consonant: `label` (IPA) and `duration` (s).

    Parameters
    ----------
    talker : Talker
        Who speaks.
    consonants : sequence of str
        In IPA, among `ARPABET`.
    repeats : int
        Tokens of each.
    rng : Generator
        Source of all that is random.

    Raises
    ------
    CorpusError
        If a consonant is not one of the eight, there is none, or `repeats` is not positive.
    """
    require_phones("consonants", consonants, ARPABET, repeats)
    labels = [consonant for consonant in consonants for _ in range(repeats)]
    typical = np.array([_RECIPES[label].seconds for label in labels]) * (1 + 0.1 * talker.rate_z)
    duration = typical * np.exp(DURATION_SD * rng.standard_normal(len(labels)))
    return pd.DataFrame({"label": labels, "duration": np.maximum(duration, SHORTEST_SECONDS)})


def speak_consonants(
    plan: pd.DataFrame, talker: Talker, sample_rate: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Sound of each planned token, list of arrays (sample,); level relative to vowels of root mean square 1.

    Parameters
    ----------
    plan : DataFrame
        From `draw_consonants`.
    talker : Talker
        Who speaks.
    sample_rate : int
        In Hz.
    rng : Generator
        Source of all that is random.
    """
    factor = _FREQUENCY_FACTOR[talker.sex] * talker.scale
    # A habit of the talker: how far front or back, how strong each noise is.
    habit_hz = dict(zip(CONSONANTS, np.exp(0.05 * rng.standard_normal(len(CONSONANTS))), strict=True))
    habit_db = dict(zip(CONSONANTS, 2.0 * rng.standard_normal(len(CONSONANTS)), strict=True))
    sounds = []
    for label, duration in zip(plan["label"], plan["duration"], strict=True):
        length, scale = round(duration * sample_rate), factor * habit_hz[label]
        sounds.append(_speak(_RECIPES[label], length, scale, habit_db[label], sample_rate, rng))
    return sounds


def _speak(
    recipe: _Recipe, length: int, factor: float, level_db: float, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    level_db = level_db + LEVEL_SD_DB * rng.standard_normal()
    curve = _wobbled(recipe.noise_db, rng)
    if recipe.peak_hz is not None:
        centre = rng.uniform(*recipe.peak_hz)
        curve = curve + recipe.peak_db * np.exp(-0.5 * ((_HERTZ - centre) / 400) ** 2)
    if not recipe.closure:
        noise = _noise(length, sample_rate, factor, curve + level_db, rng)
        return noise * envelope(length, sample_rate, recipe.attack_seconds, recipe.decay_seconds)

    closed = int(length * np.clip(recipe.closure + 0.08 * rng.standard_normal(), 0.2, 0.75))
    opened = length - closed
    closure = _noise(length, sample_rate, 1.0, _wobbled(_CLOSURE_DB, rng) + 4 * rng.standard_normal(), rng)
    time = np.arange(length) / sample_rate
    closure *= 0.5 + 1.5 * np.exp(-time / 0.012)  # the voice of the sound before dies away behind the closure
    burst = _noise(opened, sample_rate, factor, curve + level_db, rng)
    burst *= envelope(opened, sample_rate, recipe.attack_seconds, recipe.decay_seconds)
    fading = np.exp(-np.arange(opened) / sample_rate / recipe.burst_seconds)
    burst *= recipe.sustained + fading * (1 - recipe.sustained)
    # The release itself is one transient with the burst's spectrum.
    release = np.zeros(opened)
    release[int(0.001 * sample_rate)] = np.sqrt(_BURST_MEASURED_SECONDS * sample_rate)
    density_db = curve + level_db + recipe.burst_db - 10 * np.log10(_MEASURED_BAND_HZ)
    burst += equalise(release, sample_rate, _HERTZ * factor, density_db + 10 * np.log10(sample_rate / 2))
    if np.isfinite(recipe.aspiration_db):
        breath = _noise(opened, sample_rate, 1.0, _wobbled(_ASPIRATION_DB, rng) + level_db + recipe.aspiration_db, rng)
        breath = equalise(breath, sample_rate, *_vowel_colour(factor, rng))
        burst += breath * envelope(opened, sample_rate, 0.006, recipe.decay_seconds)
    closure[closed:] += burst
    return closure


def _noise(length: int, sample_rate: int, factor: float, curve_db: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    density = curve_db - 10 * np.log10(_MEASURED_BAND_HZ)
    return shaped_noise(length, sample_rate, _HERTZ * factor, density, rng)


def _wobbled(curve_db: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """The curve with a random tilt and a slow random ripple: no two tokens have the same spectrum."""
    position = np.linspace(-1, 1, _HERTZ.size)
    ripple = 1.5 * rng.standard_normal() * np.cos(np.pi * (2 * position + rng.uniform(0, 2)))
    return np.asarray(curve_db, dtype=np.float64) + TILT_SD_DB * rng.standard_normal() * position + ripple


def _vowel_colour(factor: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Gain (Hz, dB) of two broad formants of the vowel to come: aspiration passes through its vocal tract."""
    hertz = np.arange(0, 12000, 125.0)
    second, third = rng.uniform(1000, 2400) * factor, rng.uniform(2600, 3200) * factor
    gain = sum(8 * np.exp(-0.5 * ((hertz - centre) / 200) ** 2) for centre in (second, third))
    return hertz, np.asarray(gain) - 3
