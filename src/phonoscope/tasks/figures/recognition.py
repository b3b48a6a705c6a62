"""How often a network is right, who was taken for whom, whether confusions go one way, and how it was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report.asymmetry import asymmetry_figure, asymmetry_rows, draw_asymmetry
from phonoscope.report.confusions import (
    TRAINING_CURVES,
    accuracy_figure,
    accuracy_rows,
    confusion_figure,
    draw_accuracy,
    draw_confusions,
    draw_training,
    training_figure,
)
from phonoscope.report.labels import class_name
from phonoscope.report.plates import Plate, make_panel
from phonoscope.tasks.content import Content
from phonoscope.tasks.figures.figure import Figure, FigureRequest
from phonoscope.tasks.figures.made_up import confused

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def accuracy_of_run(request: FigureRequest) -> Canvas:
    """Accuracies with intervals beside the baselines."""
    if request.content.tables["accuracy"].empty:
        raise PhonoscopeError("the run holds no accuracies: no tested token has both a true and a predicted class")
    rows = _named(_accuracies(request.content))
    return request.drawn(14.0 + 6.0 * len(rows), draw_accuracy, rows)


def confusions_of_run(request: FigureRequest) -> Canvas:
    """Confusion matrix; with two columns its asymmetries stand beside it."""
    table, labels = request.content.tables["confusions"], request.content.labels
    if table.empty:
        raise PhonoscopeError("the run holds no confusions; run the experiment again")
    height_mm = 16.0 + 12.0 * min(len(labels), 9)
    if request.columns == 1:
        return request.drawn(height_mm, draw_confusions, table, labels)
    figure = request.canvas(height_mm)
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    draw_confusions(left, table, labels)
    draw_asymmetry(right, _asymmetries(request.content))
    return figure


def asymmetry_of_run(request: FigureRequest) -> Canvas:
    """Asymmetries of the confusions beside those of people."""
    rows = _asymmetries(request.content)
    return request.drawn(26.0 + 7.0 * max(len(rows), 2), draw_asymmetry, rows)


def recognition_plates(content: Content) -> list[Plate]:
    """Accuracy beside baselines, the confusion matrix, and its asymmetries; those that the run holds."""
    plates = {"accuracy": _accuracy_plate, "confusions": _confusion_plate, "asymmetry": _asymmetry_plate}
    return [plate(content) for name, plate in plates.items() if not content.tables[name].empty]


def _accuracy_plate(content: Content) -> Plate:
    accuracy, rows = content.tables["accuracy"], _accuracies(content)
    named = _named(rows)
    alt = "; ".join(f"{row['what']} {100 * row['estimate']:.1f} %" for row in named.to_dict("records"))
    units = f"{int(accuracy['n_units'].iloc[0])} {accuracy['unit'].iloc[0]}s"
    return ACCURACY.plate([make_panel("accuracy", accuracy_figure(named), alt)], rows, width="half", units=units)


def _confusion_plate(content: Content) -> Plate:
    table = content.tables["confusions"]
    wrong = table[(table["true"] != table["predicted"]) & (table["count"] > 0)]
    worst = "; ".join(
        f"{class_name(r['true'])} taken for {class_name(r['predicted'])} {r['count']} times"
        for r in wrong.sort_values("count", ascending=False).head(3).to_dict("records")
    )
    alt = f"Confusion matrix of {', '.join(map(class_name, content.labels))}: {worst or 'no errors'}."
    panel = make_panel("confusions", confusion_figure(table, content.labels), alt)
    return CONFUSIONS.plate([panel], table, width="half")


def _asymmetry_plate(content: Content) -> Plate:
    rows = _asymmetries(content)
    pairs = "; ".join(
        f"{class_name(r['label_a'])} for {class_name(r['label_b'])} {r['percent_a_as_b']:.1f} %, "
        f"the other way {r['percent_b_as_a']:.1f} %"
        for r in rows.to_dict("records")
    )
    panel = make_panel("asymmetries", asymmetry_figure(rows), f"Asymmetric confusions: {pairs}.")
    return ASYMMETRY.plate([panel], rows, key="asymmetries", width="half")


def _accuracies(content: Content) -> pd.DataFrame:
    baselines = content.tables["baselines"]
    if baselines.empty:
        baselines = pd.DataFrame(columns=["name", "accuracy"])
    return accuracy_rows(content.tables["accuracy"], baselines, content.labels)


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(what=[class_name(what) for what in rows["what"]])


def _asymmetries(content: Content) -> pd.DataFrame:
    table = content.tables["asymmetry"]
    if table.empty:
        raise PhonoscopeError("no two classes were confused at all, so there is no asymmetry to draw")
    return asymmetry_rows(table)


def _accuracy_example(axes: Axes) -> None:
    rows = [("network", "network", 0.93, 0.88, 0.97), ("LDA on formants", "baseline", 0.9, np.nan, np.nan)]
    rows += [("/i/", "class", 0.97, 0.92, 1.0), ("/u/", "class", 0.85, 0.7, 0.95)]
    draw_accuracy(axes, pd.DataFrame(rows, columns=["what", "kind", "estimate", "low", "high"]))


def _confusions_example(axes: Axes) -> None:
    from phonoscope.phonetics.confusions import confusion_table

    draw_confusions(axes, confusion_table(*confused(), ["i", "æ", "ɑ"]), ["i", "æ", "ɑ"])


def _asymmetry_example(axes: Axes) -> None:
    from phonoscope.phonetics.confusions import asymmetry_table

    draw_asymmetry(axes, asymmetry_rows(asymmetry_table(*confused())))


ACCURACY = Figure(
    name="accuracy",
    says="accuracy of network, classes and baselines with intervals",
    needs="estimates (what, kind, estimate, low, high)",
    draw=draw_accuracy,
    of_run=accuracy_of_run,
    example=_accuracy_example,
    title="How often the network is right",
    caption=(
        "Tokens recognised, with 95 % intervals over {units}. Hollow dots are baselines "
        "that need no network, on the same tokens."
    ),
    reading=(
        "A network has learnt something of its own only where its interval lies clear of the hollow dots. A "
        "hit rate is the share of a class’s own tokens that were recognised."
    ),
    tasks=("phones", "outside"),
    height_mm=38,
)
CONFUSIONS = Figure(
    name="confusions",
    says="confusion matrix with counts and row per cents, and the asymmetries beside those of people",
    needs="a confusion table (true, predicted, count, row_percent)",
    draw=draw_confusions,
    of_run=confusions_of_run,
    example=_confusions_example,
    title="Who was taken for whom",
    caption="Counts of tested tokens and percent of each row.",
    reading=(
        "Rows are what was spoken, columns what the network took it for: the diagonal is right. Compare a cell "
        "with its mirror image across the diagonal to see whether a confusion goes both ways."
    ),
    tasks=("phones", "outside"),
    height_mm=70,
)
ASYMMETRY = Figure(
    name="asymmetry",
    says="pairs of classes confused more one way than the other, beside 20 listeners",
    needs="an asymmetry table",
    draw=draw_asymmetry,
    of_run=asymmetry_of_run,
    example=_asymmetry_example,
    title="Do confusions go one way?",
    caption=(
        "Per cent of a class taken for the other: filled as the arrow says, hollow back; bold lines are "
        "significant (exact test of each pair, Holm). Red, where it is known: 20 listeners to other recordings "
        "(Hillenbrand et al. 1995)."
    ),
    reading=(
        "A long line is a confusion that goes mostly one way. If people err in the same direction, the cause "
        "may lie in the sounds; where only the network does, it lies in the network or its training."
    ),
    tasks=("phones", "outside"),
    height_mm=45,
)


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


def _training_example(axes: Axes) -> None:
    epoch = np.arange(1, 13)
    loss = {"train_loss": 1.6 * 0.75**epoch, "validation_loss": 0.3 + 1.3 * 0.75**epoch}
    draw_training(axes, pd.DataFrame({"epoch": epoch, **loss}), "loss")


TRAINING = Figure(
    name="training",
    says="training curves, one line a fold",
    needs="metrics, one row an epoch",
    draw=draw_training,
    of_run=training_of_run,
    example=_training_example,
    title="Training",
    caption="Loss and accuracy after each epoch, one line a fold; validation accuracy is balanced over the classes.",
    reading="The epoch that was kept is the best one on the validation tokens; test tokens play no part.",
    tasks=("phones",),
    height_mm=50,
)
