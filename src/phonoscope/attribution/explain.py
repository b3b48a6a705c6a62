"""One call from a classifier and waveforms to maps in Hz and s; batching, placing and labelling happen here only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from phonoscope.attribution.maps import label_maps
from phonoscope.attribution.method import Ask, Batch, Prepared, Setting, make_batch, parse_method, prepare_method
from phonoscope.attribution.reference import Reference
from phonoscope.attribution.registry import METHODS, RECOMMENDED
from phonoscope.attribution.targets import Target, Targets, resolve_targets
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.modules import evaluation_mode

PREPARED_ON_TOKENS = 8


def methods() -> dict[str, str]:
    """Names of the methods with one line about each, in the order in which they find planted cues."""
    return {name: method.summary for name, method in METHODS.items()}


def explain_batches(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray],
    target: Target = "predicted",
    method: str = RECOMMENDED,
    *,
    true_labels: Sequence[str] | None = None,
    tokens: Sequence[str] | None = None,
    layer: str | None = None,
    reference: Sequence[np.ndarray] | None = None,
    context_seconds: float = 0.0,
    seed: int = 0,
    batch_size: int = 64,
) -> Iterator[xr.DataArray]:
    """Explain tokens batch by batch: memory does not grow with their number. See ``explain``."""
    ask = parse_method(method)
    if ask.name not in METHODS:
        raise AttributionError(f"method {ask.name!r} is not known; choose one of {', '.join(METHODS)}")
    innermost = ask
    while innermost.inner is not None:
        innermost = innermost.inner
    if layer is not None and innermost.name in METHODS and METHODS[innermost.name].family != "layer":
        of_layers = ", ".join(name for name, one in METHODS.items() if one.family == "layer")
        raise AttributionError(f"{innermost.name} makes no map of a layer; leave {layer!r} out, or choose {of_layers}")
    if len(waveforms) == 0:
        raise AttributionError("there is no token to explain")
    if batch_size < 1:
        raise AttributionError(f"batch_size is {batch_size}; it must be at least 1")
    names = [str(i) for i in range(len(waveforms))] if tokens is None else [str(t) for t in tokens]
    if len(names) != len(waveforms):
        raise AttributionError(f"{len(names)} token names were given for {len(waveforms)} waveforms")
    context = round(context_seconds * classifier.sample_rate)
    shortest = min(len(w) for w in waveforms)
    if context < 0 or 2 * context >= shortest:
        raise AttributionError(
            f"context_seconds is {context_seconds}, but the shortest waveform lasts "
            f"{shortest / classifier.sample_rate:.3f} s with its context on both sides"
        )
    targets = resolve_targets(classifier, target, len(waveforms), true_labels)
    with evaluation_mode(classifier):
        # The same first tokens whatever the size of a batch: the resolution is measured on them.
        first = _batch(classifier, waveforms[:PREPARED_ON_TOKENS], context, targets, slice(0, PREPARED_ON_TOKENS))
        known = [w[context : len(w) - context] for w in waveforms] if reference is None else reference
        setting = Setting(classifier, first, layer, Reference(classifier, known), seed)
        prepared = prepare_method(ask, setting, METHODS)
        for start in range(0, len(waveforms), batch_size):
            part = slice(start, min(start + batch_size, len(waveforms)))
            batch = _batch(classifier, waveforms[part], context, targets, part)
            yield _explain_batch(classifier, prepared, ask, batch, targets, part, names)


def _batch(
    classifier: Classifier, waveforms: Sequence[np.ndarray], context: int, targets: Targets, part: slice
) -> Batch:
    return make_batch(classifier, waveforms, context, lambda logits: targets.weights(logits, part))


def _explain_batch(
    classifier: Classifier,
    prepared: Prepared,
    ask: Ask,
    batch: Batch,
    targets: Targets,
    part: slice,
    names: Sequence[str],
) -> xr.DataArray:
    maps, logits, left = prepared.function(batch)
    weights = targets.weights(logits, part)
    explained = (logits * weights).sum(1)
    values = maps.float().cpu().numpy()
    if values.ndim == 2:  # a layer of a network that takes waveforms has cells in time only
        values = values[:, None]
    if not np.isfinite(values).all():
        raise AttributionError(f"method {str(ask)!r} gave values that are not finite; is the network's output finite?")
    axis = classifier.front_end.frequency_axis
    whole = axis is None or prepared.placement.layer == "sound"
    return label_maps(
        values,
        prepared.placement,
        tokens=names[part],
        durations=batch.token_lengths.cpu().numpy() / classifier.sample_rate,
        time_axis=classifier.front_end.time_axis,
        columns={
            "target": np.asarray(targets.named(logits, part), dtype=object),
            "predicted": np.asarray(classifier.labels, dtype=object)[logits.argmax(1).cpu().numpy()],
            "logit": explained.float().cpu().numpy(),
            "incompleteness": left.float().cpu().numpy(),
        },
        attrs={
            "units": prepared.units,
            "method": str(ask),
            "completeness": prepared.completeness,
            "max_hz": float(classifier.sample_rate / 2 if whole else axis.max_hz),
        },
    )


def explain(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray],
    target: Target = "predicted",
    method: str = RECOMMENDED,
    *,
    true_labels: Sequence[str] | None = None,
    tokens: Sequence[str] | None = None,
    layer: str | None = None,
    reference: Sequence[np.ndarray] | None = None,
    context_seconds: float = 0.0,
    seed: int = 0,
    batch_size: int = 64,
) -> xr.DataArray:
    """Say what a classifier listens to in each token: maps over frequency and time.

    Parameters
    ----------
    classifier
        The classifier; it is left as it was.
    waveforms
        1-D arrays at ``classifier.sample_rate``, one a token, with ``context_seconds`` around it.
    target
        ``"predicted"``, ``"true"`` (with ``true_labels``), a class, ``contrast("i", "er")``, or one class a token.
    method
        One of ``methods()``, with options if need be: ``"integrated-gradients(baseline=floor, steps=8)"``; methods that
        work around another take it in brackets: ``"smooth(gradient, samples=16)"``.
    tokens
        Names of the tokens, for the ``token`` coordinate.
    layer
        Layer of the network, for methods that make maps of one; the method's own choice by default.
    reference
        Waveforms (without context) that stand for the speech that the classifier knows, e.g. training tokens: methods
        put their mean in the place of what they take away. By default the explained tokens themselves; at most 128
        are used.
    context_seconds
        Sound before and after each token, which methods that filter the sound need for clean edges (`cut` gives it).
        The network hears the token alone.
    seed
        Seed of methods that draw at random; what is drawn for a token depends on its samples and the seed alone.
    batch_size
        Tokens at a time; the result does not depend on it.

    Returns
    -------
    DataArray
        Raw, signed, in logit units (``attrs["units"]``), dims (token, frequency, time). ``frequency`` is in Hz, at
        the receptive-field centres of the cells; ``time`` is the share of the token for stretched front ends, and the
        coordinate ``seconds`` (token, time) is in s. Further coordinates: ``target``, ``predicted``, ``logit``,
        ``incompleteness`` (NaN for methods that promise no sum) and ``duration`` of each token. ``attrs`` hold layer,
        cell spacing, theoretical field and measured resolution.

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
        reference=reference,
        context_seconds=context_seconds,
        seed=seed,
        batch_size=batch_size,
    )
    return xr.concat(list(batches), dim="token", combine_attrs="override", join="override")
