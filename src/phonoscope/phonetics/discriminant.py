"""Linear discriminant analysis with a shrunk covariance, for pictures of thousands of cells and many tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

_ROWS = 512  # tokens in double precision at a time


class Discriminant(NamedTuple):
    """What was learnt: one linear function a class.

    Attributes
    ----------
    classes : ndarray (class,)
        In alphabetical order.
    centre : ndarray (feature,)
        Subtracted first.
    coefficients : ndarray (class, feature)
    intercepts : ndarray (class,)
    """

    classes: np.ndarray
    centre: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray

    def scores(self, values: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Scores (token, class) of values (token, feature), or of some rows; the highest wins.

        Differences are log odds.
        """
        parts = [(part - self.centre) @ self.coefficients.T + self.intercepts for part in _in_double(values, rows)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)))

    def predict(self, values: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Class of each of the values (token, feature), or of some rows."""
        return self.classes[self.scores(values, rows).argmax(axis=1)]


class _Group(NamedTuple):
    """Tokens of one class: their rows, share of all, means, standard deviations and shrinkage."""

    rows: np.ndarray
    share: float
    mean: np.ndarray
    sd: np.ndarray
    shrinkage: float
    level: float


def fit_discriminant(values: np.ndarray, classes: np.ndarray, rows: np.ndarray | None = None) -> Discriminant:
    """Learn to tell classes apart by linear functions of the features.

    Each class's covariance is shrunk as Ledoit & Wolf (2004) estimate it, on features of unit variance; their mean,
    weighted by the classes' shares of the tokens, is the covariance within classes Σ. Scores are
    ``x'Σ⁻¹μ_k − μ_k'Σ⁻¹μ_k / 2 + log π_k``: what scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr",
    shrinkage="auto")`` computes, in seconds rather than hours. With fewer tokens n than features p nothing of size
    p × p is made: Σ is a diagonal matrix plus one of rank n, inverted by Woodbury's formula.

    Parameters
    ----------
    values : ndarray (token, feature)
        Any floating type, also memory-mapped; read some tokens at a time.
    classes : ndarray (token,)
        At least two different ones among those learnt from.
    rows : ndarray of int, optional
        Positions of the tokens to learn from; all by default.
    """
    rows = np.arange(len(values)) if rows is None else rows
    names, codes = np.unique(np.asarray(classes)[rows].astype(str), return_inverse=True)
    n_tokens, n_features = len(rows), values.shape[1]
    covariance = np.zeros((n_features, n_features)) if n_tokens > n_features else None
    shares = np.bincount(codes) / n_tokens
    groups = [_group(values, rows[codes == code], share, covariance) for code, share in enumerate(shares)]
    means = np.stack([group.mean for group in groups])
    centre = shares @ means
    means = means - centre
    diagonal = sum(group.share * group.shrinkage * group.level * group.sd**2 for group in groups)
    diagonal = np.maximum(diagonal, 1e-10 * np.mean(diagonal) or 1.0)  # where nothing varies, every cell counts alike
    if covariance is not None:
        covariance[np.diag_indices(n_features)] += diagonal
        coefficients = _solved(covariance, means.T).T
    else:
        coefficients = _solved_by_tokens(values, groups, diagonal, means)
    intercepts = np.log(shares) - 0.5 * (coefficients * means).sum(axis=1)
    return Discriminant(names, centre, coefficients, intercepts)


def _group(values: np.ndarray, rows: np.ndarray, share: float, covariance: np.ndarray | None) -> _Group:
    """Mean, spread and shrinkage of a class; adds what is not shrunk to the covariance of all classes, if given."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    for part in _in_double(values, rows):
        scaler.partial_fit(part)
    mean, sd = np.asarray(scaler.mean_), np.asarray(scaler.scale_)
    n_tokens, n_features = len(rows), values.shape[1]
    lengths, total = [], 0.0  # squared length of each standardised token; sum of all squared products
    products = np.zeros((n_features, n_features)) if covariance is not None else None
    for part in _in_double(values, rows):
        part = (part - mean) / sd
        lengths.append(np.square(part).sum(axis=1))
        if products is not None:
            products += part.T @ part
        else:
            total += sum(np.square(part @ ((other - mean) / sd).T).sum() for other in _in_double(values, rows))
    if products is not None:
        total = float(np.vdot(products, products))
    length = np.concatenate(lengths)
    # Ledoit & Wolf's estimate as scikit-learn computes it.
    level = length.sum() / n_tokens / n_features
    noise = (np.square(length).sum() / n_tokens - total / n_tokens**2) / (n_features * n_tokens)
    distance = total / n_tokens**2 / n_features - level**2
    shrinkage = 0.0 if min(noise, distance) <= 0 else min(noise / distance, 1.0)
    group = _Group(rows, share, mean, sd, shrinkage, level)
    if covariance is not None and products is not None:
        products *= group.share * (1 - shrinkage) / n_tokens
        products *= sd
        products *= sd[:, None]
        covariance += products
    return group


def _solved_by_tokens(values: np.ndarray, groups: list[_Group], diagonal: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Σ⁻¹ times the means (class, feature), by Woodbury's formula: the only matrix is (token, token)."""
    n_tokens = sum(len(group.rows) for group in groups)
    sizes = np.cumsum([0, *(len(group.rows) for group in groups)])

    def weighted() -> Iterator[tuple[slice, np.ndarray]]:
        """Rows of the matrix A in Σ = diagonal + A'A, some at a time."""
        for group, begin in zip(groups, sizes, strict=False):
            weight = np.sqrt(group.share * (1 - group.shrinkage) / len(group.rows))
            for part in _in_double(values, group.rows):
                yield slice(begin, begin + len(part)), weight * (part - group.mean)
                begin += len(part)

    inner = np.eye(n_tokens)
    against = np.zeros((n_tokens, len(means)))
    for place, rows in weighted():
        scaled = rows / diagonal
        against[place] = scaled @ means.T
        for other, columns in weighted():
            if other.start <= place.start:
                inner[place, other] += scaled @ columns.T
                inner[other, place] = inner[place, other].T
    pulled = _solved(inner, against)
    back = np.zeros_like(means)
    for place, rows in weighted():
        back += pulled[place].T @ rows
    return (means - back) / diagonal


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve a symmetric positive definite system; the matrix is overwritten."""
    from scipy.linalg import cho_factor, cho_solve

    return cho_solve(cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False), right, check_finite=False)


def _in_double(values: np.ndarray, rows: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Some of the rows at a time, in double precision."""
    rows = np.arange(len(values)) if rows is None else rows
    for start in range(0, len(rows), _ROWS):
        yield np.asarray(values[rows[start : start + _ROWS]], dtype=np.float64)
