"""Random changes of sounds in bubbles of hertz and seconds, whose answers show which of them matter.

Each cell of a coarse grid, equally wide on the ERB scale and in time, gets a random gain in dB. Gaussian bubbles around
the middles of the cells spread it over the short-time spectrum of the sound (Gosselin & Schyns 2001; Mandel et al. 2016
and Venezia et al. 2016 for speech). What each cell is changed by on average is kept beside every sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch

from phonoscope.errors import PerceptionError
from phonoscope.manipulate.sounds import Sounds, filtered, frames
from phonoscope.scales import erb_to_hz, hz_to_erb

_POINTS = 16  # of a cell, over which its gain is averaged
_SAMPLES_AT_A_TIME = 1 << 19  # frames of so many stay in the processor's cache


@dataclass(frozen=True)
class Bubbles:
    """A grid of cells, and how far they are changed.

    Parameters
    ----------
    frequencies, times
        Number of cells along each axis.
    low, high
        First and last frequency of the grid, Hz; half the sample rate by default.
    decibels
        Standard deviation of the gain.
    width
        Standard deviation of a bubble, in cells.
    clock
        What time is told in: ``share`` of each token, or ``s`` from its beginning up to the end of the longest.
    keep_power
        Whether each frame keeps its energy; then only the shape of the spectrum changes.
    """

    frequencies: int = 20
    times: int = 6
    low: float = 100.0
    high: float | None = None
    decibels: float = 6.0
    width: float = 0.5
    clock: Literal["share", "s"] = "share"
    keep_power: bool = False

    def frequency_edges(self, sample_rate: float) -> np.ndarray:
        """Edges of the cells in Hz, shape (frequencies + 1,)."""
        high = sample_rate / 2 if self.high is None else self.high
        if not 0 <= self.low < high <= sample_rate / 2:
            raise PerceptionError(
                f"found bubbles from {self.low:g} to {high:g} Hz; expected a range within 0 to {sample_rate / 2:g} Hz"
            )
        return erb_to_hz(np.linspace(hz_to_erb(self.low), hz_to_erb(high), self.frequencies + 1))

    def time_edges(self, longest: float) -> np.ndarray:
        """Edges of the cells, as shares of the token or in s, shape (times + 1,).

        Parameters
        ----------
        longest
            Duration of the longest token, s.
        """
        return np.linspace(0.0, longest if self.clock == "s" else 1.0, self.times + 1)


class Perturbed(NamedTuple):
    """Changed sounds, and by how much each cell was changed.

    Attributes
    ----------
    cells
        Mean gain of each cell in dB, float32, shape (trial, frequency, time); 0 behind the end of a token.
    token
        Number of the sound that was changed, shape (trial,).
    sounds
        1-D float32 arrays.
    """

    cells: np.ndarray
    token: np.ndarray
    sounds: list[np.ndarray]


def perturbations(
    waveforms: Sequence[np.ndarray],
    sample_rate: float,
    trials: int,
    design: Bubbles | None = None,
    *,
    seed: int | Sequence[int] = 0,
    device: str | torch.device = "cpu",
) -> Perturbed:
    """Change tokens at random, a token drawn for each trial.

    Parameters
    ----------
    waveforms : sequence of arrays (sample,)
        The tokens, without context.
    sample_rate : float
        In Hz.
    trials : int
        How many sounds to make.
    design : Bubbles, optional
        The cells; the usual ones if not given.
    seed : int or sequence of int
        Of all that is random; a trial depends on it and on its number alone.
    device : str or torch.device
        Where the sounds are made.

    Raises
    ------
    PerceptionError
        If there is no token, or the grid does not fit the sample rate.
    """
    if not len(waveforms):
        raise PerceptionError("there is no token to change")
    design = design or Bubbles()
    hertz = design.frequency_edges(sample_rate)
    rng = [np.random.default_rng([*np.atleast_1d(seed), part]) for part in (0, 1)]
    token = rng[0].integers(len(waveforms), size=trials)
    amplitude = design.decibels * rng[1].standard_normal((trials, design.frequencies, design.times))
    lengths = np.array([len(waveform) for waveform in waveforms]) / sample_rate
    recorded = Sounds.of(waveforms, sample_rate, np.zeros(len(lengths)), lengths, device=device)
    cut = recorded.shared(frames)
    spans = lengths if design.clock == "share" else np.full(len(lengths), lengths.max())
    on_erb = np.interp(hz_to_erb(cut.hertz), hz_to_erb(hertz[[0, -1]]), [0, design.frequencies])
    in_time = np.clip(cut.times, 0, lengths[:, None]) / spans[:, None]
    over_frequency, over_time = (
        torch.as_tensor(bubbles, dtype=cut.power.dtype, device=cut.power.device)
        for bubbles in (
            _bubbles(on_erb, design.frequencies, design.width),  # (bin, cell)
            _bubbles(in_time * design.times, design.times, design.width),  # (token, frame, cell)
        )
    )
    to = torch.as_tensor(token, device=cut.power.device)
    levels = torch.as_tensor(amplitude, dtype=cut.power.dtype, device=cut.power.device)
    step = max(1, _SAMPLES_AT_A_TIME // recorded.samples.shape[1])
    sounds: list[np.ndarray] = []
    for some in torch.arange(trials, device=cut.power.device).split(step):
        of = to[some]
        decibels = over_time[of] @ levels[some].mT @ over_frequency.T  # (trial, frame, bin)
        gain = torch.exp(decibels.mul_(np.log(10) / 10))
        samples = filtered(recorded, of, gain, keep_power=design.keep_power)
        sounds += recorded[of.cpu().numpy()].changed(samples).arrays
    means = (_cell_means(count, design.width) for count in (design.frequencies, design.times))
    cells = np.einsum("nft,fg,tu->ngu", amplitude, *means, optimize=True)
    middles = (np.arange(design.times) + 0.5) / design.times * spans[:, None]
    cells *= (middles < lengths[:, None])[token][:, None, :]
    return Perturbed(cells.astype(np.float32), token, sounds)


def _bubbles(places: np.ndarray, count: int, width: float) -> np.ndarray:
    """Bubbles around the middles of cells at places counted in cells, shape (..., cell), of the same power anywhere."""
    away = (places[..., None] - (np.arange(count) + 0.5)) / width
    heights = np.exp(-0.5 * away**2)
    return heights / np.sqrt((heights**2).sum(axis=-1, keepdims=True))


def _cell_means(count: int, width: float) -> np.ndarray:
    """Mean of each bubble over each cell, shape (bubble, cell)."""
    places = (np.arange(count * _POINTS) + 0.5) / _POINTS
    return _bubbles(places, count, width).reshape(count, _POINTS, count).mean(axis=1).T
