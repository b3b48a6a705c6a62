"""Class activation maps: exact to the logit, placed where the network listens, and no trace on the user's module."""

import numpy as np
import pytest
import torch
from torch import nn
from user_networks import LABELS, Headless, Own, build, waves

from phonoscope import Classifier, Spectrogram, Waveform, contrast
from phonoscope import explain as explain_by
from phonoscope.attribution.cam import class_activation_maps, find_pooled_head
from phonoscope.errors import AttributionError

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


def explain(*arguments, **options):
    """Class activation maps."""
    return explain_by(*arguments, method="cam", **options)


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
    bias = float(classifier.network.fc.bias.detach()[0])
    assert maps.mean(("frequency", "time")).values + bias == pytest.approx(classifier.logits(waves(2))[:, 0], abs=1e-5)


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
