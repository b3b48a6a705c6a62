"""Several processes or GPUs with torch DDP: each takes its share of every batch, gradients are averaged.

Started by ``torchrun``; without it everything below does nothing and costs nothing.
"""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, distributed, nn


@dataclass
class Processes:
    """This process among those that train together."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    _wrapped: nn.Module | None = None

    @classmethod
    def start(cls) -> Processes:
        """Join the processes that torchrun announced in the environment; a single one without it."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(distributed.get_rank(), count, int(os.environ.get("LOCAL_RANK", "0")))

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def device(self, wanted: torch.device) -> torch.device:
        """Return this process's own GPU when several share a machine."""
        if wanted.type == "cuda" and self.count > 1:
            return torch.device("cuda", self.local_rank)
        return wanted

    def share(self, batch: np.ndarray) -> np.ndarray:
        """Positions of this process in a batch."""
        return batch if self.count == 1 else batch[self.rank :: self.count]

    def wrap(self, network: nn.Module) -> nn.Module:
        """Average gradients over the processes; batch-norm statistics are synchronised on GPUs."""
        if self.count == 1:
            return network
        on_gpu = next(network.parameters()).is_cuda
        self._wrapped = nn.parallel.DistributedDataParallel(network, device_ids=[self.local_rank] if on_gpu else None)
        return self._wrapped

    def total(self, values: Tensor) -> Tensor:
        """Sum of a tensor over the processes."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values

    def finish(self) -> None:
        """Leave the group; the order matters, the CPU back end aborts at exit while buffers of it are alive."""
        if self.count > 1:
            distributed.barrier()
            self._wrapped = None
            gc.collect()


def is_first_process() -> bool:
    """Whether this process is the one that writes files and prints, under torchrun or alone."""
    return os.environ.get("RANK", "0") == "0"


def leave_processes() -> None:
    """Close the group at the end of the program, if this process is in one."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        gc.collect()
        distributed.destroy_process_group()
