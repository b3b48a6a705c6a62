"""Do confusions go one way more than the other, and do people err likewise? Pairs of classes as dumbbells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.phonetics.confusions import beside_human
from phonoscope.report.style import ACCENT, FAINT, LEGEND, MUTED, PAPER, POINTS, draw_alone, dress_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PAIRS = 10
_PEOPLE_COLOUR = "#ee6677"


def asymmetry_rows(asymmetry: pd.DataFrame, *, most: int = MOST_PAIRS) -> pd.DataFrame:
    """Pairs that are confused most, with what people do where it is known.

    Parameters
    ----------
    asymmetry : DataFrame
        From `asymmetry_table`.

    Returns
    -------
    DataFrame
        As of `beside_human`, largest difference of the two directions first.
    """
    rows = beside_human(asymmetry)
    order = (rows["percent_a_as_b"] - rows["percent_b_as_a"]).abs().sort_values(ascending=False, kind="stable").index
    return rows.loc[order].head(most).reset_index(drop=True)


def draw_asymmetry(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw one line a pair: filled dot a taken for b, hollow dot b taken for a, in per cent; below it, people.

    A pair whose difference is significant (Holm) has a bold line.

    Parameters
    ----------
    rows : DataFrame
        From `asymmetry_rows`.
    """
    for position, row in enumerate(rows.to_dict("records")):
        sure = np.isfinite(row["p_holm"]) and row["p_holm"] < 0.05
        _dumbbell(axes, position - 0.13, row["percent_a_as_b"], row["percent_b_as_a"], ACCENT, 2.2 if sure else 1.0)
        if np.isfinite(row["human_a_as_b"]) or np.isfinite(row["human_b_as_a"]):
            _dumbbell(axes, position + 0.2, row["human_a_as_b"], row["human_b_as_a"], _PEOPLE_COLOUR, 1.0)
    pairs = [f"{row['label_a']} → {row['label_b']}" for row in rows.to_dict("records")]
    dress_rows(axes, pairs, x="taken for the other (% of the class)")
    axes.set_ylim(max(len(pairs), 1) - 0.4, -0.6)
    largest = float(np.nanmax(rows.filter(regex="_as_").to_numpy(dtype=float), initial=1.0)) if len(rows) else 1.0
    axes.set_xlim(-0.03 * largest, 1.05 * largest)
    axes.tick_params(axis="y", labelsize=POINTS + 1)
    axes.spines["left"].set_visible(False)
    if rows.empty:
        axes.text(0.5, 0.5, "no confusions", transform=axes.transAxes, ha="center", color=MUTED, fontsize=POINTS)
        return
    _legend(axes, people=bool(rows[["human_a_as_b", "human_b_as_a"]].notna().any(axis=None)))


def asymmetry_figure(rows: pd.DataFrame) -> Figure:
    """Asymmetries in a figure of their own; `rows` from `asymmetry_rows`."""
    return draw_alone(4.2, 0.95 + 0.3 * max(len(rows), 2), draw_asymmetry, rows)


def _dumbbell(axes: Axes, position: float, there: float, back: float, colour: str, width: float) -> None:
    axes.plot([there, back], [position, position], color=colour if width > 1.5 else FAINT, linewidth=width, zorder=1)
    axes.plot(there, position, "o", color=colour, markersize=5, zorder=3)
    axes.plot(back, position, "o", color=colour, markerfacecolor=PAPER, markersize=5, zorder=2)


def _legend(axes: Axes, *, people: bool) -> None:
    from matplotlib.lines import Line2D

    def mark(colour: str, face: str, label: str) -> Line2D:
        return Line2D([], [], marker="o", color=colour, markerfacecolor=face, markersize=4.5, linestyle="", label=label)

    handles = [mark(ACCENT, ACCENT, "as the arrow says"), mark(ACCENT, PAPER, "the other way")]
    if people:
        handles.append(mark(_PEOPLE_COLOUR, _PEOPLE_COLOUR, "20 listeners"))
    look: dict[str, Any] = LEGEND | {"handletextpad": 0.2, "columnspacing": 1.0, "borderaxespad": 0.1}
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=len(handles), **look)
