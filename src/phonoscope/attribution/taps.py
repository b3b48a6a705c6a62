"""Reading a layer's output during a forward pass without leaving a trace on the user's network."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from phonoscope.errors import AttributionError
from phonoscope.modules import named_layer


class Tap:
    """Output of one layer in the last forward pass made inside ``tapped``."""

    def __init__(self, layer: str) -> None:
        self.layer = layer
        self._output: Tensor | None = None

    @property
    def output(self) -> Tensor:
        """Output of the layer, shape (batch, channels, *spatial)."""
        if self._output is None:
            raise AttributionError(f"layer {self.layer!r} was not reached in the forward pass; choose another layer")
        return self._output

    def take(self, module: nn.Module, args: tuple[object, ...], output: object) -> None:
        """Forward hook: keep a copy, since a later in-place operation would overwrite the layer's own output."""
        del module, args
        if not isinstance(output, Tensor):
            raise AttributionError(f"layer {self.layer!r} returns {type(output).__name__}, not a tensor")
        self._output = output.clone()


@contextmanager
def tapped(network: nn.Module, layer: str) -> Generator[Tap]:
    """Tap a layer by name; the hook is gone afterwards, on success and on failure."""
    tap = Tap(layer)
    handle = named_layer(network, layer).register_forward_hook(tap.take)
    try:
        yield tap
    finally:
        handle.remove()
        tap._output = None


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
    inputs
        Shape (batch, channels, *spatial).
    weigh
        From logits (batch, classes) to weights over the classes, same shape.

    Returns
    -------
    logits, taps
        Logits (batch, classes), and output and gradient of each layer, shapes (batch, channels, *cells).

    Raises
    ------
    AttributionError
        If a layer is not reached, or the logits do not depend on it in a differentiable way.
    """
    kept: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., Tensor]:
        def hook(_module: nn.Module, _args: tuple[object, ...], output: object) -> Tensor:
            if not isinstance(output, Tensor):
                raise AttributionError(f"layer {name!r} returns {type(output).__name__}, not a tensor")
            torch.set_grad_enabled(True)  # from here on; the enclosing no_grad puts it back
            copied = output.clone()
            kept[name] = copied if copied.requires_grad else copied.requires_grad_()
            return kept[name].clone()

        return hook

    modules = [(name, named_layer(network, name)) for name in layers]
    handles = []
    with torch.no_grad():
        try:
            handles += [module.register_forward_hook(keep(name)) for name, module in modules]
            logits = network(inputs.clone())  # a copy: the network may work in place
        finally:
            for handle in handles:
                handle.remove()
        for name in layers:
            if name not in kept:
                raise AttributionError(f"layer {name!r} was not reached in the forward pass; choose another layer")
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
