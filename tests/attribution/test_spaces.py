"""The picture and the sound as places for maps: exact inverse, sums kept, Hz and s where they are, neutral examples."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import LABELS, SAMPLE_RATE, build, waves
from torch import nn

from phonoscope import Classifier, Spectrogram, Waveform, explain
from phonoscope.attribution.method import Batch, Setting
from phonoscope.attribution.spaces import Picture, Sound, choose_space
from phonoscope.frontends import pad_waveforms
from phonoscope.reference import evenly_picked, measured_reference, neutral_reference


def batch_of(classifier, sounds, context=0):
    padded, lengths = pad_waveforms(sounds)
    with torch.no_grad():
        inputs = classifier.inputs(padded[:, context:], lengths - 2 * context)
    first = torch.nn.functional.one_hot(torch.zeros(len(sounds), dtype=torch.long), len(classifier.labels))
    return Batch(padded, lengths, context, inputs, tuple(range(len(sounds))), lambda logits: first.to(logits))


def sound_space(classifier, **options):
    reference = measured_reference(classifier, waves(4, seed=3, context_seconds=0))
    return Sound(Setting(classifier, reference), **options)


class Energy(nn.Module):
    """Power of the sound after a fixed filter: its logits are smooth, and the truth about them is known."""

    def __init__(self, taps=((1.0,), (1.0, -1.0))):
        super().__init__()
        self.taps = [torch.tensor(t) for t in taps]

    def forward(self, x):
        return torch.stack(
            [nn.functional.conv1d(x, t.to(x)[None, None]).square().mean((1, 2)) for t in self.taps], dim=1
        )


def energy_classifier(rate=SAMPLE_RATE, seconds=0.1, **options):
    return Classifier(Waveform(rate, seconds, standardise=False), Energy(**options), LABELS[: len(LABELS) - 1])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 700), min_size=1, max_size=3),
    st.sampled_from([0.002, 0.01, 0.02, 0.05]),
    st.integers(0, 99),
)
def test_sounds_are_rebuilt_from_their_coefficients(lengths, window_seconds, seed):
    random = np.random.default_rng(seed)
    classifier = energy_classifier()
    sounds = [random.normal(size=n).astype(np.float32) for n in lengths]
    batch = batch_of(classifier, sounds)
    space = sound_space(classifier, window_seconds=window_seconds)
    rebuilt = space.rebuilt(space.examples(batch), batch.tokens.shape[1])
    assert torch.allclose(rebuilt, batch.tokens, atol=1e-5)
    with torch.no_grad():
        logits = space.forward(batch)(space.examples(batch), torch.arange(len(sounds)))
        assert torch.allclose(logits, classifier(batch.sounds, batch.lengths), rtol=1e-4, atol=1e-6)


def test_context_is_not_part_of_the_example():
    classifier = energy_classifier()
    sounds, context = [np.ones(300, np.float32), np.ones(200, np.float32)], 50
    batch = batch_of(classifier, sounds, context)
    space = sound_space(classifier)
    rebuilt = space.rebuilt(space.examples(batch), batch.tokens.shape[1])
    assert rebuilt[0, :200] == pytest.approx(np.ones(200), abs=1e-5)
    assert rebuilt[1, :100] == pytest.approx(np.ones(100), abs=1e-5)
    assert rebuilt[1, 100:] == pytest.approx(np.zeros(len(rebuilt[1]) - 100), abs=1e-5)


@pytest.mark.parametrize("seconds", [None, 0.1])
def test_maps_of_the_sound_keep_the_sum_of_the_values(seconds):
    time = {"time": "fixed", "seconds": seconds} if seconds else {}
    classifier = Classifier(Spectrogram(8000, rows=16, columns=8, **time), nn.Flatten(), LABELS)
    batch = batch_of(classifier, waves(3, context_seconds=0))
    space = Sound(Setting(classifier, neutral_reference(classifier)))
    values = torch.randn(space.examples(batch).shape, dtype=torch.float64)
    maps = space.to_map(values, batch)
    assert maps.shape == (3, len(space.placement.frequency), 8)
    assert torch.allclose(maps.sum((1, 2)), values.sum((1, 2, 3)))
    assert torch.allclose(maps.sum(2), values.sum((1, 3)))


def gabor(hertz, at, seconds, rate, width=0.006):
    t = np.arange(round(seconds * rate)) / rate
    return (np.exp(-0.5 * ((t - at) / width) ** 2) * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


@pytest.mark.parametrize("hertz", [300, 1000, 2500])
@pytest.mark.parametrize("at", [0.02, 0.07])
@pytest.mark.parametrize(
    "method", ["gradient", "gradient-x-input(baseline=zero)", "integrated-gradients(baseline=zero)"]
)
def test_a_short_tone_is_found_at_its_hertz_and_second(method, hertz, at):
    classifier = energy_classifier()
    maps = explain(classifier, [gabor(hertz, at, 0.1, SAMPLE_RATE)], LABELS[0], method)
    assert maps.attrs["layer"] == "sound"
    assert maps.attrs["max_hz"] == SAMPLE_RATE / 2
    profile, course = maps[0].sum("time"), maps[0].sum("frequency")
    assert abs(float(profile["frequency"][int(profile.values.argmax())]) - hertz) <= maps.attrs["cell_hz"] / 2
    seconds = float((maps["seconds"][0] * course.values).sum() / course.values.sum())
    assert seconds == pytest.approx(at, abs=0.002)
    inside = np.abs(maps["frequency"].values - hertz) <= maps.attrs["field_hz"]
    assert profile.values[inside].sum() > 0.98 * profile.values.sum()


def test_the_sum_of_the_gradient_per_decibel_is_what_a_decibel_more_of_everything_brings():
    classifier, sounds = energy_classifier(), waves(3, context_seconds=0)
    maps = explain(classifier, sounds, LABELS[0], "gradient")
    louder, quieter = ([w * np.float32(10 ** (s * 0.1 / 20)) for w in sounds] for s in (1, -1))
    slope = (classifier.logits(louder) - classifier.logits(quieter))[:, 0] / 0.2
    assert maps.values.sum((1, 2)) == pytest.approx(slope, rel=1e-3)


def test_integrated_gradients_of_power_are_half_of_the_gradient_and_complete():
    classifier, sounds = energy_classifier(), waves(3, context_seconds=0)
    maps = explain(classifier, sounds, LABELS[0], "integrated-gradients(baseline=zero, steps=2)")
    assert maps.values.sum((1, 2)) == pytest.approx(classifier.logits(sounds)[:, 0], rel=1e-4)
    assert np.abs(maps["incompleteness"].values).max() < 1e-5 * np.abs(maps["logit"].values).max()
    product = explain(classifier, sounds, LABELS[0], "gradient-x-input(baseline=zero)")
    assert maps.values == pytest.approx(product.values / 2, abs=1e-5 * float(np.abs(product).max()))


def test_gradients_of_coefficients_are_finite_differences_in_double_precision():
    classifier = energy_classifier().double()
    batch = batch_of(classifier, waves(2, context_seconds=0))
    space = sound_space(classifier)
    space.window = space.window.double()
    examples = space.examples(Batch(batch.sounds.double(), batch.lengths, 0, batch.inputs, batch.seeds, batch.weigh))
    forward, owners = space.forward(batch), torch.arange(2)
    leaf = examples.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(forward(leaf, owners)[:, 0].sum(), leaf)
    for part, row, frame in [(0, 3, 4), (1, 10, 6), (0, 0, 5)]:
        step = torch.zeros_like(examples)
        step[:, part, row, frame] = 1e-5
        slope = (forward(examples + step, owners) - forward(examples - step, owners))[:, 0] / 2e-5
        assert gradient[:, part, row, frame].numpy() == pytest.approx(slope.numpy(), rel=1e-6, abs=1e-9)


def test_the_neutral_sound_has_each_frames_energy_and_the_reference_spectrum():
    classifier = build(lambda _: nn.Sequential(nn.Flatten(), nn.Linear(400, 3)), 1)
    batch = batch_of(classifier, waves(2, context_seconds=0))
    space = sound_space(classifier)
    examples = space.examples(batch)
    neutral = space.neutral("mean")(batch, examples)
    assert torch.allclose(neutral.square().sum((1, 2)), examples.square().sum((1, 2)), rtol=1e-4, atol=1e-9)
    expected = space.setting.reference.spectrum_at(space.placement.frequency, SAMPLE_RATE) ** 2
    frame = int(examples.square().sum((1, 2))[0].argmax())
    found = neutral[0, :, :, frame].square().sum(0).numpy()
    assert found / found.sum() == pytest.approx(expected / expected.sum(), abs=1e-5)
    # phases stay: the neutral coefficients point where the sound's do
    along = (neutral * examples).sum(1)
    size = neutral.square().sum(1).sqrt() * examples.square().sum(1).sqrt()
    assert torch.allclose(along, size, rtol=1e-3, atol=1e-6)
    for name in ("zero", "silence", "floor"):
        assert not space.neutral(name)(batch, examples).any()


def test_the_reference_spectrum_is_at_the_frequency_of_its_tones():
    classifier = energy_classifier()
    tones = [gabor(hz, 0.05, 0.1, SAMPLE_RATE, width=0.03) * gain for hz, gain in ((500, 1.0), (2000, 0.01))]
    power = measured_reference(classifier, tones).spectrum()
    hertz = np.linspace(0, SAMPLE_RATE / 2, len(power))
    assert power.sum() == pytest.approx(1)
    for hz in (500, 2000):  # each token counts the same, however loud
        assert power[np.abs(hertz - hz) <= 100].sum() == pytest.approx(0.5, abs=0.03)


def test_reference_tokens_are_picked_whatever_their_order():
    sounds = waves(300, context_seconds=0)
    one, other = evenly_picked(sounds), evenly_picked(sounds[::-1])
    assert len(one) == 128
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    lengths = [len(w) for w in one]
    assert (min(lengths), max(lengths)) == (min(map(len, sounds)), max(map(len, sounds)))


@pytest.mark.parametrize("space", ["auto", "picture", "sound"])
def test_networks_of_pictures_can_be_explained_in_the_sound(space):
    classifier = build(lambda _: nn.Sequential(nn.Flatten(), nn.Linear(128, 3)), 2)
    chosen = choose_space(Setting(classifier, measured_reference(classifier, waves(2))), space)
    assert isinstance(chosen, Sound if space == "sound" else Picture)
    maps = explain(classifier, waves(2), "i", f"gradient(space={space})")
    assert maps.attrs["layer"] == ("sound" if space == "sound" else "input")
    assert maps.attrs["max_hz"] == 4000
