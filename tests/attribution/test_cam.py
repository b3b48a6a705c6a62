"""Class activation maps: exact to the logit, placed where the network listens, and no trace on the user's module."""

import copy

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from phonoscope import Classifier, Spectrogram, Waveform, contrast, explain
from phonoscope.attribution import methods
from phonoscope.attribution.cam import class_activation_maps, find_pooled_head
from phonoscope.attribution.explain import explain_batches
from phonoscope.errors import AttributionError, ClassifierError, PhonoscopeError

LABELS = ["i", "ɝ", "u"]


class Own(nn.Module):
    """A user's network: in-place ReLU, used twice, a residual branch, dropout, pooling by a module."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, stride=2, padding=1)
        self.block = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6))
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(6, 3)

    def forward(self, x):
        x = self.act(self.stem(x))
        x = self.act(self.block(x) + x)
        return self.out(self.drop(self.pool(x)[:, :, 0, 0]))


class Headless(nn.Module):
    """The linear layer has no bias; features are the output of a plain convolution and have both signs."""

    def __init__(self, width=5):
        super().__init__()
        self.conv = nn.Conv2d(1, width, (5, 3), (4, 4), (2, 1))
        self.fc = nn.Linear(width, 3, bias=False)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


def build(network, rows=64, columns=32):
    torch.manual_seed(0)
    front = Spectrogram(16000, rows=rows, columns=columns)
    if isinstance(network, str):
        classifier = Classifier.build(front, network, LABELS)
    else:
        classifier = Classifier(front, network(), LABELS)
    classifier.input_mean, classifier.input_sd = -35.0, 15.0
    for module in classifier.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.bias, 0.2, 0.3)
    return classifier


def waves(count=5, seed=0):
    random = np.random.default_rng(seed)
    return [np.cumsum(random.normal(size=int(random.integers(100, 3000)))) * 0.01 for _ in range(count)]


NETWORKS = ["compact", "compact-local", "resnet18", Own, Headless]
TRUE = ["i", "u", "ɝ", "u", "i"]


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize(
    "target", ["ɝ", "er", "predicted", "true", contrast("i", "u"), ["u", "i", "ɝ", "i", "u"]], ids=str
)
def test_the_mean_of_the_map_and_the_bias_are_the_logit(network, target):
    classifier, waveforms = build(network), waves()
    maps = explain(classifier, waveforms, target, true_labels=TRUE)
    logits = classifier.logits(waveforms)
    last = [m for m in classifier.network.modules() if isinstance(m, nn.Linear)][-1]
    bias = np.zeros(3) if last.bias is None else last.bias.detach().numpy()
    index = {name: i for i, name in enumerate(LABELS)}
    names = {"predicted": [LABELS[i] for i in logits.argmax(1)], "true": TRUE, "er": ["ɝ"] * 5, "ɝ": ["ɝ"] * 5}
    if isinstance(target, (str, list)):
        classes = [index[n] for n in (names[target] if isinstance(target, str) else target)]
        expected, offset = logits[np.arange(5), classes], bias[classes]
        assert maps["target"].values.tolist() == [LABELS[i] for i in classes]
    else:
        expected, offset = logits[:, 0] - logits[:, 2], np.full(5, bias[0] - bias[2])
        assert maps["target"].values.tolist() == ["i − u"] * 5
    scale = float(np.abs(expected).max()) + 1
    assert maps.mean(("frequency", "time")).values + offset == pytest.approx(expected, abs=1e-5 * scale)
    assert maps["logit"].values == pytest.approx(expected, abs=1e-5 * scale)
    assert np.abs(maps["incompleteness"].values).max() < 1e-5 * scale
    assert maps["predicted"].values.tolist() == names["predicted"]
    assert maps.values.std() > 0


def test_a_map_is_the_weighted_sum_of_the_channels_in_float64():
    random = np.random.default_rng(0)
    features, weights = random.normal(size=(3, 4, 5, 6)), random.normal(size=(3, 4))
    expected = np.zeros((3, 5, 6))
    for token in range(3):
        for row in range(5):
            for column in range(6):
                for k in range(4):
                    expected[token, row, column] += weights[token, k] * features[token, k, row, column]
    result = class_activation_maps(torch.from_numpy(features), torch.from_numpy(weights))
    assert result.numpy() == pytest.approx(expected)


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


def test_maps_are_linear_in_the_target():
    classifier, waveforms = build("compact"), waves()
    difference = explain(classifier, waveforms, contrast("i", "u")).values
    one, other = (explain(classifier, waveforms, name).values for name in ("i", "u"))
    assert difference == pytest.approx(one - other, abs=1e-5)
    assert explain(classifier, waveforms, contrast("u", "i")).values == pytest.approx(-difference, abs=1e-6)


def test_a_shift_by_one_stride_shifts_the_map_by_one_cell():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 5, 2, 2), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU())
    head = torch.randn(1, 6)
    x = torch.zeros(1, 1, 64, 64)
    x[:, :, 24:40, 24:40] = torch.randn(1, 1, 16, 16)
    with torch.no_grad():
        maps = class_activation_maps(network(x), head)
        moved = class_activation_maps(network(x.roll((4, -8), dims=(2, 3))), head)
    assert torch.allclose(moved[:, 2:-2, 2:-2], maps.roll((1, -2), dims=(1, 2))[:, 2:-2, 2:-2], atol=1e-6)
    assert maps.std() > 0.01


class Band(nn.Module):
    """Reads the energy of one band for class 0 and knows nothing of the other: rows 20 to 23 of 64."""

    def __init__(self, rows=64, band=(20, 24)):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, (4, 1), (4, 1), bias=False)
        self.conv.weight.data.fill_(0.25)
        gate = torch.zeros(1, 1, rows, 1)
        gate[:, :, band[0] : band[1]] = 1.0
        self.register_buffer("gate", gate)
        self.fc = nn.Linear(1, 2)
        self.fc.weight.data = torch.tensor([[1.0], [-0.5]])

    def forward(self, x):
        return self.fc(self.conv(x * self.gate).mean((2, 3)))


def test_a_network_that_reads_one_band_gets_its_map_there():
    front = Spectrogram(16000, rows=64, columns=16)
    classifier = Classifier(front, Band(), ["a", "b"], input_mean=-60.0, input_sd=10.0)
    maps = explain(classifier, waves(), "a")
    inside = (maps["frequency"] > 2500) & (maps["frequency"] < 3000)
    assert int(inside.sum()) == 1
    assert (np.abs(maps.where(~inside, drop=True)) == 0).all()
    assert (maps.where(inside, drop=True) > 0).all()
    # four rows of 125 Hz from 2500 Hz on: the cell's centre is that of its receptive field
    assert maps["frequency"].values == pytest.approx(250 + 500 * np.arange(16))
    assert maps.attrs["cell_hz"] == maps.attrs["field_hz"] == 500
    assert maps.attrs["resolution_hz"] == pytest.approx(500)
    assert (explain(classifier, waves(), "b").where(inside, drop=True) < 0).all()


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


def snapshot(classifier):
    """Everything of a module that a user could see."""
    return {
        "state": {k: v.clone() for k, v in classifier.state_dict().items()},
        "grads": [p.grad if p.grad is None else p.grad.clone() for p in classifier.parameters()],
        "requires": [p.requires_grad for p in classifier.parameters()],
        "modes": [m.training for m in classifier.modules()],
        "hooks": [
            (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in classifier.modules()
        ],
        "names": [sorted(vars(m)) for m in classifier.modules()],
        "rng": torch.get_rng_state(),
        "grad_mode": torch.is_grad_enabled(),
    }


def assert_untouched(before, after):
    for name in ("requires", "modes", "hooks", "names", "grad_mode"):
        assert before[name] == after[name], name
    assert all(torch.equal(v, after["state"][k]) for k, v in before["state"].items())
    assert torch.equal(before["rng"], after["rng"])
    for a, b in zip(before["grads"], after["grads"], strict=True):
        assert (a is None and b is None) or torch.equal(a, b)


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


def test_networks_that_work_on_their_input_in_place_get_the_same_maps():
    class InPlace(Own):
        def forward(self, x):
            return super().forward(x.sub_(1.5))

    class OutOfPlace(Own):
        def forward(self, x):
            return super().forward(x - 1.5)

    maps = [explain(build(network), waves()) for network in (InPlace, OutOfPlace)]
    assert maps[0].values == pytest.approx(maps[1].values, abs=1e-6)


class TwoLayers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.head = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))

    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3)))


class Maximum(Headless):
    def forward(self, x):
        return self.fc(self.conv(x).amax((2, 3)))


class Softmaxed(Headless):
    def forward(self, x):
        return super().forward(x).softmax(1)


class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64 * 32, 3)

    def forward(self, x):
        return self.fc(x.flatten(1))


class ReusedOnTheMean(nn.Module):
    """The activation is applied to the features and again to their mean: its last call has no cells."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.act = nn.ReLU()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.act(self.act(self.conv(x)).mean((2, 3))))


