"""The look of every figure: inks, palettes, and SVG that follows a page's light or dark theme.

Figures are plain `matplotlib.figure.Figure` objects; nothing here touches pyplot.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from phonoscope.errors import PhonoscopeError

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

# Inks that a page may recolour: in the SVG each becomes a CSS variable that falls back to the value given here.
INK, MUTED, RULE, FAINT, PAPER, ACCENT = "#1b2126", "#59636b", "#d3d8dc", "#a3abb2", "#fefefd", "#2f6f8f"
_VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", FAINT: "--faint", PAPER: "--paper", ACCENT: "--mark"}

# Tol (2021), "bright": distinct under the common forms of colour blindness, on light and on dark paper.
CLASS_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
FORMANT_COLOUR = "#d1495b"
OVER_MAPS = "#20282e"  # lines over pictures, which are light on every paper

DISPLAY_PALETTE = "gray_r"  # what a phonetician looks at: white is low, black is high
INPUT_PALETTE = "bone_r"  # what the network got: same order, a colder tint
SIGNED_PALETTE = "RdBu_r"  # red speaks for the class, blue against it, white is nothing
COUNT_PALETTE = "Blues"

POINTS = 8.0  # size of ordinary text in figures, as drawn at 96 dots an inch
SVG_DOTS_PER_INCH = 160  # of the parts that are pixels (spectrograms, maps)
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": POINTS - 1, "labelcolor": INK}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure on transparent paper; width and height in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0.0)
    return figure


def dress(axes: Axes, *, title: str = "", x: str = "", y: str = "", title_colour: str = INK) -> None:
    """Give axes the house style: thin lines, small type, and labels that say quantity and unit.

    Parameters
    ----------
    axes : Axes
    title, x, y : str
        Nothing where empty.
    title_colour : str
    """
    axes.set_facecolor("none")
    for name, spine in axes.spines.items():
        spine.set(color=MUTED, linewidth=0.7, visible=name in ("left", "bottom"))
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=POINTS - 1, width=0.7, length=3)
    if title:
        axes.set_title(plain(title), fontsize=POINTS + 1, color=title_colour, loc="left", pad=5)
    if x:
        axes.set_xlabel(plain(x), fontsize=POINTS, color=INK)
    if y:
        axes.set_ylabel(plain(y), fontsize=POINTS, color=INK)


def dress_rows(axes: Axes, names: Sequence[object], *, x: str) -> None:
    """Name the rows 0, 1, … of axes from top to bottom, and rule them against what lies along x.

    Parameters
    ----------
    axes : Axes
    names : sequence
        Of the rows.
    x : str
        Quantity and unit along x.
    """
    axes.grid(axis="x", color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    dress(axes, x=x)
    axes.set_yticks(range(len(names)), [plain(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=POINTS)


def frame(axes: Axes, colour: str | None = None, width: float | None = None) -> None:
    """Draw all four spines, in a colour and width if they are given.

    Parameters
    ----------
    axes : Axes
    colour : str, optional
    width : float, optional
        Points.
    """
    for spine in axes.spines.values():
        spine.set(visible=True, **{k: v for k, v in {"color": colour, "linewidth": width}.items() if v is not None})


def draw_estimate(
    axes: Axes, row: float, value: float, span: tuple[float, float], *, colour: str, filled: bool = True
) -> None:
    """Draw a dot with its interval in a row.

    Parameters
    ----------
    axes : Axes
    row : float
        Where along y.
    value : float
    span : (low, high)
        Interval; NaN where there is none.
    colour : str
    filled : bool
        Whether the dot is; hollow otherwise.
    """
    if all(map(math.isfinite, span)):
        axes.plot(span, [row, row], color=colour, linewidth=1.6)
    axes.plot(value, row, "o", markersize=5.5, color=colour, markerfacecolor=colour if filled else PAPER)


def dress_bar(bar: Colorbar, label: str) -> None:
    """Give a colour bar the house style and its unit."""
    bar.set_label(label, fontsize=POINTS, color=INK)
    bar.ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=POINTS - 1, width=0.7, length=3)
    bar.outline.set_visible(False)


def plain(text: object) -> str:
    """Text that matplotlib shows as it is: a dollar sign in a label starts no formula."""
    return str(text).replace("$", r"\$")


def draw_alone(width: float, height: float, draw: Callable[..., Any], *data: Any, **options: Any) -> Figure:
    """Return a figure of one pair of axes, drawn by a function that takes them, then data and options.

    Parameters
    ----------
    width, height : float
        Inches.
    draw : function
        ``draw(axes, *data, **options)``.
    *data, **options
        As `draw` takes them.
    """
    figure = new_figure(width, height)
    draw(figure.subplots(), *data, **options)
    return figure


def panel_grid(figure: Figure, count: int, across: int, heights: Sequence[float] = (1.0,), **options: Any) -> Any:
    """Return the axes of panels in a grid, ndarray (panel, axes); places that are left over are hidden.

    Parameters
    ----------
    figure : Figure
    count, across : int
        Panels in all, and in a row.
    heights : sequence of float
        Of the axes that stand above one another in a panel.
    **options
        Of `Figure.subplots`.
    """
    down = -(-count // across)
    grid = figure.subplots(len(heights) * down, across, squeeze=False, height_ratios=[*heights] * down, **options)
    panels = grid.reshape(down, -1, across).swapaxes(1, 2).reshape(down * across, -1)
    for axes in panels[count:].flat:
        axes.set_visible(False)
    return panels[:count]


def keep_outer_labels(panels: Sequence[Axes], across: int) -> None:
    """Name the quantities of a grid of panels, `across` in a row, only below its columns and left of its rows."""
    for position, axes in enumerate(panels):
        lowest = position + across >= len(panels)
        axes.set_xlabel(axes.get_xlabel() if lowest else "")
        axes.set_ylabel("" if position % across else axes.get_ylabel())
        axes.tick_params(labelbottom=lowest)


def class_colour(position: int) -> str:
    """Colour of the class at this position in the run's order."""
    return CLASS_COLOURS[position % len(CLASS_COLOURS)]


