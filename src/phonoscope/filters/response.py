"""Short-time response spectra (STRS): what the filters of a first layer pass on of a sound, frame by frame.

STRS(·, j) = |DFT(D Dᴴ x_j)|: the spectrum of the frame after it has passed the layer's frame operator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.filters.bank import FilterBank, bank_of
from phonoscope.filters.scaling import Scaling, scaled

if TYPE_CHECKING:
    from torch import nn

PUBLISHED_N_FFT = 1024
_COLUMNS = 8
_FRAMES_AT_ONCE = 200  # their spectra (0.8 MB) stay in the processor's cache until magnitudes are taken


@dataclass(frozen=True, eq=False)
class Transform:
    """Real matrices that take frames to Σ_k F_k R_k, its real and imaginary parts in turn, as in complex arrays.

    ``frames @ responses @ spectra``; `responses` is None where `spectra` takes frames directly, which is cheaper for
    frames shorter than the number of filters. Multiplying by complex filters instead would take twice the time.
    `spectra` ends with columns of zeros: rows of whole vector registers are multiplied a tenth faster.
    """

    spectra: np.ndarray
    responses: np.ndarray | None
    frequency: np.ndarray


@lru_cache(maxsize=4)
def transform_of(bank: FilterBank, n_fft: int | None = None) -> Transform:
    """Matrices of a bank for eq. 1.

    Complex filters are conjugated once, in the response: Σ_k F_k[i] conj(f_k)·x_j. As printed, eq. 1 conjugates
    nothing, and complex exponentials would not give the Fourier spectrum that the paper says they give.

    Parameters
    ----------
    n_fft : int, optional
        Points of the DFT. Frequencies are ``i · sample_rate / n_fft``; each is the exact sum over all taps, also when
        the filters are longer than `n_fft`. Default: 1024 (the paper's code) or the next power of two that holds the
        filters.
    """
    if n_fft is None:
        n_fft = max(PUBLISHED_N_FFT, 2 ** (bank.width - 1).bit_length())
    if n_fft < 2:
        raise PhonoscopeError(f"n_fft is {n_fft}; expected at least 2 points")
    atoms = bank.dictionary.astype(np.result_type(bank.dictionary.dtype, np.float64))
    bins = n_fft // 2 + 1
    folds = -(-bank.width // n_fft)
    # taps n and n + n_fft have the same phase at every frequency of this DFT
    folded = np.pad(atoms, ((0, folds * n_fft - bank.width), (0, 0))).reshape(folds, n_fft, -1).sum(axis=0)
    transform = np.fft.fft if np.iscomplexobj(atoms) else np.fft.rfft
    filters = transform(folded.T, axis=1)[:, :bins]
    responses, spectra = atoms, _interleaved(filters)
    if np.iscomplexobj(atoms):
        responses = np.hstack([atoms.real, -atoms.imag])
        spectra = np.vstack([spectra, _interleaved(1j * filters)])
    kind = bank.dictionary.real.dtype
    frequency = np.arange(bins) * bank.sample_rate / n_fft
    if bank.width <= responses.shape[1]:
        return Transform(np.ascontiguousarray(responses @ spectra, dtype=kind), None, frequency)
    return Transform(np.ascontiguousarray(spectra, dtype=kind), np.ascontiguousarray(responses, dtype=kind), frequency)


def _interleaved(spectra: np.ndarray) -> np.ndarray:
    """Complex spectra (filter, frequency) as real ones (filter, 2 · frequency and zeros): real, imaginary, real …"""
    columns = 2 * spectra.shape[1]
    real = np.zeros((len(spectra), -(-columns // _COLUMNS) * _COLUMNS))
    real[:, :columns] = np.ascontiguousarray(spectra, dtype=np.complex128).view(np.float64)
    return real


def magnitude_blocks(
    transform: Transform, frames: np.ndarray, out: np.ndarray | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first frame, magnitudes (frames of the block, frequency)) of eq. 1; the array is used again by the next.

    Parameters
    ----------
    transform : Transform
        From `transform_of`, of the same bank.
    frames : ndarray (frame, width)
        From `FilterBank.frames`.
    out : ndarray (frame, frequency), optional
        Filled with all magnitudes; what is yielded are parts of it.
    """
    kind, bins = transform.spectra.dtype, len(transform.frequency)
    size = min(len(frames), _FRAMES_AT_ONCE)
    work = np.empty((size, transform.spectra.shape[1]), dtype=kind)
    spare = np.empty((size, bins), dtype=kind) if out is None else out
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        # frames overlap in memory: a contiguous copy is what the matrix product can read fast
        block = np.ascontiguousarray(frames[first : first + _FRAMES_AT_ONCE])
        if transform.responses is not None:
            block = block @ transform.responses
        spectrum = np.matmul(block, transform.spectra, out=work[: len(block)])
        complex_values = spectrum.view(np.result_type(kind, np.complex64))[:, :bins]
        begin = 0 if out is None else first
        yield first, np.abs(complex_values, out=spare[begin : begin + len(block)])


def response_spectrum(
    network: nn.Module | FilterBank,
    waveform: np.ndarray,
    sample_rate: float,
    *,
    layer: str | None = None,
    n_fft: int | None = None,
    scaling: Scaling = "none",
) -> xr.DataArray:
    """Short-time response spectrum of one waveform or of several of one length; ``.mean("time")`` is the CRS (eq. 2).

    ``STRS(i, j) = |Σ_k F_k[i] R_k[j]|`` with R_k the response of filter k around frame j and F_k its DFT (Gupta &
    Abrol, eq. 1): bias, normalisation and non-linearity of the network play no part. Frames stand where the layer is
    evaluated, with its stride, dilation and padding; filters of different width share their centre.

    Parameters
    ----------
    network : nn.Module or FilterBank
    waveform : ndarray (sample,) or (token, sample)
    sample_rate : float
        Hz; the rate for which the network was trained.
    layer : str, optional
        Name of the layer, if it is not to be found.
    n_fft : int, optional
        See `transform_of`.
    scaling : {"none", "rms", "minmax"}
        See `phonoscope.filters.scaling.scaled`; what the network itself does to its input is *not* known here.

    Returns
    -------
    DataArray, dims (frequency, time) or (token, frequency, time)
        Amplitude × gain², in the precision of the weights; ``frequency`` in Hz, ``time`` (centres of the frames) in s.
        ``attrs["resolution_hz"]`` is the sample rate over the longest filter: nothing finer is there.

    Raises
    ------
    PhonoscopeError
        If the waveform is too short, not finite, or of another rate than a bank that is given.
    """
    bank = bank_of(network, sample_rate, layer)
    transform = transform_of(bank, n_fft)
    kind = transform.spectra.dtype
    waves = checked(waveform, scaling, kind)
    batch = waves if waves.ndim == 2 else waves[None]
    # Frame after frame in memory, as they are computed; frequency comes first in what is returned.
    laid_out = np.empty((len(batch), bank.n_frames(batch.shape[1]), len(transform.frequency)), dtype=kind)
    for token, wave in enumerate(batch):
        for _ in magnitude_blocks(transform, bank.frames(wave), out=laid_out[token]):
            pass  # each block is written where it belongs
    values = laid_out.transpose(0, 2, 1)
    dims = ("token", "frequency", "time")
    return xr.DataArray(
        values if waves.ndim == 2 else values[0],
        dims=dims if waves.ndim == 2 else dims[1:],
        coords=_coordinates(bank, transform, batch.shape[1]),
        attrs=response_attrs(bank, transform, scaling) | {"method": "STRS (Gupta & Abrol, eq. 1)"},
        name="response",
    )


@lru_cache(maxsize=4)
def _coordinates(bank: FilterBank, transform: Transform, n_samples: int) -> xr.Coordinates:
    """Axes in Hz and s; kept, because making their indexes takes as long as a tenth of a second of sound."""
    return xr.Coordinates(
        {
            "frequency": ("frequency", transform.frequency, {"units": "Hz"}),
            "time": ("time", bank.times(n_samples), {"units": "s"}),
        }
    )


def checked(waveform: np.ndarray, scaling: Scaling, kind: np.dtype) -> np.ndarray:
    """Waveform, scaled, in the precision of the analysis.

    Parameters
    ----------
    waveform : ndarray (sample,) or (token, sample)
    scaling : {"none", "rms", "minmax"}
    kind : dtype
        Of the result.

    Raises
    ------
    PhonoscopeError
        If it is complex, has other dimensions than (sample,) or (token, sample), or is not finite.
    """
    wave = np.asarray(waveform)
    if wave.ndim not in (1, 2) or wave.dtype.kind not in "fiu":
        raise PhonoscopeError(
            f"expected real samples of shape (sample,) or (token, sample), found {wave.dtype} of shape {wave.shape}"
        )
    if wave.size and not np.isfinite(wave).all():
        raise PhonoscopeError("the waveform holds samples that are not finite (NaN or inf)")
    return scaled(wave, scaling).astype(kind, copy=False)


def response_attrs(bank: FilterBank, transform: Transform, scaling: Scaling) -> dict[str, Any]:
    """Provenance of response spectra, plain values.

    Parameters
    ----------
    bank : FilterBank
    transform : Transform
        Of the bank.
    scaling : {"none", "rms", "minmax"}
        Of the waveforms.
    """
    return {
        "units": "amplitude × gain²",
        "layer": ", ".join(branch.name for branch in bank.branches if branch.name),
        "n_filters": bank.n_filters,
        "sample_rate": float(bank.sample_rate),
        "frame_samples": bank.width,
        "hop_samples": bank.hop,
        "resolution_hz": float(bank.sample_rate / bank.width),
        "n_fft": 2 * (len(transform.frequency) - 1),
        "alignment": bank.alignment,
        "scaling": scaling,
    }


def to_decibel(response: xr.DataArray, *, range_db: float = 80.0) -> xr.DataArray:
    """Level of a response in dB below its largest value, for pictures; what lies deeper than `range_db` is cut off."""
    values = response.values.astype(np.float64)
    peak = values.max(initial=0.0)
    if not peak > 0:
        raise PhonoscopeError("the response is zero everywhere (digital silence, or dead filters): it has no level")
    level = 20 * np.log10(np.maximum(values / peak, 10 ** (-range_db / 20)))
    return response.copy(data=level).assign_attrs(response.attrs | {"units": "dB re the largest value"})
