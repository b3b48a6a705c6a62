"""Trials of an identification experiment: which stimuli were presented, and what was answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax

from phonoscope.classifier import SCORES, Classifier, class_position
from phonoscope.errors import PerceptionError

UNITS = ("speaker", "recording")  # what is independent, from the highest level down
_LOG_TEMPERATURES = (-1.0, 7.0)


@dataclass(frozen=True)
class Trials:
    """Stimuli and the answers to them.

    Parameters
    ----------
    table
        One row a stimulus: ``token, class`` (as spoken), ``recording, speaker, cue, step`` (as asked for, in
        ``step_unit``), ``achieved`` (as measured, in ``unit``), ``missed`` (whether that is not what was asked for),
        and a column for each property that was measured in every stimulus (``f1``, ``f0``, ``level`` …).
    labels
        The answers to choose from.
    log_p
        Log probability of each answer, shape (training, stimulus, label); of a model that was not trained by us, and
        of people, one training. NaN where a stimulus was not presented. Of a model that gives numbers, these.
    """

    table: pd.DataFrame
    labels: Sequence[str]
    log_p: np.ndarray

    def __post_init__(self) -> None:
        wanted = (len(self.table), len(self.labels))
        if self.log_p.ndim != 3 or self.log_p.shape[1:] != wanted:
            raise PerceptionError(
                f"log_p has the shape {self.log_p.shape}; expected (training, {wanted[0]} stimuli, {wanted[1]} labels)"
            )

    def __len__(self) -> int:
        return len(self.table)

    @property
    def clusters(self) -> pd.DataFrame:
        """Speaker and recording of each stimulus, for intervals."""
        return self.table[[name for name in UNITS if name in self.table]]

    @property
    def answers(self) -> np.ndarray:
        """Position of the most probable label, shape (training, stimulus)."""
        return self.log_p.argmax(axis=-1)

    def position(self, label: str) -> int:
        """Position of a label.

        Raises
        ------
        PerceptionError
            If it is not among them.
        """
        found = class_position(self.labels, label)
        if found is None:
            raise PerceptionError(f"there is no answer {label!r}; the model's are: {', '.join(self.labels)}")
        return found

    def where(self, rows: np.ndarray | pd.Series) -> Trials:
        """Some of the trials, by a mask or positions."""
        rows = np.asarray(rows)
        return replace(self, table=self.table[rows] if rows.dtype == bool else self.table.iloc[rows],
                       log_p=self.log_p[:, rows])  # fmt: skip

    def heard(self) -> Trials:
        """Those whose stimulus is what was asked for."""
        return self.where(~self.table["missed"].to_numpy(dtype=bool))

    def of(self, cue: str, spoken: str | None = None) -> Trials:
        """Those in which one cue was moved, of all classes or of the tokens of one."""
        chosen = self.table["cue"] == cue
        return self.where(chosen if spoken is None else chosen & (self.table["class"] == spoken))

    def by_cue(self) -> Iterator[tuple[str, str, Trials]]:
        """Yield class as spoken, cue, and those trials of both whose stimulus is what was asked for."""
        pairs = self.table[["class", "cue"]].drop_duplicates().sort_values(["class", "cue"])
        for spoken, cue in zip(pairs["class"].astype(str), pairs["cue"].astype(str), strict=True):
            yield spoken, cue, self.of(cue, spoken).heard()

    @property
    def unit(self) -> str:
        """Unit of the cue that was moved; empty where there are no trials."""
        return str(self.table["unit"].iloc[0]) if len(self.table) else ""

    def answered_by(self, log_p: np.ndarray) -> Trials:
        """The same stimuli, answered by another model."""
        return replace(self, log_p=log_p)


def log_probabilities(logits: np.ndarray, scores: str = "classes") -> np.ndarray:
    """Log probabilities of a model's scores, float64, same shape (…, labels).

    Parameters
    ----------
    logits
        Shape (…, labels).
    scores
        What they are, see `phonoscope.classifier.SCORES`.

    Raises
    ------
    PerceptionError
        If no probability belongs to them.
    """
    kind = SCORES[scores].probability
    if not kind:
        raise PerceptionError(
            f"the model gives {scores}, which are no answers to choose from: an identification experiment needs classes"
        )
    values = np.asarray(logits, dtype=np.float64)
    return log_softmax(values, axis=-1) if kind == "softmax" else log_expit(values)


def are_numbers(scores: str, labels: Sequence[str]) -> bool:
    """Whether a model's scores are numbers (a regression, similarities, one score alone), not answers to choose from.

    Parameters
    ----------
    scores
        What they are, see `phonoscope.classifier.SCORES`.
    labels
        Their names.
    """
    return not SCORES[scores].probability or len(labels) < 2


def calibrated(trials: Trials) -> Trials:
    """The same answers, as sure as they are right: log probabilities divided by one temperature (Guo et al. 2017).

    It is the one under which the classes of the stimuli that were not moved are most probable. A linear model of many
    cells and few tokens is far too sure of itself: its slopes would be many times too steep.

    Parameters
    ----------
    trials
        With stimuli of step 0 among them.
    """
    still = trials.where(trials.table["step"].to_numpy() == 0)
    spoken = np.array([trials.position(str(name)) for name in still.table["class"]], dtype=int)
    if not len(spoken):
        return trials

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(still.log_p / np.exp(log_temperature), axis=-1)
        return -float(scaled[:, np.arange(len(spoken)), spoken].mean())

    temperature = np.exp(minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded").x)
    return trials.answered_by(log_softmax(trials.log_p / temperature, axis=-1))


def ask(classifier: Classifier, sounds: Sequence[np.ndarray]) -> np.ndarray:
    """What a model answers to stimuli: log probabilities (stimulus, label).

    Parameters
    ----------
    classifier
        Or whatever `phonoscope.load` and `phonoscope.wrap` give.
    sounds
        1-D arrays at its sample rate.
    """
    return log_probabilities(ask_numbers(classifier, sounds), classifier.scores)


def ask_numbers(classifier: Classifier, sounds: Sequence[np.ndarray]) -> np.ndarray:
    """What a model gives for stimuli, as it gives it: scores (stimulus, label).

    Parameters
    ----------
    classifier, sounds
        As of `ask`.
    """
    lengths = np.array([len(sound) for sound in sounds])
    order = np.argsort(lengths, kind="stable")  # sounds of natural length are equally long in a batch
    logits = np.empty((len(sounds), len(classifier.labels)))
    logits[order] = classifier.logits([sounds[i] for i in order])
    return logits
