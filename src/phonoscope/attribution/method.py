"""What a method of attribution is: how it is asked for, what it is given, and what it gives back.

A method is one function ``prepare(setting, *, option=default, ...) -> Prepared`` and one line in the registry.
"""

from __future__ import annotations

import inspect
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from phonoscope.attribution.maps import Placement
from phonoscope.attribution.passes import examples_at_a_time
from phonoscope.attribution.reference import Reference
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.frontends import pad_waveforms

Weigh = Callable[[Tensor], Tensor]


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
    weigh: Weigh

    @property
    def tokens(self) -> Tensor:
        """Waveforms without their context, shape (batch, samples); what lies behind ``token_lengths`` is not theirs."""
        return self.sounds[:, self.context :] if self.context else self.sounds

    @property
    def token_lengths(self) -> Tensor:
        """Samples of each token, shape (batch,)."""
        return self.lengths - 2 * self.context

    def explaining(self, weights: Tensor) -> Batch:
        """Return the same batch with the target's weights fixed, whatever the logits of changed inputs are."""
        return replace(self, weigh=lambda _logits: weights)


@torch.no_grad()
def make_batch(classifier: Classifier, waveforms: Sequence[np.ndarray], context: int, weigh: Weigh) -> Batch:
    """Make the batch of a few tokens.

    Parameters
    ----------
    waveforms
        1-D arrays with ``context`` samples on either side.
    weigh
        See ``Batch``.
    """
    padded, lengths = pad_waveforms(waveforms)
    sounds, lengths = padded.to(classifier.device), lengths.to(classifier.device)
    alone = (np.ascontiguousarray(w[context : len(w) - context], dtype=np.float32) for w in waveforms)
    seeds = tuple(zlib.crc32(token.tobytes()) for token in alone)
    inputs = classifier.inputs(sounds[:, context:], lengths - 2 * context)
    return Batch(sounds, lengths, context, inputs, seeds, weigh)


