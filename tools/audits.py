"""Tables of ``docs/audits.md``: what audits of real models found.

Stored and written as all others: ``python -m tools.results collect RUN…``, with runs of ``phonoscope audit``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tools.markdown import markdown

CASES = {
    "cases/digits-audit": "speakers of the spoken digits",
    "cases/language-audit": "English or Spanish, one woman",
    "cases/spoof-audit": "Inc-TSSDNet, real or synthetic",
    "cases/commands-audit": "words of Speech Commands",
}
_FINDINGS = (
    "shortcut", "finding", "in_data", "balanced_accuracy", "accuracy_low", "accuracy_high", "null", "auc", "used",
    "effect", "sham", "difference", "difference_low", "difference_high", "decisions", "decisions_low",
    "decisions_high", "p_used",
)  # fmt: skip
_REACTIONS = (
    "reaction", "says", "decisions", "decisions_low", "decisions_high", "sham", "effect", "effect_low",
    "effect_high", "accuracy_before", "accuracy", "accuracy_low", "accuracy_high", "verdict",
)  # fmt: skip


def of_audit(run: Any) -> dict[str, pd.DataFrame]:
    """What is kept of a finished audit, by table.

    Parameters
    ----------
    run
        The audit, as `phonoscope.experiments.folder.Run`.
    """
    kept = {}
    for name, columns in (("findings", _FINDINGS), ("reactions", _REACTIONS)):
        table = run.table(name)
        kept[name] = table[[column for column in columns if column in table]]
    results = run.results
    kept["basis"] = pd.DataFrame([{name: results[name] for name in ("n", "speakers", "accuracy")}])
    return kept


def stored(table: str) -> pd.DataFrame:
    """A stored table of audits; without rows where none was stored.

    Parameters
    ----------
    table
        ``findings, reactions`` or ``basis``.
    """
    path = Path(__file__).resolve().parents[1] / "docs" / "results" / f"audit-{table}.csv"
    return pd.read_csv(path) if path.is_file() else pd.DataFrame({"run": []})


def findings_of(case: str) -> str:
    """Findings of one audit, the worst first.

    Parameters
    ----------
    case
        Its folder, as of `CASES`.
    """
    table = stored("findings")
    rows = [
        (
            row["shortcut"], row["finding"], _interval(row, "balanced_accuracy", "accuracy", 100, 0, " %"),
            _percent(row["null"]), _interval(row, "difference", "difference", 1, 2, ""),
            _interval(row, "decisions", "decisions", 100, 0, " %"),
        )
        for row in table[table["run"] == case].to_dict("records")
    ]  # fmt: skip
    heads = ["property", "finding", "told from it alone", "shuffled labels, 97.5 %",
             "log odds taken beyond the sham", "decisions moved beyond the sham"]  # fmt: skip
    return markdown(heads, rows)


def reactions_of(case: str) -> str:
    """What the model of one audit bears.

    Parameters
    ----------
    case
        Its folder, as of `CASES`.
    """
    table = stored("reactions")
    rows = [
        (
            row["says"], _interval(row, "decisions", "decisions", 100, 0, " %"), _percent(row["sham"]),
            _interval(row, "effect", "effect", 1, 2, ""), _interval(row, "accuracy", "accuracy", 100, 0, " %"),
            row["verdict"],
        )
        for row in table[table["run"] == case].sort_values("decisions", ascending=False).to_dict("records")
    ]  # fmt: skip
    return markdown(
        ["every recording …", "decisions that change", "by the sham", "change of log odds", "right then", "it reacts"],
        rows,
    )


def overview() -> str:
    """All audits beside one another: how many recordings, how often the model is right, what it uses."""
    basis, findings = stored("basis").set_index("run"), stored("findings")
    rows = []
    for case, says in CASES.items():
        if case not in basis.index:
            continue
        some, row = findings[findings["run"] == case], basis.loc[case]
        named = {kind: ", ".join(some.loc[some["finding"] == kind, "shortcut"]) or "none"
                 for kind in ("in the data and used", "in the data, not used")}  # fmt: skip
        rows.append((says, f"{row['n']:.0f}", _percent(row["accuracy"]), *named.values()))
    return markdown(["model", "recordings", "right", "in the data and used", "in the data, not used"], rows)


def _interval(row: Any, name: str, prefix: str, factor: float, digits: int, unit: str) -> str:
    value, low, high = (row.get(each, np.nan) for each in (name, f"{prefix}_low", f"{prefix}_high"))
    if not np.isfinite(value):
        return "–"
    shown, *limits = (f"{round(factor * each, digits) + 0.0:.{digits}f}" for each in (value, low, high))
    words = f"{shown}{unit}" + (f" ({' to '.join(limits)})" if np.isfinite(low) else "")
    return words.replace("-", "−")


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if np.isfinite(value) else "–"


TABLES: dict[str, Callable[[], str]] = {"audits": overview} | {
    f"{case.rpartition('/')[2]}-{kind}": partial(make, case)
    for case in CASES
    for kind, make in (("findings", findings_of), ("reactions", reactions_of))
}
