"""Filters as a layer has them before training: free ones, parametrised ones, computed ones, fixed ones."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phonoscope.networks.first_layer import layer_uses
from phonoscope.networks.untrained import untrained

RATE, TAPS = 16_000, 65


def of(network, start=None):
    followed, uses = layer_uses(network)
    return untrained(network, uses, followed.example, start)


class BandPass(nn.Module):
    """Band-passes from two cut-off frequencies each, evenly spaced in mel at first; keeps no argument but the rate."""

    def __init__(self, filters=24, taps=TAPS, rate=RATE):
        super().__init__()
        self.rate = rate
        mel = torch.linspace(50, 2700, filters + 1)
        edges = 700 * (10 ** (mel / 2595) - 1)
        self.low, self.width = nn.Parameter(edges[:-1, None]), nn.Parameter(edges.diff()[:, None])
        self.register_buffer("time", (torch.arange(taps) - taps // 2) / rate)

    def filters(self):
        low, high = self.low.abs(), self.low.abs() + self.width.abs()
        return 2 * high * torch.sinc(2 * high * self.time) - 2 * low * torch.sinc(2 * low * self.time)

    def forward(self, x):
        return F.conv1d(x, self.filters()[:, None])


class Gabor(nn.Module):
    """Complex atoms from one table of centres and widths; begins at random, and knows how to begin again."""

    def __init__(self, table):
        super().__init__()
        self.table = nn.Parameter(table)

    def reset_parameters(self):
        nn.init.uniform_(self.table, 0.2, 1.5)

    def forward(self, x):
        time = torch.arange(-16, 17)
        waves = torch.exp(1j * self.table[:, :1] * time) * torch.exp(-((time * self.table[:, 1:] / 8) ** 2))
        return F.conv1d(x.to(waves.dtype), waves[:, None]).abs()


class Closed(BandPass):
    """Cannot be made anew: what it was made of is not among its attributes."""

    def __init__(self, recipe):
        super().__init__(**recipe.pop("arguments"))


def trained(network, low, width):
    with torch.no_grad():
        network.low.copy_(torch.full_like(network.low, low))
        network.width.fill_(width)
    return network


def test_a_convolution_is_drawn_freely_whatever_shape_its_parameter_has():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.kernels = nn.Parameter(torch.randn(4, 9))

        def forward(self, x):
            return F.conv1d(x, self.kernels[:, None])

    for network in (nn.Conv1d(1, 4, 9), Flat(), nn.Sequential(nn.Conv1d(1, 4, 9)).requires_grad_(False)):
        assert of(network).kind == "free filters"


@pytest.mark.parametrize("filters", [24, 7])
def test_computed_filters_come_from_the_density_of_their_first_values(filters):
    begun = BandPass(filters)
    network = trained(BandPass(filters), 1500.0, 30.0)
    null = of(nn.Sequential(network))
    assert null.kind == "parameters"
    assert "first values, as its class makes it" in null.words
    (weights,) = null.draw(3)
    assert weights.shape == (filters, 1, TAPS)
    np.testing.assert_array_equal(weights, null.draw(3)[0])
    assert np.abs(weights - null.draw(4)[0]).max() > 0.01
    # Every filter is one of the layer's own kind: it lies where the untrained layer has some, not where training went.
    peaks = (
        np.concatenate([np.abs(np.fft.rfft(null.draw(s)[0][:, 0], 4096)).argmax(1) for s in range(30)]) * RATE / 4096
    )
    low, high = begun.low.min().item(), (begun.low + begun.width).max().item()
    assert peaks.min() > low - 200
    assert peaks.max() < high + 200
    centres = (begun.low + begun.width / 2)[:, 0].detach().numpy()
    assert np.median(peaks) == pytest.approx(np.median(centres), rel=0.25)
    assert network.low.eq(1500.0).all()


def test_parameters_of_a_filter_are_drawn_together():
    null = of(BandPass(24))
    for seed in range(5):
        spectra = np.abs(np.fft.rfft(null.draw(seed)[0][:, 0], 4096))
        widths, peaks = (spectra > spectra.max(1, keepdims=True) / 2).sum(1), spectra.argmax(1)
        assert np.corrcoef(widths[peaks > 600], peaks[peaks > 600])[0, 1] > 0.8  # mel: high bands are wide


def test_a_layer_that_begins_at_random_begins_again():
    network = Gabor(torch.full((6, 2), 99.0))
    null = of(nn.Sequential(network))
    assert null.kind == "parameters"
    assert "at random, by its reset_parameters" in null.words
    weights = null.draw(0)[0]
    centres = np.abs(np.fft.fft(weights[:, 0], 4096)).argmax(1) * 2 * math.pi / 4096
    assert ((centres > 0.1) & (centres < 1.6)).all()
    assert network.table.eq(99.0).all()


def test_what_reset_parameters_leaves_alone_is_not_taken_for_a_beginning():
    class Forgetful(Closed):
        def reset_parameters(self):
            nn.init.zeros_(self.width)

    assert of(Forgetful({"arguments": {}})).kind == "unknown"


def test_a_layer_that_nobody_can_make_anew_needs_the_weights_before_training():
    begun, network = Closed({"arguments": {}}), trained(Closed({"arguments": {}}), 1500.0, 30.0)
    null = of(network)
    assert (null.kind, null.draw) == ("unknown", None)
    assert "--initial-weights" in null.words
    null = of(network, begun)
    assert (null.kind, null.words.endswith("the weights before training")) == ("parameters", True)
    np.testing.assert_array_equal(null.draw(1)[0], of(BandPass()).draw(1)[0])


def test_parametrised_weights_of_torch_layers_are_drawn_and_parametrised_anew():
    network = nn.Sequential(nn.utils.parametrizations.orthogonal(nn.Conv1d(1, 6, 9)))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    null = of(network)
    assert null.kind == "parameters"
    weights = null.draw(0)[0]
    assert weights.shape == (6, 1, 9)
    assert np.abs(weights - network[0].weight.detach().numpy()).max() > 0.01
    np.testing.assert_allclose(np.linalg.norm(weights[:, 0], axis=1), 1, rtol=1e-5)  # one row a matrix
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("norm", [nn.utils.parametrizations.weight_norm, nn.utils.weight_norm])
def test_a_length_and_a_direction_make_any_filter_so_these_are_free(norm):
    assert of(nn.Sequential(norm(nn.Conv1d(1, 6, 9)))).kind == "free filters"


def test_constants_are_fixed_and_a_free_branch_beside_them_is_drawn():
    class Basis(nn.Module):
        def __init__(self, buffer):
            super().__init__()
            basis = torch.randn(4, 1, 16)
            if buffer:
                self.register_buffer("basis", basis)
            else:
                self.basis = basis
            self.dense = nn.Linear(4, 2)

        def forward(self, x):
            return self.dense(F.conv1d(x, self.basis).mean(2))

    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.fixed, self.free = Basis(True), nn.Conv1d(1, 4, 16)

        def forward(self, x):
            return torch.cat([self.fixed(x)[..., None].expand(-1, -1, 2), self.free(x)[:, :2, :2]], 1)

    for network in (Basis(True), Basis(False)):
        null = of(network)
        assert (null.kind, null.draw) == ("fixed", None)
    stft = nn.Sequential(nn.Conv1d(1, 18, 16, bias=False))  # a short-time spectrum kept as if it were weights
    with torch.no_grad():
        phase = 2 * math.pi / 16 * torch.outer(torch.arange(9), torch.arange(16))
        stft[0].weight.copy_((torch.cat([phase.cos(), -phase.sin()]) * torch.hann_window(16))[:, None])
    assert of(stft).kind == "fixed"
    assert "Fourier" in of(stft).words
    network = Beside()
    fixed, free = of(network).draw(0)
    np.testing.assert_array_equal(fixed, network.fixed.basis.numpy())
    assert np.abs(free - network.free.weight.detach().numpy()).max() > 0.01
