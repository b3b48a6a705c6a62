"""The causal check tells networks that use one of two cues from those that use the other, both, or neither."""

import numpy as np
import pytest
import torch
from torch import nn

from phonoscope.classifier import Classifier
from phonoscope.evidence.causal import GRADES, USES, exchange_cues, front_end_for, learn
from phonoscope.evidence.pairs import PAIRS
from phonoscope.evidence.planted import LABELS, plant

PAIR = PAIRS["f2 + noise, 2500 Hz"]
F2 = ((1150, 1350), (1650, 1850))
BESIDE = ((2600, 2900), (3000, 3300))
NOISE = ((4600, 5000), (4150, 4350))


class Listener(nn.Module):
    """Two logits: for each pair of bands the level in the one minus that in the other, times a slope."""

    def __init__(self, bands, slopes, offset_db=0.0):
        super().__init__()
        centres = (torch.arange(64) + 0.5) * 5000 / 64
        self.rows = [[(centres >= low) & (centres <= high) for low, high in pair] for pair in bands]
        self.slopes, self.offset_db = slopes, offset_db

    def forward(self, x):
        level = x[:, 0].mean(dim=2)
        parts = [
            slope * (level[:, high].mean(dim=1) - level[:, low].mean(dim=1))
            for (low, high), slope in zip(self.rows, self.slopes, strict=True)
        ]
        score = sum(parts) - self.offset_db
        return torch.stack([-score, score], dim=1)


@pytest.fixture(scope="module")
def corpus():
    return plant(PAIR, n_tokens=40, seed=1)


def _exchange(corpus, bands, slopes):
    front_end = front_end_for(PAIR, "compact", "full-scale")
    sounds = [corpus.waveforms[k] for k in corpus.positions(corpus.agreeing())]
    raw = Classifier(front_end, Listener(bands, slopes), LABELS).logits(sounds)[:, 1]
    return exchange_cues(Classifier(front_end, Listener(bands, slopes, float(np.median(raw))), LABELS), corpus)


def test_a_listener_to_the_first_cue_follows_it_alone(corpus):
    exchange = _exchange(corpus, [F2], [1.0])
    assert exchange.right.all()
    assert exchange.changed.mean(axis=1).tolist() == [1.0, 0.0]
    assert exchange.share > 0.99
    assert exchange.learnt("first")
    assert not exchange.learnt("second")
    assert exchange.tokens("first").tolist() == list(range(40))
    assert exchange.tokens("second").size == 0
    assert (exchange.margins > 0).all()


def test_a_listener_to_another_band_uses_neither(corpus):
    exchange = _exchange(corpus, [BESIDE], [1.0])
    assert not exchange.learnt("first")
    assert not exchange.learnt("second")
    assert not exchange.learnt("1:1")


def test_the_causal_share_is_that_of_the_slopes(corpus):
    shares = [_exchange(corpus, [F2, NOISE], slopes).share for slopes in ((2.0, 1.0), (1.0, 1.0), (1.0, 4.0))]
    assert shares == sorted(shares, reverse=True)
    alone = [_exchange(corpus, [F2, NOISE], slopes) for slopes in ((1.0, 0.0), (0.0, 1.0))]
    effects = alone[0].effects[0], alone[1].effects[1]
    assert shares[1] == pytest.approx(effects[0] / sum(effects), abs=0.02)  # this listener is linear
    assert not _exchange(corpus, [F2, NOISE], (1.0, 1.0)).learnt("first")


def test_what_is_trained_elsewhere_is_what_is_used(corpus):
    training = plant(PAIR, n_tokens=160, seed=0)
    assert not set(training.carriers.talkers) & set(corpus.carriers.talkers)
    shares = {}
    for uses in ("first", "second"):
        classifier, exchange = learn(training, corpus, "compact-local", uses=uses, epochs=(15, 30))
        assert not classifier.training
        shares[uses] = exchange.share
    assert shares["first"] > 0.8 > 0.2 > shares["second"]


def test_nothing_is_raised_if_a_cue_is_not_learnt(corpus):
    _, exchange = learn(plant(PAIR, n_tokens=40, seed=0), corpus, "compact-local", uses="second", epochs=(1,))
    assert not exchange.learnt("second")
    assert np.isfinite(exchange.share)


def test_grades_run_from_one_cue_to_the_other():
    odds = [np.log(first / (1 - first)) / np.log(second / (1 - second)) for first, second in GRADES.values()]
    assert odds == sorted(odds, reverse=True)
    assert odds[2] == 1
    assert odds[0] == pytest.approx(4, rel=0.1)
    assert USES == {"first": (1.0, 0.5), "second": (0.5, 1.0)}


def test_front_ends_are_those_that_are_shipped():
    assert front_end_for(PAIR, "compact", "default").reference == "token"
    assert front_end_for(PAIR, "compact", "full-scale").reference == "full-scale"
    assert front_end_for(PAIR, "sub-segmental", "waveform").frequency_axis is None
    assert front_end_for(PAIRS["gap + click, 40 ms"], "compact", "default").time_axis.seconds == 0.256
