"""A small residual network for spectrograms: blocks as in `resnet`, and a last layer that keeps many cells."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from phonoscope.networks.resnet import ResidualBlock

# Filters and stride of each block, after a stem of stride 2.
_BLOCKS = ((16, 1), (32, 2), (48, 1))


class SmallResNet(nn.Module):
    """Three residual blocks, global average pooling, one linear layer: 56 000 weights, one cell every four rows.

    Parameters
    ----------
    n_classes
        Number of classes.
    in_channels
        Channels of the input (1 for a spectrogram); one more says how high each row lies.

    Notes
    -----
    Input (batch, in_channels, rows, columns); output logits (batch, n_classes).
    """

    def __init__(self, n_classes: int, in_channels: int = 1) -> None:
        super().__init__()
        channels = _BLOCKS[0][0]
        stem = nn.Conv2d(in_channels + 1, channels, 3, 2, 1, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(channels), nn.ReLU())
        blocks = []
        for width, stride in _BLOCKS:
            blocks.append(ResidualBlock(channels, [(width, 3, stride), (width, 3, 1)]))
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(channels, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, n_classes) of inputs (batch, in_channels, rows, columns)."""
        height = torch.linspace(-1, 1, x.shape[2], device=x.device, dtype=x.dtype)[:, None]
        x = torch.cat([x, height.expand(len(x), 1, *x.shape[2:])], dim=1)
        return self.fc(self.blocks(self.stem(x)).mean(dim=(2, 3)))
