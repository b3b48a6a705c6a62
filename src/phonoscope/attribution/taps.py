"""Reading a layer's output during a forward pass without leaving a trace on the user's network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from phonoscope.errors import AttributionError
from phonoscope.modules import hooked, named_layer


def output_of(network: nn.Module, layer: str, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (batch, classes) and a copy of a layer's output, without gradients.

    Parameters
    ----------
    network
        It is run once, in the mode that it is in.
    layer
        Name of the layer as in ``network.named_modules()``.
    inputs
        Shape (batch, channels, *spatial).

    Raises
    ------
    AttributionError
        If there is no such layer, it is not reached, or what it returns is no tensor.
    """
    logits, kept = _run(network, [layer], inputs, differentiable=False)
    return logits, kept[layer]


def outputs_and_gradients(
    network: nn.Module, layers: Sequence[str], inputs: Tensor, weigh: Callable[[Tensor], Tensor]
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Outputs of layers in one forward pass, and the gradients of each token's weighted logits with respect to them.

    What the network computes before the first of the layers is not recorded, so that the backward pass ends there. Of
    a module that is used several times the last call counts. Each layer hands on a copy of its output: what happens in
    place behind it changes neither its values nor the gradient, and of a sum with what lies beside the layer only the
    layer's own part is differentiated.

    Parameters
    ----------
    network
        It is run once, in the mode that it is in.
    layers
        Names of layers as in ``network.named_modules()``.
    inputs
        Shape (batch, channels, *spatial).
    weigh
        From logits (batch, classes) to weights over the classes, same shape.

    Returns
    -------
    logits, taps
        Logits (batch, classes), and output and gradient of each layer, in the shape that the layer gives.

    Raises
    ------
    AttributionError
        If a layer is not reached, or the logits do not depend on it in a differentiable way.
    """
    logits, kept = _run(network, layers, inputs, differentiable=True)
    gradients: Sequence[Tensor | None] = [None] * len(layers)
    if logits.requires_grad:
        with torch.enable_grad():
            total = (logits * weigh(logits.detach())).sum()
        gradients = torch.autograd.grad(total, [kept[name] for name in layers], allow_unused=True)
    taps = []
    for name, gradient in zip(layers, gradients, strict=True):
        if gradient is None:
            raise AttributionError(
                f"the logits do not depend on layer {name!r} in a way that can be differentiated; choose another layer"
            )
        taps.append((kept[name].detach(), gradient))
    return logits.detach(), taps


@torch.no_grad()
def _run(
    network: nn.Module, layers: Sequence[str], inputs: Tensor, *, differentiable: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits, and the last output of each layer: copies, since what follows may work in place."""
    kept: dict[str, Tensor] = {}

    def keep(name: str, _module: nn.Module, _args: tuple[object, ...], output: object) -> Tensor | None:
        if not isinstance(output, Tensor):
            raise AttributionError(f"layer {name!r} returns {type(output).__name__}, not a tensor")
        torch.set_grad_enabled(differentiable)  # from here on; the enclosing no_grad puts it back
        kept[name] = output.clone()
        return kept[name].requires_grad_().clone() if differentiable else None

    with hooked([(name, named_layer(network, name)) for name in layers], keep):
        logits = network(inputs.clone())
    for name in layers:
        if name not in kept:
            raise AttributionError(f"layer {name!r} was not reached in the forward pass; choose another layer")
    return logits, kept
