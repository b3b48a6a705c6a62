import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from phonoscope.errors import ClassifierError
from phonoscope.networks import build_network
from phonoscope.networks.raw_waveform import ParallelConv1d, RawWaveform

FRONT_ENDS = ("segmental", "sub-segmental", "multi-resolution")
FIRST_WIDTHS = [10, 30, 50, 70, 90, 150, 300, 500]
# (taps, filters, stride) of every branch of the three layers, as section 3.1 of the paper lists them.
PAPER = {
    "segmental": [[(300, 80, 10)], [(7, 80, 1)], [(3, 100, 1)]],
    "sub-segmental": [[(30, 80, 10)], [(7, 80, 1)], [(3, 100, 1)]],
    "multi-resolution": [
        [(width, 10, 10) for width in FIRST_WIDTHS],
        [(width, 20, 1) for width in (3, 6, 9, 12)],
        [(width, 25, 1) for width in (3, 5, 7, 9)],
    ],
}


def branches(network: nn.Module) -> list[list[tuple[int, int, int]]]:
    layers = []
    for index in (1, 2, 3):
        found = [m for m in network.get_submodule(f"layer{index}").modules() if isinstance(m, nn.Conv1d)]
        layers.append([(m.kernel_size[0], m.out_channels, m.stride[0]) for m in found])
    return layers


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_default_widths_are_the_papers(front_end: str) -> None:
    network = build_network(front_end, 35, head="pooled")
    assert branches(network) == PAPER[front_end]
    for index in (1, 2, 3):
        kinds = [type(m) for m in network.get_submodule(f"layer{index}").children()]
        assert kinds == [ParallelConv1d, nn.ELU, nn.BatchNorm1d, nn.MaxPool1d]


@pytest.mark.parametrize(
    ("front_end", "flattened"), [("segmental", 19300), ("sub-segmental", 19700), ("multi-resolution", 17500)]
)
def test_public_variant_has_the_published_sizes(front_end: str, flattened: int) -> None:
    with torch.device("meta"):
        network = build_network(front_end, 35, variant="public")
    assert network.get_submodule("dense").in_features == flattened
    assert network.get_submodule("dense").out_features == 1024
    assert sum(filters for _, filters, _ in branches(network)[1]) == 100
    if front_end == "multi-resolution":
        assert [taps for taps, _, _ in branches(network)[1]] == [3, 6, 9, 12, 15]


@settings(deadline=None, max_examples=30)
@given(
    narrow=st.integers(1, 8),
    more=st.lists(st.integers(0, 20), min_size=1, max_size=3),
    stride=st.integers(1, 10),
    samples=st.integers(60, 90),
)
def test_branches_are_centred_on_the_same_sample(narrow: int, more: list[int], stride: int, samples: int) -> None:
    # A wide filter that is zero but for the narrow one in its middle must do the same as the narrow one.
    widths = (narrow, *(narrow + 2 * m for m in more))
    layer = ParallelConv1d(1, 2, widths, stride).double()
    first = layer.branches[0]
    with torch.no_grad():
        for branch, extra in zip(layer.branches[1:], more, strict=True):
            branch.weight.zero_()
            branch.weight[:, :, extra : extra + narrow] = first.weight
            branch.bias.copy_(first.bias)
        output = layer(torch.randn(1, 1, samples, dtype=torch.float64)).unflatten(1, (len(widths), 2))
    assert output.shape[-1] == (samples - narrow) // stride + 1
    torch.testing.assert_close(output, output[:, :1].expand_as(output))


def test_even_and_odd_widths_lie_half_a_sample_apart() -> None:
    layer = ParallelConv1d(1, 1, (3, 6), 1)
    with torch.no_grad():
        for branch in layer.branches:
            branch.weight.zero_()
            branch.bias.zero_()
        layer.branches[0].weight[0, 0, 1] = 1  # the middle tap of three
        layer.branches[1].weight[0, 0, 2] = 1  # the earlier of the two middle taps of six
        x = torch.randn(1, 1, 40)
        narrow, wide = layer(x)[0]
    torch.testing.assert_close(wide, narrow)


@pytest.mark.parametrize("variant", ["paper", "public"])
@pytest.mark.parametrize("head", ["flat", "pooled"])
@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_any_length_is_taken_down_to_the_shortest(front_end: str, head: str, variant: str) -> None:
    network = RawWaveform(front_end, 3, head=head, variant=variant, samples=2000).eval()
    with torch.no_grad():
        for samples in (network.shortest, 1999, 2000, 2001, 5003):
            logits = network(torch.randn(2, 1, samples))
            assert logits.shape == (2, 3)
            assert torch.isfinite(logits).all()
    assert network.count_frames(network.shortest) == 1
    with pytest.raises(ClassifierError, match=f"needs {network.shortest}"):
        network(torch.randn(2, 1, network.shortest - 1))


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_output_is_logits_in_both_modes(front_end: str) -> None:
    network = RawWaveform(front_end, 4, head="pooled", dropout=0.0)
    x = torch.randn(3, 1, 3000)
    for mode in (True, False):
        network.train(mode)
        with torch.no_grad():
            before = network(x)
            network.out.weight.mul_(3)
            network.out.bias.mul_(3)
            after = network(x)
        torch.testing.assert_close(after, 3 * before)  # no softmax is linear in its weights


def test_flat_head_keeps_every_frame() -> None:
    network = RawWaveform("sub-segmental", 2, samples=3000).eval()
    with torch.no_grad():
        features = network.layer3(network.layer2(network.layer1(x := torch.randn(2, 1, 3000))))
        by_hand = network.out(torch.relu(network.dense(features.reshape(2, -1))))
        torch.testing.assert_close(network(x), by_hand)


def test_batch_is_singles() -> None:
    network = RawWaveform("multi-resolution", 3, head="pooled").eval()
    x = torch.randn(3, 1, 4000)
    with torch.no_grad():
        torch.testing.assert_close(network(x), torch.cat([network(one[None]) for one in x]), atol=1e-5, rtol=1e-4)


def test_pooled_head_is_small_and_learns_two_tones() -> None:
    torch.manual_seed(0)
    network = RawWaveform("sub-segmental", 2, head="pooled", dropout=0.0)
    assert sum(p.numel() for p in network.parameters()) < 2_000_000
    time = torch.arange(2000) / 16_000
    labels = torch.arange(16) % 2
    hz = torch.where(labels == 0, 500.0, 2500.0)

    def tones() -> torch.Tensor:
        phases = 2 * torch.pi * (hz[:, None] * time + torch.rand(16, 1))
        return torch.sin(phases)[:, None] + 0.1 * torch.randn(16, 1, 2000)

    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(12):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(tones()), labels).backward()
        optimiser.step()
    network.eval()
    with torch.no_grad():
        assert (network(tones()).argmax(1) == labels).all()


def test_wrong_choices_and_shapes_are_answered() -> None:
    with pytest.raises(ClassifierError, match="variant 'old' is not known; choose one of paper, public"):
        build_network("segmental", 2, variant="old")
    with pytest.raises(ClassifierError, match="head 'wide'"):
        build_network("segmental", 2, head="wide")
    with pytest.raises(ClassifierError, match="front end 'mel'"):
        RawWaveform("mel", 2)
    with pytest.raises(ClassifierError, match=r"expected \(batch, 1, samples\)"):
        RawWaveform("segmental", 2, head="pooled")(torch.zeros(2, 16000))
