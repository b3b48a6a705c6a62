"""Raw-waveform networks of Gupta & Abrol: segmental, sub-segmental and multi-resolution front ends on the waveform.

Each width of a layer is a branch of its own, and all branches of a layer look at the same sample.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from phonoscope.errors import ClassifierError

_SAMPLES = 16_000  # one second of the paper's recordings, 16 kHz
_DENSE_UNITS = 1024
_DROPOUT = 0.25
_POOLED_BINS = 8


@dataclass(frozen=True)
class Plan:
    """Three layers: widths of the branches (samples), filters of a branch, stride, and size of the max-pooling."""

    widths: tuple[tuple[int, ...], ...]
    filters: tuple[int, ...]
    pools: tuple[int, ...]
    strides: tuple[int, ...] = (10, 1, 1)


_FIRST_WIDTHS = (10, 30, 50, 70, 90, 150, 300, 500)
# The paper gives no size of pooling; those of the authors' code are taken, and after every layer, as the paper says.
_PAPER = {
    "segmental": Plan(((300,), (7,), (3,)), (80, 80, 100), (2, 2, 2)),
    "sub-segmental": Plan(((30,), (7,), (3,)), (80, 80, 100), (2, 2, 2)),
    "multi-resolution": Plan((_FIRST_WIDTHS, (3, 6, 9, 12), (3, 5, 7, 9)), (10, 20, 25), (3, 3, 3)),
}
_PUBLIC = {
    "segmental": Plan(((300,), (7,), (3,)), (80, 100, 100), (2, 2, 2)),
    "sub-segmental": Plan(((30,), (7,), (3,)), (80, 100, 100), (2, 2, 2)),
    "multi-resolution": Plan((_FIRST_WIDTHS, (3, 6, 9, 12, 15), (3, 5, 7, 9)), (10, 20, 25), (3, 3, 1)),
}
PLANS = {"paper": _PAPER, "public": _PUBLIC}
HEADS = ("flat", "pooled")


class ParallelConv1d(nn.Module):
    """Convolutions of several widths side by side, centred on the same sample; their filters are concatenated.

    The narrowest branch is not padded, the others by half of what they are wider, so that all give the same number of
    frames. Frame ``j`` of every branch is centred on sample ``stride * j + (narrowest - 1) / 2``; where an even and an
    odd width meet, the padding is uneven and the wider one lies half a sample later.

    Parameters
    ----------
    in_channels
        Channels of the input.
    filters
        Filters of each branch.
    widths
        Taps of each branch.
    stride
        Samples from frame to frame.
    """

    def __init__(self, in_channels: int, filters: int, widths: tuple[int, ...], stride: int) -> None:
        super().__init__()
        self.extra = tuple(width - min(widths) for width in widths)
        self.branches = nn.ModuleList(
            nn.Conv1d(in_channels, filters, width, stride, extra // 2 if extra % 2 == 0 else 0)
            for width, extra in zip(widths, self.extra, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Frames (batch, filters * branches, frames) of an input (batch, in_channels, samples)."""
        outputs = []
        for branch, extra in zip(self.branches, self.extra, strict=True):
            uneven = (extra // 2, extra - extra // 2) if extra % 2 else (0, 0)
            outputs.append(branch(F.pad(x, uneven) if extra % 2 else x))
        return torch.cat(outputs, dim=1)


class RawWaveform(nn.Module):
    """A network of the paper: three layers on the waveform, then two dense layers.

    Each layer is a convolution (branches in parallel for ``multi-resolution``), ELU, batch normalisation, max-pooling;
    the dense layers have 1024 units (ReLU, dropout) and one unit a class.

    Parameters
    ----------
    front_end
        ``segmental`` (filters of 300 taps), ``sub-segmental`` (30) or ``multi-resolution`` (10 to 500).
    n_classes
        Number of classes.
    variant
        ``paper``: the widths and numbers of filters in section 3.1; ``public``: those of the authors' published code
        (100 filters in the second layer, a fifth width of 15 there, no pooling after the last multi-resolution layer).
    head
        ``flat``: every frame has its own weights in the dense layer, as in the paper (about 5 to 20 million weights).
        ``pooled``: mean and maximum over eight parts of the time axis, which trains in minutes on a CPU.
    samples
        Length of the input for which the flat head is made. Inputs of other lengths are taken as well: their features
        are averaged over time to the frames that the head knows (nothing changes at this length).
    dropout
        Share of dense units that are dropped in training.

    Raises
    ------
    ClassifierError
        If a choice is not known, or the input is too short for one frame of the last layer.

    Notes
    -----
    Input (batch, 1, samples); output logits (batch, n_classes), in training and in evaluation alike.

    References
    ----------
    Gupta & Abrol, Time-frequency and geometric analysis of task-dependent learning in raw waveform based acoustic
    models, section 3.1.
    """

    feature_layers = ("layer1", "layer2", "layer3")  # what Tables 2 and 3 of the paper list

    def __init__(
        self,
        front_end: str,
        n_classes: int,
        *,
        variant: str = "paper",
        head: str = "flat",
        samples: int = _SAMPLES,
        dropout: float = _DROPOUT,
    ) -> None:
        super().__init__()
        choices = (("variant", variant, PLANS), ("front end", front_end, _PAPER), ("head", head, HEADS))
        for name, value, known in choices:
            if value not in known:
                raise ClassifierError(f"{name} {value!r} is not known; choose one of {', '.join(known)}")
        self.plan = PLANS[variant][front_end]
        self.head = head
        channels = 1
        for index, (widths, filters, stride, pool) in enumerate(
            zip(self.plan.widths, self.plan.filters, self.plan.strides, self.plan.pools, strict=True), start=1
        ):
            convolution = ParallelConv1d(channels, filters, widths, stride)
            channels = filters * len(widths)
            layer = nn.Sequential(OrderedDict(convolution=convolution, elu=nn.ELU(), norm=nn.BatchNorm1d(channels)))
            if pool > 1:
                layer.add_module("pool", nn.MaxPool1d(pool))
            self.add_module(f"layer{index}", layer)
        self.shortest = _shortest_input(self.plan)
        self.frames = self.count_frames(samples)
        width = channels * (self.frames if head == "flat" else 2 * _POOLED_BINS)
        self.dense = nn.Linear(width, _DENSE_UNITS)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(_DENSE_UNITS, n_classes)

    def count_frames(self, samples: int) -> int:
        """Frames of the last layer for an input of so many samples; ClassifierError if there would be none."""
        if samples < self.shortest:
            raise ClassifierError(
                f"an input of {samples} samples is too short for this network: it needs {self.shortest}. Choose a "
                "longer context around each token, or a front end with narrower filters"
            )
        frames = samples
        for widths, stride, pool in zip(self.plan.widths, self.plan.strides, self.plan.pools, strict=True):
            frames = ((frames - min(widths)) // stride + 1) // pool
        return frames

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, n_classes) of waveforms (batch, 1, samples)."""
        if x.dim() != 3 or x.shape[1] != 1:
            raise ClassifierError(f"the input has shape {tuple(x.shape)}; expected (batch, 1, samples): one channel")
        self.count_frames(x.shape[-1])
        x = self.get_submodule("layer3")(self.get_submodule("layer2")(self.get_submodule("layer1")(x)))
        if self.head == "pooled":
            x = torch.cat([F.adaptive_avg_pool1d(x, _POOLED_BINS), F.adaptive_max_pool1d(x, _POOLED_BINS)], dim=1)
        elif x.shape[-1] != self.frames:
            x = F.adaptive_avg_pool1d(x, self.frames)
        return self.out(self.dropout(F.relu(self.dense(x.flatten(1)))))


def _shortest_input(plan: Plan) -> int:
    """Samples that give one frame of the last layer."""
    needed = 1
    for widths, stride, pool in reversed(list(zip(plan.widths, plan.strides, plan.pools, strict=True))):
        needed = (needed * pool - 1) * stride + min(widths)
    return needed


segmental = partial(RawWaveform, "segmental")
sub_segmental = partial(RawWaveform, "sub-segmental")
multi_resolution = partial(RawWaveform, "multi-resolution")
