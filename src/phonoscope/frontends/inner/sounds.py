"""Sounds that axes are measured with: clicks and tones.

Each holds faint noise, and at its beginning a loud tone: it settles pictures that are relative to their loudest cell.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

# From sounds (batch, samples) to what a module makes of them, (batch, …).
Making = Callable[[Tensor], Tensor]

TONE = 0.05
# Shares of a sound: clicks lie in this part of it, and a tone has settled in this one.
CLICKS_BETWEEN, SETTLED = (0.3, 0.7), (0.5, 0.85)
_NOISE, _LOUD, _CLICK = 1e-4, 0.9, 0.9
_LOUD_UNTIL, _TONE_FROM, _FLANK = 0.2, 0.3, 0.02
_SAMPLES_AT_ONCE = 1 << 18


class Probe:
    """A module that makes pictures, and sounds to measure it with.

    Parameters
    ----------
    make
        From sounds (batch, samples) to the picture, in the module's own layout.
    sample_rate
        Hz.
    samples
        Length of the sounds.
    """

    def __init__(self, make: Making, sample_rate: int, samples: int) -> None:
        self._make, self.sample_rate, self.samples = make, sample_rate, samples

    def lasting(self, samples: int) -> Probe:
        """The same module with sounds of another length."""
        return Probe(self._make, self.sample_rate, samples)

    def still(self) -> Tensor:
        """What every sound holds, shape (samples,)."""
        noise = torch.randn(self.samples, generator=torch.Generator().manual_seed(0)) * _NOISE
        time, share = torch.arange(self.samples, dtype=torch.float64), torch.arange(self.samples) / self.samples
        return (noise + _LOUD * torch.sin(math.pi / 3 * time) * _between(share, 0.0, _LOUD_UNTIL)).float()

    def clicks(self, positions: np.ndarray, length: int) -> Tensor:
        """A click at each position (samples), so many samples long and of random signs, shape (clicks, samples)."""
        sounds = self.still().repeat(len(positions), 1)
        signs = torch.randn(length, generator=torch.Generator().manual_seed(1)).sign()
        click = _CLICK * signs * torch.hann_window(length + 2, periodic=False)[1:-1]
        for sound, position in zip(sounds, positions.tolist(), strict=True):
            sound[position - length // 2 : position - length // 2 + length] += click
        return sounds

    def tones(self, hertz: np.ndarray, amplitude: float = TONE) -> Tensor:
        """Tones that begin after the loud one, shape (tones, samples)."""
        time = torch.arange(self.samples, dtype=torch.float64)
        tones = torch.sin(2 * math.pi * torch.from_numpy(hertz)[:, None] * time / self.sample_rate)
        return (self.still() + amplitude * tones * _between(time / self.samples, _TONE_FROM, 2.0)).float()

    def made(self, sounds: Tensor) -> Tensor:
        """Output for sounds, a few at a time, in double precision on the processor."""
        return torch.cat([self._make(part).detach().double().cpu() for part in self.portions(sounds)])

    def portions(self, sounds: Tensor) -> tuple[Tensor, ...]:
        """As many sounds at a time as need little memory."""
        return sounds.split(max(1, _SAMPLES_AT_ONCE // sounds.shape[1]))


def _between(share: Tensor, start: float, end: float) -> Tensor:
    """1 from start to end, with smooth flanks inside."""
    up, down = ((share - start) / _FLANK).clamp(0, 1), ((end - share) / _FLANK).clamp(0, 1)
    return (1 - torch.cos(math.pi * up * down)) / 2
