"""Coherence and frame bound of the layers of a network, one after the other, with the band of random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report.style import FAINT, LEGEND, POINTS, class_colour, dress, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS = (("mu", "μ"), ("mu_avg", "μ_avg"), ("B", "B"))
_BAND_SD = 2.0
_INCHES_A_LAYER, _LEAST_INCHES, _MOST_INCHES = 0.28, 4.5, 14.0


def layer_figure(table: pd.DataFrame) -> Figure:
    """Draw μ, μ_avg and B of every layer in network order, as Fig. 5 of the second paper does.

    Layers whose output is added to a path around them are marked with a circle; the grey band is two standard
    deviations around the mean of random weights of the same shape. Several checkpoints are drawn as several lines.

    Parameters
    ----------
    table : DataFrame
        From `phonoscope.layer_geometry` or `compare_geometry`.

    Raises
    ------
    PhonoscopeError
        If the table has no rows.
    """
    if table.empty:
        raise PhonoscopeError("there is no layer to draw")
    layers = list(dict.fromkeys(table["layer"]))
    width = min(max(_INCHES_A_LAYER * len(layers) + 1.2, _LEAST_INCHES), _MOST_INCHES)
    figure = new_figure(width, 5.6)
    panels = figure.subplots(len(_PANELS), 1, sharex=True)
    for axes, (measure, _) in zip(panels, _PANELS, strict=True):
        draw_layers(axes, table, measure)
    handles, labels = panels[0].get_legend_handles_labels()
    seen = dict(zip(labels, handles, strict=True))
    if seen:
        look = LEGEND | {"fontsize": POINTS, "ncols": min(len(seen), 4)}
        figure.legend(seen.values(), seen.keys(), loc="outside upper left", **look)
    return figure


def draw_layers(axes: Axes, table: pd.DataFrame, measure: str = "mu") -> None:
    """Draw one measure of every layer in network order.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        As of `layer_figure`.
    measure : {"mu", "mu_avg", "B"}
    """
    groups = list(table.groupby("checkpoint", sort=False)) if "checkpoint" in table else [("", table)]
    layers = list(dict.fromkeys(table["layer"]))
    position = {layer: i for i, layer in enumerate(layers)}
    dress(axes, y=dict(_PANELS)[measure])
    if f"{measure}_null" in table:
        _draw_null(axes, groups[0][1], measure, position)
    for number, (name, rows) in enumerate(groups):
        _draw_line(axes, rows, measure, position, class_colour(number), str(name))
    axes.set_xticks(range(len(layers)), layers, rotation=90, fontsize=POINTS - 1)


def _draw_null(axes: Axes, rows: pd.DataFrame, measure: str, position: dict[str, int]) -> None:
    x = rows["layer"].map(position).to_numpy()
    mean, sd = rows[f"{measure}_null"].to_numpy(float), _BAND_SD * rows[f"{measure}_null_sd"].to_numpy(float)
    if len(x) == 1:  # a band of one point has no width
        axes.errorbar(x, mean, sd, color=FAINT, fmt="_", capsize=4, label="random weights")
        return
    axes.fill_between(x, mean - sd, mean + sd, color=FAINT, alpha=0.5, linewidth=0, label="random weights")


def _draw_line(axes: Axes, rows: pd.DataFrame, measure: str, position: dict[str, int], colour: str, name: str) -> None:
    x = rows["layer"].map(position).to_numpy()
    values = rows[measure].to_numpy(float)
    axes.plot(x, values, color=colour, linewidth=1.0, marker=".", markersize=4, label=name or "the network")
    circled = rows["residual"].fillna(False).to_numpy(bool)
    if circled.any():
        ring: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 8, "markerfacecolor": "none"}
        axes.plot(x[circled], values[circled], label="added to a path around it", color=colour, **ring)
