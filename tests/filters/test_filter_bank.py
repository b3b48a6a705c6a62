"""Banks against what the layers themselves compute: every frame, every branch, every padding."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from phonoscope.errors import PhonoscopeError
from phonoscope.filters import Branch, FilterBank, as_published, bank_of
from phonoscope.networks import build_network
from phonoscope.networks.raw_waveform import ParallelConv1d

RATE = 16_000


def responses(bank: FilterBank, waveform: np.ndarray) -> np.ndarray:
    """R_k[j] of every filter and frame."""
    return bank.dictionary.conj().T @ bank.frames(waveform).T


@settings(max_examples=40, deadline=None)
@given(
    taps=st.integers(1, 9),
    stride=st.integers(1, 5),
    dilation=st.integers(1, 4),
    padding=st.integers(0, 6),
    mode=st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
    extra=st.integers(0, 20),
)
def test_frames_give_the_outputs_of_the_layer(
    taps: int, stride: int, dilation: int, padding: int, mode: str, extra: int
) -> None:
    layer = nn.Conv1d(1, 3, taps, stride, padding, dilation, bias=False, padding_mode=mode).double()
    samples = max(dilation * (taps - 1) + 1, padding + 1) + extra
    wave = torch.from_numpy(np.random.default_rng(extra).standard_normal(samples))
    with torch.no_grad():
        expected = layer(wave[None, None])[0].numpy()
    branch = Branch(layer.weight.detach().numpy(), stride, dilation, (padding, padding), "layer", mode)
    bank = FilterBank([branch], RATE)
    found = responses(bank, wave.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-12)
    centres = np.arange(expected.shape[1]) * stride - padding + dilation * (taps - 1) / 2
    np.testing.assert_allclose(bank.times(samples) * RATE, centres, atol=1e-9)


@pytest.mark.parametrize("widths", [(10, 30, 50), (7, 10, 25), (4, 5, 6, 7), (9,)])
def test_parallel_branches_of_a_network_meet_in_one_frame(widths: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = ParallelConv1d(1, 3, widths, 4).double()
    for branch in layer.branches:
        nn.init.zeros_(branch.bias)
    bank = bank_of(nn.Sequential(layer), RATE)
    wave = np.random.default_rng(1).standard_normal(16_000)  # as long as the example that the tracer uses
    with torch.no_grad():
        expected = layer(torch.from_numpy(wave)[None, None])[0].numpy()
    found = responses(bank, wave)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)  # the tracer hands weights on in single precision
    assert [bank.dictionary.shape[0], bank.n_filters] == [max(widths), 3 * len(widths)]


def test_branches_of_different_stride_stand_around_the_same_centres() -> None:
    rng = np.random.default_rng(2)
    fine, coarse = rng.standard_normal((2, 1, 6)), rng.standard_normal((3, 1, 10))
    bank = FilterBank([Branch(coarse, 8, padding=(4, 4)), Branch(fine, 4, padding=(2, 2))], RATE)
    wave = rng.standard_normal(200)
    found = responses(bank, wave)
    assert bank.hop == 4
    for rows, weights, step, pad in ((found[:3, ::2], coarse, 8, 4), (found[3:], fine, 4, 2)):
        expected = nn.functional.conv1d(
            torch.from_numpy(wave)[None, None], torch.from_numpy(weights), stride=step, padding=pad
        )[0].numpy()
        np.testing.assert_allclose(rows[:, : expected.shape[1]], expected, atol=1e-12)


def test_a_network_that_cuts_its_input_has_negative_padding() -> None:
    weights = np.random.default_rng(3).standard_normal((2, 1, 5))
    wave = np.random.default_rng(4).standard_normal(60)
    bank = FilterBank([Branch(weights, 2, padding=(-7, -3))], RATE)
    cut = FilterBank([Branch(weights, 2)], RATE)
    np.testing.assert_array_equal(responses(bank, wave), responses(cut, wave[7:-3]))
    np.testing.assert_allclose(bank.times(60), cut.times(50) + 7 / RATE)


@pytest.mark.parametrize(
    ("name", "shapes", "stride"),
    [
        ("segmental", [(80, 1, 300)], 10),
        ("sub-segmental", [(80, 1, 30)], 10),
        ("multi-resolution", [(10, 1, width) for width in (10, 30, 50, 70, 90, 150, 300, 500)], 10),
    ],
)
def test_first_layers_of_the_paper(name: str, shapes: list[tuple[int, ...]], stride: int) -> None:
    network = build_network(name, 10, head="pooled")
    before = copy.deepcopy(network.state_dict())
    bank = bank_of(network, RATE)
    assert [branch.weights.shape for branch in bank.branches] == shapes
    assert bank.hop == stride
    assert bank.alignment == "centre"
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert network.training
    middles = [offset + (branch.width - 1) / 2 for branch, offset in zip(bank.branches, bank.offsets, strict=True)]
    assert set(middles) == {(bank.width - 1) / 2}


def test_a_named_layer_is_taken() -> None:
    network = nn.Sequential(nn.Conv1d(1, 4, 9), nn.ReLU(), nn.Conv1d(4, 4, 3, groups=4), nn.AdaptiveAvgPool1d(1))
    assert bank_of(network, RATE).branches[0].name == "0"
    assert bank_of(network, RATE, layer="2").branches[0].weights.shape == (4, 1, 3)


def test_the_published_alignment_is_left_with_zeros_after_the_sound() -> None:
    rng = np.random.default_rng(5)
    narrow, wide = rng.standard_normal((2, 1, 4)), rng.standard_normal((2, 1, 10))
    bank = as_published(FilterBank([Branch(narrow, 3, padding=(3, 3)), Branch(wide, 3, padding=(6, 6))], RATE), hop=5)
    wave = rng.standard_normal(47)
    found = responses(bank, wave)
    assert found.shape == (4, 10)
    padded = np.pad(wave, (0, 9))
    for j in range(10):
        np.testing.assert_allclose(found[:2, j], narrow[:, 0] @ padded[5 * j : 5 * j + 4])
        np.testing.assert_allclose(found[2:, j], wide[:, 0] @ padded[5 * j : 5 * j + 10])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Branch(np.ones((2, 2, 5))), "one channel"),
        (lambda: Branch(np.full((2, 5), np.nan)), "not finite"),
        (lambda: Branch(np.ones((2, 5)), stride=0), "steps >= 1"),
        (lambda: Branch(np.ones((2, 5)), padding_mode="mirror"), "reflect"),
        (lambda: FilterBank([], RATE), "needs a branch"),
        (lambda: FilterBank([Branch(np.ones((2, 5)))], RATE).frames(np.zeros(4)), "the first layer needs 5"),
        (lambda: bank_of(FilterBank([Branch(np.ones((2, 5)))], RATE), 8000), "resample"),
        (
            lambda: FilterBank([Branch(np.ones((1, 5))), Branch(np.ones((1, 5)), padding_mode="reflect")], RATE),
            "different ways",
        ),
    ],
)
def test_errors_say_what_is_wrong(make: object, message: str) -> None:
    with pytest.raises(PhonoscopeError, match=message):
        make()  # ty: ignore[call-non-callable]
