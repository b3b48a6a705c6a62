"""What torch functions do to the grid of a tensor: those that move dimensions, mix them, or slide over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from phonoscope.cells.grid import BATCH, Cells, Grid
from phonoscope.tracing import Window, argument, window_of

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operand:
    """A tensor that comes from the network's input, as a function was given it; ``grid`` is None where it was lost."""

    tensor: Tensor
    grid: Grid | None
    shape: Shape


@dataclass(frozen=True)
class Call:
    """A torch function as it was called: ``operands`` are those of its arguments that come from the input."""

    function: Callable[..., Any]
    name: str
    args: Any
    kwargs: Any
    operands: Sequence[Operand]

    @property
    def first(self) -> Operand:
        """The operand that a function of one tensor works on."""
        return self.operands[0]

    def given(self, position: int, name: str, default: Any = None) -> Any:
        """Argument by position or name."""
        return argument(self.args, self.kwargs, position, name, default)


_REORDERING = frozenset(
    ("T", "mT", "t", "transpose", "transpose_", "permute", "swapaxes", "swapdims", "movedim", "moveaxis")
)
_RESHAPING = frozenset(
    (
        *("view", "reshape", "view_as", "reshape_as", "flatten", "unflatten", "ravel"),
        *("squeeze", "squeeze_", "unsqueeze", "unsqueeze_"),
    )
)
_REDUCTIONS = {
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "min", "std", "var", "std_mean", "var_mean", "prod"), 1),
    **dict.fromkeys(("logsumexp", "median", "nanmean", "argmax", "argmin", "any", "all"), 1),
    **dict.fromkeys(("norm", "linalg_vector_norm"), 2),
}
_SUMS = frozenset(("add", "add_", "__add__", "__radd__", "__iadd__", "sub", "sub_", "__sub__", "__isub__"))
# Functions that may keep the shape of a grid although they move its cells or mix them with all others.
_SCRAMBLING = frozenset(
    (
        *("rot90", "flip", "fliplr", "flipud", "roll", "sort", "argsort", "gather", "index_select", "take_along_dim"),
        *("pixel_shuffle", "fold", "grid_sample", "bilinear", "baddbmm", "addmm", "einsum", "tensordot", "H", "mH"),
        *("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin", "lstm", "gru", "rnn_tanh", "rnn_relu"),
        *("scaled_dot_product_attention", "multi_head_attention_forward"),
        *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "lp_pool1d", "lp_pool2d", "lp_pool3d"),
    )
)


