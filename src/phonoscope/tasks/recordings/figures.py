"""Figures of tasks on whole recordings: accuracies of networks, learning curves, band shares beside their null."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phonoscope.report.confusions import accuracy_figure
from phonoscope.report.style import FAINT, LEGEND, MUTED, RULE, class_colour, dress, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def network_figure(
    accuracy: pd.DataFrame, baselines: pd.DataFrame, networks: Sequence[str]
) -> tuple[Figure, pd.DataFrame, str]:
    """Balanced accuracy of every network with its interval, and of the baselines.

    Parameters
    ----------
    accuracy : DataFrame
        From ``accuracy_table``, with ``network``.
    baselines : DataFrame
        ``name, balanced_accuracy``.
    networks : sequence of str
        Their order, from top to bottom.

    Returns
    -------
    figure, data, alt
        The figure, the rows that it shows, and what it shows in words.
    """
    balanced = accuracy[accuracy["measure"] == "balanced accuracy"].set_index("network")
    rows = [{"what": n, "kind": "network", **balanced.loc[n, ["estimate", "low", "high"]]} for n in networks]
    for row in baselines.sort_values("balanced_accuracy", ascending=False).to_dict("records"):
        entry = {"what": row["name"], "kind": "baseline", "estimate": row["balanced_accuracy"]}
        rows.append(entry | {"low": np.nan, "high": np.nan})
    table = pd.DataFrame(rows).astype(dict.fromkeys(("estimate", "low", "high"), float))
    words = "; ".join(f"{row['what']} {100 * row['estimate']:.1f} %" for row in table.to_dict("records"))
    figure = accuracy_figure(table)
    figure.axes[0].set_xlabel("balanced accuracy (%)")
    return figure, table, f"Balanced accuracies: {words}."


def learning_figure(curve: pd.DataFrame, over: pd.DataFrame) -> Figure:
    """Balanced accuracy against the number of training recordings: means over trainings, and every training.

    Parameters
    ----------
    curve : DataFrame
        One row a training: ``network, n_train, balanced_accuracy``; accuracies between 0 and 1.
    over : DataFrame
        One row a network and number: ``network, n_train, balanced_accuracy, low, high``.
    """
    figure = new_figure(4.4, 2.8)
    axes = figure.subplots()
    networks = list(dict.fromkeys(over["network"]))
    for position, network in enumerate(networks):
        colour = class_colour(position)
        # Networks on the same recordings would lie on top of each other.
        aside = 1 + 0.012 * (position - (len(networks) - 1) / 2)
        rows = over[over["network"] == network].sort_values("n_train")
        estimate = 100 * rows["balanced_accuracy"]
        spread = [estimate - 100 * rows["low"], 100 * rows["high"] - estimate]
        axes.errorbar(aside * rows["n_train"], estimate, yerr=spread, fmt="o-", markersize=4, linewidth=1.2,
                      elinewidth=0.9, color=colour, label=network)  # fmt: skip
        each = curve[curve["network"] == network]
        if len(each) > len(rows):
            axes.plot((aside + 0.008) * each["n_train"], 100 * each["balanced_accuracy"], ".", markersize=3,
                      color=colour, alpha=0.7)  # fmt: skip
    axes.set_xlim(0, 1.08 * over["n_train"].max())
    axes.set_ylim(0, 102)
    axes.grid(axis="y", color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    dress(axes, x="training recordings", y="balanced accuracy (%)")
    axes.legend(loc="lower right", **LEGEND)
    return figure


def band_figure(bands: pd.DataFrame) -> Figure:
    """Share of the response in each band, one panel a network: trained, random weights, plain spectrum.

    Parameters
    ----------
    bands : DataFrame
        One row a network and band: ``network, band, share, low, high, null_low, null_high, spectrum``, 0 to 1.
    """
    networks = list(dict.fromkeys(bands["network"]))
    names = list(dict.fromkeys(bands["band"]))
    figure = new_figure(2.4 * len(networks) + 1.2, 0.8 + 0.34 * len(names))
    panels = figure.subplots(1, len(networks), sharey=True, sharex=True, squeeze=False)[0]
    for axes, network in zip(panels, networks, strict=True):
        shares = bands[bands["network"] == network].set_index("band")
        for position, name in enumerate(names):
            row = 100 * shares.loc[name, ["share", "low", "high", "null_low", "null_high", "spectrum"]].astype(float)
            width = row["null_high"] - row["null_low"]
            axes.barh(position, width, left=row["null_low"], height=0.5, color=FAINT, alpha=0.6)
            axes.plot([row["spectrum"]] * 2, [position - 0.3, position + 0.3], color=MUTED, linewidth=1.2)
            axes.plot([row["low"], row["high"]], [position, position], color=class_colour(0), linewidth=1.6)
            axes.plot(row["share"], position, "o", markersize=5, color=class_colour(0))
        axes.set_yticks(range(len(names)), [plain(name) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(left=0)
        dress(axes, title=network, x="share of the response (%)")
    return figure
