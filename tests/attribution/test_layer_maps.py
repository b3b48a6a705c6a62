"""Maps of layers: closed forms, slow twins from the papers in double precision, and where the taps sit."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import LABELS, InPlace, Linear, Plain, Residual, Reused, build, waves
from torch import nn

from phonoscope import Classifier, Spectrogram, explain
from phonoscope.attribution.layers import (
    grad_cam,
    grad_cam_plus_plus,
    hires_cam,
    last_grid,
    layer_cam,
    score_cam,
)
from phonoscope.attribution.located import interpolated, linear_weights, spread_in_time
from phonoscope.attribution.taps import outputs_and_gradients
from phonoscope.cells import Cells
from phonoscope.errors import AttributionError
from phonoscope.frontends import Recording


def maps(classifier, method, **settings):
    return explain(classifier, waves(context_seconds=0), "i", method, **settings)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_closed_forms_where_the_layer_is_averaged(dimensions):
    classifier = build(Plain, dimensions)
    cam = maps(classifier, "cam")
    cells = cam[0].size
    for method in ("grad-cam", "hires-cam"):
        found = maps(classifier, method)
        assert found.values * cells == pytest.approx(cam.values, abs=1e-5)
        assert found["frequency"].equals(cam["frequency"])
        assert found.attrs["resolution_hz"] == cam.attrs["resolution_hz"]
    with torch.no_grad():
        inputs = torch.cat([x for _, x in classifier.batches(waves(context_seconds=0))])
        features = classifier.network.features(inputs)
    weights, flat = classifier.network.fc.weight[0].detach(), features.flatten(2)
    expected = torch.einsum("bkn,k->bn", flat, weights.clamp_min(0) / cells)
    assert maps(classifier, "layer-cam").values.reshape(3, -1) == pytest.approx(expected.numpy(), abs=1e-5)
    plus = weights.clamp_min(0) / (2 + weights * flat.mean(2))
    expected = torch.einsum("bkn,bk->bn", flat, plus)
    assert maps(classifier, "grad-cam++").values.reshape(3, -1) == pytest.approx(expected.numpy(), abs=1e-5)


def test_negative_values_are_cut_off_where_asked_for():
    classifier = build(Plain, 2)
    signed, published = maps(classifier, "grad-cam").values, maps(classifier, "grad-cam(relu=yes)").values
    assert (signed < 0).any()
    assert np.array_equal(published, np.maximum(signed, 0))


class Flat(nn.Module):
    """Every cell has its own weight: no pooling."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, 2, 1)
        self.fc = nn.Linear(4 * 8 * 4, len(LABELS))

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


def picture_classifier(network):
    torch.manual_seed(0)
    return Classifier(Spectrogram(8000, rows=16, columns=8), network, LABELS, input_mean=-30, input_sd=15)


def test_the_sum_of_hires_cam_and_the_bias_are_the_logit_where_only_linear_layers_follow():
    classifier = picture_classifier(Flat())
    found = maps(classifier, "hires-cam")
    assert found.attrs["layer"] == "conv"
    bias = float(classifier.network.fc.bias.detach()[0])
    assert found.sum(("frequency", "time")).values + bias == pytest.approx(found["logit"].values, abs=1e-5)
    assert maps(classifier, "grad-cam").sum(("frequency", "time")).values + bias != pytest.approx(
        found["logit"].values, abs=1e-2
    )


shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.lists(st.integers(1, 4), min_size=1, max_size=3))


