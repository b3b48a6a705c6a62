"""Which frequencies the rows of a picture stand for, and its unit, measured by tones."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from phonoscope.errors import ClassifierError
from phonoscope.frontends.inner.sounds import TONE, Probe
from phonoscope.scales import hz_to_mel, mel_to_hz

_TONES, _UNIT_TONES = 160, 12
# Rows whose band holds fewer tones than this get more of them around their peak, a few times.
_ENOUGH_TONES, _MORE_TONES, _REFINEMENTS = 6, 9, 4
# Of a logarithm, tones at half the level make the same step, of at least this share of what tones do; of a power of the
# amplitude the ratio of the steps is this power of two.
_LEAST_STEP, _SAME_EXPONENT, _GREATEST_EXPONENT = 0.02, 0.2, 4.0
_LOWEST_HZ, _HIGHEST = 10.0, 0.999  # the latter of half the sample rate
APART_HZ = 0.01  # rows that hear the same bin of a transform are put so far apart
# A row stands for no frequencies if tones on more than this share of the mel scale move it at least half as much as the
# strongest does, or if they move it both ways, the lesser way this much as far as the greater; a picture may have this
# share of such rows. One that moves less than this share of what the others do is deaf.
_BROAD, _BOTH_WAYS, _MOST_NOWHERE, _DEAF = 0.5, 0.3, 0.25, 0.1
_CENTRE_DB, _WIDTH_DB = 1.0, 3.0
_SAME_CENTRE = 0.1  # of the width of a band: by less, centres do not differ
_DB_PER_DOUBLING = 20 * math.log10(2)


class Bands(NamedTuple):
    """Rows from the lowest frequency on, their centres and half-power edges in Hz: NaN for rows that no tone moves."""

    order: tuple[int, ...]
    centres: np.ndarray
    lows: np.ndarray
    highs: np.ndarray


class Unit(NamedTuple):
    """Unit of a picture: its name, dB where it is a logarithm, else the power of the amplitude that it grows with."""

    name: str
    db_per_unit: float | None
    exponent: float

    def decibels(self, levels: np.ndarray) -> np.ndarray:
        """Levels of power in dB, up to a constant."""
        if self.db_per_unit is not None:
            return levels * self.db_per_unit
        return 20 / self.exponent * np.log10(np.maximum(np.abs(levels), 1e-30))


class Rows:
    """What tones do to the rows of a picture, in the columns whose time lies within the tone."""

    def __init__(self, probe: Probe, rows_at: int, columns_at: int, inside: np.ndarray) -> None:
        self.probe, self.rows_at, self.columns_at = probe, rows_at, columns_at
        self.inside = torch.from_numpy(inside)
        self.top_hz = probe.sample_rate / 2
        low, high = hz_to_mel(_LOWEST_HZ), hz_to_mel(_HIGHEST * self.top_hz)
        self.hertz = mel_to_hz(np.linspace(low, high, _TONES))
        mean, spread = self._mean_and_spread(self.probe.tones(self.hertz))
        nothing, still = self._mean_and_spread(probe.still()[None])
        strongest = np.abs(mean - nothing).argmax(axis=1), spread.argmax(axis=1)
        tones = np.arange(_TONES)
        # A filter that was not rectified swings about its mean: then its size is that of the swing.
        swings = spread[tones, strongest[1]] > 2 * np.abs(mean - nothing)[tones, strongest[0]]
        self.swings = bool(np.median(swings))
        self.levels, self.nothing = (spread, still) if self.swings else (mean, nothing)
        most = np.abs(self.levels - self.nothing).max(axis=0)
        self.hearing = most >= _DEAF * np.median(most)
        self._check_that_they_are_bands()

    def _mean_and_spread(self, sounds: Tensor) -> tuple[np.ndarray, np.ndarray]:
        means, spreads = [], []
        for part in self.probe.portions(sounds):
            made = self.probe.made(part).movedim((self.rows_at, self.columns_at), (-2, -1)).flatten(1, -2)
            seen = made[..., self.inside]
            means.append(seen.mean(-1).numpy())
            spreads.append((seen - seen.mean(-1, keepdim=True)).square().mean(-1).sqrt().numpy())
        return np.concatenate(means), np.concatenate(spreads)

    def _levels(self, hertz: np.ndarray, amplitude: float = TONE) -> np.ndarray:
        """Level of each row for each tone, shape (tones, rows)."""
        return self._mean_and_spread(self.probe.tones(hertz, amplitude))[int(self.swings)]

    def _check_that_they_are_bands(self) -> None:
        change = self.levels - self.nothing
        up, down, most = change.max(axis=0), -change.min(axis=0), np.abs(change).max(axis=0)
        everywhere = (np.abs(change) >= 0.5 * most).mean(axis=0) > _BROAD
        nowhere = (everywhere | (np.minimum(up, down) > _BOTH_WAYS * most))[self.hearing]
        if nowhere.mean() > _MOST_NOWHERE:
            raise ClassifierError(
                f"{int(nowhere.sum())} of {len(most)} rows have no place in hertz: tones raise them at some "
                "frequencies and lower them at others, or move them at most frequencies, as they do cepstral "
                "coefficients (MFCC). Name the module before, whose rows are bands"
            )

    def measure_unit(self) -> Unit:
        """Tell logarithms from powers of the amplitude by tones at three levels, 6 dB apart."""
        moved = np.abs(self.levels - self.nothing)
        hearing = np.flatnonzero(self.hearing)
        rows = hearing[np.linspace(0, len(hearing) - 1, min(len(hearing), _UNIT_TONES)).round().astype(int)]
        hertz = self.hertz[moved[:, rows].argmax(axis=0)]  # the tone that moves each of these rows most
        loud, middle, soft = (
            self._levels(hertz, amplitude)[np.arange(len(rows)), rows] for amplitude in (TONE, TONE / 2, TONE / 4)
        )
        first, second = loud - middle, middle - soft
        step, most = float(np.median(first)), float(np.median(moved[:, rows].max(axis=0)))
        with np.errstate(invalid="ignore", divide="ignore"):
            exponent = float(np.median(np.log2(first / second)))
        if step > _LEAST_STEP * most and abs(exponent) < _SAME_EXPONENT:
            return Unit("log power", _DB_PER_DOUBLING / step, 1.0)
        if not (step > _LEAST_STEP * most and _SAME_EXPONENT < exponent < _GREATEST_EXPONENT):
            raise ClassifierError(
                "the values of the module do not follow the level of a tone, neither in proportion nor by a logarithm: "
                "it standardises each sound. Name the module before"
            )
        name = {1: "magnitude", 2: "power"}.get(round(exponent), "units of the module")
        sure = abs(exponent - round(exponent)) < _SAME_EXPONENT / 2
        return Unit(name if sure else "units of the module", None, exponent)

    def measure_bands(self, unit: Unit) -> Bands:
        """Measure the rows' bands, with tones as fine as they need."""
        hearing = self.hearing
        hertz, decibels = self.hertz, unit.decibels(self.levels[:, hearing])
        for _ in range(_REFINEMENTS):
            more = _tones_wanted(hertz, decibels, self.top_hz)
            if len(more) == 0:
                break
            hertz = np.concatenate([hertz, more])
            decibels = np.concatenate([decibels, unit.decibels(self._levels(more)[:, hearing])])
            order = np.argsort(hertz)
            hertz, decibels = hertz[order], decibels[order]
        edges = np.array([_within(hertz, row, _WIDTH_DB, self.top_hz) for row in decibels.T])
        centres = np.array([np.mean(_within(hertz, row, _CENTRE_DB, self.top_hz)) for row in decibels.T])
        return _ordered(centres, edges, hearing, self.top_hz)


