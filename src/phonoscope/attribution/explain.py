"""One call from a classifier and waveforms to maps in Hz and s; batching, placing and labelling happen here only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from phonoscope.attribution.cam import class_activation_maps, find_pooled_head
from phonoscope.attribution.maps import Placement, label_maps, place
from phonoscope.attribution.taps import tapped
from phonoscope.attribution.targets import Target, Targets, resolve_targets
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.frontends import pad_waveforms
from phonoscope.modules import evaluation_mode

# Given network inputs and a function from logits to target weights: raw maps (batch, *spatial), logits (batch,
# classes) and what completeness leaves over (batch,), i.e. logit of the target minus what the map sums to.
MapFunction = Callable[[Tensor, Callable[[Tensor], Tensor]], tuple[Tensor, Tensor, Tensor]]


PREPARED_ON_TOKENS = 8


@dataclass(frozen=True)
class Prepared:
    """A method made ready for one classifier: the function to run on batches, and where its cells lie."""

    function: MapFunction
    placement: Placement
    completeness: str


def _prepare_cam(classifier: Classifier, inputs: Tensor, layer: str | None) -> Prepared:
    network = classifier.network
    head = find_pooled_head(network, inputs)
    if layer is not None and layer != head.layer:
        raise AttributionError(
            f"class activation maps exist for layer {head.layer!r} only, the one that is averaged before the logits; "
            f"layer {layer!r} was asked for"
        )

    def function(batch: Tensor, weigh: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        with torch.no_grad(), tapped(network, head.layer) as tap:
            logits = network(batch)
            target_weights = weigh(logits)
            class_weights, bias = head.class_weights(network, target_weights)
            maps = class_activation_maps(tap.output, class_weights)
        left = (logits * target_weights).sum(1) - bias - maps.flatten(1).mean(1)
        return maps, logits, left

    return Prepared(function, place(classifier, head.layer, inputs), "mean of the map + bias = logit of the target")


@dataclass(frozen=True)
class Method:
    """One way to make maps: its name, one line about it, and how it is made ready for a classifier."""

    name: str
    summary: str
    prepare: Callable[[Classifier, Tensor, str | None], Prepared]


METHODS: dict[str, Method] = {
    "cam": Method("cam", "class activation map (Zhou et al. 2016): exact, as coarse as the last layer", _prepare_cam),
}


def methods() -> dict[str, str]:
    """Names of the methods with one line about each."""
    return {name: method.summary for name, method in METHODS.items()}


def explain_batches(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray],
    target: Target = "predicted",
    method: str = "cam",
    *,
    true_labels: Sequence[str] | None = None,
    tokens: Sequence[str] | None = None,
    layer: str | None = None,
    batch_size: int = 64,
) -> Iterator[xr.DataArray]:
    """Explain tokens batch by batch: memory does not grow with their number. See ``explain``."""
    if method not in METHODS:
        raise AttributionError(f"method {method!r} is not known; choose one of {', '.join(METHODS)}")
    if len(waveforms) == 0:
        raise AttributionError("there is no token to explain")
    if batch_size < 1:
        raise AttributionError(f"batch_size is {batch_size}; it must be at least 1")
    names = [str(i) for i in range(len(waveforms))] if tokens is None else [str(t) for t in tokens]
    if len(names) != len(waveforms):
        raise AttributionError(f"{len(names)} token names were given for {len(waveforms)} waveforms")
    targets = resolve_targets(classifier, target, len(waveforms), true_labels)
    with evaluation_mode(classifier):
        # The same first tokens whatever the size of a batch: the resolution is measured on them.
        first = classifier.inputs(*pad_waveforms(waveforms[:PREPARED_ON_TOKENS]))
        prepared = METHODS[method].prepare(classifier, first, layer)
        for part, inputs in classifier.batches(waveforms, batch_size):
            yield _explain_batch(classifier, prepared, method, waveforms, part, inputs, targets, names)


def _explain_batch(
    classifier: Classifier,
    prepared: Prepared,
    method: str,
    waveforms: Sequence[np.ndarray],
    part: slice,
    inputs: Tensor,
    targets: Targets,
    names: Sequence[str],
) -> xr.DataArray:
    maps, logits, left = prepared.function(inputs, lambda logits: targets.weights(logits, part))
    weights = targets.weights(logits, part)
    explained = (logits * weights).sum(1)
    values = maps.float().cpu().numpy()
    if not np.isfinite(values).all():
        raise AttributionError(f"method {method!r} gave values that are not finite; is the network's output finite?")
    axis = classifier.front_end.frequency_axis
    durations = np.array([len(w) for w in waveforms[part]]) / classifier.sample_rate
    return label_maps(
        values,
        prepared.placement,
        tokens=names[part],
        durations=durations,
        time_axis=classifier.front_end.time_axis,
        columns={
            "target": np.asarray(targets.named(logits, part), dtype=object),
            "predicted": np.asarray(classifier.labels, dtype=object)[logits.argmax(1).cpu().numpy()],
            "logit": explained.float().cpu().numpy(),
            "incompleteness": left.float().cpu().numpy(),
        },
        attrs={
            "units": "logit",
            "method": method,
            "completeness": prepared.completeness,
            "max_hz": float(classifier.front_end.sample_rate / 2 if axis is None else axis.max_hz),
        },
    )


def explain(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray],
    target: Target = "predicted",
    method: str = "cam",
    *,
    true_labels: Sequence[str] | None = None,
    tokens: Sequence[str] | None = None,
    layer: str | None = None,
    batch_size: int = 64,
) -> xr.DataArray:
    """Say what a classifier listens to in each token: maps over frequency and time.

    Parameters
    ----------
    classifier
        The classifier; it is left as it was.
    waveforms
        1-D arrays at ``classifier.sample_rate``, one a token.
    target
        ``"predicted"``, ``"true"`` (with ``true_labels``), a class, ``contrast("i", "er")``, or one class a token.
    method
        One of ``methods()``.
    tokens
        Names of the tokens, for the ``token`` coordinate.
    batch_size
        Tokens at a time; the result does not depend on it.

    Returns
    -------
    DataArray
        Raw, signed, in logit units, dims (token, frequency, time). ``frequency`` is in Hz, at the receptive-field
        centres of the cells; ``time`` is the share of the token for stretched front ends, and the coordinate
        ``seconds`` (token, time) is in s. Further coordinates: ``target``, ``predicted``, ``logit``,
        ``incompleteness`` and ``duration`` of each token. ``attrs`` hold layer, cell spacing, theoretical field and
        measured resolution.

    Raises
    ------
    AttributionError
        If the method is not known or does not suit the network, or there is no token.
    """
    batches = explain_batches(
        classifier,
        waveforms,
        target,
        method,
        true_labels=true_labels,
        tokens=tokens,
        layer=layer,
        batch_size=batch_size,
    )
    return xr.concat(list(batches), dim="token", combine_attrs="override", join="override")
