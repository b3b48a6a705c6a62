"""Figures of a run that are drawn from its tables, at the width of a journal's column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report import confusions as confusion_drawing
from phonoscope.report import profiles as profile_drawing
from phonoscope.report.asymmetry import asymmetry_rows, draw_asymmetry
from phonoscope.report.bands import mark_formants
from phonoscope.report.figures import Ask
from phonoscope.report.maps import draw_class_map, map_limit, mean_array
from phonoscope.report.printed import print_figure
from phonoscope.report.shares import draw_ratios, ratio_limits
from phonoscope.report.significance import chance_cells, compare_with_chance
from phonoscope.report.style import INK, POINTS, class_colour, dress, plain
from phonoscope.report.vowel_chart import draw_vowel_chart
from phonoscope.report.vowel_scales import SCALES, scaled_formants

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def class_map(ask: Ask) -> Figure:
    """Mean map of a class, or of all on one scale."""
    content, own = ask.content, str(ask.content.facts.get("method", "cam"))
    if ask.method not in (None, own):
        raise PhonoscopeError(f"class means are kept for {own} only; explain the run's tokens by {ask.method} first")
    if content.means.empty:
        raise PhonoscopeError("the run holds no mean maps; run the experiment again")
    labels = [label for label in _labels(ask) if _has_mean(content.means, label)]
    if not labels:
        raise PhonoscopeError(f"no token of {', '.join(_labels(ask))} was tested, so there is no mean map")
    tested, limit = compare_with_chance(content), map_limit(content.means)
    across = min(len(labels), 3 if ask.columns == 2 or ask.width_mm else 2)
    down = -(-len(labels) // across)
    figure = print_figure(8.0 + 52.0 * down, columns=ask.columns, width_mm=ask.width_mm)
    grid = figure.subplots(down, across, squeeze=False)
    for position, axes in enumerate(grid.flat):
        if position >= len(labels):
            axes.set_visible(False)
            continue
        label = labels[position]
        mean = mean_array(content.means, "map", "all", label)
        bands = content.bands[content.bands["class"] == label]
        mappable = draw_class_map(
            axes,
            mean,
            max_hz=content.max_hz,
            limit=limit,
            bands=bands,
            spectrogram=mean_array(content.means, "spectrogram", "all", label),
            chance=chance_cells(tested, label),
            last_time=content.last_time,
            title=f"{content.name(label)}, n = {mean.attrs['count']}",
            x=content.time_label if position + across >= len(labels) else "",
        )
        if position % across:
            axes.set_ylabel("")
            axes.tick_params(labelleft=False)
    bar = figure.colorbar(mappable, ax=list(grid.flat), location="bottom", shrink=0.6, aspect=40, pad=0.02)
    bar.set_label(f"{content.unit} per cell: against (blue), for the class (red)", fontsize=POINTS, color=INK)
    bar.ax.tick_params(labelsize=POINTS - 1)
    bar.outline.set_visible(False)
    return figure


def profile(ask: Ask) -> Figure:
    """Profile of a class, or of all classes on common axes."""
    content, table = ask.content, ask.content.tables["profiles"]
    of_maps = table[table["source"] == "map"] if len(table) else table
    labels = [label for label in _labels(ask) if len(of_maps) and (of_maps["label"] == label).any()]
    if not labels:
        raise PhonoscopeError("the run holds no profile of that; no token of it was tested")
    chance, limits = profile_drawing.chance_profile(of_maps), profile_drawing.profile_limits(of_maps)
    across = min(len(labels), 3 if ask.columns == 2 or ask.width_mm else 1)
    down = -(-len(labels) // across)
    figure = print_figure(6.0 + 50.0 * down, columns=ask.columns, width_mm=ask.width_mm)
    grid = figure.subplots(2 * down, across, squeeze=False, sharex=True, height_ratios=[1, 6] * down)
    for position in range(down * across):
        strip, axes = grid[2 * (position // across), position % across], grid[2 * (position // across) + 1,
                                                                             position % across]  # fmt: skip
        if position >= len(labels):
            strip.set_visible(False)
            axes.set_visible(False)
            continue
        label = labels[position]
        strip.set_title(plain(content.name(label)), fontsize=POINTS + 1, color=INK, loc="left")
        mark_formants(strip, content.bands[content.bands["class"] == label], content.max_hz, along="x")
        profile_drawing.draw_profile(
            axes,
            of_maps[of_maps["label"] == label],
            max_hz=content.max_hz,
            colour=class_colour(content.labels.index(label)),
            chance=chance,
            energy=table[(table["source"] == "energy") & (table["label"] == label)],
            limits=limits,
        )
        last = position + across >= len(labels)
        axes.set_xlabel(axes.get_xlabel() if last else "")
        axes.set_ylabel(f"Importance ({content.unit})" if position % across == 0 else "")
        axes.tick_params(labelbottom=last)
    handles, names = grid[1, 0].get_legend_handles_labels()
    words = {"chance": "mean of all classes", "interval": "95 %", "importance": "mean of the class"}
    names = [words.get(name, name) for name in names]
    figure.legend(handles, names, loc="outside lower center", ncols=min(4, 2 * across), frameon=False,
                  fontsize=POINTS - 1, labelcolor=INK)  # fmt: skip
    return figure


def accuracy(ask: Ask) -> Figure:
    """Accuracies with intervals beside the baselines."""
    content = ask.content
    baselines = content.tables["baselines"]
    if content.tables["accuracy"].empty:
        raise PhonoscopeError("the run holds no accuracies: no tested token has both a true and a predicted class")
    if baselines.empty:
        baselines = pd.DataFrame(columns=["name", "accuracy"])
    rows = confusion_drawing.accuracy_rows(content.tables["accuracy"], baselines, content.labels)
    rows = rows.assign(what=[content.name(what) for what in rows["what"]])
    figure = print_figure(14.0 + 6.0 * len(rows), columns=ask.columns, width_mm=ask.width_mm)
    confusion_drawing.draw_accuracy(figure.subplots(), rows)
    return figure


def confusions(ask: Ask) -> Figure:
    """Confusion matrix; with two columns its asymmetries stand beside it."""
    table, labels = ask.content.tables["confusions"], ask.content.labels
    if table.empty:
        raise PhonoscopeError("the run holds no confusions; run the experiment again")
    figure = print_figure(16.0 + 12.0 * min(len(labels), 9), columns=ask.columns, width_mm=ask.width_mm)
    if ask.columns == 1:
        confusion_drawing.draw_confusions(figure.subplots(), table, labels)
        return figure
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    confusion_drawing.draw_confusions(left, table, labels)
    draw_asymmetry(right, _asymmetry(ask))
    return figure


def asymmetry(ask: Ask) -> Figure:
    """Asymmetries of the confusions beside those of people."""
    rows = _asymmetry(ask)
    figure = print_figure(26.0 + 7.0 * max(len(rows), 2), columns=ask.columns, width_mm=ask.width_mm)
    draw_asymmetry(figure.subplots(), rows)
    return figure


def vowels(ask: Ask) -> Figure:
    """Vowel chart of all talkers together, or a panel each for men, women and children in two columns."""
    content = ask.content
    if "f1_50" not in content.formants or "token" not in content.tokens:
        raise PhonoscopeError(f"there is no vowel chart: {content.absent.get('formants', 'no formants were measured')}")
    kept = [c for c in ("token", "label", "sex", "speaker") if c in content.tokens]
    table = content.formants.merge(content.tokens[kept], on="token", how="inner")
    speakers = table.get("speaker")
    table = scaled_formants(table, ask.scale, speakers)
    table = table[table[["f1_50", "f2_50"]].notna().all(axis=1)].reset_index(drop=True)
    if table.empty:
        raise PhonoscopeError("there is no vowel chart: no token has both F1 and F2")
    colours = {label: class_colour(i) for i, label in enumerate(content.ordered(table["label"]))}
    groups = [("all talkers", table)]
    if ask.columns == 2 and "sex" in table and table["sex"].notna().any():
        words = {"m": "men", "f": "women", "c": "children"}
        groups = [(words[sex], table[(table["sex"] == sex).fillna(False)]) for sex in words]
        groups = [(name, rows) for name, rows in groups if len(rows)]
    from phonoscope.report.vowel_chart import chart_limits

    limits = chart_limits(table, lowest=-np.inf if ask.scale == "lobanov" else 0.0)
    height = {1: 75.0, 2: 72.0}.get(len(groups), 62.0) if ask.columns == 1 or len(groups) > 1 else 110.0
    figure = print_figure(height, columns=ask.columns, width_mm=ask.width_mm)
    for (name, rows), axes in zip(groups, figure.subplots(1, len(groups), squeeze=False)[0], strict=True):
        rows = rows.reset_index(drop=True)
        title = f"{name}, n = {len(rows)}"
        draw_vowel_chart(axes, rows, rows["label"], colours, limits=limits, title=title, unit=SCALES[ask.scale])
    return figure


def shares(ask: Ask) -> Figure:
    """Shares of formants over chance for a class, or for all classes together."""
    table = ask.content.tables["shares"]
    label = "all" if ask.label is None else ask.label
    rows = table[(table["label"] == label) & (table["n"] > 0)] if len(table) else table
    if rows.empty:
        raise PhonoscopeError(f"no share was measured for {label}: no tested token of it has formants")
    figure = print_figure(68.0, columns=ask.columns, width_mm=ask.width_mm)
    axes = figure.subplots()
    draw_ratios(axes, rows, limits=ratio_limits(rows))
    title = "all classes" if label == "all" else ask.content.name(label)
    dress(axes, title=title)
    return figure


def training(ask: Ask) -> Figure:
    """Training curves: loss, and beside (or below) it accuracy."""
    if ask.content.training.empty:
        raise PhonoscopeError("there are no training curves: the classifier was trained elsewhere")
    wide = ask.columns == 2
    figure = print_figure(55.0 if wide else 95.0, columns=ask.columns, width_mm=ask.width_mm)
    panels = figure.subplots(*((1, 2) if wide else (2, 1)))
    for axes, what in zip(panels, confusion_drawing.TRAINING_CURVES, strict=True):
        confusion_drawing.draw_training(axes, ask.content.training, what)
    return figure


def methods(ask: Ask) -> Figure:
    """Agreement of every method with what filtering the sound does; other measures are in the report."""
    from phonoscope.evidence.measures import describe_measure
    from phonoscope.report.evidence_figures import draw_measure
    from phonoscope.report.evidence_section import read_evidence

    evidence = read_evidence(ask.content)
    if evidence is None:
        raise PhonoscopeError(f"nobody has judged its methods yet; run: phonoscope evidence {ask.content.run.folder}")
    rows, about = evidence.tables["measures"], describe_measure("causal-agreement")
    rows = rows[rows["measure"] == "causal-agreement"]
    figure = print_figure(20.0 + 5.0 * len(evidence.methods), columns=ask.columns, width_mm=ask.width_mm)
    axes = figure.subplots()
    draw_measure(axes, rows, evidence.methods, lines=(0.0,))
    dress(axes, title=about.title, x=about.units)
    return figure


def truth(ask: Ask) -> Figure:
    """Method × cue table of the benchmark that comes with phonoscope; the run itself plays no part."""
    from phonoscope.evidence.planted_results import by_cue, planted_results
    from phonoscope.report.truth import draw_truth

    table = by_cue(planted_results())
    figure = print_figure(22.0 + 4.6 * len(table), columns=2, width_mm=ask.width_mm)
    draw_truth(figure.subplots(), table)
    return figure


def _labels(ask: Ask) -> list[str]:
    return ask.content.labels if ask.label is None else [ask.label]


def _has_mean(means: pd.DataFrame, label: str) -> bool:
    there = means[(means["class"] == label) & (means["subset"] == "all") & (means["count"] > 0)]
    return set(there["kind"]) >= {"map", "spectrogram"}


def _asymmetry(ask: Ask) -> pd.DataFrame:
    table = ask.content.tables["asymmetry"]
    if table.empty:
        raise PhonoscopeError("no two classes were confused at all, so there is no asymmetry to draw")
    return asymmetry_rows(table)
