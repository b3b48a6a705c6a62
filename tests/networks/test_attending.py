"""Where an encoder-decoder recogniser hears its words: by attention that was planted, so that the place is known."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import phonoscope as ps
from phonoscope.errors import ClassifierError
from phonoscope.models import text_places
from phonoscope.networks.outside.attending import token_starts
from phonoscope.networks.outside.texts import SequenceTexts

RATE, FRAMES = 1000, 50
BORDERS = [0, 12, 30, 41]  # frames at which the tokens 0, 1, 2 and the end begin
TEXTS = [{"tokens": [4, 5, 6], "span": [at, at + 1]} for at in range(3)] + [{"tokens": [4, 5, 6, 0], "span": [0, 4]}]


class Attends(nn.Module):
    """A decoder whose upper layer looks at fixed frames of the sound, token by token; the lower one elsewhere."""

    def __init__(self, given=True):
        super().__init__()
        self.weight, self.given = nn.Parameter(torch.zeros(1)), given

    def get_encoder(self):
        return lambda sounds, return_dict: sounds[:, :: sounds.shape[1] // FRAMES][:, :FRAMES]

    def forward(self, encoder_outputs, decoder_input_ids, output_attentions=False, **_):
        batch, tokens = decoder_input_ids.shape
        logits = torch.zeros(batch, tokens, 8)
        if not (output_attentions and self.given):
            return SimpleNamespace(logits=logits)
        frames = torch.arange(FRAMES)
        upper = torch.full((batch, 2, tokens, FRAMES), 0.01)
        for row, (first, last) in enumerate(zip(BORDERS, [*BORDERS[1:], FRAMES], strict=True)):
            upper[:, :, row + 1] += (frames >= first) & (
                frames < last
            )  # row 0 is that of the first of two prompt tokens
        return SimpleNamespace(logits=logits, cross_attentions=(upper.flip(3), upper))


def test_a_part_lies_where_the_upper_layers_attend():
    places = SequenceTexts(Attends(), TEXTS, prompt=[1, 2], end=0).places(torch.zeros(1, RATE), seconds=1.0)[0]
    expected = np.array([(0, 12), (12, 30), (30, 41), (0, 41)]) / FRAMES
    np.testing.assert_allclose(places, expected, atol=1.5 / FRAMES)


def test_padding_holds_no_token():
    network = SequenceTexts(Attends(), TEXTS, prompt=[1, 2], end=0)
    places = network.places(torch.zeros(2, RATE), 1.0, heard=[1.0, 0.7])
    assert places[0, 2, 1] == pytest.approx(BORDERS[3] / FRAMES, abs=1.5 / FRAMES)
    assert places[1].max() <= 0.7


def test_places_of_sounds_of_unlike_lengths_are_in_their_own_seconds():
    network = SequenceTexts(Attends(), TEXTS[:3], prompt=[1, 2], end=0)
    classifier = ps.wrap(network, RATE, ["[a] b c", "a [b] c", "a b [c]"], kind="texts")
    table = text_places(classifier, [np.ones(RATE, np.float32), np.ones(2 * RATE, np.float32)])
    of_b = table[table["text"] == "a [b] c"]
    np.testing.assert_allclose(of_b[["start", "end"]], [(0.24, 0.6), (0.48, 1.2)], atol=0.07)


def test_a_model_without_attentions_says_so_and_has_maps_still():
    network = SequenceTexts(Attends(given=False), TEXTS[:2], prompt=[1, 2], end=0)
    with pytest.raises(ClassifierError, match="does not give its cross-attention"):
        network.places(torch.zeros(1, RATE), 1.0)
    classifier = ps.wrap(network, RATE, ["[a] b c", "a [b] c"], kind="texts")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its scores are constant
        maps = ps.explain(classifier, [np.ones(RATE, np.float32)], "a [b] c", method="band-occlusion(width=250)")
    assert np.isnan(maps["text_start"].values).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_path_is_the_cheapest_of_all(seed):
    """All monotonic paths of a small matrix, one by one; frames are too few for the median to touch them."""
    weights = torch.rand(1, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    shares = weights / weights.sum(2, keepdim=True)
    cost = -((shares - shares.mean(1)) / shares.std(1, unbiased=False))[0].numpy()
    steps, paths = [(0, 1), (1, 0), (1, 1)], [[(0, 0)]]
    finished = []
    while paths:
        path = paths.pop()
        (finished if path[-1] == (2, 2) else paths).extend(
            [path]
            if path[-1] == (2, 2)
            else [
                [*path, (path[-1][0] + i, path[-1][1] + j)]
                for i, j in steps
                if path[-1][0] + i < 3 and path[-1][1] + j < 3
            ]
        )
    best = min(finished, key=lambda path: sum(cost[at] for at in path))
    assert token_starts(weights).tolist() == [next(j for i, j in best if i == row) for row in range(3)]


class InFourths(nn.Module):
    """Queries, or keys: one direction for each fourth of the tokens, or frames, so that attention is diagonal."""

    def forward(self, states):
        fourth = torch.arange(states.shape[1]) * 4 // states.shape[1]
        return 9 * nn.functional.one_hot(fourth, 8).repeat(1, 2).to(states).expand(len(states), -1, -1)


def test_whisper_lends_its_attention_and_gets_it_back():
    transformers = pytest.importorskip("transformers", reason="the extra hf (transformers) is not installed")
    torch.manual_seed(0)
    sizes = dict.fromkeys(("encoder_layers", "decoder_layers"), 2) | {"d_model": 16, "vocab_size": 20}
    sizes |= dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2)
    sizes |= dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 32) | {"num_mel_bins": 8}
    config = transformers.WhisperConfig(
        **sizes, max_source_positions=30, max_target_positions=24, pad_token_id=0, bos_token_id=0, eos_token_id=0
    )
    model = transformers.WhisperForConditionalGeneration(config).eval()
    network, inputs = SequenceTexts(model, TEXTS, prompt=[1], end=0), torch.randn(2, 8, 60)
    attention = model.model.decoder.layers[1].encoder_attn
    attention.q_proj, attention.k_proj = InFourths(), InFourths()
    before = (model.config._attn_implementation, network(inputs).detach())
    places = network.places(inputs, seconds=1.0)
    assert model.config._attn_implementation == before[0] != "eager"
    torch.testing.assert_close(network(inputs).detach(), before[1], rtol=0, atol=0)
    assert (places[:, :3, 0] <= places[:, :3, 1]).all()
    torch.testing.assert_close(places[:, 0, 1], places[:, 1, 0])
    np.testing.assert_allclose(places[:, 1], [(1 / 4, 2 / 4)] * 2, atol=0.07)
