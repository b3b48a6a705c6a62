"""What response spectra look like when nothing was learned: the same layer with random weights, and no layer at all.

A response spectrum contains the spectrum of the sound: random filters give nearly the same curve, so only the
difference from them says anything about learning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.filters.bank import Branch, FilterBank
from phonoscope.filters.crs import cumulative_response
from phonoscope.filters.peaks import band_shares
from phonoscope.filters.scaling import Scaling

N_SEEDS = 20
SPECTRUM_WINDOW_SECONDS = 0.025
MIN_SEEDS = 3
_TINY = np.finfo(float).tiny


def random_bank(bank: FilterBank, seed: int = 0) -> FilterBank:
    """Return a bank of the same shape with fresh weights, as PyTorch initialises a convolution.

    Uniform between ±1/√taps in each branch (He et al. 2015 with a = √5, the default of ``Conv1d``); complex weights
    have independent parts. For networks initialised otherwise, take `bank_of` each freshly built network instead.
    """
    rng = np.random.default_rng(seed)
    return replace(bank, branches=[replace(branch, weights=_fresh(branch, rng)) for branch in bank.branches])


def _fresh(branch: Branch, rng: np.random.Generator) -> np.ndarray:
    shape, bound = branch.weights.shape, branch.weights.shape[2] ** -0.5
    weights = rng.uniform(-bound, bound, shape)
    if np.iscomplexobj(branch.weights):
        weights = weights + 1j * rng.uniform(-bound, bound, shape)
    return weights.astype(branch.weights.dtype)


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
    return xr.concat(curves, pd.Index(range(seed, seed + n_seeds), name="seed"), combine_attrs="override")


def learned_minus_null(
    learned: xr.DataArray,
    nulls: xr.DataArray,
    spectrum: xr.DataArray | None = None,
    *,
    labels: Iterable[Any] | None = None,
    weights: np.ndarray | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Set each class's learned response beside its null and the plain spectrum, and take the null off.

    Curves are class means of CRS over tokens, as shapes: divided by their mean over frequency, in dB. (The level of a
    response is a matter of the weights' scale.) The difference is the learned shape minus the mean shape of the seeds,
    for the same tokens, so the spectrum of the sound cancels.

    Parameters
    ----------
    learned : DataArray, dims (token, frequency)
        From `cumulative_response`.
    nulls : DataArray, dims (seed, token, frequency)
        From `null_responses`, of the same tokens.
    spectrum : DataArray, dims (token, frequency), optional
        The same of `spectrum_bank`; its frequencies may differ.
    labels : sequence, optional
        Class (or speaker) of each token; tokens without one (NA) are left out. One class, ``all``, when not given.
    weights : ndarray (n_bootstrap, n_tokens), optional
        How often each token is drawn in each bootstrap sample of whole speakers or recordings, such as
        ``phonetics.bootstrap.unit_weights(unit.n_units, 1000)[:, unit.codes]``. Without it intervals are NaN.
    confidence : float
        Of the bands: percentiles over the seeds for the null, over the bootstrap for the learned curve.

    Returns
    -------
    DataFrame
        Tidy: ``label, frequency`` (Hz), ``learned, learned_low, learned_high, null, null_low, null_high, spectrum``
        (dB), ``difference, low, high`` (dB), ``z`` (difference over the spread of the seeds), ``n`` tokens.

    Raises
    ------
    PhonoscopeError
        If the arrays are not of the same tokens and frequencies, or there are fewer than three seeds.
    """
    learned, nulls = learned.transpose("token", "frequency"), nulls.transpose("seed", "token", "frequency")
    _same(learned, nulls)
    if spectrum is not None and list(spectrum["token"].values) != list(learned["token"].values):
        raise PhonoscopeError("spectrum and learned hold different tokens: compute them for the same waveforms")
    frequency = learned["frequency"].values
    names = _names(labels, learned.sizes["token"])
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    tables = []
    for label in sorted(names.dropna().unique(), key=str):
        chosen = np.flatnonzero((names == label).to_numpy(dtype=bool))
        drawn = None if weights is None else weights[:, chosen]
        curve, samples = _shape(learned.values, chosen, drawn)
        seeds = [_shape(values, chosen, drawn) for values in nulls.values]
        null = np.stack([one for one, _ in seeds])
        difference = curve - null.mean(axis=0)
        bands = {name: np.full(len(frequency), np.nan) for name in ("learned_low", "learned_high", "low", "high")}
        if drawn is not None:
            moved = samples - np.mean([many for _, many in seeds], axis=0)
            bands["learned_low"], bands["learned_high"] = np.nanquantile(samples, tails, axis=0)
            bands["low"], bands["high"] = np.nanquantile(moved, tails, axis=0)
        plain = np.full(len(frequency), np.nan)
        if spectrum is not None:
            power = spectrum.transpose("token", "frequency")
            plain = np.interp(frequency, power["frequency"].values, _shape(power.values, chosen, None)[0])
        null_low, null_high = np.quantile(null, tails, axis=0)
        columns = {"label": label, "frequency": frequency, "learned": curve}
        columns |= {"learned_low": bands["learned_low"], "learned_high": bands["learned_high"]}
        columns |= {"null": null.mean(axis=0), "null_low": null_low, "null_high": null_high, "spectrum": plain}
        columns |= {"difference": difference, "low": bands["low"], "high": bands["high"]}
        columns |= {"z": _z(curve, null), "n": len(chosen)}
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True)
    table.attrs = {"units": "dB", "n_seeds": nulls.sizes["seed"], "confidence": confidence}
    return table


