"""The page of a model on whole recordings: what it listens to in hertz, how far to believe it, and all the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from phonoscope.evidence.level import STEP_DB
from phonoscope.experiments.folder import Run
from phonoscope.experiments.twin import with_twin_sentences
from phonoscope.judgement.calibration import OPEN
from phonoscope.judgement.words import doubts_of_basis
from phonoscope.report.numbers import fixed, interval, is_known, percent
from phonoscope.report.page import Page, Section
from phonoscope.report.tables import as_html_table
from phonoscope.tasks.content import Content, read_content
from phonoscope.tasks.evidence_section import evidence_section, read_evidence
from phonoscope.tasks.example_plate import example_plate
from phonoscope.tasks.figures.class_map import SUBSETS, map_plates
from phonoscope.tasks.figures.profile import profile_plate
from phonoscope.tasks.figures.recognition import recognition_plates
from phonoscope.tasks.outside.figures import reliability_plate, stretch_plate, time_plate
from phonoscope.tasks.outside.sentences import (
    amount,
    belief_sentence,
    carriers_sentence,
    chosen_words,
    energy_sentence,
    hertz_sentence,
)
from phonoscope.tasks.page_tables import correlation_table, recognition_tables
from phonoscope.tasks.sections import left_out_table, page_of, provenance_section

_SIDES = (
    "The model gives one logit: what speaks for one class speaks against the other, so of the same recording the maps "
    "of the two are opposites."
)
_FEW_CLASSES = 4  # whose errors are drawn too
_MOST_CLASSES = 12  # drawn one by one; the tables have all
_LEAST_MOVE = 1e-6  # of a number: less is rounding


def page(run: Run) -> Page:
    """Return the page of a run; what the run does not hold is said in its place."""
    whole = read_content(run)
    content = replace(whole, labels=_drawn(whole), time_label=whole.time_label.replace("token", "recording"))
    content = replace(content, item="recording")
    sections = [
        _map_section(content),
        _profile_section(content),
        _phone_section(content),
        _recognition_section(content),
        evidence_section(content),
        _recordings_section(content),
        _provenance_section(content),
    ]
    return page_of(
        content.facts, sections, numbers=_numbers(content), findings=_findings(content), doubts=_doubts(content)
    )


def _drawn(content: Content) -> list[str]:
    """The classes that most recordings are of, in the model's order."""
    counts = content.tables["counts"].set_index("class")["count"]
    most = set(counts.sort_values(ascending=False, kind="stable").index[:_MOST_CLASSES])
    return [label for label in content.labels if label in most]


def _verdict(content: Content) -> dict[str, Any] | None:
    """What the evidence says of the method whose maps are drawn; None where there is none."""
    evidence = read_evidence(content)
    rows = [] if evidence is None else evidence.facts["verdicts"]
    return next((row for row in rows if row["method"] == content.method), None)


def _numbers(content: Content) -> list[tuple[str, str, str]]:
    results, numbers = content.facts["results"], []
    overall = next((row for row in results["middle_half"] if row["label"] == "all"), None)
    if overall is not None:
        numbers.append(("half of the evidence", f"{overall['low_hz']:.0f}–{overall['high_hz']:.0f} Hz", _all(content)))
    if "accuracy" in results:
        beside = interval(*results["accuracy_interval"]) or "no interval"
        numbers.append(("accuracy", percent(results["accuracy"]), beside))
    if "linear_twin" in results:
        twin = results["linear_twin"]
        numbers.append(("linear twin", percent(twin["accuracy"]), interval(twin["low"], twin["high"]) or "no interval"))
    if results.get("non_speech"):
        row = results["non_speech"][0]
        numbers.append(("evidence in non-speech", percent(row["share"], 0), f"{row['ratio']:.1f} × its share of time"))
    return numbers


def _all(content: Content) -> str:
    """How all recordings together are called."""
    return "all recordings" if len(content.tables["counts"]) == 1 else "all classes"


