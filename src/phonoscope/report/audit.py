"""Figures of audits: how well each property tells the classes, and what exchanging it does to the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phonoscope.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_in_data(axes: Axes, findings: pd.DataFrame, *, chance: float = 0.5) -> None:
    """Draw how well each property tells the classes by itself, with its interval, beside chance.

    Parameters
    ----------
    axes : Axes
    findings : DataFrame
        Of `phonoscope.audit.battery.findings_table`.
    chance : float
        Balanced accuracy of guessing.
    """
    values = findings.rename(columns={"balanced_accuracy": "value", "accuracy_low": "low", "accuracy_high": "high"})
    _draw(axes, values, chance, "balanced accuracy from it alone")


def draw_used(axes: Axes, findings: pd.DataFrame) -> None:
    """Draw how much more log odds an exchange with another class takes than one within the class, with its interval.

    Parameters
    ----------
    axes : Axes
    findings : DataFrame
        Of `phonoscope.audit.battery.findings_table`.
    """
    values = findings.rename(columns={"difference": "value", "difference_low": "low", "difference_high": "high"})
    _draw(axes, values, 0.0, "log odds taken, beyond the sham (logits)")


def _draw(axes: Axes, values: pd.DataFrame, line: float, x: str) -> None:
    axes.axvline(line, color=style.MUTED, linewidth=1.0)
    for position, row in enumerate(values.to_dict("records")):
        if not np.isfinite(row["value"]):
            continue
        colour = style.ACCENT if row["finding"] == "in the data and used" else style.MUTED
        if np.isfinite(row["low"]):
            axes.plot([row["low"], row["high"]], [position, position], color=colour, linewidth=1.4)
        axes.plot(row["value"], position, "o", color=colour, markersize=4.4)
    style.dress_rows(axes, list(values["shortcut"]), x=x)
