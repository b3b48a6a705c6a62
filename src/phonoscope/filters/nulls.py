"""What response spectra look like when nothing was learned: the same layer with random weights, and no layer at all.

A response spectrum contains the spectrum of the sound: random filters give nearly the same curve, so only the
difference from them says anything about learning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.filters.bank import Branch, FilterBank
from phonoscope.filters.crs import cumulative_response
from phonoscope.filters.scaling import Scaling
from phonoscope.judgement.resampling import Resampling
from phonoscope.networks.starts import free_filters

N_SEEDS = 20
SPECTRUM_WINDOW_SECONDS = 0.025
MIN_SEEDS = 3
_TINY = np.finfo(float).tiny


def random_bank(bank: FilterBank, seed: int = 0) -> FilterBank:
    """Return a bank of the same shape as its layer is before a training, as ``bank.untrained`` says.

    Free filters are drawn as PyTorch initialises a convolution (`free_filters`). For filters that are computed from
    parameters, the parameters are drawn anew and sent through the layer's own computation.

    Raises
    ------
    PhonoscopeError
        If the filters are fixed, or nobody can see how their parameters begin.
    """
    if bank.untrained.kind == "free filters":
        rng = np.random.default_rng(seed)
        weights = [free_filters(branch.weights, rng) for branch in bank.branches]
    elif bank.untrained.draw is not None:
        weights = [
            drawn.reshape(branch.weights.shape).astype(branch.weights.dtype)
            for branch, drawn in zip(bank.branches, bank.untrained.draw(seed), strict=True)
        ]
    else:
        name = bank.branches[0].name
        raise PhonoscopeError(f"the layer {name!r} cannot be drawn anew: {bank.untrained.words}")
    return replace(bank, branches=[replace(b, weights=w) for b, w in zip(bank.branches, weights, strict=True)])


def spectrum_bank(
    sample_rate: float, *, hop: int | None = None, window_seconds: float = SPECTRUM_WINDOW_SECONDS
) -> FilterBank:
    """Return a bank whose response spectrum is the ordinary short-time spectrum: |DFT(w x_j)| with a Hann window w.

    The filters are √w on the diagonal, so D Dᵀ = diag(w): the plain spectrum by the same road as every other curve.

    Parameters
    ----------
    sample_rate : float
        Hz.
    hop : int, optional
        Samples; a quarter of the window when not given.
    window_seconds : float
    """
    width = max(3, round(window_seconds * sample_rate))
    window = np.sin(np.pi * (np.arange(width) + 0.5) / width) ** 2
    window *= width / window.sum()
    weights = np.diag(np.sqrt(window)).astype(np.float32)
    half = (width - 1) // 2
    step = max(1, width // 4) if hop is None else hop
    return FilterBank([Branch(weights, step, padding=(half, width - 1 - half), name="spectrum")], sample_rate)


def null_responses(
    bank: FilterBank,
    waveforms: Sequence[np.ndarray],
    *,
    n_seeds: int = N_SEEDS,
    seed: int = 0,
    n_fft: int | None = None,
    scaling: Scaling = "none",
    make: Callable[[int], FilterBank] | None = None,
    tokens: Sequence[str] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> xr.DataArray:
    """Cumulative responses of the same waveforms through layers with random weights.

    Parameters
    ----------
    bank : FilterBank
        Gives the shape of the layer.
    waveforms : sequence of ndarray (sample,)
    n_seeds, seed : int
        How many layers; the seed of the first.
    n_fft, scaling, tokens
        As of `cumulative_response`.
    make : callable, optional
        Turns a seed into a bank, for networks with an initialisation of their own
        (``lambda seed: bank_of(build(seed), rate)``); `random_bank` when not given.
    progress : callable, optional
        Told the numbers of layers done and in all.

    Returns
    -------
    DataArray, dims (seed, token, frequency)
    """
    make = make or (lambda number: random_bank(bank, number))
    curves = []
    for number in range(seed, seed + n_seeds):
        curves.append(
            cumulative_response(make(number), waveforms, bank.sample_rate, n_fft=n_fft, scaling=scaling, tokens=tokens)
        )
        if progress is not None:
            progress(len(curves), n_seeds)
    layers = xr.concat(curves, pd.Index(range(seed, seed + n_seeds), name="seed"), combine_attrs="override")
    return layers.assign_attrs(null=bank.untrained.label)


def learned_minus_null(
    learned: xr.DataArray,
    nulls: xr.DataArray | None,
    spectrum: xr.DataArray | None = None,
    *,
    initial: xr.DataArray | None = None,
    labels: Iterable[Any] | None = None,
    resampled: Resampling | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Set each class's learned response beside its null and the plain spectrum, and take the null off.

    Curves are class means of CRS over tokens, as shapes: divided by their mean over frequency, in dB. (The level of a
    response is a matter of the weights' scale.) The difference is the learned shape minus the mean shape of the seeds,
    for the same tokens, so the spectrum of the sound cancels.

    Parameters
    ----------
    learned : DataArray, dims (token, frequency) or (seed, token, frequency)
        From `cumulative_response`; of several trainings of one network: their mean shape stands for them.
    nulls : DataArray, dims (seed, token, frequency), or None
        From `null_responses`, of the same tokens. None for a layer that has no null (fixed filters): everything that
        is told from it is NaN.
    initial : DataArray, dims as of `learned`, optional
        The same layers with the very weights that their trainings began from (`initial_bank`).
    spectrum : DataArray, dims (token, frequency), optional
        The same of `spectrum_bank`; its frequencies may differ.
    labels : sequence, optional
        Class (or speaker) of each token; tokens without one (NA) are left out. One class, ``all``, when not given.
    resampled : Resampling, optional
        Bootstrap samples of whole speakers or recordings, ``resample(unit)``. Without them, and where a class has one
        unit only, intervals are NaN.
    confidence : float
        Of the intervals of the learned curve and its difference (see ``interval_of``), and of the null's band:
        percentiles over the seeds.

    Returns
    -------
    DataFrame
        Tidy: ``label, frequency`` (Hz), ``learned, learned_low, learned_high, null, null_low, null_high, spectrum``
        (dB), ``difference, low, high`` (dB), ``z`` (difference over the spread of the seeds), ``n`` tokens. With
        `initial` also ``initial`` and ``moved, moved_low, moved_high``: what training itself did to these layers (dB).

    Raises
    ------
    PhonoscopeError
        If the arrays are not of the same tokens and frequencies, or there are fewer than three seeds.
    """
    if nulls is not None:
        nulls = nulls.transpose("seed", "token", "frequency")
        check_same(learned, nulls)
    trained = each_training(learned)
    if initial is not None and each_training(initial).shape != trained.shape:
        raise PhonoscopeError("initial and learned hold different layers or tokens: compute them for the same ones")
    if spectrum is not None and list(spectrum["token"].values) != list(learned["token"].values):
        raise PhonoscopeError("spectrum and learned hold different tokens: compute them for the same waveforms")
    frequency = learned["frequency"].values
    names = label_names(labels, learned.sizes["token"])
    tables = []
    for label in sorted(names.dropna().unique(), key=str):
        chosen = np.flatnonzero((names == label).to_numpy(dtype=bool))
        drawn = None if resampled is None else resampled.among(chosen)
        shapes, samples = _shapes(trained, chosen, drawn)
        curve, samples = shapes.mean(axis=0), samples.mean(axis=0)
        plain = np.full(len(frequency), np.nan)
        if spectrum is not None:
            power = spectrum.transpose("token", "frequency")
            plain = np.interp(frequency, power["frequency"].values, class_shape(power.values, chosen))
        columns = {"label": label, "frequency": frequency, "learned": curve}
        columns |= _interval("learned_", samples, drawn, confidence)
        columns |= dict.fromkeys(("null", "null_low", "null_high"), np.nan) | {"spectrum": plain}
        columns |= dict.fromkeys(("difference", "low", "high", "z"), np.nan) | {"n": len(chosen)}
        if nulls is not None:
            null, null_samples = _shapes(nulls.values, chosen, drawn)
            low, high = np.quantile(null, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
            columns |= {"null": null.mean(axis=0), "null_low": low, "null_high": high, "z": distance(shapes, null)}
            columns |= {"difference": curve - null.mean(axis=0)}
            columns |= _interval("", samples - null_samples.mean(axis=0), drawn, confidence)
        if initial is not None:  # what each training did to its own first weights, as a mean over trainings
            before, drawn_before = _shapes(each_training(initial), chosen, drawn)
            start = before.mean(axis=0)
            columns |= {"initial": start, "moved": curve - start}
            columns |= _interval("moved_", samples - drawn_before.mean(axis=0), drawn, confidence)
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True)
    table.attrs = {"units": "dB", "n_trainings": len(trained), "confidence": confidence}
    if nulls is not None:
        table.attrs |= {"n_seeds": nulls.sizes["seed"], "null": nulls.attrs.get("null", "")}
    return table


