"""Receptive fields of layers: by arithmetic over a forward pass, and measured by gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from phonoscope.cells.grid import Cells, Grid
from phonoscope.cells.rules import Call, Operand, grids_after
from phonoscope.errors import AttributionError
from phonoscope.modules import evaluation_mode, hooked, layers_of, named_layer, own_name
from phonoscope.tracing import TensorNotes, name_of, tensors_in

# Functions whose result does not depend on what is in their argument.
_CONSTANTS = frozenset(
    (
        *("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like"),
        *("new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"),
    )
)
_OVERWRITING = ("__setitem__", "copy_", "index_put_", "index_copy_", "masked_scatter_", "scatter_")


class CellTracker(TorchFunctionMode):
    """Carries the grid of the input along every torch function of a forward pass, through branches and sums."""

    def __init__(self, inputs: Tensor) -> None:
        super().__init__()
        # None: made from the input, but nobody knows from which part of it.
        self._grids: TensorNotes[Grid | None] = TensorNotes(inputs, Grid.of_input(inputs))

    def of(self, tensor: Tensor) -> Grid | None:
        """Return the grid of a tensor; None if nobody knows it."""
        return self._grids.get(tensor)

    def __contains__(self, tensor: Tensor) -> bool:
        return tensor in self._grids

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, name_of(func)
        derived = [a for a in tensors_in([*args, *kwargs.values()]) if a in self._grids]
        operands = [Operand(a, self._grids[a], tuple(a.shape)) for a in derived]
        result = func(*args, **kwargs)
        if name in _OVERWRITING and any(tensor is not args[0] for tensor in derived):
            self._grids[args[0]] = None
        outputs = tensors_in([result])
        for output in outputs:
            self._grids.forget(output)
        if operands and outputs and name not in _CONSTANTS:
            call = Call(func, name, args, kwargs, operands)
            for output, grid in zip(outputs, grids_after(call, outputs), strict=True):
                self._grids[output] = grid
        return result


def layer_grids(network: nn.Module, inputs: Tensor) -> dict[str, Grid]:
    """Grids of the outputs of all layers whose cells can be placed on the input, in the order of their last calls.

    Convolutions and poolings of one to three dimensions, short-time Fourier transforms and frames are followed with
    kernel, stride, padding and dilation, whether they are modules or plain functions; dimensions are followed wherever
    they are moved, merged or taken apart; branches that meet in a sum or concatenation are united.

    Parameters
    ----------
    network
        The network; it is run once, without gradients, and left as it was.
    inputs
        Network input of shape (batch, channels, *axes) or (batch, samples); the values do not matter.
    """
    grids: dict[str, Grid] = {}
    inputs = torch.cat([inputs[:1].detach()] * 2)  # two, so that the batch is told from channels; a copy
    tracker = CellTracker(inputs)

    def note(name: str, _module: nn.Module, _args: object, output: object) -> None:
        grids.pop(name, None)  # the last call counts
        grid = tracker.of(output) if isinstance(output, Tensor) else None
        if grid is not None and grid.can_be_arranged:
            grids[name] = grid

    with hooked(layers_of(network).items(), note), evaluation_mode(network), torch.no_grad(), tracker:
        network(inputs)
    return grids


def grid_of(network: nn.Module, layer: str, inputs: Tensor) -> Grid:
    """Grid of the output of one layer; see ``layer_grids``.

    Parameters
    ----------
    network, inputs
        As of ``layer_grids``.
    layer
        Name of the layer as in ``network.named_modules()``.

    Raises
    ------
    AttributionError
        If there is no such layer, or an operation on the way changes the grid in a way that cannot be followed.
    """
    named_layer(network, layer)
    grid = layer_grids(network, inputs).get(own_name(network, layer))
    if grid is None:
        raise AttributionError(
            f"cannot tell where the cells of layer {layer!r} look: its output is not a grid that convolutions, "
            "poolings and shortcuts make of the input. Choose an earlier layer, or another method"
        )
    return grid


def receptive_field(network: nn.Module, layer: str, inputs: Tensor) -> tuple[Cells, ...]:
    """Theoretical receptive fields of a layer's cells, by arithmetic over every operation that leads to it.

    Parameters
    ----------
    network, layer, inputs
        As of ``grid_of``.

    Returns
    -------
    tuple of Cells
        One entry an axis of the input, in its positions. An axis that the layer does not run over has one cell.

    Raises
    ------
    AttributionError
        As of ``grid_of``.
    """
    return grid_of(network, layer, inputs).cells


@dataclass(frozen=True)
class EffectiveField:
    """Where a layer's cells really look on given inputs: gradient energy over one input dimension.

    ``centres`` and ``widths`` (two standard deviations), shape (cells,), are in input positions; NaN for a cell that
    does not depend on these inputs.
    """

    centres: np.ndarray
    widths: np.ndarray

    @property
    def width(self) -> float:
        """Median width over the cells, input positions; NaN when no cell depends on the inputs."""
        return _median(self.widths)

    def width_around(self, centres: np.ndarray) -> float:
        """Median width over the cells around where they stand, shape (cells,), instead of where they look."""
        return _median(np.hypot(self.widths, 2 * (self.centres - centres)))


def _median(widths: np.ndarray) -> float:
    known = widths[np.isfinite(widths)]
    return float(np.median(known)) if len(known) else math.nan


def effective_field(
    network: nn.Module, layer: str, inputs: Tensor, *, dimension: int = 0, seed: int = 0, most_cells: int | None = None
) -> EffectiveField:
    """Measure the effective receptive field of a layer by the energy of gradients (Luo et al. 2016).

    For each cell along ``dimension`` a random combination of the channels (all cells across the other dimensions) is
    differentiated with respect to the input; the squared gradient is a density over the input positions whose mean
    and standard deviation are returned.

    Parameters
    ----------
    network, layer
        The network, and the name of one of its modules.
    inputs
        Real network inputs, shape (batch, channels, *axes) or (batch, samples): effective fields depend on the data.
    dimension
        Axis of the input to measure: 0 is frequency for a spectrogram.
    seed
        Seed of the random combination of channels.
    most_cells
        Measure at most so many cells, evenly picked; the others are NaN. Each costs one backward pass.

    Raises
    ------
    AttributionError
        As of ``grid_of``.
    """
    grid = grid_of(network, layer, inputs)
    generator = torch.Generator().manual_seed(seed)
    inputs = inputs.detach().clone().requires_grad_(True)
    along = inputs.dim() - len(grid.cells) + dimension
    taken: list[Tensor] = []

    def take(_name: str, _module: nn.Module, _args: object, output: Tensor) -> None:
        taken.append(output.clone())

    with hooked([(layer, named_layer(network, layer))], take), evaluation_mode(network), torch.enable_grad():
        network(inputs.clone())  # the network may work in place
        output = grid.arranged(taken[-1])
        weights = torch.randn(output.shape[:2], generator=generator).to(output)
        combined = torch.einsum("bc...,bc->b...", output, weights)
        cells = combined.movedim(dimension + 1, 0).flatten(1).sum(1)
        count, positions = len(cells), np.arange(inputs.shape[along])
        chosen = np.unique(np.linspace(0, count - 1, min(count, most_cells or count)).round().astype(int)).tolist()
        energy = np.full((count, len(positions)), np.nan)
        for index in chosen:
            (gradient,) = torch.autograd.grad(cells[index], inputs, retain_graph=index != chosen[-1])
            energy[index] = gradient.square().movedim(along, 0).flatten(1).sum(1).double().cpu().numpy()
    totals = energy.sum(axis=1, keepdims=True)
    energy = np.divide(energy, totals, out=np.full_like(energy, np.nan), where=totals > 0)
    centres = energy @ positions
    variance = np.maximum(energy @ positions**2 - centres**2, 0.0)
    return EffectiveField(centres=centres, widths=2 * np.sqrt(variance))
