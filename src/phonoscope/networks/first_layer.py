"""Finding the filters that a network applies to the waveform itself, by following the waveform to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from phonoscope.errors import ClassifierError
from phonoscope.modules import is_scripted
from phonoscope.networks.outside.sources import FileModel, FunctionModel
from phonoscope.networks.trace import Trace, Use, trace, trace_any, wide_dimension


@dataclass(frozen=True, eq=False)
class Branch:
    """Filters of one width that see the waveform.

    Attributes
    ----------
    name
        Name of the module that applies them.
    weights
        Shape (filters, channels, taps), as used in the forward pass: for layers whose filters are a function of
        parameters, their value. May be complex.
    stride, dilation
        In samples of the waveform.
    padding
        Zeros (or other padding) before and after the waveform, in samples; negative where the network cuts it.
        Tap ``m`` of frame ``j`` falls on sample ``j * stride + m * dilation - padding[0]``.
    """

    name: str
    weights: np.ndarray
    stride: int
    dilation: int
    padding: tuple[int, int]

    @property
    def span(self) -> int:
        """Samples from the first to the last tap, both included."""
        return self.dilation * (self.weights.shape[-1] - 1) + 1

    @property
    def centre(self) -> float:
        """Sample on which the filters of frame 0 are centred."""
        return (self.span - 1) / 2 - self.padding[0]


def first_layer(
    network: nn.Module, example: Tensor | None = None, *, layer: str | Sequence[str] | None = None
) -> tuple[Branch, ...]:
    """Find the filters that see the waveform: one branch, or several in parallel.

    The network is run once and the waveform followed through padding, cutting, scaling and normalisation to the first
    weights it meets. Later layers with one input channel (depthwise convolutions) never see it and do not count.

    Parameters
    ----------
    network
        Any module that takes waveforms as (batch, 1, samples) or (batch, samples); it is left as it was.
    example
        One input, if the network takes only some particular length or shape.
    layer
        Name (or names) of the module whose convolutions to take instead of those found.

    Returns
    -------
    tuple of Branch
        In the order of execution.

    Raises
    ------
    ClassifierError
        If the network cannot be run, or no convolution sees the waveform (the message says what does).
    """
    _, uses = layer_uses(network, example, layer=layer)
    return tuple(branch_of(use) for use in uses)


def layer_uses(
    network: nn.Module, example: Tensor | None = None, *, layer: str | Sequence[str] | None = None
) -> tuple[Trace, list[Use]]:
    """What a forward pass did, and its convolutions that `first_layer` makes branches of.

    Parameters
    ----------
    network, example, layer
        As of `first_layer`.
    """
    followed = trace_any(network) if example is None else trace(network, example)
    if layer is None:
        uses = [use for use in followed.uses if use.sees_input and use.kind == "convolution"]
        if not uses:
            raise ClassifierError(_nothing_found(followed, is_scripted(network) or _is_closed(network)))
    else:
        names = [layer] if isinstance(layer, str) else list(layer)
        convolutions = [use for use in followed.uses if use.kind == "convolution"]
        uses = [u for u in convolutions if any(u.name == n or u.name.startswith(f"{n}.") for n in names)]
        if not uses:
            known = ", ".join(dict.fromkeys(use.name or "(the network itself)" for use in convolutions))
            raise ClassifierError(f"no convolution runs in a layer {layer!r}; there are: {known or 'none'}")
    return followed, uses


def _is_closed(network: nn.Module) -> bool:
    return any(isinstance(module, (FileModel, FunctionModel)) for module in network.modules())


def _nothing_found(followed: Trace, scripted: bool) -> str:
    seeing = [f"{use.name or 'the network itself'} ({use.kind})" for use in followed.uses if use.sees_input]
    if followed.transforms:
        what = f"the waveform goes through {followed.transforms[0]}, so the network learns no filters on it"
    elif seeing:
        what = f"the waveform is seen by {', '.join(seeing[:3])}, which is no convolution"
    elif scripted:
        return (
            "no first layer found: the network, or a part of it, is TorchScript, ONNX or a function, whose layers "
            "cannot be followed. Load the network from its Python code instead"
        )
    else:
        what = "no weight of the network is applied to the waveform"
    return f"no first layer found: {what}. Name a convolution with layer= to look at it all the same"


def branch_of(use: Use) -> Branch:
    """Filters of one convolution, on the axis of the waveform; ClassifierError if they work on a picture."""
    assert use.weight is not None
    shape = use.weight.shape[2:]
    time = wide_dimension(shape)
    if time is None:
        raise ClassifierError(
            f"the filters of {use.name} have {' × '.join(map(str, shape))} taps: they work on a picture, not on a "
            "waveform. Choose a layer with one time axis"
        )
    weight = use.weight.cpu()
    if not weight.is_complex() and weight.dtype != torch.float64:
        weight = weight.float()
    weights = weight.reshape(*weight.shape[:2], shape[time]).numpy().copy()
    step, before, after = 1, 0, 0
    if use.grid is not None:
        grid = use.grid
        step, before = grid.step, -grid.first
        after = grid.first + (grid.count - 1) * grid.step - (grid.input_samples - 1)
    padding = use.padding[time] * step
    return Branch(
        name=use.name,
        weights=weights,
        stride=use.stride[time] * step,
        dilation=use.dilation[time] * step,
        padding=(before + padding, after + padding),
    )
