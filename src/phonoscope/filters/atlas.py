"""An atlas of filters: where each lies in frequency and time, how sharp it is, whether it rings or clicks.

Measured on the filters alone; no sound is involved.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.filters.bank import FilterBank

MIN_POINTS = 4096
CLEAR_TONALITY = 0.15  # of random filters of 30 to 500 taps, 1 in 500 or fewer lie above it or below its negative
SHORT_TAPS = 30  # shorter random filters scatter more: the limit grows as 1 / taps
_HALF_POWER = 0.5


def frequency_response(bank: FilterBank) -> xr.DataArray:
    """DFT of every filter around the middle of the common frame: complex DataArray (filter, frequency), Hz.

    Its phase is that of a filter whose time 0 is the frame's middle, so that a symmetrical filter has none.
    """
    atoms = bank.dictionary.astype(np.result_type(bank.dictionary.dtype, np.float64))
    points = _points(bank)
    frequency = np.arange(points // 2 + 1) * bank.sample_rate / points
    spectrum = np.fft.fft(atoms, points, axis=0)[: points // 2 + 1]
    middle = np.exp(2j * np.pi * frequency * (bank.width - 1) / 2 / bank.sample_rate)
    return xr.DataArray(
        (spectrum * middle[:, None]).T,
        dims=("filter", "frequency"),
        coords={"filter": np.arange(bank.n_filters), "frequency": ("frequency", frequency, {"units": "Hz"})},
        attrs={"units": "gain", "sample_rate": float(bank.sample_rate)},
        name="gain",
    )


def filter_atlas(bank: FilterBank) -> pd.DataFrame:
    """Measure every filter of a bank; rows are ordered by centre frequency.

    P is the power response from 0 to half the sample rate, e the squared modulus of the filter over time.

    Parameters
    ----------
    bank : FilterBank
        The DFT has at least 4096 points and eight times as many as the longest filter.

    Returns
    -------
    DataFrame
        ``rank`` (0 is the lowest centre), ``filter`` (position in the bank), ``branch``, ``taps``, ``norm`` (root of
        the energy), ``peak_hz`` and ``peak_db`` (largest gain, 20 log10), ``centre_hz`` (mean of P), ``spread_hz``
        (standard deviation of P), ``bandwidth_hz`` (between the half-power points around the peak), ``q`` (peak /
        bandwidth), ``erb_hz`` (∫P / max P), ``delay_seconds`` (centroid of e, from the frame's middle),
        ``group_delay_seconds`` (at the peak, from the frame's middle; positive: the sound that is matched comes later),
        ``duration_seconds`` (twice the standard deviation of e), ``time_bandwidth`` (4π σ_t σ_f; 1 for a Gabor atom,
        the least there is, of filters away from 0 Hz), ``tonality`` (-1 a click, 0 noise, 1 a sinusoid) and
        ``character`` (tonal, transient or mixed). All zeros give NaN and the character ``dead``.

        Tonality is the normalised entropy of e over the filter's own taps minus that of P up to half the sample rate:
        a sinusoid is spread over time and collected in frequency, a click the other way round. Beyond ±0.15 (more for
        fewer than 30 taps) it is called tonal or transient: random weights hardly ever are.
    """
    gain = frequency_response(bank)
    frequency, step = gain["frequency"].values, float(gain["frequency"][1])
    spectra, atoms = gain.values, bank.dictionary.astype(np.result_type(bank.dictionary.dtype, np.float64))
    slopes = _group_delays(bank, atoms)
    time = (np.arange(bank.width) - (bank.width - 1) / 2) / bank.sample_rate
    rows = []
    for number, (branch, offset) in enumerate(_owners(bank)):
        energy, power = np.abs(atoms[:, number]) ** 2, np.abs(spectra[number]) ** 2
        taps = energy[offset : offset + branch.width : branch.dilation]
        row = {"filter": number, "branch": branch.name, "taps": len(taps), "norm": float(np.sqrt(energy.sum()))}
        if energy.sum() > 0:
            top = int(np.argmax(power))
            low, high = _half_power(power, top)
            centre, spread = moments(frequency, power)
            delay, deviation = moments(time, energy)
            width = (high - low) * step
            tonality = _entropy(taps) - _entropy(_own_bins(power, len(taps), branch.dilation))
            row |= {"peak_hz": frequency[top], "peak_db": 10 * np.log10(power[top])}
            row |= {"centre_hz": centre, "spread_hz": spread, "bandwidth_hz": width, "q": frequency[top] / width}
            row |= {"erb_hz": np.trapezoid(power, frequency) / power[top], "delay_seconds": delay}
            row |= {"group_delay_seconds": slopes[number, top], "duration_seconds": 2 * deviation}
            row |= {"time_bandwidth": 4 * np.pi * deviation * spread, "tonality": tonality}
            limit = CLEAR_TONALITY * max(1.0, SHORT_TAPS / len(taps))
            character = "tonal" if tonality > limit else "transient" if tonality < -limit else "mixed"
        else:
            character = "dead"
        rows.append(row | {"character": character})
    table = pd.DataFrame(rows)
    missing = [name for name in _MEASURES if name not in table]
    table = table.assign(**dict.fromkeys(missing, np.nan)).sort_values("centre_hz", ignore_index=True)
    table.insert(0, "rank", np.arange(len(table)))
    table.attrs = {"sample_rate": float(bank.sample_rate), "n_fft": _points(bank)}
    return table[["rank", "filter", "branch", "taps", "norm", *_MEASURES, "character"]]


_MEASURES = [
    *("peak_hz", "peak_db", "centre_hz", "spread_hz", "bandwidth_hz", "q", "erb_hz"),
    *("delay_seconds", "group_delay_seconds", "duration_seconds", "time_bandwidth", "tonality"),
]


def spacing(atlas: pd.DataFrame, by: str = "peak_hz") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare how filters are spaced in frequency with equal steps in Hz, mel and ERB from 0 to half the sample rate.

    Parameters
    ----------
    atlas : DataFrame
        From `filter_atlas`; dead filters are left out.
    by : {"peak_hz", "centre_hz"}
        What is compared. Centres of noisy filters crowd at a quarter of the sample rate; peaks do not.

    Returns
    -------
    places : DataFrame
        ``rank, hz`` (sorted), and ``linear, mel, erb``: where that many equal steps would put it, Hz.
    distances : DataFrame
        One row a scale: ``scale, deviation`` (mean distance as a share of the axis on that scale, so that scales can be
        compared; 0 is perfect, random draws of n points give about 0.5/√n).
    """
    from phonoscope.axes import FrequencyAxis

    hz = np.sort(atlas[by].dropna().to_numpy(dtype=float))
    if not len(hz):
        raise PhonoscopeError("every filter of this bank is dead (all zeros): there is no spacing to compare")
    limit = atlas.attrs["sample_rate"] / 2
    places, rows = pd.DataFrame({"rank": np.arange(len(hz)), "hz": hz}), []
    for scale in ("linear", "mel", "erb"):
        axis = FrequencyAxis(len(hz), limit, scale)
        places[scale] = axis.centres
        fine = FrequencyAxis(10_000, limit, scale).edges
        share = np.interp(hz, fine, np.linspace(0, 1, len(fine)))  # places on the scale, 0 to 1
        rows.append({"scale": scale, "deviation": np.abs(share - (np.arange(len(hz)) + 0.5) / len(hz)).mean()})
    return places, pd.DataFrame(rows)


def _points(bank: FilterBank) -> int:
    return max(MIN_POINTS, 2 ** (8 * bank.width - 1).bit_length())


def _owners(bank: FilterBank) -> list[tuple]:
    pairs = zip(bank.branches, bank.offsets, strict=True)
    return [(branch, offset) for branch, offset in pairs for _ in range(branch.n_filters)]


def _group_delays(bank: FilterBank, atoms: np.ndarray) -> np.ndarray:
    """Group delay −dφ/dω of each filter from the frame's middle, s, (filter, frequency): Re(DFT(t f) / DFT(f))."""
    points = _points(bank)
    time = (np.arange(bank.width) - (bank.width - 1) / 2) / bank.sample_rate
    spectrum = np.fft.fft(atoms, points, axis=0)[: points // 2 + 1]
    moved = np.fft.fft(time[:, None] * atoms, points, axis=0)[: points // 2 + 1]
    ratio = np.divide(moved, spectrum, out=np.full(spectrum.shape, np.nan, dtype=complex), where=np.abs(spectrum) > 0)
    return ratio.real.T


def moments(places: np.ndarray, mass: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of places that are weighted by a mass."""
    mean = float((places * mass).sum() / mass.sum())
    return mean, float(np.sqrt(((places - mean) ** 2 * mass).sum() / mass.sum()))


def _half_power(power: np.ndarray, top: int) -> tuple[float, float]:
    """Fractional bins at which the power has fallen to half around its peak; the ends of the axis where it does not."""
    limit = _HALF_POWER * power[top]
    below, above = np.flatnonzero(power[:top] < limit), np.flatnonzero(power[top:] < limit)
    low, high = 0.0, float(len(power) - 1)
    if len(below):
        k = below[-1]
        low = k + (limit - power[k]) / (power[k + 1] - power[k])
    if len(above):
        k = top + above[0]
        high = k - (limit - power[k]) / (power[k - 1] - power[k])
    return low, high


def _own_bins(power: np.ndarray, taps: int, dilation: int) -> np.ndarray:
    """Mean power in as many equal bands as the filter has independent frequencies, without images of dilated taps."""
    bands = max(2, taps // 2 + 1)
    part = power[: max(bands, len(power) // dilation)]
    return np.array([band.mean() for band in np.array_split(part, bands)])


def _entropy(mass: np.ndarray) -> float:
    """Entropy of a distribution over its largest possible value, 0 (one place) to 1 (even)."""
    if len(mass) < 2:
        return 1.0
    share = mass / mass.sum()
    share = share[share > 0]
    return float(-(share * np.log(share)).sum() / np.log(len(mass)))
