"""One call from a classifier and waveforms to maps in Hz and s; batching, placing and labelling happen here only."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from torch import Tensor

from phonoscope.attribution.maps import MEASURED_CELLS, joined, label_maps
from phonoscope.attribution.method import Attributed, Setting, make_batch, prepare_method
from phonoscope.attribution.method_spec import parse_method
from phonoscope.attribution.registry import RECOMMENDED, WITHOUT_GRADIENTS
from phonoscope.attribution.scaling import NO_SCALING, checked_scaling
from phonoscope.attribution.targets import Target, Targets, resolve_targets
from phonoscope.classifier import Classifier
from phonoscope.errors import (
    AttributionError,
    ClassifierError,
    EmptyMapWarning,
    IncompleteMapWarning,
    ShortSoundError,
)
from phonoscope.frontends import as_samples, in_batches, listed_waveforms, warn_of_cuts
from phonoscope.models.places import hears_texts, places_in_inputs
from phonoscope.modules import evaluation_mode
from phonoscope.reference import choose_reference

BATCH_SIZE = 64
# Of the range of a token's logits: a map that misses more of its sum than this says so.
_MOST_MISSING = 0.02
# A text alone falls to nothing along the way to a baseline; what two texts share goes the same way and cancels.
_CONTRAST_TEXTS = ". Of one text alone that is usual: explain a contrast of two, e.g. contrast('bad', 'bed')"


class Explainer:
    """A method made ready for a classifier, which then makes maps of any tokens, a batch at a time.

    Parameters
    ----------
    classifier, method, reference, context_seconds, seed
        See ``explain``.
    measured_cells
        See `Setting`.

    Raises
    ------
    AttributionError
        If the method is not known or does not suit the network.
    """

    def __init__(
        self,
        classifier: Classifier,
        method: str | None = None,
        *,
        reference: Sequence[np.ndarray] | None = None,
        context_seconds: float = 0.0,
        seed: int = 0,
        measured_cells: int = MEASURED_CELLS,
    ) -> None:
        self.classifier, self._context_seconds = classifier, context_seconds
        with evaluation_mode(classifier):
            known = choose_reference(classifier, reference)
            self._setting = Setting(classifier, known, seed, measured_cells=measured_cells)
        self._prepare(recommended_method(classifier) if method is None else method)

    def with_method(self, method: str) -> Explainer:
        """Make another method ready for the same classifier; what is known of its network is not found out again."""
        other = copy.copy(self)
        other._prepare(method)
        return other

    def _prepare(self, method: str) -> None:
        classifier, self._spec, self._warned = self.classifier, parse_method(method), False
        self._warned_of_empty = False
        with evaluation_mode(classifier):
            self._prepared = prepare_method(self._spec, self._setting)
            self._scaling = NO_SCALING
            if self._prepared.reads == "sounds":
                self._scaling = checked_scaling(classifier, str(self._spec))

    def batches(
        self,
        waveforms: Sequence[np.ndarray] | np.ndarray,
        target: Target = "predicted",
        *,
        true_labels: Sequence[str] | None = None,
        tokens: Sequence[str] | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> Iterator[xr.DataArray]:
        """Explain tokens batch by batch: memory does not grow with their number.

        Parameters
        ----------
        waveforms, target, true_labels, tokens, batch_size
            See ``explain``.
        """
        sounds = listed_waveforms(waveforms, AttributionError)
        if len(sounds) == 0:
            raise AttributionError("there is no token to explain")
        if batch_size < 1:
            raise AttributionError(f"batch_size is {batch_size}; it must be at least 1")
        names = [str(i) for i in range(len(sounds))] if tokens is None else [str(t) for t in tokens]
        if len(names) != len(sounds):
            raise AttributionError(f"{len(names)} token names were given for {len(sounds)} waveforms")
        context = 2 * round(self._context_seconds * self.classifier.sample_rate)
        lengths = np.array([np.size(sound) for sound in sounds]) - context
        warn_of_cuts(self.classifier.front_end, lengths / self.classifier.sample_rate)
        targets = resolve_targets(self.classifier, target, len(sounds), true_labels)
        for part in in_batches(self.classifier.front_end, len(sounds), batch_size, lambda i: len(sounds[i])):
            yield self(sounds[part], targets.of(part), names[part])

    def __call__(self, waveforms: Sequence[np.ndarray], targets: Targets, names: Sequence[str]) -> xr.DataArray:
        """Make maps of the tokens of one batch; see ``explain`` for what comes back.

        Parameters
        ----------
        targets
            Of these tokens.
        names
            Of the tokens.
        """
        classifier, prepared = self.classifier, self._prepared
        context = round(self._context_seconds * classifier.sample_rate)
        sounds = _checked(waveforms, names, context, classifier.sample_rate)
        with evaluation_mode(classifier):
            self._setting.samples = max(len(sound) for sound in sounds)
            batch = make_batch(classifier, sounds, context, targets.weights)
            try:
                made = prepared.function(batch)
            except ShortSoundError as error:  # those of a batch are then equally long
                raise AttributionError(f"token {names[0]}: {error}") from error
        logits = made.logits
        explained = (logits * targets.weights(logits)).sum(1)
        values = made.maps.float().cpu().numpy()
        if values.ndim == 2:  # a layer of a network that takes waveforms has cells in time only
            values = values[:, None]
        if not np.isfinite(values).all():
            raise AttributionError(
                f"method {str(self._spec)!r} gave values that are not finite; is the network's output finite?"
            )
        self._warn_of_what_is_missing(made, names)
        self._warn_of_empty_maps(values, names)
        durations = batch.token_lengths.cpu().numpy() / classifier.sample_rate
        places = self._places(batch.inputs, durations, targets.weights(logits)) if hears_texts(classifier) else {}
        axis = classifier.front_end.frequency_axis
        whole = axis is None or prepared.placement.layer == "sound"
        return label_maps(
            values,
            prepared.placement,
            tokens=names,
            durations=durations,
            time_axis=classifier.front_end.time_axis,
            columns={
                "target": np.asarray(targets.named(logits), dtype=object),
                "predicted": np.asarray(classifier.labels, dtype=object)[logits.argmax(1).cpu().numpy()],
                "logit": explained.float().cpu().numpy(),
                "incompleteness": made.left.float().cpu().numpy(),
                **places,
            },
            attrs={
                "units": prepared.units.replace("logit", classifier.unit),
                "method": str(self._spec),
                "completeness": prepared.completeness,
                "scaling": self._scaling,
                "reference": self._setting.reference.source,
                "max_hz": float(classifier.sample_rate / 2 if whole else axis.max_hz),
            },
        )

    def _places(self, inputs: Tensor, durations: np.ndarray, weights: Tensor) -> dict[str, np.ndarray]:
        """Start and end (s) of the text that is explained in each token; NaN where the model does not tell them."""
        found = np.full((len(durations), 2), np.nan)
        try:
            with evaluation_mode(self.classifier):
                found = places_in_inputs(self.classifier, inputs, durations)[
                    np.arange(len(durations)), weights.argmax(1).cpu().numpy()
                ]
        except ClassifierError:
            pass  # maps need no places
        return {"text_start": found[:, 0], "text_end": found[:, 1]}

    def _warn_of_what_is_missing(self, made: Attributed, names: Sequence[str]) -> None:
        """Warn once of a map that does not sum to what its method promises."""
        spread: Tensor = made.logits.amax(1) - made.logits.amin(1)
        if made.logits.shape[1] == 1:
            spread = made.logits[:, 0].abs()
        missing = (made.left.abs() / spread.clamp_min(1e-12)).nan_to_num(0.0)
        worst = int(missing.argmax())
        if self._warned or float(missing[worst]) <= _MOST_MISSING:
            return
        self._warned = True
        warnings.warn(
            f"{self._spec}: the map of token {names[worst]} misses its sum ({self._prepared.completeness}) by "
            f"{float(missing[worst]):.0%} of the range of the token's logits, and others may; see the coordinate "
            f"'incompleteness' (reference: {self._setting.reference.source})"
            f"{_CONTRAST_TEXTS if self.classifier.scores == 'texts' else ''}",
            IncompleteMapWarning,
            stacklevel=2,
        )

    def _warn_of_empty_maps(self, values: np.ndarray, names: Sequence[str]) -> None:
        """Warn once of a map that is zero everywhere, where another method of the same token need not be."""
        empty = np.flatnonzero(~values.reshape(len(values), -1).any(axis=1))
        if self._warned_of_empty or not len(empty):
            return
        self._warned_of_empty = True
        warnings.warn(
            f"{self._spec}: the map of token {names[empty[0]]} is zero everywhere ({len(empty)} of {len(names)}): "
            "this method finds nothing that speaks for the target, and some methods drop all that speaks against it. "
            "Ask another one, e.g. integrated-gradients, or explain a contrast",
            EmptyMapWarning,
            stacklevel=2,
        )


def recommended_method(classifier: Classifier) -> str:
    """Method that makes maps where none is named: one without gradients for black boxes."""
    return RECOMMENDED if getattr(classifier.network, "differentiable", True) else WITHOUT_GRADIENTS


def explain(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray] | np.ndarray,
    target: Target = "predicted",
    method: str | None = None,
    *,
    true_labels: Sequence[str] | None = None,
    tokens: Sequence[str] | None = None,
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
        1-D arrays at ``classifier.sample_rate``, one a token, with ``context_seconds`` around it; or one such array.
    target
        ``"predicted"``, ``"true"`` (with ``true_labels``), a class by name or by its position among the labels,
        ``contrast("i", "er")``, or one class a token.
    method
        `recommended_method` by default; one of ``methods()``, or ``package.module:name`` of your own, with options if
        need be: ``"integrated-gradients(baseline=floor, steps=8)"``, ``"grad-cam(layer=features.3)"``; methods that
        work around another take it in brackets: ``"smooth(gradient, samples=16)"``.
    true_labels
        True class of each token, for the target ``"true"``.
    tokens
        Names of the tokens, for the ``token`` coordinate.
    reference
        Waveforms (without context) that stand for the speech that the classifier knows: methods put their mean in the
        place of what they take away. By default what the classifier carries of its training tokens
        (``Classifier.keep_reference``), or silence where it carries nothing; at most 128 are used.
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
        ``incompleteness`` (NaN for methods that promise no sum) and ``duration`` of each token. Where texts are
        compared, ``text_start`` and ``text_end`` (s) say where the model itself hears the marked part of the text that
        is explained, the first of a contrast; NaN where it does not tell. ``attrs`` hold layer, cell spacing,
        theoretical field, measured resolution, where the reference comes from, and for methods that change the sound
        whether the front end's ``scaling`` of each token was held: ``none``, ``held``, ``not held``.

    Raises
    ------
    AttributionError
        If the method is not known or does not suit the network, or the waveforms or the target are not as expected.

    Warns
    -----
    CutSoundWarning
        If tokens are longer than the front end takes.
    EmptyMapWarning
        If a map is zero everywhere.
    IncompleteMapWarning
        If a map misses what its method promises that it sums to by more than 2 % of the range of the token's logits.
    ScalingWarning
        If the method changes the sound and the front end scales each token without a way to hold that still.
    """
    explainer = Explainer(classifier, method, reference=reference, context_seconds=context_seconds, seed=seed)
    batches = explainer.batches(waveforms, target, true_labels=true_labels, tokens=tokens, batch_size=batch_size)
    return joined(batches)


def _checked(waveforms: Sequence[np.ndarray], names: Sequence[str], context: int, sample_rate: int) -> list[np.ndarray]:
    """Waveforms of a batch as single-precision arrays; AttributionError names the one that is none."""
    sounds = []
    for name, waveform in zip(names, waveforms, strict=True):
        sound = as_samples(waveform, f"the waveform of token {name}", AttributionError)
        if context < 0 or 2 * context >= len(sound):
            raise AttributionError(
                f"context_seconds is {context / sample_rate:g}, but the waveform of token {name} lasts "
                f"{len(sound) / sample_rate:.3f} s with its context on both sides"
            )
        sounds.append(sound)
    return sounds
