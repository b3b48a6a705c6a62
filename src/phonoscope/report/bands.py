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


def class_formants(formants: pd.DataFrame, classes: Mapping[str, Any], *, at: int = 50) -> pd.DataFrame:
    """Mean formants of each class over its tokens.

    Parameters
    ----------
    formants : DataFrame
        Formant table: ``token``, ``f1_50, b1_50`` ... in Hz, NaN where missing.
    classes : mapping
        Class of each token; tokens of the table that are not in it take no part.
    at : int
        Where in the token, in percent.

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
            if f"f{k}_{at}" not in members:
                continue
            centre = members[f"f{k}_{at}"].to_numpy(dtype=float, na_value=np.nan)
            measured = np.isfinite(centre)
            if not measured.any():
                continue
            bandwidth = MIN_BANDWIDTH_HZ
            if f"b{k}_{at}" in members:
                given = members[f"b{k}_{at}"].to_numpy(dtype=float, na_value=np.nan)[measured]
                bandwidth = float(np.fmax(given, MIN_BANDWIDTH_HZ).mean())
            mean = float(centre[measured].mean())
            spread = float(centre[measured].std(ddof=1)) if measured.sum() > 1 else float("nan")
            edges = (max(mean - bandwidth / 2, 0.0), mean + bandwidth / 2)
            rows.append((name, f"F{k}", int(measured.sum()), mean, spread, bandwidth, *edges))
    return pd.DataFrame(rows, columns=_COLUMNS)


def mark_formants(axes: Axes, bands: pd.DataFrame, max_hz: float, *, along: str = "y") -> None:
    """Draw a box (mean ± half a bandwidth) and a whisker (± 1 SD over tokens) for each formant in a narrow strip.

    Parameters
    ----------
    axes : Axes
        A strip whose other dimension runs from 0 to 1.
    bands : DataFrame
        Rows of one class, from `class_formants`; formants centred above `max_hz` are left away.
    along : {"y", "x"}
        Which dimension of the strip is frequency.
    """
    from matplotlib.patches import Rectangle

    for row in bands.to_dict("records"):
        if row["mean_hz"] > max_hz:
            continue
        low, high = row["low_hz"], min(row["high_hz"], max_hz)
        box = (0.18, low, 0.4, high - low) if along == "y" else (low, 0.18, high - low, 0.4)
        axes.add_patch(Rectangle(box[:2], box[2], box[3], color=FORMANT_COLOUR, alpha=0.85, linewidth=0))
        if np.isfinite(row["sd_hz"]):
            reach = [max(row["mean_hz"] - row["sd_hz"], 0.0), min(row["mean_hz"] + row["sd_hz"], max_hz)]
            middle = [0.38, 0.38]
            axes.plot(
                *((middle, reach) if along == "y" else (reach, middle)), color=FORMANT_COLOUR, linewidth=1.1, alpha=0.9
            )
        at_label = (0.66, row["mean_hz"]) if along == "y" else (row["mean_hz"], 0.68)
        axes.text(
            *at_label,
            row["formant"],
            fontsize=POINTS - 2,
            color=FORMANT_COLOUR,
            ha="left" if along == "y" else "center",
            va="center" if along == "y" else "bottom",
            clip_on=False,
        )
    if along == "y":
        axes.set_xlim(0, 1)
        axes.set_ylim(0, max_hz)
    else:
        axes.set_ylim(0, 1)
        axes.set_xlim(0, max_hz)
    axes.axis("off")
