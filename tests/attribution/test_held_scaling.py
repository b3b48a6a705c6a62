"""Front ends that scale each token: what is taken away stays at its place, for every method that changes sounds."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from phonoscope import Classifier, Spectrogram, Waveform, explain
from phonoscope.attribution.effects import band_effects
from phonoscope.attribution.scaling import HELD, NO_SCALING, NOT_HELD, scaling_of
from phonoscope.band_filters import filter_sounds
from phonoscope.errors import ScalingWarning
from phonoscope.evidence.case import open_case
from phonoscope.evidence.removal import formant_removal
from phonoscope.synthesis.source_filter import voice

RATE, CONTEXT = 16000, 0.05
LOW, HIGH = 1000.0, 2000.0
METHODS = [
    "band-stop",
    "band-stop(fill=mean)",
    "band-stop(fill=noise)",
    "band-stop(bands=third-octave)",
    "notch",
    "notch(fill=mean)",
    "band-pass",
    "low-pass",
    "high-pass",
    "high-pass(fill=none)",
    "band-occlusion(space=sound)",
    "band-occlusion(space=sound, fill=zero)",
    "integrated-gradients(space=sound)",
    "integrated-gradients(space=sound, baseline=zero)",
    "gradient-x-input(space=sound)",
    "gradient(space=sound)",
    "smooth(band-stop, samples=2)",
]


class Between(nn.Module):
    """Sum of the levels of a picture between 1 and 2 kHz: what it hears lies there, by construction."""

    def __init__(self, axis):
        super().__init__()
        inside = (axis.edges[:-1] >= LOW) & (axis.edges[1:] <= HIGH)
        self.weights = nn.Parameter(torch.from_numpy(inside).float() / inside.sum())

    def forward(self, x):
        level = (x[:, 0].mean(2) * self.weights).sum(1)
        return torch.stack([level, -level], dim=1)


class PowerBetween(nn.Module):
    """Level between 1 and 2 kHz of a waveform."""

    def __init__(self, samples):
        super().__init__()
        hertz = torch.fft.rfftfreq(samples, 1 / RATE)
        self.weights = nn.Parameter(((hertz >= LOW) & (hertz <= HIGH)).float())

    def forward(self, x):
        window = torch.hann_window(x.shape[2], device=x.device)
        spectrum = torch.fft.rfft(x[:, 0] * window).abs().square()
        level = 10 * torch.log10((spectrum * self.weights).sum(1) + 1e-3)
        return torch.stack([level, -level], dim=1)


def vowels():
    """Three vowels of 0.25 s with their context, as they come from a voice: F1 is loudest, by far."""
    formants = np.array([[300, 2200, 3000], [700, 1200, 2600], [500, 1500, 2500]], dtype=float)
    moving = np.repeat(formants[:, None], 3, axis=1)
    bandwidths = np.broadcast_to([60.0, 90.0, 120.0], moving.shape)
    f0 = np.repeat([[120.0], [200.0], [150.0]], 3, axis=1)
    sounds = voice(f0, moving, bandwidths, np.full(3, 0.25), RATE, np.random.default_rng(0))
    return [(0.1 * sound).astype(np.float32) for sound in sounds]


def picture_classifier(**settings):
    front_end = Spectrogram(RATE, 8000, **settings)
    return Classifier(front_end, Between(front_end.frequency_axis), ["a", "b"])


def share_between(maps):
    """Share of the effect in cells that reach into 1–2 kHz, wider by what the front end's window resolves."""
    hertz = maps["frequency"].values
    reach = maps.attrs["field_hz"] / 2 + 187.5  # half a main lobe of a Hann window of 8 ms
    effect = np.abs(maps.sum("time").values).sum(axis=0)
    return effect[(hertz > LOW - reach) & (hertz < HIGH + reach)].sum() / effect.sum()


@pytest.mark.parametrize("method", METHODS)
def test_a_model_that_hears_one_band_loses_nothing_elsewhere(method):
    classifier = picture_classifier()
    maps = explain(classifier, vowels(), "a", method, context_seconds=CONTEXT)
    assert maps.attrs["scaling"] == HELD
    assert share_between(maps) > 0.95
    largest = maps["frequency"].values[np.abs(maps.sum("time").values).argmax(axis=1)]
    assert ((largest > LOW - 150) & (largest < HIGH + 150)).all()


def test_levels_are_matched_only_where_asked_and_then_everything_moves():
    asked = explain(picture_classifier(), vowels(), "a", "band-stop(match=yes)", context_seconds=CONTEXT)
    assert share_between(asked) < 0.8


