"""The report of a task on whole recordings: accuracies over seeds, what first layers hear against chance, claims."""

from __future__ import annotations

from math import comb

import numpy as np
import pandas as pd

from phonoscope.experiments.folder import Run
from phonoscope.experiments.twin import with_twin_sentences
from phonoscope.filters.significance import MOST_GROUPINGS
from phonoscope.judgement.words import doubts_of_basis
from phonoscope.report.confusions import confusion_figure
from phonoscope.report.filters import crs_figure
from phonoscope.report.numbers import fixed, interval, percent
from phonoscope.report.page import Page, Section
from phonoscope.report.plates import Plate, make_panel
from phonoscope.report.tables import as_html_table
from phonoscope.tasks.recordings.figures import band_figure, learning_figure, network_figure
from phonoscope.tasks.sections import (
    PARTS,
    claims_section,
    copies_sentence,
    left_out_table,
    page_of,
    provenance_section,
)

_PAPER = (
    "Gupta and Abrol, “Time-frequency and geometric analysis of task-dependent learning in raw waveform based "
    "acoustic models”. Here each claim is a number with its interval and its chance level."
)
_GEOMETRY = ("network", "number", "A", "B", "B_z", "beta_avg", "beta_avg_z", "mu", "mu_z", "mu_avg", "mu_avg_z")
_LOWEST_HZ = 50.0


def page(run: Run) -> Page:
    """Return the page of a run on whole recordings.

    Raises
    ------
    ExperimentError
        If a table of the run is missing.
    """
    sections = [
        _corpus(run),
        _accuracy(run),
        _spectra(run),
        _geometry(run),
        claims_section(run.table("claims"), _PAPER),
        provenance_section(run.facts),
    ]
    return page_of(run.facts, sections, numbers=_numbers(run), findings=_findings(run), doubts=_doubts(run))


def _numbers(run: Run) -> list[tuple[str, str, str]]:
    numbers = [
        (f"{row['network']}, balanced accuracy", percent(row["balanced_accuracy"]),
         interval(*row["balanced_accuracy_interval"]))
        for row in run.results["networks"]
    ]  # fmt: skip
    best = max(run.results["baselines"], key=lambda row: row["balanced_accuracy"])
    return [*numbers, ("best without a network", percent(best["balanced_accuracy"]), best["name"])]


def _findings(run: Run) -> list[str]:
    best = max(run.results["networks"], key=lambda row: row["balanced_accuracy"])
    each = best["balanced_accuracy_of_each"]
    trainings = f" It was trained {len(each)} times: {', '.join(percent(value) for value in each)}."
    text = [
        f"Of {run.results['n_test']} recordings that were not trained on, the {best['network']} network recognised "
        f"most: {percent(best['balanced_accuracy'])} balanced accuracy {interval(*best['balanced_accuracy_interval'])}."
        f"{trainings if len(each) > 1 else ''}"
    ]
    networks = [row for row in run.results["networks"] if "beside_twin" in row]  # none in runs of before
    text = with_twin_sentences(text, [(row["beside_twin"], f"{row['network']} network") for row in networks])
    tests, curves = run.table("curve_tests"), run.table("curves")
    for network in run.facts["recipe"]["networks"]:
        curve = curves[
            (curves["network"] == network) & (curves["label"] == "all") & (curves["frequency"] >= _LOWEST_HZ)
        ]
        moved = curve.iloc[int(np.nanargmax(curve["moved"].abs().to_numpy(dtype=float)))]
        row = tests[(tests["network"] == network) & (tests["label"] == "all")].iloc[0]
        beyond = "differs from" if row["p"] <= 0.05 else "cannot be told from"
        text.append(
            f"What the first layer of the {network} network hears, over all classes, {beyond} what layers with random "
            f"weights hear in the same recordings (largest |z| {row['max_z']:.1f} at {row['at_hz']:.0f} Hz, "
            f"p = {row['p']:.3f}); the two curves correlate at r = {fixed(row['r_learned_null'])}. Training itself "
            f"moved it by at most {abs(moved['moved']):.1f} dB, at {moved['frequency']:.0f} Hz."
        )
    return text


