"""From a network or its weights to layers: kernels, how they are laid out, which of them form one block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from phonoscope.errors import ClassifierError
from phonoscope.networks.starts import FOURIER, FREE, Untrained
from phonoscope.networks.untrained import is_fourier_basis, untrained

if TYPE_CHECKING:
    from torch import Tensor, nn

    from phonoscope.networks.trace import Trace

ALIGNMENTS = ("left", "centre")
_SAME_START = Untrained(
    "unknown",
    "its filters always begin with the same values, so there are no random layers to compare with: measure the weights "
    "before training beside it",
)


@dataclass(frozen=True)
class Kernel:
    """Layout of one weight: ``shape`` is (filters, channels of a group, *taps)."""

    shape: tuple[int, ...]
    dilation: tuple[int, ...] = ()
    groups: int = 1
    is_complex: bool = False

    @property
    def spans(self) -> tuple[int, ...]:
        """Taps in each dimension once zeros stand between dilated ones."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.shape[2:], self.dilation, strict=True))


@dataclass(frozen=True, eq=False)
class Layer:
    """One row of the table: a weight, or the weights of a block of parallel branches.

    ``members`` are the names of the branches; ``residual`` is None when the network was not followed; ``untrained``
    says how its filters are before a training.
    """

    name: str
    kind: str
    kernels: tuple[Kernel, ...]
    weights: tuple[np.ndarray, ...]
    precision: float
    members: tuple[str, ...]
    residual: bool | None = None
    untrained: Untrained = FREE


