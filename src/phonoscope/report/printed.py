"""Figures for print: widths of one and two columns in mm, vector files that carry their letters, and a check of those.

Letters are drawn in DejaVu Sans, which comes with matplotlib and has the whole IPA.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from phonoscope.errors import PhonoscopeError
from phonoscope.files import write_with

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN_MM = {1: 85.0, 2: 175.0}  # a column of most journals, and the width of the page
FORMATS = ("pdf", "svg", "png")
DOTS_PER_INCH = 300
# nothing that differs from one writing to the next
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"Creator": "phonoscope", "CreationDate": None, "Producer": None},
    "svg": {"Creator": "phonoscope", "Date": None},
    "png": {"Software": "phonoscope"},
}
_MM_PER_INCH = 25.4
# fonttype 42 keeps letters as TrueType: they can be searched, and every journal takes them
_SETTINGS: dict[Any, Any] = {
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "phonoscope",
    "font.family": ["DejaVu Sans"],
}


def print_figure(height_mm: float, *, columns: int = 1, width_mm: float | None = None) -> Figure:
    """Return an empty figure of the width of one or two columns; sizes in mm.

    Parameters
    ----------
    height_mm : float
    columns : {1, 2}
    width_mm : float, optional
        Width, instead of columns.

    Raises
    ------
    PhonoscopeError
        If there are neither one nor two columns.
    """
    from phonoscope.report.style import new_figure

    if columns not in COLUMN_MM:
        raise PhonoscopeError(f"a figure spans 1 or 2 columns, not {columns}; for other widths give --width in mm")
    width = COLUMN_MM[columns] if width_mm is None else width_mm
    if not (20 <= width <= 500 and 10 <= height_mm <= 700):
        raise PhonoscopeError(
            f"a figure of {width:g} × {height_mm:g} mm cannot be printed; widths go from 20 to 500 mm"
        )
    return new_figure(width / _MM_PER_INCH, height_mm / _MM_PER_INCH)


def save_figure(figure: Figure, path: str | Path, *, dots_per_inch: int = DOTS_PER_INCH) -> Path:
    """Write a figure at its own size, whole or not at all; its suffix says how: ``.pdf``, ``.svg`` or ``.png``.

    PDF carries its fonts; SVG has letters as outlines, so both look the same wherever they are opened. The paper is
    white. The same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure
    path : path
        File to write.
    dots_per_inch : int, optional
        Resolution of PNG, and of what is pixels in PDF and SVG (spectrograms, maps).

    Raises
    ------
    PhonoscopeError
        If the suffix is none of these.
    """
    import matplotlib

    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise PhonoscopeError(f"{path.name} says no format that is written; choose among .{', .'.join(FORMATS)}")

    def write(temporary: Path) -> None:
        with matplotlib.rc_context(_SETTINGS):
            figure.savefig(temporary, format=kind, dpi=dots_per_inch, metadata=_METADATA[kind], facecolor="white")

    transparency = figure.patch.get_alpha()
    figure.patch.set_alpha(1.0)
    try:
        return write_with(path, write)
    finally:
        figure.patch.set_alpha(transparency)


def undrawable(figure: Figure) -> set[str]:
    """Characters in the texts of a figure that its font does not have: they would be drawn as empty boxes."""
    from matplotlib.font_manager import findfont, get_font
    from matplotlib.text import Text

    missing: set[str] = set()
    for artist in figure.findobj(Text):
        if isinstance(artist, Text) and (letters := set("".join(artist.get_text().split()))):
            known = get_font(findfont(artist.get_fontproperties())).get_charmap()
            missing |= {letter for letter in letters if ord(letter) not in known}
    return missing
