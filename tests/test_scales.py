"""Scales of hearing: published values, and there and back again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phonoscope import scales

HERTZ = st.floats(0.0, 24000.0)
PAIRS = [
    (scales.hz_to_mel, scales.mel_to_hz),
    (scales.hz_to_bark, scales.bark_to_hz),
    (scales.hz_to_erb, scales.erb_to_hz),
]


@given(st.lists(HERTZ, min_size=1, max_size=5))
@pytest.mark.parametrize(("there", "back"), PAIRS)
def test_every_scale_comes_back_to_the_same_hertz(there, back, hertz):
    assert back(there(np.array(hertz))) == pytest.approx(np.array(hertz), rel=1e-9, abs=1e-6)


@given(low=HERTZ, step=st.floats(1.0, 1000.0))
@pytest.mark.parametrize("there", [*(there for there, _ in PAIRS), scales.erb_width])
def test_higher_tones_are_higher_on_every_scale(there, low, step):
    assert there(low + step) > there(low)


def test_published_values():
    # 1000 Hz is 1000 mel by definition; 700 Hz doubles the argument of the logarithm.
    assert scales.hz_to_mel(1000.0) == pytest.approx(1000.0, abs=0.02)
    assert scales.hz_to_mel(700.0) == pytest.approx(2595 * np.log10(2))
    # Traunmüller (1990): his formula stays within ±0.05 Bark of Zwicker's table of critical bands from 2 to 20 Bark.
    zwicker = {200: 2, 300: 3, 400: 4, 510: 5, 630: 6, 770: 7, 920: 8, 1080: 9, 1270: 10, 1480: 11, 1720: 12}
    zwicker |= {2000: 13, 2320: 14, 2700: 15, 3150: 16, 3700: 17, 4400: 18, 5300: 19, 6400: 20}
    assert scales.hz_to_bark(np.array(list(zwicker))) == pytest.approx(np.array(list(zwicker.values())), abs=0.051)
    # Glasberg & Moore (1990): 132.6 Hz wide at 1 kHz, 15.6 ERBs below it.
    assert scales.erb_width(1000.0) == pytest.approx(132.64, abs=0.01)
    assert scales.hz_to_erb(1000.0) == pytest.approx(15.62, abs=0.01)
    assert scales.hz_to_mel(0.0) == scales.hz_to_erb(0.0) == 0.0


@given(st.floats(50.0, 16000.0))
def test_the_erb_rate_climbs_by_one_in_the_width_of_one_filter(hz):
    # 1 / ERB(f) is the slope of the ERB-rate; 21.4 and 24.7 are rounded to three digits.
    slope = (scales.hz_to_erb(hz * 1.001) - scales.hz_to_erb(hz)) / (hz * 0.001)
    assert slope * scales.erb_width(hz) == pytest.approx(1.0, abs=0.005)
