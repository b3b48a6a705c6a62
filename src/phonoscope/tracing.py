"""Reading torch functions while they run: names, tensors among their arguments, windows that slide over a grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

Note = TypeVar("Note")

_CONVOLUTION = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = (*_CONVOLUTION[:5], "output_padding", "groups", "dilation")
_MAXIMUM = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
_MEAN = ("input", "kernel_size", "stride", "padding", "ceil_mode")
_SLIDING = {
    f"{kind}{dims}d": (names, dims)
    for kind, names in {
        "conv": _CONVOLUTION,
        "conv_transpose": _TRANSPOSED,
        "max_pool": _MAXIMUM,
        "avg_pool": _MEAN,
    }.items()
    for dims in (1, 2, 3)
}


class TensorNotes(Generic[Note]):
    """Something noted of each of some tensors, by identity; they are kept alive, for only then are identities unique.

    Parameters
    ----------
    first, note
        The tensor with which a pass begins, and what is noted of it.
    """

    def __init__(self, first: Tensor, note: Note) -> None:
        self._notes: dict[int, tuple[Tensor, Note]] = {id(first): (first, note)}

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self._notes

    def __getitem__(self, tensor: Tensor) -> Note:
        return self._notes[id(tensor)][1]

    def __setitem__(self, tensor: Tensor, note: Note) -> None:
        self._notes[id(tensor)] = tensor, note

    def get(self, tensor: Tensor) -> Note | None:
        """Return what is noted of a tensor; None if nothing is."""
        return self._notes.get(id(tensor), (tensor, None))[1]

    def forget(self, tensor: Tensor) -> None:
        """Drop the note of a tensor, if there is one."""
        self._notes.pop(id(tensor), None)


def name_of(function: Any) -> str:
    """Name of a torch function; of a property, such as ``mT``, the property's own."""
    name = getattr(function, "__name__", "")
    return getattr(function.__self__, "__name__", name) if name == "__get__" else name


def tensors_in(values: Iterable[Any]) -> list[Tensor]:
    """Tensors among values, and in tuples and lists of them at any depth."""
    tensors = []
    for value in values:
        if isinstance(value, Tensor):
            tensors.append(value)
        elif isinstance(value, (tuple, list)):
            tensors += tensors_in(value)
    return tensors


def tensors_changed(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Arguments of a function with every tensor changed, in tuples, lists and dictionaries at any depth."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, (tuple, list)):
        return type(value)(tensors_changed(v, change) for v in value)
    return {k: tensors_changed(v, change) for k, v in value.items()} if isinstance(value, dict) else value


def argument(args: Any, kwargs: Any, position: int, name: str, default: Any = None) -> Any:
    """Argument of a call, given by position or by name.

    Parameters
    ----------
    args, kwargs
        What the function was called with.
    position, name
        Where the argument stands.
    default
        Returned if it was left out.
    """
    return args[position] if len(args) > position else kwargs.get(name, default)


def arguments_of(name: str, args: Any, kwargs: Any) -> dict[str, Any]:
    """Arguments by name of a convolution or pooling; what was left out is not in it.

    Parameters
    ----------
    name, args, kwargs
        As of ``window_of``.
    """
    return dict(zip(_SLIDING[name][0], args, strict=False)) | kwargs


class Window(NamedTuple):
    """A window that slides over a grid: numbers of positions, one for each dimension of the grid."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]


def window_of(name: str, args: Any, kwargs: Any) -> Window | None:
    """Window of a convolution (transposed or not) or pooling of one to three dimensions; None for other functions.

    Parameters
    ----------
    name
        Of the torch function, as by ``name_of``.
    args, kwargs
        What it was called with. Padding ``same`` is given as what stands before the first position.
    """
    if name not in _SLIDING:
        return None
    given, dims = arguments_of(name, args, kwargs), _SLIDING[name][1]
    convolves = "weight" in given
    kernel = tuple(given["weight"].shape[2:]) if convolves else _per_dimension(given["kernel_size"], dims)
    stride = _per_dimension(given.get("stride") or (1 if convolves else kernel), dims)
    dilation, padding = _per_dimension(given.get("dilation", 1), dims), given.get("padding", 0)
    if padding == "same":
        padding = [d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)]
    return Window(kernel, stride, _per_dimension(0 if padding == "valid" else padding, dims), dilation)


def _per_dimension(value: Any, dims: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, (tuple, list, torch.Size)) else (value,)
    return tuple(int(v) for v in (values * dims if len(values) == 1 else values))
