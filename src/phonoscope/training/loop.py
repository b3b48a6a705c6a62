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
from phonoscope.modules import evaluation_mode, one_thread_if_small
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
    with one_thread_if_small(classifier.network):
        training = _Training.prepare(
            classifier, waveforms, labels, train_index, validation_index, recipe, processes, device, inputs
        )
        checkpoint = None if folder is None else Path(folder) / "checkpoint"
        if resume and checkpoint is not None and (found := find_checkpoint(checkpoint)) is not None:
            training.rows, training.best = load_checkpoint(
                found, classifier.network, training.optimizer, training.scheduler, training.settings
            )
        wrapped = processes.wrap(classifier.network)
        started, first_epoch = time.monotonic(), len(training.rows)
        for epoch in range(first_epoch, training.epochs):
            epoch_start = time.monotonic()
            row = {"epoch": epoch + 1, **training.pass_over(wrapped, epoch), **training.validate()}
            if not math.isfinite(row["train_loss"]):
                raise ExperimentError(
                    f"the loss is not finite after epoch {epoch + 1}; lower the learning rate "
                    f"({recipe.learning_rate:g})"
                )
            training.rows.append({**row, "seconds": time.monotonic() - epoch_start})
            training.keep_if_chosen(row["validation_balanced_accuracy"])
            if checkpoint is not None and processes.is_first:
                training.save(checkpoint)
            if progress is not None and processes.is_first:
                pace = (time.monotonic() - started) / (epoch + 1 - first_epoch)
                left = pace * (training.epochs - epoch - 1)
                progress(EpochReport(epochs=training.epochs, seconds_left=left, **training.rows[-1]))  # ty: ignore[invalid-argument-type]
        training.finish()
    del wrapped
    processes.finish()
    return pd.DataFrame(training.rows)