def _interval(
    prefix: str, samples: np.ndarray, drawn: Resampling | None, confidence: float
) -> dict[str, np.ndarray | float]:
    low, high = (np.nan, np.nan) if drawn is None else drawn.interval(samples, confidence=confidence)
    return {f"{prefix}low": low, f"{prefix}high": high}


def each_training(learned: xr.DataArray) -> np.ndarray:
    """Values (training, token, frequency) of responses of one training or several."""
    if "seed" in learned.dims:
        return learned.transpose("seed", "token", "frequency").values
    return learned.transpose("token", "frequency").values[None]


def check_same(learned: xr.DataArray, nulls: xr.DataArray) -> None:
    """Raise unless learned responses and their null are of the same tokens and frequencies, with seeds enough."""
    if list(nulls["token"].values) != list(learned["token"].values):
        raise PhonoscopeError("nulls and learned hold different tokens: compute them for the same waveforms")
    if not np.array_equal(nulls["frequency"].values, learned["frequency"].values):
        raise PhonoscopeError("nulls and learned have different frequencies: give both the same n_fft")
    if nulls.sizes["seed"] < MIN_SEEDS:
        raise PhonoscopeError(f"a null needs at least {MIN_SEEDS} seeds, found {nulls.sizes['seed']}")


def label_names(labels: Iterable[Any] | None, n_tokens: int) -> pd.Series:
    """Label of each token, ``all`` when none are given; PhonoscopeError if they do not fit the tokens."""
    names = pd.Series(["all"] * n_tokens if labels is None else list(labels), dtype="object")
    if len(names) != n_tokens:
        raise PhonoscopeError(f"there are {len(names)} labels for {n_tokens} tokens")
    if names.isna().all():
        raise PhonoscopeError("no token has a label")
    return names


