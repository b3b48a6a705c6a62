"""One call from waveforms to labelled maps: batches, places, refusals, and no trace on the user's module."""

import copy

import numpy as np
import pytest
import torch
import xarray as xr
from small_networks import assert_untouched, snapshot
from torch import nn
from user_networks import LABELS, Own, build, waves

from phonoscope import Classifier, Spectrogram, contrast
from phonoscope import explain as explain_by
from phonoscope.attribution import Explainer, methods
from phonoscope.errors import AttributionError, PhonoscopeError


def explain(*arguments, **options):
    """Maps by a method that is quick and exact, where no other is asked for."""
    return explain_by(*arguments, **{"method": "cam"} | options)


@pytest.mark.parametrize("network", ["compact", Own], ids=str)
def test_batches_equal_singles_in_any_order(network):
    classifier, waveforms = build(network), waves(11)
    maps = explain(classifier, waveforms, tokens=[f"t{i}" for i in range(11)])
    for size in (1, 2, 11):
        again = explain(classifier, waveforms, batch_size=size, tokens=[f"t{i}" for i in range(11)])
        xr.testing.assert_allclose(again, maps, atol=1e-5)
        assert again.attrs == pytest.approx(maps.attrs)
    order = np.random.default_rng(1).permutation(11)
    shuffled = explain(classifier, [waveforms[i] for i in order], tokens=[f"t{i}" for i in order])
    assert shuffled.sel(token=maps["token"]).values == pytest.approx(maps.values, abs=1e-5)
    assert explain(classifier, waveforms[3:4]).values == pytest.approx(maps.values[3:4], abs=1e-5)


def test_maps_say_where_they_lie_and_how_fine_they_are():
    classifier, waveforms = build("resnet18", rows=224, columns=64), waves(3)
    maps = explain(classifier, waveforms, "i")
    assert maps.dims == ("token", "frequency", "time")
    axis = classifier.front_end.frequency_axis
    assert maps["frequency"].values == pytest.approx(axis.at(32.0 * np.arange(7)))
    assert maps["frequency"].values[0] == pytest.approx(8000 / 224 / 2)
    assert maps["time"].values == pytest.approx([0.5 / 64, 32.5 / 64])
    assert maps["frequency"].attrs["units"] == "Hz"
    assert maps.attrs["units"] == "logit"
    assert maps.attrs["layer"] == "layer4"
    assert maps.attrs["cell_hz"] == pytest.approx(32 * 8000 / 224)
    assert maps.attrs["field_hz"] == pytest.approx(435 * 8000 / 224)
    assert 32 * 8000 / 224 <= maps.attrs["resolution_hz"] < maps.attrs["field_hz"]
    durations = np.array([len(w) / 16000 for w in waveforms])
    assert maps["duration"].values == pytest.approx(durations)
    edge = np.minimum(0.004, durations / 2)
    first = edge + (maps["time"].values[0] * 64 - 0.5) / 63 * (durations - 2 * edge)
    assert maps["seconds"].values[:, 0] == pytest.approx(first)


def test_centres_stay_on_the_axis_and_rise():
    class Padded(nn.Module):  # its outer cells look beyond the borders
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3, padding=6)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.conv(x).mean((2, 3)))

    maps = explain(build(Padded), waves(2))
    assert (np.diff(maps["frequency"]) > 0).all()
    assert (np.diff(maps["time"]) > 0).all()
    assert maps["frequency"].min() >= 0
    assert maps["frequency"].max() <= 8000 * (1 + 1e-3)


class Breaks(Own):
    """Works until the call with the number `calls` and then raises."""

    def __init__(self, calls=0):
        super().__init__()
        self.left = calls

    def forward(self, x):
        if self.left == 0:
            raise RuntimeError("out of memory")
        object.__setattr__(self, "left", self.left - 1)
        return super().forward(x)


@pytest.mark.parametrize("network", [Own, "compact"], ids=str)
def test_the_users_module_is_left_as_it_was(network):
    classifier = build(network).train()
    next(m for m in classifier.network.modules() if isinstance(m, nn.BatchNorm2d)).eval()
    parameters = list(classifier.network.parameters())
    parameters[0].requires_grad_(False)
    parameters[1].grad = torch.randn_like(parameters[1])
    waveforms = waves()
    copies = copy.deepcopy(waveforms)
    before = snapshot(classifier)
    for target in ("predicted", contrast("i", "u")):
        explain(classifier, waveforms, target, batch_size=2)
        assert_untouched(before, snapshot(classifier))
    assert all(np.array_equal(a, b) for a, b in zip(waveforms, copies, strict=True))


