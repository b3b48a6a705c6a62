"""Where on a grid of frequencies (and times) do two groups of tokens differ? Tests for whole maps and whole profiles.

Neighbouring cells go together, so the size of a region of cells is tested, not cell after cell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import stdtrit

from phonoscope.errors import PhonoscopeError
from phonoscope.judgement.permutation import sign_flips
from phonoscope.judgement.units import MIN_UNITS, PerToken, cluster_rows, resampling_unit, unit_sums
from phonoscope.phonetics.profiles import as_labels

N_FLIPS = 2000
FORMING_P = 0.05  # of one cell, two-sided: neighbours beyond it form a region
ALPHA = 0.05
_BLOCK_CELLS = 2_000_000  # cells of flipped grids held in memory at once


class GridTest(NamedTuple):
    """What a test of grids found; arrays have the shape of the grid.

    ``t`` of every cell; ``p_region``, of the region that a cell belongs to (1 outside regions); ``p_cell``, of the cell
    alone, corrected for all cells; the number of units, their level, and a note (why nothing was tested).
    """

    t: np.ndarray
    p_region: np.ndarray
    p_cell: np.ndarray
    n_units: int
    unit: str
    note: str


def grid_test(
    scores: np.ndarray, unit: str, *, n_flips: int = N_FLIPS, seed: int = 0, connected_axes: int | None = None
) -> GridTest:
    """Test sums over units against zero on a grid, by regions of neighbouring cells.

    Each cell has ``t = Σ s / √Σ s²`` over the scores s of the units. Neighbours of one sign whose |t| exceeds the
    two-sided 5 % point of Student's t form a region; its mass is the sum of |t|. The null flips the sign of each unit's
    whole grid (units are independent and symmetric about zero when there is no difference) and keeps the largest mass
    anywhere: the p of a region is the share of flips with at least its mass (Maris & Oostenveld 2007), which holds for
    all cells together. A region says that there is a difference, roughly there; its border is not tested. ``p_cell``
    compares each |t| with the largest |t| anywhere (Westfall & Young 1993) and does hold for single cells.

    Parameters
    ----------
    scores : ndarray (unit, ...)
        Contribution of each unit to the difference in each cell. Leading axes of the grid may be separate families
        (classes) that share the correction.
    unit : str
        Their level, for the record.
    n_flips : int
        Patterns of signs drawn at random; all patterns (2 to the power of the number of units) if no more.
    seed : int
        Where the random numbers start.
    connected_axes : int, optional
        How many of the last axes have neighbours; all by default.

    Raises
    ------
    PhonoscopeError
        If scores are not finite.
    """
    scores = np.asarray(scores, dtype=np.float64)
    n_units, shape = len(scores), scores.shape[1:]
    if not np.isfinite(scores).all():
        raise PhonoscopeError("the values to be tested are not all finite; leave out tokens whose maps are not whole")
    if n_units < MIN_UNITS:
        note = f"not tested: {n_units} {unit}{'s' if n_units != 1 else ''}, at least {MIN_UNITS} are needed"
        return GridTest(np.full(shape, np.nan), np.ones(shape), np.ones(shape), n_units, unit, note)
    axes = len(shape) if connected_axes is None else connected_axes
    spread = np.sqrt((scores**2).sum(axis=0))
    critical = float(stdtrit(n_units - 1, 1 - FORMING_P / 2))
    t = _ratio(scores.sum(axis=0), spread)
    labels, mass = _regions(t[None], critical, axes)
    exact = 2**n_units <= n_flips
    count = 2**n_units if exact else n_flips
    flat, masses, peaks = scores.reshape(n_units, -1), [], []
    for signs in sign_flips(n_units, count, max(1, _BLOCK_CELLS // max(1, flat.shape[1])), seed):
        flipped = _ratio((signs @ flat).reshape(len(signs), *shape), spread)
        peaks.append(np.abs(flipped).reshape(len(signs), -1).max(axis=1))
        masses.append(_largest_mass(flipped, critical, axes))
    largest_mass, largest_t = np.concatenate(masses), np.sort(np.concatenate(peaks))
    # the observed signs are one of the patterns; rounding must not make them less extreme than themselves
    extra = 0 if exact else 1
    p_of_region = np.ones(len(mass) + 1)
    for number, region_mass in enumerate(mass, start=1):
        p_of_region[number] = ((largest_mass >= region_mass * (1 - 1e-9)).sum() + extra) / (count + extra)
    above = count - np.searchsorted(largest_t, np.abs(t) * (1 - 1e-9), side="left")
    return GridTest(t, p_of_region[labels[0]], (above + extra) / (count + extra), n_units, unit, "")


def class_difference(
    values: xr.DataArray,
    labels: PerToken,
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    n_flips: int = N_FLIPS,
    seed: int = 0,
) -> xr.Dataset:
    """Where does the mean map (or profile) of a class differ from that of all other classes?

    Chance here is a map whose class is not known: the null hypothesis is that tokens of the class and of all others
    have the same mean. The score of a unit is its part of the difference of the two means, each taken from the
    common mean; `grid_test` flips it. The correction covers all cells of all classes.

    Parameters
    ----------
    values : DataArray, dims (token, frequency) or (token, frequency, time)
    labels : sequence of n_tokens
        Class of each token; tokens without one, or with values that are not finite, take no part.
    clusters
        As of `resampling_unit`.
    n_flips, seed
        As of `grid_test`.

    Returns
    -------
    Dataset
        ``difference, t, p_region, p_cell`` with dims (label, frequency[, time]); ``attrs``: ``n_units, unit, note,
        null``.
    """
    dims = [dim for dim in ("token", "frequency", "time") if dim in values.dims]
    array = values.transpose(*dims).values.astype(np.float64)
    names = as_labels(labels, len(array))
    kept = np.isfinite(array).reshape(len(array), -1).all(axis=1) & names.notna().to_numpy()
    array, names = array[kept], names[kept].reset_index(drop=True)
    unit = resampling_unit(cluster_rows(clusters, kept), len(array))
    classes = [str(name) for name in dict.fromkeys(names)]
    scores = np.zeros((unit.n_units, len(classes), *array.shape[1:]))
    difference = np.full(scores.shape[1:], np.nan)
    for row, name in enumerate(classes):
        in_class = (names == name).to_numpy(dtype=bool)
        if in_class.all():
            continue
        difference[row], scores[:, row] = _difference(array, in_class, unit.codes, unit.n_units)
    tested = grid_test(scores, unit.level, n_flips=n_flips, seed=seed, connected_axes=len(dims) - 1)
    coords = {dim: values[dim].values for dim in dims[1:]} | {"label": classes}
    parts = {"difference": difference, "t": tested.t, "p_region": tested.p_region, "p_cell": tested.p_cell}
    note = tested.note or unit.note
    if len(classes) < 2:
        parts = {name: np.full_like(part, np.nan, dtype=float) for name, part in parts.items()}
        note = "there is one class, and no other to compare it with"
    null = f"the class and all other classes have the same mean; {unit.level}s keep their tokens together"
    return xr.Dataset(
        {name: (("label", *dims[1:]), part) for name, part in parts.items()},
        coords=coords,
        attrs={"n_units": tested.n_units, "unit": tested.unit, "note": note, "null": null},
    )


def group_difference(
    first: np.ndarray,
    second: np.ndarray,
    clusters: tuple[pd.DataFrame | PerToken | None, pd.DataFrame | PerToken | None],
    *,
    n_flips: int = N_FLIPS,
    seed: int = 0,
) -> tuple[np.ndarray, GridTest]:
    """Difference of the means of two unrelated groups of tokens (first minus second), tested by regions.

    Parameters
    ----------
    first, second : ndarray (token, ...)
        On the same grid.
    clusters
        Of each group. Units of the two groups are taken as different ones.
    n_flips, seed
        As of `grid_test`.
    """
    units = [resampling_unit(c, len(g)) for c, g in zip(clusters, (first, second), strict=True)]
    codes = np.concatenate([units[0].codes, units[0].n_units + units[1].codes])
    in_first = np.arange(len(codes)) < len(first)
    n_units = units[0].n_units + units[1].n_units
    difference, scores = _difference(np.concatenate([first, second]), in_first, codes, n_units)
    level = units[0].level if units[0].level == units[1].level else f"{units[0].level} or {units[1].level}"
    return difference, grid_test(scores, level, n_flips=n_flips, seed=seed)


def paired_difference(
    first: np.ndarray,
    second: np.ndarray,
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    n_flips: int = N_FLIPS,
    seed: int = 0,
) -> tuple[np.ndarray, GridTest]:
    """Mean difference of the same tokens measured twice (first minus second), tested by regions.

    Parameters
    ----------
    first, second : ndarray (token, ...)
        Same tokens in the same order on the same grid.
    clusters
        As of `resampling_unit`.
    n_flips, seed
        As of `grid_test`.
    """
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    unit = resampling_unit(clusters, len(difference))
    scores = unit_sums(difference, unit.codes, unit.n_units) / len(difference)
    return difference.mean(axis=0), grid_test(scores, unit.level, n_flips=n_flips, seed=seed)


def _difference(
    values: np.ndarray, in_first: np.ndarray, codes: np.ndarray, n_units: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of some tokens (a mask) less that of the others, and the part of each unit in it, from the common mean."""
    weights = np.where(in_first, 1.0 / in_first.sum(), -1.0 / (~in_first).sum())
    parts = weights.reshape(-1, *[1] * (values.ndim - 1)) * (values - values.mean(axis=0))
    return values[in_first].mean(axis=0) - values[~in_first].mean(axis=0), unit_sums(parts, codes, n_units)


