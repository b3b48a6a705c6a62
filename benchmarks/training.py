"""Our training loop beside a bare PyTorch loop on tensors in memory: same network, batches, precision, optimiser.

Run: ``python -m benchmarks.training [rounds]``.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.measure import Bar, Measurement, alone, compared

SAMPLE_RATE = 16_000
LABELS = ["i", "æ", "ɝ", "ɑ", "u"]
BATCH = 16
# Network: rows, columns, training tokens, epochs. The default recipe's epochs have 50 steps or more (400 in 8 epochs);
# those of the large network are shorter, so that there are more of them.
SIZES = {"compact": (64, 32, 1024, 5), "resnet18": (64, 64, 64, 6)}
BARS = {
    **{f"training step, {name}": Bar(0.97, peer="bare loop") for name in SIZES},
    # Not the same work: the bare loop adds no noise and moves nothing in time.
    **{f"step with noise and shifts, {name}": Bar(0.9, peer="bare loop") for name in SIZES},
}


def measure(rounds: int) -> Iterator[Measurement]:
    """CPU time of epochs, from the front end's outputs on."""
    for what in BARS:
        name = what.rpartition(" ")[2]
        rows, columns, tokens, epochs = SIZES[name]
        augmentation = {} if "noise" in what else {"noise": 0.0, "time_jitter": 0.0}
        settings = {"epochs": epochs, "min_steps": 0, "batch_size": BATCH, "choose": "last", **augmentation}
        spent = np.array([one_training(name, rows, columns, tokens, settings) for _ in range(rounds)])
        steps, note = math.ceil(tokens / BATCH), f"bare / ours; {BATCH} × {rows} × {columns}"
        yield compared(what, *spent.T, per=steps, note=note)


def one_training(name: str, rows: int, columns: int, tokens: int, settings: dict[str, Any]) -> np.ndarray:
    """Median CPU seconds of our epochs and of the bare loop's, array (2,)."""
    import torch

    from phonoscope.training import TokenInputs, TrainingRecipe

    torch.manual_seed(0)
    classifier, waveforms, labels = material(name, rows, columns, tokens)
    recipe, inputs = TrainingRecipe(**settings), TokenInputs(classifier.front_end, waveforms)
    bare = bare_loop(copy.deepcopy(classifier.network), recipe, inputs[np.arange(tokens)], labels)
    return epochs_in_turn(classifier, waveforms, labels, recipe, inputs, bare, "cpu", time.process_time)


def material(name: str, rows: int, columns: int, tokens: int) -> tuple[Any, list[np.ndarray], list[str]]:
    """An untrained classifier, and a tenth of a second of noise a token with its class."""
    from phonoscope.classifier import Classifier
    from phonoscope.frontends import Spectrogram

    random = np.random.default_rng(0)
    waveforms = [0.1 * random.standard_normal(SAMPLE_RATE // 10, dtype=np.float32) for _ in range(tokens)]
    labels = [LABELS[place % len(LABELS)] for place in range(tokens)]
    classifier = Classifier.build(Spectrogram(SAMPLE_RATE, rows=rows, columns=columns), name, LABELS)
    return classifier, waveforms, labels


def epochs_in_turn(
    classifier: Any,
    waveforms: list[np.ndarray],
    labels: list[str],
    recipe: Any,
    inputs: Any,
    other: Callable[[], object],
    device: str,
    clock: Callable[[], float],
) -> np.ndarray:
    """Median seconds of our epochs and of another loop's, array (2,).

    After each of our epochs comes one of the other, so that both meet the same load. The first ones are not counted:
    they fill caches and make the optimiser's state.
    """
    from phonoscope.training import train

    began, spent = clock(), []

    def after_epoch(_report: Any) -> None:
        nonlocal began
        between = clock()
        other()
        ended = clock()
        spent.append((between - began, ended - between))
        began = ended

    everything = np.arange(len(labels))
    train(
        classifier,
        waveforms,
        labels,
        train_index=everything,
        validation_index=everything[:0],
        recipe=recipe,
        inputs=inputs,
        device=device,
        progress=after_epoch,
    )
    return np.median(spent[1:], axis=0)


def bare_loop(network: Any, recipe: Any, outputs: Any, labels: list[str]) -> Callable[[], None]:
    """One epoch as PyTorch's tutorials write it, with the recipe's optimiser and a schedule."""
    import torch

    pictures, tokens = (outputs - outputs.mean()) / outputs.std(), len(labels)
    truth = torch.tensor([LABELS.index(label) for label in labels])
    network = network.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, recipe.epochs * math.ceil(tokens / BATCH)
    )

    def epoch() -> None:
        for places in torch.randperm(tokens).split(BATCH):
            loss = torch.nn.functional.cross_entropy(network(pictures[places]), truth[places])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()

    return epoch


if __name__ == "__main__":
    alone(BARS, measure)
