"""Training in two processes under torchrun ends where one process ends; batch normalisation is over the whole batch."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import distributed, nn

from phonoscope import read_corpus
from phonoscope.corpora import write_tokens
from phonoscope.corpora.shards import write_shards
from phonoscope.corpora.sounds import TokenSounds
from phonoscope.synthesis.corpus import write_corpus
from phonoscope.tasks import load_recipe
from phonoscope.tasks.phones.single import train_classifier
from phonoscope.training.batch_norm import _synchronised, shared_batch_norm
from phonoscope.work.folders import verify
from small import PHONES, recipe_text

# Batch normalisation, noise, shifts in time and a last batch of two: all must be shared out right.
RECIPE = recipe_text(PHONES, training={"batch_size": 16})
CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_balanced_accuracy")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Tokens as a table and with sound, a recipe, and what one process makes of them in ``alone``."""
    place = tmp_path_factory.mktemp("two")
    write_corpus(place / "corpus", talkers=8, repeats=2, consonants=(), sample_rate=16000, seed=1)
    tokens = read_corpus(place / "corpus", classes="vowels")
    write_tokens(place / "tokens.parquet", tokens)
    write_shards(tokens, place / "tokens", tokens_per_shard=15)
    (place / "mini.toml").write_text(RECIPE, encoding="utf-8")
    train_alone(place, place / "alone")
    return place


def train_alone(place, out, say=lambda _line: None):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train_classifier(load_recipe(place / "mini.toml"), TokenSounds(place / "tokens"), out, device="cpu", say=say)
    finally:
        torch.set_num_threads(threads)


def train_together(place, tokens, out, *options):
    train = ["-m", "phonoscope", "train", tokens, "--recipe", "mini.toml", "--out", out, "--device", "cpu", *options]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*torchrun, *train], capture_output=True, text=True, cwd=place, env=environment, timeout=300, check=False
    )


def assert_same_training(place, out):
    """Up to rounding: sums over halves of a batch are not the sum over the batch; a batch of two makes that larger.

    Were batches normalised by halves, the losses would differ by per cents.
    """
    alone, together = (pd.read_csv(folder / "training.csv") for folder in (place / "alone", place / out))
    for column in CURVES:
        np.testing.assert_allclose(together[column], alone[column], rtol=1e-3, err_msg=column)
    a, b = (load_file(folder / "classifier" / "model.safetensors") for folder in (place / "alone", place / out))
    for name, value in a.items():
        torch.testing.assert_close(b[name], value, rtol=1e-2, atol=2e-3, msg=name)
    a, b = (json.loads((folder / "result.json").read_text()) for folder in (place / "alone", place / out))
    assert b.pop("classifier") == f"{out}/classifier"
    assert a.pop("classifier")
    assert a == b
    files = [
        sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) for folder in (place / "alone", place / out)
    ]
    assert files[0] == files[1]
    assert verify(place / out).as_written


def test_torchrun_trains_on_cut_tokens_as_one_process_does(place):
    done = train_together(place, "tokens", "two", "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout[done.stdout.index("{") :])["classifier"] == "two/classifier"  # said once
    assert_same_training(place, "two")


def test_torchrun_goes_on_where_one_process_was_interrupted(place):
    def interrupt(line):
        if "epoch 1/" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_alone(place, place / "resumed", interrupt)
    done = train_together(place, "tokens.parquet", "resumed", "--resume")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "epoch 1/" not in done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("epoch 2/") == 1
    assert_same_training(place, "resumed")


def test_what_is_refused_ends_all_processes(place):
    before = (place / "alone" / "training.csv").read_bytes()
    done = train_together(place, "tokens.parquet", "alone")
    assert done.returncode == 1
    assert done.stderr.count("alone is not empty") == 1
    assert (place / "alone" / "training.csv").read_bytes() == before


@pytest.fixture
def group(tmp_path):
    """Make a group of this process alone."""
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize(
    ("norm", "shape"),
    [
        (nn.BatchNorm2d(3), (6, 3, 4, 5)),
        (nn.BatchNorm2d(3, momentum=None), (6, 3, 4, 5)),
        (nn.BatchNorm1d(3, affine=False), (6, 3, 7)),
        (nn.BatchNorm1d(3, track_running_stats=False), (6, 3)),
    ],
)
def test_shared_batch_norm_is_pytorchs_for_one_process(norm, shape, group):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(shape[-1], shape[-1]), norm).double()
    if norm.affine:
        nn.init.normal_(norm.weight)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    found = []
    for shared in (False, True):
        network.load_state_dict(state)
        network.train()
        x = (3 + torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))).requires_grad_()
        if shared:
            with shared_batch_norm(network):
                trained, rated = passes(network, x)
        else:
            trained, rated = passes(network, x)
        gradients = [p.grad.clone() for p in network.parameters()]
        network.zero_grad()
        found.append([trained, rated, x.grad, *gradients, *network.state_dict().values()])
    assert "forward" not in vars(norm)
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-9, atol=1e-9)


def test_on_a_gpu_pytorchs_own_stands_in_and_works_on_the_same_statistics():
    """Without a group it computes what a module alone computes; that it needs no second set of weights is seen here."""
    torch.manual_seed(0)
    norm, alone = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    stand_in = _synchronised(norm)
    x = torch.randn(6, 3, 4, 5)
    for training in (True, False):
        norm.train(training)
        alone.train(training)
        torch.testing.assert_close(stand_in(x), alone(x))
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(norm.state_dict()[name], value)
    stand_in(x).sum().backward()
    assert norm.weight.grad is not None


def passes(network, x):
    """Outputs of two steps in training mode, and of one in evaluation mode."""
    (network(x) ** 3).sum().backward()
    (network(x).sin()).sum().backward()
    trained = network(x).detach()
    return trained, network.eval()(x).detach()
