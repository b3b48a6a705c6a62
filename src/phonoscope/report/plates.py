"""Plates of a page: panels that are read together, with alternative texts, a caption, reading help and data."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from phonoscope.report.labels import file_slug
from phonoscope.report.style import to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Sound:
    """A sound inside the page: what it is called on its button, its address (data:), and what it is in full."""

    name: str
    address: str
    alt: str


@dataclass(frozen=True)
class Panel:
    """One picture: file name without suffix, SVG document, what it shows for those who cannot see it.

    The figure itself is kept for other formats, packed: unpacked it takes a megabyte, and a page has a hundred.
    """

    name: str
    svg: str
    alt: str
    packed: bytes
    note: str = ""
    sounds: tuple[Sound, ...] = ()

    @property
    def figure(self) -> Figure:
        """The figure, to be saved in other formats."""
        return pickle.loads(zlib.decompress(self.packed))


@dataclass(frozen=True)
class Plate:
    """Panels that are read together, with caption, reading help and data.

    ``missing`` says in words which panels there should be and are not.
    """

    key: str
    title: str
    caption: str
    reading: str
    panels: list[Panel]
    data: pd.DataFrame
    missing: str = ""
    legend: Panel | None = None
    width: str = "small"


def make_panel(name: str, figure: Figure, alt: str, note: str = "", sounds: Sequence[Sound] = ()) -> Panel:
    """Draw a figure as a panel; what a file cannot be called is replaced in its name.

    Parameters
    ----------
    name : str
        File name without suffix.
    figure : Figure
        It is emptied: the panel keeps a copy.
    alt : str
        What it shows, for those who cannot see it.
    note : str
        Printed below it.
    sounds : sequence of Sound
        Played below it.
    """
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in name)
    svg, packed = to_svg(figure, safe), zlib.compress(pickle.dumps(figure), 1)
    figure.clear()  # its parts hold each other, and would stay until somebody collects them
    return Panel(safe, svg, alt, packed, note, tuple(sounds))


def panel_name(key: str, position: int, label: str) -> str:
    """File name of a class's panel: plain ASCII, unique by its position.

    Parameters
    ----------
    key : str
        Of the plate.
    position : int
        Of the class, from 0.
    label : str
        Class.
    """
    slug = file_slug(label)
    return f"{key}-{position + 1}-{slug}" if slug else f"{key}-{position + 1}"
