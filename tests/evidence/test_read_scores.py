"""What changed examples are given: the probability is that of the kind of scores, or none."""

import math

import pytest
import torch

from phonoscope.evidence.case import read_scores

LOGITS = torch.tensor([[-1.0, 1.0]])


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize(
    ("scores", "of_class", "of_contrast"),
    [
        ("classes", sigmoid(2), sigmoid(2)),
        ("labels", sigmoid(1), sigmoid(1) / (sigmoid(1) + sigmoid(-1))),
        ("numbers", math.nan, math.nan),
        ("similarities", math.nan, math.nan),
    ],
)
def test_probability_follows_from_the_kind_of_scores(scores, of_class, of_contrast):
    found = [read_scores(LOGITS, torch.tensor([w]), scores) for w in ([0.0, 1.0], [-1.0, 1.0])]
    assert [float(f.logit[0]) for f in found] == [1.0, 2.0]
    assert [float(f.probability[0]) for f in found] == pytest.approx([of_class, of_contrast], nan_ok=True)
