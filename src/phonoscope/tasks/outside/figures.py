"""Figures of a model on whole recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.phonetics.stretches import ALL
from phonoscope.report.labels import class_name
from phonoscope.report.plates import Plate, make_panel, panel_name
from phonoscope.report.profiles import profile_limits
from phonoscope.report.recordings import draw_reliability, draw_stretches, draw_time_profile, stretch_limits
from phonoscope.report.style import class_colour, draw_alone, keep_outer_labels, panel_grid
from phonoscope.tasks.content import Content
from phonoscope.tasks.figures.figure import Figure, FigureRequest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_MOST_PHONES = 30  # rows of a panel


def time_profile_of_run(request: FigureRequest) -> Canvas:
    """Importance against time of a class, or of all on common axes."""
    content, table = request.content, request.content.table("time_profiles")
    labels = [label for label in request.labels if len(table) and (table["label"] == label).any()]
    if not labels:
        raise PhonoscopeError("the run holds no profile over time of that; no recording of it was explained")
    across = min(len(labels), 3 if request.columns == 2 or request.width_mm else 1)
    figure = request.canvas(6.0 + 42.0 * -(-len(labels) // across))
    panels = panel_grid(figure, len(labels), across)[:, 0]
    for axes, label in zip(panels, labels, strict=True):
        draw_time_profile(axes, table[table["label"] == label], title=class_name(label), **_time_style(content, label))
    keep_outer_labels(panels, across)
    return figure


def time_plate(content: Content) -> Plate | None:
    """Importance over time, one panel for each class; None if the run has no such profiles."""
    table = content.table("time_profiles")
    panels = []
    for position, label in enumerate(content.labels):
        rows = table[table["label"] == label] if len(table) else table
        if rows.empty:
            continue
        peak = rows.sort_values("mean").iloc[-1]
        figure = draw_alone(3.1, 2.0, draw_time_profile, rows, title=class_name(label), **_time_style(content, label))
        alt = f"Importance against time for {class_name(label)}: highest at {peak['time']:.2f} ({content.time_label})."
        panels.append(make_panel(panel_name("time-profiles", position, label), figure, alt))
    return TIME_PROFILE.plate(panels, table, key="time-profiles") if panels else None


def _time_style(content: Content, label: str) -> dict:
    table = content.table("time_profiles")
    return {
        "last_time": content.last_time,
        "time_label": content.time_label,
        "colour": class_colour(content.labels.index(label)),
        "unit": content.unit,
        "limits": profile_limits(table[table["label"].isin(content.labels)]),
    }


def reliability_of_run(request: FigureRequest) -> Canvas:
    """Confidence beside accuracy."""
    table = request.content.table("reliability")
    if table.empty:
        raise PhonoscopeError("the run holds no calibration: it needs labels and a model that gives probabilities")
    return request.drawn(62.0, draw_reliability, table)


def reliability_plate(content: Content) -> Plate | None:
    """Confidence beside accuracy; None without labels or probabilities."""
    table = content.table("reliability")
    if table.empty:
        return None
    pairs = "; ".join(f"{row['confidence']:.2f}: {row['accuracy']:.2f}" for row in table.to_dict("records"))
    panel = make_panel(
        "reliability", draw_alone(3.3, 2.9, draw_reliability, table), f"Share right by confidence: {pairs}."
    )
    return RELIABILITY.plate(
        [panel], table, width="half", units=f"{int(table['n_units'].max())} {table['unit'].iloc[0]}s"
    )


def stretches_of_run(request: FigureRequest) -> Canvas:
    """How much evidence phones and non-speech carry for their duration, for one class or for all together."""
    rows = _of_class(request.content.table("phones"), ALL if request.label is None else request.label)
    if rows.empty:
        raise PhonoscopeError("the run holds no table of phones: its recordings have no alignment")
    return request.drawn(16.0 + 4.5 * len(rows), draw_stretches, rows)


def stretch_plate(content: Content) -> Plate | None:
    """How much evidence phones and non-speech carry for their duration; None if the recordings have no alignment."""
    table = content.table("phones")
    if table.empty:
        return None
    classes = [label for label in [ALL, *content.labels] if (table["label"] == label).any()]
    classes = classes[1:] if len(classes) == 2 else classes  # one class: the pooled rows would only repeat it
    limits = stretch_limits(pd.concat([_of_class(table, label) for label in classes]))
    panels = []
    for position, label in enumerate(classes):
        rows, name = _of_class(table, label), "all classes" if label == ALL else class_name(label)
        figure = draw_alone(3.2, 0.7 + 0.19 * len(rows), draw_stretches, rows, limits=limits, title=name)
        top = "; ".join(f"{row['phone']} {row['ratio']:.2f}" for row in rows.to_dict("records")[:5])
        panels.append(make_panel(panel_name("phones", position, label), figure, f"Share over time, {name}: {top}."))
    return STRETCHES.plate(panels, table, key="phones", width="half")


def _of_class(table: pd.DataFrame, label: str) -> pd.DataFrame:
    """Rows of a class: non-speech first, then the phones that take most time, the largest ratio first."""
    if table.empty:
        return table
    rows = table[table["label"] == label]
    speech = rows["speech"].astype(bool)
    phones = rows[speech].assign(total=rows["time"] * rows["n"]).nlargest(_MOST_PHONES, "total").drop(columns="total")
    return pd.concat([rows[~speech], phones.sort_values("ratio", ascending=False)], ignore_index=True)


def _time_example(axes: Axes) -> None:
    time = (np.arange(32) + 0.5) / 32
    mean = np.exp(-(((time - 0.4) / 0.15) ** 2))
    table = pd.DataFrame({"time": time, "mean": mean, "low": mean - 0.2, "high": mean + 0.2})
    label, limits = "Share of the recording", (-0.4, 1.4)
    draw_time_profile(axes, table, last_time=1.0, time_label=label, colour="#4477aa", limits=limits)


def _reliability_example(axes: Axes) -> None:
    confidence = np.linspace(0.45, 0.98, 8)
    accuracy = confidence**1.4
    draw_reliability(
        axes,
        pd.DataFrame({"confidence": confidence, "accuracy": accuracy, "low": accuracy - 0.1, "high": accuracy + 0.04}),
    )


def _stretch_example(axes: Axes) -> None:
    rows = [
        ("all non-speech", 0.5, 0.4, 0.6, 0.3, 0.01),
        ("s", 2.1, 1.6, 2.7, 0.1, 0.05),
        ("iː", 1.3, 0.9, 1.8, 0.1, 0.2),
    ]
    columns = ["phone", "ratio", "ratio_low", "ratio_high", "time", "energy"]
    draw_stretches(axes, pd.DataFrame(rows, columns=columns))


TIME_PROFILE = Figure(
    name="time-profile",
    says="importance against time with its interval",
    needs="a profile (time, mean, low, high)",
    draw=draw_time_profile,
    of_run=time_profile_of_run,
    example=_time_example,
    title="When it listens",
    caption="Maps summed over frequency; mean of each class with its 95 % interval.",
    reading=(
        "Where time is a share of the recording, long and short recordings lie on top of each other, so that a word at "
        "different places is smeared. A line that is high before and after the speech says that the background counts."
    ),
    choices=("class",),
    tasks=("outside",),
    height_mm=45,
)
RELIABILITY = Figure(
    name="reliability",
    says="how often a model is right against how sure it is, with intervals",
    needs="a reliability table (confidence, accuracy, low, high)",
    draw=draw_reliability,
    of_run=reliability_of_run,
    example=_reliability_example,
    title="Does it know when it is right?",
    caption="Bins of equally many recordings, with 95 % intervals over {units}. Dashed: confidence equals accuracy.",
    reading="Dots below the dashed line: the model is more sure than it should be. Above it: less.",
    tasks=("outside",),
    height_mm=60,
)
STRETCHES = Figure(
    name="phones",
    says="share of the evidence within each phone and within silence, over the share of time",
    needs="a table of phones of one class (phone, ratio, ratio_low, ratio_high, time, energy)",
    draw=draw_stretches,
    of_run=stretches_of_run,
    example=_stretch_example,
    title="Which phones carry the decision",
    caption=(
        "Share of what speaks for the class within each phone, over its share of time, with 95 % intervals. "
        "Logarithmic axis; 1 is what chance gives. Grey marks: the phone’s share of the energy over its share of time."
    ),
    reading=(
        "A dot right of 1 whose interval does not reach 1: the phone carries more than its duration explains. Where "
        "the grey mark lies there too, its loudness may explain it. All that is no phone stands first: if it carries "
        "much, the model listens to the background or to the channel."
    ),
    choices=("class",),
    tasks=("outside",),
    height_mm=40,
)
