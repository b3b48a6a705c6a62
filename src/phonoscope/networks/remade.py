"""Making a module anew, as it is before a training: by its own reset, or by its class."""

from __future__ import annotations

import copy
import inspect
import random
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import islice, product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from phonoscope.modules import random_numbers_kept

_MOST_TRIES = 64  # ways to call a constructor
_PLAIN = (bool, int, float, str, tuple, list, type(None))


def resetting(module: nn.Module) -> Callable[[], nn.Module] | None:
    """How to make a copy of a module whose parameters are reset by itself; None if it has no ``reset_parameters``."""
    if not callable(getattr(module, "reset_parameters", None)):
        return None

    def make() -> nn.Module:
        fresh = copy.deepcopy(module)
        with torch.no_grad():
            for parameter in fresh.parameters(recurse=False):
                parameter.fill_(torch.nan)  # what is not reset is found out
        fresh.reset_parameters()  # ty: ignore[not-callable]
        return fresh

    return make


def rebuilding(module: nn.Module, shapes: Sequence[Sequence[int]]) -> Callable[[], nn.Module] | None:
    """How to make a module anew by its class, with what its attributes say of the arguments; None if that fails.

    Numbers that it does not keep are tried: their defaults, and the numbers of filters and taps.
    """
    try:
        expected = list(inspect.signature(type(module)).parameters.values())
    except (TypeError, ValueError):
        return None
    numbers = list(dict.fromkeys(size for shape in shapes for size in (shape[0], shape[-1])))
    choices: dict[str, list[Any]] = {}
    for parameter in expected:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default, name = parameter.default, parameter.name
        if name in vars(module):
            choices[name] = [vars(module)[name]]
        elif default is parameter.empty:
            choices[name] = list(numbers)
        else:
            counts = isinstance(default, int) and not isinstance(default, bool)
            choices[name] = [default, *(numbers if counts else [])]
    for values in islice(product(*choices.values()), _MOST_TRIES):
        arguments = dict(zip(choices, values, strict=True))

        def make(arguments: dict[str, Any] = arguments) -> nn.Module:
            return type(module)(**copy.deepcopy(arguments))

        try:
            with _own_random_numbers(0):
                fresh = make()
        except Exception:  # a foreign constructor may raise anything on arguments that do not suit it
            continue
        if _alike(fresh, module):
            return make
    return None


def _alike(fresh: nn.Module, module: nn.Module) -> bool:
    """Whether two modules differ in nothing but the values of their parameters."""
    mine, theirs = dict(fresh.named_parameters(recurse=False)), dict(module.named_parameters(recurse=False))
    if {n: p.shape for n, p in mine.items()} != {n: p.shape for n, p in theirs.items()}:
        return False
    constants = [(value, vars(module).get(name)) for name, value in vars(fresh).items() if name != "training"]
    constants += [
        (value, dict(module.named_buffers(recurse=False)).get(n)) for n, value in fresh.named_buffers(recurse=False)
    ]
    for new, old in constants:
        if isinstance(new, Tensor):
            same = isinstance(old, Tensor) and new.shape == old.shape and torch.allclose(new, old.to(new))
        else:
            same = not isinstance(new, _PLAIN) or new == old
        if not same:
            return False
    return True


def begun(make: Callable[[], nn.Module], names: Sequence[str], seed: int) -> dict[str, Tensor] | None:
    """Values of some parameters of a module as it is made; None if it cannot be, or has no such parameters.

    Parameters
    ----------
    make
        Makes the module.
    names
        Of its parameters.
    seed
        Of all random numbers.
    """
    try:
        with _own_random_numbers(seed):
            own = dict(make().named_parameters())
    except Exception:  # what a foreign constructor raises is its own affair
        return None
    if not own.keys() >= set(names) or not all(bool(torch.isfinite(own[name]).all()) for name in names):
        return None
    return {name: own[name].detach() for name in names}


@contextmanager
def _own_random_numbers(seed: int) -> Generator[None]:
    """Seed everything that a constructor may draw from, and leave it as it was."""
    with random_numbers_kept():
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        yield
