"""One call from a classifier and waveforms to maps in Hz and s; batching, placing and labelling happen here only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from phonoscope.attribution.maps import label_maps
from phonoscope.attribution.method import Ask, Setting, make_batch, parse_method, prepare_method
from phonoscope.attribution.reference import Reference
from phonoscope.attribution.registry import METHODS, RECOMMENDED
from phonoscope.attribution.targets import Target, Targets, resolve_targets
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.modules import evaluation_mode

PREPARED_ON_TOKENS = 8
BATCH_SIZE = 64


def methods() -> dict[str, str]:
    """Names of the methods with one line about each, in the order in which they find planted cues."""
    return {name: method.summary for name, method in METHODS.items()}


class Explainer:
    """A method made ready for a classifier, which then makes maps of any tokens, a batch at a time.

    Parameters
    ----------
    first
        A few tokens with their context: the resolution of the maps is measured on them.
    first_targets
        Their targets.
    reference, layer, context_seconds, seed
        See ``explain``.

    Raises
    ------
    AttributionError
        If the method is not known or does not suit the network.
    """

    def __init__(
        self,
        classifier: Classifier,
        method: str,
        *,
        first: Sequence[np.ndarray],
        first_targets: Targets,
        reference: Sequence[np.ndarray],
        layer: str | None = None,
        context_seconds: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.classifier, self._context_seconds = classifier, context_seconds
        self._ask = _known(method, layer)
        self._check_context(first)
        with evaluation_mode(classifier):
            batch = make_batch(classifier, first, self._context, first_targets.weights)
            setting = Setting(classifier, batch, layer, Reference(classifier, reference), seed)
            self._prepared = prepare_method(self._ask, setting, METHODS)

    @property
    def _context(self) -> int:
        return round(self._context_seconds * self.classifier.sample_rate)

    def _check_context(self, waveforms: Sequence[np.ndarray]) -> None:
        shortest = min(len(waveform) for waveform in waveforms)
        if self._context < 0 or 2 * self._context >= shortest:
            raise AttributionError(
                f"context_seconds is {self._context_seconds}, but the shortest waveform lasts "
                f"{shortest / self.classifier.sample_rate:.3f} s with its context on both sides"
            )

    def __call__(self, waveforms: Sequence[np.ndarray], targets: Targets, names: Sequence[str]) -> xr.DataArray:
        """Make maps of the tokens of one batch; see ``explain`` for what comes back."""
        classifier, prepared = self.classifier, self._prepared
        self._check_context(waveforms)
        with evaluation_mode(classifier):
            batch = make_batch(classifier, waveforms, self._context, targets.weights)
            maps, logits, left = prepared.function(batch)
        explained = (logits * targets.weights(logits)).sum(1)
        values = maps.float().cpu().numpy()
        if values.ndim == 2:  # a layer of a network that takes waveforms has cells in time only
            values = values[:, None]
        if not np.isfinite(values).all():
            raise AttributionError(
                f"method {str(self._ask)!r} gave values that are not finite; is the network's output finite?"
            )
        axis = classifier.front_end.frequency_axis
        whole = axis is None or prepared.placement.layer == "sound"
        return label_maps(
            values,
            prepared.placement,
            tokens=names,
            durations=batch.token_lengths.cpu().numpy() / classifier.sample_rate,
            time_axis=classifier.front_end.time_axis,
            columns={
                "target": np.asarray(targets.named(logits), dtype=object),
                "predicted": np.asarray(classifier.labels, dtype=object)[logits.argmax(1).cpu().numpy()],
                "logit": explained.float().cpu().numpy(),
                "incompleteness": left.float().cpu().numpy(),
            },
            attrs={
                "units": prepared.units,
                "method": str(self._ask),
                "completeness": prepared.completeness,
                "max_hz": float(classifier.sample_rate / 2 if whole else axis.max_hz),
            },
        )


def _known(method: str, layer: str | None) -> Ask:
    """Read a method and refuse one that is not known, or a layer for a method that makes no map of one."""
    ask = parse_method(method)
    if ask.name not in METHODS:
        raise AttributionError(f"method {ask.name!r} is not known; choose one of {', '.join(METHODS)}")
    innermost = ask
    while innermost.inner is not None:
        innermost = innermost.inner
    if layer is not None and innermost.name in METHODS and METHODS[innermost.name].family != "layer":
        of_layers = ", ".join(name for name, one in METHODS.items() if one.family == "layer")
        raise AttributionError(f"{innermost.name} makes no map of a layer; leave {layer!r} out, or choose {of_layers}")
    return ask


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
    batch_size: int = BATCH_SIZE,
) -> Iterator[xr.DataArray]:
    """Explain tokens batch by batch: memory does not grow with their number. See ``explain``."""
    _known(method, layer)
    if len(waveforms) == 0:
        raise AttributionError("there is no token to explain")
    if batch_size < 1:
        raise AttributionError(f"batch_size is {batch_size}; it must be at least 1")
    names = [str(i) for i in range(len(waveforms))] if tokens is None else [str(t) for t in tokens]
    if len(names) != len(waveforms):
        raise AttributionError(f"{len(names)} token names were given for {len(waveforms)} waveforms")
    targets = resolve_targets(classifier, target, len(waveforms), true_labels)
    context = round(context_seconds * classifier.sample_rate)
    # The same first tokens whatever the size of a batch.
    first = slice(0, PREPARED_ON_TOKENS)
    explainer = Explainer(
        classifier,
        method,
        first=waveforms[first],
        first_targets=targets.of(first),
        reference=[w[context : len(w) - context] for w in waveforms] if reference is None else reference,
        layer=layer,
        context_seconds=context_seconds,
        seed=seed,
    )
    for start in range(0, len(waveforms), batch_size):
        part = slice(start, min(start + batch_size, len(waveforms)))
        yield explainer(waveforms[part], targets.of(part), names[part])


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
    batch_size: int = BATCH_SIZE,
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
