"""Sounds of one batch, which stretch of each is meant, and their spectra in short frames that add up to them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from phonoscope.frontends import pad_waveforms

FRAME_SECONDS = 0.023
HOPS = 4  # frames that lie over each sample
RAMP_SECONDS = 0.01  # in which a change fades on either side of its stretch
FORMANT_CEILING_HZ = 5500.0

Result = TypeVar("Result")


@dataclass(frozen=True)
class Sounds:
    """Some sounds of one sample rate.

    Parameters
    ----------
    samples
        Zero-padded, shape (sound, sample), float32.
    lengths
        Samples of each, shape (sound,).
    sample_rate
        In Hz.
    start, end
        The stretch of each that is changed and measured, s from its beginning, shape (sound,).
    ceiling
        Highest frequency at which formants are sought, Hz.
    expected
        F1 to F4 (sound, 4) in Hz that a change meant to give: the poles found are numbered by them. None for recorded
        sounds, whose poles are counted from below.
    clean
        Samples before anything was added to them; None where nothing was.
    """

    samples: Tensor
    lengths: Tensor
    sample_rate: float
    start: np.ndarray
    end: np.ndarray
    ceiling: float = FORMANT_CEILING_HZ
    expected: np.ndarray | None = None
    clean: Tensor | None = None
    results: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        waveforms: Sequence[np.ndarray],
        sample_rate: float,
        start: np.ndarray,
        end: np.ndarray,
        ceiling: float = FORMANT_CEILING_HZ,
        device: str | torch.device = "cpu",
    ) -> Sounds:
        """Stack waveforms of different length on a device."""
        samples, lengths = pad_waveforms(waveforms)
        return cls(samples.to(device), lengths.to(device), sample_rate, start, end, min(ceiling, sample_rate / 2))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, some: np.ndarray) -> Sounds:
        """Some of the sounds, in the order of their numbers."""
        index = torch.as_tensor(np.array(some), device=self.samples.device)  # a copy: some may be read-only
        expected = None if self.expected is None else self.expected[some]
        return replace(
            self,
            samples=self.samples[index],
            lengths=self.lengths[index],
            start=self.start[some],
            end=self.end[some],
            expected=expected,
            clean=None if self.clean is None else self.clean[index],
            results={},
        )

    def changed(self, samples: Tensor, **other: Any) -> Sounds:
        """Return the sounds with other samples, of which nothing has been measured yet."""
        return replace(self, samples=samples, results={}, **other)

    def with_sounds(self, where: np.ndarray, others: Sounds) -> Sounds:
        """Return the sounds with some of them replaced by others."""
        index = torch.as_tensor(where, device=self.samples.device)
        length = max(self.samples.shape[1], others.samples.shape[1])
        padded = [torch.nn.functional.pad(s.samples, (0, length - s.samples.shape[1])) for s in (self, others)]
        start, end = self.start.copy(), self.end.copy()
        start[where], end[where] = others.start, others.end
        expected = None
        if self.expected is not None and others.expected is not None:
            expected = self.expected.copy()
            expected[where] = others.expected
        return replace(
            self,
            samples=padded[0].index_copy(0, index, padded[1]),
            lengths=self.lengths.index_copy(0, index, others.lengths),
            start=start,
            end=end,
            expected=expected,
            results={},
        )

    @cached_property
    def arrays(self) -> list[np.ndarray]:
        """Each sound at its own length, float32, shape (sample,)."""
        samples, lengths = self.samples.cpu().numpy(), self.lengths.cpu().numpy()
        return [sound[:length] for sound, length in zip(samples, lengths, strict=True)]

    def shared(self, compute: Callable[[Sounds], Result]) -> Result:
        """Return a result that several measures or changes read, computed when the first of them needs it."""
        if compute not in self.results:
            self.results[compute] = compute(self)
        return self.results[compute]


@dataclass(frozen=True)
class Frames:
    """Spectra of sounds in short frames, shape (sound, frame, bin), and the middles of the frames, s, (frame,)."""

    spectra: Tensor
    times: np.ndarray
    points: int
    sample_rate: float

    @cached_property
    def power(self) -> Tensor:
        """Squared magnitudes, shape (sound, frame, bin)."""
        return self.spectra.real**2 + self.spectra.imag**2

    @property
    def hertz(self) -> np.ndarray:
        """Frequencies of the bins, shape (bin,)."""
        return np.fft.rfftfreq(self.points, 1 / self.sample_rate)

    def added(self, spectra: Tensor, length: int) -> Tensor:
        """Sounds (sound, length) whose frames have the spectra given."""
        hop = self.points // HOPS
        parts = torch.fft.irfft(spectra, self.points) * _window(self.points, spectra.device)
        parts = parts.unflatten(-1, (HOPS, hop))
        whole = parts.new_zeros(len(parts), parts.shape[1] + HOPS - 1, hop)
        for part in range(HOPS):
            whole[:, part : part + parts.shape[1]] += parts[:, :, part]
        return whole.flatten(1)[:, self.points : self.points + length]


def frames(sounds: Sounds) -> Frames:
    """Cut sounds into overlapping frames; `Frames.added` puts the same spectra together to the same sounds."""
    points = HOPS * next_fast_len(int(np.ceil(FRAME_SECONDS * sounds.sample_rate / HOPS)), real=True)
    hop = points // HOPS
    n_frames = -(-(sounds.samples.shape[1] + points) // hop) + 1
    padded = torch.nn.functional.pad(sounds.samples, (points, (n_frames - 1) * hop - sounds.samples.shape[1]))
    spectra = torch.fft.rfft(padded.unfold(1, points, hop) * _window(points, padded.device))
    times = (np.arange(spectra.shape[1]) * hop - points / 2) / sounds.sample_rate
    return Frames(spectra, times, points, sounds.sample_rate)


def weights(sounds: Sounds) -> np.ndarray:
    """Weight of each frame in a change of the stretch, 0 to 1, shape (sound, frame); 1 at the edges of the sound."""
    times, lengths = sounds.shared(frames).times, sounds.lengths.cpu().numpy() / sounds.sample_rate
    start = np.where(sounds.start <= 0, -np.inf, sounds.start)[:, None]
    end = np.where(sounds.end >= lengths - 1e-6, np.inf, sounds.end)[:, None]
    outside = np.maximum(start - times, times - end)
    return 0.5 + 0.5 * np.cos(np.pi * np.clip(outside / RAMP_SECONDS, 0.0, 1.0))


def filtered(sounds: Sounds, of: Tensor, power_gain: Tensor, *, keep_power: bool = True) -> Tensor:
    """Samples of sounds whose frames are multiplied by a gain without phase.

    Parameters
    ----------
    sounds
        What is filtered.
    of
        Which of them each stimulus is made of, shape (stimulus,).
    power_gain
        Of energy, shape (stimulus, frame, bin) or broadcast to it.
    keep_power
        Whether each frame keeps its energy.
    """
    cut = sounds.shared(frames)
    gain = power_gain
    if keep_power:
        power = cut.power[of]
        gain = gain * (power.sum(-1) / (power * gain).sum(-1).clamp_min(torch.finfo(power.dtype).tiny))[..., None]
    return cut.added(cut.spectra[of] * gain.sqrt(), sounds.samples.shape[1]) * inside(sounds, of)


def inside(sounds: Sounds, of: Tensor) -> Tensor:
    """1 where a stimulus has samples, 0 behind its end, shape (stimulus, sample)."""
    return (torch.arange(sounds.samples.shape[1], device=of.device) < sounds.lengths[of, None]).float()


def _window(points: int, device: torch.device) -> Tensor:
    """Hann window whose squares, a quarter of it apart, add up to 1."""
    return torch.hann_window(points, device=device) * (8 / (3 * HOPS)) ** 0.5
