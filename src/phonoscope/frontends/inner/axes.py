"""Axes of a picture that nobody described, measured: clicks give each column its time, tones each row its frequency.

The picture is whatever a module inside a model makes of sounds: a mel or Kaldi filter bank, a constant-Q transform, a
layer of learned filters, in any layout of its dimensions and in any unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from phonoscope.axes import FrequencyAxis, TimeAxis
from phonoscope.errors import ClassifierError
from phonoscope.frontends.inner.columns import columns_by_clicks, follows_clicks, time_axis_of
from phonoscope.frontends.inner.rows import APART_HZ, Rows
from phonoscope.frontends.inner.sounds import SETTLED, Making, Probe

_KILO = 1000


@dataclass(frozen=True)
class Layout:
    """How a picture lies in what a module makes of sounds.

    Parameters
    ----------
    rows_at, columns_at
        Which dimensions of the module's output are rows and columns.
    shape
        Of the module's output for one sound of ``samples`` samples.
    order
        Rows of the module from the lowest frequency to the highest.
    natural
        Whether the number of columns grows with the sound.
    hop
        Samples from one column to the next.
    samples
        Length of the sounds that were measured with.
    """

    rows_at: int
    columns_at: int
    shape: tuple[int, ...]
    order: tuple[int, ...]
    natural: bool
    hop: float
    samples: int

    def arranged(self, output: Tensor) -> Tensor:
        """The module's output as a picture (batch, 1, rows, columns), lowest frequency first."""
        if not self._in_place:
            output = output.movedim((self.rows_at, self.columns_at), (-2, -1))
        if output.dim() != 4:
            output = output[:, None] if output.dim() == 3 else output.reshape(len(output), 1, *output.shape[-2:])
        return output if self._in_order else output[:, :, list(self.order)]

    def as_output(self, picture: Tensor) -> Tensor:
        """Undo `arranged`: put a picture back into the layout of the module's output."""
        if not self._in_order:
            picture = picture[:, :, np.argsort(self.order).tolist()]
        others = [1] * (len(self.shape) - 2)
        if len(others) != 1:
            picture = picture[:, 0] if not others else picture.reshape(len(picture), *others, *picture.shape[-2:])
        return picture if self._in_place else picture.movedim((-2, -1), (self.rows_at, self.columns_at))

    def samples_of(self, columns: int) -> int:
        """Length of a sound whose picture has so many columns, samples."""
        more = (columns - self.shape[self.columns_at - 1]) * self.hop if self.natural else 0.0
        return max(self.samples + round(more), 1)

    @property
    def _in_place(self) -> bool:
        return (self.rows_at, self.columns_at) == (len(self.shape) - 1, len(self.shape))

    @property
    def _in_order(self) -> bool:
        return self.order == tuple(range(len(self.order)))


@dataclass(frozen=True)
class PictureAxes:
    """Axes of what a module makes of sounds, as they were measured.

    Parameters
    ----------
    layout
        How the picture lies in the module's output.
    frequency_axis
        Centres: middle of the band in which a tone's response lies within 1 dB of the row's strongest.
    widths
        Of that band at half the power (-3 dB), Hz, shape (rows,), lowest row first; NaN for rows that no tone moves.
    time_axis
        Of the columns; stretched where their number grows with the sound or their distance does.
    unit, db_per_unit
        ``log power``, ``power``, ``magnitude`` or ``units of the module``, and how many dB one is of a logarithm.
    """

    layout: Layout
    frequency_axis: FrequencyAxis
    widths: np.ndarray
    time_axis: TimeAxis
    unit: str
    db_per_unit: float | None

    def words(self, sample_rate: int) -> str:
        """Say in words where the rows and columns lie: ``24 rows, 85 Hz to 7.6 kHz, 10 ms a column, log power``.

        Parameters
        ----------
        sample_rate
            Of the sounds, Hz.
        """
        first, last = (_in_words(hz) for hz in self.frequency_axis.centres[[0, -1]])
        each = f"{1000 * self.layout.hop / sample_rate:.3g} ms a column"
        if self.time_axis.stretched and not self.layout.natural:
            each = f"{self.time_axis.columns} columns over each sound"
        step = "" if self.db_per_unit is None else f" ({self.db_per_unit:.3g} dB a unit)"
        return f"{self.frequency_axis.rows} rows, {first} to {last}, {each}, {self.unit}{step}"

    def config(self) -> dict[str, Any]:
        """Everything as JSON values; see `axes_of`."""
        return {
            "layout": asdict(self.layout),
            "frequency": asdict(self.frequency_axis),
            "widths": [None if np.isnan(width) else float(width) for width in self.widths],
            "time": asdict(self.time_axis),
            "unit": self.unit,
            "db_per_unit": self.db_per_unit,
        }


