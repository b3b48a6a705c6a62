"""Activation maximisation: the closed form of a linear network, limits that hold, sounds that can be written."""

import numpy as np
import pytest
import torch
from small_networks import NETWORKS, SAMPLE_RATE, assert_untouched, build, linear, snapshot, waves

from phonoscope import contrast, read_audio
from phonoscope.attribution.maximise import maximise
from phonoscope.audio import write_audio
from phonoscope.errors import PhonoscopeError

TOKENS = waves(12, seed=4, context_seconds=0)


def of_signs():
    """A linear classifier whose weights are all of one size."""
    classifier = linear()
    with torch.no_grad():
        classifier.network.fc.weight.sign_().mul_(0.1)
    return classifier


def inputs(classifier):
    values = torch.cat([x for _, x in classifier.batches(TOKENS)])[:, 0].numpy()
    classes = classifier.logits(TOKENS).argmax(1)
    return values, np.mean([values[classes == c].mean(0) for c in np.unique(classes)], axis=0)


def test_for_a_linear_network_it_is_the_direction_of_the_weights():
    classifier = of_signs()
    found = maximise(classifier, "i", TOKENS, smooth_hz=0, smooth_share=0, steps=100)
    values, mean = inputs(classifier)
    away = (found.values[0] + 30.0) / 15.0 - mean
    radius = np.sqrt(((values - mean) ** 2).sum((1, 2))).max()
    weights = classifier.network.fc.weight[0].detach().numpy().reshape(16, 8)
    free = (mean + radius * weights / np.linalg.norm(weights) < values.max() - 0.01) & (
        mean + radius * weights / np.linalg.norm(weights) > values.min() + 0.01
    )
    assert free.mean() > 0.5
    expected = np.clip(mean + radius * weights / np.linalg.norm(weights), values.min(), values.max()) - mean
    assert away[free] == pytest.approx(expected[free], rel=0.05)
    assert np.corrcoef(away.ravel(), expected.ravel())[0, 1] > 0.99
    at_mean = classifier.network(torch.from_numpy(mean).float()[None, None])[0, 0].item()
    assert found["logit_after"].item() == pytest.approx(at_mean + (away * weights).sum(), abs=1e-3)
    assert found["logit_before"].item() == pytest.approx(at_mean, abs=0.2 * (found["logit_after"].item() - at_mean))


@pytest.mark.parametrize(("dimensions", "space"), [(2, "picture"), (2, "sound"), (1, "sound")])
@pytest.mark.parametrize("target", ["ɝ", contrast("i", "u")], ids=str)
def test_the_logit_rises_above_every_token_within_the_limits(dimensions, space, target):
    classifier = build(NETWORKS["in-place"], dimensions)
    found = maximise(classifier, target, TOKENS, space=space, seeds=(0, 3), steps=60)
    assert (found["logit_after"] > found["logit_before"]).all()
    assert (found["logit_after"] > found.attrs["highest_reference"]).all()
    logits = classifier.logits(TOKENS)
    of_tokens = logits[:, 1] if target == "ɝ" else logits[:, 0] - logits[:, 2]
    assert found.attrs["highest_reference"] == pytest.approx(of_tokens.max(), abs=1e-5)
    assert found.attrs["target"] == str(target)
    if space == "picture":
        values, mean = inputs(classifier)
        pictures = (found.values + 30.0) / 15.0
        assert found.dims == ("seed", "frequency", "time")
        assert pictures.min() >= values.min() - 1e-5
        assert pictures.max() <= values.max() + 1e-5
        farthest = np.sqrt(((values - mean) ** 2).sum((1, 2))).max()
        assert (np.sqrt(((pictures - mean) ** 2).sum((1, 2))) <= farthest * (1 + 1e-4)).all()
        heard = classifier.network(torch.from_numpy(pictures).float()[:, None]).detach().numpy()
    else:
        assert found.dims == ("seed", "sample")
        assert found.attrs["sample_rate"] == SAMPLE_RATE
        level = np.median([np.sqrt(np.mean(np.square(w))) for w in TOKENS])
        assert (np.sqrt((found**2).mean("sample")) <= level * 1.001).all()
        assert np.abs(found.values).max() <= 0.9901
        heard = classifier.logits(list(found.values))
    reached = heard[:, 1] if target == "ɝ" else heard[:, 0] - heard[:, 2]
    assert reached == pytest.approx(found["logit_after"].values, abs=1e-4)