def null_test(
    learned: xr.DataArray, nulls: xr.DataArray, *, labels: Iterable[Any] | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """Test, for a whole curve at once, whether a learned response differs from that of random weights.

    The statistic is the largest |z| over frequency. Each seed is measured against the others in the same way, so
    looking at many frequencies costs nothing (max-statistic; Westfall & Young 1993). The smallest possible p is
    1/(seeds + 1): 20 seeds give 0.048.

    Returns
    -------
    DataFrame
        ``label, max_z, at_hz, critical_z`` (|z| that 95 % of the seeds stay below), ``p, n_seeds``, and
        ``r_learned_null``: correlation of the two shapes in dB, which is high even when something was learned.
    """
    names = _names(labels, learned.sizes["token"])
    table = learned_minus_null(learned, nulls, labels=names)
    values = nulls.transpose("seed", "token", "frequency").values
    rows = []
    for label, group in table.groupby("label", sort=False):
        chosen = np.flatnonzero((names == label).to_numpy(dtype=bool))
        shapes = np.stack([_shape(one, chosen, None)[0] for one in values])
        others = [np.abs(_z(shapes[k], np.delete(shapes, k, axis=0))).max() for k in range(len(shapes))]
        z = group["z"].abs()
        largest = float(z.max())
        rows.append(
            {
                "label": label,
                "max_z": largest,
                "at_hz": float(group["frequency"].to_numpy()[int(np.argmax(z))]),
                "critical_z": float(np.quantile(others, confidence)),
                "p": (1 + sum(other >= largest for other in others)) / (len(others) + 1),
                "n_seeds": len(others),
                "r_learned_null": float(np.corrcoef(group["learned"], group["null"])[0, 1]),
            }
        )
    return pd.DataFrame(rows)


def band_test(
    learned: xr.DataArray,
    nulls: xr.DataArray,
    bands: Mapping[str, tuple[float, float]],
    *,
    labels: Iterable[Any] | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Say whether a class's response puts more into a band than random weights do on the same sounds.

    Bands are named before looking, so each is one question: this test finds what `null_test`, which looks at every
    frequency, cannot.

    Parameters
    ----------
    learned, nulls, labels
        As of `learned_minus_null`.
    bands : mapping
        Name to (low, high) in Hz.

    Returns
    -------
    DataFrame
        ``label, band, low_hz, high_hz``; ``share`` of the class mean of the response in the band; ``null, null_low,
        null_high`` (mean and percentiles of the seeds), ``z``, ``p`` (two-sided, by the rank of |z| among the seeds;
        not corrected for the number of bands) and ``n_seeds``.
    """
    _same(learned, nulls)
    names = _names(labels, learned.sizes["token"])
    rows = []
    for label in sorted(names.dropna().unique(), key=str):
        chosen = np.flatnonzero((names == label).to_numpy(dtype=bool))
        own = band_shares(learned.isel(token=chosen).mean("token"), bands)
        random = band_shares(nulls.isel(token=chosen).mean("token"), bands)
        for band in own.itertuples():
            null = random.loc[random["band"] == band.band, "share"].to_numpy()[:, None]
            others = [abs(float(_z(null[k], np.delete(null, k, axis=0))[0])) for k in range(len(null))]
            z = float(_z(np.array([band.share]), null)[0])
            low, high = np.quantile(null, [(1 - confidence) / 2, (1 + confidence) / 2])
            row = {"label": label, "band": band.band, "low_hz": band.low_hz, "high_hz": band.high_hz}
            row |= {"share": band.share, "null": null.mean(), "null_low": low, "null_high": high, "z": z}
            rows.append(row | {"p": (1 + sum(o >= abs(z) for o in others)) / (len(others) + 1), "n_seeds": len(null)})
    return pd.DataFrame(rows)


def _same(learned: xr.DataArray, nulls: xr.DataArray) -> None:
    """Raise unless learned responses and their null are of the same tokens and frequencies, with seeds enough."""
    if list(nulls["token"].values) != list(learned["token"].values):
        raise PhonoscopeError("nulls and learned hold different tokens: compute them for the same waveforms")
    if not np.array_equal(nulls["frequency"].values, learned["frequency"].values):
        raise PhonoscopeError("nulls and learned have different frequencies: give both the same n_fft")
    if nulls.sizes["seed"] < MIN_SEEDS:
        raise PhonoscopeError(f"a null needs at least {MIN_SEEDS} seeds, found {nulls.sizes['seed']}")


def _names(labels: Iterable[Any] | None, n_tokens: int) -> pd.Series:
    names = pd.Series(["all"] * n_tokens if labels is None else list(labels), dtype="object")
    if len(names) != n_tokens:
        raise PhonoscopeError(f"there are {len(names)} labels for {n_tokens} tokens")
    if names.isna().all():
        raise PhonoscopeError("no token has a label")
    return names


def _shape(values: np.ndarray, chosen: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Class mean over the chosen tokens as a shape in dB, and the same for each bootstrap sample (NaN if empty)."""
    part = values[chosen].astype(np.float64)
    mean = _level(part.mean(axis=0))
    if weights is None:
        return mean, np.empty((0, len(mean)))
    return mean, _level(weights @ part)  # the number of draws cancels in the shape


def _level(curves: np.ndarray) -> np.ndarray:
    mean = curves.mean(axis=-1, keepdims=True)
    shape = np.divide(curves, mean, out=np.full(curves.shape, np.nan), where=mean > 0)
    return 20 * np.log10(np.maximum(shape, _TINY))


def _z(curve: np.ndarray, null: np.ndarray) -> np.ndarray:
    spread = null.std(axis=0, ddof=1) * np.sqrt(1 + 1 / len(null))  # of one more draw around the mean of these
    return (curve - null.mean(axis=0)) / np.maximum(spread, 1e-12)