def hear(classifier: Classifier, batch: Batch, sounds: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Network inputs of sounds that have the context of the batch, through the untouched front end.

    Parameters
    ----------
    sounds
        Shape (n, samples), with context.
    lengths
        Samples of each with context, shape (n,); those of the batch by default.
    """
    lengths = batch.lengths if lengths is None else lengths
    return classifier.inputs(sounds[:, batch.context :], lengths - 2 * batch.context)


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


@dataclass(frozen=True)
class Setting:
    """What a method may use to make itself ready.

    Parameters
    ----------
    first
        The first tokens, to look at the network's layers with; the same ones whatever the size of a batch.
    layer
        Layer asked for by name, or None for the method's own choice.
    reference
        Tokens that stand for the speech that the classifier knows.
    seed
        Seed of everything drawn at random.
    memory_bytes
        What the passes of one batch may take.
    """

    classifier: Classifier
    first: Batch
    layer: str | None
    reference: Reference
    seed: int = 0
    memory_bytes: int = 256 * 2**20

    @cached_property
    def examples(self) -> int:
        """Network inputs that go through the network at a time, so that a pass fits the memory."""
        return examples_at_a_time(self.classifier.network, self.first.inputs, self.memory_bytes)


@dataclass(frozen=True)
class Method:
    """One way to make maps.

    Parameters
    ----------
    name, summary
        What it is called, and one line about it.
    family
        ``layer``, ``input``, ``perturbation``, ``audio`` or ``wrapper``.
    prepare
        ``prepare(setting, **options)``; of a wrapper, ``prepare(setting, inner, **options)`` with the wrapped method
        ready. Its keyword arguments with their defaults are the options.
    """

    name: str
    summary: str
    family: str
    prepare: Callable[..., Prepared]

    @property
    def options(self) -> dict[str, Any]:
        """Names and defaults of the options."""
        parameters = inspect.signature(self.prepare).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


@dataclass(frozen=True)
class Ask:
    """A method as asked for: ``name``, ``name(option=value)`` or ``wrapper(name(option=value), option=value)``."""

    name: str
    inner: Ask | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = ([] if self.inner is None else [str(self.inner)]) + [f"{k}={v}" for k, v in self.options.items()]
        return self.name + (f"({', '.join(parts)})" if parts else "")


_WORD = re.compile(r"\s*([^\s(),=]+|[(),=])")


def parse_method(text: str) -> Ask:
    """Read how a method is asked for, e.g. ``smooth(integrated-gradients(baseline=floor), samples=8)``.

    Raises
    ------
    AttributionError
        If brackets, commas or equals signs are out of place.
    """
    words, at = [], 0
    while text[at:].strip():
        found = _WORD.match(text, at)
        if found is None:
            break
        words.append(found[1])
        at = found.end()
    ask, rest = _read(words, text)
    if rest:
        raise _unreadable(text)
    return ask


def _read(words: list[str], text: str) -> tuple[Ask, list[str]]:
    if not words or words[0] in "(),=":
        raise _unreadable(text)
    name, words = words[0], words[1:]
    inner: Ask | None = None
    options: dict[str, str] = {}
    if words[:1] != ["("]:
        return Ask(name), words
    words = words[1:]
    while words[:1] != [")"]:
        if words[1:2] == ["="] and len(words) > 2 and not {words[0], words[2]} & set("(),="):
            if words[0] in options:
                raise AttributionError(f"the method {text!r} gives {words[0]} twice; give it once")
            options[words[0]] = words[2]
            words = words[3:]
        elif inner is None and not options:
            inner, words = _read(words, text)
        else:
            raise _unreadable(text)
        if words[:1] == [","] and words[1:2] != [")"]:
            words = words[1:]
        elif words[:1] != [")"]:
            raise _unreadable(text)
    return Ask(name, inner, options), words[1:]


def _unreadable(text: str) -> AttributionError:
    return AttributionError(
        f"the method {text!r} cannot be read; write a name, as in gradient, with options if need be, as in "
        "integrated-gradients(baseline=floor, steps=8) or smooth(gradient)"
    )


def prepare_method(ask: Ask, setting: Setting, methods: Mapping[str, Method]) -> Prepared:
    """Make a method ready for a classifier.

    Raises
    ------
    AttributionError
        If the method or an option is not known, a value is not of the option's kind, or a wrapper has nothing to wrap.
    """
    if ask.name not in methods:
        raise AttributionError(f"method {ask.name!r} is not known; choose one of {', '.join(methods)}")
    method = methods[ask.name]
    options = {name: _value(ask, method, name, value) for name, value in ask.options.items()}
    if (method.family == "wrapper") != (ask.inner is not None):
        if ask.inner is None:
            raise AttributionError(f"{ask.name} needs a method to work on: write {ask.name}(gradient), for example")
        raise AttributionError(f"{ask.name} does not take another method; found {ask}")
    if ask.inner is None:
        return method.prepare(setting, **options)
    return method.prepare(setting, prepare_method(ask.inner, setting, methods), **options)


def _value(ask: Ask, method: Method, name: str, value: str) -> Any:
    known = method.options
    if name not in known:
        has = f"its options: {', '.join(f'{k}={v}' for k, v in known.items())}" if known else "it has none"
        raise AttributionError(f"{ask.name} has no option {name!r}; {has}")
    kind = type(known[name])
    try:
        if kind is bool:
            return {"yes": True, "true": True, "no": False, "false": False}[value.lower()]
        return kind(value)
    except (ValueError, KeyError) as error:
        raise AttributionError(f"{ask.name}({name}={value}): expected a value like {known[name]!r}") from error


def unpromised(logits: Tensor) -> Tensor:
    """What is left over for a method that promises no sum: NaN, shape (batch,)."""
    return torch.full_like(logits[:, 0], torch.nan)
