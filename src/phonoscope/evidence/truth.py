"""Scores of maps against two planted cues: which of them the evidence lies at, and how exactly at that one.

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
SCORES = ("which", "mass", "null", "auc", "pointing", "pointing_null")


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
    used: Sequence[Truth],
    other: Sequence[Truth],
    *,
    blur: tuple[float, float] = (0.0, 0.0),
    part: Part = "absolute",
) -> pd.DataFrame:
    """Score maps against the cue that a network uses and the one that it does not, token by token.

    Parameters
    ----------
    maps : DataArray, dims (token, frequency, time)
        From `explain`.
    used, other
        Of each token, as sharp as planted.
    blur
        How far the front end smears an edge, Hz and s.
    part
        Which evidence counts: ``absolute`` (for and against), ``positive`` (for the target), ``negative``.

    Returns
    -------
    DataFrame
        One row a token. The first column says *which*, the others *where exactly*: for them the other cue's place is
        taken out of the plane, so that evidence at the wrong cue is not counted as a lack of sharpness.

        - ``which``: evidence per Hz and s at the used cue, over the sum of that and of the same at the other; 0.5 is
          chance. What both cues fill counts for neither. NaN for a map with a single cell along the axis on which the
          cues lie apart: it cannot say;
        - ``mass``: share of the evidence inside the used cue's regions, as wide as the front end shows them;
        - ``null``: share of the plane that they fill: the mass of a map that says nothing;
        - ``auc``: probability that a point inside has a larger value than a point outside (ties count half; 0.5 is
          chance), with points drawn evenly over the plane;
        - ``pointing``: 1 if the peak of the profile lies in a region, else 0; several equal peaks share it;
        - ``pointing_null``: its value for a peak at a random place.

        A map that is zero everywhere says nothing: it scores chance, and ``empty`` is True.

    Raises
    ------
    PhonoscopeError
        If there are not two truths a token, a cue has no place, or a map is not finite.
    """
    values = maps.transpose("token", "frequency", "time").values.astype(np.float64)
    if not len(used) == len(other) == len(values):
        raise PhonoscopeError(
            f"{len(used)} and {len(other)} truths for {len(values)} maps: pass two a token, in the same order."
        )
    if not np.isfinite(values).all():
        raise PhonoscopeError("the maps hold values that are not finite; a map must be whole to be scored.")
    hertz, seconds = band_edges(maps), time_edges(maps)
    rows = []
    for token, value in enumerate(values):
        if not used[token].regions or not other[token].regions:
            raise PhonoscopeError(f"a cue of token {token} has no place in either class; plant it in one of them.")
        both = used[token], other[token]
        row = _which(value, both, hertz, seconds[token], part) | _where(
            value, tuple(truth.blurred(*blur) for truth in both), hertz, seconds[token], part
        )
        rows.append({"token": str(maps["token"].values[token]), **row})
    return pd.DataFrame(rows)


def _which(
    value: np.ndarray, truths: Sequence[Truth], hertz: np.ndarray, seconds: np.ndarray, part: Part
) -> dict[str, float]:
    """Share of the evidence per unit of area that lies at the first of two cues."""
    in_time = not np.isinf(truths[0].regions[0].start)
    if value.shape[1 if in_time else 0] < 2:
        return {"which": float("nan")}
    evidence, area = signed_part(value, part), np.outer(np.diff(hertz), np.diff(seconds))
    first, second = (inside_share(truth.regions, hertz, seconds) for truth in truths)
    density = [
        float((evidence * own).sum() / max((area * own).sum(), 1e-12))
        for own in (first * (1 - second), second * (1 - first))
    ]
    return {"which": density[0] / sum(density) if sum(density) > 0 else 0.5}


def _where(
    value: np.ndarray, truths: Sequence[Truth], hertz: np.ndarray, seconds: np.ndarray, part: Part
) -> dict[str, float | bool]:
    """Scores of place at the first cue, with the second one's place left out."""
    regions = truths[0].regions
    inside = inside_share(regions, hertz, seconds)
    kept = 1 - inside_share(truths[1].regions, hertz, seconds) * (1 - inside)
    area = np.outer(np.diff(hertz), np.diff(seconds))
    null = float((inside * area).sum() / (kept * area).sum())
    in_time = not np.isinf(regions[0].start)
    axis, edges = (0, seconds) if in_time else (1, hertz)
    limits = [(region.start, region.end) if in_time else (region.low_hz, region.high_hz) for region in regions]
    evidence = signed_part(value, part)
    facts: dict[str, float | bool] = {"null": null, "pointing_null": null, "empty": False}
    if not (evidence * kept).any():
        return {**facts, "mass": null, "auc": 0.5, "pointing": null, "empty": True}
    facts["mass"] = float((evidence * inside).sum() / (evidence * kept).sum())
    facts["auc"] = _weighted_auc(evidence / area, inside * area, (kept - inside) * area)
    # The profile is summed with its signs first, as it is drawn: what comes and goes with the pitch pulses cancels.
    profile = signed_part((value * kept).sum(axis=axis), part) / np.diff(edges)
    if len(profile) == 1 or not profile.any():
        return {**facts, "pointing": null}  # no peak along this axis
    centres = (edges[1:] + edges[:-1]) / 2
    peaks = centres[profile >= profile.max() * (1 - 1e-9)]
    facts["pointing"] = float(np.mean([any(low <= peak <= high for low, high in limits) for peak in peaks]))
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
