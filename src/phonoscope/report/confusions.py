"""Who was taken for whom, and how often the network is right beside what needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def confusion_matrix(confusions: pd.DataFrame, labels: Sequence[str], values: str = "count") -> np.ndarray:
    """Square matrix of one column of the confusion table: ndarray (true, predicted) in the order of `labels`.

    Parameters
    ----------
    confusions : DataFrame
        ``true, predicted`` and the column of values, tidy.
    labels : sequence of str
        Order of the classes.
    values : str
        Which column.
    """
    pairs = pd.MultiIndex.from_product([labels, labels])
    column = confusions.set_index(["true", "predicted"])[values].reindex(pairs)
    return column.to_numpy(dtype=float).reshape(len(labels), len(labels))


def draw_confusions(axes: Axes, confusions: pd.DataFrame, labels: Sequence[str]) -> None:
    """Draw the confusion matrix: shade and second line are percent of the row, the first line is the count.

    Parameters
    ----------
    axes : Axes
    confusions : DataFrame
        ``true, predicted, count, row_percent``, tidy.
    labels : sequence of str
        Order of the classes, top to bottom and left to right.
    """
    import matplotlib

    counts = np.nan_to_num(confusion_matrix(confusions, labels))
    percent = confusion_matrix(confusions, labels, "row_percent")
    edges = np.arange(len(labels) + 1)
    shades = np.nan_to_num(percent)
    palette = matplotlib.colormaps[style.COUNT_PALETTE]
    axes.pcolormesh(edges, edges, shades, cmap=palette, vmin=0, vmax=100, edgecolors=style.RULE, linewidth=0.6)
    for row in range(len(labels)):
        for column in range(len(labels)):
            dark = sum(palette(shades[row, column] / 100)[:3]) < 1.6
            known = np.isfinite(percent[row, column])
            count = counts[row, column]
            # empty cells stay quiet, so that the errors are what is seen
            shown = (f"{count:.0f}\n{percent[row, column]:.1f} %" if count else "0") if known else "–"
            colour = "white" if dark else "#202020" if count else "#8a949c"
            size = style.POINTS - (0.5 if len(labels) <= 6 else 2.5)
            axes.text(column + 0.5, row + 0.5, shown, ha="center", va="center", fontsize=size, color=colour)
    axes.set_xlim(0, len(labels))
    axes.set_ylim(len(labels), 0)
    axes.set_xticks(edges[:-1] + 0.5, [style.plain(label) for label in labels])
    axes.set_yticks(edges[:-1] + 0.5, [style.plain(label) for label in labels])
    style.dress(axes, x="taken for", y="spoken")
    axes.tick_params(length=0, labelsize=style.POINTS + 3)
    for spine in axes.spines.values():
        spine.set_visible(False)


def confusion_figure(confusions: pd.DataFrame, labels: Sequence[str]) -> Figure:
    """A confusion matrix of its own; parameters as in `draw_confusions`."""
    side = min(6.5, 1.1 + 0.62 * len(labels))
    return style.draw_alone(side + 0.3, side, draw_confusions, confusions, labels)


def accuracy_rows(accuracy: pd.DataFrame, baselines: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """What the accuracy figure shows, top to bottom: the network, the baselines, then the hit rate of every class.

    Parameters
    ----------
    accuracy : DataFrame
        From `accuracy_table`: ``measure, label, estimate, low, high``.
    baselines : DataFrame
        ``name, accuracy``.
    labels : sequence of str
        Order of the classes.

    Returns
    -------
    DataFrame
        ``what, kind`` ("network", "baseline", "class"), ``estimate, low, high`` between 0 and 1, NaN where unknown.
    """
    numbers = ["estimate", "low", "high"]
    parts = [
        accuracy[accuracy["measure"] == measure].assign(what=f"network, {measure}", kind="network")
        for measure in ("accuracy", "balanced accuracy")
    ]
    ordered = baselines.sort_values("accuracy", ascending=False)
    parts.append(
        ordered.assign(what=ordered["name"], kind="baseline", estimate=ordered["accuracy"], low=np.nan, high=np.nan)
    )
    hits = accuracy[accuracy["measure"] == "hit rate"]
    parts += [hits[hits["label"] == label].assign(what=label, kind="class") for label in labels]
    rows = pd.concat([part[["what", "kind", *numbers]] for part in parts if len(part)], ignore_index=True)
    return rows.astype(dict.fromkeys(numbers, float))


def draw_accuracy(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw dots with intervals in percent: filled for the network and its classes, hollow for the baselines."""
    for position, row in enumerate(rows.to_dict("records")):
        filled = row["kind"] != "baseline"
        estimate, low, high = (100 * row[name] for name in ("estimate", "low", "high"))
        colour = style.ACCENT if filled else style.MUTED
        style.draw_estimate(axes, position, estimate, (low, high), colour=colour, filled=filled)
    kinds = rows["kind"].to_numpy()
    for position in np.flatnonzero(kinds[1:] != kinds[:-1]):
        axes.axhline(position + 0.5, color=style.RULE, linewidth=0.7)
    axes.set_xlim(0, 102)
    style.dress_rows(axes, rows["what"].tolist(), x="tokens recognised (%)")


def accuracy_figure(rows: pd.DataFrame) -> Figure:
    """Accuracy, baselines and hit rates in one figure; `rows` from `accuracy_rows`."""
    return style.draw_alone(4.4, 0.75 + 0.25 * max(len(rows), 2), draw_accuracy, rows)


TRAINING_CURVES = {
    "loss": (("train_loss", "validation_loss"), "loss (cross-entropy)", 1.0),
    "accuracy": (("train_accuracy", "validation_balanced_accuracy"), "accuracy (%)", 100.0),
}


def draw_training(axes: Axes, training: pd.DataFrame, what: str = "loss") -> None:
    """Draw loss or accuracy against epochs, one thin line a fold; `training` as of `training_figure`.

    Parameters
    ----------
    axes : Axes
    training : DataFrame
        See `training_figure`.
    what : {"loss", "accuracy"}
    """
    pair, label, scale = TRAINING_CURVES[what]
    folds = training.groupby("fold") if "fold" in training else [(0, training)]
    for position, (_, fold) in enumerate(folds):
        for column, colour, name in zip(pair, (style.ACCENT, "#ee6677"), ("training", "validation"), strict=True):
            if column in fold and fold[column].notna().any():
                look: dict[str, Any] = {"color": colour, "markersize": 2.2, "linewidth": 1.1, "alpha": 0.85}
                axes.plot(fold["epoch"], scale * fold[column], "o-", label=None if position else name, **look)
    style.dress(axes, x="epoch", y=label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(**style.LEGEND)


def training_figure(training: pd.DataFrame) -> Figure:
    """Training curves: loss (left) and accuracy (right) against epochs, one thin line a fold.

    Parameters
    ----------
    training : DataFrame
        ``epoch, train_loss, train_accuracy, validation_loss, validation_balanced_accuracy`` and, if there are several,
        ``fold``; NaN where nothing was kept for validation.
    """
    figure = style.new_figure(6.4, 2.2)
    for axes, what in zip(figure.subplots(1, 2), TRAINING_CURVES, strict=True):
        draw_training(axes, training, what)
    return figure
