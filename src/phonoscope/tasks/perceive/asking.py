"""What is asked of whom: the stimuli of some tokens, and the answers of every training and of what stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import log_softmax

from phonoscope.classifier import Classifier
from phonoscope.errors import PhonoscopeError
from phonoscope.evidence.controls import picture_of
from phonoscope.evidence.randomisation import with_random_weights
from phonoscope.experiments.parts import PartTokens
from phonoscope.experiments.twin import pictures_through
from phonoscope.perception.presenting import Continuum, Presented, present
from phonoscope.perception.trials import are_numbers, ask, ask_numbers
from phonoscope.phonetics.discriminant import fit_discriminant
from phonoscope.tasks.asked.who import Asked, Learnt

NETWORK, RANDOM, LINEAR = "network", "random", "linear"
CONTROLS = (RANDOM, LINEAR)
_TOKENS_AT_A_TIME, _SECONDS_AT_A_TIME = 16, 32.0
_NAMED = 4  # labels, of many
MOST_LABELS = 30  # that are followed

Answering = Callable[[Sequence[np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Asking:
    """All that the answers depend on beside the tokens; see `phonoscope.experiments.parts.Ask`.

    Parameters
    ----------
    asked
        The run or the model.
    identity
        What stands for its classifiers, and for their tokens.
    judged
        Names of all tokens that are asked about: no twin learns from them.
    """

    asked: Asked
    identity: str
    continua: tuple[Continuum, ...]
    shams: bool
    ceiling: float
    seed: int
    judged: tuple[str, ...]
    device: str
    sample_rate: int | None
    context_seconds: float

    def rows(self, part: PartTokens) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
        """Yield stimuli with their answers, some tokens at a time."""
        who = _ready(self, int(part.tokens["fold"].iloc[0]))
        for some in some_at_a_time([len(sound) / part.sample_rate for sound in part.sounds]):
            made = present(
                part.tokens.iloc[some],
                part.sounds[some],
                part.sample_rate,
                self.continua,
                context=part.context_seconds,
                pictures=who.pictures if self.shams else None,
                device=self.device,
                ceiling=self.ceiling,
            )
            table = who.answered(made)
            table["pattern"] = table["pattern"].astype("Int64")
            table["speaker"] = table["speaker"].astype("string")
            yield pa.Table.from_pandas(table, preserve_index=False), {"absent": who.absent}


def some_at_a_time(seconds: Sequence[float]) -> Iterator[slice]:
    """Divide sounds that last so long into blocks: at most 16 of them, and 32 s, or a single longer one."""
    first, total = 0, 0.0
    for place, each in enumerate(seconds):
        if place > first and (place - first >= _TOKENS_AT_A_TIME or total + each > _SECONDS_AT_A_TIME):
            yield slice(first, place)
            first, total = place, 0.0
        total += each
    if first < len(seconds):
        yield slice(first, len(seconds))


@dataclass(frozen=True)
class Who:
    """Those who answer about some tokens.

    Parameters
    ----------
    answering
        By name: every training of the network, and its controls.
    pictures
        From sounds to the network's pictures (sound, cell).
    absent
        Which controls there are not, and why.
    """

    answering: dict[str, list[Answering]]
    pictures: Answering
    absent: dict[str, str]

    def answered(self, made: Presented) -> pd.DataFrame:
        """Table of the stimuli with a column of everybody's answers or numbers, (training, label) laid flat."""
        answers = {
            name: np.stack([answer(made.sounds) for answer in who], axis=1) for name, who in self.answering.items()
        }
        return made.table.assign(**{name: list(values.reshape(len(values), -1)) for name, values in answers.items()})


def who_answers(trainings: Sequence[Classifier], seed: int, learnt: Callable[[], Learnt]) -> Who:
    """The networks, and what stands beside them as far as it can be made.

    Parameters
    ----------
    trainings
        The classifiers, where they compute.
    seed
        Of random weights.
    learnt
        Gives sounds and classes for the linear twin.
    """
    pictures = _pictures_of(trainings[0])
    answering: dict[str, list[Answering]] = {NETWORK: [_answers_of(each) for each in trainings]}
    absent: dict[str, str] = {}
    try:
        drawn = [with_random_weights(each, seed + i) for i, each in enumerate(trainings)]
        answering[RANDOM] = [_answers_of(each) for each in drawn]
    except PhonoscopeError as error:
        absent[RANDOM] = str(error)
    try:
        answering[LINEAR] = [_twin(*learnt(), list(trainings[0].labels), pictures)]
    except PhonoscopeError as error:
        absent[LINEAR] = str(error)
    return Who(answering, pictures, absent)


@lru_cache(maxsize=1)
def _ready(asking: Asking, fold: int) -> Who:
    """Load the classifiers of a fold and make their controls; once a process and fold."""
    trainings = [each.to(asking.device) for each in asking.asked.trainings(fold)]
    return who_answers(trainings, asking.seed, lambda: asking.asked.learnt(fold, set(asking.judged)))


def _answers_of(classifier: Classifier) -> Answering:
    answer = ask_numbers if are_numbers(classifier.scores, classifier.labels) else ask
    return lambda sounds: answer(classifier, sounds)


def _pictures_of(classifier: Classifier) -> Answering:
    front_end = picture_of(classifier)
    return lambda sounds: pictures_through(front_end, sounds)


def _twin(
    waveforms: Sequence[np.ndarray], classes: Sequence[str], labels: Sequence[str], pictures: Answering
) -> Answering:
    """A linear discriminant on the network's pictures of tokens that its classifier was trained on."""
    lacking = sorted(set(labels) - set(classes))
    if lacking or set(classes) != set(labels):
        named = ", ".join([*lacking[:_NAMED], *(["…"] if len(lacking) > _NAMED else [])]) or "others"
        raise PhonoscopeError(f"there are no tokens to train a twin on (of {named})")
    model = fit_discriminant(pictures(waveforms), np.asarray(classes, dtype=object))
    order = [list(model.classes).index(label) for label in labels]
    return lambda sounds: log_softmax(model.scores(pictures(sounds))[:, order], axis=1)


def answers_in(table: pd.DataFrame, name: str, labels: int) -> np.ndarray:
    """Answers (training, stimulus, label) as they are stored in a column of the parts.

    Parameters
    ----------
    table
        Rows of the parts.
    name
        Who answered: a column.
    labels
        How many labels there are.
    """
    values = np.stack(table[name].to_list()) if len(table) else np.zeros((0, labels))
    return values.reshape(len(table), -1, labels).transpose(1, 0, 2)


def followed(
    answers: Mapping[str, np.ndarray], labels: Sequence[str], classes: Sequence[str]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Answers with those labels that are followed: all, or of many those that are answered most often.

    Parameters
    ----------
    answers
        By who answered: log probabilities (training, stimulus, label).
    labels
        Of the model.
    classes
        Of the tokens; they are always followed.
    """
    if len(labels) <= MOST_LABELS:
        return dict(answers), list(labels)
    given = np.bincount(answers[NETWORK].argmax(axis=-1).ravel(), minlength=len(labels))
    spoken = np.isin(np.asarray(labels, dtype=object), np.unique(np.asarray(classes, dtype=object)))
    first = np.lexsort((-given, ~spoken))[: max(MOST_LABELS, int(spoken.sum()))]
    kept = np.sort(first)
    return {name: values[..., kept] for name, values in answers.items()}, [labels[i] for i in kept]
