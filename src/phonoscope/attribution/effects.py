"""Bands that belong to a token, such as its own formants, filtered out of its sound: what each is worth in logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr

from phonoscope.attribution.filtered_sounds import FilteredSounds
from phonoscope.attribution.filtering import Filtering
from phonoscope.attribution.method import Setting, make_batch
from phonoscope.attribution.scaling import checked_scaling
from phonoscope.attribution.targets import Target, resolve_targets
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.frontends import in_batches
from phonoscope.modules import evaluation_mode
from phonoscope.reference import choose_reference


def band_effects(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray],
    bands: np.ndarray,
    target: Target = "predicted",
    *,
    names: Sequence[str] | None = None,
    true_labels: Sequence[str] | None = None,
    tokens: Sequence[str] | None = None,
    reference: Sequence[np.ndarray] | None = None,
    context_seconds: float = 0.0,
    filtering: Filtering | None = None,
    seed: int = 0,
    batch_size: int = 64,
) -> xr.DataArray:
    """Take bands out of each token's sound, its own bands out of each, e.g. one formant at a time.

    Parameters
    ----------
    classifier
        The classifier; it is left as it was.
    waveforms
        1-D arrays at ``classifier.sample_rate``, one a token, with ``context_seconds`` around it.
    bands
        Lower and upper edge in Hz, shape (token, band, 2), or (band, 2) for the same in all; NaN where a token has
        no such band, e.g. a formant that was not found.
    target, true_labels, tokens, reference, context_seconds, seed, batch_size
        As in ``explain``.
    names
        Names of the bands, e.g. ``["F1", "F2"]``, for the ``band`` coordinate.
    filtering
        How the bands are filtered out; as by ``band-stop`` by default.

    Returns
    -------
    DataArray
        Dims (token, band): what the target's logit loses without the band; positive where the band supports the
        target, NaN where there is no band. Coordinates ``low`` and ``high`` in Hz, ``target`` and ``logit``; ``attrs``
        say how the bands were filtered out, and whether the front end's ``scaling`` was held, as in ``explain``.

    Raises
    ------
    AttributionError
        If there is no token, or the bands do not fit the tokens or half the sample rate.
    """
    count, rate = len(waveforms), classifier.sample_rate
    if count == 0:
        raise AttributionError("there is no token to explain")
    context = round(context_seconds * rate)
    if context < 0 or 2 * context >= min(len(w) for w in waveforms):
        raise AttributionError(f"context_seconds is {context_seconds}, but a waveform is not longer than two of them")
    edges = _checked(bands, count, rate / 2)
    how = filtering or Filtering()
    targets = resolve_targets(classifier, target, count, true_labels)
    values, logits = np.full(edges.shape[:2], np.nan), []
    with evaluation_mode(classifier), torch.no_grad():
        longest = max(len(waveform) for waveform in waveforms)
        setting = Setting(classifier, choose_reference(classifier, reference), seed, samples=longest)
        scaling = checked_scaling(classifier, "band-stop")
        for part in in_batches(classifier.front_end, count, batch_size, lambda i: len(waveforms[i])):
            batch = make_batch(classifier, waveforms[part], context, targets.of(part).weights)
            missing = np.isnan(edges[part]).any(axis=2)
            filled = edges[part].copy()
            filled[missing] = 0.0, rate / 4  # stands for a band that is missing; its effect is not reported
            sounds = FilteredSounds(setting, batch, how, filled)
            losses = sounds.logit[:, None] - sounds.of(1 - sounds.passed)
            values[part] = np.where(missing, np.nan, losses.double().cpu().numpy())
            logits.append(sounds.logits.cpu())
    every = torch.cat(logits)
    explained = (every * targets.weights(every)).sum(1).numpy()
    coords = {
        "token": np.asarray([str(t) for t in (range(count) if tokens is None else tokens)], dtype=object),
        "band": np.asarray(range(edges.shape[1]) if names is None else list(names)),
        "low": (("token", "band"), edges[..., 0], {"units": "Hz"}),
        "high": (("token", "band"), edges[..., 1], {"units": "Hz"}),
        "target": ("token", np.asarray(targets.named(every), dtype=object)),
        "logit": ("token", explained),
    }
    attrs = {"units": classifier.unit, "method": "band-stop", "depth_db": how.depth_db, "edge_hz": how.edge_hz}
    attrs |= {"fill": how.fill, "scaling": scaling}
    return xr.DataArray(values, dims=("token", "band"), coords=coords, name="effect", attrs=attrs)


def _checked(bands: np.ndarray, count: int, top: float) -> np.ndarray:
    """Bands of each token, shape (token, band, 2)."""
    edges = np.asarray(bands, dtype=float)
    if edges.ndim == 2:
        edges = np.broadcast_to(edges, (count, *edges.shape))
    if edges.ndim != 3 or edges.shape[0] != count or edges.shape[2] != 2 or edges.shape[1] == 0:
        raise AttributionError(
            f"bands have shape {np.shape(bands)}; expected ({count} tokens, bands, 2): a lower and an upper edge, Hz"
        )
    with np.errstate(invalid="ignore"):
        wrong = (edges[..., 0] < 0) | (edges[..., 1] <= edges[..., 0]) | (edges[..., 0] >= top)
    if wrong.any():
        token, band = np.argwhere(wrong)[0]
        low, high = edges[token, band]
        raise AttributionError(
            f"band {band} of token {token} is {low:g}–{high:g} Hz; expected the lower edge first, from 0 to below "
            f"{top:g} Hz (NaN where a token has no such band)"
        )
    return edges
