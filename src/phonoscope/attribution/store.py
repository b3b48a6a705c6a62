"""Maps on disk: one memory-mapped array, its coordinates beside it, so that any tokens are read without the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.attribution.maps import map_coordinates
from phonoscope.axes import TimeAxis
from phonoscope.errors import AttributionError
from phonoscope.files import write_json, write_with

VALUES, COORDINATES, TOKENS = "values.npy", "coordinates.json", "tokens.parquet"


def write_maps(folder: str | Path, batches: Iterable[xr.DataArray], count: int) -> Path:
    """Write batches of maps as they come; memory does not grow with their number.

    Parameters
    ----------
    folder
        Where ``values.npy`` (token, frequency, time; float32), ``coordinates.json`` and ``tokens.parquet`` are written.
        The coordinates come last: a folder without them was interrupted and is not read.
    count
        Number of tokens in all batches.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / COORDINATES).unlink(missing_ok=True)
    columns: dict[str, list[Any]] = {}
    first: xr.DataArray | None = None

    def fill(path: Path) -> None:
        # Written, not mapped: on a full disk a mapped file kills the process instead of raising an error.
        nonlocal first
        done = 0
        with path.open("wb") as file:
            for batch in batches:
                if first is None:
                    shape = (count, batch.sizes["frequency"], batch.sizes["time"])
                    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(file, header)
                    first = batch
                done += batch.sizes["token"]
                if done > count:
                    raise AttributionError(f"{count} maps were announced, more came")
                file.write(np.ascontiguousarray(batch.values, dtype="<f4").tobytes())
                for name, values in _token_columns(batch).items():
                    columns.setdefault(name, []).extend(values)
        if done != count:
            raise AttributionError(f"{count} maps were announced, {done} came")

    write_with(folder / VALUES, fill)
    if first is None:
        raise AttributionError("there is no map to write")
    write_with(folder / TOKENS, lambda path: pd.DataFrame(columns).to_parquet(path, index=False))
    facts = {
        "dims": list(first.dims),
        "frequency": first["frequency"].values.tolist(),
        "time": first["time"].values.tolist(),
        "attrs": first.attrs,
    }
    write_json(folder / COORDINATES, facts)
    return folder


def read_maps(folder: str | Path, tokens: Sequence[str] | slice | None = None) -> xr.DataArray:
    """Read maps written by ``write_maps``: all (memory-mapped), a slice of positions, or the named tokens.

    Raises
    ------
    AttributionError
        If the folder is not a whole map store or a token is not in it.
    """
    folder = Path(folder)
    try:
        facts = json.loads((folder / COORDINATES).read_text(encoding="utf-8"))
        values = np.load(folder / VALUES, mmap_mode="r")
        table = pd.read_parquet(folder / TOKENS)
    except (OSError, ValueError, KeyError) as error:
        raise AttributionError(f"{folder} holds no complete maps ({error}); make them again") from error
    if tokens is not None:
        if isinstance(tokens, slice):
            chosen = np.arange(len(table))[tokens]
        else:
            chosen = pd.Index(table["token"]).get_indexer(pd.Index(list(tokens)))
            if (chosen < 0).any():
                absent = [t for t, i in zip(tokens, chosen, strict=True) if i < 0]
                raise AttributionError(f"no maps of {', '.join(absent[:3])} in {folder}")
        values, table = values[chosen], table.iloc[chosen]
    frequency, time = np.asarray(facts["frequency"]), np.asarray(facts["time"])
    attrs = facts["attrs"]
    axis = TimeAxis(attrs["time_columns"], attrs.get("time_seconds"), attrs["time_edge_seconds"])
    coords = map_coordinates(frequency, time, table["duration"].to_numpy(), axis)
    coords |= {name: ("token", table[name].to_numpy()) for name in table.columns if name != "duration"}
    return xr.DataArray(values, dims=facts["dims"], coords=coords, name="map", attrs=attrs)


def _token_columns(batch: xr.DataArray) -> dict[str, list[Any]]:
    """Columns of the tokens as plain values.

    Small arrays that live on between large ones that come and go would keep the memory of those from being used again.
    """
    names = [str(name) for name, coordinate in batch.coords.items() if coordinate.dims == ("token",)]
    return {name: batch[name].values.tolist() for name in names}
