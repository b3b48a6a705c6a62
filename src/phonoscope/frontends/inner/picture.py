"""A picture that arises inside a model: the model up to it as a front end, and what follows as a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from phonoscope.errors import ClassifierError
from phonoscope.frontends.contract import FrontEnd
from phonoscope.frontends.inner.axes import PictureAxes, measure_axes
from phonoscope.modules import device_of, evaluation_mode, hooked, named_layer

# What the model is given where a picture takes the place of what it makes of a sound; and the share of the difference
# between two answers that may depend on it.
_FAINT, _SAME = 1e-3, 1e-3


class _ReachedError(BaseException):
    """Ends a forward pass where the picture is made; no ``except Exception`` of a model stands in its way."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


class InnerPicture(FrontEnd):
    """The model up to one of its modules, whose output is the picture; its axes are measured.

    Parameters
    ----------
    sample_rate
        Of the sounds that the model takes, Hz.
    model
        From sounds (batch, samples) to anything. It is held, not copied.
    picture
        Name of the module, as in ``model.named_modules()``.
    axes
        Where its rows and columns lie; see `measure_axes`.

    Notes
    -----
    Output (batch, 1, rows, columns), lowest frequency first, in the module's own values.
    """

    kind = "inner-picture"

    def __init__(self, sample_rate: int, model: nn.Module, picture: str, axes: PictureAxes) -> None:
        super().__init__(sample_rate, axes.time_axis, axes.frequency_axis, unit=axes.unit, db_per_unit=axes.db_per_unit)
        self.model, self.picture, self.axes, self.natural = model, picture, axes, axes.natural

    def config(self) -> dict[str, Any]:
        """Return the sample rate and the name of the module; the model has to be given again."""
        return {"sample_rate": self.sample_rate, "picture": self.picture}

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Pictures of waveforms (see ``FrontEnd``), shape (batch, 1, rows, columns).

        Sounds of different length go through the model one at a time, each without padding.
        """
        if lengths is None or bool((lengths == waveforms.shape[1]).all()):
            return self.axes.arranged(picture_of(self.model, self.picture, waveforms))
        if self.natural and bool((lengths != lengths[0]).any()):
            raise ClassifierError(
                f"the picture of {self.picture!r} is as long as the sound; pass sounds of one length at a time"
            )
        each = zip(waveforms, lengths.tolist(), strict=True)
        return torch.cat(
            [self.axes.arranged(picture_of(self.model, self.picture, sound[None, :n])) for sound, n in each]
        )


class AfterPicture(nn.Module):
    """The rest of a model, from the picture of one of its modules to its answer.

    The model runs on faint noise of the right length, and the picture takes the place of the module's output.

    Parameters
    ----------
    model, picture, axes
        As of `InnerPicture`.
    """

    def __init__(self, model: nn.Module, picture: str, axes: PictureAxes) -> None:
        super().__init__()
        self.model, self.picture, self.axes = model, picture, axes

    def forward(self, pictures: Tensor) -> Any:
        """What the model answers to pictures (batch, 1, rows, columns)."""
        axes = self.axes
        samples = axes.samples
        if axes.natural:
            samples += round((pictures.shape[3] - axes.shape[axes.columns_at - 1]) * axes.hop)
        faint = torch.randn(max(samples, 1), generator=torch.Generator().manual_seed(0)) * _FAINT
        given = axes.as_output(pictures)

        def exchange(_name: str, _module: nn.Module, _args: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor) or output.shape != given.shape:
                made = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
                raise ClassifierError(
                    f"module {self.picture!r} makes {made} of a sound of {samples} samples; the picture that is to "
                    f"take its place is {tuple(given.shape)}"
                )
            return given.to(output.dtype)

        with hooked([(self.picture, named_layer(self.model, self.picture))], exchange):
            return self.model(faint.to(pictures).expand(len(pictures), -1))


def split_at_picture(
    model: nn.Module, picture: str, sample_rate: int, seconds: float = 1.0
) -> tuple[InnerPicture, AfterPicture]:
    """Divide a model at a picture that arises inside it, and measure the picture's axes.

    The model is left as it was; both parts hold it. The second part, given what the first makes of a sound, answers as
    the model does.

    Parameters
    ----------
    model
        From sounds (batch, samples) to anything with tensors in it.
    picture
        Name of the module whose output is the picture, as in ``model.named_modules()``.
    sample_rate
        Of its sounds, Hz.
    seconds
        Length of the sounds that are measured with.

    Raises
    ------
    ClassifierError
        If there is no such module, it makes no picture (see `measure_axes`), or the sound reaches the answer past it.
    """
    if picture not in dict(model.named_modules()):
        likely = [name for name, _ in model.named_modules() if name and name.count(".") <= 1]
        raise ClassifierError(f"the model has no module {picture!r}; it has: {', '.join(likely)}")
    device = device_of(model)
    with evaluation_mode(model), torch.no_grad():
        axes = measure_axes(lambda sounds: picture_of(model, picture, sounds.to(device)), sample_rate, seconds)
        before, after = InnerPicture(sample_rate, model, picture, axes), AfterPicture(model, picture, axes)
        _check_that_nothing_passes(model, before, after, device)
    return before, after


def picture_of(model: nn.Module, picture: str, sounds: Tensor) -> Tensor:
    """Run a model up to one of its modules, whose output is returned.

    Parameters
    ----------
    model, picture
        The model, and the name of the module.
    sounds
        Shape (batch, samples).

    Raises
    ------
    ClassifierError
        If the module does not run, or gives something else than one tensor.
    """

    def stop(_name: str, _module: nn.Module, _args: Any, output: Any) -> None:
        raise _ReachedError(output)

    module = named_layer(model, picture)
    if isinstance(module, torch.jit.ScriptModule):
        raise ClassifierError(f"module {picture!r} is compiled to TorchScript, which cannot be entered")
    try:
        with hooked([(picture, module)], stop):
            model(sounds)
    except _ReachedError as reached:
        if not isinstance(reached.output, Tensor):
            kind = type(reached.output).__name__
            raise ClassifierError(f"module {picture!r} gives a {kind}; a picture is one tensor") from None
        return reached.output
    raise ClassifierError(f"module {picture!r} does not run when the model hears a sound")


def _check_that_nothing_passes(
    model: nn.Module, before: InnerPicture, after: AfterPicture, device: torch.device
) -> None:
    """Two sounds: what follows the picture must answer to their pictures as the model does to them."""
    runs = 0

    def count(_name: str, _module: nn.Module, _args: Any, _output: Any) -> None:
        nonlocal runs
        runs += 1

    generator = torch.Generator().manual_seed(1)
    first = torch.randn(1, before.axes.samples, generator=generator).to(device) * 0.1
    second = (torch.randn(1, before.axes.samples, generator=generator) * 0.02).cumsum(1).sin().to(device) * 0.3
    with hooked([(before.picture, named_layer(model, before.picture))], count):
        wanted = [list(_numbers(model(sound))) for sound in (first, second)]
    if runs != 2:
        raise ClassifierError(f"module {before.picture!r} runs {runs // 2} times for one sound; a picture is made once")
    given = [list(_numbers(after(before(sound)))) for sound in (first, second)]
    between = sum(float((a - b).abs().sum()) for a, b in zip(*wanted, strict=True) if a.shape == b.shape)
    left = max(
        sum(float((a - b).abs().sum()) for a, b in zip(*pair, strict=True)) for pair in zip(wanted, given, strict=True)
    )
    if not left <= _SAME * max(between, 1e-6):
        raise ClassifierError(
            f"sound reaches the answer past module {before.picture!r}, or the answer is random: with the picture of "
            f"another sound in its place, the answer keeps {min(left / max(between, 1e-6), 1.0):.0%} of the difference"
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
