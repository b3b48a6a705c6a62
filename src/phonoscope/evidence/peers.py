"""Maps as other libraries make and draw them, on the same axes: captum, grad-cam and torchcam with their defaults.

All of them treat a map of a layer as an image: the layer's grid is stretched over the picture, so that a cell is drawn
where its share of the picture is and not where its receptive field lies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn
from torch.nn import functional as F

from phonoscope.attribution.cam import find_pooled_head
from phonoscope.attribution.maps import input_placement, label_maps
from phonoscope.attribution.taps import output_of
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError, MissingExtraError
from phonoscope.frontends import FrontEnd, pad_waveforms
from phonoscope.modules import evaluation_mode, named_layer

# (classifier, inputs, layer, class indices) -> values on the grid of the input (batch, rows, columns); methods that
# look at no layer are given an empty name
PeerFunction = Callable[[Classifier, Tensor, str, Tensor], Tensor]


def _captum(classifier: Classifier, inputs: Tensor, layer: str, classes: Tensor) -> Tensor:
    """captum's LayerGradCam, and its own `interpolate` with the default mode (nearest)."""
    from captum.attr import LayerAttribution, LayerGradCam

    method = LayerGradCam(classifier.network, named_layer(classifier.network, layer))
    maps = method.attribute(inputs, target=classes)
    return LayerAttribution.interpolate(maps, tuple(inputs.shape[2:])).squeeze(1)


def _resized(classifier: Classifier, inputs: Tensor, layer: str, classes: Tensor) -> Tensor:
    """What grad-cam 1.5 does after Grad-CAM, where the package itself cannot be imported.

    ReLU, each map scaled from its minimum to its maximum, resized like a picture (bilinear, pixel centres at half
    pixels, as OpenCV's ``INTER_LINEAR``), and scaled again.
    """
    from captum.attr import LayerGradCam

    method = LayerGradCam(classifier.network, named_layer(classifier.network, layer))
    maps = _from_0_to_1(F.relu(method.attribute(inputs, target=classes)))
    return _from_0_to_1(F.interpolate(maps, tuple(inputs.shape[2:]), mode="bilinear", align_corners=False)).squeeze(1)


def _from_0_to_1(maps: Tensor) -> Tensor:
    """As ``scale_cam_image`` of grad-cam: minimum to 0, maximum to 1, a constant map to 0."""
    lowest = maps.amin(dim=(1, 2, 3), keepdim=True)
    return (maps - lowest) / (1e-7 + (maps - lowest).amax(dim=(1, 2, 3), keepdim=True))


def _grad_cam(classifier: Classifier, inputs: Tensor, layer: str, classes: Tensor) -> Tensor:
    """GradCAM of the package grad-cam, as it returns it."""
    package, targets = import_module("pytorch_grad_cam"), import_module("pytorch_grad_cam.utils.model_targets")
    wanted = [targets.ClassifierOutputTarget(int(index)) for index in classes]
    with package.GradCAM(model=classifier.network, target_layers=[named_layer(classifier.network, layer)]) as method:
        return torch.as_tensor(method(input_tensor=inputs, targets=wanted))


def _torchcam(name: str) -> PeerFunction:
    def function(classifier: Classifier, inputs: Tensor, layer: str, classes: Tensor) -> Tensor:
        """A method of torchcam with its normalisation, resized as its metrics do."""
        methods = import_module("torchcam.methods")
        with (
            torch.enable_grad(),
            getattr(methods, name)(classifier.network, layer, input_shape=inputs.shape[1:]) as cam,
        ):
            scores = classifier.network(inputs.clone().requires_grad_(True))
            (maps,) = cam([int(index) for index in classes], scores)
        resized = F.interpolate(maps[:, None].float(), tuple(inputs.shape[2:]), mode="bilinear", align_corners=False)
        return resized.squeeze(1).detach()

    return function


def _captum_on_inputs(name: str) -> PeerFunction:
    def function(classifier: Classifier, inputs: Tensor, _layer: str, classes: Tensor) -> Tensor:
        """A method of captum on the input, as it is called without a further argument (baselines are zeros)."""
        method = getattr(import_module("captum.attr"), name)(classifier.network)
        return method.attribute(inputs.clone().requires_grad_(True), target=classes).sum(1).detach()

    return function


