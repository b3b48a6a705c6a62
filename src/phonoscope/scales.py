"""Frequency scales of hearing: mel, Bark and ERB, from Hz and back. Arrays of any shape; zero Hz is allowed."""

from __future__ import annotations

import numpy as np

_MEL_STEP, _MEL_CORNER_HZ = 2595.0, 700.0
_SLANEY_PER_HZ, _SLANEY_CORNER_HZ, _SLANEY_LOG_STEP = 3 / 200, 1000.0, np.log(6.4) / 27
_BARK_SLOPE, _BARK_CORNER_HZ, _BARK_SHIFT = 26.81, 1960.0, 0.53
_ERB_STEP, _ERB_PER_HZ, _LEAST_ERB_HZ = 21.4, 4.37e-3, 24.7

Hertz = np.ndarray | float


def hz_to_mel(hz: Hertz) -> np.ndarray:
    """Pitch in mel: ``2595 log10(1 + f / 700)`` (O'Shaughnessy 1987, Speech Communication, p. 150)."""
    return _MEL_STEP * np.log10(1 + np.asarray(hz, dtype=float) / _MEL_CORNER_HZ)


def mel_to_hz(mel: np.ndarray | float) -> np.ndarray:
    """Inverse of `hz_to_mel`."""
    return _MEL_CORNER_HZ * (10 ** (np.asarray(mel, dtype=float) / _MEL_STEP) - 1)


def hz_to_slaney_mel(hz: Hertz) -> np.ndarray:
    """Pitch in mel by Slaney's Auditory Toolbox: ``3 f / 200``, from 1 kHz on ``15 + 27 ln(f / 1000) / ln 6.4``."""
    hz = np.asarray(hz, dtype=float)
    above = np.log(np.maximum(hz, _SLANEY_CORNER_HZ) / _SLANEY_CORNER_HZ)
    return np.minimum(hz, _SLANEY_CORNER_HZ) * _SLANEY_PER_HZ + above / _SLANEY_LOG_STEP


def slaney_mel_to_hz(mel: np.ndarray | float) -> np.ndarray:
    """Inverse of `hz_to_slaney_mel`."""
    mel = np.asarray(mel, dtype=float)
    corner = _SLANEY_CORNER_HZ * _SLANEY_PER_HZ
    return np.minimum(mel, corner) / _SLANEY_PER_HZ * np.exp(np.maximum(mel - corner, 0.0) * _SLANEY_LOG_STEP)


def hz_to_bark(hz: Hertz) -> np.ndarray:
    """Critical-band rate in Bark: ``26.81 f / (1960 + f) − 0.53``.

    Traunmüller (1990), J. Acoust. Soc. Am. 88, 97, eq. 6, without the corrections below 2 and above 20.1 Bark.
    """
    hz = np.asarray(hz, dtype=float)
    return _BARK_SLOPE * hz / (_BARK_CORNER_HZ + hz) - _BARK_SHIFT


def bark_to_hz(bark: np.ndarray | float) -> np.ndarray:
    """Inverse of `hz_to_bark`."""
    shifted = np.asarray(bark, dtype=float) + _BARK_SHIFT
    return _BARK_CORNER_HZ * shifted / (_BARK_SLOPE - shifted)


def hz_to_erb(hz: Hertz) -> np.ndarray:
    """ERB-rate: ``21.4 log10(1 + 0.00437 f)`` (Glasberg & Moore 1990, Hear. Res. 47, 103, eq. 4)."""
    return _ERB_STEP * np.log10(1 + _ERB_PER_HZ * np.asarray(hz, dtype=float))


def erb_to_hz(erb: np.ndarray | float) -> np.ndarray:
    """Inverse of `hz_to_erb`."""
    return (10 ** (np.asarray(erb, dtype=float) / _ERB_STEP) - 1) / _ERB_PER_HZ


def erb_width(hz: Hertz) -> np.ndarray:
    """Equivalent rectangular bandwidth of the auditory filter at a frequency, Hz: ``24.7 (1 + 0.00437 f)``.

    Glasberg & Moore (1990), eq. 3.
    """
    return _LEAST_ERB_HZ * (1 + _ERB_PER_HZ * np.asarray(hz, dtype=float))
