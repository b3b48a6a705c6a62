"""Reading a layer's output during a forward pass without leaving a trace on the user's network."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

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
