"""Methods of captum (extra ``captum``), on the same axes and under the same promises as phonoscope's own.

What captum draws at random is seeded for each token, its sums are checked, and what it leaves on a network is removed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from phonoscope.attribution.maps import Placement
from phonoscope.attribution.method import Attributed, Batch, Prepared, Setting
from phonoscope.attribution.passes import Forward, all_logits, portions
from phonoscope.attribution.spaces import Space, choose_space
from phonoscope.axes import TimeAxis
from phonoscope.errors import AttributionError
from phonoscope.modules import random_numbers_kept

_SUM = "sum of the map = logit of the target − its logit at the baseline"
_DRAWS = 8  # captum's draws at a time; they depend on how many it makes at once, so the number is fixed


def prepare_deep_lift(setting: Setting, *, baseline: str, tolerance: float, space: str) -> Prepared:
    """DeepLIFT (Shrikumar et al. 2017, rescale rule), by captum.

    Its rules hold for activations that are modules, each used once, not in place: elsewhere the sum does not fit. A map
    whose sum is off by more than ``tolerance`` is refused.

    Parameters
    ----------
    setting
        What the method may use to make itself ready.
    baseline
        ``zero``, ``silence``, ``floor``, ``mean`` or ``class:NAME``: what stands for nothing said in the space.
    tolerance
        Largest error of the sum that is let through, as a share of the map's absolute sum.
    space
        ``picture``, ``sound`` or ``auto``, see ``choose_space``.
    """
    captum, where = _captum(), choose_space(setting, space)
    neutral = where.neutral(baseline)

    def function(batch: Batch) -> Attributed:
        examples, forward = where.examples(batch), where.forward(batch)
        start, owners = neutral(batch, examples).contiguous(), torch.arange(len(examples), device=examples.device)
        logits = all_logits(forward, examples, owners, setting.examples)
        weights = batch.weigh(logits)
        with _bridged("deep-lift", setting, batch.seeds[0]):
            method = captum.DeepLift(_Target(setting, forward, weights))
            parts = [
                method.attribute(examples[p], start[p], additional_forward_args=(owners[p],)).detach()
                for p in portions(len(examples), max(1, setting.examples // 2))
            ]
        values = torch.cat(parts)
        at_start = all_logits(forward, start, owners, setting.examples)
        left = ((logits - at_start) * weights).sum(1) - values.flatten(1).sum(1)
        off = left.abs() / values.abs().flatten(1).sum(1).clamp_min(torch.finfo(left.dtype).tiny)
        if not bool((off <= tolerance).all()):
            raise AttributionError(
                f"captum:deep-lift: the sum of the map is off by {float(off.max()):.0%} of its absolute sum, so its "
                "rules do not fit this network (activations that are plain functions, or a front end that scales the "
                "sound?); choose integrated-gradients, or allow more with captum:deep-lift(tolerance=...)"
            )
        return Attributed(where.to_map(values, batch), logits, left)

    return Prepared(function, where.placement, _SUM, reads=where.reads)


def prepare_gradient_shap(setting: Setting, *, baseline: str, samples: int, noise: float, space: str) -> Prepared:
    """GradientSHAP (Lundberg & Lee 2017), by captum: integrated gradients at random points from random baselines.

    Parameters
    ----------
    setting
        What the method may use to make itself ready.
    baseline
        ``tokens`` draws reference tokens (in the sound it is ``mean``); others as of ``prepare_deep_lift``.
    samples
        Draws for each token, at least 1.
    noise
        Standard deviation of the Gaussian noise that is added to the examples, in their unit; 0 for none.
    space
        ``picture``, ``sound`` or ``auto``, see ``choose_space``.
    """
    captum, where = _captum(), choose_space(setting, space)
    if samples < 1 or not noise >= 0:
        raise AttributionError(f"samples={samples}, noise={noise}: expected at least 1 sample and noise not below 0")
    from_tokens = baseline == "tokens" and where.reads == "inputs"
    neutral = where.neutral("mean" if baseline == "tokens" else baseline)

    def attribute(target: _Target, examples: Tensor, start: Tensor, owner: Tensor) -> Tensor:
        method, total = captum.GradientShap(target), torch.zeros_like(examples)
        for part in portions(samples, _DRAWS):
            count = part.stop - part.start
            total += count * method.attribute(
                examples, start, n_samples=count, stdevs=noise, additional_forward_args=(owner,)
            ).detach()  # fmt: skip
        return total / samples

    def starts(batch: Batch, examples: Tensor) -> Tensor:
        return setting.reference.inputs.to(examples) if from_tokens else neutral(batch, examples)

    completeness = "sum of the map = logit of the target − its mean at the baselines, on average over draws"
    return _token_by_token("gradient-shap", setting, where, attribute, starts, completeness)


def prepare_kernel_shap(
    setting: Setting,
    *,
    baseline: str,
    samples: int,
    rows: int,
    columns: int,
    space: str,
) -> Prepared:
    """KernelSHAP (Lundberg & Lee 2017), by captum: Shapley values of ``rows`` × ``columns`` patches by regression.

    All cells of a patch share its value evenly, so that the map sums to what the patches do.

    Parameters
    ----------
    setting, baseline, space
        As of ``prepare_deep_lift``.
    samples
        Random sets of patches that each token's regression is fitted to.
    rows, columns
        Patches along frequency and along time, at least 1 of each and at most one a cell.
    """
    captum, where = _captum(), choose_space(setting, space)
    if min(samples, rows, columns) < 1:
        raise AttributionError(f"samples={samples}, rows={rows}, columns={columns}: expected at least 1 of each")
    neutral = where.neutral(baseline)

    def attribute(target: _Target, examples: Tensor, start: Tensor, owner: Tensor) -> Tensor:
        patches, evaluations = _patches(examples, rows, columns), min(samples, setting.examples)
        values = captum.KernelShap(target).attribute(
            examples, start, additional_forward_args=(owner,), feature_mask=patches, n_samples=samples,
            perturbations_per_eval=evaluations,
        ).detach()  # fmt: skip
        return values / torch.bincount(patches.flatten())[patches].to(values)

    placement = _patches_placed(where, setting.classifier.front_end.time_axis, rows, columns)
    return replace(_token_by_token("kernel-shap", setting, where, attribute, neutral, _SUM), placement=placement)


def _patches_placed(where: Space, time_axis: TimeAxis, rows: int, columns: int) -> Placement:
    """The cells of a space, which resolve no more than the patches that they share their value with."""
    placement = where.placement
    centres, finest = placement.frequency, placement.resolution_at(placement.frequency)
    patch = np.arange(len(centres)) * min(rows, len(centres)) // len(centres)
    heights = np.array([np.ptp(centres[patch == each]) for each in range(patch[-1] + 1)])[patch] + placement.cell_hz
    seconds = (placement.time_axis or time_axis).seconds or 1.0
    return placement.no_finer(0.0, seconds / columns).with_rows(np.maximum(heights, finest))


def _patches(examples: Tensor, rows: int, columns: int) -> Tensor:
    """Number of the patch of each value, shape of one example with a batch of 1."""
    height, width = examples.shape[2:]
    rows, columns = min(rows, height), min(columns, width)
    row = torch.arange(height, device=examples.device) * rows // height
    column = torch.arange(width, device=examples.device) * columns // width
    return (row[:, None] * columns + column).expand(1, examples.shape[1], -1, -1).contiguous()


def _token_by_token(
    name: str,
    setting: Setting,
    where: Space,
    attribute: Callable[[_Target, Tensor, Tensor, Tensor], Tensor],
    starts: Callable[[Batch, Tensor], Tensor],
    completeness: str,
) -> Prepared:
    """Tokens by themselves: captum draws for a whole batch at once, and a token's map must not depend on the others."""

    def function(batch: Batch) -> Attributed:
        owners = torch.arange(len(batch.seeds), device=batch.sounds.device)
        logits = all_logits(where.forward(batch), where.examples(batch), owners, setting.examples)
        weights = batch.weigh(logits)
        maps, left = [], []
        for index in range(len(weights)):
            single, weight = _single(batch, index), weights[index : index + 1]
            examples, forward = where.examples(single), where.forward(single)
            start = starts(single, examples).contiguous()
            with _bridged(name, setting, batch.seeds[index]):
                values = attribute(_Target(setting, forward, weight), examples, start, owners[:1])
            at_start = all_logits(forward, start, owners[:1].expand(len(start)), setting.examples)
            difference = ((logits[index] - at_start.mean(0)) * weight[0]).sum()
            maps.append(where.to_map(values, single))
            left.append(difference - values.sum())
        return Attributed(torch.cat(maps), logits, torch.stack(left))

    return Prepared(function, where.placement, completeness, reads=where.reads)


