"""A model is described in the same words wherever it is."""

import numpy as np
import pytest
import torch
from torch import nn

import phonoscope as ps
from phonoscope.evidence import checkup
from phonoscope.experiments.loading import describe_model

RATE = 8000
SOUND = np.random.default_rng(0).normal(scale=0.1, size=RATE // 2).astype(np.float32)


def scorer(scores=2):
    return nn.Sequential(nn.Conv1d(1, 4, 32, 8), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, scores))


def own(scores):
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4, 2))
    return ps.Classifier(ps.Spectrogram(RATE, rows=16, columns=8), network, ["a", "b"], scores=scores)


CASES = {
    "own": (lambda: own("classes"), "a picture of 16 rows up to 4000 Hz", "classes that exclude each other"),
    "own labels": (lambda: own("labels"), "(batch, 1, 16, 8) from the front end", "labels, each of which may hold"),
    "wrapped": (
        lambda: ps.wrap(scorer(), RATE, ["a", "b"]),
        "natural length at 8000 Hz, called with (batch, 1",
        "classes",
    ),
    "one logit": (lambda: ps.wrap(scorer(1), RATE, ["no", "yes"]), "natural length", "one logit, for the second label"),
    "similarity": (
        lambda: ps.similarity(scorer(3), {"a": [SOUND], "b": [-SOUND]}, sample_rate=RATE),
        "natural length",
        "an embedding, compared with references of each label",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_checkup_and_a_run_say_the_same(name, monkeypatch):
    torch.manual_seed(0)
    make, takes, gives = CASES[name]
    classifier = make()
    monkeypatch.setattr(checkup, "suitable_methods", lambda *_: {})  # they have a test of their own
    found, of_run = checkup.check(classifier, SOUND), describe_model(classifier, "model")
    assert (found.takes, found.gives) == (of_run["takes"], of_run["gives"])
    assert takes in found.takes
    assert gives in found.gives
