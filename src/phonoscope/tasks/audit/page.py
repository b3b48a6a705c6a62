"""The page of an audit, for a reviewer: the verdict first, the sounds beside it, and what was not tested."""

from __future__ import annotations

import numpy as np
import pandas as pd

from phonoscope.audit.battery import CLEAN, IN_DATA, REACTS, USED
from phonoscope.audit.reactions import BANDS
from phonoscope.audit.shortcuts import SHORTCUTS
from phonoscope.experiments.folder import Run
from phonoscope.judgement.claims import CONTRADICTED, OPEN, SUPPORTED
from phonoscope.judgement.words import doubts_of_basis
from phonoscope.report.numbers import percent
from phonoscope.report.page import Page, Section
from phonoscope.report.tables import as_html_table
from phonoscope.tasks.audit.figures import shortcuts_plate, sounds_plate
from phonoscope.tasks.content import Content, read_content
from phonoscope.tasks.sections import left_out_table, page_of, provenance_section

_RANGE = "95 % interval"
_MEANING = {
    USED: "The classes differ in it, and the model answers by it: a shortcut.",
    IN_DATA: "The classes differ in it, but the model does not answer by it. Another model may.",
    REACTS: "The classes do not differ in it, but decisions change when it changes: the model is fragile here.",
    CLEAN: "The classes do not differ in it, and the model does not answer by it.",
    OPEN: "The recordings are too few, or vary too much, to decide.",
}


def page(run: Run) -> Page:
    """Return the page of an audit."""
    content = read_content(run)
    results = content.facts["results"]
    sections = [*_sounds(content), _verdicts(content), _reactions(content), _both(content), _not_tested(content),
                _provenance(content)]  # fmt: skip
    return page_of(
        content.facts, sections, numbers=_numbers(content), findings=results["sentences"], doubts=_doubts(content)
    )


def _numbers(content: Content) -> list[tuple[str, str, str]]:
    findings, results = content.table("findings"), content.facts["results"]
    count = findings["finding"].value_counts()
    units = f"of {results['speakers']} speakers" if results["speakers"] else ""
    numbers = [
        ("in the data and used", f"{count.get(USED, 0)}", f"of {len(findings)} properties"),
        ("in the data, not used", f"{count.get(IN_DATA, 0)}", ""),
        ("cannot be told", f"{count.get(OPEN, 0)}", ""),
        ("recordings", f"{results['n']}", units),
    ]
    if results["accuracy"] is not None:
        numbers.append(("right", percent(results["accuracy"]), "of the recordings as they are"))
    return numbers


def _doubts(content: Content) -> list[str]:
    findings, results = content.table("findings"), content.facts["results"]
    asked = findings[findings["n_units"].notna()] if "n_units" in findings else findings.iloc[:0]
    doubts = []
    if len(asked):
        row = asked.iloc[0]
        trainings = int(row["trainings"]) if "of_run" in content.facts else 0
        doubts += doubts_of_basis(row["n_units"], str(row["unit_of_interval"]), trainings)
    for name in asked.loc[asked["finding"] == USED, "shortcut"]:
        if SHORTCUTS[name].caution:
            doubts.append(f"{SHORTCUTS[name].says.capitalize()}: {SHORTCUTS[name].caution}")
    if not content.facts.get("labelled", True):
        doubts.append("The recordings have no labels: their classes are the model’s own answers.")
    return [*doubts, *(f"Not tested: {each}" for each in results["not_tested"][:2])]


def _verdicts(content: Content) -> Section:
    findings = content.table("findings")
    table = as_html_table("findings", "Findings", findings, ("shortcut", "finding", "sentence"))
    occur = [name for name in _MEANING if (findings["finding"] == name).any()]
    text = (
        "Two questions for each property that is not speech. Is it in the data: can the class be told from this "
        "property alone? Does the model use it: does its answer suffer when the property is exchanged with a "
        "recording of another class, more than when it is exchanged within the class? All verdicts of a question are "
        "corrected for their number (Holm 1979)."
    )
    return Section("verdicts", "Verdicts", [text, *(f"“{name}”: {_MEANING[name]}" for name in occur)], tables=[table])


def _sounds(content: Content) -> list[Section]:
    plate = sounds_plate(content)
    if plate is None:
        return []
    text = "Hear for yourself what the model hears: only one property differs between the sounds of a row."
    return [Section("sounds", "Listen", [text], [plate])]


