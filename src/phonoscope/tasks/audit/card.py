"""What an audit leaves for others: a section for the model's card, and one for a paper's appendix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from phonoscope import __version__
from phonoscope.audit.battery import CLEAN, IN_DATA, REACTS, USED
from phonoscope.judgement.claims import OPEN

CARD_NAME, APPENDIX_NAME = "card.md", "appendix.md"
_ORDER = (USED, REACTS, IN_DATA, OPEN, CLEAN)


def card_of(findings: pd.DataFrame, lacking: Sequence[str], facts: Mapping[str, Any]) -> str:
    """Section for a model card: metadata as Hugging Face reads it, then the findings in words.

    Parameters
    ----------
    findings
        Of `phonoscope.tasks.audit.findings.findings_of`.
    lacking
        What was not tested.
    facts
        ``corpus, n, speakers, accuracy, model`` of the audit.
    """
    metrics = [
        "  - type: shortcuts_used\n    name: Properties other than speech that the model uses\n    value: "
        f"{int((findings['finding'] == USED).sum())}"
    ]
    if facts["accuracy"] is not None:
        metrics.append(f"  - type: accuracy\n    value: {facts['accuracy']:.4f}")
    head = "\n".join([
        "---", "model-index:", f"- name: {_quoted(facts['model'])}", "  results:", "  - task:",
        "      type: audio-classification", "    dataset:", f"      name: {_quoted(facts['corpus'])}",
        "      type: audio", "    metrics:", *(f"  {line}" for each in metrics for line in each.split("\n")), "---",
    ])  # fmt: skip
    lines = [head, "", "## Audit: speech, or a shortcut?", "", _basis(facts), ""]
    for name in _ORDER:
        some = findings[findings["finding"] == name]
        if len(some) and name not in (CLEAN, OPEN):
            lines += [f"**{name[0].upper()}{name[1:]}**", "", *(f"- {text}" for text in some["sentence"]), ""]
        elif len(some):
            lines += [f"**{name[0].upper()}{name[1:]}**: {', '.join(some['shortcut'])}.", ""]
    lines += ["**Not tested**", "", *(f"- {text}" for text in lacking), ""]
    return "\n".join(lines)


def appendix_of(
    findings: pd.DataFrame, reactions: pd.DataFrame, lacking: Sequence[str], facts: Mapping[str, Any]
) -> str:
    """Section for the appendix of a paper: how it was done, and both tables in full.

    Parameters
    ----------
    findings
        Of `phonoscope.tasks.audit.findings.findings_of`.
    reactions
        Of `phonoscope.audit.reactions.reactions_table`.
    lacking
        What was not tested.
    facts
        As of `card_of`.
    """
    lines = [
        "# Audit for shortcuts", "", _basis(facts), "",
        "Each property was used alone to tell the classes by a shrinkage linear discriminant on normal scores and "
        "their squares, cross-validated over groups (balanced accuracy, and area under the curve with a jackknife "
        "interval over groups; null by shuffled labels). Each was exchanged with that of a recording of another class, "
        "and with that of one of the same class at the same quantile; the difference of the changes of the answer’s "
        "log odds has an interval over speakers or recordings, and trainings. Verdicts are corrected by Holm’s method.",
        "", "| property | in the data | balanced accuracy (95 %) | used | difference in logits (95 %) | finding |",
        "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for row in findings.to_dict("records"):
        told = _estimate(row, "balanced_accuracy", "accuracy", 100, 0, " %")
        used = _estimate(row, "difference", "difference", 1, 2, "")
        lines.append(f"| {row['shortcut']} | {row['in_data']} | {told} | {row['used']} | {used} | {row['finding']} |")
    lines += ["", "| every recording … | decisions that change (95 %) | by the sham | change of log odds (95 %) |",
              "| --- | --- | --- | --- |"]  # fmt: skip
    for row in reactions.to_dict("records"):
        moved, effect = (
            _estimate(row, "decisions", "decisions", 100, 0, " %"),
            _estimate(row, "effect", "effect", 1, 2, ""),
        )
        sham = f"{100 * row['sham']:.0f} %" if np.isfinite(row["sham"]) else "–"
        lines.append(f"| {row['says']} | {moved} | {sham} | {effect} |")
    return "\n".join([*lines, "", "Not tested:", "", *(f"- {text}" for text in lacking), ""])


def _basis(facts: Mapping[str, Any]) -> str:
    speakers = f" of {facts['speakers']} speakers" if facts["speakers"] else ""
    right = "" if facts["accuracy"] is None else f" The model is right in {100 * facts['accuracy']:.1f} % of them."
    return f"{facts['n']} recordings{speakers} of {facts['corpus']}; phonoscope {__version__}.{right}"


def _estimate(row: Mapping[Any, Any], name: str, prefix: str, factor: float, digits: int, unit: str) -> str:
    value, low, high = (row.get(each, np.nan) for each in (name, f"{prefix}_low", f"{prefix}_high"))
    if value is None or not np.isfinite(value):
        return "–"
    limits = f" ({factor * low:.{digits}f} to {factor * high:.{digits}f})" if np.isfinite(low) else ""
    return f"{factor * value:.{digits}f}{unit}{limits}".replace("-", "−")


def _quoted(text: str) -> str:
    return '"' + str(text).replace("\\", "/").replace('"', "'") + '"'