@pytest.mark.parametrize(("dimensions", "space"), [(2, "picture"), (1, "sound")])
def test_a_seed_gives_the_same_alone_and_beside_others(dimensions, space):
    classifier = build(NETWORKS["plain"], dimensions)
    both = maximise(classifier, "i", TOKENS, space=space, seeds=(5, 6), steps=5)
    alone = maximise(classifier, "i", TOKENS, space=space, seeds=(6,), steps=5)
    assert alone.values[0] == pytest.approx(both.sel(seed=6).values, abs=1e-4 * float(np.abs(both.values).max()))
    assert np.abs(both.values[0] - both.values[1]).max() > 1e-3


def test_smoothing_makes_pictures_smooth():
    classifier = of_signs()
    rough, smooth = (
        maximise(classifier, "i", TOKENS, smooth_hz=hertz, smooth_share=share, steps=30).values[0]
        for hertz, share in ((0, 0), (500, 0.2))
    )
    assert np.abs(np.diff(smooth, axis=0)).mean() < 0.5 * np.abs(np.diff(rough, axis=0)).mean()


def test_the_sound_of_a_picture_network_can_be_written_and_heard(tmp_path):
    classifier = build(NETWORKS["plain"], 2)
    found = maximise(classifier, "i", TOKENS, space="sound", seconds=0.1, steps=20)
    assert found.sizes["sample"] == round(0.1 * SAMPLE_RATE)
    write_audio(tmp_path / "i.wav", found.sel(seed=0).values, found.attrs["sample_rate"])
    sound, rate = read_audio(tmp_path / "i.wav")
    assert classifier.logits([sound])[0, 0] == pytest.approx(found["logit_after"].item(), abs=1e-3)
    assert rate == SAMPLE_RATE


def test_the_power_stays_where_speech_has_it():
    classifier = build(NETWORKS["plain"], 1)
    found = maximise(classifier, "i", TOKENS, seconds=0.2, steps=30).values[0]
    power = np.abs(np.fft.rfft(found)) ** 2
    hertz = np.fft.rfftfreq(len(found), 1 / SAMPLE_RATE)
    tokens = np.concatenate(TOKENS)
    given = np.abs(np.fft.rfft(tokens)) ** 2
    at = np.fft.rfftfreq(len(tokens), 1 / SAMPLE_RATE)
    assert power[hertz > 2000].sum() / power.sum() < 20 * given[at > 2000].sum() / given.sum()


@pytest.mark.parametrize(("dimensions", "space"), [(2, "picture"), (1, "sound")])
def test_the_classifier_is_left_as_it_was(dimensions, space):
    classifier = build(NETWORKS["in-place"], dimensions).train()
    before = snapshot(classifier)
    maximise(classifier, "i", TOKENS, space=space, steps=3)
    assert_untouched(before, snapshot(classifier))
    classifier.network.calls_left = 3
    with pytest.raises(RuntimeError, match="out of memory"):
        maximise(classifier, "i", TOKENS, space=space, steps=10)
    assert_untouched(before, snapshot(classifier))


@pytest.mark.parametrize(
    ("target", "settings", "says"),
    [
        ("predicted", {}, "name a class"),
        ("ə", {}, "no class"),
        ("i", {"space": "cochlea"}, "auto or sound"),
        ("i", {"steps": 0}, "one step"),
        ("i", {"seeds": ()}, "one seed"),
        ("i", {"smooth_hz": -1}, "no negative width"),
        ("i", {"space": "sound", "seconds": 0.0}, "two samples"),
    ],
)
def test_what_makes_no_sense_is_refused(target, settings, says):
    with pytest.raises(PhonoscopeError, match=says):
        maximise(build(NETWORKS["plain"], 2), target, TOKENS, **settings)
    if settings.get("space") is None:
        with pytest.raises(PhonoscopeError, match="choose auto or sound"):
            maximise(build(NETWORKS["plain"], 1), "i", TOKENS, space="picture")
