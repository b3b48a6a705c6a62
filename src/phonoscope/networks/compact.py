"""Compact CNNs for spectrograms: about 10^5 weights, global average pooling and a linear head, so that CAM is exact."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from phonoscope.errors import ClassifierError

# One convolution a line: channels, (rows, columns) of the kernel, (rows, columns) of the stride.
_STANDARD = (
    (24, (5, 5), (2, 2)),
    (48, (3, 3), (2, 2)),
    (64, (3, 3), (1, 2)),
    (64, (3, 3), (1, 1)),
    (64, (3, 3), (1, 1)),
)
# Few rows seen by each cell: maps localise better, accuracy is lower.
_LOCAL = (
    (24, (5, 5), (2, 2)),
    (48, (3, 3), (1, 2)),
    (64, (1, 3), (1, 2)),
    (64, (1, 1), (1, 1)),
)
_PLANS = {"standard": _STANDARD, "local": _LOCAL}


class Compact(nn.Module):
    """Convolutions with batch normalisation, global average pooling, one linear layer.

    Parameters
    ----------
    n_classes
        Number of classes.
    in_channels
        Channels of the input (1 for a spectrogram).
    frequency_coordinate
        Add one channel that runs from -1 (lowest row) to 1 (highest): frequency is not translation-invariant.
    plan
        ``standard`` (cells of 4 rows) or ``local`` (cells of 2 rows that see 9 rows).

    Notes
    -----
    Input (batch, in_channels, rows, columns); output logits (batch, n_classes).
    """

    def __init__(
        self, n_classes: int, in_channels: int = 1, *, frequency_coordinate: bool = True, plan: str = "standard"
    ) -> None:
        super().__init__()
        if plan not in _PLANS:
            raise ClassifierError(f"plan {plan!r} is not known; choose one of {', '.join(_PLANS)}")
        self.frequency_coordinate = frequency_coordinate
        layers: list[nn.Module] = []
        channels = in_channels + int(frequency_coordinate)
        for width, kernel, stride in _PLANS[plan]:
            convolution = nn.Conv2d(channels, width, kernel, stride, (kernel[0] // 2, kernel[1] // 2), bias=False)
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(channels, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, n_classes) of inputs (batch, in_channels, rows, columns)."""
        if self.frequency_coordinate:
            row = torch.linspace(-1, 1, x.shape[2], device=x.device, dtype=x.dtype)
            coordinate = row[None, None, :, None].expand(x.shape[0], 1, x.shape[2], x.shape[3])
            x = torch.cat([x, coordinate], dim=1)
        return self.fc(self.features(x).mean(dim=(2, 3)))


compact_local = partial(Compact, plan="local")