STAND_IN = "resized Grad-CAM (stand-in for grad-cam)"
# Name, what must be importable, how it is made.
PEERS: dict[str, tuple[str, PeerFunction]] = {
    "captum IntegratedGradients": ("captum", _captum_on_inputs("IntegratedGradients")),
    "captum InputXGradient": ("captum", _captum_on_inputs("InputXGradient")),
    "captum Saliency": ("captum", _captum_on_inputs("Saliency")),
    "captum LayerGradCam": ("captum", _captum),
    "grad-cam GradCAM": ("pytorch_grad_cam", _grad_cam),
    "torchcam GradCAM": ("torchcam", _torchcam("GradCAM")),
    "torchcam CAM": ("torchcam", _torchcam("CAM")),
    STAND_IN: ("captum", _resized),
}
_ON_INPUTS = ("captum IntegratedGradients", "captum InputXGradient", "captum Saliency")


def importable_peers() -> tuple[list[str], dict[str, str]]:
    """Peers that can be run here, and those that cannot with the reason.

    The stand-in runs only where grad-cam itself cannot.
    """
    present, absent = [], {}
    for name, (module, _) in PEERS.items():
        try:
            import_module(module)
            present.append(name)
        except Exception as error:  # a library that is there but breaks on import is not there
            absent[name] = f"{type(error).__name__}: {error}"
    if "grad-cam GradCAM" in present and STAND_IN in present:
        present.remove(STAND_IN)
    return present, absent


def explain_like(
    peer: str, classifier: Classifier, waveforms: Sequence[np.ndarray], labels: Sequence[str]
) -> xr.DataArray:
    """Maps of a peer, placed as the peer places them: row i of the picture is row i of the spectrogram.

    Parameters
    ----------
    peer
        One of `PEERS`.
    classifier
        Takes pictures; for maps of a layer it ends in global average pooling and one linear layer.
    waveforms
        Of the tokens without context, 1-D.
    labels
        The class to explain in each token.

    Returns
    -------
    DataArray, dims (token, frequency, time)
        On the grid of the network's input.

    Raises
    ------
    MissingExtraError
        If its library cannot be imported.
    AttributionError
        If the network takes waveforms, or its layers do not suit the method.
    """
    module, function = PEERS[peer]
    if classifier.front_end.frequency_axis is None:
        raise AttributionError(f"{peer} draws on pictures; this network takes waveforms")
    try:
        import_module(module)
    except Exception as error:
        raise MissingExtraError(module, "bench") from error
    with evaluation_mode(classifier):
        with torch.no_grad():
            inputs = classifier.inputs(*pad_waveforms(waveforms))
        classes = torch.tensor([classifier.index_of(label) for label in labels])
        layer = "" if peer in _ON_INPUTS else _layer_of_pictures(peer, classifier.network, inputs)
        before = [parameter.grad for parameter in classifier.network.parameters()]
        try:
            values = function(classifier, inputs, layer, classes)
        finally:  # some of them fill the gradients of the weights
            for parameter, gradient in zip(classifier.network.parameters(), before, strict=True):
                parameter.grad = gradient
    return on_input_grid(classifier.front_end, values.detach().cpu().numpy(), waveforms, method=peer)


def _layer_of_pictures(peer: str, network: nn.Module, inputs: Tensor) -> str:
    """Name of the layer that is averaged before the logits, if its output is a picture."""
    layer = find_pooled_head(network, inputs).layer
    if output_of(network, layer, inputs[:1])[1].dim() != inputs.dim():
        raise AttributionError(f"{peer} draws layers that give pictures; layer {layer!r} gives a row of tokens")
    return layer


def on_input_grid(
    front_end: FrontEnd, values: np.ndarray, waveforms: Sequence[np.ndarray], *, method: str
) -> xr.DataArray:
    """Label values on the grid of the network's input with Hz and s.

    Parameters
    ----------
    front_end
        Makes pictures, and knows their axes.
    values : array (token, rows, columns)
    waveforms
        Of the tokens: they say how long these last.
    method
        What made the values.
    """
    axis: Any = front_end.frequency_axis
    return label_maps(
        values,
        input_placement(front_end),
        tokens=[str(k) for k in range(len(waveforms))],
        durations=np.array([len(waveform) for waveform in waveforms]) / front_end.sample_rate,
        time_axis=front_end.time_axis,
        columns={},
        attrs={"method": method, "max_hz": float(axis.max_hz)},
    )
