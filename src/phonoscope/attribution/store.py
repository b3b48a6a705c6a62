"""Maps on disk: one memory-mapped array, its coordinates beside it, so that any tokens are read without the rest."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import xarray as xr

from phonoscope.attribution.maps import map_coordinates
from phonoscope.axes import TimeAxis
from phonoscope.errors import AttributionError
from phonoscope.files import write_json, write_with

VALUES, COORDINATES, TOKENS = "values.npy", "coordinates.json", "tokens.parquet"
_MAP = "map"  # column of a table that holds a map's values, single precision, little-endian
_ROWS_PER_GROUP = 4096


def write_maps(folder: str | Path, batches: Iterable[xr.DataArray], count: int) -> Path:
    """Write batches of maps as they come; memory does not grow with their number.

    Parameters
    ----------
    folder
        Where ``values.npy`` (token, frequency, time; float32), ``coordinates.json`` and ``tokens.parquet`` are written.
        The coordinates come last: a folder without them was interrupted and is not read.
    batches
        Maps (token, frequency, time) as ``explain`` returns them, all with the same cells.
    count
        Number of tokens in all batches.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / COORDINATES).unlink(missing_ok=True)
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
                rows.add(_token_columns(batch))
        if done != count:
            raise AttributionError(f"{count} maps were announced, {done} came")

    with tempfile.TemporaryFile(dir=folder) as spool:
        rows = _Rows(spool)
        write_with(folder / VALUES, fill)
        if first is None:
            raise AttributionError("there is no map to write")
        write_with(folder / TOKENS, rows.write_parquet)
    write_json(folder / COORDINATES, _facts(first))
    return folder


class _Rows:
    """Rows of a table that come a few at a time, kept in a temporary file until all are there."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None
        self._schema: pa.Schema | None = None

    def add(self, columns: dict[str, list[Any]]) -> None:
        rows = pa.Table.from_pydict(columns, schema=self._schema)
        if self._writer is None:
            self._schema = rows.schema
            self._writer = pa.ipc.new_stream(self._file, rows.schema)
        self._writer.write_table(rows)

    def write_parquet(self, path: Path) -> None:
        """Write all rows, thousands to a group."""
        if self._writer is not None:
            self._writer.close()
        self._file.seek(0)
        with pa.ipc.open_stream(self._file) as rows, pq.ParquetWriter(path, rows.schema) as writer:
            for table in _in_groups(rows):
                writer.write_table(table)


def _in_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= _ROWS_PER_GROUP:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


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
    return _assembled(values, table, facts)


def maps_to_table(maps: xr.DataArray) -> tuple[pa.Table, dict[str, Any]]:
    """Maps as rows: one a token, its coordinates as columns and its values as bytes; and what all of them share."""
    values = np.ascontiguousarray(maps.values, dtype="<f4")
    size = 4 * values.shape[1] * values.shape[2]
    cells = pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), len(values), [None, pa.py_buffer(values.tobytes())])
    return pa.table({**_token_columns(maps), _MAP: cells}), _facts(maps)


def table_to_maps(rows: pa.Table, facts: dict[str, Any]) -> xr.DataArray:
    """Make the maps again that ``maps_to_table`` took apart; further columns become coordinates too."""
    values = np.frombuffer(b"".join(rows.column(_MAP).to_pylist()), dtype="<f4")
    values = values.reshape(len(rows), len(facts["frequency"]), len(facts["time"]))
    return _assembled(values, rows.drop_columns([_MAP]).to_pandas(), facts)


def _facts(maps: xr.DataArray) -> dict[str, Any]:
    """What all maps share: order of the dimensions, Hz and s of the cells, resolution of uneven rows, attributes."""
    rows = {"resolution": maps["resolution"].values.tolist()} if "resolution" in maps.coords else {}
    return rows | {
        "dims": list(maps.dims),
        "frequency": maps["frequency"].values.tolist(),
        "time": maps["time"].values.tolist(),
        "attrs": maps.attrs,
    }


def _assembled(values: np.ndarray, table: pd.DataFrame, facts: dict[str, Any]) -> xr.DataArray:
    frequency, time = np.asarray(facts["frequency"]), np.asarray(facts["time"])
    attrs = facts["attrs"]
    axis = TimeAxis(
        attrs["time_columns"], attrs.get("time_seconds"), attrs["time_edge_seconds"], attrs.get("time_start_seconds")
    )
    resolution = None if "resolution" not in facts else np.asarray(facts["resolution"])
    coords = map_coordinates(frequency, time, table["duration"].to_numpy(), axis, resolution)
    coords |= {name: ("token", table[name].to_numpy()) for name in table.columns if name != "duration"}
    return xr.DataArray(values, dims=facts["dims"], coords=coords, name="map", attrs=attrs)


def _token_columns(batch: xr.DataArray) -> dict[str, list[Any]]:
    """Columns of the tokens as plain values.

    Small arrays that live on between large ones that come and go would keep the memory of those from being used again.
    """
    names = [str(name) for name, coordinate in batch.coords.items() if coordinate.dims == ("token",)]
    return {name: batch[name].values.tolist() for name in names}
