import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from phonoscope.errors import ClassifierError
from phonoscope.networks import build_network
from phonoscope.networks.first_layer import Branch, first_layer, layer_uses
from small import speech_encoder


def frames_by_hand(branch: Branch, waveform: np.ndarray, count: int) -> np.ndarray:
    """Σ_m w[m] x[j·stride + m·dilation - padding], sample by sample; zero outside the waveform."""
    output = np.zeros((len(branch.weights), count))
    for j in range(count):
        for m in range(branch.weights.shape[-1]):
            n = j * branch.stride + m * branch.dilation - branch.padding[0]
            if 0 <= n < len(waveform):
                output[:, j] += branch.weights[:, 0, m] * waveform[n]
    return output


class Prepared(nn.Module):
    """Cuts, pads and decimates before its convolution."""

    def __init__(self, taps: int, stride: int, dilation: int, padding: Any, before: int, after: int, step: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, 3, taps, stride, padding, dilation, bias=False)
        self.before, self.after, self.step = before, after, step

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(F.pad(x, (self.before, self.after))[..., :: self.step])


@settings(deadline=None, max_examples=40)
@given(
    taps=st.integers(1, 9),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    padding=st.one_of(st.integers(0, 5), st.just("same")),
    before=st.integers(-6, 6),
    after=st.integers(-6, 6),
    step=st.integers(1, 2),
)
def test_branch_says_which_sample_each_tap_falls_on(
    taps: int, stride: int, dilation: int, padding: Any, before: int, after: int, step: int
) -> None:
    if padding == "same":
        stride = 1
    if padding != 0:
        before, after = abs(before), abs(after)  # zeros in the place of samples that were cut are not zeros outside
    network = Prepared(taps, stride, dilation, padding, before, after, step).double()
    example = torch.randn(1, 1, 120, dtype=torch.float64)
    (branch,) = first_layer(network, example)
    assert branch.name == "convolution"
    with torch.no_grad():
        output = network(example)[0].numpy()
    np.testing.assert_allclose(frames_by_hand(branch, example[0, 0].numpy(), output.shape[1]), output, atol=1e-12)
    inside = 120 + sum(branch.padding) - (taps - 1) * branch.dilation
    if step == 1 and padding != "same":
        assert output.shape[1] == (inside - 1) // branch.stride + 1