@dataclass
class _Training:
    """Everything one training needs from epoch to epoch."""

    classifier: Classifier
    inputs: TokenInputs
    targets: np.ndarray
    train_index: np.ndarray
    validation_index: np.ndarray
    recipe: TrainingRecipe
    processes: Processes
    device: torch.device
    epochs: int
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    class_weights: Tensor
    settings: dict[str, Any]
    best: tuple[float, dict[str, Tensor]]
    rows: list[dict[str, float]]

    @classmethod
    def prepare(
        cls,
        classifier: Classifier,
        waveforms: Sequence[np.ndarray],
        labels: Sequence[str],
        train_index: np.ndarray,
        validation_index: np.ndarray,
        recipe: TrainingRecipe,
        processes: Processes,
        device: str,
        inputs: TokenInputs | None,
    ) -> _Training:
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
        if _has_images(network):
            network.to(memory_format=torch.channels_last)  # ty: ignore[no-matching-overload]
        steps = math.ceil(len(train_index) / recipe.batch_size)
        epochs = max(recipe.epochs, math.ceil(recipe.min_steps / steps))
        class_weights = torch.ones(len(counts))
        if recipe.balanced:
            class_weights = torch.as_tensor(counts.sum() / (len(counts) * counts), dtype=torch.float32)
        optimizer = _optimizer(network, recipe)
        return cls(
            classifier=classifier,
            inputs=inputs,
            targets=targets,
            train_index=train_index,
            validation_index=validation_index,
            recipe=recipe,
            processes=processes,
            device=target_device,
            epochs=epochs,
            optimizer=optimizer,
            scheduler=_scheduler(optimizer, recipe, epochs * steps),
            class_weights=class_weights.to(target_device),
            settings={**recipe.to_dict(), **_identity(classifier, waveforms, targets, train_index, validation_index)},
            best=(-math.inf, _copy_state(network)),
            rows=[],
        )

    def pass_over(self, wrapped: nn.Module, epoch: int) -> dict[str, float]:
        """Train on all training tokens once, in the order of this epoch; mean loss and accuracy on the way."""
        recipe, processes = self.recipe, self.processes
        torch.manual_seed(recipe.seed * 100_003 + epoch + 7919 * processes.rank)
        order = self.inputs.order(self.train_index, np.random.default_rng([recipe.seed, epoch]))
        truth_of = torch.as_tensor(self.targets, device=self.device)
        autocast = _autocast(self.device)
        loss_sum, hits = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        seen = 0
        wrapped.train()
        batches = [order[start : start + recipe.batch_size] for start in range(0, len(order), recipe.batch_size)]
        if len(batches[-1]) < 2 * processes.count:
            batches.pop()  # batch normalisation needs two tokens a process
        parts = [processes.share(batch) for batch in batches]
        for batch, mine, outputs in zip(batches, parts, self.inputs.batches(parts), strict=True):
            truth = truth_of[torch.as_tensor(mine, device=self.device)]
            weight_sum = self.class_weights[truth_of[torch.as_tensor(batch, device=self.device)]].sum()
            inputs = self.classifier.standardise(outputs)
            inputs = augment(inputs, noise=recipe.noise, time_jitter=recipe.time_jitter)
            with autocast():
                logits = wrapped(inputs)
            losses = F.cross_entropy(logits.float(), truth, weight=self.class_weights, reduction="sum")
            self.optimizer.zero_grad(set_to_none=True)
            # The weighted mean over the whole batch, whatever the number of processes it is spread over.
            (losses * processes.count / weight_sum).backward()
            self.optimizer.step()
            self.scheduler.step()
            loss_sum += losses.detach() / weight_sum * len(batch)
            hits += (logits.detach().argmax(1) == truth).sum()
            seen += len(batch)
        totals = processes.total(torch.stack([loss_sum, hits]))
        return {"train_loss": float(totals[0]) / seen, "train_accuracy": float(totals[1]) / seen}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss and balanced accuracy on the validation tokens; NaN when there are none."""
        index, n_classes = self.validation_index, len(self.classifier.labels)
        if len(index) == 0:
            return {"validation_loss": math.nan, "validation_balanced_accuracy": math.nan}
        loss, hits, counts = 0.0, np.zeros(n_classes), np.bincount(self.targets[index], minlength=n_classes)
        with evaluation_mode(self.classifier):
            for start in range(0, len(index), 256):
                part = index[start : start + 256]
                logits = self.classifier.network(self.classifier.standardise(self.inputs[part])).float().cpu()
                truth = torch.as_tensor(self.targets[part])
                loss += float(F.cross_entropy(logits, truth, reduction="sum"))
                np.add.at(hits, self.targets[part], (logits.argmax(1) == truth).numpy())
        present = counts > 0
        return {
            "validation_loss": loss / len(index),
            "validation_balanced_accuracy": float((hits[present] / counts[present]).mean()),
        }

    def keep_if_chosen(self, score: float) -> None:
        """Keep these weights if the recipe chooses this epoch over the ones before."""
        top = self.best[0]
        if (
            self.recipe.choose == "last"
            or math.isnan(score)
            or score >= top - _standard_error(top, len(self.validation_index))
        ):
            self.best = (top if math.isnan(score) else max(score, top), _copy_state(self.classifier.network))

    def save(self, checkpoint: Path) -> None:
        """Write the checkpoint, and the metrics so far as CSV beside it."""
        network = self.classifier.network
        save_checkpoint(checkpoint, network, self.optimizer, self.scheduler, self.rows, self.best, self.settings)
        write_text(checkpoint.parent / "training.csv", pd.DataFrame(self.rows).to_csv(index=False))

    def finish(self) -> None:
        """Leave the classifier with the chosen weights, laid out in memory as a saved one is when it is loaded."""
        network = self.classifier.network
        network.load_state_dict(self.best[1])
        if _has_images(network):
            network.to(memory_format=torch.contiguous_format)  # ty: ignore[no-matching-overload]
        network.eval()


def _has_images(network: nn.Module) -> bool:
    return any(parameter.dim() == 4 for parameter in network.parameters())


def _standard_error(score: float, count: int) -> float:
    """Standard error of a share between 0 and 1 measured on so many tokens."""
    return math.sqrt(score * (1 - score) / count) if 0 <= score <= 1 and count else 0.0


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
