"""Band filters on tones and clicks: depth, pass band, symmetry, the end of the ringing, levels."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phonoscope.band_filters import (
    edges_hz,
    fft_points,
    filter_sounds,
    match_power,
    pass_kernels,
    pass_responses,
    power,
    reach_samples,
)
from phonoscope.errors import AudioError
from precision import tolerance

RATE = 16000
BAND = np.array([1000.0, 1500.0])


def tone(hertz, samples=8000, level=0.1):
    return torch.from_numpy(level * np.sin(2 * np.pi * hertz * np.arange(samples) / RATE)).float()[None]


def change_db(before, after, margin=1000):
    """Level of the middle of a sound after filtering re before, dB: where the filter has settled."""
    middle = slice(margin, -margin)
    return 10 * np.log10(float(after[:, middle].square().mean() / before[:, middle].square().mean()))


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("depth_db", [-20.0, -40.0, -60.0])
@pytest.mark.parametrize("hertz", [1050.0, 1100.0, 1250.0, 1450.0])
def test_a_tone_in_the_band_goes_down_by_the_depth_and_others_stay(hertz, depth_db, keep):
    inside, outside = tone(hertz), [tone(f) for f in (100.0, 700.0, 950.0, 1550.0, 1600.0, 5000.0)]
    lengths = torch.tensor([inside.shape[1]])

    def changed(sound):
        filtered = filter_sounds(sound, lengths, RATE, BAND, keep=keep, depth_db=depth_db, match=False)
        return change_db(sound, filtered)

    taken, kept = (outside, [inside]) if keep else ([inside], outside)
    # A residue of 70 dB below: 0.3 dB at a depth of 40 dB, more below it
    tolerance = {-20.0: 0.1, -40.0: 0.4, -60.0: 3.5}[depth_db]
    assert [changed(sound) for sound in taken] == pytest.approx([depth_db] * len(taken), abs=tolerance)
    assert [changed(sound) for sound in kept] == pytest.approx([0.0] * len(kept), abs=0.1)


def test_without_a_band_nothing_is_left_of_it_at_no_depth_at_all():
    sound = tone(1250.0)
    filtered = filter_sounds(sound, torch.tensor([8000]), RATE, BAND, depth_db=-np.inf, match=False)
    assert change_db(sound, filtered) < -70


def test_the_middle_of_an_edge_lets_half_pass():
    for edge in BAND:
        sound = tone(edge)
        passed = filter_sounds(sound, torch.tensor([8000]), RATE, BAND, keep=True, depth_db=-np.inf, match=False)
        assert change_db(sound, passed) == pytest.approx(20 * np.log10(0.5), abs=0.05)


@pytest.mark.parametrize(("edge_hz", "seconds"), [(100.0, 0.05), (250.0, 0.02)])
def test_a_click_rings_the_same_before_and_after_and_then_is_silent(edge_hz, seconds):
    click = torch.zeros(1, 4001)
    click[0, 2000] = 1.0
    lengths = torch.tensor([4001])
    passed = filter_sounds(click, lengths, RATE, BAND, keep=True, depth_db=-np.inf, edge_hz=edge_hz, match=False)[0]
    assert passed.numpy() == pytest.approx(passed.flip(0).numpy(), abs=1e-7)
    assert int(passed.abs().argmax()) == 2000
    reach = reach_samples(BAND[None], RATE, edge_hz)
    assert reach / RATE == pytest.approx(seconds, abs=1 / RATE)
    assert float(passed[: 2000 - reach].abs().max()) < 1e-7 > float(passed[2001 + reach :].abs().max())
    assert float(passed[2000 - reach : 2000 - reach // 2].abs().max()) < 0.005 * float(passed.max())


@pytest.mark.parametrize("edges", [[0, 500, 1000, 4000, 8000], [0, 700, 3000]])
def test_touching_bands_add_up_to_the_sound(edges):
    bands = np.stack([edges[:-1], edges[1:]], axis=1).astype(float)
    sound = torch.randn(1, 1234, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([1234])
    parts = [filter_sounds(sound, lengths, RATE, b, keep=True, depth_db=-np.inf, match=False) for b in bands]
    below = filter_sounds(sound, lengths, RATE, np.array([0.0, edges[-1]]), keep=True, depth_db=-np.inf, match=False)
    assert torch.stack(parts).sum(0).numpy() == pytest.approx(below.numpy(), abs=1e-5)
    if edges[-1] == RATE / 2:
        assert below.numpy() == pytest.approx(sound.numpy(), abs=1e-5)


def slow_kernel(low, high, edge, seconds):
    """Fourier integral of the pass response by the midpoint rule."""
    f = (np.arange(400000) + 0.5) / 400000 * RATE / 2

    def below(at):
        return np.where(
            f < at - edge / 2,
            1.0,
            np.where(f > at + edge / 2, 0.0, np.cos(np.pi / 2 * (f - at + edge / 2) / edge) ** 2),
        )

    return np.array([np.mean((below(high) - below(low)) * np.cos(2 * np.pi * f * t)) for t in seconds])


def test_kernels_are_the_fourier_transform_of_raised_cosines():
    kernel = pass_kernels(BAND[None], RATE, 100.0)[0]
    reach = len(kernel) // 2
    at = np.array([0, 1, 7, 80, 81, 400, reach])
    assert kernel[reach + at] == pytest.approx(slow_kernel(1000, 1500, 100, at / RATE), abs=1e-7)
    # the impulse response has a removable singularity at half the reciprocal of the edge's width
    assert np.isfinite(kernel).all()


@given(
    st.floats(0, 7000),
    st.floats(20, 4000),
    st.floats(10, 500),
    st.integers(100, 3000),
)
@example(0.0, 20.0, 201.0, 100)
@settings(max_examples=40, deadline=None)
def test_any_response_stays_between_nothing_and_everything(low, width, edge_hz, samples):
    band = np.array([[low, low + width]])
    points = fft_points(samples, reach_samples(band, RATE, edge_hz))
    response = pass_responses(band, RATE, points, edge_hz)[0].numpy()
    assert response.min() > -2e-3
    assert response.max() < 1 + 2e-3
    hertz = np.fft.rfftfreq(points, 1 / RATE)
    margins = edges_hz(band, RATE, edge_hz)[0] / 2
    starts = low if margins[0] else 0.0  # edges close to an end of the axis are none
    ends = low + width if margins[1] else RATE / 2
    inside = (hertz >= starts + margins[0] + 1e-6) & (hertz <= ends - margins[1] - 1e-6)
    outside = (hertz < starts - margins[0] - 1e-6) | (hertz > ends + margins[1] + 1e-6)
    assert response[inside] == pytest.approx(np.ones(inside.sum()), abs=4e-3)
    assert response[outside] == pytest.approx(np.zeros(outside.sum()), abs=4e-3)


def test_sounds_of_a_batch_do_not_touch_each_other():
    random = torch.Generator().manual_seed(1)
    lengths = torch.tensor([700, 2000, 1300])
    sounds = torch.randn(3, 2000, generator=random)  # what lies behind a length is not the sound's
    bands = np.array([[300.0, 600], [0, 1000], [2500, 8000]])
    together = filter_sounds(sounds, lengths, RATE, bands)
    for row, length in enumerate(lengths.tolist()):
        alone = filter_sounds(sounds[row : row + 1, :length], lengths[row : row + 1], RATE, bands[row])
        steps = 2 * math.log2(fft_points(2000, reach_samples(bands, RATE)))  # of the transforms there and back
        assert together[row, :length].numpy() == pytest.approx(alone[0].numpy(), abs=tolerance(sounds.numpy(), steps))
        assert (together[row, length:] == 0).all()


def test_levels_are_matched_on_the_token_not_on_its_context():
    random = torch.Generator().manual_seed(2)
    sounds, lengths = torch.randn(2, 3000, generator=random), torch.tensor([3000, 2500])
    sounds[:, :500] *= 5
    filtered = filter_sounds(sounds, lengths, RATE, BAND, context=500)
    assert power(filtered, lengths, 500).numpy() == pytest.approx(power(sounds, lengths, 500).numpy(), rel=1e-5)
    unmatched = filter_sounds(sounds, lengths, RATE, BAND, context=500, match=False)
    assert (power(unmatched, lengths, 500) < power(sounds, lengths, 500)).all()
    expected = [sounds[0, 500:2500].square().mean(), sounds[1, 500:2000].square().mean()]
    assert power(sounds, lengths, 500).numpy() == pytest.approx(torch.stack(expected).numpy(), rel=1e-5)


def test_silence_stays_silent_and_gain_ends_at_40_db():
    lengths = torch.tensor([100, 100])
    sounds = torch.stack([torch.zeros(100), torch.full((100,), 1e-4)])
    raised = match_power(sounds, torch.tensor([1.0, 1.0]), lengths)
    assert (raised[0] == 0).all()
    assert raised[1].numpy() == pytest.approx(np.full(100, 1e-2), rel=1e-5)


def test_a_fill_stands_only_where_the_band_was():
    sound, fill = tone(300.0), tone(1250.0) + tone(3000.0)
    lengths = torch.tensor([8000])
    filled = filter_sounds(sound, lengths, RATE, BAND, match=False, fill=fill)
    middle = slice(1000, -1000)
    assert filled[:, middle].numpy() == pytest.approx((tone(300.0) + tone(1250.0))[:, middle].numpy(), abs=2e-4)


@pytest.mark.parametrize(
    ("bands", "options", "says"),
    [
        ([1500, 1000], {}, "lower first"),
        ([np.nan, 1000], {}, "lower first"),
        ([0, 1000], {"depth_db": 6.0}, "0 dB or below"),
        ([0, 1000], {"edge_hz": 0.0}, "width in Hz"),
    ],
)
def test_what_makes_no_sense_is_refused(bands, options, says):
    with pytest.raises(AudioError, match=says):
        filter_sounds(torch.zeros(1, 100), torch.tensor([100]), RATE, np.array(bands, dtype=float), **options)


def test_an_fft_that_is_too_short_is_refused():
    with pytest.raises(AudioError, match="too short"):
        pass_responses(BAND[None], RATE, 64)
