"""Formants in Hz, in Bark, or normalised by speaker (Lobanov), for vowel charts that can be compared."""

from __future__ import annotations

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.scales import hz_to_bark

SCALES = {"hz": "Hz", "bark": "Bark", "lobanov": "z"}
_FEWEST_TOKENS = 3  # of a speaker: fewer give no standard deviation worth dividing by


def scaled_formants(formants: pd.DataFrame, scale: str = "hz", speakers: pd.Series | None = None) -> pd.DataFrame:
    """Return a formant table with its frequencies on another scale.

    Parameters
    ----------
    formants : DataFrame
        ``f1_20 … f4_80``, Hz; other columns are kept as they are.
    scale : {"hz", "bark", "lobanov"}
        ``lobanov`` (1971): of each speaker and formant, less the mean over his or her vowels, over their standard
        deviation (n − 1), both taken at the middle of the vowels. It removes much of what vocal tracts differ in, and,
        with unequal numbers of each vowel, some of what vowels differ in too.
    speakers : Series, optional
        Of each row; `lobanov` needs it. Speakers with fewer than three measured vowels become missing.

    Raises
    ------
    PhonoscopeError
        If the scale is not known, or its speakers are not.
    """
    if scale not in SCALES:
        raise PhonoscopeError(f"formants are shown in {', '.join(SCALES)}; not {scale!r}")
    columns = [str(c) for c in formants if len(str(c)) == 5 and str(c)[0] == "f" and str(c)[2] == "_"]
    shown = formants.copy()
    shown[columns] = formants[columns].astype(float)
    if scale == "bark":
        shown[columns] = hz_to_bark(shown[columns].to_numpy())
    elif scale == "lobanov":
        if speakers is None or len(speakers) != len(formants) or speakers.isna().all():
            raise PhonoscopeError("Lobanov's normalisation needs the speaker of every token; use hz or bark instead")
        for name in sorted({column[:2] for column in columns}):
            middle = shown[f"{name}_50"].groupby(speakers.to_numpy())
            mean, spread = middle.transform("mean"), middle.transform("std")
            spread = spread.where((middle.transform("count") >= _FEWEST_TOKENS) & (spread > 0), np.nan)
            for column in columns:
                if column.startswith(name):
                    shown[column] = (shown[column] - mean) / spread
    return shown
