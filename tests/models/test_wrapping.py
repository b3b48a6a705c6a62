"""Any model becomes a classifier in one line: what it takes and gives is found out, or asked for in words."""

import numpy as np
import pytest
import torch
from outside_models import (
    Activated,
    Embedding,
    FixedLength,
    Flat,
    Frames,
    InDict,
    InTuple,
    LooksAtItsNeighbours,
    Nested,
    Recurrent,
    Remembers,
    Scorer,
    WithChannel,
    WithLengths,
    WithMask,
    WithRate,
    loudness,
    sound,
)
from torch import nn
from torch.nn import functional
from untouched import assert_same, everything

import phonoscope as ps
from phonoscope.errors import ClassifierError, PhonoscopeError

RATE, L3, L2 = 16000, ["a", "b", "c"], ["bonafide", "spoof"]
SOUNDS = [sound(0.7), sound(1.1, seed=1), sound(0.7, seed=2)]
# A model, what else is said of it, and what it is found to take and to give.
KINDS = {
    "(batch, samples)": (Scorer, {"labels": L3}, "(batch, samples)", "classes"),
    "(batch, 1, samples)": (WithChannel, {"labels": L3}, "(batch, 1, samples)", "classes"),
    "lengths": (WithLengths, {"labels": L3}, "the length of each", "classes"),
    "mask": (WithMask, {"labels": L3}, "a mask", "classes"),
    "rate": (WithRate, {"labels": L3}, "the sample rate", "classes"),
    "tuple": (InTuple, {"labels": L3}, "(batch, samples)", "under '1'"),
    "dict": (InDict, {"labels": L3}, "(batch, samples)", "under 'logits'"),
    "nested": (Nested, {"labels": L3, "output": "heads.0.a"}, "(batch, samples)", "under 'heads.0.a'"),
    "function of the output": (InDict, {"labels": L3, "output": lambda o: o["logits"]}, "(batch, samples)", "classes"),
    "frames": (Frames, {"labels": L3}, "(batch, samples)", "the mean over its frames"),
    "frames last": (lambda: Frames(last=True), {"labels": L3, "frames": "max"}, "(batch, samples)", "largest of its"),
    "several labels": (Scorer, {"labels": L3, "kind": "labels"}, "(batch, samples)", "each of which may hold"),
    "one logit": (lambda: Scorer(1), {"labels": L2}, "(batch, samples)", "one logit"),
    "one logit a sound": (Flat, {"labels": L2}, "(batch, samples)", "one logit"),
    "a number": (Flat, {"labels": ["F0"]}, "(batch, samples)", "numbers"),
    "embedding": (Embedding, {"kind": "embedding"}, "(batch, samples)", "an embedding"),
    "sigmoid": (
        lambda: Activated("sigmoid"),
        {"labels": L3, "activation": "sigmoid"},
        "(batch, samples)",
        "sigmoid is",
    ),
    "softmax": (
        lambda: Activated("softmax"),
        {"labels": L3, "activation": "softmax"},
        "(batch, samples)",
        "softmax is",
    ),
    "double": (lambda: Scorer().double(), {"labels": L3}, "(batch, samples)", "classes"),
    "bfloat16": (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), None, "", ""),
    "recurrent": (Recurrent, {"labels": L3}, "(batch, samples)", "classes"),
    "neighbours": (LooksAtItsNeighbours, {"labels": L3}, "one sound at a time", "classes"),
    "function": (lambda: loudness, {"labels": L2}, "(batch, samples)", "classes"),
}
KINDS = {name: kind for name, kind in KINDS.items() if kind[1] is not None}


def wrapped(name):
    torch.manual_seed(0)
    make, said, *_ = KINDS[name]
    model = make()
    return model, ps.wrap(model, RATE, **said)


@pytest.mark.parametrize("name", KINDS)
def test_a_model_is_explained_after_one_line(name):
    _, classifier = wrapped(name)
    *_, takes, gives = KINDS[name]
    assert takes in str(classifier.network.takes)
    assert gives in str(classifier.network.gives)
    maps = ps.explain(classifier, SOUNDS)
    assert maps.dims == ("token", "frequency", "time")
    assert np.isfinite(maps.values).all()
    assert np.abs(maps.values).max() > 0
    alone = ps.explain(classifier, SOUNDS[1:2])
    assert np.allclose(maps.values[1], alone.values[0], rtol=1e-3, atol=1e-4 * np.abs(alone.values).max())


