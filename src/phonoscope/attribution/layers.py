"""Maps of layers: pure functions from the activations and gradients of a tapped layer to a signed map of its cells.

All work on any number of spatial dimensions, so that networks of pictures and of waveforms get the same maps. What a
layer gives is first put in the order (batch, channels, *cells), whichever order it has (`Grid.arranged`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from phonoscope.attribution.cam import find_pooled_head
from phonoscope.attribution.located import Located, interpolated, linear_weights
from phonoscope.attribution.method import Attributed, Batch, Prepared, Setting, unpromised
from phonoscope.attribution.passes import network_logits, portions
from phonoscope.attribution.taps import output_of, outputs_and_gradients
from phonoscope.cells import Grid, grid_of, layer_grids
from phonoscope.errors import AttributionError
from phonoscope.modules import evaluation_mode, hooked, named_layer, own_name

LayerMap = Callable[[Tensor, Tensor], Tensor]


def grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2 without the ReLU): channels weighted by their mean gradient.

    Parameters
    ----------
    activations, gradients
        Shape (batch, channels, *cells).

    Returns
    -------
    Tensor
        Shape (batch, *cells). For a network that averages the layer and applies one linear layer, the map times the
        number of its cells is the class activation map.
    """
    return torch.einsum("bk...,bk->b...", activations, gradients.flatten(2).mean(2))


