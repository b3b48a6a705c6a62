"""Shams change the picture by as much as asked for, and leave formants where they are."""

import numpy as np
import pytest

from phonoscope.manipulate.measures import formants
from phonoscope.manipulate.sounds import Sounds
from phonoscope.perception.shams import PATTERNS, ripples, sham_sounds
from phonoscope.scales import hz_to_erb
from phonoscope.synthesis.source_filter import voice

RATE = 16000


def log_spectra(sounds):
    return np.stack(
        [20 * np.log10(np.abs(np.fft.rfft(sound * np.hanning(len(sound)))[:800]) + 1e-3) for sound in sounds]
    )


def test_patterns_are_fixed_smooth_and_of_one_size():
    hertz = np.linspace(0, 8000, 257)
    found = ripples(hertz)
    assert found.shape == (PATTERNS, 257)
    assert np.array_equal(found, ripples(hertz))
    assert not np.array_equal(found, ripples(hertz, seed=1))
    even = np.linspace(0, hz_to_erb(8000), 300)
    on_scale = np.stack([np.interp(even, hz_to_erb(hertz), pattern) for pattern in found])
    assert np.abs(on_scale.mean(axis=1)).max() < 0.05
    assert np.allclose(on_scale.std(axis=1), 1.0, atol=0.05)


def test_a_sham_is_as_large_as_asked_for_and_moves_no_formant():
    rng = np.random.default_rng(0)
    hertz = np.array([[300, 2200, 2900, 3600, 4500, 5500, 6500, 7500], [650, 1750, 2500, 3500, 4500, 5500, 6500, 7500]])
    frequencies = np.repeat(hertz[:, None].astype(float), 3, axis=1)
    widths = np.full_like(frequencies, 90.0)
    waves = [wave * 0.1 for wave in voice(np.full((2, 3), 120.0), frequencies, widths, np.full(2, 0.25), RATE, rng)]
    sounds = Sounds.of(waves, RATE, np.full(2, 0.05), np.full(2, 0.2))
    of, patterns = np.repeat([0, 1], 2 * PATTERNS), np.tile(np.arange(PATTERNS), 4)
    signs, sizes = np.tile(np.repeat([1, -1], PATTERNS), 2), np.full(len(of), 3.0)
    made, reached = sham_sounds(sounds, of, sizes, signs, patterns, log_spectra, log_spectra(waves)[of])
    assert np.allclose(reached, 3.0, rtol=0.05)
    changes = log_spectra(made.arrays) - log_spectra(waves)[of]
    assert reached == pytest.approx(np.sqrt(np.square(changes).mean(axis=1)))
    before, after = formants(sounds)[0][of], formants(made)[0]
    assert np.nanmedian(np.abs(after / before - 1)[:, :3]) < 0.02
    assert np.abs(np.nanmean(after / before - 1, axis=0)[:3]).max() < 0.02
