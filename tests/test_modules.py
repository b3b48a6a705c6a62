"""A user's module keeps its modes, child by child; layers are found by name."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from phonoscope.errors import AttributionError
from phonoscope.modules import evaluation_mode, hooked, is_scripted, named_layer


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


class Watched(nn.GRU):
    """A recurrent layer that notes whether cuDNN may compute it."""

    def forward(self, x):
        self.allowed = torch.backends.cudnn.enabled
        if self.fails:
            raise RuntimeError("on purpose")
        return super().forward(x)


@pytest.mark.parametrize("fails", [False, True])
def test_recurrent_layers_run_without_cudnn_where_gradients_are_recorded_and_nothing_else_does(fails):
    network = nn.ModuleDict({"gru": Watched(2, 3), "linear": nn.Linear(2, 2)})
    seen = []
    network["linear"].register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.enabled))
    network["gru"].fails = fails
    before = torch.backends.cudnn.enabled
    with evaluation_mode(network):
        for recorded in (True, False):
            with torch.set_grad_enabled(recorded):
                with pytest.raises(RuntimeError, match="on purpose") if fails else nullcontext():
                    network["gru"](torch.zeros(1, 4, 2))
                network["linear"](torch.zeros(1, 2))
            assert network["gru"].allowed is (before and not recorded)
            assert torch.backends.cudnn.enabled is before
    assert seen == [before, before]
    assert not network["gru"]._forward_hooks
    assert not network["gru"]._forward_pre_hooks


def test_torchscript_takes_no_hooks_and_that_is_said_in_words():
    scripted = torch.jit.script(nn.Sequential(nn.Linear(3, 2), nn.ReLU()))
    around = nn.Sequential(scripted, nn.Softmax(1))
    assert is_scripted(around)
    assert not is_scripted(nn.Linear(3, 2))
    names = around.named_modules()
    with pytest.raises(AttributionError, match=r"layer '0' is TorchScript.*band-stop"), hooked(names, print):
        pass
    assert not around._forward_hooks
