"""The figures of a run: each a plate of small panels with alternative text, reading help and the data behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report import confusions, maps, profiles, shares, vowel_chart
from phonoscope.report.asymmetry import asymmetry_figure, asymmetry_rows
from phonoscope.report.content import Content, file_slug
from phonoscope.report.significance import chance_cells, compare_with_chance, with_tests, words_of_test
from phonoscope.report.style import class_colour, to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUBSETS = {
    "all": "all tested tokens of the class",
    "correct": "those the network recognised",
    "errors": "those it took for another class",
}


@dataclass(frozen=True)
class Sound:
    """A sound inside the page: what it is called on its button, its address (data:), and what it is in full."""

    name: str
    address: str
    alt: str


@dataclass(frozen=True)
class Panel:
    """One picture: file name without suffix, SVG document, what it shows for those who cannot see it.

    The figure itself is kept for other formats.
    """

    name: str
    svg: str
    alt: str
    figure: Figure
    note: str = ""
    sounds: tuple[Sound, ...] = ()


@dataclass(frozen=True)
class Plate:
    """Panels that are read together, with caption, reading help and data.

    ``missing`` says in words which panels there should be and are not.
    """

    key: str
    title: str
    caption: str
    reading: str
    panels: list[Panel]
    data: pd.DataFrame
    missing: str = ""
    legend: Panel | None = None
    width: str = "small"


def make_panel(name: str, figure: Figure, alt: str, note: str = "", sounds: Sequence[Sound] = ()) -> Panel:
    """Draw a figure as a panel; what a file cannot be called is replaced in its name."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in name)
    return Panel(safe, to_svg(figure, safe), alt, figure, note, tuple(sounds))


def panel_name(key: str, position: int, label: str) -> str:
    """File name of a class's panel: plain ASCII, unique by its position."""
    slug = file_slug(label)
    return f"{key}-{position + 1}-{slug}" if slug else f"{key}-{position + 1}"


def accuracy_plates(content: Content) -> list[Plate]:
    """Accuracy beside baselines, and the confusion matrix."""
    plates = []
    accuracy, baselines, table = (content.tables[name] for name in ("accuracy", "baselines", "confusions"))
    if not accuracy.empty:
        if baselines.empty:
            baselines = pd.DataFrame(columns=["name", "accuracy"])
        rows = confusions.accuracy_rows(accuracy, baselines, content.labels)
        shown = rows.assign(what=[content.name(what) for what in rows["what"]])
        said = "; ".join(f"{row['what']} {100 * row['estimate']:.1f} %" for row in shown.to_dict("records"))
        unit, n_units = accuracy["unit"].iloc[0], int(accuracy["n_units"].iloc[0])
        plates.append(
            Plate(
                "accuracy",
                "How often the network is right",
                f"Tokens recognised, with 95 % intervals from resampling {n_units} {unit}s. Hollow dots are baselines "
                "that need no network, on the same tokens.",
                "A network has learnt something of its own only where its interval lies clear of the hollow dots. A "
                "hit rate is the share of a class’s own tokens that were recognised.",
                [make_panel("accuracy", confusions.accuracy_figure(shown), said)],
                rows,
                width="half",
            )
        )
    if not table.empty:
        wrong = table[(table["true"] != table["predicted"]) & (table["count"] > 0)]
        worst = [
            f"{content.name(r['true'])} taken for {content.name(r['predicted'])} {r['count']} times"
            for r in wrong.sort_values("count", ascending=False).head(3).to_dict("records")
        ]
        alt = f"Confusion matrix of {', '.join(map(content.name, content.labels))}: {'; '.join(worst) or 'no errors'}."
        plates.append(
            Plate(
                "confusions",
                "Who was taken for whom",
                "Counts of tested tokens and percent of each row.",
                "Rows are what was spoken, columns what the network took it for: the diagonal is right. Compare a cell "
                "with its mirror image across the diagonal to see whether a confusion goes both ways.",
                [make_panel("confusions", confusions.confusion_figure(table, content.labels), alt)],
                table,
                width="half",
            )
        )
    if not content.tables["asymmetry"].empty:
        rows = asymmetry_rows(content.tables["asymmetry"])
        pairs = [
            f"{content.name(r['label_a'])} for {content.name(r['label_b'])} {r['percent_a_as_b']:.1f} %, "
            f"the other way {r['percent_b_as_a']:.1f} %"
            for r in rows.to_dict("records")
        ]
        plates.append(
            Plate(
                "asymmetries",
                "Do confusions go one way?",
                "Per cent of a class taken for the other: filled as the arrow says, hollow back; bold lines are "
                "significant (exact test of each pair, Holm). Red, where it is known: 20 listeners to other recordings "
                "(Hillenbrand et al. 1995).",
                "A long line is a confusion that goes mostly one way. If people err in the same direction, the cause "
                "may lie in the sounds; where only the network does, it lies in the network or its training.",
                [make_panel("asymmetries", asymmetry_figure(rows), f"Asymmetric confusions: {'; '.join(pairs)}.")],
                rows,
                width="half",
            )
        )
    return plates


