"""Where the formants of a class lie: mean, spread and bandwidth over its tokens, and how figures mark them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.report.style import FORMANT_COLOUR, POINTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMANTS = (1, 2, 3, 4)
MIN_BANDWIDTH_HZ = 50.0  # as in the shares: a band is never drawn narrower than it was counted
_COLUMNS = ["class", "formant", "n", "mean_hz", "sd_hz", "bandwidth_hz", "low_hz", "high_hz"]


def class_formants(formants: pd.DataFrame, classes: Mapping[str, Any]) -> pd.DataFrame:
    """Mean formants of each class over its tokens.

    Parameters
    ----------
    formants : DataFrame
        Formant table: ``token``, ``f1_50, b1_50`` ... in Hz, NaN where missing.
    classes : mapping
        Class of each token; tokens of the table that are not in it take no part.

    Returns
    -------
    DataFrame
        ``class, formant`` ("F1"), ``n`` tokens in which it was found, ``mean_hz, sd_hz`` over tokens, ``bandwidth_hz``
        (mean), ``low_hz, high_hz`` (mean ± half the bandwidth). Formants found in no token have no row.
    """
    of_token = formants["token"].map(dict(classes))
    rows = []
    for name in dict.fromkeys(of_token.dropna()):
        members = formants[(of_token == name).to_numpy(dtype=bool)]
        for k in FORMANTS:
            columns = [f"f{k}_50", f"b{k}_50"]
            measured = members.reindex(columns=columns).astype(float).dropna(subset=columns[0])
            if measured.empty:
                continue
            centre, given = measured.to_numpy().T
            bandwidth = float(np.fmax(given, MIN_BANDWIDTH_HZ).mean())
            mean, spread = float(centre.mean()), float(measured[columns[0]].std())
            edges = (max(mean - bandwidth / 2, 0.0), mean + bandwidth / 2)
            rows.append((name, f"F{k}", len(measured), mean, spread, bandwidth, *edges))
    return pd.DataFrame(rows, columns=_COLUMNS)


def mark_formants(axes: Axes, bands: pd.DataFrame, max_hz: float, *, along: str = "y") -> None:
    """Draw a box (mean ± half a bandwidth) and a whisker (± 1 SD over tokens) for each formant in a narrow strip.

    Parameters
    ----------
    axes : Axes
        A strip whose other dimension runs from 0 to 1.
    bands : DataFrame
        Rows of one class, from `class_formants`; formants centred above `max_hz` are left away.
    max_hz : float
        Upper end of the frequency axis; boxes and whiskers are cut there.
    along : {"y", "x"}
        Which dimension of the strip is frequency.
    """
    from matplotlib.patches import Rectangle

    upright = along == "y"

    def at(across: Any, hz: Any) -> tuple[Any, Any]:
        return (across, hz) if upright else (hz, across)

    look: dict[str, Any] = {"ha": "left", "va": "center"} if upright else {"ha": "center", "va": "bottom"}
    for row in bands[bands["mean_hz"] <= max_hz].to_dict("records"):
        low, high, mean, sd = row["low_hz"], min(row["high_hz"], max_hz), row["mean_hz"], row["sd_hz"]
        box = Rectangle(at(0.18, low), *at(0.4, high - low), color=FORMANT_COLOUR, alpha=0.85, linewidth=0)
        axes.add_patch(box)
        if np.isfinite(sd):
            reach = [max(mean - sd, 0.0), min(mean + sd, max_hz)]
            axes.plot(*at([0.38, 0.38], reach), color=FORMANT_COLOUR, linewidth=1.1, alpha=0.9)
        label = at(0.66 if upright else 0.68, mean)
        axes.text(*label, row["formant"], fontsize=POINTS - 2, color=FORMANT_COLOUR, clip_on=False, **look)
    x_limits, y_limits = at((0, 1), (0, max_hz))
    axes.set_xlim(x_limits)
    axes.set_ylim(y_limits)
    axes.axis("off")
