"""Class-mean maps beside the mean of what the network got: every cell at its true place, signed, in logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.report import style
from phonoscope.report.bands import mark_formants
from phonoscope.report.overlays import hatch_cells

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONTOURS_BELOW_PEAK_DB = (-20.0, -10.0)
FEWEST_FOR_CONTOURS = 5  # the mean of fewer spectrograms is so rough that its contours are scribbles


def mean_array(means: pd.DataFrame, kind: str, subset: str, name: str) -> xr.DataArray:
    """One mean of the table of class means as an array.

    Parameters
    ----------
    means : DataFrame
        ``kind, subset, class, frequency, time, mean, count``, tidy.
    kind : {"map", "spectrogram"}
    subset : {"all", "correct", "errors"}
    name : str
        Class.

    Returns
    -------
    DataArray, dims (frequency, time), lowest frequency first; ``attrs["count"]`` tokens

    Raises
    ------
    PhonoscopeError
        If the table holds no such mean: a class without errors has no mean over errors.
    """
    chosen = means[(means["kind"] == kind) & (means["subset"] == subset) & (means["class"] == name)]
    chosen = chosen[chosen["count"] > 0]
    if chosen.empty:
        raise PhonoscopeError(f"there is no mean {kind} of class {name!r} over {subset} tokens: no token is in it")
    array = chosen.set_index(["frequency", "time"])["mean"].to_xarray().rename(None)
    return array.assign_attrs(count=int(chosen["count"].iloc[0]))


def map_limit(means: pd.DataFrame) -> float:
    """Largest absolute cell of the mean maps over all tokens, logits: one scale for all classes and subsets.

    Means over few tokens (errors, mostly) may exceed it; they are drawn in the last colour of the scale.
    """
    maps = means[(means["kind"] == "map") & (means["subset"] == "all") & (means["count"] > 0)]
    values = maps["mean"].abs()
    limit = float(values.max()) if len(values) else 0.0
    return limit if np.isfinite(limit) and limit > 0 else 1.0


def cell_limits(values: xr.DataArray, max_hz: float, last_time: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the cells of an array, half-way between their centres: frequency (Hz) and time.

    The outermost cells reach to the borders of what the network was given, 0 to `max_hz` and 0 to `last_time`.

    Parameters
    ----------
    values : DataArray, dims (frequency, time)
    max_hz, last_time : float
        Upper borders of the network's input: Hz, and share of the token or s.
    """
    from phonoscope.axes import cell_edges

    return (cell_edges(values["frequency"].values, 0.0, max_hz), cell_edges(values["time"].values, 0.0, last_time))


def draw_map(axes: Axes, values: xr.DataArray, *, max_hz: float, limit: float, last_time: float = 1.0) -> None:
    """Draw a signed map cell by cell in a palette centred at 0: red speaks for the class, blue against it.

    Parameters
    ----------
    axes : Axes
    values : DataArray, dims (frequency, time), logits
    max_hz, last_time : float
        Upper borders of the network's input.
    limit : float
        Value of the palette's ends.
    """
    _draw_cells(axes, values, max_hz, last_time, cmap=style.SIGNED_PALETTE, vmin=-limit, vmax=limit)


def _draw_cells(axes: Axes, values: xr.DataArray, max_hz: float, last_time: float, **options: Any) -> None:
    """Draw an array (frequency, time) cell by cell, up to the borders of what the network was given."""
    frequency_edges, time_edges = cell_limits(values, max_hz, last_time)
    cells = values.transpose("frequency", "time").values
    axes.pcolormesh(time_edges, frequency_edges, cells, shading="flat", rasterized=True, **options)
    axes.set_xlim(0, last_time)
    axes.set_ylim(0, max_hz)


def draw_contours(axes: Axes, spectrogram: xr.DataArray) -> None:
    """Lay the mean spectrogram over a map as contour lines, 10 and 20 dB below its peak."""
    level = spectrogram.transpose("frequency", "time")
    values = level.values - level.values.max()
    lines = [db for db in CONTOURS_BELOW_PEAK_DB if values.min() < db]
    if lines and min(values.shape) > 1:
        widths = [0.5, 0.9][-len(lines) :]
        look: dict[str, Any] = {"colors": style.OVER_MAPS, "linewidths": widths, "linestyles": "solid", "alpha": 0.75}
        axes.contour(level["time"].values, level["frequency"].values, values, levels=lines, **look)


