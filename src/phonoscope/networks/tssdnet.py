"""Time-domain synthetic speech detection networks (Hua et al. 2021): residual and dilated, under the published names.

Class 0 is bona fide speech, class 1 is spoofed.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from phonoscope.errors import ClassifierError

LABELS = ("bona fide", "spoof")
_CHANNELS = (16, 32, 64, 128, 128)
_POOL = 4
_DILATIONS = (1, 2, 4, 8)


class ResidualModule(nn.Module):
    """Three convolutions of three taps beside one of one tap; normalised after the sum.

    Input (batch, in_channels, frames), output (batch, out_channels, frames).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        sizes = (in_channels, out_channels, out_channels)
        for index, channels in enumerate(sizes, start=1):
            self.add_module(f"conv{index}", nn.Conv1d(channels, out_channels, 3, padding=1, bias=False))
            self.add_module(f"bn{index}", nn.BatchNorm1d(out_channels))
        self.nin = nn.Conv1d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of the sum of both paths."""
        y = x
        for index in (1, 2):
            y = F.relu(self.get_submodule(f"bn{index}")(self.get_submodule(f"conv{index}")(y)))
        return F.relu(self.get_submodule("bn3")(self.nin(x) + self.get_submodule("conv3")(y)))


class DilatedModule(nn.Module):
    """Four convolutions of three taps, dilated by 1, 2, 4 and 8, side by side on the same frames.

    Input (batch, in_channels, frames), output (batch, out_channels, frames): a quarter from each dilation.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        each = out_channels // len(_DILATIONS)
        for d in _DILATIONS:
            self.add_module(f"cv{d}", nn.Conv1d(in_channels, each, 3, padding=d, dilation=d, bias=False))
            self.add_module(f"bn{d}", nn.BatchNorm1d(each))

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate the branches, the smallest dilation first."""
        branches = [self.get_submodule(f"bn{d}")(self.get_submodule(f"cv{d}")(x)) for d in _DILATIONS]
        return F.relu(torch.cat(branches, dim=1))


class TSSDNet(nn.Module):
    """Res-TSSDNet or Inc-TSSDNet: one convolution of seven taps, four modules, global maximum, three dense layers.

    Parameters
    ----------
    kind
        ``res`` (residual modules ``RSM1`` … ``RSM4``) or ``inc`` (dilated modules ``DCM1`` … ``DCM4``).
    n_classes
        Number of classes; the published networks have two, of which 0 is bona fide.

    Raises
    ------
    ClassifierError
        If the kind is not known, or the input shorter than the poolings need (256 samples).

    Notes
    -----
    Input (batch, 1, samples) at 16 kHz; output logits (batch, n_classes). The published networks were trained on
    96 000 samples (6 s); the maximum over all frames takes any other length.

    References
    ----------
    Hua, Teoh & Zhang (2021), Towards end-to-end synthetic speech detection, IEEE Signal Processing Letters 28.
    """

    feature_layers: tuple[str, ...]

    def __init__(self, kind: str, n_classes: int = 2) -> None:
        super().__init__()
        kinds = {"res": ("RSM", ResidualModule), "inc": ("DCM", DilatedModule)}
        if kind not in kinds:
            raise ClassifierError(f"TSSDNet {kind!r} is not known; choose one of {', '.join(kinds)}")
        prefix, module = kinds[kind]
        self.conv1 = nn.Conv1d(1, _CHANNELS[0], 7, padding=3, bias=False)
        self.bn1 = nn.BatchNorm1d(_CHANNELS[0])
        self.stages = tuple(f"{prefix}{index}" for index in range(1, len(_CHANNELS)))
        for name, before, after in zip(self.stages, _CHANNELS, _CHANNELS[1:], strict=False):
            self.add_module(name, module(before, after))
        self.fc1 = nn.Linear(_CHANNELS[-1], 64)
        self.fc2 = nn.Linear(64, 32)
        self.out = nn.Linear(32, n_classes)
        self.feature_layers = ("conv1", *self.stages)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, n_classes) of waveforms (batch, 1, samples)."""
        shortest = _POOL ** len(self.stages)
        if x.dim() != 3 or x.shape[1] != 1 or x.shape[-1] < shortest:
            raise ClassifierError(
                f"the input has shape {tuple(x.shape)}; expected (batch, 1, samples) with at least {shortest} samples"
            )
        x = F.relu(self.bn1(self.conv1(x)))
        for name in self.stages:
            x = self.get_submodule(name)(F.max_pool1d(x, _POOL))
        x = F.relu(self.fc1(x.amax(dim=-1)))
        return self.out(F.relu(self.fc2(x)))


res_tssdnet, inc_tssdnet = (partial(TSSDNet, kind) for kind in ("res", "inc"))
