"""Occlusion and RISE: sums over windows on linear networks, fills, and passes that are not made."""

import numpy as np
import pytest
import torch
from small_networks import CONTEXT_SECONDS, LABELS, SAMPLE_RATE, Plain, build, waves
from torch import nn

from phonoscope import Classifier, Spectrogram, explain
from phonoscope.attribution.rise import Patches
from phonoscope.errors import AttributionError

ROWS, COLUMNS = 16, 8


class Linear(nn.Module):
    """Weights over all cells; counts the examples it is shown."""

    def __init__(self, cells=ROWS * COLUMNS):
        super().__init__()
        self.fc = nn.Linear(cells, len(LABELS))
        self.shown = 0

    def forward(self, x):
        self.shown += len(x)
        return self.fc(x.flatten(1))


def linear(**front):
    torch.manual_seed(0)
    front_end = Spectrogram(SAMPLE_RATE, rows=ROWS, columns=COLUMNS, **front)
    return Classifier(front_end, Linear(), LABELS, input_mean=-30.0, input_sd=15.0)


def inputs(classifier, waveforms):
    return torch.cat([x for _, x in classifier.batches(waveforms)])[:, 0].numpy()


def weights(classifier, label="i"):
    return classifier.network.fc.weight[LABELS.index(label)].detach().numpy().reshape(ROWS, COLUMNS)


TOKENS = waves(context_seconds=0)
REFERENCE = waves(6, seed=9, context_seconds=0)


def balanced_mean(classifier):
    """Mean input of the reference tokens, every predicted class weighing the same."""
    values, classes = inputs(classifier, REFERENCE), classifier.logits(REFERENCE).argmax(1)
    return np.mean([values[classes == c].mean(0) for c in np.unique(classes)], axis=0)


def expected_map(evidence, height, width, step, across):
    """Closed form: mean over the windows that cover a cell of their summed evidence, a cell's part of it."""
    sums, counts = np.zeros_like(evidence), np.zeros(evidence.shape[1:])
    for r in range(0, ROWS - height + 1, step):
        for c in range(0, COLUMNS - width + 1, across):
            here = np.s_[r : r + height, c : c + width]
            sums[:, *here] += evidence[:, *here].sum((1, 2))[:, None, None] / (height * width)
            counts[here] += 1
    return sums / counts


@pytest.mark.parametrize(
    ("height", "width", "step", "across"), [(4, 2, 2, 1), (4, 4, 4, 4), (8, 8, 4, 8), (2, 2, 1, 1)]
)
@pytest.mark.parametrize("fill", ["mean", "zero", "floor", "silence"])
def test_occlusion_of_a_linear_network_is_the_sum_over_the_window(fill, height, width, step, across):
    classifier = linear()
    x = inputs(classifier, TOKENS)
    floor = x.min((1, 2))[:, None, None]
    silence = (10 * np.log10(1e-6) + 30) / 15
    nothing = {"mean": balanced_mean(classifier), "zero": 0.0, "floor": floor, "silence": silence}[fill]
    evidence = weights(classifier) * (x - nothing)
    hertz = SAMPLE_RATE / 2 / ROWS
    method = (
        f"occlusion(height_hz={height * hertz}, step_hz={step * hertz}, width={width / COLUMNS}, "
        f"step={across / COLUMNS}, fill={fill})"
    )
    maps = explain(classifier, TOKENS, "i", method, reference=REFERENCE)
    assert maps.values == pytest.approx(expected_map(evidence, height, width, step, across), abs=1e-5)
    assert maps.attrs["resolution_hz"] >= height * hertz
    assert maps.attrs["resolution_time"] == pytest.approx(width / COLUMNS)
    if (step, across) == (height, width):
        assert maps.sum(("frequency", "time")).values == pytest.approx(evidence.sum((1, 2)), abs=1e-4)


