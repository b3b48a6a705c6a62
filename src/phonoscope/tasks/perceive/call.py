"""A perception experiment in one call: any model and some sounds, no folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.classifier import Classifier
from phonoscope.errors import PerceptionError
from phonoscope.models import wrap
from phonoscope.perception import Continuum, present
from phonoscope.perception.trials import are_numbers
from phonoscope.tasks.asked.material import ALL, own_answers, refuse_embedding
from phonoscope.tasks.perceive.asking import (
    CONTROLS,
    NETWORK,
    Learnt,
    answers_in,
    followed,
    some_at_a_time,
    who_answers,
    with_answers,
)
from phonoscope.tasks.perceive.experiment import conclusions, said_of_cues


@dataclass(frozen=True)
class Heard:
    """What a model heard.

    Parameters
    ----------
    stimuli
        One row a stimulus: what was moved, intended, achieved and measured, the ``answer``, and ``p_<label>``, the
        probability of each label; of a model that gives numbers, ``value_<label>``.
    curves, slopes, boundaries, weights, made
        As of `phonoscope.perception`: shares of answers along the steps, slopes of log odds, boundaries, cue weights,
        and how well the stimuli were made.
    sentences
        One a cue.
    absent
        Controls that could not be asked, and why.
    """

    stimuli: pd.DataFrame
    curves: pd.DataFrame
    slopes: pd.DataFrame
    boundaries: pd.DataFrame
    weights: pd.DataFrame
    made: pd.DataFrame
    sentences: list[str]
    absent: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join(self.sentences)


def perceive(
    model: Classifier | Callable[..., Any],
    waveforms: Sequence[np.ndarray],
    sample_rate: float,
    *,
    cues: Sequence[str] = ("f1", "f2", "f3"),
    steps: Mapping[str, Sequence[float]] | None = None,
    labels: Sequence[str] | None = None,
    speakers: Sequence[str] | None = None,
    context_seconds: float = 0.0,
    shams: bool = True,
    seed: int = 0,
) -> Heard:
    """Ask a model about sounds that are changed in one property, as one asks a listener.

    Parameters
    ----------
    model
        A classifier, as of `phonoscope.load` and `phonoscope.wrap`; a torch module or a function goes through `wrap`.
    waveforms
        1-D arrays, one a token.
    sample_rate
        Of the waveforms, Hz: that of the model.
    cues
        Names of the properties that are moved, see `phonoscope.manipulate.cues`.
    steps
        How far, by cue; the usual steps of the cue where it is not named.
    labels
        Class of each token, one of the model's labels; by default what the model answers to it as it is. Not used where
        the model gives numbers.
    speakers
        Of each token, for intervals.
    context_seconds
        Sound before and after each token in its waveform, which the model does not hear.
    shams
        Whether changes of equal size that move no resonance are presented too.
    seed
        Of random weights.

    Raises
    ------
    PerceptionError
        If the model gives no answers to choose from, or labels and waveforms do not fit it.

    Examples
    --------
    >>> import numpy as np
    >>> def level(sounds):
    ...     return np.array([[0.0, np.log(np.mean(np.square(sound))) + 6] for sound in sounds])
    >>> tones = [np.float32(0.1 * np.sin(2 * np.pi * f * np.arange(4000) / 16000)) for f in (180, 200, 220)]
    >>> heard = perceive(level, tones, 16000, cues=["level"], shams=False)
    >>> round(float(heard.slopes["slope"].abs().iloc[0]), 3)  # ln(10) / 10 in a dB
    0.23
    """
    classifier = _classifier(model, sample_rate)
    tokens = _tokens(classifier, waveforms, labels, speakers, round(context_seconds * sample_rate))

    def nothing() -> Learnt:
        raise PerceptionError("there are no further tokens to train it on")

    who = who_answers([classifier], seed, nothing)
    continua = [Continuum(cue, tuple((steps or {}).get(cue, ()))) for cue in cues]
    asked = []
    for some in some_at_a_time([len(waveform) / sample_rate for waveform in waveforms]):
        pictures = who.pictures if shams else None
        made = present(
            tokens.iloc[some], waveforms[some], int(sample_rate), continua, context=context_seconds, pictures=pictures
        )
        asked.append(who.answered(made).to_pandas())
    table = pd.concat(asked, ignore_index=True)
    names = [NETWORK, *(name for name in CONTROLS if name in table)]
    answers = {name: answers_in(table, name, len(classifier.labels)) for name in names}
    stimuli = table.drop(columns=names)
    numbers = are_numbers(classifier.scores, classifier.labels)
    tables = conclusions(stimuli, *followed(answers, classifier.labels, tokens["class"].tolist()), numbers=numbers)
    stimuli = with_answers(stimuli, answers[NETWORK], classifier.labels, numbers=numbers)
    sentences = said_of_cues(tables, cues, numbers=numbers)
    kept = {name: tables[name] for name in ("curves", "slopes", "boundaries", "weights", "made")}
    return Heard(stimuli, **kept, sentences=sentences, absent=who.absent)


def _classifier(model: Classifier | Callable[..., Any], sample_rate: float) -> Classifier:
    """The model as a classifier that gives answers to choose from, at the rate of the sounds."""
    found = model if isinstance(model, Classifier) else wrap(model, int(sample_rate))
    if found.sample_rate != sample_rate:
        raise PerceptionError(
            f"the model takes sounds at {found.sample_rate} Hz, these are at {sample_rate:g} Hz: read them with "
            f"phonoscope.read_audio(path, {found.sample_rate})"
        )
    refuse_embedding(found)
    return found


def _tokens(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray],
    labels: Sequence[str] | None,
    speakers: Sequence[str] | None,
    context: int,
) -> pd.DataFrame:
    """Token table of waveforms with so many samples of context; each is of a class of the model's."""
    for what, given in (("labels", labels), ("speakers", speakers)):
        if given is not None and len(given) != len(waveforms):
            raise PerceptionError(f"{len(given)} {what} for {len(waveforms)} waveforms; give one to each")
    if are_numbers(classifier.scores, classifier.labels):
        classes = np.full(len(waveforms), ALL, dtype=object)
    elif labels is None:
        classes = own_answers(classifier, [waveform[context : len(waveform) - context] for waveform in waveforms])
    else:
        places = [classifier.index_of(str(label)) for label in labels]
        classes = np.asarray(classifier.labels, dtype=object)[places]
    tokens = pd.DataFrame({"token": np.arange(len(waveforms)).astype(str), "class": classes})
    return tokens.assign(recording=tokens["token"], speaker=None if speakers is None else list(speakers))
