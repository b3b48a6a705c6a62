"""``phonoscope check MODEL --json --out FOLDER``: what it says, and that every other command takes the folder."""

import json

import numpy as np
import pytest
import torch
from outside_models import sound
from torch import nn

import phonoscope as ps
from phonoscope.audio import write_audio
from phonoscope.corpora import read_corpus, write_tokens
from phonoscope.synthesis.corpus import write_corpus

RATE, LABELS = 8000, ["i", "u"]


def build():
    """For the import path of the tests: its answer follows the level of the sound."""
    torch.manual_seed(0)
    layers = [nn.Conv1d(1, 4, 32, 8), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2)]
    return nn.Sequential(*layers)


def deaf_to_gradients(sounds):
    """A function of sounds, which no gradient passes; its answer does not follow their level."""
    return np.array([[np.abs(s).max() / np.abs(s).mean(), 0.0] for s in sounds])


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A folder a class with three recordings in each."""
    root = tmp_path_factory.mktemp("recordings")
    for number, label in enumerate(LABELS):
        for i in range(3):
            write_audio(root / label / f"s{i}.wav", sound(0.1, 10 * number + i), RATE)
    return root


@pytest.fixture(scope="module")
def checked(phonoscope, tmp_path_factory):
    """Folder that the command wrote, and its answer."""
    folder = tmp_path_factory.mktemp("checked") / "model"
    ask = ("check", "test_check_command:build", "--sample-rate", RATE, "--labels", ",".join(LABELS))
    return folder, phonoscope(*ask, "--trust-imports", "--out", folder, "--json")


def test_everything_is_said_as_json(checked):
    folder, answer = checked
    assert answer.status == 0, answer.err
    said = answer.json
    assert (said["labels"], said["sample_rate"]) == (LABELS, RATE)
    assert said["takes"] == "recordings at their natural length at 8000 Hz, called with (batch, 1, samples)"
    assert said["gives"] == "scores of classes that exclude each other"
    assert (said["differentiable"], said["level_sensitive"]) == (True, True)
    assert list(said["methods"]) == list(ps.methods())
    assert said["methods"]["integrated-gradients"] is said["methods"]["grad-cam"] is True
    assert "attention" in said["methods"]["attention-rollout"]
    assert all(why is True or (isinstance(why, str) and why and "\n" not in why) for why in said["methods"].values())
    assert said["out"] == folder.as_posix()


def test_a_function_is_said_to_have_no_gradients_and_a_scaled_sound_no_level(phonoscope):
    ask = ("check", "test_check_command:deaf_to_gradients", "--sample-rate", RATE, "--labels", ",".join(LABELS))
    said = phonoscope(*ask, "--trust-imports", "--json").json
    assert (said["differentiable"], said["level_sensitive"]) == (False, False)
    assert said["methods"]["band-stop"] is True
    assert "choose a perturbation method" in said["methods"]["integrated-gradients"]


def test_explain_takes_the_folder(phonoscope, checked, tmp_path):
    # Natural tokens differ in length: none is padded for such a model.
    write_corpus(tmp_path / "corpus", talkers=1, repeats=1, consonants=(), sample_rate=RATE)
    write_tokens(tmp_path / "t.parquet", read_corpus(tmp_path / "corpus", classes="i,u"))
    ask = ("explain", checked[0], "--tokens", tmp_path / "t.parquet", "--out", tmp_path / "maps", "--trust-imports")
    answer = phonoscope(*ask, "--json")
    assert answer.status == 0, answer.err
    assert answer.json["max_hz"] == RATE / 2
    assert answer.json["tokens"] > 1


def test_filters_takes_the_folder(phonoscope, checked, recordings, tmp_path):
    ask = ("filters", checked[0], recordings, "--out", tmp_path / "f", "--null-seeds", 3, "--rotation", "none")
    answer = phonoscope(*ask, "--trust-imports", "--json")
    assert answer.status == 0, answer.err
    assert answer.json["null_test"]


def test_geometry_takes_the_folder(phonoscope, checked):
    answer = phonoscope("geometry", checked[0], "--null-draws", 5, "--trust-imports", "--json")
    assert answer.status == 0, answer.err
    assert [row["layer"] for row in json.loads(answer.out)] == ["model.0", "model.4"]


def test_run_recordings_takes_the_folder(phonoscope, checked, recordings, tmp_path):
    ask = ("run", "recordings", "--model", checked[0], "--corpus", recordings, "--labels", "from-folder")
    answer = phonoscope(*ask, "--out", tmp_path / "run", "--trust-imports", "--device", "cpu", "--json")
    assert answer.status == 0, answer.err
    assert answer.json["model"]["labels"] == LABELS
    assert answer.json["model"]["sample_rate"] == RATE
