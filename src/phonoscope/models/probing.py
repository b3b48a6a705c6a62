"""Finding out how a model is called and what it gives, by calling it on noise; the model is left as it was."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from phonoscope.errors import ClassifierError
from phonoscope.frontends import FrontEnd
from phonoscope.modules import device_of, evaluation_mode, random_numbers_kept
from phonoscope.networks.outside import Outside, Takes
from phonoscope.networks.outside.calling import layouts, meanings_of, resets_of
from phonoscope.networks.outside.network import float_type
from phonoscope.networks.outside.reading import Reader, parts_of, picked, scores_in
from phonoscope.networks.outside.sources import FileModel, OnnxModel, ScriptModel

# Lengths that a model is tried with, s, then samples: what fixed-length models of speech are often made for.
_SECONDS = (1.0, 0.5, 2.0, 3.0, 4.0, 10.0, 0.1)
_SAMPLES = (64_600, 64_000, 512, 1024, 1536, 480_000, 160_000, 400, 256)
_LEVEL = 0.05
_LONGER = 1.5
# Names under which models keep the scores, where they return more than those.
_SCORE_NAMES = ("logits", "scores", "clipwise_output", "prediction", "predictions", "probs", "probabilities", "output")
_VIEWS = ("View", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Permute", "Slice", "Select", "T", "Alias", "Clone")
_VIEWS += ("ToCopy", "Expand", "UnsafeView", "Cat", "Stack")
_SAME = 1e-3  # of the spread of the scores: answers that differ by less are the same


@dataclass(frozen=True)
class Called:
    """A way to call a model that works, what came back, and for how long a sound.

    Parameters
    ----------
    output
        For two different sounds of ``samples``.
    longer
        The same for sounds half as long again; None where the model takes no other length.
    """

    takes: Takes
    samples: int
    output: Any
    longer: Any

    def shape_at(self, path: str, reader: Reader | None, labels: int | None) -> Shape:
        """What the scores are like that a path, or a reader, takes out of the output.

        Parameters
        ----------
        path, reader
            As of `Gives.read`.
        labels
            Number of labels, if it is known.
        """
        longer = None if self.longer is None else scores_in(self.longer, path, reader)
        return shape_of(scores_in(self.output, path, reader), longer, labels)


@contextmanager
def looked_at(model: nn.Module) -> Generator[None]:
    """Call a model inside this context: in evaluation mode, without a trace in its modes or in random numbers."""
    with random_numbers_kept(device_of(model)), evaluation_mode(model), torch.no_grad():
        yield


def refuse_unfit_weights(model: nn.Module) -> None:
    """Raise ClassifierError if a weight is not finite."""
    for name, values in model.state_dict().items():
        if isinstance(values, Tensor) and values.is_floating_point() and not bool(values.isfinite().all()):
            raise ClassifierError(f"the model's weights are not finite ({name}); load a checkpoint that is not damaged")


def find_call(
    model: nn.Module, front_end: FrontEnd, reader: Reader | str | None = None, ways: Sequence[Takes] = ()
) -> Called:
    """Find a way to call a model that gives an answer for each of two sounds.

    Parameters
    ----------
    model
        Any module.
    front_end
        Makes its input.
    reader
        Function, or path, that takes the scores out of the model's output; None for any tensor.
    ways
        Ways to try, where the model's signature does not decide.

    Raises
    ------
    ClassifierError
        If there is none; the message quotes what the model says.
    """
    problems: list[str] = []
    for samples in _lengths(front_end):
        for takes in ways or _ways(model, picture=front_end.frequency_axis is not None):
            answer = _tried(model, takes, front_end, samples, reader)
            if isinstance(answer, str):
                problems.append(f"{takes}: {answer}")
                continue
            longer = _tried(model, takes, front_end, round(_LONGER * samples), reader)
            return Called(takes, samples, answer, None if isinstance(longer, str) else longer)
    half = float_type(model) in (torch.float16, torch.bfloat16)
    advice = "Its weights are of half precision, which some steps do not know: try model.float(). " if half else ""
    raise ClassifierError(
        f"the model does not take {'pictures' if front_end.frequency_axis else 'sounds'}: {problems[0]}. {advice}If it "
        "takes none of the usual lengths, say one with front_end=Recording(sample_rate, usual_seconds=…); else wrap it "
        "in a module that takes (batch, samples)"
    )


def _lengths(front_end: FrontEnd) -> list[int]:
    """Samples of the sounds to try: usual lengths, or one where the front end's output has one size."""
    rate = front_end.sample_rate
    if not front_end.natural:
        return [round(rate * (front_end.time_axis.seconds or 1.0))]
    return list(dict.fromkeys([*(round(s * rate) for s in (front_end.usual_seconds, *_SECONDS)), *_SAMPLES]))


