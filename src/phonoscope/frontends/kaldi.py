"""Kaldi's log mel filter bank, as the extractors of AST, wav2vec 2.0-BERT and Speech2Text compute it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from phonoscope.axes import TimeAxis
from phonoscope.errors import ClassifierError
from phonoscope.frontends.contract import NATURAL_COLUMNS, FrontEnd
from phonoscope.frontends.mel import DB_PER_LOG_POWER, analysis_window, in_double, kaldi_filters, mel_power

# Least power that Kaldi takes the logarithm of, and the least variance of a row.
_LEAST, _LEAST_VARIANCE = 1.192092955078125e-07, 1e-7
_PER_ROW = ("none", "population", "sample")


class KaldiFilterBank(FrontEnd):
    """Natural logarithm of the power in triangular filters on the mel scale, as Kaldi computes it.

    Frames lie wholly within the sound (``snip_edges``). In each, the mean is taken away; then follow the pre-emphasis
    ``x[t] - preemphasis x[t - 1]``, the window, a Fourier transform of the next power of two, and the filters. There is
    no dither and no row for the energy. Gradients reach the sound.

    Parameters
    ----------
    sample_rate
        Hz.
    rows
        Number of filters.
    columns
        Frames of the picture: zeros follow those of a shorter sound, and a longer one is cut. None: as many as the
        sound has.
    window
        ``povey``, ``hanning`` or ``hamming``.
    low_hz, high_hz
        Where the first filter begins and the last one ends; half the sample rate by default.
    window_seconds, hop_seconds
        Length of the frames, and from one to the next.
    preemphasis
        Coefficient; 0 for none.
    full_scale
        What a sample at full scale is worth: 32768 in Kaldi, whose sounds have 16 bits.
    mean, sd
        Values are standardised as ``(x - mean) / sd``, zeros after the end of the sound too.
    per_row
        ``none``; or whether each row is standardised over its frames, with the standard deviation of the
        ``population`` or of the ``sample``.
    stack
        Neighbouring frames that the extractor joins for its model.

    Notes
    -----
    Input (batch, samples) and lengths (batch,); output (batch, 1, rows, columns), lowest frequency first. Rows lie at
    the peaks of their triangles, and end where these have half their height. A filter that is narrower than the bins
    of the transform may hold none of them: its row stays at the floor.
    """

    kind = "kaldi-filter-bank"
    weights: Tensor
    window: Tensor

    def __init__(
        self,
        sample_rate: int,
        rows: int = 80,
        columns: int | None = None,
        *,
        window: str = "povey",
        low_hz: float = 20.0,
        high_hz: float | None = None,
        window_seconds: float = 0.025,
        hop_seconds: float = 0.01,
        preemphasis: float = 0.97,
        full_scale: float = 32768.0,
        mean: float = 0.0,
        sd: float = 1.0,
        per_row: str = "none",
        stack: int = 1,
    ) -> None:
        if per_row not in _PER_ROW:
            raise ClassifierError(f"per_row is {per_row!r}; choose one of {', '.join(_PER_ROW)}")
        samples, hop = round(window_seconds * sample_rate), round(hop_seconds * sample_rate)
        if samples < 2 or hop < 1 or not sd > 0 or not full_scale > 0:
            raise ClassifierError(
                f"a frame of {samples} samples every {hop}, sd {sd} and full_scale {full_scale}: expected at least 2 "
                "samples, a hop, and numbers above 0"
            )
        self._config: dict[str, Any] = {
            "sample_rate": sample_rate,
            "rows": rows,
            "columns": columns,
            "window": window,
            "low_hz": low_hz,
            "high_hz": high_hz,
            "window_seconds": window_seconds,
            "hop_seconds": hop_seconds,
            "preemphasis": preemphasis,
            "full_scale": full_scale,
            "mean": mean,
            "sd": sd,
            "per_row": per_row,
            "stack": stack,
        }
        self.fft_samples = 1 << (samples - 1).bit_length()
        filters = kaldi_filters(rows, self.fft_samples, sample_rate, low_hz, high_hz or sample_rate / 2)
        half = samples / 2 / sample_rate
        if columns is None:
            time_axis = TimeAxis(NATURAL_COLUMNS, edge_seconds=half)
        else:
            step = hop / sample_rate
            time_axis = TimeAxis(columns, columns * step, start_seconds=half - step / 2)
        standard = sd != 1.0 or mean != 0.0 or per_row != "none"
        super().__init__(
            sample_rate,
            time_axis,
            filters.axis,
            unit="standardised log power" if standard else "natural log power",
            db_per_unit=sd * DB_PER_LOG_POWER if per_row == "none" else None,
            floor=(math.log(_LEAST) - mean) / sd if per_row == "none" else None,
            window_seconds=samples / sample_rate,
        )
        self.natural = columns is None
        self.samples, self.hop, self.columns, self.preemphasis = samples, hop, columns, float(preemphasis)
        self.full_scale, self.mean, self.sd, self.per_row = float(full_scale), float(mean), float(sd), per_row
        self.stack = int(stack)
        self.register_buffer("weights", torch.from_numpy(filters.weights), persistent=False)
        self.register_buffer("window", torch.from_numpy(analysis_window(window, samples)), persistent=False)

    def config(self) -> dict[str, Any]:
        """Return the arguments that rebuild this front end."""
        return dict(self._config)

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None, level: Tensor | None = None) -> Tensor:
        """Pictures of zero-padded waveforms (see ``FrontEnd``), shape (batch, 1, rows, columns).

        Parameters
        ----------
        waveforms, lengths
            See ``FrontEnd``.
        level
            Mean and standard deviation that rows are standardised with, from `reference_level`; each sound's own by
            default.
        """
        values, inside = self._log_power(waveforms, lengths)
        if self.per_row != "none":
            level = self._of_rows(values, inside) if level is None else level.to(values)
            values = ((values - level[:, 0]) / level[:, 1]).where(inside, 0.0)
        if self.columns is not None:
            values = functional.pad(values.where(inside, 0.0), (0, self.columns - values.shape[2]))
        return ((values - self.mean) / self.sd).to(waveforms.dtype).unsqueeze(1)

    @torch.no_grad()
    def reference_level(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor | None:
        """Mean and standard deviation of each row, shape (batch, 2, rows, 1); None where rows are not standardised."""
        return None if self.per_row == "none" else self._of_rows(*self._log_power(waveforms, lengths))

    def _log_power(self, waveforms: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Natural log power (batch, rows, frames), and which frames lie within their sound, (batch, 1, frames)."""
        batch, samples = waveforms.shape
        if lengths is None:
            lengths = torch.full((batch,), samples, device=waveforms.device)
        most = samples if self.columns is None else (self.columns - 1) * self.hop + self.samples
        sounds = in_double(waveforms[:, :most]) * self.full_scale
        sounds = functional.pad(sounds, (0, max(0, self.samples - sounds.shape[1])))
        frames = sounds.unfold(1, self.samples, self.hop)
        frames = frames - frames.mean(2, keepdim=True)
        before = torch.cat([frames[..., :1], frames[..., :-1]], dim=2)
        frames = (frames - self.preemphasis * before) * self.window.to(frames)
        values = mel_power(frames, self.fft_samples, self.weights).clamp_min(_LEAST).log()
        ends = torch.arange(values.shape[2], device=values.device) * self.hop + self.samples
        return values, (ends <= lengths[:, None].to(ends.device))[:, None]

    def _of_rows(self, values: Tensor, inside: Tensor) -> Tensor:
        """Mean and standard deviation of each row over the frames of its sound, shape (batch, 2, rows, 1)."""
        count = inside.sum(2, keepdim=True).clamp_min(1).to(values)
        mean = values.where(inside, 0.0).sum(2, keepdim=True) / count
        squares = (values - mean).where(inside, 0.0).square().sum(2, keepdim=True)
        if self.per_row == "population":
            return torch.stack([mean, (squares / count).clamp_min(_LEAST_VARIANCE).sqrt()], dim=1)
        return torch.stack([mean, (squares / (count - 1).clamp_min(1) + _LEAST_VARIANCE).sqrt()], dim=1)
