"""Maps with their cells in Hz and s; those of the run are read without torch, so that the first token comes at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.errors import AttributionError

if TYPE_CHECKING:
    import xarray as xr

_COLUMNS = ("target", "predicted", "logit", "incompleteness")


@dataclass(frozen=True)
class PlacedMap:
    """Map of one token.

    Parameters
    ----------
    values
        Shape (frequency, time), lowest frequency first.
    hertz, seconds
        Centres of the cells, Hz and s from the token's start.
    borders
        Of what the network was given, s from the token's start.
    facts
        Units, method, layer, resolution, target, logit …; ``max_hz`` is the top of the frequency axis.
    """

    values: np.ndarray
    hertz: np.ndarray
    seconds: np.ndarray
    borders: tuple[float, float]
    facts: dict[str, Any]

    @property
    def edges_hz(self) -> np.ndarray:
        """Edges of the cells, half-way between their centres, the outermost at the borders; Hz."""
        return _edges(self.hertz, 0.0, float(self.facts["max_hz"]))

    @property
    def edges_s(self) -> np.ndarray:
        """The same in s from the token's start; a cell that is centred outside the borders widens them."""
        low, high = self.borders
        return _edges(self.seconds, min(low, float(self.seconds[0])), max(high, float(self.seconds[-1])))

    def labelled(self) -> xr.DataArray:
        """The same as a labelled array, as rooms that measure maps take them."""
        import xarray as xr

        coords = {"frequency": self.hertz, "seconds": ("time", self.seconds)}
        return xr.DataArray(self.values, dims=("frequency", "time"), coords=coords, attrs={**self.facts})


def place_map(labelled: xr.DataArray) -> PlacedMap:
    """Turn one map that `explain` made, dims (frequency, time), into a placed one."""
    facts = dict(labelled.attrs) | {name: labelled[name].item() for name in _COLUMNS if name in labelled.coords}
    borders = _borders(float(labelled["duration"]), facts.get("time_seconds"))
    values = labelled.transpose("frequency", "time").values
    return PlacedMap(values, labelled["frequency"].values, labelled["seconds"].values, borders, facts)


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

    def get(self, token: str) -> PlacedMap | None:
        """Map of one token; None if there is none."""
        position = int(self._index.get_indexer(pd.Index([token]))[0])
        if position < 0:
            return None
        row = self._table.iloc[position]
        facts = {**self._attrs, **{name: _plain(row[name]) for name in _COLUMNS if name in row}}
        duration = float(row["duration"])
        return PlacedMap(
            np.asarray(self._values[position]),
            self._hertz,
            self._in_token(duration),
            _borders(duration, facts.get("time_seconds")),
            facts,
        )

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


def _borders(duration: float, fixed: float | None) -> tuple[float, float]:
    return (0.0, duration) if fixed is None else ((duration - fixed) / 2, (duration + fixed) / 2)


def _edges(centres: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.concatenate([[low], (centres[1:] + centres[:-1]) / 2, [high]])


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
