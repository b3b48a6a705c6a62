"""A small transformer on patches of a spectrogram: no convolution after the first layer, every cell sees all others."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_PATCH = (4, 4)  # rows, columns
_WIDTH, _HEADS, _LAYERS = 48, 4, 2


class _Block(nn.Module):
    """Attention over all patches, then a small network on each; both before a shortcut, normalised first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_queries_keys_values, self.from_heads = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Patches (batch, patches, width), changed."""
        parts = self.to_queries_keys_values(self.before_attention(x)).chunk(3, dim=2)
        queries, keys, values = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(queries, keys, values)
        x = x + self.from_heads(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(self.before_mlp(x))


class PatchTransformer(nn.Module):
    """Patches of 4 × 4 cells, two layers of attention, mean over the patches, one linear layer: 39 000 weights.

    Parameters
    ----------
    n_classes
        Number of classes.
    in_channels
        Channels of the input (1 for a spectrogram).

    Notes
    -----
    Input (batch, in_channels, rows, columns) of any size; rows and columns that fill no patch are left out. Where a
    patch lies is said by sines of its row and column (Vaswani et al. 2017). Output logits (batch, n_classes).
    """

    def __init__(self, n_classes: int, in_channels: int = 1) -> None:
        super().__init__()
        self.patches = nn.Conv2d(in_channels, _WIDTH, _PATCH, _PATCH)
        self.blocks = nn.Sequential(*(_Block(_WIDTH, _HEADS) for _ in range(_LAYERS)))
        self.norm = nn.LayerNorm(_WIDTH)
        self.fc = nn.Linear(_WIDTH, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, n_classes) of inputs (batch, in_channels, rows, columns)."""
        x = self.patches(x)
        rows, columns = (_sines(count, x) for count in x.shape[2:])
        where = torch.cat([rows[:, None].expand(-1, len(columns), -1), columns.expand(len(rows), -1, -1)], dim=2)
        x = x.permute(0, 2, 3, 1) + where
        return self.fc(self.norm(self.blocks(x.flatten(1, 2))).mean(dim=1))


def _sines(count: int, like: Tensor) -> Tensor:
    """Sines and cosines of positions 0 … count − 1, from short waves to long ones, (count, width / 2)."""
    waves = torch.arange(_WIDTH // 4, device=like.device, dtype=like.dtype)
    angle = torch.arange(count, device=like.device, dtype=like.dtype)[:, None] * torch.exp(
        -waves * math.log(100.0) / len(waves)
    )
    return torch.cat([angle.sin(), angle.cos()], dim=1)
