"""Spoofed halves made of real recordings: speech whose phase, or fine spectrum too, was lost and made up again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import istft, stft

from phonoscope.scales import hz_to_mel, mel_to_hz

WINDOW_SECONDS = 0.025
OVERLAP = 0.75
ITERATIONS = 32
MEL_BANDS = 80


def griffin_lim(
    waveform: np.ndarray, sample_rate: int, random: np.random.Generator, *, mel: bool = False
) -> np.ndarray:
    """Make a recording anew from the magnitudes of its short-time spectrum (Griffin & Lim 1984, 32 iterations).

    Parameters
    ----------
    waveform : ndarray (sample,)
    sample_rate : int
        Hz.
    random : Generator
        Draws the phases to begin with.
    mel : bool
        Pass the magnitudes through 80 mel bands first, as a vocoder behind a text-to-speech system gets them.

    Returns
    -------
    ndarray, float32, shape (sample,)
        Of the same length and root mean square.
    """
    width = round(WINDOW_SECONDS * sample_rate)
    options = {"fs": sample_rate, "nperseg": width, "noverlap": round(OVERLAP * width)}
    magnitude = np.abs(stft(waveform, **options)[2])
    if mel:
        bank = mel_bank(magnitude.shape[0], sample_rate)
        magnitude = np.maximum(np.linalg.pinv(bank) @ (bank @ magnitude), 0)
    spectrum = magnitude * np.exp(2j * np.pi * random.random(magnitude.shape))
    for _ in range(ITERATIONS):
        again = stft(_fitted(istft(spectrum, **options)[1], len(waveform)), **options)[2]
        spectrum = magnitude * np.exp(1j * np.angle(again))
    made = _fitted(istft(spectrum, **options)[1], len(waveform))
    return (made * np.sqrt(np.mean(waveform**2) / max(np.mean(made**2), 1e-20))).astype(np.float32)


def mel_bank(bins: int, sample_rate: int, bands: int = MEL_BANDS) -> np.ndarray:
    """Triangular mel bands as a matrix (band, bin); bins reach from 0 to half the sample rate.

    Parameters
    ----------
    bins
        Number of frequencies of the spectrum.
    sample_rate
        Hz.
    bands
        Number of bands, equally wide in mel.
    """
    frequency = np.linspace(0, sample_rate / 2, bins)
    edges = mel_to_hz(np.linspace(0, hz_to_mel(sample_rate / 2), bands + 2))
    rising = (frequency - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequency) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling))


def requantised(waveform: np.ndarray) -> np.ndarray:
    """Round to 16 bit at a peak of one half: the number of bits must not give a spoofed recording away."""
    scaled = 0.5 * waveform / max(np.abs(waveform).max(), 1e-9)
    return (np.round(scaled * 32767) / 32767).astype(np.float32)


VOCODERS: dict[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "griffin-lim": lambda wave, rate, random: griffin_lim(wave, rate, random),
    "griffin-lim-mel": lambda wave, rate, random: griffin_lim(wave, rate, random, mel=True),
}


def _fitted(waveform: np.ndarray, samples: int) -> np.ndarray:
    return np.pad(waveform[:samples], (0, max(0, samples - len(waveform))))
