"""Infidelity and sensitivity against closed forms and captum; maps that ignore the weights fail the randomisation."""

import copy

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from phonoscope import Classifier, Spectrogram, Waveform, explain
from phonoscope.attribution.maps import input_placement
from phonoscope.attribution.method import Attributed, Prepared, prepare_method, unpromised
from phonoscope.attribution.method_spec import parse_method
from phonoscope.attribution.registry import METHODS, Method
from phonoscope.errors import AttributionError
from phonoscope.evidence.case import generators, open_case
from phonoscope.evidence.randomisation import (
    FAILS,
    OPEN,
    PASSES,
    layers_from_the_logits,
    parameter_randomisation,
    randomise_layer,
)
from phonoscope.evidence.sanity import infidelity, max_sensitivity, normalised_infidelity
from phonoscope.evidence.similarity import rank_correlations

LABELS = ["i", "u", "ɑ"]


def waves(count=6, seed=0, rate=16000):
    random = np.random.default_rng(seed)
    return [np.cumsum(random.normal(size=int(random.integers(400, 2000)))) * 0.01 for _ in range(count)]


class Linear(nn.Module):
    """Logits are linear in the picture, with weights of both signs in one band."""

    def __init__(self):
        super().__init__()
        self.flat = nn.Linear(24 * 12, 3)
        with torch.no_grad():
            self.flat.weight.zero_()
            self.flat.weight[:, 60:150] = torch.randn(3, 90, generator=torch.Generator().manual_seed(1))

    def forward(self, x):
        return self.flat(x.flatten(1))


