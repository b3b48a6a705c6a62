"""Tokens of one classifier with the target explained in each, in batches: what every measure of a map works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from phonoscope.attribution.method import Batch, Prepared, Setting, make_batch, prepare_method
from phonoscope.attribution.method_spec import parse_method
from phonoscope.attribution.passes import portions
from phonoscope.attribution.registry import METHODS, Method
from phonoscope.attribution.spaces import Space, choose_space
from phonoscope.attribution.targets import Target, resolve_targets
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.modules import evaluation_mode
from phonoscope.reference import choose_reference

BATCH_SIZE = 32
# A change of probability below this is rounding: convolutions of larger batches sum in another order.
LEAST_CHANGE = 1e-6


@dataclass(frozen=True)
class Case:
    """A classifier, tokens, and what is explained in each; made by `open_case`.

    Parameters
    ----------
    setting
        What methods need to make themselves ready.
    waveforms
        1-D arrays with their context.
    context
        Samples before and after each token.
    names
        Token names.
    targets
        Name of what is explained in each token.
    logits
        Of the untouched tokens, shape (n, classes).
    weights
        Weights over the classes whose weighted sum of logits is the target, shape (n, classes); fixed, whatever is done
        to the tokens or the network.
    space
        Where inputs are changed: the network's picture; for networks that take waveforms, an exact STFT.
    """

    setting: Setting
    waveforms: tuple[np.ndarray, ...]
    context: int
    names: np.ndarray
    targets: np.ndarray
    logits: Tensor
    weights: Tensor
    space: Space

    def __len__(self) -> int:
        return len(self.waveforms)

    def some(self, most: int) -> tuple[np.ndarray, Case]:
        """At most so many tokens, evenly picked: their positions (k,), and the case of them alone."""
        rows = np.unique(np.linspace(0, len(self) - 1, min(len(self), most)).round().astype(int))
        picked = replace(
            self,
            waveforms=tuple(self.waveforms[i] for i in rows),
            names=self.names[rows],
            targets=self.targets[rows],
            logits=self.logits[rows],
            weights=self.weights[rows],
        )
        return rows, picked

    def batches(self, size: int = BATCH_SIZE) -> Iterator[tuple[slice, Batch]]:
        """Tokens of ``size`` at a time, with the target's weights fixed."""
        for rows in portions(len(self), size):
            yield rows, fixed_batch(self.setting.classifier, self.waveforms[rows], self.context, self.weights[rows])

    def on(self, classifier: Classifier) -> Case:
        """Return the same tokens, targets and reference speech for another classifier of the same kind."""
        return replace(self, setting=replace(self.setting, classifier=classifier))

    def prepare(self, method: str, methods: Mapping[str, Method] = METHODS) -> Prepared:
        """Make a method ready; AttributionError if it is not known or does not suit the network."""
        return prepare_method(parse_method(method), self.setting, methods)

    def maps(self, prepared: Prepared, size: int = BATCH_SIZE) -> np.ndarray:
        """Raw maps of all tokens, shape (n, frequency, time), float64."""
        return np.concatenate([map_values(prepared, batch) for _, batch in self.batches(size)])


def open_case(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray],
    *,
    target: Target = "predicted",
    true_labels: Sequence[str] | None = None,
    tokens: Sequence[str] | None = None,
    context_seconds: float = 0.0,
    reference: Sequence[np.ndarray] | None = None,
    seed: int = 0,
) -> Case:
    """Make a case; the parameters are those of `explain`.

    Raises
    ------
    AttributionError
        If there is no token, names are not all different, labels do not fit the number of tokens, or a token is shorter
        than its context.
    """
    if len(waveforms) == 0:
        raise AttributionError("there is no token to judge maps on")
    names = [str(i) for i in range(len(waveforms))] if tokens is None else [str(t) for t in tokens]
    if len(names) != len(waveforms):
        raise AttributionError(f"{len(names)} token names were given for {len(waveforms)} waveforms")
    if len(set(names)) != len(names):
        raise AttributionError("token names must differ: they tell the rows of the tables apart")
    context = round(context_seconds * classifier.sample_rate)
    if context < 0 or 2 * context >= min(len(w) for w in waveforms):
        raise AttributionError(f"context_seconds is {context_seconds}: a waveform is not longer than its context")
    sounds = tuple(np.asarray(w, dtype=np.float32) for w in waveforms)
    alone = [w[context : len(w) - context] for w in sounds]
    targets = resolve_targets(classifier, target, len(sounds), true_labels)
    logits = torch.from_numpy(classifier.logits(alone)).to(classifier.device)
    weights = targets.weights(logits)
    with evaluation_mode(classifier):
        setting = Setting(classifier, choose_reference(classifier, reference), seed)
        space = choose_space(setting, "auto")
    named = np.asarray(targets.named(logits), dtype=object)
    return Case(setting, sounds, context, np.asarray(names, dtype=object), named, logits, weights, space)


def fixed_batch(classifier: Classifier, waveforms: Sequence[np.ndarray], context: int, weights: Tensor) -> Batch:
    """Tokens to explain together, with the target's weights (batch, classes) fixed."""
    return make_batch(classifier, waveforms, context, lambda _logits: weights)


def map_values(prepared: Prepared, batch: Batch) -> np.ndarray:
    """Maps of one batch, shape (batch, frequency, time), float64."""
    values = prepared.function(batch).maps.double().cpu().numpy()
    return values[:, None] if values.ndim == 2 else values  # cells in time only


def generators(case: Case, batch: Batch, purpose: int) -> list[np.random.Generator]:
    """One stream of random numbers a token: it depends on the seed, the token's samples and the purpose alone."""
    return [np.random.default_rng((case.setting.seed, purpose, seed)) for seed in batch.seeds]


class Answers(NamedTuple):
    """What the network says: target's logit, its probability (one softmax), and the winning class, each (n,)."""

    logit: np.ndarray
    probability: np.ndarray
    winner: np.ndarray


def read_answers(logits: Tensor, weights: Tensor) -> Answers:
    """Read logits (n, classes) for a target's weights (n, classes).

    The probability of a class is its softmax over all classes; that of a contrast, the softmax over its two classes.
    """
    logits, weights = logits.double(), weights.double()
    logit = (logits * weights).sum(1)
    of_class = (logits.softmax(1) * weights).sum(1)
    probability = torch.where((weights < 0).any(1), logit.sigmoid(), of_class)
    return Answers(logit.cpu().numpy(), probability.cpu().numpy(), logits.argmax(1).cpu().numpy())


@torch.no_grad()
def ask(case: Case, batch: Batch, count: int, make: Callable[[slice], tuple[Tensor, Tensor]]) -> Answers:
    """Put changed examples through the network, as many at a time as fit the memory.

    Parameters
    ----------
    make
        From a slice of 0…count to examples and the row in the batch that each comes from; the examples are its own
        (the network may work in place).
    """
    forward = case.space.forward(batch)
    weights = batch.weigh(batch.inputs)
    logits, owners = [], []
    for part in portions(count, case.setting.examples):
        examples, rows = make(part)
        logits.append(forward(examples, rows))
        owners.append(rows)
    return read_answers(torch.cat(logits), weights[torch.cat(owners)])


def per_token(case: Case, rows: slice, columns: Mapping[str, object]) -> pd.DataFrame:
    """Rows of a table of tokens: names and targets beside the columns."""
    return pd.DataFrame({"token": case.names[rows], "target": case.targets[rows], **columns})
