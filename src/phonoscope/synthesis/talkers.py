"""Talkers drawn from the published means and spreads of Hillenbrand et al. (1995)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from phonoscope.errors import CorpusError

SEXES = ("m", "f", "c")

# Spread between talkers of one group, as found in the measurements of Hillenbrand et al. (1995): standard deviation of
# a talker's mean deviation, over 12 vowels and F1 to F3, of log frequency from the group's mean (a vocal-tract scale).
SCALE_SD = {"m": 0.030, "f": 0.041, "c": 0.051}
# Spread from token to token of one talker: F0 and duration, relative. The rest of the published spread is the talker's.
F0_TOKEN_SD = 0.04
DURATION_TOKEN_SD = 0.08
# Correlation of a talker's F0 with the vocal-tract scale (0.26 to 0.39 in the groups): short tracts have high voices.
F0_SCALE_CORRELATION = 0.3
_Z_LIMIT = 2.5  # nobody further from the mean than this; costs 1 % of the standard deviation


@dataclass(frozen=True)
class Talker:
    """One synthetic talker.

    Attributes
    ----------
    name : str
        Speaker label, also the file name.
    sex : {"m", "f", "c"}
        Man, woman, child.
    scale : float
        Factor on all formant frequencies relative to the group's means; 1 is average.
    f0_z, rate_z : float
        Deviation of F0 and of duration from the group's means, in standard deviations between talkers.
    tilt_hz : float
        Corner of the one-pole low-pass that makes the voice softer.
    breath_db : float
        Level of breath noise relative to the voice source.
    snr_db : float
        Level of the talker's vowels above the background of the recording.
    """

    name: str
    sex: str
    scale: float = 1.0
    f0_z: float = 0.0
    rate_z: float = 0.0
    tilt_hz: float = 3000.0
    breath_db: float = -30.0
    snr_db: float = 30.0


def require_phones(kind: str, phones: Sequence[str], known: Collection[str], repeats: int) -> None:
    """Refuse phones that talkers cannot say, none at all, or no repeat.

    Parameters
    ----------
    kind : str
        Of the phones, in the plural: vowels or consonants.
    phones : sequence of str
        In IPA.
    known : collection of str
        Those that talkers can say.
    repeats : int
        Tokens of each.

    Raises
    ------
    CorpusError
        If a phone is not known, there is none, or `repeats` is not positive.
    """
    unknown = [phone for phone in phones if phone not in known]
    if unknown or not len(phones) or repeats < 1:
        raise CorpusError(
            f"found {kind} {', '.join(unknown or phones) or 'none'} and repeats={repeats}; expected {kind} among "
            f"{' '.join(known)} and at least one repeat."
        )


def draw_talkers(n: int, seed: int = 0) -> list[Talker]:
    """Draw `n` talkers, men, women and children in turn.

    The draw of a talker depends on the seed and the talker's number alone: the first ten of sixty are the ten of ten.

    Raises
    ------
    CorpusError
        If `n` is not positive.
    """
    if n < 1:
        raise CorpusError(f"found {n} talkers; expected at least one.")
    talkers = []
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        sex = SEXES[number % len(SEXES)]
        z_scale, z_other, z_rate = np.clip(rng.standard_normal(3), -_Z_LIMIT, _Z_LIMIT)
        f0_z = F0_SCALE_CORRELATION * z_scale + np.sqrt(1 - F0_SCALE_CORRELATION**2) * z_other
        talkers.append(
            Talker(
                name=f"{sex}{number // len(SEXES) + 1:02d}",
                sex=sex,
                scale=float(1 + SCALE_SD[sex] * z_scale),
                f0_z=float(np.clip(f0_z, -_Z_LIMIT, _Z_LIMIT)),
                rate_z=float(z_rate),
                tilt_hz=float(np.exp(rng.uniform(np.log(1500), np.log(4000)))),
                breath_db=float(rng.uniform(-38, -26)),
                snr_db=float(rng.uniform(22, 36)),
            )
        )
    return talkers


@cache
def published_vowels() -> dict[tuple[str, str], dict[str, float]]:
    """Published means and standard deviations by (sex, vowel in IPA); durations in ms, the rest in Hz.

    Returns
    -------
    dict of dict
        ``duration_ms, f0, f1 … f4``, each with its ``_sd``, and the movement ``fK_20_ratio, fK_50_ratio, fK_80_ratio``
        of formants 1 to 3 relative to the steady state. Source: Hillenbrand et al. (1995).
    """
    with files("phonoscope.data").joinpath("hillenbrand1995.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, comment="#")
    return table.set_index(["sex", "vowel"]).astype(float).to_dict("index")  # ty: ignore[invalid-explicit-return]


def spread_left(total: float, known: float) -> float:
    """Relative SD that a second factor must have, so that the product of both has the relative SD `total`.

    For independent factors of mean 1, ``1 + total² = (1 + known²)(1 + left²)``; so the published spread over talkers
    and tokens is counted once, however much of it the talkers' part takes.

    Raises
    ------
    CorpusError
        If `known` alone exceeds `total`.
    """
    if known > total:
        raise CorpusError(f"a spread of {known:.3f} cannot be part of a total of {total:.3f}; expected a smaller one.")
    return float(np.sqrt((total**2 - known**2) / (1 + known**2)))