@settings(max_examples=25, deadline=None)
@given(shapes, st.integers(0, 99))
def test_slow_twins_cell_by_cell(shape, seed):
    batch, channels, cells = shape
    random = np.random.default_rng(seed)
    a, g = random.normal(size=(2, batch, channels, *cells))
    a = np.abs(a)
    places = list(itertools.product(*map(range, cells)))
    twins = {f: np.zeros((batch, *cells)) for f in (grad_cam, grad_cam_plus_plus, hires_cam, layer_cam)}
    for b, k in itertools.product(range(batch), range(channels)):
        mean = sum(g[b, k][p] for p in places) / len(places)
        total = sum(a[b, k][p] for p in places)
        weight = 0.0
        for p in places:  # eq. 19, with derivatives of exp(logit) over exp(logit)
            alpha = g[b, k][p] ** 2 / (2 * g[b, k][p] ** 2 + total * g[b, k][p] ** 3)
            weight += alpha * max(g[b, k][p], 0)
        for p in places:
            twins[grad_cam][b][p] += mean * a[b, k][p]
            twins[grad_cam_plus_plus][b][p] += weight * a[b, k][p]
            twins[hires_cam][b][p] += g[b, k][p] * a[b, k][p]
            twins[layer_cam][b][p] += max(g[b, k][p], 0) * a[b, k][p]
    for function, expected in twins.items():
        found = function(torch.from_numpy(a), torch.from_numpy(g)).numpy()
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_grad_cam_plus_plus_is_equation_19_by_automatic_derivatives_of_the_exponential():
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(1, 3, 2, 2, dtype=torch.float64, generator=generator).requires_grad_()
    w = torch.randn(3, 2, 2, dtype=torch.float64, generator=generator)
    score = (a[0] * w).sum()  # linear above the layer
    y = score.exp()
    (first,) = torch.autograd.grad(y, a, create_graph=True)
    expected = torch.zeros(2, 2, dtype=torch.float64)
    for k in range(3):
        weight = 0.0
        for i, j in itertools.product(range(2), range(2)):
            (second,) = torch.autograd.grad(first[0, k, i, j], a, create_graph=True)
            (third,) = torch.autograd.grad(second[0, k, i, j], a, retain_graph=True)
            two, three = second[0, k, i, j], third[0, k, i, j]
            alpha = two / (2 * two + a[0, k].sum() * three)
            weight = weight + alpha * first[0, k, i, j].clamp_min(0)
        expected += (weight * a[0, k]).detach()
    found = grad_cam_plus_plus(a.detach(), w[None])[0]
    assert (found * y.detach()).numpy() == pytest.approx(expected.numpy(), rel=1e-9)


class Strided(nn.Module):
    """Cells of odd windows at every fourth row: centred on rows 0, 4, 8, 12, not on 1.5, 5.5, …"""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, (3, 1), (4, 1), (1, 0))
        self.act = nn.Softplus()
        self.fc = nn.Linear(3, len(LABELS))

    def forward(self, x):
        return self.fc(self.act(self.conv(x)).mean((2, 3)))


def slow_score_cam(network, x, target, centres):
    """Wang et al. 2020, eq. 3 to 6, channel by channel; masks by linear interpolation between rows' centres."""
    with torch.no_grad():
        a = network.act(network.conv(x))[0].numpy()
        scores = []
        for channel in a:
            mask = (channel - channel.min()) / (channel.max() - channel.min())
            rows = np.arange(x.shape[2])
            up = np.stack([np.interp(rows, centres, column) for column in mask.T], axis=1)
            scores.append(float(network(x * torch.from_numpy(up).to(x))[0, target]))
    weights = np.exp(scores) / np.exp(scores).sum()
    return np.tensordot(weights, a, 1)


def test_score_cam_is_the_papers_with_masks_where_the_cells_look():
    classifier = picture_classifier(Strided())
    sounds = waves(context_seconds=0)
    found = maps(classifier, "score-cam").values
    shifted = []
    for index, (_, x) in enumerate(classifier.batches(sounds, 1)):
        assert found[index] == pytest.approx(slow_score_cam(classifier.network, x, 0, [0, 4, 8, 12]), abs=1e-5)
        shifted.append(slow_score_cam(classifier.network, x, 0, [1.5, 5.5, 9.5, 13.5]))
    assert np.abs(found - np.array(shifted)).max() > 1e-4  # resizing by the ratio gives other maps


