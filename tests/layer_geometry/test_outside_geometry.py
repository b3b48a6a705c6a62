"""Geometry of other people's networks: computed and fixed layers, checkpoints with deeper weights, imports."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phonoscope.errors import ClassifierError
from phonoscope.layer_geometry import describe, geometry, measure_checkpoints
from phonoscope.networks.checkpoints import read_checkpoint
from small import speech_encoder


class Gabor(nn.Module):
    """Atoms from a centre and a width each, which begin at random or always the same."""

    def __init__(self, at_random: bool = True) -> None:
        super().__init__()
        self.at_random = at_random
        self.centre = nn.Parameter((torch.rand(12, 1) if at_random else torch.linspace(0.1, 1, 12)[:, None]) * 2.5)
        self.register_buffer("time", torch.arange(-16, 17))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv1d(x, ((self.centre * self.time).cos() * torch.hann_window(33))[:, None])


class Front(nn.Module):
    """A fixed basis, computed filters, free ones."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", torch.randn(8, 1, 16))
        self.gabor, self.even, self.free = Gabor(), Gabor(at_random=False), nn.Conv1d(12, 4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.free(self.gabor(x) * self.even(x)) + F.conv1d(x, self.basis).mean()


def test_fixed_layers_are_named_and_computed_ones_are_compared_with_their_parameters_drawn_anew() -> None:
    torch.manual_seed(0)
    network = Front()
    table = geometry(network, gap=False).set_index("layer")
    kinds = {"gabor": "parameters", "even": "unknown", "network": "fixed", "free": "free filters"}
    assert table["null"].to_dict() == kinds
    assert table.loc["network", ["beyond_null", "null_draws"]].tolist() == ["", 0]
    assert table.loc[["network", "even"], "B_z"].isna().all()
    assert table.loc["gabor", ["B_z", "mu_avg_z"]].abs().max() < 3  # free filters lie far from these
    assert table.loc["gabor", "mu_avg"] > 1.5 * table.loc["free", "mu_avg"]
    text = describe(geometry(network, gap=False))
    assert "fixed: no null" in text
    assert "no gradient reaches them" in text
    assert "measure the weights before training beside it" in text


@pytest.mark.parametrize("family", ["Wav2Vec2", "Hubert", "WavLM"])
def test_encoders_of_transformers_are_measured_whole(family: str) -> None:
    table = geometry(speech_encoder(family, 8), gap=False, null_draws=5)
    assert {"convolution", "linear"} <= set(table["kind"])
    position = table[table["layer"].str.contains("pos_conv_embed")]
    assert len(position) == 1
    assert position["null"].item() == "free filters"
    assert not table["beyond_null"].str.contains("B").all()


def test_weights_are_found_at_any_depth_or_by_their_name(tmp_path: Path) -> None:
    state, other = nn.Conv1d(1, 4, 5).state_dict(), nn.Conv1d(1, 4, 7).state_dict()
    optimiser = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
    torch.save({"step": 3, "model_state": state, "optimizer_state": optimiser}, tmp_path / "one.pt")
    torch.save({"epoch": 1, "saved": {"teacher": state, "student": other}}, tmp_path / "two.pt")
    assert set(read_checkpoint(tmp_path / "one.pt")) == {"weight", "bias"}
    assert read_checkpoint(tmp_path / "two.pt", "saved.student")["weight"].shape == (4, 1, 7)
    assert measure_checkpoints([tmp_path / "two.pt"], key="saved.teacher", gap=False, null_draws=0)["N"].item() == 5
    with pytest.raises(ClassifierError, match=r"several sets of weights: saved\.teacher, saved\.student.*--key"):
        read_checkpoint(tmp_path / "two.pt")
    with pytest.raises(ClassifierError, match=r"under 'student'; there are weights under: saved\.teacher"):
        read_checkpoint(tmp_path / "two.pt", "student")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "error::UserWarning")
def test_torchscript_is_named_for_what_it_is_and_nobody_is_told_to_drop_the_protection(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Conv1d(1, 4, 5)), tmp_path / "model.jit")
    with pytest.raises(ClassifierError, match="TorchScript archive") as caught:
        read_checkpoint(tmp_path / "model.jit")
    assert "weights_only" not in str(caught.value)
    torch.save(nn.Conv1d(1, 4, 5), tmp_path / "whole.pt")
    with pytest.raises(ClassifierError, match="plain weights") as caught:
        read_checkpoint(tmp_path / "whole.pt")
    assert "weights_only" not in str(caught.value)
    assert "trust" not in str(caught.value)


def test_a_fourier_basis_is_known_from_its_stored_values_alone() -> None:
    phase = 2 * torch.pi / 16 * torch.outer(torch.arange(9), torch.arange(16))
    basis = torch.cat([phase.cos(), -phase.sin()]) * torch.hann_window(16)
    state = {"stft.weight": basis[:, None], "conv.weight": torch.randn(4, 18, 3)}
    assert geometry(state, gap=False, null_draws=5)["null"].tolist() == ["fixed", "free filters"]
