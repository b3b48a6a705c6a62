"""What is independent in a table of tokens: recordings, or speakers; never the tokens of one recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError

PerToken: TypeAlias = Sequence[Any] | np.ndarray | pd.Series  # one value a token

MIN_UNITS = 6  # five units allow only 2**5 patterns of signs: no two-sided p below .05


class Unit(NamedTuple):
    """What is independent: ``codes`` (token,) from 0, the name of the level, how many units, what it does not cover."""

    codes: np.ndarray
    level: str
    n_units: int
    note: str


def resampling_unit(clusters: pd.DataFrame | PerToken | None, n_tokens: int, *, min_units: int = MIN_UNITS) -> Unit:
    """Choose the level whose units count as independent: the highest one that has at least `min_units`.

    Levels with fewer units pass through to the next: a one-speaker corpus is judged by recordings, and `note` says that
    nothing follows about other speakers. Units of a level are nested in the levels above it. A missing value (NA) is
    taken from the level below, so a token without a speaker counts as a unit of its own recording. If no level has
    enough, the lowest is returned with the few units that it has: `note` says so, and no interval rests on them.

    Parameters
    ----------
    clusters : DataFrame (n_tokens rows), sequence of n_tokens, or None
        Columns from the highest level down (``tokens[["speaker", "recording"]]``); a sequence is one level; None:
        the tokens themselves are independent.
    n_tokens : int
    min_units : int
        A level with fewer units does not count.

    Raises
    ------
    PhonoscopeError
        If the number of rows is not `n_tokens`.
    """
    levels = _levels(clusters, n_tokens)
    passed = []
    for name, codes in levels:
        n_units = int(codes.max(initial=-1)) + 1
        if n_units >= min_units:
            return Unit(codes, name, n_units, f"holds for these only: {', '.join(passed)}" if passed else "")
        passed.append(f"{n_units} {name}{'s' if n_units != 1 else ''}")
    name, codes = levels[-1]
    note = f"no interval: only {' and '.join(passed)}, and at least {min_units} of either are needed"
    return Unit(codes, name, int(codes.max(initial=-1)) + 1, note)


def cluster_rows(clusters: pd.DataFrame | PerToken | None, rows: np.ndarray) -> pd.DataFrame | pd.Series | None:
    """Clusters of some of the tokens, by position or mask."""
    if clusters is None:
        return None
    return (clusters if isinstance(clusters, pd.DataFrame) else pd.Series(list(clusters), dtype="object")).iloc[rows]


def unit_sums(values: np.ndarray, codes: np.ndarray, n_units: int) -> np.ndarray:
    """Sum values (token, ...) over the tokens of each unit: ndarray (n_units, ...).

    Parameters
    ----------
    values : ndarray (token, ...)
    codes : ndarray of int (token,)
        Unit of each token, from 0.
    n_units : int
        Number of units; one without tokens sums to 0.
    """
    sums = np.zeros((n_units, *values.shape[1:]))
    np.add.at(sums, codes, values)
    return sums


def _levels(clusters: pd.DataFrame | PerToken | None, n_tokens: int) -> list[tuple[str, np.ndarray]]:
    """Levels from the highest down as (name, codes), each nested in the one above; tokens where nothing is known."""
    if clusters is None:
        return [("token", np.arange(n_tokens))]
    table = clusters if isinstance(clusters, pd.DataFrame) else pd.DataFrame({"cluster": list(clusters)})
    table = table.reset_index(drop=True)
    if len(table) != n_tokens:
        raise PhonoscopeError(
            f"clusters has {len(table)} rows for {n_tokens} tokens: pass rows of the token table, in the same order."
        )
    levels, above = [], np.zeros(n_tokens, dtype=int)
    for position, column in enumerate(table.columns):
        keys = table[column].astype("object")
        missing = keys.isna()
        if missing.all():
            continue  # nothing is known at this level
        if missing.any():
            for lower in table.columns[position + 1 :]:
                keys = keys.where(keys.notna(), "unknown, " + table[lower].astype("string").astype("object"))
            unknown = pd.Series([f"unknown, token {i}" for i in range(n_tokens)], dtype="object")
            keys = keys.where(keys.notna(), unknown)
        codes = pd.factorize(keys)[0]
        above = pd.factorize(above * n_tokens + codes)[0]  # there are fewer codes than tokens
        levels.append((str(column), above))
    return levels or [("token", np.arange(n_tokens))]
