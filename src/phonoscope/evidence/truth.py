"""Scores of maps against planted regions: share of evidence inside, ranks, pointing, and the peak's error.

Maps come with 2 to 64 rows. A cell's value is a mass spread evenly over the cell's extent, so that a cell that lies
half inside a region has half of its mass there, and a coarse map is neither favoured nor punished for its grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.evidence.agreement import band_edges
from phonoscope.evidence.cues import Region
from phonoscope.evidence.planted import Truth
from phonoscope.phonetics.profiles import signed_part

_TIE_DIGITS = 9
Part = Literal["absolute", "positive", "negative"]
Which = Literal["regions", "present", "elsewhere"]


def time_edges(maps: xr.DataArray) -> np.ndarray:
    """Edges of a map's cells in s from each token's start, shape (token, time + 1).

    On a stretched axis the outermost cells end with the token; on a fixed one with the axis.
    """
    durations = maps["duration"].values.astype(float)
    seconds = maps["seconds"].transpose("token", "time").values.astype(float)
    fixed = maps.attrs.get("time_seconds")
    start = np.zeros_like(durations) if fixed is None else (durations - fixed) / 2
    end = durations if fixed is None else (durations + fixed) / 2
    middle = (seconds[:, 1:] + seconds[:, :-1]) / 2
    return np.concatenate([start[:, None], middle, end[:, None]], axis=1)


def inside_share(regions: Sequence[Region], hertz_edges: np.ndarray, second_edges: np.ndarray) -> np.ndarray:
    """Share of each cell's area that lies in the union of the regions.

    Parameters
    ----------
    regions
        Bands (all of the time) and stretches (all frequencies); each kind may overlap itself.
    hertz_edges, second_edges
        Edges of the cells, Hz (frequency + 1,) and s (time + 1,).

    Returns
    -------
    array (frequency, time), 0 to 1
    """
    bands = [(region.low_hz, region.high_hz) for region in regions if np.isinf(region.start)]
    stretches = [(region.start, region.end) for region in regions if not np.isinf(region.start)]
    in_band = _covered(bands, hertz_edges)
    in_stretch = _covered(stretches, second_edges)
    return 1 - np.outer(1 - in_band, 1 - in_stretch)


def _covered(intervals: Sequence[tuple[float, float]], edges: np.ndarray) -> np.ndarray:
    """Share of each cell (cells + 1 edges) that the union of the intervals covers."""
    low, high = edges[:-1], edges[1:]
    width = np.maximum(high - low, 1e-12)
    covered = np.zeros(len(low))
    reached = -np.inf
    for start, end in sorted(intervals):
        start = max(start, reached)
        if end > start:
            covered += np.clip(np.minimum(high, end) - np.maximum(low, start), 0, None) / width
        reached = max(reached, end)
    return np.minimum(covered, 1.0)


def score_maps(
    maps: xr.DataArray,
    truth: Sequence[Truth],
    *,
    part: Part = "absolute",
    which: Which = "regions",
    energy: xr.DataArray | None = None,
) -> pd.DataFrame:
    """Score maps against planted truth, token by token.

    Parameters
    ----------
    maps : DataArray, dims (token, frequency, time)
        From `explain`.
    truth
        One a token.
    part
        Which evidence counts: ``absolute`` (for and against), ``positive`` (for the target), ``negative``.
    which
        Where it should be: at the cue and where it would be in other classes (``regions``), or one of both.
    energy : DataArray, optional
        The tokens' own spectrograms, not negative: what a map that shows nothing but sound would score.

    Returns
    -------
    DataFrame
        One row a token:

        - ``mass``: share of the evidence inside the regions;
        - ``null``: share of the plane that they fill: the mass of a map that says nothing;
        - ``energy``: mass of the input's energy (NaN without `energy`);
        - ``auc``: probability that a point inside has a larger value than a point outside (ties count half; 0.5 is
          chance), with points drawn evenly over the plane;
        - ``pointing``: 1 if the peak of the profile lies in a region, else 0; several equal peaks share it. The regions
          are as wide as the front end can show them, the same for all methods;
        - ``pointing_null``: its value for a peak at a random place;
        - ``error_hz`` or ``error_seconds``: distance of the peak to the nearest region, 0 inside.

        A map that is zero everywhere says nothing: it scores the null (and no error), and ``empty`` is True. A token
        without any region scores NaN.

    Raises
    ------
    PhonoscopeError
        If there is not one truth a token, or the axes lack what is needed to place the cells.
    """
    if len(truth) != maps.sizes["token"]:
        raise PhonoscopeError(
            f"{len(truth)} truths for {maps.sizes['token']} maps: pass one a token, in the same order."
        )
    values = maps.transpose("token", "frequency", "time").values.astype(np.float64)
    if not np.isfinite(values).all():
        raise PhonoscopeError("the maps hold values that are not finite; a map must be whole to be scored.")
    hertz, seconds = band_edges(maps), time_edges(maps)
    masses = _energy_masses(energy, truth, which) if energy is not None else np.full(len(truth), np.nan)
    rows = []
    for token, value in enumerate(values):
        regions = getattr(truth[token], which)
        row = _score(value, regions, hertz, seconds[token], part)
        rows.append({"token": str(maps["token"].values[token]), **row, "energy": masses[token]})
    return pd.DataFrame(rows)


_MISSING = dict.fromkeys(
    ("mass", "null", "auc", "pointing", "pointing_null", "error_hz", "error_seconds"), float("nan")
)


def _score(
    value: np.ndarray, regions: Sequence[Region], hertz: np.ndarray, seconds: np.ndarray, part: Part
) -> dict[str, float | bool]:
    if not regions:
        return {**_MISSING, "empty": False}
    evidence = signed_part(value, part)
    inside = inside_share(regions, hertz, seconds)
    area = np.outer(np.diff(hertz), np.diff(seconds))
    null = float((inside * area).sum() / area.sum())
    # The profile is summed with its signs first, as it is drawn: what comes and goes with the pitch pulses cancels.
    in_time = not np.isinf(regions[0].start)
    axis, edges = (0, seconds) if in_time else (1, hertz)
    limits = [(region.start, region.end) if in_time else (region.low_hz, region.high_hz) for region in regions]
    share = float(_covered(limits, edges) @ np.diff(edges) / (edges[-1] - edges[0]))
    facts: dict[str, float | bool] = {**_MISSING, "null": null, "pointing_null": share, "empty": False}
    if not evidence.any():
        return {**facts, "mass": null, "auc": 0.5, "pointing": share, "empty": True}
    facts["mass"] = float((evidence * inside).sum() / evidence.sum())
    facts["auc"] = _weighted_auc(evidence / area, inside * area, (1 - inside) * area)
    profile = signed_part(value.sum(axis=axis), part) / np.diff(edges)
    if len(profile) == 1 or not profile.any():
        facts["pointing"] = share  # no peak along this axis
        return facts
    centres = (edges[1:] + edges[:-1]) / 2
    peaks = centres[profile >= profile.max() * (1 - 1e-9)]
    distance = np.array([min(max(low - peak, peak - high, 0.0) for low, high in limits) for peak in peaks])
    facts["pointing"] = float((distance == 0).mean())
    facts["error_seconds" if in_time else "error_hz"] = float(distance.mean())
    return facts


def _weighted_auc(values: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> float:
    """Probability that a value drawn with the weights `inside` exceeds one drawn with `outside`; ties count half."""
    # Densities that differ by rounding alone are ties.
    levels, codes = np.unique(np.round(values.ravel() / values.max(), _TIE_DIGITS), return_inverse=True)
    won = np.bincount(codes, weights=inside.ravel(), minlength=len(levels))
    lost = np.bincount(codes, weights=outside.ravel(), minlength=len(levels))
    below = np.concatenate([[0.0], np.cumsum(lost)[:-1]])
    total = won.sum() * lost.sum()
    return float(won @ (below + lost / 2) / total) if total > 0 else float("nan")


def _energy_masses(energy: xr.DataArray, truth: Sequence[Truth], which: Which) -> np.ndarray:
    values = energy.transpose("token", "frequency", "time").values.astype(np.float64)
    hertz, seconds = band_edges(energy), time_edges(energy)
    if len(values) != len(truth) or (values < 0).any():
        raise PhonoscopeError("the energy must be of the same tokens as the maps, and not negative.")
    masses = []
    for token, value in enumerate(values):
        inside = inside_share(getattr(truth[token], which), hertz, seconds[token])
        masses.append((value * inside).sum() / value.sum() if value.sum() > 0 else np.nan)
    return np.array(masses)
