"""Batch normalisation over a whole batch that is spread over several processes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def shared_batch_norm(network: nn.Module) -> Generator[None]:
    """Let a network's batch normalisation use the statistics of all processes; inside the context only.

    On a GPU that is done by PyTorch's ``SyncBatchNorm``; for the CPU, which that refuses, the same is computed here.
    Weights and running statistics stay where they are.
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and not isinstance(m, nn.SyncBatchNorm)]
    on_cpu = next(network.parameters()).device.type == "cpu"
    for norm in norms:
        # Instead of the method of its class, and without another module: DDP takes no SyncBatchNorm on the CPU.
        norm.forward = partial(_normalised, norm) if on_cpu else _synchronised(norm)  # ty: ignore[invalid-assignment]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _synchronised(norm: _BatchNorm) -> Callable[[Tensor], Tensor]:
    shared = nn.SyncBatchNorm.convert_sync_batchnorm(norm)
    return lambda x: shared.train(norm.training)(x)


class _SumOverProcesses(torch.autograd.Function):
    """Sum of a tensor over the processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        del ctx
        total = values.contiguous().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        del ctx
        return _SumOverProcesses.apply(gradients[0])


def _normalised(norm: _BatchNorm, x: Tensor) -> Tensor:
    """Normalise (batch, channels, ...) by mean and variance over the batches of all processes (Ioffe and Szegedy 2015).

    The variance is that of the deviations from the common mean, in a second pass: no digits cancel.
    """
    if not norm.training:
        return type(norm).forward(norm, x)
    dims = [dim for dim in range(x.dim()) if dim != 1]
    shape = [1, -1, *[1] * (x.dim() - 2)]
    values = torch.tensor([x.numel() / x.shape[1]], dtype=x.dtype)
    sums = _SumOverProcesses.apply(torch.cat([x.sum(dims), values]))
    count = sums[-1].detach()
    mean = sums[:-1] / count
    centred = x - mean.view(shape)
    variance = _SumOverProcesses.apply(centred.square().sum(dims)) / count
    if norm.track_running_stats:
        _follow(norm, mean.detach(), variance.detach() * count / (count - 1))
    scale = (variance + norm.eps).rsqrt()
    if norm.weight is None:
        return centred * scale.view(shape)
    return centred * (scale * norm.weight).view(shape) + norm.bias.view(shape)


def _follow(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Move the running statistics towards those of a batch."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    weight = norm.momentum if norm.momentum is not None else 1 / int(norm.num_batches_tracked)
    norm.running_mean.lerp_(mean, weight)
    norm.running_var.lerp_(variance, weight)
