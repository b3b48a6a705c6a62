"""Joins what is known of speakers or recordings (sex, dialect, age ...) to a token table."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from phonoscope.errors import CorpusError
from phonoscope.files import read_table

_SEX = {"f": "f", "female": "f", "woman": "f", "w": "f", "m": "m", "male": "m", "man": "m"}
_SEX |= dict.fromkeys(("c", "child", "boy", "girl", "b", "g"), "c")


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
        first, or ``speaker``. With ``recording``, a column ``speaker`` says who speaks in it.
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
    reserved = set(table.columns) & set(tokens.columns) - {"speaker", "sex", "recording"}
    if reserved:
        raise CorpusError(f"{origin}: rename {', '.join(sorted(reserved))}; the token table already has such a column")
    known = table[key].astype(str).str.strip()
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
        joined[column] = values.where(values.notna(), tokens[column]) if column in tokens.columns else values
    return joined


def _row(row_of: dict[str, int], name: str, key: str) -> int:
    """Row of a speaker, or of a recording by its path or file name, with or without extension; -1 if it has none."""
    stem = name.rpartition(".")[0]
    forms = (name,) if key == "speaker" else (name, stem, Path(name).name, Path(stem).name)
    return next((row_of[form] for form in forms if form in row_of), -1)


def _sex(written: object) -> object:
    if not isinstance(written, str):
        return np.nan
    sex = _SEX.get(written.strip().lower())
    if sex is None:
        raise CorpusError(f"the table of speakers has sex {written!r}; expected m, f, c (child), or an empty cell")
    return sex


def read_speakers(path: str | Path) -> pd.DataFrame:
    """Read a CSV file as text, whatever its separator; names of columns in lower case, empty cells missing.

    Raises
    ------
    CorpusError
        If it is no such file.
    """
    try:
        rows = read_table(path)
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: the table of speakers cannot be read ({error})") from error
    header, *cells = rows or [[]]
    uneven = [n for n, row in enumerate(cells, 2) if row and len(row) > len(header)]
    if uneven:
        raise CorpusError(f"{path}, line {uneven[0]}: the table of speakers cannot be read (more cells than columns)")
    filled = [row + [""] * (len(header) - len(row)) for row in cells if row]
    table = pd.DataFrame(filled, columns=header, dtype=object)
    table.columns = [str(name).strip().lower() for name in table.columns]
    return table.replace("", np.nan)
