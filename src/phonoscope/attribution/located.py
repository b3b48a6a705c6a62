"""From what layers give to one map on cells that lie in Hz and s, whatever the length of the sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from phonoscope.attribution.maps import Placement, layer_placement, spread_in_time
from phonoscope.attribution.method import Setting
from phonoscope.cells import Cells, Grid, grid_of


class Located:
    """Layers whose cells can be placed.

    Maps of several layers go to the cells of the finest. Between centres, in Hz and s, they are interpolated; what is a
    share of the logit for each cell is spread over the finer cells that lie in it, so that layers of few cells do not
    weigh more. The resolution is that of the coarsest layer, row by row where rows differ in height. Where a network
    hears sounds at their natural length, the number of a layer's cells goes with it: their values are spread over the
    front end's cells of time.

    Parameters
    ----------
    setting
        What a method may use.
    layers
        Names of the layers.
    per_cell
        Whether the value of a cell is its share of the logit.

    Raises
    ------
    AttributionError
        If the cells of a layer cannot be placed.
    """

    def __init__(self, setting: Setting, layers: Sequence[str], *, per_cell: bool = True) -> None:
        self._setting, self.layers, self._per_cell = setting, list(layers), per_cell
        self._placements = [setting.once(("placement", name), partial(self._placed, name)) for name in layers]
        self.placement = self._placements[0] if len(layers) == 1 else self._mean_placement()

    def _placed(self, layer: str) -> Placement:
        setting = self._setting
        return layer_placement(setting.classifier, layer, setting.probe, setting.measured_cells)

    def _mean_placement(self) -> Placement:
        placements = self._placements
        finest = placements[int(np.argmax([len(p.frequency) * len(p.time) for p in placements]))]
        coarsest = {
            name: max(getattr(p, name) for p in placements)
            for name in ("field_hz", "resolution_hz", "field_time", "resolution_time")
        }
        mean = replace(finest, layer=f"mean of {', '.join(self.layers)}", **coarsest)
        if finest.resolution is None:
            return mean
        return mean.with_rows(np.max([p.resolution_at(finest.frequency) for p in placements], axis=0))

    def grids(self, inputs: Tensor) -> list[Grid]:
        """Grids of the layers for inputs of this shape."""
        setting, shape = self._setting, tuple(inputs.shape[1:])

        def found(layer: str) -> Grid:
            return grid_of(setting.classifier.network, layer, as_long(setting.probe, inputs))

        return [setting.once(("grid", name, shape), partial(found, name)) for name in self.layers]

    def brought(self, maps: Sequence[Tensor], inputs: Tensor) -> Tensor:
        """Bring a map of each layer, (batch, *cells), to the cells of the placement, and average them.

        Parameters
        ----------
        maps
            Of each layer.
        inputs
            Of the network, for which the maps were made.
        """
        natural = self._setting.classifier.front_end.natural
        if natural:
            spread = zip(maps, self.grids(inputs), strict=True)
            maps = [self._spread(m, grid.cells[-1], inputs.shape[-1]) for m, grid in spread]
        if len(maps) == 1:
            return maps[0]
        brought, target, dims = [], self.placement, inputs.dim() - 2
        # Time was spread already where lengths are natural.
        sizes = [len(p.frequency) * (1 if natural else len(p.time)) for p in self._placements]
        for values, placement, size in zip(maps, self._placements, sizes, strict=True):
            rows = linear_weights(placement.frequency, target.frequency)
            weights = [rows, linear_weights(placement.time, target.time)][-dims:]
            share = size / max(sizes) if self._per_cell else 1.0
            brought.append(interpolated(values, [w.to(values) for w in weights]) * share)
        return torch.stack(brought).mean(0)

    def _spread(self, maps: Tensor, cells: Cells, positions: int) -> Tensor:
        columns = self._setting.classifier.front_end.time_axis.columns
        spread = maps @ spread_in_time(cells, positions, columns).to(maps)
        return spread if self._per_cell else spread * (columns / cells.count)


def as_long(probe: Tensor, inputs: Tensor) -> Tensor:
    """Return the probe in the length of other inputs: repeated, and cut.

    Parameters
    ----------
    probe, inputs
        Shape (n, channels, *axes); time is the last axis.
    """
    length = inputs.shape[-1]
    if probe.shape[-1] == length:
        return probe
    return torch.cat([probe] * -(-length // probe.shape[-1]), dim=-1)[..., :length]


def linear_weights(centres: np.ndarray, wanted: np.ndarray) -> Tensor:
    """Weights of linear interpolation between rising centres, constant beyond them; shape (wanted, centres)."""
    if len(centres) == 1:
        return torch.ones(len(wanted), 1, dtype=torch.float64)
    basis = np.eye(len(centres))
    return torch.from_numpy(np.stack([np.interp(wanted, centres, values) for values in basis], axis=1))


def interpolated(maps: Tensor, grid: list[Tensor]) -> Tensor:
    """Apply one matrix (wanted, cells) a dimension to maps (batch, *cells)."""
    for dimension, matrix in enumerate(grid, start=1):
        maps = torch.tensordot(maps, matrix, dims=([dimension], [1])).movedim(-1, dimension)
    return maps
