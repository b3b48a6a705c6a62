"""Attention: the closed forms of the papers, every way to compute it, planted times, and what is refused."""

import warnings

import numpy as np
import pytest
import torch
from small_networks import ATTENTIVE, LABELS, Plain, assert_untouched, build, snapshot, waves
from torch import nn
from torch.nn import functional

from phonoscope import Classifier, Spectrogram, Waveform, explain
from phonoscope.attribution.attending import AttentionWatch, attentions_of, find_tokens
from phonoscope.attribution.attention import attention_rollout, gradient_attention
from phonoscope.errors import AttributionError, EmptyMapWarning
from phonoscope.networks import build_network

METHODS = ["attention-rollout", "gradient-attention"]


def test_rollout_and_relevance_are_the_products_of_the_papers():
    generator = torch.Generator().manual_seed(0)
    layers = [torch.rand(2, 5, 5, dtype=torch.float64, generator=generator).softmax(-1) for _ in range(3)]
    read = torch.tensor([1.0, 0, 0, 1.0, 0], dtype=torch.float64) / 2
    eye = torch.eye(5, dtype=torch.float64)
    rolled, relevance = eye.expand(2, 5, 5), eye.expand(2, 5, 5)
    for layer in layers:  # Abnar & Zuidema; Chefer et al., eq. 6
        rolled = (layer / 2 + eye / 2) @ rolled
        relevance = relevance + layer @ relevance
    found = attention_rollout(layers, read)
    assert torch.allclose(found, rolled[:, [0, 3]].mean(1))
    assert torch.allclose(found.sum(1), torch.ones(2, dtype=torch.float64))
    assert torch.allclose(gradient_attention(layers, read), (relevance - eye)[:, [0, 3]].mean(1))


MASK = torch.zeros(6, 6, dtype=torch.bool).fill_diagonal_(True) | (torch.arange(6) < 4)
ATTENTIONS = {
    "plain": {},
    "masked": {"attn_mask": MASK},
    "biased": {"attn_mask": torch.linspace(-2, 2, 36).reshape(6, 6)},
    "causal": {"is_causal": True},
    "scaled": {"scale": 0.3},
}


@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention_that_is_seen_computes_the_same(name):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 6, 8)
    expected, seen = functional.scaled_dot_product_attention(query, key, value, **ATTENTIONS[name]), []
    with AttentionWatch(lambda p, _v: seen.append(p) or p):
        found = functional.scaled_dot_product_attention(query, key, value, **ATTENTIONS[name])
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.allclose(seen[0].sum(-1), torch.ones(2, 4, 6))
    if name == "causal":
        assert (seen[0].triu(1) == 0).all()