def test_bands_of_a_linear_network():
    classifier = linear()
    evidence = (weights(classifier) * (inputs(classifier, TOKENS) - balanced_mean(classifier))).sum(2)
    maps = explain(classifier, TOKENS, "i", "band-occlusion(width=500)", reference=REFERENCE)
    assert maps["frequency"].values == pytest.approx(250 + 250 * np.arange(15))
    expected = np.stack([evidence[:, k : k + 2].sum(1) for k in range(15)], axis=1)
    assert maps.values[:, :, 0] == pytest.approx(expected, abs=1e-5)
    # rows lie 250 Hz apart: narrower bands that hold none are left out, and every row is in one band
    erb = explain(classifier, TOKENS, "i", "band-occlusion(bands=erb, step=1)", reference=REFERENCE)
    assert erb.sizes["frequency"] == 14
    assert erb.values.sum((1, 2)) == pytest.approx(evidence.sum(1), abs=1e-4)
    assert erb.values[:, :5, 0] == pytest.approx(evidence[:, :5], abs=1e-5)


def test_shuffled_tokens_are_the_same_for_a_token_wherever_it_stands():
    classifier = linear()
    x, given = inputs(classifier, TOKENS), inputs(classifier, REFERENCE)
    maps = explain(classifier, TOKENS, "i", "band-occlusion(width=1000, step=1000, fill=shuffled)", reference=REFERENCE)
    for token in range(3):
        for band in range(4):
            rows = slice(4 * band, 4 * band + 4)
            possible = [(weights(classifier) * (x[token] - g))[rows].sum() for g in given]
            assert np.abs(np.array(possible) - maps.values[token, band, 0]).min() < 1e-4
    one = explain(
        classifier, TOKENS[1:2], "i", "band-occlusion(width=1000, step=1000, fill=shuffled)", reference=REFERENCE
    )
    assert one.values[0] == pytest.approx(maps.values[1], abs=1e-5)
    other = explain(
        classifier, TOKENS, "i", "band-occlusion(width=1000, step=1000, fill=shuffled)", reference=REFERENCE, seed=1
    )
    assert np.abs(other.values - maps.values).max() > 1e-3


def test_in_painting_takes_away_what_a_straight_line_does_not_say():
    classifier = linear()
    x = inputs(classifier, TOKENS)
    maps = explain(classifier, TOKENS, "i", "band-occlusion(width=1000, step=1000, fill=in-painted)")
    expected = np.zeros((3, 4))
    for band, (first, last) in enumerate([(0, 4), (4, 8), (8, 12), (12, 16)]):
        for row in range(first, last):
            below, above = x[:, max(first - 1, 0)], x[:, min(last, ROWS - 1)]
            if first == 0:
                line = above
            elif last == ROWS:
                line = below
            else:
                line = below + (row - first + 1) / (last - first + 1) * (above - below)
            expected[:, band] += (weights(classifier)[row] * (x[:, row] - line)).sum(1)
    assert maps.values[:, :, 0] == pytest.approx(expected, abs=1e-5)


def test_in_the_sound_the_windows_take_away_the_energy_of_their_hz():
    classifier = build(Plain, 1)
    time = np.arange(400) / SAMPLE_RATE
    tones = [(0.1 * np.sin(2 * np.pi * f * time)).astype(np.float32) for f in (1000.0, 2600.0)]
    maps = explain(classifier, tones, "i", "band-occlusion(width=500, step=500, fill=zero)")
    strength = np.abs(maps.values[:, :, 0])
    assert (
        maps["frequency"].values[strength.argmax(1)].tolist() == [1250.0, 2750.0]
        or (np.abs(maps["frequency"].values[strength.argmax(1)] - [1000, 2600]) <= 250).all()
    )
    patches = explain(classifier, tones, "i", "occlusion(height_hz=500, step_hz=500, width=0.5, step=0.5, fill=zero)")
    where = patches["frequency"].values[np.abs(patches.values).sum(2).argmax(1)]
    assert np.abs(where - [1000, 2600]).max() <= 500


def test_windows_that_change_nothing_cost_no_pass():
    classifier = linear()
    silence = [np.zeros(400, dtype=np.float32)]
    explain(classifier, silence, "i", "band-occlusion(fill=silence)")
    only_the_token = classifier.network.shown
    classifier.network.shown = 0
    explain(classifier, TOKENS[:1], "i", "band-occlusion(fill=silence)")
    assert only_the_token < 20 < classifier.network.shown


