"""Figure of territories: that of the network, and of American vowels, random weights and a linear twin beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report.labels import class_name
from phonoscope.report.plates import Plate, make_panel
from phonoscope.report.style import LEGEND, class_colour, draw_alone, legend_figure, panel_grid
from phonoscope.report.territories import draw_territory, territory_legend
from phonoscope.scales import bark_to_hz, hz_to_bark
from phonoscope.tasks.content import Content
from phonoscope.tasks.figures.figure import Figure, FigureRequest
from phonoscope.tasks.perceive.names import LINEAR, NETWORK, OWN_VOWELS, RANDOM
from phonoscope.tasks.perceive.territory_sentences import group_of_talkers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

TITLES = {NETWORK: "the network", LINEAR: "a linear twin", RANDOM: "random weights"}


class _Map(NamedTuple):
    """One map: its key, what stands above it, the share of places of each answer, and what `draw_territory` takes."""

    key: str
    title: str
    places: pd.DataFrame
    options: dict[str, Any]


def planes_of(content: Content) -> list[str]:
    """The planes whose territories a run sought, as ``f1,f2``."""
    table = content.table("territory")
    return list(table["plane"].unique()) if len(table) else []


def territory_of_run(request: FigureRequest) -> Canvas:
    """The maps of every plane of a run: the network and what stands beside it."""
    content = request.content
    maps = [each for plane in planes_of(content) for each in _maps(content, plane)]
    if not maps:
        raise PhonoscopeError("the run sought no territory; ask for one: phonoscope perceive RUN --territory f1,f2")
    figure = request.canvas(8.0 + 60.0 * -(-len(maps) // 2))
    colours = _colours(content)
    for axes, each in zip(panel_grid(figure, len(maps), 2)[:, 0], maps, strict=True):
        draw_territory(axes, each.places, colours=colours, title=each.title, **each.options)
    handles = territory_legend(colours, {label: class_name(label) for label in colours})
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), **LEGEND)
    return figure


def territory_plate(content: Content, plane: str) -> Plate:
    """The maps of one plane on a page.

    Parameters
    ----------
    content
        Of the run.
    plane
        As ``f1,f2``.
    """
    colours, panels = _colours(content), []
    for each in _maps(content, plane):
        figure = draw_alone(3.4, 2.9, draw_territory, each.places, colours=colours, title=each.title, **each.options)
        name = f"territory-{plane.replace(',', '-')}-{each.key}"
        panels.append(make_panel(name, figure, _alt(each, plane)))
    handles = territory_legend(colours, {label: class_name(label) for label in colours})
    legend = make_panel(f"territory-{plane.replace(',', '-')}-legend", legend_figure(handles), "Colours of the answers")
    table = content.table("territory")
    names = " and ".join(plane.upper().split(","))
    return TERRITORY.plate(
        panels, table[table["plane"] == plane], key=f"territory-{plane.replace(',', '-')}", legend=legend,
        width="medium", plane=names,
    )  # fmt: skip


def _maps(content: Content, plane: str) -> list[_Map]:
    cues = plane.split(",")
    places, lines, own = (_of(content.table(name), plane) for name in ("territory", "territory_lines", OWN_VOWELS))
    vowels = own.rename(columns={cues[0]: "first_hz", cues[1]: "second_hz"}) if len(own) else None

    def by(name: str) -> _Map:
        options = {"plane": cues, "lines": lines[lines["who"] == name] if len(lines) else None, "vowels": vowels}
        return _Map(name, TITLES[name], places[places["who"] == name], options)

    maps = [by(name) for name in TITLES if (places["who"] == name).any()]
    people = _of(content.table("territory_people"), plane)
    if len(people):
        agreements = _of(content.table("agreement"), plane)
        group = group_of_talkers(content.tokens, agreements[agreements["who"] == NETWORK])
        published, means = (_of(content.table(name), plane) for name in ("people_lines", "people_vowels"))
        options = {
            "plane": cues,
            "lines": published[published["group"] == group] if len(published) else None,
            "vowels": means[means["group"] == group],
        }
        maps.insert(1, _Map("people", f"American {group}", people[people["group"] == group], options))
    return maps


def _of(table: pd.DataFrame, plane: str) -> pd.DataFrame:
    return table[table["plane"] == plane] if "plane" in table else table


def _colours(content: Content) -> dict[str, str]:
    return {label: class_colour(position) for position, label in enumerate(content.labels)}


def _alt(each: _Map, plane: str) -> str:
    shares = each.places["answer"].replace("", np.nan).value_counts(normalize=True)
    told = ", ".join(f"{class_name(label)} {100 * share:.0f} %" for label, share in shares.head(6).items())
    return f"Territories in the plane of {' and '.join(plane.upper().split(','))}, {each.title}: {told} of the places."


def _example(axes: Axes) -> None:
    f1, f2 = (bark_to_hz(np.linspace(*hz_to_bark(np.array(ends)), 21)) for ends in ((250.0, 900.0), (700.0, 3000.0)))
    first, second = (plane.ravel() for plane in np.meshgrid(f1, f2, indexing="ij"))
    front, low = hz_to_bark(second) - 11.5, 2 * (hz_to_bark(first) - 5.8)
    logits = np.stack([front - low, -front - low, low + 0 * front], axis=1)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    places = pd.DataFrame({"first_hz": first, "second_hz": second, "share": shares.max(axis=1),
                           "answer": np.array(["i", "u", "ɑ"])[shares.argmax(axis=1)]})  # fmt: skip
    places = places[places["second_hz"] - places["first_hz"] >= 200]
    vowels = pd.DataFrame({"class": ["i", "u", "ɑ"], "first_hz": [300.0, 330.0, 760.0],
                           "second_hz": [2500.0, 1000.0, 1300.0], "first_sd": 30.0, "second_sd": 120.0})  # fmt: skip
    colours = {label: class_colour(position) for position, label in enumerate(["i", "u", "ɑ"])}
    draw_territory(axes, places, colours=colours, vowels=vowels)


TERRITORY = Figure(
    name="territory",
    says="which answer is given where in the plane of two formants",
    needs="rows of one plane and one listener of the table ``territory``",
    draw=draw_territory,
    of_run=territory_of_run,
    example=_example,
    title="Territories in the plane of {plane}",
    caption=(
        "Every token was moved to every place of the plane of {plane}, and counts where it was measured. Colour: the "
        "most frequent answer, the fuller, the more answers it is. Lines: where two answers are equally frequent. "
        "Letters, dots and ellipses (one standard deviation): the tokens as they were spoken; for American talkers, "
        "means and standard deviations of Hillenbrand et al. (1995), and the vowel that lies nearest."
    ),
    reading=(
        "A vowel chart: F2 from right to left, F1 downwards, both on Bark scales. If the network hears vowels by these "
        "formants, each letter lies in its own colour and the borders run as those of people. Where borders run "
        "elsewhere, something decides that stayed where it was: another formant, F0, or what a vowel sounds like "
        "beside its formants. White places hold no stimulus: there the two formants would meet."
    ),
    tasks=("perceive",),
)
