"""What is drawn in the place of a layer's filters, to say how they were before its training; plain arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["free filters", "parameters", "fixed", "unknown"]
_LABELS = {"free filters": "random weights", "parameters": "parameters drawn anew"}


@dataclass(frozen=True, eq=False)
class Untrained:
    """How filters of a layer are drawn as it has them before a training.

    Attributes
    ----------
    kind
        ``free filters``, ``parameters``, ``fixed`` (no gradient reaches the filters: there is nothing to learn), or
        ``unknown`` (nobody can see how its parameters begin).
    words
        What was drawn, or why nothing can be, for people.
    draw
        From a seed to the weights of each branch, as of ``Branch.weights``; None where nothing can be drawn, and for
        free filters, which anybody can draw.
    same_start
        The layer always begins with the same values: the draws stand for their density, not for how they are spaced.
    """

    kind: Kind
    words: str
    draw: Callable[[int], list[np.ndarray]] | None = None
    same_start: bool = False

    @property
    def can_be_drawn(self) -> bool:
        """Whether there are random layers to compare with."""
        return self.kind in _LABELS

    @property
    def label(self) -> str:
        """What figures and sentences call a random layer; empty where there is none."""
        return _LABELS.get(self.kind, "")


FREE = Untrained("free filters", "free filters, drawn as PyTorch initialises a convolution")
FIXED = Untrained(
    "fixed",
    "its filters are fixed: no gradient reaches them, so they learn nothing and are compared with nothing random",
)
FOURIER = Untrained(
    "fixed", "its filters are a windowed Fourier basis: they make a short-time spectrum, and nothing of it was learned"
)


def free_filters(weights: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Fresh weights (filters, channels, ...) as PyTorch initialises a convolution: uniform, ±1/√(taps · channels).

    He et al. 2015 with a = √5, the default of ``Conv1d``; complex weights have independent parts.
    """
    bound = math.prod(weights.shape[1:]) ** -0.5
    fresh = generator.uniform(-bound, bound, weights.shape)
    if np.iscomplexobj(weights):
        fresh = fresh + 1j * generator.uniform(-bound, bound, weights.shape)
    return fresh.astype(weights.dtype)
