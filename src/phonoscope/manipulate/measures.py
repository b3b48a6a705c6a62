"""What is measured in every sound: formants, F0 and harmonicity, level, tilt and centre of gravity, duration."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from phonoscope.manipulate.numbering import median, middle_formants
from phonoscope.manipulate.sounds import Sounds
from phonoscope.phonetics.pitch import token_voice

TILT_HZ = (100.0, 5000.0)
_TILT_BANDS_PER_OCTAVE = 3
_SILENT_DB = -120.0


def formants(sounds: Sounds) -> tuple[np.ndarray, np.ndarray]:
    """F1 to F4 and their bandwidths in the middle of the stretch, both (sound, 4) in Hz."""
    middles = (sounds.start + sounds.end) / 2
    return middle_formants(sounds.arrays, sounds.sample_rate, middles, sounds.ceiling, sounds.expected)


def voice(sounds: Sounds) -> tuple[np.ndarray, np.ndarray]:
    """F0 in Hz and harmonics-to-noise ratio in dB at 30, 50 and 70 % of the stretch, both (sound, place)."""
    places = sounds.start[:, None] + (sounds.end - sounds.start)[:, None] * np.array([0.3, 0.5, 0.7])
    return token_voice(sounds.arrays, sounds.sample_rate, places)


def f0(sounds: Sounds) -> np.ndarray:
    """F0 in Hz, (sound,): median of what is voiced at three places of the stretch; NaN where nothing is."""
    return median(sounds.shared(voice)[0], 0.0)


def harmonicity(sounds: Sounds) -> np.ndarray:
    """Harmonics-to-noise ratio in dB, (sound,): median of what is voiced at three places of the stretch."""
    return median(sounds.shared(voice)[1], 0.0)


def duration(sounds: Sounds) -> np.ndarray:
    """Duration of the stretch, s, (sound,)."""
    return sounds.end - sounds.start


def spectrum(sounds: Sounds) -> tuple[np.ndarray, Tensor]:
    """Frequencies (bin,) in Hz and the energy of each stretch (sound, bin), float64."""
    cut = stretches(sounds)
    points = 1 << (cut.shape[1] - 1).bit_length()
    spectra = torch.fft.rfft(cut, points)
    energy = (spectra.real**2 + spectra.imag**2).double()
    return np.fft.rfftfreq(points, 1 / sounds.sample_rate), energy


def stretches(sounds: Sounds) -> Tensor:
    """Stretch of each sound, zero elsewhere, shape (sound, sample)."""
    times = (torch.arange(sounds.samples.shape[1], device=sounds.samples.device) + 0.5) / sounds.sample_rate
    start, end = (torch.as_tensor(edge, device=times.device)[:, None] for edge in (sounds.start, sounds.end))
    return sounds.samples * ((times >= start) & (times < end))


def level(sounds: Sounds) -> np.ndarray:
    """Level of the stretch in dB below full scale (root mean square 1 is 0 dB), (sound,)."""
    energy = stretches(sounds).double().square().sum(1).cpu().numpy()
    return decibels(energy / np.maximum((sounds.end - sounds.start) * sounds.sample_rate, 1))


def tilt(sounds: Sounds) -> np.ndarray:
    """Slope of the spectrum in dB per octave, (sound,): a line through third-octave levels from 100 to 5000 Hz."""
    hertz, energy = sounds.shared(spectrum)
    octaves, bands = third_octaves(hertz)
    density = (energy @ torch.as_tensor(bands, device=energy.device)).cpu().numpy()
    x = octaves - octaves.mean()
    return decibels(density) @ x / (x @ x)


def third_octaves(hertz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middles of the bands in octaves (band,), and what turns energies of bins into mean densities (bin, band)."""
    top = min(TILT_HZ[1], hertz[-1])
    edges = TILT_HZ[0] * 2 ** (np.arange(int(np.log2(top / TILT_HZ[0]) * _TILT_BANDS_PER_OCTAVE) + 1) / 3)
    inside = (hertz[:, None] >= edges[:-1]) & (hertz[:, None] < edges[1:])
    count = inside.sum(axis=0)
    bands = (inside / np.maximum(count, 1))[:, count > 0]
    return np.log2(np.sqrt(edges[:-1] * edges[1:]))[count > 0], bands


def centre_of_gravity(sounds: Sounds) -> np.ndarray:
    """Mean frequency of the energy of the stretch, Hz, (sound,); NaN for silence."""
    hertz, energy = sounds.shared(spectrum)
    total = energy.sum(1)
    centre = energy @ torch.as_tensor(hertz, device=energy.device) / total
    return centre.cpu().numpy()


def decibels(power: np.ndarray) -> np.ndarray:
    """Power in dB, not below -120."""
    return 10 * np.log10(np.maximum(power, 10 ** (_SILENT_DB / 10)))
