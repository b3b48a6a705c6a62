"""Where response spectra have their peaks, how far these stand out, how sure that is; and what share lies in a band."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.judgement.resampling import Resampling

MIN_PROMINENCE_DB = 1.0
LOWEST_HZ = 60.0  # below, an offset of the recording looks like a peak


def spectral_peaks(
    curves: xr.DataArray, *, resampled: Resampling | None = None, nulls: xr.DataArray | None = None
) -> pd.DataFrame:
    """Peaks of the mean cumulative response over tokens, the most prominent first.

    Peaks stand out by 1 dB at least and lie above 60 Hz. A peak's frequency is that of the parabola through its largest
    bin and that bin's neighbours, in dB. A bootstrap sample *has* the peak if one of its own lies within
    `resolution_hz` or half the way to the next peak of the full sample, whichever is larger.

    Parameters
    ----------
    curves : DataArray, dims (token, frequency) or (frequency,)
        From `cumulative_response`.
    resampled : Resampling, optional
        Bootstrap samples of the tokens, see `learned_minus_null`.
    nulls : DataArray, dims (seed, token, frequency), optional
        From `null_responses`: says how often random weights give a peak in the same place.

    Returns
    -------
    DataFrame
        ``frequency`` (Hz), ``level`` (dB re the curve's maximum), ``prominence`` (dB), ``low, high`` (Hz, over the
        bootstrap samples that have the peak), ``found`` (share of samples with the peak), ``in_null`` (share of seeds).
    """
    values = curves.transpose("token", "frequency").values if "token" in curves.dims else curves.values[None]
    values, frequency = values.astype(np.float64), curves["frequency"].values
    peaks = _peaks(values.mean(axis=0), frequency)
    peaks = peaks.sort_values("prominence", ascending=False, ignore_index=True)
    at = peaks["frequency"].to_numpy()
    gaps = np.abs(at[:, None] - at) + np.diag(np.full(len(at), np.inf))
    resolution = float(curves.attrs.get("resolution_hz", frequency[1] - frequency[0]))
    reach = np.maximum(gaps.min(axis=1, initial=np.inf) / 2, resolution)
    reach = np.where(np.isfinite(reach), reach, frequency[-1])
    peaks["low"] = peaks["high"] = peaks["found"] = peaks["in_null"] = np.nan
    if resampled is not None and len(peaks):
        if resampled.weights.shape[1] != len(values):
            raise PhonoscopeError(
                f"the bootstrap samples are of {resampled.weights.shape[1]} tokens, the curves of {len(values)}"
            )
        sampled = _places(resampled.weights @ values, frequency, at, reach)
        peaks["found"] = np.isfinite(sampled).mean(axis=0)
        peaks["low"], peaks["high"] = resampled.interval(sampled)
    if nulls is not None and len(peaks):
        shapes = nulls.mean("token") if "token" in nulls.dims else nulls
        places = _places(shapes.transpose("seed", "frequency").values, frequency, at, reach)
        peaks["in_null"] = np.isfinite(places).mean(axis=0)
    return peaks


def band_shares(curves: xr.DataArray, bands: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """Share of a response that lies in frequency bands: the integral over the band over the integral over all.

    The curve is a straight line between its bins, so each integral is exact. For the formants of each token use
    ``phonetics.shares.formant_shares``, which takes cumulative responses as they are.

    Parameters
    ----------
    curves : DataArray, dims (..., frequency)
    bands : mapping
        Name to (low, high) in Hz.

    Returns
    -------
    DataFrame
        One row a curve and band: the coordinates of the other dims, ``band, low_hz, high_hz, share`` and ``area``, the
        band's part of the axis: the share of a flat curve.

    Raises
    ------
    PhonoscopeError
        If a band is empty or outside the frequencies of the curves.
    """
    frequency = curves["frequency"].values
    others = [dim for dim in curves.dims if dim != "frequency"]
    stacked = curves.transpose(*others, "frequency").values.astype(np.float64).reshape(-1, len(frequency))
    steps = np.diff(frequency) * (stacked[:, 1:] + stacked[:, :-1]) / 2
    total = np.concatenate([np.zeros((len(stacked), 1)), np.cumsum(steps, axis=1)], axis=1)
    keys = [curves[dim].values if dim in curves.coords else np.arange(curves.sizes[dim]) for dim in others]
    index = pd.MultiIndex.from_product(keys, names=others).to_frame(index=False) if others else pd.DataFrame(index=[0])
    tables = []
    for name, (low, high) in bands.items():
        if not frequency[0] <= low < high <= frequency[-1]:
            raise PhonoscopeError(
                f"band {name} ({low:g}–{high:g} Hz) must lie within {frequency[0]:g}–{frequency[-1]:g} Hz"
            )
        inside = _integral(stacked, total, frequency, high) - _integral(stacked, total, frequency, low)
        share = np.divide(inside, total[:, -1], out=np.full(len(inside), np.nan), where=total[:, -1] > 0)
        area = (high - low) / (frequency[-1] - frequency[0])
        tables.append(index.assign(band=name, low_hz=low, high_hz=high, share=share, area=area))
    return pd.concat(tables, ignore_index=True)


def _integral(curves: np.ndarray, total: np.ndarray, frequency: np.ndarray, limit: float) -> np.ndarray:
    """Integral from the lowest frequency to `limit` of curves that are straight between bins."""
    bin_ = min(int(np.searchsorted(frequency, limit, side="right")) - 1, len(frequency) - 2)
    part = (limit - frequency[bin_]) / (frequency[bin_ + 1] - frequency[bin_])
    left, right = curves[:, bin_], curves[:, bin_ + 1]
    width = limit - frequency[bin_]
    return total[:, bin_] + width * (left + part * (right - left) / 2)


def _peaks(curve: np.ndarray, frequency: np.ndarray) -> pd.DataFrame:
    from scipy.signal import find_peaks

    level = 20 * np.log10(np.maximum(curve / max(curve.max(), np.finfo(float).tiny), 1e-15))
    bins, properties = find_peaks(level, prominence=MIN_PROMINENCE_DB)
    keep = frequency[bins] >= LOWEST_HZ
    bins, prominence = bins[keep], properties["prominences"][keep]
    below, top, above = level[bins - 1], level[bins], level[bins + 1]
    bend = below - 2 * top + above
    shift = np.divide(below - above, 2 * bend, out=np.zeros(len(bins)), where=bend < 0)
    step = frequency[1] - frequency[0]
    return pd.DataFrame({"frequency": frequency[bins] + shift * step, "level": top, "prominence": prominence})


def _places(curves: np.ndarray, frequency: np.ndarray, at: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Frequency of the peak of each curve that answers to each peak `at`, NaN where there is none, (curve, peak)."""
    places = np.full((len(curves), len(at)), np.nan)
    for row, curve in enumerate(curves):
        peaks = _peaks(curve, frequency)["frequency"].to_numpy()
        if len(peaks):
            nearest = peaks[np.abs(peaks[:, None] - at).argmin(axis=0)]
            places[row] = np.where(np.abs(nearest - at) <= reach, nearest, np.nan)
    return places
