"""Where the columns of a picture lie in time, measured by clicks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from phonoscope.axes import TimeAxis
from phonoscope.errors import ClassifierError
from phonoscope.frontends.contract import NATURAL_COLUMNS
from phonoscope.frontends.inner.sounds import CLICKS_BETWEEN, Probe

_CLICKS = 16
# Of the columns' distance: how far clicks may be off the line that they should lie on, and off whole hops.
_OFF_LINE, _OFF_HOPS = 2.0, 0.05
_HOPS_TRIED = 3  # samples more and less
# Of the greatest change that a click makes: what is less is noise; a click that makes less fell between frames.
_LEAST_CHANGE, _BETWEEN_FRAMES = 0.1, 0.5
_SAME = 0.05


class Columns(NamedTuple):
    """Samples from column to column, and the middle of the first one in samples."""

    hop: float
    first: float


def columns_by_clicks(probe: Probe, dimension: int) -> Columns:
    """Measure the columns along a dimension of the module's output.

    Raises
    ------
    ClassifierError
        If clicks at different times do not move different columns in turn.
    """
    positions = _positions(probe.samples)
    columns = _moved(probe, dimension, positions)
    fits = np.isfinite(columns).all() and np.ptp(columns) > 0
    hop, first = np.polyfit(columns, positions, 1) if fits else (0.0, 0.0)
    if not hop > 0 or np.abs(positions - first - hop * columns).max() > _OFF_LINE * hop:
        raise ClassifierError(
            "the columns of the module's output do not follow time: clicks at different times do not move different "
            "columns in turn. Name the module whose output is the picture"
        )
    hop = _in_whole_samples(probe, dimension, float(hop))
    return Columns(hop, float((positions - hop * columns).mean()))


def follows_clicks(probe: Probe, dimension: int) -> float:
    """How well positions along a dimension follow the time of clicks: correlation, 0 where there is none."""
    positions = _positions(probe.samples)
    columns = _moved(probe, dimension, positions)
    if not np.isfinite(columns).all() or np.ptp(columns) == 0:
        return 0.0
    return float(np.corrcoef(positions, columns)[0, 1])


def time_axis_of(probe: Probe, dimension: int, columns: Columns, count: int, natural: bool) -> TimeAxis:
    """Time axis of columns.

    Parameters
    ----------
    probe, dimension
        As of `columns_by_clicks`.
    columns
        What it measured.
    count
        Number of columns.
    natural
        Whether their number grows with the sound. Where it does not, longer sounds tell whether the columns stretch,
        begin with the sound, or lie around its middle.
    """
    rate = probe.sample_rate
    edge = max(columns.first, 0.0) / rate
    if natural:
        return TimeAxis(NATURAL_COLUMNS, edge_seconds=edge)
    longer = probe.lasting(probe.samples + probe.samples // 4)
    other = columns_by_clicks(longer, dimension)
    if abs(other.hop / columns.hop - longer.samples / probe.samples) < _SAME:
        return TimeAxis(count, edge_seconds=edge)
    seconds, moved = count * columns.hop / rate, other.first - columns.first
    if abs(other.hop / columns.hop - 1) < _SAME and abs(moved) < columns.hop:
        return TimeAxis(count, seconds, start_seconds=(columns.first - columns.hop / 2) / rate)
    if abs(other.hop / columns.hop - 1) < _SAME and abs(moved - (longer.samples - probe.samples) / 2) < columns.hop:
        return TimeAxis(count, seconds)
    raise ClassifierError(
        "the columns of the module's output neither stretch with the sound nor begin with it, and do not lie around "
        "its middle either"
    )


def _positions(samples: int) -> np.ndarray:
    """Where clicks lie, at every phase of the columns."""
    low, high = (share * samples for share in CLICKS_BETWEEN)
    phases = (np.arange(_CLICKS) * (math.sqrt(5) - 1) / 2) % 1
    return np.round(low + (high - low) * (np.arange(_CLICKS) + phases) / _CLICKS).astype(np.int64)


def _moved(probe: Probe, dimension: int, positions: np.ndarray) -> np.ndarray:
    """The middle (fractional) of the columns that a click at each position moves; NaN where none moves.

    Where frames are so far apart that clicks fall between them, the clicks are made longer.
    """
    still = probe.made(probe.still()[None])
    for length in (1, probe.samples // 32, probe.samples // 8):
        change = (probe.made(probe.clicks(positions, max(length, 1))) - still).abs()
        course = change.movedim(dimension, 1).flatten(2).mean(2).numpy()
        course = np.maximum(course - np.median(course, axis=1, keepdims=True), 0.0)
        most = course.max(axis=1, keepdims=True)
        if most.min() > _BETWEEN_FRAMES * np.median(most):
            course[course < _LEAST_CHANGE * most] = 0.0
            return course @ np.arange(course.shape[1]) / course.sum(axis=1)
    return np.full(len(positions), np.nan)


def _in_whole_samples(probe: Probe, dimension: int, hop: float) -> float:
    """The hop as a whole number of samples, if clicks so many hops apart move columns exactly so many columns apart."""
    low, high = (share * probe.samples for share in CLICKS_BETWEEN)
    tried = np.arange(max(1, round(hop) - _HOPS_TRIED), round(hop) + _HOPS_TRIED + 1)
    steps = np.floor((high - low) / tried).astype(np.int64)
    first = np.round(low + hop * np.array([0.0, 0.3, 0.7])).astype(np.int64)  # three phases
    pairs = np.stack([first + 0 * steps[:, None], first + (tried * steps)[:, None]])
    columns = _moved(probe, dimension, pairs.ravel()).reshape(pairs.shape)
    off = np.abs(columns[1] - columns[0] - steps[:, None]).max(axis=1)
    fitting = tried[off < _OFF_HOPS]  # none where nothing moved
    return float(fitting[np.abs(fitting - hop).argmin()]) if len(fitting) else hop
