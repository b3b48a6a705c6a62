"""The report of a spoofing run: how well each feature tells real from vocoded speech, beside its control."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from phonoscope.experiments.folder import Run
from phonoscope.experiments.spoof import CONTROL, LAYER, SPECTRUM
from phonoscope.report.confusions import accuracy_figure
from phonoscope.report.page import Section
from phonoscope.report.plates import Panel, Plate
from phonoscope.report.style import to_svg
from phonoscope.report.tables import as_html_table
from phonoscope.report.waveform_page import provenance_section, write_page
from phonoscope.report.words import interval, percent


def write_spoof_report(run: Run, out: str | Path | None = None) -> Path:
    """Write the report of a spoofing run: one HTML file that opens offline, figures and data beside it."""
    results = run.table("results")
    attacks = [name for name in dict.fromkeys(results["attack"]) if name != CONTROL]
    table = {(row["attack"], row["feature"]): row for row in results.to_dict("records")}
    numbers, findings = [], []
    for attack in attacks:
        layer, plain = table[attack, LAYER], table[attack, SPECTRUM]
        numbers.append(
            (f"{attack}, balanced", percent(layer["balanced_accuracy"]), interval(layer["low"], layer["high"]))
        )
        findings.append(
            f"{attack}: by the response spectrum of the first layer, {percent(layer['balanced_accuracy'])} (balanced) "
            f"are told apart, equal error rate {percent(layer['eer'])}; by the plain long-term spectrum "
            f"{percent(plain['balanced_accuracy'])}."
        )
    control = table[CONTROL, LAYER]
    numbers.append(("real against real", percent(control["balanced_accuracy"]), "what is found with nothing spoofed"))
    doubts = [
        "The spoofed half is made by Griffin–Lim from the real one: other systems leave other traces.",
        "In the control, halves of the real speakers stand against each other: whatever it scores above 50 % comes "
        "from the speakers and their microphones.",
    ]
    corpus = run.facts["corpus"]
    said = [
        f"{corpus['name']}: {corpus['recordings']} real recordings of {corpus['speakers']} speakers, and a copy of "
        f"each by every vocoder. Layer: {run.facts['layer']}, {run.facts['n_filters']} filters of up to "
        f"{run.facts['width']} samples.",
    ]
    columns: dict[str, Any] = {
        "attack": ("what", str),
        "feature": ("told apart by", str),
        "accuracy": ("accuracy", percent),
    }
    columns |= {"balanced_accuracy": ("balanced", percent), "low": ("from", percent), "high": ("to", percent)}
    columns |= {"eer": ("EER", percent), "eer_low": ("from", percent), "eer_high": ("to", percent)}
    claim_columns: dict[str, Any] = {
        name: (name.replace("_", " "), str) for name in ("paper_section", "paper_says", "measured", "verdict", "detail")
    }
    sections = [
        Section("corpus", "What was spoken", said, [], _left_out(run)),
        Section(
            "accuracy",
            "What tells them apart",
            [],
            [_plate(results)],
            [as_html_table("results", "Every feature and attack", results, columns)],
        ),
        Section(
            "claims",
            "What the paper says, what this run found",
            [],
            [],
            [as_html_table("claims", "Claim by claim", run.table("claims"), claim_columns)],
        ),
        provenance_section(run),
    ]
    return write_page(run, out, numbers, findings, doubts, sections)


def _left_out(run: Run) -> list[Any]:
    table = run.table("left_out")
    columns: dict[str, Any] = {name: (name, str) for name in ("what", "reason", "count", "examples")}
    return [] if table.empty else [as_html_table("left_out", "Left out", table, columns)]


def _plate(results: pd.DataFrame) -> Plate:
    panels = []
    for position, attack in enumerate(dict.fromkeys(results["attack"])):
        own = results[results["attack"] == attack]
        rows = pd.DataFrame(
            {
                "what": own["feature"],
                "kind": ["network" if name == LAYER else "baseline" for name in own["feature"]],
                "estimate": own["balanced_accuracy"],
                "low": own["low"],
                "high": own["high"],
            }
        ).reset_index(drop=True)
        figure = accuracy_figure(rows)
        figure.axes[0].set_xlabel("balanced accuracy (%)")
        said = "; ".join(f"{row['what']} {percent(row['estimate'])}" for row in rows.to_dict("records"))
        name = f"spoof-{position + 1}"
        panels.append(Panel(name, to_svg(figure, name), f"{attack}: {said}.", note=attack))
    return Plate(
        "spoof",
        "Real against spoofed",
        "Balanced accuracy of a support vector machine (polynomial, degree 3), each recording judged by a machine that "
        "met neither it nor its copies; 95 % intervals.",
        "50 % is guessing. The first layer has learnt something about spoofing only where its interval lies clear of "
        "the random filters and of the control.",
        panels,
        results,
        width="wide",
    )
