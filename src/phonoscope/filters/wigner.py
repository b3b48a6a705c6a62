"""Wigner–Ville distributions of filters: energy over time and frequency at once, and contours around their peaks.

Filters become analytic with room on both sides and every lag counts, so nothing folds over in frequency. Two components
leave a cross term half-way between them; `contours` says where a peak has no energy under it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.filters.atlas import moments
from phonoscope.filters.bank import FilterBank

LEVEL = 0.7  # of the maximum: where the paper draws its contours
N_FREQUENCIES = 512
CROSS_TERM_DB = -10.0  # a Wigner–Ville peak where the power response is this far below its own is a cross term


def wigner_ville(
    filters: np.ndarray,
    sample_rate: float,
    *,
    n_frequencies: int = N_FREQUENCIES,
    lag_seconds: float | None = None,
    smooth_seconds: float | None = None,
    margin: bool = False,
) -> xr.DataArray:
    """(Pseudo-)Wigner–Ville distribution of real or complex filters.

    ``W(n, f) = Σ_m h(m) z[n + m] z*[n − m] exp(−4πi f m / fs)`` with z the analytic signal. Without windows, the sum
    over frequency is ``n_frequencies · |z[n]|²`` (if there are as many frequencies as lags) and, over all times
    (`margin`), ``(|Z(f)|² + |Z(f + fs/2)|²) / 2``, both exactly; the second term is what little an analytic signal of
    finite length has below 0 Hz (Claasen & Mecklenbräuker 1980).

    Parameters
    ----------
    filters : ndarray (filter, tap) or (tap,)
        Complex filters are taken as analytic if they hold no energy below 0 Hz; that part is removed.
    sample_rate : float
        Hz.
    n_frequencies : int
        From 0 Hz up to, not including, half the sample rate.
    lag_seconds : float, optional
        Length of a Hann window over the separation of the two samples: pseudo-Wigner–Ville, smoothed in frequency.
    smooth_seconds : float, optional
        Length of a Hann window over time: with `lag_seconds`, smoothed pseudo-Wigner–Ville, in which cross terms fade.
    margin : bool
        Keep the times before and after the taps, where the analytic signal's tails lie.

    Returns
    -------
    DataArray, dims (filter, frequency, time), float32
        ``frequency`` in Hz, ``time`` in s from the middle of the filter. Squared amplitude; may be negative.
    """
    rows = np.atleast_2d(np.asarray(filters))
    if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
        raise PhonoscopeError(f"expected finite filters (filter, tap), found an array of shape {np.shape(filters)}")
    taps, before = rows.shape[1], _margin(rows.shape[1])
    kept = slice(None) if margin else slice(before, before + taps)
    times = (np.arange(taps + 2 * before) - before - (taps - 1) / 2)[kept] / sample_rate
    planes = np.empty((len(rows), n_frequencies, len(times)), dtype=np.float32)
    for number, plane in enumerate(_planes(rows, sample_rate, n_frequencies, lag_seconds, smooth_seconds, kept)):
        planes[number] = plane.T
    return xr.DataArray(
        planes,
        dims=("filter", "frequency", "time"),
        coords={
            "filter": np.arange(len(rows)),
            "frequency": ("frequency", _frequencies(sample_rate, n_frequencies), {"units": "Hz"}),
            "time": ("time", times, {"units": "s"}),
        },
        attrs={"units": "amplitude²", "sample_rate": float(sample_rate), "method": "Wigner–Ville"},
        name="energy",
    )


def contours(
    bank: FilterBank,
    *,
    level: float = LEVEL,
    n_frequencies: int = N_FREQUENCIES,
    lag_seconds: float | None = None,
    smooth_seconds: float | None = None,
) -> pd.DataFrame:
    """Measure the region of each filter in which its Wigner–Ville distribution is at least `level` of its maximum.

    Parameters
    ----------
    bank : FilterBank
    level : float
        Share of the maximum, 0 to 1.
    n_frequencies, lag_seconds, smooth_seconds
        As of `wigner_ville`.

    Returns
    -------
    DataFrame
        ``filter``; ``area`` (s·Hz, no dimension: ln(1/level)/2 for a Gabor atom, the most compact there is);
        ``components`` (connected parts); ``peak_hz, peak_seconds``; ``time, frequency`` (centroid of the energy, from
        |z|² and |Z|²), ``time_spread, frequency_spread`` (their standard deviations), ``negative`` (negative part of
        the distribution over the positive), ``power_at_peak_db`` (power response at the peak's frequency re its
        maximum) and ``cross_term`` (that is below -10 dB: the contour marks a frequency that the filter does not pass).
        Times are s from the frame's middle. NaN for dead filters.
    """
    return _measure(bank, level, n_frequencies, lag_seconds, smooth_seconds)[0]


def wigner_plane(
    bank: FilterBank,
    *,
    level: float = LEVEL,
    n_frequencies: int = N_FREQUENCIES,
    lag_seconds: float | None = None,
    smooth_seconds: float | None = None,
) -> xr.Dataset:
    """All filters of a layer in one time–frequency plane, as the paper's Fig. 4.

    Parameters
    ----------
    bank, level, n_frequencies, lag_seconds, smooth_seconds
        As of `contours`.

    Returns
    -------
    Dataset
        ``total`` (frequency, time): sum of the distributions, the grey of the figure; ``count`` (frequency, time): how
        many filters have the point inside their contour; coordinates in Hz and in s from the frame's middle.
        ``attrs["level"]`` is the share of the maximum.
    """
    _, total, count = _measure(bank, level, n_frequencies, lag_seconds, smooth_seconds)
    times = (np.arange(bank.width) - (bank.width - 1) / 2) / bank.sample_rate
    frequency = _frequencies(bank.sample_rate, n_frequencies)
    return xr.Dataset(
        {"total": (("frequency", "time"), total.T), "count": (("frequency", "time"), count.T)},
        coords={"frequency": ("frequency", frequency, {"units": "Hz"}), "time": ("time", times, {"units": "s"})},
        attrs={"level": level, "n_filters": bank.n_filters, "sample_rate": float(bank.sample_rate)},
    )


def coverage(plane: xr.Dataset) -> dict[str, float]:
    """How far the contours of a layer cover its plane.

    Returns
    -------
    dict
        ``covered``: share of the plane (frame × 0 to half the sample rate) inside at least one contour; ``overlap``:
        mean number of contours where there is one; ``covered_below_1khz``, ``covered_1_to_4khz``,
        ``covered_above_4khz``: shares of these parts (NaN where the sample rate ends below).
    """
    count, frequency = plane["count"].values, plane["frequency"].values
    inside = count > 0

    def share(low: float, high: float) -> float:
        rows = (frequency >= low) & (frequency < high)
        return float(inside[rows].mean()) if rows.any() else float("nan")

    return {
        "covered": float(inside.mean()),
        "overlap": float(count[inside].mean()) if inside.any() else float("nan"),
        "covered_below_1khz": share(0, 1000),
        "covered_1_to_4khz": share(1000, 4000),
        "covered_above_4khz": share(4000, math.inf),
    }


def _measure(
    bank: FilterBank, level: float, n_frequencies: int, lag_seconds: float | None, smooth_seconds: float | None
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Contour measures of every filter, and the sums over filters, one filter in memory at a time."""
    if not 0 < level < 1:
        raise PhonoscopeError(f"the level of a contour is a share of the maximum between 0 and 1, got {level}")
    rows, rate = bank.dictionary.T, bank.sample_rate
    before = _margin(bank.width)
    kept = slice(before, before + bank.width)
    total = np.zeros((bank.width, n_frequencies))
    count = np.zeros((bank.width, n_frequencies), dtype=np.int32)
    measured = []
    for number, plane in enumerate(_planes(rows, rate, n_frequencies, lag_seconds, smooth_seconds, kept)):
        total += plane
        if plane.max() > 0:
            inside = plane >= level * plane.max()
            count += inside
            shape = _contour(plane, inside, level, rate)
            under = _power_at(rows[number], shape["peak_hz"], rate)
            measured.append({"filter": number, **shape, **_spread(rows[number], rate), **under})
        else:
            measured.append({"filter": number})
    return pd.DataFrame(measured, columns=_COLUMNS), total, count


