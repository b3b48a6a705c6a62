"""Several processes or GPUs with torch DDP: each takes its share of every batch, gradients are averaged.

Started by ``torchrun``; without it everything below does nothing and costs nothing.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from phonoscope.training.batch_norm import shared_batch_norm


@dataclass(frozen=True)
class Processes:
    """This process among those that train together."""

    rank: int = 0
    count: int = 1

    @classmethod
    def start(cls, device: torch.device) -> Processes:
        """Join the processes that torchrun announced in the environment; a single one without it."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        on_gpu = device.type == "cuda"
        if on_gpu:
            torch.cuda.set_device(device)
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if on_gpu else "gloo")
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    @property
    def part(self) -> slice:
        """Which positions of a batch are this process's."""
        return slice(self.rank, None, self.count)

    @contextmanager
    def together(self, network: nn.Module) -> Generator[nn.Module]:
        """Average gradients over the processes, and normalise batches as a whole, inside the context."""
        if self.count == 1:
            yield network
            return
        with shared_batch_norm(network):
            device = next(network.parameters()).device
            gpus = [device] if device.type == "cuda" else None
            yield nn.parallel.DistributedDataParallel(network, device_ids=gpus)

    def total(self, values: Tensor) -> Tensor:
        """Sum of a tensor over the processes."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values


def is_first_process() -> bool:
    """Whether this process is the one that writes files and prints, under torchrun or alone."""
    return os.environ.get("RANK", "0") == "0"


def leave_processes() -> None:
    """Close the group at the end of the program, if this process is in one.

    The order matters: the CPU back end aborts at exit while a network that was wrapped is alive.
    """
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        gc.collect()
        distributed.destroy_process_group()