def vowel_plate(content: Content) -> Plate | None:
    """Vowel charts of the measured formants, one a group of talkers if it is known; None without formants."""
    if "f1_50" not in content.formants or "token" not in content.tokens:
        return None
    table = content.formants.merge(content.tokens[["token", "label", "sex"]], on="token", how="inner")
    table = table[table[["f1_50", "f2_50"]].notna().all(axis=1)].reset_index(drop=True)
    if table.empty:
        return None
    present = content.ordered(table["label"])
    colours = {label: class_colour(i) for i, label in enumerate(present)}
    limits = vowel_chart.chart_limits(table)
    words = {"m": "men", "f": "women", "c": "children"}
    known = [sex for sex in words if (table["sex"] == sex).any()]
    groups: list[tuple[str, pd.DataFrame]] = [(words[sex], table[(table["sex"] == sex).fillna(False)]) for sex in known]
    rest = table[~table["sex"].isin(known)]
    if len(rest):
        groups.append(("talkers whose sex is not known" if known else "all talkers", rest))
    panels = []
    for position, (group, rows) in enumerate(groups):
        rows = rows.reset_index(drop=True)
        means = rows.groupby("label")[["f1_50", "f2_50"]].mean()
        said = "; ".join(f"/{v}/ F1 {r['f1_50']:.0f}, F2 {r['f2_50']:.0f} Hz" for v, r in means.iterrows())
        figure = vowel_chart.vowel_chart_figure(
            rows, rows["label"], colours, limits=limits, title=f"{group}, n = {len(rows)}"
        )
        panels.append(make_panel(f"vowels-{position + 1}", figure, f"Vowel chart, {group}: means {said}."))
    columns = ["token", "label", "sex", *[c for c in content.formants if str(c)[:2] in ("f1", "f2")]]
    unseen = "" if known else "The corpus does not say who is a man, a woman or a child."
    return Plate(
        "vowels",
        "The vowels that were spoken",
        "Measured F1 and F2 at the middle of each vowel, ellipses of one standard deviation, and arrows from 20 to "
        "80 % of the vowel’s duration. All charts have the same axes, in Hz.",
        "Both axes are reversed, so that the chart stands as the tongue does: high front vowels top left, low vowels "
        "at the bottom. Dots are tokens; lone dots far from their ellipse are often slips of the formant tracker.",
        panels,
        table[columns],
        missing=unseen,
    )


