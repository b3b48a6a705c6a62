"""Joins what is known of speakers or recordings (sex, dialect, age ...) to a token table."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.corpora.recording import Recording
from phonoscope.errors import CorpusError
from phonoscope.files import read_table

_SEX = {"f": "f", "female": "f", "woman": "f", "w": "f", "m": "m", "male": "m", "man": "m"}
_SEX |= dict.fromkeys(("c", "child", "boy", "girl", "b", "g", "kind"), "c")
_SEX |= dict.fromkeys(("weiblich", "frau", "femme", "féminin", "mujer", "femenino", "vrouw", "donna"), "f")
_SEX |= dict.fromkeys(("männlich", "mann", "homme", "masculin", "hombre", "masculino", "uomo"), "m")


def join_speakers(
    tokens: pd.DataFrame, speakers: str | Path | pd.DataFrame, warn: Callable[[str], None]
) -> pd.DataFrame:
    """Add the columns of a table of speakers or recordings to the tokens.

    Parameters
    ----------
    tokens : DataFrame
        Token table.
    speakers : path or DataFrame
        Has the column ``recording`` (path in the corpus, or file name with or without extension), which is matched
        first, or ``speaker``. With ``recording``, a column ``speaker`` says who speaks in it. A column ``channel``
        says which channel of the recording (1, 2 …) is read for this speaker or recording.
    warn : callable
        Takes a line about what did not match.

    Returns
    -------
    DataFrame
        The tokens, same order; ``sex`` is m, f or c where it was written in any usual way.

    Raises
    ------
    CorpusError
        If neither column is there, a key occurs twice, a column would replace one of the tokens, or nothing matches.
    """
    origin = "the table of speakers" if isinstance(speakers, pd.DataFrame) else str(speakers)
    table = speakers if isinstance(speakers, pd.DataFrame) else read_speakers(speakers)
    key = next((name for name in ("recording", "speaker") if name in table.columns), None)
    if key is None:
        raise CorpusError(f"{origin}: expected a column 'speaker' or 'recording'; found: {', '.join(table.columns)}")
    reserved = set(table.columns) & set(tokens.columns) - {"speaker", "sex", "recording", "channel"}
    if reserved:
        raise CorpusError(f"{origin}: rename {', '.join(sorted(reserved))}; the token table already has such a column")
    known = table[key].astype(str).str.strip().map(composed)
    if known.duplicated().any():
        raise CorpusError(f"{origin}: {key} {known[known.duplicated()].iloc[0]!r} occurs twice")
    row_of = {name: row for row, name in enumerate(known)}
    rows = np.array([_row(row_of, str(name), key) for name in tokens[key]])
    if (rows < 0).all():
        raise CorpusError(
            f"{origin}: no {key} matches; it has {', '.join(known.head(3))} ..., the corpus has "
            f"{', '.join(tokens[key].astype(str).unique()[:3])} ..."
        )
    unmatched = tokens.loc[rows < 0, key].astype(str).unique()
    if len(unmatched):
        warn(f"{origin} has no row for {len(unmatched)} {key}s, e.g. {', '.join(unmatched[:3])}")
    unused = sorted(set(known) - set(known.iloc[rows[rows >= 0]]))
    if unused:
        warn(f"{origin} lists {len(unused)} {key}s without tokens, e.g. {', '.join(unused[:3])}")
    joined = tokens.copy()
    for column in table.columns.drop(key):
        values = pd.Series(table[column].to_numpy()[rows], index=tokens.index).mask(rows < 0)
        if column == "sex":
            values = values.map(_sex)
        if column == "channel":
            values = values.map(_channel).astype("Int8")
        joined[column] = values.where(values.notna(), tokens[column]) if column in tokens.columns else values
    return joined


def _row(row_of: dict[str, int], name: str, key: str) -> int:
    """Row of a speaker, or of a recording by its path or file name, with or without extension; -1 if it has none."""
    name = composed(name)
    stem = name.rpartition(".")[0]
    forms = (name,) if key == "speaker" else (name, stem, Path(name).name, Path(stem).name)
    return next((row_of[form] for form in forms if form in row_of), -1)


def _sex(written: object) -> object:
    if not isinstance(written, str):
        return np.nan
    sex = _SEX.get(composed(written).strip().lower())
    if sex is None:
        raise CorpusError(f"the table of speakers has sex {written!r}; expected m, f, c (child), or an empty cell")
    return sex


def _channel(written: Any) -> object:
    """Number of a channel, from 1; missing where the cell is empty."""
    if pd.isna(written):
        return pd.NA
    text = str(written).strip().lower().removeprefix("ch").removesuffix(".0")
    number = {"left": "1", "l": "1", "right": "2", "r": "2"}.get(text, text)
    if not number.isdigit() or not 1 <= int(number) <= 99:
        raise CorpusError(f"the table of speakers has channel {written!r}; expected 1, 2 ..., left, right, or nothing")
    return int(number)


def read_speakers(path: str | Path) -> pd.DataFrame:
    """Read a table of speakers (see `phonoscope.files.read_table`).

    Raises
    ------
    CorpusError
        If it is no such file.
    """
    return read_table(path, what="table of speakers")


def speakers_from(recordings: Sequence[Recording], root: Path, pattern: str, warn: Callable[[str], None]) -> list:
    """Take the speaker of each recording from its name.

    Parameters
    ----------
    recordings : sequence of Recording
        From a layout.
    root : path
        Folder of the corpus.
    pattern : str
        ``{speaker}_*``: the file name without extension, ``*`` is any text. With a slash, the end of the path, from a
        folder on: ``{speaker}/*``, ``*_{speaker}/session*/*``.
    warn : callable
        Takes a line about recordings that do not fit.

    Returns
    -------
    list of Recording
        The same, with their speakers; none where the name does not fit.

    Raises
    ------
    CorpusError
        If the pattern has not one ``{speaker}``, or fits no recording.
    """
    form = speaker_pattern(pattern, "--speaker-from", "[^/]")
    names = [each.audio.relative_to(root).with_suffix("").as_posix() for each in recordings]
    found = [form.fullmatch(composed(name if "/" in pattern else name.rpartition("/")[2])) for name in names]
    if "/" in pattern:
        within = re.compile(f"(?:.*/)?{form.pattern}", form.flags)
        found = [match or within.fullmatch(composed(name)) for match, name in zip(found, names, strict=True)]
    odd = [name for name, match in zip(names, found, strict=True) if match is None]
    if odd and len(odd) == len(names):
        raise CorpusError(f"--speaker-from {pattern!r} fits no recording; their names are {', '.join(odd[:3])} ...")
    if odd:
        warn(
            f"--speaker-from {pattern!r} does not fit {len(odd)} of {len(names)} recordings "
            f"(such as {', '.join(odd[:3])}), so their speaker is unknown"
        )
    return [
        replace(each, speaker=match["speaker"].strip() if match else None)
        for each, match in zip(recordings, found, strict=True)
    ]


def speaker_pattern(pattern: str, option: str, character: str = ".") -> re.Pattern[str]:
    """Regular expression of a pattern with one ``{speaker}`` in it and ``*`` for any text; case does not matter.

    Parameters
    ----------
    pattern : str
        As the user wrote it.
    option : str
        Where, for the message.
    character : str
        What one character of a speaker's name may be, as a regular expression.

    Raises
    ------
    CorpusError
        If ``{speaker}`` is not there exactly once.
    """
    if pattern.count("{speaker}") != 1:
        raise CorpusError(f'{option} {pattern!r}: expected {{speaker}} once in it, as in "{{speaker}}_*"')
    before, after = (re.escape(composed(part)).replace(r"\*", f"{character}*") for part in pattern.split("{speaker}"))
    return re.compile(f"{before}(?P<speaker>{character}+?){after}", re.IGNORECASE)


def composed(name: str) -> str:
    """A name in composed form (Unicode NFC): macOS writes "ö" as "o" and two dots."""
    return unicodedata.normalize("NFC", name)