def test_queries_in_groups_share_their_keys():
    query, (key, value) = torch.randn(2, 4, 6, 8), torch.randn(2, 2, 2, 6, 8)
    expected = functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    with AttentionWatch(lambda p, _v: p):
        found = functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("averaged", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_torchs_module_gives_back_what_it_was_asked_for(wanted, averaged):
    torch.manual_seed(0)
    module, x = nn.MultiheadAttention(8, 2, batch_first=True).eval(), torch.randn(3, 5, 8)
    asked = {"need_weights": wanted, "average_attn_weights": averaged}
    expected, weights = module(x, x, x, **asked)
    with AttentionWatch(lambda p, _v: p):
        found, seen = module(x, x, x, **asked)
    assert torch.allclose(found, expected, atol=1e-6)
    assert (seen is None) == (weights is None)
    assert weights is None or torch.allclose(seen, weights, atol=1e-6)


class Reader(nn.Module):
    """Pieces of a sound behind a class token, which alone is read; layers of torch's own encoder."""

    def __init__(self, layers=2, width=16, piece=40, **options):
        super().__init__()
        self.pieces, self.start = nn.Conv1d(1, width, piece, piece), nn.Parameter(torch.randn(1, 1, width))
        layer = nn.TransformerEncoderLayer(width, 2, 32, dropout=0.0, batch_first=True, **options)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.fc = nn.Linear(width, len(LABELS))

    def forward(self, x):
        tokens = torch.cat([self.start.expand(len(x), -1, -1), self.pieces(x).mT], 1)
        return self.fc(self.encoder(tokens)[:, 0])


def on_sounds(network, seconds=0.1):
    return Classifier(Waveform(8000, seconds, standardise=False), network, LABELS)


def test_the_tokens_of_torchs_encoder_are_found_and_what_is_read_of_them():
    torch.manual_seed(0)
    network, inputs = Reader().eval(), torch.randn(2, 1, 800)
    tokens = find_tokens(network, inputs)
    assert (tokens.layer, tokens.calls) == ("pieces", (0, 1))
    assert tokens.read.tolist() == [1.0] + 20 * [0.0]
    logits, seen = attentions_of(network, inputs, tokens.calls)
    assert [a.shape for a in seen] == [(2, 2, 21, 21)] * 2
    assert torch.allclose(logits, network(inputs), atol=1e-5)  # torch's quick path
    maps = explain(on_sounds(network), waves(3, context_seconds=0), "i", "attention-rollout")
    assert maps.sizes["time"] == 20
    assert maps["time"].values == pytest.approx((np.arange(20) + 0.5) * 0.005)
    assert (maps.sum("time") < 1).all()  # a share stays with the class token
    assert find_tokens(build(ATTENTIVE["plain"], 2).network.eval(), torch.randn(2, 1, 16, 8)).read.unique().numel() == 1


def test_rollout_knows_no_target_and_says_so_and_relevance_does():
    torch.manual_seed(0)
    classifier = on_sounds(Reader())
    for method, same in (("attention-rollout", True), ("gradient-attention", False)):
        one, other = (explain(classifier, waves(2, context_seconds=0), label, method) for label in ("i", "u"))
        assert np.array_equal(one.values, other.values) == same
        assert (one.values >= 0).all()
        assert ("whatever the target" in one.attrs["units"]) == same
        assert "unsigned" in one.attrs["units"] or same


def bursts(count, seed):
    """Quiet noise with 10 ms of a low or a high tone at some time: sounds, class, and middle of the tone."""
    random = np.random.default_rng(seed)
    sounds = 0.02 * random.standard_normal((count, 800)).astype(np.float32)
    label, start = random.integers(0, 2, count), random.integers(0, 720, count)
    time = np.arange(80) / 8000
    for sound, which, begin in zip(sounds, label, start, strict=True):
        tone = np.sin(2 * np.pi * (800, 2400)[which] * time + random.uniform(0, 6))
        sound[begin : begin + 80] += tone * np.hanning(80)
    return sounds, label, (start + 40) / 8000


@pytest.fixture(scope="module")
def trained_reader():
    """A network that had to find the burst, wherever it is."""
    torch.manual_seed(0)
    network = Reader(layers=1, width=24)
    sounds, label, _ = bursts(512, 0)
    x, y = torch.from_numpy(sounds)[:, None], torch.from_numpy(label)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(60):
        for part in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            functional.cross_entropy(network(x[part])[:, :2], y[part]).backward()
            optimiser.step()
    return on_sounds(network.eval())


@pytest.mark.parametrize("method", METHODS)
def test_a_planted_time_is_found(trained_reader, method):
    sounds, label, middle = bursts(100, 1)
    logits = trained_reader.logits(list(sounds))
    right = logits[:, :2].argmax(1) == label
    assert right.mean() > 0.9
    maps = explain(trained_reader, list(sounds[right]), [LABELS[k] for k in label[right]], method)
    peak = maps["time"].values[maps[:, 0].argmax("time").values]
    reach = 0.005 + maps.attrs["cell_time"] / 2  # the strongest cell has a part of the burst, which lasts 10 ms
    near = np.abs(peak - middle[right]) <= reach
    chance = 2 * reach / 0.1
    assert near.mean() > 4 * chance


def test_patches_lie_at_their_hertz_and_seconds():
    torch.manual_seed(0)
    network = build_network("patch-transformer", 3)
    classifier = Classifier(Spectrogram(8000, rows=16, columns=8), network, LABELS, input_mean=-30.0, input_sd=15.0)
    for method in METHODS:
        maps = explain(classifier, waves(3, context_seconds=0), "i", method)
        assert maps.attrs["layer"] == "blocks.0.to_queries_keys_values"
        assert maps["frequency"].values == pytest.approx([500.0, 1500.0, 2500.0, 3500.0])
        assert maps["time"].values == pytest.approx([0.25, 0.75])
        assert maps.attrs["field_hz"] == pytest.approx(1000.0)


class Merging(nn.Module):
    """Two layers of attention with every other token left out between them."""

    def __init__(self):
        super().__init__()
        self.pieces, self.fc = nn.Conv1d(1, 8, 40, 40), nn.Linear(8, len(LABELS))

    def forward(self, x):
        tokens = self.pieces(x).mT
        tokens = tokens + functional.scaled_dot_product_attention(tokens, tokens, tokens)
        tokens = tokens[:, ::2]
        return self.fc((tokens + functional.scaled_dot_product_attention(tokens, tokens, tokens)).mean(1))


class Unplaced(Merging):
    def forward(self, x):
        tokens = self.pieces(x).mT.cumsum(1)
        return self.fc(functional.scaled_dot_product_attention(tokens, tokens, tokens).mean(1))


class Decoding(Merging):
    """An encoder, and a decoder of three tokens of its own that attends to itself and to the encoder."""

    def __init__(self):
        super().__init__()
        self.own = nn.Parameter(torch.randn(1, 3, 8))

    def forward(self, x):
        attend = functional.scaled_dot_product_attention
        tokens = self.pieces(x).mT
        tokens = tokens + attend(tokens, tokens, tokens)
        own = self.own.expand(len(x), -1, -1)
        own = own + attend(own, own, own)
        own = own + attend(own, tokens, tokens)
        return self.fc((own + attend(own, own, own)).mean(1))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("network", "says"),
    [
        (Merging, "merged or cut on the way"),
        (Unplaced, "whose places in the input are known"),
        (lambda: Plain(1), "no attention that can be seen"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_words(network, says, method):
    torch.manual_seed(0)
    classifier = on_sounds(network())
    before = snapshot(classifier)
    with pytest.raises(AttributionError, match=says):
        explain(classifier, waves(2, context_seconds=0), "i", method)
    assert_untouched(before, snapshot(classifier))


@pytest.mark.parametrize("method", METHODS)
def test_of_an_encoder_and_a_decoder_the_encoder_is_followed(method):
    torch.manual_seed(0)
    classifier = on_sounds(Decoding())
    tokens = find_tokens(classifier.network, torch.randn(2, 1, 800))
    assert (tokens.calls, tokens.layer) == ((0,), "pieces")
    assert explain(classifier, waves(2, context_seconds=0), "i", method).sizes["time"] == 20


def test_weights_that_are_frozen_make_no_difference():
    torch.manual_seed(0)
    classifier = on_sounds(Reader())
    free = explain(classifier, waves(2, context_seconds=0), "i", "gradient-attention")
    classifier.network.requires_grad_(False)
    frozen = explain(classifier, waves(2, context_seconds=0), "i", "gradient-attention")
    assert frozen.values == pytest.approx(free.values, rel=1e-4)
    assert (free.values > 0).any()


class Against(nn.Module):
    """All that it attends to speaks against one label, and for the others."""

    def __init__(self):
        super().__init__()
        self.pieces, self.sign = nn.Conv1d(1, 4, 40, 40), 2.0 * (torch.arange(len(LABELS)) != LABELS.index("i")) - 1

    def forward(self, x):
        tokens = self.pieces(x).mT
        heads = tokens[:, None]
        attended = (heads @ heads.mT).softmax(-1) @ heads.abs()
        return attended[:, 0].mean((1, 2))[:, None] * self.sign


def test_a_map_of_nothing_is_said_to_be_no_proof_of_nothing():
    torch.manual_seed(0)
    classifier, sounds = on_sounds(Against()), waves(2, context_seconds=0)
    with pytest.warns(EmptyMapWarning, match="zero everywhere.*integrated-gradients"):
        maps = explain(classifier, sounds, "i", "gradient-attention")
    assert not maps.values.any()
    with warnings.catch_warnings():
        warnings.simplefilter("error", EmptyMapWarning)
        other = next(label for label in LABELS if label != "i")
        assert explain(classifier, sounds, other, "gradient-attention").values.any()