@pytest.mark.parametrize("calls", [0, 1, 2, 3, 4, 5])
def test_it_is_left_as_it_was_when_it_fails(calls):
    classifier = build(lambda: Breaks(calls)).train()
    before = snapshot(classifier)
    with pytest.raises(RuntimeError, match="out of memory"):
        explain(classifier, waves(), batch_size=2)
    assert_untouched(before, snapshot(classifier))


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        ({"method": "magic"}, "'magic' is not known; choose one of integrated-gradients"),
        ({"method": "cam(layer=layer3)"}, "for layer 'act' only"),
        ({"method": "smooth(gradient(layer=act))"}, "gradient has no option 'layer'; its options: space=auto"),
        ({"method": 3}, "method is 3"),
        ({"target": 7}, "no class 7; the 3 classes count from 0"),
        ({"target": -1}, "no class -1"),
        ({"target": None}, "None is no target"),
        ({"target": 1.5}, "1.5 is no target"),
        ({"target": True}, "True is no target"),
        ({"target": ["i", None, "u"]}, "None is no target"),
        ({"target": "true"}, "true_labels="),
        ({"target": "true", "true_labels": ["i"]}, "1 targets were given for 3 tokens"),
        ({"target": ["i", "u"]}, "2 targets were given for 3 tokens"),
        ({"target": "æ"}, "no class 'æ'; it has: i, ɝ, u"),
        ({"target": contrast("i", "s")}, "no class 's'"),
        ({"tokens": ["a"]}, "1 token names were given for 3"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_impossible_questions_are_answered(ask, says):
    with pytest.raises(PhonoscopeError, match=says):
        explain(build(Own), waves(3), **ask)


def test_empty_and_unusable_waveforms_are_refused():
    with pytest.raises(AttributionError, match="no token"):
        explain(build(Own), [])
    with pytest.raises(AttributionError, match="token 1 holds values that are not finite"):
        explain(build(Own), [np.ones(50), np.array([np.nan, 1.0])])


@pytest.mark.parametrize(
    ("waveforms", "says"),
    [
        (np.ones((2, 400)), "an array with 2 dimensions; expected a list of 1-D arrays"),
        (np.float32(1.0), "expected a list of 1-D arrays"),
        (None, "NoneType; expected a list"),
        (7, "int; expected a list"),
        ([np.ones((2, 400))], r"token 0 has shape \(2, 400\)"),
        ([np.ones(400), []], r"token 1 has shape \(0,\)"),
        ([0.1, 0.2], r"token 0 has shape \(\)"),
        ([np.array(["a", "b"])], "token 0 is no array of samples"),
        ([None], "token 0"),
    ],
)
def test_what_is_no_waveform_is_refused_in_words(waveforms, says):
    with pytest.raises(AttributionError, match=says):
        explain(build(Own), waveforms)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
def test_one_waveform_is_one_token_and_a_number_is_a_class(kind):
    classifier, waveform = build(Own), waves(1)[0]
    named = explain(classifier, [waveform], "u")
    xr.testing.assert_identical(explain(classifier, kind(waveform), 2), named)
    xr.testing.assert_identical(explain(classifier, [waveform], np.int64(2)), named)
    xr.testing.assert_identical(explain(classifier, [waveform], [2]), named)


def test_values_that_are_not_finite_are_not_passed_on():
    classifier = build(Own)
    classifier.network.stem.weight.data.fill_(float("nan"))
    with pytest.raises(AttributionError, match="finite"):
        explain(classifier, waves(2))


def test_batches_come_one_by_one_and_methods_are_listed():
    parts = list(Explainer(build(Own)).batches(waves(5), batch_size=2))
    assert [p.sizes["token"] for p in parts] == [2, 2, 1]
    assert [t for p in parts for t in p["token"].values] == ["0", "1", "2", "3", "4"]
    assert "exact" in methods()["cam"]


def test_what_is_said_about_maps_are_single_values_that_any_format_keeps():
    for network, front in (("compact", None), ("compact", Spectrogram(16000, time="fixed", columns=16))):
        classifier = build(network)
        if front is not None:
            classifier = Classifier(front, classifier.network, LABELS)
        maps = explain(classifier, waves(2))
        assert all(isinstance(value, (str, int, float)) for value in maps.attrs.values())
        assert np.isfinite([v for v in maps.attrs.values() if not isinstance(v, str)]).all()