class Depthwise(nn.Module):
    """A first layer, then depthwise convolutions, whose weights have one input channel too."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm1d(1)
        self.first = nn.Conv1d(1, 6, 11, 2)
        self.depthwise = nn.Conv1d(6, 6, 5, groups=6)
        self.squeeze = nn.Conv1d(6, 1, 1)
        self.later = nn.Conv1d(1, 4, 9)

    def forward(self, x: Tensor) -> Tensor:
        return self.later(self.squeeze(self.depthwise(self.first(self.norm(x)))))


def test_only_what_sees_the_waveform_counts() -> None:
    (branch,) = first_layer(Depthwise())
    assert (branch.name, branch.weights.shape) == ("first", (6, 1, 11))


def test_layer_can_be_named() -> None:
    network = Depthwise()
    (branch,) = first_layer(network, layer="later")
    assert (branch.weights.shape, branch.padding, branch.stride) == ((4, 1, 9), (0, 0), 1)
    named = first_layer(network, layer=["depthwise", "first"])
    assert [b.name for b in named] == ["first", "depthwise"]
    with pytest.raises(ClassifierError, match="there are: first, depthwise, squeeze, later"):
        first_layer(network, layer="conv7")


def test_parallel_branches_are_found_with_their_alignment() -> None:
    found = first_layer(build_network("multi-resolution", 3, head="pooled"))
    assert [b.weights.shape[-1] for b in found] == [10, 30, 50, 70, 90, 150, 300, 500]
    assert {b.centre for b in found} == {4.5}
    assert {b.stride for b in found} == {10}
    assert [b.padding for b in found] == [((w - 10) // 2,) * 2 for w in (10, 30, 50, 70, 90, 150, 300, 500)]


@pytest.mark.parametrize(("name", "taps"), [("sub-segmental", 30), ("inc_tssdnet", 7), ("res_tssdnet", 7)])
def test_networks_of_the_paper(name: str, taps: int) -> None:
    (branch,) = first_layer(build_network(name, 2))
    assert branch.weights.shape[1:] == (1, taps)
    assert branch.padding == ((3, 3) if taps == 7 else (0, 0))


@pytest.mark.parametrize("family", ["Wav2Vec2", "Hubert", "WavLM"])
@pytest.mark.parametrize("norm", ["group", "layer"])
def test_encoders_of_transformers(family: str, norm: str) -> None:
    network = speech_encoder(family, 32, feat_extract_norm=norm)
    (branch,) = first_layer(network)
    first = network.feature_extractor.conv_layers[0].conv
    np.testing.assert_array_equal(branch.weights, first.weight.detach().numpy())
    assert (branch.stride, branch.padding) == (5, (0, 0))
    assert branch.name == "feature_extractor.conv_layers.0.conv"


class Sinc(nn.Module):
    """Band-pass filters computed from two cut-off frequencies each (Ravanelli & Bengio 2018)."""

    def __init__(self, filters: int = 5, taps: int = 31) -> None:
        super().__init__()
        self.low = nn.Parameter(torch.linspace(0.01, 0.2, filters))
        self.band = nn.Parameter(torch.full((filters,), 0.05))
        self.register_buffer("n", torch.arange(taps) - (taps - 1) / 2)

    def filters(self) -> Tensor:
        high = self.low.abs() + self.band.abs()
        lows, highs = (2 * f[:, None] * torch.sinc(2 * f[:, None] * self.n) for f in (self.low.abs(), high))
        return ((highs - lows) * torch.hamming_window(len(self.n), periodic=False))[:, None]

    def forward(self, x: Tensor) -> Tensor:
        return F.conv1d(x[:, None] if x.dim() == 2 else x, self.filters(), stride=4, padding=15)


def test_filters_that_are_a_function_of_parameters() -> None:
    network = nn.Sequential(Sinc(), nn.ReLU(), nn.Conv1d(5, 3, 3))
    (branch,) = first_layer(network)
    np.testing.assert_array_equal(branch.weights, network[0].filters().detach().numpy())
    assert (branch.name, branch.stride, branch.padding, branch.centre) == ("0", 4, (15, 15), 0.0)


def test_weight_norm_gives_the_weights_in_use() -> None:
    network = nn.utils.parametrizations.weight_norm(nn.Conv1d(1, 4, 5))
    with torch.no_grad():
        network.parametrizations.weight.original0.mul_(2)
    (branch,) = first_layer(network)
    np.testing.assert_array_equal(branch.weights, network.weight.detach().numpy())


def test_complex_filters_keep_their_phase() -> None:
    class Complex(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            n = torch.arange(16)
            self.atoms = nn.Parameter(torch.exp(2j * math.pi * torch.outer(torch.arange(4), n) / 16)[:, None])

        def forward(self, x: Tensor) -> Tensor:
            return F.conv1d(x.to(self.atoms.dtype), self.atoms, stride=2).abs()

    network = Complex()
    (branch,) = first_layer(network, torch.randn(1, 1, 400))
    np.testing.assert_array_equal(branch.weights, network.atoms.detach().numpy())
    assert (branch.stride, branch.padding) == (2, (0, 0))


def test_two_dimensional_convolution_along_time() -> None:
    class Picture(nn.Module):
        def __init__(self, kernel: tuple[int, int]) -> None:
            super().__init__()
            self.c = nn.Conv2d(1, 3, kernel, (1, 5), (kernel[0] // 2, 10))

        def forward(self, x: Tensor) -> Tensor:
            return self.c(x[:, :, None])

    (branch,) = first_layer(Picture((1, 21)))
    assert (branch.weights.shape, branch.stride, branch.centre) == ((3, 1, 21), 5, 0.0)
    with pytest.raises(ClassifierError, match="work on a picture"):
        first_layer(Picture((3, 21)))


def test_networks_without_a_first_layer_are_told_why() -> None:
    class Stft(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c = nn.Conv1d(33, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(torch.stft(x[:, 0], 64, window=torch.ones(64), return_complex=True).abs())

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(1, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.gru(x[..., :40].transpose(1, 2))[0]

    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(100, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.dense(x[:, 0].unfold(-1, 100, 50))

    with pytest.raises(ClassifierError, match="goes through stft"):
        first_layer(Stft())
    with pytest.raises(ClassifierError, match=r"seen by gru \(recurrent\)"):
        first_layer(Recurrent())
    with pytest.raises(ClassifierError, match=r"seen by dense \(linear\)"):
        first_layer(Frames())
    with pytest.raises(ClassifierError, match="no weight of the network"):
        first_layer(nn.Identity())
    with pytest.raises(ClassifierError, match="Pass one input"):
        first_layer(nn.Linear(7, 2))
    with pytest.raises(ClassifierError, match=r"does not take an input of shape \(1, 3\)"):
        first_layer(nn.Linear(7, 2), torch.zeros(1, 3))


def test_network_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Conv1d(1, 4, 5), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Conv1d(4, 2, 3))
    network[1].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random_state = torch.get_rng_state()
    first_layer(network)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [m.training for m in network] == [True, False, True, True]
    assert all(p.grad is None for p in network.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_hooks_are_removed_after_a_failure() -> None:
    network = nn.Linear(7, 2)
    with pytest.raises(ClassifierError):
        first_layer(network)
    assert not network._forward_hooks
    assert not network._forward_pre_hooks


class Layout(nn.Module):
    """The same layer, 64 taps every 4 samples and 30 zeros before and behind, in the layouts that networks use."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.layout = layout
        self.one = nn.Conv1d(1, 4, 64, 4) if layout in ("1-D", "(b, n)", "channels last") else None
        self.column = nn.Conv2d(1, 4, (64, 1), (4, 1), padding=(10, 0)) if layout == "(b, 1, n, 1)" else None
        self.row = nn.Conv2d(1, 4, (1, 64), (1, 4)) if layout in ("(b, 1, 1, n)", "(b, 1, n) to (b, 1, 1, n)") else None

    def forward(self, x: Tensor) -> Tensor:
        if self.layout == "(b, 1, n, 1)":
            assert self.column is not None
            x = x[:, None, :, None] if x.dim() == 2 else x[..., None] if x.dim() == 3 else x
            return self.column(F.pad(x, (0, 0, 20, 20)))
        if self.layout == "channels last":
            assert x.shape[-1] == 1
            x = x.transpose(1, 2)
        if self.layout == "(b, n)":
            assert x.dim() == 2
            x = x[:, None]
        if self.row is not None:
            return self.row(F.pad(x if x.dim() == 4 else x[:, :, None], (30, 30)))
        assert self.one is not None
        return self.one(F.pad(x, (30, 30)))


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        ("1-D", (1, 1, 1024)),
        ("(b, n)", (2, 1024)),
        ("(b, 1, n, 1)", (1, 1024)),
        ("(b, 1, n, 1)", (1, 1, 1024)),
        ("(b, 1, n, 1)", (1, 1, 1024, 1)),
        ("(b, 1, 1, n)", (1, 1, 1, 1024)),
        ("(b, 1, n) to (b, 1, 1, n)", (1, 1, 1024)),
        ("channels last", (1, 1024, 1)),
    ],
)
def test_padding_is_measured_in_whichever_dimension_time_lies(layout: str, shape: tuple[int, ...]) -> None:
    (branch,) = first_layer(Layout(layout), torch.randn(shape))
    assert (branch.padding, branch.stride, branch.centre) == ((30, 30), 4, 1.5)


