"""Synthetic talkers in whom every cue varies on its own: a class can then be told by one cue, or two, and nothing else.

Nothing that is drawn depends on the class: it is drawn afterwards, with odds that follow the cues that are planted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from phonoscope.manipulate import Sounds, find_cue
from phonoscope.manipulate.bands import HIGH_HZ
from phonoscope.perception.cue_scales import cue_scale
from phonoscope.synthesis.source_filter import POSITIONS, cascade, equalise, glottal_source, unit_level

LABELS = ("A", "B")
SAMPLE_RATE = 16000
TOKENS_PER_TALKER = 4
# Middle of each cue in its own unit, and its standard deviation over tokens on the scale of `cue_scale`.
DRAWN: dict[str, tuple[float, float]] = {
    "f1": (500.0, 0.5),  # Hz, Bark
    "f2": (1500.0, 0.6),
    "f3": (2550.0, 0.4),
    "f0": (130.0, 2.0),  # Hz, semitones
    "duration": (0.16, 0.35),  # s, doublings
    "level": (-26.0, 3.0),  # dB
    "tilt": (-1.5, 1.0),  # dB per octave, beside that of the voice
    "hnr": (14.0, 4.0),  # dB: how far the breath lies below the voice's source
    "high_band": (0.0, 4.0),  # dB above 4 kHz, beside what the voice has there
}
# A slope, a harmonicity and the share of a band are what is measured in the sound, whatever was turned to get there:
# mean and spread.
MEASURED = {"tilt": (-4.7, 1.4), "hnr": (16.7, 3.7), "high_band": (-28.0, 6.0)}
PLANTED = tuple(DRAWN)
_BANDWIDTHS_HZ = (70.0, 90.0, 130.0, 180.0, 250.0, 300.0, 350.0, 400.0)
_F4_HZ, _SPACING_HZ = 3500.0, 1000.0
_OF_TALKER = 0.36  # part of the variance that is between talkers
_LIMIT = 2.0  # nobody further out than this many standard deviations
_TILT_HZ = (100.0, 1000.0)  # no tilt below, and its pivot
_ROOM_DB = -50.0


@dataclass(frozen=True)
class PlantedTokens:
    """Tokens of synthetic talkers.

    Parameters
    ----------
    sounds
        1-D float32 arrays at 16 kHz, the vowel alone.
    table
        One row a token: ``token, class, speaker, recording``.
    drawn
        Deviation of each cue from its middle in standard deviations, (token, cue) in the order of `DRAWN`.
    values
        Deviation of each cue in the sound, in standard deviations; as drawn, but for those that have to be measured.
    talkers, seed
        Number of who speaks each, (token,), and the seed of all that is drawn beside the cues.
    """

    sounds: list[np.ndarray]
    table: pd.DataFrame
    drawn: np.ndarray
    values: np.ndarray
    talkers: np.ndarray
    seed: int

    def log_odds(self, weights: Mapping[str, float]) -> np.ndarray:
        """Log odds of the second class, (token,), for weights in logits per standard deviation."""
        return self.values[:, [PLANTED.index(cue) for cue in weights]] @ np.array(list(weights.values()))

    def classes(self, weights: Mapping[str, float], seed: int = 0) -> list[str]:
        """Draw the class of each token with these odds."""
        p = expit(self.log_odds(weights))
        return [LABELS[int(heads)] for heads in np.random.default_rng([seed, 2]).random(len(p)) < p]


def draw_tokens(count: int, seed: int = 0) -> PlantedTokens:
    """Speak tokens whose cues are drawn independently of each other.

    Parameters
    ----------
    count
        How many; four of each talker.
    seed
        Talkers of different seeds are different.
    """
    talkers = np.arange(count) // TOKENS_PER_TALKER
    rng = np.random.default_rng([seed, 0])
    of_talker = rng.standard_normal((talkers[-1] + 1, len(DRAWN)))[talkers]
    drawn = np.sqrt(_OF_TALKER) * of_talker + np.sqrt(1 - _OF_TALKER) * rng.standard_normal(of_talker.shape)
    return speak(np.clip(drawn, -_LIMIT, _LIMIT), talkers, seed)


def speak(drawn: np.ndarray, talkers: np.ndarray, seed: int) -> PlantedTokens:
    """Speak tokens with given cues; all else that is drawn depends on the seed and the token's number alone.

    Parameters
    ----------
    drawn
        See `PlantedTokens`.
    talkers
        Number of who speaks each, (token,).
    seed
        Of the voices.
    """
    said = {cue: _value(cue, drawn[:, k]) for k, cue in enumerate(DRAWN)}
    upper = _F4_HZ + _SPACING_HZ * np.arange(len(_BANDWIDTHS_HZ) - 3)
    formants = np.column_stack([said["f1"], said["f2"], said["f3"], np.broadcast_to(upper, (len(drawn), len(upper)))])
    resonances = np.repeat(formants[:, None], len(POSITIONS), axis=1)
    rngs = [np.random.default_rng([seed, 1, k]) for k in range(len(drawn))]
    sources = [
        glottal_source(np.full((1, 3), said["f0"][k]), said["duration"][[k]], SAMPLE_RATE, rng,
                       breath_db=-said["hnr"][k])[0]
        for k, rng in enumerate(rngs)
    ]  # fmt: skip
    voices = cascade(sources, resonances, np.broadcast_to(_BANDWIDTHS_HZ, resonances.shape), SAMPLE_RATE)
    hertz = np.geomspace(_TILT_HZ[0], SAMPLE_RATE / 2, 80)
    sounds = []
    for k, rng in enumerate(rngs):
        gain = said["tilt"][k] * np.log2(hertz / _TILT_HZ[1]) + said["high_band"][k] * (hertz > HIGH_HZ)
        sound = equalise(voices[k], SAMPLE_RATE, hertz, gain)
        sound = unit_level(unit_level(sound) + 10 ** (_ROOM_DB / 20) * rng.standard_normal(sound.size))
        sounds.append((10 ** (said["level"][k] / 20) * sound).astype(np.float32))
    names = [f"{seed}-{talker}" for talker in talkers]
    table = pd.DataFrame({"token": np.arange(len(sounds)), "speaker": names, "recording": names})
    values = drawn.copy()
    for cue, found in _measured(sounds).items():
        middle, spread = MEASURED[cue]
        values[:, PLANTED.index(cue)] = np.clip(np.nan_to_num((found - middle) / spread), -_LIMIT, _LIMIT)
    return PlantedTokens(sounds, table, drawn, values, talkers, seed)


def own_values(tokens: PlantedTokens) -> dict[str, np.ndarray]:
    """Value of each cue in each token in the cue's own unit: as planted, or as measured where it has to be.

    Parameters
    ----------
    tokens
        From `draw_tokens` or `speak`.
    """
    said = {cue: _value(cue, tokens.drawn[:, k]) for k, cue in enumerate(DRAWN)}
    return said | _measured(tokens.sounds)


def _measured(sounds: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    seconds = np.array([len(sound) for sound in sounds]) / SAMPLE_RATE
    whole = Sounds.of(sounds, SAMPLE_RATE, np.zeros(len(sounds)), seconds)
    return {cue: find_cue(cue).measure(whole) for cue in MEASURED}


def _value(cue: str, deviations: np.ndarray) -> np.ndarray:
    """Value of a cue in its own unit."""
    middle, spread = DRAWN[cue]
    scale = cue_scale(cue)
    return scale.back(scale.to(middle) + spread * deviations)


def usual(cue: str) -> tuple[float, float]:
    """Mean and standard deviation of a cue over the talkers' tokens, on the scale of `cue_scale`.

    Parameters
    ----------
    cue
        One of `PLANTED`.
    """
    middle, spread = DRAWN[cue]
    return MEASURED.get(cue, (float(cue_scale(cue).to(middle)), spread))
