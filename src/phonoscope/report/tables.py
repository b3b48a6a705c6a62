"""Result tables as pages print them: chosen columns, plain headings, units, few digits; the data keep all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from phonoscope.report import numbers
from phonoscope.report.labels import class_name

Format = Callable[[Any], str]

LONGEST_UNBROKEN = 22  # letters; longer columns may break into lines
_FOOTNOTE_SIGNS = "ᵃᵇᶜᵈᵉᶠᵍʰ"


def typeset(value: Any) -> str:
    """Text with per cent signs set apart and minus signs as such."""
    return re.sub(r"(?<= )-(?=\d)", "−", re.sub(r"(?<=\d)%", "\u00a0%", str(value)))


class Column(NamedTuple):
    """How a column is printed: its heading, and a function from value to text; None for classes, which pages name."""

    heading: str
    format: Format | None = str


# How words are printed; numbers are printed by the function of `phonoscope.report.numbers` that has the name.
_WORDS: dict[str, Format | None] = {
    "text": str,
    "class": None,
    "typeset": typeset,
    "typeset or dash": lambda value: typeset(value) or numbers.UNKNOWN,
    "yes or no": lambda value: "yes" if value else "no",
}


def _columns() -> dict[str, Column]:
    """Columns by their names in the result tables, from ``columns.csv``: heading, and how values are printed."""
    table = pd.read_csv(Path(__file__).with_name("columns.csv"), dtype=str, keep_default_na=False)
    forms = [_WORDS[form] if form in _WORDS else getattr(numbers, form) for form in table["format"]]
    columns = map(Column, table["heading"], forms)
    return dict(zip(table["column"], columns, strict=True))


# One that is not here stands under its own name: text as it is, whole numbers without decimals, others with two.
COLUMNS = _columns()


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


def as_html_table(
    key: str,
    title: str,
    table: pd.DataFrame,
    columns: Iterable[str],
    *,
    headings: Mapping[str, str] | None = None,
    name: Format = class_name,
    data: pd.DataFrame | None = None,
) -> HtmlTable:
    """Choose columns and print them as `COLUMNS` says; missing values become a dash.

    Parameters
    ----------
    key : str
        File name of the data without suffix, unique in a page.
    title : str
    table : DataFrame
        Its rows are printed in order.
    columns : iterable of str
        Their order; those that the table does not have are left away.
    headings : mapping, optional
        Other headings than those of `COLUMNS`.
    name : function, optional
        How classes are written.
    data : DataFrame, optional
        What a reader may download; the table itself by default.
    """
    chosen = [column for column in columns if column in table]
    printed = [COLUMNS.get(column) or _plain_column(column, table[column]) for column in chosen]
    shown = [
        [
            numbers.UNKNOWN if _is_missing(value := record[column]) else (form or name)(value)
            for column, (_, form) in zip(chosen, printed, strict=True)
        ]
        for record in table.to_dict("records")
    ]
    longest = [max((len(row[position]) for row in shown), default=0) for position in range(len(chosen))]
    kinds = [
        "number" if pd.api.types.is_numeric_dtype(table[column]) else "short" if wide <= LONGEST_UNBROKEN else "long"
        for column, wide in zip(chosen, longest, strict=True)
    ]
    titles = [(headings or {}).get(column, about.heading) for column, about in zip(chosen, printed, strict=True)]
    return HtmlTable(key, title, titles, shown, kinds, table if data is None else data)


def footnoted(verdicts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Move the reservations of verdicts ("verdict; reservation; reservation") into footnotes, each written once.

    Returns
    -------
    verdicts, notes
        Verdicts with the signs of their footnotes, and the footnotes with theirs.
    """
    reservations = dict.fromkeys(part for verdict in verdicts for part in verdict.split("; ")[1:])
    signs = {text: _sign(position) for position, text in enumerate(reservations)}
    marked = []
    for verdict in verdicts:
        first, *rest = verdict.split("; ")
        marked.append(" ".join([first, "".join(signs[part] for part in rest)]).strip())
    return marked, [f"{sign} {text}" for text, sign in signs.items()]


def _plain_column(name: str, values: pd.Series) -> Column:
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    counts = number and bool((values.dropna() % 1 == 0).all())
    return Column(name, numbers.whole if counts else numbers.fixed if number else str)


def _sign(position: int) -> str:
    """Superscript letter of a footnote; two letters when one is not enough."""
    more, last = divmod(position, len(_FOOTNOTE_SIGNS))
    return _FOOTNOTE_SIGNS[last] * (more + 1)


def _is_missing(value: Any) -> bool:
    return value is None or bool(pd.isna(value))
