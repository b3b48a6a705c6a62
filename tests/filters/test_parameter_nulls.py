"""What a layer of computed filters learned is told from what it can only be: the null draws its parameters."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phonoscope.errors import PhonoscopeError
from phonoscope.filters import bank_of, cumulative_response, null_responses, null_test, random_bank
from phonoscope.report.filter_folder import FilterSettings, write_filters

RATE = 8000
WAVES = [np.cumsum(np.random.default_rng(s).standard_normal(1500)) * np.hanning(1500) for s in range(4)]


class Sinc(nn.Module):
    """Band-passes from a lower edge and a width each, evenly spaced in Hz or in mel at first."""

    def __init__(self, filters: int = 16, mel: bool = False) -> None:
        super().__init__()
        edges = torch.linspace(40, 3400, filters + 1)
        if mel:
            edges = 700 * (10 ** (torch.linspace(60, 1900, filters + 1) / 2595) - 1)
        self.mel = mel
        self.low, self.width = nn.Parameter(edges[:-1]), nn.Parameter(edges.diff())
        self.register_buffer("time", torch.arange(-32, 33) / RATE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low, high = self.low.abs()[:, None], (self.low.abs() + self.width.abs())[:, None]
        bands = 2 * high * torch.sinc(2 * high * self.time) - 2 * low * torch.sinc(2 * low * self.time)
        return F.conv1d(x, bands[:, None] * torch.hamming_window(65), padding=32)


class Fixed(nn.Module):
    """A basis that no gradient reaches, then a layer that learns."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", torch.randn(6, 1, 33))
        self.dense = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(F.conv1d(x, self.basis).abs().mean(2))


def p_value(network: nn.Module, seed: int) -> float:
    bank = bank_of(network, RATE)
    learned = cumulative_response(bank, WAVES, RATE, n_fft=128)
    return float(null_test(learned, null_responses(bank, WAVES, seed=seed, n_fft=128))["p"][0])


@pytest.mark.parametrize("mel", [False, True])
def test_an_untrained_sinc_layer_is_not_called_trained_and_a_moved_one_is(mel: bool) -> None:
    untrained = [p_value(Sinc(mel=mel), 100 * seed) for seed in range(5)]
    assert min(untrained) > 0.3
    moved = Sinc(mel=mel)
    with torch.no_grad():
        moved.low.mul_(0.25).add_(900)
    assert [p_value(moved, 100 * seed) for seed in range(3)] == [pytest.approx(1 / 21)] * 3


def test_the_summary_says_which_null_was_used_and_fixed_layers_get_none(tmp_path) -> None:
    tokens = pd.DataFrame({"token": [str(number) for number in range(len(WAVES))]})
    settings = FilterSettings(n_seeds=3, n_bootstrap=10, rotation=())
    computed = write_filters(bank_of(Sinc(), RATE), WAVES, tokens, tmp_path / "sinc", settings)
    assert computed["null"]["kind"] == "parameters"
    assert computed["null"]["words"].startswith("the layer's parameters drawn anew")
    assert len(computed["null_test"]) == 1
    plain = write_filters(bank_of(nn.Conv1d(1, 4, 9), RATE), WAVES, tokens, tmp_path / "plain", settings)
    assert plain["null"]["kind"] == "free filters"
    bank = bank_of(Fixed(), RATE)
    fixed = write_filters(bank, WAVES, tokens, tmp_path / "fixed", settings)
    assert (fixed["null"]["kind"], fixed["null_test"]) == ("fixed", [])
    assert not (tmp_path / "fixed" / "null_test.csv").exists()
    curves = pd.read_csv(tmp_path / "fixed" / "crs.csv")
    assert curves["null"].isna().all()
    assert curves["z"].isna().all()
    assert curves["learned"].notna().all()
    assert (tmp_path / "fixed" / "crs.png").exists()
    with pytest.raises(PhonoscopeError, match="no gradient reaches them"):
        random_bank(bank)
