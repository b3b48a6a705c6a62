"""What a network from elsewhere gives, and how that becomes one number a label."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from phonoscope.errors import ClassifierError

Reader = Callable[[Any], Tensor]

# What a model's numbers may be, and what a `Classifier` then calls its scores.
KINDS = {
    "classes": "classes",
    "labels": "labels",
    "one logit": "labels",
    "numbers": "numbers",
    "embedding": "embedding",
    "texts": "texts",
}
ACTIVATIONS = ("none", "softmax", "sigmoid")
# A probability of exactly 0 or 1 has no logit: as far from there as single precision tells apart from 1.
_LEAST = 1e-7


@dataclass(frozen=True)
class Gives:
    """What a model gives.

    Parameters
    ----------
    kind
        ``classes`` that exclude each other; several ``labels`` at once; ``one logit``, for the second of two labels and
        against the first; ``numbers``; an ``embedding``.
    output
        Which part of the output holds them: a key (``logits``), a position (``0``), both along a path (``0.logits``);
        the output itself where empty.
    activation
        What the model applied last: ``softmax`` or ``sigmoid`` are undone, so that scores are logits; or ``none``.
    frames
        Where scores are given over time: ``mean``, ``max``, a time in s, or ``from-to`` in s; empty where they are not.
    time_last
        Whether time is the last dimension of such scores: (batch, scores, frames).
    """

    kind: str = "classes"
    output: str = ""
    activation: str = "none"
    frames: str = ""
    time_last: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ClassifierError(f"a model's output is {self.kind!r}; choose one of {', '.join(KINDS)}")
        if self.activation not in ACTIVATIONS:
            raise ClassifierError(f"activation is {self.activation!r}; choose one of {', '.join(ACTIVATIONS)}")
        if self.frames and self.frames not in ("mean", "max"):
            _stretch(self.frames)

    @property
    def scores(self) -> str:
        """What a classifier calls these numbers, see `phonoscope.classifier.SCORES`."""
        return KINDS[self.kind]

    def __str__(self) -> str:
        where = f" under {self.output!r}" if self.output else ""
        undone = "" if self.activation == "none" else f"; its {self.activation} is undone"
        over = {"": "", "mean": ", the mean over its frames", "max": ", the largest of its frames"}
        time = over.get(self.frames, f", at {self.frames} s of the sound")
        return f"{_WORDS[self.kind]}{where}{time}{undone}"

    def read(self, values: Tensor, seconds: float) -> Tensor:
        """Scores (batch, labels) of the part of a model's output that holds them; ``seconds`` is the sounds' length."""
        if values.dim() == 1 or (self.frames and values.dim() == 2):
            values = values.unsqueeze(-1)  # one number a sound, or a frame
        if self.frames and self.time_last:
            values = values.transpose(1, 2)
        if values.dim() != (3 if self.frames else 2):
            raise ClassifierError(
                f"the output has shape {tuple(values.shape)}; expected "
                f"{'(batch, frames, scores)' if self.frames else '(batch, scores)'}. Choose the part of it with output="
            )
        values = _undone(values, self.activation)
        if self.frames:
            values = _over_time(values, self.frames, seconds)
        return torch.cat([-values, values], dim=1) if self.kind == "one logit" else values


_WORDS = {
    "classes": "scores of classes that exclude each other",
    "labels": "scores of labels, each of which may hold",
    "one logit": "one logit, for the second label and against the first",
    "numbers": "numbers",
    "embedding": "an embedding",
    "texts": "log probabilities of texts",
}


def picked(output: Any, path: str) -> Tensor:
    """Tensor at a path of keys and positions in what a model returned.

    Raises
    ------
    ClassifierError
        If there is no tensor at that path.
    """
    value = output
    for step in filter(None, path.split(".")):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, Sequence) and not isinstance(value, str) and _is_position(step, len(value)):
            value = value[int(step)]
        elif hasattr(value, step):
            value = getattr(value, step)
        elif isinstance(value, Mapping) and _is_position(step, len(value)):
            value = list(value.values())[int(step)]
        else:
            raise ClassifierError(f"the model's output has no part {path!r}; it has: {', '.join(parts_of(output))}")
    if not isinstance(value, Tensor):
        kind = type(value).__name__
        raise ClassifierError(
            f"the model's output {f'{path!r} ' if path else ''}is a {kind}, not a tensor; it has: "
            f"{', '.join(parts_of(output)) or 'no tensor'}. Choose one with output="
        )
    return value


def scores_in(output: Any, path: str, reader: Reader | None) -> Tensor:
    """The part of an output that holds the scores: at a path, or what a function takes out of it.

    Parameters
    ----------
    output
        What a model returned.
    path
        See `picked`; not used where there is a reader.
    reader
        Function from the output to the scores.
    """
    return picked(output, path) if reader is None else reader(output)


def parts_of(output: Any, prefix: str = "") -> dict[str, Tensor]:
    """Tensors in what a model returned, by their paths; the path of the output itself is empty."""
    if isinstance(output, Tensor):
        return {prefix: output}
    if isinstance(output, Mapping):
        inside = [(str(key), value) for key, value in output.items()]
    elif isinstance(output, Sequence) and not isinstance(output, str):
        fields = getattr(output, "_fields", range(len(output)))
        inside = [(str(key), value) for key, value in zip(fields, output, strict=True)]
    else:
        return {}
    paths: dict[str, Tensor] = {}
    for key, value in inside:
        paths |= parts_of(value, f"{prefix}.{key}" if prefix else key)
    return paths


def _is_position(step: str, count: int) -> bool:
    return step.removeprefix("-").isdigit() and -count <= int(step) < count


def _undone(values: Tensor, activation: str) -> Tensor:
    if activation == "softmax":
        return values.clamp_min(_LEAST).log()
    return values.logit(_LEAST) if activation == "sigmoid" else values


def _stretch(frames: str) -> tuple[float, float]:
    """First and last instant of ``0.25`` or ``0.2-0.35``, s."""
    first, _, last = frames.partition("-")
    try:
        start, end = float(first), float(last or first)
    except ValueError:
        start, end = math.nan, math.nan
    if not 0 <= start <= end:
        raise ClassifierError(f"frames is {frames!r}; choose mean, max, a time in s (0.25) or a stretch (0.2-0.35)")
    return start, end


def _over_time(values: Tensor, frames: str, seconds: float) -> Tensor:
    """One value a score of scores over time (batch, frames, scores)."""
    if frames == "mean":
        return values.mean(1)
    if frames == "max":
        return values.amax(1)
    start, end = _stretch(frames)
    count = values.shape[1]
    if start > seconds:
        raise ClassifierError(f"frames is {frames!r} s, but the sound lasts {seconds:.3f} s")
    # Frame i is centred at (i + 1/2) of the sound's length over their number.
    first = min(int(start / seconds * count), count - 1)
    last = min(max(math.ceil(end / seconds * count), first + 1), count)
    return values[:, first:last].mean(1)
