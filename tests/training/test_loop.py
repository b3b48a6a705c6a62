"""The loop learns, repeats, goes on after a kill as if nothing had happened, and refuses what would mislead."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phonoscope import Classifier, Spectrogram, Waveform
from phonoscope.errors import ExperimentError
from phonoscope.training import TokenInputs, TrainingRecipe, choose_device, train
from phonoscope.training.checkpoint import find_checkpoint
from phonoscope.training.loop import _Training

RECIPE = TrainingRecipe(epochs=4, min_steps=0, batch_size=16, seed=3)


def noises(count=60, seed=0):
    """Noise below or above 2 kHz, of different length, and its class."""
    random = np.random.default_rng(seed)
    waveforms, labels = [], []
    for index in range(count):
        samples = random.normal(size=int(random.integers(300, 600)))
        spectrum = np.fft.rfft(samples)
        half = len(spectrum) // 2
        spectrum[half:] *= index % 2
        spectrum[:half] *= 1 - index % 2
        waveforms.append((np.fft.irfft(spectrum, len(samples)) * 0.1).astype(np.float32))
        labels.append("high" if index % 2 else "low")
    return waveforms, labels


def new_classifier(network="compact", **options):
    torch.manual_seed(11)
    return Classifier.build(Spectrogram(8000, rows=16, columns=8), network, ["low", "high"], **options)


def fit(recipe=RECIPE, classifier=None, data=None, **options):
    waveforms, labels = noises() if data is None else data
    classifier = classifier or new_classifier()
    parts = {"train_index": np.arange(44), "validation_index": np.arange(44, 60), "device": "cpu"}
    return classifier, train(classifier, waveforms, labels, recipe=recipe, **{**parts, **options})


def weights(classifier):
    return {k: v.clone() for k, v in classifier.network.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_learns_what_is_trivial_and_reports_each_epoch():
    seen = []
    classifier, table = fit(progress=seen.append)
    assert table["epoch"].tolist() == [1, 2, 3, 4]
    assert table["train_loss"].iloc[-1] < table["train_loss"].iloc[0]
    assert table["validation_balanced_accuracy"].iloc[-1] == 1.0
    waveforms, labels = noises(20, seed=5)
    assert classifier.predict(waveforms)["predicted"].tolist() == labels
    assert not classifier.network.training
    assert [r.epoch for r in seen] == [1, 2, 3, 4]
    assert seen[-1].seconds_left == 0
    assert "epoch 4/4" in seen[-1].line()


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    first, again, other = (fit(RECIPE.changed(seed=s))[0] for s in (3, 3, 4))
    assert_same(weights(first), weights(again))
    assert not torch.equal(first.network.fc.weight, other.network.fc.weight)


@pytest.mark.parametrize("balanced", [True, False])
def test_each_class_has_the_same_weight_in_the_loss_however_rare_it_is(balanced, monkeypatch):
    used, cross_entropy = [], F.cross_entropy

    def watching(logits, truth, weight=None, reduction="mean"):
        used.append(weight)
        return cross_entropy(logits, truth, weight=weight, reduction=reduction)

    monkeypatch.setattr(F, "cross_entropy", watching)
    waveforms, labels = noises()
    rare = [index for index, label in enumerate(labels[:44]) if label == "low" or index < 8]
    counts = np.array([22, 4])
    fit(RECIPE.changed(epochs=1, balanced=balanced), data=(waveforms, labels), train_index=np.array(rare))
    if balanced:
        assert used[0].numpy() * counts == pytest.approx([13, 13])  # half of the 26 tokens each
    else:
        assert used[0] is None


@pytest.mark.parametrize(
    ("choose", "scores", "epoch"),
    [
        ("best", [0.80, 0.95, 0.90, 0.85], 3),  # of 16 tokens, 0.95 has a standard error of 0.054
        ("best", [0.95, 0.90, 0.86, 0.89], 2),  # and the best stays the best though a later epoch is kept
        ("best", [0.95, 0.85, 0.84, 0.50], 1),
        ("last", [0.95, 0.85, 0.84, 0.50], 4),
    ],
)
def test_the_latest_epoch_within_a_standard_error_of_the_best_is_kept(choose, scores, epoch, monkeypatch):
    given = iter(scores)
    answer = {"validation_loss": 0.0}
    monkeypatch.setattr(_Training, "validate", lambda _: {**answer, "validation_balanced_accuracy": next(given)})
    classifier, after = new_classifier(), []
    fit(RECIPE.changed(choose=choose), classifier, progress=lambda _: after.append(weights(classifier)))
    assert_same(weights(classifier), after[epoch - 1])


def test_small_corpora_get_enough_steps():
    _, table = fit(RECIPE.changed(epochs=1, min_steps=7))
    assert len(table) == 3  # 44 tokens in batches of 16 are three steps


def test_the_standardisation_is_that_of_the_training_tokens():
    waveforms, _ = noises()
    classifier, _ = fit(RECIPE.changed(epochs=1))
    values = torch.cat([classifier.front_end(torch.from_numpy(w)[None]) for w in waveforms[:44]]).double()
    assert classifier.input_mean == pytest.approx(float(values.mean()), rel=1e-5)
    assert classifier.input_sd == pytest.approx(float(values.std(correction=0)), rel=1e-5)


def test_inputs_are_the_same_kept_or_made_anew():
    waveforms, _ = noises(10)
    front = Spectrogram(8000, rows=16, columns=8)
    kept, anew = TokenInputs(front, waveforms), TokenInputs(front, waveforms, cache_bytes=0)
    index = np.array([7, 2, 2])
    assert kept[index].numpy() == pytest.approx(anew[index].numpy(), abs=1e-4)
    assert kept.statistics(index) == pytest.approx(anew.statistics(index), rel=1e-6)
    assert len(kept) == 10
    with pytest.raises(ExperimentError, match="no token"):
        TokenInputs(front, [])


class KilledError(Exception):
    pass


@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.parametrize("choose", ["best", "last"])
def test_going_on_after_an_interruption_gives_the_uninterrupted_result(tmp_path, after, choose):
    recipe = RECIPE.changed(choose=choose)
    whole, metrics = fit(recipe, folder=tmp_path / "whole")

    def kill(report):
        if report.epoch == after:
            raise KilledError

    with pytest.raises(KilledError):
        fit(recipe, folder=tmp_path / "cut", progress=kill)
    resumed, table = fit(recipe, folder=tmp_path / "cut", resume=True)
    assert_same(weights(resumed), weights(whole))
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), metrics.drop(columns="seconds"))
    written = pd.read_csv(tmp_path / "cut" / "training.csv")
    assert written["train_loss"].to_numpy() == pytest.approx(metrics["train_loss"].to_numpy())
    files = sorted(p.name for p in (tmp_path / "cut" / "checkpoint").iterdir())
    assert files == ["state.json", "tensors.safetensors"]  # nothing pickled
    assert sorted(p.name for p in (tmp_path / "cut").iterdir()) == ["checkpoint", "training.csv"]


def test_a_killed_process_goes_on_to_the_same_weights(tmp_path):
    script = tmp_path / "go.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import os, signal, sys
            sys.path.insert(0, {os.path.dirname(__file__)!r})
            import torch
            torch.set_num_threads(1)
            from test_loop import fit
            def kill(report):
                if report.epoch == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
            fit(folder={str(tmp_path / "run")!r}, progress=kill)
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    whole, _ = fit()
    resumed, table = fit(folder=tmp_path / "run", resume=True)
    assert len(table) == 4
    assert_same(weights(resumed), weights(whole))


@pytest.mark.parametrize("left", [".new", ".old"])
def test_a_kill_between_the_renames_of_a_checkpoint_loses_nothing(tmp_path, left):
    whole, _ = fit()
    fit(RECIPE, folder=tmp_path, progress=None)
    (tmp_path / "checkpoint").rename(tmp_path / f"checkpoint{left}")
    resumed, table = fit(folder=tmp_path, resume=True)
    assert len(table) == 4
    assert_same(weights(resumed), weights(whole))


def test_of_two_whole_checkpoints_the_newer_one_is_taken(tmp_path):
    """A kill between the renames leaves both: the one before as .old, the one after as .new."""
    for name in ("checkpoint", "checkpoint.old", "checkpoint.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.json").touch()
    (tmp_path / "checkpoint.old" / "tensors.safetensors").touch()
    assert find_checkpoint(tmp_path / "checkpoint") == tmp_path / "checkpoint.old"
    (tmp_path / "checkpoint.new" / "tensors.safetensors").touch()
    assert find_checkpoint(tmp_path / "checkpoint") == tmp_path / "checkpoint.new"
    (tmp_path / "checkpoint" / "tensors.safetensors").touch()
    assert find_checkpoint(tmp_path / "checkpoint") == tmp_path / "checkpoint"


def test_checkpoints_of_other_settings_tokens_or_networks_are_refused(tmp_path):
    fit(folder=tmp_path)
    waveforms, labels = noises()
    louder = [waveforms[0] * 2, *waveforms[1:]]
    cases = {
        "learning_rate": {"recipe": RECIPE.changed(learning_rate=1e-3)},
        "tokens": {"data": (louder, labels)},
        "network": {"classifier": new_classifier("compact-local")},
        "front_end": {"classifier": Classifier.build(Spectrogram(8000, rows=16), "compact", ["low", "high"])},
    }
    for name, changed in cases.items():
        with pytest.raises(ExperimentError, match=rf"other settings \([a-z_, ]*{name}"):
            fit(folder=tmp_path, resume=True, **changed)
    with pytest.raises(ExperimentError, match="tokens"):
        fit(folder=tmp_path, resume=True, train_index=np.arange(43))
    (tmp_path / "checkpoint" / "tensors.safetensors").write_bytes(b"short")
    with pytest.raises(ExperimentError, match="damaged"):
        fit(folder=tmp_path, resume=True)


def test_impossible_trainings_are_refused():
    waveforms, labels = noises()
    with pytest.raises(ExperimentError, match="no training token of high"):
        fit(train_index=np.arange(0, 44, 2))
    with pytest.raises(ExperimentError, match="labelled mid"):
        fit(data=(waveforms, ["mid", *labels[1:]]))
    with pytest.raises(ExperimentError, match="not finite"):
        fit(RECIPE.changed(learning_rate=1e30, schedule="constant"))
    with pytest.raises(ExperimentError, match="choose cpu, or auto"):
        choose_device("abacus")


def test_a_compiled_network_is_trained_to_the_same_weights(monkeypatch):
    compiled, asked = torch.compile, []

    def eagerly(network):
        asked.append(network)
        return compiled(network, backend="eager")  # the same operations, without minutes of compiling

    monkeypatch.setattr(torch, "compile", eagerly)
    plain, _ = fit(RECIPE.changed(epochs=2))
    assert not asked
    fused, _ = fit(RECIPE.changed(epochs=2, compile=True))
    assert asked == [fused.network]
    assert_same(weights(fused), weights(plain))


def test_convolutions_are_repeatable_in_training_and_as_they_were_afterwards(monkeypatch):
    settings, seen = torch.backends.cudnn, []
    monkeypatch.setattr(settings, "benchmark", True)
    monkeypatch.setattr(settings, "deterministic", False)
    fit(RECIPE.changed(epochs=1), progress=lambda _: seen.append((settings.benchmark, settings.deterministic)))
    assert seen == [(False, True)]
    assert (settings.benchmark, settings.deterministic) == (True, False)


def test_each_process_has_the_gpu_of_its_own_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
    assert choose_device() == torch.device("cuda")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device() == choose_device("cuda") == torch.device("cuda", 1)
    assert choose_device("cpu") == torch.device("cpu")


def test_without_validation_tokens_the_last_epoch_is_kept():
    a, table = fit(validation_index=np.array([], dtype=int))
    assert table["validation_loss"].isna().all()
    b, _ = fit(RECIPE.changed(choose="last"))
    assert_same(weights(a), weights(b))


def test_every_process_needs_two_tokens_a_batch(monkeypatch):
    from phonoscope.training.processes import Processes

    monkeypatch.setattr(Processes, "start", classmethod(lambda cls, device: cls(0, 8)))
    with pytest.raises(ExperimentError, match="8 processes need at least 16 tokens a batch"):
        fit(RECIPE.changed(batch_size=8))


def test_networks_for_waveforms_are_trained_too():
    class Raw(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(1, 8, 16, 4)
            self.fc = nn.Linear(8, 2)

        def forward(self, x):
            return self.fc(self.conv(x).square().mean(2))

    torch.manual_seed(0)
    classifier = Classifier(Waveform(8000, 0.04), Raw(), ["low", "high"])
    fit(RECIPE.changed(epochs=12, learning_rate=0.02, noise=0.05), classifier)
    waveforms, labels = noises(20, seed=6)
    assert (classifier.predict(waveforms)["predicted"] == labels).mean() > 0.9


def test_the_checkpoint_says_what_it_belongs_to(tmp_path):
    fit(RECIPE.changed(epochs=1), folder=tmp_path)
    facts = json.loads((tmp_path / "checkpoint" / "state.json").read_text())
    assert facts["settings"]["classes"] == ["low", "high"]
    assert facts["settings"]["front_end"]["rows"] == 16
    assert len(facts["rows"]) == 1


def test_each_epoch_has_its_own_noise_and_order(monkeypatch):
    from phonoscope.training import loop

    drawn, batches = [], []

    def watched(inputs, **settings):
        batches.append(inputs)
        drawn.append(float(torch.rand(1)))
        return inputs

    monkeypatch.setattr(loop, "augment", watched)
    fit()
    assert len(set(drawn)) == len(drawn) == 12
    assert not torch.equal(batches[0], batches[3])
    assert torch.cat(batches[:3]).sum() == pytest.approx(float(torch.cat(batches[3:6]).sum()), abs=0.1)