def test_channels_without_shape_weigh_nothing_in_score_cam():
    a = torch.rand(2, 3, 4)
    a[0, 1] = 0.7
    a[1] = 1.0
    scores = torch.tensor([[1.0, 50.0, 2.0], [1.0, 2.0, 3.0]])
    found = score_cam(a, scores)
    weights = scores[0, [0, 2]].softmax(0)
    assert found[0].numpy() == pytest.approx((weights[0] * a[0, 0] + weights[1] * a[0, 2]).numpy())
    assert (found[1] == 0).all()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_interpolation_keeps_lines_and_constants_and_what_lies_outside(steps, seed):
    centres = np.cumsum(steps).astype(float)
    wanted = np.random.default_rng(seed).uniform(-5, centres[-1] + 5, size=7)
    weights = linear_weights(centres, wanted)
    assert weights.sum(1).numpy() == pytest.approx(np.ones(7))
    assert (weights @ torch.from_numpy(centres)).numpy() == pytest.approx(np.clip(wanted, centres[0], centres[-1]))


def test_interpolation_of_grids_is_that_of_scipy():
    from scipy.interpolate import RegularGridInterpolator

    values = np.random.default_rng(0).normal(size=(4, 3))
    rows, columns = np.array([0.0, 4, 8, 12]), np.array([1.0, 3, 7])
    wanted_rows, wanted_columns = np.linspace(0, 12, 9), np.linspace(1, 7, 5)
    grid = [linear_weights(rows, wanted_rows), linear_weights(columns, wanted_columns)]
    found = interpolated(torch.from_numpy(values)[None], grid)[0]
    points = np.stack(np.meshgrid(wanted_rows, wanted_columns, indexing="ij"), -1)
    assert found.numpy() == pytest.approx(RegularGridInterpolator((rows, columns), values)(points))


class TwoGrids(nn.Module):
    """Each cell of `second` is the mean of two neighbouring rows of `first`: both say the same, one twice as coarse."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 1)
        self.second = nn.AvgPool2d((2, 1))
        self.fc = nn.Linear(4, len(LABELS))

    def forward(self, x):
        return self.fc(self.second(self.first(x)).mean((2, 3)))


def test_maps_of_several_layers_are_means_of_densities_on_the_finest_grid():
    classifier = picture_classifier(TwoGrids())
    one, other = maps(classifier, "hires-cam(layer=first)"), maps(classifier, "hires-cam(layer=second)")
    both = maps(classifier, "hires-cam(layer=second+first)")
    assert both.sizes["frequency"] == 16
    assert both["frequency"].equals(one["frequency"])
    assert both.attrs["layer"] == "mean of second, first"
    assert both.attrs["field_hz"] == other.attrs["field_hz"] == 2 * one.attrs["field_hz"]
    hertz = one["frequency"].values
    spread = np.stack([[np.interp(hertz, other["frequency"], c) for c in token.T] for token in other.values])
    assert both.values == pytest.approx((one.values + spread.transpose(0, 2, 1) / 2) / 2, abs=1e-6)
    # Intensive maps, whose values do not shrink with the size of a cell, are averaged as they are.
    one, other = maps(classifier, "score-cam(layer=first)"), maps(classifier, "score-cam(layer=second)")
    both = maps(classifier, "score-cam(layer=first+second)")
    spread = np.stack([[np.interp(hertz, other["frequency"], c) for c in token.T] for token in other.values])
    assert both.values == pytest.approx((one.values + spread.transpose(0, 2, 1)) / 2, abs=1e-5)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_mean_of_one_layer_with_itself_in_another_place_is_placed_in_time_and_frequency(dimensions):
    classifier = build(Plain, dimensions)
    both = maps(classifier, "hires-cam(layer=act1+act2)")
    one = maps(classifier, "hires-cam(layer=act1)")
    assert both.shape == one.shape
    assert both["time"].equals(one["time"])
    assert both.attrs["resolution_time"] >= one.attrs["resolution_time"]


class Pooled(nn.Module):
    """Ends in a maximum, so that no layer is averaged; an MLP follows."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, 2, 1)
        self.drop = nn.Dropout(0.5)
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.fc = nn.Linear(4, len(LABELS))

    def forward(self, x):
        return self.fc(self.pool(self.drop(self.conv(x))).flatten(1))


