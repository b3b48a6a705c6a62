"""Gradients of a target with respect to the input, and their integrals along a path from "nothing said"."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from phonoscope.attribution.method import Attributed, Batch, Prepared, Setting, unpromised
from phonoscope.attribution.passes import (
    Forward,
    all_logits,
    first_gradients,
    logits_and_gradients,
    network_logits,
    portions,
)
from phonoscope.attribution.spaces import Space, choose_space
from phonoscope.errors import AttributionError

_DIFFERENCE = "sum of the map = logit of the target − its logit at the baseline"


def prepare_gradient(setting: Setting, *, space: str) -> Prepared:
    """Slope of the logit in every cell (Simonyan et al. 2014, signed).

    In logits per dB, or per unit of the front end where its picture is not logarithmic.
    """
    where = choose_space(setting, space)

    def function(batch: Batch) -> Attributed:
        examples = where.examples(batch)
        logits, slopes = _at_tokens(where, batch, examples, setting)
        return Attributed(where.to_map(where.per_unit(slopes, examples), batch), logits, unpromised(logits))

    return Prepared(function, where.placement, units=f"logit/{where.unit}", reads=where.reads)


def prepare_gradient_x_input(setting: Setting, *, baseline: str, space: str) -> Prepared:
    """Slope times distance from a baseline: what the logit would lose if it were linear.

    Parameters
    ----------
    setting
        What the method may use to make itself ready.
    baseline
        ``zero``, ``silence``, ``floor``, ``mean`` or ``class:NAME``: what stands for nothing said in the space.
    space
        ``picture``, ``sound`` or ``auto``, see ``choose_space``.
    """
    where = choose_space(setting, space)
    neutral = where.neutral(baseline)

    def function(batch: Batch) -> Attributed:
        examples = where.examples(batch)
        logits, slopes = _at_tokens(where, batch, examples, setting)
        values = slopes * (examples - neutral(batch, examples))
        return Attributed(where.to_map(values, batch), logits, unpromised(logits))

    return Prepared(function, where.placement, reads=where.reads)


def prepare_integrated_gradients(setting: Setting, *, baseline: str, steps: int, space: str) -> Prepared:
    """Integrated gradients (Sundararajan et al. 2017, eq. 1) by Gauss-Legendre quadrature.

    The map sums to the difference of the target's logit between the token and the baseline, up to the quadrature's
    error, which is measured and returned.

    Parameters
    ----------
    setting, baseline, space
        As of ``prepare_gradient_x_input``.
    steps
        Nodes of the quadrature, at least 1.
    """
    where = choose_space(setting, space)
    neutral = where.neutral(baseline)
    if steps < 1:
        raise AttributionError(f"integrated-gradients(steps={steps}): expected at least 1")
    nodes, shares = np.polynomial.legendre.leggauss(steps)
    nodes, shares = (nodes + 1) / 2, shares / 2

    def function(batch: Batch) -> Attributed:
        examples = where.examples(batch)
        start = neutral(batch, examples)
        forward, owners = where.forward(batch), torch.arange(len(examples), device=examples.device)
        logits = all_logits(forward, examples, owners, setting.examples)
        shared = slice(0, 1 if start.stride(0) == 0 else len(start))  # a baseline of all tokens is heard once
        at_start = all_logits(forward, start[shared], owners[shared], setting.examples).expand(len(start), -1)
        weights = batch.weigh(logits)
        path = _Path(owners.repeat(steps), np.repeat(nodes, len(examples)), np.repeat(shares, len(examples)))
        values = _integrated(forward, examples, path, lambda part: start[path.owner[part]], weights, setting.examples)
        left = ((logits - at_start) * weights).sum(1) - values.flatten(1).sum(1)
        return Attributed(where.to_map(values, batch), logits, left)

    return Prepared(function, where.placement, _DIFFERENCE, reads=where.reads)


def prepare_expected_gradients(setting: Setting, *, samples: int, space: str) -> Prepared:
    """Expected gradients (Erion et al. 2021, eq. 3): integrated gradients over random tokens as baselines.

    Each draw takes one reference token and one point on the way from it; draws of the way are stratified.

    Parameters
    ----------
    setting
        What the method may use to make itself ready.
    samples
        Draws for each token, at least 1.
    space
        ``picture``, or ``auto`` where the network sees one; the sound is refused.
    """
    where = choose_space(setting, space)
    if where.reads != "inputs":
        raise AttributionError(
            "expected-gradients needs tokens that fill the same picture; choose integrated-gradients on sounds"
        )
    if samples < 1:
        raise AttributionError(f"expected-gradients(samples={samples}): expected at least 1")
    reference = setting.reference.inputs.to(setting.classifier.device)
    of_reference = network_logits(setting.classifier.network, reference, setting.examples)

    def function(batch: Batch) -> Attributed:
        examples = where.examples(batch)
        forward, owners = where.forward(batch), torch.arange(len(examples), device=examples.device)
        drawn = [np.random.default_rng((setting.seed, seed)) for seed in batch.seeds]
        tokens = np.array([r.integers(len(reference), size=samples) for r in drawn])
        nodes = np.array([(r.permutation(samples) + r.random(samples)) / samples for r in drawn])
        logits = all_logits(forward, examples, owners, setting.examples)
        weights, picked = batch.weigh(logits), torch.from_numpy(tokens).flatten().to(reference.device)
        path = _Path(owners.repeat_interleave(samples), nodes.ravel(), np.full(nodes.size, 1 / samples))
        values = _integrated(
            forward, examples, path, lambda part: reference[picked[part]].to(examples), weights, setting.examples
        )
        at_start = of_reference[picked].to(logits).view(len(examples), samples, -1).mean(1)
        left = ((logits - at_start) * weights).sum(1) - values.flatten(1).sum(1)
        return Attributed(where.to_map(values, batch), logits, left)

    completeness = "sum of the map = logit of the target − its mean at the reference tokens, on average over draws"
    return Prepared(function, where.placement, completeness, reads=where.reads)


def _at_tokens(where: Space, batch: Batch, examples: Tensor, setting: Setting) -> tuple[Tensor, Tensor]:
    owners = torch.arange(len(examples), device=examples.device)
    return first_gradients(where.forward(batch), examples, owners, batch.weigh, setting.examples)


class _Path(NamedTuple):
    """Points between baselines and tokens: token of each, how far along the way it lies, and its share of the sum."""

    owner: Tensor
    at: np.ndarray
    share: np.ndarray


def _integrated(
    forward: Forward,
    examples: Tensor,
    path: _Path,
    starts: Callable[[slice], Tensor],
    weights: Tensor,
    most: int,
) -> Tensor:
    """Slopes at the points of a path times the way, summed for each token, shape of the examples.

    Points of all tokens lie in one row that is cut into passes, so that few tokens fill a pass too.
    """
    values = torch.zeros_like(examples)
    shape = (-1, *[1] * (examples.dim() - 1))
    at, share = (torch.from_numpy(numbers).to(examples).view(shape) for numbers in (path.at, path.share))
    for part in portions(len(path.owner), most):
        owner, start = path.owner[part], starts(part)
        way = examples[owner] - start
        _, slopes = logits_and_gradients(forward, start + at[part] * way, owner, weights[owner])
        values.index_add_(0, owner, slopes * (share[part] * way))
    return values
