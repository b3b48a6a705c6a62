"""Class activation maps (Zhou et al. 2016, CVPR, eq. 2), raw and signed.

For a network that averages the features f_k over all cells and applies one linear layer, the logit of class c is
``b_c + mean over cells of M_c`` with ``M_c = sum_k w_ck f_k``: the map is an exact decomposition of the logit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from phonoscope.attribution.located import Located
from phonoscope.attribution.method import Attributed, Batch, Prepared, Setting
from phonoscope.attribution.passes import portions
from phonoscope.attribution.taps import output_of
from phonoscope.cells import layer_grids
from phonoscope.errors import AttributionError
from phonoscope.modules import evaluation_mode, hooked, layers_of, named_layer


def class_activation_maps(features: Tensor, class_weights: Tensor) -> Tensor:
    """Weighted sum of a layer's channels.

    Parameters
    ----------
    features
        Shape (batch, channels, *spatial).
    class_weights
        Weights of the linear layer for each token's target, shape (batch, channels).

    Returns
    -------
    Tensor
        Shape (batch, *spatial); its mean plus the bias of the target is the target's logit.
    """
    return torch.einsum("bk...,bk->b...", features, class_weights)


def prepare_cam(setting: Setting, *, layer: str) -> Prepared:
    """Class activation maps of the layer that is averaged before the logits.

    Raises
    ------
    AttributionError
        If the network does not end in global average pooling and one linear layer, or another layer is named.
    """
    network, inputs = setting.classifier.network, setting.probe
    head = setting.once("pooled head", lambda: find_pooled_head(network, inputs))
    if layer not in ("auto", head.layer):
        raise AttributionError(
            f"class activation maps exist for layer {head.layer!r} only, the one that is averaged before the logits; "
            f"layer {layer!r} was named"
        )

    located = Located(setting, [head.layer], per_cell=False)

    def function(batch: Batch) -> Attributed:
        parts = [output_of(network, head.layer, batch.inputs[p]) for p in portions(len(batch.inputs), setting.examples)]
        logits, features = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        weights = batch.weigh(logits)
        class_weights, bias = head.class_weights(network, weights)
        (grid,) = located.grids(batch.inputs)
        maps = class_activation_maps(grid.arranged(features), class_weights)
        left = (logits * weights).sum(1) - bias - maps.flatten(1).mean(1)
        return Attributed(located.brought([maps], batch.inputs), logits, left)

    return Prepared(function, located.placement, "mean of the map + bias = logit of the target")


@dataclass(frozen=True)
class PooledHead:
    """The layer whose cells are averaged, and the linear layer that turns the averages into logits."""

    layer: str
    linear: str

    def class_weights(self, network: nn.Module, target_weights: Tensor) -> tuple[Tensor, Tensor]:
        """Linear weights and bias of each token's target: shapes (batch, channels) and (batch,)."""
        linear = named_layer(network, self.linear)
        if not isinstance(linear, nn.Linear):
            raise AttributionError(f"layer {self.linear!r} is {type(linear).__name__}, not a linear layer")
        weight = linear.weight.detach().to(target_weights)
        offset = torch.zeros_like(weight[:, 0]) if linear.bias is None else linear.bias.detach().to(target_weights)
        return target_weights @ weight, target_weights @ offset


@torch.no_grad()
def find_pooled_head(network: nn.Module, inputs: Tensor) -> PooledHead:
    """Find the layer that global average pooling and one linear layer follow, by watching one forward pass.

    The linear layer's input must equal the mean of the layer's output over its cells, and its output the logits:
    this is checked on numbers, so it holds for any network whatever its layers are called. Where channels stand last,
    as in transformers, they are put second.

    Raises
    ------
    AttributionError
        If the network does not end in global average pooling and one linear layer.
    """
    inputs = inputs[:2].clone()  # the network may work in place
    # What counts is a module's last call: a re-used one is tapped there.
    outputs: dict[str, Tensor] = {}
    linears: dict[str, tuple[Tensor, Tensor]] = {}

    def watch(name: str, module: nn.Module, args: tuple[object, ...], output: object) -> None:
        if name and isinstance(output, Tensor):
            outputs[name] = output.clone()
            if isinstance(module, nn.Linear) and args and isinstance(args[0], Tensor) and output.dim() == 2:
                linears[name] = args[0].clone(), outputs[name]

    with hooked(layers_of(network).items(), watch), evaluation_mode(network):
        logits = network(inputs)
    if not isinstance(logits, Tensor) or not bool(torch.isfinite(logits).all()):
        raise AttributionError("the network's output is not a tensor of finite logits; is it trained and loaded right?")
    heads = [(name, pooled) for name, (pooled, output) in linears.items() if _same(output, logits)]
    if heads:
        linear, pooled = heads[-1]
        grids = layer_grids(network, inputs)
        fits = [
            (cells[0, 0].numel(), -name.count("."), name)
            for name, output in outputs.items()
            if output.dim() >= 3
            and (cells := grids[name].arranged(output) if name in grids else output).shape[:2] == pooled.shape
            and cells[0, 0].numel() > 1
            and _same(cells.flatten(2).mean(2), pooled)
        ]
        if fits:
            # The finest grid; of modules with the same output (a stage, its last block, its last ReLU) the outermost.
            return PooledHead(layer=max(fits)[2], linear=linear)
    raise AttributionError(
        "class activation maps need a network that ends in global average pooling and one linear layer; this one does "
        "not. Choose another method"
    )


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal up to rounding, measured against the largest value, whatever their types."""
    a, b = a.float(), b.float()
    return a.shape == b.shape and bool(torch.allclose(a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max())))
