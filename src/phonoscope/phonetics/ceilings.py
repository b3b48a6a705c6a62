"""Up to which frequency formants of a speaker are sought, how wide they may be, and what people may set of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.errors import AudioError

CEILING_HZ = {"m": 5000.0, "f": 5500.0, "c": 6250.0}
UNKNOWN_CEILING_HZ = 5500.0
YOUNG_CHILD_CEILING_HZ = 8000.0
YOUNG_CHILD_YEARS, GROWN_YEARS = 7, 13  # younger than this: a young child; a child
FORMANTS = 5  # expected below the ceiling
POSITIONS = (0.2, 0.5, 0.8)
LADDER_HZ = tuple(float(round(hertz, -1)) for hertz in np.geomspace(4500, 8000, 12))
AUTO, PER_TOKEN, PER_SPEAKER = "auto", "per-token", "per-speaker"
LOWEST_CEILING_HZ, HIGHEST_CEILING_HZ = 2000.0, 16000.0
# A pole wider than this follows the tilt of the spectrum: no resonance of a vocal tract is so wide.
WIDEST_HZ, WIDEST_AT_0_HZ, WIDEST_SHARE = 1500.0, 700.0, 0.3
_WORDS_OF_CHILDREN = frozenset({"child", "kind", "enfant", "niño", "niña"})


def ceiling_for(sex: str | float | None, age: str | float | None = None) -> float:
    """Formant ceiling in Hz: 5000 for "m" (men), 5500 for "f" (women), 6250 for "c" (children), 5500 when unknown.

    Men and women as in Praat's manual (*Sound: To Formant (burg)...*). Its 8000 Hz are for young children; the ten- to
    twelve-year-olds of Hillenbrand et al. (1995) have five formants below about 6250 Hz, and with 8000 the second is
    missed by 14 % instead of 1.3 %. The value for unknown speakers suits most women and many men.

    Parameters
    ----------
    sex
        "m", "f", "c", or missing.
    age
        In years; below 7 the ceiling is 8000 Hz, from 7 to 12 that of children, and sex decides from 13 on. What is no
        number decides nothing.
    """
    years = _years(age)
    if years < YOUNG_CHILD_YEARS:
        return YOUNG_CHILD_CEILING_HZ
    if years < GROWN_YEARS:
        return CEILING_HZ["c"]
    return CEILING_HZ.get(sex, UNKNOWN_CEILING_HZ) if isinstance(sex, str) else UNKNOWN_CEILING_HZ


def widest_bandwidth(frequency: np.ndarray) -> np.ndarray:
    """Bandwidth in Hz up to which a pole counts as a formant: 700 Hz and 0.3 of its frequency, at most 1500 Hz.

    Resonances of a vocal tract are 40 to 500 Hz wide and wider at high frequencies (Hawks and Miller 1995); what linear
    prediction finds in noise, or between harmonics far apart, is up to a few times that.

    Parameters
    ----------
    frequency : array
        Hz.
    """
    return np.minimum(WIDEST_HZ, WIDEST_AT_0_HZ + WIDEST_SHARE * frequency)


def _years(age: Any) -> float:
    """Age as a number, infinite where it is none; "4;6" and "4.5" are four and a half years (the first is CHAT's)."""
    if age is None or (isinstance(age, float) and math.isnan(age)) or age is pd.NA:
        return math.inf
    text = str(age).strip().lower().replace(",", ".")
    if text in _WORDS_OF_CHILDREN:
        return float(YOUNG_CHILD_YEARS)
    months = re.fullmatch(r"(\d+);(\d+)?(?:\.\d*)?", text)
    if months:
        return int(months[1]) + int(months[2] or 0) / 12
    try:
        years = float(text)
    except ValueError:
        return math.inf
    return years if years >= 0 else math.inf


@dataclass(frozen=True)
class FormantSettings:
    """What people set of the measurement of formants.

    Parameters
    ----------
    ceiling
        ``auto``: of each speaker, from the table of speakers (column ``ceiling``, else ``age`` and ``sex``); a number
        in Hz for all; ``per-token`` or ``per-speaker``: found on a ladder of ceilings.
    formants
        How many are expected below the ceiling; the linear prediction has twice this order.
    positions
        Where in the token, as fractions of its duration; 0.5 gives the columns ``f1_50`` …
    corrections
        Table of values that a person corrected; see `phonoscope.phonetics.corrections.read_corrections`.

    Raises
    ------
    AudioError
        If a value makes no sense.
    """

    ceiling: float | str = AUTO
    formants: int = FORMANTS
    positions: tuple[float, ...] = POSITIONS
    corrections: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if isinstance(self.ceiling, str):
            if self.ceiling not in (AUTO, PER_TOKEN, PER_SPEAKER):
                raise AudioError(
                    f"the formant ceiling is {self.ceiling!r}; expected a number of Hz, {AUTO} (by speaker), "
                    f"{PER_TOKEN} or {PER_SPEAKER}"
                )
        else:
            checked_ceiling(self.ceiling, "the formant ceiling")
        if isinstance(self.formants, bool) or not isinstance(self.formants, int) or not 2 <= self.formants <= 10:
            raise AudioError(f"formants is {self.formants!r}; expected how many to look for, from 2 to 10, as a rule 5")
        suffixes = [suffix_of(position) for position in self.positions]
        if not suffixes or len(set(suffixes)) < len(suffixes):
            raise AudioError(
                f"positions are {', '.join(map(str, self.positions)) or 'missing'}; expected different fractions of "
                "the duration, at least 0.01 apart, such as 0.25,0.5,0.75"
            )

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> FormantSettings:
        """Settings from plain values, as a recipe or the command line writes them.

        Parameters
        ----------
        given
            Some of the settings; ``ceiling`` may be a number as text, ``positions`` text with commas.
        """
        values = dict(given)
        unknown = sorted(set(values) - {"ceiling", "formants", "positions", "corrections"})
        if unknown:
            raise AudioError(
                f"unknown setting of formants: {', '.join(unknown)}; there are ceiling, formants, positions and "
                "corrections"
            )
        if "ceiling" in values:
            values["ceiling"] = _ceiling_in(values["ceiling"])
        if "positions" in values:
            values["positions"] = _positions_in(values["positions"])
        if values.get("corrections") is not None:
            values["corrections"] = str(values["corrections"])
        return cls(**values)

    @property
    def on_a_ladder(self) -> bool:
        """Whether ceilings are to be found."""
        return self.ceiling in (PER_TOKEN, PER_SPEAKER)


def suffix_of(position: float) -> str:
    """What the columns of a position end in: "20" for 0.2.

    Parameters
    ----------
    position
        Fraction of the duration.

    Raises
    ------
    AudioError
        If it does not lie in the token.
    """
    if isinstance(position, bool) or not isinstance(position, (int, float)) or not 0 <= position <= 1:
        raise AudioError(f"the position {position!r} is no fraction of the duration; expected 0 to 1, such as 0.5")
    return f"{round(100 * position):02d}"


def checked_ceiling(hertz: float, what: str) -> float:
    """A ceiling that can be meant.

    Parameters
    ----------
    hertz
        The value.
    what
        For the message.

    Raises
    ------
    AudioError
        If it cannot.
    """
    if isinstance(hertz, bool) or not LOWEST_CEILING_HZ <= hertz <= HIGHEST_CEILING_HZ:
        raise AudioError(
            f"{what} is {hertz:g}; expected {LOWEST_CEILING_HZ:g} to {HIGHEST_CEILING_HZ:g} Hz: as a rule 5000 for "
            "men, 5500 for women, 6250 to 8000 for children"
        )
    return float(hertz)


def speaker_ceilings(tokens: pd.DataFrame, settings: FormantSettings) -> tuple[np.ndarray, np.ndarray]:
    """Ceiling that is known of each token's speaker, before anything is measured, and where it comes from.

    Parameters
    ----------
    tokens
        Token table; the columns ``ceiling`` (Hz), ``age`` and ``sex`` are used where they are.
    settings
        What was set.

    Returns
    -------
    hertz : array (token,)
        In Hz.
    source : array (token,)
        "given", "table of speakers", "age", "sex" or "default".

    Raises
    ------
    AudioError
        If the column ``ceiling`` has a value that is none.
    """
    if not isinstance(settings.ceiling, str):
        return np.full(len(tokens), float(settings.ceiling)), np.full(len(tokens), "given", dtype=object)
    known = {name: list(tokens[name]) if name in tokens else [None] * len(tokens) for name in ("ceiling", "age", "sex")}
    found = [_ceiling_of(*row) for row in zip(known["ceiling"], known["age"], known["sex"], strict=True)]
    hertz, source = zip(*found, strict=True) if found else ((), ())
    return np.array(hertz, dtype=np.float64), np.array(source, dtype=object)


def _ceiling_of(ceiling: Any, age: Any, sex: Any) -> tuple[float, str]:
    if not (ceiling is None or pd.isna(ceiling)):
        try:
            number = float(str(ceiling).replace(",", "."))
        except ValueError as error:
            raise AudioError(
                f"the table of speakers has the ceiling {ceiling!r}; expected Hz, such as 5500, or an empty cell"
            ) from error
        return checked_ceiling(number, "a ceiling in the table of speakers"), "table of speakers"
    age = None if age is None or pd.isna(age) else age
    sex = None if sex is None or pd.isna(sex) else str(sex)
    source = "age" if _years(age) < GROWN_YEARS else "sex" if sex in CEILING_HZ else "default"
    return ceiling_for(sex, age), source


def _ceiling_in(value: Any) -> float | str:
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value.strip().lower()


def _positions_in(value: str | Sequence[float]) -> tuple[float, ...]:
    pieces: Sequence[Any] = [piece for piece in value.split(",") if piece.strip()] if isinstance(value, str) else value
    try:
        return tuple(float(piece) for piece in pieces)
    except (TypeError, ValueError) as error:
        raise AudioError(
            f"positions are {value!r}; expected fractions of the duration, such as 0.25,0.5,0.75"
        ) from error
