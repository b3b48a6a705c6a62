"""What a method of attribution is given, and what it gives back; `Method` says how the parts belong together."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from phonoscope.attribution.maps import MEASURED_CELLS, Placement
from phonoscope.attribution.method_spec import MethodSpec
from phonoscope.attribution.passes import examples_at_a_time, usual_memory
from phonoscope.attribution.registry import METHODS, Method, find_method
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.frontends import pad_waveforms
from phonoscope.reference import Reference

TargetWeights = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Batch:
    """Tokens to explain together.

    Parameters
    ----------
    sounds
        Waveforms with their context, zero-padded, shape (batch, samples).
    lengths
        Samples of each sound with its context, shape (batch,).
    context
        Samples before and after each token.
    inputs
        Network inputs of the tokens (without context), standardised, shape (batch, channels, *spatial).
    seeds
        One number a token for whatever is drawn at random for it; it depends on the token's samples alone, so that
        neither the order of the tokens nor the size of a batch changes a map.
    weigh
        From logits of the untouched tokens (batch, classes) to the weights of the target, same shape.
    """

    sounds: Tensor
    lengths: Tensor
    context: int
    inputs: Tensor
    seeds: tuple[int, ...]
    weigh: TargetWeights

    @property
    def tokens(self) -> Tensor:
        """Waveforms without their context, shape (batch, samples); what lies behind ``token_lengths`` is not theirs."""
        return self.sounds[:, self.context :] if self.context else self.sounds

    @property
    def token_lengths(self) -> Tensor:
        """Samples of each token, shape (batch,)."""
        return self.lengths - 2 * self.context


@torch.no_grad()
def make_batch(classifier: Classifier, waveforms: Sequence[np.ndarray], context: int, weigh: TargetWeights) -> Batch:
    """Make the batch of a few tokens.

    Parameters
    ----------
    classifier
        Its front end makes the network inputs; all is put on its device.
    waveforms
        1-D arrays with ``context`` samples on either side.
    context
        Samples before and after each token.
    weigh
        See ``Batch``.
    """
    padded, lengths = pad_waveforms(waveforms)
    sounds, lengths = padded.to(classifier.device), lengths.to(classifier.device)
    alone = (np.ascontiguousarray(w[context : len(w) - context], dtype=np.float32) for w in waveforms)
    seeds = tuple(zlib.crc32(token.tobytes()) for token in alone)
    inputs = classifier.inputs(sounds[:, context:], lengths - 2 * context)
    return Batch(sounds, lengths, context, inputs, seeds, weigh)


def network_inputs(
    classifier: Classifier, batch: Batch, sounds: Tensor, lengths: Tensor | None = None, level: Tensor | None = None
) -> Tensor:
    """Network inputs of sounds that have the context of the batch, through the untouched front end.

    Parameters
    ----------
    classifier
        Its front end makes the inputs.
    batch
        Gives the context, and the lengths where none are given.
    sounds
        Shape (n, samples), with context.
    lengths
        Samples of each with context, shape (n,); those of the batch by default.
    level
        What the front end is to scale each by, shape (n,), see ``scaling.py``; each one's own by default.
    """
    lengths = batch.lengths if lengths is None else lengths
    return classifier.inputs(sounds[:, batch.context :], lengths - 2 * batch.context, level)


class Attributed(NamedTuple):
    """Maps (batch, frequency, time), logits of the untouched tokens (batch, classes), and what is left over.

    ``left`` (batch,) is the difference between what the map should sum to and what it does; NaN for methods that make
    no such promise.
    """

    maps: Tensor
    logits: Tensor
    left: Tensor


@dataclass(frozen=True)
class Prepared:
    """A method made ready for one classifier.

    Parameters
    ----------
    function
        From a batch to its maps.
    placement
        Where the cells lie.
    completeness
        What the maps sum to, in words; empty for methods that make no such promise.
    units
        Of the maps.
    reads
        Where the method meets the signal: ``inputs`` (of the network) or ``sounds``. Noise is added there.
    """

    function: Callable[[Batch], Attributed]
    placement: Placement
    completeness: str = ""
    units: str = "logit"
    reads: str = "inputs"


@dataclass
class Setting:
    """What a method may use to make itself ready.

    Parameters
    ----------
    reference
        What stands for the speech that the classifier knows.
    seed
        Seed of everything drawn at random.
    memory_bytes
        What the passes of one batch may take; what suits the device by default.
    samples
        Of the longest sound at hand, where inputs are as long as sounds: the longer, the fewer at a time.
    measured_cells
        Cells of one dimension of a layer whose effective width is measured; each costs a backward pass.
    """

    classifier: Classifier
    reference: Reference
    seed: int = 0
    memory_bytes: int | None = None
    samples: int = 0
    measured_cells: int = MEASURED_CELLS
    _found: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def once(self, what: Hashable, find: Callable[[], Any]) -> Any:
        """What was found out about the network, by a name: methods that share a setting share it."""
        if what not in self._found:
            self._found[what] = find()
        return self._found[what]

    @cached_property
    def probe(self) -> Tensor:
        """A few network inputs to look at layers with, the same whatever is explained: (n, channels, *spatial)."""
        return self.reference.probe(self.classifier)

    @property
    def examples(self) -> int:
        """Network inputs that go through the network at a time, so that a pass fits the memory."""
        if not self.classifier.front_end.natural:
            return max(1, int(self._like_the_probe))
        return max(1, int(self._like_the_probe * self._probe_samples / max(self.samples, self._probe_samples)))

    @cached_property
    def _like_the_probe(self) -> float:
        """Inputs as large as the probe that fit the memory."""
        return examples_at_a_time(self.classifier.network, self.probe, self.memory)

    @property
    def _probe_samples(self) -> int:
        return round(self.reference.seconds * self.classifier.sample_rate)

    @property
    def memory(self) -> int:
        """What the passes of one batch may take, bytes."""
        return usual_memory(self.classifier.device) if self.memory_bytes is None else self.memory_bytes

    def class_number(self, label: str | None) -> int | None:
        """Position of a class among the labels; None for no label."""
        return self.classifier.index_of(label) if label else None


def prepare_method(spec: MethodSpec, setting: Setting, methods: Mapping[str, Method] = METHODS) -> Prepared:
    """Make a method ready for a classifier.

    Parameters
    ----------
    spec
        Name and options of the method, and the method that it wraps.
    setting
        What the method may use to make itself ready.
    methods
        By name.

    Raises
    ------
    AttributionError
        If the method or an option is not known, a value is not of the option's kind, or a wrapper has nothing to wrap.
    """
    method = find_method(spec, methods)
    known = method.options
    options = {**known, **{name: _value(spec, known, name, value) for name, value in spec.options.items()}}
    inner = [] if spec.inner is None else [prepare_method(spec.inner, setting, methods)]
    return method.function(setting, *inner, **options)


def _value(spec: MethodSpec, known: Mapping[str, Any], name: str, value: str) -> Any:
    if name not in known:
        has = f"its options: {', '.join(f'{k}={v}' for k, v in known.items())}" if known else "it has none"
        raise AttributionError(f"{spec.name} has no option {name!r}; {has}")
    kind = type(known[name])
    try:
        if kind is bool:
            return {"yes": True, "true": True, "no": False, "false": False}[value.lower()]
        return kind(value)
    except (ValueError, KeyError) as error:
        raise AttributionError(f"{spec.name}({name}={value}): expected a value like {known[name]!r}") from error


def unpromised(logits: Tensor) -> Tensor:
    """What is left over for a method that promises no sum: NaN, shape (batch,)."""
    return torch.full_like(logits[:, 0], torch.nan)