def _single(batch: Batch, index: int) -> Batch:
    """One token of a batch, without the zeros behind it."""
    here = slice(index, index + 1)
    sounds, lengths = batch.sounds[here, : int(batch.lengths[index])], batch.lengths[here]
    return replace(batch, sounds=sounds, lengths=lengths, inputs=batch.inputs[here], seeds=batch.seeds[here])


class _Target(nn.Module):
    """From examples and their owners to the weighted sum of the logits, with the network's layers within reach."""

    def __init__(self, setting: Setting, forward: Forward, weights: Tensor) -> None:
        super().__init__()
        self.network = setting.classifier.network
        self.training = False
        self.run, self.weights = forward, weights

    def forward(self, examples: Tensor, owners: Tensor) -> Tensor:
        return (self.run(examples.clone(), owners) * self.weights[owners]).sum(1)


def _captum() -> ModuleType:
    try:
        import captum.attr
    except ImportError as error:
        raise AttributionError(
            "methods whose name begins with captum: need captum; install phonoscope[captum]"
        ) from error
    return captum.attr


@contextmanager
def _bridged(name: str, setting: Setting, seed: int) -> Generator[None]:
    """Run captum: seeded, without a trace on the network or on anybody's random numbers, with errors that help."""
    with (
        left_as_it_was(setting.classifier.network),
        random_numbers_kept(setting.classifier.device),
        warnings.catch_warnings(),
        torch.enable_grad(),
    ):
        warnings.simplefilter("ignore")
        mixed = np.random.default_rng((setting.seed, seed)).integers(2**32)
        np.random.seed(mixed)  # noqa: NPY002
        torch.manual_seed(int(mixed))
        try:
            yield
        except AttributionError:
            raise
        except Exception as error:  # captum and the network may raise anything
            raise AttributionError(
                f"captum:{name} failed on this network ({type(error).__name__}: {error}). It needs activations that "
                "are modules, each used once and not in place; choose a method without captum:, e.g. "
                "integrated-gradients"
            ) from error


@contextmanager
def left_as_it_was(network: nn.Module) -> Generator[None]:
    """Take away hooks and attributes that were put on a network's modules, on success and on failure."""
    before: list[tuple[nn.Module, dict[str, Any], dict[str, dict]]] = [
        (
            module,
            dict(vars(module)),
            {k: dict(v) for k, v in vars(module).items() if "_hooks" in k and isinstance(v, dict)},
        )
        for module in network.modules()
    ]
    try:
        yield
    finally:
        for module, attributes, hooks in before:
            vars(module).clear()
            vars(module).update(attributes)
            for name, registered in hooks.items():
                vars(module)[name].clear()
                vars(module)[name].update(registered)
