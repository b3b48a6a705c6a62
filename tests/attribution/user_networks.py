"""A user's networks at the size of real pictures, and sounds for them."""

import numpy as np
import torch
from torch import nn

from phonoscope import Classifier, Spectrogram

LABELS = ["i", "ɝ", "u"]


class Own(nn.Module):
    """A user's network: in-place ReLU, used twice, a residual branch, dropout, pooling by a module."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, stride=2, padding=1)
        self.block = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6))
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(6, 3)

    def forward(self, x):
        x = self.act(self.stem(x))
        x = self.act(self.block(x) + x)
        return self.out(self.drop(self.pool(x)[:, :, 0, 0]))


class Headless(nn.Module):
    """The linear layer has no bias; features are the output of a plain convolution and have both signs."""

    def __init__(self, width=5):
        super().__init__()
        self.conv = nn.Conv2d(1, width, (5, 3), (4, 4), (2, 1))
        self.fc = nn.Linear(width, 3, bias=False)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


def build(network, rows=64, columns=32):
    torch.manual_seed(0)
    front = Spectrogram(16000, rows=rows, columns=columns)
    if isinstance(network, str):
        classifier = Classifier.build(front, network, LABELS)
    else:
        classifier = Classifier(front, network(), LABELS)
    classifier.input_mean, classifier.input_sd = -35.0, 15.0
    for module in classifier.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.bias, 0.2, 0.3)
    return classifier


def waves(count=5, seed=0):
    random = np.random.default_rng(seed)
    return [np.cumsum(random.normal(size=int(random.integers(100, 3000)))) * 0.01 for _ in range(count)]
