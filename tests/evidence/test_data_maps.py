"""Maps of the data alone: what they are by hand, what they do not depend on, and what is refused."""

import numpy as np
import pytest
import torch

from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.evidence.controls import data_map
from phonoscope.frontends import Spectrogram, Waveform, pad_waveforms

RATE = 8000


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(0)
    time = np.arange(800) / RATE
    classes = np.array(["a", "b", "c"] * 8)
    hertz = {"a": 700.0, "b": 1500.0, "c": 2600.0}
    waveforms = [
        (0.1 * rng.standard_normal(time.size) + np.sin(2 * np.pi * hertz[k] * time)).astype(np.float32) for k in classes
    ]
    return waveforms, classes


def _classifier(front_end, labels=("a", "b", "c")):
    network = "compact" if front_end.frequency_axis is not None else "sub-segmental"
    torch.manual_seed(0)
    return Classifier.build(front_end, network, labels)


@pytest.mark.parametrize("kind", ["weighted", "difference"])
def test_a_map_of_the_data_is_its_formula(sounds, kind):
    waveforms, classes = sounds
    classifier = _classifier(Spectrogram(RATE, rows=16, columns=8))
    maps = data_map(classifier, waveforms[:3], classes[:3], waveforms, classes, kind=kind)
    pictures = classifier.front_end(*pad_waveforms(waveforms))[:, 0].double().numpy()
    means = np.stack([pictures[classes == k].mean(axis=0) for k in "abc"])
    difference = means[0] - (means[1] + means[2]) / 2
    if kind == "difference":
        expected = np.abs(difference)
    else:
        variance = np.mean([pictures[classes == k].var(axis=0) for k in "abc"], axis=0)
        expected = (pictures[0] - means.mean(axis=0)) * difference / np.maximum(variance, 0.01 * variance.mean())
    np.testing.assert_allclose(maps.values[0], expected, rtol=1e-6, atol=1e-9)
    assert maps.dims == ("token", "frequency", "time")
    np.testing.assert_allclose(maps["frequency"], classifier.front_end.frequency_axis.centres)
    assert maps.attrs["method"] == f"data ({kind})"


def test_the_network_plays_no_part(sounds):
    waveforms, classes = sounds
    classifier = _classifier(Spectrogram(RATE, rows=16, columns=8))
    first = data_map(classifier, waveforms[:4], classes[:4], waveforms, classes)
    with torch.no_grad():
        for weights in classifier.network.parameters():
            weights.fill_(float("nan"))
    np.testing.assert_array_equal(first, data_map(classifier, waveforms[:4], classes[:4], waveforms, classes))


def test_a_tone_is_found_where_it_is(sounds):
    waveforms, classes = sounds
    maps = data_map(_classifier(Spectrogram(RATE, rows=32, columns=8)), waveforms[:1], ["a"], waveforms, classes)
    profile = maps[0].sum("time")
    peak = profile["frequency"].values[profile.values.argmax()]
    assert peak == pytest.approx(700, abs=180)  # what a window of 8 ms resolves


def test_a_network_on_the_waveform_has_a_map_in_hz_and_s_too(sounds):
    waveforms, classes = sounds
    classifier = _classifier(Waveform(RATE, seconds=0.15))
    maps = data_map(classifier, waveforms[:2], classes[:2], waveforms, classes)
    assert maps.shape == (2, 64, 32)
    assert maps.attrs["time_seconds"] == 0.15
    assert maps.attrs["max_hz"] == RATE / 2


def test_what_cannot_be_mapped_is_refused(sounds):
    waveforms, classes = sounds
    classifier = _classifier(Spectrogram(RATE, rows=16, columns=8))
    with pytest.raises(AttributionError, match="2 classes for 3 tokens"):
        data_map(classifier, waveforms[:3], ["a", "b"], waveforms, classes)
    with pytest.raises(AttributionError, match="23 classes for 24 reference tokens"):
        data_map(classifier, waveforms[:1], ["a"], waveforms, classes[:-1])
    with pytest.raises(AttributionError, match="every target; found d"):
        data_map(classifier, waveforms[:1], ["d"], waveforms, classes)
    with pytest.raises(AttributionError, match="at least two classes"):
        data_map(classifier, waveforms[:1], ["a"], waveforms[:1], ["a"])
    with pytest.raises(AttributionError, match="choose one of weighted, difference"):
        data_map(classifier, waveforms[:1], ["a"], waveforms, classes, kind="loud")  # ty: ignore[invalid-argument-type]
