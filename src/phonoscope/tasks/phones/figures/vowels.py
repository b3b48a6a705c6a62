"""The vowel chart of a run: what was spoken, as phoneticians draw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report.labels import in_order
from phonoscope.report.plates import Plate, make_panel
from phonoscope.report.style import class_colour
from phonoscope.report.vowel_chart import chart_limits, draw_vowel_chart, vowel_chart_figure
from phonoscope.report.vowel_scales import SCALES, scaled_formants
from phonoscope.tasks.content import Content
from phonoscope.tasks.figures.figure import Figure, FigureRequest
from phonoscope.tasks.figures.made_up import vowels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_TALKERS = {"m": "men", "f": "women", "c": "children"}
Groups = list[tuple[str, pd.DataFrame]]


def vowels_of_run(request: FigureRequest) -> Canvas:
    """Vowel chart of all talkers together, or a panel each for men, women and children in two columns."""
    content, scale = request.content, request.scale
    table = _measured(content, scale)
    if table is None:
        reason = content.absent.get("formants", "no formants were measured")
        raise PhonoscopeError(f"there is no vowel chart: {reason}")
    if table.empty:
        raise PhonoscopeError("there is no vowel chart: no token has both F1 and F2")
    groups = _by_sex(table) if request.columns == 2 else []
    groups = groups or [("all talkers", table)]
    limits = chart_limits(table, lowest=-np.inf if scale == "lobanov" else 0.0)
    height = {1: 75.0, 2: 72.0}.get(len(groups), 62.0) if request.columns == 1 or len(groups) > 1 else 110.0
    figure = request.canvas(height)
    colours = _colours(content, table)
    for (name, rows), axes in zip(groups, figure.subplots(1, len(groups), squeeze=False)[0], strict=True):
        title = f"{name}, n = {len(rows)}"
        draw_vowel_chart(axes, rows, rows["label"], colours, limits=limits, title=title, unit=SCALES[scale])
    return figure


def vowel_plate(content: Content) -> Plate | None:
    """Vowel charts of the measured formants, one a group of talkers if it is known; None without formants."""
    table = _measured(content)
    if table is None or table.empty:
        return None
    colours, limits = _colours(content, table), chart_limits(table)
    groups = _by_sex(table)
    known = bool(groups)
    rest = table[~table["sex"].isin(list(_TALKERS))].reset_index(drop=True)
    if len(rest):
        groups.append(("talkers whose sex is not known" if known else "all talkers", rest))
    panels = []
    for position, (group, rows) in enumerate(groups):
        means = rows.groupby("label")[["f1_50", "f2_50"]].mean()
        alt = "; ".join(f"/{v}/ F1 {r['f1_50']:.0f}, F2 {r['f2_50']:.0f} Hz" for v, r in means.iterrows())
        title = f"{group}, n = {len(rows)}"
        figure = vowel_chart_figure(rows, rows["label"], colours, limits=limits, title=title)
        panels.append(make_panel(f"vowels-{position + 1}", figure, f"Vowel chart, {group}: means {alt}."))
    columns = ["token", "label", "sex", *[c for c in content.formants if str(c)[:2] in ("f1", "f2")]]
    missing = "" if known else "The corpus does not say who is a man, a woman or a child."
    return VOWELS.plate(panels, table[columns], missing=missing)


def _measured(content: Content, scale: str = "hz") -> pd.DataFrame | None:
    """Formants of the vowels with both F1 and F2, beside their label, sex and speaker; None without formants."""
    if "f1_50" not in content.formants or "token" not in content.tokens:
        return None
    kept = [name for name in ("token", "label", "sex", "speaker") if name in content.tokens]
    table = content.formants.merge(content.tokens[kept], on="token", how="inner")
    table = scaled_formants(table, scale, table.get("speaker"))
    return table[table[["f1_50", "f2_50"]].notna().all(axis=1)].reset_index(drop=True)


def _by_sex(table: pd.DataFrame) -> Groups:
    """Men, women and children, those that there are."""
    if "sex" not in table:
        return []
    groups = [(name, table[(table["sex"] == sex).fillna(False)]) for sex, name in _TALKERS.items()]
    return [(name, rows.reset_index(drop=True)) for name, rows in groups if len(rows)]


def _colours(content: Content, table: pd.DataFrame) -> dict[str, str]:
    return {label: class_colour(i) for i, label in enumerate(in_order(table["label"], content.labels))}


def _example(axes: Axes) -> None:
    _, tokens = vowels()
    colours = {label: class_colour(i) for i, label in enumerate(tokens["label"].unique())}
    bark = scaled_formants(tokens, "bark")
    draw_vowel_chart(axes, bark, tokens["label"], colours, unit="Bark")


VOWELS = Figure(
    name="vowels",
    says="vowel chart with ellipses and trajectories, in Hz, Bark or Lobanov's z",
    needs="a formant table and the vowel of each row",
    draw=draw_vowel_chart,
    of_run=vowels_of_run,
    example=_example,
    title="The vowels that were spoken",
    caption=(
        "Measured F1 and F2 at the middle of each vowel, ellipses of one standard deviation, and arrows from 20 to "
        "80 % of the vowel’s duration. All charts have the same axes, in Hz."
    ),
    reading=(
        "Both axes are reversed, so that the chart stands as the tongue does: high front vowels top left, low vowels "
        "at the bottom. Dots are tokens; lone dots far from their ellipse are often slips of the formant tracker."
    ),
    choices=("scale",),
    tasks=("phones",),
    height_mm=75,
)
