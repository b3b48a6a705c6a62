"""Local passes: equal to whole passes for every window and every build of network, or not made at all."""

import numpy as np
import pytest
import torch
from small_networks import LABELS, NETWORKS, build
from torch import nn
from torch.nn import functional

from phonoscope import Classifier, Spectrogram, explain
from phonoscope.attribution import occlusion
from phonoscope.attribution.local import passes_locally, recorded_pass
from phonoscope.networks import build_network

ROWS, COLUMNS = 32, 16


class Branches(nn.Module):
    """Dilated, grouped and strided convolutions, poolings, a concatenation, a gate, in-place sums."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d(1, 4, 3, padding=2, dilation=2)
        self.tall = nn.Conv2d(1, 4, (5, 1), padding=(2, 0))
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.grouped = nn.Conv2d(9, 9, 3, (2, 1), 1, groups=3)
        self.short = nn.Conv2d(9, 9, 1, (2, 1))
        self.bn = nn.BatchNorm2d(9)
        self.gate = nn.Linear(9, 9)
        self.drop = nn.Dropout2d(0.5)
        self.fc = nn.Linear(9, 3)

    def forward(self, x):
        rows = torch.linspace(-1, 1, x.shape[2])[:, None].expand(x.shape[0], 1, x.shape[2], x.shape[3])
        x = torch.cat([self.wide(x), functional.relu(self.tall(x), inplace=True), rows], dim=1)
        y = self.bn(self.grouped(self.pool(x))) * 2 - 1
        y += self.short(x)
        y = self.drop(functional.leaky_relu(y))
        return self.fc((y * torch.sigmoid(self.gate(y.mean((2, 3))))[:, :, None, None]).mean(dim=(-2, -1)))


class Flat(nn.Module):
    """No pooling at the end: the whole grid is weighted."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, 2, 1)
        self.fc = nn.Linear(3 * ROWS // 2 * COLUMNS // 2, 3)

    def forward(self, x):
        return self.fc(torch.relu_(self.conv(x)).flatten(1))


class Stepwise(Branches):
    """Works on its input in place; rows and columns are averaged one after the other."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, (2, 1), (0, 2), padding_mode="circular")
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        x.mul_(0.5)
        return self.out(functional.avg_pool2d(self.conv(x.clamp_(-2, 2)), 2).mean(-1).mean(-1))


class Unseen(torch.autograd.Function):
    """A function that is none of torch's."""

    @staticmethod
    def forward(ctx, x):
        return x.clamp(min=0.0)


class Hidden(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(Unseen.apply(self.conv(x)).mean((2, 3)))


class Moody(nn.Module):
    """Takes another way when the input is loud."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x):
        loud = bool(x.amax() > 100)
        y = self.conv(x)
        return self.fc((y.tanh() * 3 if loud else y.relu()).mean((2, 3)))


class Overwrites(nn.Module):
    """Part of a grid is overwritten through a view."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x):
        y = self.conv(x)
        y[:, 0] *= 3.0
        return self.fc(y.relu().mean((2, 3)))


def inputs(count=3, rows=ROWS, columns=COLUMNS):
    return torch.randn(count, 1, rows, columns, generator=torch.Generator().manual_seed(0))


def made(network):
    torch.manual_seed(0)
    module = build_network(network, 3) if isinstance(network, str) else network()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, 0, 0.3)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
    return module.eval()


WINDOWS = [
    ((0, 2), (0, 3)),
    ((30, 32), (13, 16)),
    ((9, 14), (5, 6)),
    ((31, 32), (0, 16)),
    ((0, 32), (7, 9)),
    ((7, 8), (15, 16)),
]
BUILT = [
    "compact",
    "compact-local",
    "resnet18",
    Branches,
    Flat,
    Overwrites,
    *(lambda c=c: c(2) for c in NETWORKS.values()),
]


@pytest.mark.parametrize("network", BUILT)
def test_every_window_gives_the_logits_of_the_whole_input(network):
    module, x = made(network), inputs()
    passed = recorded_pass(module, x.clone())
    with torch.no_grad():
        assert passed.logits.numpy() == pytest.approx(module(x.clone()).numpy(), abs=1e-5)
        for rows, columns in WINDOWS:
            changed = x.clone()
            values = torch.randn(3, 1, rows[1] - rows[0], columns[1] - columns[0])
            changed[:, :, slice(*rows), slice(*columns)] = values
            expected = module(changed)
            try:
                found = passed(values.clone(), rows, columns)
            except Exception:  # refused, not wrong
                assert not passes_locally(module, x)
                continue
            if passes_locally(module, x):
                assert found.numpy() == pytest.approx(expected.numpy(), abs=2e-5)


@pytest.mark.parametrize("network", ["compact-local", Flat, Hidden, *(lambda c=c: c(2) for c in NETWORKS.values())])
def test_networks_of_convolutions_are_passed_locally(network):
    assert passes_locally(made(network), inputs())


def test_whether_it_pays_depends_on_the_picture():
    assert passes_locally(made("compact"), inputs(rows=64, columns=64))
    assert not passes_locally(made("compact"), inputs(rows=16, columns=8))


def test_what_cannot_be_followed_is_passed_whole():
    assert not passes_locally(made(Overwrites), inputs())


def test_networks_with_hooks_and_other_inputs_are_left_alone():
    module, seen = made("compact-local"), []
    handle = module.features[0].register_forward_hook(lambda _m, _a, out: seen.append(out))
    assert not passes_locally(module, inputs())
    assert seen == []
    handle.remove()
    assert passes_locally(module, inputs())
    assert not passes_locally(NETWORKS["plain"](1).eval(), torch.randn(2, 1, 64))


def test_large_kernels_do_not_pay():
    module = nn.Sequential(nn.Conv2d(1, 4, 31, padding=15), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    assert not passes_locally(module.eval(), inputs())


def classifier_of(module):
    front_end = Spectrogram(16000, rows=ROWS, columns=COLUMNS)
    return Classifier(front_end, module, LABELS, input_mean=-30.0, input_sd=15.0)


def sounds(count):
    random = np.random.default_rng(0)
    return [(0.1 * random.normal(size=800 + 40 * i)).astype(np.float32) for i in range(count)]


@pytest.mark.parametrize(
    "network", ["compact", Branches, Stepwise, Hidden, Moody, Flat, lambda: NETWORKS["in-place"](2)]
)
@pytest.mark.parametrize(
    "method",
    [
        "occlusion(height_hz=1000, width=0.25)",
        "occlusion(fill=in-painted, height_hz=1000)",
        "band-occlusion(fill=shuffled, width=1000)",
        "band-occlusion(fill=floor, bands=erb, width=4)",
    ],
)
def test_maps_are_the_same_by_local_and_by_whole_passes(network, method, monkeypatch):
    classifier = classifier_of(made(network))
    tokens = sounds(9)
    local = explain(classifier, tokens, "i", method, reference=tokens)
    monkeypatch.setattr(occlusion, "passes_locally", lambda *_: False)
    whole = explain(classifier, tokens, "i", method, reference=tokens)
    scale = float(np.abs(whole.values).max())
    assert scale > 0
    assert local.values == pytest.approx(whole.values, abs=1e-4 * scale)
    assert local["logit"].values == pytest.approx(whole["logit"].values, abs=1e-5)


def test_another_way_for_a_window_is_taken_whole():
    """The untouched tokens go one way, a fill that is loud the other."""
    classifier = classifier_of(made(Moody))
    module = classifier.network
    x = inputs(9)
    assert passes_locally(module, x)
    passed = recorded_pass(module, x)
    loud = torch.full((9, 1, 4, COLUMNS), 200.0)
    with pytest.raises(Exception, match=r"tanh|relu"):
        passed(loud, (0, 4), (0, COLUMNS))


def test_passes_are_saved(monkeypatch):
    classifier = build(NETWORKS["plain"], 2)
    tokens = [w.astype(np.float32) for w in sounds(9)]
    explain(classifier, tokens, "i", "band-occlusion")
    local = -classifier.network.calls_left
    monkeypatch.setattr(occlusion, "passes_locally", lambda *_: False)
    classifier.network.calls_left = -1
    explain(classifier, tokens, "i", "band-occlusion")
    assert local != -classifier.network.calls_left
