"""Gradients of a target with respect to the input, and their integrals along a path from "nothing said"."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from phonoscope.attribution.method import Attributed, Batch, Prepared, Setting, unpromised
from phonoscope.attribution.passes import all_logits, first_gradients, logits_and_gradients, portions
from phonoscope.attribution.spaces import Space, choose_space
from phonoscope.errors import AttributionError

_DIFFERENCE = "sum of the map = logit of the target − its logit at the baseline"


def prepare_gradient(setting: Setting, *, space: str = "auto") -> Prepared:
    """Slope of the logit with respect to the level in every cell, logit per dB (Simonyan et al. 2014, signed)."""
    where = choose_space(setting, space)

    def function(batch: Batch) -> Attributed:
        examples = where.examples(batch)
        logits, slopes = _at_tokens(where, batch, examples, setting)
        return Attributed(where.to_map(where.per_decibel(slopes, examples), batch), logits, unpromised(logits))

    return Prepared(function, where.placement, units="logit/dB", reads=where.reads)


def prepare_gradient_x_input(setting: Setting, *, baseline: str = "mean", space: str = "auto") -> Prepared:
    """Slope times distance from a baseline: what the logit would lose if it were linear."""
    where = choose_space(setting, space)
    neutral = where.neutral(baseline)

    def function(batch: Batch) -> Attributed:
        examples = where.examples(batch)
        logits, slopes = _at_tokens(where, batch, examples, setting)
        values = slopes * (examples - neutral(batch, examples))
        return Attributed(where.to_map(values, batch), logits, unpromised(logits))

    return Prepared(function, where.placement, reads=where.reads)


def prepare_integrated_gradients(
    setting: Setting, *, baseline: str = "mean", steps: int = 16, space: str = "auto"
) -> Prepared:
    """Integrated gradients (Sundararajan et al. 2017, eq. 1) by Gauss-Legendre quadrature.

    The map sums to the difference of the target's logit between the token and the baseline, up to the quadrature's
    error, which is measured and returned.
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
        at_start = all_logits(forward, start, owners, setting.examples)
        weights = batch.weigh(logits)
        way = examples - start
        mean = _weighted_gradients(forward, lambda part, step: start[part] + step * way[part], weights, nodes, shares,
                                   setting.examples, examples)  # fmt: skip
        values = way * mean
        left = ((logits - at_start) * weights).sum(1) - values.flatten(1).sum(1)
        return Attributed(where.to_map(values, batch), logits, left)

    return Prepared(function, where.placement, _DIFFERENCE, reads=where.reads)


def prepare_expected_gradients(setting: Setting, *, samples: int = 32, space: str = "auto") -> Prepared:
    """Expected gradients (Erion et al. 2021, eq. 3): integrated gradients over random tokens as baselines.

    Each draw takes one reference token and one point on the way from it; draws of the way are stratified.
    """
    where = choose_space(setting, space)
    if where.reads != "inputs":
        raise AttributionError(
            "expected-gradients needs tokens that fill the same picture; choose integrated-gradients on sounds"
        )
    if samples < 1:
        raise AttributionError(f"expected-gradients(samples={samples}): expected at least 1")
    reference = setting.reference.inputs

    def function(batch: Batch) -> Attributed:
        examples = where.examples(batch)
        forward, owners = where.forward(batch), torch.arange(len(examples), device=examples.device)
        drawn = [np.random.default_rng((setting.seed, seed)) for seed in batch.seeds]
        tokens = torch.tensor(np.array([r.integers(len(reference), size=samples) for r in drawn]))
        way = torch.tensor(np.array([(r.permutation(samples) + r.random(samples)) / samples for r in drawn]))
        logits = all_logits(forward, examples, owners, setting.examples)
        weights = batch.weigh(logits)
        values, at_start = torch.zeros_like(examples), torch.zeros_like(logits)
        for draw in range(samples):
            start = reference[tokens[:, draw]].to(examples)
            step = way[:, draw].to(examples).view(-1, *[1] * (examples.dim() - 1))
            at_start += all_logits(forward, start, owners, setting.examples) / samples
            for part in portions(len(examples), setting.examples):
                point = start[part] + step[part] * (examples[part] - start[part])
                _, slopes = logits_and_gradients(forward, point, owners[part], weights[part])
                values[part] += slopes * (examples[part] - start[part]) / samples
        left = ((logits - at_start) * weights).sum(1) - values.flatten(1).sum(1)
        return Attributed(where.to_map(values, batch), logits, left)

    completeness = "sum of the map = logit of the target − its mean at the reference tokens, on average over draws"
    return Prepared(function, where.placement, completeness, reads=where.reads)


def _at_tokens(where: Space, batch: Batch, examples: Tensor, setting: Setting) -> tuple[Tensor, Tensor]:
    owners = torch.arange(len(examples), device=examples.device)
    return first_gradients(where.forward(batch), examples, owners, batch.weigh, setting.examples)


def _weighted_gradients(
    forward: Callable[[Tensor, Tensor], Tensor],
    point: Callable[[Tensor, Tensor], Tensor],
    weights: Tensor,
    nodes: np.ndarray,
    shares: np.ndarray,
    most: int,
    like: Tensor,
) -> Tensor:
    """Mean gradient along a path: tokens × steps lie in one row cut into passes, so few tokens fill them too."""
    count, steps = len(like), len(nodes)
    mean = torch.zeros_like(like)
    owner = torch.arange(count, device=like.device).repeat(steps)
    shape = (-1, *[1] * (like.dim() - 1))
    at = torch.from_numpy(np.repeat(nodes, count)).to(like).view(shape)
    share = torch.from_numpy(np.repeat(shares, count)).to(like).view(shape)
    for part in portions(count * steps, most):
        mine = owner[part]
        _, slopes = logits_and_gradients(forward, point(mine, at[part]), mine, weights[mine])
        mean.index_add_(0, mine, slopes * share[part])
    return mean