def test_what_the_filters_are_computed_from_is_known_frozen_or_not() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("basis", torch.randn(4, 1, 16))
            self.dense = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.dense(F.conv1d(x, self.basis).mean(2))

    normed = nn.utils.parametrizations.weight_norm(nn.Conv1d(1, 4, 5))
    networks = {
        ("0.low", "0.band"): nn.Sequential(Sinc()),
        ("0.weight",): nn.Sequential(nn.Conv1d(1, 4, 5)),
        ("0.parametrizations.weight.original0", "0.parametrizations.weight.original1"): nn.Sequential(normed),
        (): Fixed(),
    }
    for parameters, network in networks.items():
        for frozen in (False, True):
            network.requires_grad_(not frozen)
            _, (use,) = layer_uses(network)
            assert set(use.parameters) == set(parameters)
            assert all(p.requires_grad is not frozen for p in network.parameters())


def test_torchscript_inside_a_network_is_no_obstacle_to_what_stands_before_it() -> None:
    network = nn.Sequential(nn.Conv1d(1, 4, 5), torch.jit.script(nn.ReLU()))
    (branch,) = first_layer(network)
    assert branch.name == "0"
    with pytest.raises(ClassifierError, match="TorchScript"):
        first_layer(torch.jit.script(nn.Conv1d(1, 4, 5)))


class OneOddLength(nn.Module):
    """Takes 777 samples, no more and no less."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv1d(1, 4, 33, 8), nn.Linear(4 * 94, 2)

    def forward(self, sounds):
        return self.out(self.conv(sounds).flatten(1))


def test_networks_of_one_length_alone_are_followed_with_that():
    from phonoscope.filters import bank_of
    from phonoscope.frontends import Recording
    from phonoscope.models import wrap
    from phonoscope.networks.trace import trace_any

    classifier = wrap(OneOddLength(), labels=["a", "b"], front_end=Recording(8000, usual_seconds=777 / 8000))
    assert bank_of(classifier, 8000).n_filters == 4
    crepe_like = nn.Sequential(nn.Conv1d(1, 4, 512, 4), nn.Flatten(), nn.Linear(4 * 129, 2))  # 1024 samples
    assert trace_any(crepe_like).example.shape == (1, 1, 1024)
