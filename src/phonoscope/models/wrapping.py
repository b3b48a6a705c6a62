"""Any model of others as a classifier of ours: what it takes and gives is found out by calling it once on noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from phonoscope.classifier import Classifier
from phonoscope.errors import ClassifierError
from phonoscope.frontends import FrontEnd, Recording
from phonoscope.models.picturing import at_picture
from phonoscope.models.probing import (
    answers_singly,
    applied_last,
    choose_part,
    find_call,
    label_names,
    looked_at,
    probe_inputs,
    refuse_unfit_weights,
)
from phonoscope.modules import gradients_reach
from phonoscope.networks import OUTSIDE
from phonoscope.networks.outside import Gives, Outside, Takes
from phonoscope.networks.outside.reading import Reader
from phonoscope.networks.outside.sources import as_model

# Recordings longer than this are heard in windows, so that memory does not grow with their length.
WINDOW_SECONDS = 30.0


def wrap(
    model: nn.Module | Callable[..., Any],
    sample_rate: int | None = None,
    labels: Sequence[str] | None = None,
    *,
    output: str | int | Callable[[Any], Tensor] | None = None,
    kind: str | None = None,
    activation: str | None = None,
    frames: str | float | tuple[float, float] = "mean",
    front_end: FrontEnd | None = None,
    window_seconds: float | None = WINDOW_SECONDS,
    picture: str | None = None,
) -> Classifier:
    """Make a classifier of any model: it can then be explained, judged, reported and viewed like one of our own.

    The model is called a few times on noise to find out whether it takes (batch, samples) or (batch, 1, samples), with
    lengths or a mask, and what it gives. It is left as it was, and it is not copied: its weights are the classifier's.

    Parameters
    ----------
    model
        A torch module, or a function that takes a list of 1-D float32 arrays and returns scores (sounds, labels).
    sample_rate
        Of the sounds that it takes, Hz; may be left out where ``front_end`` is given.
    labels
        Names of its scores, in their order; two for a single logit, first the class that it speaks against. By default
        those that the model has itself, or numbers.
    output
        Where it returns more than its scores: a key, a position, a path of both (``"0.logits"``), or a function from
        what it returns to scores (batch, labels).
    kind
        What the scores are, if that cannot be told from their shape: ``classes`` that exclude each other, several
        ``labels`` at once, ``one logit``, ``numbers`` (a regression), an ``embedding``, log probabilities of ``texts``.
    activation
        ``softmax`` or ``sigmoid`` if the model ends in one: it is undone, for logits are explained. ``none`` to explain
        the numbers as they are.
    frames
        What is explained of scores over time: their ``mean``, their ``max``, a time in s, or a stretch (from, to), s.
    front_end
        Makes the model's input: a `Spectrogram`, say, for models of pictures. By default recordings as they are;
        ``Recording(16000, usual_seconds=0.064)`` for models that take sounds of no usual length.
    window_seconds
        Recordings longer than this are heard in windows that overlap by half, and the answer is the mean over them;
        None to hear every recording in one piece.
    picture
        Name of the module inside the model whose output is a picture (a filter bank, a spectrogram): maps then begin
        there, with rows in Hz and columns in s, which are measured. Recordings are then heard in one piece.

    Raises
    ------
    ClassifierError
        If the model cannot be called, its scores and the labels do not agree, or its output can be read in several
        ways; the message says which argument decides.

    Examples
    --------
    >>> from torch import nn
    >>> pooled = [nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2)]
    >>> wrap(nn.Sequential(nn.Conv1d(1, 4, 32, 8), nn.ReLU(), *pooled), 16000, ["bonafide", "spoof"]).labels
    ['bonafide', 'spoof']
    """
    if isinstance(model, Classifier):
        return model
    if front_end is None:
        if not isinstance(sample_rate, (int, float, np.number)) or not sample_rate > 0:
            said = "" if sample_rate is None else f", and {sample_rate!r} is none"
            raise ClassifierError(
                f"the model does not say at which rate it takes sounds{said}: pass sample_rate= in Hz, e.g. 16000"
            )
        front_end = Recording(int(sample_rate))
    elif sample_rate not in (None, front_end.sample_rate):
        raise ClassifierError(f"sample_rate is {sample_rate} Hz, but the front end's is {front_end.sample_rate} Hz")
    if isinstance(labels, str):
        raise ClassifierError(f"labels are the text {labels!r}; name each score in a list: labels=[{labels!r}, …]")
    if window_seconds is not None and not window_seconds > 0:
        raise ClassifierError(f"window_seconds is {window_seconds}; expected more than 0, or None for no windows")
    names = None if labels is None else [str(label) for label in labels]
    wishes = Wishes(names, output, kind, activation, frames, window_seconds, picture=picture)
    return wrapped(as_model(model), front_end, wishes)


@dataclass(frozen=True)
class Wishes:
    """What was said of a model that is wrapped; the arguments are those of `wrap`.

    Parameters
    ----------
    ways
        Ways to call the model that are tried, where its own signature does not decide.
    """

    labels: Sequence[str] | None = None
    output: str | int | Reader | None = None
    kind: str | None = None
    activation: str | None = None
    frames: str | float | tuple[float, float] = "mean"
    window_seconds: float | None = WINDOW_SECONDS
    ways: Sequence[Takes] = ()
    picture: str | None = None


def wrapped(model: nn.Module, front_end: FrontEnd, wishes: Wishes) -> Classifier:
    """Make a classifier of a module and the front end that makes its input; see `wrap`.

    Parameters
    ----------
    model
        The module.
    front_end
        Makes its input; one of recordings notes for how long a sound the model was tried.
    wishes
        What was said of the model.
    """
    refuse_unfit_weights(model)
    output, names = wishes.output, wishes.labels
    reader = None if output is None or isinstance(output, (str, int)) else output
    path = "" if output is None or reader is not None else str(output)
    called = find_call(model, front_end, reader or path or None, wishes.ways)
    if output is None:
        path = choose_part(called, None if names is None else len(names))
    shape = called.shape_at(path, reader, None if names is None else len(names))
    kind = _kind(wishes.kind, shape.count, names, model)
    names = _names(kind, shape.count, names, model)
    gives = Gives(kind, path, "none", _frames(wishes.frames) if shape.over_time else "", shape.time_last)
    rate, time_axis, picture = front_end.sample_rate, front_end.time_axis, front_end.frequency_axis is not None
    # Columns of a stretched picture are as if it lasted 1 s.
    columns_per_second = time_axis.columns / (time_axis.seconds or 1.0) if picture else float(rate)
    network = Outside(
        model, called.takes, gives, sample_rate=rate, columns_per_second=columns_per_second, reader=reader
    )
    inputs = probe_inputs(model, front_end, called.samples)
    network.takes = replace(called.takes, singly=answers_singly(network, inputs))
    with looked_at(model):
        network.differentiable = gradients_reach(network, inputs[:1])
    network.gives = replace(gives, activation=_activation(wishes.activation, network, inputs))
    if front_end.natural and not picture:
        front_end.usual_seconds = seconds = called.samples / rate
        network.exact = called.longer is None
        # A text is heard as a whole.
        network.window_seconds = seconds if network.exact else wishes.window_seconds if kind != "texts" else None
    classifier = Classifier(
        front_end, network, names, scores=gives.scores, network_name=OUTSIDE, network_options=network.options
    )
    return at_picture(classifier, wishes.picture)


def with_source(classifier: Classifier, source: Mapping[str, Any]) -> Classifier:
    """Note how the model inside is built again when the classifier was saved; returns the classifier.

    Without such a note it must be passed as ``network=`` to ``Classifier.from_pretrained``.
    """
    if isinstance(classifier.network, Outside):
        classifier.network.source = dict(source)
        classifier.network_options = classifier.network.options
    return classifier


def _kind(kind: str | None, count: int, names: Sequence[str] | None, model: nn.Module) -> str:
    """What the scores are, by what was said, by the model itself, or by their number."""
    problem = getattr(getattr(model, "config", None), "problem_type", None)
    if kind is None and problem in ("multi_label_classification", "regression"):
        return "labels" if problem.startswith("multi") else "numbers"
    if kind is not None:
        return kind
    if count > 1:
        return "classes"
    if names is None:
        raise ClassifierError(
            "the model gives one number a sound: say what it is. For a logit, name both sides, first the one it speaks "
            'against: labels=["bonafide", "spoof"]; for a quantity, name it: labels=["F0"], kind="numbers"'
        )
    return "one logit" if len(names) == 2 else "numbers"


def _names(kind: str, count: int, names: Sequence[str] | None, model: nn.Module) -> list[str]:
    wanted = 2 if kind == "one logit" else count
    if names is None and kind == "one logit":
        raise ClassifierError(
            'one logit has two sides: name them, first the one it speaks against: labels=["no", "yes"]'
        )
    if names is None:
        return list(label_names(model, count))
    if len(names) != wanted or (kind == "one logit" and count != 1):
        raise ClassifierError(
            f"the model gives {count} {'score' if count == 1 else 'scores'} a sound, but {len(names)} labels were "
            f"given ({', '.join(names[:6])}); name each score, in the model's order, or choose another output="
        )
    return list(names)


def _activation(activation: str | None, network: Outside, inputs: Tensor) -> str:
    if activation is not None or network.gives.kind in ("numbers", "embedding", "texts"):
        return activation or "none"
    last = applied_last(network, inputs)
    if last == "none":
        return "none"
    how = f"it ends in a {last}" if last != "?" else "they all lie between 0 and 1"
    known = f"activation={last!r}" if last != "?" else "activation='softmax' or 'sigmoid'"
    raise ClassifierError(
        f"the model's scores look like probabilities: {how}. Pass {known} to turn them back into logits, or "
        "activation='none' to explain them as they are"
    )


def _frames(frames: str | float | tuple[float, float]) -> str:
    if isinstance(frames, str):
        return frames
    return f"{frames[0]:g}-{frames[1]:g}" if isinstance(frames, (tuple, list)) else f"{frames:g}"