def test_the_layer_is_the_averaged_one_or_the_last_that_can_be_placed():
    assert maps(build(Reused, 2), "grad-cam").attrs["layer"] == "act1"
    assert maps(picture_classifier(Pooled()), "grad-cam").attrs["layer"] == "drop"
    assert last_grid(build(Plain, 1).network.eval(), torch.randn(2, 1, 400)) == "act2"
    with pytest.raises(AttributionError, match="no layer whose cells can be placed"):
        maps(picture_classifier(Linear()), "grad-cam")


@pytest.mark.parametrize(
    ("layer", "says"),
    [("conv9", "no layer 'conv9'"), ("act1+act1", "names a layer twice"), ("fc", "cannot tell where the cells")],
)
def test_layers_that_cannot_be_explained_are_said(layer, says):
    with pytest.raises(AttributionError, match=says):
        maps(build(Plain, 2), f"grad-cam(layer={layer})")


def first_class(logits):
    return torch.nn.functional.one_hot(torch.zeros(len(logits), dtype=torch.long), logits.shape[1]).to(logits)


@pytest.mark.parametrize("network", [Plain, InPlace, Residual, Reused])
@pytest.mark.parametrize("layer", ["conv1", "act1", "conv2", "act2", "inner"])
def test_gradients_of_layers_are_finite_differences_of_their_outputs(network, layer):
    torch.manual_seed(0)
    module = network(2).double().eval()
    if layer not in dict(module.named_modules()):
        pytest.skip("this network has no such layer")
    x = torch.randn(1, 1, 8, 6, dtype=torch.float64)
    added = {}

    def last_call(_module, _args, output):
        added["calls"] = added.get("calls", 0) + 1
        return output + added["step"] if added["calls"] == added["last"] else output.clone()

    def logit(step, last):
        added.update(calls=0, step=step, last=last)
        return float(module(x.clone())[0, 0].detach())

    if layer == "act2" and network is Reused:
        pytest.skip("this network does not use it")
    _, ((output, gradient),) = outputs_and_gradients(module, [layer], x, first_class)
    calls = 2 if network is Reused and layer == "act1" else 1
    handle = module.get_submodule(layer).register_forward_hook(last_call)
    try:
        for place in [(0, 1, 2, 1), (0, 0, 0, 0), (0, 2, 1, 2)]:
            step = torch.zeros_like(output)
            step[place] = 1e-6
            slope = (logit(step, calls) - logit(-step, calls)) / 2e-6
            assert float(gradient[place]) == pytest.approx(slope, abs=1e-7)
    finally:
        handle.remove()
    assert gradient.abs().max() > 0


class Aliased(nn.Module):
    """In evaluation the dropout hands on its input itself, which goes around it as well and is overwritten later."""

    def __init__(self):
        super().__init__()
        self.conv, self.drop = nn.Conv2d(1, 4, 3, 2, 1), nn.Dropout(0.5)
        self.fc = nn.Linear(4, len(LABELS))

    def forward(self, x):
        x = self.conv(x)
        y = self.drop(x) * 1.0
        features = y + 3 * x
        pooled = features.mean((2, 3))
        x.zero_()
        return self.fc(pooled)


def test_a_layer_that_hands_on_its_input_is_told_apart_from_what_goes_around_it():
    torch.manual_seed(0)
    network, x = Aliased().eval(), torch.randn(2, 1, 16, 8)
    _, ((output, gradient),) = outputs_and_gradients(network, ["drop"], x, first_class)
    assert torch.equal(output, network.conv(x).detach())
    expected = (network.fc.weight[0].detach() / 32)[None, :, None, None].expand_as(gradient)
    assert torch.allclose(gradient, expected)  # four times as much with the way around