def _findings(content: Content) -> list[str]:
    facts, results = content.facts, content.facts["results"]
    halves = content.table("middle_half")
    sentences = [hertz_sentence(halves), belief_sentence(facts, _verdict(content), content.run.folder.name)]
    energy = energy_sentence(halves)
    sentences += [energy] if energy else []
    carriers = carriers_sentence(content.table("phones"))
    sentences += [carriers] if carriers else []
    if "accuracy" not in results:
        return sentences
    twins = [(results["beside_twin"], "model")] if "beside_twin" in results else []
    return [*sentences, *with_twin_sentences([], twins, "recordings"), *_calibrated(results)]


def _calibrated(results: dict[str, Any]) -> list[str]:
    found = results.get("calibration")
    if not found:
        return []
    over, limits = 100 * found["overconfidence"], ""
    if is_known(found["low"]):
        limits = f" ({100 * found['low']:+.1f} to {100 * found['high']:+.1f})".replace("-", "−")
    verdict = "whether it is too sure cannot be told" if found["verdict"] == OPEN else f"it is {found['verdict']}"
    return [
        f"Its confidence lies {over:+.1f} points{limits} from its accuracy: {verdict}. The expected calibration error "
        f"is {percent(found['error'])}; a model that knew exactly how often it is right would score "
        f"{percent(found['chance'])} on as many recordings.".replace(" -", " −")
    ]


def _doubts(content: Content) -> list[str]:
    facts, results, doubts = content.facts, content.facts["results"], []
    if content.is_number:
        doubts.append("The model gives a number: nothing here says how far it is from the truth.")
    elif not facts["labelled"]:
        doubts.append(
            "The recordings have no labels: whether the model is right is not known, and each map explains "
            f"{chosen_words(facts)}."
        )
    elif "n_units" in results:
        doubts += doubts_of_basis(results["n_units"], results["unit"], results["trainings"])
    correlation = results.get("profile_correlation")
    if is_known(correlation) and correlation >= 0.5:
        doubts.append(
            f"The maps of different classes are much alike (r = {fixed(correlation)} between their profiles): what "
            "they share says where the model listens in general, not what makes a class."
        )
    level = content.table("level")
    if len(level):
        doubts += _level_doubts(content, level[~level["held"].astype(bool)])
    corpus = facts.get("corpus", {})
    if corpus.get("speakers") == 0:
        doubts.append(
            "The speakers are not known, so intervals are over recordings: they are too narrow if there are only a few "
            "speakers."
        )
    if max(facts.get("native_rates", [0])) > facts["sample_rate"]:
        doubts.append(
            f"The recordings contain sound above {facts['sample_rate'] / 2:g} Hz, which the model does not hear."
        )
    if min(facts.get("native_rates", [facts["sample_rate"]])) < facts["sample_rate"]:
        doubts.append(
            f"Some recordings contain nothing above {min(facts['native_rates']) / 2:g} Hz. The model may never have "
            "been trained on such recordings."
        )
    return [*doubts, *map(str, corpus.get("settings", {}).get("warnings") or [])]


def _is_one_logit(content: Content) -> bool:
    return str(content.facts["model"]["gives"]).startswith("one logit")


def _level_doubts(content: Content, level: pd.DataFrame) -> list[str]:
    """How far the model reacts to level; nothing where it does not."""
    start = f"Making a recording {STEP_DB:g} dB softer or louder"
    if content.is_number:
        moved = float(level["loss"].max())
        return [f"{start} moves the number by up to {moved:.2g} on average."] if moved > _LEAST_MOVE else []
    changed = float(level["changed"].max())
    return [f"{start} changes the model’s answer in up to {percent(changed)} of cases."] if changed > 0 else []


