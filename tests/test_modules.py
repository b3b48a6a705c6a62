"""A user's module keeps its modes, child by child; layers are found by name."""

import pytest
import torch
from torch import nn

from phonoscope.errors import AttributionError
from phonoscope.modules import evaluation_mode, hooked, named_layer


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


def test_hooks_see_every_module_and_are_gone_afterwards_also_on_failure():
    watched, seen = nn.Sequential(nn.Linear(3, 2), nn.ReLU()), []

    def note(name, _module, args, output):
        seen.append((name, tuple(args[0].shape), tuple(output.shape)))
        if name == "":
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"), hooked(watched.named_modules(), note):
        watched(torch.zeros(1, 3))
    watched(torch.zeros(1, 3))
    assert seen == [("0", (1, 3), (1, 2)), ("1", (1, 2), (1, 2)), ("", (1, 3), (1, 2))]
    assert not any(module._forward_hooks for module in watched.modules())
