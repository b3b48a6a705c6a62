"""Tables of the page of a run on phones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from phonoscope.report.labels import class_name, in_order
from phonoscope.report.numbers import UNKNOWN, is_known
from phonoscope.report.tables import HtmlTable, as_html_table, footnoted
from phonoscope.tasks.content import Content
from phonoscope.tasks.sections import PARTS, left_out_table

_NULLS = {"run": "whole run", "class": "same class", "classes": "classes exchanged"}


def corpus_tables(content: Content) -> list[HtmlTable]:
    """Tokens by class, phone and part, and what was left out."""
    counts, left_out = content.tables["counts"], content.tables["left_out"]
    tables = [] if counts.empty else [_counts_table(content, counts)]
    return tables if left_out.empty else [*tables, left_out_table(left_out)]


def _counts_table(content: Content, counts: pd.DataFrame) -> HtmlTable:
    """One row a class (and phone, where a class has several), one column a part of the split."""
    by = ["class"]
    if "label" in counts and not (counts["label"] == counts["class"]).all():
        by.append("label")
    parts = [part for part in PARTS if "split" in counts and (counts["split"] == part).any()]
    rank = {label: position for position, label in enumerate(in_order(counts[by].to_numpy().ravel(), content.labels))}
    ordered = counts.sort_values(by, key=lambda names: names.map(rank), kind="stable")
    rows = []
    for names, group in ordered.groupby(by, sort=False):
        row: dict[str, Any] = dict(zip(by, names, strict=True))
        row |= {part: int(group.loc[group["split"] == part, "count"].sum()) for part in parts}
        rows.append(row | {"count": int(group["count"].sum()), "seconds": float(group["seconds"].sum())})
    columns = (*by, *parts, "count", "seconds")
    headings = {"label": "phone", "count": "tokens"}
    return as_html_table("counts", "Tokens used", pd.DataFrame(rows), columns, headings=headings, data=counts)


def share_tables(content: Content) -> list[HtmlTable]:
    """Shares of every class with formants, pooled classes first, with all chance levels and verdicts."""
    table = content.tables["shares"]
    if table.empty:
        return []
    shown = table.assign(
        ratio_range=[_ratio(row) for row in table.to_dict("records")],
        null=table["null"].map(_NULLS).fillna(table["null"]),
    )
    columns = ("formant", "null", "n", "share", "permuted", "ratio_range", "p_holm", "area", "energy", "energy_ratio")
    tables = []
    for position, label in enumerate(["all", *content.labels]):
        rows = shown[(shown["label"] == label) & (shown["n"] > 0)]
        if len(rows):
            title = "All classes" if label == "all" else class_name(label)
            data = table.loc[rows.index]
            verdicts, notes = footnoted(rows["verdict"].tolist())
            marked = rows.assign(verdict=verdicts)
            made = as_html_table(f"shares-{position}", title, marked, (*columns, "verdict"), data=data)
            tables.append(replace(made, notes=notes))
    return tables


def control_table(content: Content) -> HtmlTable | None:
    """Pooled shares of the network's maps beside those of control maps, on the same tokens."""
    table = content.tables["control_shares"]
    if table.empty:
        return None
    rows = table[(table["label"] == "all") & (table["null"] == "run") & (table["n"] > 0)]
    shown = rows.assign(ratio_range=[_ratio(row) for row in rows.to_dict("records")], ratio_sd=rows["sd"])
    columns = ("map", "networks", "formant", "n", "share", "permuted", "ratio_range", "ratio_sd")
    title = "Maps that no training of this network made, on the same tokens"
    return as_html_table("control_shares", title, shown, columns, data=table)


def _ratio(row: Mapping[Any, Any]) -> str:
    if not is_known(row["ratio"]):
        return UNKNOWN
    within = f" ({row['low']:.2f}–{row['high']:.2f})" if is_known(row["low"]) else ""
    return f"{row['ratio']:.2f}{within}"
