"""The largest gap of a dictionary: the direction that is farthest from every filter, exact or between two bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product

import numpy as np

from phonoscope.layer_geometry.measures import unit_columns

_MOST_VERTICES = 2_000_000
_BATCH_SUBSETS = 1_000
# The upper bound is polished by linear programmes from so many starts, up to so large an N * K.
_STARTS_BY_SIZE = ((3_000, 12), (10_000, 3))
_WEIGHT_STEP = 0.5
_FEASIBLE = 1 + 1e-9
_SEED = 0


@dataclass(frozen=True)
class Gap:
    """Bounds of μ_gap = min over unit x of max over filters of |d·x|; ``exact`` when they are one.

    ``direction`` is a unit vector x whose largest |cosine| to a filter is ``high``: the certificate of the upper
    bound; None when the gap is 0 because the filters do not span the space, or when there are several groups. The
    certificate of the lower bound is a weighting w of the filters: λ_min(D diag(w) Dᵀ) = low².
    """

    low: float
    high: float
    exact: bool
    direction: np.ndarray | None = None


def largest_gap(blocks: Sequence[np.ndarray], ranks_full: bool) -> Gap:
    """Find the largest gap of a (block-diagonal) dictionary.

    Exactly 0 when the filters do not span the space; exact by enumerating the vertices of {x : |Dᵀx| ≤ 1} where these
    are at most two million; else bounded from below by λ_min(D diag(w) Dᵀ) ≤ μ_gap², true for any weights w that
    sum to 1, and from above by the best x found.

    Parameters
    ----------
    blocks
        Dictionaries (N, K) in separate dimensions.
    ranks_full
        Whether the filters span all dimensions.

    References
    ----------
    Skretting & Engan (2011) define the measure as β_gap = arccos μ_gap.
    """
    if not ranks_full:
        return Gap(0.0, 0.0, exact=True)
    gaps = [_block_gap(unit_columns(block)) for block in blocks]
    if len(gaps) == 1:
        return gaps[0]
    # The polytope of a block-diagonal dictionary is a product: squared lengths of its farthest vertices add up.
    low, high = (1 / math.sqrt(sum(1 / getattr(g, side) ** 2 for g in gaps)) for side in ("low", "high"))
    return Gap(low, high, exact=all(g.exact for g in gaps))


def _block_gap(unit: np.ndarray) -> Gap:
    dimensions, filters = unit.shape
    real = not np.iscomplexobj(unit)
    if real and math.comb(filters, dimensions) * 2 ** (dimensions - 1) <= _MOST_VERTICES:
        return _by_vertices(unit)
    low, high, farthest = _by_weights(unit)
    starts = next((count for size, count in _STARTS_BY_SIZE if dimensions * filters <= size), 0)
    if real and starts:
        high, farthest = _by_linear_programmes(unit, high, farthest, starts)
    return Gap(min(low, high), high, exact=False, direction=farthest)


def _by_vertices(unit: np.ndarray) -> Gap:
    """Longest vertex of {x : |Dᵀx| ≤ 1}: N filters meet their bound there, with either sign."""
    dimensions, filters = unit.shape
    # The first sign is fixed: x and -x are the same direction.
    signs = np.array(list(product([1.0], *[(1.0, -1.0)] * (dimensions - 1)))).T
    subsets = combinations(range(filters), dimensions)
    longest, farthest = 0.0, unit[:, 0]
    while batch := list(islice(subsets, _BATCH_SUBSETS)):
        chosen = unit.T[np.array(batch)]
        chosen = chosen[np.abs(np.linalg.det(chosen)) > np.finfo(float).eps]
        vertices = np.linalg.solve(chosen, np.broadcast_to(signs, (len(chosen), *signs.shape)))
        vertices = vertices.transpose(1, 0, 2).reshape(dimensions, -1)
        lengths = np.einsum("nv,nv->v", vertices, vertices)
        candidates = vertices[:, lengths > longest]
        candidates = candidates[:, (np.abs(unit.T @ candidates) <= _FEASIBLE).all(axis=0)]
        if candidates.size:
            best = candidates[:, np.argmax(np.einsum("nv,nv->v", candidates, candidates))]
            longest, farthest = float(best @ best), best
    direction = farthest / np.linalg.norm(farthest)
    gap = float(np.abs(unit.T @ direction).max())
    return Gap(gap, gap, exact=True, direction=direction)


def _by_weights(unit: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Both bounds by weighting up, again and again, the filters that lie closest to the worst direction."""
    dimensions, filters = unit.shape
    steps = 100 if dimensions <= 64 else 30 if dimensions <= 256 else 5
    weights = np.full(filters, 1 / filters)
    low, high, farthest = 0.0, math.inf, unit[:, 0]
    for _ in range(steps):
        eigenvalues, vectors = np.linalg.eigh((unit * weights) @ unit.conj().T)
        low = max(low, math.sqrt(max(float(eigenvalues[0]), 0.0)))
        cosines = np.abs(unit.conj().T @ vectors[:, 0])
        if cosines.max() < high:
            high, farthest = float(cosines.max()), vectors[:, 0]
        weights = weights * np.exp(_WEIGHT_STEP * (cosines / cosines.max()) ** 2)
        weights /= weights.sum()
    return low, high, farthest


def _by_linear_programmes(unit: np.ndarray, high: float, farthest: np.ndarray, count: int) -> tuple[float, np.ndarray]:
    """Climb from several directions to a vertex: x ← the farthest point of {|Dᵀx| ≤ 1} in the direction of x."""
    from scipy.optimize import linprog

    sides = np.vstack([unit.T, -unit.T])
    generator = np.random.default_rng(_SEED)
    starts = [farthest, *generator.standard_normal((count - 1, unit.shape[0]))]
    for start in starts:
        x, length = start, 0.0
        while True:
            solved = linprog(-x, A_ub=sides, b_ub=np.ones(len(sides)), bounds=(None, None), method="highs")
            if solved.status != 0 or np.linalg.norm(solved.x) <= length * _FEASIBLE:
                break
            x, length = solved.x, float(np.linalg.norm(solved.x))
        direction = x / np.linalg.norm(x)
        gap = float(np.abs(unit.T @ direction).max())
        if gap < high:
            high, farthest = gap, direction
    return high, farthest
