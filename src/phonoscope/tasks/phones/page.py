"""The page of a run on phones: what was spoken, recognised and looked at, and how far its maps deserve belief."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from phonoscope.experiments.folder import Run
from phonoscope.report.page import Page, Section
from phonoscope.tasks.content import Content, read_content
from phonoscope.tasks.evidence_section import evidence_section
from phonoscope.tasks.example_plate import example_plate
from phonoscope.tasks.figures.class_map import map_plates
from phonoscope.tasks.figures.profile import profile_plate
from phonoscope.tasks.figures.recognition import recognition_plates, training_plate
from phonoscope.tasks.page_tables import correlation_table, recognition_tables
from phonoscope.tasks.perceive.short import heard_in_short
from phonoscope.tasks.phones import page_tables as tables
from phonoscope.tasks.phones.figures.shares import share_plate
from phonoscope.tasks.phones.figures.vowels import vowel_plate
from phonoscope.tasks.phones.summary import doubts, findings, headline
from phonoscope.tasks.sections import claims_section, copies_sentence, page_of, provenance_section

_PAPER = (
    "James, Balamurali, Abeysinghe and Liu, “Explaining Spectrograms in Machine Learning” (arXiv 2407.17416), read "
    "their maps by eye. Here each claim is a number with a chance level, on this run’s corpus and network."
)


def page(run: Run) -> Page:
    """Return the page of a run; what the run does not hold is said in its place."""
    content = read_content(run)
    heard, heard_section = heard_in_short(run)
    sections = [
        _corpus_section(content),
        _accuracy_section(content),
        *([heard_section] if heard_section else []),
        _vowel_section(content),
        _map_section(content),
        _profile_section(content),
        _share_section(content),
        evidence_section(content),
        claims_section(content.tables["claims"], _PAPER),
        _provenance_section(content),
    ]
    numbers, said, doubted = headline(content), findings(content), doubts(content)
    return page_of(content.facts, sections, numbers=numbers, findings=[*heard, *said], doubts=doubted)


def comparison(runs: Sequence[Run], *, seed: int = 0) -> Page:
    """Return the page that compares the first run with each of the others."""
    from phonoscope.tasks.phones.comparison_page import comparison_page

    return comparison_page([read_content(run) for run in runs], seed=seed)


def _corpus_section(content: Content) -> Section:
    corpus = content.facts.get("corpus", {})
    text = []
    if "tokens" in corpus:
        text.append(
            f"{'Synthetic talkers' if corpus.get('synthetic') else corpus.get('name', 'The corpus')}: "
            f"{corpus['tokens']} tokens, "
            f"{corpus.get('seconds', 0.0):.0f} s of speech, from {corpus.get('recordings', '?')} recordings of "
            f"{corpus.get('speakers', '?')} speaker{'s' if corpus.get('speakers') != 1 else ''}."
        )
    plan = content.facts.get("plan") or {}
    if plan:
        how = "one split" if plan.get("folds") == 1 else f"{plan.get('folds')} folds, each token tested once"
        text.append(
            f"Training and test tokens never share a {plan.get('unit')} ({how}): {plan.get('train')} tokens train, "
            f"{plan.get('validation')} choose the epoch, {plan.get('test')} test."
            if plan.get("unit") != "token"
            else f"Tokens were split one by one ({how}), whoever spoke them and wherever they were recorded."
        )
    if "duplicates" in content.facts:
        text.append(copies_sentence(content.facts["duplicates"]))
    if content.tables["left_out"].empty:
        text.append("Nothing was left out.")
    plate = example_plate(content)
    if plate is None:
        text.append(f"There are no example tokens: {content.absent.get('examples', 'the run kept none')}.")
    return Section("corpus", "What was spoken", text, [plate] if plate else [], tables.corpus_tables(content))


def _accuracy_section(content: Content) -> Section:
    text = []
    if content.tables["baselines"].empty:
        text.append("No baselines were measured: the classifier was trained elsewhere.")
    elif folds := content.facts.get("folds_without_network"):
        text.append(
            "The classifier was trained elsewhere and has no split of its own: what needs no network was trained and "
            f"tested on these tokens, in {folds}."
        )
    if content.tables["asymmetry"].empty and not content.tables["confusions"].empty:
        text.append("No two classes were confused at all, so there is no asymmetry to list.")
    shown = recognition_plates(content)
    return Section("accuracy", "How well it recognises", text, shown, recognition_tables(content))


def _vowel_section(content: Content) -> Section:
    plate = vowel_plate(content)
    reason = content.absent.get("formants", "no token has both F1 and F2")
    text = [] if plate else [f"There is no vowel chart: {reason}."]
    return Section("vowels", "The vowel chart", text, [plate] if plate else [])


def _map_section(content: Content) -> Section:
    text = [] if len(content.means) else ["The run holds no mean maps."]
    return Section("maps", "Where the network looks", text, map_plates(content))


def _profile_section(content: Content) -> Section:
    plate, table = profile_plate(content), correlation_table(content)
    text = [] if plate else ["The run holds no profiles."]
    return Section("profiles", "Importance against frequency", text, [plate] if plate else [], [table] if table else [])


def _share_section(content: Content) -> Section:
    plate, shown = share_plate(content), tables.share_tables(content)
    if plate is None:
        reason = content.absent.get("formants", "no tested token has formants")
        return Section("shares", "Maps and formants", [f"Shares were not measured: {reason}."])
    text = (
        "Maps and formants both lie at low frequencies, so a map always covers some formants. What counts is its "
        "share in its own token’s formants over the share that chance pairing gives. The area is the part of the "
        "frequency axis inside the bands, the energy the part of the spectrogram’s level there."
    )
    folded = [replace(table, title=f"{table.title}: all bands and chance levels") for table in shown[1:]]
    control = tables.control_table(content)
    return Section(
        "shares", "Maps and formants", [text], [plate], [*shown[:1], *([control] if control else [])], folded
    )


def _provenance_section(content: Content) -> Section:
    plate = training_plate(content)
    text = [] if plate else ["There are no training curves: the classifier was trained elsewhere."]
    gap = content.facts.get("results", {}).get("max_incompleteness")
    further = [] if gap is None else [("largest gap between map and logit", f"{gap:.1e} logit")]
    return provenance_section(content.facts, paragraphs=text, plates=[plate] if plate else [], further=further)
