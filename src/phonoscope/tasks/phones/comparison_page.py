"""The report of two or more runs: what differs between them, with a test for each difference, in one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.axes import cell_edges
from phonoscope.judgement.words import doubts_of_basis
from phonoscope.phonetics.grids import ALPHA
from phonoscope.report import style
from phonoscope.report.labels import class_name
from phonoscope.report.numbers import is_known, p_value
from phonoscope.report.page import Page, Section, Summary
from phonoscope.report.plates import Panel, Plate, make_panel, panel_name
from phonoscope.report.tables import HtmlTable, as_html_table
from phonoscope.tasks.content import Content
from phonoscope.tasks.phones.comparison import Comparison, compare, measure
from phonoscope.tasks.sections import flat_settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEADLINE = "F1–F3"
_SAID_BY_THE_TITLE = ("name", "question", "paper")


def comparison_page(contents: Sequence[Content], *, seed: int = 0) -> Page:
    """Return the page that compares the first run with each of the others.

    Raises
    ------
    ExperimentError
        If two have no class in common.
    """
    names = _names([content.run.folder for content in contents])
    first, *others = [measure(content, name) for content, name in zip(contents, names, strict=True)]
    pairs = [compare(first, other, seed=seed) for other in others]
    sections = [_comparison_section(pair, number, alone=len(pairs) == 1) for number, pair in enumerate(pairs, start=1)]
    return Page(_summary(pairs), [_settings_section(pairs), *sections])


def _names(runs: Sequence[str | Path]) -> list[str]:
    """Shortest folder names that tell the runs apart."""
    parts = [Path(run).resolve().parts for run in runs]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(folders[-depth:]) for folders in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{'/'.join(folders[-1:])} ({number})" for number, folders in enumerate(parts, start=1)]


def _summary(compared: Sequence[Comparison]) -> Summary:
    names = [compared[0].first.name, *(pair.second.name for pair in compared)]
    numbers = [
        (
            f"accuracy, {pair.first.name} minus {pair.second.name}",
            f"{_signed(row['difference'])} points",
            f"{interval}, p {_p(row['p'])}" if (interval := _interval(row)) else "no interval",
        )
        for pair in compared
        for row in pair.accuracy.head(1).to_dict("records")
    ]
    findings = [sentence for pair in compared for sentence in _findings(pair)]
    doubts = [sentence for pair in compared for sentence in _doubts(pair)]
    if len(compared) > 1:
        doubts.append(
            f"{len(compared)} comparisons are made here; each is corrected for its own classes, not for the other "
            "comparisons."
        )
    return Summary(
        title=f"{names[0]} against {' and '.join(names[1:])}",
        question="Do these runs differ, and where?",
        numbers=numbers,
        findings=findings,
        doubts=list(dict.fromkeys(doubts)),
    )


def _findings(pair: Comparison) -> list[str]:
    row = pair.accuracy.iloc[0]
    how = f"on the {pair.common} tokens that both tested" if pair.paired else "each on its own tokens"
    text = [
        f"{pair.first.name} recognises {100 * row['first']:.1f} %, {pair.second.name} {100 * row['second']:.1f} % "
        f"({how}): {_verdict(row['difference'] * 100, row['p'])} (p {_p(row['p'])}, {row['test']})."
    ]
    if pair.profiles.empty:
        text.append("Profiles are not compared: a run does not hold its maps.")
    else:
        differing = pair.profiles[_differs(pair.profiles)]
        if differing.empty:
            text.append("No class’s profile differs significantly anywhere.")
        for label, rows in differing.groupby("label", sort=False):
            groups = (("more", rows[rows["difference"] > 0]), ("less", rows[rows["difference"] < 0]))
            cells = pair.profiles["frequency"]
            places = (f"{how} around {_places(part, cells)}" for how, part in groups if len(part))
            text.append(
                f"{class_name(label)}: the maps of {pair.first.name} lie {' and '.join(places)} than those of "
                f"{pair.second.name}."
            )
    shares = pair.shares.to_dict("records")
    return text + [
        f"Share of the maps in {_HEADLINE} of their own token: {100 * row['first']:.1f} % in {pair.first.name}, "
        f"{100 * row['second']:.1f} % in {pair.second.name}: {_verdict(100 * row['difference'], row['p_holm'])} "
        f"(p {_p(row['p_holm'])}, Holm)."
        for row in shares
        if (row["label"], row["formant"]) == ("all", _HEADLINE)
    ]


def _doubts(pair: Comparison) -> list[str]:
    text = []
    row = pair.accuracy.iloc[0]
    if not pair.paired:
        text.append(
            f"{pair.first.name} and {pair.second.name} have {pair.common} tested tokens in common: they were compared "
            "as unrelated groups, so a difference may come from the tokens or talkers rather than the networks."
        )
    text += doubts_of_basis(row["n_units"], row["unit"], 2)
    borders = [run.content.max_hz for run in (pair.first, pair.second)]
    if borders[0] != borders[1]:
        text.append(
            f"{pair.first.name} hears up to {borders[0]:.0f} Hz and {pair.second.name} up to {borders[1]:.0f} Hz: "
            f"profiles and shares are compared up to {pair.common_hz:.0f} Hz only, as densities over that band."
        )
    widths = [run.content.facts.get("placement", {}).get("resolution_hz") for run in (pair.first, pair.second)]
    if all(map(is_known, widths)):
        text.append(
            f"The maps resolve about {widths[0]:.0f} Hz ({pair.first.name}) and {widths[1]:.0f} Hz "
            f"({pair.second.name}): profiles may differ because of that alone."
        )
    text.append("Only one training of each is compared: another seed may change a map as much as another setting does.")
    return text


def _settings_section(compared: Sequence[Comparison]) -> Section:
    runs = [compared[0].first, *(pair.second for pair in compared)]
    settings = [dict(flat_settings(run.content.facts.get("recipe", {}))) for run in runs]
    for run, recipe in zip(runs, settings, strict=True):
        corpus = run.content.facts.get("corpus", {})
        recipe |= {f"corpus.{key}": str(corpus[key]) for key in ("name", "tokens", "speakers") if key in corpus}
        recipe["highest frequency (Hz)"] = f"{run.content.max_hz:.0f}"
    keys = list(dict.fromkeys(k for recipe in settings for k in recipe))
    rows = []
    for key in keys:
        values = [recipe.get(key, "–") for recipe in settings]
        if len(set(values)) > 1 and key not in _SAID_BY_THE_TITLE:
            rows.append({"setting": key, **{run.name: value for run, value in zip(runs, values, strict=True)}})
    table = pd.DataFrame(rows)
    shown = [as_html_table("settings", "Settings that differ", table, map(str, table))] if rows else []
    text = [] if rows else ["The recipes are the same."]
    return Section("settings", "What was done differently", text, [], shown)


def _comparison_section(pair: Comparison, number: int, *, alone: bool) -> Section:
    how = (
        f"Only the {pair.common} tokens that both runs tested are compared, each with itself. The unit of every test "
        "is the speaker, or the recording where speakers are few."
        if pair.paired
        else "The runs share too few tokens to be paired: each has its own speakers or recordings."
    )
    drawn = ((_accuracy_plate, pair.accuracy), (_share_plate, pair.shares), (_profile_plate, pair.profiles))
    plates = [plate(pair, number) for plate, table in drawn if len(table)]
    title = "What differs" if alone else f"{pair.first.name} against {pair.second.name}"
    tables = _tables(pair, number)
    return Section(f"comparison-{number}", title, [how], plates, tables[:1], tables[1:])


def _accuracy_plate(pair: Comparison, number: int) -> Plate:
    rows = pair.accuracy.assign(what=["all classes", *map(class_name, pair.accuracy["label"][1:])])
    return Plate(
        f"accuracy-{number}",
        "Which run recognises more",
        f"Difference in hits, {pair.first.name} minus {pair.second.name}, with 95 % intervals.",
        "Right of zero the first run is better. An interval that includes zero shows no difference. Filled dots are "
        "significant after Holm’s correction.",
        [_difference_panel(f"accuracy-{number}", rows, "accuracy", "difference in tokens recognised (points)", 1)],
        pair.accuracy,
        width="half",
    )


def _share_plate(pair: Comparison, number: int) -> Plate:
    rows = pair.shares[pair.shares["label"] == "all"].assign(what=lambda table: table["formant"])
    return Plate(
        f"shares-{number}",
        "Which run’s maps lie more in the formants",
        f"Difference in the share of the positive part of the map up to {pair.common_hz:.0f} Hz that lies in the "
        f"formants of the token, {pair.first.name} minus {pair.second.name}, with 95 % intervals.",
        "Both runs have the same formants on common tokens, so only the maps can make a difference. Without "
        "common tokens, talkers and vowels differ too: the table gives the area of the bands.",
        [_difference_panel(f"shares-{number}", rows, "shares", "difference in share of the map (points)", 2)],
        pair.shares,
        width="half",
    )


def _profile_plate(pair: Comparison, number: int) -> Plate:
    panels: list[Panel] = []
    top = float(np.nanmax(pair.profiles[["first", "second"]].to_numpy()))
    reach = float(np.nanmax(np.abs(pair.profiles["difference"])))
    for position, label in enumerate(dict.fromkeys(pair.profiles["label"])):
        rows = pair.profiles[pair.profiles["label"] == label]
        figure = style.new_figure(3.5, 3.0)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        _draw_profiles(upper, rows, (pair.first.name, pair.second.name))
        upper.set_ylim(0, 1.08 * top)
        upper.set_xlim(0, pair.common_hz)
        style.dress(upper, title=class_name(label), y="share per kHz")
        _draw_difference(lower, rows, pair.common_hz)
        lower.set_ylim(-1.1 * reach or -1, 1.1 * reach or 1)
        sure = rows[_differs(rows)]
        text = f"differs around {_places(sure, rows['frequency'])}" if len(sure) else "no significant difference"
        alt = f"Profiles of {class_name(label)} in both runs: {text}."
        panels.append(make_panel(panel_name(f"profiles-{number}", position, label), figure, alt))
    return Plate(
        f"profiles-{number}",
        "Where the profiles differ",
        f"Density of the positive part of the maps over 0–{pair.common_hz:.0f} Hz; below, the difference. Grey: "
        "frequency regions that differ (p below .05 by region, corrected over frequencies, and over classes by Holm).",
        "Maps of two networks have no common unit, so each is scaled to an area of one: a run can have more in one "
        "place only by having less in another. Dots are the cells of the coarser maps.",
        panels,
        pair.profiles,
    )


def _differs(rows: pd.DataFrame) -> pd.Series:
    """Cells of `Comparison.profiles` that differ: in a region that does, of a class that does."""
    return (rows["p_region"] < ALPHA) & (rows["p_holm"] < ALPHA)


def _draw_profiles(axes: Axes, rows: pd.DataFrame, names: tuple[str, str]) -> None:
    """Draw the profiles of one class in two runs; `rows` of `Comparison.profiles`."""
    for column, colour, name in zip(("first", "second"), style.CLASS_COLOURS, names, strict=False):
        label = style.plain(name)
        axes.plot(rows["frequency"], rows[column], "o-", color=colour, linewidth=1.4, markersize=2.4, label=label)
    axes.legend(**style.LEGEND)


def _draw_difference(axes: Axes, rows: pd.DataFrame, max_hz: float) -> None:
    """Draw the difference of the profiles of one class, shaded where it is significant."""
    frequency = rows["frequency"].to_numpy()
    edges = cell_edges(frequency, 0.0, max_hz)
    for cell in np.flatnonzero(_differs(rows)):
        axes.axvspan(edges[cell], edges[cell + 1], color=style.FAINT, alpha=0.35, linewidth=0)
    axes.axhline(0, color=style.RULE, linewidth=0.8)
    axes.plot(frequency, rows["difference"], "o-", color=style.INK, linewidth=1.1, markersize=2.4)
    style.dress(axes, x="Frequency (Hz)", y="difference")


def _difference_panel(key: str, rows: pd.DataFrame, what: str, label: str, digits: int) -> Panel:
    """Differences of shares as dots with intervals, in points, one row each; filled where they are significant."""
    figure = style.new_figure(4.2, 0.8 + 0.27 * len(rows))
    axes = figure.subplots()
    axes.axvline(0, color=style.MUTED, linewidth=1.0)
    for position, row in enumerate(rows.to_dict("records")):
        difference, low, high = (100 * row[name] for name in ("difference", "low", "high"))
        if np.isfinite(difference):
            style.draw_estimate(axes, position, difference, (low, high), colour=style.INK, filled=row["p_holm"] < ALPHA)
    style.dress_rows(axes, rows["what"].tolist(), x=label)
    points = [f"{r['what']} {100 * r['difference']:+.{digits}f} points" for r in rows.to_dict("records")]
    return make_panel(key, figure, f"Differences in {what}: {'; '.join(points)}.")


def _tables(pair: Comparison, number: int) -> list[HtmlTable]:
    shares = {"share_first": pair.first.name, "share_second": pair.second.name}
    columns = ("label", "formant", *shares, "range", "p", "p_holm", "n_first", "n_second", "how")
    tables = []
    for key, title, table in (
        (f"accuracies-{number}", "Tokens recognised", pair.accuracy),
        (f"share-differences-{number}", "Shares of formants", pair.shares),
    ):
        if len(table):
            shown = table.assign(range=[_range(row) for row in table.to_dict("records")])
            named = shown.rename(columns={"first": "share_first", "second": "share_second", "test": "how"})
            tables.append(as_html_table(key, title, named, columns, headings=shares, data=shown))
    return tables


def _range(row: Mapping[Any, Any]) -> str:
    """A difference in points with its interval, where there is one."""
    return f"{_signed(row['difference'])} {_interval(row)}".strip()


def _interval(row: Mapping[Any, Any]) -> str:
    return f"({_signed(row['low'])} to {_signed(row['high'])})" if np.isfinite(row["low"]) else ""


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")


def _p(value: float) -> str:
    text = p_value(value)
    return text if text.startswith(("<", "–")) else f"= {text}"


def _verdict(difference: float, p: float) -> str:
    """A difference in points in words."""
    if not np.isfinite(p):
        return "not tested, because there are too few units"
    if p < ALPHA:
        return f"{abs(difference):.1f} points {'more' if difference > 0 else 'less'}"
    return "no difference that this test can detect"


def _places(rows: pd.DataFrame, grid: pd.Series) -> str:
    """Frequencies of rows as stretches of neighbouring cells of the grid: "300–900 and 2500 Hz"."""
    cells = np.unique(grid.to_numpy(dtype=float))
    chosen = np.searchsorted(cells, np.sort(rows["frequency"].to_numpy(dtype=float)))
    groups = np.split(chosen, np.flatnonzero(np.diff(chosen) > 1) + 1)
    words = [f"{cells[g[0]]:.0f}–{cells[g[-1]]:.0f}" if len(g) > 1 else f"{cells[g[0]]:.0f}" for g in groups if len(g)]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) + " Hz"
