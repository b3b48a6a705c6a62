"""Gentle augmentation that leaves the frequency axis alone: noise on the level of every cell, shifts in time."""

from __future__ import annotations

import torch
from torch import Tensor


def augment(inputs: Tensor, *, noise: float, time_jitter: float) -> Tensor:
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
    """
    columns = inputs.shape[-1]
    reach = int(time_jitter * columns)
    if reach > 0:
        shift = torch.randint(-reach, reach + 1, (len(inputs), 1), device=inputs.device)
        index = (torch.arange(columns, device=inputs.device) + shift).clamp(0, columns - 1)
        index = index.view(len(inputs), *[1] * (inputs.dim() - 2), columns).expand(inputs.shape)
        inputs = inputs.gather(-1, index)
    if noise > 0:
        inputs = inputs + noise * torch.randn_like(inputs)
    return inputs