def test_occlusion_equals_captum_on_the_same_windows():
    captum = pytest.importorskip("captum.attr", reason="the oracle is captum")
    classifier = build(Plain, 2)
    x = torch.from_numpy(inputs(classifier, TOKENS))[:, None]
    maps = explain(classifier, TOKENS, "i", "occlusion(height_hz=1000, step_hz=500, width=0.5, step=0.25, fill=zero)")
    with torch.no_grad():
        theirs = captum.Occlusion(classifier.network).attribute(
            x.clone(), sliding_window_shapes=(1, 4, 4), strides=(1, 2, 2), baselines=0, target=0
        )
    assert maps.values * 16 == pytest.approx(theirs[:, 0].numpy(), abs=1e-5)


def test_rise_finds_the_evidence_of_a_linear_network_smoothed_by_its_patches():
    classifier = linear()
    with torch.no_grad():  # evidence in one corner
        classifier.network.fc.weight[0] *= 0.1
        classifier.network.fc.weight[0].view(ROWS, COLUMNS)[4:7, 2:4] = 1.0
    evidence = weights(classifier) * (inputs(classifier, TOKENS) - balanced_mean(classifier))
    hertz = SAMPLE_RATE / 2 / ROWS
    rows = Patches((np.arange(ROWS) + 0.5) * hertz, 500.0)
    columns = Patches((np.arange(COLUMNS) + 0.5) / COLUMNS, 0.25)
    smoothed = rows.covariance @ evidence @ columns.covariance / np.outer(rows.reach, columns.reach)
    drawn = np.stack(
        [
            explain(classifier, TOKENS, "i", "rise(masks=400, keep=0.4)", reference=REFERENCE, seed=s).values
            for s in range(12)
        ]
    )
    mean, error = drawn.mean(0), drawn.std(0, ddof=1) / np.sqrt(12)
    z = (mean - smoothed) / error
    assert np.abs(z).max() < 7  # 384 cells, t with 11 degrees of freedom
    assert np.sqrt(np.mean(z**2)) == pytest.approx(1.1, abs=0.5)
    assert np.corrcoef(mean.ravel(), smoothed.ravel())[0, 1] > 0.95


def test_the_covariance_of_masks_is_that_of_their_closed_form():
    patches = Patches(np.array([0.1, 0.35, 0.7, 1.2, 2.9]), 0.8)
    shifts = (np.arange(4000) + 0.5) / 4000
    knots = patches.weights(shifts)
    assert knots.sum(2) == pytest.approx(np.ones((4000, 5)))
    assert np.einsum("sik,sjk->ij", knots, knots) / 4000 == pytest.approx(patches.covariance, abs=1e-6)


def test_rise_sees_nothing_where_nothing_matters():
    classifier = linear()
    with torch.no_grad():
        classifier.network.fc.weight.zero_()
        classifier.network.fc.bias.fill_(5.0)
    maps = explain(classifier, TOKENS, "i", "rise(masks=16)")
    assert np.abs(maps.values).max() == 0


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("occlusion(height_hz=9000)", "height_hz"),
        ("occlusion(width=0.2, step=0.5)", "no gap"),
        ("occlusion(fill=noise)", "shuffled or in-painted"),
        ("occlusion(height_hz=4000, fill=in-painted)", "narrower"),
        ("occlusion(space=sound, fill=shuffled)", "same picture"),
        ("band-occlusion(bands=mel)", "third-octave"),
        ("band-occlusion(width=60, bands=hz, step=60, space=cochlea)", "picture or sound"),
        ("rise(masks=1)", "at least 2 masks"),
        ("rise(keep=1)", "between 0 and 1"),
        ("rise(width=0)", "share of up to 1"),
        ("rise(fill=shuffled)", "baseline"),
    ],
)
def test_what_makes_no_sense_is_refused(method, says):
    with pytest.raises(AttributionError, match=says):
        explain(linear(), waves(), "i", method, context_seconds=CONTEXT_SECONDS)
