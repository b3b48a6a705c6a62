"""The filters that see the waveform, as plain arrays with their stride, dilation and padding, in one common frame.

Every analysis of this room works on a `FilterBank`; only `bank_of` looks into a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from phonoscope.errors import PhonoscopeError
from phonoscope.networks.starts import FREE, Untrained

if TYPE_CHECKING:
    from torch import nn

Alignment = Literal["centre", "left"]

_NUMPY_PADDING = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
_PRECISIONS = (np.float32, np.float64, np.complex64, np.complex128)
PUBLISHED_HOP = 10  # samples; the public code analyses every layer at this hop


@dataclass(frozen=True, eq=False)
class Branch:
    """One convolution over the waveform: its filters and how they step.

    Parameters
    ----------
    weights : ndarray (filters, 1, taps) or (filters, taps)
        Real or complex, as in the layer: the response is ``Σ_m conj(f[m]) x[position + m · dilation]``.
    stride, dilation : int
        Samples.
    padding : (left, right)
        Samples added to the waveform before the first and after the last; negative where it is cut.
    name : str
        Name of the layer in its network.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}

    Raises
    ------
    PhonoscopeError
        If the weights see several channels, are empty or not finite, or a step is smaller than 1.
    """

    weights: np.ndarray
    stride: int = 1
    dilation: int = 1
    padding: tuple[int, int] = (0, 0)
    name: str = ""
    padding_mode: str = "zeros"

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights)
        if weights.ndim == 2:
            weights = weights[:, None, :]
        if weights.ndim != 3 or weights.shape[1] != 1 or not weights.size:
            raise PhonoscopeError(
                f"filters of {self.name or 'one'} have shape {np.shape(self.weights)}; expected (filters, 1, taps), "
                "a layer that sees one channel of sound. Average the channels of the recording and of the weights first"
            )
        if weights.dtype not in _PRECISIONS:
            weights = weights.astype(np.float32)
        if not np.isfinite(weights).all():
            raise PhonoscopeError(f"filters of {self.name or 'a branch'} hold values that are not finite (NaN or inf)")
        if min(self.stride, self.dilation) < 1 or self.padding_mode not in _NUMPY_PADDING:
            raise PhonoscopeError(
                f"stride {self.stride}, dilation {self.dilation}, padding {self.padding} ({self.padding_mode}) of "
                f"{self.name or 'a branch'}: expected steps >= 1 and a padding mode among {', '.join(_NUMPY_PADDING)}"
            )
        object.__setattr__(self, "weights", weights)

    @property
    def n_filters(self) -> int:
        """Number of filters."""
        return self.weights.shape[0]

    @property
    def width(self) -> int:
        """Samples from the first to the last tap, inclusive."""
        return self.dilation * (self.weights.shape[2] - 1) + 1

    @property
    def atoms(self) -> np.ndarray:
        """Filters as columns with zeros between dilated taps, (width, filters)."""
        atoms = np.zeros((self.width, self.n_filters), dtype=self.weights.dtype)
        atoms[:: self.dilation] = self.weights[:, 0, :].T
        return atoms

    def n_outputs(self, n_samples: int) -> int:
        """Number of positions at which the layer is evaluated on a waveform; at most 0 if that is too short."""
        return (n_samples + sum(self.padding) - self.width) // self.stride + 1


@dataclass(frozen=True, eq=False)
class FilterBank:
    """Parallel branches over one waveform, placed in a common frame as long as the widest.

    Frames stand where the branch with the finest stride (of those, the one with most outputs) is evaluated; the other
    branches are evaluated around the same centres, whatever their own stride. Centres of even and odd widths differ by
    half a sample; the layer's own padding says to which side.

    Parameters
    ----------
    branches : sequence of Branch
    sample_rate : float
        Hz.
    alignment : {"centre", "left"}
        Where narrow filters lie in the frame. ``left`` is what the published code does (`as_published`).
    untrained : Untrained
        How the layer's filters are before a training, for `random_bank`; free ones unless a network says otherwise.

    Raises
    ------
    PhonoscopeError
        If there is no branch, or branches extend the waveform in different ways.
    """

    branches: Sequence[Branch]
    sample_rate: float
    alignment: Alignment = "centre"
    untrained: Untrained = FREE

    def __post_init__(self) -> None:
        object.__setattr__(self, "branches", tuple(self.branches))
        if not self.branches or not self.sample_rate > 0:
            raise PhonoscopeError(f"a bank needs a branch and a sample rate > 0, got {self.sample_rate} Hz")
        modes = {branch.padding_mode for branch in self.branches}
        if len(modes) > 1:
            raise PhonoscopeError(
                f"branches are padded in different ways ({', '.join(sorted(modes))}): analyse each alone"
            )

    @property
    def width(self) -> int:
        """Samples of the common frame."""
        return max(branch.width for branch in self.branches)

    @property
    def n_filters(self) -> int:
        """Filters of all branches."""
        return sum(branch.n_filters for branch in self.branches)

    @property
    def hop(self) -> int:
        """Samples from frame to frame: the finest stride."""
        return min(branch.stride for branch in self.branches)

    @property
    def reference(self) -> Branch:
        """Branch on whose positions the frames stand."""
        return min(self.branches, key=lambda branch: (branch.stride, branch.width - sum(branch.padding)))

    @property
    def frame_start(self) -> int:
        """First sample of the first frame; negative: samples of padding before the waveform."""
        return -self.reference.padding[0] - self._offset(self.reference)

    @property
    def offsets(self) -> tuple[int, ...]:
        """First sample of each branch's filters in the common frame."""
        return tuple(self._offset(branch) for branch in self.branches)

    def _offset(self, branch: Branch) -> int:
        spare = self.width - branch.width
        if self.alignment == "left" or spare % 2 == 0 or branch is self.reference:
            return 0 if self.alignment == "left" else spare // 2
        by_padding = -branch.padding[0] - self.frame_start
        return by_padding if by_padding in (spare // 2, spare // 2 + 1) else spare // 2

    @cached_property
    def dictionary(self) -> np.ndarray:
        """Filters as columns D of the common frame, (width, filters), in the order of the branches."""
        kind = np.result_type(*(branch.weights.dtype for branch in self.branches))
        columns = np.zeros((self.width, self.n_filters), dtype=kind)
        first = 0
        for branch, offset in zip(self.branches, self.offsets, strict=True):
            columns[offset : offset + branch.width, first : first + branch.n_filters] = branch.atoms
            first += branch.n_filters
        return columns

    def n_frames(self, n_samples: int) -> int:
        """Number of frames of a waveform.

        Raises
        ------
        PhonoscopeError
            If the waveform is shorter than the layer needs.
        """
        count = self.reference.n_outputs(n_samples)
        if count < 1:
            branch = self.reference
            needed = branch.width - sum(branch.padding)
            raise PhonoscopeError(
                f"the waveform has {n_samples} samples, the first layer needs {needed} "
                f"({needed / self.sample_rate * 1000:.1f} ms): give a longer stretch of sound"
            )
        return count

    def times(self, n_samples: int) -> np.ndarray:
        """Centres of the frames, s from the first sample of the waveform, (frame,)."""
        branch, frames = self.reference, np.arange(self.n_frames(n_samples))
        width = self.width if self.alignment == "left" else branch.width
        return (frames * self.hop - branch.padding[0] + (width - 1) / 2) / self.sample_rate

    def frames(self, waveform: np.ndarray) -> np.ndarray:
        """Frames x_j of a waveform, a view (frame, width): what D* is multiplied with."""
        waveform = np.asarray(waveform)
        count = self.n_frames(len(waveform))
        before = max(0, -self.frame_start)
        last = self.frame_start + (count - 1) * self.hop + self.width
        mode: Any = _NUMPY_PADDING[self.reference.padding_mode]
        extended = np.pad(waveform, (before, max(0, last - len(waveform))), mode=mode)
        first = self.frame_start + before
        return np.lib.stride_tricks.sliding_window_view(extended[first:], self.width)[:: self.hop][:count]


def bank_of(
    network: nn.Module | FilterBank, sample_rate: float, layer: str | None = None, *, start: nn.Module | None = None
) -> FilterBank:
    """Return the filters of the layer that sees the waveform.

    Parameters
    ----------
    network : nn.Module or FilterBank
        A bank is returned as it is; of a `Classifier` its network is taken. A network is run once to find its first
        layer: for many calls, make the bank once and pass that.
    sample_rate : float
        Rate of the sound that the network is given, Hz.
    layer : str, optional
        Name of a one-dimensional convolution, or of the module that holds parallel ones; found when not given.
    start : nn.Module, optional
        The same network or classifier before its training: for filters that are computed from parameters, it says how
        these begin if the layer itself does not.

    Raises
    ------
    PhonoscopeError
        If a bank or classifier of another rate is given, no such layer is found, or its filters see several channels.
    """
    from phonoscope.classifier import Classifier
    from phonoscope.networks.first_layer import branch_of, layer_uses
    from phonoscope.networks.untrained import untrained

    if isinstance(network, (FilterBank, Classifier)) and network.sample_rate != sample_rate:
        what = "filters are" if isinstance(network, FilterBank) else "classifier is"
        raise PhonoscopeError(
            f"the {what} for {network.sample_rate:g} Hz, the sound has {sample_rate:g} Hz: resample it first"
        )
    if isinstance(network, FilterBank):
        return network
    network = network.network if isinstance(network, Classifier) else network
    start = start.network if isinstance(start, Classifier) else start
    modes = {name: getattr(module, "padding_mode", "zeros") for name, module in network.named_modules()}
    followed, uses = layer_uses(network, layer=layer)
    branches = [
        Branch(b.weights, b.stride, b.dilation, b.padding, b.name, modes.get(b.name, "zeros"))
        for b in map(branch_of, uses)
    ]
    return FilterBank(branches, sample_rate, untrained=untrained(network, uses, followed.example, start))


def as_published(bank: FilterBank, hop: int = PUBLISHED_HOP) -> FilterBank:
    """Return the bank as the published code analyses it: filters left-aligned, zeros after the sound, a hop of its own.

    For comparison with published pictures only: branches of different widths are then up to half the widest filter
    apart, and frames stand at positions that the network may not compute.
    """
    behind = [bank.width - 1 if branch.width == bank.width else 0 for branch in bank.branches]
    branches = [
        replace(branch, stride=hop, padding=(0, zeros), padding_mode="zeros")
        for branch, zeros in zip(bank.branches, behind, strict=True)
    ]
    return replace(bank, branches=branches, alignment="left")
