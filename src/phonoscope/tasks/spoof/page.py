"""The report of a spoofing run: how well each feature tells real from spoofed speech, beside its control."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from phonoscope.corpora.asvspoof import SYSTEMS
from phonoscope.experiments.folder import Run
from phonoscope.experiments.twin import with_twin_sentences
from phonoscope.judgement.words import doubts_of_basis
from phonoscope.report.numbers import interval, percent
from phonoscope.report.page import Page, Section
from phonoscope.report.plates import Plate, make_panel
from phonoscope.report.style import ACCENT, INK, MUTED, PAPER, POINTS, RULE, class_colour, dress_rows, new_figure
from phonoscope.report.tables import as_html_table
from phonoscope.tasks.sections import claims_section, copies_sentence, left_out_table, page_of, provenance_section
from phonoscope.tasks.spoof.claims import rows_of
from phonoscope.tasks.spoof.judge import ALL, ATTACK, CONTROL, KIND, LAYER, RANDOM, SPECTRUM, TWIN
from phonoscope.tasks.spoof.material import VOCODER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colour, marker and whether it is filled: the layer stands out, what needs no layer stays behind.
_MARKS = {
    LAYER: (ACCENT, "o", True),
    RANDOM: (MUTED, "o", False),
    SPECTRUM: (class_colour(1), "s", False),
    TWIN: (class_colour(2), "D", False),
}
_PAPER = (
    "Gupta and Abrol, “Time-frequency and geometric analysis of task-dependent learning in raw waveform based acoustic "
    "models”, tell real from spoofed speech by the response of a first layer. Here random filters and a control stand "
    "beside it."
)
_NUMBERS_SHOWN = 4
_MADE = {
    "griffin-lim": "phases lost and estimated anew",
    "griffin-lim-mel": "80 mel bands, then phases estimated",
    "espeak-ng": "the words said by the program",
    "flite": "the words said by the program",
}


def page(run: Run) -> Page:
    """Return the page of a spoofing run."""
    results = run.table("results")
    sections = [
        _corpus(run),
        _accuracy(results),
        claims_section(run.table("claims"), _PAPER),
        provenance_section(run.facts),
    ]
    doubts = _doubts(run, results)
    twins = [(row, f"first layer ({row['attack']})") for row in run.results.get("beside_twin", ())]
    findings = with_twin_sentences(_findings(results, run.facts.get("null", {}).get("words", "")), twins)
    return page_of(run.facts, sections, numbers=_numbers(results), findings=findings, doubts=doubts)


def attack_title(name: str) -> str:
    """What an attack is called in the report: its name and how it makes its waveform, where that is known."""
    if name in SYSTEMS:
        kind, technique = SYSTEMS[name]
        return f"{name}: {kind}, {technique}"
    return f"{name}: {_MADE[name]}" if name in _MADE else name


def spoof_figure(results: pd.DataFrame) -> Figure:
    """Balanced accuracy (left) and equal error rate (right) of every attack, one mark a feature, with intervals.

    Parameters
    ----------
    results : DataFrame
        Of `phonoscope.tasks.spoof.judge.tell_apart`.
    """
    names = list(dict.fromkeys(results["attack"]))
    levels = results.drop_duplicates("attack").set_index("attack")["level"]
    figure = new_figure(8.6, 1.0 + 0.36 * len(names))
    columns = (("balanced_accuracy", "low", "high"), ("eer", "eer_low", "eer_high"))
    shown = [feature for feature in _MARKS if (results["feature"] == feature).any()]  # runs of before have no twin
    offsets = [0.18 * (number - (len(shown) - 1) / 2) for number in range(len(shown))]
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (value, low, high), label in zip(
        panels, columns, ("balanced accuracy (%)", "equal error rate (%)"), strict=True
    ):
        for offset, feature in zip(offsets, shown, strict=True):
            colour, marker, filled = _MARKS[feature]
            rows = results[results["feature"] == feature].set_index("attack").loc[names]
            at = [position + offset for position in range(len(names))]
            axes.hlines(at, 100 * rows[low], 100 * rows[high], color=colour, linewidth=1.3)
            face = colour if filled else PAPER
            axes.plot(100 * rows[value], at, marker, markersize=4.5, color=colour, markerfacecolor=face, label=feature)
        axes.axvline(50, color=MUTED, linewidth=0.7, linestyle=(0, (3, 3)))
        for position in range(1, len(names)):
            if levels[names[position]] != levels[names[position - 1]]:
                axes.axhline(position - 0.5, color=RULE, linewidth=0.9)
        dress_rows(axes, [attack_title(name) for name in names], x=label)
    lowest = min(40.0, 100 * results["low"].min())
    panels[0].set_xlim(lowest - 2, 102)
    panels[1].set_xlim(-2, max(60.0, 100 * results["eer_high"].max() + 2))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False, fontsize=POINTS, labelcolor=INK)
    return figure


def _main(results: pd.DataFrame) -> list[str]:
    """The few comparisons that the summary names: kinds of attacks if several are pooled, else attacks."""
    levels = results.drop_duplicates("attack")
    pooled, single = levels[levels["level"].isin([KIND, ALL])], levels[levels["level"] == ATTACK]
    if len(single) <= _NUMBERS_SHOWN:
        return single["attack"].tolist()
    alone = single[~single["kind"].duplicated(keep=False)]  # the only attacks of their kinds
    return [*alone["attack"], *pooled["attack"]]


def _numbers(results: pd.DataFrame) -> list[tuple[str, str, str]]:
    table = rows_of(results)
    layers = {name: table[name, LAYER] for name in _main(results)}
    numbers = [
        (f"{name}, balanced", percent(row["balanced_accuracy"]), interval(row["low"], row["high"]))
        for name, row in layers.items()
    ]
    control = table[CONTROL, LAYER]
    return [*numbers, ("real against real", percent(control["balanced_accuracy"]), "found with nothing spoofed")]


def _findings(results: pd.DataFrame, null_words: str) -> list[str]:
    """What the first layer tells apart; ``null_words`` say what random filters are, or why there are none."""
    table = rows_of(results)
    text = []
    for name in _main(results):
        layer, plain_spectrum = (table[name, feature] for feature in (LAYER, SPECTRUM))
        if (name, RANDOM) not in table:
            text.append(
                f"{name}: by the response spectrum of the first layer {percent(layer['balanced_accuracy'])} (balanced) "
                f"are told apart, equal error rate {percent(layer['eer'])}; by the plain long-term spectrum "
                f"{percent(plain_spectrum['balanced_accuracy'])}. There are no random filters beside it: {null_words}."
            )
            continue
        random = table[name, RANDOM]
        gain = (
            f"{100 * layer['beyond_random']:+.1f} points ({100 * layer['beyond_random_low']:+.1f} to "
            f"{100 * layer['beyond_random_high']:+.1f}) beyond random filters"
        ).replace("-", "−")
        text.append(
            f"{name}: by the response spectrum of the first layer {percent(layer['balanced_accuracy'])} (balanced) are "
            f"told apart, {gain}, equal error rate {percent(layer['eer'])}; by random filters "
            f"{percent(random['balanced_accuracy'])}, by the plain long-term spectrum "
            f"{percent(plain_spectrum['balanced_accuracy'])}."
        )
    return text


def _doubts(run: Run, results: pd.DataFrame) -> list[str]:
    counts = run.table("counts")
    kinds = set(counts["kind"].dropna())
    doubts = []
    if VOCODER in kinds:
        doubts.append(
            "Vocoded recordings are made by Griffin–Lim from the real ones: other systems leave other traces."
        )
    made = [name for name in counts["attack"] if name in _MADE and not name.startswith("griffin")]
    if made:
        doubts.append(
            f"{' and '.join(made)} say the words without room, microphone and breath: whatever hears the silence "
            "between sounds tells them apart, and nothing follows about imitations of a voice."
        )
    real = counts[counts["attack"] == "real"].iloc[0]
    compared = results.loc[results["level"] == ATTACK, "attack"]
    fewest = counts.loc[counts["attack"].isin(compared), "speakers_also_real"].min()
    if fewest < real["speakers"]:
        doubts.append(
            f"Only {fewest} of the {real['speakers']} real speakers are imitated (by the attack with fewest): the "
            "others' voices alone mark a recording as real, whatever the layer hears of spoofing."
        )
    doubts.append(
        "In the control, random halves of the real speakers stand against each other (mean of five ways to halve): "
        "whatever it scores above 50 % comes from the speakers and their microphones."
    )
    if run.facts["recipe"]["folds_by"] == "recording":
        doubts.append(
            "A recording and everything made of it are judged by a classifier that met neither, but it has met other "
            'recordings of the same speakers (folds_by = "speaker" in a recipe changes that).'
        )
    majority = results["majority"].max()
    if majority > 0.6:
        doubts.append(
            f"Up to {percent(majority)} of the recordings of a comparison are of one side: accuracy can be that high "
            "without hearing anything; read the balanced one."
        )
    units = int(results["n_units"].min())
    doubts += doubts_of_basis(units, results["unit"].iloc[0], 2)  # the layer was given, not trained here
    return doubts


def _corpus(run: Run) -> Section:
    corpus, counts = run.facts["corpus"], run.table("counts")
    partition = corpus["settings"].get("partition")
    origin = f"{corpus['name']}, {partition}" if partition else corpus["name"]
    made = "named in the protocol" if partition else "made of them"
    text = [
        f"{origin}: {corpus['real']} real recordings of {corpus['real_speakers']} speakers, and "
        f"{corpus['tokens'] - corpus['real']} spoofed ones {made}. Layer: {run.facts['layer']}, "
        f"{run.facts['n_filters']} filters of up to {run.facts['width']} samples."
    ]
    if "duplicates" in run.facts:
        text.append(copies_sentence(run.facts["duplicates"]))
    shown = counts.assign(attack=[attack_title(name) for name in counts["attack"]])
    columns = ("attack", "kind", "recordings", "speakers", "speakers_also_real")
    tables = [as_html_table("counts", "Recordings", shown, columns)]
    left_out = run.table("left_out")
    if not left_out.empty:
        tables.append(left_out_table(left_out))
    return Section("corpus", "What was spoken", text, tables=tables)


def _accuracy(results: pd.DataFrame) -> Section:
    counts, rates = ("n_real", "n_spoofed"), ("balanced_accuracy", "low", "high", "eer", "eer_low", "eer_high")
    columns = ("attack", "feature", *counts, "accuracy", *rates)
    table = as_html_table("results", "Every feature and attack", results, columns)
    return Section("accuracy", "What tells them apart", [], [_plate(results)], [table])


def _plate(results: pd.DataFrame) -> Plate:
    rows = results[results["feature"] == LAYER].to_dict("records")
    rates = "; ".join(f"{r['attack']} {percent(r['balanced_accuracy'])}, EER {percent(r['eer'])}" for r in rows)
    panel = make_panel("spoof-1", spoof_figure(results), f"By the first layer: {rates}.")
    return Plate(
        "spoof",
        "Real against spoofed",
        "Each attack against the real recordings: balanced accuracy and equal error rate of a support vector machine "
        "(polynomial, degree 3), every recording judged by one that met neither it nor copies of it; 95 % intervals.",
        "50 % is guessing. The first layer has learnt something about spoofing only where it lies clear of the random "
        "filters and of the control.",
        [panel],
        results,
        width="full",
    )
