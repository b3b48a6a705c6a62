"""Every command that takes a model takes any model, with the same words on what the model does not say itself."""

import re

import numpy as np
import pytest
import torch
from outside_models import RATE, sound
from torch import nn

from phonoscope.audio import write_audio

OPENING = ("check", "explain", "spectra", "maximise", "filters", "geometry")
SAID = ("--sample-rate", "--labels", "--output", "--kind", "--activation", "--frames", "--trust-imports")


def sinc_like():
    """For an import path: one number a sound, of which nothing says what it is."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv1d(1, 6, 65, 16), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 1))


@pytest.mark.parametrize("command", OPENING)
def test_commands_that_open_a_model_have_the_same_options(command, phonoscope):
    told = phonoscope(command, "--help").out
    for option in SAID:
        assert re.search(rf"(?<!\S){option}\b", told), option


@pytest.fixture
def clip(tmp_path):
    write_audio(tmp_path / "clips" / "a.wav", sound(0.5), RATE)
    return tmp_path / "clips" / "a.wav"


def test_filters_and_geometry_ask_for_neither_rate_nor_labels(clip, phonoscope, tmp_path):
    ask = ("test_options:sinc_like", "--trust-imports")
    answer = phonoscope(
        "filters", ask[0], clip, ask[1], "--out", tmp_path / "f", "--null-seeds", 3, "--rotation", "none"
    )
    assert answer.status == 0, answer.err
    curves = np.genfromtxt(tmp_path / "f" / "crs.csv", delimiter=",", names=True)
    assert curves["frequency"].max() == RATE / 2  # of the recording
    measured = phonoscope("geometry", *ask, "--null-draws", 0, "--json")
    assert measured.status == 0, measured.err
    assert [row["K"] for row in measured.json] == [6, 1]
    assert "--trust-imports" in phonoscope("geometry", ask[0]).err


def test_layers_that_cannot_be_seen_are_named_and_weights_that_can_are_measured(clip, phonoscope, tmp_path):
    torch.jit.script(sinc_like()).save(str(tmp_path / "model.jit"))
    measured = phonoscope("geometry", tmp_path / "model.jit", "--null-draws", 0, "--json")
    assert measured.status == 0, measured.err
    assert [row["K"] for row in measured.json] == [6, 1]
    refused = phonoscope("filters", tmp_path / "model.jit", clip, "--out", tmp_path / "f")
    assert "TorchScript" in refused.err
    assert len(refused.err.strip().splitlines()) == 1
    (tmp_path / "model.onnx").write_bytes(b"no matter what")
    assert "layers cannot be seen" in phonoscope("geometry", tmp_path / "model.onnx").err


def test_the_weights_before_training_may_be_any_model_or_the_weights_of_the_one_inside(clip, phonoscope, tmp_path):
    torch.save(sinc_like().state_dict(), tmp_path / "began.pt")
    curves = []
    for number, before in enumerate(("test_options:sinc_like", tmp_path / "began.pt")):
        answer = phonoscope(
            *("filters", "test_options:sinc_like", clip, "--trust-imports", "--initial-weights", before),
            *("--out", tmp_path / str(number), "--null-seeds", 3, "--rotation", "none"),
        )
        assert answer.status == 0, answer.err
        curves.append(np.genfromtxt(tmp_path / str(number) / "crs.csv", delimiter=",", names=True)["moved"])
    assert np.abs(curves).max() < 1e-6  # nothing was trained


def test_what_takes_a_run_says_how_a_model_becomes_one(phonoscope, tmp_path):
    for ask in (("view", tmp_path), ("evidence", tmp_path), ("export", "praat", tmp_path, "--out", tmp_path / "p")):
        assert "phonoscope run recordings --model MODEL" in phonoscope(*ask).err
