"""How far maps deserve belief: one measure over all methods, and the benchmark of planted cues."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report.evidence_figures import draw_measure
from phonoscope.report.printed import print_figure
from phonoscope.report.style import dress
from phonoscope.report.truth import draw_truth
from phonoscope.tasks.figures.figure import Figure, FigureRequest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def methods_of_run(request: FigureRequest) -> Canvas:
    """Agreement of every method with filtering, beside chance between and within classes; the report has the others."""
    from phonoscope.evidence.measures import describe_measure
    from phonoscope.tasks.evidence_section import read_evidence

    evidence = read_evidence(request.content)
    if evidence is None:
        folder = request.content.run.folder
        raise PhonoscopeError(f"nobody has judged its methods yet; run: phonoscope evidence {folder}")
    name = "causal-agreement"
    if name not in evidence.measures:
        raise PhonoscopeError(f"this evidence holds no {name}; run phonoscope evidence without --measures, or name it")
    about = describe_measure(name)
    figure = request.canvas(20.0 + 5.0 * len(evidence.methods))
    axes = figure.subplots()
    draw_measure(axes, evidence.rows_of(name), evidence.methods, lines=(0.0,))
    dress(axes, title=about.title, x=about.units)
    return figure


def _methods_example(axes: Axes) -> None:
    rows = pd.DataFrame({"method": ["cam", "gradient", "occlusion"], "value": [0.6, 0.2, 0.8]})
    rows = rows.assign(low=rows["value"] - 0.1, high=rows["value"] + 0.1, chance=0.05, same_class=[0.45, 0.1, 0.3])
    draw_measure(axes, rows, ["occlusion", "cam", "gradient"], lines=[0.0])
    dress(axes, x="agreement with band-stop (rank correlation)")


METHODS = Figure(
    name="methods",
    says="one measure of evidence over all methods, with chance between and within classes",
    needs="a measure (method, value, low, high, chance, same_class)",
    draw=draw_measure,
    of_run=methods_of_run,
    example=_methods_example,
    tasks=("phones", "outside"),
    height_mm=40,
)


def truth_of_run(request: FigureRequest) -> Canvas:
    """Method × question table of the benchmark; the run itself plays no part."""
    from phonoscope.evidence.planted_results import answers_by_distance, planted_answer_table, planted_results

    table = answers_by_distance(planted_results(), planted_answer_table())
    figure = print_figure(22.0 + 4.6 * len(table), columns=2, width_mm=request.width_mm)
    draw_truth(figure.subplots(), table)
    return figure


def _truth_example(axes: Axes) -> None:
    scores = pd.DataFrame(
        {"which band": [1.0, 0.9, 0.5], "exact band": [0.7, 0.4, 0.1]}, index=["band-stop", "cam", "random"]
    )
    draw_truth(axes, scores)


TRUTH = Figure(
    name="truth",
    says="scores of each method (rows) on each question (columns) where the truth is known, from 0 to 1",
    needs="a table of scores (method × question), such as the benchmark that comes with phonoscope",
    draw=draw_truth,
    of_run=truth_of_run,
    example=_truth_example,
    height_mm=45,
)
