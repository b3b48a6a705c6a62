"""Gentle augmentation that leaves the frequency axis alone: noise on the level of every cell, shifts in time."""

from __future__ import annotations

import torch
from torch import Tensor


def augment(
    inputs: Tensor,
    *,
    noise: float,
    time_jitter: float,
    whole: int | None = None,
    part: slice = slice(None),
    generator: torch.Generator | None = None,
) -> Tensor:
    """Add noise to standardised network inputs and shift each token in time.

    Frequency is not translation-invariant, so nothing is flipped, cropped or moved along it.

    Parameters
    ----------
    inputs
        Shape (batch, channels, ..., time).
    noise
        Standard deviation of Gaussian noise, in standard deviations of the input.
    time_jitter
        Largest shift, as a share of the time axis; the edge is repeated where nothing is left.
    whole, part
        Tokens of the batch that these inputs are a part of, and which part. Drawn is for the whole batch, so that a
        token meets the same noise however many processes share its batch.
    generator
        Source of the draws, on the device of the inputs; PyTorch's own if not given.
    """
    columns, whole = inputs.shape[-1], len(inputs) if whole is None else whole
    reach = int(time_jitter * columns)
    if reach > 0:
        shift = torch.randint(-reach, reach + 1, (whole, 1), device=inputs.device, generator=generator)[part]
        index = (torch.arange(columns, device=inputs.device) + shift).clamp(0, columns - 1)
        index = index.view(len(inputs), *[1] * (inputs.dim() - 2), columns).expand(inputs.shape)
        inputs = inputs.gather(-1, index)
    if noise > 0:
        shape = (whole, *inputs.shape[1:])
        drawn = torch.randn(shape, dtype=inputs.dtype, device=inputs.device, generator=generator)[part]
        inputs = inputs + noise * drawn
    return inputs
