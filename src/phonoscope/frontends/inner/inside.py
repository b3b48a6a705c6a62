"""Running a model up to a picture that one of its modules makes, and from such a picture on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from phonoscope.errors import ClassifierError
from phonoscope.frontends.contract import FrontEnd
from phonoscope.frontends.inner.axes import Layout, PictureAxes, measure_axes
from phonoscope.modules import (
    device_of,
    evaluation_mode,
    hooked,
    is_scripted,
    layers_of,
    named_layer,
    names_in_words,
    random_numbers_kept,
)

# What the model is given where a picture takes the place of what it makes of a sound; and the share of the difference
# between two answers that may depend on it.
_FAINT, _SAME = 1e-3, 1e-3

# Runs a model on its input, (batch, 1, samples), and returns whatever it answers.
Run = Callable[[Tensor], Any]


class _ReachedError(BaseException):
    """Ends a forward pass where the picture is made; no ``except Exception`` of a model stands in its way."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


def picture_of(model: nn.Module, picture: str, run: Run, inputs: Tensor) -> Tensor:
    """Run a model, in evaluation mode, up to one of its modules, whose output is returned.

    Parameters
    ----------
    model, picture
        The model, and the name of the module.
    run
        Runs the model.
    inputs
        Shape (batch, 1, samples).

    Raises
    ------
    ClassifierError
        If the module does not run, or gives something else than one tensor.
    """

    def stop(_name: str, _module: nn.Module, _args: Any, output: Any) -> None:
        raise _ReachedError(output)

    try:
        with evaluation_mode(model), hooked([(picture, named_layer(model, picture))], stop):
            run(inputs)
    except _ReachedError as reached:
        if not isinstance(reached.output, Tensor):
            kind = type(reached.output).__name__
            raise ClassifierError(f"module {picture!r} gives a {kind}; a picture is one tensor") from None
        return reached.output
    raise ClassifierError(f"module {picture!r} does not run when the model hears a sound")


def answer_to(model: nn.Module, picture: str, layout: Layout, run: Run, pictures: Tensor) -> Any:
    """What a model answers if one of its modules had made these pictures.

    The model runs on faint noise of the right length, and the picture takes the place of the module's output.

    Parameters
    ----------
    model, picture, run
        As of `picture_of`.
    layout
        Of the picture in the module's output.
    pictures
        Shape (batch, 1, rows, columns).
    """
    samples = layout.samples_of(pictures.shape[3])
    faint = torch.randn(samples, generator=torch.Generator().manual_seed(0)) * _FAINT
    given = layout.as_output(pictures)

    def exchange(_name: str, _module: nn.Module, _args: Any, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or output.shape != given.shape:
            made = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ClassifierError(
                f"module {picture!r} makes {made} of a sound of {samples} samples; the picture that is to take its "
                f"place is {tuple(given.shape)}"
            )
        return given.to(output.dtype)

    with hooked([(picture, named_layer(model, picture))], exchange):
        return run(faint.to(pictures).expand(len(pictures), 1, -1))


def find_picture(
    model: nn.Module, picture: str, of: FrontEnd, run: Run, seconds: float = 1.0, *, singly: bool = False
) -> PictureAxes:
    """Measure the axes of a picture that arises inside a model, which is left as it was.

    Parameters
    ----------
    model, picture, run
        As of `picture_of`.
    of
        Front end that makes the model's input.
    seconds
        Length of the sounds that are measured with.
    singly
        Whether the model must be given sounds one by one.

    Raises
    ------
    ClassifierError
        If there is no such module, it makes no picture (see `measure_axes`), or the sound reaches the answer past it.
    """
    if is_scripted(model):
        raise ClassifierError(
            f"the model is TorchScript, which cannot be entered: no picture {picture!r} can be seen in it. Load it "
            "from its Python code"
        )
    if picture not in layers_of(model):
        raise ClassifierError(f"the model has no module {picture!r}; it has: {names_in_words(layers_of(model))}")
    device = device_of(model)

    def make(sounds: Tensor) -> Tensor:
        parts = sounds.to(device).split(1 if singly else len(sounds))
        return torch.cat([picture_of(model, picture, run, of(part)) for part in parts])

    with random_numbers_kept(device), evaluation_mode(model), torch.no_grad():
        axes = measure_axes(make, of.sample_rate, seconds)
        heard = of(torch.zeros(1, axes.layout.samples, device=device)).shape[-1]
        axes = replace(axes, layout=replace(axes.layout, samples=heard))
        generator = torch.Generator().manual_seed(1)
        samples = round(seconds * of.sample_rate)
        first = torch.randn(1, samples, generator=generator).to(device) * 0.1
        second = (torch.randn(1, samples, generator=generator) * 0.02).cumsum(1).sin().to(device) * 0.3
        _check_that_nothing_passes(model, picture, axes.layout, run, [of(first), of(second)])
    return axes


def _check_that_nothing_passes(model: nn.Module, picture: str, layout: Layout, run: Run, inputs: list[Tensor]) -> None:
    """Two sounds: what follows the picture must answer to their pictures as the model does to them."""
    runs = 0

    def count(_name: str, _module: nn.Module, _args: Any, _output: Any) -> None:
        nonlocal runs
        runs += 1

    with hooked([(picture, named_layer(model, picture))], count):
        wanted = [list(_numbers(run(each))) for each in inputs]
    if runs != len(inputs):
        raise ClassifierError(f"module {picture!r} runs {runs // 2} times for one sound; a picture is made once")
    pictures = [layout.arranged(picture_of(model, picture, run, each)) for each in inputs]
    given = [list(_numbers(answer_to(model, picture, layout, run, each))) for each in pictures]
    between = sum(float((a - b).abs().sum()) for a, b in zip(*wanted, strict=True) if a.shape == b.shape)
    left = max(
        sum(float((a - b).abs().sum()) for a, b in zip(*pair, strict=True)) for pair in zip(wanted, given, strict=True)
    )
    if not left <= _SAME * max(between, 1e-6):
        raise ClassifierError(
            f"sound reaches the answer past module {picture!r}, or the answer is random: with the picture of another "
            f"sound in its place, the answer keeps {min(left / max(between, 1e-6), 1.0):.0%} of the difference"
        )


def _numbers(answer: Any) -> Iterator[Tensor]:
    """Tensors of numbers in what a model answers: in tuples, lists and mappings at any depth."""
    if isinstance(answer, Tensor):
        yield answer.double()
    elif isinstance(answer, Mapping):
        for value in answer.values():
            yield from _numbers(value)
    elif isinstance(answer, (tuple, list)):
        for value in answer:
            yield from _numbers(value)
