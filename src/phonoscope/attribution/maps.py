"""Maps as labelled arrays: placed in Hz and s at the centres of receptive fields, with their resolution beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from phonoscope.axes import Cells, TimeAxis, effective_field, hz_per_position, receptive_field
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.frontends import FrontEnd

MEASURED_CELLS = 64  # cells of one dimension whose effective width is measured


@dataclass(frozen=True)
class Placement:
    """Where the cells of a map lie and how finely they resolve.

    ``frequency`` (Hz) and ``time`` (share of the token, or s) are the centres of the cells. ``cell_hz`` is their
    spacing, ``field_hz`` the theoretical receptive field, ``resolution_hz`` the measured effective width (two standard
    deviations of the gradient energy); likewise for time, in shares of the token or s.
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

    def no_finer(self, hz: float, time: float) -> Placement:
        """Return the same cells for a method that resolves no more than this."""
        return replace(self, resolution_hz=max(hz, self.resolution_hz), resolution_time=max(time, self.resolution_time))

    def attrs(self) -> dict[str, Any]:
        """Return the scalar facts, for the attributes of an array."""
        return {k: v for k, v in asdict(self).items() if k not in ("frequency", "time", "time_axis")}


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


def shared_cells(count: int, cells: int) -> Tensor:
    """How much of each of ``count`` columns, which fill a sound, lies in each of so many cells, shape (count, cells).

    What is spread over the cells in this way keeps its sum.
    """
    edges, borders = (torch.linspace(0, 1, n + 1, dtype=torch.float64) for n in (count, cells))
    ends = torch.minimum(edges[1:, None], borders[None, 1:])
    return (ends - torch.maximum(edges[:-1, None], borders[None, :-1])).clamp_min(0) * count


def layer_placement(classifier: Classifier, layer: str, inputs: Tensor) -> Placement:
    """Place the cells of a layer on the axes of the classifier's front end.

    A layer of a network that takes waveforms has cells in time only: they span all frequencies.

    Parameters
    ----------
    classifier
        Gives the network and the axes.
    layer
        Name of the layer as in ``network.named_modules()``.
    inputs
        Network inputs of a few real tokens, shape (batch, 1, rows, columns) or (batch, 1, samples); the effective
        width is measured on them.
    """
    axis, time_axis = classifier.front_end.frequency_axis, classifier.front_end.time_axis
    cells = receptive_field(classifier.network, layer, inputs)
    widths = [
        effective_field(classifier.network, layer, inputs, dimension=d, most_cells=MEASURED_CELLS).width
        for d in range(len(cells))
    ]
    columns, share = cells[-1], (time_axis.seconds or 1.0) / time_axis.columns
    placement = Placement(
        layer=layer,
        frequency=np.array([classifier.sample_rate / 4]),
        time=_strictly_rising(time_axis.at(columns.centres)),
        cell_hz=classifier.sample_rate / 2,
        field_hz=classifier.sample_rate / 2,
        resolution_hz=classifier.sample_rate / 2,
        cell_time=columns.step * share,
        field_time=columns.extent * share,
        resolution_time=_resolution(widths[-1], columns) * share,
    )
    if axis is None:
        return placement
    rows, hz = cells[0], hz_per_position(axis)
    return replace(
        placement,
        frequency=_strictly_rising(axis.at(rows.centres)),
        cell_hz=rows.step * hz,
        field_hz=rows.extent * hz,
        resolution_hz=_resolution(widths[0], rows) * hz,
    )


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

    A row resolves no more than the front end's window does: 1.44 bins at half the power of a Hann window.
    """
    axis, time_axis = front_end.frequency_axis, front_end.time_axis
    if axis is None:
        raise AttributionError("a network that takes waveforms has no frequency axis at its input")
    hz, share = hz_per_position(axis), (time_axis.seconds or 1.0) / time_axis.columns
    seen = hz if front_end.window_seconds is None else max(hz, 1.44 / front_end.window_seconds)
    return Placement("input", axis.centres, time_axis.centres, hz, seen, seen, share, share, share)


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
    coords = map_coordinates(placement.frequency, relative, np.asarray(durations, dtype=float), time_axis)
    coords |= {"token": ("token", np.asarray(tokens, dtype=object))}
    coords |= {name: ("token", np.asarray(column)) for name, column in columns.items()}
    # Single values only, so that maps can be saved as netCDF too.
    axis = {f"time_{name}": value for name, value in asdict(time_axis).items() if value is not None}
    facts = {**placement.attrs(), **axis, **attrs}
    return xr.DataArray(values, dims=("token", "frequency", "time"), coords=coords, name="map", attrs=facts)


def map_coordinates(
    frequency: np.ndarray, time: np.ndarray, durations: np.ndarray, time_axis: TimeAxis
) -> dict[str, Any]:
    """Coordinates that all maps have: Hz, relative time or s, s from the start of each token, and its duration.

    Parameters
    ----------
    frequency, time
        Centres of the cells, Hz, and share of the token or s.
    durations
        Of the tokens, s.
    time_axis
        Of the cells.
    """
    relative = {"units": "1", "long_name": "share of the token"}
    absolute = {"units": "s", "long_name": "time"}
    seconds = time_axis.in_token(time, durations)
    return {
        "frequency": ("frequency", frequency, {"units": "Hz", "long_name": "frequency"}),
        "time": ("time", time, relative if time_axis.stretched else absolute),
        "seconds": (("token", "time"), seconds, {"units": "s", "long_name": "time from the token's start"}),
        "duration": ("token", durations, {"units": "s"}),
    }
