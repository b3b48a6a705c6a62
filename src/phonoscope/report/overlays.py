"""A map laid over the spectrogram it explains, in Hz and Bark; cells that do not differ from chance are hatched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.report.style import DISPLAY_PALETTE, INK, MUTED, POINTS, dress, dress_bar
from phonoscope.scales import bark_to_hz, hz_to_bark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RANGE_DB = 70.0
HUE = "#d1495b"  # of positive maps: one hue, the more opaque the more it counts
NEGATIVE_HUE = "#2a6f9e"
_MOST_OPAQUE = 0.75
_BARK_TICKS = (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24)
_LEAST_BARK_GAP = 0.07  # of the height of the axes: ticks that lie closer run into each other
HATCH = "////"


def draw_overlay(
    axes: Axes,
    spectrogram: xr.DataArray,
    token_map: xr.DataArray,
    *,
    max_hz: float,
    span: tuple[float, float] = (0.0, 1.0),
    sign: str = "signed",
    limit: float | None = None,
    title: str = "",
    x: str = "Time (s)",
) -> Any:
    """Draw a map over a spectrogram in grey: Hz on the left, Bark on the right, low frequencies at the bottom.

    Cells are drawn where they lie, with borders half-way between their centres; nothing is smoothed.

    Parameters
    ----------
    axes : Axes
    spectrogram : DataArray, dims (frequency, time)
        dB; ``time`` on the axis of `span`.
    token_map : DataArray, dims (frequency, time)
        Logits; its ``time`` (or, if it has it, ``seconds``) on the same axis.
    max_hz : float
        Upper border of what the network was given; the map ends there.
    span : (start, end)
        Where the token lies on the time axis.
    sign : {"signed", "positive"}
        Both signs in two hues, or what speaks for the class in one.
    limit : float, optional
        Value of the fullest colour; the largest absolute value by default.
    title : str
    x : str
        Label of the time axis.

    Returns
    -------
    mappable
        For a colour bar: ``axes.figure.colorbar(mappable, ax=axes)``.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    from phonoscope.axes import cell_edges

    if sign not in ("signed", "positive"):
        raise PhonoscopeError(f"a map is drawn signed or positive, not {sign!r}")
    level = spectrogram.transpose("frequency", "time")
    decibel = level.values - np.nanmax(level.values)
    axes.pcolormesh(
        level["time"].values, level["frequency"].values, decibel, cmap=DISPLAY_PALETTE, vmin=-RANGE_DB, vmax=0.0,
        shading="nearest", rasterized=True,
    )  # fmt: skip
    values = token_map.transpose("frequency", "time").values.astype(float)
    shown = values if sign == "signed" else np.maximum(values, 0.0)
    largest = float(np.abs(shown).max(initial=0.0)) if limit is None else limit
    largest = largest if np.isfinite(largest) and largest > 0 else 1.0
    time = token_map["seconds"].values if "seconds" in token_map.coords else token_map["time"].values
    frequency = token_map["frequency"].values
    frequency_edges, time_edges = cell_edges(frequency, 0.0, max_hz), cell_edges(time, *span)
    share = np.clip(shown / largest, -1.0, 1.0)
    opaque = np.where(share[..., None] > 0, *(_rgba(hue, np.abs(share)) for hue in (HUE, NEGATIVE_HUE)))
    axes.pcolormesh(
        time_edges, frequency_edges, opaque, shading="flat", rasterized=True, edgecolors="none", antialiased=False
    )
    axes.set_ylim(0, max_hz)
    dress(axes, title=title, x=x, y="Frequency (Hz)")
    add_bark_axis(axes)
    hues, lowest = (["white", HUE], 0.0) if sign == "positive" else ([NEGATIVE_HUE, "white", HUE], -largest)
    return ScalarMappable(Normalize(lowest, largest), LinearSegmentedColormap.from_list(sign, hues))


def add_bark_axis(axes: Axes) -> Any:
    """Mark Bark on the right side of axes whose left side is in Hz."""
    right = axes.secondary_yaxis("right", functions=(hz_to_bark, bark_to_hz))  # ty: ignore[invalid-argument-type]
    bottom, top = axes.get_ylim()
    low, high = hz_to_bark(np.array([bottom, top]))
    ticks, room = [], _LEAST_BARK_GAP * (top - bottom)
    for tick in _BARK_TICKS[::-1]:  # from the top, where Bark lie far apart
        if low <= tick <= high and (not ticks or bark_to_hz(ticks[-1]) - bark_to_hz(tick) >= room):
            ticks.append(tick)
    right.set_yticks(ticks)
    right.set_ylabel("Bark", fontsize=POINTS, color=INK)
    right.tick_params(colors=MUTED, labelcolor=INK, labelsize=POINTS - 1, width=0.7, length=3)
    for spine in right.spines.values():
        spine.set(color=MUTED, linewidth=0.7)
    return right


def add_colour_bar(axes: Axes, mappable: Any, label: str) -> None:
    """Put a colour bar with its unit beside axes.

    Parameters
    ----------
    axes : Axes
    mappable
        What has the colours, as matplotlib's drawing functions return it.
    label : str
        Quantity and unit.
    """
    dress_bar(axes.figure.colorbar(mappable, ax=axes, pad=0.02, fraction=0.05), label)


def hatch_cells(axes: Axes, chance: np.ndarray, frequency_edges: np.ndarray, time_edges: np.ndarray) -> None:
    """Hatch the cells that do not differ from chance.

    Parameters
    ----------
    axes : Axes
    chance : ndarray of bool (frequency, time)
        True where nothing can be claimed.
    frequency_edges : ndarray (frequency + 1,), Hz
    time_edges : ndarray (time + 1,)
        In the unit of the time axis.
    """
    from matplotlib.collections import PolyCollection

    rows, columns = np.nonzero(chance)
    if not len(rows):
        return
    lows, lefts = frequency_edges[:-1][rows], time_edges[:-1][columns]
    highs, rights = frequency_edges[1:][rows], time_edges[1:][columns]
    corners = np.stack([lefts, lows, rights, lows, rights, highs, lefts, highs], axis=1).reshape(-1, 4, 2)
    cells = PolyCollection(list(corners), facecolors="none", edgecolors=f"{MUTED}80", linewidths=0.0, hatch=HATCH)
    cells.set_gid("chance")
    axes.add_collection(cells)


def _rgba(hue: str, share: np.ndarray) -> np.ndarray:
    """Colour of each cell: one hue, opacity by share; shape (..., 4)."""
    from matplotlib.colors import to_rgb

    colour = np.empty((*share.shape, 4))
    colour[..., :3] = to_rgb(hue)
    colour[..., 3] = _MOST_OPAQUE * share
    return colour
