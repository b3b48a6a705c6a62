"""The causal check tells networks that use the planted cue from those that do not."""

import numpy as np
import pytest
import torch
from torch import nn

from phonoscope.classifier import Classifier
from phonoscope.errors import ClassifierError
from phonoscope.evidence.causal import check_cause, learn
from phonoscope.evidence.planted import plant


class Listener(nn.Module):
    """Two logits: the mean level between two frequencies minus that between two others, times a slope."""

    def __init__(self, bands, slopes=(1.0,), offset_db=0.0):
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


F2 = ((1150, 1350), (1650, 1850))
BESIDE = ((3000, 3400), (3600, 4000))
NOISE = ((4600, 5000), (4200, 4450))


def _classifier(corpus, *args, **kwargs):
    return Classifier(corpus.front_end(), Listener(*args, **kwargs), corpus.labels)


def test_a_listener_to_the_cue_follows_it():
    corpus = plant("f2", n_tokens=40, seed=1)
    check = check_cause(_classifier(corpus, [F2]), corpus)
    assert check.learnt
    assert check.accuracy == check.following == check.weight == 1
    assert check.tokens.tolist() == list(range(40))


def test_a_listener_to_another_band_does_not():
    corpus = plant("f2", n_tokens=40, seed=1)
    check = check_cause(_classifier(corpus, [BESIDE]), corpus)
    assert not check.learnt
    assert check.following < 0.1  # the twin gets the same decision, and one of the two is wrong


@pytest.mark.parametrize(("slopes", "used"), [((1.0, 0.0), 0), ((0.02, 3.0), 1), ((1.0, 1.0), None)])
def test_of_two_cues_the_one_that_decides_is_found(slopes, used):
    corpus = plant("conflict", n_tokens=40, seed=1, disagree=True)
    raw = _classifier(corpus, [F2, NOISE], slopes).logits(corpus.waveforms)[:, 1]
    check = check_cause(_classifier(corpus, [F2, NOISE], slopes, offset_db=float(np.median(raw))), corpus)
    assert check.used == used
    if used is None:
        assert not check.learnt
        assert check.weight < 0.8
    else:
        assert check.weight > 0.9
    assert check.learnt == (used == 0)  # the level in the noise's band varies too much for this listener to noise


def test_other_classes_are_refused():
    corpus = plant("f2", n_tokens=10)
    stranger = Classifier(corpus.front_end(), Listener([F2]), ["i", "u"])
    with pytest.raises(ClassifierError, match="knows i, u"):
        check_cause(stranger, corpus)


def test_learning_stops_when_the_cue_is_learnt_and_tells_when_it_is_not():
    learner = learn("duration", "compact", n_train=160, n_test=20, epochs=(10, 30))
    assert learner.check.learnt
    assert learner.epochs == 10
    assert not set(learner.test.talkers) & set(plant("duration", n_tokens=160, seed=0).talkers)
    assert not learner.classifier.training
    failed = learn("noise-band", "compact-local", n_train=40, n_test=20, epochs=(1,))
    assert not failed.check.learnt
    assert np.isfinite(failed.check.following)