@pytest.mark.parametrize("name", [name for name in KINDS if name != "function"])
def test_a_model_is_left_as_it_was(name):
    torch.manual_seed(0)
    make, said, *_ = KINDS[name]
    model = make().train()
    before = everything(model)
    classifier = ps.wrap(model, RATE, **said)
    assert_same(before, everything(model))
    for method in ("integrated-gradients", "band-stop", "grad-cam"):
        try:
            ps.explain(classifier, SOUNDS[:1], method=method)
        except PhonoscopeError:
            assert method == "grad-cam"
        assert_same(before, everything(model))


@pytest.mark.parametrize("name", ["(batch, samples)", "lengths", "frames", "recurrent", "double"])
def test_the_answer_is_the_models_own_at_every_length(name):
    model, classifier = wrapped(name)
    model.eval()
    for waveform in (sound(0.31), sound(0.9), sound(2.3)):
        given = torch.from_numpy(waveform)[None].to(next(model.parameters()).dtype)
        own = model(given, torch.tensor([len(waveform)])) if name == "lengths" else model(given)
        own = own.mean(1) if name == "frames" else own
        assert np.allclose(classifier.logits([waveform]), own.detach().float().numpy(), atol=1e-5)


def test_the_two_sides_of_one_logit_are_opposites():
    model, classifier = wrapped("one logit")
    spoof, bonafide = (ps.explain(classifier, SOUNDS, side) for side in ("spoof", "bonafide"))
    assert np.array_equal(spoof.values, -bonafide.values)
    assert np.abs(spoof.values).max() > 0
    model.eval()
    logit = model(torch.from_numpy(SOUNDS[0])[None]).detach()
    assert spoof["logit"].values[0] == pytest.approx(float(logit), rel=1e-4)
    table = classifier.predict(SOUNDS[:1])
    assert float(table["p_spoof"].iloc[0]) == pytest.approx(float(logit.sigmoid()), rel=1e-4)
    assert float(table["p_spoof"].iloc[0] + table["p_bonafide"].iloc[0]) == pytest.approx(1)
    both = ps.explain(classifier, SOUNDS, ps.contrast("spoof", "bonafide"))
    assert np.allclose(both.values, 2 * spoof.values, rtol=1e-3, atol=1e-5)


def test_independent_labels_are_never_put_through_a_softmax():
    _, classifier = wrapped("several labels")
    logits, table = classifier.logits(SOUNDS), classifier.predict(SOUNDS)
    assert np.allclose(table[["p_a", "p_b", "p_c"]], 1 / (1 + np.exp(-logits)), atol=1e-6)


def test_numbers_have_no_probability_and_their_own_unit():
    _, classifier = wrapped("a number")
    assert list(classifier.predict(SOUNDS)) == ["predicted", "score_F0"]
    assert ps.explain(classifier, SOUNDS).attrs["units"] == "unit of the output"


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_probabilities_are_asked_about_and_turned_back(activation):
    torch.manual_seed(0)
    model = Activated(activation)
    with pytest.raises(ClassifierError, match=f"it ends in a {activation}"):
        ps.wrap(model, RATE, L3)
    logits = ps.wrap(model, RATE, L3, activation=activation).logits(SOUNDS)
    torch.manual_seed(0)
    true = ps.wrap(Scorer(), RATE, L3).logits(SOUNDS)
    shift = 0 if activation == "sigmoid" else (true - logits).mean(1, keepdims=True)
    assert np.allclose(logits + shift, true, atol=1e-3)
    kept = ps.wrap(model, RATE, L3, activation="none").logits(SOUNDS)
    assert kept.min() > 0
    assert kept.max() < 1


def test_probabilities_of_a_function_are_noticed_too():
    def classes(sounds):
        values = np.array(loudness(sounds)) / 20
        shares = np.exp(values)
        return shares / shares.sum(1, keepdims=True)

    with pytest.raises(ClassifierError, match="look like probabilities"):
        ps.wrap(classes, RATE, L2)
    assert ps.wrap(classes, RATE, L2, activation="softmax").logits(SOUNDS).max() < 0


