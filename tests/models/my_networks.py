"""Networks as the readers of the tutorial *Models from elsewhere* have them; all take sounds at 16 kHz."""

import math

import torch
from outside_models import RATE, Frames, LogMel, Scorer
from torch import nn
from torch.nn import functional


class SincFilters(nn.Module):
    """Band-pass filters with learnt cutoffs."""

    def __init__(self, filters=12, taps=65):
        super().__init__()
        self.low, self.width = (
            nn.Parameter(torch.linspace(30, 6000, filters)),
            nn.Parameter(torch.full((filters,), 3e2)),
        )
        self.register_buffer("time", (torch.arange(taps) - taps // 2) / RATE)
        self.register_buffer("window", torch.hamming_window(taps))

    def forward(self, sounds):
        low, high = self.low.abs()[:, None], (self.low.abs() + self.width.abs())[:, None]
        kernels = 2 * high * torch.sinc(2 * high * self.time) - 2 * low * torch.sinc(2 * low * self.time)
        kernels = kernels * self.window / (2 * (high - low))
        return functional.conv1d(sounds[:, None], kernels[:, None], padding=len(self.time) // 2)


class RawNet2(nn.Module):
    """Sinc filters, a residual block scaled by its own mean, GRU."""

    def __init__(self, scores):
        super().__init__()
        self.sinc, self.norm = SincFilters(), nn.BatchNorm1d(12)
        self.block = nn.Sequential(nn.BatchNorm1d(12), nn.LeakyReLU(0.3), nn.Conv1d(12, 12, 3, padding=1))
        self.scale, self.gru, self.out = nn.Linear(12, 12), nn.GRU(12, 16, batch_first=True), nn.Linear(16, scores)

    def forward(self, sounds):
        hidden = functional.leaky_relu(self.norm(functional.max_pool1d(self.sinc(sounds).abs(), 9)), 0.3)
        hidden = functional.max_pool1d(hidden + self.block(hidden), 9)
        scale = torch.sigmoid(self.scale(hidden.mean(2)))[:, :, None]
        return self.out(self.gru((hidden * scale + scale).transpose(1, 2))[0][:, -1])


class AASIST(nn.Module):
    """A picture made by sinc filters, convolutions, attention over frequency and over time."""

    def __init__(self, scores):
        super().__init__()
        self.sinc, self.query, self.out = SincFilters(), nn.Linear(8, 1), nn.Linear(16, scores)
        self.conv = nn.Sequential(
            nn.Conv2d(1, 8, (2, 3), padding=(1, 1)), nn.BatchNorm2d(8), nn.SELU(), nn.MaxPool2d((1, 3))
        )

    def forward(self, sounds):
        picture = self.conv(functional.max_pool2d(self.sinc(sounds).abs()[:, None], (1, 64))).abs()
        sides = [picture.amax(axis).transpose(1, 2) for axis in (3, 2)]
        return self.out(torch.cat([(self.query(side).softmax(1) * side).sum(1) for side in sides], 1))


class ECAPA(nn.Module):
    """Filter bank inside, squeeze and excitation, attentive statistics."""

    def __init__(self, scores):
        super().__init__()
        self.mel, self.conv, self.norm = LogMel(), nn.Conv1d(24, 16, 5, padding=2), nn.BatchNorm1d(16)
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Conv1d(16, 4, 1), nn.ReLU(), nn.Conv1d(4, 16, 1))
        self.attention, self.out = nn.Conv1d(48, 16, 1), nn.Linear(32, scores)

    def forward(self, sounds):
        mel = self.mel(sounds)
        hidden = self.norm(torch.relu(self.conv(mel - mel.mean(2, keepdim=True))))
        hidden = hidden * torch.sigmoid(self.squeeze(hidden))
        spread = [hidden, *(part(2, keepdim=True).expand_as(hidden) for part in (hidden.mean, hidden.std))]
        weight = self.attention(torch.cat(spread, 1)).softmax(2)
        mean = (weight * hidden).sum(2)
        deviation = ((weight * hidden**2).sum(2) - mean**2).clamp_min(1e-6).sqrt()
        return self.out(torch.cat([mean, deviation], 1))


class CRNN(nn.Module):
    """Convolutions with an activation in place, two-sided GRU."""

    def __init__(self, scores):
        super().__init__()
        self.mel, self.out = LogMel(), nn.Linear(16, scores)
        self.conv = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d((6, 2)))
        self.gru = nn.GRU(16, 8, batch_first=True, bidirectional=True)

    def forward(self, sounds):
        hidden = self.conv(self.mel(sounds)[:, None]).flatten(1, 2).transpose(1, 2)
        return self.out(self.gru(hidden)[0].mean(1))


class Conformer(nn.Module):
    """Self-attention and depthwise convolution over the frames."""

    def __init__(self, scores):
        super().__init__()
        self.mel, self.first = LogMel(), nn.Conv1d(24, 16, 3, stride=4)
        self.attention = nn.MultiheadAttention(16, 2, dropout=0.1, batch_first=True)
        self.before, self.after, self.out = nn.LayerNorm(16), nn.LayerNorm(16), nn.Linear(16, scores)
        self.widen, self.depth = nn.Conv1d(16, 32, 1), nn.Conv1d(16, 16, 15, padding=7, groups=16)

    def forward(self, sounds):
        hidden = self.first(self.mel(sounds)).transpose(1, 2)
        normal = self.before(hidden)
        hidden = hidden + self.attention(normal, normal, normal)[0]
        gated = functional.glu(self.widen(self.after(hidden).transpose(1, 2)), 1)
        return self.out((hidden + functional.silu(self.depth(gated)).transpose(1, 2)).mean(1))


class MFCCNet(nn.Module):
    """Cepstral coefficients inside: rows that have no hertz."""

    def __init__(self, scores):
        super().__init__()
        self.mel, self.conv, self.out = LogMel(), nn.Conv1d(13, 8, 5), nn.Linear(8, scores)
        number, row = torch.meshgrid(torch.arange(13), torch.arange(24), indexing="ij")
        self.register_buffer("cosines", torch.cos(math.pi / 24 * (row + 0.5) * number) / math.sqrt(12))

    def forward(self, sounds):
        return self.out(torch.relu(self.conv(self.cosines @ self.mel(sounds))).mean(2))


class ImageCNN(nn.Module):
    """Made for photographs: three channels."""

    def __init__(self, scores):
        super().__init__()
        self.conv, self.out = nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.ReLU()), nn.Linear(8, scores)

    def forward(self, images):
        return self.out(self.conv(images).mean((2, 3)))


class PackedLSTM(nn.Module):
    """Skips padding by the lengths of the sounds."""

    def __init__(self, scores):
        super().__init__()
        self.mel, self.lstm, self.out = LogMel(), nn.LSTM(24, 8, batch_first=True), nn.Linear(8, scores)

    def forward(self, sounds, lengths):
        frames = self.mel(sounds).transpose(1, 2)
        valid = (lengths // 160 + 1).clamp(max=frames.shape[1]).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(frames, valid, batch_first=True, enforce_sorted=False)
        return self.out(self.lstm(packed)[1][0][-1])


class SpeakerEncoder(Scorer):
    """Embeddings of length 1."""

    def forward(self, sounds):
        return functional.normalize(super().forward(sounds), dim=1)


class Tagger(Scorer):
    """A logit for each of several labels."""


class SpoofDetector(Scorer):
    """One logit."""

    def __init__(self):
        super().__init__(1)


class PitchTracker(Scorer):
    """One number a sound."""

    def __init__(self):
        super().__init__(1)


class FrameClassifier(Frames):
    """Scores over time, (batch, frames, labels)."""
