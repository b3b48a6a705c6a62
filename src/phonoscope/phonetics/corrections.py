"""Formants that a person corrected in a table, read back."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from phonoscope.errors import CorpusError
from phonoscope.files import read_table
from phonoscope.phonetics.ceilings import LADDER_HZ, checked_ceiling

# Sources of a ceiling that a person chose, or left as it was in a table of candidates.
BY_PERSON = (CORRECTED, AS_PROPOSED) = ("correction", "table of candidates")
_VALUE = re.compile(r"[fb][1-9]_\d+|f0_\d+")
_YES, _NO = frozenset({"1", "true", "x", "yes", "1.0"}), frozenset({"0", "false", "no", "", "nan", "0.0"})
_SAME = 1e-4  # spreadsheets round: a value this near (relative) is the measured one


def read_corrections(path: str | Path) -> pd.DataFrame:
    """Read a table of corrected formants.

    It has a row for each token to be corrected: its ``token``, and what is corrected. ``candidate`` (a number of the
    ladder) or ``ceiling`` (Hz) has the token measured with that ceiling, and ``formants_below`` with so many formants;
    ``f1_50``, ``f2_50`` … (Hz) stand as they are. Empty cells correct nothing. The table of candidates that was written
    may itself be edited: then ``chosen`` marks one row of each token.

    Parameters
    ----------
    path
        CSV with commas, semicolons or tabs.

    Returns
    -------
    DataFrame
        ``ceiling`` and values in Hz, NaN where nothing was corrected, and ``ceiling_from`` ("correction", or "table of
        candidates" where the row proposed was left); the index is the token.

    Raises
    ------
    CorpusError
        If there is no such column, a token has several rows, or a value is no number.
    """
    table = read_table(path, what="table of corrected formants")
    if "token" not in table:
        raise CorpusError(f"{path}: expected a column 'token'; found: {', '.join(table.columns)}")
    if "chosen" in table:
        table = table[[_is_chosen(each, path) for each in table["chosen"]]]
    doubled = table["token"][table["token"].duplicated()]
    if len(doubled):
        mark = "mark one row of it in the column 'chosen'" if "chosen" in table else "keep one row of it"
        raise CorpusError(f"{path}: token {doubled.iloc[0]} has several rows; {mark}")
    values = [name for name in table.columns if _VALUE.fullmatch(name)]
    if not values and not {"ceiling", "candidate"} & set(table.columns):
        raise CorpusError(
            f"{path}: nothing to correct; expected a column ceiling, candidate, or values such as f2_50; found: "
            f"{', '.join(table.columns)}"
        )
    numbers = pd.DataFrame(index=pd.Index(table["token"].astype(str), name="token"))
    for name in [each for each in ("ceiling", "candidate") if each in table] + values:
        numbers[name] = [_number(cell, name, path) for cell in table[name]]
    if "candidate" in numbers:
        rungs = numbers.pop("candidate").map(lambda rung: _rung(rung, path), na_action="ignore")
        numbers["ceiling"] = numbers["ceiling"].fillna(rungs) if "ceiling" in numbers else rungs
    if "ceiling" in numbers:
        numbers["ceiling_from"] = CORRECTED
        if "formants_below" in table:
            numbers["formants_below"] = [_number(cell, "formants_below", path) for cell in table["formants_below"]]
    if "proposed" in table and "ceiling" in numbers:
        as_proposed = [_is_chosen(each, path) for each in table["proposed"]]
        numbers.loc[as_proposed, "ceiling_from"] = AS_PROPOSED
    if "ceiling" in numbers:
        for hertz in numbers["ceiling"].dropna():
            checked_ceiling(float(hertz), f"{path}: a ceiling")
    return numbers


def as_corrected(table: pd.DataFrame, corrected: pd.DataFrame) -> pd.DataFrame:
    """Put corrected values in the place of measured ones, and say which: in the column ``corrected``, with commas.

    Parameters
    ----------
    table
        One row a token.
    corrected
        From `read_corrections`; values at positions that were not measured are refused.

    Raises
    ------
    CorpusError
        If there is a value of a position that the table does not have.
    """
    values = [name for name in corrected.columns if _VALUE.fullmatch(name) and corrected[name].notna().any()]
    unknown = [name for name in values if name not in table]
    if unknown:
        raise CorpusError(
            f"the corrected formants have values {', '.join(unknown)}, the table has none of these: give the same "
            "--positions as when they were written"
        )
    changed = table.copy()
    said = np.full(len(table), "", dtype=object)
    for name in values:
        given = corrected[name].reindex(table["token"]).to_numpy(dtype=np.float64)
        measured = table[name].to_numpy(dtype=np.float64)
        other = np.isfinite(given) & ~(np.abs(given - measured) <= _SAME * np.abs(measured))
        changed[name] = np.where(other, given, measured)
        said[other] = [f"{before},{name}" if before else name for before in said[other]]
    return changed.assign(corrected=said)


def _is_chosen(written: object, path: str | Path) -> bool:
    text = str(written).strip().lower()
    if text not in _YES | _NO:
        raise CorpusError(f"{path}: the column 'chosen' has {written!r}; expected 1 in one row of each token, else 0")
    return text in _YES


def _number(cell: object, name: str, path: str | Path) -> float:
    if isinstance(cell, float) and np.isnan(cell):
        return np.nan
    try:
        number = float(str(cell).replace(",", "."))
    except ValueError as error:
        raise CorpusError(f"{path}: {name} is {cell!r}; expected a number, or an empty cell") from error
    if not np.isfinite(number) or number <= 0:
        raise CorpusError(f"{path}: {name} is {cell!r}; expected a number above 0, or an empty cell")
    return number


def _rung(number: float, path: str | Path) -> float:
    if number != int(number) or number > len(LADDER_HZ):
        raise CorpusError(
            f"{path}: candidate {number:g} is not on the ladder; choose a number from 1 to {len(LADDER_HZ)}"
        )
    return LADDER_HZ[int(number) - 1]
