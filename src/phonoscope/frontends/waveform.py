"""The front end of networks that take the waveform itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from phonoscope.axes import TimeAxis
from phonoscope.band_filters import checked_bands, without_bands
from phonoscope.frontends.contract import LEAST_POWER, FrontEnd


class Waveform(FrontEnd):
    """The waveform itself, cut or padded to a fixed length around its middle.

    Parameters
    ----------
    sample_rate
        Hz.
    seconds
        Length of the network's input.
    standardise
        Scale each token to unit standard deviation (its mean is removed: no offset is ever added).
    without_hz
        Bands that are filtered out of every sound first; see ``Spectrogram``.

    Notes
    -----
    Input (batch, samples) and lengths (batch,); output (batch, 1, seconds * sample_rate).
    """

    kind = "waveform"

    def __init__(
        self,
        sample_rate: int,
        seconds: float = 1.0,
        *,
        standardise: bool = True,
        without_hz: Sequence[Sequence[float]] = (),
    ) -> None:
        samples = round(seconds * sample_rate)
        super().__init__(sample_rate, TimeAxis(samples, float(seconds)), unit="standard deviations")
        self.samples, self.seconds = samples, float(seconds)
        self.standardise = standardise
        self.without_hz = checked_bands(without_hz, sample_rate)

    def config(self) -> dict[str, Any]:
        """Return the arguments that rebuild this front end."""
        return {
            "sample_rate": self.sample_rate,
            "seconds": self.seconds,
            "standardise": self.standardise,
            "without_hz": self.without_hz,
        }

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None, level: Tensor | None = None) -> Tensor:
        """Centre each waveform in the fixed length; silence outside it. Shape (batch, 1, samples).

        Parameters
        ----------
        waveforms, lengths
            See ``FrontEnd``.
        level
            Standard deviation that becomes 1 where tokens are standardised, shape (batch,); each one's own by default.
        """
        centred, deviation = self._centred(waveforms, lengths)
        if self.standardise:
            centred = centred / (deviation if level is None else level.to(centred))[:, None]
        return centred.unsqueeze(1)

    @torch.no_grad()
    def reference_level(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor | None:
        """Standard deviation of each token, shape (batch,); None where it is not scaled."""
        return self._centred(waveforms, lengths)[1] if self.standardise else None

    def _centred(self, waveforms: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Waveforms in the fixed length, (batch, samples), without their mean if standardised, and their deviations."""
        waveforms, lengths = without_bands(waveforms, lengths, self.sample_rate, self.without_hz)
        before = (self.samples - lengths[:, None]).div(2, rounding_mode="floor")
        index = torch.arange(self.samples, device=waveforms.device) - before
        inside = (index >= 0) & (index < lengths[:, None])
        centred = waveforms.gather(1, index.clamp(0, waveforms.shape[1] - 1)) * inside
        count = inside.sum(1).clamp_min(1)
        if self.standardise:
            centred = (centred - (centred.sum(1) / count)[:, None]) * inside
        return centred, (centred.square().sum(1) / count).clamp_min(LEAST_POWER).sqrt()