def grids_after(call: Call, outputs: Sequence[Tensor]) -> list[Grid | None]:
    """Grid of each output of a function; None where nobody knows from which part of the input it comes.

    Parameters
    ----------
    outputs
        Tensors that the function returned.
    """
    name, grid = call.name, call.first.grid
    if name in _SCRAMBLING:
        return [None] * len(outputs)
    if name in ("cat", "concat", "concatenate"):
        return [_joined(call, outputs[0])]
    if name == "stack":
        return [_stacked(call, outputs[0])]
    window = window_of(name.removesuffix("_with_indices"), call.args, call.kwargs)
    alone = len(call.operands) == 1
    if name in ("matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "linear") or window is not None:
        if not alone or grid is None:
            return [None] * len(outputs)
        after = _slid(call, grid, window, outputs[0]) if window is not None else _contracted(call, grid, outputs[0])
        return [_fitting(after, output) for output in outputs]
    if alone and grid is not None:
        parts = _parts(call, grid, outputs)
        if parts is not None:
            return parts
        moved = _moved(call, grid, outputs[0]) if outputs else None
        if moved is not None:
            return [_fitting(moved[0], output) for output in outputs]
    return [pointwise(call.operands, tuple(output.shape), sums=name in _SUMS) for output in outputs]


def _fitting(grid: Grid | None, output: Tensor) -> Grid | None:
    """The grid, if it is one of the output."""
    if grid is None or len(grid.labels) != output.dim():
        return None
    sizes = zip(grid.labels, output.shape, strict=True)
    return grid if all(len(numbers) == n for labels, n in sizes for numbers in labels.values()) else None


def _moved(call: Call, grid: Grid, output: Tensor) -> tuple[Grid | None] | None:
    """Grid of a function of one tensor that moves or takes dimensions, in brackets; None for other functions."""
    name, shape = call.name, call.first.shape
    if name in _REORDERING:
        order = call.function(
            torch.empty([d + 2 for d in range(len(shape))], device="meta"), *call.args[1:], **call.kwargs
        )
        return (grid.reordered([size - 2 for size in order.shape]),)
    if name in _RESHAPING:
        return (grid.reshaped(shape, output.shape),)
    if name in _REDUCTIONS and not isinstance(call.given(1, "other"), Tensor):
        return (_reduced(call, grid, output),)
    if name == "__getitem__":
        return (_indexed(grid, call.args[1], shape),)
    if name == "pad":
        return (_padded(grid, call.given(1, "pad")),)
    if name.startswith("fft_"):
        return (grid.mixed(_dimension(call.given(2, "dim", -1), shape)),)
    if name == "stft":
        return (_transformed(call, grid, output),)
    if name == "unfold" and call.function is not torch.nn.functional.unfold:
        dimension = _dimension(call.given(1, "dimension"), shape)
        size, step = call.given(2, "size"), call.given(3, "step")
        framed = grid.slid(dimension, lambda c: _windowed(c, size, step, 0, 1, output.shape[dimension]))
        return (None if framed is None else framed.inserted(len(shape)),)
    if name == "view_as_real":
        return (grid.inserted(len(shape)),)
    if name == "view_as_complex":
        return (grid.without(len(shape) - 1),)
    return None


def _parts(call: Call, grid: Grid, outputs: Sequence[Tensor]) -> list[Grid | None] | None:
    """Grids of what a function cuts out of one dimension; None for other functions."""
    name, shape = call.name, call.first.shape
    if name in ("select", "narrow"):
        dimension, start = (
            _dimension(call.given(1, "dim"), shape),
            call.given(2, "index" if name == "select" else "start"),
        )
        if isinstance(start, Tensor):
            return [None]
        if name == "narrow":
            start %= shape[dimension]
            return [grid.sliced(dimension, slice(start, start + call.given(3, "length")))]
        taken = grid.sliced(dimension, start)
        return [None if taken is None else taken.without(dimension)]
    if name == "unbind":
        dimension = _dimension(call.given(1, "dim", 0), shape)
        taken = [grid.sliced(dimension, number) for number in range(len(outputs))]
        return [None if part is None else part.without(dimension) for part in taken]
    if name in ("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk", "unsafe_split"):
        dimension, start, parts = _dimension(call.given(2, "dim", 0), shape), 0, []
        for output in outputs:
            parts.append(grid.sliced(dimension, slice(start, start + output.shape[dimension])))
            start += output.shape[dimension]
        return parts
    return None


def _dimension(dimension: Any, shape: Sequence[int]) -> int:
    return int(dimension) % max(1, len(shape))


def _reduced(call: Call, grid: Grid, output: Tensor) -> Grid | None:
    shape = call.first.shape
    over = call.given(_REDUCTIONS[call.name], "dim", call.kwargs.get("axis"))
    over = range(len(shape)) if over is None else [over] if isinstance(over, int) else over
    dimensions = sorted({_dimension(d, shape) for d in over}, reverse=True)
    after: Grid | None = grid
    for dimension in dimensions:
        after = None if after is None else after.mixed(dimension)
        if after is not None and output.dim() < len(shape):
            after = after.without(dimension)
    return after


def _indexed(grid: Grid, index: Any, shape: Shape) -> Grid | None:
    """Grid of what whole numbers, slices, None and an ellipsis take."""
    parts = list(index) if isinstance(index, tuple) else [index]
    if any(isinstance(part, bool) or not isinstance(part, (int, slice, type(None), type(Ellipsis))) for part in parts):
        return None
    if Ellipsis not in parts:
        parts.append(Ellipsis)
    missing = len(shape) - sum(part is not None and part is not Ellipsis for part in parts)
    at = parts.index(Ellipsis)
    parts[at : at + 1] = [slice(None)] * missing
    after: Grid | None = grid
    dimension = 0
    for part in parts:
        if after is None:
            return None
        if part is None:
            after, dimension = after.inserted(dimension), dimension + 1
        elif isinstance(part, slice):
            after, dimension = after.sliced(dimension, part), dimension + 1
        else:
            taken = after.sliced(dimension, part)
            after = None if taken is None else taken.without(dimension)
    return after


def _padded(grid: Grid, sides: Sequence[int]) -> Grid | None:
    after: Grid | None = grid
    for number, (before, behind) in enumerate(zip(sides[0::2], sides[1::2], strict=True)):
        if (before or behind) and after is not None:
            after = after.slid(
                len(grid.labels) - 1 - number,
                lambda c, b=before, e=behind: c.part(-b, 1, c.count + b + e),
            )
    return after


def _windowed(cells: Cells, kernel: int, stride: int, padding: int, dilation: int, count: int) -> Cells:
    first = cells.first - padding * cells.step
    last = cells.last + (dilation * (kernel - 1) - padding) * cells.step
    return replace(cells, first=first, last=last, step=cells.step * stride, count=count)


def _slid(call: Call, grid: Grid, window: Window, output: Tensor) -> Grid | None:
    """Grid of a convolution or pooling."""
    dimensions = len(call.first.shape)
    first = dimensions - len(window.kernel)
    after = grid.mixed(first - 1) if call.name.startswith("conv") else grid
    for dimension, sliding in zip(range(first, dimensions), zip(*window, strict=True), strict=True):
        if after is not None:
            count = output.shape[dimension]
            after = after.slid(dimension, lambda c, w=sliding, n=count: _windowed(c, *w, n))
    return after


def _contracted(call: Call, grid: Grid, output: Tensor) -> Grid | None:
    """Grid of a product with a matrix of weights."""
    shape, weights = call.first.shape, call.args[1] if call.args[0] is call.first.tensor else call.args[0]
    right = (call.args[0] is call.first.tensor) == (call.name != "__rmatmul__")  # what stands to the right are weights
    dimension = len(shape) - (1 if right or len(shape) == 1 else 2)
    after = grid.mixed(dimension)
    if after is None or (isinstance(weights, Tensor) and weights.dim() == 1):
        return None if after is None else after.without(dimension)
    return after if output.dim() == len(shape) else None


def _transformed(call: Call, grid: Grid, output: Tensor) -> Grid | None:
    """Grid of a short-time Fourier transform: (…, samples) to (…, frequency, frames), or to two parts each."""
    size = call.given(1, "n_fft")
    hop = call.given(2, "hop_length") or size // 4
    padding = size // 2 if call.given(5, "center", default=True) else 0
    frames = output.shape[-1] if output.is_complex() else output.shape[-2]
    samples = len(call.first.shape) - 1
    framed = grid.slid(samples, lambda c: _windowed(c, size, hop, padding, 1, frames))
    if framed is None:
        return None
    after = framed.inserted(samples)
    return after if output.is_complex() else after.inserted(samples + 2)


def _joined(call: Call, output: Tensor) -> Grid | None:
    """Grid of tensors joined along channels; or of one with others, such as class tokens, before and behind it."""
    tensors, known = call.args[0] if call.args else call.kwargs["tensors"], {id(o.tensor): o for o in call.operands}
    dimension = _dimension(call.given(1, "dim", 0), output.shape)
    labelled = [o for o in call.operands if o.grid is None or o.grid.labels[dimension]]
    if not labelled:
        alike = [replace(o, shape=tuple(output.shape)) for o in call.operands]
        return pointwise(alike, tuple(output.shape), sums=False)
    if len(call.operands) > 1 or labelled[0].grid is None or BATCH in labelled[0].grid.labels[dimension]:
        return None
    grid, numbers = labelled[0].grid, {}
    for axis, own in grid.labels[dimension].items():
        parts = [own if id(t) in known else np.full(t.shape[dimension], -1) for t in tensors]
        numbers[axis] = np.concatenate(parts)
    return _fitting(grid.with_labels(dimension, numbers), output)


def _stacked(call: Call, output: Tensor) -> Grid | None:
    """Grid of tensors side by side along a new dimension of channels."""
    dimension, shape = _dimension(call.given(1, "dim", 0), output.shape), tuple(output.shape)
    alike = [replace(o, grid=o.grid and o.grid.inserted(dimension), shape=shape) for o in call.operands]
    return pointwise(alike, shape, sums=False)


def pointwise(operands: Sequence[Operand], shape: Shape, *, sums: bool) -> Grid | None:
    """Grid of a function that works point by point, with broadcasting; None when it changed the grid.

    A value for a whole axis (a gate, a mean) does not say where a cell looks. What is *added* to the cells may come
    from anywhere: they keep their place, as the tokens of a transformer do along its shortcuts, but see the whole axis.

    Parameters
    ----------
    operands
        Tensors that come from the input.
    shape
        Of the output.
    sums
        Whether the function adds.
    """
    grids: list[Grid] = []
    labels: list[dict[int, np.ndarray]] = [{} for _ in shape]
    for operand in operands:
        grid, offset = operand.grid, len(shape) - len(operand.shape)
        if grid is None:
            continue
        if offset < 0:
            return None
        for dimension, size in enumerate(operand.shape):
            here, target = grid.labels[dimension], offset + dimension
            if not here or size == shape[target]:
                pass
            elif shape[target] == 1:
                grid = grid.mixed(dimension)
                if grid is None:
                    return None
            elif size != 1:
                return None
            else:
                grid = grid.with_labels(dimension, {})
        for dimension, here in enumerate(grid.labels):
            target = offset + dimension
            if here and labels[target] and not _same_labels(here, labels[target]):
                return None
            labels[target] = labels[target] or dict(here)
        grids.append(grid)
    if not grids:
        return None
    mixed = {axis for operand in operands for axis in _mixed_in(operand, shape, labels)}
    if mixed and not sums:
        return None
    merged = Grid(grids[0].sizes, grids[0].cells, tuple(labels))
    for axis, size in enumerate(merged.sizes):
        holding = [g for g in grids if any(axis in here for here in g.labels)] or grids
        cells = [g.cells[axis] for g in holding]
        if len({(c.step, c.count) for c in cells}) > 1:
            return None
        reach = size if axis in mixed else max((c.reach or 0 for c in cells), default=0) or None
        united = replace(cells[0], first=min(c.first for c in cells), last=max(c.last for c in cells), reach=reach)
        merged = merged.with_cells(axis, united)
    return merged


def _same_labels(a: Any, b: Any) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[axis], b[axis]) for axis in a)


def _mixed_in(operand: Operand, shape: Shape, labels: Sequence[dict[int, np.ndarray]]) -> set[int]:
    """Axes along which an operand has a value at each cell that is not known to come from there."""
    offset, axes = len(shape) - len(operand.shape), set()
    for dimension, size in enumerate(operand.shape):
        target = offset + dimension
        known = operand.grid is not None and operand.grid.labels[dimension]
        if target >= 0 and size == shape[target] > 1 and not known:
            axes |= {axis for axis in labels[target] if axis != BATCH}
    return axes
