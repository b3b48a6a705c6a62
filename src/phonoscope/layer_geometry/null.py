"""What the measures are for random weights of the same shape: how wide a layer is already says most of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from phonoscope.layer_geometry.layers import Kernel, assemble
from phonoscope.layer_geometry.measures import COMPARED, Spectrum, measures_of, spectrum_of

_LEAST_DRAWS = 5
_MOST_OPERATIONS = 4e10  # multiplications spent on one shape: larger ones get fewer draws, but at least five
_BARTLETT_OPERATIONS = 5e8


@lru_cache(maxsize=256)
def null_law(
    kernels: tuple[Kernel, ...],
    alignment: str,
    draws: int,
    seed: int,
    draw: Callable[[int], list[np.ndarray]] | None = None,
) -> tuple[dict[str, tuple[float, float]], int]:
    """Mean and standard deviation of each measure over random weights of this layout.

    Weights are independent and uniform around zero, as PyTorch initialises convolutions and dense layers; filters are
    scaled to unit length, so their size plays no part. For large plain layers the Gram matrix is drawn directly from
    the Wishart law (Bartlett 1933), i.e. for normal weights, which in so many dimensions makes no difference.

    Parameters
    ----------
    kernels
        Layout of the layer's weights; several branches form a block.
    alignment
        See ``assemble``.
    draws, seed
        How many random layers, and from which seed.
    draw
        From a seed to the weights of such a layer before training, where they are no free weights.

    Returns
    -------
    law, draws
        ``law[measure]`` is (mean, standard deviation); and the number of draws that were made.
    """
    filters = sum(k.shape[0] for k in kernels) // kernels[0].groups
    spans = [max(sizes) for sizes in zip(*(k.spans for k in kernels), strict=True)]
    dimensions = kernels[0].shape[1] * math.prod(spans)
    operations = dimensions * filters**2 * kernels[0].groups
    plain = (
        draw is None and len(kernels) == 1 and kernels[0].spans == kernels[0].shape[2:] and not kernels[0].is_complex
    )
    by_gram = plain and kernels[0].groups == 1 and dimensions > filters and operations > _BARTLETT_OPERATIONS
    if by_gram:
        operations = filters**3 * 4
    count = int(max(_LEAST_DRAWS, min(draws, _MOST_OPERATIONS // max(operations, 1))))
    drawn: dict[str, list[float]] = {name: [] for name in COMPARED}
    for number, generator in enumerate(np.random.default_rng(seed).spawn(count)):
        if by_gram:
            spectra = [_wishart(dimensions, filters, generator)]
        else:
            weights = _draw(kernels, generator) if draw is None else draw(seed + number)
            spectra = [spectrum_of(block) for block in assemble(weights, kernels, alignment)]
        measured = measures_of(spectra)
        for name in COMPARED:
            drawn[name].append(measured[name])
    return {name: (float(np.mean(v)), float(np.std(v, ddof=1))) for name, v in drawn.items()}, count


def _draw(kernels: Sequence[Kernel], generator: np.random.Generator) -> list[np.ndarray]:
    weights = []
    for kernel in kernels:
        weight = generator.uniform(-1, 1, kernel.shape)
        weights.append(weight + 1j * generator.uniform(-1, 1, kernel.shape) if kernel.is_complex else weight)
    return weights


def _wishart(dimensions: int, filters: int, generator: np.random.Generator) -> Spectrum:
    """Gram matrix of unit filters with normal weights, without drawing the filters: L Lᵀ with Bartlett's L."""
    lower = np.tril(generator.standard_normal((filters, filters)), -1)
    lower[np.diag_indices(filters)] = np.sqrt(generator.chisquare(dimensions - np.arange(filters)))
    lower /= np.linalg.norm(lower, axis=1, keepdims=True)
    gram = lower @ lower.T
    return Spectrum(gram, np.maximum(np.linalg.eigvalsh(gram), 0.0), dimensions)
