"""Result tables as pages print them: chosen columns, plain headings, units, few digits; the data keep all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from phonoscope.report.labels import class_name
from phonoscope.report.numbers import (
    UNKNOWN,
    fixed,
    one_decimal,
    p_value,
    percent,
    percentage,
    significant,
    whole,
)

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


# Columns by their names in the result tables. One that is not here stands under its own name: text as it is, whole
# numbers without decimals, others with two.
COLUMNS: dict[str, Column] = {
    # what a row is about
    "attack": Column("what"),
    "class": Column("class", None),
    "feature": Column("told apart by"),
    "formant": Column("band"),
    "label": Column("class", None),
    "label_a": Column("spoken", None),
    "label_b": Column("taken for", None),
    "name": Column("baseline"),
    "null": Column("chance from"),
    "number": Column("layer", whole),
    "reason": Column("why"),
    "title": Column("measure"),
    # how many
    "at_hz": Column("at (Hz)", whole),
    "a_as_b": Column("times", whole),
    "b_as_a": Column("the other way", whole),
    "count": Column("how many", whole),
    "cpu_seconds": Column("processor time (s)", whole),
    "examples": Column("for example"),
    "frequency": Column("peak (Hz)", whole),
    "high_hz": Column("to", whole),
    "low_hz": Column("from", whole),
    "n": Column("tokens", whole),
    "n_first": Column("tokens", whole),
    "n_real": Column("real", whole),
    "n_second": Column("tokens", whole),
    "n_spoofed": Column("spoofed", whole),
    "n_tested": Column("tokens", whole),
    "n_train": Column("trained on", whole),
    "seconds": Column("seconds", one_decimal),
    "seeds": Column("trainings", whole),
    "speakers_also_real": Column("of them also real", whole),
    # shares and rates
    "accuracy": Column("accuracy", percent),
    "area": Column("area", percent),
    "balanced_accuracy": Column("balanced accuracy", percent),
    "each": Column("each (%)"),
    "eer": Column("EER", percent),
    "eer_high": Column("to", percent),
    "eer_low": Column("from", percent),
    "energy": Column("energy", percent),
    "found": Column("in samples", percent),
    "high": Column("to", percent),
    "human_a_as_b": Column("people", percentage),
    "human_b_as_a": Column("the other way", percentage),
    "in_null": Column("in random layers", percent),
    "low": Column("from", percent),
    "percent_a_as_b": Column("of its tokens", percentage),
    "percent_b_as_a": Column("of its tokens", percentage),
    "permuted": Column("by chance", percent),
    "sd": Column("s.d.", percent),
    "share": Column("share", percent),
    "share_first": Column("first run", percent),
    "share_second": Column("second run", percent),
    # measures
    "B_z": Column("z", one_decimal),
    "beta_avg": Column("β avg (°)", fixed),
    "beta_avg_z": Column("z", one_decimal),
    "mu": Column("μ", fixed),
    "mu_z": Column("z", one_decimal),
    "mu_avg": Column("μ avg", fixed),
    "mu_avg_z": Column("z", one_decimal),
    "causal-agreement": Column("agrees with filtering (ρ)", fixed),
    "chance": Column("chance", significant),
    "class-similarity": Column("classes alike (r)", fixed),
    "critical_z": Column("95 % of random layers below", one_decimal),
    "energy_ratio": Column("energy / chance", fixed),
    "max_z": Column("largest |z|", one_decimal),
    "p": Column("p", p_value),
    "p_holm": Column("p (Holm)", p_value),
    "planted": Column("finds planted cues", fixed),
    "prominence": Column("prominence (dB)", one_decimal),
    "r_energy": Column("r of the energy", fixed),
    "r_learned_null": Column("r with random weights", fixed),
    "r_map": Column("r of the maps", fixed),
    "randomisation": Column("random weights"),
    "range": Column("difference (95 %)"),
    "ratio_range": Column("share / chance"),
    "rho": Column("overlap explains confusions (ρ)", fixed),
    "share-class": Column("within the class", fixed),
    "share-run": Column("F1–F3 over chance", fixed),
    # words
    "agrees": Column("same direction", lambda value: "yes" if value else "no"),
    "detail": Column("detail", typeset),
    "measured": Column("this run measured", lambda value: typeset(value) or UNKNOWN),
    "paper_says": Column("the paper says", typeset),
    "paper_section": Column("section"),
    "shows": Column("what it can and cannot show"),
}


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
            UNKNOWN if _is_missing(value := record[column]) else (form or name)(value)
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
    return Column(name, whole if counts else fixed if number else str)


def _sign(position: int) -> str:
    """Superscript letter of a footnote; two letters when one is not enough."""
    more, last = divmod(position, len(_FOOTNOTE_SIGNS))
    return _FOOTNOTE_SIGNS[last] * (more + 1)


def _is_missing(value: Any) -> bool:
    return value is None or bool(pd.isna(value))
