"""Classification images: which cells of Hz and time speak for one answer, and which for another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.report.style import INK, POINTS, SIGNED_PALETTE, dress
from phonoscope.scales import hz_to_erb

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TICKS = (200, 500, 1000, 1500, 2000, 3000, 4000, 6000, 8000)
_FORMANTS = ("F1", "F2", "F3")


def draw_classification_image(
    axes: Axes,
    cells: pd.DataFrame,
    *,
    limit: float | None = None,
    formants: pd.DataFrame | None = None,
    against: pd.DataFrame | None = None,
    max_hz: float | None = None,
    title: str = "",
) -> Any:
    """Draw the weight of every cell, frequency upwards on an ERB scale, and outline the significant clusters.

    Parameters
    ----------
    axes : Axes
    cells : DataFrame
        ``frequency_hz, time`` (middles of the cells), ``weight`` (logits per dB) and, where they were tested,
        ``cluster`` (its number, 0 outside).
    limit : float, optional
        Weight of the fullest colour; the largest one by default.
    formants, against : DataFrame, optional
        Mean formants of either class, from `phonoscope.report.bands.class_formants`: F1 to F3 are marked right and left
        of the picture.
    max_hz : float, optional
        What the network hears up to: higher cells are cut off.
    title : str

    Returns
    -------
    AxesImage
        For a colour bar.
    """
    grid = cells.pivot_table(index="frequency_hz", columns="time", values="weight")
    erb, times = hz_to_erb(grid.index.to_numpy(dtype=float)), grid.columns.to_numpy(dtype=float)
    extent = (*_ends(times), *_ends(erb))
    limit = float(np.abs(grid.to_numpy()).max()) if limit is None else limit
    image = axes.imshow(
        grid.to_numpy(), cmap=SIGNED_PALETTE, vmin=-limit, vmax=limit, origin="lower", aspect="auto", extent=extent,
        interpolation="nearest",
    )  # fmt: skip
    if "cluster" in cells and cells["cluster"].notna().any():
        numbers = cells.pivot_table(index="frequency_hz", columns="time", values="cluster").to_numpy()
        for number in np.unique(numbers[numbers > 0]):
            _outline(axes, numbers == number, extent)
    top = extent[3] if max_hz is None else min(extent[3], float(hz_to_erb(max_hz)))
    for rows, at, align in ((formants, 1.02, "left"), (against, -0.02, "right")):
        for row in () if rows is None else rows[rows["formant"].isin(_FORMANTS)].to_dict("records"):
            where = float(hz_to_erb(row["mean_hz"]))
            if where <= top:
                look: dict[str, Any] = {"ha": align, "va": "center", "fontsize": POINTS - 2, "color": INK}
                axes.text(at, where, f"{'◂' if at > 1 else ''}{row['formant']}{'' if at > 1 else '▸'}",
                          transform=axes.get_yaxis_transform(), clip_on=False, **look)  # fmt: skip
    dress(axes, title=title, x="share of the token", y="kHz")
    ticks = [hertz for hertz in _TICKS if extent[2] <= hz_to_erb(float(hertz)) <= top]
    axes.yaxis.set_ticks(hz_to_erb(np.array(ticks, dtype=float)), [f"{hertz / 1000:g}" for hertz in ticks])
    if against is not None and len(against):
        axes.tick_params(axis="y", pad=16)
    axes.set_xlim(extent[0], extent[1])
    axes.set_ylim(extent[2], top)
    return image


def _ends(middles: np.ndarray) -> tuple[float, float]:
    half = float(np.diff(middles).mean()) / 2 if len(middles) > 1 else 0.5
    return float(middles[0]) - half, float(middles[-1]) + half


def _outline(axes: Axes, mask: np.ndarray, extent: tuple[float, ...]) -> None:
    """Draw the edges between cells inside and outside a mask (frequency, time)."""
    rows, columns = mask.shape
    x, y = np.linspace(extent[0], extent[1], columns + 1), np.linspace(extent[2], extent[3], rows + 1)
    padded = np.pad(mask, 1)
    lines = [[(x[j], y[i]), (x[j + 1], y[i])] for i, j in np.argwhere(padded[:-1, 1:-1] != padded[1:, 1:-1])] + [
        [(x[j], y[i]), (x[j], y[i + 1])] for i, j in np.argwhere(padded[1:-1, :-1] != padded[1:-1, 1:])
    ]
    for (x0, y0), (x1, y1) in lines:
        axes.plot([x0, x1], [y0, y1], color=INK, linewidth=1.0, solid_capstyle="projecting")