class Tangled(nn.Module):
    """In-place and re-used activations, a residual, a weight of its own that knows no ``reset_parameters``."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 8))
        self.last = nn.Linear(8, 3)
        self.first = nn.Conv2d(1, 8, 3, 2, 1)
        self.middle = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8))
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.act(self.first(x)) * self.scale[:, None, None]
        x = self.act(self.middle(x) + x)
        return self.last(x.mean((2, 3)))


def build(network, seed=0):
    torch.manual_seed(seed)
    front = Spectrogram(16000, rows=24, columns=12)
    return Classifier(front, network(), LABELS, input_mean=-30, input_sd=12)


ONE_CELL = f"occlusion(height_hz={8000 / 24}, width={1 / 12}, step_hz={8000 / 24}, step={1 / 12})"


@pytest.mark.parametrize("method", ["gradient", "gradient-x-input", "integrated-gradients(steps=2)", ONE_CELL])
def test_exact_maps_of_a_linear_network_foretell_everything(method):
    classifier, waveforms = build(Linear), waves()
    maps = explain(classifier, waveforms, "u", method)
    table = infidelity(open_case(classifier, waveforms, target="u"), maps)
    np.testing.assert_allclose(table["infidelity"], 0, atol=1e-5)
    assert (table["change"] > 0.01).all()
    assert (table["chance"] > 0.7).all()
    inverse = infidelity(open_case(classifier, waveforms, target="u"), (-maps).assign_attrs(maps.attrs))
    np.testing.assert_allclose(inverse["infidelity"], 1)  # never better than an empty map: signs count
    other = infidelity(open_case(classifier, waveforms, target="i"), maps)
    assert other["infidelity"].mean() > 0.8


def test_true_maps_beat_random_ones_and_those_their_inverse():
    classifier, waveforms = build(Tangled), waves(12)
    case = open_case(classifier, waveforms, target="u", reference=waveforms)
    maps = explain(classifier, waveforms, "u", "gradient")
    noise = maps.copy(data=np.random.default_rng(0).normal(size=maps.shape))
    inverted = maps.copy(data=-maps.values)
    true, random, inverse = (infidelity(case, m)["infidelity"].mean() for m in (maps, noise, inverted))
    assert true < 0.8 < 0.9 < random < inverse == 1


def test_infidelity_is_captums_with_the_same_changes():
    metrics = pytest.importorskip("captum.metrics")
    classifier, waveforms = build(Tangled), waves(3)
    case = open_case(classifier, waveforms, target="u")
    maps = explain(classifier, waveforms, "u", "gradient-x-input")
    draws = 16
    table = infidelity(case, maps, draws=draws)
    ((_, batch),) = case.batches()
    noise = []
    for one in generators(case, batch, 3):
        for _ in range(4):
            one.integers(1, 24 * 12)  # maps by chance are drawn first
        noise.append(one.normal(0.0, 0.5, (draws, 24, 12)))
    noise = torch.from_numpy(np.stack(noise)).float()[:, :, None]
    way = batch.inputs - case.setting.reference.mean_input

    def perturb(_inputs):
        change = noise.flatten(0, 1)
        return change, (batch.inputs[:, None] - noise * way[:, None]).flatten(0, 1)

    captum = metrics.infidelity(
        classifier.network.eval(),
        perturb,
        batch.inputs,
        torch.from_numpy(maps.values)[:, None].float(),
        target=1,
        n_perturb_samples=draws,
        normalize=True,
    )
    expected = captum.detach().numpy() / np.square(table["change"].to_numpy())
    # captum's scale may be negative; ours is then zero.
    np.testing.assert_allclose(np.where(table["infidelity"] < 1, table["infidelity"], expected), expected, rtol=1e-3)
    assert (table["infidelity"] < 1).any()


def test_normalised_infidelity_by_hand():
    lost = np.array([[1.0, -2.0, 3.0]] * 4)
    foretold = np.array([[2.0, -4.0, 6.0], [-1.0, 2.0, -3.0], [0.0, 0.0, 0.0], [2.0, 1.0, 0.0]])
    np.testing.assert_allclose(normalised_infidelity(foretold, lost), [0, 1, 1, 1], atol=1e-12)
    assert np.isnan(normalised_infidelity(foretold, 0 * lost)).all()


def test_a_slope_of_a_linear_network_never_changes():
    classifier, waveforms = build(Linear), waves()
    case = open_case(classifier, waveforms, target="u")
    np.testing.assert_allclose(max_sensitivity(case, "gradient")["sensitivity"], 0, atol=1e-6)
    moved = max_sensitivity(case, "gradient-x-input", radius=0.1)["sensitivity"]
    wider = max_sensitivity(case, "gradient-x-input", radius=0.2)["sensitivity"]
    np.testing.assert_allclose(wider, 2 * moved, rtol=1e-3)  # w · (x + d − mean): linear in the radius
    assert (moved > 0).all()


def test_max_sensitivity_is_captums_with_the_same_changes():
    metrics = pytest.importorskip("captum.metrics")
    classifier, waveforms = build(Tangled), waves(3)
    case = open_case(classifier, waveforms, target="u")
    found = max_sensitivity(case, "gradient", draws=4)["sensitivity"]
    ((_, batch),) = case.batches()
    drawn = generators(case, batch, 4)
    added = np.stack([[one.uniform(-0.1, 0.1, (1, 24, 12)) for _ in range(4)] for one in drawn])
    added = torch.from_numpy(added).float()

    def slopes(inputs):
        inputs = inputs[0] if isinstance(inputs, tuple) else inputs
        leaf = inputs.detach().requires_grad_()
        with torch.enable_grad():  # captum measures without gradients
            (gradient,) = torch.autograd.grad(classifier.network.eval()(leaf.clone())[:, 1].sum(), leaf)
        return (gradient,)

    def perturb(inputs):
        return (inputs[0] if isinstance(inputs, tuple) else inputs) + added.flatten(0, 1)

    captum = metrics.sensitivity_max(slopes, batch.inputs, perturb, n_perturb_samples=4)
    np.testing.assert_allclose(found, captum.detach().numpy(), rtol=1e-4)


@pytest.mark.parametrize("method", ["gradient", "band-stop", "gradient-x-input(space=sound)"])
def test_measures_of_a_token_do_not_depend_on_its_company(method):
    classifier, waveforms = build(Tangled), waves(4)
    options = {"target": "u", "reference": waveforms}
    maps = explain(classifier, waveforms, "u", method, reference=waveforms)
    case = open_case(classifier, waveforms, **options)
    steady, true = max_sensitivity(case, method, draws=2), infidelity(case, maps, draws=4)
    for token in (3, 1):
        alone = open_case(classifier, [waveforms[token]], tokens=[str(token)], **options)
        one = infidelity(alone, maps.isel(token=[token]), draws=4)
        np.testing.assert_allclose(
            one.drop(columns=["token", "target"]), true[token : token + 1].drop(columns=["token", "target"]), rtol=2e-3
        )
        other = max_sensitivity(alone, method, draws=2)["sensitivity"]
        np.testing.assert_allclose(other, steady["sensitivity"][token], rtol=5e-3)


def test_a_network_of_waveforms_is_judged_on_its_sound():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(1, 6, 9, 4), nn.Tanh(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 3))
    classifier = Classifier(Waveform(8000, 0.1), network, LABELS)
    waveforms = waves(4)
    maps = explain(classifier, waveforms, "u", "gradient-x-input(baseline=silence)")
    table = infidelity(open_case(classifier, waveforms, target="u"), maps)
    assert table["infidelity"].between(0, 1).all()
    assert np.isfinite(table.drop(columns=["token", "target"]).to_numpy().astype(float)).all()


def energy(setting):
    """A map of what is there, whatever the network: it must fail."""

    def function(batch):
        with torch.no_grad():
            logits = setting.classifier.network(batch.inputs.clone())
        return Attributed(batch.inputs.sum(1) - batch.inputs.amin((1, 2, 3))[:, None, None], logits, unpromised(logits))

    return Prepared(function, input_placement(setting.classifier.front_end))


def constant(setting):
    """The same map for every token and every network: it must fail too."""
    ramp = torch.linspace(0, 1, 24)[:, None].expand(24, 12)

    def function(batch):
        with torch.no_grad():
            logits = setting.classifier.network(batch.inputs.clone())
        return Attributed(ramp.expand(len(logits), -1, -1).clone(), logits, unpromised(logits))

    return Prepared(function, input_placement(setting.classifier.front_end))


BLIND = {
    "energy": Method("energy", "what is there", "input", energy),
    "constant": Method("constant", "always the same", "input", constant),
}


@pytest.mark.parametrize(
    ("method", "verdict"),
    [
        ("gradient", PASSES),
        ("gradient-x-input", PASSES),
        ("energy", FAILS),
        ("constant", FAILS),
    ],
)
def test_maps_that_ignore_the_weights_fail(method, verdict):
    classifier, waveforms = build(Tangled), waves(8)
    classifier.train()
    module = classifier.network
    module.middle[1].eval()
    state = copy.deepcopy(module.state_dict())
    modes = {name: m.training for name, m in module.named_modules()}
    variables = {name: set(vars(m)) for name, m in module.named_modules()}
    noise = torch.random.get_rng_state()
    case = open_case(classifier, waveforms, target="u")
    result = parameter_randomisation(case, method, networks=8, methods=dict(METHODS) | BLIND)
    assert result.verdict == verdict
    assert result.sentence.startswith(verdict.capitalize())
    assert method in result.sentence
    last = result.stops[result.stops["stop"] == result.stops["stop"].max()]
    assert last["network"].nunique() == 8
    if verdict == FAILS:
        np.testing.assert_allclose(result.stops["similarity"], 1)
    assert len(result.tokens) == 2 * len(waveforms)
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())
    assert {name: m.training for name, m in module.named_modules()} == modes
    assert {name: set(vars(m)) for name, m in module.named_modules()} == variables
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
    assert torch.equal(torch.random.get_rng_state(), noise)
    again = parameter_randomisation(case, method, networks=2, methods=dict(METHODS) | BLIND)
    same = result.stops[result.stops["network"] < 2]
    np.testing.assert_array_equal(again.stops["similarity"], same["similarity"])


def test_what_a_passing_map_still_owes_is_told():
    classifier, waveforms = build(Tangled), waves(8)
    case = open_case(classifier, waveforms, target="u")

    def signed_energy(setting):
        slopes, plain = prepare_method(parse_method("gradient"), setting), energy(setting)

        def function(batch):
            found = slopes.function(batch)
            return found._replace(maps=found.maps.sign() * plain.function(batch).maps)

        return Prepared(function, slopes.placement)

    def without_classes(setting):
        """Slopes of what is found, whatever it is for: they do not know the last layer."""
        network = setting.classifier.network

        def function(batch):
            with torch.enable_grad():
                leaf = batch.inputs.detach().requires_grad_()
                found = []
                handle = network.last.register_forward_hook(lambda _module, args, _output: found.append(args[0]))
                logits = network(leaf.clone()).detach()
                handle.remove()
                (gradient,) = torch.autograd.grad(found[0].sum(), leaf)
            return Attributed(gradient.sum(1), logits, unpromised(logits))

        return Prepared(function, input_placement(setting.classifier.front_end))

    own = {
        "signed": Method("signed", "", "input", signed_energy),
        "unclassed": Method("unclassed", "", "input", without_classes),
    }
    signed = parameter_randomisation(case, "signed", methods=own)
    assert signed.verdict == OPEN  # of these networks, some turn the sign of all maps and some do not
    assert signed.sentence.startswith("It cannot be told")
    assert "Only their sign does" in signed.sentence
    assert "layer of the logits" not in signed.sentence
    unclassed = parameter_randomisation(case, "unclassed", methods=own)
    assert unclassed.verdict != FAILS
    assert "layer of the logits (1.00" in unclassed.sentence


def test_layers_are_drawn_anew_from_the_logits_down():
    network = Tangled().eval()
    inputs = torch.randn(2, 1, 24, 12)
    order = layers_from_the_logits(network, inputs)
    assert order == ["last", "middle.1", "middle.0", "first", ""]
    drawn = copy.deepcopy(network)
    for number, layer in enumerate(order):
        randomise_layer(drawn, layer, number)
        untouched = [
            torch.equal(a, b)
            for name in order[number + 1 :]
            for a, b in zip(
                network.get_submodule(name).parameters(recurse=False),
                drawn.get_submodule(name).parameters(recurse=False),
                strict=True,
            )
        ]
        assert all(untouched)
    assert not torch.equal(network.first.weight, drawn.first.weight)
    assert not torch.equal(network.scale, drawn.scale)
    torch.testing.assert_close(network.scale.sort().values, drawn.scale.sort().values)  # its own values, in new order
    assert isinstance(drawn(inputs), torch.Tensor)


def test_rank_correlations_are_spearmans():
    from scipy.stats import spearmanr

    random = np.random.default_rng(0)
    a, b = random.integers(0, 9, (3, 4, 5)).astype(float), random.normal(size=(2, 4, 5))
    found = rank_correlations(a, b)
    for i in range(3):
        for j in range(2):
            assert found[i, j] == pytest.approx(spearmanr(a[i].ravel(), b[j].ravel()).statistic)
    assert (rank_correlations(np.ones((1, 9)), b.reshape(2, -1)[:, :9]) == 0).all()


def test_what_cannot_be_asked_is_refused():
    classifier, waveforms = build(Tangled), waves(3)
    case = open_case(classifier, waveforms)
    maps = explain(classifier, waveforms, "predicted", "gradient")
    with pytest.raises(AttributionError, match=r"logit/dB.*²"):
        infidelity(case, xr.zeros_like(maps).assign_attrs(units="(logit/dB)²"))
    with pytest.raises(AttributionError, match="size=0"):
        infidelity(case, maps, size=0)
    with pytest.raises(AttributionError, match="radius=-1"):
        max_sensitivity(case, "gradient", radius=-1)
    with pytest.raises(AttributionError, match="networks=1"):
        parameter_randomisation(case, "gradient", networks=1)
    with pytest.raises(AttributionError, match="not known"):
        max_sensitivity(case, "guess")

    class Fixed(nn.Module):
        def forward(self, x):
            return x.mean((1, 3))[:, :3]

    with pytest.raises(AttributionError, match="no weights"):
        parameter_randomisation(open_case(build(Fixed), waveforms), "gradient")
