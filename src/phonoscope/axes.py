"""Frequency and time axes, and where a layer's cells lie on them: receptive fields by arithmetic and by measurement.

A cell of a feature map belongs at the centre of its receptive field. For a ResNet's last stage this is 15.5 input rows
away from where resizing the map as an image would draw it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from phonoscope.errors import AttributionError, ClassifierError
from phonoscope.modules import evaluation_mode, named_layer
from phonoscope.scales import erb_to_hz, hz_to_erb, hz_to_mel, mel_to_hz
from phonoscope.tracing import TensorNotes, argument, name_of, tensors_in, window_of

Scale = Callable[[Any], Any]
_SCALES: dict[str, tuple[Scale, Scale]] = {
    "linear": (lambda hz: hz, lambda value: value),
    "mel": (hz_to_mel, mel_to_hz),
    "erb": (hz_to_erb, erb_to_hz),
}
SCALES = tuple(_SCALES)


@dataclass(frozen=True)
class FrequencyAxis:
    """Rows of a spectrogram, lowest frequency first: of equal height on a scale, or wherever ``at_rows`` puts them.

    Parameters
    ----------
    rows
        Number of rows.
    max_hz
        Upper edge of the last row, Hz. The lower edge of the first row is 0 Hz.
    scale
        ``linear``, ``mel`` or ``erb``: the scale on which all rows have the same height.
    knots
        Lower edge and centre of each row in turn and the last upper edge, Hz, shape (2 * rows + 1,), where the rows
        follow no scale; see ``at_rows``.
    """

    rows: int
    max_hz: float
    scale: str = "linear"
    knots: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.scale not in _SCALES:
            raise ClassifierError(f"frequency scale {self.scale!r} is not known; choose one of {', '.join(SCALES)}")
        if self.rows < 1 or not self.max_hz > 0:
            raise ClassifierError(f"a frequency axis needs rows >= 1 and max_hz > 0, got {self.rows} and {self.max_hz}")

    @classmethod
    def at_rows(cls, centres: Sequence[float] | np.ndarray, edges: Sequence[float] | np.ndarray = ()) -> FrequencyAxis:
        """Axis whose rows lie anywhere in Hz.

        Parameters
        ----------
        centres
            Rising, Hz, shape (rows,).
        edges
            Where one row ends and the next begins, Hz, shape (rows + 1,); half-way between the centres, and as far
            beyond the outermost ones, but not below 0 Hz, where none are given (and at least two centres are).

        Raises
        ------
        ClassifierError
            If the centres do not rise, each between the two edges of its row, from 0 Hz on.
        """
        middle, borders = np.asarray(centres, dtype=float).ravel(), np.asarray(edges, dtype=float).ravel()
        if len(borders) == 0 and len(middle) > 1:
            between = (middle[1:] + middle[:-1]) / 2
            outer = [max(2 * middle[0] - between[0], 0.0), 2 * middle[-1] - between[-1]]
            borders = np.concatenate([outer[:1], between, outer[1:]])
        knots = np.zeros(2 * len(middle) + 1)
        fits = len(middle) > 0 and len(borders) == len(middle) + 1
        if fits:
            knots[::2], knots[1::2] = borders, middle
        if not fits or not np.isfinite(knots).all() or not (np.diff(knots) > 0).all() or knots[0] < 0:
            raise ClassifierError(
                f"{len(middle)} rows with {len(borders)} edges do not make a frequency axis: expected rising centres "
                "in Hz, each between its own two of rows + 1 rising edges, none below 0 Hz"
            )
        return cls(len(middle), float(knots[-1]), knots=tuple(knots.tolist()))

    def at(self, position: np.ndarray | float) -> np.ndarray:
        """Frequency in Hz at a (fractional) row position; position 0 is the centre of the first row.

        Positions outside the axis are clipped to its edges: nothing lies below the first or above ``max_hz``.
        """
        rows_below = np.asarray(position, dtype=float) + 0.5
        if self.knots:
            return np.interp(2 * rows_below, np.arange(len(self.knots)), self.knots)
        to_scale, to_hz = _SCALES[self.scale]
        return np.asarray(to_hz(np.clip(rows_below / self.rows, 0.0, 1.0) * to_scale(self.max_hz)))

    @property
    def min_hz(self) -> float:
        """Lower edge of the first row, Hz."""
        return self.knots[0] if self.knots else 0.0

    @property
    def centres(self) -> np.ndarray:
        """Centre of each row, Hz, shape (rows,)."""
        return self.at(np.arange(self.rows))

    @property
    def edges(self) -> np.ndarray:
        """Edges of the rows, Hz, shape (rows + 1,)."""
        return self.at(np.arange(self.rows + 1) - 0.5)


@dataclass(frozen=True)
class TimeAxis:
    """Columns of a spectrogram.

    Parameters
    ----------
    columns
        Number of columns.
    seconds
        Length of the axis in s; ``None`` for a stretched axis, on which positions are shares of the token (0 to 1).
    edge_seconds
        On a stretched axis the centres of the first and last column stand this far inside the token (half a window).
    start_seconds
        Where an axis of fixed length begins, s from the token's start; around the token's middle by default.
    """

    columns: int
    seconds: float | None = None
    edge_seconds: float = 0.0
    start_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.columns < 1 or (self.seconds is not None and not self.seconds > 0):
            raise ClassifierError(f"a time axis needs columns >= 1 and seconds > 0, got {self.columns}, {self.seconds}")

    @property
    def stretched(self) -> bool:
        """Whether every token fills the whole axis whatever its duration."""
        return self.seconds is None

    def at(self, position: np.ndarray | float) -> np.ndarray:
        """Share of the token (stretched) or seconds (fixed) at a fractional column position, clipped to the axis."""
        share = np.clip((np.asarray(position, dtype=float) + 0.5) / self.columns, 0.0, 1.0)
        return share if self.seconds is None else share * self.seconds

    def start_in(self, durations: Any) -> Any:
        """Where an axis of fixed length begins in tokens of these durations (number or array), s from their start."""
        if self.seconds is None:
            raise ClassifierError("a stretched time axis begins and ends with the token")
        return (durations - self.seconds) / 2 if self.start_seconds is None else self.start_seconds

    def in_token(self, time: np.ndarray, durations: np.ndarray) -> np.ndarray:
        """Seconds from the start of each token, shape (tokens, positions), of positions given as by ``at``.

        Parameters
        ----------
        time
            Shares of the token or seconds on the axis, shape (positions,).
        durations
            Durations of the tokens in s, shape (tokens,).
        """
        time, durations = np.asarray(time, dtype=float)[None, :], np.asarray(durations, dtype=float)[:, None]
        if self.seconds is not None:
            return np.broadcast_to(time + self.start_in(durations), (len(durations), time.shape[1]))
        edge = np.minimum(self.edge_seconds, durations / 2)
        steps = (time * self.columns - 0.5) / (self.columns - 1) if self.columns > 1 else np.full_like(time, 0.5)
        return edge + steps * (durations - 2 * edge)

    @property
    def centres(self) -> np.ndarray:
        """Centre of each column, shape (columns,), share of the token or s."""
        return self.at(np.arange(self.columns))


@dataclass(frozen=True)
class Cells:
    """Where the cells of one dimension of a layer look, in positions of the network's input.

    Cell ``i`` sees the input positions ``first + i * step`` to ``last + i * step`` (inclusive, before clipping at the
    input's borders).
    """

    first: float
    last: float
    step: float
    count: int

    @property
    def extent(self) -> float:
        """Theoretical receptive field, input positions."""
        return self.last - self.first + 1

    @property
    def centres(self) -> np.ndarray:
        """Centre of each cell's receptive field, shape (count,), input positions."""
        return (self.first + self.last) / 2 + self.step * np.arange(self.count)


# Functions that may keep the shape of a grid although they move its cells or mix them with all others.
_SCRAMBLING = frozenset(
    (
        *("T", "mT", "H", "mH", "t", "transpose", "transpose_", "permute", "swapaxes", "swapdims", "movedim"),
        *("moveaxis", "rot90", "flip", "fliplr", "flipud", "roll", "sort", "argsort", "gather", "index_select"),
        *("take_along_dim", "pixel_shuffle", "fold", "grid_sample"),
        *("linear", "bilinear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "baddbmm", "einsum", "tensordot"),
        *("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin", "lstm", "gru", "rnn_tanh", "rnn_relu"),
        *("scaled_dot_product_attention", "multi_head_attention_forward"),
        *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "lp_pool1d", "lp_pool2d", "lp_pool3d"),
    )
)


class _CellTracker(TorchFunctionMode):
    """Carries ``Cells`` along every torch function of a forward pass, through branches, sums and concatenations."""

    def __init__(self, inputs: Tensor) -> None:
        super().__init__()
        cells = tuple(Cells(0, 0, 1, n) for n in inputs.shape[2:])
        # None: made from the input, but nobody knows from which part of it.
        self._cells: TensorNotes[tuple[Cells, ...] | None] = TensorNotes(inputs, cells)

    def of(self, tensor: Tensor) -> tuple[Cells, ...] | None:
        return self._cells.get(tensor)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        derived = [a for a in tensors_in([*args, *kwargs.values()]) if a in self._cells]
        known = [cells for a in derived if (cells := self._cells[a]) is not None]
        # One value for the whole grid (a gate, a mean) does not say where a cell looks; a lost grid might.
        clear = known and all(math.prod(a.shape[2:]) == 1 for a in derived if self._cells[a] is None)
        for output in tensors_in([result]):
            self._cells.forget(output)
            if derived:
                self._cells[output] = self._follow(name_of(func), args, kwargs, known, output) if clear else None
        return result

    def _follow(
        self, name: str, args: Any, kwargs: Any, known: list[tuple[Cells, ...]], output: Tensor
    ) -> tuple[Cells, ...] | None:
        if name in _SCRAMBLING:
            return None
        window = window_of(name.removesuffix("_with_indices"), args, kwargs)
        if window is not None:
            slid = [
                replace(c, first=c.first - p * c.step, last=c.last + (d * (k - 1) - p) * c.step, step=c.step * s)
                for c, k, s, p, d in zip(known[0], *window, strict=True)
            ]
            return _with_counts(slid, output)
        if name == "pad" and output.dim() == len(known[0]) + 2:
            before = argument(args, kwargs, 1, "pad")[0::2]  # of the last dimension first; channels may be padded too
            padded = zip(reversed(known[0]), [*before, *[0] * len(known[0])], strict=False)
            shifted = [replace(c, first=c.first - b * c.step, last=c.last - b * c.step) for c, b in padded]
            return _with_counts(shifted[::-1], output)
        return _merge(known, output)


def _with_counts(cells: Sequence[Cells], output: Tensor) -> tuple[Cells, ...] | None:
    sizes = output.shape[-len(cells) :]
    return tuple(replace(c, count=n) for c, n in zip(cells, sizes, strict=True))


def _merge(known: Sequence[tuple[Cells, ...]], output: Tensor) -> tuple[Cells, ...] | None:
    """Cells of a function that works point by point or joins branches; None when it changed the grid."""
    merged = known[0]
    for other in known[1:]:
        if len(other) != len(merged) or any(a.step != b.step for a, b in zip(merged, other, strict=True)):
            return None
        merged = tuple(
            replace(a, first=min(a.first, b.first), last=max(a.last, b.last))
            for a, b in zip(merged, other, strict=True)
        )
    if output.dim() != len(merged) + 2 or tuple(output.shape[2:]) != tuple(c.count for c in merged):
        return None
    return merged


def receptive_field(network: nn.Module, layer: str, inputs: Tensor) -> tuple[Cells, ...]:
    """Theoretical receptive fields of a layer's cells, by arithmetic over every operation that leads to it.

    Convolutions and poolings of one to three dimensions are followed with kernel, stride, padding and dilation,
    whether they are modules or plain functions; branches that meet in a sum or concatenation are united.

    Parameters
    ----------
    network
        The network; it is run once, without gradients, on ``inputs`` and left as it was.
    layer
        Name of the layer as in ``network.named_modules()``.
    inputs
        Network input of shape (batch, channels, *spatial); the values do not matter.

    Returns
    -------
    tuple of Cells
        One entry a spatial dimension, in positions of the input.

    Raises
    ------
    AttributionError
        If there is no such layer, or an operation on the way changes the grid in a way that cannot be followed.
    """
    module = named_layer(network, layer)
    cells: list[tuple[Cells, ...] | None] = []
    inputs = inputs[:1].detach().clone()  # the network may work in place
    tracker = _CellTracker(inputs)

    def note(_module: nn.Module, _args: object, output: object) -> None:
        cells.append(tracker.of(output) if isinstance(output, Tensor) else None)

    with module.register_forward_hook(note), evaluation_mode(network), torch.no_grad(), tracker:
        network(inputs)
    if not cells or cells[-1] is None:
        raise AttributionError(
            f"cannot tell where the cells of layer {layer!r} look: its output is not a grid that convolutions and "
            "poolings make from the input. Choose an earlier convolutional layer"
        )
    return cells[-1]


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
        known = self.widths[np.isfinite(self.widths)]
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
        Real network inputs, shape (batch, channels, *spatial): effective fields depend on the data.
    dimension
        Spatial dimension to measure: 0 is frequency for a spectrogram.
    seed
        Seed of the random combination of channels.
    most_cells
        Measure at most so many cells, evenly picked; the others are NaN. Each costs one backward pass.
    """
    module = named_layer(network, layer)
    generator = torch.Generator().manual_seed(seed)
    inputs = inputs.detach().clone().requires_grad_(True)
    taken: list[Tensor] = []
    tap = module.register_forward_hook(lambda _module, _args, output: taken.append(output.clone()))
    with tap, evaluation_mode(network), torch.enable_grad():
        network(inputs.clone())  # the network may work in place
        output = taken[-1]
        weights = torch.randn(output.shape[:2], generator=generator).to(output)
        combined = torch.einsum("bc...,bc->b...", output, weights)
        cells = combined.movedim(dimension + 1, 0).flatten(1).sum(1)
        count, positions = len(cells), np.arange(inputs.shape[dimension + 2])
        chosen = np.unique(np.linspace(0, count - 1, min(count, most_cells or count)).round().astype(int)).tolist()
        energy = np.full((count, len(positions)), np.nan)
        for index in chosen:
            (gradient,) = torch.autograd.grad(cells[index], inputs, retain_graph=index != chosen[-1])
            energy[index] = gradient.square().movedim(dimension + 2, 0).flatten(1).sum(1).double().cpu().numpy()
    totals = energy.sum(axis=1, keepdims=True)
    energy = np.divide(energy, totals, out=np.full_like(energy, np.nan), where=totals > 0)
    centres = energy @ positions
    variance = np.maximum(energy @ positions**2 - centres**2, 0.0)
    return EffectiveField(centres=centres, widths=2 * np.sqrt(variance))


def hz_per_position(axis: FrequencyAxis) -> float:
    """Mean height of a row in Hz: turns widths in input positions into Hz (exact on a linear axis)."""
    return (axis.max_hz - axis.min_hz) / axis.rows


def cell_edges(centres: np.ndarray, low: float, high: float) -> np.ndarray:
    """Edges half-way between neighbouring centres; shape (len(centres) + 1,).

    Parameters
    ----------
    centres
        Rising, shape (cells,), Hz or s.
    low, high
        The outermost edges, in the same unit.
    """
    centres = np.asarray(centres, dtype=float)
    if len(centres) == 0 or not math.isfinite(low) or not math.isfinite(high):
        raise AttributionError(f"cell edges need at least one centre and finite limits, got {len(centres)} centres")
    return np.concatenate([[low], (centres[1:] + centres[:-1]) / 2, [high]])
