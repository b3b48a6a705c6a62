"""Vowel tokens of a talker: what is planted in each, and how it sounds."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from phonoscope.synthesis.source_filter import glottal_source
from phonoscope.synthesis.talkers import (
    DURATION_TOKEN_SD,
    F0_TOKEN_SD,
    SCALE_SD,
    Talker,
    published_vowels,
    require_phones,
    spread_left,
)

# Vowels of running speech last about 0.45 of those of /hVd/ words read from a list.
RUNNING_SPEECH_TEMPO = 0.45
ARPABET = {
    "i": "IY", "ɪ": "IH", "e": "EY", "ɛ": "EH", "æ": "AE", "ɑ": "AA",
    "ɔ": "AO", "o": "OW", "ʊ": "UH", "u": "UW", "ʌ": "AH", "ɝ": "ER",
}  # fmt: skip
# Distance of the formants above F4: a tube closed at one end, as long as the vocal tract.
SPACING_HZ = {"m": 1000.0, "f": 1150.0, "c": 1350.0}
BANDWIDTHS_HZ = np.array([60.0, 80.0, 130.0, 200.0, 250.0, 300.0, 350.0, 400.0, 450.0, 500.0, 550.0, 600.0])
BANDWIDTH_FACTOR = {"m": 1.0, "f": 1.2, "c": 1.4}
BANDWIDTH_TOKEN_SD = 0.1
N_FORMANTS = BANDWIDTHS_HZ.size
MEASURED_FORMANTS = 4
F0_SLOPE_SD = 0.06  # of the logarithm of F0, from 20 to 80 % of the token; the mean falls
F0_SLOPE_MEAN = -0.04
SHORTEST_SECONDS = 0.055
# Formants closer than this share of the lower one do not occur; such draws are repeated.
SMALLEST_GAP = 0.08
PLACES = (20, 50, 80)
_MEASURES = ("f0", "f1", "f2", "f3", "f4", "b1", "b2", "b3", "b4")
TRUTH = [f"true_{measure}_{place}" for place in PLACES for measure in _MEASURES]


def draw_vowels(talker: Talker, vowels: Sequence[str], repeats: int, rng: np.random.Generator) -> pd.DataFrame:
    """Plan `repeats` tokens of each vowel.

    A formant is ``mean × scale of the talker × (1 + residual of the token)``; the residual's spread is what the
    published one leaves after the talkers' (`spread_left`). F0 and duration are made likewise, with most of the spread
    between talkers. Formants 1 to 3 then move by the published ratios around that steady state.

    Parameters
    ----------
    talker : Talker
        Who speaks.
    vowels : sequence of str
        In IPA, among `ARPABET`.
    repeats : int
        Tokens of each.
    rng : Generator
        Source of all that is random.

    Returns
    -------
    DataFrame
        One row a token: `label` (IPA), `duration` (s), and the planted ``true_f0_20 … true_b4_80`` in Hz.

    Raises
    ------
    CorpusError
        If a vowel is not in the published table, there is none, or `repeats` is not positive.
    """
    require_phones("vowels", vowels, ARPABET, repeats)
    blocks = []
    for vowel in vowels:
        published = published_vowels()[talker.sex, vowel]
        mean_f0, f0_spread = published["f0"], published["f0_sd"] / published["f0"]
        f0 = mean_f0 * (1 + spread_left(f0_spread, F0_TOKEN_SD) * talker.f0_z)
        f0 = f0 * (1 + F0_TOKEN_SD * rng.standard_normal(repeats))
        slope = F0_SLOPE_MEAN + F0_SLOPE_SD * rng.standard_normal(repeats)
        spread = published["duration_ms_sd"] / published["duration_ms"]
        duration = published["duration_ms"] * (1 + spread_left(spread, DURATION_TOKEN_SD) * talker.rate_z)
        duration = duration * (1 + DURATION_TOKEN_SD * rng.standard_normal(repeats)) * RUNNING_SPEECH_TEMPO / 1000
        formants = _draw_formants(talker, published, repeats, rng)
        bandwidths = BANDWIDTHS_HZ[:MEASURED_FORMANTS] * BANDWIDTH_FACTOR[talker.sex]
        bandwidths = bandwidths * np.exp(BANDWIDTH_TOKEN_SD * rng.standard_normal((repeats, MEASURED_FORMANTS)))
        block = {"label": np.repeat(vowel, repeats), "duration": np.maximum(duration, SHORTEST_SECONDS)}
        for index, place in enumerate(PLACES):
            block[f"true_f0_{place}"] = f0 * np.exp(slope * (index - 1) / 2)
            block |= {f"true_f{k + 1}_{place}": formants[:, index, k] for k in range(MEASURED_FORMANTS)}
            block |= {f"true_b{k + 1}_{place}": bandwidths[:, k] for k in range(MEASURED_FORMANTS)}
        blocks.append(block)
    return pd.DataFrame({name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]})


def _draw_formants(talker: Talker, published: Mapping[str, float], n: int, rng: np.random.Generator) -> np.ndarray:
    """F1 to F4 in Hz, array (token, position, formant)."""
    mean = np.array([published[f"f{k}"] for k in range(1, 5)])
    spread = [published[f"f{k}_sd"] / published[f"f{k}"] for k in range(1, 5)]
    residual_sd = np.array([spread_left(total, SCALE_SD[talker.sex]) for total in spread])
    movement = np.ones((len(PLACES), MEASURED_FORMANTS))
    movement[:, :3] = [[published[f"f{k}_{place}_ratio"] for k in (1, 2, 3)] for place in PLACES]
    formants = np.empty((n, len(PLACES), MEASURED_FORMANTS))
    missing = np.arange(n)
    while missing.size:
        steady = mean * talker.scale * (1 + residual_sd * rng.standard_normal((missing.size, MEASURED_FORMANTS)))
        formants[missing] = steady[:, None, :] * movement
        ratio = formants[missing][:, :, 1:] / formants[missing][:, :, :-1]
        missing = missing[(ratio < 1 + SMALLEST_GAP).any(axis=(1, 2)) | (steady <= 0).any(axis=1)]
    return formants


def vowel_sources(plan: pd.DataFrame, talker: Talker, sample_rate: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Glottal source of each planned token, list of arrays (sample,).

    Parameters
    ----------
    plan : DataFrame
        From `draw_vowels`.
    talker : Talker
        Who speaks.
    sample_rate : int
        In Hz.
    rng : Generator
        Source of all that is random.
    """
    f0 = plan[[f"true_f0_{place}" for place in PLACES]].to_numpy()
    return glottal_source(
        f0, plan["duration"].to_numpy(), sample_rate, rng, tilt_hz=talker.tilt_hz, breath_db=talker.breath_db
    )


def resonances(plan: pd.DataFrame, talker: Talker) -> tuple[np.ndarray, np.ndarray]:
    """All formants and bandwidths of the planned tokens, both (token, position, N_FORMANTS) in Hz.

    Above the planned four, formants follow at the group's spacing, as in a tube of the talker's length.
    """

    def planned(letter: str) -> np.ndarray:
        columns = [[f"true_{letter}{k}_{place}" for k in range(1, 5)] for place in PLACES]
        return np.stack([plan[names].to_numpy(dtype=np.float64) for names in columns], axis=1)

    frequencies, bandwidths = planned("f"), planned("b")
    steps = np.arange(1, N_FORMANTS - MEASURED_FORMANTS + 1)
    upper = frequencies[:, :, -1:] + SPACING_HZ[talker.sex] * talker.scale * steps
    wide = np.broadcast_to(BANDWIDTHS_HZ[MEASURED_FORMANTS:] * BANDWIDTH_FACTOR[talker.sex], upper.shape)
    return np.concatenate([frequencies, upper], axis=2), np.concatenate([bandwidths, wide], axis=2)