def grad_cam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM++ (Chattopadhyay et al. 2018, eq. 19 with its full denominator).

    The paper explains ``Y = exp(logit)``. For networks that are piecewise linear above the layer its derivatives are
    ``Y g``, ``Y g²`` and ``Y g³`` with the gradient ``g`` of the logit, so eq. 19 is ``g² / (2 g² + g³ Σ A)``, here
    reduced to ``1 / (2 + g Σ A)`` with the sum over all cells of the channel. A channel weighs the sum of this
    times ``relu(g)``: the factor ``Y``, the same in the whole map of a token, is left out. The denominator is positive
    where activations are; on layers with negative ones, poles are the method's own.

    Parameters
    ----------
    activations, gradients
        Shape (batch, channels, *cells).

    Returns
    -------
    Tensor
        Shape (batch, *cells).
    """
    a, g = activations.flatten(2), gradients.flatten(2)
    alpha = 1 / (2 + g * a.sum(2, keepdim=True))
    return torch.einsum("bk...,bk->b...", activations, (alpha * g.clamp_min(0)).sum(2))


def hires_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """HiResCAM (Draelos & Carin 2020, eq. 5): activations times gradients, cell by cell, summed over the channels.

    Parameters
    ----------
    activations, gradients
        Shape (batch, channels, *cells).

    Returns
    -------
    Tensor
        Shape (batch, *cells). Its sum plus the bias is the logit where only linear layers follow.
    """
    return (activations * gradients).sum(1)


def layer_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """LayerCAM (Jiang et al. 2021, eq. 5 and 6 without the last ReLU): activations times positive gradients.

    Parameters
    ----------
    activations, gradients
        Shape (batch, channels, *cells).

    Returns
    -------
    Tensor
        Shape (batch, *cells).
    """
    return (activations * gradients.clamp_min(0)).sum(1)


def score_cam(activations: Tensor, scores: Tensor) -> Tensor:
    """Score-CAM (Wang et al. 2020, eq. 4 and 5 without the ReLU): channels weighted by the softmax of their scores.

    A channel that is the same in all cells makes no mask (eq. 6 divides by zero); its weight is 0.

    Parameters
    ----------
    activations
        Shape (batch, channels, *cells).
    scores
        Logit of the target for the input seen through the mask of each channel, shape (batch, channels).

    Returns
    -------
    Tensor
        Shape (batch, *cells), in units of the activations.
    """
    a = activations.flatten(2)
    flat = a.amax(2) == a.amin(2)
    weights = scores.masked_fill(flat, -torch.inf).softmax(1).masked_fill(flat, 0)
    return torch.einsum("bk...,bk->b...", activations, weights)


def prepare_grad_cam(setting: Setting, *, layer: str, relu: bool) -> Prepared:
    """Grad-CAM of a layer or of several.

    Parameters
    ----------
    setting
        What the method may use to make itself ready.
    layer
        Name of the layer, several joined by plus signs, or ``auto``; see ``choose_layers``.
    relu
        Whether negative values are cut off, as Grad-CAM was published.
    """
    return _prepare(setting, grad_cam, layer, relu)


def prepare_grad_cam_plus_plus(setting: Setting, *, layer: str, relu: bool) -> Prepared:
    """Grad-CAM++ of a layer or of several, up to the positive factor exp(logit) of each token.

    Parameters
    ----------
    setting, layer, relu
        As of ``prepare_grad_cam``.
    """
    return _prepare(setting, grad_cam_plus_plus, layer, relu, per_cell=False, units="logit (up to a factor a token)")


def prepare_hires_cam(setting: Setting, *, layer: str, relu: bool) -> Prepared:
    """HiResCAM of a layer or of several.

    Parameters
    ----------
    setting, layer, relu
        As of ``prepare_grad_cam``.
    """
    return _prepare(setting, hires_cam, layer, relu)


def prepare_layer_cam(setting: Setting, *, layer: str, relu: bool) -> Prepared:
    """LayerCAM of a layer or of several.

    Parameters
    ----------
    setting, layer, relu
        As of ``prepare_grad_cam``.
    """
    return _prepare(setting, layer_cam, layer, relu)


def prepare_score_cam(setting: Setting, *, layer: str, relu: bool, channels: int) -> Prepared:
    """Score-CAM of a layer or of several: one forward pass a channel, no gradients.

    Each channel, scaled to 0 to 1, is laid over the input as a mask; between the centres of the cells' receptive fields
    it is interpolated, beyond the outermost it stays the same. Where the mask is 0, the input is 0: the mean level.

    Parameters
    ----------
    setting, layer, relu
        As of ``prepare_grad_cam``.
    channels
        Only so many channels of each token, those that vary most over the cells; 0 for all.
    """
    if channels < 0:
        raise AttributionError(f"score-cam(channels={channels}): expected the number of channels, or 0 for all")
    network, layers = setting.classifier.network, choose_layers(setting, layer)
    located = Located(setting, layers, per_cell=False)

    def function(batch: Batch) -> Attributed:
        with torch.no_grad():
            logits = network_logits(network, batch.inputs, setting.examples)
            weights = batch.weigh(logits)
            maps, grids = [[] for _ in layers], located.grids(batch.inputs)
            for part in portions(len(logits), setting.examples):
                for of_layer, name, grid in zip(maps, layers, grids, strict=True):
                    to_input = _to_input(grid, batch.inputs)
                    activations = _liveliest(grid.arranged(output_of(network, name, batch.inputs[part])[1]), channels)
                    seen = batch.inputs[part], activations, weights[part]
                    of_layer.append(score_cam(activations, _masked_scores(network, *seen, to_input, setting.examples)))
        brought = located.brought([torch.cat(m) for m in maps], batch.inputs)
        return Attributed(_finish(brought, relu), logits, unpromised(logits))

    return Prepared(function, located.placement, units="activation")


def _liveliest(activations: Tensor, channels: int) -> Tensor:
    """The channels of each token that vary most over the cells, in their own order; all where 0."""
    if not 0 < channels < activations.shape[1]:
        return activations
    chosen = activations.flatten(2).var(2).topk(channels, dim=1).indices.sort(1).values
    return torch.stack([each[numbers] for each, numbers in zip(activations, chosen, strict=True)])


def _masked_scores(
    network: nn.Module, inputs: Tensor, activations: Tensor, weights: Tensor, grid: list[Tensor], most: int
) -> Tensor:
    """Weighted logits of each input seen through each channel, shape (batch, channels)."""
    count, channels = activations.shape[:2]
    low, high = activations.flatten(2).amin(2), activations.flatten(2).amax(2)
    shape = (count, channels, *[1] * (activations.dim() - 2))
    masks = (activations - low.view(shape)) / (high - low).clamp_min(torch.finfo(low.dtype).tiny).view(shape)
    masks, scores = masks.flatten(0, 1), []
    for part in portions(count * channels, most):
        owner = torch.arange(part.start, part.stop, device=inputs.device).div(channels, rounding_mode="floor")
        mask = interpolated(masks[part], [matrix.to(masks) for matrix in grid])
        scores.append((network(inputs[owner] * mask[:, None]) * weights[owner]).sum(1))
    return torch.cat(scores).view(count, channels)


def _prepare(
    setting: Setting, method: LayerMap, layer: str, relu: bool, *, per_cell: bool = True, units: str = "logit"
) -> Prepared:
    network, layers = setting.classifier.network, choose_layers(setting, layer)
    located = Located(setting, layers, per_cell=per_cell)

    def brought(taps: list[tuple[Tensor, Tensor]], inputs: Tensor) -> Tensor:
        pairs = zip(located.grids(inputs), taps, strict=True)
        return located.brought([method(grid.arranged(a), grid.arranged(g)) for grid, (a, g) in pairs], inputs)

    def function(batch: Batch) -> Attributed:
        if len(batch.inputs) <= setting.examples:
            logits, taps = outputs_and_gradients(network, layers, batch.inputs, batch.weigh)
            return Attributed(_finish(brought(taps, batch.inputs), relu), logits, unpromised(logits))
        with torch.no_grad():
            logits = network_logits(network, batch.inputs, setting.examples)
        weights, maps = batch.weigh(logits), []
        for part in portions(len(logits), setting.examples):
            fixed = weights[part]
            _, taps = outputs_and_gradients(network, layers, batch.inputs[part], lambda _logits, fixed=fixed: fixed)
            maps.append(brought(taps, batch.inputs[part]))
        return Attributed(_finish(torch.cat(maps), relu), logits, unpromised(logits))

    return Prepared(function, located.placement, units=units)


def _finish(maps: Tensor, relu: bool) -> Tensor:
    return maps.clamp_min(0) if relu else maps


def choose_layers(setting: Setting, layer: str) -> list[str]:
    """Names of the layers to explain: those named, separated by plus signs, or for ``auto`` one that suits the network.

    That is the layer which is averaged before the logits; in networks of another build, and where attention has mixed
    the cells of that layer, see ``last_grid``.

    Raises
    ------
    AttributionError
        If a layer is named twice, or none can be placed.
    """
    network, inputs = setting.classifier.network, setting.probe
    if layer != "auto":
        layers = [own_name(network, name.strip()) for name in layer.split("+")]
        if len(set(layers)) != len(layers):
            raise AttributionError(f"layer {layer!r} names a layer twice; name each once")
        return layers

    def found() -> str:
        try:
            pooled = setting.once("pooled head", lambda: find_pooled_head(network, inputs)).layer
            mixed = _is_mixed(grid_of(network, pooled, inputs))
        except AttributionError:
            mixed, pooled = True, ""
        return last_grid(network, inputs) if mixed else pooled

    return [setting.once("layer", found)]


@torch.no_grad()
def last_grid(network: nn.Module, inputs: Tensor) -> str:
    """Name of the layer with more than one cell, in known places, that says best where evidence comes from.

    That is the last one before any attention through which all goes that the logits know; else the last before any
    attention that matters at all, or the last behind it: cells behind attention keep their place by name, but hold what
    comes from anywhere.

    Raises
    ------
    AttributionError
        If there is no such layer.
    """
    grids = {name: grid for name, grid in layer_grids(network, inputs).items() if name and _has_cells(grid)}
    if not grids:
        raise AttributionError(
            "this network has no layer whose cells can be placed in Hz and s; choose a method that works on the input, "
            "e.g. integrated-gradients"
        )
    latest = list(reversed(grids))
    unmixed = [name for name in latest if not _is_mixed(grids[name])]
    matters = (name for name in [*unmixed, *latest] if _matters(network, name, grids[name], inputs))
    narrow = (name for name in unmixed if _all_passes(network, name, inputs))
    return next(narrow, None) or next(matters, None) or latest[0]


def _is_mixed(grid: Grid) -> bool:
    """Whether attention, or the like, was added to the cells."""
    return any(cells.reach is not None for cells in grid.cells)


def _all_passes(network: nn.Module, layer: str, inputs: Tensor) -> bool:
    """Whether the logits know of the input by a layer alone: nothing of it goes around."""
    leaf = inputs[:1].clone().requires_grad_()

    def cut(_name: str, _module: nn.Module, _args: object, output: Tensor) -> Tensor:
        return output.detach()

    with hooked([(layer, named_layer(network, layer))], cut), evaluation_mode(network), torch.enable_grad():
        total = network(leaf.clone()).sum()
        return not total.requires_grad or torch.autograd.grad(total, leaf, allow_unused=True)[0] is None


def _has_cells(grid: Grid) -> bool:
    return any(cells.count > 1 for cells in grid.cells)


def _matters(network: nn.Module, layer: str, grid: Grid, inputs: Tensor) -> bool:
    """Whether the logits of a few inputs depend on the cells of a layer, in a way that can be differentiated.

    Scores of which a softmax over the cells is taken do not count: only their differences matter, and the mean gradient
    of such a layer is zero.
    """

    def predicted(logits: Tensor) -> Tensor:
        return functional.one_hot(logits.argmax(1), logits.shape[1]).to(logits)

    try:
        with evaluation_mode(network):
            _, ((_, gradient),) = outputs_and_gradients(network, [layer], inputs[:2], predicted)
    except AttributionError:
        return False
    gradient = grid.arranged(gradient).flatten(2)
    return bool(gradient.mean(2).abs().max() > 1e-4 * gradient.abs().max())


def _to_input(grid: Grid, inputs: Tensor) -> list[Tensor]:
    """Weights that take a map of a layer to the positions of the input, one matrix a dimension."""
    return [linear_weights(c.centres, np.arange(n)) for c, n in zip(grid.cells, inputs.shape[2:], strict=True)]
