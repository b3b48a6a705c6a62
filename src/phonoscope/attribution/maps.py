"""Maps as labelled arrays: placed in Hz and s at the centres of receptive fields, with their resolution beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from phonoscope.axes import TimeAxis, hz_around, hz_per_position, is_even
from phonoscope.cells import Cells, effective_field, receptive_field
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.frontends import FrontEnd

MEASURED_CELLS = 64  # cells of one dimension whose effective width is measured


@dataclass(frozen=True)
class Placement:
    """Where the cells of a map lie and how finely they resolve.

    ``frequency`` (Hz) and ``time`` (share of the token, or s) are the centres of the cells. ``cell_hz`` is their
    spacing, ``field_hz`` the theoretical receptive field, ``resolution_hz`` the measured effective width (two standard
    deviations of the gradient energy); likewise for time, in shares of the token or s. Where rows differ in height,
    these are means, and ``resolution`` (Hz) is that of each row.
    """

    layer: str
    frequency: np.ndarray
    time: np.ndarray
    cell_hz: float
    field_hz: float
    resolution_hz: float
    cell_time: float
    field_time: float
    resolution_time: float
    time_axis: TimeAxis | None = None  # of the cells, where it is not the front end's
    resolution: np.ndarray | None = None

    def no_finer(self, hz: float, time: float) -> Placement:
        """Return the same cells for a method that resolves no more than this."""
        coarser = replace(
            self, resolution_hz=max(hz, self.resolution_hz), resolution_time=max(time, self.resolution_time)
        )
        return coarser if self.resolution is None else coarser.with_rows(np.maximum(hz, self.resolution))

    def with_rows(self, resolution: np.ndarray) -> Placement:
        """Return the same cells with the resolution of each row, Hz; ``resolution_hz`` is its mean."""
        return replace(self, resolution=resolution, resolution_hz=float(resolution.mean()))

    def resolution_at(self, frequency: np.ndarray) -> np.ndarray:
        """Resolution at some frequencies, Hz, same shape."""
        if self.resolution is None:
            return np.full(np.shape(frequency), self.resolution_hz)
        return np.interp(frequency, self.frequency, self.resolution)

    def attrs(self) -> dict[str, Any]:
        """Return the scalar facts, for the attributes of an array."""
        return {k: v for k, v in asdict(self).items() if k not in ("frequency", "time", "time_axis", "resolution")}


def describe_cells(maps: xr.DataArray) -> str:
    """Say in one line where the cells of maps lie, and how finely they resolve."""
    facts, centres = maps.attrs, maps["frequency"].values
    shown = centres if len(centres) <= 8 else [*centres[:3], *centres[-2:]]
    listed = [f"{centre:.0f}" for centre in shown]
    if len(centres) > len(listed):
        listed.insert(3, "…")
    return (
        f"{len(centres)} × {maps.sizes['time']} cells of layer {facts['layer']}, centred at {', '.join(listed)} Hz "
        f"(one every {facts['cell_hz']:.0f} Hz), each seeing {facts['field_hz']:.0f} Hz in theory and "
        f"{facts['resolution_hz']:.0f} Hz in effect"
    )


def joined(parts: Iterable[xr.DataArray]) -> xr.DataArray:
    """Put maps, or profiles, of some tokens each behind each other; cells and attributes are those of the first."""
    how: Any = {"coords": "minimal", "compat": "override", "combine_attrs": "override", "join": "override"}
    return xr.concat(list(parts), dim="token", **how)


def spread_in_time(cells: Cells, positions: int, columns: int) -> Tensor:
    """Share of each cell of a layer in each of some equal parts of the input, shape (cells, columns); rows sum to 1.

    A cell reaches half-way to its neighbours. What lies outside the input counts for its first or last part.

    Parameters
    ----------
    cells
        Of the layer, along time.
    positions
        Of the input, along time.
    columns
        Number of equal parts.
    """
    centres = (cells.centres + 0.5) / positions
    half = cells.step / positions / 2
    borders = np.linspace(0, 1, columns + 1)
    borders[0], borders[-1] = -np.inf, np.inf
    begins, ends = (centres - half)[:, None], (centres + half)[:, None]
    inside = np.minimum(ends, borders[None, 1:]) - np.maximum(begins, borders[None, :-1])
    return torch.from_numpy(np.maximum(inside, 0.0) / (2 * half))


def in_cells(front_end: FrontEnd, pictures: Tensor) -> Tensor:
    """Pictures that are as long as their sounds, averaged in the cells of the time axis; others as they are.

    Parameters
    ----------
    front_end
        That made them.
    pictures
        Shape (token, channel, row, column).
    """
    if not front_end.natural:
        return pictures
    columns = pictures.shape[-1]
    weights = spread_in_time(Cells(0, 0, 1, columns), columns, front_end.time_axis.columns).to(pictures)
    return pictures @ (weights / weights.sum(0))


def layer_placement(
    classifier: Classifier, layer: str, inputs: Tensor, measured_cells: int = MEASURED_CELLS
) -> Placement:
    """Place the cells of a layer on the axes of the classifier's front end.

    A layer of a network that takes waveforms has cells in time only: they span all frequencies. Where attention was
    added to the cells on the way, the field is the whole input, and the effective width is measured around the place of
    each cell, so that it grows as a cell looks elsewhere. Of sounds at their natural length, fields are shares of those
    among the inputs.

    Parameters
    ----------
    classifier
        Gives the network and the axes.
    layer
        Name of the layer as in ``network.named_modules()``.
    inputs
        Network inputs of a few real tokens, shape (batch, 1, rows, columns) or (batch, 1, samples); the effective
        width is measured on them.
    measured_cells
        Cells of one dimension whose effective width is measured.
    """
    axis, time_axis = classifier.front_end.frequency_axis, classifier.front_end.time_axis
    cells = receptive_field(classifier.network, layer, inputs)
    widths = []
    for dimension, along in enumerate(cells):
        field = effective_field(classifier.network, layer, inputs, dimension=dimension, most_cells=measured_cells)
        widths.append(field.width if along.reach is None else field.width_around(along.centres))
    columns, natural = cells[-1], classifier.front_end.natural
    # Sounds at their natural length are as many positions as there are samples; maps lie on the axis' own cells.
    share = 1 / inputs.shape[-1] if natural else (time_axis.seconds or 1.0) / time_axis.columns
    least = 1 / time_axis.columns if natural else 0.0
    placement = Placement(
        layer=layer,
        frequency=np.array([classifier.sample_rate / 4]),
        time=time_axis.centres if natural else _strictly_rising(time_axis.at(columns.centres)),
        cell_hz=classifier.sample_rate / 2,
        field_hz=classifier.sample_rate / 2,
        resolution_hz=classifier.sample_rate / 2,
        cell_time=least or columns.step * share,
        field_time=columns.extent * share,
        resolution_time=max(least, _resolution(widths[-1], columns) * share),
    )
    if axis is None:
        return placement
    rows, hz, width = cells[0], hz_per_position(axis), _resolution(widths[0], cells[0])
    placement = replace(
        placement,
        frequency=_strictly_rising(axis.at(rows.centres)),
        cell_hz=rows.step * hz,
        field_hz=rows.extent * hz,
        resolution_hz=width * hz,
    )
    return placement if is_even(axis) else placement.with_rows(hz_around(axis, rows.centres, width))


def _resolution(width: float, cells: Cells) -> float:
    """Effective width, not finer than the spacing; all that a cell could see where nothing could be measured."""
    return max(cells.extent if math.isnan(width) else width, cells.step)


def _strictly_rising(centres: np.ndarray) -> np.ndarray:
    """Keep centres distinct where several were clipped to the axis' edge, by the smallest visible amount."""
    if bool((np.diff(centres) > 0).all()):
        return centres
    return np.maximum.accumulate(centres) + np.arange(len(centres)) * 1e-6 * max(float(centres[-1]), 1.0)


