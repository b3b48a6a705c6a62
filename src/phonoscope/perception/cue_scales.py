"""The scale on which each cue is measured where it is compared with others: Bark, semitones, doublings, dB."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from phonoscope.manipulate.cue import BARK, SEMITONES


class CueScale(NamedTuple):
    """How values of a cue are counted.

    Attributes
    ----------
    unit
        Of the scale.
    to
        From the cue's own unit to the scale.
    back
        From the scale to the cue's own unit.
    jnd
        Just-noticeable difference of listeners on the scale; NaN where none is published.
    source
        Where it is published.
    """

    unit: str
    to: Callable[..., np.ndarray]
    back: Callable[..., np.ndarray]
    jnd: float = float("nan")
    source: str = ""


def _octaves(values: np.ndarray) -> np.ndarray:
    return np.log2(np.where(np.asarray(values, dtype=float) > 0, values, np.nan))


_FORMANT = CueScale(
    "Bark", BARK.to, BARK.back, 0.28, "Kewley-Port & Zheng (1999), J. Acoust. Soc. Am. 106, 2945: vowels in phrases"
)
_SCALES = {
    **dict.fromkeys(("f1", "f2", "f3", "f4"), _FORMANT),
    "f0": CueScale(
        "semitone",
        SEMITONES.to,
        SEMITONES.back,
        0.29,
        "Klatt (1973), J. Acoust. Soc. Am. 53, 8: 2 Hz on a falling F0 near 120 Hz",
    ),
    "duration": CueScale(
        "doubling",
        _octaves,
        np.exp2,
        float(np.log2(1.2)),
        "Klatt (1976), J. Acoust. Soc. Am. 59, 1208: about a fifth of a segment's duration",
    ),
    "level": CueScale(
        "dB", np.asarray, np.asarray, 1.0, "Flanagan (1955), J. Acoust. Soc. Am. 27, 1223: level of a vowel"
    ),
}


def cue_scale(cue: str, unit: str = "") -> CueScale:
    """Scale of a cue; of one that is not known here, its own unit.

    Parameters
    ----------
    cue
        Its name: ``f1`` … ``f4``, ``f0``, ``duration``, ``level``, or any other.
    unit
        The cue's own unit, for those that are counted in it.
    """
    return _SCALES.get(cue, CueScale(unit or "unit of the cue", np.asarray, np.asarray))
