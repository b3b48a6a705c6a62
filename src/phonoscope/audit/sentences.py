"""One sentence a shortcut: how the classes differ in it, and what exchanging it does to the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from phonoscope.audit.battery import CLEAN, IN_DATA, REACTS, USED, Item
from phonoscope.judgement.claims import CONTRADICTED, SUPPORTED

_DIGITS = {"ms": 0, "dB": 1}
FACTS = {"format": "The format of the file", "order": "The name or its place in the order of names"}


def sentence_of(item: Item, row: Mapping[Any, Any]) -> str:
    """What was found about one shortcut.

    Parameters
    ----------
    item
        See `phonoscope.audit.battery.audit_one`.
    row
        Of ``findings_table``.
    """
    name = item.shortcut.says[0].upper() + item.shortcut.says[1:]
    told = f"alone it tells the classes with a balanced accuracy of {_percent(row['balanced_accuracy'])}"
    told += f" ({_range(row, 'accuracy')}; chance {_percent(1 / max(len(item.means), 1))})"
    differs = _difference(item)
    caution = f" {item.shortcut.caution}" if item.shortcut.caution and row["in_data"] == SUPPORTED else ""
    if item.exchanged is None:
        if row["in_data"] == SUPPORTED:
            return f"{name}: {told}. Whether the model uses it cannot be asked: it is not in the sound."
        return f"{name}: {told}. That is not enough to be told from chance."
    moved = (
        f"exchanging it between classes moves {_percent(row['decisions'], 0)} ({_range(row, 'decisions', 0)}) of the "
        "decisions more than exchanging it within a class"
    )
    found = row["finding"]
    if found == USED:
        return f"{name}: {differs}{told}; {moved}. The model uses it.{caution}"
    if found == IN_DATA:
        return f"{name}: {differs}{told}, but the model does not use it: {moved}.{caution}"
    if found == REACTS:
        return (
            f"{name}: it does not tell the classes, but {_percent(row['reacts'], 0)} ({_range(row, 'reacts', 0)}) of "
            "the decisions change when it is exchanged with another recording of the same class."
        )
    if found == CLEAN:
        return f"{name}: it does not tell the classes, and the model does not use it."
    return f"{name}: it cannot be told. {told[0].upper()}{told[1:]}; {moved}."


def _difference(item: Item) -> str:
    """By how much the two classes that differ most do, in the measure that differs most; empty where it has no unit."""
    if not item.shortcut.unit or len(item.means) < 2:
        return ""
    measures = next(iter(item.means.values())).keys()
    spread = {each: np.ptp([values[each] for values in item.means.values()]) for each in measures}
    measure = max(spread, key=lambda each: spread[each])
    if spread[measure] <= 0:
        return ""
    most = max(item.means, key=lambda label: item.means[label][measure])
    least = min(item.means, key=lambda label: item.means[label][measure])
    unit = item.shortcut.unit
    size = f"{spread[measure]:.{_DIGITS.get(unit, 1)}f} {unit}"
    if len(spread) > 2:
        return f"the classes differ most at {measure}, by {size}; "
    where = f" ({measure})" if len(spread) > 1 else ""
    return f"recordings of {most} have {size} more of it{where} than those of {least}; "


def _percent(value: float, digits: int = 0) -> str:
    return f"{round(100 * value, digits) + 0.0:.{digits}f} %".replace("-", "−") if np.isfinite(value) else "–"


def _range(row: Mapping[Any, Any], name: str, digits: int = 0) -> str:
    low, high = (row[f"{name}_{end}"] for end in ("low", "high"))
    if not np.isfinite(low):
        return "no interval"
    return " to ".join(f"{round(100 * each, digits) + 0.0:.{digits}f}" for each in (low, high)).replace("-", "−")


def fact_sentence(name: str, row: Mapping[Any, Any], chance: float) -> str:
    """What was found about a fact of the corpus, such as the format of its files.

    Parameters
    ----------
    name
        ``format``, ``order``, or a column.
    row
        Its verdict and numbers.
    chance
        Balanced accuracy of guessing.
    """
    says = FACTS.get(name, f"The {name} of a recording")
    told = f"with a balanced accuracy of {_percent(row['balanced_accuracy'])} ({_range(row, 'accuracy')}; chance "
    told += f"{_percent(chance)})"
    if row["in_data"] == SUPPORTED:
        return f"{says} tells the classes {told}. It is not in the sound, so the model cannot be asked about it."
    if row["in_data"] == CONTRADICTED:
        return f"{says} does not tell the classes."
    return f"{says}: it cannot be told whether it tells the classes ({told.removeprefix('with a ')})."
