"""Mean shares of maps in the bands of their own and of other tokens, per class, with test and interval.

Maps and bands enter as vectors over cells, so that every mean over pairs of tokens is a product of sums.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from phonoscope.judgement.bootstrap import MIN_UNITS, Unit, interval_of, sign_flip_p, unit_sums, unit_weights

POOLED = "all"  # the label of rows that pool the classes
MIN_CLASSES = 4  # three classes have six orders: no p below .05
_EXACT_CLASSES = 6  # up to 6! = 720 orders of the classes are all tried
_BOOTSTRAP_BLOCK = 100


@dataclass(frozen=True)
class Resampling:
    """How often units are resampled and signs are flipped.

    Parameters
    ----------
    n_permutations
        Sign patterns (and orders of classes) tried; 0 for no p-values.
    n_bootstrap
        Resamples for the intervals; 0 for no intervals.
    confidence
        Of the intervals.
    """

    n_permutations: int = 1000
    n_bootstrap: int = 1000
    confidence: float = 0.95


USUAL_RESAMPLING = Resampling()


class _Pairs(NamedTuple):
    """Sums over the tokens of each unit and class, enough for every mean share of any map in any token's bands."""

    maps: np.ndarray  # (unit, class, cell): densities
    bands: np.ndarray  # (unit, class, cell): band weights
    own: np.ndarray  # (unit, class): shares of maps in their own bands
    count: np.ndarray  # (unit, class): tokens


@np.errstate(invalid="ignore", divide="ignore")
def paired_shares(
    maps: np.ndarray,
    bands: np.ndarray,
    names: pd.Series,
    kept: np.ndarray,
    unit: Unit,
    resampling: Resampling,
    seed: int,
) -> list[dict[str, Any]]:
    """Rows of every class and null for one set of bands.

    Parameters
    ----------
    maps, bands : array (token, cell)
        Densities of the maps; weights of the cells in each token's bands.
    names : Series (token,)
        Classes; NaN for none.
    kept : array of bool (token,)
        Tokens that take part; each has a class.
    unit : Unit
        What is resampled.
    resampling : Resampling
        How often.
    seed : int
        Of permutations and resamples.

    Returns
    -------
    list of dict
        ``label, null, n, n_units, share, permuted, ratio, low, high, p, other_formants, other_maps``.
    """
    n_permutations, n_bootstrap = resampling.n_permutations, resampling.n_bootstrap
    classes = sorted(names[names.notna()].unique())
    class_codes = names.map({name: c for c, name in enumerate(classes)})[kept].to_numpy(dtype=int)
    units_here, unit_codes = np.unique(unit.codes[kept], return_inverse=True)
    n_units = len(units_here)
    pairs = _sum_pairs(maps[kept], bands[kept], class_codes, len(classes), unit_codes, n_units)
    total = _weighted(pairs, np.ones((1, n_units)))
    jackknife = _leave_one_out(pairs)
    samples: dict[str, np.ndarray] = {}
    if n_bootstrap and n_units > 1:
        weights = unit_weights(n_units, n_bootstrap, seed)
        blocks = [
            _weighted(pairs, weights[at : at + _BOOTSTRAP_BLOCK]) for at in range(0, n_bootstrap, _BOOTSTRAP_BLOCK)
        ]
        samples = {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}

    count = np.append(pairs.count, pairs.count.sum(axis=1, keepdims=True), axis=1)  # last column: all classes
    units_with = (count > 0).sum(axis=0)
    other_formants, other_maps = total["other_formants"][0], total["other_maps"][0]
    rows = []
    for null in ("run", "class", "classes"):
        share, permuted = total[f"share_{null}"][0], total[f"permuted_{null}"][0]
        ratio = share / permuted
        low, high, p = np.full((3, len(share)), np.nan)
        if samples:
            drawn = samples[f"share_{null}"] / samples[f"permuted_{null}"]
            left_ratio = jackknife[f"share_{null}"] / jackknife[f"permuted_{null}"]
            low, high = interval_of(drawn, ratio, left_ratio, n_units=units_with, confidence=resampling.confidence)
        if n_permutations and null == "classes":
            p[-1] = _class_exchange_p(total["classes"][0], n_permutations, seed)
        elif n_permutations and n_units > 1:
            difference = share - permuted
            change = difference - (jackknife[f"share_{null}"] - jackknife[f"permuted_{null}"])
            # contribution of each unit: what leaving it out changes, plus its part of the difference itself
            scores = (n_units - 1) * change + difference * count * n_units / np.maximum(count.sum(axis=0), 1)
            scores = _without_rounding(scores, share)
            # R·Q/G leaves own pairs out of each mean, which biases it by this much: a smaller difference is none
            heaviness = np.fmax(1.0, other_maps / other_maps[-1])
            bias = permuted * heaviness / max(1.0, count[:, -1].sum() - 1)
            p = np.where(np.abs(difference) <= bias, 1.0, sign_flip_p(scores, n_permutations, seed))
            p = np.where((units_with >= MIN_UNITS) & np.isfinite(difference), p, np.nan)
        for c, label in enumerate([*classes, POOLED]):
            if null == "classes" and label != POOLED:
                continue
            row = {"label": label, "null": null, "n": int(count[:, c].sum()), "n_units": int(units_with[c])}
            row |= {"share": share[c], "permuted": permuted[c], "ratio": ratio[c], "low": low[c], "high": high[c]}
            row |= {"p": p[c], "other_formants": other_formants[c], "other_maps": other_maps[c]}
            rows.append(row)
    return rows