def class_map_figure(
    mean_map: xr.DataArray,
    spectrogram: xr.DataArray,
    bands: pd.DataFrame,
    *,
    max_hz: float,
    limit: float,
    title: str,
    last_time: float = 1.0,
    time_label: str = "Share of the token",
    chance: np.ndarray | None = None,
) -> Figure:
    """The mean of what the network got, the formants of the class, and the class-mean map under contours of the former.

    Parameters
    ----------
    mean_map : DataArray, dims (frequency, time), logits
    spectrogram : DataArray, dims (frequency, time), dB
    bands : DataFrame
        Formants of the class, from `class_formants`; may be empty.
    max_hz, last_time : float
        Upper borders of the network's input, Hz and share of the token (or s).
    limit : float
        Logits at the palette's ends, the same for all figures that are compared.
    title : str
    time_label : str
        Label of the time axes.
    chance : ndarray of bool (frequency, time), optional
        Cells that do not differ from chance: hatched.
    """
    figure = style.new_figure(3.9, 2.75)
    left, strip, right = figure.subplots(1, 3, width_ratios=[5, 1.35, 5])
    _draw_cells(left, spectrogram, max_hz, last_time, cmap=style.INPUT_PALETTE)
    style.dress(left, title=title, y="Frequency (Hz)")
    mark_formants(strip, bands, max_hz)
    draw_map(right, mean_map, max_hz=max_hz, limit=limit, last_time=last_time)
    if chance is not None:
        hatch_cells(right, chance, *cell_limits(mean_map, max_hz, last_time))
    if spectrogram.attrs.get("count", FEWEST_FOR_CONTOURS) >= FEWEST_FOR_CONTOURS:
        draw_contours(right, spectrogram)
    style.dress(right, title=f"map, n = {mean_map.attrs['count']}" if "count" in mean_map.attrs else "map")
    right.tick_params(labelleft=False)
    for axes, colour in ((left, style.ACCENT), (right, style.MUTED)):
        axes.set_xticks([0, last_time / 2, last_time])
        style.frame(axes, colour)
    right.title.set_fontsize(style.POINTS)
    figure.supxlabel(time_label, fontsize=style.POINTS, color=style.INK)
    return figure


def draw_class_map(
    axes: Axes,
    mean_map: xr.DataArray,
    *,
    max_hz: float,
    limit: float | None = None,
    bands: pd.DataFrame | None = None,
    spectrogram: xr.DataArray | None = None,
    chance: np.ndarray | None = None,
    last_time: float = 1.0,
    title: str = "",
    x: str = "Share of the token",
) -> Any:
    """Draw the mean map of a class with its formants beside it, and hatch what does not differ from chance.

    Parameters
    ----------
    axes : Axes
    mean_map : DataArray, dims (frequency, time), logits
    max_hz, last_time : float
        Upper borders of the network's input, Hz and share of the token (or s).
    limit : float, optional
        Logits at the palette's ends; the largest absolute value by default.
    bands : DataFrame, optional
        Formants of the class, from `class_formants`: boxes and whiskers right of the map.
    spectrogram : DataArray, optional
        Mean of what the network got, dB: contours 10 and 20 dB below its peak.
    chance : ndarray of bool (frequency, time), optional
        Cells that do not differ from chance, e.g. ``p_region >= 0.05`` of `phonetics.grids.class_difference`.
    title : str
    x : str
        Label of the time axis.

    Returns
    -------
    mappable
        For a colour bar.
    """
    largest = float(np.abs(mean_map.values).max(initial=0.0)) if limit is None else limit
    draw_map(axes, mean_map, max_hz=max_hz, limit=largest or 1.0, last_time=last_time)
    if chance is not None:
        hatch_cells(axes, chance, *cell_limits(mean_map, max_hz, last_time))
    if spectrogram is not None:
        draw_contours(axes, spectrogram)
    style.dress(axes, title=title, x=x, y="Frequency (Hz)")
    if bands is not None and len(bands):
        mark_formants(axes.inset_axes((1.01, 0.0, 0.16, 1.0)), bands, max_hz)
    return axes.collections[0]


def colour_bar_figure(
    limit: float, unit: str, ends: tuple[str, str] = ("against the class", "for the class")
) -> Figure:
    """The scale of the maps: a colour bar from -limit to limit.

    Parameters
    ----------
    limit : float
    unit : str
        Of the maps.
    ends : (negative, positive)
        What the values on either side mean.
    """
    import matplotlib
    from matplotlib.colors import Normalize

    figure = style.new_figure(4.2, 0.62)
    axes = figure.subplots()
    mappable = matplotlib.cm.ScalarMappable(Normalize(-limit, limit), matplotlib.colormaps[style.SIGNED_PALETTE])
    bar = figure.colorbar(mappable, cax=axes, orientation="horizontal")
    style.dress_bar(bar, f"{ends[0]}  ◂  {unit} per cell  ▸  {ends[1]}")
    return figure
