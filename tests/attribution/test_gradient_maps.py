"""Gradients, their integrals and what is put around them: closed forms, finite differences, captum."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_networks import LABELS, Linear, Plain, Residual, build, waves
from torch import nn

from phonoscope import Classifier, Spectrogram, explain
from phonoscope.attribution.method import Batch, Setting, prepare_method
from phonoscope.attribution.method_spec import parse_method
from phonoscope.reference import measured_reference

SD, MEAN = 15.0, -30.0
SOUNDS = waves(4, context_seconds=0)
OTHERS = waves(6, seed=5, context_seconds=0)


class Quadratic(Linear):
    def forward(self, x):
        return self.fc(x.square().flatten(1))


class Smooth(nn.Module):
    """Curved everywhere, so that quadrature converges fast."""

    def __init__(self, dimensions=2):
        super().__init__()
        conv = nn.Conv1d if dimensions == 1 else nn.Conv2d
        self.conv, self.fc = conv(1, 5, 3, 2, 1), nn.Linear(5, len(LABELS))

    def forward(self, x):
        return self.fc(torch.tanh(self.conv(x)).flatten(2).mean(2))


def classifier_of(network):
    torch.manual_seed(3)
    return Classifier(Spectrogram(8000, rows=16, columns=8), network(), LABELS, input_mean=MEAN, input_sd=SD).eval()


def inputs_of(classifier, sounds=SOUNDS):
    return torch.cat([x for _, x in classifier.batches(sounds)])


def weights_of(classifier):
    return classifier.network.fc.weight[0].detach().view(16, 8)


def maps(classifier, method, **settings):
    settings = {"target": "i", "reference": OTHERS} | settings
    return explain(classifier, SOUNDS, method=method, **settings)


def test_gradient_is_the_weight_per_decibel():
    classifier = classifier_of(Linear)
    found = maps(classifier, "gradient")
    assert found.attrs["units"] == "logit/dB"
    assert found.values == pytest.approx(np.broadcast_to(weights_of(classifier).numpy() / SD, (4, 16, 8)), abs=1e-6)
    assert found["frequency"].values == pytest.approx(250 / 2 + 250 * np.arange(16))
    assert np.isnan(found["incompleteness"].values).all()


def test_per_decibel_means_that_a_cell_one_decibel_louder_moves_the_logit_so_much():
    classifier = classifier_of(Smooth)
    found, x = maps(classifier, "gradient").values, inputs_of(classifier)
    with torch.no_grad():
        step = torch.zeros_like(x)
        step[:, :, 5, 3] = 0.1 / SD  # a tenth of a decibel
        slope = (classifier.network(x + step) - classifier.network(x - step))[:, 0] / 0.2
    assert found[:, 5, 3] == pytest.approx(slope.numpy(), rel=1e-2)


@pytest.mark.parametrize("network", [Smooth, lambda: Residual(2)], ids=["smooth", "residual"])
def test_gradients_are_finite_differences_in_double_precision(network):
    classifier = classifier_of(network)
    setting = setting_of(classifier)
    assert setting.examples > len(SOUNDS)  # measured in single precision
    method = prepare_method(parse_method("gradient"), setting)
    classifier.network.double()
    batch = batch_of(classifier, inputs_of(classifier).double())
    found, step = method.function(batch).maps * SD, 1e-6
    places = [(0, 0), (7, 3), (15, 7), (4, 6)]
    for row, column in places:
        moved = torch.zeros_like(batch.inputs)
        moved[:, :, row, column] = step
        with torch.no_grad():
            slope = (classifier.network(batch.inputs + moved) - classifier.network(batch.inputs - moved))[:, 0]
        assert found[:, row, column].numpy() == pytest.approx((slope / (2 * step)).numpy(), abs=1e-8)


def batch_of(classifier, inputs):
    lengths = torch.tensor([len(w) for w in SOUNDS])
    sounds = nn.utils.rnn.pad_sequence([torch.from_numpy(w) for w in SOUNDS], batch_first=True)
    first = torch.nn.functional.one_hot(torch.zeros(len(SOUNDS), dtype=torch.long), 3)
    return Batch(sounds, lengths, 0, inputs, tuple(range(len(SOUNDS))), lambda logits: first.to(logits))


def setting_of(classifier):
    return Setting(classifier, measured_reference(classifier, OTHERS))


def baseline_picture(classifier, name):
    x, others = inputs_of(classifier), inputs_of(classifier, OTHERS)
    heard = classifier.logits(OTHERS).argmax(1)
    if name == "zero":
        return torch.zeros(16, 8)
    if name == "silence":
        return torch.full((16, 8), (-60 - MEAN) / SD)
    if name == "floor":
        return x.amin((1, 2, 3))[:, None, None]
    if name == "mean":
        return torch.stack([others[heard == c].mean(0)[0] for c in np.unique(heard)]).mean(0)
    return others[heard == LABELS.index(name.removeprefix("class:"))].mean(0)[0]


def heard_classes(classifier):
    return [LABELS[c] for c in np.unique(classifier.logits(OTHERS).argmax(1))]


@pytest.mark.parametrize("baseline", ["zero", "silence", "floor", "mean", "class"])
@pytest.mark.parametrize("method", ["gradient-x-input", "integrated-gradients"])
def test_linear_networks_get_weights_times_the_distance_from_the_baseline(method, baseline):
    classifier = classifier_of(Linear)
    name = f"class:{heard_classes(classifier)[-1]}" if baseline == "class" else baseline
    x = inputs_of(classifier)[:, 0]
    expected = weights_of(classifier) * (x - baseline_picture(classifier, name))
    found = maps(classifier, f"{method}(baseline={name})")
    assert found.values == pytest.approx(expected.numpy(), abs=1e-5)
    if method == "integrated-gradients":
        assert found["incompleteness"].values == pytest.approx(np.zeros(4), abs=1e-5)


def test_a_class_that_nobody_heard_has_no_mean():
    classifier = classifier_of(Linear)
    classifier.network.fc.bias.data = torch.tensor([0.0, 0.0, -1e3])
    with pytest.raises(Exception, match="is of the class 'u'"):
        maps(classifier, "integrated-gradients(baseline=class:u)")


@pytest.mark.parametrize("dimensions", [1, 2])
def test_integrated_gradients_sum_to_the_difference_of_the_logits(dimensions):
    classifier = build(lambda d: Smooth(d), dimensions)
    found = maps(classifier, "integrated-gradients(steps=32)")
    assert found.attrs["completeness"].startswith("sum of the map = logit of the target")
    scale = np.abs(found.values).sum((1, 2)).max()
    assert np.abs(found["incompleteness"].values).max() < 1e-3 * scale
    coarse = maps(classifier, "integrated-gradients(steps=1)")["incompleteness"].values
    assert np.abs(coarse).max() > np.abs(found["incompleteness"].values).max()
    if dimensions == 2:
        x, start = inputs_of(classifier), baseline_picture(classifier, "mean")
        with torch.no_grad():
            difference = (classifier.network(x) - classifier.network(start[None, None]))[:, 0].numpy()
        assert found.values.sum((1, 2)) == pytest.approx(difference, abs=1e-5)


def test_integrated_gradients_are_a_riemann_sum_in_double_precision():
    classifier = classifier_of(Smooth)
    network, x = classifier.network.double(), inputs_of(classifier)[:1].double()
    total = torch.zeros_like(x)
    for t in (np.arange(1000) + 0.5) / 1000:
        point = (t * x).requires_grad_()
        total += torch.autograd.grad(network(point)[0, 0], point)[0] / 1000
    expected = (total * x)[0, 0].numpy()
    classifier.network.float()
    found = maps(classifier, "integrated-gradients(baseline=zero, steps=24)")
    assert found.values[0] == pytest.approx(expected, abs=1e-5)


def test_expected_gradients_of_a_linear_network_are_complete_and_tend_to_the_mean_reference():
    classifier = classifier_of(Linear)
    x, others = inputs_of(classifier)[:, 0], inputs_of(classifier, OTHERS)[:, 0]
    few = maps(classifier, "expected-gradients(samples=3)")
    assert few["incompleteness"].values == pytest.approx(np.zeros(4), abs=1e-5)
    many = maps(classifier, "expected-gradients(samples=600)").values
    expected = (weights_of(classifier) * (x - others.mean(0))).numpy()
    error = (weights_of(classifier).abs() * others.std(0, correction=0)).numpy() / np.sqrt(600)
    assert (np.abs(many - expected) <= 5 * error + 1e-5).all()
    assert np.abs(few.values - expected).max() > np.abs(many - expected).max()


def test_expected_gradients_of_a_quadratic_tend_to_the_mean_of_the_integrals():
    classifier, samples = classifier_of(Quadratic), 600
    x, others = inputs_of(classifier)[:, 0].numpy(), inputs_of(classifier, OTHERS)[:, 0].numpy()
    w, random = weights_of(classifier).numpy(), np.random.default_rng(0)
    found = maps(classifier, f"expected-gradients(samples={samples})").values
    expected = w * (np.square(x) - np.square(others).mean(0))  # from s to x, a square grows by x² − s²
    s, t = others[random.integers(len(others), size=2000)][:, None], random.random((2000, 1, 1, 1))
    spread = (2 * w * (s + t * (x - s)) * (x - s)).std(0)
    assert (np.abs(found - expected) <= 5 * spread / np.sqrt(samples) + 1e-5).all()


def test_expected_gradients_draw_by_token_and_seed():
    classifier = classifier_of(Smooth)
    one, again = (maps(classifier, "expected-gradients(samples=4)", seed=s).values for s in (1, 1))
    other = maps(classifier, "expected-gradients(samples=4)", seed=2).values
    assert np.array_equal(one, again)
    assert np.abs(one - other).max() > 1e-6
    backwards = maps(classifier, "expected-gradients(samples=4)", seed=1, reference=OTHERS[::-1]).values
    assert backwards == pytest.approx(one, abs=1e-6)


def drawn_noise(index, samples, noise, x, seed=0):
    """What is added to a token's picture, from its samples and the seed."""
    import zlib

    random = np.random.default_rng((seed, zlib.crc32(np.ascontiguousarray(SOUNDS[index]).tobytes())))
    scale = noise * float(x[index].max() - x[index].min())
    return [scale * random.standard_normal(tuple(x.shape[1:]), dtype=np.float32) for _ in range(samples)]