def test_waveforms_of_unit_deviation_are_held_too():
    classifier = Classifier(Waveform(RATE, 0.15), PowerBetween(2400), ["a", "b"])
    maps = explain(classifier, vowels(), "a", "band-stop", context_seconds=CONTEXT)
    assert maps.attrs["scaling"] == HELD
    assert share_between(maps) > 0.95


def test_a_formant_that_is_taken_away_is_heard_at_its_place_alone():
    sounds, names = vowels(), ["t0", "t1", "t2"]
    formants = pd.DataFrame({"token": names, "f1_50": [300.0, 400.0, 500.0], "f2_50": 1500.0, "f3_50": 3000.0})
    formants["f4_50"] = np.nan
    case = open_case(
        picture_classifier(),
        sounds,
        target="true",
        true_labels=["a", "b", "a"],
        tokens=names,
        context_seconds=CONTEXT,
    )
    effect = formant_removal(case, formants, max_hz=8000).groupby("formant")["effect"].agg(lambda x: np.abs(x).mean())
    assert effect["F2"] > 20 * effect[["F1", "F3"]].max()


@pytest.mark.parametrize(
    "front_end", [Spectrogram(RATE, 8000), Spectrogram(RATE, 8000, time="fixed"), Waveform(RATE, 0.2)], ids=repr
)
def test_a_token_at_its_own_level_is_as_without_one(front_end):
    sounds = torch.from_numpy(np.stack([v[:4000] for v in vowels()]))
    lengths = torch.tensor([4000, 3000, 2500])
    level = front_end.reference_level(sounds, lengths)
    assert level.shape == (3,)
    assert torch.equal(front_end(sounds, lengths, level=level), front_end(sounds, lengths))
    softer = front_end(sounds / 2, lengths, level=level)
    assert not torch.allclose(softer, front_end(sounds, lengths))
    assert torch.allclose(front_end(sounds / 2, lengths), front_end(sounds, lengths), atol=1e-4)


def test_a_picture_changes_where_the_sound_does_and_by_as_much():
    front_end = Spectrogram(RATE, 8000)
    sounds = torch.from_numpy(np.stack([v[:4000] for v in vowels()]))
    lengths = torch.full((3,), 4000)
    filtered = filter_sounds(sounds, lengths, RATE, np.array([0.0, 900.0]), match=False)
    before, level = front_end(sounds, lengths), front_end.reference_level(sounds, lengths)
    above = torch.from_numpy(front_end.frequency_axis.centres > 1300)
    held = (front_end(filtered, lengths, level=level) - before)[:, 0, above].abs().mean()
    moved = (front_end(filtered, lengths) - before)[:, 0, above].abs().mean()
    assert held < 0.1
    assert moved > 2


class Rescaled(Spectrogram):
    """Somebody's own front end: each token's mean level is taken off, and nobody can hold it."""

    def __init__(self, sample_rate):
        super().__init__(sample_rate, reference="full-scale", range_db=120)

    def config(self):
        return {"sample_rate": self.sample_rate}

    def forward(self, waveforms, lengths=None):
        picture = super().forward(waveforms, lengths)
        return picture - picture.mean((1, 2, 3), keepdim=True)


def test_a_front_end_that_cannot_be_held_still_works_and_is_said_not_to_be_held():
    front_end = Rescaled(RATE)
    classifier = Classifier(front_end, Between(front_end.frequency_axis), ["a", "b"])
    assert scaling_of(classifier) == NOT_HELD
    with pytest.warns(ScalingWarning, match="reference_level"):
        maps = explain(classifier, vowels(), "a", "band-stop", context_seconds=CONTEXT)
    assert maps.attrs["scaling"] == NOT_HELD
    with pytest.warns(ScalingWarning, match="scales each token"):
        effects = band_effects(classifier, vowels(), np.array([[0.0, 900.0]]), context_seconds=CONTEXT)
    assert effects.attrs["scaling"] == NOT_HELD
    with warnings.catch_warnings():
        warnings.simplefilter("error", ScalingWarning)  # a method that leaves the sound alone has nothing to say
        assert explain(classifier, vowels(), "a", "gradient").attrs["scaling"] == NO_SCALING


@pytest.mark.parametrize(
    "front_end", [Spectrogram(RATE, reference="full-scale"), Waveform(RATE, 0.2, standardise=False)], ids=repr
)
def test_a_front_end_without_scaling_needs_nothing(front_end):
    classifier = Classifier(front_end, nn.Flatten(), ["a", "b"])
    assert scaling_of(classifier) == NO_SCALING
    assert front_end.reference_level(torch.zeros(1, 800)) is None