def _within(hertz: np.ndarray, decibels: np.ndarray, fall: float, top_hz: float) -> tuple[float, float]:
    """Where the response of a row to rising tones falls so many dB below its peak, on either side; else the ends."""
    peak = int(decibels.argmax())
    wanted = decibels[peak] - fall
    below, above = np.flatnonzero(decibels[:peak] < wanted), np.flatnonzero(decibels[peak:] < wanted) + peak
    low, high = 0.0, top_hz
    if len(below):
        pair = slice(below[-1], below[-1] + 2)
        low = float(np.interp(wanted, decibels[pair], hertz[pair]))
    if len(above):
        pair = slice(above[0] - 1, above[0] + 1)
        high = float(np.interp(wanted, decibels[pair][::-1], hertz[pair][::-1]))
    return low, high


def _tones_wanted(hertz: np.ndarray, decibels: np.ndarray, top_hz: float) -> np.ndarray:
    """Further tones around the peaks of rows whose bands hold too few, Hz."""
    finer = [np.zeros(0)]
    for row in decibels.T:
        low, high = _within(hertz, row, _WIDTH_DB, top_hz)
        if ((hertz >= low) & (hertz <= high)).sum() < _ENOUGH_TONES:
            peak = int(row.argmax())
            start, end = hertz[max(peak - 1, 0)], hertz[min(peak + 1, len(hertz) - 1)]
            finer.append(np.linspace(start, end, _MORE_TONES + 2)[1:-1])
    return np.setdiff1d(np.round(np.concatenate(finer), 2), np.round(hertz, 2))


def _ordered(centres: np.ndarray, edges: np.ndarray, hearing: np.ndarray, top_hz: float) -> Bands:
    """Bands of all rows by rising centre; rows that no tone moves stand between their neighbours."""
    steps, widths = np.diff(centres), edges[:, 1] - edges[:, 0]
    accuracy = _SAME_CENTRE * np.minimum(widths[1:], widths[:-1])
    rises, falls = bool((steps >= -accuracy).all()), bool((steps <= accuracy).all())
    rows, known = np.arange(len(hearing)), np.flatnonzero(hearing)
    if len(known) < len(rows) and (len(known) < 2 or not (rises or falls)):
        listed = ", ".join(str(row) for row in np.flatnonzero(~hearing)[:5])
        raise ClassifierError(
            f"no tone moves rows {listed} of {len(rows)}, and the others follow no order that would place them"
        )
    everywhere = np.full(len(rows), centres[0])
    if len(known) > 1:
        slope = (centres[-1] - centres[0]) / (known[-1] - known[0])
        outside = np.minimum(rows - known[0], 0) + np.maximum(rows - known[-1], 0)
        everywhere = np.clip(np.interp(rows, known, centres) + slope * outside, 0.0, top_hz)
    order = rows if rises else rows[::-1] if falls else np.argsort(everywhere, kind="stable")
    rising = everywhere[order]
    for row in range(1, len(rising)):
        rising[row] = max(rising[row], rising[row - 1] + APART_HZ)
    sides = np.full((len(rows), 2), np.nan)
    sides[known] = edges
    return Bands(tuple(order.tolist()), rising, sides[order, 0], sides[order, 1])
