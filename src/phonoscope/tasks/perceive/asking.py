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
from phonoscope.experiments.evidence_controls import training_tokens
from phonoscope.experiments.folder import Run
from phonoscope.experiments.held_out import classifier_folder, load_classifier
from phonoscope.experiments.loading import load_model
from phonoscope.experiments.parts import Ask, PartTokens, Progress, Source, groups_of, make_parts
from phonoscope.experiments.twin import pictures_through
from phonoscope.perception.presenting import Continuum, present
from phonoscope.perception.trials import ask
from phonoscope.phonetics.discriminant import fit_discriminant
from phonoscope.work.executor import Executor

NETWORK, RANDOM, LINEAR = "network", "random", "linear"
CONTROLS = (RANDOM, LINEAR)
_TOKENS_AT_A_TIME = 16

Answering = Callable[[Sequence[np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Asking:
    """All that answers depend on beside the tokens and what is done to them.

    Parameters
    ----------
    source
        The run.
    identity
        Checksums of its tokens and classifiers.
    judged
        Names of all tokens that are asked about: no twin learns from them.
    """

    source: str
    identity: str
    ceiling: float
    seed: int
    judged: tuple[str, ...]
    trust_imports: bool
    device: str
    sample_rate: int | None
    context_seconds: float

    def asked(self, part: PartTokens) -> Asked:
        """Those who answer about the tokens of a part, which are of one fold."""
        return _ready(Asking(*(getattr(self, each.name) for each in fields(Asking))), int(part.tokens["fold"].iloc[0]))


@dataclass(frozen=True)
class AskingCues(Asking):
    """Tokens moved along continua, one cue at a time; see `phonoscope.experiments.parts.Ask`."""

    continua: tuple[Continuum, ...]
    shams: bool

    def rows(self, part: PartTokens) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
        """Yield stimuli with their answers, some tokens at a time."""
        asked = self.asked(part)
        for first in range(0, len(part.tokens), _TOKENS_AT_A_TIME):
            some = slice(first, first + _TOKENS_AT_A_TIME)
            made = present(
                part.tokens.iloc[some],
                part.sounds[some],
                part.sample_rate,
                self.continua,
                context=part.context_seconds,
                pictures=asked.pictures if self.shams else None,
                device=self.device,
                ceiling=self.ceiling,
            )
            sounds, place = each_once(made.sounds)
            answers = {name: values[place] for name, values in asked.answers(sounds).items()}
            yield with_answers(made.table, answers), {"absent": asked.absent}


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


def with_answers(table: pd.DataFrame, answers: Mapping[str, np.ndarray]) -> pa.Table:
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
class Asked:
    """Those who answer about one fold's tokens.

    Parameters
    ----------
    answering
        By name: what gives log probabilities (sound, label), one a training.
    pictures
        From sounds to the network's pictures (sound, cell).
    absent
        Why somebody does not answer, by name.
    """

    answering: dict[str, list[Answering]]
    pictures: Answering
    absent: dict[str, str]

    def answers(self, sounds: Sequence[np.ndarray], draws: int | None = None) -> dict[str, np.ndarray]:
        """What everybody answers, by name: log probabilities (sound, training, label).

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


@lru_cache(maxsize=1)
def _ready(asking: Asking, fold: int) -> Asked:
    """Load the classifiers of a fold and make their controls; once a process and fold."""
    run = Run(asking.source)
    trainings = [each.to(asking.device) for each in trainings_of_fold(run, fold, trust_imports=asking.trust_imports)]
    labels = list(trainings[0].labels)
    pictures = _pictures_of(trainings[0])
    answering: dict[str, list[Answering]] = {NETWORK: [_answers_of(each) for each in trainings]}
    absent: dict[str, str] = {}
    try:
        drawn = [with_random_weights(each, asking.seed + i) for i, each in enumerate(trainings)]
        answering[RANDOM] = [_answers_of(each) for each in drawn]
    except PhonoscopeError as error:
        absent[RANDOM] = str(error)
    try:
        answering[LINEAR] = [_twin(run, fold, set(asking.judged), labels, pictures)]
    except PhonoscopeError as error:
        absent[LINEAR] = str(error)
    return Asked(answering, pictures, absent)


def trainings_of_fold(run: Run, fold: int, *, trust_imports: bool = False) -> list[Classifier]:
    """The classifiers that never met the tokens of a fold: that of the run, and those of its further trainings.

    Parameters
    ----------
    run
        A finished run.
    fold
        Number of the fold.
    trust_imports
        Allow them to import their networks' code.
    """
    first = load_classifier(run, fold, trust_imports=trust_imports)
    return [first, *(load_model(folder, trust_imports=trust_imports) for folder in _folders(run, fold)[1:])]


def folders_of(run: Run, folds: Sequence[int]) -> list[Path]:
    """Folders of all classifiers that are asked."""
    return list(dict.fromkeys(folder for fold in folds for folder in _folders(run, fold)))


def _folders(run: Run, fold: int) -> list[Path]:
    """Folders of a fold's classifiers: that of the run, then those of its further trainings."""
    return [classifier_folder(run, fold), *sorted(run.folder.glob(f"trainings/seed-*/{fold}/classifier"), key=_seed)]


def _seed(folder: Path) -> int:
    return int(folder.parts[-3].removeprefix("seed-"))


def _answers_of(classifier: Classifier) -> Answering:
    return lambda sounds: ask(classifier, sounds)


def _pictures_of(classifier: Classifier) -> Answering:
    front_end = picture_of(classifier)
    return lambda sounds: pictures_through(front_end, sounds)


def _twin(run: Run, fold: int, judged: set[str], labels: Sequence[str], pictures: Answering) -> Answering:
    """A linear discriminant on the network's pictures of tokens that its classifier was trained on."""
    waveforms, classes = training_tokens(run, fold, judged)
    if set(classes) != set(labels):
        lacking = ", ".join(sorted(set(labels) - set(classes))) or "others"
        raise PhonoscopeError(f"there are no tokens to train a twin on (of {lacking})")
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


def with_probabilities(table: pd.DataFrame, log_p: np.ndarray, labels: Sequence[str]) -> pd.DataFrame:
    """Stimuli with the mean probability of each label over trainings, and the most probable one.

    Parameters
    ----------
    table
        One row a stimulus.
    log_p
        Log probabilities (training, stimulus, label).
    labels
        The answers to choose from.
    """
    p = np.exp(log_p).mean(axis=0)
    named = {f"p_{label}": p[:, i] for i, label in enumerate(labels)}
    return table.assign(answer=np.asarray(labels, dtype=object)[p.argmax(axis=1)], **named)
