"""The part of a report that says how far its maps deserve belief; empty until `phonoscope evidence` has judged them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.attribution.scaling import HELD, NOT_HELD
from phonoscope.evidence.level import STEP_DB
from phonoscope.evidence.measure import Measure
from phonoscope.evidence.measures import MEASURES
from phonoscope.evidence.planted_results import planted_measures
from phonoscope.evidence.planted_scores import planted_answers, planted_words
from phonoscope.evidence.removal import OTHER_CLASS, SAME_CLASS, SAME_ENERGY
from phonoscope.evidence.verdicts import BETTER, NO_BETTER, OPEN
from phonoscope.experiments.evidence_run import FACTS, FOLDER
from phonoscope.report.evidence_figures import contrast_figure, measure_figure, measure_legend
from phonoscope.report.labels import class_name, in_order
from phonoscope.report.numbers import fixed, significant
from phonoscope.report.page import Section
from phonoscope.report.plates import Plate, make_panel
from phonoscope.report.tables import HtmlTable, as_html_table
from phonoscope.tasks.content import Content

_FORMANTS = ("F1", "F2", "F3")
_BETTER = {"higher": ", more is better", "lower": ", less is better", "neither": ""}
_REFERENCES = {"causal-agreement": "agrees with filtering (ρ)", "filled-agreement": "with filtering that fills (ρ)"}


@dataclass(frozen=True)
class Evidence:
    """What `phonoscope evidence` found: its facts, and its tables by name (empty where there are none)."""

    facts: dict[str, Any]
    tables: dict[str, pd.DataFrame]

    @property
    def methods(self) -> list[str]:
        """Methods in the order of their agreement with the causal profile, those that have none last; then controls."""
        rows = self.tables["measures"]
        agreement = rows[rows["measure"] == "causal-agreement"].set_index("method")["value"]
        ranked = agreement.reindex(self.facts["methods"]).sort_values(ascending=False, na_position="last")
        return [*(str(method) for method in ranked.index), *self.facts.get("controls", {})]

    @property
    def measures(self) -> dict[str, Measure]:
        """What is known of each measure: from the evidence itself, so that no code is imported to read it."""
        about = self.facts.get("measures", {})
        names = list(dict.fromkeys(self.tables["measures"]["measure"]))
        return {name: Measure.from_about(about[name]) if name in about else MEASURES[name] for name in names}

    def rows_of(self, name: str) -> pd.DataFrame:
        """Rows of a measure; one that has a companion within the class carries its chance level as ``same_class``."""
        table = self.tables["measures"]
        rows, beside = table[table["measure"] == name], self.measures[name].beside
        within = table[table["measure"] == beside].set_index("method")["chance"]
        return rows.assign(same_class=rows["method"].map(within)) if beside else rows


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
        text.append(f"The maps have not been judged yet; to do so: phonoscope evidence {content.run.folder.name}")
        return Section(key, title, text)
    text += [*_evidence_text(content, evidence), *_advice_text(evidence)]
    tables = [_method_table(evidence), *_data_table(evidence), *_human_table(evidence)]
    return Section(key, title, text, _plates(content, evidence), tables, [_measure_table(evidence)])


def _evidence_text(content: Content, evidence: Evidence) -> list[str]:
    """Say what was judged, and what was found of the method whose maps this report draws."""
    facts, drawn = evidence.facts, content.method
    labelled = content.facts.get("labelled", True)
    explained = "the true class" if labelled else content.explained
    return [
        f"{len(facts['methods'])} methods explained {explained} of the same {len(facts['tokens'])} tested "
        f"{content.item}s. Nobody knows where the truth lies in real speech; what can be known is whether maps agree "
        "with what filtering the sound does, find what the network needs, change when its weights do, and come out the "
        "same from another training.",
        *(
            f"The maps drawn above were made by {drawn}. {verdict['summary']}"
            for verdict in facts["verdicts"]
            if verdict["method"] == drawn and verdict["summary"]
        ),
        *_verdict_text(drawn, evidence),
        *_beside_data_text(drawn, evidence),
        _level_text(content, facts.get("scaling", ""), evidence.tables.get("level", pd.DataFrame())),
        *(f"{entry['method']} was left out: {entry['reason']}." for entry in facts["left_out"]),
    ]


def _beside_data_text(drawn: str, evidence: Evidence) -> list[str]:
    """Say what the controls are, and how the drawn maps score beside a map that no network made."""
    controls, table = evidence.facts.get("controls", {}), evidence.tables.get("beside_data", pd.DataFrame())
    if table.empty:
        return []
    listed = "; ".join(f"{name}: {what}" for name, what in controls.items())
    text = [
        f"Controls stand among the methods ({listed}). Networks in them are explained by {drawn}. A map that does not "
        "score higher than that of the data alone says nothing about the network that the data did not say before."
    ]
    rows = table[table["method"] == drawn]
    scores = [
        f"{evidence.measures[row['measure']].title} {row['value']:.2f} against {row['data']:.2f} ({row['verdict']})"
        for row in rows.to_dict("records")
    ]
    return [*text, f"Beside the data alone, {drawn} scores: {'; '.join(scores)}."] if scores else text


def _verdict_text(drawn: str, evidence: Evidence) -> list[str]:
    """Say in which measures the drawn method beats chance, and that the answers were corrected for their number."""
    table, measures = evidence.tables["measures"], evidence.measures
    if "p_corrected" not in table:  # judged before verdicts had three values
        return []
    compared = table[table["p_corrected"].notna()]
    of_method = compared[compared["method"] == drawn]
    sentences = {
        BETTER: f"Maps by {drawn} are better than chance in",
        NO_BETTER: "No better than chance:",
        OPEN: "Cannot be told:",
    }
    parts = []
    for verdict, words in sentences.items():
        titles = [measures[name].title for name in of_method.loc[of_method["verdict"] == verdict, "measure"]]
        if titles:
            parts.append(f"{words} {'; '.join(titles)}.")
    if not parts:
        return ["No map is compared with chance: that takes six speakers or recordings."] if compared.empty else []
    units = of_method.iloc[0]
    return [
        f"{' '.join(parts)} (Over {units['n_units']} {units['unit']}s; with Holm’s correction for all {len(compared)} "
        "comparisons of a method with chance.)"
    ]


def _level_text(content: Content, scaling: str, table: pd.DataFrame) -> str:
    """Say how much these classifiers react to mere level; empty where it was not measured."""
    if table.empty:
        return ""
    held = table[table["held"]]
    moved = "the number" if content.is_number else f"the {content.unit} of the class"
    reacts = f"{moved} moves by {held['loss'].mean():.2f} on average"
    if not content.is_number:
        reacts += f", and the decision changes in {held['changed'].mean():.0%} of the {content.item}s"
    if scaling == HELD:
        return (
            f"A token that is {STEP_DB:g} dB louder or softer is the same to these networks, whose front end scales "
            f"each token. With its scaling held, as it is while sounds are changed, {reacts}: so much of an effect may "
            "be one of level."
        )
    warning = (
        " The front end scales each token by its own sound and offers no way to hold that still: what is taken out of "
        "one band of the sound changes all others too."
    )
    return (
        f"Where a {content.item} is {STEP_DB:g} dB softer or louder, {reacts}.{warning if scaling == NOT_HELD else ''}"
    )


def _advice_text(evidence: Evidence) -> list[str]:
    """Recommend the method that does best in the measure that predicts planted truth best, with a warranty."""
    known, table = planted_measures(), evidence.tables["measures"]
    known = known[(known["truth"] == "where") & (known["low"] > 0) & known["measure"].isin(table["measure"])]
    if known.empty:
        return ["None of these measures is shown to predict planted truth, so no method is recommended."]
    best: dict[Any, Any] = known.sort_values("estimate").iloc[-1].to_dict()
    about = evidence.measures[best["measure"]]
    rows = table[(table["measure"] == best["measure"]) & table["value"].notna()]
    rows = rows[~rows["method"].isin(list(evidence.facts.get("controls", {})))]
    if len(rows) < 2:
        return []
    chosen: dict[Any, Any] = rows.sort_values("value", ascending=about.better == "higher").iloc[-1].to_dict()
    return [
        f"Of the methods judged here, {chosen['method']} does best in {about.title} ({fixed(chosen['value'])}). Of all "
        "measures that need no planted truth, this one best predicts how sharply a method finds planted cues (ρ = "
        f"{fixed(best['estimate'])}, {fixed(best['low'])} to {fixed(best['high'])}, over methods, on {best['n']:.0f} "
        "networks). On those networks, to which nothing was fitted, the method chosen in this way fell short of the "
        f"best one by {fixed(best['loss'])} ({fixed(best['loss_low'])} to {fixed(best['loss_high'])}) of the sharpest "
        "possible map."
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
    # Evidence of before controls were told apart has no column for them.
    for name, column, plate in (("removal", "control", _removal_plate), ("contrasts", "pair", _contrast_plate)):
        table = evidence.tables.get(name, pd.DataFrame())
        if len(table) and column in table:
            plates.append(plate(content, table))
    return plates


def _values(rows: pd.DataFrame, detail: str = "") -> str:
    """Every value in words, with a detail of its row."""
    known = (row for row in rows.to_dict("records") if np.isfinite(row["value"]))
    worded = ({name: v if isinstance(v, str) else fixed(v) for name, v in row.items()} for row in known)
    return "; ".join(f"{row['method']} {row['value']}{detail.format_map(row)}" for row in worded)


def _measure_plate(evidence: Evidence) -> Plate:
    table, panels = evidence.tables["measures"], []
    for name, about in evidence.measures.items():
        rows = evidence.rows_of(name)
        if about.drawn and np.isfinite(rows["value"]).any():
            units = f"{about.units}{_BETTER[about.better]}"
            figure = measure_figure(rows, evidence.methods, title=about.title, units=units)
            detail = " (by chance {chance}, within the class {same_class})" if about.beside else ""
            alt = f"{about.title}: {_values(rows, detail)}."
            panels.append(make_panel(f"evidence-{name}", figure, alt, about.shows))
    unit = next((row for row in table.to_dict("records") if row["unit"]), {"unit": "token", "n_units": 0})
    legend = measure_legend(chance="chance", same_class="chance within the class")
    return Plate(
        "evidence",
        "Every method, measure by measure",
        f"Means over the same tokens with 95 % intervals over {unit['n_units']} {unit['unit']}s; bars are chance, thin "
        "bars chance within the class.",
        "A method says something where its interval lies clear of the bar, on the better side; of this token rather "
        "than of its class, where it lies clear of the thin bar too. The verdicts in the table are corrected for their "
        "number. The sentence under each panel says what the measure can show and what it cannot.",
        panels,
        table,
        legend=make_panel("evidence-legend", legend, "Legend: dots are means, bars are chance levels."),
        width="medium",
    )


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
        "Lines: 1 follows, 0 does not; bars: maps and formants of the class paired at random.",
        "Maps of this resolution that truly follow the formant get the slope control_follows in the table. A peak "
        "follows if its slope is shown to lie between 0.5 and 1.5 times that; it does not follow if its slope is shown "
        "to lie outside; otherwise it cannot be told. Verdicts are corrected for the number of methods and formants.",
        panels,
        table,
        width="medium",
    )


def _removal_plate(content: Content, table: pd.DataFrame) -> Plate:
    panels = []
    chances = {OTHER_CLASS: "chance", SAME_CLASS: "same_class", SAME_ENERGY: "same_energy"}
    for position, label in enumerate(in_order(table["label"], content.labels)):
        rows = table[table["label"] == label]
        levels = rows.pivot_table(index="formant", columns="control", values="chance").reindex(columns=list(chances))
        shown = rows.drop_duplicates("formant").rename(columns={"formant": "method", "effect": "value"})
        shown = shown.drop(columns="chance").merge(levels.rename(columns=chances), left_on="method", right_index=True)
        name = "all classes" if label == "all" else class_name(label)
        units = "logits that the class loses without it"
        figure = measure_figure(shown, shown["method"].tolist(), title=name, units=units)
        detail = ", another class’s {chance}, another token’s {same_class}, as much energy {same_energy}"
        text = f"Without each formant, {name}: {_values(shown, detail)}."
        panels.append(make_panel(f"removal-{position + 1}", figure, text))
    legend = measure_legend(
        chance="where another class has it", same_class="where another token of the class has it",
        same_energy="as much energy elsewhere in the token",
    )  # fmt: skip
    return Plate(
        "removal",
        "What is lost without each formant",
        "250 Hz around each token’s own F1 … F4 filtered out of its sound, one formant at a time, and three bands that "
        "are not it. 95 % intervals.",
        "No map is involved: this is the sound without the formant, heard by the untouched network. Right of all marks "
        "the class lives on that formant where this token has it. At the cross any such energy would do; at the thin "
        "bar, the place that the class usually has; at the thick bar, any place of that formant. The table holds the "
        "differences with their intervals.",
        panels,
        table,
        legend=make_panel(
            "removal-legend", legend, "Legend: dots are means; marks are bands that are not the formant."
        ),
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
        "confused tokens leaves the solid one of their class, the sound has too little or too much of what decides.",
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
    words = {True: "passes", False: "fails", None: OPEN if "randomisation" in measures else "–"}
    rows, headings = pd.DataFrame({"method": evidence.methods}), {}
    answers = [planted_answers(method) for method in evidence.methods]
    rows["planted"] = [np.nan if known is None else known["which band"]["estimate"] for known in answers]
    rows["randomisation"] = [words[passes.get(method)] for method in evidence.methods]
    for name, heading in _REFERENCES.items():
        if name in measures:
            of_name = evidence.rows_of(name).set_index("method").reindex(columns=["value", "chance", "same_class"])
            headings |= {name: heading, f"{name}-chance": "other classes", f"{name}-within": "same class"}
            rows[[name, f"{name}-chance", f"{name}-within"]] = of_name.reindex(evidence.methods).to_numpy()
    for name in ("deletion", "class-similarity"):
        if name in measures:
            rows[name] = rows["method"].map(measures[name])
    shares = evidence.tables.get("shares", pd.DataFrame(columns=["label", "formant", "null", "method", "ratio"]))
    for null in ("run", "class"):
        pooled = shares[(shares["label"] == "all") & (shares["formant"] == "F1–F3") & (shares["null"] == null)]
        rows[f"share-{null}"] = rows["method"].map(pooled.set_index("method")["ratio"])
    overlap = evidence.tables["specificity"].set_index("method")
    rows["rho"], rows["p"] = rows["method"].map(overlap["rho"]), rows["method"].map(overlap["p"])
    return as_html_table("methods", "Methods in one line each", rows, tuple(rows.columns), headings=headings)


def _data_table(evidence: Evidence) -> list[HtmlTable]:
    """Every method beside the map of the data alone."""
    table = evidence.tables.get("beside_data", pd.DataFrame())
    if table.empty:
        return []
    shown = table.assign(
        measure=[evidence.measures[name].title for name in table["measure"]],
        range=[_range({**row, "value": row["difference"]}) for row in table.to_dict("records")],
    )
    columns = ("method", "measure", "value", "data", "range", "p_holm", "n", "verdict")
    headings = {"data": "the data alone"}
    title = "Beside a map that no network made"
    return [as_html_table("beside_data", title, shown, columns, headings=headings, data=table)]


def _measure_table(evidence: Evidence) -> HtmlTable:
    """Every measure of every method, with what it can show."""
    table = evidence.tables["measures"]
    known = [evidence.measures[name] for name in table["measure"]]
    shown = table.assign(
        title=[measure.title for measure in known],
        better=[measure.better for measure in known],
        range=[_range(row) for row in table.to_dict("records")],
        shows=[measure.shows for measure in known],
        verdict=table.get("verdict", ""),
    )
    columns = ("method", "title", "range", "chance", "verdict", "better", "shows", "note")
    return as_html_table("measures", "Every measure", shown, columns, headings={"range": "value (95 %)"})


def _range(row: dict[Any, Any]) -> str:
    value, low, high = (significant(row[name]) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})" if np.isfinite(row["low"]) else value
