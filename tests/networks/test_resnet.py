"""ResNets: equal to an independent implementation, torchvision's names, weights from elsewhere, no code from files."""

import pickle

import pytest
import torch
from safetensors.torch import save_file

from phonoscope.errors import ClassifierError
from phonoscope.networks import build_network
from phonoscope.networks.checkpoints import read_checkpoint
from phonoscope.networks.resnet import ResNet, from_transformers, load_imagenet, load_torchvision

BLOCKS = {18: (2, [2, 2, 2, 2]), 50: (3, [3, 4, 6, 3]), 101: (3, [3, 4, 23, 3])}


def torchvision_names(depth):
    """Names of torchvision's resnet state dict, by rule."""
    convs, counts = BLOCKS[depth]
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names = ["conv1.weight", *(f"bn1.{n}" for n in norm), "fc.weight", "fc.bias"]
    for stage, count in enumerate(counts, 1):
        for block in range(count):
            at = f"layer{stage}.{block}"
            for k in range(1, convs + 1):
                names += [f"{at}.conv{k}.weight", *(f"{at}.bn{k}.{n}" for n in norm)]
            # Only the first block of a stage changes the size; of depth 18 the first stage keeps its 64 channels.
            if block == 0 and (stage > 1 or depth != 18):
                names += [f"{at}.downsample.0.weight", *(f"{at}.downsample.1.{n}" for n in norm)]
    return names


@pytest.mark.parametrize("depth", [18, 50, 101])
def test_names_are_those_of_torchvision(depth):
    assert sorted(build_network(f"resnet{depth}", 7).state_dict()) == sorted(torchvision_names(depth))


@pytest.mark.parametrize(("depth", "weights"), [(18, 11_689_512), (50, 25_557_032), (101, 44_549_160)])
def test_numbers_of_weights_are_the_published_ones(depth, weights):
    network = ResNet(depth, 1000, in_channels=3)
    assert sum(p.numel() for p in network.parameters()) == weights


def transformers_resnet(depth, n_classes=5):
    transformers = pytest.importorskip("transformers")
    kind = "basic" if depth == 18 else "bottleneck"
    sizes = [64, 128, 256, 512] if depth == 18 else [256, 512, 1024, 2048]
    config = transformers.ResNetConfig(
        depths=BLOCKS[depth][1], layer_type=kind, hidden_sizes=sizes, num_labels=n_classes
    )
    network = transformers.ResNetForImageClassification(config).eval()
    random = torch.Generator().manual_seed(depth)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as after training: nothing is the identity
            module.running_mean.normal_(0, 0.1, generator=random)
            module.running_var.uniform_(0.5, 1.5, generator=random)
            torch.nn.init.normal_(module.bias, 0, 0.1, generator=random)
    return network


@pytest.mark.parametrize("depth", [18, 50, 101])
def test_equals_the_network_of_transformers(depth):
    other = transformers_resnet(depth)
    own = ResNet(depth, 5, in_channels=3).eval()
    own.load_state_dict(from_transformers(other.state_dict()))
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = other(x).logits
        assert expected.std() > 1e-4
        assert torch.allclose(own(x), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_a_file_of_transformers_weights_initialises_a_spectrogram_network(tmp_path):
    other = transformers_resnet(18, n_classes=11)
    state = {k: v.clone() for k, v in other.state_dict().items() if "num_batches_tracked" not in k}
    save_file(state, tmp_path / "model.safetensors")
    own = ResNet(18, 5).eval()
    head = own.fc.weight.clone()
    notes = load_imagenet(own, 18, tmp_path / "model.safetensors")
    assert len(notes) == 3
    assert torch.equal(own.fc.weight, head)
    assert torch.equal(own.layer4[1].conv2.weight, from_transformers(state)["layer4.1.conv2.weight"])


def test_a_stem_of_one_channel_answers_as_one_of_three_to_a_grey_picture():
    colour, grey = ResNet(18, 4, in_channels=3).eval(), ResNet(18, 4).eval()
    assert load_torchvision(grey, colour.state_dict()) == ["conv1.weight (colours summed)"]
    x = torch.randn(2, 1, 64, 48)
    with torch.no_grad():
        assert torch.allclose(grey(x), colour(x.expand(2, 3, 64, 48)), atol=1e-4)


def test_weights_of_another_network_are_refused_and_change_nothing():
    network = ResNet(18, 4)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with pytest.raises(ClassifierError, match="another network"):
        load_torchvision(network, ResNet(50, 4).state_dict())
    incomplete = ResNet(18, 4).state_dict()
    del incomplete["layer2.0.conv1.weight"]
    with pytest.raises(ClassifierError, match=r"it lacks layer2\.0\.conv1\.weight\."):
        load_torchvision(network, incomplete)
    with pytest.raises(ClassifierError, match="3 channels"):
        load_torchvision(ResNet(18, 4, in_channels=2), ResNet(18, 4, in_channels=3).state_dict())
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


class Evil:
    """Would create a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_code_in_a_weights_file_is_not_executed(tmp_path):
    trap = tmp_path / "executed"
    state = {**ResNet(18, 4).state_dict(), "extra": Evil(trap)}
    torch.save(state, tmp_path / "weights.pt")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil(trap)))
    for name in ("weights.pt", "plain.pth"):
        with pytest.raises(ClassifierError, match="plain weights") as caught:
            load_imagenet(ResNet(18, 4), 18, tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not trap.exists()
    torch.load(tmp_path / "weights.pt", weights_only=False)
    assert trap.exists()  # the trap works


def test_files_without_a_state_dict_are_refused(tmp_path):
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"state_dict": {"conv1.weight": 3}}, tmp_path / "numbers.pt")
    (tmp_path / "broken.safetensors").write_bytes(b"not weights")
    for name in ("list.pt", "numbers.pt", "broken.safetensors", "absent.pt"):
        with pytest.raises(ClassifierError, match=name):
            read_checkpoint(tmp_path / name)
    torch.save({"state_dict": {"a": torch.ones(2)}, "epoch": 3}, tmp_path / "good.pt")
    assert read_checkpoint(tmp_path / "good.pt")["a"].tolist() == [1, 1]


def test_unknown_depths_are_refused():
    with pytest.raises(ClassifierError, match="18, 50, 101"):
        ResNet(34, 4)
