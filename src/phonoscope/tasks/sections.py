"""Parts that the pages of several tasks have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from phonoscope.report.page import Page, Section, Summary
from phonoscope.report.plates import Plate
from phonoscope.report.tables import HtmlTable, as_html_table

PARTS = ("train", "validation", "test")
_VERDICTS = (
    "A claim counts as supported or contradicted only if its interval lies wholly on one side of a stated bound, "
    "after Holm’s correction for all claims in this table; otherwise it cannot be told."
)


def page_of(
    facts: Mapping[str, Any],
    sections: list[Section],
    *,
    numbers: list[tuple[str, str, str]],
    findings: list[str],
    doubts: list[str],
) -> Page:
    """Page of a run.

    Parameters
    ----------
    facts : mapping
        ``run.json``: its title, question and date stand above the page.
    sections : list of Section
        In the order in which they are read.
    numbers, findings, doubts
        Of the summary, see `phonoscope.report.page.Summary`.
    """
    title, created = facts.get("title") or facts.get("name", "Run"), facts.get("provenance", {}).get("created", "")
    return Page(Summary(title, facts.get("question", ""), numbers, findings, doubts, created), sections)


def copies_sentence(count: int) -> str:
    """How many recordings are copies of others, and what becomes of them."""
    if count == 0:
        return "No recording is a sample-for-sample copy of another."
    which = "1 recording is a sample-for-sample copy of another" if count == 1 else (
        f"{count} recordings are sample-for-sample copies of others"
    )  # fmt: skip
    return f"{which}; copies never stand on two sides of the split."


def left_out_table(left_out: pd.DataFrame) -> HtmlTable:
    """What was left out, why, how often, with examples."""
    return as_html_table("left_out", "Left out", left_out, ("what", "reason", "count", "examples"))


def claims_section(claims: pd.DataFrame, paper: str) -> Section:
    """What a paper says beside what the run measured; `paper` says which paper, in a sentence."""
    if claims.empty:
        return Section("claims", "What the paper says", ["This experiment tests no claims of a paper."])
    columns = ("paper_section", "paper_says", "measured", "verdict", "detail")
    table = as_html_table("claims", "Claim by claim", claims, columns)
    return Section("claims", "What the paper says, what this run found", [paper, _VERDICTS], tables=[table])


def provenance_section(
    facts: Mapping[str, Any],
    *,
    paragraphs: Sequence[str] = (),
    plates: Sequence[Plate] = (),
    further: Sequence[tuple[str, str]] = (),
) -> Section:
    """Versions, seed and recipe of a run.

    Parameters
    ----------
    facts : mapping
        ``run.json``.
    paragraphs, plates
        What else the section shows.
    further : sequence of (name, value)
        Facts beside those of the provenance.
    """
    known = [(str(k), "–" if v is None else str(v)) for k, v in facts.get("provenance", {}).items()]
    return Section(
        "provenance",
        "How to repeat it",
        list(paragraphs),
        list(plates),
        facts=[*known, *further],
        settings=flat_settings(facts.get("recipe", {})),
    )


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as lines ``training.epochs = 12``."""
    lines = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            lines += flat_settings(value, f"{name}.")
        else:
            lines.append((name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return lines
