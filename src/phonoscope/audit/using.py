"""Does the model use it? One property exchanged between classes, beside the same exchange within the class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from phonoscope.audit.anatomy import Anatomy
from phonoscope.audit.shortcuts import Shortcut
from phonoscope.classifier import SCORES
from phonoscope.errors import AuditError
from phonoscope.judgement.claims import Judged, above
from phonoscope.judgement.intervals import Interval, mean_interval

SMALLEST_EFFECT = 0.1  # logits: a decision at fifty-fifty moves by two and a half points
SMALLEST_SHARE = 0.05  # of decisions that change: fewer is no reaction
PAIRS = 300  # recordings × donors at least
_MOST_DONORS = 4

Answer = Callable[[Sequence[np.ndarray]], np.ndarray]


class Pairs(NamedTuple):
    """Which recordings exchange with which: positions, each of shape (pair,)."""

    recording: np.ndarray
    own: np.ndarray
    other: np.ndarray


class Exchanged(NamedTuple):
    """What an exchange did to the answers.

    Attributes
    ----------
    effect, sham
        Mean change of the log odds of the answer with a donor of another class, and of the same class.
    difference
        How much more the first took from it than the second.
    decisions
        Share of decisions that change with a donor of another class, beyond those with one of the same.
    reacts
        Share of decisions that change with a donor of the same class.
    """

    effect: Interval
    sham: Interval
    difference: Interval
    decisions: Interval
    reacts: Interval

    @property
    def judged(self) -> Judged:
        """How the difference stands to "the model uses the property"."""
        return above(self.difference, SMALLEST_EFFECT)

    @property
    def reaction(self) -> Judged:
        """How the share of changed decisions stands to "the model reacts to the property"."""
        return above(self.reacts, SMALLEST_SHARE)


def choose_pairs(
    scores: np.ndarray, classes: np.ndarray, answers: np.ndarray, seed: int = 0, *, least: int = PAIRS
) -> Pairs:
    """Choose donors: for each recording one of the class that the model answers, and one of another class.

    Both lie at the same quantile of their classes, ordered by what tells these two apart: they differ by what the
    classes differ in, and hardly by chance.

    Parameters
    ----------
    scores : array (recording, class)
        See `phonoscope.audit.telling.Told`.
    classes : array of int (recording,)
        Positions of the recordings' classes in ``scores``.
    answers : array of int (recording,)
        Positions of the classes that the model answers.
    seed
        Of the choice.
    least
        How many pairs at least, if that does not take more than four donors a recording.
    """
    rng = np.random.default_rng(seed)
    count, n = scores.shape[1], len(classes)
    donors = int(np.clip(np.ceil(least / n), 1, _MOST_DONORS))
    members = [np.flatnonzero(classes == k) for k in range(count)]
    ordered: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
    recording = np.tile(np.arange(n), donors)
    own, other = np.empty((2, len(recording)), dtype=int)
    quantile = np.empty(len(recording))
    for k in range(count):  # by class, not by answer: every model is asked about the same sounds
        rows = np.flatnonzero(classes[recording] == k)
        quantile[rows] = (rng.permutation(len(rows)) + rng.random(len(rows))) / max(len(rows), 1)
    for at, (i, u) in enumerate(zip(recording, quantile, strict=True)):
        mine = int(answers[i])
        against = int(rng.choice([k for k in range(count) if k != mine]))
        if (mine, against) not in ordered:
            tells = np.nan_to_num(scores[:, against] - scores[:, mine])
            ordered[mine, against] = tuple(
                members[k][np.argsort(tells[members[k]], kind="stable")] for k in (mine, against)
            )  # ty: ignore[invalid-assignment]
        same, different = ordered[mine, against]
        own[at] = same[int(u * len(same))]
        other[at] = different[int(u * len(different))]
    return Pairs(recording, own, other)


def exchange(
    shortcut: Shortcut,
    anatomies: Sequence[Anatomy],
    pairs: Pairs,
    answer: Answer,
    *,
    block: int = 64,
    seed: int = 0,
) -> np.ndarray:
    """Exchange a property in all pairs and ask: log odds, shape (donor: own or other, training, pair, label).

    Parameters
    ----------
    shortcut
        What is exchanged.
    anatomies
        Of the recordings.
    pairs
        Which exchange with which.
    answer
        Sounds → log odds (training, sound, label).
    block
        Pairs made at a time.
    seed
        Of noise that is drawn; the same for both donors of a recording.
    """
    found = []
    for first in range(0, len(pairs.recording), block):
        some = slice(first, first + block)
        sounds = [
            shortcut.exchange(anatomies[i], anatomies[j], seed + first + number).astype(np.float32)
            for donors in (pairs.own[some], pairs.other[some])
            for number, (i, j) in enumerate(zip(pairs.recording[some], donors, strict=True))
        ]
        answers = answer(sounds)
        found.append(np.stack(np.split(answers, 2, axis=1)))
    return np.concatenate(found, axis=2)


def compare(
    before: np.ndarray, after: np.ndarray, pairs: Pairs, answered: np.ndarray, clusters: pd.DataFrame
) -> Exchanged:
    """What an exchange did, with intervals over speakers or recordings, and trainings.

    Parameters
    ----------
    before : array (training, recording, label)
        Log odds of the recordings as they are.
    after : array (2, training, pair, label)
        See `exchange`.
    pairs
        Which exchanged with which.
    answered : array of int (recording,)
        Label whose log odds are followed.
    clusters
        ``speaker, recording`` of the recordings.
    """
    rows = clusters.iloc[pairs.recording]
    label = answered[pairs.recording]
    index = np.arange(len(label))
    old = before[:, pairs.recording]
    own, other = (after[k][:, index, label] - old[:, index, label] for k in (0, 1))
    moved = [(after[k].argmax(axis=-1) != old.argmax(axis=-1)).astype(float) for k in (0, 1)]
    return Exchanged(
        mean_interval(other, rows),
        mean_interval(own, rows),
        mean_interval(own - other, rows),
        mean_interval(moved[1] - moved[0], rows, scale="difference"),
        mean_interval(moved[0], rows, scale="proportion"),
    )


def log_odds(logits: np.ndarray, scores: str) -> np.ndarray:
    """Log odds of each label against all others, shape (…, label); one number is taken as the log odds of two labels.

    Parameters
    ----------
    logits : array (…, label)
    scores
        What they are, see `phonoscope.classifier.SCORES`.

    Raises
    ------
    AuditError
        If the numbers have no probabilities.
    """
    kind = SCORES[scores].probability
    values = np.asarray(logits, dtype=np.float64)
    if not kind:
        raise AuditError(f"the model gives {scores}, which are no classes: an audit needs a model that decides")
    if values.shape[-1] == 1:
        return np.concatenate([-values, values], axis=-1)
    if kind == "sigmoid":
        return values
    others = np.where(np.eye(values.shape[-1], dtype=bool), -np.inf, values[..., None, :])
    return values - logsumexp(others, axis=-1)
