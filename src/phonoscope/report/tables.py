"""Result tables as the page prints them: chosen columns, plain headings, units, few digits; the data keep all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from phonoscope.report.content import Content
from phonoscope.report.words import p_value, percent, signed

Format = Callable[[Any], str]

PARTS = ("train", "validation", "test")
LONGEST_UNBROKEN = 22  # letters; longer columns may break into lines


@dataclass(frozen=True)
class HtmlTable:
    """A table ready for the template: headings, rows of text, the kind of each column, and the data behind it.

    Kinds are ``number``, ``short`` (never broken into lines) and ``long``.
    """

    key: str
    title: str
    headings: list[str]
    rows: list[list[str]]
    kinds: list[str]
    data: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def as_html_table(key: str, title: str, table: pd.DataFrame, columns: Mapping[str, tuple[str, Format]]) -> HtmlTable:
    """Choose and format columns; columns that the table does not have are left away.

    Parameters
    ----------
    columns : mapping
        Column → (heading, function from value to text); missing values become a dash before the function is asked.
    """
    there = {name: columns[name] for name in columns if name in table}
    rows = [
        ["–" if _missing(record[name]) else show(record[name]) for name, (_, show) in there.items()]
        for record in table.to_dict("records")
    ]
    kinds = []
    for position, name in enumerate(there):
        longest = max((len(row[position]) for row in rows), default=0)
        number = pd.api.types.is_numeric_dtype(table[name])
        kinds.append("number" if number else "short" if longest <= LONGEST_UNBROKEN else "long")
    return HtmlTable(key, title, [heading for heading, _ in there.values()], rows, kinds, table)


def corpus_tables(content: Content) -> list[HtmlTable]:
    """Tokens by class, phone and part, and what was left out."""
    counts, left_out = content.tables["counts"], content.tables["left_out"]
    tables = []
    if not counts.empty:
        tables.append(replace(_counts_table(content, counts), data=counts))
    columns: dict[str, tuple[str, Format]] = {
        "what": ("what", str),
        "reason": ("why", str),
        "count": ("how many", _whole),
        "examples": ("for example", str),
    }
    tables.append(as_html_table("left_out", "Left out", left_out, columns))
    return tables


def _counts_table(content: Content, counts: pd.DataFrame) -> HtmlTable:
    """One row a class (and phone, where a class has several), one column a part of the split."""
    by = ["class"]
    if "label" in counts and not (counts["label"] == counts["class"]).all():
        by.append("label")
    parts = [part for part in PARTS if "split" in counts and (counts["split"] == part).any()]
    rows = []
    place = {name: position for position, name in enumerate(content.ordered(counts[by].to_numpy().ravel()))}
    ordered = counts.sort_values(by, key=lambda names: names.map(place), kind="stable")
    for names, group in ordered.groupby(by, sort=False):
        row: dict[str, Any] = dict(zip(by, names, strict=True))
        row |= {part: int(group.loc[group["split"] == part, "count"].sum()) for part in parts}
        rows.append(row | {"count": int(group["count"].sum()), "seconds": float(group["seconds"].sum())})
    columns: dict[str, tuple[str, Format]] = {
        "class": ("class", content.name),
        "label": ("phone", content.name),
        **{part: (part, _whole) for part in parts},
        "count": ("tokens", _whole),
        "seconds": ("seconds", lambda value: f"{value:.1f}"),
    }
    return as_html_table("counts", "Tokens used", pd.DataFrame(rows), columns)


def recognition_tables(content: Content) -> list[HtmlTable]:
    """Baselines and asymmetric confusions."""
    tables = []
    if not content.tables["baselines"].empty:
        columns: dict[str, tuple[str, Format]] = {
            "name": ("baseline", str),
            "accuracy": ("accuracy", percent),
            "balanced_accuracy": ("balanced accuracy", percent),
            "n_tested": ("tokens", _whole),
        }
        tables.append(as_html_table("baselines", "Without a network", content.tables["baselines"], columns))
    if not content.tables["asymmetry"].empty:
        columns = {
            "label_a": ("spoken", content.name),
            "label_b": ("taken for", content.name),
            "a_as_b": ("times", _whole),
            "percent_a_as_b": ("of its tokens", lambda value: f"{value:.1f} %"),
            "b_as_a": ("the other way", _whole),
            "percent_b_as_a": ("of its tokens", lambda value: f"{value:.1f} %"),
            "p": ("p", p_value),
            "p_holm": ("p (Holm)", p_value),
        }
        title = "Confusions that go more one way than the other"
        tables.append(as_html_table("asymmetry", title, content.tables["asymmetry"], columns))
    return tables


def correlation_table(content: Content) -> HtmlTable | None:
    """Correlations between class profiles of the maps, and of the energy if they were measured."""
    table = content.tables["profile_correlations"]
    if table.empty:
        return None
    if "source" in table:
        wide = table.pivot_table(index=["label_a", "label_b"], columns="source", values="r", sort=False, dropna=False)
        table = wide.dropna(how="all").reset_index()
    columns: dict[str, tuple[str, Format]] = {
        "label_a": ("class", content.name),
        "label_b": ("and", content.name),
        "map": ("r of the maps", signed),
        "r": ("r of the maps", signed),
        "energy": ("r of the energy", signed),
    }
    return as_html_table("profile_correlations", "How alike are the profiles of two classes?", table, columns)


def share_tables(content: Content) -> list[HtmlTable]:
    """Shares of every class with formants, pooled classes first, with all chance levels and verdicts."""
    table = content.tables["shares"]
    if table.empty:
        return []
    against = {"run": "whole run", "class": "same class", "classes": "classes exchanged"}
    shown = table.assign(
        ratio_text=[_ratio(row) for row in table.to_dict("records")],
        null=table["null"].map(against).fillna(table["null"]),
    )
    columns: dict[str, tuple[str, Format]] = {
        "formant": ("band", str),
        "null": ("chance from", str),
        "n": ("tokens", _whole),
        "share": ("share", percent),
        "permuted": ("by chance", percent),
        "ratio_text": ("share / chance", str),
        "p_holm": ("p (Holm)", p_value),
        "area": ("area", percent),
        "energy": ("energy", percent),
        "energy_ratio": ("energy / chance", lambda value: f"{value:.2f}"),
        "verdict": ("verdict", str),
    }
    tables = []
    for position, label in enumerate(["all", *content.labels]):
        rows = shown[(shown["label"] == label) & (shown["n"] > 0)]
        if len(rows):
            name = "All classes" if label == "all" else content.name(label)
            one = as_html_table(f"shares-{position}", name, rows, columns)
            at = one.headings.index("verdict")
            verdicts, notes = footnoted([row[at] for row in one.rows])
            lines = [[*row[:at], verdict, *row[at + 1 :]] for row, verdict in zip(one.rows, verdicts, strict=True)]
            tables.append(replace(one, rows=lines, data=table.loc[rows.index], notes=notes))
    return tables


def footnoted(verdicts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Move the reservations of verdicts ("verdict; reservation; reservation") into footnotes, each written once.

    Returns
    -------
    verdicts, notes
        Verdicts with the signs of their footnotes, and the footnotes with theirs.
    """
    reservations = list(dict.fromkeys(part for verdict in verdicts for part in verdict.split("; ")[1:]))
    signs = {text: _sign(position) for position, text in enumerate(reservations)}
    marked = []
    for verdict in verdicts:
        first, *rest = verdict.split("; ")
        marked.append(" ".join([first, "".join(signs[part] for part in rest)]).strip())
    return marked, [f"{sign} {text}" for text, sign in signs.items()]


def claims_table(content: Content) -> HtmlTable | None:
    """What the paper says beside what the run measured."""
    table = content.tables["claims"]
    if table.empty:
        return None
    columns: dict[str, tuple[str, Format]] = {
        "paper_section": ("section", str),
        "paper_says": ("the paper says", str),
        "measured": ("this run measured", lambda value: str(value) or "–"),
        "verdict": ("verdict", str),
        "detail": ("detail", str),
    }
    return as_html_table("claims", "Claim by claim", table, columns)


def _ratio(row: Mapping[Any, Any]) -> str:
    if _missing(row["ratio"]):
        return "–"
    within = "" if _missing(row["low"]) else f" ({row['low']:.2f}–{row['high']:.2f})"
    return f"{row['ratio']:.2f}{within}"


def _sign(position: int) -> str:
    """Superscript letter of a footnote; two letters when one is not enough."""
    letters = "ᵃᵇᶜᵈᵉᶠᵍʰ"
    more, last = divmod(position, len(letters))
    return letters[last] * (more + 1)


def _whole(value: Any) -> str:
    return f"{int(value):,}".replace(",", "\u202f")


def _missing(value: Any) -> bool:
    return value is None or bool(pd.isna(value))