_COLUMNS = [
    *("filter", "area", "components", "peak_hz", "peak_seconds", "time", "frequency", "time_spread"),
    *("frequency_spread", "negative", "power_at_peak_db", "cross_term"),
]


def _margin(taps: int) -> int:
    return (taps + 1) // 2


def _frequencies(sample_rate: float, n_frequencies: int) -> np.ndarray:
    return np.arange(n_frequencies) * sample_rate / (2 * n_frequencies)


def _analytic(row: np.ndarray) -> np.ndarray:
    """Analytic signal with half the filter's length of room on either side: the negative bins of its DFT are 0."""
    before = _margin(len(row))
    spectrum = np.fft.fft(np.pad(row.astype(np.complex128 if np.iscomplexobj(row) else np.float64), before))
    size, half = len(spectrum), (len(spectrum) + 1) // 2
    if not np.iscomplexobj(row):
        spectrum[1:half] *= 2  # 0 Hz, and half the rate of an even length, stand for themselves
    spectrum[size // 2 + 1 :] = 0
    return np.fft.ifft(spectrum)


def _planes(
    rows: np.ndarray,
    sample_rate: float,
    n_frequencies: int,
    lag_seconds: float | None,
    smooth_seconds: float | None,
    kept: slice,
) -> Iterator[np.ndarray]:
    """Yield the distribution (time, frequency) of each filter."""
    if n_frequencies < 2:
        raise PhonoscopeError(f"n_frequencies is {n_frequencies}; expected at least 2")
    size = rows.shape[1] + 2 * _margin(rows.shape[1])
    centre, reach = np.arange(size)[kept], (size - 1) // 2
    window = np.ones(reach + 1)
    if lag_seconds is not None:  # the two samples are 2 m apart
        window = _hann(2 * np.arange(reach + 1) / sample_rate, lag_seconds)
        reach = max(1, int(np.flatnonzero(window)[-1]))
        window = window[: reach + 1]
    # lags beyond n_frequencies are folded: each frequency stays the exact sum over all lags
    folds = -(-(reach + 1) // n_frequencies) * n_frequencies
    products = np.zeros((len(centre), folds), dtype=np.complex64)
    for row in rows:
        z = np.pad(_analytic(row).astype(np.complex64), reach)  # nothing lies outside
        runs = np.lib.stride_tricks.sliding_window_view(z, reach + 1)
        later, earlier = runs[centre[0] + reach :], runs[centre[0] :, ::-1]
        np.multiply(later[: len(centre)], earlier[: len(centre)].conj(), out=products[:, : reach + 1])
        products[:, : reach + 1] *= window
        if smooth_seconds is not None:
            products[:] = _smoothed(products, sample_rate, smooth_seconds)
        products[:, 0] /= 2
        half = products.reshape(len(centre), -1, n_frequencies).sum(axis=1)
        # W is real: negative lags are the conjugates of the positive ones
        yield 2 * _real_dft(half)


def _real_dft(values: np.ndarray) -> np.ndarray:
    """Real part of the DFT along the last axis, for complex input, by one transform of Hermitian data."""
    import scipy.fft

    size = values.shape[-1]
    mirrored = values[..., -np.arange(size) % size].conj()
    return scipy.fft.hfft(((values + mirrored) / 2)[..., : size // 2 + 1], size, axis=-1)


def _hann(distance: np.ndarray, length: float) -> np.ndarray:
    """Hann window of the given length at distances from its middle, in the same unit; 1 in the middle."""
    if not length > 0:
        raise PhonoscopeError(f"a smoothing window lasts {length} s; expected more than 0")
    return np.where(np.abs(distance) < length / 2, np.cos(np.pi * distance / length) ** 2, 0.0)


def _smoothed(products: np.ndarray, sample_rate: float, smooth_seconds: float) -> np.ndarray:
    from scipy.ndimage import convolve1d

    reach = int(smooth_seconds * sample_rate / 2)
    kernel = _hann(np.arange(-reach, reach + 1) / sample_rate, smooth_seconds)
    return convolve1d(products, kernel / kernel.sum(), axis=0, mode="constant")


def _contour(plane: np.ndarray, inside: np.ndarray, level: float, sample_rate: float) -> dict[str, float]:
    from scipy.ndimage import find_objects, label

    n_times, n_frequencies = plane.shape
    limit = level * plane.max()
    peak_time, peak_bin = np.unravel_index(int(plane.argmax()), plane.shape)
    around = find_objects(inside.astype(np.int8))[0]
    parts = label(inside[around], structure=np.ones((3, 3)))[1]
    times = slice(around[0].start, around[0].stop)
    bins = slice(max(0, around[1].start - 1), around[1].stop + 1)
    cell = 1 / (2 * n_frequencies)  # s·Hz: one sample by one step in frequency
    positive = plane[plane > 0].sum()
    return {
        "area": _length_above(plane[times, bins], limit) * cell,
        "components": parts,
        "peak_hz": peak_bin * sample_rate / (2 * n_frequencies),
        "peak_seconds": (peak_time - (n_times - 1) / 2) / sample_rate,
        "negative": float((positive - plane.sum()) / positive),
    }


def _length_above(curves: np.ndarray, limit: float) -> float:
    """Length, in steps, on which straight lines between neighbouring values along the last axis lie above a limit."""
    left, right = curves[:, :-1], curves[:, 1:]
    low, high = np.minimum(left, right), np.maximum(left, right)
    crossing = (low < limit) & (high >= limit)
    part = (high[crossing] - limit) / (high[crossing] - low[crossing])
    return float((low >= limit).sum() + part.sum())


def _spread(row: np.ndarray, sample_rate: float) -> dict[str, float]:
    """Centroids and standard deviations of |z|² over time and of |Z|² over frequency."""
    z = _analytic(row)
    time = (np.arange(len(z)) - (len(z) - 1) / 2) / sample_rate
    energy, power = np.abs(z) ** 2, np.abs(np.fft.fft(z)[: len(z) // 2 + 1]) ** 2
    frequency = np.arange(len(power)) * sample_rate / len(z)
    (mean_time, time_spread), (mean_hz, spread_hz) = moments(time, energy), moments(frequency, power)
    return {"time": mean_time, "time_spread": time_spread, "frequency": mean_hz, "frequency_spread": spread_hz}


def _power_at(row: np.ndarray, hz: float, sample_rate: float) -> dict[str, object]:
    points = 2 ** (4 * len(row) - 1).bit_length()
    power = np.abs(np.fft.fft(row, points)[: points // 2 + 1]) ** 2
    at = power[round(hz * points / sample_rate)]
    level = 10 * np.log10(max(at / power.max(), 1e-30))
    return {"power_at_peak_db": level, "cross_term": bool(level < CROSS_TERM_DB)}
