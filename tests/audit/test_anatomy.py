"""A recording taken apart: what was put in is found again."""

import numpy as np
import pytest

from phonoscope.audit.anatomy import Anatomy


def test_the_parts_add_up_to_the_recording(heard):
    own = heard(hum_db=-25, offset=0.1)
    whole = own.speech + own.background + own.hum_wave + own.offset
    np.testing.assert_allclose(whole, own.samples, atol=1e-9)


def test_speech_and_its_pause_are_found_where_they_were_put(heard):
    own = heard(lead=0.2, trail=0.1, pause=0.12, spoken=0.2)
    first, end = (each / own.rate for each in own.span)
    assert first == pytest.approx(0.2, abs=0.025)
    assert end == pytest.approx(0.2 + 0.2 + 0.12 + 0.2, abs=0.025)
    assert len(own.pauses) == 1
    assert own.spoken / own.rate == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("floor_db", [-45, -30, -20])
def test_the_floor_is_that_of_the_noise_and_the_level_that_of_the_speech(heard, floor_db):
    own = heard(floor_db=floor_db)
    assert 20 * np.log10(own.floor / 0.05) == pytest.approx(floor_db, abs=1.5)
    assert own.level == pytest.approx(0.05, rel=0.12)


def test_hum_is_found_and_noise_alone_is_none(heard):
    with_hum, without = heard(hum_db=-28), [heard(seed, floor_db=-25, slope=-6) for seed in range(6)]
    size = np.sqrt(np.sum(np.abs(with_hum.hum.amplitude) ** 2) / 2)
    assert with_hum.hum.mains == 50
    assert 20 * np.log10(size / 0.05) == pytest.approx(-28, abs=2)
    assert sum(each.hum.amplitude.any() for each in without) <= 1


def test_more_of_the_background_has_its_level_and_colour(heard):
    own = heard(slope=-6, floor_db=-30)
    made = own.texture(8000, seed=3)
    assert np.sqrt(np.mean(made**2)) == pytest.approx(own.floor, rel=1e-6)
    power = np.abs(np.fft.rfft(made)) ** 2
    hertz = np.fft.rfftfreq(8000, 1 / own.rate)
    low, high = (power[(hertz > a) & (hertz < b)].mean() for a, b in ((250, 500), (2000, 4000)))
    assert 10 * np.log10(low / high) == pytest.approx(18, abs=5)


@pytest.mark.parametrize("samples", [np.zeros(800), np.zeros(3), np.full(400, 0.1), np.ones(1)])
def test_silence_and_scraps_have_parts_too(samples):
    own = Anatomy(samples, 8000)
    for part in (own.level, own.floor, own.spoken, *own.span):
        assert np.isfinite(part)
    assert len(own.speech) == len(samples)
    assert np.isfinite(own.texture(50)).all()