def legend_figure(handles: Sequence[Artist]) -> Figure:
    """Return a figure that holds nothing but a legend of the labelled artists given."""
    figure = new_figure(2.0 * min(2, len(handles)), 0.24 * -(-len(handles) // 2) + 0.06)
    look: dict[str, Any] = LEGEND | {"fontsize": POINTS, "borderpad": 0, "handlelength": 1.8, "columnspacing": 1.6}
    legend = figure.legend(handles=handles, loc="center left", ncols=2, **look)
    legend.set_in_layout(False)
    return figure


def to_svg(figure: Figure, name: str) -> str:
    """Turn a figure into an SVG document.

    Letters are drawn as outlines, so that IPA looks the same wherever the file is opened. The same figure and name give
    the same bytes. Identifiers carry `name`, so that several figures can stand in one page.

    Parameters
    ----------
    figure : Figure
    name : str
        Letters, digits and ``_-``: unique among the figures of a page.

    Raises
    ------
    PhonoscopeError
        If the name has other characters, which would break references inside the SVG.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise PhonoscopeError(
            f"a figure is called {name!r}; expected letters without accents, digits, '_' and '-' only"
        )
    buffer = io.StringIO()
    dpi = figure.dpi
    figure.set_dpi(SVG_DOTS_PER_INCH)
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": name}):
        # `Figure.savefig` would draw everything twice
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": "phonoscope"})
    figure.set_dpi(dpi)
    document = re.sub(r"<!--.*?-->", "", buffer.getvalue(), flags=re.DOTALL)
    document = re.sub(r'\bid="', f'id="{name}-', document)
    document = re.sub(r'((?:xlink:)?href)="#', rf'\1="#{name}-', document)
    document = document.replace("url(#", f"url(#{name}-")
    for colour, variable in _VARIABLES.items():
        document = re.sub(rf"(fill|stroke): {colour}", rf"\1: var({variable}, {colour})", document)
    return document


def data_address(kind: str, content: bytes) -> str:
    """Address (``data:``) that holds content of a MIME type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def inline_svg(document: str, alt: str) -> str:
    """Strip an SVG document to the element that HTML embeds: it shrinks with the page and is described by `alt`.

    The result is markup: `alt` is escaped here.
    """
    from markupsafe import escape

    element = document[document.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    opening = re.match(r"<svg[^>]*>", element)
    viewed = re.search(r'viewBox="([^"]+)"', element)
    if opening is None or viewed is None:
        raise PhonoscopeError("this is no SVG drawn by phonoscope: it has no viewBox")
    width = float(viewed.group(1).split()[2]) * 96 / 72
    attributes = (
        f'viewBox="{viewed.group(1)}" role="img" aria-label="{escape(alt)}" '
        f'style="width:100%;max-width:{width:.0f}px" xmlns:xlink="http://www.w3.org/1999/xlink"'
    )
    return f"<svg {attributes}>{element[opening.end() :]}".strip()
