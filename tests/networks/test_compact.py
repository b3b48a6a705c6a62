"""Compact networks and the registry: size, resolution in Hz, names, import paths."""

import pytest
import torch
from torch import nn

from phonoscope.axes import FrequencyAxis, hz_per_position
from phonoscope.cells import receptive_field
from phonoscope.errors import ClassifierError
from phonoscope.networks import NETWORKS, build_network
from phonoscope.networks.compact import Compact


def fields(network, rows, max_hz):
    """Spacing and extent of the cells in Hz."""
    cells = receptive_field(network, "features", torch.zeros(1, 1, rows, 32))[0]
    hz = hz_per_position(FrequencyAxis(rows, max_hz))
    return cells.step * hz, cells.extent * hz


def test_about_a_hundred_thousand_weights_and_cells_of_250_hz():
    network = build_network("compact", 5)
    assert 8e4 < sum(p.numel() for p in network.parameters()) < 1.3e5
    assert fields(network, 64, 4000) == (250.0, 33 * 62.5)


def test_the_local_plan_sees_less_than_600_hz():
    spacing, extent = fields(build_network("compact-local", 5), 64, 4000)
    assert spacing == 125
    assert extent == 9 * 62.5 <= 600


def test_frequency_is_known_to_the_network_only_through_its_coordinate():
    torch.manual_seed(0)
    x = torch.zeros(1, 1, 64, 32, dtype=torch.float64)
    x[:, :, 20:24] = 1.0
    moved = x.roll(8, dims=2)  # two cells, far from the borders
    with_coordinate, without = Compact(3).double().eval(), Compact(3, frequency_coordinate=False).double().eval()
    with torch.no_grad():
        assert torch.allclose(without(x), without(moved), atol=1e-12)
        assert (with_coordinate(x) - with_coordinate(moved)).abs().max() > 1e-6


@pytest.mark.parametrize("name", ["compact", "compact-local", "resnet18"])
@pytest.mark.parametrize("shape", [(2, 1, 64, 32), (1, 1, 33, 47)])
def test_networks_take_any_picture(name, shape):
    with torch.no_grad():
        assert build_network(name, 4).eval()(torch.randn(shape)).shape == (shape[0], 4)


def test_weights_repeat_with_the_seed():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build_network("compact", 4).state_dict())
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_names_that_cannot_be_built_are_answered():
    with pytest.raises(ClassifierError, match=", ".join(NETWORKS)):
        build_network("vgg", 3)
    with pytest.raises(ClassifierError, match="cannot be imported"):
        build_network("no_such_package.module:net", 3)
    with pytest.raises(ClassifierError, match="cannot be imported"):
        build_network("torch.nn:NoSuchThing", 3)
    with pytest.raises(ClassifierError, match=r"not a torch\.nn\.Module"):
        build_network("builtins:dict", 3)
    with pytest.raises(ClassifierError, match="options"):
        build_network("compact", 3, depth=5)
    with pytest.raises(ClassifierError, match="plan"):
        build_network("compact", 3, plan="wide")


def test_any_module_is_built_by_import_path(tmp_path, monkeypatch):
    (tmp_path / "my_lab_networks.py").write_text(
        "from torch import nn\ndef net(n_classes, width=4):\n    return nn.Linear(width, n_classes)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    network = build_network("my_lab_networks:net", 3, width=6)
    assert isinstance(network, nn.Linear)
    assert network.weight.shape == (3, 6)
    with pytest.raises(ClassifierError, match="depth"):
        build_network("my_lab_networks:net", 3, depth=6)
