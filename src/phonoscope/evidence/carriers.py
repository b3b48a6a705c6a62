"""Voices of many talkers that carry a planted cue: everything in them is drawn without regard to the class.

What a cue will occupy is left free: a resonance there is damped to a plain slope, so that the spectrum has no peak of
its own at that place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from phonoscope.errors import CorpusError
from phonoscope.synthesis.source_filter import cascade, equalise, glottal_source, shaped_noise, unit_level
from phonoscope.synthesis.talkers import Talker, draw_talkers

TOKENS_PER_TALKER = 10  # every talker says as many tokens of each class
# Lower than people speak (Hillenbrand et al. 1995: 131, 220, 238 Hz): close harmonics show every formant.
F0_HZ = {"m": 105.0, "f": 140.0, "c": 165.0}
F0_SD, F0_SLOPE_SD = 0.08, 0.05
SCALE = {"m": 0.94, "f": 1.02, "c": 1.08}  # vocal-tract scale of the three groups, on all formants but the planted one
# Where the formants of a carrier may lie, Hz for a scale of 1; those above F4 follow at 1000 Hz.
FORMANTS_HZ: dict[str, tuple[float, float]] = {
    "f1": (320.0, 720.0),
    "f2": (1050.0, 1800.0),
    "f3": (2400.0, 2950.0),
    "f4": (3600.0, 4100.0),
}
BANDWIDTHS_HZ = (70.0, 90.0, 140.0, 200.0, 250.0, 300.0, 350.0, 400.0)
DAMPED_HZ = 1000.0  # bandwidth at which a resonance is a slope and no peak
GLIDE_SD = 0.03  # relative movement of a formant from 20 to 80 % of the token
SECONDS = (0.08, 0.2)
RIPPLE_DB = 1.5  # of each of three slow ripples of a token's equaliser
LEVEL = 0.1  # root mean square of an average token, full scale 1
LEVEL_RANGE_DB = 4.0
PLACE_SD = 0.02  # relative spread of the planted place between tokens: no two talkers have the same formant
_LIMIT = 2.0  # nobody further out than this many standard deviations


@dataclass(frozen=True)
class Carriers:
    """Tokens before a cue is planted; every array has one entry a token.

    Attributes
    ----------
    sounds
        Waveforms (sample,), root mean square `LEVEL` on average.
    talkers
        Who speaks each token.
    durations
        s.
    f0, frequencies, bandwidths
        Hz at 20, 50 and 80 % of the token: (token, 3) and (token, 3, formant).
    place
        Factor on the planted place, near 1: the token's own deviation from its class.
    strength_z
        Deviation of the cue's strength, in standard deviations.
    seed
        For whatever is drawn when the cue is planted: the same for every class, so that classes differ in the cue only.
    sample_rate
        Hz.
    """

    sounds: list[np.ndarray]
    talkers: list[str]
    durations: np.ndarray
    f0: np.ndarray
    frequencies: np.ndarray
    bandwidths: np.ndarray
    place: np.ndarray
    strength_z: np.ndarray
    seed: np.ndarray
    sample_rate: int

    def rng(self, token: int, purpose: int) -> np.random.Generator:
        """Random numbers of one token for one purpose, the same whatever class is planted."""
        return np.random.default_rng([int(self.seed[token]), purpose])


def draw_carriers(
    n_tokens: int,
    seed: int,
    sample_rate: int,
    *,
    ranges_hz: Mapping[str, tuple[float, float]] | None = None,
    damped: Sequence[str] = (),
    seconds: tuple[float, float] = SECONDS,
) -> Carriers:
    """Speak carriers: voiced tokens with random formants, F0, duration, tilt, room, level.

    Parameters
    ----------
    n_tokens
        Ten tokens a talker, men, women and children in turn.
    seed
        The same seed gives the same samples.
    sample_rate
        Hz.
    ranges_hz
        Ranges of single formants that differ from `FORMANTS_HZ`, to keep clear of a planted place.
    damped
        Formants that are left free (``"f1"`` …): their resonances keep the slope and lose the peak.
    seconds
        Shortest and longest duration; drawn evenly on a logarithmic scale.

    Raises
    ------
    CorpusError
        If no token is asked for.
    """
    if n_tokens < 1:
        raise CorpusError(f"found {n_tokens} tokens; expected at least one.")
    people = draw_talkers(-(-n_tokens // TOKENS_PER_TALKER), seed)
    talkers = [people[token // TOKENS_PER_TALKER] for token in range(n_tokens)]
    rngs = [np.random.default_rng([seed, token, 7]) for token in range(n_tokens)]
    durations = np.array([np.exp(rng.uniform(*np.log(seconds))) for rng in rngs])
    limits = FORMANTS_HZ | dict(ranges_hz or {})
    f0 = np.stack([_pitch(*who) for who in zip(talkers, rngs, strict=True)])
    frequencies = np.stack([_formants(*who, limits, sample_rate) for who in zip(talkers, rngs, strict=True)])
    bandwidths = np.broadcast_to(BANDWIDTHS_HZ, frequencies.shape).copy()
    bandwidths[:, :, [list(FORMANTS_HZ).index(name) for name in damped]] = DAMPED_HZ
    sources = []
    for k, talker in enumerate(talkers):
        voice = {"tilt_hz": talker.tilt_hz, "breath_db": talker.breath_db}
        sources += glottal_source(f0[[k]], durations[[k]], sample_rate, rngs[k], **voice)
    voices = cascade(sources, frequencies, bandwidths, sample_rate)
    sounds = [_in_room(voice, talkers[k], sample_rate, rngs[k]) for k, voice in enumerate(voices)]
    return Carriers(
        sounds=sounds,
        talkers=[f"{seed}-{talker.name}" for talker in talkers],
        durations=np.array([sound.size for sound in sounds]) / sample_rate,
        f0=f0,
        frequencies=frequencies,
        bandwidths=bandwidths,
        place=1 + PLACE_SD * np.clip([rng.standard_normal() for rng in rngs], -_LIMIT, _LIMIT),
        strength_z=np.clip([rng.standard_normal() for rng in rngs], -_LIMIT, _LIMIT),
        seed=np.array([rng.integers(2**31) for rng in rngs]),
        sample_rate=sample_rate,
    )


def _pitch(talker: Talker, rng: np.random.Generator) -> np.ndarray:
    middle = F0_HZ[talker.sex] * np.exp(F0_SD * talker.f0_z + 0.5 * F0_SD * rng.standard_normal())
    return middle * np.exp(F0_SLOPE_SD * rng.standard_normal() * np.array([0.5, 0.0, -0.5]))


def _formants(
    talker: Talker, rng: np.random.Generator, limits: Mapping[str, tuple[float, float]], sample_rate: int
) -> np.ndarray:
    """Formants up to half the sample rate at three positions, (3, formant) in Hz."""
    scale = SCALE[talker.sex] * talker.scale
    four = np.array([rng.uniform(*limits[name]) for name in FORMANTS_HZ])
    upper = four[-1] + 1000.0 * np.arange(1, len(BANDWIDTHS_HZ) - len(four) + 1)
    steady = scale * np.concatenate([four, upper])
    glide = GLIDE_SD * rng.standard_normal(steady.size) * np.array([[-0.5], [0.0], [0.5]])
    moving = steady * np.exp(glide)
    return np.minimum(moving, 0.99 * sample_rate / 2)  # above 98 % the cascade leaves a formant out


def _in_room(voice: np.ndarray, talker: Talker, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """The voice with background noise, through a gentle random equaliser, at a random level."""
    hertz = np.geomspace(50, sample_rate / 2, 40)
    density_db = -rng.uniform(3, 6) * np.log2(np.maximum(hertz, 100) / 100)
    background = unit_level(shaped_noise(voice.size, sample_rate, hertz, density_db, rng))
    place = np.linspace(0, 1, hertz.size)
    waves = np.cos(np.pi * (np.outer(place, [1, 2, 3]) + rng.uniform(0, 2, 3)))
    gain_db = waves @ (RIPPLE_DB * rng.standard_normal(3)) + rng.uniform(-LEVEL_RANGE_DB, LEVEL_RANGE_DB)
    noisy = unit_level(voice) + 10 ** (-talker.snr_db / 20) * background
    return LEVEL * equalise(noisy, sample_rate, hertz, gain_db)
