"""Pictures inside models of others: maps begin there, and say of the model what maps of the model itself say."""

import copy
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from outside_models import (
    RATE,
    LogMel,
    LooksAtItsNeighbours,
    Scorer,
    WithChannel,
    WithLengths,
    WithMask,
    loudness,
    sound,
)
from safetensors.torch import load_file
from torch import nn

import phonoscope as ps
from phonoscope.errors import AttributionError, ClassifierError, CutSoundWarning
from phonoscope.frontends import InnerPicture

sys.path.insert(0, str(Path(__file__).parents[1] / "frontends"))
from inner_models import Mel, Past, Twice

SOUNDS = [sound(1.0, 0), sound(0.7, 1), sound(1.3, 2)]
LABELS = ["a", "b", "c"]


class Pooled(nn.Module):
    """A mel picture, a convolution over rows and columns, global average pooling, one linear layer."""

    def __init__(self):
        super().__init__()
        self.mel, self.conv, self.act = LogMel(), nn.Conv2d(1, 4, 3, padding=1), nn.ReLU()
        self.out = nn.Linear(4, 3)

    def forward(self, sounds):
        return self.out(self.act(self.conv(self.mel(sounds)[:, None])).mean((2, 3)))


class OneLength(Scorer):
    """Takes 1 s, no more and no less."""

    def forward(self, sounds):
        assert sounds.shape[1] == RATE
        return super().forward(sounds)


def made(kind=Scorer, **how):
    torch.manual_seed(0)
    model = kind().eval()
    return model, ps.wrap(model, RATE, LABELS, picture="mel", **how)


@pytest.mark.parametrize("kind", [Scorer, WithChannel, WithLengths, WithMask, Pooled, LooksAtItsNeighbours, OneLength])
def test_the_answer_is_the_models_whatever_it_takes(kind):
    model, classifier = made(kind)
    sounds = [each[:RATE] for each in SOUNDS]
    assert classifier.logits(sounds) == pytest.approx(ps.wrap(model, RATE, LABELS).logits(sounds), abs=1e-5)
    assert classifier.front_end.shape[1] == 24


def test_maps_begin_at_the_picture_and_stand_in_hertz_and_seconds():
    model, classifier = made(Pooled)
    maps = ps.explain(classifier, SOUNDS, "a", "integrated-gradients(baseline=silence)")
    assert maps.shape == (3, 24, 100)
    assert np.abs(maps["incompleteness"]).max() < 0.01
    neutral = ps.wrap(model, RATE, LABELS).logits([np.zeros_like(each) for each in SOUNDS])[:, 0]
    assert maps.sum(("frequency", "time")).values == pytest.approx(maps["logit"].values - neutral, abs=0.01)
    assert maps["seconds"][2, -1] == pytest.approx(1.3, abs=0.02)
    assert 50 < maps["frequency"][0] < 100
    assert 7000 < maps["frequency"][-1] < 7600


def test_slopes_are_those_of_the_models_own_picture_per_dB():
    model, classifier = made(Pooled)
    (wave,) = torch.from_numpy(SOUNDS[0])[None]
    picture = model.mel(wave[None]).requires_grad_()
    score = model.out(model.act(model.conv(picture[:, None])).mean((2, 3)))[0, 1]
    (slope,) = torch.autograd.grad(score, picture)
    maps = ps.explain(classifier, [SOUNDS[0]], "b", "gradient")
    assert maps.attrs["units"] == "logit/dB"
    assert maps[0].sum("time").values == pytest.approx(slope[0].sum(1).numpy() * np.log(10) / 10, rel=0.01, abs=1e-6)


def test_the_mean_of_class_activation_maps_is_the_logit_without_its_bias():
    model, classifier = made(Pooled)
    maps = ps.explain(classifier, SOUNDS, "c", "cam")
    assert maps.mean(("frequency", "time")).values == pytest.approx(
        maps["logit"].values - model.out.bias[2].item(), abs=1e-4
    )
    assert maps.attrs["layer"] == "act"


@pytest.mark.parametrize("hertz", [500.0, 1500.0, 4000.0])
def test_evidence_of_a_tone_lies_in_the_row_that_holds_it(hertz):
    torch.manual_seed(0)
    model = Pooled().eval()
    for parameter, value in ((model.conv.weight, 0.0), (model.out.weight, 1.0), (model.conv.bias, 0.0)):
        parameter.data.fill_(value)
    model.conv.weight.data[:, :, 1, 1] = 1.0
    classifier = ps.wrap(model, RATE, LABELS, picture="mel")
    tone = 0.1 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32)
    maps = ps.explain(classifier, [tone], "a", "integrated-gradients(baseline=silence, steps=64)")[0].sum("time")
    edges = classifier.front_end.frequency_axis.edges
    row = int(maps.values.argmax())
    assert edges[max(row - 1, 0)] <= hertz <= edges[min(row + 2, 24)]


@pytest.mark.parametrize("layer", ["conv", "model.conv"])
def test_layers_have_the_models_own_names(layer):
    for classifier in (made(Pooled)[1], ps.wrap(Pooled().eval(), RATE, LABELS)):
        assert ps.explain(classifier, SOUNDS[:1], "a", f"grad-cam(layer={layer})").attrs["layer"] == "conv"
        with pytest.raises(AttributionError, match=r"no layer 'nix'; it has: .*mel, conv, act, out"):
            ps.explain(classifier, SOUNDS[:1], "a", "grad-cam(layer=nix)")


