"""Banks of layers that are no plain convolution of the waveform, against what the layers compute themselves."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from phonoscope.filters import Branch, FilterBank, bank_of, random_bank, response_spectrum
from small import speech_encoder

RATE = 16_000


class SincLayer(nn.Module):
    """Band-pass filters, each a function of two cut-off frequencies in Hz (Ravanelli & Bengio 2018, eq. 4 to 8)."""

    def __init__(self, taps: int = 101, stride: int = 8) -> None:
        super().__init__()
        self.low = nn.Parameter(torch.tensor([300.0, 900.0, 2500.0]))
        self.width = nn.Parameter(torch.tensor([300.0, 800.0, 1500.0]))
        self.stride = stride
        self.register_buffer("time", (torch.arange(taps) - (taps - 1) / 2) / RATE)

    def filters(self) -> Tensor:
        low, high = self.low.abs()[:, None], (self.low.abs() + self.width.abs())[:, None]
        band = 2 * high * torch.sinc(2 * high * self.time) - 2 * low * torch.sinc(2 * low * self.time)
        return (band / RATE * torch.hamming_window(len(self.time), periodic=False))[:, None]

    def forward(self, x: Tensor) -> Tensor:
        return F.conv1d(x, self.filters(), stride=self.stride, padding=50)


def test_filters_that_are_a_function_of_parameters_pass_their_bands() -> None:
    layer = SincLayer()
    bank = bank_of(nn.Sequential(layer, nn.ReLU(), nn.Conv1d(3, 2, 5)), RATE)
    assert (bank.n_filters, bank.width, bank.hop) == (3, 101, 8)
    wave = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    with torch.no_grad():
        expected = layer(torch.from_numpy(wave)[None, None])[0].numpy()
    np.testing.assert_allclose(bank.dictionary.T @ bank.frames(wave).T, expected, atol=1e-5)
    crs = response_spectrum(bank, wave, RATE).mean("time")
    inside, between = (
        crs.sel(frequency=[450, 1300, 3200], method="nearest"),
        crs.sel(frequency=[2100, 6000], method="nearest"),
    )
    assert float(inside.min()) > 10 * float(between.max())
    with torch.no_grad():
        layer.low.add_(3000.0)  # a training step moves the bands, and the bank with them
    moved = response_spectrum(bank_of(nn.Sequential(layer), RATE), wave, RATE).mean("time")
    assert float(moved.sel(frequency=3450, method="nearest")) > 10 * float(moved.sel(frequency=450, method="nearest"))


@pytest.mark.parametrize("family", ["Wav2Vec2", "Hubert", "WavLM"])
def test_encoders_of_transformers_with_random_weights(family: str) -> None:
    network = speech_encoder(family, 24)
    bank = bank_of(network, RATE)
    first = network.feature_extractor.conv_layers[0].conv
    np.testing.assert_array_equal(bank.dictionary.T, first.weight.detach().numpy()[:, 0])
    assert (bank.hop, bank.width, bank.n_filters) == (5, 10, 24)
    wave = np.random.default_rng(1).standard_normal(3000).astype(np.float32)
    with torch.no_grad():
        expected = F.conv1d(torch.from_numpy(wave)[None, None], first.weight, stride=5)[0].numpy()
    np.testing.assert_allclose(bank.dictionary.T @ bank.frames(wave).T, expected, atol=1e-5)
    strs = response_spectrum(network, wave, RATE)
    assert strs.sizes["time"] == expected.shape[1]
    null = random_bank(bank, 1)
    assert null.dictionary.shape == bank.dictionary.shape
    assert not np.array_equal(null.dictionary, bank.dictionary)


def test_a_bank_made_by_hand_is_taken_wherever_a_network_is() -> None:
    """The way for layers that no finder can follow: give the filters and their steps."""
    layer = SincLayer()
    by_hand = FilterBank([Branch(layer.filters().detach().numpy(), 8, padding=(50, 50))], RATE)
    wave = np.random.default_rng(2).standard_normal(2000).astype(np.float32)
    found, expected = (response_spectrum(one, wave, RATE) for one in (by_hand, nn.Sequential(layer)))
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5)
    np.testing.assert_array_equal(found["time"], expected["time"])