def _reactions(content: Content) -> Section:
    table = content.table("reactions")
    shown = _with_range(table.sort_values("decisions", ascending=False), "decisions")
    if "accuracy" in shown:
        shown = shown.assign(right=shown["accuracy"])
    columns = ("says", "decisions", _RANGE, "sham", "right", "verdict")
    headings = {"says": "Every recording …", "decisions": "decisions change", "sham": "by the sham",
                "right": "right then", "verdict": "the model reacts"}  # fmt: skip
    printed = as_html_table("reactions", "What the model bears", _percents(shown), columns, headings=headings,
                            data=table)  # fmt: skip
    text = (
        "What the model does when all recordings are changed alike. The sham adds the same change at another time: as "
        "much energy of the same colour. With the speech removed, a model that answers by speech should know nothing."
    )
    return Section("reactions", "What the model bears", [text, *most_important_band(table)], tables=[printed])


def most_important_band(table: pd.DataFrame) -> list[str]:
    """Which band of the speech matters most, as a sentence; none if fewer than two were taken out.

    Parameters
    ----------
    table
        ``reactions`` of an audit.
    """
    bands = table[table["reaction"].isin(BANDS)]
    if len(bands) < 2:
        return []
    most = bands.sort_values("decisions", kind="stable").iloc[-1]
    interval = f"{100 * most['decisions_low']:.0f} to {100 * most['decisions_high']:.0f} %"
    if most["decisions"] == bands["decisions"].min():
        return [f"No band of the speech matters more than another: {percent(most['decisions'], 0)} of the decisions "
                "change, whichever is taken out."]  # fmt: skip
    told = {
        SUPPORTED: "That is more than the sham.",
        CONTRADICTED: "That is no more than the sham.",
    }.get(str(most["verdict"]), "Whether that is more than the sham cannot be told.")
    return [f"One band of the speech matters most: {most['says']}, {percent(most['decisions'], 0)} ({interval}) of the "
            f"decisions change; with the sham, {percent(most['sham'], 0)}. {told}"]  # fmt: skip


def _both(content: Content) -> Section:
    findings = content.table("findings")
    shown = _with_range(_with_range(findings, "balanced_accuracy", "accuracy", "interval of accuracy"), "difference",
                        digits=2)  # fmt: skip
    columns = ("shortcut", "in_data", "balanced_accuracy", "interval of accuracy", "null", "auc", "used", "effect",
               "sham", "difference", _RANGE, "decisions", "reacts")  # fmt: skip
    headings = {"in_data": "in the data", "balanced_accuracy": "told from it alone", "null": "97.5 % of shuffles",
                "auc": "area under the curve", "used": "used", "effect": "change, other class",
                "sham": "change, own class", "difference": "difference (logits)",
                "decisions": "decisions, beyond the sham", "reacts": "decisions, own class"}  # fmt: skip
    table = as_html_table("both", "Both questions in numbers", _percents(shown), columns, headings=headings,
                          data=findings)  # fmt: skip
    text = (
        "A change is that of the log odds of what the model answers to the recording as it is. Donors of the same and "
        "of another class lie at the same place within their classes, so that they differ as the classes do."
    )
    return Section("numbers", "Both questions in numbers", [text], [shortcuts_plate(content)], folded=[table])


def _not_tested(content: Content) -> Section:
    return Section("not-tested", "What was not tested", list(content.facts["results"]["not_tested"]))


def _provenance(content: Content) -> Section:
    facts = content.facts
    asked = facts.get("of_run") or facts.get("model", {}).get("source", "")
    left_out = [left_out_table(content.tables["left_out"])] if len(content.tables["left_out"]) else []
    section = provenance_section(facts, further=[("Model that was audited", str(asked))])
    return Section(section.key, section.title, section.paragraphs, section.plates, section.tables,
                   [*section.folded, *left_out], section.facts, section.settings)  # fmt: skip


def _with_range(
    table: pd.DataFrame, name: str, prefix: str = "", column: str = _RANGE, digits: int = 0
) -> pd.DataFrame:
    """The table with the bounds of a measure in one column: as percentages, or as numbers with so many digits."""
    low, high = (table[f"{prefix or name}_{end}"] for end in ("low", "high"))
    factor = 100 if not digits else 1
    words = [
        f"{factor * a:.{digits}f} to {factor * b:.{digits}f}{'' if digits else ' %'}".replace("-", "−")
        if np.isfinite(a) else "–" for a, b in zip(low, high, strict=True)
    ]  # fmt: skip
    return table.assign(**{column: words})


def _percents(table: pd.DataFrame) -> pd.DataFrame:
    """The table with shares as percentages."""
    shares = ("decisions", "sham", "right", "balanced_accuracy", "null", "reacts")
    if "difference" in table:  # there the sham is one of log odds
        shares = tuple(name for name in shares if name != "sham")
    return table.assign(**{
        name: [percent(value, 0) if np.isfinite(value) else "–" for value in table[name]]
        for name in shares if name in table
    })  # fmt: skip
