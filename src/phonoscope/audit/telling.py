"""Is it in the data? The class told from one property alone, on recordings of groups that were not learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import logsumexp, ndtri
from scipy.stats import t as student_t
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.model_selection import StratifiedGroupKFold

from phonoscope.errors import AuditError
from phonoscope.judgement.claims import Judged
from phonoscope.judgement.intervals import Interval, jackknife_interval

FOLDS = 5
# Few recordings cannot weigh two dozen measures against one another: half of the weight is on each by itself, and
# squares count less than the values.
_LEAST_SHRINKAGE, _SQUARES = 0.4, 0.3
SHUFFLES = 20
# Area under the curve: more than the first is more than chance, less than the second is too little to count.
MORE_THAN_CHANCE, LEAST_THAT_COUNTS = 0.52, 0.60


class Told(NamedTuple):
    """How well a property tells the classes.

    Attributes
    ----------
    balanced_accuracy, auc
        Cross-validated; the area under the curve is the mean over classes, each against all others.
    null_accuracy, null_auc
        97.5 % points of the same with labels shuffled.
    judged
        How the area stands to "the property tells the classes".
    scores
        Log posterior of each class for each recording from all recordings, shape (recording, class).
    """

    balanced_accuracy: Interval
    auc: Interval
    null_accuracy: float
    null_auc: float
    judged: Judged
    scores: np.ndarray


def tell_classes(values: np.ndarray, classes: Sequence[str], groups: Sequence[str], seed: int = 0) -> Told:
    """Tell classes from the values of a property by a linear discriminant.

    Values are turned into normal scores, and their squares are offered beside them, so that a class that varies more,
    or lies in the middle, is told too. Where the labels of a group differ, the null shuffles them within groups,
    otherwise whole groups exchange their labels.

    Parameters
    ----------
    values : array (recording, measure)
    classes
        Of each recording.
    groups
        What is kept together: speakers, or recordings.
    seed
        Of folds and shuffles.

    Raises
    ------
    AuditError
        If there are fewer than two classes, or too few groups of one to test on.
    """
    codes, names = pd.factorize(np.asarray(classes, dtype=object), sort=True)
    units = pd.factorize(np.asarray(groups, dtype=object))[0]
    if len(names) < 2:
        raise AuditError("all recordings are of one class: there is nothing to tell apart")
    fewest = min(len(np.unique(units[codes == k])) for k in range(len(names)))
    folds = min(FOLDS, fewest)
    if folds < 2:
        raise AuditError("each class needs recordings of at least two groups (speakers, or recordings)")
    values = np.nan_to_num(np.asarray(values, dtype=float).reshape(len(codes), -1))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    splits = list(splitter.split(values, codes, units))
    parts = []
    for train, test in splits:
        learnt, tested = _offered(values[train], values[test])
        parts.append((_Learnt(learnt), tested, train, test))
    scores = _cross_validated(parts, codes, len(names))
    clusters = pd.Series(units)
    accuracy = jackknife_interval(
        lambda weights: _balanced(weights, scores.argmax(axis=1) == codes, codes), len(codes), clusters,
        scale="proportion",
    )  # fmt: skip
    auc = jackknife_interval(lambda weights: _auc(weights, scores, codes), len(codes), clusters, scale="proportion")
    rng = np.random.default_rng(seed)
    null = []
    for _ in range(SHUFFLES):
        shuffled = _shuffled(codes, units, rng)
        found = _cross_validated(parts, shuffled, len(names))
        one = np.ones((1, len(codes)))
        null.append((_balanced(one, found.argmax(axis=1) == shuffled, shuffled)[0], _auc(one, found, shuffled)[0]))
    null_accuracy, null_auc = np.quantile(null, 0.975, axis=0)
    areas = np.array([area for _, area in null])
    bound = max(MORE_THAN_CHANCE, float(np.median(areas)))
    # The jackknife keeps the folds' models, so it does not know how the area varies with what was learnt; shuffles do.
    error = max(float(areas.std(ddof=1)) * np.sqrt(1 + 1 / SHUFFLES), 1e-9)
    by_shuffles = min(2 * student_t.sf((auc.estimate - areas.mean()) / error, SHUFFLES - 1), 1.0)
    above = float(np.maximum(auc.p_above(bound), by_shuffles))
    judged = Judged(above, auc.p_below(LEAST_THAT_COUNTS), auc.errors_from(bound), auc)
    if not np.ptp(values, axis=0).any():  # all recordings are alike in it
        judged = Judged(1.0, 0.0, np.nan, auc)
    offered, _ = _offered(values, values[:0])
    return Told(
        accuracy, auc, float(null_accuracy), float(null_auc), judged, _Learnt(offered).posterior(codes, offered)
    )


def _offered(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normal scores by the ranks among some recordings, and their squares."""

    def scored(column: np.ndarray, among: np.ndarray) -> np.ndarray:
        ranks = (np.searchsorted(among, column, "left") + np.searchsorted(among, column, "right")) / 2
        return ndtri((ranks + 0.5) / (len(among) + 1))

    both = []
    for values in (train, test):
        z = np.stack([scored(values[:, i], np.sort(train[:, i])) for i in range(train.shape[1])], axis=1)
        both.append(np.concatenate([z, _SQUARES * (z**2 - 1)], axis=1))
    return both[0], both[1]


