"""Method × question: what each method says where the truth was planted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report.numbers import fixed
from phonoscope.report.style import COUNT_PALETTE, INK, MUTED, POINTS, RULE, draw_alone, dress, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_truth(axes: Axes, table: pd.DataFrame, kinds: pd.Series | None = None) -> None:
    """Draw scores of methods (rows) in several questions (columns), each from 0 to 1.

    Parameters
    ----------
    axes : Axes
    table : DataFrame (method, question)
        From `phonoscope.evidence.planted_results.answers_by_distance`; drawn in its order.
    kinds : Series, optional
        By method: ``method``, ``peer``, ``control`` or ``bound``; all but methods are written in italics.

    Raises
    ------
    PhonoscopeError
        If the table is empty.
    """
    import matplotlib

    if table.empty:
        raise PhonoscopeError("the benchmark holds no scored network: there is nothing to draw")
    values = table.to_numpy(dtype=float)
    rows, columns = values.shape
    palette = matplotlib.colormaps[COUNT_PALETTE]
    shades = np.clip(np.nan_to_num(values), 0, 1)
    axes.pcolormesh(np.arange(columns + 1), np.arange(rows + 1), shades, cmap=COUNT_PALETTE, vmin=0, vmax=1,
                    edgecolors=RULE, linewidth=0.5)  # fmt: skip
    for row in range(rows):
        for column in range(columns):
            dark = sum(palette(shades[row, column])[:3]) < 1.6
            text = fixed(np.round(values[row, column], 2) + 0.0)  # no minus before a zero
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=POINTS - 1.5,
                      color="white" if dark else "#202020")  # fmt: skip
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.set_xticks(np.arange(columns) + 0.5, [plain(name) for name in table.columns], rotation=40, ha="left")
    axes.set_yticks(np.arange(rows) + 0.5, [plain(name) for name in table.index])
    dress(axes)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=POINTS - 1)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for label, name in zip(axes.get_yticklabels(), table.index, strict=True):
        if kinds is not None and kinds.get(name, "method") != "method":
            label.set_fontstyle("italic")
            label.set_color(MUTED)
        else:
            label.set_color(INK)


def truth_figure(table: pd.DataFrame, kinds: pd.Series | None = None) -> Figure:
    """Figure of `draw_truth`; other libraries' methods, controls and the bound are in italics."""
    return draw_alone(3.0 + 0.44 * table.shape[1], 0.8 + 0.19 * len(table), draw_truth, table, kinds)
