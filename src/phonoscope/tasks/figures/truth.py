"""How well methods find planted cues: the benchmark that comes with phonoscope."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from phonoscope.report.printed import print_figure
from phonoscope.report.truth import draw_truth
from phonoscope.tasks.figures.figure import Figure, FigureRequest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def truth_of_run(request: FigureRequest) -> Canvas:
    """Method × cue table of the benchmark; the run itself plays no part."""
    from phonoscope.evidence.planted_results import by_cue, planted_results

    table = by_cue(planted_results())
    figure = print_figure(22.0 + 4.6 * len(table), columns=2, width_mm=request.width_mm)
    draw_truth(figure.subplots(), table)
    return figure


def _example(axes: Axes) -> None:
    scores = pd.DataFrame({"f2": [0.7, 0.4, 0.1], "hum": [0.9, 0.6, 0.0]}, index=["band-stop", "cam", "gradient"])
    draw_truth(axes, scores)


TRUTH = Figure(
    name="truth",
    says="how well methods find planted cues: methods × cues, 0 is chance and 1 all",
    needs="a table of scores (method × cue), such as the benchmark that comes with phonoscope",
    draw=draw_truth,
    of_run=truth_of_run,
    example=_example,
    height_mm=45,
)
