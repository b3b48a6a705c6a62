"""Checkpoints of a training without pickle: tensors as safetensors, the rest as JSON, swapped in atomically."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from phonoscope.errors import ExperimentError
from phonoscope.files import write_text


def save_checkpoint(
    folder: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
    rows: list[dict[str, float]],
    best: tuple[float, dict[str, Tensor]],
    settings: dict[str, Any],
) -> None:
    """Write everything that going on needs; the old checkpoint stays until the new one is whole.

    Parameters
    ----------
    folder
        Of the checkpoint; while it is swapped, its neighbours ``.new`` and ``.old`` exist too.
    network, optimizer, scheduler
        As they are after an epoch.
    rows
        Metrics of the epochs so far.
    best
        Score and weights of the epoch chosen so far.
    settings
        What the training is: a checkpoint of another one is refused.

    Raises
    ------
    OSError
        If it cannot be written (disk full, folder read-only).
    """
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in best[1].items()}
    state = optimizer.state_dict()
    for index, values in state["state"].items():
        tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v) for k, v in values.items()}
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    whole = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    try:
        save_file(whole, fresh / "tensors.safetensors")
    except SafetensorError as error:
        raise OSError(f"{fresh / 'tensors.safetensors'} cannot be written ({error})") from error
    facts = {"rows": rows, "best_score": best[0], "settings": settings, "scheduler_step": scheduler.last_epoch}
    # Last and at once: a checkpoint with it is whole.
    write_text(fresh / "state.json", json.dumps(facts))
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def find_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint: a kill may have come between the two renames of a swap."""
    for candidate in (folder, folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")):
        if (candidate / "state.json").is_file() and (candidate / "tensors.safetensors").is_file():
            return candidate
    return None


def load_checkpoint(
    folder: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
    settings: dict[str, Any],
) -> tuple[list[dict[str, float]], tuple[float, dict[str, Tensor]]]:
    """Restore network, optimiser and schedule; returns ``rows`` and ``best`` as they were given to be saved.

    Parameters
    ----------
    folder
        Of a whole checkpoint (see ``find_checkpoint``).
    network, optimizer, scheduler
        Freshly made; changed in place.
    settings
        Of the training that goes on.

    Raises
    ------
    ExperimentError
        If the checkpoint was made with other settings or tokens (going on would give a result that no recipe
        describes), or is damaged.
    """
    try:
        facts = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "tensors.safetensors")
        before = facts["settings"]
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ExperimentError(f"the checkpoint in {folder} is damaged ({error}); train without --resume") from error
    settings = json.loads(json.dumps(settings))
    changed = sorted(k for k in {*settings, *before} if before.get(k) != settings.get(k))
    if changed:
        raise ExperimentError(
            f"the checkpoint in {folder} was made with other settings ({', '.join(changed)}). "
            "Use the same settings, or another output folder"
        )
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "best": {}, "optimizer": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    network.load_state_dict(parts["network"])
    state = optimizer.state_dict()
    state["state"] = {}
    for name, value in parts["optimizer"].items():
        index, _, key = name.partition(".")
        state["state"].setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(state)
    _lay_out(optimizer)
    scheduler.last_epoch = facts["scheduler_step"]
    lambdas = scheduler.lr_lambdas  # ty: ignore[missing-attribute]
    for group, base, factor in zip(optimizer.param_groups, scheduler.base_lrs, lambdas, strict=True):
        group["lr"] = base * factor(scheduler.last_epoch)
    return facts["rows"], (facts["best_score"], parts["best"])


def _lay_out(optimizer: torch.optim.Optimizer) -> None:
    """Lay the state of an optimiser out in memory as its parameters are: a fused one reads both side by side."""
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if torch.is_tensor(value) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
