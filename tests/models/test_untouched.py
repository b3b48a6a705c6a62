"""Every entry that takes a model leaves it, and all that is global, as it was; also where the model fails midway."""

import sys
import types
from collections.abc import Callable
from contextlib import suppress

import pytest
import torch
from outside_models import RATE, sound
from torch import nn
from untouched import assert_same, everything

import phonoscope as ps
from phonoscope.evidence.checkup import check
from phonoscope.filters import bank_of

LABELS = ["a", "b", "c"]
SOUNDS = [sound(0.2), sound(0.15, seed=1)]


class Fragile(nn.Module):
    """Layers of every kind that a call might touch; the call with the number ``fails_at`` raises."""

    heard = 0
    fails_at = 0

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv1d(1, 8, 64, 32), nn.BatchNorm1d(8), nn.Dropout(0.5)
        self.attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.rnn, self.out = nn.GRU(8, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, sounds):
        Fragile.heard += 1
        features = self.drop(self.norm(self.conv(sounds[:, None])).relu())
        last = self.rnn(self.attention(features.transpose(1, 2)))[0].mean(1)
        if Fragile.heard == Fragile.fails_at:
            raise ArithmeticError("the model fails")
        return self.out(last)


@pytest.fixture
def model():
    """A model in the middle of its training: modes are mixed, a layer is frozen, hooks and gradients are there."""
    Fragile.heard = Fragile.fails_at = 0
    torch.manual_seed(0)
    network = Fragile().train()
    network.norm.eval()
    network.attention.dropout1.eval()
    network.conv.weight.requires_grad_(False)
    network.out.weight.grad = torch.ones_like(network.out.weight)
    network.conv.register_forward_hook(lambda *_: None)
    network.out.register_full_backward_hook(lambda *_: None)
    return network


def wrapped(model, **how):
    return ps.wrap(model, RATE, LABELS, **how)


def explained(method) -> Callable:
    return lambda classifier: ps.explain(classifier, SOUNDS[:1], method=method)


# Those on the left take the model itself; those on the right what `wrap` made of it.
OF_MODELS = {
    "wrap": wrapped,
    "wrap at a picture": lambda model: wrapped(model, picture="conv"),
    "load": lambda model: ps.load("held_model:network", sample_rate=RATE, labels=LABELS, trust_imports=True),
    "load what makes a model": lambda model: ps.load("held_model:Fragile", sample_rate=RATE, trust_imports=True),
    "similarity": lambda model: ps.similarity(model, {"a": SOUNDS[:1], "b": SOUNDS[1:]}, sample_rate=RATE),
    "bank_of": lambda model: bank_of(model, RATE),
    "response_spectrum": lambda model: ps.response_spectrum(model, SOUNDS[0], RATE),
    "geometry": lambda model: ps.geometry(model, null_draws=5, gap=False),
}
OF_CLASSIFIERS = {
    "predict": lambda classifier: classifier.predict(SOUNDS),
    "keep_reference": lambda classifier: classifier.keep_reference(SOUNDS, ["a", "b"]),
    "check": lambda classifier: check(classifier, SOUNDS[0]),
    **{
        f"explain: {method}": explained(method)
        for method in (
            *("integrated-gradients(steps=2)", "band-stop(width=4000)", "grad-cam", "score-cam(channels=2)"),
            *("rise(masks=2)", "captum:gradient-shap(samples=2)", "attention-rollout", "smooth(gradient, samples=2)"),
        )
    },
}


@pytest.mark.parametrize("entry", [*OF_MODELS, *OF_CLASSIFIERS])
def test_what_takes_a_model_leaves_everything_as_it_was(entry, model, monkeypatch):
    held = types.ModuleType("held_model")
    held.network, held.Fragile = model, Fragile
    monkeypatch.setitem(sys.modules, "held_model", held)
    given = model if entry in OF_MODELS else wrapped(model)
    call = (OF_MODELS | OF_CLASSIFIERS)[entry]
    before, Fragile.heard = everything(model), 0
    call(given)
    assert_same(before, everything(model))
    passes = Fragile.heard
    assert passes > 0
    for number in {1, (passes + 1) // 2, passes}:
        Fragile.heard, Fragile.fails_at = 0, number
        with suppress(ArithmeticError, ps.PhonoscopeError):
            call(given)
        assert Fragile.heard >= number
        assert_same(before, everything(model))
