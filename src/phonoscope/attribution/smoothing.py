"""Methods around a method: its mean, or its variance, over noisy copies of the token."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from phonoscope.attribution.method import Attributed, Batch, Prepared, Setting, network_inputs, unpromised
from phonoscope.attribution.passes import network_logits
from phonoscope.errors import AttributionError


def prepare_smooth(setting: Setting, inner: Prepared, *, samples: int, noise: float) -> Prepared:
    """SmoothGrad (Smilkov et al. 2017, eq. 1) around any method: mean over copies with Gaussian noise.

    Parameters
    ----------
    setting
        What the method may use to make itself ready.
    inner
        The method that is wrapped, made ready.
    samples
        Noisy copies of each token, at least 1.
    noise
        Standard deviation of the noise as a share of the range of the network's input; for methods that work on the
        sound, relative to the sound's root mean square. Above 0.
    """
    return _prepare(setting, inner, samples, noise, variance=False)


def prepare_var(setting: Setting, inner: Prepared, *, samples: int, noise: float) -> Prepared:
    """VarGrad (Adebayo et al. 2018) around any method: variance over copies with Gaussian noise.

    Parameters
    ----------
    setting, inner, noise
        As of ``prepare_smooth``.
    samples
        Noisy copies of each token, at least 2.
    """
    return _prepare(setting, inner, samples, noise, variance=True)


def _prepare(setting: Setting, inner: Prepared, samples: int, noise: float, *, variance: bool) -> Prepared:
    least = 2 if variance else 1
    if samples < least or not noise > 0:
        raise AttributionError(f"samples={samples}, noise={noise}: expected at least {least} sample and noise above 0")

    @torch.no_grad()
    def function(batch: Batch) -> Attributed:
        logits = network_logits(setting.classifier.network, batch.inputs, setting.examples)
        weights = batch.weigh(logits)
        fixed = replace(batch, weigh=lambda _logits: weights)  # whatever the logits of the noisy copies are
        drawn = [np.random.default_rng((setting.seed, seed)) for seed in batch.seeds]
        mean = squares = torch.zeros(())
        for sample in range(samples):
            maps = inner.function(_noisy(setting, inner, fixed, drawn, noise)).maps
            step = maps - mean
            mean = mean + step / (sample + 1)
            squares = squares + step * (maps - mean)
        return Attributed(squares / (samples - 1) if variance else mean, logits, unpromised(logits))

    units = f"({inner.units})²" if variance else inner.units
    return replace(inner, function=function, completeness="", units=units)


def _noisy(setting: Setting, inner: Prepared, batch: Batch, drawn: list[np.random.Generator], noise: float) -> Batch:
    if inner.reads == "inputs":
        x = batch.inputs
        scale = (x.flatten(1).amax(1) - x.flatten(1).amin(1)) * noise
        added = torch.from_numpy(np.stack([r.standard_normal(x.shape[1:], dtype=np.float32) for r in drawn])).to(x)
        return replace(batch, inputs=x + added * scale.view(-1, *[1] * (x.dim() - 1)))
    sounds = torch.zeros_like(batch.sounds)
    for row, (random, length) in enumerate(zip(drawn, batch.lengths.tolist(), strict=True)):
        sound = batch.sounds[row, :length]
        added = torch.from_numpy(random.standard_normal(length, dtype=np.float32)).to(sound)
        sounds[row, :length] = sound + added * (noise * sound.square().mean().sqrt())
    return replace(batch, sounds=sounds, inputs=network_inputs(setting.classifier, batch, sounds))
