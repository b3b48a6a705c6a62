"""Coherence of every layer of a run's network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phonoscope.report.geometry import draw_layers
from phonoscope.report.style import INK, POINTS
from phonoscope.tasks.figures.figure import Figure, FigureRequest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def layers_of_run(request: FigureRequest) -> Canvas:
    """Coherence of every layer of the run's network."""
    from phonoscope.layer_geometry.table import geometry

    table = geometry(request.content.run.classifier(), layers="all")
    figure = request.canvas(75.0)
    axes = figure.subplots()
    draw_layers(axes, table, "mu_avg")
    axes.legend(frameon=False, fontsize=POINTS - 1, labelcolor=INK)
    return figure


def _example(axes: Axes) -> None:
    from phonoscope.layer_geometry.table import geometry
    from phonoscope.networks import build_network

    table = geometry(build_network("compact", 5), layers="all", null_draws=5)
    draw_layers(axes, table, "mu_avg")


LAYERS = Figure(
    name="layers",
    says="coherence of every layer beside random weights, residual connections marked",
    needs="a table of geometry, one row a layer",
    draw=draw_layers,
    of_run=layers_of_run,
    example=_example,
    height_mm=75,
)
