"""Praat's Matrix as text: values over two even axes, which Praat draws with its own units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from phonoscope.errors import CorpusError
from phonoscope.files import write_text

MOST_CELLS = 512  # of an axis that had to be made even
_EVEN = 1e-6  # spacings that differ by less, relative to the whole axis, are equal


@dataclass(frozen=True)
class EvenAxis:
    """``count`` centres from ``first``, ``step`` apart, in a domain from ``low`` to ``high``."""

    first: float
    step: float
    count: int
    low: float
    high: float

    @property
    def centres(self) -> np.ndarray:
        """Centre of each cell, shape (count,)."""
        return self.first + self.step * np.arange(self.count)


def even_axis(centres: np.ndarray, low: float, high: float) -> tuple[EvenAxis, np.ndarray]:
    """Even axis through the outermost centres, and which of the given cells each of its cells takes.

    Centres that are even already stay as they are. Others get cells as far apart as the two closest of them (at most
    512 cells), each with the value of the given cell in which its centre lies, for which edges stand half-way between
    neighbours: no value is made up.

    Parameters
    ----------
    centres
        Rising, in s or Hz, shape (cells,).
    low, high
        Domain; it is widened where a centre lies outside of it. A single cell fills it.

    Raises
    ------
    CorpusError
        If the centres do not rise or are not finite.
    """
    centres = np.asarray(centres, dtype=float)
    steps = np.diff(centres)
    if len(centres) == 0 or not np.isfinite(centres).all() or (steps <= 0).any():
        raise CorpusError("the cell centres of a matrix must be finite and increasing")
    first, last = float(centres[0]), float(centres[-1])
    low, high = min(float(low), first), max(float(high), last)
    if len(centres) == 1:
        return EvenAxis(first, high - low or 1.0, 1, low, high), np.zeros(1, dtype=int)
    if np.ptp(steps) <= _EVEN * (last - first):
        count = len(centres)
        return EvenAxis(first, (last - first) / (count - 1), count, low, high), np.arange(count)
    count = min(int(np.ceil((last - first) / steps.min() - _EVEN)) + 1, MOST_CELLS)
    axis = EvenAxis(first, (last - first) / (count - 1), count, low, high)
    return axis, np.searchsorted((centres[1:] + centres[:-1]) / 2, axis.centres, side="right")


def write_matrix(path: str | Path, values: np.ndarray, x: EvenAxis, y: EvenAxis) -> None:
    """Write a Matrix as text (long form); the file appears whole or not at all.

    Parameters
    ----------
    path
        File to write.
    values
        Shape (y, x), lowest y first, as Praat has it.
    x, y
        Axes of the columns and of the rows.

    Raises
    ------
    CorpusError
        If the values do not fit the axes or are not finite.
    """
    values = np.asarray(values, dtype=float)
    if values.shape != (y.count, x.count) or not np.isfinite(values).all():
        raise CorpusError(
            f"cannot write {path}: found values of shape {values.shape}; expected finite ones of {(y.count, x.count)}"
        )
    write_text(path, "\n".join(_lines(values, x, y)) + "\n")


def _lines(values: np.ndarray, x: EvenAxis, y: EvenAxis) -> Iterator[str]:
    yield from ('File type = "ooTextFile"', 'Object class = "Matrix"', "")
    for name, axis in (("x", x), ("y", y)):
        yield from (f"{name}min = {axis.low!r} ", f"{name}max = {axis.high!r} ", f"n{name} = {axis.count} ")
        yield from (f"d{name} = {axis.step!r} ", f"{name}1 = {axis.first!r} ")
    yield "z [] []: "
    for row, cells in enumerate(values.tolist(), 1):
        yield f"    z [{row}]:"
        for column, value in enumerate(cells, 1):
            yield f"        z [{row}] [{column}] = {value!r} "
