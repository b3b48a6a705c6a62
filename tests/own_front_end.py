"""A front end from outside: one file, four options of its own, rows at odd places in Hz, values in nepers."""

import math

import torch
from torch import nn

from phonoscope.axes import FrequencyAxis, TimeAxis
from phonoscope.frontends import FrontEnd


class Resonances(FrontEnd):
    """Log magnitudes at chosen frequencies, in so many frames over each token."""

    def __init__(self, sample_rate, centres_hz=(210, 400, 950, 1500, 2650, 3900), frames=12, frame_ms=10.0, deep=6.0):
        super().__init__(
            sample_rate,
            TimeAxis(frames, None, frame_ms / 2000),
            FrequencyAxis.at_rows(centres_hz),
            unit="neper",
            floor=-float(deep),
            window_seconds=frame_ms / 1000,
        )
        self.centres_hz, self.frames, self.frame_ms, self.deep = list(centres_hz), frames, frame_ms, deep

    def config(self):
        names = ("sample_rate", "centres_hz", "frames", "frame_ms", "deep")
        return {name: getattr(self, name) for name in names}

    def forward(self, waveforms, lengths=None):
        batch, samples = waveforms.shape
        lengths = torch.full((batch,), samples) if lengths is None else lengths
        lengths = lengths.to(waveforms.device)[:, None]
        width = round(self.frame_ms / 1000 * self.sample_rate)
        n = torch.arange(width, device=waveforms.device)
        steps = torch.linspace(0, 1, self.frames, device=waveforms.device)
        starts = ((lengths - width).clamp_min(0) * steps).round().long()
        sound = nn.functional.pad(waveforms, (0, width))
        frames = sound[torch.arange(batch)[:, None, None], starts[:, :, None] + n] * torch.hann_window(width)
        angles = 2 * math.pi * torch.outer(torch.tensor(self.centres_hz, dtype=torch.float32), n) / self.sample_rate
        power = (frames @ angles.cos().T).square() + (frames @ angles.sin().T).square()
        power = power.mT[:, None] * (4 / width) ** 2
        return torch.log(power + math.exp(-2 * self.deep)) / 2


def not_a_front_end(sample_rate):
    """A callable that does not keep the contract."""
    return nn.Identity()


class Unfinished(FrontEnd):
    """Forgets to say how it is rebuilt."""

    def forward(self, waveforms, lengths=None):
        return waveforms[:, None]
