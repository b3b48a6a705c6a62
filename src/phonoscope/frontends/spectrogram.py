"""The front end that shows a network pictures: log power at the frequencies of its rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from phonoscope.axes import FrequencyAxis, TimeAxis
from phonoscope.band_filters import checked_bands, without_bands
from phonoscope.errors import ClassifierError
from phonoscope.frontends.contract import LEAST_POWER, FrontEnd

# Tokens that a processor works on at once: of so few values in all that they stay in its cache, but at least so many.
_CHUNK_VALUES, _FEWEST_AT_ONCE = 1 << 16, 4


class Spectrogram(FrontEnd):
    """Log power spectrogram in dB, computed exactly at the frequencies of its rows.

    Each frame is multiplied by a Hann window and its Fourier transform evaluated at the rows' own frequencies (for
    rows higher than the window's resolution: averaged over points across the row), so no FFT bin is ever resampled.
    Power is expressed in dB re the token's maximum (or re full scale) with a soft floor, which keeps it differentiable:
    ``10 log10(P / P_max + 10^(-range_db / 10))``.

    Parameters
    ----------
    sample_rate
        Sample rate of the waveforms, Hz.
    max_hz
        Upper edge of the frequency axis; half the sample rate by default.
    window_seconds
        Length of the Hann window: 8 ms is a wide-band spectrogram.
    rows, columns
        Size of the picture. 64 × 32 is the default; 224 × 224 is the paper's.
    scale
        Frequency scale of the rows: ``linear`` (default), ``mel`` or ``erb``.
    time
        ``stretch``: frames at equidistant centres over the token, the first and last window just inside it; every
        token fills the picture, as in the paper. ``fixed``: ``seconds`` around the token's middle, silence outside it.
    seconds
        Length of the time axis for ``time="fixed"``.
    range_db
        Distance of the soft floor below the reference.
    preemphasis_hz
        Corner of a first-order pre-emphasis, applied as an exact gain on the power spectrum; 0 for none.
    reference
        ``token``: dB re the maximum of the token; ``full-scale``: dB re a full-scale sine.
    without_hz
        Bands that are filtered out of every sound first, as pairs of a lower and an upper edge in Hz: a classifier
        that is trained with it shows what can be learnt without them.

    Notes
    -----
    Input (batch, samples) and lengths (batch,); output (batch, 1, rows, columns), dB, lowest frequency first.
    """

    kind = "spectrogram"
    cosines: Tensor
    sines: Tensor
    frequency_axis: FrequencyAxis
    window_seconds: float

    def __init__(
        self,
        sample_rate: int,
        max_hz: float | None = None,
        window_seconds: float = 0.008,
        rows: int = 64,
        columns: int = 32,
        *,
        scale: str = "linear",
        time: str = "stretch",
        seconds: float = 0.15,
        range_db: float = 60.0,
        preemphasis_hz: float = 100.0,
        reference: str = "token",
        without_hz: Sequence[Sequence[float]] = (),
    ) -> None:
        if sample_rate <= 0 or window_seconds <= 0 or range_db <= 0:
            raise ClassifierError(
                f"sample_rate, window_seconds and range_db must be positive, got {sample_rate}, {window_seconds} and "
                f"{range_db}"
            )
        max_hz = sample_rate / 2 if max_hz is None else float(max_hz)
        if max_hz > sample_rate / 2:
            raise ClassifierError(
                f"max_hz is {max_hz:g} Hz, but audio at {sample_rate} Hz carries nothing above {sample_rate / 2:g} Hz. "
                "Lower max_hz or use recordings with a higher sample rate"
            )
        if time not in ("stretch", "fixed"):
            raise ClassifierError(f"time is {time!r}; choose 'stretch' or 'fixed'")
        if reference not in ("token", "full-scale"):
            raise ClassifierError(f"reference is {reference!r}; choose 'token' or 'full-scale'")
        window_samples = max(2, round(window_seconds * sample_rate))
        half_window = window_samples / 2 / sample_rate
        super().__init__(
            sample_rate,
            TimeAxis(columns, None, half_window) if time == "stretch" else TimeAxis(columns, float(seconds)),
            FrequencyAxis(rows, max_hz, scale),
            floor=-float(range_db),
            window_seconds=float(window_seconds),
        )
        self.window_samples, self.reference = window_samples, reference
        self.range_db, self.preemphasis_hz = float(range_db), float(preemphasis_hz)
        self.without_hz = checked_bands(without_hz, sample_rate)
        # A row that is higher than the window's resolution is averaged over so many points.
        highest = float(np.diff(self.frequency_axis.edges).max())
        self._points = max(1, math.ceil(highest / (sample_rate / window_samples)))
        for name, part in zip(("cosines", "sines"), self._basis(), strict=True):
            self.register_buffer(name, torch.from_numpy(part.astype(np.float32)), persistent=False)

    def _basis(self) -> tuple[np.ndarray, np.ndarray]:
        """Cosines and sines about the middle of a frame, each (rows * points, half a window).

        Window and weight are in them: a full-scale sine gets power 1, times the gain of the pre-emphasis 1 - a z^-1,
        over the points of a row.
        """
        n = np.arange(self.window_samples // 2, self.window_samples)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * (n + 0.5) / self.window_samples)
        distance = n - (self.window_samples - 1) / 2
        window[distance == 0] /= 2  # the middle of an odd number of samples is in both halves
        edges, inside = self.frequency_axis.edges, (np.arange(self._points) + 0.5) / self._points
        frequencies = (edges[:-1, None] + np.diff(edges)[:, None] * inside).ravel()
        a = math.exp(-2 * math.pi * self.preemphasis_hz / self.sample_rate) if self.preemphasis_hz > 0 else 0.0
        gain = 1 - 2 * a * np.cos(2 * np.pi * frequencies / self.sample_rate) + a * a
        angle = 2 * np.pi * np.outer(frequencies, distance) / self.sample_rate
        # The sum of a Hann window is half its length.
        weight = np.sqrt(gain / self._points)[:, None] * window * 4 / self.window_samples
        return np.cos(angle) * weight, np.sin(angle) * weight

    def config(self) -> dict[str, Any]:
        """Return the arguments that rebuild this front end."""
        axis = self.frequency_axis
        return {
            "sample_rate": self.sample_rate,
            "max_hz": axis.max_hz,
            "window_seconds": self.window_seconds,
            "rows": axis.rows,
            "columns": self.time_axis.columns,
            "scale": axis.scale,
            "time": "stretch" if self.time_axis.stretched else "fixed",
            "seconds": self.time_axis.seconds or 0.15,
            "range_db": self.range_db,
            "preemphasis_hz": self.preemphasis_hz,
            "reference": self.reference,
            "without_hz": self.without_hz,
        }

    def centres(self, lengths: Tensor) -> Tensor:
        """Centres of the frames in samples, shape (batch, columns)."""
        columns = self.time_axis.columns
        length = lengths.to(self.cosines.device, torch.float32)[:, None]
        if self.time_axis.seconds is not None:
            offsets = (torch.arange(columns, device=length.device) + 0.5) / columns - 0.5
            return (length - 1) / 2 + offsets * self.time_axis.seconds * self.sample_rate
        if columns == 1:
            return (length - 1) / 2
        half = torch.minimum(torch.full_like(length, self.window_samples / 2), length / 2)
        steps = torch.linspace(0, 1, columns, device=length.device)
        return half + steps * (length - 2 * half) - 0.5

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None, level: Tensor | None = None) -> Tensor:
        """Spectrograms of zero-padded waveforms (see ``FrontEnd``), shape (batch, 1, rows, columns), dB.

        Parameters
        ----------
        waveforms, lengths
            See ``FrontEnd``.
        level
            Power of each token that is 0 dB, shape (batch,); each token's own maximum by default.
        """
        both_ways, first = self._both_ways(waveforms, lengths)
        sound = both_ways[0]
        if sound.device.type != "cpu" or sound.requires_grad:
            return self._decibels(self._power(both_ways, first), level)
        pictures = sound.new_empty(len(waveforms), *self.shape)
        for part in self._parts(len(first)):
            held = None if level is None else level[part]
            self._decibels(self._power(both_ways, first[part]), held, pictures[part])
        return pictures

    @torch.no_grad()
    def reference_level(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor | None:
        """Greatest power of each token, shape (batch,); None where levels are re full scale."""
        if self.reference != "token":
            return None
        both_ways, first = self._both_ways(waveforms, lengths)
        return torch.cat([self._power(both_ways, first[part]).amax((1, 2, 3)) for part in self._parts(len(first))])

    def _parts(self, batch: int) -> Iterator[slice]:
        """Tokens that a processor works on at once."""
        _, rows, columns = self.shape
        step = max(_FEWEST_AT_ONCE, _CHUNK_VALUES // (rows * columns))
        return (slice(start, start + step) for start in range(0, batch, step))

    def _both_ways(self, waveforms: Tensor, lengths: Tensor | None) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """The waveforms as one sound, forwards and backwards, and where in it each frame begins, (batch, columns)."""
        waveforms, lengths = without_bands(waveforms, lengths, self.sample_rate, self.without_hz)
        first = torch.round(self.centres(lengths) - (self.window_samples - 1) / 2).long()
        sound, first = self._end_to_end(waveforms, lengths, first)
        return (sound, sound.flip(0)), first

    def _end_to_end(self, waveforms: Tensor, lengths: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """The waveforms as one sound (samples,), and where in it each frame begins, (batch, columns)."""
        batch, samples = waveforms.shape
        # Asking a GPU whether a frame reaches beyond its waveform would make it wait.
        outside = (first < 0) | (first + self.window_samples > lengths[:, None])
        if waveforms.device.type != "cpu" or bool(outside.any()):
            inside = torch.arange(samples, device=waveforms.device) < lengths[:, None]
            margin = self.window_samples  # of silence: no frame needs more, wherever it lies
            waveforms = F.pad(waveforms.where(inside, 0.0), (margin, margin))
            first = first.clamp(-margin, samples) + margin
        rows = torch.arange(batch, device=first.device)[:, None] * waveforms.shape[1]
        return waveforms.flatten(), first + rows

    def _power(self, sounds: tuple[Tensor, Tensor], first: Tensor) -> Tensor:
        """Power of frames of a sound, given forwards and backwards, that begin at `first` (batch, columns).

        Shape (batch, 1, rows, columns).
        """
        even, odd = self._halves(sounds, first)
        # About its middle a frame is an even part, which only cosines see, and an odd part, which only sines see.
        real, imaginary = self.cosines.to(even.dtype) @ even, self.sines.to(odd.dtype) @ odd
        squares = torch.square(real, out=_spare(real))
        power = torch.addcmul(squares, imaginary, imaginary, out=_spare(squares)).unsqueeze(1)
        return power if self._points == 1 else power.unflatten(2, (-1, self._points)).sum(dim=3)

    def _decibels(self, power: Tensor, level: Tensor | None, out: Tensor | None = None) -> Tensor:
        """Decibels of power (batch, 1, rows, columns), which is written over."""
        ratio = 10 ** (self.range_db / 10)
        if self.reference == "token":
            most = power.amax((1, 2, 3)) if level is None else level.to(power)
            ratio = (ratio / most.clamp_min(LEAST_POWER)).clamp_max(torch.finfo(most.dtype).max)[:, None, None, None]
        # 10 log10(P + 1 / ratio), exact also where P is far below the floor
        power = torch.mul(power, ratio, out=_spare(power))
        return torch.add(-self.range_db, torch.log1p(power, out=_spare(power)), alpha=10 / math.log(10), out=out)

    def _halves(self, sounds: tuple[Tensor, Tensor], first: Tensor) -> tuple[Tensor, Tensor]:
        """Sum and difference of each frame and its mirror image, (batch, half a window, columns) each."""
        forwards, backwards = sounds
        half = self.cosines.shape[1]
        starts = first.flatten()
        after = _stretches(forwards, starts + (self.window_samples - half), half)
        before = _stretches(backwards, len(forwards) - half - starts, half)
        even, odd = after + before, after - before
        return even.view(*first.shape, half).mT, odd.view(*first.shape, half).mT


def _spare(tensor: Tensor) -> Tensor | None:
    """The tensor itself, to be written over, unless a gradient will need it."""
    return None if tensor.requires_grad else tensor


def _stretches(sound: Tensor, starts: Tensor, samples: int) -> Tensor:
    """Stretches of a sound (samples,) that begin at `starts`, shape (len(starts), samples)."""
    if sound.requires_grad:  # the gradient of a view of all stretches would be as large as all of them together
        return sound[starts[:, None] + torch.arange(samples, device=starts.device)]
    return sound.unfold(0, samples, 1).index_select(0, starts)
