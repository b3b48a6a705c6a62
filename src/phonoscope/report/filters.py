"""Figures of what a first layer hears: response spectra over time, class curves beside their null, filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.filters.atlas import filter_atlas, frequency_response, spacing
from phonoscope.filters.bank import FilterBank
from phonoscope.filters.response import to_decibel
from phonoscope.filters.wigner import LEVEL, wigner_ville
from phonoscope.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RANGE_DB, ATLAS_RANGE_DB = 60.0, 40.0
SURFACE_PALETTE = "viridis"
SURFACE_CELLS = 110  # a surface of more cells along an axis takes long to draw and shows no more
_SCALE_LINES = {"linear": (0, (1, 1.5)), "mel": (0, (4, 2)), "erb": "solid"}
_CONTOUR_COLOURS = "plasma"  # rises in lightness, unlike a rainbow


def strs_figure(strs: xr.DataArray, waveform: np.ndarray, *, max_hz: float | None = None, title: str = "") -> Figure:
    """Waveform, its short-time response spectrum below on the same time axis, its mean over time (CRS) beside.

    Parameters
    ----------
    strs : DataArray, dims (frequency, time)
        From `response_spectrum`.
    waveform : ndarray (sample,)
        The sound it was made from.
    max_hz : float, optional
        Upper border of the picture.
    title : str
    """
    rate = strs.attrs["sample_rate"]
    figure = style.new_figure(6.0, 3.6)
    (above, corner), (picture, side) = figure.subplots(2, 2, sharex="col", height_ratios=[1, 3.2], width_ratios=[5, 1])
    corner.set_visible(False)
    time = np.arange(len(waveform)) / rate
    above.plot(time, waveform, color=style.INK, linewidth=0.4, rasterized=True)
    style.dress(above, title=title, y="Amplitude")
    mesh, label = draw_strs(picture, strs, max_hz=max_hz)
    picture.set_xlim(0, max(time[-1], float(strs["time"][-1])))
    limit, shown = _borders(strs, max_hz)
    curve = shown.mean("time")
    side.plot(curve.values, curve["frequency"].values, color=style.ACCENT, linewidth=1.0)
    side.set_ylim(0, limit)
    side.set_xlim(left=0)
    side.tick_params(labelleft=False)
    style.dress(side, x="CRS")
    _dress_bar(figure.colorbar(mesh, ax=side, fraction=0.4, pad=0.08), label)
    return figure


def draw_strs(axes: Axes, strs: xr.DataArray, *, max_hz: float | None = None) -> tuple[Any, str]:
    """Draw a short-time response spectrum as a heat map in dB.

    Returns what a colour bar needs: the mesh and its label.

    Parameters
    ----------
    axes : Axes
    strs : DataArray, dims (frequency, time)
        From `response_spectrum`.
    max_hz : float, optional
        Upper border of the picture; the highest frequency of the spectrum by default.
    """
    limit, values = _borders(strs, max_hz)[0], to_decibel(strs, range_db=RANGE_DB)
    shown = values.sel(frequency=slice(0, limit))
    time, frequency = shown["time"].values, shown["frequency"].values
    look: dict[str, Any] = {"cmap": style.DISPLAY_PALETTE, "vmin": -RANGE_DB, "shading": "nearest", "rasterized": True}
    mesh = axes.pcolormesh(time, frequency, shown.transpose("frequency", "time").values, **look)
    axes.set_ylim(0, limit)
    style.dress(axes, x="Time (s)", y="Frequency (Hz)")
    return mesh, "dB re the largest value"


def strs_surface(strs: xr.DataArray, *, max_hz: float | None = None, title: str = "") -> Figure:
    """Short-time response spectrum as a surface over time and frequency, as the paper's Fig. 1.

    Cells are averaged in blocks, so that at most 110 stand along an axis.

    Parameters
    ----------
    strs : DataArray, dims (frequency, time)
        From `response_spectrum`.
    max_hz : float, optional
        Upper border of the picture; the highest frequency of the spectrum by default.
    title : str
    """
    figure = style.new_figure(5.2, 4.2)
    figure.set_layout_engine("none")  # a rotating surface must not be laid out anew for every frame
    axes = figure.add_axes((0.0, 0.05, 0.95, 0.87), projection="3d")
    draw_surface(axes, strs, max_hz=max_hz, title=title)
    return figure


def draw_surface(axes: Axes, strs: xr.DataArray, *, max_hz: float | None = None, title: str = "") -> None:
    """Draw the surface of `strs_surface`.

    Parameters
    ----------
    axes : Axes
        With the projection ``3d``.
    strs, max_hz, title
        As of `strs_surface`.
    """
    values = _borders(strs, max_hz)[1]
    blocks = {dim: max(1, -(-values.sizes[dim] // SURFACE_CELLS)) for dim in ("frequency", "time")}
    coarse = values.coarsen(blocks, boundary="trim").mean()
    time, frequency = np.meshgrid(coarse["time"].values, coarse["frequency"].values / 1000)
    surface = coarse.transpose("frequency", "time").values
    axes.plot_surface(  # ty: ignore[missing-attribute]
        time, frequency, surface, cmap=SURFACE_PALETTE, rcount=SURFACE_CELLS, ccount=SURFACE_CELLS, linewidth=0
    )
    axes.set_xlabel("Time (s)", fontsize=style.POINTS, color=style.INK)
    axes.set_ylabel("Frequency (kHz)", fontsize=style.POINTS, color=style.INK)
    axes.set_zlabel("STRS (amplitude × gain²)", fontsize=style.POINTS, color=style.INK)  # ty: ignore[missing-attribute]
    axes.tick_params(labelsize=style.POINTS - 1, colors=style.MUTED, labelcolor=style.INK)
    axes.set_title(title, fontsize=style.POINTS + 1, color=style.INK)
    axes.view_init(elev=32, azim=-60)  # ty: ignore[missing-attribute]


def crs_figure(table: pd.DataFrame, *, max_hz: float | None = None, columns: int = 3, lowest_hz: float = 0.0) -> Figure:
    """Panel of each class: learned response with its band, null band, plain spectrum; the difference below.

    Of a layer without a null (fixed filters) the responses alone.

    Parameters
    ----------
    table : DataFrame
        From `learned_minus_null`.
    max_hz, lowest_hz : float, optional
        Borders of the frequency axis.
    columns : int
        Panels in a row.
    """
    labels = list(dict.fromkeys(table["label"]))
    limit = float(table["frequency"].max()) if max_hz is None else max_hz
    table = table[(table["frequency"] >= lowest_hz) & (table["frequency"] <= limit)]
    across = min(columns, len(labels))
    in_a_row = {1: 1, 2: 3}.get(across, 5)  # legend entries that the figure is wide enough for
    legend_inches = 0.2 * -(-5 // in_a_row)
    figure = style.new_figure(0.4 + 2.5 * across, 0.5 + legend_inches + 2.5 * -(-len(labels) // across))
    compared = bool(table["null"].notna().any())
    panels = style.panel_grid(figure, len(labels), across, heights=(2, 1) if compared else (1,), sharex=True)
    shape_limits = _limits(table[["learned", "null_low", "null_high", "spectrum"]])
    null_band = table[["null_low", "null_high"]].sub(table["null"], axis=0)
    change_limits = _limits(pd.concat([table[["difference", "low", "high"]], null_band], axis=1))
    for position, (label, (upper, *below)) in enumerate(zip(labels, panels, strict=True)):
        rows, first = table[table["label"] == label], position % across == 0
        draw_crs(upper, rows, style.class_colour(position))
        style.dress(upper, title=f"{label}, n = {int(rows['n'].iloc[0])}")
        for lower in below:
            draw_crs_change(lower, rows, style.class_colour(position))
            style.dress(lower, y="− null (dB)" if first else "")
            lower.set_ylim(*change_limits)
        upper.set_xlabel("")
        if position + across >= len(labels):
            style.dress((upper, *below)[-1], x="Frequency (Hz)")
        if not first:
            upper.set_ylabel("")
        upper.set_ylim(*shape_limits)
        upper.set_xlim(lowest_hz, limit)
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower center", ncols=in_a_row, **style.LEGEND | {"fontsize": style.POINTS}
    )
    return figure


def atlas_figure(bank: FilterBank, *, max_hz: float | None = None) -> Figure:
    """Impulse and frequency responses of all filters, ordered by centre, and their peaks beside mel and ERB spacing."""
    atlas = filter_atlas(bank)
    limit = bank.sample_rate / 2 if max_hz is None else max_hz
    order = atlas["filter"].to_numpy()
    atoms = _over_maximum(bank.dictionary.real.T[order])
    half = bank.width / 2 / bank.sample_rate * 1000
    level = 20 * np.log10(np.maximum(_over_maximum(np.abs(frequency_response(bank).values[order])), 1e-6))
    figure = style.new_figure(7.4, 3.2)
    left, middle, right = figure.subplots(1, 3, width_ratios=[3, 3, 2.4])
    count = len(order)
    left.imshow(
        atoms, cmap=style.SIGNED_PALETTE, vmin=-1, vmax=1, aspect="auto", origin="lower",
        extent=(-half, half, 0, count), interpolation="nearest",
    )  # fmt: skip
    style.dress(left, title="impulse response", x="Time from the frame's middle (ms)", y="Filter, by centre frequency")
    middle.imshow(
        level, cmap=style.DISPLAY_PALETTE, vmin=-ATLAS_RANGE_DB, vmax=0, aspect="auto", origin="lower",
        extent=(0, bank.sample_rate / 2, 0, count), interpolation="nearest",
    )  # fmt: skip
    middle.set_xlim(0, limit)
    style.dress(middle, title=f"frequency response ({ATLAS_RANGE_DB:g} dB)", x="Frequency (Hz)")
    places, distances = spacing(atlas)
    right.plot(places["hz"], places["rank"], ".", color=style.ACCENT, markersize=4, label="peaks")
    deviations = distances.set_index("scale")["deviation"]
    for scale, line in _SCALE_LINES.items():
        name = f"{scale if scale != 'erb' else 'ERB'} ({deviations[scale]:.1%} off)"
        right.plot(places[scale], places["rank"], color=style.MUTED, linestyle=line, linewidth=1.0, label=name)
    right.set_xlim(0, limit)
    style.dress(right, title="spacing", x="Frequency (Hz)", y="Filter, by peak")
    right.legend(loc="lower right", **style.LEGEND)
    return figure


def _over_maximum(rows: np.ndarray) -> np.ndarray:
    """Rows over their largest absolute value; rows of zeros stay so."""
    peak = np.abs(rows).max(axis=1, keepdims=True)
    return np.divide(rows, peak, out=np.zeros_like(rows), where=peak > 0)


def wigner_figure(bank: FilterBank, *, max_hz: float | None = None) -> Figure:
    """Wigner–Ville contours of all filters in a figure of their own; see `draw_wigner`."""
    figure = style.new_figure(4.6, 3.6)
    mesh = draw_wigner(figure.subplots(), bank, max_hz=max_hz)
    _dress_bar(figure.colorbar(mesh, ax=mesh.axes), "total energy (share of its maximum)")
    return figure


def _dress_bar(bar: Any, label: str) -> None:
    bar.set_label(label, fontsize=style.POINTS, color=style.INK)
    bar.ax.tick_params(labelsize=style.POINTS - 1, colors=style.MUTED, labelcolor=style.INK)
    bar.outline.set_visible(False)


def draw_wigner(axes: Axes, bank: FilterBank, *, max_hz: float | None = None) -> Any:
    """Draw Wigner–Ville contours of all filters in one plane over their total energy in grey, as the paper's Fig. 4.

    Contours stand at 0.7 of each filter's maximum; colours go from the lowest centre frequency to the highest. Returns
    the mesh of the energy, for a colour bar.

    Parameters
    ----------
    axes : Axes
    bank : FilterBank
    max_hz : float, optional
        Upper border, Hz; half the sample rate by default.
    """
    import matplotlib

    rows = bank.dictionary.T
    planes = wigner_ville(rows, bank.sample_rate)
    limit = bank.sample_rate / 2 if max_hz is None else max_hz
    time, frequency = planes["time"].values * 1000, planes["frequency"].values
    total = np.maximum(planes.values.sum(axis=0, dtype=np.float64), 0)
    mesh = axes.pcolormesh(
        time, frequency, total / max(total.max(), np.finfo(float).tiny), cmap=style.DISPLAY_PALETTE, vmin=0, vmax=1,
        shading="nearest", rasterized=True, alpha=0.8,
    )  # fmt: skip
    order = filter_atlas(bank)["filter"].to_numpy()
    colours = matplotlib.colormaps[_CONTOUR_COLOURS](np.linspace(0.0, 0.85, len(order)))
    for colour, number in zip(colours, order, strict=True):
        plane = planes.values[number]
        if plane.max() > 0:
            axes.contour(time, frequency, plane, levels=[LEVEL * plane.max()], colors=[colour], linewidths=0.8)
    axes.set_ylim(0, limit)
    style.dress(axes, x="Time from the frame's middle (ms)", y="Frequency (Hz)")
    return mesh


def _borders(strs: xr.DataArray, max_hz: float | None) -> tuple[float, xr.DataArray]:
    """Upper border of a picture, Hz, and what of a response spectrum lies below it."""
    if set(strs.dims) != {"frequency", "time"}:
        raise PhonoscopeError(f"expected one response spectrum (frequency, time), found dims {tuple(strs.dims)}")
    limit = float(strs["frequency"][-1]) if max_hz is None else max_hz
    return limit, strs.sel(frequency=slice(0, limit))


def draw_crs(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    """Draw the cumulative response of one class: learned, before training, random weights' band, plain spectrum.

    Parameters
    ----------
    axes : Axes
    rows : DataFrame
        Rows of one class of `learned_minus_null`, dB.
    colour : str
        Of the learned response and its interval.
    """
    frequency = rows["frequency"]
    compared = rows["null"].notna().any()
    if compared:
        band = rows.attrs.get("null") or "random weights"
        axes.fill_between(frequency, rows["null_low"], rows["null_high"], color=style.FAINT, alpha=0.45, linewidth=0,
                           label=band)  # fmt: skip
    if rows["spectrum"].notna().any():
        line = (0, (4, 2))
        axes.plot(frequency, rows["spectrum"], color=style.MUTED, linewidth=0.9, linestyle=line, label="plain spectrum")
    if rows["learned_low"].notna().any():
        axes.fill_between(frequency, rows["learned_low"], rows["learned_high"], color=colour, alpha=0.3, linewidth=0)
    axes.plot(frequency, rows["learned"], color=colour, linewidth=1.3, label="learned" if compared else "the layer")
    if "initial" in rows and rows["initial"].notna().any():
        dots = (0, (1, 1.5))
        axes.plot(frequency, rows["initial"], color=style.INK, linewidth=0.9, linestyle=dots, label="before training")
    style.dress(axes, x="Frequency (Hz)", y="CRS (dB re mean)")


def draw_crs_change(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    """Draw what was learned less the null of random weights, in dB.

    Parameters
    ----------
    axes : Axes
    rows
        As of `draw_crs`.
    colour : str
        Of the difference and its interval.
    """
    frequency = rows["frequency"]
    axes.axhline(0, color=style.RULE, linewidth=0.8)
    axes.fill_between(frequency, rows["null_low"] - rows["null"], rows["null_high"] - rows["null"], color=style.FAINT,
                       alpha=0.45, linewidth=0)  # fmt: skip
    if rows["low"].notna().any():
        axes.fill_between(frequency, rows["low"], rows["high"], color=colour, alpha=0.3, linewidth=0)
    axes.plot(frequency, rows["difference"], color=colour, linewidth=1.2)


def _limits(values: pd.DataFrame) -> tuple[float, float]:
    """Limits that hold the curves but for the lowest 0.5 %: a hole at 0 Hz must not squeeze the rest."""
    finite = values.to_numpy(dtype=float).ravel()
    finite = finite[np.isfinite(finite)]
    low, high = np.quantile(finite, [0.005, 1.0]) if finite.size else (-1.0, 1.0)
    air = 0.06 * (high - low) or 1.0
    return float(low - air), float(high + air)