def assemble(weights: Sequence[np.ndarray], kernels: Sequence[Kernel], alignment: str = "left") -> list[np.ndarray]:
    """Dictionaries of a layer, one a group, each of shape (N, K): filters are flattened to columns.

    Zeros are inserted between the taps of dilated kernels, and kernels of a block padded to a common length: behind
    (``left``: all start at the same sample, as in the paper) or on both sides (``centre``: all are centred, up to half
    a sample, as in a network that pads its branches evenly).

    Parameters
    ----------
    weights
        One of each branch, shape (filters, channels of a group, *taps).
    kernels
        Their layout.
    alignment
        ``left`` or ``centre``.
    """
    if alignment not in ALIGNMENTS:
        raise ClassifierError(f"alignment {alignment!r} is not known; choose one of {', '.join(ALIGNMENTS)}")
    groups = kernels[0].groups
    common = tuple(max(sizes) for sizes in zip(*(k.spans for k in kernels), strict=True))
    laid_out = []
    for weight, kernel in zip(weights, kernels, strict=True):
        if kernel.spans == kernel.shape[2:] == common:
            laid_out.append(weight)
            continue
        padded = np.zeros((*kernel.shape[:2], *common), dtype=weight.dtype)
        places = []
        for whole, span, dilation in zip(common, kernel.spans, kernel.dilation, strict=True):
            first = (whole - span) // 2 if alignment == "centre" else 0
            places.append(slice(first, first + span, dilation))
        padded[(slice(None), slice(None), *places)] = weight
        laid_out.append(padded)
    split = [w.reshape(groups, len(w) // groups, -1) for w in laid_out]
    return [np.concatenate([s[g] for s in split]).T for g in range(groups)]


def layers_of_network(
    network: nn.Module, followed: Trace | None, blocks: Mapping[str, Sequence[str]] | None = None
) -> tuple[list[Layer], list[str]]:
    """Layers of a module in the order of execution (of definition, when it could not be followed).

    Parameters
    ----------
    network
        Any module: its convolutions, dense, recurrent and attention weights, and convolutions whose filters are
        functions of parameters (if followed).
    followed
        What a forward pass did, for the order, blocks, residual connections and computed filters.
    blocks
        Names of layers that form a block, by the name of the block; overrides what was followed.

    Returns
    -------
    layers, left_out
        And the names of parameters with two or more dimensions that belong to none.
    """
    layers: list[Layer] = []
    owned: set[str] = set()
    for name, module in network.named_modules():
        of_module = _layers_of_module(name, module)
        layers += of_module
        if of_module:
            owned.add(name)
    if followed is not None:
        layers += _computed(followed, owned)
        layers = _with_nulls(network, followed, layers)
        owned |= {use.name for use in followed.uses}
        layers = _in_order(layers, followed)
        if blocks is None:
            layers = _join_parallel(layers, followed)
    if blocks is not None:
        layers = join_blocks(layers, blocks)
    left_out = []
    for name, parameter in network.named_parameters():
        owner = name.rpartition(".")[0].split(".parametrizations")[0]
        if parameter.dim() > 1 and owner not in owned:
            left_out.append(f"{name} {tuple(parameter.shape)}")
    return layers, left_out


def layers_of_state(
    state: Mapping[str, Tensor], blocks: Mapping[str, Sequence[str]] | None = None
) -> tuple[list[Layer], list[str]]:
    """Layers of a state dict, in its order: weights of three and more dimensions are taken for convolutions.

    Dilations and groups are not in a state dict: kernels are taken as undilated and ungrouped.
    """
    import torch

    state = _without_weight_norm(state)
    layers, left_out = [], []
    for name, value in state.items():
        owner, _, parameter = name.rpartition(".")
        if value.dim() < 2:
            continue
        if not parameter.startswith(("weight", "in_proj_weight")) or not value.is_floating_point():
            left_out.append(f"{name} {tuple(value.shape)}")
            continue
        recurrent = parameter.startswith(("weight_ih", "weight_hh"))
        kind = "recurrent" if recurrent else "linear" if value.dim() == 2 else "convolution"
        layer = _layer(name if recurrent else owner or name, kind, torch.as_tensor(value))
        layers.append(replace(layer, untrained=FOURIER) if is_fourier_basis(value) else layer)
    return (layers if blocks is None else join_blocks(layers, blocks)), left_out


def join_blocks(layers: Sequence[Layer], blocks: Mapping[str, Sequence[str]]) -> list[Layer]:
    """Join layers into blocks, each in the place of its first member; ClassifierError when they do not fit together."""
    joined = list(layers)
    for block, members in blocks.items():
        parts = [layer for name in members for layer in joined if layer.name == name]
        if len(parts) != len(members) or not parts:
            known = ", ".join(layer.name for layer in joined)
            raise ClassifierError(f"block {block!r} asks for layers {list(members)}; there are: {known}")
        if len({(len(k.shape), k.shape[1], k.groups) for p in parts for k in p.kernels}) > 1:
            raise ClassifierError(f"the layers of block {block!r} do not have the same number of input channels")
        whole = replace(
            parts[0],
            name=block,
            kernels=tuple(k for p in parts for k in p.kernels),
            weights=tuple(w for p in parts for w in p.weights),
            precision=max(p.precision for p in parts),
            members=tuple(members),
            untrained=_null_of_block(parts),
            residual=None if parts[0].residual is None else any(bool(p.residual) for p in parts),
        )
        position = joined.index(parts[0])
        joined[position] = whole
        joined = [layer for layer in joined if layer not in parts]
    return joined


def _null_of_block(parts: Sequence[Layer]) -> Untrained:
    """How the filters of parallel branches are before a training, all together."""
    kinds = {part.untrained.kind for part in parts}
    if kinds == {"parameters"}:
        draws = [part.untrained.draw for part in parts if part.untrained.draw is not None]
        return replace(parts[0].untrained, draw=lambda seed: [weight for draw in draws for weight in draw(seed)])
    if len(kinds) == 1:
        return parts[0].untrained
    return Untrained("unknown", "its branches begin in different ways, so there are no random blocks to compare with")


def _layers_of_module(name: str, module: nn.Module) -> list[Layer]:
    import torch
    from torch import nn
    from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

    name = name or "network"
    if isinstance(module, _ConvNd):
        transposed = isinstance(module, _ConvTransposeNd)
        return [_layer(name, "convolution", module.weight, module.dilation, module.groups, transposed=transposed)]
    if isinstance(module, nn.Linear):
        return [_layer(name, "linear", module.weight)]
    if isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
        names = [n for n, _ in module.named_parameters(recurse=False) if n.startswith("weight")]
        return [_layer(f"{name}.{n}", "recurrent", getattr(module, n)) for n in names]
    if isinstance(module, nn.MultiheadAttention):
        names = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
        weights = [(n, getattr(module, n)) for n in names]
        return [_layer(f"{name}.{n}", "linear", w) for n, w in weights if isinstance(w, torch.Tensor)]
    return []


def _with_nulls(network: nn.Module, followed: Trace, layers: list[Layer]) -> list[Layer]:
    """Say of each convolution how its filters are before a training."""
    uses = {use.name or "network": use for use in followed.uses if use.kind == "convolution"}
    marked = []
    for layer in layers:
        use = uses.get(layer.name)
        null = untrained(network, [use], followed.example) if use else FREE
        # Angles between filters show how evenly they are spaced, and that is known of the beginning without drawing.
        marked.append(replace(layer, untrained=_SAME_START if null.same_start else null))
    return marked


def _computed(followed: Trace, owned: set[str]) -> list[Layer]:
    """Layers whose weights are not those of a known module: filters that are a function of parameters."""
    seen: dict[str, int] = {}
    layers = []
    for use in followed.uses:
        if use.name in owned or use.weight is None or use.kind == "linear":
            continue
        seen[use.name] = seen.get(use.name, 0) + 1
        name = (use.name or "network") + (f"#{seen[use.name]}" if seen[use.name] > 1 else "")
        transposed = use.kind != "convolution"
        layers.append(_layer(name, "convolution", use.weight, use.dilation, use.groups, transposed=transposed))
    return layers


def _layer(
    name: str,
    kind: str,
    weight: Tensor,
    dilation: Sequence[int] | None = None,
    groups: int = 1,
    *,
    transposed: bool = False,
) -> Layer:
    import torch

    if transposed:  # stored as (channels, filters of a group, *taps)
        parts = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:]).transpose(1, 2)
        weight = parts.reshape(-1, *parts.shape[2:])
    weight = weight.detach().cpu()
    if not bool(torch.isfinite(weight).all()):
        raise ClassifierError(f"the weights of layer {name} hold values that are not finite: the training diverged")
    # Half precision carries fewer digits than a rank needs: its stored values are taken as they are.
    double = weight.dtype in (torch.float64, torch.complex128)
    precision = float(torch.finfo(torch.float64 if double else torch.float32).eps)
    values = weight.to(torch.complex128 if weight.is_complex() else torch.float64).numpy()
    dilation = tuple(dilation) if dilation is not None else (1,) * (weight.dim() - 2)
    kernel = Kernel(tuple(values.shape), dilation, groups, bool(weight.is_complex()))
    return Layer(name, kind, (kernel,), (values,), precision, (name,))


