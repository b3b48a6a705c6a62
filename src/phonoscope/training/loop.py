"""The training loop: one process or several under torchrun, resumable after every epoch, same seed same result."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from phonoscope.classifier import Classifier
from phonoscope.errors import ExperimentError
from phonoscope.files import write_text
from phonoscope.modules import evaluation_mode
from phonoscope.training.augment import augment
from phonoscope.training.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from phonoscope.training.data import TokenInputs
from phonoscope.training.processes import Processes
from phonoscope.training.recipe import TrainingRecipe


@dataclass(frozen=True)
class EpochReport:
    """What one epoch brought; ``seconds_left`` is an estimate for the epochs that remain."""

    epoch: int
    epochs: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_balanced_accuracy: float
    seconds: float
    seconds_left: float

    def line(self) -> str:
        """Return one line for the terminal."""
        chosen = "" if math.isnan(self.validation_loss) else f"  validation {self.validation_balanced_accuracy:.1%}"
        return (
            f"epoch {self.epoch}/{self.epochs}  loss {self.train_loss:.4f}  train {self.train_accuracy:.1%}{chosen}"
            f"  {self.seconds_left:.0f} s left"
        )


def choose_device(device: str = "auto") -> torch.device:
    """Turn ``auto`` into the GPU when there is one, else the CPU; ExperimentError for a device that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, ValueError) as error:
        first_line = str(error).partition("\n")[0]
        raise ExperimentError(f"device {device!r} cannot be used ({first_line}); choose cpu, or auto") from error
    return chosen


def train(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray],
    labels: Sequence[str],
    *,
    train_index: np.ndarray,
    validation_index: np.ndarray,
    recipe: TrainingRecipe,
    folder: str | Path | None = None,
    resume: bool = False,
    device: str = "auto",
    progress: Callable[[EpochReport], None] | None = None,
    inputs: TokenInputs | None = None,
) -> pd.DataFrame:
    """Train a classifier's network in place and leave it with the weights of the chosen epoch.

    Parameters
    ----------
    waveforms, labels
        All tokens: 1-D arrays at the classifier's sample rate, and their classes.
    train_index, validation_index
        Positions of the tokens to train on and to choose the epoch by; the latter may be empty (last epoch kept).
    folder
        Where a checkpoint is kept after every epoch; none without it.
    resume
        Go on from the checkpoint in ``folder`` when there is one; the result is that of an uninterrupted training.
    device
        ``auto``, ``cpu``, ``cuda`` …; on a GPU the forward pass runs in bfloat16 where the GPU has it.
    inputs
        Front-end outputs of ``waveforms`` made earlier (cross-validation makes them once for all folds).

    Returns
    -------
    DataFrame
        One row an epoch: ``epoch, train_loss, train_accuracy, validation_loss, validation_balanced_accuracy, seconds``.

    Raises
    ------
    ExperimentError
        If a label is not among the classifier's, a class has no training token, the batches are too small for the
        number of processes, the checkpoint is of another training, or the loss is not finite.
    """
    processes = Processes.start()
    target_device = processes.device(choose_device(device))
    classifier.to(target_device)
    targets = _targets(classifier, labels)
    counts = np.bincount(targets[train_index], minlength=len(classifier.labels))
    if (counts == 0).any():
        empty = [classifier.labels[i] for i in np.flatnonzero(counts == 0)]
        raise ExperimentError(f"no training token of {', '.join(empty)}; leave the class out or use more data")
    if min(recipe.batch_size, len(train_index)) < 2 * processes.count:
        raise ExperimentError(
            f"{processes.count} processes need at least {2 * processes.count} tokens a batch; got a batch_size of "
            f"{recipe.batch_size} and {len(train_index)} training tokens"
        )
    inputs = inputs or TokenInputs(classifier.front_end, waveforms, device=target_device)
    classifier.input_mean, classifier.input_sd = inputs.statistics(train_index)

    torch.manual_seed(recipe.seed)
    network = classifier.network
    if any(p.dim() == 4 for p in network.parameters()):
        network.to(memory_format=torch.channels_last)  # ty: ignore[no-matching-overload]
    steps_per_epoch = math.ceil(len(train_index) / recipe.batch_size)
    epochs = max(recipe.epochs, math.ceil(recipe.min_steps / steps_per_epoch))
    optimizer = _optimizer(network, recipe)
    scheduler = _scheduler(optimizer, recipe, epochs * steps_per_epoch)
    class_weights = torch.ones(len(counts))
    if recipe.balanced:
        class_weights = torch.as_tensor(counts.sum() / (len(counts) * counts), dtype=torch.float32)
    class_weights = class_weights.to(target_device)

    settings = {**recipe.to_dict(), **_identity(classifier, waveforms, targets, train_index, validation_index)}
    rows: list[dict[str, float]] = []
    best: tuple[float, dict[str, Tensor]] = (-math.inf, _copy_state(network))
    checkpoint = None if folder is None else Path(folder) / "checkpoint"
    if resume and checkpoint is not None and (found := find_checkpoint(checkpoint)) is not None:
        rows, best = load_checkpoint(found, network, optimizer, scheduler, settings)
    wrapped = processes.wrap(network)
    autocast = _autocast(target_device)
    all_targets = torch.as_tensor(targets, device=target_device)
    started, first_epoch = time.monotonic(), len(rows)

    for epoch in range(first_epoch, epochs):
        epoch_start = time.monotonic()
        torch.manual_seed(recipe.seed * 100_003 + epoch + 7919 * processes.rank)
        order = np.random.default_rng([recipe.seed, epoch]).permutation(train_index)
        loss_sum, hits = torch.zeros((), device=target_device), torch.zeros((), device=target_device)
        seen = 0
        wrapped.train()
        for step in range(steps_per_epoch):
            batch = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            if len(batch) < 2 * processes.count:
                continue  # batch normalisation needs two tokens a process
            truth_all = all_targets[torch.as_tensor(batch, device=target_device)]
            mine = processes.share(batch)
            truth = all_targets[torch.as_tensor(mine, device=target_device)]
            batch_inputs = classifier.standardise(inputs[mine])
            batch_inputs = augment(batch_inputs, noise=recipe.noise, time_jitter=recipe.time_jitter)
            with autocast():
                logits = wrapped(batch_inputs)
            losses = F.cross_entropy(logits.float(), truth, weight=class_weights, reduction="sum")
            # The weighted mean over the whole batch, whatever the number of processes it is spread over.
            loss = losses * processes.count / class_weights[truth_all].sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            scheduler.step()
            loss_sum += losses.detach() / class_weights[truth_all].sum() * len(batch)
            seen += len(batch)
            hits += (logits.detach().argmax(1) == truth).sum()
        totals = processes.total(torch.stack([loss_sum, hits]))
        row = {
            "epoch": epoch + 1,
            "train_loss": float(totals[0]) / seen,
            "train_accuracy": float(totals[1]) / seen,
            **_validate(classifier, inputs, targets, validation_index),
        }
        if not math.isfinite(row["train_loss"]):
            raise ExperimentError(
                f"the loss is not finite after epoch {epoch + 1}; lower the learning rate ({recipe.learning_rate:g})"
            )
        row["seconds"] = time.monotonic() - epoch_start
        rows.append(row)
        score = row["validation_balanced_accuracy"]
        if recipe.choose == "last" or math.isnan(score) or score >= best[0]:
            best = (score if not math.isnan(score) else -math.inf, _copy_state(network))
        if checkpoint is not None and processes.is_first:
            save_checkpoint(checkpoint, network, optimizer, scheduler, rows, best, settings)
            write_text(checkpoint.parent / "training.csv", pd.DataFrame(rows).to_csv(index=False))
        if progress is not None and processes.is_first:
            pace = (time.monotonic() - started) / (epoch + 1 - first_epoch)
            progress(EpochReport(epochs=epochs, seconds_left=pace * (epochs - epoch - 1), **row))
    network.load_state_dict(best[1])
    # As a saved classifier is loaded: another memory layout would round differently.
    if any(p.dim() == 4 for p in network.parameters()):
        network.to(memory_format=torch.contiguous_format)  # ty: ignore[no-matching-overload]
    network.eval()
    del wrapped
    processes.finish()
    return pd.DataFrame(rows)


