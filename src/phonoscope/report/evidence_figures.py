"""What is known of the maps' truth, drawn: one measure over methods beside its chance levels; contrasts of pairs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report import style
from phonoscope.report.profiles import profile_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINE_LETTERS, _TITLE_LETTERS = 40, 32
# Columns of chance levels, and how each is marked.
_CHANCES: dict[str, dict[str, Any]] = {
    "chance": {"marker": "|", "color": style.FAINT, "markersize": 11, "markeredgewidth": 2.6},
    "same_class": {"marker": "|", "color": style.MUTED, "markersize": 11, "markeredgewidth": 1.0},
    "same_energy": {"marker": "x", "color": style.MUTED, "markersize": 5, "markeredgewidth": 1.0},
}


def draw_measure(axes: Axes, rows: pd.DataFrame, methods: Sequence[str], *, lines: Sequence[float] = ()) -> None:
    """Draw one measure: a dot with its interval for each method, and a mark where each chance level lies.

    Parameters
    ----------
    axes : Axes
    rows : DataFrame
        ``method, value, low, high``, and ``chance, same_class, same_energy`` where there are such; methods without a
        value leave a gap.
    methods
        From top to bottom.
    lines
        Values worth a line, such as 0, or slopes that are known.
    """
    by_method = {str(row["method"]): row for row in rows.to_dict("records")}
    for value in lines:
        axes.axvline(value, color=style.RULE, linewidth=0.9, zorder=0)
    for row, method in enumerate(methods):
        known = by_method.get(method, {})
        value, low, high = (float(known.get(name, np.nan)) for name in ("value", "low", "high"))
        if not np.isfinite(value):
            axes.text(0.01, row, "–", transform=axes.get_yaxis_transform(), color=style.MUTED, va="center")
            continue
        for column, look in _CHANCES.items():
            axes.plot(float(known.get(column, np.nan)), row, linestyle="none", zorder=1, **look)
        axes.plot([low, high], [row, row], color=style.ACCENT, linewidth=1.5, zorder=2)
        axes.plot(value, row, "o", color=style.ACCENT, markersize=4.5, zorder=3)
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.set_yticks(range(len(methods)), [style.plain(method) for method in methods])


def measure_figure(
    rows: pd.DataFrame, methods: Sequence[str], *, title: str, units: str, lines: Sequence[float] = (0.0,)
) -> Figure:
    """Figure of one measure over methods.

    Parameters
    ----------
    rows, methods, lines
        As of `draw_measure`.
    title : str
        Broken into lines of at most 32 letters.
    units : str
        Quantity and unit along x.
    """
    figure = style.new_figure(3.6, 0.9 + 0.21 * len(methods))
    axes = figure.subplots()
    draw_measure(axes, rows, methods, lines=lines)
    wrapped = "\n".join(textwrap.wrap(title, _TITLE_LETTERS))
    style.dress(axes, title=wrapped, x="\n".join(textwrap.wrap(units, _LINE_LETTERS)))
    axes.tick_params(axis="y", length=0, labelsize=style.POINTS - 1)
    axes.spines["left"].set_visible(False)
    return figure


def measure_legend(**chances: str) -> Figure:
    """Legend of `measure_figure`; ``chances`` are the columns of chance levels that it draws, and what they are."""
    from matplotlib.lines import Line2D

    dot = Line2D([], [], color=style.ACCENT, marker="o", markersize=4.5, linewidth=1.5, label="mean and 95 % interval")
    marks = [Line2D([], [], linewidth=0, label=text, **_CHANCES[column]) for column, text in chances.items()]
    return style.legend_figure([dot, *marks])


def contrast_figure(profiles: pd.DataFrame, *, max_hz: float, title: str, unit: str) -> Figure:
    """Mean profiles of a contrast for each group of tokens of a confused pair, with bands.

    Parameters
    ----------
    profiles : DataFrame
        ``group, frequency`` (Hz), ``mean, low, high, n``.
    max_hz : float
        Upper end of the frequency axis.
    title : str
    unit : str
        Of the maps that the profiles sum, such as ``logit``.

    Raises
    ------
    PhonoscopeError
        If there is no group.
    """
    groups = list(dict.fromkeys(profiles["group"]))
    if not groups:
        raise PhonoscopeError("this pair has no tokens: there is nothing to draw")
    figure = style.new_figure(4.4, 2.9)
    axes = figure.subplots()
    axes.axhline(0, color=style.RULE, linewidth=0.8)
    for position, group in enumerate(groups):
        rows = profiles[profiles["group"] == group].sort_values("frequency")
        colour = style.class_colour(position)
        look: dict[str, Any] = {}
        if "taken for" in group:
            look = {"linestyle": (0, (4, 2)), "markerfacecolor": style.PAPER}
        label = f"{style.plain(group)} (n = {int(rows['n'].iloc[0])})"
        if np.isfinite(rows["low"]).any():
            axes.fill_between(rows["frequency"], rows["low"], rows["high"], color=colour, alpha=0.2, linewidth=0)
        line: dict[str, Any] = {"marker": "o", "color": colour, "linewidth": 1.4, "markersize": 2.2} | look
        axes.plot(rows["frequency"], rows["mean"], label=label, **line)
    axes.set_xlim(0, max_hz)
    axes.set_ylim(*profile_limits(profiles))
    axes.legend(**style.LEGEND)
    style.dress(axes, title=title, x="Frequency (Hz)", y=f"For the first class (summed {unit})")
    return figure
