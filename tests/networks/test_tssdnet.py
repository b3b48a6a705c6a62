import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from phonoscope.errors import ClassifierError
from phonoscope.networks import build_network
from phonoscope.networks.checkpoints import load_network, read_checkpoint
from phonoscope.networks.tssdnet import LABELS, TSSDNet

PUBLISHED_SAMPLES = 96_000


def normalised(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    scale = state[f"{name}.weight"] / torch.sqrt(variance + 1e-5)
    return (x - mean[:, None]) * scale[:, None] + state[f"{name}.bias"][:, None]


def by_the_paper(x: Tensor, state: dict[str, Tensor], kind: str) -> Tensor:
    """Both networks as the article describes them, from the entries of a state dict."""
    x = F.relu(normalised(F.conv1d(x, state["conv1.weight"], padding=3), state, "bn1"))
    for stage in (1, 2, 3, 4):
        x = F.max_pool1d(x, 4)
        if kind == "inc":
            name = f"DCM{stage}"
            branches = []
            for d in (1, 2, 4, 8):
                y = F.conv1d(x, state[f"{name}.cv{d}.weight"], padding=d, dilation=d)
                branches.append(F.relu(normalised(y, state, f"{name}.bn{d}")))
            x = torch.cat(branches, dim=1)
        else:
            name = f"RSM{stage}"
            y = F.relu(normalised(F.conv1d(x, state[f"{name}.conv1.weight"], padding=1), state, f"{name}.bn1"))
            y = F.relu(normalised(F.conv1d(y, state[f"{name}.conv2.weight"], padding=1), state, f"{name}.bn2"))
            y = F.conv1d(y, state[f"{name}.conv3.weight"], padding=1)
            x = F.relu(normalised(y + F.conv1d(x, state[f"{name}.nin.weight"]), state, f"{name}.bn3"))
    x = F.max_pool1d(x, x.shape[-1]).flatten(1)
    for name in ("fc1", "fc2"):
        x = F.relu(F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"]))
    return F.linear(x, state["out.weight"], state["out.bias"])


@pytest.mark.parametrize("kind", ["res", "inc"])
def test_network_is_that_of_the_article(kind: str) -> None:
    torch.manual_seed(1)
    network = build_network(f"{kind}_tssdnet", 2)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
                module.weight.normal_()
                module.bias.normal_()
        network.eval()
        x = torch.randn(1, 1, PUBLISHED_SAMPLES)
        torch.testing.assert_close(network(x), by_the_paper(x, network.state_dict(), kind), atol=1e-4, rtol=1e-4)


def test_public_checkpoint_loads_and_takes_longer_inputs(shared_data: Path) -> None:
    path = shared_data / "checkpoints" / "inc_tssdnet_asvspoof2019_la.pth"
    network = load_network("inc_tssdnet", path)
    assert not network.training
    state = read_checkpoint(path)
    own = network.state_dict()
    assert set(own) == set(state)
    assert all(torch.equal(own[name], state[name]) for name in state)
    for samples in (PUBLISHED_SAMPLES, PUBLISHED_SAMPLES + 4097):
        x = torch.randn(1, 1, samples) * 0.1
        with torch.no_grad():
            torch.testing.assert_close(network(x), by_the_paper(x, state, "inc"), atol=1e-4, rtol=1e-4)


def test_class_zero_is_bona_fide() -> None:
    assert LABELS == ("bona fide", "spoof")


def test_inputs_that_are_too_short_or_flat_are_answered() -> None:
    network = build_network("inc_tssdnet", 2).eval()
    assert network(torch.zeros(1, 1, 256)).shape == (1, 2)
    with pytest.raises(ClassifierError, match="at least 256 samples"):
        network(torch.zeros(1, 1, 255))
    with pytest.raises(ClassifierError, match=r"expected \(batch, 1, samples\)"):
        network(torch.zeros(1, 16000))


class _Touch:
    """Writes a file when it is unpickled: what a hostile optimiser would do."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple:
        return open, (self.path, "w")


def test_pickled_code_beside_the_weights_is_never_executed(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    state = build_network("inc_tssdnet", 2).state_dict()
    torch.save({"model_state_dict": state, "optimizer_state_dict": _Touch(marker)}, tmp_path / "hostile.pth")
    with pytest.raises(ClassifierError, match="cannot be read as plain weights"):
        read_checkpoint(tmp_path / "hostile.pth")
    assert not marker.exists()
    pickle.loads(pickle.dumps(_Touch(marker))).close()  # the object would have done it
    assert marker.exists()


def test_checkpoints_of_many_makes_are_read(tmp_path: Path) -> None:
    network = build_network("res_tssdnet", 3)
    state = network.state_dict()
    optimiser = torch.optim.Adam(network.parameters())
    made = {
        "plain.pth": state,
        "wrapped.pth": {"epoch": 3, "model_state_dict": state, "optimizer_state_dict": optimiser.state_dict()},
        "lightning.ckpt": {"state_dict": state, "loss": 0.1},
        "parallel.pt": {"model": {f"module.{name}": value for name, value in state.items()}},
    }
    for name, content in made.items():
        torch.save(content, tmp_path / name)
    save_file({name: value.clone() for name, value in state.items()}, tmp_path / "model.safetensors")
    for path in (*(tmp_path / name for name in made), tmp_path / "model.safetensors", tmp_path):
        loaded = load_network("res_tssdnet", path)
        assert loaded.get_submodule("out").out_features == 3
        assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())


def test_checkpoints_that_cannot_be_used_are_answered(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match="no checkpoint at"):
        read_checkpoint(tmp_path / "missing.pth")
    torch.save({"epoch": 3, "loss": 0.1}, tmp_path / "empty.pth")
    with pytest.raises(ClassifierError, match="it has: epoch, loss"):
        read_checkpoint(tmp_path / "empty.pth")
    (tmp_path / "text.safetensors").write_text("no")
    with pytest.raises(ClassifierError, match="not a safetensors file"):
        read_checkpoint(tmp_path / "text.safetensors")
    torch.save(build_network("inc_tssdnet", 2).state_dict(), tmp_path / "inc.pth")
    with pytest.raises(ClassifierError, match=r"not those of the network 'res_tssdnet': it lacks RSM1"):
        load_network("res_tssdnet", tmp_path / "inc.pth")
    with pytest.raises(ClassifierError, match="TSSDNet 'old'"):
        TSSDNet("old")
