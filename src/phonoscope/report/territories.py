"""Territory maps on the vowel chart: which answer is given where in the plane of two formants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.report.style import INK, MUTED, PAPER, POINTS, dress, plain
from phonoscope.report.vowel_chart import FEWEST_FOR_ELLIPSE, sd_ellipse
from phonoscope.scales import hz_to_bark

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_MOST_TICKS = 5  # side by side
_TICKS = (250, 350, 500, 700, 900, 1200, 1600, 2000, 2500, 3000, 3500, 4000, 4500)
_FAINTEST, _FULLEST = 0.08, 0.78  # opacity of a place where no, or every answer is the one it is coloured by


def draw_territory(
    axes: Axes,
    places: pd.DataFrame,
    *,
    colours: Mapping[str, str],
    plane: Sequence[str] = ("f1", "f2"),
    lines: pd.DataFrame | None = None,
    vowels: pd.DataFrame | None = None,
    title: str = "",
) -> None:
    """Draw the most frequent answer at every place, as a vowel chart is drawn: F2 from right to left, F1 downwards.

    Both axes are Bark scales with Hz written along them. A place is the fuller, the more of its answers are the one
    that it is coloured by.

    Parameters
    ----------
    axes : Axes
    places : DataFrame
        One row a place: ``first_hz, second_hz``, the most frequent ``answer`` and its ``share``; places lie equally far
        apart in Bark, and those without a row stay empty.
    colours : mapping
        Colour of each answer.
    plane : sequence of str
        Names of the first and second formant.
    lines : DataFrame, optional
        Borders: ``line`` (number), ``first_hz, second_hz``, a row a point.
    vowels : DataFrame, optional
        Vowels as they were spoken: ``class, first_hz, second_hz``, a row a token; or a row a class, with ``first_sd,
        second_sd``, its standard deviations.
    title : str
        Above the picture.
    """
    upright = plane[0] != "f2"  # F2 lies along x wherever it is one of both
    x_name, y_name = ("second", "first") if upright else ("first", "second")
    edges, size, at = {}, {}, {}
    for name in (x_name, y_name):
        bark = hz_to_bark(places[f"{name}_hz"].to_numpy(dtype=float))
        step = _step(bark)
        at[name] = np.round((bark - bark.min()) / step).astype(int)
        size[name] = int(at[name].max()) + 1
        edges[name] = (bark.min() - step / 2, bark.max() + step / 2)
    picture = np.zeros((size[y_name], size[x_name], 4))
    picture[at[y_name], at[x_name]] = [
        _colour(colours.get(str(answer)), share)
        for answer, share in zip(places["answer"], places["share"], strict=True)
    ]
    (left, right), (bottom, top) = edges[x_name], edges[y_name]
    axes.imshow(picture, extent=(left, right, bottom, top), origin="lower", aspect="auto", interpolation="nearest")
    if lines is not None:
        for _, path in lines.groupby("line", sort=False):
            x, y = (hz_to_bark(path[f"{name}_hz"].to_numpy(dtype=float)) for name in (x_name, y_name))
            axes.plot(x, y, color=INK, linewidth=0.9)
    if vowels is not None:
        _draw_vowels(axes, vowels, colours, (x_name, y_name))
    names = {"first": plane[0].upper(), "second": plane[1].upper()}
    reversed_x, reversed_y = names[x_name] == "F2", names[y_name] == "F1"
    axes.set_xlim((right, left) if reversed_x else (left, right))
    axes.set_ylim((top, bottom) if reversed_y else (bottom, top))
    dress(axes, title=title, x=f"{names[x_name]} (Hz)", y=f"{names[y_name]} (Hz)")
    for axis, ends in ((axes.xaxis, (left, right)), (axes.yaxis, (bottom, top))):
        ticks = [hertz for hertz in _TICKS if ends[0] <= hz_to_bark(float(hertz)) <= ends[1]]
        few = ticks[:: 1 + (len(ticks) - 1) // _MOST_TICKS] if axis is axes.xaxis else ticks
        axis.set_ticks(hz_to_bark(np.array(few, dtype=float)), [str(hertz) for hertz in few])
    if reversed_y:
        axes.xaxis.set_label_position("top")
        axes.xaxis.tick_top()
    if reversed_x:
        axes.yaxis.set_label_position("right")
        axes.yaxis.tick_right()
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("top" if reversed_y else "bottom", "right" if reversed_x else "left"))


def territory_legend(colours: Mapping[str, str], names: Mapping[str, str]) -> list[Artist]:
    """Coloured squares that say which answer has which colour.

    Parameters
    ----------
    colours, names : mapping
        Colour and printed name of each answer.
    """
    from matplotlib.patches import Patch

    return [Patch(facecolor=colour, alpha=_FULLEST, label=plain(names[name])) for name, colour in colours.items()]


def _draw_vowels(axes: Axes, vowels: pd.DataFrame, colours: Mapping[str, str], across: tuple[str, str]) -> None:
    """Tokens as dots, one standard deviation as an ellipse, the vowel's letter at its mean; all in Bark."""
    angle = np.linspace(0, 2 * np.pi, 73)
    for name in colours:
        rows = vowels[vowels["class"] == name]
        hertz = rows[[f"{each}_hz" for each in across]].to_numpy(dtype=float)
        x, y = hz_to_bark(hertz[np.isfinite(hertz).all(axis=1)]).T
        if not len(x):
            continue
        outline = None
        if f"{across[0]}_sd" in rows:
            sd = rows[[f"{each}_sd" for each in across]].to_numpy(dtype=float)
            outline = hz_to_bark(hertz[0] + sd[0] * np.stack([np.cos(angle), np.sin(angle)], axis=1))
        else:
            axes.plot(x, y, "o", color=colours[name], markeredgecolor=INK, markeredgewidth=0.5, markersize=3.2, lw=0)
            outline = sd_ellipse(x, y) if len(x) >= FEWEST_FOR_ELLIPSE else None
        if outline is not None:
            axes.plot(*outline.T, color=MUTED, linewidth=0.8)
        behind = {"boxstyle": "round,pad=0.1", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.75}
        look: dict[str, Any] = {"fontsize": POINTS + 3, "color": INK, "ha": "center", "va": "center", "bbox": behind}
        axes.text(float(x.mean()), float(y.mean()), plain(name), **look)


def _colour(colour: str | None, share: float) -> tuple[float, ...]:
    from matplotlib.colors import to_rgba

    if colour is None or not np.isfinite(share):
        return (0.0, 0.0, 0.0, 0.0)
    return to_rgba(colour, _FAINTEST + (_FULLEST - _FAINTEST) * float(np.clip(share, 0.0, 1.0)))


def _step(bark: np.ndarray) -> float:
    """Distance of neighbouring places."""
    apart = np.diff(np.unique(np.round(bark, 6)))
    return float(apart.min()) if len(apart) else 1.0
