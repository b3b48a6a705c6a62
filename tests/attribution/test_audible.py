"""Causal audio methods on planted tones: the logit moves by the closed form of the filter; fills, curves, own bands."""

import numpy as np
import pytest
import torch
from small_networks import CONTEXT_SECONDS, LABELS, NETWORKS, assert_untouched, build, snapshot, waves
from torch import nn

from phonoscope import Classifier, Spectrogram, contrast, explain
from phonoscope.attribution.effects import band_effects
from phonoscope.attribution.filtering import Filtering
from phonoscope.errors import AttributionError, PhonoscopeError

RATE = 16000
CONTEXT = 0.1
RANGE_DB = 120.0
# Of the two tones: inside the bands 1250–1500 Hz and 3000–3250 Hz.
LOW, HIGH = 1375.0, 3125.0


class Levels(nn.Module):
    """Logits are mean levels (dB) of the rows that hold the two tones: 0.1, 0.2, and nothing a dB."""

    def __init__(self):
        super().__init__()
        weights = torch.zeros(3, 32)
        weights[0, int(LOW // 250)] = 0.1
        weights[1, int(HIGH // 250)] = 0.2
        self.weights = nn.Parameter(weights)

    def forward(self, x):
        return x[:, 0].mean(2) @ self.weights.T


def levels(max_hz=8000.0, reference="full-scale"):
    front_end = Spectrogram(
        RATE, max_hz, 0.032, round(max_hz / 250), 8, range_db=RANGE_DB, preemphasis_hz=0, reference=reference
    )
    network = Levels()
    network.weights.data = network.weights.data[:, : round(max_hz / 250)]
    return Classifier(front_end, network, LABELS)


def tones(seconds=0.3, amplitudes=(0.1, 0.02)):
    time = np.arange(round((seconds + 2 * CONTEXT) * RATE)) / RATE
    waves = [a * np.sin(2 * np.pi * f * time) for a, f in zip(amplitudes, (LOW, HIGH), strict=True)]
    return np.sum(waves, axis=0).astype(np.float32)


def profile(method, target="i", classifier=None, sounds=None, **settings):
    maps = explain(
        classifier or levels(),
        [tones()] if sounds is None else sounds,
        target,
        method,
        context_seconds=CONTEXT,
        **settings,
    )
    return maps["frequency"].values, maps.values[0, :, 0], maps


POWERS = np.array([0.1, 0.02]) ** 2 / 2


@pytest.mark.parametrize("match", ["yes", "no"])
@pytest.mark.parametrize(("target", "which", "slope"), [("i", 0, 0.1), ("ɝ", 1, 0.2)])
def test_a_tone_that_is_filtered_out_costs_its_depth_times_the_slope(target, which, slope, match):
    hertz, losses, _ = profile(f"band-stop(step=250, match={match})", target)
    at = int(np.abs(hertz - (LOW, HIGH)[which]).argmin())
    raised = 10 * np.log10(POWERS.sum() / (POWERS[1 - which] + POWERS[which] * 1e-4)) if match == "yes" else 0.0
    assert losses[at] == pytest.approx(slope * (40 - raised), abs=slope * 0.5)
    other = int(np.abs(hertz - (LOW, HIGH)[1 - which]).argmin())
    gained = 10 * np.log10(POWERS.sum() / (POWERS[which] + POWERS[1 - which] * 1e-4)) if match == "yes" else 0.0
    assert losses[other] == pytest.approx(-slope * gained, abs=slope * 0.1)
    rest = np.delete(losses, [at, other])
    assert np.abs(rest).max() < slope * 0.2


def test_the_depth_is_an_option_and_a_notch_is_a_narrow_band():
    hertz, losses, maps = profile("notch(depth_db=-20)")
    assert maps.attrs["field_hz"] == pytest.approx(100)
    deep = losses > 0.1 * 19.5
    assert (np.abs(hertz[deep] - LOW) <= 50).all()
    assert deep.sum() >= 1
    assert np.abs(losses[np.abs(hertz - LOW) > 100]).max() < 0.1 * 0.2


@pytest.mark.parametrize("match", ["yes", "no"])
def test_a_band_alone_brings_its_level_above_silence(match):
    hertz, gains, _ = profile(f"band-pass(step=250, fill=none, match={match})")
    at = int(np.abs(hertz - LOW).argmin())
    amplitude = np.sqrt(2 * POWERS.sum()) if match == "yes" else 0.1
    margin = round(CONTEXT * RATE)
    heard = levels().logits([tones(amplitudes=(amplitude, 0))[margin:-margin], np.zeros(4800)])[:, 0]
    assert gains[at] == pytest.approx(heard[0] - heard[1], abs=0.1 * 0.1)
    if match == "no":  # of other bands alone, what leaks of the tone lies 80 dB lower
        far = np.abs(hertz - LOW) > 300
        assert gains[far] == pytest.approx(np.full(far.sum(), heard[0] - heard[1] - 8.0), abs=0.1 * 3)


@pytest.mark.parametrize("method", ["low-pass", "high-pass"])
@pytest.mark.parametrize("options", ["", "fill=none", "fill=none, bands=erb", "fill=none, match=yes"])
@pytest.mark.parametrize("target", ["i", contrast("i", "er")], ids=str)
def test_curves_sum_to_the_logit_over_that_of_nothing(method, options, target):
    classifier = levels()
    maps = profile(f"{method}({options})", target, classifier)[2]
    sums, logit = maps.sum(("frequency", "time")).values, maps["logit"].values
    assert maps["incompleteness"].values == pytest.approx([0.0], abs=2e-4)
    assert "logit of the target" in maps.attrs["completeness"]
    if "none" in options:
        silence = classifier.logits([np.zeros(4000)])[0]
        nothing = silence[0] - silence[1] if target != "i" else silence[0]
        assert sums == pytest.approx(logit - nothing, abs=2e-3)


@pytest.mark.parametrize(("method", "floor"), [("low-pass", 20), ("high-pass", 20)])
def test_curves_step_where_the_tone_lies(method, floor):
    hertz, steps, _ = profile(f"{method}(fill=none)")
    assert hertz[steps.argmax()] == LOW
    assert steps.max() > 0.1 * floor
    assert np.abs(steps[(hertz > LOW + 500)]).max() < 0.1 * (0.1 if method == "low-pass" else RANGE_DB)


def test_what_lies_above_the_axis_is_left_over():
    classifier = levels(max_hz=2000.0)
    # the tone at 3125 Hz is not seen; where levels are matched, the other is raised to the same level without it
    raised = 0.1 * 10 * np.log10(POWERS.sum() / POWERS[0])
    for match, left in (("no", 0.0), ("yes", -raised)):
        maps = profile(f"low-pass(width=250, fill=none, match={match})", "i", classifier)[2]
        assert maps["incompleteness"].values == pytest.approx([left], abs=0.002)
        assert maps["frequency"].values.max() < 2000


def test_a_mean_fill_sees_evidence_that_lies_in_absence():
    """The class speaks against energy in a band where the token has none and the reference has some."""
    classifier = levels()
    with torch.no_grad():
        classifier.network.weights[0] = 0
        classifier.network.weights[0, int(HIGH // 250)] = -0.1
    only_low = [tones(amplitudes=(0.1, 0.0))]
    reference = [tones(amplitudes=(0.1, 0.1))]
    hertz, blind, _ = profile("band-stop(step=250)", sounds=only_low, reference=reference, classifier=classifier)
    _, seeing, _ = profile(
        "band-stop(step=250, fill=mean)", sounds=only_low, reference=reference, classifier=classifier
    )
    at = int(np.abs(hertz - HIGH).argmin())
    assert abs(blind[at]) < 0.3
    assert seeing.argmax() == at
    assert seeing[at] > 4.0  # from silence up to the level of half of the power: some 60 dB of leakage at 0.1 a dB


def test_a_fill_of_noise_has_the_level_of_the_neighbours():
    random = np.random.default_rng(0)
    noise = [random.normal(size=round((2 + 2 * CONTEXT) * RATE)).astype(np.float32) * 0.05]
    classifier = levels()
    hertz, filled, _ = profile("band-stop(step=250, fill=noise)", sounds=noise, classifier=classifier)
    _, emptied, _ = profile("band-stop(step=250)", sounds=noise, classifier=classifier)
    at = int(np.abs(hertz - LOW).argmin())
    assert emptied[at] > 0.1 * 15  # the rows at the edges of the band are not all empty
    assert abs(filled[at]) < 0.1 * 1.5


def test_draws_of_a_fill_belong_to_the_token():
    classifier, sounds = build(NETWORKS["plain"], 2), waves()
    method = "band-stop(fill=noise, width=500)"
    maps = explain(classifier, sounds, "i", method, context_seconds=CONTEXT_SECONDS)
    alone = explain(classifier, sounds[2:], "i", method, context_seconds=CONTEXT_SECONDS)
    assert alone.values[0] == pytest.approx(maps.values[2], abs=1e-5)
    other = explain(classifier, sounds, "i", method, context_seconds=CONTEXT_SECONDS, seed=1)
    assert np.abs(other.values - maps.values).max() > 1e-3


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("fill", ["none", "noise", "mean"])
def test_own_bands_are_those_of_band_stop_wherever_they_are_the_same(dimensions, fill):
    classifier, sounds = build(NETWORKS["plain"], dimensions), waves()
    maps = explain(
        classifier, sounds, "i", f"band-stop(width=500, step=500, fill={fill})", context_seconds=CONTEXT_SECONDS
    )
    bands = np.stack([np.arange(0, 4000, 500), np.arange(500, 4500, 500)], axis=1).astype(float)
    options = {"filtering": Filtering(fill=fill), "context_seconds": CONTEXT_SECONDS}
    same = band_effects(classifier, sounds, bands, "i", **options)
    assert same.values == pytest.approx(maps.values[:, :, 0], abs=1e-5)
    assert same["logit"].values == pytest.approx(maps["logit"].values, abs=1e-5)

    own = np.stack([bands[[0, 3]], bands[[5, 1]], bands[[7, 2]]])
    own[1, 1] = np.nan
    effects = band_effects(classifier, sounds, own, "i", names=["F1", "F2"], tokens=["x", "y", "z"], **options)
    expected = same.values[[[0], [1], [2]], [[0, 3], [5, 1], [7, 2]]]
    expected[1, 1] = np.nan
    assert effects.values == pytest.approx(expected, abs=1e-5, nan_ok=True)
    assert effects.sel(band="F2", token="x")["low"] == 1500
    for size in (1, 2):
        again = band_effects(classifier, sounds, own, "i", batch_size=size, **options)
        assert again.values == pytest.approx(effects.values, abs=1e-5, nan_ok=True)


def test_own_bands_leave_the_classifier_as_it_was():
    classifier = build(NETWORKS["in-place"], 2).train()
    before = snapshot(classifier)
    band_effects(classifier, waves(), np.array([[0.0, 500.0]]))
    assert_untouched(before, snapshot(classifier))
    classifier.network.calls_left = 1
    with pytest.raises(RuntimeError, match="out of memory"):
        band_effects(classifier, waves(), np.array([[0.0, 500.0]]))
    classifier.network.calls_left = before["names"] and -1
    assert_untouched(before, snapshot(classifier))


@pytest.mark.parametrize(
    ("bands", "settings", "says"),
    [
        ([[500.0, 300.0]], {}, "lower edge first"),
        ([[4000.0, 5000.0]], {}, "below 4000 Hz"),
        ([500.0, 700.0], {}, "expected"),
        (np.zeros((2, 1, 2)), {}, "3 tokens"),
        ([[0.0, 4000.0]], {"filtering": Filtering(fill="noise")}, "whole axis"),
        ([[0.0, 500.0]], {"context_seconds": 1.0}, "context_seconds"),
        ([[0.0, 500.0]], {"target": "ə"}, "no class"),
    ],
)
def test_own_bands_that_make_no_sense_are_refused(bands, settings, says):
    with pytest.raises(PhonoscopeError, match=says):
        band_effects(build(NETWORKS["plain"], 2), waves(), np.array(bands), **settings)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"fill": "pink"}, "fill=pink"), ({"depth_db": 3.0}, "0 dB or below"), ({"edge_hz": 0.0}, "edges wider")],
)
def test_filtering_that_makes_no_sense_is_refused(options, says):
    with pytest.raises(AttributionError, match=says):
        Filtering(**options)


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("band-stop(bands=mel)", "third-octave"),
        ("band-stop(width=-5)", "step ≤ width"),
        ("band-stop(depth_db=5)", "0 dB or below"),
        ("band-stop(fill=loud)", "none, noise, mean"),
        ("band-stop(fill=mean:)", "none, noise, mean"),
        ("band-pass(fill=noise)", "no neighbours"),
        ("low-pass(fill=noise)", "no neighbours"),
        ("high-pass(edge_hz=-1)", "edges wider"),
        ("low-pass(step=100)", "no option"),
    ],
)
def test_methods_that_make_no_sense_are_refused(method, says):
    with pytest.raises(AttributionError, match=says):
        explain(levels(), [tones()], "i", method, context_seconds=CONTEXT)