def _ways(model: nn.Module, *, picture: bool) -> Iterator[Takes]:
    """Ways to call a model, by its signature."""
    reset = resets_of(model)
    names = _required(model)[1:]
    if len(names) > 1:
        raise ClassifierError(
            f"the model wants {len(names) + 1} arguments ({', '.join(names)} beside the sound); wrap it in a module "
            "that takes the sound, and at most lengths or a mask"
        )
    beside = [("", "")] if not names else [(kind, names[0]) for kind in meanings_of(names[0])]
    for kind, name in beside:
        for layout in layouts(picture=picture):
            yield Takes(layout, kind, name if name.isidentifier() and _by_name(model, name) else "", reset)


def _required(model: nn.Module) -> list[str]:
    """Names of the arguments without which a model cannot be called."""
    if isinstance(model, OnnxModel):
        return model.arguments
    if isinstance(model, ScriptModel):
        schema = vars(model)["script"].forward.schema
        return [a.name for a in schema.arguments if a.name != "self" and not a.has_default_value()]
    parameters = list(inspect.signature(model.forward).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    first, rest = parameters[:1], parameters[1:]
    needed = [p for p in rest if p.default is p.empty and (p.kind in positional or p.kind is p.KEYWORD_ONLY)]
    return [p.name for p in (*first, *needed)]


def _by_name(model: nn.Module, name: str) -> bool:
    return not isinstance(model, FileModel) and name in inspect.signature(model.forward).parameters


def probe_sounds(samples: int, sample_rate: int) -> Tensor:
    """Two sounds of noise, the second of another colour and level, shape (2, samples)."""
    noise = torch.randn(2, samples, generator=torch.Generator().manual_seed(0)) * _LEVEL
    tone = torch.sin(torch.arange(samples) * (2 * torch.pi * 440 / sample_rate)) * _LEVEL
    return noise * torch.tensor([[1.0], [0.3]]) + torch.stack([torch.zeros(samples), tone])


def probe_inputs(model: nn.Module, front_end: FrontEnd, samples: int) -> Tensor:
    """What a front end makes of two sounds, on the model's device.

    Parameters
    ----------
    model
        It is left as it was, should the front end be a part of it.
    front_end
        Makes the model's input.
    samples
        Length of the sounds.
    """
    with looked_at(model):
        return front_end(probe_sounds(samples, front_end.sample_rate).to(device_of(model)))


def _tried(model: nn.Module, takes: Takes, front_end: FrontEnd, samples: int, reader: Reader | str | None) -> Any:
    """What a model gives for two sounds, or why it does not."""
    inputs = probe_inputs(model, front_end, samples)
    inputs = inputs.to(float_type(model) or inputs.dtype)
    with looked_at(model):
        try:
            output = takes.call(model, inputs, front_end.sample_rate)
        except Exception as error:  # what a foreign model raises is its own affair
            first = str(error).strip().partition("\n")[0][:200]
            return f"{type(error).__name__}: {first}"
    # A path that leads nowhere is an error whatever the layout.
    scores = output if not reader else picked(output, reader) if isinstance(reader, str) else reader(output)
    if not any(_is_answer(part) for part in parts_of(scores).values()):
        shapes = ", ".join(str(tuple(part.shape)) for part in parts_of(scores).values()) or type(scores).__name__
        return f"two sounds gave {shapes}, no row for each"
    return output


def _is_answer(part: Tensor) -> bool:
    return part.is_floating_point() and 1 <= part.dim() <= 3 and part.shape[0] == 2 and part.numel() > 0


class Shape(NamedTuple):
    """What a part of the output is: scores a sound, whether they come over time, and whether time comes last."""

    count: int
    over_time: bool
    time_last: bool


def shape_of(part: Tensor, longer: Tensor | None, labels: int | None) -> Shape:
    """Tell scores from frames: what grows with the length of the sound is time.

    Parameters
    ----------
    part, longer
        The same part of the output for two sounds, and for longer ones.
    labels
        Number of labels, if it is known.
    """
    sizes = part.shape[1:]
    grows = [longer is not None and size != longer.shape[i] for i, size in enumerate(sizes, 1)]
    if part.dim() == 1:
        return Shape(1, False, False)
    if part.dim() == 2:
        over_time = bool(grows and grows[0])
        return Shape(1 if over_time else sizes[0], over_time, False)
    time_last = grows == [False, True] or (not any(grows) and sizes[0] == labels and sizes[1] != labels)
    return Shape(sizes[0] if time_last else sizes[1], True, time_last)


def choose_part(called: Called, labels: int | None) -> str:
    """Path of the part of the output that holds the scores.

    Parameters
    ----------
    called
        What the model gave.
    labels
        Number of labels, if it is known.

    Raises
    ------
    ClassifierError
        If several may be meant.
    """
    parts = {path: part for path, part in parts_of(called.output).items() if _is_answer(part)}
    if len(parts) == 1:
        return next(iter(parts))
    named = [path for name in _SCORE_NAMES for path in parts if path.rpartition(".")[2].lower() == name]
    longer = parts_of(called.longer) if called.longer is not None else {}
    counts = {path: shape_of(part, longer.get(path), labels).count for path, part in parts.items()}
    right = [path for path in parts if counts[path] == labels]
    fitting = [path for path in parts if path in right or (labels == 2 and counts[path] == 1)]  # or one logit
    if named and (labels is None or named[0] in fitting):
        return named[0]
    for choice in (right, fitting):
        if len(choice) == 1:
            return choice[0]
    shapes = "; ".join(f"{path}: {tuple(part.shape)}" for path, part in parts.items())
    raise ClassifierError(
        f"the model gives several tensors for two sounds ({shapes}); say which holds the scores with output=, e.g. "
        f"output={next(iter(parts))!r}"
    )


def applied_last(network: Outside, inputs: Tensor) -> str:
    """What a model applied to its scores last: ``softmax``, ``sigmoid``, ``none``, or ``?`` where it does not show."""
    with looked_at(network), torch.enable_grad():
        values = network.raw(inputs.clone().requires_grad_())
        step, values = values.grad_fn, values.detach().float()
    if not bool(((values >= 0) & (values <= 1)).all()):
        return "none"
    if step is not None:
        while type(step).__name__.startswith(_VIEWS):
            before = next((function for function, _ in step.next_functions if function is not None), None)
            if before is None:
                break
            step = before
        name = type(step).__name__
        return "softmax" if name.startswith("Softmax") else "sigmoid" if name.startswith("Sigmoid") else "none"
    scores = values.movedim(1, -1) if network.gives.time_last and values.dim() == 3 else values
    sums_to_one = scores.dim() > 1 and scores.shape[-1] > 1 and bool((scores.sum(-1) - 1).abs().max() < _SAME)
    return "softmax" if sums_to_one else "?"


def answers_singly(network: Outside, inputs: Tensor) -> bool:
    """Whether a model must be given sounds one by one, because its answer depends on the others of the batch.

    Raises
    ------
    ClassifierError
        If its answer is not finite, or another one each time.
    """
    with looked_at(network):
        both, again = network(inputs), network(inputs)
        if not bool(both.isfinite().all()):
            raise ClassifierError("the model's output is not finite for plain noise; is it trained and loaded right?")
        spread = float(both.std()) + float(both.abs().max()) * _SAME + 1e-9
        if float((both - again).abs().max()) > _SAME * spread:
            raise ClassifierError(
                "the model gives another answer to the same sound each time: it draws at random or remembers earlier "
                "sounds. Switch that off first, or give it a method reset_states()"
            )
        alone = torch.cat([network(inputs[i : i + 1]) for i in range(len(inputs))])
    return float((both - alone).abs().max()) > _SAME * spread


def label_names(model: nn.Module, count: int) -> Sequence[str]:
    """Names that a model has for its scores itself, or their numbers."""
    names = getattr(getattr(model, "config", None), "id2label", None) or getattr(model, "labels", None)
    if isinstance(names, dict):
        names = [names[key] for key in sorted(names, key=int)]
    if isinstance(names, (list, tuple)) and len(names) == count:
        return [str(name) for name in names]
    return [str(number) for number in range(count)]
