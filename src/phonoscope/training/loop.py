"""The training loop: one process or several under torchrun, resumable after every epoch, same seed same result."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
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
from phonoscope.training.data import TokenInputs, in_chunks, on_device
from phonoscope.training.devices import autocast_on, choose_device, repeatable_convolutions
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
    classifier
        Its network is trained, and its standardisation set to that of the training tokens.
    waveforms, labels
        All tokens: 1-D arrays at the classifier's sample rate, and their classes.
    train_index, validation_index
        Positions of the tokens to train on and to choose the epoch by; the latter may be empty (last epoch kept).
    recipe
        How to train.
    folder
        Where a checkpoint is kept after every epoch; none without it.
    resume
        Go on from the checkpoint in ``folder`` when there is one; the result is that of an uninterrupted training.
    device
        ``auto``, ``cpu``, ``cuda`` …; on a GPU the forward pass runs in bfloat16 where the GPU has it.
    progress
        Called after every epoch.
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
    target_device = choose_device(device)
    processes = Processes.start(target_device)
    network = classifier.network
    with one_thread_if_small(network), repeatable_convolutions():
        training = _Training(
            classifier, waveforms, labels, train_index, validation_index, recipe, processes, target_device, inputs
        )
        checkpoint = None if folder is None else Path(folder) / "checkpoint"
        if resume and checkpoint is not None and (whole := find_checkpoint(checkpoint)) is not None:
            training.rows, training.best = load_checkpoint(
                whole, network, training.optimizer, training.scheduler, training.settings
            )
        with processes.together(network) as together:
            training.run(torch.compile(together) if recipe.compile else together, checkpoint, progress)  # ty: ignore[invalid-argument-type]
        training.finish()
    return pd.DataFrame(training.rows)


class _Training:
    """Everything one training needs from epoch to epoch."""

    def __init__(
        self,
        classifier: Classifier,
        waveforms: Sequence[np.ndarray],
        labels: Sequence[str],
        train_index: np.ndarray,
        validation_index: np.ndarray,
        recipe: TrainingRecipe,
        processes: Processes,
        device: torch.device,
        inputs: TokenInputs | None,
    ) -> None:
        classifier.to(device)
        self.classifier, self.recipe, self.processes, self.device = classifier, recipe, processes, device
        self.train_index, self.validation_index = train_index, validation_index
        self.targets = _targets(classifier, labels)
        self.truth = torch.as_tensor(self.targets, device=device)
        self.class_weights = _class_weights(classifier, self.targets[train_index], recipe.balanced, device)
        if min(recipe.batch_size, len(train_index)) < 2 * processes.count:
            raise ExperimentError(
                f"{processes.count} processes need at least {2 * processes.count} tokens a batch; got a batch_size of "
                f"{recipe.batch_size} and {len(train_index)} training tokens"
            )
        self.inputs = inputs or TokenInputs(classifier.front_end, waveforms, device=device)
        classifier.input_mean, classifier.input_sd = self.inputs.statistics(train_index)
        torch.manual_seed(recipe.seed)
        network = classifier.network
        if _has_images(network):
            network.to(memory_format=torch.channels_last)  # ty: ignore[no-matching-overload]
        self.epochs = recipe.epochs_over(len(train_index))
        self.optimizer = _optimizer(network, recipe)
        steps = self.epochs * math.ceil(len(train_index) / recipe.batch_size)
        self.scheduler = _scheduler(self.optimizer, recipe, steps)
        identity = _identity(classifier, waveforms, self.targets, train_index, validation_index)
        self.settings = {**recipe.to_dict(), **identity}
        self.best = (-math.inf, {name: value.detach().clone() for name, value in network.state_dict().items()})
        self.rows: list[dict[str, float]] = []

    def run(self, wrapped: nn.Module, checkpoint: Path | None, progress: Callable[[EpochReport], None] | None) -> None:
        """Train, validate and keep a checkpoint, epoch by epoch from where the rows end."""
        started, first_epoch = time.monotonic(), len(self.rows)
        for epoch in range(first_epoch, self.epochs):
            epoch_start = time.monotonic()
            row = {"epoch": epoch + 1, **self.pass_over(wrapped, epoch), **self.validate()}
            if not math.isfinite(row["train_loss"]):
                raise ExperimentError(
                    f"the loss is not finite after epoch {epoch + 1}; lower the learning rate "
                    f"({self.recipe.learning_rate:g})"
                )
            self.rows.append({**row, "seconds": time.monotonic() - epoch_start})
            self.keep_if_chosen(row["validation_balanced_accuracy"])
            if checkpoint is not None and self.processes.is_first:
                self.save(checkpoint)
            if progress is not None and self.processes.is_first:
                pace = (time.monotonic() - started) / (epoch + 1 - first_epoch)
                left = pace * (self.epochs - epoch - 1)
                progress(EpochReport(epochs=self.epochs, seconds_left=left, **self.rows[-1]))  # ty: ignore[invalid-argument-type]

    def pass_over(self, wrapped: nn.Module, epoch: int) -> dict[str, float]:
        """Train on all training tokens once, in the order of this epoch; mean loss and accuracy on the way.

        Everything a step needs is on the device before the first one, and nothing is asked back before the last one:
        the host runs ahead of a GPU.
        """
        recipe, processes = self.recipe, self.processes
        seed = recipe.seed * 100_003 + epoch
        torch.manual_seed(seed + 7919 * processes.rank)
        # What is drawn for a whole batch must be the same in all processes.
        common = None if processes.count == 1 else torch.Generator(self.device).manual_seed(seed)
        batches = self._batches(epoch)
        parts = [batch[processes.part] for batch in batches]
        weight_sums, truths = self._weight_sums(batches), self._truths(parts)
        autocast = autocast_on(self.device)
        loss_sum, hits = torch.zeros(2, dtype=torch.float64, device=self.device)
        wrapped.train()
        gentle = {"noise": recipe.noise, "time_jitter": recipe.time_jitter, "part": processes.part, "generator": common}
        steps = zip(batches, truths, weight_sums, self.inputs.batches(parts), strict=True)
        for batch, truth, weight_sum, outputs in steps:
            inputs = augment(self.classifier.standardise(outputs), whole=len(batch), **gentle)
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
        seen = sum(len(batch) for batch in batches)
        loss, right = processes.total(torch.stack([loss_sum, hits])).tolist()
        return {"train_loss": loss / seen, "train_accuracy": right / seen}

    def _batches(self, epoch: int) -> list[np.ndarray]:
        """Positions of the training tokens, batch by batch, in the order of an epoch."""
        order = self.inputs.order(self.train_index, np.random.default_rng([self.recipe.seed, epoch]))
        size = self.recipe.batch_size
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        if len(batches[-1]) < max(2, self.processes.count):
            batches.pop()  # batch normalisation needs two tokens, and every process one
        return batches

    def _truths(self, parts: Sequence[np.ndarray]) -> list[Tensor]:
        return [self.truth[index] for index in on_device(parts, self.device)]

    def _weight_sums(self, batches: Sequence[np.ndarray]) -> Sequence[Tensor | int]:
        """Sum of the class weights of each batch."""
        if self.class_weights is None:
            return [len(batch) for batch in batches]
        return [self.class_weights[truth].sum() for truth in self._truths(batches)]

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss and balanced accuracy on the validation tokens; NaN when there are none.

        Each process takes its share of them.
        """
        index, n_classes = self.validation_index, len(self.classifier.labels)
        if len(index) == 0:
            return {"validation_loss": math.nan, "validation_balanced_accuracy": math.nan}
        parts, autocast = in_chunks(index[self.processes.part]), autocast_on(self.device)
        sums = torch.zeros(1 + n_classes, dtype=torch.float64, device=self.device)
        with evaluation_mode(self.classifier):
            for truth, outputs in zip(self._truths(parts), self.inputs.batches(parts), strict=True):
                with autocast():
                    logits = self.classifier.network(self.classifier.standardise(outputs)).float()
                sums[0] += F.cross_entropy(logits, truth, reduction="sum")
                sums[1:].index_add_(0, truth, (logits.argmax(1) == truth).double())
        loss, *hits = self.processes.total(sums).tolist()
        counts = np.bincount(self.targets[index], minlength=n_classes)
        present = counts > 0
        return {
            "validation_loss": loss / len(index),
            "validation_balanced_accuracy": float((np.array(hits)[present] / counts[present]).mean()),
        }

    def keep_if_chosen(self, score: float) -> None:
        """Keep these weights if the recipe chooses this epoch over the ones before."""
        top, kept = self.best
        error = _standard_error(top, len(self.validation_index))
        if self.recipe.choose == "last" or math.isnan(score) or score >= top - error:
            self.best = (top if math.isnan(score) else max(score, top), kept)
            for name, value in self.classifier.network.state_dict().items():
                kept[name].copy_(value)

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


def _class_weights(classifier: Classifier, targets: np.ndarray, balanced: bool, device: torch.device) -> Tensor | None:
    """Weights by which every class of the training tokens counts the same; None where they do already or shall not."""
    counts = np.bincount(targets, minlength=len(classifier.labels))
    if (counts == 0).any():
        empty = [classifier.labels[i] for i in np.flatnonzero(counts == 0)]
        raise ExperimentError(f"no training token of {', '.join(empty)}; leave the class out or use more data")
    if not balanced or counts.min() == counts.max():
        return None
    return torch.as_tensor(counts.sum() / (len(counts) * counts), dtype=torch.float32, device=device)


def _optimizer(network: nn.Module, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[recipe.optimizer]
    fused = next(network.parameters()).device.type in ("cpu", "cuda") or None
    return kind(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=fused)


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
