"""Models that hear 1 to 2 kHz and nothing else: the evidence of every method lies there, as finely as it says."""

import numpy as np
import pytest
import torch
from outside_models import ReadsBand, sound
from scipy.stats import wilcoxon
from torch import nn
from torch.nn import functional

import phonoscope as ps
from phonoscope.errors import PhonoscopeError

RATE, LABELS = 16000, ["a", "b"]
LOW, HIGH = 1000.0, 2000.0
SHARE = 0.95
# A token's draws leave noise everywhere in its map: there must be more within the band than elsewhere.
SAMPLED = {"rise", "captum:kernel-shap"}
# What a method cannot do on a model of waveforms that has neither layers nor attention.
UNFIT = {
    *("score-cam", "layer-cam", "grad-cam++", "cam", "grad-cam", "hires-cam", "gradient-attention"),
    *("attention-rollout", "expected-gradients", "captum:deep-lift"),
}
ASKED = {
    "smooth": "smooth(gradient-x-input, samples=4)",
    "var": "var(gradient-x-input, samples=4)",
    "joined": "joined(gradient-x-input)",
}
ON_PICTURES = [name for name in ps.methods() if name not in SAMPLED and "attention" not in name]


class ReadsBandOfPicture(nn.Module):
    """Two convolutions over the rows of a picture between 1 and 2 kHz; all others are put to nothing first."""

    def __init__(self, frequency):
        super().__init__()
        inside = torch.from_numpy((frequency > LOW) & (frequency < HIGH)).float()
        self.register_buffer("inside", inside[:, None])
        self.one, self.two = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.Conv2d(4, 8, 3, padding=1, bias=False)
        self.first, self.second, self.out = nn.ReLU(), nn.ReLU(), nn.Linear(8, 2)

    def forward(self, pictures):
        features = self.second(self.two(self.first(self.one(pictures * self.inside))))
        return self.out(features.mean((2, 3)))


class AttendsToBand(nn.Module):
    """Patches of 500 Hz behind a class token, which looks at those between 1 and 2 kHz alone."""

    def __init__(self, rows=16, columns=8):
        super().__init__()
        self.patches = nn.Conv2d(1, 8, (1, 2), (1, 2))
        centres = (torch.arange(rows) + 0.5) * RATE / 2 / rows
        inside = ((centres > LOW) & (centres < HIGH)).float().repeat_interleave(columns // 2)
        self.register_buffer("wanted", torch.cat([torch.zeros(1), inside]))
        self.start, self.out = nn.Parameter(torch.zeros(1, 1, 8)), nn.Linear(8, 2)
        with torch.no_grad():  # what it looks at speaks for the first label
            self.out.weight.copy_(self.out.weight.abs() * torch.tensor([[1.0], [-1.0]]))

    def forward(self, pictures):
        patches = self.patches(pictures).flatten(2).mT
        tokens = torch.cat([self.start.expand(len(patches), -1, -1), patches], 1)
        # Queries of the class token match the keys of the wanted patches; all other tokens look at themselves.
        places = torch.eye(tokens.shape[1]).to(tokens).expand(len(tokens), -1, -1)
        queries = torch.cat([self.wanted.expand(len(tokens), 1, -1), places[:, 1:]], 1)
        tokens = tokens + functional.scaled_dot_product_attention(60 * queries, 2 * places, tokens)
        return self.out(tokens[:, 0].square())


def sounds(count, seconds):
    return [sound(seconds, seed=i) for i in range(count)]


def within(maps):
    """Which rows of maps lie within the band, widened by what they resolve; and the mean size of a cell in each row.

    A cell of a layer sees the band from as far as half its field.
    """
    frequency = maps["frequency"].values
    finest = maps["resolution"].values if "resolution" in maps.coords else maps.attrs["resolution_hz"]
    if maps.attrs["layer"] not in ("input", "sound"):
        finest = np.maximum(finest, maps.attrs["field_hz"] / 2)
    return (frequency >= LOW - finest) & (frequency <= HIGH + finest), np.abs(maps.values).mean(2)


def share_within(maps):
    inside, size = within(maps)
    assert inside.mean() < 0.6  # a resolution that spans everything would prove nothing
    return size[:, inside].sum(1) / size.sum(1)


def explained(classifier, name, tokens, **settings):
    if name.startswith("captum:"):
        pytest.importorskip("captum", reason="this method needs the extra captum")
    return ps.explain(classifier, tokens, "a", ASKED.get(name, name), **settings)


@pytest.mark.parametrize("name", [name for name in ps.methods() if name not in UNFIT | SAMPLED])
def test_evidence_lies_in_the_band_that_a_model_of_waveforms_hears(name):
    maps = explained(ps.wrap(ReadsBand(), RATE, LABELS), name, sounds(2, 0.4))
    assert share_within(maps).min() >= SHARE


@pytest.mark.parametrize("name", sorted(SAMPLED))
def test_sampled_evidence_is_stronger_in_the_band_than_elsewhere(name):
    maps = explained(ps.wrap(ReadsBand(), RATE, LABELS), name, sounds(8, 0.2))
    inside, size = within(maps)
    # Draws differ from token to token: without knowledge of the band either side would win as often.
    assert wilcoxon(size[:, inside].mean(1), size[:, ~inside].mean(1), alternative="greater").pvalue < 0.01


@pytest.mark.parametrize("name", sorted(UNFIT))
def test_what_does_not_suit_is_refused_in_words(name):
    with pytest.raises(PhonoscopeError, match=r"[Cc]hoose"):
        explained(ps.wrap(ReadsBand(), RATE, LABELS), name, sounds(1, 0.4))


@pytest.mark.parametrize("name", ON_PICTURES)
def test_evidence_lies_in_the_band_that_a_model_of_pictures_hears(name):
    torch.manual_seed(0)
    front_end = ps.Spectrogram(RATE, rows=32, columns=12, reference="full-scale")
    network = ReadsBandOfPicture(front_end.frequency_axis.centres)
    classifier = ps.Classifier(front_end, network, LABELS, input_mean=-40.0, input_sd=10.0)
    maps = explained(classifier, name, sounds(3, 0.2), reference=sounds(8, 0.2))
    assert share_within(maps).min() >= SHARE


@pytest.mark.parametrize("name", [name for name in ps.methods() if "attention" in name])
def test_attention_lies_in_the_band_that_it_looks_at(name):
    torch.manual_seed(0)
    front_end = ps.Spectrogram(RATE, rows=16, columns=8, reference="full-scale")
    classifier = ps.Classifier(front_end, AttendsToBand(), LABELS, input_mean=-40.0, input_sd=10.0)
    maps = explained(classifier, name, sounds(2, 0.2))
    assert maps.attrs["layer"] == "patches"
    assert share_within(maps).min() >= SHARE