def _ratio(sums: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return np.divide(sums, spread, out=np.zeros_like(sums), where=spread > 0)


def _regions(t: np.ndarray, critical: float, axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of regions from 1 (0 outside), of the shape of t, and the mass of each region."""
    from scipy import ndimage

    structure = np.zeros((3,) * t.ndim, dtype=bool)
    structure[(1,) * t.ndim] = True
    for axis in range(t.ndim - axes, t.ndim):
        for step in (0, 2):
            structure[tuple(step if a == axis else 1 for a in range(t.ndim))] = True
    high, n_high = ndimage.label(t > critical, structure)
    low, n_low = ndimage.label(t < -critical, structure)
    labels = np.where(low > 0, low + n_high, high)
    mass = ndimage.sum_labels(np.abs(t), labels, np.arange(1, n_high + n_low + 1)) if n_high + n_low else np.zeros(0)
    return labels, np.asarray(mass)


def _largest_mass(t: np.ndarray, critical: float, axes: int) -> np.ndarray:
    """Largest mass of a region in each of the grids along the first axis; 0 without any."""
    labels, mass = _regions(t, critical, min(axes, t.ndim - 1))
    per_cell = np.concatenate([[0.0], mass])[labels]
    return per_cell.reshape(len(t), -1).max(axis=1)
