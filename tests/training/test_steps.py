"""Steps of a training ask nothing back from the device: the host runs ahead of a GPU.

Without a GPU, PyTorch's meta device stands for one: its tensors have no values, and whatever would read one fails.
"""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from phonoscope import Classifier, Spectrogram
from phonoscope.training import TokenInputs, TrainingRecipe
from phonoscope.training.loop import _Training
from phonoscope.training.processes import Processes

STEPS = 4


class Watch(TorchDispatchMode):
    """Lists the operations that join the host's memory and the device's, and at which step they came."""

    def __init__(self):
        super().__init__()
        self.steps, self.joins = 0, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        values = [value for value in tree_leaves((args, kwargs, found)) if isinstance(value, torch.Tensor)]
        # numbers without a dimension travel with the call
        if len({value.device.type for value in values if value.dim()}) > 1:
            self.joins.append((self.steps, str(function)))
        return found


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def prepare(watch, monkeypatch):
    """Make a training ready, kept inputs or not, with the steps counted."""
    monkeypatch.setattr(TokenInputs, "statistics", lambda self, index: (0.0, 1.0))

    def prepared(kept, network="compact", device="meta"):
        random = np.random.default_rng(0)
        waveforms = [random.normal(size=int(n)).astype(np.float32) for n in random.integers(300, 500, 40)]
        labels = ["low" if n % 3 else "high" for n in range(40)]
        classifier = Classifier.build(Spectrogram(8000, rows=32, columns=32), network, ["low", "high"])
        inputs = TokenInputs(classifier.front_end, waveforms, device=device, cache_bytes=None if kept else 0)
        recipe = TrainingRecipe(epochs=1, min_steps=0, batch_size=8)
        parts = np.arange(30), np.arange(30, 40)
        training = _Training(classifier, waveforms, labels, *parts, recipe, Processes(), torch.device(device), inputs)
        training.optimizer.register_step_post_hook(lambda *_: setattr(watch, "steps", watch.steps + 1))
        return training

    return prepared


@contextmanager
def until_a_value_is_read(watch):
    """On the meta device there is no value to read: what asks for one ends there."""
    with watch, pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        yield


@pytest.mark.parametrize("network", ["compact", "resnet18"])
def test_an_epoch_copies_before_its_first_step_and_reads_after_its_last(network, prepare, watch):
    training = prepare(kept=True, network=network)
    with until_a_value_is_read(watch):
        training.pass_over(training.classifier.network, 0)
    assert watch.steps == STEPS  # what was read at last
    assert {when for when, _ in watch.joins} == {0}
    assert len(watch.joins) <= 3  # places, truths, and truths of whole batches for their weights


def test_what_is_made_batch_by_batch_is_copied_to_the_device_and_never_back(prepare, watch):
    training = prepare(kept=False)
    with until_a_value_is_read(watch):
        training.pass_over(training.classifier.network, 0)
    assert watch.steps == STEPS
    assert {what for _, what in watch.joins} == {"aten._to_copy.default"}
    assert len([when for when, _ in watch.joins if when]) == 2 * (STEPS - 1)  # waveforms and their lengths


def test_validation_reads_after_its_last_batch(prepare, watch, monkeypatch):
    training = prepare(kept=True)
    monkeypatch.setattr("phonoscope.training.data._CHUNK", 4)
    network = training.classifier.network
    network.register_forward_hook(lambda *_: setattr(watch, "steps", watch.steps + 1))
    with until_a_value_is_read(watch):
        training.validate()
    assert watch.steps == 3
    assert {when for when, _ in watch.joins} == {0}


def test_what_reads_a_value_in_a_step_is_found(prepare, watch):
    training = prepare(kept=True)
    training.classifier.network.register_forward_hook(
        lambda _module, _inputs, logits: logits * float(logits.detach().max())
    )
    with until_a_value_is_read(watch):
        training.pass_over(training.classifier.network, 0)
    assert watch.steps == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="asks a GPU itself whether the host waited for it")
@pytest.mark.parametrize("kept", [True, False])
def test_no_step_waits_for_a_gpu(kept, prepare, watch):
    training = prepare(kept, device="cuda")

    def after_step(*_):
        torch.cuda.set_sync_debug_mode("error" if 0 < watch.steps < STEPS else "default")

    training.optimizer.register_step_post_hook(after_step)
    try:
        training.pass_over(training.classifier.network, 0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert watch.steps == STEPS
