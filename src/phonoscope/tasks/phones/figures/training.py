"""Training curves of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report.confusions import TRAINING_CURVES, draw_training, training_figure
from phonoscope.report.plates import Plate, make_panel
from phonoscope.tasks.content import Content
from phonoscope.tasks.figures.figure import Figure, FigureRequest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def training_of_run(request: FigureRequest) -> Canvas:
    """Training curves: loss, and beside (or below) it accuracy."""
    if request.content.training.empty:
        raise PhonoscopeError("there are no training curves: the classifier was trained elsewhere")
    wide = request.columns == 2
    figure = request.canvas(55.0 if wide else 95.0)
    for axes, what in zip(figure.subplots(*((1, 2) if wide else (2, 1))), TRAINING_CURVES, strict=True):
        draw_training(axes, request.content.training, what)
    return figure


def training_plate(content: Content) -> Plate | None:
    """Training curves; None for a classifier that was trained elsewhere."""
    training = content.training
    if training.empty:
        return None
    last = training.groupby("fold").last() if "fold" in training else training.tail(1)
    alt = f"Training curves; last training loss {float(last['train_loss'].mean()):.3f}."
    return TRAINING.plate([make_panel("training", training_figure(training), alt)], training, width="medium")


def _example(axes: Axes) -> None:
    epoch = np.arange(1, 13)
    loss = {"train_loss": 1.6 * 0.75**epoch, "validation_loss": 0.3 + 1.3 * 0.75**epoch}
    draw_training(axes, pd.DataFrame({"epoch": epoch, **loss}), "loss")


TRAINING = Figure(
    name="training",
    says="training curves, one line a fold",
    needs="metrics, one row an epoch",
    draw=draw_training,
    of_run=training_of_run,
    example=_example,
    title="Training",
    caption="Loss and accuracy after each epoch, one line a fold; validation accuracy is balanced over the classes.",
    reading="The epoch that was kept is the best one on the validation tokens; test tokens play no part.",
    task="phones",
    height_mm=50,
)
