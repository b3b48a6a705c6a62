"""Noise added to the stretch: white at a signal-to-noise ratio, in a band, and breath shaped as the sound is."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from phonoscope.manipulate import measures
from phonoscope.manipulate.bands import above
from phonoscope.manipulate.cue import Asked, Cue
from phonoscope.manipulate.sounds import Sounds, frames, weights


def _noise(recorded: Sounds, asked: Asked, gain: Tensor, seed: int) -> Tensor:
    """Noise of the stretch (stimulus, sample), filtered by gains (stimulus, frame, bin) or broadcast; one draw."""
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn(recorded.samples.shape[1], generator=generator).to(recorded.samples)
    drawn = frames(recorded.changed(white.expand(len(recorded), -1).contiguous()))
    weight = recorded.shared(weights)[asked.of][..., None]
    of = torch.as_tensor(asked.of, device=white.device)
    spectra = drawn.spectra[of] * gain * torch.as_tensor(weight, dtype=white.dtype, device=white.device)
    return drawn.added(spectra, recorded.samples.shape[1])


def _added(recorded: Sounds, asked: Asked, noise: Tensor, ratio_db: np.ndarray) -> Sounds:
    """Stimuli with noise `ratio_db` below the energy of their stretch."""
    stimuli = recorded[asked.of]
    energies = [
        measures.stretches(stimuli.changed(samples)).square().sum(1).clamp_min(1e-20)
        for samples in (stimuli.samples, noise)
    ]
    below = torch.as_tensor(10 ** (-ratio_db / 20), dtype=noise.dtype, device=noise.device)
    gain = below * (energies[0] / energies[1]).sqrt()
    mask = torch.arange(noise.shape[1], device=noise.device) < stimuli.lengths[:, None]
    changed = stimuli.samples + gain[:, None] * noise * mask
    return stimuli.changed(changed, expected=recorded.shared(measures.formants)[0][asked.of], clean=stimuli.samples)


def add_noise(recorded: Sounds, asked: Asked, *, band: tuple[float, float] = (0.0, np.inf), seed: int = 0) -> Sounds:
    """Add white noise, or what of it lies in a band.

    Parameters
    ----------
    recorded, asked
        See `Cue`; the value is the signal-to-noise ratio of the stretch in dB.
    band
        In Hz.
    seed
        Of the noise.
    """
    hertz = recorded.shared(frames).hertz
    inside = torch.as_tensor((hertz >= band[0]) & (hertz <= band[1]), device=recorded.samples.device).float()
    return _added(recorded, asked, _noise(recorded, asked, inside, seed), asked.value)


def signal_to_noise(sounds: Sounds) -> np.ndarray:
    """Energy of the recorded sound against what was added, dB, (sound,); NaN where nothing was added to the sound."""
    if sounds.clean is None:
        return np.full(len(sounds), np.nan)
    clean, whole = (measures.stretches(sounds.changed(x)) for x in (sounds.clean, sounds.samples))
    energies = [x.double().square().sum(1).cpu().numpy() for x in (clean, whole - clean)]
    return measures.decibels(energies[0]) - measures.decibels(energies[1])


def add_breath(recorded: Sounds, asked: Asked, *, seed: int = 0) -> Sounds:
    """Add noise that follows the spectrum of each frame, smoothed over 400 Hz, until the harmonicity is as wanted.

    Below the first harmonic, where smoothing would put some too and no voice has breath, there is none.

    A recorded sound cannot be made less breathy: such stimuli miss.

    Parameters
    ----------
    recorded, asked
        See `Cue`.
    seed
        Of the noise.
    """
    cut = recorded.shared(frames)
    width = max(1, round(400 / (cut.hertz[1] - cut.hertz[0]))) // 2 * 2 + 1
    shape = torch.nn.functional.avg_pool1d(cut.power, width, 1, width // 2, count_include_pad=False).sqrt()
    voiced = above(cut.hertz, np.nan_to_num(recorded.shared(measures.f0))[:, None])
    shape = shape * torch.as_tensor(voiced, dtype=shape.dtype, device=shape.device)[:, None]
    of = torch.as_tensor(asked.of, device=shape.device)
    noise = _noise(recorded, asked, shape[of], seed)
    # Harmonic and noise energy add up: from the harmonicity wanted and the one there is, what is lacking.
    before, wanted = 10 ** (-asked.before / 10), 10 ** (-asked.value / 10)
    lacking = np.maximum((wanted - before) / (1 + wanted), 0.0)
    return _added(recorded, asked, noise, np.where(lacking > 0, -measures.decibels(lacking), np.inf))


NOISE = Cue(
    name="noise",
    summary="white noise in the stretch, or noise in a band (option band), at a signal-to-noise ratio",
    unit="dB",
    steps=(20.0, 10.0, 5.0, 0.0, -5.0, -10.0),
    change=add_noise,
    measure=signal_to_noise,
    absolute=True,
    slack=0.1,
    measured=False,
)
BREATH = Cue(
    name="hnr",
    summary="breathiness: harmonics-to-noise ratio, lowered by noise shaped as the sound",
    unit="dB",
    steps=(-12.0, -9.0, -6.0, -3.0, 0.0),
    change=add_breath,
    measure=measures.harmonicity,
    slack=1.0,
)
