"""Each exchange reaches the donor's property, does nothing where both have the same, and leaves the others alone."""

import numpy as np
import pytest

from phonoscope.audit import exchanges
from phonoscope.audit.anatomy import Anatomy
from phonoscope.audit.shortcuts import SHORTCUTS
from phonoscope.errors import PhonoscopeError

# How a donor differs by more than recordings do, for each shortcut that a recording can be made with.
DIFFERS = {
    "level": {"level": 0.15},
    "dc": {"offset": 0.3},
    "duration": {"spoken": 0.27},
    "edge-silence": {"lead": 0.3, "trail": 0.08},
    "inner-silence": {"pause": 0.25},
    "background": {"slope": 5.0},
    "noise-floor": {"floor_db": -24.0},
    "hum": {"hum_db": -26.0},
}
# One step of each measure that counts as reached, or as left alone.
STEP = {
    "level": 1.0, "dc": 3.0, "duration": 45.0, "edge-silence": 25.0, "inner-silence": 30.0, "background": 4.0,
    "noise-floor": 2.5, "hum": 4.0, "channel": 6.0, "bandwidth": 300.0, "clipping": 0.5,
    "quantisation": 1.0, "room": 5.0,
}  # fmt: skip


def changed(name, own, donor, seed=1):
    return Anatomy(SHORTCUTS[name].exchange(own, donor, seed), own.rate)


def apart(name, one, two):
    return np.abs(SHORTCUTS[name].values(one) - SHORTCUTS[name].values(two)).max()


@pytest.mark.parametrize("name", DIFFERS)
def test_it_reaches_the_donor_and_leaves_the_other_properties(heard, name):
    own, donor = heard(1), heard(2, **DIFFERS[name])
    found = changed(name, own, donor)
    assert apart(name, own, donor) > 2 * STEP[name], "the donor does not differ"
    assert apart(name, found, donor) < 0.5 * apart(name, own, donor)
    for other in set(STEP) - {name, "channel", "quantisation"}:
        assert apart(other, found, own) < STEP[other], other


@pytest.mark.parametrize("name", list(SHORTCUTS))
def test_a_recording_exchanged_with_itself_stays_as_it_is(heard, name):
    own = heard(3)
    found = SHORTCUTS[name].exchange(own, own, 0)
    if name == "background":  # drawn anew, as it was
        assert np.sqrt(np.mean((found - own.samples) ** 2)) < 2.5 * own.floor
    else:
        np.testing.assert_allclose(found, own.samples, atol=1e-6)


def filtered(own, edge):
    spectrum = np.fft.rfft(own.samples)
    hertz = np.fft.rfftfreq(len(own.samples), 1 / own.rate)
    gain = 10 ** (-np.clip((hertz - edge) / 200, 0, 1) * 40 / 20)
    return Anatomy(np.fft.irfft(spectrum * gain, len(own.samples)), own.rate)


def test_a_narrower_band_is_found_cut_and_filled_up_again(heard):
    own, donor = heard(1, floor_db=-30), filtered(heard(2, floor_db=-30), 2400)
    assert SHORTCUTS["bandwidth"].measure(own)["edge"] == own.rate / 2
    assert SHORTCUTS["bandwidth"].measure(donor)["edge"] == pytest.approx(2500, abs=250)
    narrow = changed("bandwidth", own, donor)
    assert SHORTCUTS["bandwidth"].measure(narrow)["edge"] == pytest.approx(2500, abs=250)
    wide = changed("bandwidth", narrow, own)
    assert SHORTCUTS["bandwidth"].measure(wide)["drop"] < SHORTCUTS["bandwidth"].measure(narrow)["drop"] / 2


def test_clipping_is_counted_made_and_mended(heard):
    own = heard(1)
    top = np.quantile(np.abs(own.samples), 0.96)
    donor = Anatomy(np.clip(own.samples, -top, top), own.rate)
    share = SHORTCUTS["clipping"].measure(donor)["clipped"]
    assert share == pytest.approx(np.log10(40), abs=0.15)
    assert SHORTCUTS["clipping"].measure(changed("clipping", heard(5), donor))["clipped"] == pytest.approx(
        share, abs=0.2
    )
    mended = changed("clipping", donor, own)
    assert SHORTCUTS["clipping"].measure(mended)["clipped"] < 0
    assert mended.level == pytest.approx(donor.level, rel=0.05)


@pytest.mark.parametrize("bits", [6, 8, 12])
def test_coarse_values_are_counted_and_made(heard, bits):
    step = 2.0 ** (1 - bits)
    donor = Anatomy(np.round(heard(1).samples / step) * step, 8000)
    assert SHORTCUTS["quantisation"].measure(donor)["bits"] == bits
    found = changed("quantisation", heard(2), donor)
    assert SHORTCUTS["quantisation"].measure(found)["bits"] == bits


def test_reverberation_is_heard_and_made(heard):
    rng = np.random.default_rng(0)
    tail = rng.standard_normal(2400) * 10 ** (-3 * np.arange(2400) / 2400) * 0.05
    tail[0] = 1
    dry, wet = heard(1, pause=0.3, trail=0.4), heard(2, pause=0.3, trail=0.4)
    wet = Anatomy(np.convolve(wet.samples, tail)[: len(wet.samples)], wet.rate)
    fall = SHORTCUTS["room"].measure
    assert fall(wet)["fall"] < fall(dry)["fall"] - 4
    assert abs(fall(changed("room", dry, wet))["fall"] - fall(wet)["fall"]) < 3


def test_another_microphone_colours_the_speech_and_leaves_the_background(heard):
    own, donor = heard(1), heard(2, slope=5.0)
    found = changed("channel", own, donor)
    assert apart("background", found, own) < STEP["background"]
    power = [np.abs(np.fft.rfft(each.speech)) ** 2 for each in (found, own)]
    hertz = np.fft.rfftfreq(len(own.samples), 1 / own.rate)
    high, low = ((hertz > 1500) & (hertz < 2500)), ((hertz > 300) & (hertz < 500))
    tilt = [10 * np.log10(each[high].sum() / each[low].sum()) for each in power]
    assert tilt[0] - tilt[1] > 5


@pytest.mark.parametrize("ratio", [0.6, 1.0, 1.7])
def test_stretched_speech_keeps_its_pitch(ratio):
    t = np.arange(4000) / 8000
    made = exchanges.stretched(np.sin(2 * np.pi * 200 * t), ratio, 8000)
    assert len(made) == pytest.approx(4000 * ratio, abs=1)
    power = np.abs(np.fft.rfft(made * np.hanning(len(made))))
    assert np.argmax(power) * 8000 / len(made) == pytest.approx(200, abs=5)


@pytest.mark.parametrize("name", list(SHORTCUTS))
@pytest.mark.parametrize("samples", [np.zeros(800), np.full(500, 0.2), np.ones(1) * 0.1])
def test_silence_and_scraps_are_measured_and_exchanged_without_a_fault(heard, name, samples):
    scrap, own = Anatomy(samples, 8000), heard(1)
    assert np.isfinite(SHORTCUTS[name].values(scrap)).all()
    for one, two in ((scrap, own), (own, scrap)):
        assert np.isfinite(SHORTCUTS[name].exchange(one, two, 0)).all()


def test_an_unknown_shortcut_is_refused():
    with pytest.raises(PhonoscopeError, match="shortcut"):
        SHORTCUTS.find("perfume")