def _in_order(layers: list[Layer], followed: Trace) -> list[Layer]:
    """Sort by first use; a layer whose use was not seen stays behind the one defined before it."""
    first: dict[str, int] = {}
    for index, use in enumerate(followed.uses):
        first.setdefault(use.name or "network", index)
    residual = {followed.uses[index].name for index in followed.residual}
    keys, position = [], -1
    for layer in layers:
        owner = layer.name.partition("#")[0]
        owner = layer.name.rpartition(".")[0] if owner not in first and layer.kind == "recurrent" else owner
        position = first.get(owner, position)
        keys.append(position)
    order = sorted(range(len(layers)), key=lambda i: keys[i])
    return [replace(layers[i], residual=layers[i].name in residual) for i in order]


def _join_parallel(layers: list[Layer], followed: Trace) -> list[Layer]:
    present = {layer.name for layer in layers}
    blocks: dict[str, tuple[str, ...]] = {}
    for positions in followed.parallel:
        members = tuple(followed.uses[p].name for p in positions)
        if len(set(members)) < len(members) or not present.issuperset(members):
            continue
        shared = takewhile(
            lambda parts: len(set(parts)) == 1, zip(*(name.split(".") for name in members), strict=False)
        )
        parent = ".".join(parts[0] for parts in shared)  # the innermost module that holds all; "" for the network
        name = parent if parent and parent not in present | set(blocks) else "+".join(members)
        blocks[name] = members
        present -= set(members)
    return join_blocks(layers, blocks)


def _without_weight_norm(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Put weights together that are stored as a length and a direction."""
    import torch

    plain = dict(state)
    for name in state:
        for length, direction in (("weight_g", "weight_v"), ("original0", "original1")):
            stem = name.removesuffix(length)
            if stem == name or f"{stem}{direction}" not in state:
                continue
            g, v = plain.pop(name), plain.pop(f"{stem}{direction}")
            others = [d for d in range(v.dim()) if g.shape[d] == 1]
            owner = stem.replace("parametrizations.weight.", "")
            plain[f"{owner}weight"] = g * v / torch.linalg.vector_norm(v, dim=others, keepdim=True)
    return plain
