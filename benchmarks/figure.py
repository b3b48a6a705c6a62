"""Draws how time and memory grow, from what is stored: ``python -m benchmarks.figure docs/images/growth.svg``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.million import GROWING
from benchmarks.stored import read_stored

RELATIVE = {
    "time, seconds a token": "length of a token",
    "time, frequency rows": "frequency rows",
    "time, classes": "classes",
    "time, methods": "methods",
}


def growth_figure(million: Sequence[dict[str, Any]], scaling: Sequence[dict[str, Any]]) -> Any:
    """Three panels on logarithmic axes: CPU time and peak memory against tokens, and time against all else.

    Parameters
    ----------
    million
        Stored rows of ``benchmarks.million``: ``stage, tokens, cpu_seconds, peak_mib``.
    scaling
        Stored rows of ``benchmarks.scaling``: ``what, curve``.
    """
    from phonoscope.report.style import CLASS_COLOURS, INK, POINTS, RULE, dress, new_figure

    figure = new_figure(9.0, 3.0)
    time, memory, rest = figure.subplots(1, 3)
    for stage, colour in zip(GROWING, CLASS_COLOURS, strict=False):
        rows = sorted((row for row in million if row["stage"] == stage), key=lambda row: row["tokens"])
        tokens = [row["tokens"] for row in rows]
        for axes, what in ((time, "cpu_seconds"), (memory, "peak_mib")):
            axes.plot(tokens, [row[what] for row in rows], color=colour, marker="o", markersize=3, lw=1.2, label=stage)
    for (what, name), colour in zip(RELATIVE.items(), CLASS_COLOURS, strict=False):
        size, seconds = np.array(next(row["curve"] for row in scaling if row["what"] == what)).T
        rest.plot(size / size[0], seconds / seconds[0], color=colour, marker="o", markersize=3, lw=1.2, label=name)
    for axes in (time, rest):
        at, _ = axes.get_lines()[0].get_data()
        _, lowest = axes.get_lines()[-1].get_data()
        ends = np.array([at[0], at[-1]])
        axes.plot(ends, lowest[0] * ends / ends[0], color=RULE, lw=0.8, ls="--", zorder=0, label="exponent 1")
    memory.set_ylim(50, 5000)
    for axes in (time, memory, rest):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.legend(frameon=False, fontsize=POINTS - 1.5, labelcolor=INK, loc="upper left")
    dress(time, title="CPU time", x="tokens", y="s")
    dress(memory, title="Peak of the largest process", x="tokens", y="MiB")
    dress(rest, title="Time of CAM and class means", x="size, × the smallest", y="CPU time, × the smallest")
    return figure


def main() -> None:
    """Write the figure to the file that is named."""
    from phonoscope.report.style import to_svg

    million, scaling = read_stored("million"), read_stored("scaling")
    if million is None or scaling is None:
        sys.exit("nothing is stored of million or scaling; run both with --store first")
    figure = growth_figure(million["results"], scaling["results"])
    Path(sys.argv[1]).write_text(to_svg(figure, "growth"), encoding="utf-8")


if __name__ == "__main__":
    main()
