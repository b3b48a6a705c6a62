"""Frequency and time axes: where rows and columns lie in Hz and s."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from phonoscope.errors import AttributionError, ClassifierError
from phonoscope.scales import erb_to_hz, hz_to_erb, hz_to_mel, mel_to_hz

Scale = Callable[[Any], Any]
_SCALES: dict[str, tuple[Scale, Scale]] = {
    "linear": (lambda hz: hz, lambda value: value),
    "mel": (hz_to_mel, mel_to_hz),
    "erb": (hz_to_erb, erb_to_hz),
}
SCALES = tuple(_SCALES)


@dataclass(frozen=True)
class FrequencyAxis:
    """Rows of a spectrogram, lowest frequency first: of equal height on a scale, or wherever ``at_rows`` puts them.

    Parameters
    ----------
    rows
        Number of rows.
    max_hz
        Upper edge of the last row, Hz. The lower edge of the first row is 0 Hz.
    scale
        ``linear``, ``mel`` or ``erb``: the scale on which all rows have the same height.
    knots
        Lower edge and centre of each row in turn and the last upper edge, Hz, shape (2 * rows + 1,), where the rows
        follow no scale; see ``at_rows``.
    """

    rows: int
    max_hz: float
    scale: str = "linear"
    knots: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.scale not in _SCALES:
            raise ClassifierError(f"frequency scale {self.scale!r} is not known; choose one of {', '.join(SCALES)}")
        if self.rows < 1 or not self.max_hz > 0:
            raise ClassifierError(f"a frequency axis needs rows >= 1 and max_hz > 0, got {self.rows} and {self.max_hz}")

    @classmethod
    def at_rows(cls, centres: Sequence[float] | np.ndarray, edges: Sequence[float] | np.ndarray = ()) -> FrequencyAxis:
        """Axis whose rows lie anywhere in Hz.

        Parameters
        ----------
        centres
            Rising, Hz, shape (rows,).
        edges
            Where one row ends and the next begins, Hz, shape (rows + 1,); half-way between the centres, and as far
            beyond the outermost ones, but not below 0 Hz, where none are given (and at least two centres are).

        Raises
        ------
        ClassifierError
            If the centres do not rise, each between the two edges of its row, from 0 Hz on.
        """
        middle, borders = np.asarray(centres, dtype=float).ravel(), np.asarray(edges, dtype=float).ravel()
        if len(borders) == 0 and len(middle) > 1:
            between = (middle[1:] + middle[:-1]) / 2
            outer = [max(2 * middle[0] - between[0], 0.0), 2 * middle[-1] - between[-1]]
            borders = np.concatenate([outer[:1], between, outer[1:]])
        knots = np.zeros(2 * len(middle) + 1)
        fits = len(middle) > 0 and len(borders) == len(middle) + 1
        if fits:
            knots[::2], knots[1::2] = borders, middle
        if not fits or not np.isfinite(knots).all() or not (np.diff(knots) > 0).all() or knots[0] < 0:
            raise ClassifierError(
                f"{len(middle)} rows with {len(borders)} edges do not make a frequency axis: expected rising centres "
                "in Hz, each between its own two of rows + 1 rising edges, none below 0 Hz"
            )
        return cls(len(middle), float(knots[-1]), knots=tuple(knots.tolist()))

    def at(self, position: np.ndarray | float) -> np.ndarray:
        """Frequency in Hz at a (fractional) row position; position 0 is the centre of the first row.

        Positions outside the axis are clipped to its edges: nothing lies below the first or above ``max_hz``.
        """
        rows_below = np.asarray(position, dtype=float) + 0.5
        if self.knots:
            return np.interp(2 * rows_below, np.arange(len(self.knots)), self.knots)
        to_scale, to_hz = _SCALES[self.scale]
        return np.asarray(to_hz(np.clip(rows_below / self.rows, 0.0, 1.0) * to_scale(self.max_hz)))

    @property
    def min_hz(self) -> float:
        """Lower edge of the first row, Hz."""
        return self.knots[0] if self.knots else 0.0

    @property
    def centres(self) -> np.ndarray:
        """Centre of each row, Hz, shape (rows,)."""
        return self.at(np.arange(self.rows))

    @property
    def edges(self) -> np.ndarray:
        """Edges of the rows, Hz, shape (rows + 1,)."""
        return self.at(np.arange(self.rows + 1) - 0.5)


@dataclass(frozen=True)
class TimeAxis:
    """Columns of a spectrogram.

    Parameters
    ----------
    columns
        Number of columns.
    seconds
        Length of the axis in s; ``None`` for a stretched axis, on which positions are shares of the token (0 to 1).
    edge_seconds
        On a stretched axis the centres of the first and last column stand this far inside the token (half a window);
        at 0 the columns are cells that fill the token.
    start_seconds
        Where an axis of fixed length begins, s from the token's start; around the token's middle by default.
    """

    columns: int
    seconds: float | None = None
    edge_seconds: float = 0.0
    start_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.columns < 1 or (self.seconds is not None and not self.seconds > 0):
            raise ClassifierError(f"a time axis needs columns >= 1 and seconds > 0, got {self.columns}, {self.seconds}")

    @property
    def stretched(self) -> bool:
        """Whether every token fills the whole axis whatever its duration."""
        return self.seconds is None

    def at(self, position: np.ndarray | float) -> np.ndarray:
        """Share of the token (stretched) or seconds (fixed) at a fractional column position, clipped to the axis."""
        share = np.clip((np.asarray(position, dtype=float) + 0.5) / self.columns, 0.0, 1.0)
        return share if self.seconds is None else share * self.seconds

    def start_in(self, durations: Any) -> Any:
        """Where an axis of fixed length begins in tokens of these durations (number or array), s from their start."""
        if self.seconds is None:
            raise ClassifierError("a stretched time axis begins and ends with the token")
        return (durations - self.seconds) / 2 if self.start_seconds is None else self.start_seconds

    def in_token(self, time: np.ndarray, durations: np.ndarray) -> np.ndarray:
        """Seconds from the start of each token, shape (tokens, positions), of positions given as by ``at``.

        Parameters
        ----------
        time
            Shares of the token or seconds on the axis, shape (positions,).
        durations
            Durations of the tokens in s, shape (tokens,).
        """
        time, durations = np.asarray(time, dtype=float)[None, :], np.asarray(durations, dtype=float)[:, None]
        if self.seconds is not None:
            return np.broadcast_to(time + self.start_in(durations), (len(durations), time.shape[1]))
        if self.edge_seconds == 0:
            return time * durations
        edge = np.minimum(self.edge_seconds, durations / 2)
        steps = (time * self.columns - 0.5) / (self.columns - 1) if self.columns > 1 else np.full_like(time, 0.5)
        return edge + steps * (durations - 2 * edge)

    @property
    def centres(self) -> np.ndarray:
        """Centre of each column, shape (columns,), share of the token or s."""
        return self.at(np.arange(self.columns))


def hz_per_position(axis: FrequencyAxis) -> float:
    """Mean height of a row in Hz: turns widths in input positions into Hz (exact on a linear axis)."""
    return (axis.max_hz - axis.min_hz) / axis.rows


def hz_around(axis: FrequencyAxis, positions: np.ndarray, width: float) -> np.ndarray:
    """Hz that a stretch of rows spans around each of some positions, shape (positions,).

    Parameters
    ----------
    axis
        Of the rows.
    positions
        Fractional row positions.
    width
        Of the stretch, rows. It is moved inside the axis where it would stick out.
    """
    width = min(width, axis.rows)
    low = np.clip(np.asarray(positions, dtype=float) - width / 2, -0.5, axis.rows - 0.5 - width)
    return axis.at(low + width) - axis.at(low)


def is_even(axis: FrequencyAxis) -> bool:
    """Whether all rows are equally high in Hz."""
    return bool(np.allclose(np.diff(axis.edges), hz_per_position(axis), rtol=1e-6))


def cell_edges(centres: np.ndarray, low: float, high: float) -> np.ndarray:
    """Edges half-way between neighbouring centres; shape (len(centres) + 1,).

    Parameters
    ----------
    centres
        Rising, shape (cells,), Hz or s.
    low, high
        The outermost edges, in the same unit.
    """
    centres = np.asarray(centres, dtype=float)
    if len(centres) == 0 or not math.isfinite(low) or not math.isfinite(high):
        raise AttributionError(f"cell edges need at least one centre and finite limits, got {len(centres)} centres")
    return np.concatenate([[low], (centres[1:] + centres[:-1]) / 2, [high]])
