"""Figures of a perception experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report.labels import class_name
from phonoscope.report.perception import draw_cue_weights, draw_identification
from phonoscope.report.plates import Plate, make_panel, panel_name
from phonoscope.report.style import class_colour, draw_alone, keep_outer_labels, panel_grid
from phonoscope.tasks.content import Content
from phonoscope.tasks.figures.figure import Figure, FigureRequest
from phonoscope.tasks.perceive.examples import sounds_of
from phonoscope.tasks.perceive.sentences import cue_name, is_reached

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def identification_of_run(request: FigureRequest) -> Canvas:
    """Curves of a class, or of all, one panel for each cue."""
    curves = request.content.table("curves")
    pairs = [
        (label, cue) for label in request.labels for cue in curves["cue"].unique() if len(_rows(curves, label, cue))
    ]
    if not pairs:
        raise PhonoscopeError("no token of that class was asked about")
    across = min(curves["cue"].nunique(), 3)
    figure = request.canvas(6.0 + 44.0 * -(-len(pairs) // across))
    panels = panel_grid(figure, len(pairs), across)[:, 0]
    for axes, (label, cue) in zip(panels, pairs, strict=True):
        draw_identification(axes, _rows(curves, label, cue), title=class_name(label), **_style(request.content, cue))
    keep_outer_labels(panels, across)
    return figure


def identification_plate(content: Content) -> Plate:
    """Identification curves, one panel for each class and cue."""
    curves, panels = content.table("curves"), []
    for position, label in enumerate(content.labels):
        for cue in curves["cue"].unique():
            rows = _rows(curves, label, cue)
            if rows.empty:
                continue
            title = f"{class_name(label)}, {cue_name(cue)}"
            figure = draw_alone(3.1, 2.3, draw_identification, rows, title=title, **_style(content, cue))
            name = panel_name(f"identification-{cue}", position, label)
            panels.append(make_panel(name, figure, _alt(rows, label, cue), sounds=sounds_of(content, label, cue)))
    return IDENTIFICATION.plate(panels, curves)


def cue_weights_of_run(request: FigureRequest) -> Canvas:
    """Weights of the cues for a class, or for all."""
    weights = request.content.table("weights")
    labels = [label for label in request.labels if len(weights) and (weights["class"] == label).any()]
    if not labels:
        raise PhonoscopeError("the experiment holds no cue weights: its cues could not be told apart")
    across = min(len(labels), 2)
    figure = request.canvas(6.0 + 34.0 * -(-len(labels) // across))
    panels = panel_grid(figure, len(labels), across)[:, 0]
    for axes, label in zip(panels, labels, strict=True):
        rows = weights[weights["class"] == label]
        draw_cue_weights(axes, rows, names=_cue_names(rows), title=class_name(label))
    return figure


def cue_weights_plate(content: Content) -> Plate | None:
    """Weights of the cues, one panel for each class; None where there are none."""
    weights, panels = content.table("weights"), []
    for position, label in enumerate(content.labels):
        rows = weights[weights["class"] == label] if len(weights) else weights
        if rows.empty:
            continue
        figure = draw_alone(3.1, 0.8 + 0.28 * len(rows), draw_cue_weights, rows, names=_cue_names(rows),
                            title=class_name(label))  # fmt: skip
        heaviest = rows.iloc[int(np.argmax(rows["weight"].abs()))]
        alt = f"Cue weights for {class_name(label)}: the largest is that of {cue_name(heaviest['cue'])}."
        panels.append(make_panel(panel_name("cue-weights", position, label), figure, alt))
    return CUE_WEIGHTS.plate(panels, weights) if panels else None


def _rows(curves: pd.DataFrame, label: str, cue: str) -> pd.DataFrame:
    return curves[(curves["class"] == label) & (curves["cue"] == cue)]


def _cue_names(rows: pd.DataFrame) -> dict[str, str]:
    return {cue: cue_name(cue) for cue in rows["cue"]}


def _style(content: Content, cue: str) -> dict[str, Any]:
    labels = content.labels
    return {
        "colours": {label: class_colour(position) for position, label in enumerate(labels)},
        "names": {label: class_name(label) for label in labels},
        "cue": cue_name(cue),
        "reached": is_reached(cue),
    }


def _alt(rows: pd.DataFrame, label: str, cue: str) -> str:
    if "value" in rows:
        known = rows[rows["value"].notna()].sort_values("step").to_dict("records")
        ends = [f"{each['value']:.3g} at {each['step']:g}" for each in (known[0], known[-1])] if known else []
        return f"{class_name(label)} along {cue_name(cue)}: {' to '.join(ends) or 'no stimulus could be made'}."
    known = rows[rows["share"].notna()]
    own = known[known["label"] == label].sort_values("step")
    if own.empty:
        return f"No stimulus of {class_name(label)} could be made along {cue_name(cue)}."
    first, last = own.iloc[0], own.iloc[-1]
    moved = "" if is_reached(cue) else " moved"
    return (
        f"{class_name(label)} with {cue_name(cue)}{moved} from {first['step']:g} to {last['step']:g} "
        f"{first['step_unit']}: answered so in {100 * first['share']:.0f} % to {100 * last['share']:.0f} % of tokens."
    )


def _identification_example(axes: Axes) -> None:
    steps = np.linspace(-600, 600, 7)
    falling = 1 / (1 + np.exp((steps + 250) / 120))
    table = pd.concat([
        pd.DataFrame({"label": label, "step": steps, "step_unit": "Hz", "share": share,
                      "low": np.clip(share - 0.1, 0, 1), "high": np.clip(share + 0.1, 0, 1)})
        for label, share in (("i", 1 - falling), ("u", falling))
    ])  # fmt: skip
    colours = {"i": class_colour(0), "u": class_colour(1)}
    draw_identification(axes, table, colours=colours, names={"i": "/i/", "u": "/u/"}, cue="F2", title="/i/")


def _cue_weights_example(axes: Axes) -> None:
    cues = ["f1", "f2", "f3"]
    table = pd.DataFrame({"cue": cues, "weight": [-0.3, 2.1, 0.4], "low": [-0.6, 1.7, 0.1], "high": [0.0, 2.5, 0.7]})
    draw_cue_weights(axes, table, names={"f1": "F1", "f2": "F2", "f3": "F3"}, title="/i/")


IDENTIFICATION = Figure(
    name="identification",
    says="what the tokens of a class are called along the steps of a cue",
    needs="rows of one class and cue of ``identification_curves``",
    draw=draw_identification,
    of_run=identification_of_run,
    example=_identification_example,
    title="Identification curves",
    caption="What the network calls the tokens of a class when one cue is moved, all else left as it was recorded.",
    reading=(
        "At 0 the tokens are as they were recorded. A curve that falls says that the class is lost as the cue moves; "
        "the one that rises says what is heard instead. Bands are 95 % intervals over speakers or recordings and "
        "trainings. To hear: one token as it was recorded and moved to both ends, each with what the network calls it."
    ),
    choices=("class",),
    tasks=("perceive",),
)
CUE_WEIGHTS = Figure(
    name="cue-weights",
    says="how much each cue moves the decision for a class",
    needs="rows of one class of ``cue_weights``",
    draw=draw_cue_weights,
    of_run=cue_weights_of_run,
    example=_cue_weights_example,
    title="Cue weights",
    caption="Change of the log odds of a class as a cue rises by one standard deviation of what the talkers do.",
    reading=(
        "A cue right of the line speaks for the class as it rises, left of it against it; one whose interval crosses "
        "the line has no certain weight. All cues are weighed together, on the values measured in the stimuli."
    ),
    choices=("class",),
    tasks=("perceive",),
    height_mm=34.0,
)
