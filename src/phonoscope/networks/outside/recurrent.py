"""States of recurrent ONNX models: inputs that hold what the model itself gave for the sound before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from phonoscope.networks.outside.calling import means_something

_FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
_STATE_NAMES = re.compile(r".*(state|hidden|cell|memory|cache).*|[hc]_?(n|in|prev|\d)?", re.IGNORECASE)


class Node(NamedTuple):
    """An input or output of a graph: type as onnxruntime writes it, shape with None or a name where any size fits."""

    name: str
    type: str
    shape: Sequence[int | str | None]


class State(NamedTuple):
    """An input that goes on from one window to the next, and the output that holds what it becomes."""

    given: Node
    output: str

    @property
    def fixed(self) -> bool:
        """Whether it has one size whatever the number of sounds: then it is that of a single sound."""
        return all(isinstance(size, int) for size in self.given.shape)

    def start(self, count: int) -> np.ndarray:
        """What it is before the first window: zeros, by the declared shape, for so many sounds."""
        shape = [size if isinstance(size, int) else count for size in self.given.shape]
        return np.zeros(shape, dtype=_FLOATS[self.given.type])


def find_states(inputs: Sequence[Node], outputs: Sequence[Node]) -> list[State]:
    """Tell states from what a model is to be given: numbers, of two dimensions or more, that it also gives back.

    What it gives back is known by its shape; or, where the shape is left open, by a name as states have it.

    Parameters
    ----------
    inputs, outputs
        Of the graph, in its order.
    """
    free, states = list(outputs), []
    for given in inputs[1:]:
        if given.type not in _FLOATS or len(given.shape) < 2 or means_something(given.name):
            continue
        named = bool(_STATE_NAMES.fullmatch(given.name))
        fitting = [node for node in free if _fits(given, node) and (named or list(node.shape) == list(given.shape))]
        if not fitting:
            continue
        best = max(fitting, key=lambda node: _likeness(given, node))
        free.remove(best)
        states.append(State(given, best.name))
    return states


class Hop(NamedTuple):
    """How a known model wants its windows: so long, with so much of the end of the window before in front, s."""

    window: float
    context: float
    sample_rate: int  # of a model that is not told it, Hz

    def samples(self, sample_rate: int | None) -> tuple[int, int]:
        """Length of a window and of what stands in front of it at a rate in Hz; None: at its own."""
        rate = sample_rate or self.sample_rate
        return round(self.window * rate), round(self.context * rate)


# A graph does not say how its windows follow one another. Of these it is known, by the names of inputs and outputs.
_SILERO = Hop(0.032, 0.004, 16_000)  # silero-vad: ``OnnxWrapper`` in its ``utils_vad.py``
_KNOWN = {
    frozenset({"input", "state", "sr", "output", "stateN"}): _SILERO,
    frozenset({"input", "state", "output", "stateN"}): _SILERO,
}


def known_hop(inputs: Sequence[Node], outputs: Sequence[Node]) -> Hop | None:
    """How a model wants its windows, if it is a known one.

    Parameters
    ----------
    inputs, outputs
        Of the graph.
    """
    return _KNOWN.get(frozenset(node.name for node in (*inputs, *outputs)))


def _fits(given: Node, node: Node) -> bool:
    sizes = list(zip(given.shape, node.shape, strict=False))
    known: list[tuple[Any, Any]] = [(a, b) for a, b in sizes if isinstance(a, int) and isinstance(b, int)]
    return node.type == given.type and len(node.shape) == len(given.shape) and all(a == b for a, b in known)


def _likeness(given: Node, node: Node) -> tuple[int, int]:
    """How many letters two names begin with alike, and how many sizes are the same."""
    alike = (a == b for a, b in zip(given.name, node.name, strict=False))
    return len(list(takewhile(bool, alike))), sum(a == b for a, b in zip(given.shape, node.shape, strict=True))