def class_shape(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mean over the chosen tokens of values (token, frequency) as a shape: dB re its mean over frequency."""
    return _level(values[chosen].astype(np.float64).mean(axis=0))


def distance(group: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """z: mean of a group of layers (layer, ...) minus that of the rest, over the spread expected of this difference."""
    spread = rest.std(axis=0, ddof=1) * np.sqrt(1 / len(group) + 1 / len(rest))
    return (group.mean(axis=0) - rest.mean(axis=0)) / np.maximum(spread, 1e-12)


def _shapes(layers: np.ndarray, chosen: np.ndarray, drawn: Resampling | None) -> tuple[np.ndarray, np.ndarray]:
    """Shapes (layer, frequency) of responses (layer, token, frequency), and of each draw, (layer, draw, frequency)."""
    shapes = np.stack([class_shape(values, chosen) for values in layers])
    if drawn is None:
        return shapes, np.empty((len(layers), 0, layers.shape[2]))
    # the number of draws cancels in the shape
    return shapes, np.stack([_level(drawn.weights @ values[chosen].astype(np.float64)) for values in layers])


def _level(curves: np.ndarray) -> np.ndarray:
    mean = curves.mean(axis=-1, keepdims=True)
    shape = np.divide(curves, mean, out=np.full(curves.shape, np.nan), where=mean > 0)
    return 20 * np.log10(np.maximum(shape, _TINY))
