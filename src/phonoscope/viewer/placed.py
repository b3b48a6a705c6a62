"""The maps of a run with their cells in Hz and s, read without torch, so that the first token comes at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import AttributionError


def edges(placed: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the cells of one token's map, half-way between their centres: Hz, and s from the token's start.

    The outermost lie at the borders of what the network was given; a cell that is centred outside of them widens them.
    """
    duration, fixed = float(placed["duration"]), placed.attrs.get("time_seconds")
    low, high = (0.0, duration) if fixed is None else ((duration - fixed) / 2, (duration + fixed) / 2)
    hertz, seconds = placed["frequency"].values, placed["seconds"].values
    return (
        _between(hertz, 0.0, float(placed.attrs["max_hz"])),
        _between(seconds, min(low, float(seconds[0])), max(high, float(seconds[-1]))),
    )


def _between(centres: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.concatenate([[low], (centres[1:] + centres[:-1]) / 2, [high]])


class StoredMaps:
    """Maps that `phonoscope.attribution.write_maps` wrote, memory-mapped.

    Raises
    ------
    AttributionError
        If the folder is not a whole map store.
    """

    def __init__(self, folder: Path) -> None:
        try:
            facts = json.loads((folder / "coordinates.json").read_text(encoding="utf-8"))
            self._values = np.load(folder / "values.npy", mmap_mode="r")
            self._table = pd.read_parquet(folder / "tokens.parquet")
            self._hertz = np.asarray(facts["frequency"], dtype=float)
            self._time = np.asarray(facts["time"], dtype=float)
            self._attrs: dict[str, Any] = facts["attrs"]
        except (OSError, ValueError, KeyError) as error:
            raise AttributionError(f"{folder} holds no complete maps ({error}); make them again") from error
        self._index = pd.Index(self._table["token"])

    def get(self, token: str) -> xr.DataArray | None:
        """Map of one token, dims (frequency, time), as `explain` makes it; None if there is none."""
        position = int(self._index.get_indexer(pd.Index([token]))[0])
        if position < 0:
            return None
        row = self._table.iloc[position].to_dict()
        coords = {"frequency": self._hertz, "seconds": ("time", self._in_token(float(row["duration"]))), **row}
        values = np.asarray(self._values[position])
        return xr.DataArray(values, dims=("frequency", "time"), coords=coords, attrs=self._attrs)

    def __contains__(self, token: str) -> bool:
        return token in self._index

    def _in_token(self, duration: float) -> np.ndarray:
        """Centres of the cells in s from the token's start: what ``TimeAxis.in_token`` says, for one token."""
        fixed, columns = self._attrs.get("time_seconds"), int(self._attrs["time_columns"])
        if fixed is not None:
            return self._time + (duration - fixed) / 2
        edge = min(float(self._attrs["time_edge_seconds"]), duration / 2)
        steps = (self._time * columns - 0.5) / (columns - 1) if columns > 1 else np.full_like(self._time, 0.5)
        return edge + steps * (duration - 2 * edge)