def _sum_pairs(
    maps: np.ndarray, bands: np.ndarray, classes: np.ndarray, n_classes: int, units: np.ndarray, n_units: int
) -> _Pairs:
    cell = units * n_classes + classes

    def total(values: np.ndarray) -> np.ndarray:
        return unit_sums(values, cell, n_units * n_classes).reshape(n_units, n_classes, *values.shape[1:])

    own = (maps * bands).sum(axis=1)
    return _Pairs(total(maps), total(bands), total(own), total(np.ones(len(own))))


def _weighted(pairs: _Pairs, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Means under weights (sample, unit); a token drawn w times would meet itself in w² pairs, which do not count."""
    sums = (np.tensordot(weights, part, axes=1) for part in pairs)
    return _means(*sums, weights**2 @ pairs.own, weights**2 @ pairs.count, _exchangeable(pairs))


def _leave_one_out(pairs: _Pairs) -> dict[str, np.ndarray]:
    maps, bands, own, count = (part.sum(axis=0, keepdims=True) - part for part in pairs)
    return _means(maps, bands, own, count, own, count, _exchangeable(pairs))


@np.errstate(invalid="ignore", divide="ignore")
def _means(
    maps: np.ndarray,
    bands: np.ndarray,
    own: np.ndarray,
    count: np.ndarray,
    own_squares: np.ndarray,
    squares: np.ndarray,
    there: np.ndarray,
) -> dict[str, np.ndarray]:
    """Mean shares from sums; arrays (sample, class[, cell]) in, (sample, class + 1) out, the last column pooled.

    A mean over pairs of different tokens is (Σ maps · Σ bands − Σ own) / (n·n − n): with band weights h and densities
    m, s(i, j) = m(i)·h(j), so no n × n matrix is ever made. `there`: classes that take part in exchanges of classes.
    """
    all_maps, all_bands = maps.sum(axis=1, keepdims=True), bands.sum(axis=1, keepdims=True)
    n, n_all = count, count.sum(axis=1, keepdims=True)
    own_all, self_own, self_n = (part.sum(axis=1, keepdims=True) for part in (own, own_squares, squares))
    share = np.append(own / n, own_all / n_all, axis=1)
    margin = n * n_all - squares
    grand = ((all_maps * all_bands).sum(axis=-1) - self_own) / (n_all**2 - self_n)
    other_formants = np.append(((maps * all_bands).sum(axis=-1) - own_squares) / margin, grand, axis=1)
    other_maps = np.append(((all_maps * bands).sum(axis=-1) - own_squares) / margin, grand, axis=1)
    within = ((maps * bands).sum(axis=-1) - own_squares) / (n**2 - squares)
    matrix = np.einsum("sck,sdk->scd", maps, bands)
    diagonal = np.arange(matrix.shape[1])
    matrix[:, diagonal, diagonal] -= own_squares
    pairs = n[:, :, None] * n[:, None, :]
    pairs[:, diagonal, diagonal] -= squares
    matrix /= pairs
    paired = n**2 - squares > 0.5  # a class of one token has nobody to exchange with
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


def _class_exchange_p(matrix: np.ndarray, n_permutations: int, seed: int) -> float:
    """Two-sided p of the trace of class × class shares when the formants of whole classes are exchanged."""
    size = len(matrix)
    if size < MIN_CLASSES:
        return float("nan")
    exact = size <= _EXACT_CLASSES or math.factorial(size) <= n_permutations
    if exact:
        orders = np.array(list(itertools.permutations(range(size))))
    else:
        rng = np.random.default_rng(seed)
        orders = rng.permuted(np.tile(np.arange(size), (n_permutations, 1)), axis=1)
    distance = np.abs(matrix[np.arange(size), orders].sum(axis=1) - matrix.sum() / size)
    observed = _without_rounding(abs(np.trace(matrix) - matrix.sum() / size), matrix.mean())
    reached = distance >= observed * (1 - 1e-10)
    return float(reached.mean() if exact else (reached.sum() + 1) / (n_permutations + 1))
