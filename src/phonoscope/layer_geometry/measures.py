"""Measures of a matrix of filters seen as a dictionary: frame bounds, coherence, angles.

Columns are filters ("atoms"), scaled to unit length; everything is computed in float64 from eigenvalues of the smaller
Gram matrix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Measures that a null is made for: numbers, one a dictionary.
COMPARED = ("A", "A_nonzero", "B", "beta_min", "beta_avg", "beta_mse", "mu", "mu_avg", "mu_mse")


_ROUNDINGS = 10.0  # roundings of the weights that a singular value must exceed to count


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What the measures need of one dictionary: the Gram matrix of its unit filters and the eigenvalues of D Dᵀ.

    ``eigenvalues`` are the min(N, K) that can differ from zero.
    """

    gram: np.ndarray
    eigenvalues: np.ndarray
    dimensions: int
    dead: int = 0


def unit_columns(dictionary: np.ndarray) -> np.ndarray:
    """Columns of length 1, float64 (complex128 for complex filters), without those that are all zero."""
    matrix = np.asarray(dictionary)
    matrix = matrix.astype(np.complex128 if np.iscomplexobj(matrix) else np.float64)
    norms = np.sqrt(np.einsum("nk,nk->k", matrix, matrix.conj()).real)
    if not np.isfinite(norms).all():
        raise ValueError("the filters hold values that are not finite")
    alive = norms > 0
    return matrix / norms if alive.all() else matrix[:, alive] / norms[alive]


def spectrum_of(dictionary: np.ndarray) -> Spectrum:
    """Gram matrix and eigenvalues of a dictionary of shape (N dimensions, K filters)."""
    unit = unit_columns(dictionary)
    gram = unit.conj().T @ unit
    smaller = gram if unit.shape[1] <= unit.shape[0] else unit @ unit.conj().T
    eigenvalues = np.maximum(np.linalg.eigvalsh(smaller), 0.0) if smaller.size else np.zeros(0)
    return Spectrum(gram, eigenvalues, unit.shape[0], dictionary.shape[1] - unit.shape[1])


def dictionary_measures(
    dictionary: np.ndarray | Sequence[np.ndarray], *, precision: float = float(np.finfo(np.float64).eps)
) -> dict[str, Any]:
    """Measure a dictionary of filters.

    Parameters
    ----------
    dictionary
        Shape (N, K): K filters in N dimensions; or several of these for filters that live in separate dimensions
        (the groups of a convolution): together they are one block-diagonal dictionary.
    precision
        Relative precision of the weights; singular values below ten times this share of the largest are zero (rounded
        weights move them by less), as are those that a Gram matrix in float64 cannot tell from zero.

    Returns
    -------
    dict
        ``N``, ``K``; ``dead``: filters that are all zero (left out of everything else);
        ``rank``: numerical rank of D;
        ``A``, ``B``: frame bounds, smallest and largest eigenvalue of D Dᵀ (A is 0 when the filters do not span the N
        dimensions, as with fewer filters than dimensions); ``A_nonzero``: smallest non-zero one;
        ``tightness``: A_nonzero / B, 1 for a tight frame (of its span);
        ``condition``: ratio of the largest to the smallest of the min(N, K) singular values, infinite when rank is
        lost;
        ``mu``: mutual coherence, largest \\|cosine\\| between two filters; ``mu_avg``: mean over filters of the
        largest \\|cosine\\| to another one; ``mu_mse``: ‖DᵀD‖_F / K, the root of the mean squared cosine, that of each
        filter with itself included;
        ``beta_min``, ``beta_avg``, ``beta_mse``: the angles, in degrees: arccos of mu, mean over filters of the arccos
        of the largest \\|cosine\\|, arccos of mu_mse;
        ``babel``: tuple, entry p - 1 is the largest sum of \\|cosines\\| of a filter to p others, p = 1 … K - 1;
        ``welch``: lower bound of mu for any K filters in N dimensions.
        NaN where a measure needs more filters than there are.

    References
    ----------
    Skretting & Engan (2011), Learned dictionaries for sparse image representation: properties and results;
    Tropp (2004), Greed is good (babel function); Welch (1974), Lower bounds on the maximum cross correlation.
    """
    blocks = [dictionary] if isinstance(dictionary, np.ndarray) else list(dictionary)
    return measures_of([spectrum_of(block) for block in blocks], precision=precision)


