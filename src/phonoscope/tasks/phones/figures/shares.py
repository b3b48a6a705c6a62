"""Shares of the maps that lie in the formants, over chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report.labels import class_name
from phonoscope.report.plates import Plate, make_panel, panel_name
from phonoscope.report.shares import draw_ratios, ratio_figure, ratio_legend, ratio_limits
from phonoscope.tasks.content import Content
from phonoscope.tasks.figures.figure import Figure, FigureRequest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def shares_of_run(request: FigureRequest) -> Canvas:
    """Shares of formants over chance for a class, or for all classes together."""
    table = request.content.tables["shares"]
    label = "all" if request.label is None else request.label
    rows = table[(table["label"] == label) & (table["n"] > 0)] if len(table) else table
    if rows.empty:
        raise PhonoscopeError(f"no share was measured for {label}: no tested token of it has formants")
    return request.drawn(68.0, draw_ratios, rows, title=_class_or_all(label))


def share_plate(content: Content) -> Plate | None:
    """Ratios of share to chance for every class with formants; None when nothing was measured."""
    table = content.tables["shares"]
    if table.empty:
        return None
    measured = set(table.loc[table["n"] > 0, "label"])
    order = [label for label in ["all", *content.labels] if label in measured]
    if set(order) == {"all", *order[1:2]}:
        order = order[1:]  # one class with formants: the pooled row would only repeat it
    limits = ratio_limits(table[table["label"].isin(order)])
    panels = []
    for position, label in enumerate(order):
        rows = table[table["label"] == label]
        ratios = "; ".join(f"{r['formant']} {r['ratio']:.2f}" for r in rows[rows["null"] == "run"].to_dict("records"))
        figure = ratio_figure(rows, title=_class_or_all(label), limits=limits)
        alt = f"Share over chance, {_class_or_all(label)}: {ratios}."
        panels.append(make_panel(panel_name("shares", position, label), figure, alt))
    without = [class_name(label) for label in content.labels if label not in measured]
    return SHARES.plate(
        panels,
        table,
        missing=f"No formants, hence no share: {', '.join(without)}." if without else "",
        legend=make_panel("shares-legend", ratio_legend(), "Legend of the ratios."),
    )


def _class_or_all(label: str) -> str:
    return "all classes" if label == "all" else class_name(label)


def _shares_example(axes: Axes) -> None:
    rows = [("F1", "run", 1.4, 1.2, 1.7, 1.1), ("F1", "class", 1.1, 0.9, 1.3, np.nan)]
    rows += [("F2", "run", 1.8, 1.4, 2.2, 1.3), ("F2", "class", 1.2, 1.05, 1.4, np.nan)]
    columns = ["formant", "null", "ratio", "low", "high", "energy_ratio"]
    draw_ratios(axes, pd.DataFrame(rows, columns=columns))


SHARES = Figure(
    name="shares",
    says="share of the map in formants over chance, with intervals",
    needs="shares of one class (formant, null, ratio, low, high)",
    draw=draw_ratios,
    of_run=shares_of_run,
    example=_shares_example,
    title="Do the maps sit on the formants?",
    caption=(
        "Share of each map’s positive part inside the formants of its own token, over the share that chance gives, "
        "with 95 % intervals. Logarithmic axis; 1 is chance."
    ),
    reading=(
        "Filled dots: maps and formants paired at random over the whole run. Hollow dots: paired within the class, "
        "which asks whether maps follow the formants of talkers and contexts. Diamonds: whole classes exchanged. "
        "Grey marks: what the plain energy of the spectrogram scores against the run. An interval that contains 1 "
        "shows nothing; an arrowhead says that it goes on outside the axis."
    ),
    choices=("class",),
    tasks=("phones",),
    height_mm=50,
)