def test_frames_are_placed_in_seconds():
    torch.manual_seed(0)
    model = Frames().eval()
    waveform = sound(1.0)
    own = model(torch.from_numpy(waveform)[None])[0].detach()
    at = ps.wrap(model, RATE, L3, frames=0.5).logits([waveform])[0]
    assert np.allclose(at, own[len(own) // 2], atol=1e-5)
    stretch = ps.wrap(model, RATE, L3, frames=(0.25, 0.75)).logits([waveform])[0]
    assert np.allclose(stretch, own[len(own) // 4 : -(-3 * len(own) // 4)].mean(0), atol=1e-2)
    late = ps.explain(ps.wrap(model, RATE, L3, frames=(0.8, 0.9)), [waveform], "a")
    energy = np.abs(late.values[0]).sum(0)
    seconds = late["seconds"].values[0]
    assert energy[(seconds > 0.7)].sum() > 0.97 * energy.sum()


def test_a_model_of_one_length_hears_longer_sounds_in_windows_and_shorter_ones_padded():
    torch.manual_seed(0)
    model = FixedLength()
    classifier = ps.wrap(model, RATE, L3)
    assert classifier.network.exact
    long = sound(2560 / RATE)
    windows = np.stack([long[start : start + 1024] for start in (0, 512, 1024, 1536)])
    own = model(torch.from_numpy(windows)).mean(0).detach().numpy()
    assert np.allclose(classifier.logits([long])[0], own, atol=1e-5)
    short = long[:600]
    padded = np.pad(short, (0, 424))
    assert np.allclose(classifier.logits([short]), model(torch.from_numpy(padded)[None]).detach().numpy(), atol=1e-5)


def test_long_recordings_are_heard_in_windows_and_their_maps_still_sum():
    torch.manual_seed(0)
    classifier = ps.wrap(Scorer(), RATE, L3, window_seconds=0.5)
    waveform = sound(1.8)
    maps = ps.explain(classifier, [waveform], "a")
    assert abs(float(maps["incompleteness"][0])) < 0.05 * np.ptp(classifier.logits([waveform]))
    whole = ps.wrap(classifier.network.model, RATE, L3, window_seconds=None)
    assert not np.allclose(whole.logits([waveform]), classifier.logits([waveform]), atol=1e-6)
    assert np.allclose(whole.logits([waveform[:8000]]), classifier.logits([waveform[:8000]]))


def test_a_model_that_remembers_is_reset_before_every_recording():
    torch.manual_seed(0)
    classifier = ps.wrap(Remembers(), RATE, L3)
    assert np.array_equal(classifier.logits(SOUNDS), classifier.logits(SOUNDS))
    forgetful = Remembers()
    forgetful.reset_states = None
    with pytest.raises(ClassifierError, match="another answer to the same sound"):
        ps.wrap(forgetful, RATE, L3)


def test_pictures_of_three_colours_are_made_of_one():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    classifier = ps.wrap(network, labels=L3, front_end=ps.Spectrogram(RATE))
    assert classifier.network.takes.layout == "(batch, 3, rows, columns)"
    assert ps.explain(classifier, SOUNDS).sizes["frequency"] == 64


class Cuts(Scorer):
    def forward(self, sounds):
        raise RuntimeError("this model wants its coffee first")


class Damaged(Scorer):
    def __init__(self):
        super().__init__()
        with torch.no_grad():
            self.out.weight[0, 0] = float("nan")


class Infinite(Scorer):
    def forward(self, sounds):
        return super().forward(sounds) / 0.0


class Three(Scorer):
    def forward(self, sounds, speaker, emotion):
        return super().forward(sounds)


class Twins(Scorer):
    def forward(self, sounds):
        return super().forward(sounds), super().forward(sounds) + 1


class NoRow(Scorer):
    def forward(self, sounds):
        return super().forward(sounds).sum(0)


WRONG = {
    "labels are missing": (Scorer, {"labels": L2}, "gives 3 scores a sound, but 2 labels were given"),
    "labels are too many": (lambda: Scorer(2), {"labels": L3}, "gives 2 scores a sound, but 3 labels"),
    "labels are the same": (Scorer, {"labels": ["a", "a", "b"]}, "at least two different labels"),
    "one number, no labels": (Flat, {}, "one number a sound: say what it is"),
    "no rate": (Scorer, {"labels": L3, "sample_rate": None}, "pass sample_rate="),
    "a rate of nothing": (Scorer, {"labels": L3, "sample_rate": 0}, "pass sample_rate="),
    "two rates": (Scorer, {"labels": L3, "front_end": ps.Recording(8000)}, "16000 Hz, but the front end's is 8000 Hz"),
    "no such output": (InDict, {"labels": L3, "output": "logit"}, "no part 'logit'; it has: embedding, logits"),
    "several outputs": (Twins, {"labels": L3}, "say which holds the scores with output="),
    "an output of another size": (
        InDict,
        {"labels": L3, "output": "embedding"},
        "gives 8 scores a sound, but 3 labels",
    ),
    "no row a sound": (NoRow, {"labels": L3}, "no row for each"),
    "it fails": (Cuts, {"labels": L3}, "this model wants its coffee first"),
    "weights that are no numbers": (Damaged, {"labels": L3}, r"weights are not finite \(out.weight\)"),
    "scores that are no numbers": (Infinite, {"labels": L3}, "output is not finite"),
    "three arguments": (Three, {"labels": L3}, "speaker, emotion beside the sound"),
    "no such kind": (Scorer, {"labels": L3, "kind": "clases"}, "choose one of classes, labels"),
    "no such activation": (Scorer, {"labels": L3, "activation": "relu"}, "choose one of none, softmax, sigmoid"),
    "no such frames": (Frames, {"labels": L3, "frames": "median"}, "choose mean, max, a time in s"),
    "no model": (lambda: 5, {"labels": L3}, "is a int; expected a torch module"),
    "no numbers": (lambda: lambda sounds: ["yes"] * len(sounds), {"labels": L2}, "not numbers; expected an array"),
    "one logit of three": (Scorer, {"labels": L2, "kind": "one logit"}, "gives 3 scores a sound"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_answered_in_one_line_that_says_what_to_do(name):
    torch.manual_seed(0)
    make, said, says = WRONG[name]
    with pytest.raises(ClassifierError, match=says) as caught:
        ps.wrap(make(), **{"sample_rate": RATE, **said})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("waveforms", "says"),
    [
        ([np.zeros(0, np.float32)], "non-empty"),
        ([np.full(8000, np.nan, np.float32)], "not finite"),
        ([np.zeros((2, 8000), np.float32)], "1-D"),
        ([], "no token"),
    ],
)
def test_sounds_that_are_none_are_refused(waveforms, says):
    _, classifier = wrapped("(batch, samples)")
    with pytest.raises(PhonoscopeError, match=says):
        ps.explain(classifier, waveforms)


def test_embeddings_are_compared_with_references():
    torch.manual_seed(0)
    model = Embedding().eval()
    references = {"george": [SOUNDS[0], SOUNDS[2]], "jackson": [SOUNDS[1]]}
    classifier = ps.similarity(model, references, sample_rate=RATE)
    assert classifier.labels == ["george", "jackson"]
    embedded = [model(torch.from_numpy(s)[None])[0].detach() for s in SOUNDS]
    george = torch.stack([embedded[0], embedded[2]]).mean(0)
    expected = torch.nn.functional.cosine_similarity(embedded[1], george, dim=0)
    assert classifier.logits(SOUNDS)[1, 0] == pytest.approx(float(expected), abs=1e-5)
    assert classifier.logits(SOUNDS)[1, 1] == pytest.approx(1, abs=1e-5)
    assert list(classifier.predict(SOUNDS)) == ["predicted", "score_george", "score_jackson"]
    maps = ps.explain(classifier, SOUNDS, ps.contrast("george", "jackson"))
    assert maps.attrs["units"] == "cosine"
    assert classifier.reference.labels == ["george", "jackson"]
    with pytest.raises(ClassifierError, match="at least one reference"):
        ps.similarity(model, {"george": []}, sample_rate=RATE)


class Cut(Embedding):
    """Its last dimension is cut off by a ReLU, whatever it hears."""

    def forward(self, sounds):
        features = super().forward(sounds)
        return torch.cat([features[:, :-1], functional.relu(features[:, -1:] - 10)], 1)


@pytest.mark.parametrize("make", [Cut, lambda: Activated("softmax"), Flat])
def test_gradients_reach_the_sound_whatever_one_score_does(make):
    torch.manual_seed(0)
    assert ps.wrap(make(), RATE, kind="embedding").network.differentiable
