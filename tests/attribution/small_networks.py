"""Small networks of every build for pictures and waveforms, the classifiers around them, and what a user could see."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from phonoscope import Classifier, Spectrogram, Waveform

LABELS = ["i", "ɝ", "u"]
SAMPLE_RATE = 8000
CONTEXT_SECONDS = 0.01


class Plain(nn.Module):
    """Two convolutions with ReLUs, the mean over all cells, one linear layer; one or two dimensions."""

    def __init__(self, dimensions):
        super().__init__()
        self.conv = nn.Conv1d if dimensions == 1 else nn.Conv2d
        stride = 4 if dimensions == 1 else 1
        self.conv1 = self.conv(1, 4, 3, stride, 1)
        self.conv2 = self.conv(4, 5, 3, 2, 1)
        self.act1, self.act2 = nn.ReLU(), nn.ReLU()
        self.fc = nn.Linear(5, len(LABELS))
        self.calls_left = -1  # fails when none is left; without end below zero

    def features(self, x):
        return self.act2(self.conv2(self.act1(self.conv1(x - 0.1))))

    def forward(self, x):
        if self.calls_left == 0:
            raise RuntimeError("out of memory")
        self.calls_left -= 1
        return self.fc(self.features(x).flatten(2).mean(2))


class InPlace(Plain):
    """The same function, in place wherever it can be, the input included."""

    def __init__(self, dimensions):
        super().__init__(dimensions)
        self.act1, self.act2 = nn.ReLU(inplace=True), nn.ReLU(inplace=True)

    def features(self, x):
        return self.act2(self.conv2(self.act1(self.conv1(x.sub_(0.1)))))


class Residual(Plain):
    """A branch around the second convolution, added in place to its output."""

    def __init__(self, dimensions):
        super().__init__(dimensions)
        self.inner = self.conv(5, 5, 3, 1, 1)

    def features(self, x):
        y = self.act1(self.conv2(self.conv1(x - 0.1)))
        z = self.inner(y)
        z += y
        return self.act2(z)


class Reused(Plain):
    """One ReLU for both places."""

    def features(self, x):
        return self.act1(self.conv2(self.act1(self.conv1(x - 0.1))))


class Attentive(Plain):
    """Attention over all cells of the first convolution, added to them; two heads."""

    def __init__(self, dimensions):
        super().__init__(dimensions)
        self.to_all, self.from_heads = nn.Linear(4, 12), nn.Linear(4, 4)

    def heads(self, tokens):
        return [part.unflatten(2, (2, 2)).transpose(1, 2) for part in self.to_all(tokens).chunk(3, dim=2)]

    def attend(self, tokens):
        return self.from_heads(functional.scaled_dot_product_attention(*self.heads(tokens)).transpose(1, 2).flatten(2))

    def features(self, x):
        y = self.act1(self.conv1(x - 0.1))
        tokens = y.flatten(2).mT
        return self.act2(self.conv2((tokens + self.attend(tokens)).mT.reshape(y.shape)))


class AttentiveByHand(Attentive):
    """The same function with softmax and products, in place wherever it can be."""

    def attend(self, tokens):
        queries, keys, values = self.heads(tokens)
        shares = (queries @ keys.mT).div_(2**0.5).softmax(-1)
        return self.from_heads((functional.dropout(shares, training=False) @ values).transpose(1, 2).flatten(2))


class AttentiveWithHeads(Attentive):
    """The same function as torch's own module computes it, time first, asking for the weights."""

    def attend(self, tokens):
        seen = tokens.transpose(0, 1)
        weights = (
            self.to_all.weight,
            self.to_all.bias,
            None,
            None,
            False,
            0.0,
            self.from_heads.weight,
            self.from_heads.bias,
        )
        mixed, shares = functional.multi_head_attention_forward(seen, seen, seen, 4, 2, *weights, training=False)
        assert shares.shape == (len(tokens), tokens.shape[1], tokens.shape[1])
        return mixed.transpose(0, 1)


class Linear(nn.Module):
    """Weights over all cells of a picture of 16 by 8."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16 * 8, len(LABELS))

    def forward(self, x):
        return self.fc(x.flatten(1))


NETWORKS = {"plain": Plain, "in-place": InPlace, "residual": Residual, "re-used": Reused}
# The same kinds for methods that need a transformer: one function, computed in three ways.
ATTENTIVE = {"plain": Attentive, "in-place": AttentiveByHand, "residual": Attentive, "re-used": AttentiveWithHeads}
NEED_ATTENTION = ("attention-rollout", "gradient-attention")


def kinds_for(method):
    """Networks of every build that suit a method."""
    return ATTENTIVE if method in NEED_ATTENTION else NETWORKS


def build(network, dimensions, **front):
    """A classifier with weights from a seed: networks of the same layers get the same weights."""
    torch.manual_seed(0)
    module = network(dimensions)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in sorted(module.named_parameters()):
        size = 0.4 if name.endswith("weight") else 0.1
        parameter.data = torch.randn(parameter.shape, generator=generator) * size
    if dimensions == 2:
        front_end = Spectrogram(SAMPLE_RATE, rows=16, columns=8, **front)
        return Classifier(front_end, module, LABELS, input_mean=-30.0, input_sd=15.0)
    return Classifier(Waveform(SAMPLE_RATE, 0.05, **front), module, LABELS)


def linear():
    """A classifier that is linear in its picture."""
    torch.manual_seed(0)
    front_end = Spectrogram(SAMPLE_RATE, rows=16, columns=8)
    return Classifier(front_end, Linear(), LABELS, input_mean=-30.0, input_sd=15.0)


def waves(count=3, seed=0, context_seconds=CONTEXT_SECONDS):
    """Sounds of different lengths, with a context around each."""
    random = np.random.default_rng(seed)
    context = 2 * round(context_seconds * SAMPLE_RATE)
    lengths = random.integers(150, 500, size=count)
    return [(random.normal(size=n + context).cumsum() * 0.01).astype(np.float32) for n in lengths]


def snapshot(classifier):
    """Everything of a module, and of the random numbers, that a user could see."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "state": {k: v.clone() for k, v in classifier.state_dict().items()},
        "grads": [p.grad if p.grad is None else p.grad.clone() for p in classifier.parameters()],
        "requires": [p.requires_grad for p in classifier.parameters()],
        "modes": [m.training for m in classifier.modules()],
        "hooks": [[len(getattr(m, name)) for name in hooks] for m in classifier.modules()],
        "names": [sorted(vars(m)) for m in classifier.modules()],
        "flags": [m._is_full_backward_hook for m in classifier.modules()],
        "rng": torch.get_rng_state(),
        "numpy": np.random.get_state()[1].copy(),  # noqa: NPY002
        "grad_mode": torch.is_grad_enabled(),
    }


def assert_untouched(before, after):
    for name in ("requires", "modes", "hooks", "names", "flags", "grad_mode"):
        assert before[name] == after[name], name
    assert all(torch.equal(v, after["state"][k]) for k, v in before["state"].items())
    assert torch.equal(before["rng"], after["rng"])
    assert np.array_equal(before["numpy"], after["numpy"])
    for a, b in zip(before["grads"], after["grads"], strict=True):
        assert (a is None and b is None) or torch.equal(a, b)