def _map_section(content: Content) -> Section:
    text = []
    total = content.facts["labels"]
    seen = content.tables["counts"]["class"].nunique() if len(content.tables["counts"]) else 0
    if seen > len(content.labels):
        text.append(
            f"Of {seen} classes the {len(content.labels)} with most recordings are drawn; the tables have all of them."
        )
    if len(total) > seen:
        text.append(f"The model knows {len(total)} classes; recordings of {seen} were explained.")
    text += [_SIDES] if _is_one_logit(content) else []
    every = content.facts["labelled"] and len(content.labels) <= _FEW_CLASSES
    return Section("maps", "What it listens to", text, map_plates(content, tuple(SUBSETS) if every else ("all",)))


def _profile_section(content: Content) -> Section:
    halves = content.table("middle_half")
    rows = halves[halves["source"] == "map"]
    if rows["label"].nunique() == 2:  # one class: the pooled row would only repeat it
        rows = rows[rows["label"] != "all"]
    shown = rows.assign(
        label=rows["label"].replace("all", _all(content)),
        from_range=[_range(row, "low_hz") for row in rows.to_dict("records")],
        to_range=[_range(row, "high_hz") for row in rows.to_dict("records")],
    )
    table = as_html_table(
        "middle_half",
        "Between which frequencies half of the evidence lies",
        shown,
        ("label", "from_range", "to_range", "n", "n_units", "unit"),
        headings={
            **_label_heading(content),
            "from_range": "from (Hz)",
            "to_range": "to (Hz)",
            "n": "recordings",
            "n_units": "independent",
        },
        data=halves,
    )
    correlations = correlation_table(content)
    plates = [plate for plate in (profile_plate(content), time_plate(content)) if plate is not None]
    what = "raises the number" if content.is_number else "speaks for the class"
    text = (
        f"A quarter of what {what} lies below the lower frequency, a quarter above the upper one; every recording "
        "counts the same."
    )
    return Section("profiles", "In hertz, and in time", [text], plates, [table], [correlations] if correlations else [])


def _label_heading(content: Content) -> dict[str, str]:
    """Headings of the columns of labels, where these are no classes."""
    return {"label": "number", "class": "number"} if content.is_number else {}


def _range(row: Mapping[Any, Any], name: str) -> str:
    """A frequency with its interval."""
    if not is_known(row[f"{name}_low"]):
        return f"{row[name]:.0f}"
    return f"{row[name]:.0f} ({row[f'{name}_low']:.0f}–{row[f'{name}_high']:.0f})"


def _ratio(row: Mapping[Any, Any]) -> str:
    """A ratio with its interval."""
    limits = f" ({row['ratio_low']:.2f}–{row['ratio_high']:.2f})" if is_known(row["ratio_low"]) else ""
    return f"{row['ratio']:.2f}{limits}"


def _phone_section(content: Content) -> Section:
    plate, table = stretch_plate(content), content.table("phones")
    if plate is None:
        text = "The recordings have no alignment, so it is not known what is spoken when; with TextGrids: --alignments."
        return Section("phones", "Which phones carry the decision", [text])
    aligned, total = content.facts["aligned"], content.facts["results"]["n_test"]
    seconds = content.facts["placement"].get("resolution_time")
    text = [
        f"{aligned} of {total} recordings have an alignment. Chance is a phone’s share of the time, which is also what "
        "alignments shifted around within their recordings give on average (p by 1,000 shifts); beside it stands its "
        "share of the energy. Verdicts are corrected for their number within a class (Holm)."
    ]
    if is_known(seconds):
        text.append(
            f"A map has cells of {percent(content.facts['placement']['cell_time'])} of the recording: phones that are "
            "shorter share their cell with their neighbours."
        )
    shown = table.assign(
        label=table["label"].replace("all", "all classes"),
        ratio_range=[_ratio(row) for row in table.to_dict("records")],
    )
    columns = ("label", "phone", "share", "time", "energy", "ratio_range", "p_shift", "p_holm", "verdict", "n")
    headings = {
        "share": "of the evidence",
        "time": "of the time",
        "energy": "of the energy",
        "ratio_range": "evidence / time",
        "p_shift": "p (shifted)",
        "n": "recordings",
    }
    percents = {name: [percent(value) for value in table[name]] for name in ("share", "time", "energy")}
    made = as_html_table(
        "phone-table",
        "Phones, one by one",
        shown.assign(**percents).rename(columns={name: f"{name}_of_all" for name in percents}),
        tuple(f"{name}_of_all" if name in percents else name for name in columns),
        headings=headings | {f"{name}_of_all": headings[name] for name in percents},
        data=table,
    )
    return Section("phones", "Which phones carry the decision", text, [plate], folded=[made])