def test_smooth_and_var_of_a_quadratic():
    classifier = classifier_of(Quadratic)
    x, w = inputs_of(classifier), weights_of(classifier).numpy() / SD
    mean = maps(classifier, "smooth(gradient, samples=5, noise=0.2)")
    variance = maps(classifier, "var(gradient, samples=5, noise=0.2)")
    assert (mean.attrs["units"], variance.attrs["units"]) == ("logit/dB", "(logit/dB)²")
    for index in range(4):
        slopes = [2 * w * (x[index, 0].numpy() + n[0]) for n in drawn_noise(index, 5, 0.2, x)]
        assert mean.values[index] == pytest.approx(np.mean(slopes, axis=0), abs=1e-5)
        assert variance.values[index] == pytest.approx(np.var(slopes, axis=0, ddof=1), abs=1e-5)


def test_smooth_and_var_tend_to_their_expectations():
    classifier, noise, samples = classifier_of(Quadratic), 0.1, 400
    x, w = inputs_of(classifier)[:, 0].numpy(), weights_of(classifier).numpy() / SD
    spread = noise * (x.max((1, 2)) - x.min((1, 2)))[:, None, None]
    mean = maps(classifier, f"smooth(gradient, samples={samples}, noise={noise})").values
    assert np.abs(mean - 2 * w * x).max() <= (5 * 2 * np.abs(w) * spread / np.sqrt(samples)).max()
    variance = maps(classifier, f"var(gradient, samples={samples}, noise={noise})").values
    ratio = variance / np.square(2 * w * spread)
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    assert ratio.std() == pytest.approx(np.sqrt(2 / (samples - 1)), rel=0.15)