def map_plates(content: Content) -> list[Plate]:
    """Class-mean maps over all, recognised and mistaken tokens, on one scale."""
    if content.means.empty:
        return []
    limit = maps.map_limit(content.means)
    legend = make_panel("maps-scale", maps.colour_bar_figure(limit, content.unit), f"Colour scale, ±{limit:.2g} logit.")
    tested = compare_with_chance(content)
    plates = []
    for subset, words in SUBSETS.items():
        panels, without = [], []
        for position, label in enumerate(content.labels):
            try:
                mean_map = maps.mean_array(content.means, "map", subset, label)
                spectrogram = maps.mean_array(content.means, "spectrogram", subset, label)
            except PhonoscopeError:
                without.append(content.name(label))
                continue
            figure = maps.class_map_figure(
                mean_map,
                spectrogram,
                content.bands[content.bands["class"] == label],
                max_hz=content.max_hz,
                limit=limit,
                title=content.name(label),
                last_time=content.last_time,
                time_label=content.time_label,
                chance=chance_cells(tested, label) if subset == "all" else None,
            )
            top = mean_map.isel(frequency=int(mean_map.mean("time").argmax("frequency")))
            alt = (
                f"Mean map of {content.name(label)} over {mean_map.attrs['count']} tokens: strongest in the cells "
                f"around {float(top['frequency']):.0f} Hz, mean {float(top.mean()):+.2f} {content.unit}."
            )
            panels.append(make_panel(panel_name(f"maps-{subset}", position, label), figure, alt))
        table = content.means[(content.means["kind"] == "map") & (content.means["subset"] == subset)]
        if subset == "all":
            table = with_tests(table, tested)
        plates.append(
            Plate(
                f"maps-{subset}",
                f"Mean maps: {words}",
                " ".join([_map_caption(content, subset), *([words_of_test(tested)] if subset == "all" else [])]),
                "Left, in a blue frame: the mean of what the network got. Middle: the formants of the class, boxes as "
                "wide as their mean bandwidth, whiskers ± 1 SD over tokens. Right: the map. Red cells speak for the "
                "class, blue ones against it, white ones say nothing; thin lines are the spectrogram’s contours 10 "
                "and 20 dB below its peak (none for fewer than 5 tokens). Cells are drawn where their receptive fields "
                "are centred, with borders half-way between; nothing is smoothed. A cell’s colour stands for "
                "everything in its field, which is wider than the cell.",
                panels,
                table,
                missing=f"No such token: {', '.join(without)}." if without else "",
                legend=legend if panels and subset == "all" else None,
                width="wide",
            )
        )
    return plates


def profile_plate(content: Content) -> Plate | None:
    """Profiles of the classes on common axes; None when the run holds none."""
    table = content.tables["profiles"]
    if table.empty:
        return None
    of_maps = table[table["source"] == "map"]
    chance = profiles.chance_profile(of_maps)
    limits = profiles.profile_limits(of_maps)
    panels, without = [], []
    for position, label in enumerate(content.labels):
        one = of_maps[of_maps["label"] == label]
        if one.empty:
            without.append(content.name(label))
            continue
        peak = one.sort_values("mean").iloc[-1]
        figure = profiles.profile_figure(
            one,
            content.bands[content.bands["class"] == label],
            max_hz=content.max_hz,
            colour=class_colour(position),
            title=content.name(label),
            unit=content.unit,
            chance=chance,
            energy=table[(table["source"] == "energy") & (table["label"] == label)],
            limits=limits,
        )
        alt = (
            f"Importance against frequency for {content.name(label)}: highest at {peak['frequency']:.0f} Hz with "
            f"{peak['mean']:.2f} {content.unit}, {int(peak['n'])} tokens."
        )
        panels.append(make_panel(panel_name("profiles", position, label), figure, alt))
    unit, n_units = of_maps["unit"].iloc[0], int(of_maps["n_units"].max())
    return Plate(
        "profiles",
        "The mean profile of each class",
        f"Maps summed over time; mean of each class with its 95 % band (resampling {n_units} {unit}s). "
        "Dashed: the mean over all classes, which is what chance gives when the class is not known. Grey: the class’s "
        "mean energy, stretched to the panel.",
        "What makes a class is where its line leaves the dashed one by more than its band. A line that follows the "
        "grey area only says that the network looks where there is sound. Red boxes are the formants (mean ± half a "
        "bandwidth), whiskers ± 1 SD over tokens; dots on the line are the network’s cells, and nothing is known "
        "between them.",
        panels,
        table,
        missing=f"No tested token: {', '.join(without)}." if without else "",
        legend=make_panel("profiles-legend", profiles.profile_legend(), "Legend of the profiles."),
    )


