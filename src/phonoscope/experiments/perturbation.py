"""Perturbed copies of training recordings: another speed (as of another vocal tract) and noise behind the voice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import soxr

SPEED_RANGE = 0.15  # share by which a copy is at most faster or slower; pitch and formants move with it
NOISE_DB = (5.0, 30.0)  # signal-to-noise ratios that are drawn from
NOISE_PROBABILITY = 0.7
_STEPS = 1000  # resampling ratios are whole numbers over this


def perturbed(waveform: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a copy of a recording at another speed, with noise in seven of ten cases.

    The speed is drawn from ±15 %: pitch and formants move together, as between talkers of different size (Ko et al.
    2015). The noise falls by 3 dB an octave, 5 to 30 dB below the recording's root mean square.

    Parameters
    ----------
    waveform : ndarray (sample,)
    random : Generator

    Returns
    -------
    ndarray, float32, shape (about the number of samples over the speed,)
    """
    speed = 1 + random.uniform(-SPEED_RANGE, SPEED_RANGE)
    changed = soxr.resample(np.asarray(waveform, dtype=np.float32), _STEPS * speed, _STEPS, quality="MQ")
    if random.random() < NOISE_PROBABILITY:
        ratio_db = random.uniform(*NOISE_DB)
        root_mean_square = float(np.sqrt(np.mean(np.square(changed, dtype=np.float64))))
        changed = changed + root_mean_square * 10 ** (-ratio_db / 20) * _pink_noise(len(changed), random)
    return changed.astype(np.float32)


def perturbed_copies(
    waveforms: Sequence[np.ndarray], index: np.ndarray, copies: int, seed: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Perturbed copies of the recordings at `index`, all of them `copies` times.

    Returns
    -------
    waveforms : list of ndarray (sample,)
    sources : ndarray
        Position of the recording that each copy was made of.
    """
    sources = np.tile(index, copies)
    random = np.random.default_rng(seed)
    return [perturbed(waveforms[i], random) for i in sources], sources


def _pink_noise(samples: int, random: np.random.Generator) -> np.ndarray:
    """Noise of unit root mean square whose power falls as one over frequency."""
    spectrum = np.fft.rfft(random.standard_normal(samples))
    spectrum[0] = 0
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, samples)
    return noise / np.sqrt(np.mean(np.square(noise)))
