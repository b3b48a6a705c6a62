"""Tokens of one classifier with the target explained in each, in batches: what every measure of a map works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from phonoscope.attribution import explain
from phonoscope.attribution.method import Batch, Prepared, Setting, make_batch, prepare_method
from phonoscope.attribution.method_spec import parse_method
from phonoscope.attribution.passes import portions
from phonoscope.attribution.registry import METHODS, Method
from phonoscope.attribution.spaces import Space, choose_space
from phonoscope.attribution.targets import Target, resolve_targets
from phonoscope.classifier import Classifier, probabilities
from phonoscope.errors import AttributionError
from phonoscope.frontends import in_batches
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
    target, true_labels, reference
        As they were given, for other maps of the same tokens.
    """

    setting: Setting
    waveforms: tuple[np.ndarray, ...]
    context: int
    names: np.ndarray
    targets: np.ndarray
    logits: Tensor
    weights: Tensor
    space: Space
    target: Target
    true_labels: tuple[str, ...] | None
    reference: Sequence[np.ndarray] | None

    def __len__(self) -> int:
        return len(self.waveforms)

    @property
    def classes(self) -> np.ndarray:
        """Class of each token: its true one, or what is explained in it where that is not known."""
        return self.targets if self.true_labels is None else np.asarray(self.true_labels, dtype=object)

    def explain(self, method: str) -> xr.DataArray:
        """Make maps of all tokens for the same targets; see `phonoscope.explain`."""
        classifier = self.setting.classifier
        return explain(
            classifier,
            self.waveforms,
            self.target,
            method,
            true_labels=self.true_labels,
            tokens=self.names.tolist(),
            reference=self.reference,
            context_seconds=self.context / classifier.sample_rate,
            seed=self.setting.seed,
        )

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
            true_labels=None if self.true_labels is None else tuple(self.true_labels[i] for i in rows),
        )
        return rows, picked

    def batches(self, size: int = BATCH_SIZE) -> Iterator[tuple[slice, Batch]]:
        """Tokens of ``size`` at a time, with the target's weights fixed."""
        front_end = self.setting.classifier.front_end
        for rows in in_batches(front_end, len(self), size, lambda i: len(self.waveforms[i])):
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
    """Make a case.

    Parameters
    ----------
    classifier, waveforms, target, true_labels, tokens, context_seconds, reference, seed
        As in `explain`.

    Raises
    ------
    AttributionError
        If there is no token, names are not all different, labels do not fit the number of tokens, or a token is shorter
        than its context.
    """
    if len(waveforms) == 0:
        raise AttributionError("there is no token to judge maps on")
    names = np.asarray([str(t) for t in (range(len(waveforms)) if tokens is None else tokens)], dtype=object)
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
        longest = max(len(sound) for sound in sounds)
        setting = Setting(classifier, choose_reference(classifier, reference), seed, samples=longest)
        space = choose_space(setting, "auto")
    named = np.asarray(targets.named(logits), dtype=object)
    labels = None if true_labels is None else tuple(true_labels)
    return Case(setting, sounds, context, names, named, logits, weights, space, target, labels, reference)


def fixed_batch(classifier: Classifier, waveforms: Sequence[np.ndarray], context: int, weights: Tensor) -> Batch:
    """Tokens to explain together, with the target's weights fixed.

    Parameters
    ----------
    classifier
        Makes the network's inputs.
    waveforms
        1-D arrays with their context.
    context
        Samples before and after each token.
    weights
        Of the logits, shape (batch, classes).
    """
    return make_batch(classifier, waveforms, context, lambda _logits: weights)


def map_values(prepared: Prepared, batch: Batch) -> np.ndarray:
    """Maps of one batch, shape (batch, frequency, time), float64."""
    values = prepared.function(batch).maps.double().cpu().numpy()
    return values[:, None] if values.ndim == 2 else values  # cells in time only


def generators(case: Case, batch: Batch, purpose: int) -> list[np.random.Generator]:
    """One stream of random numbers a token: it depends on the seed, the token's samples and the purpose alone.

    Parameters
    ----------
    case
        Its setting has the seed.
    batch
        Tokens of the case.
    purpose
        A number of whoever draws, so that no two draw the same.
    """
    return [np.random.default_rng((case.setting.seed, purpose, seed)) for seed in batch.seeds]


class Scores(NamedTuple):
    """What the network says: target's logit, its probability (one softmax), and the winning class, each (n,)."""

    logit: np.ndarray
    probability: np.ndarray
    winner: np.ndarray


def read_scores(logits: Tensor, weights: Tensor, scores: str = "classes") -> Scores:
    """Read logits (n, classes) for a target's weights (n, classes).

    The probability of a class is that of `probabilities`; that of a contrast, its share of the probability of both.

    Parameters
    ----------
    logits, weights
        Of the network and of the target.
    scores
        What the numbers of the classifier are; NaN where they have no probability.
    """
    logits, weights = logits.double(), weights.double()
    logit, of_each = (logits * weights).sum(1), probabilities(logits, scores)
    speaks_for = (of_each * weights.clamp_min(0)).sum(1)
    of_both = (of_each * weights.abs()).sum(1)
    probability = torch.where((weights < 0).any(1), speaks_for / of_both, speaks_for)
    return Scores(logit.cpu().numpy(), probability.cpu().numpy(), logits.argmax(1).cpu().numpy())


@torch.no_grad()
def classify(case: Case, batch: Batch, count: int, make: Callable[[slice], tuple[Tensor, Tensor]]) -> Scores:
    """Put changed examples through the network, as many at a time as fit the memory.

    Parameters
    ----------
    case
        Classifier, and where its inputs are changed.
    batch
        Tokens of the case.
    count
        Number of examples.
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
    return read_scores(torch.cat(logits), weights[torch.cat(owners)], case.setting.classifier.scores)


def classify_each(case: Case, batch: Batch, examples: Tensor) -> Scores:
    """Scores of examples as they are, one a token of the batch.

    Parameters
    ----------
    case, batch
        As of `classify`.
    examples
        Shape (batch, ...), as the space of the case makes them.
    """
    rows = torch.arange(len(examples), device=examples.device)
    return classify(case, batch, len(examples), lambda part: (examples[part].clone(), rows[part]))


def unravelled(part: slice, shape: tuple[int, ...], device: torch.device) -> list[Tensor]:
    """Indices along each axis of the elements of a part of a flattened array of this shape.

    Parameters
    ----------
    part
        Start and stop in the flattened array.
    shape
        Of the array before it was flattened (C order).
    device
        Of the indices.
    """
    return [torch.from_numpy(i).to(device) for i in np.unravel_index(np.arange(part.start, part.stop), shape)]


def per_token(case: Case, rows: slice, columns: Mapping[str, object]) -> pd.DataFrame:
    """Rows of a table of tokens: names and targets beside the columns.

    Parameters
    ----------
    case
        Tokens with their names and targets.
    rows
        Those of the batch.
    columns
        One value a token, or one for all.
    """
    return pd.DataFrame({"token": case.names[rows], "target": case.targets[rows], **columns})
