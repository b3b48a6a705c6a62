"""Forward passes that compute again only what a window of the input can change, layer by layer; exact.

The untouched pass is recorded once. In the pass of a window every grid is that of the untouched pass except in a
rectangle, which convolutions and poolings widen by their kernels; whatever else is done to it sees the whole grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from phonoscope.tracing import TensorNotes, argument, arguments_of, name_of, tensors_changed, tensors_in, window_of

# Functions of each value alone, in place or not.
_POINTWISE = frozenset(
    name.format(function)
    for function in ("relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "hardswish", "hardtanh", "sigmoid", "tanh")
    for name in ("{}", "{}_")
) | {"clone"}
_ARITHMETIC = frozenset(
    name.format(operation)
    for operation in ("add", "sub", "mul", "div", "truediv")
    for name in ("{}", "{}_", "__{}__", "__r{}__", "__i{}__", "r{}")
)
# Functions that tell how a tensor is made, not what is in it.
_SHAPE_ONLY = frozenset(
    (
        *("shape", "size", "dim", "ndim", "ndimension", "device", "dtype", "is_cuda", "layout", "numel", "nelement"),
        *("stride", "requires_grad", "is_floating_point", "is_complex", "__len__", "is_contiguous", "is_sparse"),
        *("is_quantized", "names"),
    )
)
_ROWS_AND_COLUMNS = ((2, 3), (-2, -1), (3, 2), (-1, -2))
_LARGEST_SHARE = 0.9  # of a grid that is worth cutting out
_MOST_WORK = 0.7  # of the untouched pass's multiplications, for a local pass to pay


class OffTapeError(Exception):
    """The network did not do with a window what it did with the untouched tokens."""


@dataclass
class _Call:
    """One function of the untouched pass: its name, whether it worked in place, its output, its padded input.

    ``work`` counts the multiplications of a convolution.
    """

    name: str
    in_place: bool
    work: int
    output: Tensor | None = None
    version: int = 0
    padded: Tensor | None = None

    @property
    def overwritten(self) -> bool:
        """Whether the output was changed by a later function that worked in place."""
        return self.output is not None and self.output._version != self.version


@dataclass
class _Patch:
    """A grid that is ``base`` but for ``values`` in rows and columns (first, and first beyond)."""

    base: Tensor
    rows: tuple[int, int]
    columns: tuple[int, int]
    values: Tensor

    def whole(self) -> Tensor:
        grid = self.base.clone()
        grid[:, :, slice(*self.rows), slice(*self.columns)] = self.values
        return grid

    def mean(self, untouched: Tensor) -> Tensor:
        """Mean over rows and columns, from that of the untouched grid and what the patch changes of the sum."""
        before = self.base[:, :, slice(*self.rows), slice(*self.columns)]
        gained = (self.values.sum((2, 3)) - before.sum((2, 3))) / math.prod(self.base.shape[2:])
        return untouched + gained.view(untouched.shape)


@dataclass
class LocalPass:
    """Passes of windows of given inputs: ``logits`` (batch, classes) are those of the untouched inputs."""

    network: nn.Module
    inputs: Tensor
    logits: Tensor
    tape: Sequence[_Call]
    work: int = 0

    def __call__(self, values: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
        """Logits when a window (first row or column, and first beyond) holds other values, (batch, channels, …)."""
        # What reads the stand-in unnoticed spoils the logits.
        dummy = self.inputs.new_full((1,), math.nan).expand(self.inputs.shape)
        # A copy: the network may work in place.
        player = _Player(dummy, _Patch(self.inputs, rows, columns, values.clone()), self.tape)
        with torch.no_grad(), player:
            logits = self.network(dummy)
        self.work = player.work
        return player.whole(logits)


def passes_locally(network: nn.Module, inputs: Tensor) -> bool:
    """Whether local passes are exact for a network, which is tried on one window of two inputs, and worth while.

    Parameters
    ----------
    inputs
        Shape (batch, channels, rows, columns). Networks with other inputs, or with hooks, are left alone.
    """
    if inputs.dim() != 4 or any(m._forward_hooks or m._forward_pre_hooks for m in network.modules()):
        return False
    inputs = inputs[:2]
    rows, columns = ((n // 2, n // 2 + max(1, n // 8)) for n in inputs.shape[2:])
    changed = inputs.clone()
    values = changed[:, :, slice(*rows), slice(*columns)].neg()
    changed[:, :, slice(*rows), slice(*columns)] = values
    with torch.no_grad():
        expected = network(changed)
    try:
        trial = recorded_pass(network, inputs)
        logits = trial(values, rows, columns)
    except Exception:  # a network may refuse the stand-in for reasons of its own: it gets whole inputs then
        return False
    pays = trial.work < _MOST_WORK * sum(call.work for call in trial.tape)
    return pays and logits.shape == expected.shape and torch.allclose(logits, expected, rtol=1e-4, atol=1e-5)


def recorded_pass(network: nn.Module, inputs: Tensor) -> LocalPass:
    """Pass inputs through the network and write down what every function makes of them."""
    for copies in (False, True):  # copies only for networks that overwrite what they made
        copy = inputs.clone()
        with torch.no_grad(), _Recorder(copy, copies=copies) as recorder:
            logits = network(copy)
        if copies or not any(call.overwritten for call in recorder.tape):
            break
    return LocalPass(network, inputs, logits, recorder.tape)


class _Recorder(TorchFunctionMode):
    """Writes down the output of every function of tensors that come from the input."""

    def __init__(self, inputs: Tensor, *, copies: bool) -> None:
        super().__init__()
        self._known, self._copies = TensorNotes(inputs, None), copies
        self.tape: list[_Call] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result, name = func(*args, **(kwargs or {})), name_of(func)
        if name in _SHAPE_ONLY or not any(a in self._known for a in tensors_in([*args, *(kwargs or {}).values()])):
            return result
        for output in tensors_in([result]):
            self._known[output] = None
        call = _Call(name, bool(args) and result is args[0], work=_work(name, args, kwargs or {}, result))
        if isinstance(result, Tensor) and (result.dim() == 4 or name == "mean"):
            call.output = result.clone() if self._copies else result
            call.version = call.output._version
        self.tape.append(call)
        return result


class _Player(TorchFunctionMode):
    """Repeats a recorded pass on stand-ins for grids of which only a patch differs."""

    def __init__(self, dummy: Tensor, patch: _Patch, tape: Sequence[_Call]) -> None:
        super().__init__()
        # None stands for a tensor that comes from the input and is whole.
        self._known: TensorNotes[_Patch | None] = TensorNotes(dummy, patch)
        self._tape, self._at, self.work = tape, 0, 0

    def whole(self, tensor: Tensor) -> Tensor:
        """Return the tensor itself, or what a stand-in stands for."""
        patch = self._known.get(tensor)
        return tensor if patch is None else patch.whole()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, name_of(func)
        operands = [a for a in tensors_in([*args, *kwargs.values()]) if a in self._known]
        if name in _SHAPE_ONLY or not operands:
            return func(*args, **kwargs)
        if self._at >= len(self._tape) or self._tape[self._at].name != name:
            raise OffTapeError(name)
        call = self._tape[self._at]
        self._at += 1
        patches = [p for a in operands if (p := self._known[a]) is not None]
        patch = None
        if len(patches) == len(operands):  # what comes from the input and is whole differs everywhere
            patch = self._patched(func, name, args, kwargs, patches, call)
        if patch is not None:
            self.work += _work(name, args, kwargs, patch.values)
            if call.in_place:
                return self._keep(args[0], patch)
            if math.prod(patch.values.shape[2:]) > _LARGEST_SHARE * math.prod(patch.base.shape[2:]):
                return self._keep(patch.whole(), None)
            return self._keep(patch.base.new_full((1,), math.nan).expand(patch.base.shape), patch)
        over_all = name == "mean" and _over(args, kwargs) in _ROWS_AND_COLUMNS and "dtype" not in kwargs
        if over_all and patches and call.output is not None:
            return self._keep(patches[0].mean(call.output), None)
        if call.in_place and self._known.get(args[0]) is not None:
            raise OffTapeError(name)  # a stand-in cannot be overwritten as a whole
        result = func(*tensors_changed(args, self.whole), **tensors_changed(kwargs, self.whole))
        self.work += _work(name, args, kwargs, result)
        for output in tensors_in([result]):
            self._keep(output, None)
        return result

    def _keep(self, tensor: Tensor, patch: _Patch | None) -> Tensor:
        self._known[tensor] = patch
        return tensor

    def _patched(
        self, func: Any, name: str, args: Any, kwargs: Any, patches: list[_Patch], call: _Call
    ) -> _Patch | None:
        """Patch of a function's output; None where it needs the whole grid."""
        base = call.output
        if base is None:
            return None
        if name in ("conv2d", "max_pool2d"):
            return self._slid(name, args, kwargs, call) if self._known.get(args[0]) is patches[0] else None
        same_grid = all(p.base.shape[2:] == base.shape[2:] for p in patches)
        alone = bool(args) and self._known.get(args[0]) is patches[0]
        stays = (
            name in _POINTWISE
            or (name == "batch_norm" and not argument(args, kwargs, 5, "training", default=False))
            or (name.startswith("dropout") and not argument(args, kwargs, 2, "training", default=True))
        )
        joins = name in _ARITHMETIC or (name in ("cat", "concat") and argument(args, kwargs, 1, "dim", default=0) == 1)
        if not same_grid or not ((stays and alone) or joins):
            return None
        rows = min(p.rows[0] for p in patches), max(p.rows[1] for p in patches)
        columns = min(p.columns[0] for p in patches), max(p.columns[1] for p in patches)

        def cut(value: Tensor) -> Tensor:
            return self._cut(value, rows, columns, base.shape)

        return _Patch(base, rows, columns, func(*tensors_changed(args, cut), **tensors_changed(kwargs, cut)))

    def _cut(self, value: Tensor, rows: tuple[int, int], columns: tuple[int, int], grid: torch.Size) -> Tensor:
        """Cut the rectangle out of a tensor that has the grid's rows and columns; any other stays as it is."""
        patch = self._known.get(value)
        if patch is not None:
            if (patch.rows, patch.columns) == (rows, columns):
                return patch.values
            cut = patch.base[:, :, slice(*rows), slice(*columns)].clone()
            here = slice(patch.rows[0] - rows[0], patch.rows[1] - rows[0])
            cut[:, :, here, patch.columns[0] - columns[0] : patch.columns[1] - columns[0]] = patch.values
            return cut
        if value.dim() >= 2 and value.shape[-2] == grid[2] != 1:
            value = value[..., slice(*rows), :]
        if value.dim() >= 1 and value.shape[-1] == grid[3] != 1:
            value = value[..., slice(*columns)]
        return value

    def _slid(self, name: str, args: Any, kwargs: Any, call: _Call) -> _Patch | None:
        """Slide a kernel over the patch and what lies around it; the patch grows by what the kernel can reach."""
        patch, base = self._known[args[0]], call.output
        if patch is None or base is None:
            return None
        given, window = arguments_of(name, args, kwargs), window_of(name, args, kwargs)
        if window is None or isinstance(given.get("padding"), str) or given.get("ceil_mode"):
            return None
        outside = 0.0 if name == "conv2d" else -math.inf
        kernel, stride, padding, dilation = window
        if call.padded is None:
            sides = (padding[1], padding[1], padding[0], padding[0])
            # Channels last: the rows of a cut-out are too short to be copied one by one.
            call.padded = functional.pad(patch.base, sides, value=outside).contiguous(memory_format=torch.channels_last)
        spans, inner, takes = [], [], []
        sides = zip((patch.rows, patch.columns), *window, base.shape[2:], strict=True)
        for (start, stop), k, s, p, d, count in sides:
            reach = d * (k - 1)
            begin = max(0, -((reach - start - p) // s))  # first output that sees the patch
            end = min(count, (stop - 1 + p) // s + 1)
            if begin >= end:
                return _Patch(base, (0, 1), (0, 1), base[:, :, :1, :1].clone())
            spans.append((begin, end))
            inner.append((begin * s, (end - 1) * s + reach + 1))  # in the padded input
            low, high = max(start + p, inner[-1][0]), min(stop + p, inner[-1][1])
            takes.append((low - inner[-1][0], high - inner[-1][0], low - p - start, high - p - start))
        around = call.padded[:, :, slice(*inner[0]), slice(*inner[1])].clone(memory_format=torch.channels_last)
        (a, b, c, d), (e, f, g, h) = takes
        around[:, :, a:b, e:f] = patch.values[:, :, c:d, g:h]
        if name == "max_pool2d":
            return _Patch(base, *spans, functional.max_pool2d(around, kernel, stride, 0, dilation))
        weight, bias, groups = given["weight"], given.get("bias"), given.get("groups", 1)
        return _Patch(base, *spans, functional.conv2d(around, weight, bias, stride, 0, dilation, groups))


def _work(name: str, args: Any, kwargs: Any, output: Any) -> int:
    """Multiplications of a convolution; 0 for other functions."""
    return output.numel() * argument(args, kwargs, 1, "weight")[0].numel() if name == "conv2d" else 0


def _over(args: Any, kwargs: Any) -> Any:
    """Dimensions over which a mean is taken."""
    dimensions = argument(args, kwargs, 1, "dim")
    return tuple(dimensions) if isinstance(dimensions, (tuple, list)) else dimensions
