"""ResNets (He et al. 2016) with torchvision's parameter names, so that its state dicts load.

The ReLUs are separate modules, not in place, so that every layer can be tapped; the stem takes any number of channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from phonoscope.errors import ClassifierError, MissingExtraError
from phonoscope.networks.checkpoints import read_checkpoint


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions and a shortcut."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.downsample = _shortcut(channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, shape (batch, width, rows / stride, columns / stride)."""
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1 × 1, 3 × 3 and 1 × 1 convolutions and a shortcut; the stride sits on the 3 × 3 one, as in torchvision."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.relu3 = nn.ReLU()
        self.downsample = _shortcut(channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, shape (batch, 4 * width, rows / stride, columns / stride)."""
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.relu2(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu3(y + (x if self.downsample is None else self.downsample(x)))


def _shortcut(channels: int, width: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and channels == width:
        return None
    return nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))


_DEPTHS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}


class ResNet(nn.Module):
    """Residual network with global average pooling and a linear head.

    Parameters
    ----------
    depth
        18, 50 or 101.
    n_classes
        Number of classes.
    in_channels
        Channels of the input: 1 for a spectrogram, 3 for torchvision's own weights as they are.

    Notes
    -----
    Input (batch, in_channels, rows, columns); output logits (batch, n_classes).
    """

    def __init__(self, depth: int, n_classes: int, in_channels: int = 1) -> None:
        super().__init__()
        if depth not in _DEPTHS:
            raise ClassifierError(f"there is no ResNet of depth {depth} here; choose one of {sorted(_DEPTHS)}")
        self.depth = depth
        block, counts = _DEPTHS[depth]
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for stage, count in enumerate(counts):
            width = 64 * 2**stage
            blocks: list[nn.Module] = []
            for index in range(count):
                blocks.append(block(channels, width, 2 if stage > 0 and index == 0 else 1))
                channels = width * block.expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, n_classes) of inputs (batch, in_channels, rows, columns)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in ("layer1", "layer2", "layer3", "layer4"):
            x = self.get_submodule(stage)(x)
        return self.fc(x.mean(dim=(2, 3)))


def load_torchvision(network: ResNet, state: Mapping[str, Tensor]) -> list[str]:
    """Load a state dict under torchvision's names into a network with another stem or head.

    A three-channel stem becomes a one-channel one by summing over the colours: the same response to a grey picture.
    A head for another number of classes is left as it was initialised.

    Returns
    -------
    list of str
        Names of the parameters that were adapted or left out.

    Raises
    ------
    ClassifierError
        If the state dict is of another architecture.
    """
    state = dict(state)
    expected = network.state_dict()
    notes: list[str] = []
    stem = state.get("conv1.weight")
    if stem is not None and stem.shape[1] != expected["conv1.weight"].shape[1]:
        if expected["conv1.weight"].shape[1] != 1:
            raise ClassifierError(
                f"a stem of {stem.shape[1]} channels cannot become one of {expected['conv1.weight'].shape[1]}"
            )
        state["conv1.weight"] = stem.sum(dim=1, keepdim=True)
        notes.append("conv1.weight (colours summed)")
    for name in ("fc.weight", "fc.bias"):
        if name in state and state[name].shape != expected[name].shape:
            del state[name]
            notes.append(f"{name} (other number of classes, initialised anew)")
    # Batch counters are not weights, and old or converted files come without them.
    needed = [name for name in expected if not name.startswith("fc.") and not name.endswith("num_batches_tracked")]
    missing = [name for name in needed if name not in state]
    unknown = [name for name in state if name not in expected]
    wrong = [n for n in state if n in expected and state[n].shape != expected[n].shape]
    if missing or unknown or wrong:
        raise ClassifierError(
            f"these weights are of another network: missing {missing[:3]}, unknown {unknown[:3]}, "
            f"of another shape {wrong[:3]}. Choose the depth that the weights were made for"
        )
    network.load_state_dict(state, strict=False)
    return notes


_HUB_NAMES = {18: "microsoft/resnet-18", 50: "microsoft/resnet-50", 101: "microsoft/resnet-101"}


def load_imagenet(network: ResNet, depth: int, source: str | Path | None = None) -> list[str]:
    """Initialise from ImageNet weights: a file under torchvision's or ``transformers``' names, or the model hub.

    Parameters
    ----------
    network
        Changed in place, but for its last layer.
    depth
        Which weights of the hub to take: 18, 50 or 101.
    source
        A file of weights; fetched from the model hub if None.

    Raises
    ------
    MissingExtraError
        If no file is given and ``huggingface_hub`` is not installed.
    ClassifierError
        If the weights cannot be had or do not fit.
    """
    if source is None:
        try:
            from huggingface_hub import hf_hub_download
        except ImportError as error:
            raise MissingExtraError("huggingface_hub", "hf") from error
        try:
            source = hf_hub_download(_HUB_NAMES[depth], "model.safetensors")
        except Exception as error:
            raise ClassifierError(
                f"the ImageNet weights {_HUB_NAMES[depth]} cannot be fetched ({type(error).__name__}). "
                "Give a weights file with --init FILE, or start from random weights with --init random"
            ) from error
    state = read_checkpoint(source)
    return load_torchvision(network, from_transformers(state) if any("embedder" in k for k in state) else state)


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a ``transformers`` ResNet state dict to torchvision's names."""
    renamed = {}
    for name, value in state.items():
        new = name.removeprefix("resnet.")
        new = new.replace("embedder.embedder.convolution", "conv1").replace("embedder.embedder.normalization", "bn1")
        new = new.replace("classifier.1", "fc")
        if new.startswith("encoder.stages."):
            _, _, stage, _, block, part, *rest = new.split(".")
            prefix = f"layer{int(stage) + 1}.{block}"
            if part == "shortcut":
                new = f"{prefix}.downsample.{0 if rest[0] == 'convolution' else 1}.{rest[1]}"
            else:
                kind = "conv" if rest[1] == "convolution" else "bn"
                new = f"{prefix}.{kind}{int(rest[0]) + 1}.{rest[2]}"
        renamed[new] = value
    return renamed


resnet18, resnet50, resnet101 = (partial(ResNet, depth) for depth in (18, 50, 101))
