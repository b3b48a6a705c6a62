"""Importance against frequency, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report.labels import class_name
from phonoscope.report.plates import Plate, make_panel, panel_name
from phonoscope.report.profiles import (
    chance_profile,
    draw_profile,
    draw_under_formants,
    profile_figure,
    profile_legend,
    profile_limits,
)
from phonoscope.report.style import LEGEND, class_colour, keep_outer_labels, panel_grid
from phonoscope.tasks.content import Content
from phonoscope.tasks.figures.figure import Figure, FigureRequest
from phonoscope.tasks.figures.made_up import made_up_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_IN_PRINT = {"chance": "mean of all classes", "interval": "95 %", "importance": "mean of the class"}


def profile_of_run(request: FigureRequest) -> Canvas:
    """Profile of a class, or of all classes on common axes."""
    content = request.content
    classes = _profiles(content, request.labels)
    if not classes:
        raise PhonoscopeError("the run holds no profile of that; no token of it was tested")
    across = min(len(classes), 3 if request.columns == 2 or request.width_mm else 1)
    figure = request.canvas(6.0 + 50.0 * -(-len(classes) // across))
    panels = panel_grid(figure, len(classes), across, heights=(1, 6), sharex=True)
    for of_class, (strip, axes) in zip(classes.values(), panels, strict=True):
        draw_under_formants(strip, axes, **of_class)
        axes.set_ylabel(f"Importance ({content.unit})")
    keep_outer_labels(panels[:, 1], across)
    handles, names = panels[0, 1].get_legend_handles_labels()
    names = [_IN_PRINT.get(name, name) for name in names]
    figure.legend(handles, names, loc="outside lower center", ncols=min(4, 2 * across), **LEGEND)
    return figure


def profile_plate(content: Content) -> Plate | None:
    """Profiles of the classes on common axes; None when the run holds none."""
    classes = _profiles(content, content.labels)
    if not classes:
        return None
    panels = []
    for label, of_class in classes.items():
        peak = of_class["profile"].sort_values("mean").iloc[-1]
        alt = (
            f"Importance against frequency for {class_name(label)}: highest at {peak['frequency']:.0f} Hz with "
            f"{peak['mean']:.2f} {content.unit}, {int(peak['n'])} tokens."
        )
        name = panel_name("profiles", content.labels.index(label), label)
        panels.append(make_panel(name, profile_figure(**of_class, unit=content.unit), alt))
    without = [class_name(label) for label in content.labels if label not in classes]
    table = content.tables["profiles"]
    of_maps, legend = table[table["source"] == "map"], profile_legend(formants=len(content.bands) > 0)
    return PROFILE.plate(
        panels,
        table,
        key="profiles",
        missing=f"No tested token: {', '.join(without)}." if without else "",
        legend=make_panel("profiles-legend", legend, "Legend of the profiles."),
        units=f"{int(of_maps['n_units'].max())} {of_maps['unit'].iloc[0]}s",
    )


def _profiles(content: Content, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What `draw_under_formants` draws of each class that has a profile; on common axes."""
    table = content.tables["profiles"]
    if table.empty:
        return {}
    of_maps, of_energy = table[table["source"] == "map"], table[table["source"] == "energy"]
    common = {"max_hz": content.max_hz, "chance": chance_profile(of_maps), "limits": profile_limits(of_maps)}
    return {
        label: {
            "profile": of_maps[of_maps["label"] == label],
            "bands": content.bands_of(label),
            "energy": of_energy[of_energy["label"] == label],
            "title": class_name(label),
            "colour": class_colour(content.labels.index(label)),
            **common,
        }
        for label in labels
        if (of_maps["label"] == label).any()
    }


def _profile_example(axes: Axes) -> None:
    frequency = 250.0 + 500.0 * np.arange(8)
    mean = made_up_map().sum("time").values
    table = pd.DataFrame({"frequency": frequency, "mean": mean, "low": mean - 0.4, "high": mean + 0.4})
    chance = pd.DataFrame({"frequency": frequency, "mean": np.linspace(3, 0.5, 8)})
    energy = pd.DataFrame({"frequency": frequency, "mean": np.linspace(40, 10, 8)})
    draw_profile(axes, table, max_hz=4000, colour="#4477aa", chance=chance, energy=energy)


PROFILE = Figure(
    name="profile",
    says="importance against frequency with its interval, chance, energy and formants",
    needs="a profile (frequency, mean, low, high)",
    draw=draw_profile,
    of_run=profile_of_run,
    example=_profile_example,
    title="The mean profile of each class",
    caption=(
        "Maps summed over time; mean of each class with its 95 % interval over {units}. "
        "Dashed: the mean over all classes, which is what chance gives when the class is not known. Grey: the class’s "
        "mean energy, stretched to the panel."
    ),
    reading=(
        "What makes a class is where its line leaves the dashed one by more than its band. A line that follows the "
        "grey area only says that the network looks where there is sound. Red boxes are the formants (mean ± half a "
        "bandwidth), whiskers ± 1 SD over tokens; dots on the line are the network’s cells, and nothing is known "
        "between them."
    ),
    choices=("class",),
    tasks=("phones", "outside"),
    height_mm=50,
)
