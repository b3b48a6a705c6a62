"""TorchScript networks: what works on the input runs, what looks into layers is refused in words."""

import numpy as np
import pytest
import torch
from small_networks import Plain, assert_untouched, build, snapshot, waves

from phonoscope import explain
from phonoscope.attribution.passes import examples_at_a_time
from phonoscope.cells import effective_field, receptive_field
from phonoscope.errors import AttributionError
from phonoscope.evidence.randomisation import layers_from_the_logits

SOUNDS = waves(2, context_seconds=0.01)
EXAMPLE = torch.zeros(3, 1, 800)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.jit itself


class Scriptable(torch.nn.Module):
    """The weights and the function of `Plain`, in words that TorchScript compiles."""

    def __init__(self, plain):
        super().__init__()
        self.conv1, self.conv2, self.fc = plain.conv1, plain.conv2, plain.fc

    def forward(self, x):
        y = torch.relu(self.conv2(torch.relu(self.conv1(x - 0.1))))
        return self.fc(y.flatten(2).mean(2))


def scripted(how):
    classifier = build(Plain, 1)
    network = Scriptable(classifier.network).eval()
    classifier.network = torch.jit.script(network) if how == "scripted" else torch.jit.trace(network, EXAMPLE)
    return classifier


@pytest.mark.parametrize("how", ["scripted", "traced"])
@pytest.mark.parametrize("method", ["band-stop", "integrated-gradients(steps=2)"])
def test_methods_on_the_input_give_the_maps_of_the_network_itself(how, method):
    classifier, plain = scripted(how), build(Plain, 1)
    before = snapshot(classifier)
    maps = explain(classifier, SOUNDS, "i", method, context_seconds=0.01)
    assert_untouched(before, snapshot(classifier))
    expected = explain(plain, SOUNDS, "i", method, context_seconds=0.01)
    np.testing.assert_allclose(maps.values, expected.values, atol=1e-5)


def test_memory_is_estimated_from_every_output_where_no_layer_can_be_observed():
    classifier = scripted("scripted")
    outputs = 4 * (800 + 800 + 4 * 200 + 4 * 200 + 5 * 100 + 5 * 100)  # bytes of what the first layers make
    most = examples_at_a_time(classifier.network, EXAMPLE, 10**9)
    assert 1 <= most <= 10**9 // (2 * outputs)
    assert most > 10**9 // (8 * outputs)
    assert examples_at_a_time(classifier.network, EXAMPLE, 1) == 1


@pytest.mark.parametrize("how", ["scripted", "traced"])
def test_whatever_looks_into_layers_refuses_in_words(how):
    classifier = scripted(how)
    for method in ("cam", "grad-cam", "layer-cam", "grad-cam(layer=conv1)"):
        with pytest.raises(AttributionError, match="TorchScript"):
            explain(classifier, SOUNDS, "i", method)
    looks = [
        lambda: receptive_field(classifier.network, "conv1", EXAMPLE),
        lambda: effective_field(classifier.network, "conv1", EXAMPLE),
        lambda: layers_from_the_logits(classifier.network, EXAMPLE),
    ]
    for look in looks:
        with pytest.raises(AttributionError, match="TorchScript"):
            look()
