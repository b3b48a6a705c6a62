"""Cumulative response spectra (CRS, eq. 2) of many waveforms, one after the other, without holding what is averaged.

Memory is that of one block of frames, however many waveforms there are and however small the hop is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import xarray as xr

from phonoscope.attribution.means import StreamingMean
from phonoscope.errors import PhonoscopeError
from phonoscope.filters.bank import FilterBank, bank_of
from phonoscope.filters.response import Transform, checked, magnitude_blocks, response_attrs, transform_of
from phonoscope.filters.scaling import Scaling
from phonoscope.left_out import LeftOut

if TYPE_CHECKING:
    from torch import nn

Mean = Literal["amplitude", "decibel", "power"]

FLOOR_DB = -120.0  # of dB means, re a frame that the filters pass entirely
_FRAMES_AT_ONCE = 4096
_UNITS = {"amplitude": "amplitude × gain²", "decibel": "dB re amplitude × gain² of 1", "power": "amplitude × gain²"}
_METHODS = {
    "amplitude": "CRS: mean of STRS over time (Gupta & Abrol, eq. 2)",
    "decibel": "mean of the level of STRS over time",
    "power": "root of the mean power of STRS over time",
}


def cumulative_response(
    network: nn.Module | FilterBank,
    waveforms: Iterable[np.ndarray],
    sample_rate: float,
    *,
    layer: str | None = None,
    n_fft: int | None = None,
    scaling: Scaling = "none",
    mean: Mean = "amplitude",
    tokens: Sequence[str] | None = None,
    strict: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> xr.DataArray:
    """Cumulative response spectrum of each waveform: ``CRS(i) = mean_j STRS(i, j)`` (Gupta & Abrol, eq. 2).

    Parameters
    ----------
    network, sample_rate, layer, n_fft, scaling
        As of `response_spectrum`.
    waveforms : iterable of ndarray (sample,)
        May be a generator and may differ in length: each is dropped when its spectrum is done.
    mean : {"amplitude", "decibel", "power"}
        ``amplitude`` is eq. 2. ``decibel`` averages levels, as the published code's plots do; it stresses quiet frames
        (levels are cut 120 dB below what a frame of the waveform's largest sample could give). ``power`` is √mean STRS²
        and never below eq. 2.
    tokens : sequence of str, optional
        Names of the waveforms; their numbers when not given.
    strict : bool
        Stop at the first waveform that cannot be used, instead of leaving it out.
    progress : callable, optional
        Told the numbers of waveforms done and in all (if that is known; else those done twice).

    Returns
    -------
    DataArray, dims (token, frequency), float64
        ``attrs["left_out"]`` lists waveforms that could not be used and why.

    Raises
    ------
    PhonoscopeError
        If no waveform can be used; with `strict`, at the first that cannot.
    """
    bank = bank_of(network, sample_rate, layer)
    transform, left_out = transform_of(bank, n_fft), LeftOut()
    rows = dict(_rows(_spectrum_of(bank, transform, scaling, mean), waveforms, tokens, strict, left_out, progress))
    coords = {"token": [index if tokens is None else tokens[index] for index in rows]}
    attrs = response_attrs(bank, transform, scaling) | _attrs(mean, left_out)
    return _response(list(rows.values()), coords, transform, attrs)


def mean_response(
    network: nn.Module | FilterBank,
    waveforms: Iterable[np.ndarray],
    sample_rate: float,
    *,
    groups: Sequence[Hashable] | None = None,
    layer: str | None = None,
    n_fft: int | None = None,
    scaling: Scaling = "none",
    mean: Mean = "amplitude",
    strict: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> xr.DataArray:
    """Mean cumulative response of a corpus, or of each group in it (class, speaker), in memory that does not grow.

    Parameters
    ----------
    network, waveforms, sample_rate, layer, n_fft, scaling, mean, strict, progress
        As of `cumulative_response`.
    groups : sequence, optional
        Group of each waveform; all are one group, ``all``, when not given.

    Returns
    -------
    DataArray, dims (group, frequency), float64
        Every waveform weighs the same. The coordinate ``count`` says how many are in a group, the coordinate
        ``deviation`` (group, frequency) how much they differ (standard deviation, NaN for one waveform).
    """
    bank = bank_of(network, sample_rate, layer)
    transform, left_out = transform_of(bank, n_fft), LeftOut()
    means: defaultdict[Hashable, StreamingMean] = defaultdict(StreamingMean)
    spectrum = _spectrum_of(bank, transform, scaling, mean)
    for index, row in _rows(spectrum, waveforms, None, strict, left_out, progress):
        means["all" if groups is None else groups[index]].update(row[None])
    single = np.full(len(transform.frequency), np.nan)
    deviations = [single if m.variance is None else np.sqrt(m.variance) for m in means.values()]
    coords = {
        "group": list(means),
        "count": ("group", [m.count for m in means.values()]),
        "deviation": (("group", "frequency"), np.stack(deviations)),
    }
    attrs = response_attrs(bank, transform, scaling) | _attrs(mean, left_out)
    return _response([m.mean for m in means.values()], coords, transform, attrs)


def _response(rows: list[Any], coords: dict[str, Any], transform: Transform, attrs: dict[str, Any]) -> xr.DataArray:
    """Spectra as an array whose first dimension is the first of the coordinates."""
    coords |= {"frequency": ("frequency", transform.frequency, {"units": "Hz"})}
    return xr.DataArray(np.stack(rows), coords, (next(iter(coords)), "frequency"), name="response", attrs=attrs)


def _rows(
    spectrum: Callable[[np.ndarray], np.ndarray],
    waveforms: Iterable[np.ndarray],
    tokens: Sequence[str] | None,
    strict: bool,
    left_out: LeftOut,
    progress: Callable[[int, int], object] | None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield number and mean spectrum of every waveform that can be used; PhonoscopeError if there is none."""
    usable = 0
    for index, waveform in enumerate(waveforms):
        try:
            row = spectrum(waveform)
        except PhonoscopeError as error:
            name = index if tokens is None else tokens[index]
            if strict:
                raise PhonoscopeError(f"waveform {name}: {error}") from error
            left_out.add("token", str(error), examples=[str(name)])
            continue
        yield index, row
        usable += 1
        if progress is not None:
            progress(index + 1, len(waveforms) if isinstance(waveforms, Sized) else index + 1)
    if not usable:
        reasons = "; ".join(f"{entry['reason']} ({entry['count']})" for entry in left_out.entries())
        raise PhonoscopeError(f"none of the waveforms can be used: {reasons or 'there is none'}")


def _spectrum_of(
    bank: FilterBank, transform: Transform, scaling: Scaling, mean: Mean
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from a waveform to its mean spectrum."""
    if mean not in get_args(Mean):
        raise PhonoscopeError(f"mean {mean!r} is not known; choose one of {', '.join(get_args(Mean))}")

    def spectrum(waveform: np.ndarray) -> np.ndarray:
        wave = checked(waveform, scaling, transform.spectra.dtype)
        if wave.ndim != 1:
            raise PhonoscopeError(f"expected one waveform (sample,), found an array of shape {wave.shape}")
        frames = bank.frames(wave)
        if mean == "power":
            return _root_mean_power(transform, frames)
        if mean == "decibel":
            floor = _largest_possible(transform, frames.shape[1], wave) * 10 ** (FLOOR_DB / 20)
            if floor == 0:
                raise PhonoscopeError("digital silence, or dead filters: there is no level to average")
        total = np.zeros(len(transform.frequency))
        for _, magnitudes in magnitude_blocks(transform, frames):
            if mean == "decibel":
                total += 20 * np.log10(np.maximum(magnitudes, floor)).sum(axis=0, dtype=np.float64)
            else:
                total += np.ones(len(magnitudes), dtype=magnitudes.dtype) @ magnitudes  # faster than sum(axis=0)
        return total / len(frames)

    return spectrum


def _root_mean_power(transform: Transform, frames: np.ndarray) -> np.ndarray:
    """√mean_j STRS² from the covariance of the responses: no spectrum of a frame is made."""
    size = len(transform.spectra)
    covariance = np.zeros((size, size))
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        passed = np.ascontiguousarray(frames[first : first + _FRAMES_AT_ONCE])
        if transform.responses is not None:
            passed = passed @ transform.responses
        covariance += passed.T @ passed
    spectra = transform.spectra.astype(np.float64)
    power = (((covariance / len(frames)) @ spectra) * spectra).sum(axis=0)
    bins = len(transform.frequency)
    return np.sqrt(np.maximum(power[::2] + power[1::2], 0.0))[:bins]


def _largest_possible(transform: Transform, width: int, wave: np.ndarray) -> float:
    """Bound of STRS over all frequencies and frames of a waveform, by Cauchy–Schwarz."""
    gain = transform.spectra.astype(np.float64)
    if transform.responses is not None:
        gain = transform.responses @ gain
    power = np.square(gain).sum(axis=0)
    return float(np.sqrt((power[::2] + power[1::2]).max() * width) * np.abs(wave).max(initial=0.0))


def _attrs(mean: Mean, left_out: LeftOut) -> dict[str, Any]:
    return {"units": _UNITS[mean], "mean": mean, "method": _METHODS[mean], "left_out": left_out.entries()}
