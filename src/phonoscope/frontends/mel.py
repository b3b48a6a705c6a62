"""Parts of log-mel pictures: triangular filters on a mel scale, windows, and the power of frames."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from phonoscope.axes import FrequencyAxis
from phonoscope.errors import ClassifierError
from phonoscope.scales import hz_to_mel, hz_to_slaney_mel, mel_to_hz, slaney_mel_to_hz

DB_PER_LOG_POWER = 10 / math.log(10)  # of natural logarithms
_WINDOWS = ("povey", "hanning", "hamming")


class MelFilters(NamedTuple):
    """Triangular filters: their weights, shape (rows, bins), and where the rows lie."""

    weights: np.ndarray
    axis: FrequencyAxis


def kaldi_filters(rows: int, fft_samples: int, sample_rate: int, low_hz: float, high_hz: float) -> MelFilters:
    """Filters of Kaldi: triangles of equal width and height on the mel scale.

    Parameters
    ----------
    rows
        Number of filters.
    fft_samples
        Length of the Fourier transform; the weights are for its ``fft_samples // 2 + 1`` bins.
    sample_rate
        Hz.
    low_hz, high_hz
        Where the first filter begins and the last one ends.
    """
    corners = _corners(hz_to_mel(low_hz), hz_to_mel(high_hz), rows)
    weights = _triangles(hz_to_mel(_bins(fft_samples, sample_rate)), corners)
    # Each triangle has half its height half-way to the next peak: on the mel scale.
    return MelFilters(weights, _axis(mel_to_hz(corners), mel_to_hz((corners[1:] + corners[:-1]) / 2)))


def slaney_filters(rows: int, fft_samples: int, sample_rate: int, low_hz: float, high_hz: float) -> MelFilters:
    """Filters of Slaney's Auditory Toolbox: triangles in Hz, each of unit area, with peaks on Slaney's mel scale.

    Parameters
    ----------
    rows, fft_samples, sample_rate, low_hz, high_hz
        See `kaldi_filters`.
    """
    corners = slaney_mel_to_hz(_corners(hz_to_slaney_mel(low_hz), hz_to_slaney_mel(high_hz), rows))
    weights = _triangles(_bins(fft_samples, sample_rate), corners) * (2 / (corners[2:] - corners[:-2]))[:, None]
    return MelFilters(weights, _axis(corners, (corners[1:] + corners[:-1]) / 2))


def _corners(low: np.ndarray, high: np.ndarray, rows: int) -> np.ndarray:
    """Beginning of the first triangle, peaks, and end of the last one, evenly spaced on a scale."""
    if rows < 1 or not high > low >= 0:
        raise ClassifierError(
            f"{rows} mel rows from {low:g} to {high:g} mel: expected at least one row between rising limits"
        )
    return np.linspace(low, high, rows + 2)


def _bins(fft_samples: int, sample_rate: int) -> np.ndarray:
    return np.arange(fft_samples // 2 + 1) * sample_rate / fft_samples


def _triangles(at: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Triangles that rise from one corner to the next and fall to the one after it, shape (rows, len(at))."""
    low, peak, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    return np.maximum(0.0, np.minimum((at - low) / (peak - low), (high - at) / (high - peak)))


def _axis(corners: np.ndarray, edges: np.ndarray) -> FrequencyAxis:
    """Rows at the peaks of their triangles, each as high as its triangle is wide at half its height."""
    return FrequencyAxis.at_rows(corners[1:-1], edges)


def analysis_window(name: str, samples: int) -> np.ndarray:
    """Symmetric window: ``hanning``, ``hamming``, or ``povey``, Kaldi's own (a Hann window to the power of 0.85)."""
    if name not in _WINDOWS:
        raise ClassifierError(f"window {name!r} is not known; choose one of {', '.join(_WINDOWS)}")
    hann = np.hanning(samples)
    return {"povey": hann**0.85, "hanning": hann, "hamming": np.hamming(samples)}[name]


def in_double(waveforms: Tensor) -> Tensor:
    """The waveforms in double precision, where the device has it: soft rows beside loud ones need it."""
    return waveforms if waveforms.device.type == "mps" else waveforms.double()


def mel_power(frames: Tensor, fft_samples: int, weights: Tensor) -> Tensor:
    """Power in the rows of a filter bank.

    Parameters
    ----------
    frames
        Windowed frames, shape (batch, frames, samples).
    fft_samples
        Length of the Fourier transform.
    weights
        Of the filters, shape (rows, bins).

    Returns
    -------
    Tensor (batch, rows, frames)
    """
    spectra = torch.fft.rfft(frames, n=fft_samples)
    return weights.to(frames) @ (spectra.real.square() + spectra.imag.square()).mT
