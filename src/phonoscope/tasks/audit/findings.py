"""What an audit found: its tables, its sentences, and what it did not test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.audit.battery import CLEAN, FINDINGS, IN_DATA, REACTS, USED, Item, Recordings, findings_table
from phonoscope.audit.sentences import fact_sentence, sentence_of
from phonoscope.audit.shortcuts import SHORTCUTS
from phonoscope.audit.telling import Told
from phonoscope.judgement.claims import CONTRADICTED, OPEN
from phonoscope.judgement.permutation import holm
from phonoscope.tasks.audit.asking import FORMAT, ORDER, Ready
from phonoscope.tasks.audit.recipe import AuditRecipe

_ALWAYS = (
    "Shortcuts that are not on the list: each is looked for by name.",
    "Phones and words: phonoscope perceive and phonoscope run recordings look there. Of the bands of the speech, three "
    "wide ones are taken out.",
    "Combinations: each property is exchanged alone.",
    "Other recordings than these: what is clean here may be a shortcut in another corpus.",
)
_FEW_GROUPS = 12
FACT_NAMES = {FORMAT: "format of the file", ORDER: "order of the names"}


def findings_of(items: Sequence[Item], told: Mapping[str, Told], recordings: Recordings) -> pd.DataFrame:
    """Findings on shortcuts and on facts of the corpus, the worst first, each with its sentence.

    Parameters
    ----------
    items
        Shortcuts.
    told
        Facts: how well each tells the classes.
    recordings
        That were audited.
    """
    table = findings_table(items)
    chance = 1 / max(len(set(recordings.classes)), 1)
    table["sentence"] = [sentence_of(item, row) for item, row in zip(items, table.to_dict("records"), strict=True)]
    rows = []
    for (name, each), p in zip(told.items(), holm([each.judged.p for each in told.values()]), strict=True):
        verdict = each.judged.verdict(p)
        row = {
            "shortcut": name, "in_data": verdict, "balanced_accuracy": each.balanced_accuracy.estimate,
            "accuracy_low": each.balanced_accuracy.low, "accuracy_high": each.balanced_accuracy.high,
            "null": each.null_accuracy, "auc": each.auc.estimate, "auc_low": each.auc.low, "auc_high": each.auc.high,
            "p_in_data": p, "used": OPEN, "finding": CLEAN if verdict == CONTRADICTED else OPEN,
        }  # fmt: skip
        rows.append(row | {"sentence": fact_sentence(name, row, chance)})
    both = pd.concat([table, pd.DataFrame(rows)], ignore_index=True) if rows else table
    rank = both["finding"].map({name: place for place, name in enumerate((USED, REACTS, IN_DATA, OPEN, CLEAN))})
    size = -both.get("difference", pd.Series(0.0, index=both.index)).fillna(0.0)
    return both.assign(_rank=rank, _size=size).sort_values(["_rank", "_size"], kind="stable").drop(
        columns=["_rank", "_size"]
    ).reset_index(drop=True)  # fmt: skip


def in_words(findings: pd.DataFrame) -> list[str]:
    """The verdict in one sentence, then a sentence for each finding that is not clean or open.

    Parameters
    ----------
    findings
        Of `findings_of`.
    """
    by = {name: findings[findings["finding"] == name] for name in FINDINGS}
    asked = findings["effect"].notna() if "effect" in findings else pd.Series(False, index=findings.index)
    if len(by[USED]):
        named, count = ", ".join(_says(name) for name in by[USED]["shortcut"]), len(by[USED])
        verdict = f"The model uses {'a shortcut' if count == 1 else f'{count} shortcuts'}: {named}."
    else:
        clear = int((asked & (findings["used"] == CONTRADICTED)).sum())
        verdict = (
            f"No shortcut was found that the model uses: {clear} of {int(asked.sum())} are ruled out, of the others it "
            "cannot be told."
            if clear < asked.sum()
            else f"The model uses none of the {clear} shortcuts that were looked for."
        )
    shown = pd.concat([by[USED], by[REACTS], by[IN_DATA]])
    return [verdict, *shown["sentence"].tolist()]


def findings_json(findings: pd.DataFrame) -> list[dict[str, Any]]:
    """Findings as JSON values.

    Parameters
    ----------
    findings
        Of `findings_of`.
    """

    def number(row: Mapping[Any, Any], name: str) -> float | None:
        value = row.get(name)
        return None if value is None or not np.isfinite(value) else float(value)

    found = []
    for row in findings.to_dict("records"):
        in_data = {"verdict": row["in_data"], "balanced_accuracy": number(row, "balanced_accuracy"),
                   "low": number(row, "accuracy_low"), "high": number(row, "accuracy_high"),
                   "null": number(row, "null"), "auc": number(row, "auc"),
                   "p_holm": number(row, "p_in_data")}  # fmt: skip
        used = {"verdict": row["used"], "effect": number(row, "effect"), "low": number(row, "effect_low"),
                "high": number(row, "effect_high"), "sham": number(row, "sham"), "p_holm": number(row, "p_used"),
                "difference": number(row, "difference"), "difference_low": number(row, "difference_low"),
                "difference_high": number(row, "difference_high"), "decisions": number(row, "decisions")}  # fmt: skip
        found.append({"shortcut": row["shortcut"], "in_data": in_data, "used": used, "finding": row["finding"],
                      "sentence": row["sentence"]})  # fmt: skip
    return found


def not_tested(recipe: AuditRecipe, here: Ready, findings: pd.DataFrame) -> list[str]:
    """What the audit did not test, in sentences.

    Parameters
    ----------
    recipe
        What was looked for.
    here
        The recordings.
    findings
        Of `findings_of`.
    """
    lacking = []
    left_away = [name for name in SHORTCUTS if recipe.shortcuts and name not in recipe.shortcuts]
    if left_away:
        lacking.append(f"Not asked for: {', '.join(left_away)}.")
    speakers = here.recordings.clusters["speaker"]
    if speakers.isna().all():
        lacking.append(
            "Speakers: nobody said who speaks, so a class may be told by its speakers, and intervals rest on "
            "recordings. Give --speakers CSV."
        )
    elif speakers.nunique() < _FEW_GROUPS:
        lacking.append(f"Other speakers: the recordings are of {speakers.nunique()}.")
    if not recipe.by:
        lacking.append("Speakers, devices and dates as such: name their columns with --by speaker,device.")
    facts = [FACT_NAMES.get(name, name) for name in findings["shortcut"] if name in (FORMAT, ORDER, *recipe.by)]
    lacking.append(
        f"Whether the model knows these as such: {', '.join(facts)}. It gets samples alone; what is left of them in "
        "the sound is tested."
    )
    lacking.append("A drier room: reverberation can be added to a recording, but not be taken out of it.")
    return [*lacking, *_ALWAYS]


def _says(name: str) -> str:
    return SHORTCUTS[name].says if name in SHORTCUTS else name
