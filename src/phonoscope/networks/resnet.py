"""ResNets (He et al. 2016) with torchvision's parameter names, so that its state dicts load.

The ReLUs are separate modules, not in place, so that every layer can be tapped; the stem takes any number of channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from phonoscope.errors import ClassifierError, MissingExtraError
from phonoscope.networks.checkpoints import fill, read_checkpoint


class ResidualBlock(nn.Module):
    """Convolutions ``conv1``, ``conv2`` …, each with its ``bn`` and ``relu``, and a shortcut to before the last ReLU.

    Parameters
    ----------
    channels
        Of the input.
    convolutions
        Filters, size of the kernel and stride of each.
    """

    def __init__(self, channels: int, convolutions: Sequence[tuple[int, int, int]]) -> None:
        super().__init__()
        self.depth, before = len(convolutions), channels
        for index, (width, size, step) in enumerate(convolutions, start=1):
            self.add_module(f"conv{index}", nn.Conv2d(before, width, size, step, size // 2, bias=False))
            self.add_module(f"bn{index}", nn.BatchNorm2d(width))
            self.add_module(f"relu{index}", nn.ReLU())
            before = width
        stride = max(step for _, _, step in convolutions)
        self.downsample = None
        if stride > 1 or channels != before:
            self.downsample = nn.Sequential(nn.Conv2d(channels, before, 1, stride, bias=False), nn.BatchNorm2d(before))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, shape (batch, last filters, rows / stride, columns / stride)."""
        y = x
        for index in range(1, self.depth + 1):
            y = self.get_submodule(f"bn{index}")(self.get_submodule(f"conv{index}")(y))
            if index == self.depth:
                y = y + (x if self.downsample is None else self.downsample(x))
            y = self.get_submodule(f"relu{index}")(y)
        return y


def _basic_block(channels: int, width: int, stride: int) -> ResidualBlock:
    """Two 3 × 3 convolutions and a shortcut."""
    return ResidualBlock(channels, [(width, 3, stride), (width, 3, 1)])


def _bottleneck(channels: int, width: int, stride: int) -> ResidualBlock:
    """1 × 1, 3 × 3 and 1 × 1 convolutions and a shortcut; the stride sits on the 3 × 3 one, as in torchvision."""
    return ResidualBlock(channels, [(width, 1, 1), (width, 3, stride), (4 * width, 1, 1)])


# Kind of the blocks, filters of a block's output as a multiple of its width, and blocks of each stage.
_DEPTHS = {
    18: (_basic_block, 1, (2, 2, 2, 2)),
    50: (_bottleneck, 4, (3, 4, 6, 3)),
    101: (_bottleneck, 4, (3, 4, 23, 3)),
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
        block, expansion, counts = _DEPTHS[depth]
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
                channels = width * expansion
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
    head = {name: value for name, value in expected.items() if name.startswith("fc.")}
    fill(network, head | state, f"'resnet{network.depth}'")
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
