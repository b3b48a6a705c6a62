from typing import cast

import numpy as np
import pytest
from scipy.signal import lfilter

from phonoscope.phonetics.pitch import pitch
from phonoscope.synthesis.source_filter import (
    cascade,
    envelope,
    equalise,
    glottal_source,
    shaped_noise,
    unit_level,
    voice,
)

RATE = 22050


def slow_resonator(x, frequency, bandwidth, rate):
    """Klatt (1980), eq. 1-2."""
    c = -np.exp(-2 * np.pi * bandwidth / rate)
    b = 2 * np.exp(-np.pi * bandwidth / rate) * np.cos(2 * np.pi * frequency / rate)
    return lfilter([1 - b - c], [1, -b, -c], x)


def steady(values, tokens=1):
    return np.tile(np.asarray(values, float), (tokens, 3, 1))


def test_steady_cascade_is_a_series_of_resonators():
    rng = np.random.default_rng(0)
    sources = [rng.standard_normal(n) for n in (700, 1500, 333)]
    frequencies, bandwidths = (600, 1300, 2600, 9000), (60, 90, 150, 400)
    found = cascade(sources, steady(frequencies, 3), steady(bandwidths, 3), RATE)
    for source, output in zip(sources, found, strict=True):
        expected = source
        for f, b in zip(frequencies, bandwidths, strict=True):
            expected = slow_resonator(expected, f, b, RATE)
        assert output.shape == source.shape
        np.testing.assert_allclose(output, expected, rtol=1e-8, atol=1e-9)


def test_a_resonance_above_half_the_sample_rate_is_left_out():
    source = np.random.default_rng(0).standard_normal(500)
    with_it = cascade([source], steady([500, 12000]), steady([60, 300]), RATE)[0]
    without = cascade([source], steady([500]), steady([60]), RATE)[0]
    np.testing.assert_allclose(with_it, without, rtol=1e-9, atol=1e-12)


def test_moving_resonators_follow_their_points():
    n = RATE // 2
    points = np.array([[[600.0], [1200.0], [2400.0]]])
    for share, expected in ((0.1, 600), (0.35, 900), (0.5, 1200), (0.65, 1800), (0.9, 2400)):
        click = np.zeros(n)  # rings at the frequency of its moment
        click[int(share * n)] = 1
        output = cascade([click], points, np.full_like(points, 200.0), RATE)[0]
        peak = np.abs(np.fft.rfft(output, 1 << 16)).argmax() * RATE / (1 << 16)
        assert peak == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("f0", [90.0, 213.7, 431.0])
def test_the_source_has_the_planted_pitch(f0):
    source = glottal_source(np.full((1, 3), f0), np.array([0.5]), RATE, np.random.default_rng(0))[0]
    assert source.size == round(0.5 * RATE)
    assert float(np.nanmedian(pitch(source, RATE))) == pytest.approx(f0, rel=0.003)


def test_pulses_between_samples_leave_no_alias():
    # The period is 45.25 samples: were pulses rounded to samples, power would stand between the harmonics.
    f0 = 487.3
    still = cast(np.random.Generator, _Still())
    source = glottal_source(np.full((1, 3), f0), np.array([1.0]), RATE, still, breath_db=-200)[0]
    power = np.abs(np.fft.rfft(source[3000:19000] * np.blackman(16000))) ** 2
    hertz = np.fft.rfftfreq(16000, 1 / RATE)
    harmonic = np.abs(hertz / f0 - np.round(hertz / f0)) * f0 < 10
    inside = (hertz > 300) & (hertz < 9000)
    assert power[inside & ~harmonic].sum() < 1e-6 * power[inside & harmonic].sum()


class _Still:
    """Stands in for a random generator: no jitter, no shimmer, no noise."""

    def random(self):
        return 0.3

    def standard_normal(self, size):
        return np.zeros(size)


def test_noise_has_the_power_of_its_curve():
    noise = shaped_noise(400_000, RATE, np.array([0, 4000, 4001, 12000]), np.array([-30, -30, -50, -50.0]), _rng())
    expected = 4000 * 1e-3 + (RATE / 2 - 4000) * 1e-5
    assert np.mean(noise**2) == pytest.approx(expected, rel=0.02)
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    hertz = np.fft.rfftfreq(noise.size, 1 / RATE)
    ratio = spectrum[(hertz > 500) & (hertz < 3500)].mean() / spectrum[(hertz > 5000) & (hertz < 9000)].mean()
    assert 10 * np.log10(ratio) == pytest.approx(20, abs=0.5)


def test_equaliser_changes_level_only_where_it_says():
    t = np.arange(8000) / RATE
    low, high = np.sin(2 * np.pi * 500 * t), np.sin(2 * np.pi * 6000 * t)
    out = equalise(low + high, RATE, np.array([0, 1000, 5000, 11000]), np.array([0, 0, -20.0, -20]))
    np.testing.assert_allclose(out[1000:-1000], (low + 0.1 * high)[1000:-1000], atol=0.01)


def test_envelope_and_level():
    shape = envelope(1000, 1000, 0.1, 0.2)
    assert shape[0] < 0.01
    assert shape[-1] < 0.01
    assert (shape[100:800] == 1).all()
    assert np.sqrt(np.mean(unit_level(shape) ** 2)) == pytest.approx(1)
    assert (unit_level(np.zeros(10)) == 0).all()


def test_same_seed_same_voice():
    arguments = (np.full((2, 3), 120.0), steady([500, 1500], 2), steady([60, 90], 2), np.array([0.1, 0.07]), RATE)
    first, again = (voice(*arguments, np.random.default_rng(7)) for _ in range(2))
    other = voice(*arguments, np.random.default_rng(8))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not (first[0] == other[0]).all()


def _rng():
    return np.random.default_rng(0)


def test_breath_has_the_level_that_it_is_given():
    """`breath_db` is a level of amplitudes: 20 dB less is a tenth, and 0 dB is the pulses' own level."""

    def source(breath_db):
        return glottal_source(
            np.full((1, 3), 120.0), np.array([2.0]), RATE, np.random.default_rng(4), breath_db=breath_db
        )[0]

    pulses = source(-400.0)
    breath = {level: source(level) - pulses for level in (0.0, -20.0, -40.0)}
    np.testing.assert_allclose(breath[-20.0], breath[0.0] / 10, atol=1e-12)
    np.testing.assert_allclose(breath[-40.0], breath[0.0] / 100, atol=1e-12)
    inside = slice(RATE // 10, -RATE // 10)
    # The gate 0.6 - 0.4 cos(phase) has the mean square 0.36 + 0.08.
    ratio = np.mean(breath[0.0][inside] ** 2) / np.mean(pulses[inside] ** 2)
    assert ratio == pytest.approx(0.44, rel=0.05)
