"""The part of a report that says how far its maps deserve belief; empty until `phonoscope evidence` has judged them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.evidence.measure import Measure
from phonoscope.evidence.measures import MEASURES
from phonoscope.evidence.planted_scores import planted_answers, planted_words
from phonoscope.experiments.evidence_run import FACTS, FILLED, FOLDER
from phonoscope.report.evidence_figures import contrast_figure, measure_figure, measure_legend
from phonoscope.report.labels import class_name, in_order
from phonoscope.report.numbers import significant
from phonoscope.report.page import Section
from phonoscope.report.plates import Plate, make_panel
from phonoscope.report.tables import HtmlTable, as_html_table
from phonoscope.tasks.content import Content

_FORMANTS = ("F1", "F2", "F3")
_BETTER = {"higher": ", more is better", "lower": ", less is better", "neither": ""}


@dataclass(frozen=True)
class Evidence:
    """What `phonoscope evidence` found: its facts, and its tables by name (empty where there are none)."""

    facts: dict[str, Any]
    tables: dict[str, pd.DataFrame]

    @property
    def methods(self) -> list[str]:
        """Methods in the order of their agreement with the causal profile; those that have none last."""
        rows = self.tables["measures"]
        agreement = rows[rows["measure"] == "causal-agreement"].set_index("method")["value"]
        ranked = agreement.reindex(self.facts["methods"]).sort_values(ascending=False, na_position="last")
        return [str(method) for method in ranked.index]

    @property
    def measures(self) -> dict[str, Measure]:
        """What is known of each measure: from the evidence itself, so that no code is imported to read it."""
        about = self.facts.get("measures", {})
        names = list(dict.fromkeys(self.tables["measures"]["measure"]))
        return {name: Measure.from_about(about[name]) if name in about else MEASURES[name] for name in names}


def read_evidence(content: Content) -> Evidence | None:
    """Read the evidence of a run; None where there is none."""
    folder = content.run.folder / FOLDER
    if not (folder / FACTS).is_file():
        return None
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    tables = {name: pd.read_parquet(folder / "tables" / f"{name}.parquet") for name in facts["tables"]}
    return Evidence(facts, tables)


def evidence_section(content: Content) -> Section:
    """The section of the page."""
    key, title, evidence = "evidence", "Can the maps be believed?", read_evidence(content)
    text = _planted_text(content.method)
    if evidence is None:
        text.append(f"Not judged yet for this run: phonoscope evidence {content.run.folder.name}")
        return Section(key, title, text)
    text += _evidence_text(content.method, evidence)
    tables = [_method_table(evidence), *_human_table(evidence)]
    return Section(key, title, text, _plates(content, evidence), tables, [_measure_table(evidence)])


def _evidence_text(drawn: str, evidence: Evidence) -> list[str]:
    """Say what was judged, and what was found of the method whose maps this report draws."""
    facts = evidence.facts
    return [
        f"{len(evidence.methods)} methods explained the true class of the same {len(facts['tokens'])} tested "
        "tokens. Nobody knows where the truth lies in real speech; what can be known is whether maps agree with what "
        "filtering the sound does, find what the network needs, change when its weights do, and come out the same from "
        "another training.",
        *(
            f"The maps drawn above are made by {drawn}. {verdict['summary']}"
            for verdict in facts["verdicts"]
            if verdict["method"] == drawn and verdict["summary"]
        ),
        *(f"{entry['method']} was left out: {entry['reason']}." for entry in facts["left_out"]),
    ]


def _planted_text(method: str) -> list[str]:
    """Say what a method is worth where the truth was planted; nothing for one that was not tried."""
    words = planted_words(method)
    if not words:
        return []
    return [
        "Networks were made that are known to use one of two cues, or each of them to a known extent. On these "
        f"{method} is {words}. A map of the data alone is right about half of them."
    ]


def _plates(content: Content, evidence: Evidence) -> list[Plate]:
    """Measures over methods, slopes against formants, and the contrasts of confused pairs."""
    plates = [_measure_plate(evidence)]
    if "following" in evidence.tables:
        plates.append(_following_plate(evidence))
    for name, plate in (("removal", _removal_plate), ("contrasts", _contrast_plate)):
        if len(table := evidence.tables.get(name, pd.DataFrame())):
            plates.append(plate(content, table))
    return plates


def _values(rows: pd.DataFrame, detail: str = "") -> str:
    """Every value in words, with a detail of its row."""
    known = (row for row in rows.to_dict("records") if np.isfinite(row["value"]))
    return "; ".join(f"{row['method']} {row['value']:.2f}{detail.format_map(row)}" for row in known)


def _measure_plate(evidence: Evidence) -> Plate:
    table = evidence.tables["measures"]
    drawn = [
        (name, about.title, f"{about.units}{_BETTER[about.better]}", table[table["measure"] == name], about.shows)
        for name, about in evidence.measures.items()
        if about.drawn
    ]
    note = "Here the band is not emptied but brought to its average level, so evidence from a missing sound counts."
    filled = ("filled", "agreement with band-stop filled to its average", f"rank correlation{_BETTER['higher']}")
    panels = []
    for name, title, units, rows, shows in [*drawn[:1], (*filled, _agreement_with_filled(evidence), note), *drawn[1:]]:
        if np.isfinite(rows["value"]).any():
            figure = measure_figure(rows, evidence.methods, title=title, units=units)
            panels.append(make_panel(f"evidence-{name}", figure, f"{title}: {_values(rows)}.", shows))
    return Plate(
        "evidence",
        "Every method, measure by measure",
        "Means over the same tokens with 95 % intervals from resampling "
        f"{next(filter(None, table['unit']), 'token')}s; grey bars are chance.",
        "A method says something where its interval lies clear of the grey bar, on the better side. The sentence under "
        "each panel says what the measure can show and what it cannot. No single one decides.",
        panels,
        table,
        legend=make_panel("evidence-legend", measure_legend(), "Legend: dots are means, grey bars are chance."),
        width="medium",
    )


def _agreement_with_filled(evidence: Evidence) -> pd.DataFrame:
    """Agreement of every other method with the filled causal reference: ``method, value, low, high, chance``."""
    pairs = evidence.tables["agreement"].rename(columns={"agreement": "value", "other_class": "chance"})
    both = pd.concat([pairs.rename(columns={"a": "method"}), pairs.rename(columns={"b": "method", "a": "b"})])
    return both[both["b"] == FILLED].reset_index(drop=True)


def _following_plate(evidence: Evidence) -> Plate:
    table = evidence.tables["following"]
    pooled = table[table["label"] == "all"].rename(columns={"slope": "value"})
    pooled = pooled.assign(chance=pooled["control_fixed"])
    panels = []
    for formant in _FORMANTS:
        rows, title = pooled[pooled["formant"] == formant], f"{formant}: does the peak follow?"
        if len(rows):
            figure = measure_figure(rows, evidence.methods, title=title, units="slope, Hz per Hz", lines=(0.0, 1.0))
            text = f"Slopes of {formant}: {_values(rows, ', {verdict}')}."
            panels.append(make_panel(f"following-{formant}", figure, text))
    return Plate(
        "following",
        "Do the peaks follow the formants of talkers and contexts?",
        "Slope of the map’s peak near each formant against the measured formant, within classes, with 95 % intervals. "
        "Lines: 1 follows, 0 stays; grey bars: maps and formants of the class paired at random.",
        "At 1 the peak moves with the formant; at 0 it stays in a fixed band, whatever the talker does. "
        "The table behind the figure holds, for each method, the slope that maps of its resolution get when they truly "
        "follow (control_follows): where that is well below 1, little can be told.",
        panels,
        table,
        width="medium",
    )


def _removal_plate(content: Content, table: pd.DataFrame) -> Plate:
    panels = []
    for position, label in enumerate(in_order(table["label"], content.labels)):
        rows = table[table["label"] == label].rename(columns={"formant": "method", "effect": "value"})
        name = "all classes" if label == "all" else class_name(label)
        units = "logits that the class loses without it"
        figure = measure_figure(rows, rows["method"].tolist(), title=name, units=units)
        text = f"Without each formant, {name}: {_values(rows, ', by chance {chance:.2f}')}."
        panels.append(make_panel(f"removal-{position + 1}", figure, text))
    return Plate(
        "removal",
        "What is lost without each formant",
        "250 Hz around each token’s own F1 … F4 filtered out of its sound, one formant at a time; grey bars: as wide a "
        "band where a random token of another class has that formant. 95 % intervals.",
        "No map is involved: this is the sound without the formant, heard by the untouched network. Right of the grey "
        "bar the class lives on that formant; at the bar, on whatever lies in such a band.",
        panels,
        table,
        width="medium",
    )


def _contrast_plate(content: Content, contrasts: pd.DataFrame) -> Plate:
    panels = []
    for position, pair in enumerate(dict.fromkeys(contrasts["pair"])):
        rows = contrasts[contrasts["pair"] == pair]
        figure = contrast_figure(rows, max_hz=content.max_hz, title=str(pair), unit=content.unit)
        groups = ", ".join(f"{g} ({int(r['n'].iloc[0])})" for g, r in rows.groupby("group", sort=False))
        panels.append(make_panel(f"contrast-{position + 1}", figure, f"Evidence for {pair}: {groups}."))
    return Plate(
        "contrasts",
        "Why one rather than the other: the most confused pairs",
        "What the difference of two logits loses when a band is filtered out of the sound (band-stop), mean over "
        "recognised tokens (solid) and confused ones (dashed), with 95 % bands.",
        "Above zero a band speaks for the first class of the title, below for the second. Where the dashed line of "
        "confused tokens leaves the solid one of their own class, the sound lacks, or has too much of, what decides.",
        panels,
        contrasts,
        width="medium",
    )


def _human_table(evidence: Evidence) -> list[HtmlTable]:
    """What people confuse beside what the network does, where it is known."""
    people = evidence.tables.get("asymmetry", pd.DataFrame(columns=["human_a_as_b", "human_b_as_a"]))
    known = people[people["human_a_as_b"].notna() | people["human_b_as_a"].notna()]
    if known["human_a_as_b"].isna().all():
        return []
    rates = ("percent_a_as_b", "percent_b_as_a", "human_a_as_b", "human_b_as_a")
    headings = {"percent_a_as_b": "network", "percent_b_as_a": "the other way"}
    title = "Asymmetric confusions, beside those of 20 listeners"
    return [as_html_table("human", title, known, ("label_a", "label_b", *rates, "agrees"), headings=headings)]


def _method_table(evidence: Evidence) -> HtmlTable:
    measures = evidence.tables["measures"].pivot_table(index="method", columns="measure", values="value", dropna=False)
    passes = {v["method"]: v["randomisation"] for v in evidence.facts["verdicts"]}
    rows = pd.DataFrame({"method": evidence.methods})
    for name in ("causal-agreement", "deletion", "class-similarity"):
        rows[name] = rows["method"].map(measures[name]) if name in measures else np.nan
    answers = [planted_answers(method) for method in evidence.methods]
    rows["planted"] = [np.nan if known is None else known["which band"]["estimate"] for known in answers]
    rows["randomisation"] = [{True: "passes", False: "fails"}.get(passes.get(m), "–") for m in rows["method"]]
    shares = evidence.tables.get("shares", pd.DataFrame(columns=["label", "formant", "null", "method", "ratio"]))
    for null in ("run", "class"):
        pooled = shares[(shares["label"] == "all") & (shares["formant"] == "F1–F3") & (shares["null"] == null)]
        rows[f"share-{null}"] = rows["method"].map(pooled.set_index("method")["ratio"])
    overlap = evidence.tables["specificity"].set_index("method")
    rows["rho"], rows["p"] = rows["method"].map(overlap["rho"]), rows["method"].map(overlap["p"])
    names = ("method", "planted", "randomisation", "causal-agreement", "deletion", "class-similarity")
    columns = (*names, "share-run", "share-class", "rho", "p")
    return as_html_table("methods", "Methods in one line each", rows, columns)


def _measure_table(evidence: Evidence) -> HtmlTable:
    """Every measure of every method, with what it can show."""
    table = evidence.tables["measures"]
    known = [evidence.measures[name] for name in table["measure"]]
    shown = table.assign(
        title=[measure.title for measure in known],
        better=[measure.better for measure in known],
        range=[_range(row) for row in table.to_dict("records")],
        shows=[measure.shows for measure in known],
    )
    columns = ("method", "title", "range", "chance", "better", "shows", "note")
    return as_html_table("measures", "Every measure", shown, columns, headings={"range": "value (95 %)"})


def _range(row: dict[Any, Any]) -> str:
    value, low, high = (significant(row[name]) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})" if np.isfinite(row["low"]) else value