def test_what_was_saved_gives_the_same_maps_and_holds_the_weights_once(tmp_path):
    _, classifier = made(Pooled)
    wanted = ps.explain(classifier, SOUNDS, "a", "gradient")
    classifier.save_pretrained(tmp_path)
    assert load_file(tmp_path / "model.safetensors").keys() == {
        f"model.{name}" for name in classifier.network.model.state_dict()
    }
    loaded = ps.Classifier.from_pretrained(tmp_path, network=Pooled())
    maps = ps.explain(loaded, SOUNDS, "a", "gradient")
    assert np.array_equal(maps.values, wanted.values)
    assert np.array_equal(maps["frequency"], wanted["frequency"])
    assert copy.deepcopy(loaded).logits(SOUNDS) == pytest.approx(classifier.logits(SOUNDS), abs=1e-6)
    assert "24 rows, 78 Hz to 7.2 kHz, 10 ms a column" in repr(loaded.front_end)


def test_code_before_the_picture_is_not_imported_unasked(tmp_path):
    _, classifier = made()
    folder = classifier.save_pretrained(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["front_end"]["of"]["kind"] = "own_front_end:Own"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ClassifierError, match="trust"):
        ps.Classifier.from_pretrained(folder, network=Scorer())


def test_a_saved_classifier_may_begin_at_a_picture_too(tmp_path):
    _, classifier = made(Pooled)
    ps.models.wrapping.with_source(classifier, {"kind": "import", "path": "outside_models:build"})
    plain = ps.load("outside_models:build", trust_imports=True, sample_rate=RATE)
    plain.save_pretrained(tmp_path)
    loaded = ps.load(tmp_path, trust_imports=True, picture="mel")
    assert isinstance(loaded.front_end, InnerPicture)
    assert loaded.logits(SOUNDS) == pytest.approx(plain.logits(SOUNDS), abs=1e-5)
    with pytest.raises(ClassifierError, match="'inner-picture' makes a picture already"):
        ps.models.picturing.at_picture(loaded, "conv")


def test_models_of_one_length_say_what_they_do_not_hear():
    _, classifier = made(OneLength)
    axis = classifier.front_end.time_axis
    assert axis.seconds == pytest.approx(1.0, abs=0.02)
    assert axis.start_seconds == pytest.approx(0.0, abs=0.01)
    with pytest.warns(CutSoundWarning, match=r"longer than the 1\.0"):
        maps = ps.explain(classifier, [SOUNDS[1], SOUNDS[2]], "a", "gradient")
    assert maps.shape[0] == 2


def test_similarity_keeps_the_picture():
    torch.manual_seed(0)
    model = ps.similarity(Scorer(6).eval(), {"x": SOUNDS[:1], "y": SOUNDS[1:]}, sample_rate=RATE, picture="mel")
    assert model.labels == ["x", "y"]
    assert ps.explain(model, SOUNDS[:1], "x", "gradient").attrs["units"] == "cosine/dB"


def test_standardised_sounds_reach_the_picture_standardised():
    torch.manual_seed(0)
    model = Scorer().eval()
    front_end = ps.frontends.Recording(RATE, standardise=True)
    classifier = ps.wrap(model, labels=LABELS, front_end=front_end, picture="mel")
    wanted = ps.wrap(model, labels=LABELS, front_end=ps.frontends.Recording(RATE, standardise=True))
    assert classifier.logits(SOUNDS) == pytest.approx(wanted.logits(SOUNDS), abs=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maps = ps.explain(classifier, SOUNDS[:1], "a", "band-stop")
    assert maps.attrs["scaling"] == "held"


@pytest.mark.parametrize(
    ("model", "picture", "message"),
    [
        (Scorer(), "fbank", r"has no module 'fbank'; it has: mel, conv, out"),
        (Twice(), "picture", "runs 2 times for one sound"),
        (Past(), "picture", "sound reaches the answer past module 'picture'"),
        (loudness, "mel", "the model is a function, which cannot be entered"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(model, picture, message):
    with pytest.raises(ClassifierError, match=message):
        ps.wrap(model, RATE, picture=picture)


def test_cepstra_have_no_hertz_and_scripts_cannot_be_entered():
    torch.manual_seed(0)
    model = nn.Sequential(Mel(cepstra=13), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(13, 3)).eval()
    with pytest.raises(ClassifierError, match=r"13 of 13 rows have no place in hertz: .*MFCC"):
        ps.wrap(model, RATE, picture="0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.trace(Scorer().eval(), torch.zeros(1, RATE))
        with pytest.raises(ClassifierError, match="the model is TorchScript, which cannot be entered"):
            ps.wrap(script, RATE, LABELS, picture="mel")


def test_a_front_end_that_makes_the_picture_needs_none():
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    with pytest.raises(ClassifierError, match="'spectrogram' makes a picture already"):
        ps.wrap(model, front_end=ps.Spectrogram(RATE), picture="0")


def test_the_model_is_left_as_it_was():
    torch.manual_seed(0)
    model = Pooled().train()
    model.conv.eval()
    before = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()], torch.get_rng_state()
    classifier = ps.wrap(model, RATE, LABELS, picture="mel")
    ps.explain(classifier, SOUNDS, "a", "integrated-gradients")
    classifier.front_end(torch.zeros(1, RATE))
    assert [m.training for m in model.modules()] == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])
    assert all(torch.equal(value, before[0][name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
