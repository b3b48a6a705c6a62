"""Pictures of a model on whole recordings: importance against time, confidence beside accuracy, what phones carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phonoscope.report import style
from phonoscope.report.shares import dress_ratios, ratio_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHORT = 8  # letters of a unit that stand beside a word


def draw_time_profile(
    axes: Axes,
    profile: pd.DataFrame,
    *,
    last_time: float,
    time_label: str,
    colour: str,
    limits: tuple[float, float],
    unit: str = "logit",
    title: str = "",
) -> None:
    """Draw the mean importance of one class against time with its band.

    Parameters
    ----------
    axes : Axes
    profile : DataFrame
        ``time, mean, low, high``: one class.
    last_time : float
        Upper end of the time axis.
    time_label : str
        What the axis shows.
    colour : str
    limits : (low, high)
        Foot and top of the panel, in the unit.
    unit : str
        Of the maps.
    title : str
    """
    profile = profile.sort_values("time")
    axes.axhline(0, color=style.RULE, linewidth=0.8)
    low, high = profile["low"].to_numpy(dtype=float), profile["high"].to_numpy(dtype=float)
    if np.isfinite(low).any():
        axes.fill_between(profile["time"], low, high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(profile["time"], profile["mean"], color=colour, linewidth=1.6)
    axes.set_xlim(0, last_time)
    axes.set_ylim(*limits)
    between = "\n" if len(unit) > _SHORT else " "  # the panel is low
    style.dress(axes, title=title, x=time_label, y=f"Importance{between}(summed {unit})")


def draw_reliability(axes: Axes, table: pd.DataFrame) -> None:
    """Draw accuracy against confidence, bin by bin, with intervals; on the diagonal both are the same.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        From `phonoscope.judgement.calibration.reliability`.
    """
    axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1.0, linestyle=(0, (4, 2)))
    for row in table.to_dict("records"):
        if np.isfinite(row["low"]):
            axes.plot([row["confidence"]] * 2, [row["low"], row["high"]], color=style.ACCENT, linewidth=1.3)
    axes.plot(table["confidence"], table["accuracy"], "o", color=style.ACCENT, markersize=4.4)
    axes.set_xlim(min(0.5, float(table["confidence"].min()) - 0.05), 1.02)
    axes.set_ylim(-0.02, 1.04)
    style.dress(axes, x="Mean probability of the class that was chosen", y="Share that was right")


def draw_stretches(
    axes: Axes, rows: pd.DataFrame, *, limits: tuple[float, float] | None = None, title: str = ""
) -> None:
    """Draw each phone's share of the evidence over its share of time, with intervals; grey: what its energy is.

    Parameters
    ----------
    axes : Axes
    rows : DataFrame
        Of one class, from `phonoscope.phonetics.stretches.stretch_shares`.
    limits : (low, high), optional
        Of the axis.
    title : str
    """
    low, high = stretch_limits(rows) if limits is None else limits
    axes.axvline(1.0, color=style.MUTED, linewidth=1.0)
    for position, row in enumerate(rows.to_dict("records")):
        loud = row["energy"] / row["time"]
        axes.plot(
            np.clip(loud, low, high), position, "|", color=style.FAINT, markersize=9, markeredgewidth=2.4, zorder=1
        )
        if not row["ratio"] > 0:
            continue
        if np.isfinite(row["ratio_low"]):
            reach = np.clip([row["ratio_low"], row["ratio_high"]], low, high)
            axes.plot(reach, [position, position], color=style.ACCENT, linewidth=1.4)
        axes.plot(np.clip(row["ratio"], low, high), position, "o", markersize=4.4, color=style.ACCENT)
    dress_ratios(axes, rows["phone"].tolist(), (low, high), x="share of the evidence / share of time")
    if title:
        style.dress(axes, title=title)


def stretch_limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Limits that hold all ratios, their intervals, and 1; at most 0.1 to 20."""
    named = rows.assign(energy_ratio=rows["energy"] / rows["time"])[
        ["ratio", "ratio_low", "ratio_high", "energy_ratio"]
    ]
    return ratio_limits(named.rename(columns={"ratio_low": "low", "ratio_high": "high"}))
