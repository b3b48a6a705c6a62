"""Six decibels more or less: nothing behind a front end that scales, the slope of the network where that is held."""

import numpy as np
import pytest
import torch
from torch import nn

from phonoscope import Classifier, Spectrogram
from phonoscope.evidence.case import open_case
from phonoscope.evidence.level import level_reaction, level_table


class MeanLevel(nn.Module):
    """Logits are the mean level of the picture and −40: 1 logit a dB."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.ones(1))

    def forward(self, x):
        level = self.slope * x.mean((1, 2, 3))
        return torch.stack([level, torch.full_like(level, -40.0)], dim=1)


@pytest.mark.parametrize("reference", ["token", "full-scale"])
def test_the_reaction_is_that_of_the_network_to_its_input(reference):
    classifier = Classifier(Spectrogram(8000, reference=reference, range_db=120), MeanLevel(), ["loud", "soft"])
    random = np.random.default_rng(0)
    sounds = [0.05 * random.normal(size=900) for _ in range(4)]
    table = level_table(level_reaction(open_case(classifier, sounds, target="loud"))).set_index(["change_db", "held"])
    assert (table["n"] == 4).all()
    heard = 0.0 if reference == "token" else 6.0
    for change in (-6.0, 6.0):
        assert table.loc[(change, True), "loss"] == pytest.approx(6.0, abs=0.05)
        assert table.loc[(change, False), "loss"] == pytest.approx(heard, abs=0.05)
    assert table.loc[(-6.0, True), "changed"] in (0.0, 1.0)
