"""Figures of perception experiments: identification curves, and the weights of cues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phonoscope.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = 0.05  # a label that never gets a larger share has no line


def draw_identification(
    axes: Axes,
    curves: pd.DataFrame,
    *,
    colours: Mapping[str, str],
    names: Mapping[str, str],
    cue: str = "",
    reached: bool = False,
    title: str = "",
) -> None:
    """Draw the shares of answers along the steps of a cue, with their intervals.

    Parameters
    ----------
    axes : Axes
    curves : DataFrame
        Of one class and cue, from `phonoscope.perception.identification_curves`; or of one number and cue, from
        `phonoscope.perception.curves.number_curves`.
    colours, names : mapping
        Colour and printed name of each label.
    cue : str
        Name of the cue.
    reached : bool
        Whether steps are values of the cue, not distances from the recorded sound.
    title : str
    """
    unit = ""
    what = "value" if "value" in curves else "share"
    for label, rows in curves.groupby("label", sort=False):
        rows = rows[rows[what].notna()].sort_values("step")
        if rows.empty or (what == "share" and rows[what].max() < _SHOWN):
            continue
        unit = str(rows["step_unit"].iloc[0])
        colour = colours[str(label)]
        known = np.isfinite(rows["low"])
        axes.fill_between(rows["step"][known], rows["low"][known], rows["high"][known], color=colour, alpha=0.16, lw=0)
        axes.plot(rows["step"], rows[what], "o-", color=colour, markersize=3.4, linewidth=1.4)
        last = rows.iloc[-1]
        place = (last["step"], last[what])
        axes.annotate(names[str(label)], place, (4, 0), textcoords="offset points", color=colour, va="center")
    if not reached:
        axes.axvline(0.0, color=style.FAINT, linewidth=1.0, zorder=0)
    if what == "share":
        axes.set_ylim(-0.02, 1.02)
    moved, shown = "" if reached else " moved by", "share of answers" if what == "share" else what
    style.dress(axes, x=f"{cue}{moved} ({unit})".strip(), y=shown, title=title)


def draw_cue_weights(axes: Axes, weights: pd.DataFrame, *, names: Mapping[str, str], title: str = "") -> None:
    """Draw the weight of each cue in the decision for a class, with its interval.

    Parameters
    ----------
    axes : Axes
    weights : DataFrame
        Of one class, from `phonoscope.perception.cue_weights`.
    names : mapping
        Printed name of each cue.
    title : str
    """
    axes.axvline(0.0, color=style.MUTED, linewidth=1.0)
    for position, row in enumerate(weights.to_dict("records")):
        if np.isfinite(row["low"]):
            axes.plot([row["low"], row["high"]], [position, position], color=style.ACCENT, linewidth=1.4)
        axes.plot(row["weight"], position, "o", color=style.ACCENT, markersize=4.4)
    style.dress_rows(axes, [names[cue] for cue in weights["cue"]], x="logits per standard deviation of the talkers")
    if title:
        style.dress(axes, title=title)
