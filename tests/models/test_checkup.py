"""`check` tries methods with few passes; what it says of each is what the method itself says with its usual options."""

import numpy as np
import pytest
import torch
from outside_models import RATE, Scorer
from torch import nn

import phonoscope as ps
from phonoscope.attribution import METHODS
from phonoscope.attribution.explainer import Explainer
from phonoscope.cli.models import method_lines
from phonoscope.errors import PhonoscopeError
from phonoscope.evidence.checkup import spoken, suitable_methods


class Counted(nn.Module):
    """Counts the sounds that it hears."""

    def __init__(self):
        super().__init__()
        self.scorer, self.heard = Scorer(), 0

    def forward(self, sounds):
        self.heard += len(sounds)
        return self.scorer(sounds)


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return ps.wrap(Counted(), RATE, ["a", "b", "c"])


def test_methods_suit_as_they_do_with_their_usual_options(classifier):
    sound = spoken(RATE)
    found = suitable_methods(classifier, sound)
    assert list(found) == list(METHODS)
    for name in ("expected-gradients", "notch", "score-cam", "cam", "attention-rollout", "captum:deep-lift"):
        try:
            ps.explain(classifier, [sound[4000:12000]], method=name)
            usual = True
        except PhonoscopeError as error:
            usual = str(error)
        assert found[name] == usual


def test_few_passes_are_made(classifier):
    model = classifier.network.model
    before = model.heard
    suitable_methods(classifier, spoken(RATE))
    assert model.heard - before < 300  # occlusion alone hears 219 with its usual options


def test_usual_options_are_tried_too():
    network = nn.Sequential(nn.Conv1d(1, 2, 8), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    low = ps.wrap(network, 400, ["a", "b"])  # no two bands of 250 Hz fit below 200 Hz
    noise = np.random.default_rng(0).standard_normal(400).astype(np.float32)
    assert "at least two bands" in suitable_methods(low, noise)["band-stop"]


def test_score_cam_of_few_channels_scores_only_those(classifier):
    model, sound, heard = classifier.network.model, spoken(RATE), []
    explainer = Explainer(classifier, "score-cam")
    list(explainer.batches([sound]))  # finds the cells of the layer
    for method in ("score-cam", "score-cam(channels=2)"):
        before = model.heard
        list(explainer.with_method(method).batches([sound]))
        heard.append(model.heard - before)
    assert heard[0] - heard[1] == 8 - 2
    with pytest.raises(PhonoscopeError, match="or 0 for all"):
        explainer.with_method("score-cam(channels=-1)")


def test_methods_are_listed_group_by_group_with_each_reason_once():
    found = dict.fromkeys(METHODS, True)
    found |= {"grad-cam": "no layer", "cam": "cam: no layer", "captum:deep-lift": "captum:deep-lift failed"}
    lines = method_lines(found, "band-stop")
    assert "  not      cam, grad-cam: no layer" in lines
    assert "  not      captum:deep-lift: failed" in lines
    assert "around another method (tried around band-stop)" in lines
    listed = [name for line in lines if line.startswith("  ") for name in line[11:].partition(": ")[0].split(", ")]
    assert sorted(listed) == sorted(METHODS)
