"""Mean shares of maps in the bands of their own and of other tokens, per class, with test and interval.

Maps and bands enter as vectors over cells, so that every mean over pairs of tokens is a product of sums.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from phonoscope.judgement.intervals import interval_of
from phonoscope.judgement.units import MIN_UNITS, Unit, unit_sums

POOLED = "all"  # the label of rows that pool the classes
MIN_CLASSES = 4  # three classes have six orders: no p below .05
_EXACT_CLASSES = 6  # up to 6! = 720 orders of the classes are all tried
_ORDERS = 4000  # of more classes


class _Pairs(NamedTuple):
    """Sums over the tokens of each unit and class, enough for every mean share of any map in any token's bands."""

    maps: np.ndarray  # (unit, class, cell): densities
    bands: np.ndarray  # (unit, class, cell): band weights
    own: np.ndarray  # (unit, class): shares of maps in their own bands
    count: np.ndarray  # (unit, class): tokens


@np.errstate(invalid="ignore", divide="ignore")
def paired_shares(
    maps: Sequence[np.ndarray], bands: np.ndarray, names: pd.Series, kept: np.ndarray, unit: Unit, seed: int
) -> list[dict[str, Any]]:
    """Rows of every class and null for one set of bands.

    Parameters
    ----------
    maps : sequence of array (token, cell), one a training
        Densities of the maps.
    bands : array (token, cell)
        Weights of the cells in each token's bands.
    names : Series (token,)
        Classes; NaN for none.
    kept : array of bool (token,)
        Tokens that take part; each has a class.
    unit : Unit
        What is left out for the intervals.
    seed : int
        Of the orders of classes, where there are too many to try all.

    Returns
    -------
    list of dict
        ``label, null, n, n_units, share, permuted, ratio, low, high, p, other_formants, other_maps``, and ``interval``,
        that of the ratio.
    """
    classes = sorted(names[names.notna()].unique())
    class_codes = names.map({name: c for c, name in enumerate(classes)})[kept].to_numpy(dtype=int)
    units_here, unit_codes = np.unique(unit.codes[kept], return_inverse=True)
    here = unit._replace(codes=unit_codes, n_units=len(units_here))
    trainings = [
        _sum_pairs(each[kept], bands[kept], class_codes, len(classes), unit_codes, here.n_units) for each in maps
    ]
    observed = _stacked([_all(pairs) for pairs in trainings])  # (training, class + 1)
    left_out = _stacked([_leave_one_out(pairs) for pairs in trainings])  # (training, unit, class + 1)
    count = trainings[0].count
    count = np.append(count, count.sum(axis=1, keepdims=True), axis=1)  # last column: all classes
    mean = {key: values.mean(axis=0) for key, values in observed.items()}
    rows = []
    for null in ("run", "class", "classes"):
        ratios = observed[f"share_{null}"] / observed[f"permuted_{null}"]
        without = (left_out[f"share_{null}"] / left_out[f"permuted_{null}"]).transpose(1, 0, 2)
        for c, label in enumerate([*classes, POOLED]):
            if null == "classes" and label != POOLED:
                continue
            interval = interval_of(ratios[:, c], without[:, :, c], here, counts=count[:, c], scale="ratio")
            if null == "classes":
                p = _class_exchange_p(mean["classes"], seed)
            else:
                p = float(np.minimum(interval.p_above(1), interval.p_below(1)))
                # R·Q/G leaves own pairs out of each mean, which biases it by this much: a smaller difference is none
                heaviness = np.fmax(1.0, mean["other_maps"][c] / mean["other_maps"][-1])
                bias = mean[f"permuted_{null}"][c] * heaviness / max(1.0, count[:, -1].sum() - 1)
                small = abs(mean[f"share_{null}"][c] - mean[f"permuted_{null}"][c]) <= bias
                p = 1.0 if small and interval.n_units >= MIN_UNITS else p
            row = {"label": label, "null": null, "n": int(count[:, c].sum()), "n_units": interval.n_units}
            row |= {key: mean[f"{key}_{null}"][c] for key in ("share", "permuted")}
            row |= {"ratio": interval.estimate, "low": interval.low, "high": interval.high}
            row |= {"error": interval.error, "df": interval.df, "p": p}
            row |= {key: mean[key][c] for key in ("other_formants", "other_maps")}
            rows.append(row | {"interval": interval})
    return rows


