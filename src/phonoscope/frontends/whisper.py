"""Whisper's log-mel picture."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from phonoscope.axes import TimeAxis
from phonoscope.errors import ClassifierError
from phonoscope.frontends.contract import FrontEnd
from phonoscope.frontends.mel import in_double, mel_power, slaney_filters

_TOP_HZ = 8000.0
# log10 of the least power; how far below the loudest cell a cell may lie; and (x + 4) / 4, of which one is 40 dB.
_LEAST, _RANGE, _SHIFT, _STEP = -10.0, 8.0, 4.0, 4.0


class WhisperLogMel(FrontEnd):
    """Whisper's picture: log power in Slaney's mel filters, no cell more than 80 dB below the loudest of its sound.

    ``(max(log10 P, max log10 P - 8) + 4) / 4`` of frames around every ``hop``-th sample, from the first on. A shorter
    sound is followed by silence, a longer one is cut. Gradients reach the sound.

    Parameters
    ----------
    sample_rate
        Hz.
    rows
        Number of filters: 80, or 128 in later models.
    chunk_seconds
        Length of the picture.
    fft_samples, hop
        Length of the frames, and from one to the next, samples.

    Notes
    -----
    Input (batch, samples) and lengths (batch,); output (batch, 1, rows, columns), lowest frequency first. Rows lie at
    the peaks of their triangles, and end where these have half their height.
    """

    kind = "whisper-log-mel"
    weights: Tensor
    window: Tensor

    def __init__(
        self, sample_rate: int, rows: int = 80, chunk_seconds: float = 30.0, *, fft_samples: int = 400, hop: int = 160
    ) -> None:
        self.samples = round(chunk_seconds * sample_rate)
        if hop < 1 or fft_samples < 2 or self.samples <= fft_samples:
            raise ClassifierError(
                f"frames of {fft_samples} samples every {hop} in {self.samples}: expected a hop, and a picture that is "
                "longer than a frame"
            )
        columns, step = self.samples // hop, hop / sample_rate
        filters = slaney_filters(rows, fft_samples, sample_rate, 0.0, _TOP_HZ)
        super().__init__(
            sample_rate,
            TimeAxis(columns, columns * step, start_seconds=-step / 2),
            filters.axis,
            unit="standardised log power",
            db_per_unit=10 * _STEP,
            window_seconds=fft_samples / sample_rate,
        )
        self.chunk_seconds, self.fft_samples, self.hop = float(chunk_seconds), fft_samples, hop
        self.register_buffer("weights", torch.from_numpy(filters.weights), persistent=False)
        self.register_buffer("window", torch.hann_window(fft_samples, dtype=torch.float64), persistent=False)

    def config(self) -> dict[str, Any]:
        """Return the arguments that rebuild this front end."""
        return {
            "sample_rate": self.sample_rate,
            "rows": len(self.weights),
            "chunk_seconds": self.chunk_seconds,
            "fft_samples": self.fft_samples,
            "hop": self.hop,
        }

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None, level: Tensor | None = None) -> Tensor:
        """Pictures of zero-padded waveforms (see ``FrontEnd``), shape (batch, 1, rows, columns).

        Parameters
        ----------
        waveforms, lengths
            See ``FrontEnd``.
        level
            log10 power of the loudest cell that the range of each sound is counted from, shape (batch,); its own by
            default.
        """
        values = self._log_power(waveforms, lengths)
        loudest = values.amax((1, 2)) if level is None else level.to(values)
        values = torch.maximum(values, (loudest - _RANGE)[:, None, None])
        return ((values + _SHIFT) / _STEP).to(waveforms.dtype).unsqueeze(1)

    @torch.no_grad()
    def reference_level(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """log10 power of the loudest cell of each sound, shape (batch,)."""
        return self._log_power(waveforms, lengths).amax((1, 2))

    def _log_power(self, waveforms: Tensor, lengths: Tensor | None) -> Tensor:
        """log10 power (batch, rows, columns)."""
        sounds = waveforms[:, : self.samples]
        if lengths is not None:
            inside = torch.arange(sounds.shape[1], device=sounds.device) < lengths[:, None].to(sounds.device)
            sounds = sounds.where(inside, 0.0)
        reach, columns = self.fft_samples // 2, self.time_axis.columns
        hearing = min(columns, (sounds.shape[1] + reach) // self.hop + 1)  # frames after these hold nothing
        sounds = functional.pad(in_double(sounds), (0, self.samples - sounds.shape[1]))
        sounds = functional.pad(sounds[:, None], (reach, reach), mode="reflect")[:, 0]
        frames = sounds[:, : (hearing - 1) * self.hop + self.fft_samples].unfold(1, self.fft_samples, self.hop)
        power = mel_power(frames * self.window.to(frames), self.fft_samples, self.weights)
        return functional.pad(power.clamp_min(10**_LEAST).log10(), (0, columns - hearing), value=_LEAST)