def test_noise_leaves_the_maps_of_linear_networks_as_they_are():
    classifier = classifier_of(Linear)
    assert maps(classifier, "smooth(gradient)").values == pytest.approx(maps(classifier, "gradient").values, abs=1e-7)
    assert maps(classifier, "var(gradient)").values == pytest.approx(np.zeros((4, 16, 8)), abs=1e-12)


def test_noise_on_sounds_is_relative_to_their_level_and_heard_by_the_front_end():
    classifier = build(Plain, 1)
    found = maps(classifier, "smooth(gradient, samples=3, noise=0.01)")
    plain = maps(classifier, "gradient")
    assert found["logit"].values == pytest.approx(plain["logit"].values, abs=1e-5)
    change = np.abs(found.values - plain.values).max() / np.abs(plain.values).max()
    assert 1e-5 < change < 0.5


def test_wrappers_keep_the_target_of_the_untouched_token():
    classifier = classifier_of(Smooth)
    batch = batch_of(classifier, inputs_of(classifier))
    asked = []

    def weigh(logits):
        asked.append(logits.clone())
        return torch.nn.functional.one_hot(logits.argmax(1), 3).to(logits)

    batch = replace(batch, weigh=weigh)
    prepared = prepare_method(parse_method("smooth(gradient, noise=5)"), setting_of(classifier))
    prepared.function(batch)
    with torch.no_grad():
        untouched = classifier.network(batch.inputs)
    assert len(asked) == 1
    assert torch.allclose(asked[0], untouched)


@pytest.mark.parametrize("network", [Smooth, lambda: Residual(2)], ids=["smooth", "residual"])
def test_captum_gives_the_same_maps_of_the_input(network):
    attr = pytest.importorskip("captum.attr")
    classifier = classifier_of(network)
    x = inputs_of(classifier).requires_grad_()
    theirs = {
        "gradient": attr.Saliency(classifier.network).attribute(x, 0, abs=False) / SD,
        "gradient-x-input(baseline=zero)": attr.InputXGradient(classifier.network).attribute(x, 0),
        "integrated-gradients(baseline=zero, steps=12)": attr.IntegratedGradients(classifier.network).attribute(
            x, 0, 0, n_steps=12, method="gausslegendre"
        ),
        "integrated-gradients(baseline=silence, steps=5)": attr.IntegratedGradients(classifier.network).attribute(
            x, (-60 - MEAN) / SD, 0, n_steps=5
        ),
    }
    for method, expected in theirs.items():
        found = maps(classifier, method).values
        assert found == pytest.approx(expected.detach().numpy()[:, 0], abs=1e-6)
        assert np.abs(found).max() > 1e-4
