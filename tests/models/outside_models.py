"""Models as speech engineers write them, small, with the traits that break an explainer; all take 16 kHz."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

RATE = 16000


def mel_filters(bins: int, mels: int) -> torch.Tensor:
    """Triangles on the mel scale, shape (mels, bins)."""
    top = 2595 * math.log10(1 + RATE / 2 / 700)
    edges = [700 * (10 ** (top * i / (mels + 1) / 2595) - 1) for i in range(mels + 2)]
    hertz = torch.linspace(0, RATE / 2, bins)
    low, middle, high = (torch.tensor(edges[i : len(edges) - 2 + i])[:, None] for i in range(3))
    return torch.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)).clamp_min(0)


class LogMel(nn.Module):
    def __init__(self, mels=24):
        super().__init__()
        self.register_buffer("window", torch.hann_window(400))
        self.register_buffer("filters", mel_filters(201, mels))

    def forward(self, sounds):
        power = torch.stft(sounds, 400, 160, window=self.window, return_complex=True).abs() ** 2
        return torch.log(self.filters @ power + 1e-6)


class Scorer(nn.Module):
    """Log-mel, one convolution, mean over time: scores (batch, labels)."""

    def __init__(self, scores=3):
        super().__init__()
        self.mel, self.conv, self.out = LogMel(), nn.Conv1d(24, 8, 5), nn.Linear(8, scores)

    def features(self, sounds):
        return functional.relu(self.conv(self.mel(sounds)))

    def forward(self, sounds):
        return self.out(self.features(sounds).mean(2))


class WithChannel(Scorer):
    """Takes (batch, 1, samples) alone."""

    def forward(self, sounds):
        assert sounds.dim() == 3
        return super().forward(sounds[:, 0])


class WithLengths(Scorer):
    """Pools over the valid frames; lengths are in samples."""

    def forward(self, sounds, lengths):
        frames = self.features(sounds)
        valid = torch.arange(frames.shape[2]) < (lengths // 160 - 3).clamp_min(1)[:, None]
        return self.out((frames * valid[:, None]).sum(2) / valid.sum(1, keepdim=True))


class WithMask(Scorer):
    def forward(self, sounds, attention_mask):
        return super().forward(sounds * attention_mask)


class WithRate(Scorer):
    def forward(self, sounds, sr):
        assert sr == RATE
        return super().forward(sounds)


class InTuple(Scorer):
    def forward(self, sounds):
        return self.features(sounds).mean(2), super().forward(sounds)


class InDict(Scorer):
    def forward(self, sounds):
        return {"embedding": self.features(sounds).mean(2), "logits": super().forward(sounds)}


class Nested(Scorer):
    def forward(self, sounds):
        return {"heads": ({"a": super().forward(sounds)}, {"b": self.features(sounds).mean(2)[:, :3]})}


class Frames(Scorer):
    """Scores over time, (batch, frames, scores), or (batch, scores, frames) with ``last``."""

    def __init__(self, scores=3, last=False):
        super().__init__(scores)
        self.last = last

    def forward(self, sounds):
        frames = self.out(self.features(sounds).transpose(1, 2))
        return frames.transpose(1, 2) if self.last else frames


class Flat(Scorer):
    """One number a sound, shape (batch,)."""

    def __init__(self):
        super().__init__(1)

    def forward(self, sounds):
        return super().forward(sounds)[:, 0]


class Activated(Scorer):
    def __init__(self, activation, scores=3):
        super().__init__(scores)
        self.activation = activation

    def forward(self, sounds):
        logits = super().forward(sounds)
        return torch.sigmoid(logits) if self.activation == "sigmoid" else logits.softmax(1)


class Embedding(Scorer):
    def __init__(self):
        super().__init__(6)

    def forward(self, sounds):
        return functional.normalize(super().forward(sounds), dim=1)


class FixedLength(nn.Module):
    """Takes 1024 samples, no more and no less."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(1024, 3)

    def forward(self, sounds):
        return self.out(sounds)


class Remembers(Scorer):
    """Its answer depends on what it was given before, until it is reset."""

    def __init__(self):
        super().__init__()
        self.reset_states()

    def reset_states(self):
        self.before = 0.0

    def forward(self, sounds):
        logits = super().forward(sounds) + self.before
        self.before = self.before + 1.0
        return logits


class LooksAtItsNeighbours(Scorer):
    def forward(self, sounds):
        return super().forward(sounds - 0.5 * sounds.mean(0, keepdim=True))


class Recurrent(Scorer):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(24, 8, batch_first=True)

    def forward(self, sounds):
        return self.out(self.rnn(self.mel(sounds).transpose(1, 2))[0][:, -1])


class ReadsBand(nn.Module):
    """Hears 1 to 2 kHz and nothing else, by construction: the log energy of the band-passed sound, two logits."""

    def __init__(self, low=1000.0, high=2000.0, taps=401):
        super().__init__()
        t = (torch.arange(taps, dtype=torch.float64) - taps // 2) / RATE
        ideal = 2 * high * torch.sinc(2 * high * t) - 2 * low * torch.sinc(2 * low * t)
        window = torch.blackman_window(taps, periodic=False, dtype=torch.float64)
        self.register_buffer("filter", (ideal / RATE * window).float())
        self.weight = nn.Parameter(torch.tensor([1.0, -1.0]))

    def forward(self, sounds):
        power = functional.conv1d(sounds[:, None], self.filter[None, None]).square().mean((1, 2))
        return torch.log(power + 1e-8)[:, None] * self.weight


def loudness(sounds):
    """A function of sounds: one logit for loud, one against."""
    level = [float(np.log(np.square(sound).mean() + 1e-9)) for sound in sounds]
    return np.array([[x, -x] for x in level])


def build():
    """What an import path may name: a function that makes a model."""
    torch.manual_seed(3)
    return Scorer(2)


def sound(seconds=1.0, seed=0):
    """Noise that swells, of so many seconds."""
    samples = round(seconds * RATE)
    noise = np.random.default_rng(seed).normal(size=samples) * 0.05
    return (noise * np.linspace(0.2, 1, samples)).astype(np.float32)