def _identity(
    classifier: Classifier, waveforms: Sequence[np.ndarray], targets: np.ndarray, *parts: np.ndarray
) -> dict[str, Any]:
    """What a checkpoint belongs to beside the recipe: front end, network, classes, and a hash of the tokens used."""
    digest = hashlib.sha256()
    for values in (targets, *parts):
        digest.update(np.asarray(values, dtype=np.int64).tobytes() + b"|")
    for waveform in waveforms:
        digest.update(np.asarray(waveform, dtype=np.float32).tobytes() + b"|")
    return {
        "front_end": {"kind": classifier.front_end.kind, **classifier.front_end.config()},
        "network": {name: list(value.shape) for name, value in classifier.network.state_dict().items()},
        "classes": classifier.labels,
        "tokens": digest.hexdigest(),
    }


def _targets(classifier: Classifier, labels: Sequence[str]) -> np.ndarray:
    index = {label: i for i, label in enumerate(classifier.labels)}
    unknown = sorted({str(label) for label in labels} - index.keys())
    if unknown:
        raise ExperimentError(f"tokens are labelled {', '.join(unknown)}, but the classes are {', '.join(index)}")
    return np.array([index[str(label)] for label in labels])


def _optimizer(network: nn.Module, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    on_gpu = next(network.parameters()).is_cuda
    return kinds[recipe.optimizer](
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=on_gpu or None
    )


def _scheduler(
    optimizer: torch.optim.Optimizer, recipe: TrainingRecipe, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    warm = max(1, round(0.1 * steps))

    def factor(step: int) -> float:
        if recipe.schedule == "constant":
            return 1.0
        if step < warm:
            return (step + 1) / warm
        return max(0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))), 1e-3)

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _autocast(device: torch.device) -> Callable[[], Any]:
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return lambda: torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext


def _copy_state(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@torch.no_grad()
def _validate(classifier: Classifier, inputs: TokenInputs, targets: np.ndarray, index: np.ndarray) -> dict[str, float]:
    if len(index) == 0:
        return {"validation_loss": math.nan, "validation_balanced_accuracy": math.nan}
    loss, n_classes = 0.0, len(classifier.labels)
    hits, counts = np.zeros(n_classes), np.bincount(targets[index], minlength=n_classes)
    with evaluation_mode(classifier):
        for start in range(0, len(index), 256):
            part = index[start : start + 256]
            logits = classifier.network(classifier.standardise(inputs[part])).float().cpu()
            truth = torch.as_tensor(targets[part])
            loss += float(F.cross_entropy(logits, truth, reduction="sum"))
            np.add.at(hits, targets[part], (logits.argmax(1) == truth).numpy())
    present = counts > 0
    return {
        "validation_loss": loss / len(index),
        "validation_balanced_accuracy": float((hits[present] / counts[present]).mean()),
    }
