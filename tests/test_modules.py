"""A user's module keeps its modes, child by child; layers are found by name."""

import pytest
from torch import nn

from phonoscope.errors import AttributionError
from phonoscope.modules import evaluation_mode, named_layer


def network():
    module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.Sequential(nn.Dropout(), nn.ReLU()))
    module.train()
    module[1].eval()  # a frozen normalisation in a network that trains
    return module


def test_each_module_gets_its_own_mode_back_also_after_an_error():
    module = network()
    modes = [m.training for m in module.modules()]
    with evaluation_mode(module):
        assert not any(m.training for m in module.modules())
    assert [m.training for m in module.modules()] == modes

    def fail():
        with evaluation_mode(module):
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert [m.training for m in module.modules()] == modes
    assert modes.count(False) == 1


def test_layers_are_found_by_name_and_missing_ones_answered_with_those_there_are():
    module = network()
    assert named_layer(module, "2.1") is module[2][1]
    with pytest.raises(AttributionError, match=r"'layer4'; it has: 0, 1, 2, 2\.0, 2\.1"):
        named_layer(module, "layer4")