def share_plate(content: Content) -> Plate | None:
    """Ratios of share to chance for every class with formants; None when nothing was measured."""
    table = content.tables["shares"]
    if table.empty:
        return None
    measured = set(table.loc[table["n"] > 0, "label"])
    order = [label for label in ["all", *content.labels] if label in measured]
    if set(order) == {"all", *order[1:2]}:
        order = order[1:]  # one class with formants: the pooled row would only repeat it
    limits = shares.ratio_limits(table[table["label"].isin(order)])
    panels = []
    for position, label in enumerate(order):
        rows = table[table["label"] == label]
        name = "all classes" if label == "all" else content.name(label)
        said = "; ".join(f"{r['formant']} {r['ratio']:.2f}" for r in rows[rows["null"] == "run"].to_dict("records"))
        figure = shares.ratio_figure(rows, title=name, limits=limits)
        panels.append(make_panel(panel_name("shares", position, label), figure, f"Share over chance, {name}: {said}."))
    without = [content.name(label) for label in content.labels if label not in measured]
    return Plate(
        "shares",
        "Do the maps sit on the formants?",
        "Share of each map’s positive part inside the formants of its own token, over the share that chance gives, "
        "with 95 % intervals. Logarithmic axis; 1 is chance.",
        "Filled dots: maps and formants paired at random over the whole run. Hollow dots: paired within the class, "
        "which asks whether maps follow the formants of talkers and contexts. Diamonds: whole classes exchanged. "
        "Grey marks: what the plain energy of the spectrogram scores against the run. An interval that contains 1 "
        "shows nothing; an arrowhead says that it goes on outside the axis.",
        panels,
        table,
        missing=f"No formants, hence no share: {', '.join(without)}." if without else "",
        legend=make_panel("shares-legend", shares.ratio_legend(), "Legend of the ratios."),
    )


def training_plate(content: Content) -> Plate | None:
    """Training curves; None for a classifier that was trained elsewhere."""
    if content.training.empty:
        return None
    last = content.training.groupby("fold").last() if "fold" in content.training else content.training.tail(1)
    alt = f"Training curves; last training loss {float(last['train_loss'].mean()):.3f}."
    return Plate(
        "training",
        "Training",
        "Loss and accuracy after each epoch, one line a fold; validation accuracy is balanced over the classes.",
        "The epoch that was kept is the best one on the validation tokens; test tokens play no part.",
        [make_panel("training", confusions.training_figure(content.training), alt)],
        content.training,
        width="medium",
    )


def _map_caption(content: Content, subset: str) -> str:
    place: dict[str, Any] = content.facts.get("placement", {})
    words = {
        "cell_hz": "one cell every {:.0f} Hz",
        "field_hz": "receptive field {:.0f} Hz in theory",
        "resolution_hz": "{:.0f} Hz wide in effect",
    }
    sizes = ", ".join(text.format(place[key]) for key, text in words.items() if _finite(place.get(key)))
    method = str(content.facts.get("method", "")).upper()
    scale = "Same scale as above. " if subset != "all" else ""
    text = f"{method} maps for the {content.facts.get('target', '')} class, in {content.unit}s. {scale}"
    return f"{text}{sizes[:1].upper()}{sizes[1:]}." if sizes else text.strip()


def _finite(value: Any) -> bool:
    return value is not None and bool(np.isfinite(float(value)))