def _stacked(tables: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays by name of every training as one array each, the training first."""
    return {key: np.stack([table[key] for table in tables]) for key in tables[0]}


def _sum_pairs(
    maps: np.ndarray, bands: np.ndarray, classes: np.ndarray, n_classes: int, units: np.ndarray, n_units: int
) -> _Pairs:
    cell = units * n_classes + classes

    def total(values: np.ndarray) -> np.ndarray:
        return unit_sums(values, cell, n_units * n_classes).reshape(n_units, n_classes, *values.shape[1:])

    own = (maps * bands).sum(axis=1)
    return _Pairs(total(maps), total(bands), total(own), total(np.ones(len(own))))


def _all(pairs: _Pairs) -> dict[str, np.ndarray]:
    """Means over all units, (class + 1,)."""
    maps, bands, own, count = (part.sum(axis=0, keepdims=True) for part in pairs)
    return {key: values[0] for key, values in _means(maps, bands, own, count, _exchangeable(pairs)).items()}


def _leave_one_out(pairs: _Pairs) -> dict[str, np.ndarray]:
    maps, bands, own, count = (part.sum(axis=0, keepdims=True) - part for part in pairs)
    return _means(maps, bands, own, count, _exchangeable(pairs))


@np.errstate(invalid="ignore", divide="ignore")
def _means(
    maps: np.ndarray, bands: np.ndarray, own: np.ndarray, count: np.ndarray, there: np.ndarray
) -> dict[str, np.ndarray]:
    """Mean shares from sums; arrays (sample, class[, cell]) in, (sample, class + 1) out, the last column pooled.

    A mean over pairs of different tokens is (Σ maps · Σ bands − Σ own) / (n·n − n): with band weights h and densities
    m, s(i, j) = m(i)·h(j), so no n × n matrix is ever made. `there`: classes that take part in exchanges of classes.
    """
    all_maps, all_bands = maps.sum(axis=1, keepdims=True), bands.sum(axis=1, keepdims=True)
    n, n_all = count, count.sum(axis=1, keepdims=True)
    own_all = own.sum(axis=1, keepdims=True)
    share = np.append(own / n, own_all / n_all, axis=1)
    margin = n * n_all - n
    grand = ((all_maps * all_bands).sum(axis=-1) - own_all) / (n_all**2 - n_all)
    other_formants = np.append(((maps * all_bands).sum(axis=-1) - own) / margin, grand, axis=1)
    other_maps = np.append(((all_maps * bands).sum(axis=-1) - own) / margin, grand, axis=1)
    within = ((maps * bands).sum(axis=-1) - own) / (n**2 - n)
    matrix = np.einsum("sck,sdk->scd", maps, bands)
    diagonal = np.arange(matrix.shape[1])
    matrix[:, diagonal, diagonal] -= own
    pairs = n[:, :, None] * n[:, None, :]
    pairs[:, diagonal, diagonal] -= n
    matrix /= pairs
    paired = n > 1  # a class of one token has nobody to exchange with
    weight = np.where(paired, n, 0.0)
    pooled = [
        (weight * np.where(paired, part, 0.0)).sum(axis=1) / weight.sum(axis=1) for part in (share[:, :-1], within)
    ]
    permuted_run = other_formants * other_maps / grand
    classes = matrix[:, there][:, :, there]
    diagonal_mean = np.einsum("scc->s", classes) / there.sum()
    all_mean = classes.sum(axis=(1, 2)) / there.sum() ** 2
    nothing = np.full_like(n, np.nan)
    return {
        "share_run": share,
        "permuted_run": permuted_run,
        "share_class": np.column_stack([share[:, :-1], pooled[0]]),
        "permuted_class": np.column_stack([within, pooled[1]]),
        "share_classes": np.column_stack([nothing, diagonal_mean]),
        "permuted_classes": np.column_stack([nothing, all_mean]),
        "other_formants": other_formants,
        "other_maps": other_maps,
        "classes": classes,
    }


def _exchangeable(pairs: _Pairs) -> np.ndarray:
    """Classes with at least two tokens, as a mask."""
    return pairs.count.sum(axis=0) > 1


def _without_rounding(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Set to zero what is only rounding noise beside `scale`, so that a flat map is not tested on its last digits."""
    return np.where(np.abs(values) <= 1e-9 * np.abs(scale), 0.0, values)


def _class_exchange_p(matrix: np.ndarray, seed: int) -> float:
    """Two-sided p of the trace of class × class shares when the formants of whole classes are exchanged."""
    size = len(matrix)
    if size < MIN_CLASSES:
        return float("nan")
    exact = size <= _EXACT_CLASSES
    if exact:
        orders = np.array(list(itertools.permutations(range(size))))
    else:
        rng = np.random.default_rng(seed)
        orders = rng.permuted(np.tile(np.arange(size), (_ORDERS, 1)), axis=1)
    distance = np.abs(matrix[np.arange(size), orders].sum(axis=1) - matrix.sum() / size)
    observed = _without_rounding(abs(np.trace(matrix) - matrix.sum() / size), matrix.mean())
    reached = distance >= observed * (1 - 1e-10)
    return float(reached.mean() if exact else (reached.sum() + 1) / (_ORDERS + 1))
