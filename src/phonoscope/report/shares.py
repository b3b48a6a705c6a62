"""Share of the maps inside the formants over the share that chance gives, with intervals, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The chance levels, in the order in which they are drawn at each formant.
NULLS = ("run", "class", "classes")
_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
_FINE_TICKS = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4)
_WIDEST = (0.1, 20.0)


def ratio_limits(shares: pd.DataFrame) -> tuple[float, float]:
    """Limits of the ratio's axis: all ratios and intervals and 1 inside, the same factor up and down at most 20."""
    columns = [c for c in ("ratio", "low", "high", "energy_ratio") if c in shares]
    values = shares[columns].to_numpy(dtype=float)
    values = values[np.isfinite(values) & (values > 0)]
    low = min(0.8, float(values.min(initial=1.0)) / 1.08)
    high = max(1.25, float(values.max(initial=1.0)) * 1.08)
    return max(low, _WIDEST[0]), min(high, _WIDEST[1])


def draw_ratios(
    axes: Axes, shares: pd.DataFrame, *, limits: tuple[float, float] | None = None, title: str = ""
) -> None:
    """Draw share / chance of one class for every formant set: 1 is chance, right of it is more than chance.

    Filled dots compare with the whole run, hollow ones with other tokens of the same class, diamonds with whole
    classes exchanged; the grey mark is what the plain energy scores against the whole run.

    Parameters
    ----------
    axes : Axes
    shares : DataFrame
        Rows of one label from `formant_shares`; rows without a ratio (nothing to measure) leave a gap.
    limits : (low, high), optional
        Of the axis.
    title : str
    """
    formants = list(dict.fromkeys(shares["formant"]))
    low, high = ratio_limits(shares) if limits is None else limits
    axes.axvline(1.0, color=style.MUTED, linewidth=1.0)
    offsets = dict(zip(NULLS, (-0.2, 0.05, 0.3), strict=True))
    for row in shares.to_dict("records"):
        if row["null"] not in offsets:
            continue
        position = formants.index(row["formant"]) + offsets[row["null"]]
        energy = row.get("energy_ratio", np.nan)
        if row["null"] == "run" and np.isfinite(energy) and energy > 0:
            axes.plot(energy, position, "|", color=style.FAINT, markersize=11, markeredgewidth=2.6, zorder=1)
        if not np.isfinite(row["ratio"]) or row["ratio"] <= 0:
            continue
        face = style.ACCENT if row["null"] == "run" else style.PAPER
        if np.isfinite(row["low"]) and np.isfinite(row["high"]):
            reach = np.clip([row["low"], row["high"]], low, high)
            axes.plot(reach, [position, position], color=style.ACCENT, linewidth=1.5)
            for limit, marker, beyond in ((low, "<", row["low"] < low), (high, ">", row["high"] > high)):
                if beyond:  # the interval goes on outside the axis
                    axes.plot(limit, position, marker, color=style.ACCENT, markersize=5, clip_on=False)
        marker = "D" if row["null"] == "classes" else "o"
        ratio = float(np.clip(row["ratio"], low, high))
        axes.plot(ratio, position, marker, markersize=4.6, color=style.ACCENT, markerfacecolor=face)
    dress_ratios(axes, formants, (low, high), x="share / chance (1 = chance)")
    if title:
        style.dress(axes, title=title)


def dress_ratios(axes: Axes, names: Sequence[object], limits: tuple[float, float], *, x: str) -> None:
    """Give a logarithmic axis of ratios its marks, and the rows their names.

    Parameters
    ----------
    axes : Axes
    names : sequence
        Of the rows, from above.
    limits : (low, high)
        Of the axis.
    x : str
        What the axis shows.
    """
    low, high = limits
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    if len(ticks) < 3:
        ticks = [tick for tick in _FINE_TICKS if low <= tick <= high]
    # a short axis takes every mark; on a long one the odd ones would run into each other
    if len(ticks) > 6:
        ticks = [tick for tick in ticks if tick in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    style.dress_rows(axes, names, x=x)
    axes.set_ylim(len(names) - 0.4, -0.6)


def ratio_legend() -> Figure:
    """Legend of `draw_ratios`."""
    from matplotlib.lines import Line2D

    marks: dict[str, dict[str, Any]] = {
        "chance: whole run": {"marker": "o", "markerfacecolor": style.ACCENT},
        "chance: same class": {"marker": "o", "markerfacecolor": style.PAPER},
        "chance: classes exchanged": {"marker": "D", "markerfacecolor": style.PAPER},
        "plain energy, whole run": {"marker": "|", "color": style.FAINT, "markersize": 10.0, "markeredgewidth": 2.6},
    }
    common: dict[str, Any] = {"color": style.ACCENT, "linestyle": "none", "markersize": 5.0, "markeredgewidth": 1.0}
    return style.legend_figure([Line2D([], [], label=label, **common | mark) for label, mark in marks.items()])


def ratio_figure(shares: pd.DataFrame, *, title: str, limits: tuple[float, float] | None = None) -> Figure:
    """Ratios of one class in a figure of their own; parameters as in `draw_ratios`.

    Parameters
    ----------
    shares : DataFrame
    title : str
    limits : (low, high), optional
        Of the axis.
    """
    figure = style.draw_alone(3.1, 2.7, draw_ratios, shares, limits=limits, title=title)
    figure.axes[0].tick_params(axis="y", length=0, labelsize=style.POINTS, labelcolor=style.INK)
    return figure
