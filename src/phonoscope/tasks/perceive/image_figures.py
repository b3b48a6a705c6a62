"""Figure of classification images: what random changes of sounds say of where answers rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report.classification import draw_classification_image
from phonoscope.report.labels import class_name, file_slug
from phonoscope.report.plates import Panel, Plate, make_panel
from phonoscope.report.style import draw_alone, dress_bar, new_figure, panel_grid
from phonoscope.tasks.content import Content
from phonoscope.tasks.figures.figure import Figure, FigureRequest
from phonoscope.tasks.perceive.names import NETWORK, PEOPLE
from phonoscope.tasks.perceive.territory_figures import TITLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

WHO = TITLES | {PEOPLE: "people"}
_PAIR = ["label", "against"]


def classification_images_of_run(request: FigureRequest) -> Canvas:
    """Images of the network, a panel for each pair of answers, or for those of one class."""
    content = request.content
    images = content.table("images")
    if images.empty:
        raise PhonoscopeError("the run holds no classification image; ask for one: perceive RUN --bubbles 20000")
    own = images[images["who"] == NETWORK]
    if request.label is not None:
        own = own[(own["label"] == request.label) | (own["against"] == request.label)]
    groups = list(own.groupby(_PAIR, sort=False))
    if not groups:
        raise PhonoscopeError(f"there is no image of {request.label} against another answer")
    across = min(len(groups), 2)
    figure = request.canvas(10.0 + 44.0 * -(-len(groups) // across))
    limit = float(own["weight"].abs().max())
    panels = panel_grid(figure, len(groups), across)[:, 0]
    for axes, (pair, rows) in zip(panels, groups, strict=True):
        image = draw_classification_image(axes, rows, limit=limit, **_options(content, pair))
    dress_bar(figure.colorbar(image, ax=list(panels), location="bottom", shrink=0.8, aspect=30), "logits per dB")
    return figure


def classification_plate(content: Content) -> Plate | None:
    """Images on a page: the network, and what stands beside it, a row a pair of answers; None where there are none.

    Parameters
    ----------
    content
        Of the run.
    """
    images = content.table("images")
    if images.empty:
        return None
    panels, clusters, strengths = [], content.table("image_clusters"), content.table("image_strengths")
    own = strengths[strengths["who"] == NETWORK].sort_values("strength", ascending=False)
    limit = float(images.loc[images["who"] == NETWORK, "weight"].abs().max())
    for place, (label, against) in enumerate(zip(own["label"], own["against"], strict=True)):
        rows = images[(images["label"] == label) & (images["against"] == against)]
        for who in (name for name in WHO if (rows["who"] == name).any()):
            if who not in (NETWORK, PEOPLE) and place:
                continue
            options = _options(content, (label, against))
            title = f"{options.pop('title')}: {WHO[who]}"
            scale = limit if who != PEOPLE else None  # people differ in how sure they are
            cells = rows[rows["who"] == who]
            figure = draw_alone(2.9, 2.7, draw_classification_image, cells, limit=scale, title=title, **options)
            name = f"classification-image-{len(panels) + 1}-{file_slug(label)}-{file_slug(against)}-{who}"
            panels.append(make_panel(name, figure, _alt(clusters, (label, against), who)))
    return CLASSIFICATION_IMAGE.plate(panels, images, legend=_legend(), limit=f"{limit:.3f}")


def _options(content: Content, pair: Any) -> dict[str, Any]:
    label, against = map(str, pair)
    bands = content.bands
    return {
        "title": f"{class_name(label)} against {class_name(against)}",
        "formants": content.bands_of(label) if len(bands) else None,
        "against": content.bands_of(against) if len(bands) else None,
        "max_hz": content.max_hz,
    }


def _legend() -> Panel:
    from matplotlib.cm import ScalarMappable

    figure = new_figure(2.6, 0.55)
    bar = figure.colorbar(ScalarMappable(cmap="RdBu_r"), cax=figure.subplots(), orientation="horizontal")
    bar.set_ticks([0.0, 0.5, 1.0], labels=["for the second", "0", "for the first"])
    dress_bar(bar, "energy there speaks")
    return make_panel(
        "classification-image-legend", figure, "Red: energy speaks for the first answer; blue: for the second"
    )


def _alt(clusters: pd.DataFrame, pair: Any, who: str) -> str:
    label, against = map(class_name, pair)
    title = f"Classification image of {label} against {against}, {WHO[who]}"
    own = clusters
    if len(own):
        own = own[(own["who"] == who) & (own["label"] == pair[0]) & (own["against"] == pair[1])]
    if own.empty:
        return f"{title}: no cluster is outlined."
    told = [
        f"energy at {row['low_hz']:.0f} to {row['high_hz']:.0f} Hz speaks for {label if row['sign'] > 0 else against}"
        for row in own.sort_values("cells", ascending=False).head(4).to_dict("records")
    ]
    return f"{title}: {'; '.join(told)}."


def _example(axes: Axes) -> None:
    hertz, times = np.linspace(200.0, 4000.0, 14), (np.arange(6) + 0.5) / 6
    frequency, time = (plane.ravel() for plane in np.meshgrid(hertz, times, indexing="ij"))
    middle = np.exp(-(((time - 0.4) / 0.3) ** 2))
    bumps = np.exp(-(((frequency - 2500) / 400) ** 2)) - np.exp(-(((frequency - 1400) / 350) ** 2))
    weight = 0.02 * middle * bumps
    cells = pd.DataFrame({"frequency_hz": frequency, "time": time, "weight": weight,
                          "cluster": np.select([weight > 0.008, weight < -0.008], [1, 2], 0)})  # fmt: skip
    draw_classification_image(axes, cells, title="/i/ against /u/")


CLASSIFICATION_IMAGE = Figure(
    name="classification-image",
    says="which cells of Hz and time move an answer, by random changes",
    needs="rows of one pair of answers of the table ``images``",
    draw=draw_classification_image,
    of_run=classification_images_of_run,
    example=_example,
    title="Classification images",
    caption=(
        "Change of the log odds of the first answer against the second for 1 dB more energy in a cell: red for the "
        "first, blue for the second, at most {limit} logits per dB. Outlined: clusters that answers shuffled within "
        "tokens reach in fewer than 5 % of cases. Right and left of the picture: mean F1 to F3 of the first and of the "
        "second vowel. Random weights and the linear twin answered the same trials and have the network’s colours; "
        "they stand beside the pair that was moved most."
    ),
    reading=(
        "Nobody told the method where formants are: every trial raises and lowers all cells at random, and a logistic "
        "regression finds which of them the answers follow. A network that hears a formant has red where the first "
        "vowel has it and blue where the second does, often with the opposite colour beside it: what counts is where "
        "the energy lies, not how much there is. Random weights must be blank on this scale."
    ),
    choices=("class",),
    tasks=("perceive",),
)