def axes_of(config: Mapping[str, Any]) -> PictureAxes:
    """Axes that were measured before, from their `PictureAxes.config`."""
    rows: dict[str, Any] = {**config["frequency"], "knots": tuple(config["frequency"]["knots"])}
    layout: dict[str, Any] = {**config["layout"]}
    layout |= {name: tuple(layout[name]) for name in ("shape", "order")}
    widths = [math.nan if width is None else width for width in config["widths"]]
    return PictureAxes(
        Layout(**layout),
        FrequencyAxis(**rows),
        np.array(widths, dtype=float),
        TimeAxis(**config["time"]),
        config["unit"],
        config["db_per_unit"],
    )


def _in_words(hertz: float) -> str:
    return f"{hertz:.0f} Hz" if hertz < _KILO else f"{hertz / _KILO:.1f} kHz"


@torch.no_grad()
def measure_axes(make: Making, sample_rate: int, seconds: float = 1.0) -> PictureAxes:
    """Measure where the rows and columns of a picture lie.

    Parameters
    ----------
    make
        From sounds (batch, samples) to the picture in the module's own layout; it is called without gradients.
    sample_rate
        Of the sounds, Hz.
    seconds
        Length of the sounds that are measured with. Rows cannot be told apart more finely than its reciprocal.

    Raises
    ------
    ClassifierError
        If the output is no picture: other dimensions than rows and columns, columns that do not follow time, rows that
        stand for no frequency (cepstral coefficients).
    """
    probe = Probe(make, sample_rate, round(seconds * sample_rate))
    shape, rows_at, columns_at, natural = _layout(probe)
    columns = shape[columns_at - 1]
    hop, first = measured = columns_by_clicks(probe, columns_at)
    time_axis = time_axis_of(probe, columns_at, measured, columns, natural)
    middle = (first + hop * np.arange(columns)) / probe.samples
    inside = np.flatnonzero((middle >= SETTLED[0]) & (middle <= SETTLED[1]))
    if len(inside) == 0:
        raise ClassifierError(
            f"columns every {hop / sample_rate:.3f} s are too few in {seconds:g} s to measure rows; measure with "
            "longer sounds (seconds=)"
        )
    rows = Rows(probe, rows_at, columns_at, inside)
    unit = rows.measure_unit()
    order, centres, lows, highs = rows.measure_bands(unit)
    between = (centres[1:] + centres[:-1]) / 2
    lowest, highest = np.fmin(lows[0], centres[0] - APART_HZ), np.fmax(highs[-1], centres[-1] + APART_HZ)
    return PictureAxes(
        Layout(rows_at, columns_at, shape, order, natural, hop, probe.samples),
        frequency_axis=FrequencyAxis.at_rows(centres, [max(lowest, 0.0), *between, highest]),
        widths=highs - lows,
        time_axis=time_axis,
        unit=unit.name,
        db_per_unit=unit.db_per_unit,
    )


def _layout(probe: Probe) -> tuple[tuple[int, ...], int, int, bool]:
    """Shape for one sound, the dimensions of rows and columns, and whether columns grow with the sound."""
    longer = probe.lasting(probe.samples + probe.samples // 4)
    short, long = (each.made(each.still()[None]) for each in (probe, longer))
    shape = tuple(short.shape[1:])
    wide = [d for d in range(1, short.dim()) if long.dim() == short.dim() and max(short.shape[d], long.shape[d]) > 1]
    if short.shape[0] != 1 or len(wide) != 2:
        raise ClassifierError(
            f"for one sound the module gives {tuple(short.shape)}; a picture has one dimension of rows and one of "
            "columns beside the batch, as (batch, rows, columns), (batch, columns, rows) or (batch, 1, rows, columns)"
        )
    if not bool(short.isfinite().all()):
        raise ClassifierError("the module gives values that are not finite for faint noise")
    grows = [d for d in wide if long.shape[d] != short.shape[d]]
    if len(grows) > 1:
        raise ClassifierError("rows and columns both grow with the sound: this is no picture")
    if grows:
        return shape, next(d for d in wide if d != grows[0]), grows[0], True
    columns_at = max(wide, key=lambda d: follows_clicks(probe, d))
    return shape, next(d for d in wide if d != columns_at), columns_at, False