def test_several_layers_are_tapped_in_one_pass():
    module = build(Residual, 2).network.eval()
    x = torch.randn(2, 1, 16, 8)
    logits, taps = outputs_and_gradients(module, ["conv1", "act2"], x, first_class)
    for layer, (output, gradient) in zip(["conv1", "act2"], taps, strict=True):
        _, ((alone, slope),) = outputs_and_gradients(module, [layer], x, first_class)
        assert torch.equal(output, alone)
        assert torch.allclose(gradient, slope, atol=1e-7)
    assert torch.equal(logits, module(x.clone()).detach())


def test_taps_say_what_cannot_be_tapped():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.idle, self.aside = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)
            self.rnn = nn.GRU(8, 4, batch_first=True)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            self.aside(x)
            return self.fc(self.rnn(x[:, 0])[0].mean(1))

    network, x = Odd(), torch.randn(2, 1, 16, 8)
    for layer, says in (("idle", "not reached"), ("rnn", "returns tuple"), ("aside", "do not depend")):
        with pytest.raises(AttributionError, match=says):
            outputs_and_gradients(network, [layer], x, first_class)
        assert not any(m._forward_hooks for m in network.modules())
        assert torch.is_grad_enabled()


def test_captum_gives_the_same_maps_of_layers():
    attr = pytest.importorskip("captum.attr")
    classifier = build(Residual, 2)
    network = classifier.network.eval()
    inputs = torch.cat([x for _, x in classifier.batches(waves(context_seconds=0))])
    for layer in ("conv1", "act1", "inner", "act2"):
        module = network.get_submodule(layer)
        theirs = attr.LayerGradCam(network, module).attribute(inputs, 0).detach()[:, 0]
        assert maps(classifier, f"grad-cam(layer={layer})").values == pytest.approx(theirs.numpy(), abs=1e-6)
        product = attr.LayerGradientXActivation(network, module).attribute(inputs, 0).detach().sum(1)
        assert maps(classifier, f"hires-cam(layer={layer})").values == pytest.approx(product.numpy(), abs=1e-6)
        output = attr.LayerActivation(network, module).attribute(inputs)
        _, ((ours, _),) = outputs_and_gradients(network, [layer], inputs, first_class)
        assert torch.equal(ours, output.detach())


@pytest.mark.parametrize("method", ["cam", "hires-cam", "hires-cam(layer=conv1+conv2)", "score-cam"])
def test_recordings_of_any_length_lie_on_the_same_cells(method):
    torch.manual_seed(0)
    network = build(Plain, 1).network
    classifier = Classifier(Recording(8000, cells=16, usual_seconds=0.05), network, LABELS)
    short, long = waves(2, seed=5, context_seconds=0)[0][:200], np.tile(waves(1, context_seconds=0)[0], 3)[:700]
    together = explain(classifier, [short, long], "i", method)
    assert together.sizes["time"] == 16
    for number, sound in enumerate((short, long)):
        alone = explain(classifier, [sound], "i", method)
        assert alone.values[0] == pytest.approx(together.values[number], abs=1e-5)
        if method == "cam":
            assert float(abs(alone["incompleteness"]).max()) < 1e-5
            bias = float(network.fc.bias.detach()[0])
            assert float(alone.mean()) + bias == pytest.approx(float(alone["logit"][0]), abs=1e-5)


def test_values_are_spread_over_the_time_that_their_cells_see_and_keep_their_sum():
    cells = Cells(20, 39, 10, 5)  # centres at samples 29.5 … 69.5 of 100: nothing is known of the ends
    weights = spread_in_time(cells, 100, 10).numpy()
    assert weights.sum(1) == pytest.approx(np.ones(5))
    assert weights[:, :2].sum() == 0
    assert weights[:, 8:].sum() == 0
    assert weights[0] == pytest.approx(np.eye(10)[2] * 0.5 + np.eye(10)[3] * 0.5)
    outside = spread_in_time(Cells(-30, -11, 60, 3), 100, 4).numpy()
    assert outside.sum(1) == pytest.approx(np.ones(3))
    assert outside[0, 0] == pytest.approx(1.0)
