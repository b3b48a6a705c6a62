"""Maps, or spectrograms, that are made part by part and joined into one store with their class means beside them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import xarray as xr

from phonoscope.attribution import ClassMeans, write_maps
from phonoscope.attribution.store import COORDINATES, TOKENS, VALUES, maps_to_table, table_to_maps
from phonoscope.corpora.sounds import TokenSounds
from phonoscope.errors import ExperimentError
from phonoscope.experiments.parts import WORK, Ask, Progress, count_rows, groups_of, left_out_of, make_parts, sources_of
from phonoscope.files import write_with
from phonoscope.work.executor import Executor, in_this_process
from phonoscope.work.folders import CHECKSUMS_NAME, contents, locked, open_again, write_checksums

MEANS = "means.parquet"
_FILES = (VALUES, COORDINATES, TOKENS, MEANS, CHECKSUMS_NAME, WORK)
_CLASS = "class"


@dataclass(frozen=True)
class StoredMaps:
    """What was stored.

    Parameters
    ----------
    head
        Maps without tokens: their attributes and cells.
    count
        Number of maps.
    worst
        Largest deviation from what the method promises its maps sum to; None if it promises nothing.
    left_out
        What was left out, and why.
    """

    head: xr.DataArray
    count: int
    worst: float | None
    left_out: list[dict[str, Any]]


def classes_of(tokens: pd.DataFrame) -> list[str]:
    """True class of each token: that of the experiment, where the table has it."""
    return [str(label) for label in tokens[_CLASS if _CLASS in tokens else "label"]]


def as_rows(maps: xr.DataArray, classes: Sequence[str]) -> tuple[pa.Table, dict[str, Any]]:
    """Maps as rows of a part, with the true class of each, and what all of them share."""
    rows, facts = maps_to_table(maps)
    return rows.append_column(_CLASS, pa.array(classes, pa.string())), {"maps": facts}


def store_parts(
    ask: Ask,
    tokens: pd.DataFrame | TokenSounds,
    labels: Sequence[str],
    out: Path,
    *,
    kind: str = "map",
    together: Sequence[str] = (),
    executor: Executor = in_this_process,
    progress: Progress | None = None,
) -> StoredMaps:
    """Make maps part by part, join them into one store, and write the means of each class beside it.

    Parameters
    ----------
    ask
        What to make.
    tokens
        As of ``sources_of``.
    labels
        Classes in their order; others that tokens have come behind them.
    out
        Folder of the store; new or empty, or that of an earlier call.
    kind
        What the means are called in their table.
    together
        See ``sources_of``.
    executor, progress
        As of ``make_parts``.

    Raises
    ------
    ExperimentError
        If the folder holds something else, or there is no token.
    """
    with locked(out):
        others = [path.name for path in contents(out) if path.name not in _FILES]
        if others:
            raise ExperimentError(f"{out} holds something other than maps ({others[0]}); choose a new folder")
        open_again(out)
        work = out / WORK
        sources = sources_of(tokens, work / "tokens", together)
        paths = make_parts(ask, sources, work, executor=executor, progress=progress)
        found = _join(paths, labels, out, kind)
        shutil.rmtree(work)
        write_checksums(out)
    return found


def _join(paths: Sequence[Path], labels: Sequence[str], out: Path, kind: str) -> StoredMaps:
    """Put finished parts into one store, and their class means beside it; memory holds a group of rows at a time."""
    filled = [path for path in paths if count_rows([path])]
    present = {name for path in filled for name in pq.read_table(path, columns=[_CLASS])[_CLASS].unique().to_pylist()}
    means = ClassMeans([*labels, *sorted(present - set(labels))])
    heads: list[xr.DataArray] = []
    count, worst = count_rows(paths), 0.0

    def batches() -> Iterator[xr.DataArray]:
        nonlocal worst
        for rows, facts in groups_of(paths):
            maps = table_to_maps(rows.drop_columns([_CLASS]), facts["maps"])
            classes = rows.column(_CLASS).to_pylist()
            means.update(maps, classes, maps["predicted"].values if "predicted" in maps.coords else classes)
            if not heads:
                heads.append(maps.isel(token=slice(0, 0)))
            if maps.attrs.get("completeness"):
                worst = max(worst, float(np.abs(maps["incompleteness"].values).max()))
            yield maps

    write_maps(out, batches(), count)
    table = tidy_means(means.result(), kind)
    if "predicted" not in heads[0].coords:
        table = table[table["subset"] == "all"].reset_index(drop=True)
    write_with(out / MEANS, lambda path: table.to_parquet(path, index=False))
    return StoredMaps(heads[0], count, worst if heads[0].attrs.get("completeness") else None, left_out_of(paths))


def tidy_means(means: xr.Dataset, kind: str) -> pd.DataFrame:
    """Class means as a tidy table; classes without tokens in a subset have no rows."""
    table = means[["mean", "variance"]].to_dataframe().reset_index().rename(columns={"label": "class"})
    counts = means["count"].to_dataframe().reset_index().rename(columns={"label": "class"})
    table = table.merge(counts, on=["subset", "class"])
    table.insert(0, "kind", kind)
    return table[table["count"] > 0].reset_index(drop=True)
