"""The small residual network and the small transformer: any picture, many cells, places told apart."""

import pytest
import torch

from phonoscope.cells import receptive_field
from phonoscope.networks import build_network

SMALL = ["resnet-small", "patch-transformer"]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("shape", [(2, 1, 64, 32), (3, 1, 33, 47)])
def test_small_networks_take_any_picture(name, shape):
    with torch.no_grad():
        assert build_network(name, 4).eval()(torch.randn(shape)).shape == (shape[0], 4)


@pytest.mark.parametrize(("name", "weights"), [("resnet-small", 56_000), ("patch-transformer", 39_000)])
def test_they_are_small(name, weights):
    count = sum(p.numel() for p in build_network(name, 2).parameters())
    assert count == pytest.approx(weights, rel=0.1)


@pytest.mark.parametrize("name", SMALL)
def test_logits_of_a_token_do_not_depend_on_the_batch(name):
    torch.manual_seed(0)
    network = build_network(name, 3).double().eval()
    inputs = torch.randn(3, 1, 64, 32, dtype=torch.float64)
    with torch.no_grad():
        together = network(inputs)
        assert torch.allclose(together[1:2], network(inputs[1:2]), atol=1e-12)


@pytest.mark.parametrize("name", SMALL)
def test_it_matters_how_high_a_sound_is(name):
    torch.manual_seed(0)
    network = build_network(name, 3).double().eval()
    x = torch.zeros(1, 1, 64, 32, dtype=torch.float64)
    x[:, :, 20:24] = 1.0
    with torch.no_grad():
        assert (network(x) - network(x.roll(8, dims=2))).abs().max() > 1e-6


def test_the_last_layer_of_the_small_resnet_keeps_a_cell_every_four_rows():
    rows, columns = receptive_field(build_network("resnet-small", 2), "blocks", torch.zeros(1, 1, 64, 32))
    assert (rows.step, columns.step) == (4, 4)
    assert len(rows.centres) == 16


def test_every_patch_of_the_transformer_reaches_the_logits():
    torch.manual_seed(0)
    network = build_network("patch-transformer", 2).eval()
    x = torch.randn(1, 1, 64, 32, requires_grad=True)
    network(x)[0, 0].backward()
    assert x.grad is not None
    assert bool((x.grad.abs() > 0).all())