@pytest.mark.parametrize("network", [TwoLayers, Maximum, Softmaxed, Flat, ReusedOnTheMean])
def test_other_networks_are_refused(network):
    with pytest.raises(AttributionError, match="global average pooling and one linear layer"):
        explain(build(network), waves(2))


def test_the_head_is_found_by_numbers_not_names():
    classifier = build(Own)
    inputs = classifier.inputs(torch.randn(2, 800))
    head = find_pooled_head(classifier.network.eval(), inputs)
    assert (head.layer, head.linear) == ("act", "out")
    assert find_pooled_head(build("resnet18").network.eval(), inputs).layer == "layer4"
    assert find_pooled_head(build("compact").network.eval(), inputs).layer == "features"


def test_small_features_do_not_let_a_wrong_layer_pass():
    class Tiny(nn.Module):
        """All features are far below 1e-5: only their proportions tell the layers apart."""

        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(1, 4, 3, padding=1)
            self.second = nn.Conv2d(4, 4, 3, 2, padding=1)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.second(self.first(x * 1e-7)).mean((2, 3)))

    classifier = build(Tiny)
    for module in (classifier.network.first, classifier.network.second):
        module.bias.data.zero_()
    head = find_pooled_head(classifier.network.eval(), classifier.inputs(torch.randn(2, 800)))
    assert head.layer == "second"


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        ({"method": "magic"}, "'magic' is not known; choose one of cam"),
        ({"layer": "layer3"}, "for layer 'act' only"),
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
    with pytest.raises(ClassifierError, match="waveform 1"):
        explain(build(Own), [np.ones(50), np.array([np.nan, 1.0])])


