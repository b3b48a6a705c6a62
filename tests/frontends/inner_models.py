"""Small models in which a picture arises, with what is true of it."""

import math

import torch
from torch import nn
from torch.nn import functional

RATE = 16000


def mel_corners(rows, low=20.0, high=8000.0):
    """Peaks of triangles of the HTK mel scale, with the beginning of the first and the end of the last, Hz."""
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (low, high))
    return [700 * (10 ** ((low + (high - low) * k / (rows + 1)) / 2595) - 1) for k in range(rows + 2)]


class Mel(nn.Module):
    """(batch, samples) → (batch, rows, frames): log mel power, or cepstral coefficients."""

    def __init__(self, rows=24, fft=400, hop=160, cepstra=0):
        super().__init__()
        self.fft, self.hop = fft, hop
        corners, bins = mel_corners(rows), torch.arange(fft // 2 + 1) * RATE / fft
        triangles = [
            torch.minimum((bins - a) / (b - a), (c - bins) / (c - b)).clamp(min=0)
            for a, b, c in zip(corners, corners[1:], corners[2:], strict=False)
        ]
        self.register_buffer("filters", torch.stack(triangles))
        k, n = torch.meshgrid(torch.arange(cepstra), torch.arange(rows), indexing="ij")
        self.register_buffer("cosines", torch.cos(math.pi / rows * (n + 0.5) * k))

    def forward(self, x):
        spectra = torch.stft(x, self.fft, self.hop, window=torch.hann_window(self.fft), return_complex=True)
        log = torch.log(self.filters @ spectra.abs().square() + 1e-6)
        return self.cosines @ log if len(self.cosines) else log


class Spectrum(nn.Module):
    """Powers of the magnitude of Fourier coefficients, in one of several layouts."""

    def __init__(self, exponent=2.0, layout="rows, frames"):
        super().__init__()
        self.exponent, self.layout = exponent, layout

    def forward(self, x):
        y = torch.stft(x, 128, 64, window=torch.hann_window(128), return_complex=True).abs() ** self.exponent
        return {
            "rows, frames": y,
            "frames, rows": y.mT,
            "1, rows, frames": y[:, None],
            "frames, 1, rows": y.mT[:, :, None],
            "falling": y.flip(1),
        }[self.layout]


class Filters(nn.Module):
    """Band-pass filters as a convolution; they swing about 0."""

    def __init__(self, centres, width=256, stride=4):
        super().__init__()
        time = (torch.arange(width) - width // 2) / RATE
        self.register_buffer("taps", torch.cos(2 * math.pi * torch.tensor(centres)[:, None] * time))
        self.taps *= torch.hann_window(width) / width
        self.width, self.stride = width, stride

    def forward(self, x):
        return functional.conv1d(x[:, None], self.taps[:, None], stride=self.stride, padding=self.width // 2)


class ConstantQ(nn.Module):
    """Magnitudes of windows of 12 periods, six rows an octave."""

    def __init__(self, lowest=110.0, rows=30):
        super().__init__()
        self.hertz = [lowest * 2 ** (k / 6) for k in range(rows)]

    def forward(self, x):
        rows, frames = [], x.shape[1] // 256
        for hz in self.hertz:
            n = round(12 * RATE / hz)
            time, window = (torch.arange(n) - n // 2) / RATE, torch.hann_window(n) / n
            taps = torch.stack([window * f(2 * math.pi * hz * time) for f in (torch.cos, torch.sin)])[:, None]
            parts = functional.conv1d(x[:, None], taps, stride=256, padding=n // 2)
            rows.append((parts.square().sum(1)[:, :frames] + 1e-14).sqrt())
        return torch.stack(rows, dim=1)


class Reads(nn.Module):
    """A model whose answer follows from what its picture, a module of it, makes of the sound."""

    def __init__(self, picture, rows=slice(None), dim=1):
        super().__init__()
        self.picture, self.rows, self.dim = picture, rows, dim

    def forward(self, x):
        level = self.picture(x).movedim(self.dim, 1)[:, self.rows].flatten(1)
        return torch.stack([level.mean(1), level.square().mean(1).sqrt()], dim=1)


class Recurrent(nn.Module):
    """A mel picture, a convolution, a recurrent layer."""

    def __init__(self):
        super().__init__()
        self.front = nn.ModuleDict({"mel": Mel()})
        self.conv, self.norm = nn.Conv1d(24, 8, 5), nn.BatchNorm1d(8)
        self.gru, self.out = nn.GRU(8, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        y = self.norm(self.conv(self.front["mel"](x))).relu()
        return {"logits": self.out(self.gru(y.mT)[0].mean(1)), "embedding": y.mean(2)}


class Past(nn.Module):
    """Hears the sound past its picture too."""

    def __init__(self):
        super().__init__()
        self.picture = Mel()

    def forward(self, x):
        return torch.stack([self.picture(x).mean((1, 2)), 50 * x.square().mean(1)], dim=1)


class Twice(Past):
    """Makes its picture twice."""

    def forward(self, x):
        return torch.stack([self.picture(x).mean((1, 2)), self.picture(-x).amax((1, 2))], dim=1)


class Unused(Past):
    """Never makes its picture."""

    def forward(self, x):
        return x[:, :2]


class Pair(nn.Module):
    """Gives two things at once."""

    def forward(self, x):
        return x[:, None], x[:, None]