def _recognition_section(content: Content) -> Section:
    if content.is_number:
        text = "The model gives a number, which names no class: there is nothing to be recognised."
        return Section("recognition", "How well it recognises", [text])
    if not content.facts["labelled"]:
        text = "The recordings have no labels, so there is nothing to be right or wrong about; give some with --labels."
        return Section("recognition", "How well it recognises", [text])
    text = []
    if folds := content.facts.get("folds_without_network"):
        text.append(
            "The model has no split of its own: what needs no network was trained and tested on these recordings, in "
            f"{folds}."
        )
    if content.facts["scores"] == "labels" and not _is_one_logit(content):
        text.append("Several labels may hold at once; what counts as the model’s answer is the likeliest of them.")
    plates = [*recognition_plates(_with_confused(content)), *filter(None, [reliability_plate(content)])]
    return Section("recognition", "How well it recognises", text, plates, recognition_tables(content))


def _with_confused(content: Content) -> Content:
    """The content with the labels of the confusion matrix: also classes that are only predicted."""
    table = content.tables["confusions"]
    present = dict.fromkeys([*table["true"], *table["predicted"]])
    return replace(content, labels=[label for label in content.facts["labels"] if label in present])


def _recordings_section(content: Content) -> Section:
    facts, corpus = content.facts, content.facts["corpus"]
    model = facts["model"]
    text = [
        f"{corpus['name']}: {corpus['recordings']} recordings, {corpus['seconds']:.0f} s, of "
        f"{corpus['speakers'] or 'an unknown number of'} speaker{'s' if corpus['speakers'] != 1 else ''}. "
        f"{_labels_sentence(facts)}",
        f"The model ({model['source']}) takes {model['takes']} and gives {model['gives']}.",
    ]
    if facts.get("duplicates"):
        count = facts["duplicates"]
        text.append(f"{count} recording{'s are copies of others' if count > 1 else ' is a copy of another'}.")
    counts = as_html_table(
        "counts",
        "Recordings used",
        content.tables["counts"],
        ("class", "count", "speakers", "seconds"),
        headings={"count": "recordings", **_label_heading(content)},
    )
    tables = [counts] if content.tables["left_out"].empty else [counts, left_out_table(content.tables["left_out"])]
    plate = example_plate(content)
    return Section("recordings", "The recordings", text, [plate] if plate else [], tables)


def _labels_sentence(facts: dict[str, Any]) -> str:
    if facts["scores"] == "numbers":
        return "Labels are not used: the model gives a number."
    if not facts["labelled"]:
        return f"No labels are used: what stands for the class of a recording is {chosen_words(facts)}."
    sources = {
        "from-folder": "the names of their folders",
        "words": "the words that are spoken in them",
        "speakers": "their speakers",
    }
    return f"Their labels are {sources.get(facts['labels_from'], 'those of ' + str(facts['labels_from']))}."


def _provenance_section(content: Content) -> Section:
    gap = content.facts["results"].get("max_incompleteness")
    further = [] if gap is None else [("largest gap between map and score", amount(gap, content.facts))]
    return provenance_section(content.facts, further=[("model", content.facts["model"]["source"]), *further])
