"""The report of a run: one HTML file that opens without a network, with its figures and their data beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from phonoscope.report import plates as plate_makers
from phonoscope.report import tables as table_makers
from phonoscope.report.content import Content, read_content
from phonoscope.report.evidence_section import (
    evidence_plates,
    evidence_tables,
    evidence_text,
    measure_table,
    read_evidence,
)
from phonoscope.report.examples import example_plate
from phonoscope.report.html import Section, Summary, check_formats, flat, write_page
from phonoscope.report.words import doubts, findings, headline

REPORT_NAME = "report.html"


def write_report(run_folder: str | Path, out: str | Path | None = None, *, formats: Sequence[str] = ("svg",)) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    run_folder : path
        A finished run (`phonoscope.experiments.folder`).
    out : path, optional
        The HTML file; ``report.html`` in the run folder if not given. Every figure and its data (CSV) are written to
        ``figures/`` beside it.
    formats : sequence of {"svg", "pdf", "png"}
        Of the figures beside the page.

    Returns
    -------
    Path
        The HTML file. What the run does not hold is said in the page, in its place.

    Raises
    ------
    ExperimentError
        If the folder holds no finished run.
    PhonoscopeError
        If a format is not known.
    """
    check_formats(formats)
    content = read_content(run_folder)
    facts = content.facts
    summary = Summary(
        title=facts.get("title") or facts.get("name", "Run"),
        question=facts.get("question", ""),
        numbers=headline(content),
        findings=findings(content),
        doubts=doubts(content),
        created=facts.get("provenance", {}).get("created", ""),
    )
    out = content.run.folder / REPORT_NAME if out is None else Path(out)
    return write_page(out, summary, make_sections(content), formats)


def make_sections(content: Content) -> list[Section]:
    """All parts of the page but the summary, in the order in which they are read."""
    return [
        _corpus_section(content),
        Section(
            "accuracy",
            "How well it recognises",
            _accuracy_text(content),
            plate_makers.accuracy_plates(content),
            table_makers.recognition_tables(content),
        ),
        _vowel_section(content),
        Section(
            "maps",
            "Where the network looks",
            [] if len(content.means) else ["The run holds no mean maps."],
            plate_makers.map_plates(content),
        ),
        _profile_section(content),
        _share_section(content),
        _evidence_section(content),
        _claims_section(content),
        _provenance_section(content),
    ]


def _corpus_section(content: Content) -> Section:
    corpus = content.facts.get("corpus", {})
    said = []
    if "tokens" in corpus:
        said.append(
            f"{'Synthetic talkers' if corpus.get('synthetic') else corpus.get('name', 'The corpus')}: "
            f"{corpus['tokens']} tokens, "
            f"{corpus.get('seconds', 0.0):.0f} s of speech, from {corpus.get('recordings', '?')} recordings of "
            f"{corpus.get('speakers', '?')} speaker{'s' if corpus.get('speakers') != 1 else ''}."
        )
    plan = content.facts.get("plan") or {}
    if plan:
        how = "one split" if plan.get("folds") == 1 else f"{plan.get('folds')} folds, each token tested once"
        said.append(
            f"Training and test tokens never share a {plan.get('unit')} ({how}): {plan.get('train')} tokens train, "
            f"{plan.get('validation')} choose the epoch, {plan.get('test')} test."
            if plan.get("unit") != "token"
            else f"Tokens were split one by one ({how}), whoever spoke them and wherever they were recorded."
        )
    tables = table_makers.corpus_tables(content)
    if content.tables["left_out"].empty:
        said.append("Nothing was left out.")
        tables = [table for table in tables if table.key != "left_out"]
    plate = example_plate(content)
    if plate is None:
        said.append(f"There are no example tokens: {content.absent.get('examples', 'the run kept none')}.")
    return Section("corpus", "What was spoken", said, [plate] if plate else [], tables)


def _accuracy_text(content: Content) -> list[str]:
    said = []
    if content.tables["baselines"].empty:
        said.append("No baselines were measured: the classifier was trained elsewhere.")
    if content.tables["asymmetry"].empty and not content.tables["confusions"].empty:
        said.append("No two classes were confused at all, so there is no asymmetry to list.")
    return said


def _vowel_section(content: Content) -> Section:
    plate = plate_makers.vowel_plate(content)
    reason = content.absent.get("formants", "no token has both F1 and F2")
    said = [] if plate else [f"There is no vowel chart: {reason}."]
    return Section("vowels", "The vowel chart", said, [plate] if plate else [])


def _profile_section(content: Content) -> Section:
    plate, table = plate_makers.profile_plate(content), table_makers.correlation_table(content)
    said = [] if plate else ["The run holds no profiles."]
    return Section("profiles", "Importance against frequency", said, [plate] if plate else [], [table] if table else [])


def _share_section(content: Content) -> Section:
    plate, tables = plate_makers.share_plate(content), table_makers.share_tables(content)
    if plate is None:
        reason = content.absent.get("formants", "no tested token has formants")
        return Section("shares", "Maps and formants", [f"Shares were not measured: {reason}."])
    return Section(
        "shares",
        "Maps and formants",
        [
            "Maps and formants both lie at low frequencies, so a map always covers some formants. What counts is its "
            "share in its own token’s formants over the share that chance pairing gives. The area is the part of the "
            "frequency axis inside the bands, the energy the part of the spectrogram’s level there.",
        ],
        [plate],
        tables[:1],
        [replace(table, title=f"{table.title}: all bands and chance levels") for table in tables[1:]],
    )


def _claims_section(content: Content) -> Section:
    table = table_makers.claims_table(content)
    if table is None:
        return Section("claims", "What the paper says", ["This experiment tests no claims of a paper."])
    text = (
        "James, Balamurali, Abeysinghe and Liu, “Explaining Spectrograms in Machine Learning” (arXiv 2407.17416), read "
        "their maps by eye. Here each claim is a number with a chance level, on this run’s corpus and network."
    )
    return Section("claims", "What the paper says, what this run found", [text], [], [table])


def _evidence_section(content: Content) -> Section:
    evidence = read_evidence(content)
    return Section(
        "evidence",
        "Can the maps be believed?",
        evidence_text(content, evidence),
        evidence_plates(content, evidence),
        evidence_tables(content, evidence),
        measure_table(evidence),
    )


def _provenance_section(content: Content) -> Section:
    plate = plate_makers.training_plate(content)
    said = [] if plate else ["There are no training curves: the classifier was trained elsewhere."]
    facts = [(str(k), "–" if v is None else str(v)) for k, v in content.facts.get("provenance", {}).items()]
    left = content.facts.get("results", {}).get("max_incompleteness")
    if left is not None:
        facts.append(("largest gap between map and logit", f"{left:.1e} logit"))
    recipe = flat(content.facts.get("recipe", {}))
    return Section("provenance", "How to repeat it", said, [plate] if plate else [], facts=facts, settings=recipe)