def _doubts(run: Run) -> list[str]:
    facts, text = run.facts, []
    n_null = facts["recipe"]["null_seeds"]
    accuracy = run.table("accuracy")
    units = accuracy[accuracy["measure"] == "accuracy"].iloc[0]
    seeds = facts["recipe"].get("trainings", facts["recipe"].get("seeds", 1))
    text += doubts_of_basis(units["n_units"], units["unit"], seeds)
    if facts["unit"] != "speaker" and facts["task"] == "words":
        text.append("Training and testing use the same speakers: expect lower accuracy on new ones.")
    if facts["task"] == "speakers":
        text.append(
            "Speakers who were each recorded with a microphone of their own can be told apart by the room and the "
            "microphone: a high accuracy alone says nothing about voices."
        )
    low_rate = min(facts["native_rates"])
    if low_rate < facts["sample_rate"]:
        text.append(
            f"Some recordings were made at {low_rate} Hz and hold nothing above {low_rate / 2:.0f} Hz; filters there "
            "were not trained on any sound."
        )
    trainings = f"{seeds} training{'s' if seeds > 1 else ''}"
    text.append(
        "A response spectrum contains the spectrum of the sounds; only its distance from random weights says anything "
        f"about learning. With {n_null} random layers and {trainings} no p can be below "
        f"{max(1 / comb(n_null + seeds, seeds), 1 / MOST_GROUPINGS):.2g}."
    )
    return text


def _corpus(run: Run) -> Section:
    corpus, plan = run.facts["corpus"], run.facts["plan"]
    text = [
        f"{corpus['name']}: {corpus['recordings']} recordings of {corpus['speakers']} speakers, "
        f"{corpus['seconds']:.0f} s; {len(run.labels)} classes: {', '.join(run.labels)}.",
        f"Split by {run.facts['unit']}: {plan.get('train', 0)} recordings train, {plan.get('validation', 0)} choose "
        f"the epoch, {plan.get('test', 0)} test. {copies_sentence(run.facts['duplicates'])}",
    ]
    counts = run.table("counts")
    wide = counts.pivot_table(index="class", columns="split", values="count", fill_value=0, sort=False).reset_index()
    tables = [as_html_table("counts", "Recordings used", wide, ("class", *PARTS), name=str)]
    left_out = run.table("left_out")
    if left_out.empty:
        text.append("Nothing was left out.")
    else:
        tables.append(left_out_table(left_out))
    return Section("corpus", "What was spoken", text, tables=tables)


def _accuracy(run: Run) -> Section:
    accuracy, curve, baselines = run.table("accuracy"), run.table("learning_curve"), run.table("baselines")
    over = run.table("over_seeds")
    first, several = accuracy.iloc[0], int(over["seeds"].max()) > 1
    chance = f"{first['n_units']:.0f} {first['unit']}s" + (" and the trainings" if several else "")
    figure, rows, alt = network_figure(accuracy, baselines, run.facts["recipe"]["networks"])
    plates = [
        Plate(
            "accuracy",
            "How often the networks are right",
            f"Recordings recognised{', mean over trainings,' if several else ','} with 95 % intervals over "
            f"{chance}. Hollow dots need no network.",
            "Balanced accuracy counts every class the same. A network has learnt something of its own only where its "
            "interval lies clear of the hollow dots.",
            [make_panel("accuracy", figure, alt)],
            rows,
            width="half",
        ),
        Plate(
            "learning",
            "More recordings, better networks?",
            f"Balanced accuracy on the same {run.results['n_test']} recordings after training on parts of the others"
            f"{': mean over trainings,' if several else ','} with 95 % intervals over {chance}.",
            "A line that still climbs at its right end says that the network would do better with more recordings. "
            "Each small dot is one training; their spread is what the seed alone does.",
            [make_panel("learning", learning_figure(curve, over), _learning_alt(over))],
            over,
            width="half",
        ),
    ]
    if len(run.labels) <= 20:
        confusions = run.table("confusions")
        panels = []
        for network, table in confusions.groupby("network", sort=False):
            right = table.loc[table["true"] == table["predicted"], "count"].sum()
            alt = f"Confusion matrix of the {network} network: {right} of {table['count'].sum()} right."
            figure = confusion_figure(table, run.labels)
            panels.append(make_panel(f"confusions-{network}", figure, alt, note=str(network)))
        plates.append(
            Plate(
                "confusions",
                "Who was taken for whom",
                "Counts of tested recordings, all seeds together, and percent of each row.",
                "Rows are what was spoken, columns what the network took it for: the diagonal is right.",
                panels,
                confusions,
                width="wide",
            )
        )
    balanced = ("balanced_accuracy", "low", "high")
    columns = ("network", "n_train", "seeds", *balanced, "each", "sd", "cpu_seconds")
    headings = {"cpu_seconds": "time of one (s)"}
    tables = [
        as_html_table("over_seeds", "Over trainings", over, columns, headings=headings),
        as_html_table(
            "trainings", "Every training", curve, ("network", "seed", "n_train", "epochs", *balanced, "cpu_seconds")
        ),
        as_html_table(
            "baselines",
            "Without a network",
            baselines,
            ("name", "accuracy", "balanced_accuracy", "n_tested"),
            headings={"n_tested": "recordings"},
        ),
    ]
    return Section("accuracy", "How well they recognise", [], plates, tables)


