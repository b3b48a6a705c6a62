"""Where a training runs, and in which precision."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from phonoscope.errors import ExperimentError


def choose_device(device: str = "auto") -> torch.device:
    """Turn ``auto`` into the GPU when there is one, else the CPU; ExperimentError for a device that is not there.

    Of several processes on one machine (``torchrun``), each gets the GPU of its own number.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, ValueError) as error:
        first_line = str(error).partition("\n")[0]
        raise ExperimentError(f"device {device!r} cannot be used ({first_line}); choose cpu, or auto") from error
    return chosen


def autocast_on(device: torch.device) -> Callable[[], Any]:
    """Return the context of a forward pass: bfloat16 on a GPU that has it, else the network's own precision."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return lambda: torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext


@contextmanager
def repeatable_convolutions() -> Generator[None]:
    """Let cuDNN choose by rule, not by timing, and only among algorithms that give the same sums every time."""
    settings = torch.backends.cudnn
    before = settings.benchmark, settings.deterministic
    settings.benchmark, settings.deterministic = False, True
    try:
        yield
    finally:
        settings.benchmark, settings.deterministic = before
