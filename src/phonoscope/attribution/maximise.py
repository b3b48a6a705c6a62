"""The input that a class likes best: a picture that could be speech, or a sound to listen to, by gradient ascent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from phonoscope.attribution.passes import logits_and_gradients
from phonoscope.attribution.targets import Contrast, resolve_targets
from phonoscope.axes import hz_per_position
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.modules import evaluation_mode
from phonoscope.reference import Reference, choose_reference

_LARGEST_SAMPLE = 0.99
# Length of the first and of the last step, as shares of the way that may be gone.
_FIRST_STEP, _LAST_STEP = 0.2, 0.005
# Distance of the starting points from the mean picture, as a share of the same.
_SPREAD = 0.05


def maximise(
    classifier: Classifier,
    target: str | Contrast,
    reference: Sequence[np.ndarray] | None = None,
    *,
    space: str = "auto",
    steps: int = 200,
    seeds: Sequence[int] = (0,),
    smooth_hz: float = 250.0,
    smooth_share: float = 0.1,
    seconds: float | None = None,
) -> xr.DataArray:
    """Make the input for which a class's logit is highest, within what speech looks or sounds like.

    In the picture: steepest ascent from the mean input of the reference tokens (Simonyan et al. 2014), smoothed over
    ``smooth_hz`` and ``smooth_share``; it goes no farther from the mean than the farthest reference token lies, and
    stays inside their range of levels. For a network that is linear in its input the result is its (smoothed) weights.

    In the sound: starts from noise with the reference's long-term spectrum, and every step is weighted by that
    spectrum, so that no power goes where speech has none; the level stays that of the median reference token.

    Parameters
    ----------
    classifier
        The classifier; it is left as it was.
    target
        A class or ``contrast("i", "er")``.
    reference
        Waveforms (1-D, without context) that stand for the speech that the classifier knows; by default what it
        carries of its training tokens.
    space
        ``picture`` or ``sound``; ``auto`` takes the picture where the network sees one.
    steps
        Steps of the ascent.
    seeds
        One result each. They start from the mean plus a little noise, or from different noise: what differs between
        the results was left open by the class.
    smooth_hz, smooth_share
        Standard deviations of the Gaussian over which a picture's steps are smoothed, in Hz (on a linear axis) and as
        a share of the time axis; 0 for none.
    seconds
        Duration of the sound; the median of the reference tokens by default.

    Returns
    -------
    DataArray
        Pictures (seed, frequency, time) in the front end's unit, before standardisation; or sounds (seed, sample) with
        ``attrs["sample_rate"]``, to be written with ``write_audio``. Coordinates of each seed: ``logit_before`` and
        ``logit_after`` (of the target); ``attrs["highest_reference"]`` is the highest among the reference tokens.

    Raises
    ------
    AttributionError
        If the space does not suit the classifier, a number makes no sense, or the logit has no gradient.
    """
    has_picture = classifier.front_end.frequency_axis is not None
    if space not in ("auto", "picture", "sound") or (space == "picture" and not has_picture):
        raise AttributionError(f"space={space}: choose auto or sound" + (", or picture" if has_picture else ""))
    if steps < 1 or len(seeds) == 0 or smooth_hz < 0 or smooth_share < 0:
        raise AttributionError(
            f"steps={steps}, seeds={list(seeds)}, smooth_hz={smooth_hz}, smooth_share={smooth_share}: expected at "
            "least one step and one seed, and no negative width"
        )
    if target in ("predicted", "true"):
        raise AttributionError(f"target {target!r} belongs to tokens; name a class, or contrast two")
    with evaluation_mode(classifier):
        known = choose_reference(classifier, reference)
        if not known.labels:
            raise AttributionError("the classifier carries nothing of its training tokens; pass reference=")
        targets = resolve_targets(classifier, target, 1, None)
        logits = torch.from_numpy(known.logits)
        weights = targets.weights(logits[:1])
        if has_picture and space != "sound":
            result = _picture(classifier, known, weights, steps, seeds, smooth_hz, smooth_share)
        else:
            result = _sound(classifier, known, weights, steps, seeds, seconds)
    name = targets.named(logits[:1])[0]
    return result.assign_attrs(target=name, steps=steps, highest_reference=float((logits @ weights[0]).max()))


def _picture(
    classifier: Classifier,
    known: Reference,
    weights: Tensor,
    steps: int,
    seeds: Sequence[int],
    smooth_hz: float,
    smooth_share: float,
) -> xr.DataArray:
    mean, inputs = (part.to(classifier.device) for part in (known.mean_input, known.inputs))
    axis, columns = classifier.front_end.frequency_axis, classifier.front_end.time_axis
    if axis is None:
        raise AttributionError("this classifier takes waveforms and sees no picture: choose space=sound")
    rows = _gaussian(axis.rows, smooth_hz / hz_per_position(axis)).to(mean)
    across = _gaussian(columns.columns, smooth_share * columns.columns).to(mean)
    radius = (inputs - mean).flatten(1).norm(dim=1).max()
    lowest, highest = inputs.amin(), inputs.amax()

    def smoothed(values: Tensor) -> Tensor:
        return rows @ values @ across.T

    def within(pictures: Tensor) -> Tensor:
        away = pictures - mean
        size = _size(away)
        return (mean + away * (radius / size.clamp_min(1e-12)).clamp_max(1.0)).clamp(lowest, highest)

    noise = smoothed(_drawn(seeds, mean.shape[1:]).to(mean))
    start = mean + noise / _size(noise) * radius * _SPREAD
    network = classifier.network
    best, before, after = _ascend(lambda x: network(x), start, smoothed, within, radius, steps, weights)
    pictures = (best * classifier.input_sd + classifier.input_mean).sum(1)
    coords = {
        "seed": np.asarray(seeds),
        "frequency": ("frequency", axis.centres, {"units": "Hz", "long_name": "frequency"}),
        "time": ("time", columns.centres, {"units": "1" if columns.stretched else "s"}),
        "logit_before": ("seed", before),
        "logit_after": ("seed", after),
    }
    unit = classifier.front_end.unit
    attrs = {"units": unit, "space": "picture", "smooth_hz": smooth_hz, "smooth_share": smooth_share}
    return xr.DataArray(pictures.cpu().numpy(), dims=("seed", "frequency", "time"), coords=coords, attrs=attrs)


def _sound(
    classifier: Classifier,
    known: Reference,
    weights: Tensor,
    steps: int,
    seeds: Sequence[int],
    seconds: float | None,
) -> xr.DataArray:
    rate = classifier.sample_rate
    samples = round((known.seconds if seconds is None else seconds) * rate)
    if samples < 2:
        raise AttributionError(f"seconds={seconds}: a sound needs at least two samples")
    level, shape = known.level, known.spectrum_at(np.fft.rfftfreq(samples, 1 / rate), rate)
    shape = torch.from_numpy(shape / shape.max()).float().to(classifier.device)

    def sounding(coefficients: Tensor) -> Tensor:
        """Sounds of whitened Fourier coefficients (n, 2, bins), at the level, or lower where they would clip."""
        spectra = torch.complex(coefficients[:, 0], coefficients[:, 1]) * shape
        sounds = torch.fft.irfft(spectra, n=samples)
        sounds = sounds * (level / sounds.square().mean(1, keepdim=True).sqrt().clamp_min(1e-12))
        return sounds * (_LARGEST_SAMPLE / sounds.abs().amax(1, keepdim=True).clamp_min(1e-12)).clamp_max(1.0)

    noise = torch.fft.rfft(_drawn(seeds, (samples,)).to(classifier.device))
    start = torch.stack([noise.real, noise.imag], dim=1)
    radius = _size(start).mean()

    def within(coefficients: Tensor) -> Tensor:
        return coefficients / _size(coefficients) * radius

    best, before, after = _ascend(
        lambda x: classifier(sounding(x)), start, lambda slopes: slopes, within, radius, steps, weights
    )
    coords = {"seed": np.asarray(seeds), "logit_before": ("seed", before), "logit_after": ("seed", after)}
    attrs = {"units": "1", "space": "sound", "sample_rate": rate}
    with torch.no_grad():
        sounds = sounding(best).cpu().numpy()
    return xr.DataArray(sounds, dims=("seed", "sample"), coords=coords, attrs=attrs)


def _ascend(
    logits_of: Callable[[Tensor], Tensor],
    start: Tensor,
    direction: Callable[[Tensor], Tensor],
    within: Callable[[Tensor], Tensor],
    radius: Tensor,
    steps: int,
    weights: Tensor,
) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Steps of given length along the gradient, each brought back within what is allowed; the best point on the way.

    Returns the points (n, ...) and the target's logit at the start and at the points, shape (n,).
    """
    owners, weights = torch.arange(len(start), device=start.device), weights.to(start.device).expand(len(start), -1)
    x = within(start)
    before = highest = torch.full((len(start),), -torch.inf, device=start.device)
    best = x
    for step in range(steps + 1):
        logits, slopes = logits_and_gradients(lambda x, _owners: logits_of(x), x, owners, weights)
        reached = (logits * weights).sum(1)
        if not bool(torch.isfinite(reached).all() and torch.isfinite(slopes).all()):
            raise AttributionError("the logit or its gradient is not finite on the way up; is the network's output?")
        before = reached if step == 0 else before
        best = torch.where(_like(reached > highest, x), x, best)
        highest = torch.maximum(reached, highest)
        way = direction(slopes)
        share = _LAST_STEP + (_FIRST_STEP - _LAST_STEP) * (1 + np.cos(np.pi * step / steps)) / 2
        x = within(x + way / _size(way) * radius * share)
    return best, before.cpu().numpy(), highest.cpu().numpy()


def _size(values: Tensor) -> Tensor:
    """Euclidean length of each example, shaped to divide it."""
    return _like(values.flatten(1).norm(dim=1).clamp_min(1e-20), values)


def _like(values: Tensor, examples: Tensor) -> Tensor:
    return values.view(-1, *[1] * (examples.dim() - 1))


def _drawn(seeds: Sequence[int], shape: Sequence[int]) -> Tensor:
    """White noise, one draw a seed, shape (seed, *shape)."""
    drawn = [np.random.default_rng(seed).standard_normal(tuple(shape), dtype=np.float32) for seed in seeds]
    return torch.from_numpy(np.stack(drawn))


def _gaussian(count: int, sd: float) -> Tensor:
    """Matrix (count, count) that smooths with a Gaussian, its rows summing to 1; the identity for a width of 0."""
    if sd == 0:
        return torch.eye(count)
    position = torch.arange(count)
    weights = torch.exp(-0.5 * ((position[:, None] - position) / sd) ** 2)
    return weights / weights.sum(1, keepdim=True)
