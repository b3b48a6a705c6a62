"""The vowel chart: measured F2 against F1, both axes reversed, as phoneticians draw it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.report.style import INK, MUTED, PAPER, POINTS, draw_alone, dress, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEWEST_FOR_ELLIPSE = 3
_DOTS_SHOWN = 150  # a class; more only darkens the cloud and swells the file
_AIR = 0.06


def chart_limits(formants: pd.DataFrame, *, lowest: float = 0.0) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits of F2 and F1, highest first since both axes are reversed; none below `lowest`.

    All but the most extreme 1 % of the measurements lie inside: a slip of the tracker must not squeeze the vowels.
    """
    limits = []
    for column in ("f2_50", "f1_50"):
        values = formants[column].to_numpy(dtype=float, na_value=np.nan)
        values = values[np.isfinite(values)]
        low, high = np.percentile(values, [0.5, 99.5]) if len(values) else (0.0, 1.0)
        air = _AIR * (high - low) or 50.0
        limits.append((float(high + air), float(max(low - air, lowest))))
    return limits[0], limits[1]


def sd_ellipse(x: np.ndarray, y: np.ndarray, points: int = 73) -> np.ndarray:
    """Ellipse one standard deviation around the mean: ndarray (points, 2), closed, in the units of x and y.

    Its points ``p`` have Mahalanobis distance 1: ``(p - m)ᵀ C⁻¹ (p - m) = 1`` with the covariance ``C`` (n - 1).

    Parameters
    ----------
    x, y : ndarray (token,)
    points : int
        Of the outline.
    """
    values, vectors = np.linalg.eigh(np.cov(x, y))
    angle = np.linspace(0, 2 * np.pi, points)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    shape = vectors @ (np.sqrt(np.maximum(values, 0.0))[:, None] * circle)
    return shape.T + np.array([np.mean(x), np.mean(y)])


def draw_vowel_chart(
    axes: Axes,
    formants: pd.DataFrame,
    labels: pd.Series,
    colours: Mapping[str, str],
    *,
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
    title: str = "",
    unit: str = "Hz",
) -> None:
    """Draw tokens, 1-SD ellipses, the vowel's letter at its mean, and an arrow from 20 % to 80 % of the vowel.

    Parameters
    ----------
    axes : Axes
    formants : DataFrame
        ``f1_50, f2_50`` and, for the arrows, ``f1_20, f2_20, f1_80, f2_80``, Hz; NaN where missing.
    labels : Series
        Vowel of each row, same order.
    colours : mapping
        Colour of each vowel; vowels without one take no part.
    limits : ((F2 high, low), (F1 high, low)), optional
        The same for charts that are compared.
    title : str
        Small, in the lower left corner.
    unit : str
        Of the formants, see `phonoscope.report.vowel_scales`.
    """
    names = labels.to_numpy(dtype=object)
    for name, colour in colours.items():
        members = formants[names == name]
        x, y = members[["f2_50", "f1_50"]].dropna().to_numpy(dtype=float).T
        if not len(x):
            continue
        spaced = np.unique(np.linspace(0, len(x) - 1, min(len(x), _DOTS_SHOWN)).round().astype(int))
        axes.plot(x[spaced], y[spaced], ".", color=colour, markersize=2.5, alpha=0.4, linewidth=0, rasterized=True)
        if len(x) >= FEWEST_FOR_ELLIPSE:
            axes.plot(*sd_ellipse(x, y).T, color=colour, linewidth=1.3)
        track = _mean_track(members)
        if track is not None:
            arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.3, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", xy=track[1], xytext=track[0], arrowprops=arrow)
        behind = {"boxstyle": "round,pad=0.08", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.7}
        look: dict[str, Any] = {"fontsize": POINTS + 6, "color": INK, "ha": "center", "va": "center", "bbox": behind}
        axes.text(float(x.mean()), float(y.mean()), plain(name), **look)
    lowest = -np.inf if unit == "z" else 0.0
    f2, f1 = chart_limits(formants, lowest=lowest) if limits is None else limits
    axes.set_xlim(*f2)
    axes.set_ylim(*f1)
    dress(axes, x=f"F2 ({unit})", y=f"F1 ({unit})")
    axes.xaxis.set_label_position("top")
    axes.xaxis.tick_top()
    axes.yaxis.set_label_position("right")
    axes.yaxis.tick_right()
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("top", "right"))
    if title:
        axes.text(0.01, 0.01, plain(title), transform=axes.transAxes, fontsize=POINTS, color=MUTED, ha="left")


def vowel_chart_figure(
    formants: pd.DataFrame,
    labels: pd.Series,
    colours: Mapping[str, str],
    *,
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
    title: str = "",
) -> Figure:
    """A vowel chart of its own; parameters as in `draw_vowel_chart`.

    Parameters
    ----------
    formants, labels, colours, limits
        As in `draw_vowel_chart`.
    title : str
    """
    return draw_alone(3.7, 3.3, draw_vowel_chart, formants, labels, colours, limits=limits, title=title)


def _mean_track(members: pd.DataFrame) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Mean (F2, F1) at 20 % and at 80 % over tokens where all four were measured."""
    columns = ["f2_20", "f1_20", "f2_80", "f1_80"]
    if not set(columns) <= set(members):
        return None
    values = members[columns].to_numpy(dtype=float, na_value=np.nan)
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values):
        return None
    f2, f1, later_f2, later_f1 = values.mean(axis=0).tolist()
    return (f2, f1), (later_f2, later_f1)
