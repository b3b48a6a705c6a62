"""One HTML file that holds everything: text, figures, data, sounds, letters; and the files that lie beside it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from phonoscope.errors import PhonoscopeError
from phonoscope.files import write_text
from phonoscope.report.plates import Panel, Plate
from phonoscope.report.printed import FORMATS, save_figure
from phonoscope.report.style import data_address, inline_svg
from phonoscope.report.tables import HtmlTable

FIGURES_NAME = "figures"
# Tables are inside the page as CSV; larger ones are packed, and only what would burden a phone stays beside the page.
MAX_PLAIN_BYTES, MAX_PACKED_BYTES = 150_000, 1_500_000
_TEMPLATES = Path(__file__).parent / "templates"
# a number and its unit stay on one line
_NUMBER_AND_UNIT = re.compile(r"(\d) (Hz|%|ms|s|dB|×)(?!\w)")
# Letters that not every phone has: IPA, modifiers, diacritics, and what formulas and marks need.
_RARE_LETTERS = re.compile(r"[\u0180-\u03ff\u1d00-\u1dff\u1e00-\u1eff\u2070-\u209f\u2190-\u22ff\u25a0-\u25ff]")


@dataclass(frozen=True)
class Section:
    """A numbered part of the page: paragraphs, plates, tables; folded tables are opened by the reader."""

    key: str
    title: str
    paragraphs: list[str] = field(default_factory=list)
    plates: list[Plate] = field(default_factory=list)
    tables: list[HtmlTable] = field(default_factory=list)
    folded: list[HtmlTable] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    settings: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Summary:
    """What stands above all sections: title, question, the numbers to remember, what was found, what to doubt."""

    title: str
    question: str
    numbers: list[tuple[str, str, str]]
    findings: list[str]
    doubts: list[str]
    created: str = ""


@dataclass(frozen=True)
class Page:
    """A whole page: its summary, and its sections in the order in which they are read."""

    summary: Summary
    sections: list[Section]


def write_page(out: Path, page: Page, formats: Sequence[str] = ("svg",)) -> Path:
    """Write the page, and beside it every figure in the formats asked for and its data (CSV).

    Parameters
    ----------
    out : Path
        The HTML file; figures and data go to ``figures/`` beside it.
    page : Page
    formats : sequence of {"svg", "pdf", "png"}
        Files beside the page; the page itself needs none of them.

    Raises
    ------
    PhonoscopeError
        If a format is not known.
    """
    check_formats(formats)
    beside = out.parent / FIGURES_NAME
    for section in page.sections:
        for plate in section.plates:
            for panel in [*plate.panels, *filter(None, [plate.legend])]:
                _write_panel(beside, panel, formats)
            write_text(beside / f"{plate.key}.csv", plate.data.to_csv(index=False))
        for table in [*section.tables, *section.folded]:
            write_text(beside / f"{table.key}.csv", table.data.to_csv(index=False))
    return write_text(out, render(page))


def check_formats(formats: Sequence[str]) -> None:
    """Raise PhonoscopeError for a format of figures that cannot be written."""
    for name in formats:
        if name not in FORMATS:
            raise PhonoscopeError(f"figures cannot be written as {name!r}; choose among {', '.join(FORMATS)}")


def render(page: Page) -> str:
    """HTML of the page; every text is escaped, only figures drawn here are markup.

    A policy in the page forbids the browser to fetch anything, and to run any script but the page's own.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: _NUMBER_AND_UNIT.sub("\\1\u00a0\\2", value) if type(value) is str else value,
    )
    # figures are drawn by us: their texts are outlines, their alternative text is escaped
    environment.filters["figure"] = lambda panel: Markup(inline_svg(panel.svg, panel.alt))
    environment.filters["download"] = download
    script = (_TEMPLATES / "script.js").read_text(encoding="utf-8")
    text = environment.get_template("report.html").render(
        summary=page.summary,
        sections=page.sections,
        style=Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        policy=Markup(_policy(script)),
        letters=Markup("{{letters}}"),
        figures=FIGURES_NAME,
    )
    # which rare letters there are is known only now; the mark stands once, in the style, before any text
    return text.replace("{{letters}}", letters_of(text), 1)


def download(data: pd.DataFrame, key: str) -> tuple[str, str]:
    """Address and file name of a table: its CSV inside the page, packed (gzip) if it is large, else the file beside."""
    text = data.to_csv(index=False).encode("utf-8")
    if len(text) <= MAX_PLAIN_BYTES:
        return data_address("text/csv;charset=utf-8", text), f"{key}.csv"
    packed = gzip.compress(text, mtime=0)
    if len(packed) <= MAX_PACKED_BYTES:
        return data_address("application/gzip", packed), f"{key}.csv.gz"
    return f"{FIGURES_NAME}/{key}.csv", f"{key}.csv"


def letters_of(text: str) -> str:
    """CSS with a font of the rare letters of a text (a subset of DejaVu Serif), so that IPA is never an empty box."""
    rare = "".join(sorted(set(_RARE_LETTERS.findall(text))))
    return _letters(rare) if rare else ""


@lru_cache(maxsize=8)
def _letters(letters: str) -> str:
    import io
    import logging

    import matplotlib
    from fontTools import subset, ttLib

    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)
    options = subset.Options(layout_features=["ccmp", "mark", "mkmk"], notdef_outline=False, hinting=False)
    font = ttLib.TTFont(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSerif.ttf", recalcTimestamp=False)
    pruned = subset.Subsetter(options)
    pruned.populate(text=letters)
    pruned.subset(font)
    font.flavor = "woff"
    buffer = io.BytesIO()
    font.save(buffer)
    points = ",".join(f"U+{ord(letter):X}" for letter in letters)
    address = data_address("font/woff", buffer.getvalue())
    return f'@font-face {{ font-family: "Page letters"; src: url("{address}"); unicode-range: {points}; }}'


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        "default-src 'none'; img-src data:; media-src data:; font-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _write_panel(folder: Path, panel: Panel, formats: Sequence[str]) -> None:
    for name in formats:
        if name == "svg":
            write_text(folder / f"{panel.name}.svg", panel.svg)
        else:
            save_figure(panel.figure, folder / f"{panel.name}.{name}", dots_per_inch=200)