def test_layers_of_networks_of_waveforms_have_cells_in_time_only():
    class Raw(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(1, 4, 8, 4)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.conv(x).mean(2))

    torch.manual_seed(0)
    classifier = Classifier(Waveform(8000, 0.05), Raw(), LABELS)
    maps = explain(classifier, waves(2), "i")
    assert maps.shape == (2, 1, 99)
    assert maps["frequency"].values.tolist() == [2000]
    assert maps.attrs["cell_hz"] == maps.attrs["max_hz"] == 4000
    # A window of 8 samples every 4: the first is centred at sample 3.5 of 400, that is at 4 of the axis' half samples.
    assert maps["time"].values[:2] == pytest.approx([4 / 8000, 8 / 8000])
    bias = float(classifier.network.fc.bias[0])
    assert maps.mean(("frequency", "time")).values + bias == pytest.approx(classifier.logits(waves(2))[:, 0], abs=1e-5)


def test_values_that_are_not_finite_are_not_passed_on():
    classifier = build(Own)
    classifier.network.stem.weight.data.fill_(float("nan"))
    with pytest.raises(AttributionError, match="finite"):
        explain(classifier, waves(2))


def test_batches_come_one_by_one_and_methods_are_listed():
    parts = list(explain_batches(build(Own), waves(5), batch_size=2))
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


class ActsInPlace(nn.Module):
    """The activation overwrites what the convolution put out: only the activation's own output is averaged."""

    def __init__(self):
        super().__init__()
        self.z = nn.Conv2d(1, 4, 5, 4)
        self.a = nn.ReLU(inplace=True)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.a(self.z(x)).mean((2, 3)))


class Overwritten(Headless):
    """The features are overwritten once they have been averaged."""

    def forward(self, x):
        features = self.conv(x)
        pooled = features.mean((2, 3))
        features.zero_()
        return self.fc(pooled)


def test_what_happens_in_place_after_a_layer_does_not_change_its_map():
    classifier = build(ActsInPlace)
    assert find_pooled_head(classifier.network.eval(), classifier.inputs(torch.randn(2, 800))).layer == "a"
    plain, overwritten = explain(build(Headless), waves()), explain(build(Overwritten), waves())
    assert overwritten.values == pytest.approx(plain.values)
    assert overwritten.attrs == plain.attrs