def _spectra(run: Run) -> Section:
    curves, bands, tests, peaks = (run.table(name) for name in ("curves", "bands", "curve_tests", "peaks"))
    top_hz = min(run.facts["sample_rate"], *run.facts["native_rates"]) / 2
    plates = []
    for network in run.facts["recipe"]["networks"]:
        of_classes = curves[(curves["network"] == network) & (curves["label"] != "all")]
        shown = [name for name in run.labels if name in set(of_classes["label"])][:12]
        table = of_classes[of_classes["label"].isin(shown)]
        figure = crs_figure(table, max_hz=top_hz, columns=4, lowest_hz=_LOWEST_HZ)
        left = len(run.labels) - len(shown)
        plates.append(
            Plate(
                f"crs-{network}",
                f"Cumulative response of the {network} first layer, class by class",
                "Response spectrum averaged over time and tested recordings, as a shape in dB; below, the difference "
                f"from random weights. {f'{left} further classes are in the data.' if left else ''}".strip(),
                "The coloured line is the trained layer with its 95 % band over speakers or recordings; the grey area "
                "is where layers of the same shape with random weights lie in the same recordings; the dashed line is "
                "the plain long-term spectrum, the dotted one the same layer before its training. Learning is what "
                "leaves the grey area.",
                [make_panel(f"crs-{network}", figure, f"Response spectra of {network} for {', '.join(shown)}.")],
                of_classes,
                width="full",
            )
        )
    pooled = bands[bands["label"] == "all"]
    plates.append(
        Plate(
            "bands",
            "The bands that the paper names",
            "Share of the cumulative response in each band, all classes together: trained (dot, mean over trainings, "
            "95 % interval over speakers), random weights (grey bar, 95 % of the layers), plain spectrum (tick).",
            "A dot to the right of the grey bar: training moved the first layer towards this band.",
            [make_panel("bands", band_figure(pooled), "Band shares beside those of random weights.")],
            bands,
            width="full",
        )
    )
    columns = ("network", "label", "max_z", "at_hz", "critical_z", "p", "r_learned_null")
    tables = [as_html_table("curve_tests", "Does the curve leave the null anywhere?", tests, columns, name=str)]
    strongest = peaks[peaks["level"] > -20].groupby("network", sort=False).head(4)
    named = strongest.rename(columns={"low": "low_hz", "high": "high_hz"})
    columns = ("network", "frequency", "low_hz", "high_hz", "prominence", "found", "in_null")
    tables.append(as_html_table("peaks", "Peaks of the mean response", named, columns, data=strongest))
    text = [
        "Response spectra (STRS and CRS) are those of Gupta & Abrol, equations 1 and 2, with the branches of a layer "
        "aligned by their centres and recordings scaled without an offset."
    ]
    return Section("spectra", "What the first layers hear", text, plates, tables)


def _geometry(run: Run) -> Section:
    text = (
        "The measures of the paper’s Tables 2 and 3 for the networks of this run, means over trainings; z is the "
        "distance from random weights of the same shape in standard deviations."
    )
    table = as_html_table("geometry", "Layers", run.table("geometry"), _GEOMETRY)
    return Section("geometry", "Weights as dictionaries", [text], tables=[table])


def _learning_alt(curve: pd.DataFrame) -> str:
    rows = [f"{r['network']} on {r['n_train']}: {percent(r['balanced_accuracy'])}" for r in curve.to_dict("records")]
    return f"Balanced accuracy by number of training recordings: {'; '.join(rows)}."
