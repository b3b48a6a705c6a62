"""Importance against frequency: class-mean profiles with their band, beside energy, chance and formants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report import style
from phonoscope.report.bands import mark_formants

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def chance_profile(profiles: pd.DataFrame) -> pd.DataFrame:
    """Mean profile over the tokens of all classes: what the map of a token looks like when its class is not known.

    Parameters
    ----------
    profiles : DataFrame
        ``label, frequency, mean, n`` of the maps' class profiles, all on the same cells.

    Returns
    -------
    DataFrame
        ``frequency, mean``: every class weighs as many tokens as it has.
    """
    weighted = profiles.assign(weighted=profiles["mean"] * profiles["n"]).groupby("frequency", sort=True)
    return (weighted["weighted"].sum() / weighted["n"].sum()).rename("mean").reset_index()


def draw_profile(
    axes: Axes,
    profile: pd.DataFrame,
    *,
    max_hz: float,
    colour: str,
    chance: pd.DataFrame | None = None,
    energy: pd.DataFrame | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """Draw the mean profile of one class with its band; marks show where the network's cells are.

    Parameters
    ----------
    axes : Axes
    profile : DataFrame
        ``frequency`` (Hz), ``mean, low, high`` (logits): one class.
    max_hz : float
        Upper end of the frequency axis.
    colour : str
        Of the profile and its band.
    chance : DataFrame, optional
        From `chance_profile`; a dashed line.
    energy : DataFrame, optional
        ``frequency, mean`` (dB above the floor): a grey area from the panel's foot, stretched to its height, since only
        its shape can be compared.
    limits : (low, high), optional
        Logits at the foot and the top of the panel.

    Raises
    ------
    PhonoscopeError
        If the profile has no finite point.
    """
    profile = profile.sort_values("frequency")
    mean = profile["mean"].to_numpy(dtype=float)
    if not np.isfinite(mean).any():
        raise PhonoscopeError("this profile has no finite value: there is nothing to draw")
    frequency = profile["frequency"].to_numpy(dtype=float)
    foot, top = limits if limits is not None else profile_limits(profile)
    if energy is not None and len(energy):
        energy = energy.sort_values("frequency")
        level = energy["mean"].to_numpy(dtype=float)
        peak = float(np.nanmax(level))
        if peak > 0:
            height = foot + 0.92 * (top - foot) * level / peak
            grey: dict[str, Any] = {"color": style.FAINT, "alpha": 0.35, "linewidth": 0}
            axes.fill_between(energy["frequency"], foot, height, label="energy", **grey)
    axes.axhline(0, color=style.RULE, linewidth=0.8)
    if chance is not None:
        axes.plot(
            chance["frequency"], chance["mean"], color=style.MUTED, linewidth=1.1, linestyle=(0, (4, 2)), label="chance"
        )
    low, high = profile["low"].to_numpy(dtype=float), profile["high"].to_numpy(dtype=float)
    if np.isfinite(low).any():
        axes.fill_between(frequency, low, high, color=colour, alpha=0.25, linewidth=0, label="interval")
    axes.plot(frequency, mean, "o-", color=colour, linewidth=1.6, markersize=2.6, label="importance")
    axes.set_xlim(0, max_hz)
    axes.set_ylim(foot, top)
    style.dress(axes, x="Frequency (Hz)", y="Importance (summed logit)")


def profile_limits(profiles: pd.DataFrame) -> tuple[float, float]:
    """Limits in logits that hold all means and bands and the zero line, with a little air; never of zero height."""
    values = profiles[["mean", "low", "high"]].to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    low, high = min(0.0, float(values.min(initial=0.0))), max(0.0, float(values.max(initial=0.0)))
    air = 0.06 * (high - low) or 1.0
    return low - air, high + air


def profile_legend(*, formants: bool = True) -> Figure:
    """Legend of `profile_figure`, with or without formants."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    mean = Line2D([], [], color=style.ACCENT, marker="o", markersize=3, linewidth=1.6, label="mean of the class, 95 %")
    chance = Line2D([], [], color=style.MUTED, linestyle=(0, (4, 2)), linewidth=1.1, label="mean of all classes")
    energy = Patch(color=style.FAINT, alpha=0.35, linewidth=0, label="energy (its shape)")
    boxes = Patch(color=style.FORMANT_COLOUR, alpha=0.85, linewidth=0, label="formants")
    return style.legend_figure([mean, chance, energy, *([boxes] if formants else [])])


def draw_under_formants(
    strip: Axes, axes: Axes, profile: pd.DataFrame, bands: pd.DataFrame, *, title: str, max_hz: float, **options: Any
) -> None:
    """Draw the profile of one class under a strip with its formants.

    Parameters
    ----------
    strip, axes : Axes
        For the formants and for the profile.
    profile, bands : DataFrame
        Of one class: its profile, and its formants from `class_formants`.
    title : str
    max_hz, **options
        As in `draw_profile`.
    """
    strip.set_title(style.plain(title), fontsize=style.POINTS + 1, color=style.INK, loc="left")
    mark_formants(strip, bands, max_hz, along="x")
    draw_profile(axes, profile, max_hz=max_hz, **options)


def profile_figure(profile: pd.DataFrame, bands: pd.DataFrame, *, unit: str, **options: Any) -> Figure:
    """Profile of one class under a strip with its formants, in a figure of its own.

    Parameters
    ----------
    profile, bands, **options
        As in `draw_under_formants`.
    unit : str
        Of the maps.
    """
    figure = style.new_figure(3.5, 2.55)
    strip, axes = figure.subplots(2, 1, height_ratios=[1, 6.5], sharex=True)
    draw_under_formants(strip, axes, profile, bands, **options)
    style.dress(axes, x="Frequency (Hz)", y=f"Importance (summed {unit})")
    return figure