class _Learnt:
    """A linear discriminant without labels yet: everything that does not depend on them, made once for all shuffles.

    Parameters
    ----------
    values : array (recording, measure)
        To learn from.
    """

    def __init__(self, values: np.ndarray) -> None:
        self.varying = values.std(axis=0) > 1e-9
        self.values = values[:, self.varying]
        self.shrinkage = max(_LEAST_SHRINKAGE, float(ledoit_wolf_shrinkage(self.values))) if self.varying.any() else 1.0
        self.squares = self.values.T @ self.values / max(len(values), 1)

    def posterior(self, codes: np.ndarray, tested: np.ndarray) -> np.ndarray:
        """Log posterior of the classes that occur, equally frequent, shape (recording, class)."""
        present, at = np.unique(codes, return_inverse=True)
        if len(present) < 2 or not self.varying.any():
            return np.zeros((len(tested), len(present)))
        member = (at == np.arange(len(present))[:, None]).astype(float)
        counts = member.sum(axis=1)
        means = member @ self.values / counts[:, None]
        within = self.squares - (means.T * counts / len(codes)) @ means
        around = self.shrinkage * np.trace(within) / len(within) + 1e-9
        within = (1 - self.shrinkage) * within + around * np.eye(len(within))
        weights = np.linalg.solve(within, means.T)  # (measure, class)
        scores = tested[:, self.varying] @ weights - 0.5 * np.sum(means.T * weights, axis=0)
        return scores - logsumexp(scores, axis=1, keepdims=True)


def _cross_validated(parts: Sequence[tuple[Any, ...]], codes: np.ndarray, count: int) -> np.ndarray:
    scores = np.zeros((len(codes), count))
    for learnt, tested, train, test in parts:
        present = np.unique(codes[train])
        scores[test] = -np.inf
        scores[np.ix_(test, present)] = learnt.posterior(codes[train], tested)
    return scores


def _shuffled(codes: np.ndarray, units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels shuffled within groups where they differ there, over whole groups where they do not."""
    first = pd.Series(codes).groupby(units).agg(["min", "max"])
    if (first["min"] == first["max"]).mean() > 0.5:
        return rng.permutation(first["min"].to_numpy())[units]
    found = codes.copy()
    for rows in pd.Series(np.arange(len(codes))).groupby(units).groups.values():
        found[rows] = rng.permutation(codes[rows])
    return found


def _balanced(weights: np.ndarray, right: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Mean of the classes' shares of right answers, shape (samples,)."""
    shares = []
    for k in range(codes.max() + 1):
        of = weights[:, codes == k]
        with np.errstate(invalid="ignore", divide="ignore"):
            shares.append(of @ right[codes == k] / of.sum(axis=1))
    return np.nanmean(shares, axis=0)


def _auc(weights: np.ndarray, scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Mean over classes of the area under the curve, one against all others, shape (samples,)."""
    areas = []
    for k in range(scores.shape[1] if scores.shape[1] > 2 else 1):
        own, other = codes == k, codes != k
        if not own.any() or not other.any():
            continue
        above = (scores[own, k][:, None] > scores[other, k]) + 0.5 * (scores[own, k][:, None] == scores[other, k])
        with np.errstate(invalid="ignore", divide="ignore"):
            pairs = np.einsum("si,si->s", weights[:, own] @ above, weights[:, other])
            areas.append(pairs / (weights[:, own].sum(axis=1) * weights[:, other].sum(axis=1)))
    return np.nanmean(areas, axis=0)