def input_placement(front_end: FrontEnd) -> Placement:
    """Place the rows and columns of the network's input itself.

    A row resolves no more than it is high, and than the front end says (`FrontEnd.finest_hz`).
    """
    axis, time_axis = front_end.frequency_axis, front_end.time_axis
    if axis is None:
        raise AttributionError("a network that takes waveforms has no frequency axis at its input")
    hz, share = hz_per_position(axis), (time_axis.seconds or 1.0) / time_axis.columns
    finest = front_end.finest_hz
    seen = max(hz, float(np.mean(finest)))
    placement = Placement("input", axis.centres, time_axis.centres, hz, seen, seen, share, share, share)
    even = is_even(axis) and np.ndim(finest) == 0
    return placement if even else placement.with_rows(np.maximum(np.diff(axis.edges), finest))


def label_maps(
    values: np.ndarray,
    placement: Placement,
    *,
    tokens: Sequence[str],
    durations: np.ndarray,
    time_axis: TimeAxis,
    columns: dict[str, Any],
    attrs: dict[str, Any],
) -> xr.DataArray:
    """Put coordinates on raw map values.

    Parameters
    ----------
    values
        Shape (tokens, frequency, time).
    placement
        Where their cells lie.
    tokens, durations
        Name and duration (s) of each token.
    time_axis
        Of the front end.
    columns
        Further coordinates of the tokens, by name.
    attrs
        Further facts, single values by name.
    """
    time_axis = placement.time_axis or time_axis
    relative = np.asarray(placement.time, dtype=float)
    durations = np.asarray(durations, dtype=float)
    coords = map_coordinates(placement.frequency, relative, durations, time_axis, placement.resolution)
    coords |= {"token": ("token", np.asarray(tokens, dtype=object))}
    coords |= {name: ("token", np.asarray(column)) for name, column in columns.items()}
    # Single values only, so that maps can be saved as netCDF too.
    axis = {f"time_{name}": value for name, value in asdict(time_axis).items() if value is not None}
    facts = {**placement.attrs(), **axis, **attrs}
    return xr.DataArray(values, dims=("token", "frequency", "time"), coords=coords, name="map", attrs=facts)


def map_coordinates(
    frequency: np.ndarray,
    time: np.ndarray,
    durations: np.ndarray,
    time_axis: TimeAxis,
    resolution: np.ndarray | None = None,
) -> dict[str, Any]:
    """Coordinates that all maps have: Hz, relative time or s, s from the start of each token, and its duration.

    Maps whose rows differ in height have the resolution of each row too.

    Parameters
    ----------
    frequency, time
        Centres of the cells, Hz, and share of the token or s.
    durations
        Of the tokens, s.
    time_axis
        Of the cells.
    resolution
        Of each row, Hz, where rows differ.
    """
    relative = {"units": "1", "long_name": "share of the token"}
    absolute = {"units": "s", "long_name": "time"}
    seconds = time_axis.in_token(time, durations)
    rows = {} if resolution is None else {"resolution": ("frequency", resolution, {"units": "Hz"})}
    return rows | {
        "frequency": ("frequency", frequency, {"units": "Hz", "long_name": "frequency"}),
        "time": ("time", time, relative if time_axis.stretched else absolute),
        "seconds": (("token", "time"), seconds, {"units": "s", "long_name": "time from the token's start"}),
        "duration": ("token", durations, {"units": "s"}),
    }
