"""What is asked of whom: the stimuli of some tokens, and the answers of every training and of what stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import log_softmax

from phonoscope.classifier import Classifier
from phonoscope.errors import PhonoscopeError
from phonoscope.evidence.controls import picture_of
from phonoscope.evidence.randomisation import with_random_weights
from phonoscope.experiments.parts import Ask, PartTokens, Progress, Source, groups_of, make_parts
from phonoscope.experiments.twin import pictures_through
from phonoscope.perception.presenting import Continuum, Presented, present
from phonoscope.perception.trials import are_numbers, ask, ask_numbers
from phonoscope.phonetics.discriminant import fit_discriminant
from phonoscope.tasks.asked.who import Asked, Learnt
from phonoscope.tasks.perceive.names import CONTROLS, LINEAR, NETWORK, RANDOM
from phonoscope.work.executor import Executor

_TOKENS_AT_A_TIME, _SECONDS_AT_A_TIME = 16, 32.0
_NAMED = 4  # labels, of many
MOST_LABELS = 30  # that are followed

Answering = Callable[[Sequence[np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Asking:
    """All that answers depend on beside the tokens and what is done to them.

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
    ceiling: float
    seed: int
    judged: tuple[str, ...]
    device: str
    sample_rate: int | None
    context_seconds: float

    def who(self, part: PartTokens) -> Who:
        """Those who answer about the tokens of a part, which are of one fold."""
        return _ready(Asking(*(getattr(self, each.name) for each in fields(Asking))), int(part.tokens["fold"].iloc[0]))


@dataclass(frozen=True)
class AskingCues(Asking):
    """Tokens moved along continua, one cue at a time; see `phonoscope.experiments.parts.Ask`."""

    continua: tuple[Continuum, ...]
    shams: bool

    def rows(self, part: PartTokens) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
        """Yield stimuli with their answers, some tokens at a time."""
        who = self.who(part)
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
            yield who.answered(made), {"absent": who.absent}


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


def each_once(sounds: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Sounds without those that are there already, and the place of each among them.

    What is not moved is the same along every cue.

    Parameters
    ----------
    sounds
        1-D arrays.
    """
    places: dict[bytes, int] = {}
    found = np.array([places.setdefault(sound.tobytes(), len(places)) for sound in sounds], dtype=int)
    return [sounds[i] for i in np.unique(found, return_index=True)[1]], found


def as_rows(table: pd.DataFrame, answers: Mapping[str, np.ndarray]) -> pa.Table:
    """Stimuli with a column of answers of each who was asked, as a part holds them; see `answers_in`.

    Parameters
    ----------
    table
        One row a stimulus.
    answers
        By who answered: (stimulus, training, label).
    """
    lists = {name: list(values.reshape(len(values), -1)) for name, values in answers.items()}
    table = table.assign(**lists, speaker=table["speaker"].astype("string"))
    if "pattern" in table:
        table["pattern"] = table["pattern"].astype("Int64")
    return pa.Table.from_pandas(table, preserve_index=False)


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

    def answered(self, made: Presented) -> pa.Table:
        """Stimuli with everybody's answers; sounds that stand there twice are asked about once."""
        sounds, place = each_once(made.sounds)
        return as_rows(made.table, {name: values[place] for name, values in self.answers(sounds).items()})

    def answers(self, sounds: Sequence[np.ndarray], draws: int | None = None) -> dict[str, np.ndarray]:
        """What everybody answers, by name: log probabilities or numbers (sound, training, label).

        Parameters
        ----------
        sounds
            1-D arrays.
        draws
            How many drawings of random weights are asked; as many as trainings by default.
        """
        return {
            name: np.stack([answer(sounds) for answer in (who[:draws] if name == RANDOM else who)], axis=1)
            for name, who in self.answering.items()
        }


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


@dataclass(frozen=True)
class Answered:
    """Stimuli, and what everybody answered.

    Parameters
    ----------
    table
        One row a stimulus.
    answers
        By who answered: log probabilities (training, stimulus, label).
    absent
        Who did not answer, and why.
    """

    table: pd.DataFrame
    answers: dict[str, np.ndarray]
    absent: dict[str, str]


def answered(
    asking: Ask, sources: Sequence[Source], folder: Path, labels: int, *, executor: Executor, progress: Progress
) -> Answered:
    """Ask, part by part, and put what was answered together.

    Parameters
    ----------
    asking
        What is done to the tokens.
    sources, folder, executor, progress
        As of `phonoscope.experiments.parts.make_parts`.
    labels
        How many labels there are.
    """
    stimuli, absent = [], {}
    for rows, facts in groups_of(make_parts(asking, sources, folder, executor=executor, progress=progress)):
        stimuli.append(rows.to_pandas())
        absent |= facts["absent"]
    table = pd.concat(stimuli, ignore_index=True)
    names = [NETWORK, *(name for name in CONTROLS if name in table)]
    return Answered(table.drop(columns=names), {name: answers_in(table, name, labels) for name in names}, absent)


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


def with_answers(
    table: pd.DataFrame, log_p: np.ndarray, labels: Sequence[str], *, numbers: bool = False
) -> pd.DataFrame:
    """Stimuli with the most probable label (``answer``) and each one's mean probability over trainings (``p_<label>``).

    Of a model that gives numbers, with these (``value_<label>``).

    Parameters
    ----------
    table
        Stimuli.
    log_p
        Log probabilities (training, stimulus, label).
    labels
        Their names.
    numbers
        Whether the model gives numbers.
    """
    if numbers:
        values = pd.DataFrame(log_p.mean(axis=0), columns=[f"value_{label}" for label in labels], index=table.index)
        return pd.concat([table, values], axis=1)
    p = np.exp(log_p).mean(axis=0)
    answers = np.asarray(labels, dtype=object)[p.argmax(axis=1)]
    named = pd.DataFrame(p, columns=[f"p_{label}" for label in labels], index=table.index)
    return pd.concat([table.assign(answer=answers), named], axis=1)