def measures_of(spectra: Sequence[Spectrum], *, precision: float = float(np.finfo(np.float64).eps)) -> dict[str, Any]:
    """Measures of a block-diagonal dictionary from the spectra of its blocks; see ``dictionary_measures``."""
    dimensions = sum(s.dimensions for s in spectra)
    filters = sum(len(s.gram) for s in spectra)
    dead = sum(s.dead for s in spectra)
    result: dict[str, Any] = {"N": dimensions, "K": filters + dead, "dead": dead, "rank": 0}
    result |= dict.fromkeys(("A", "A_nonzero", "B", "tightness", "condition"), math.nan)
    result |= dict.fromkeys(("mu", "mu_avg", "mu_mse", "beta_min", "beta_avg", "beta_mse"), math.nan)
    result |= {"babel": (), "welch": max((welch_bound(s.dimensions, len(s.gram)) for s in spectra), default=0.0)}
    if not filters:
        return result
    eigenvalues = np.concatenate([s.eigenvalues for s in spectra])
    largest = float(eigenvalues.max())
    size = max(dimensions, filters)
    # Eigenvalues are squared singular values, and come out of a Gram matrix with the rounding of float64.
    least = largest * max((_ROUNDINGS * precision) ** 2, size * float(np.finfo(np.float64).eps))
    nonzero = eigenvalues[eigenvalues > least]
    rank, smallest = len(nonzero), float(nonzero.min())
    full = rank == min(dimensions, filters)
    result |= {
        "rank": rank,
        "A": smallest if rank == dimensions else 0.0,
        "A_nonzero": smallest,
        "B": largest,
        "tightness": smallest / largest,
        "condition": math.sqrt(largest / smallest) if full else math.inf,
        "mu_mse": float(np.sqrt(np.square(eigenvalues).sum())) / filters,
    }
    result["beta_mse"] = _degrees(result["mu_mse"])
    if filters > 1:
        nearest, babel = _coherence(spectra, filters)
        result |= {"mu": float(nearest.max()), "mu_avg": float(nearest.mean()), "babel": tuple(babel.tolist())}
        result |= {"beta_min": _degrees(result["mu"]), "beta_avg": float(np.degrees(np.arccos(nearest)).mean())}
    return result


def _coherence(spectra: Sequence[Spectrum], filters: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest |cosine| of each filter to another, shape (filters,), and the babel function, shape (filters - 1,)."""
    nearest, babel = [], np.zeros(filters - 1)
    for spectrum in spectra:
        count = len(spectrum.gram)
        if count < 2:
            nearest.append(np.zeros(count))  # filters of other groups are orthogonal to it
            continue
        cosines = np.abs(spectrum.gram)
        np.fill_diagonal(cosines, -1.0)
        cosines.sort(axis=1)
        falling = cosines[:, :0:-1]  # the diagonal is the smallest now, and left out
        nearest.append(np.minimum(falling[:, 0], 1.0))
        sums = np.cumsum(falling, axis=1).max(axis=0)
        babel[: count - 1] = np.maximum(babel[: count - 1], sums)
        babel[count - 1 :] = np.maximum(babel[count - 1 :], sums[-1])
    return np.concatenate(nearest), babel


def _degrees(cosine: float) -> float:
    return math.degrees(math.acos(min(cosine, 1.0)))


def welch_bound(dimensions: int, filters: int) -> float:
    """Lower bound of the mutual coherence of any ``filters`` unit vectors: sqrt((K - N) / (N (K - 1))), 0 for K ≤ N."""
    if filters <= dimensions or filters < 2:
        return 0.0
    return math.sqrt((filters - dimensions) / (dimensions * (filters - 1)))


def marchenko_pastur_edges(dimensions: int, filters: int) -> tuple[float, float]:
    """Edges of the non-zero eigenvalues of D Dᵀ for many random filters of unit length: (K/N) (1 ∓ sqrt(N/K))².

    References
    ----------
    Marchenko & Pastur (1967), Distribution of eigenvalues for some sets of random matrices.
    """
    ratio = filters / dimensions
    return (1 - math.sqrt(ratio)) ** 2, (1 + math.sqrt(ratio)) ** 2
