import numpy as np
import pytest

from phonoscope.errors import CorpusError
from phonoscope.synthesis.consonants import CONSONANTS, draw_consonants, speak_consonants
from phonoscope.synthesis.talkers import Talker, draw_talkers

RATE = 22050


@pytest.fixture(scope="module")
def spoken():
    """Sounds by (sex, consonant) of 12 talkers."""
    sounds: dict = {}
    for number, talker in enumerate(draw_talkers(12, seed=2)):
        rng = np.random.default_rng(number)
        plan = draw_consonants(talker, CONSONANTS, 4, rng)
        for label, sound in zip(plan["label"], speak_consonants(plan, talker, RATE, rng), strict=True):
            sounds.setdefault((talker.sex, label), []).append(sound)
    return sounds


def spectrum(sounds):
    """Mean power in dB per 500 Hz, array (22,)."""
    powers = [np.abs(np.fft.rfft(sound, 8192)) ** 2 / sound.size for sound in sounds]
    return 10 * np.log10(np.mean(powers, axis=0)[:4092].reshape(22, -1).mean(axis=1))


def of(spoken, label):
    return [sound for (_, name), sounds in spoken.items() if name == label for sound in sounds]


def test_sibilants_have_their_peaks(spoken):
    assert 5500 <= 500 * spectrum(of(spoken, "s")).argmax() <= 8500
    assert 2500 <= 500 * spectrum(of(spoken, "ʃ")).argmax() <= 5000
    s, sh = spectrum(of(spoken, "s")), spectrum(of(spoken, "ʃ"))
    assert s[14] > s[6] + 15  # /s/ has little below 3.5 kHz
    assert sh[7] > s[7] + 8
    assert s[-1] < s[14]  # nothing rises towards 11 kHz


def test_weak_fricatives_are_weak_and_flat(spoken):
    level = {label: 10 * np.log10(np.mean([np.mean(x**2) for x in of(spoken, label)])) for label in ("s", "f", "θ")}
    assert level["s"] > level["f"] + 8
    assert level["s"] > level["θ"] + 8
    assert np.ptp(spectrum(of(spoken, "f"))[2:18]) < 10 < np.ptp(spectrum(of(spoken, "s"))[2:18])


def test_men_hiss_lower_than_women_and_children(spoken):
    def centroid(sex):
        power = 10 ** (spectrum(spoken[sex, "s"]) / 10)
        return (power * (500 * np.arange(22) + 250)).sum() / power.sum()

    assert centroid("m") < centroid("f") < centroid("c")


@pytest.mark.parametrize("label", ["p", "t", "k", "tʃ"])
def test_stops_have_a_quiet_closure_that_is_not_silent(spoken, label):
    rises = []
    for sound in of(spoken, label):
        high = np.diff(sound)  # the burst shows in the highs; the closure hums in the lows
        quarter = sound.size // 5
        rises.append(10 * np.log10(np.mean(high[-2 * quarter : -quarter // 2] ** 2) / np.mean(high[:quarter] ** 2)))
        assert np.sqrt(np.mean(sound[:quarter] ** 2)) > 1e-4
    assert np.median(rises) > 6


def test_bursts_differ_in_place(spoken):
    p, t, k = (spectrum(of(spoken, label)) for label in "ptk")
    assert (t[8:14] - p[8:14]).mean() > 6  # diffuse-rising against diffuse-falling
    assert (k[3:6] - t[3:6]).mean() - (k[8:14] - t[8:14]).mean() > 6  # compact in the middle


def test_no_two_tokens_are_alike_but_seeds_repeat():
    talker = Talker("f01", "f")
    rng = np.random.default_rng(0)
    plan = draw_consonants(talker, ["s"], 3, rng)
    sounds = speak_consonants(plan, talker, RATE, rng)
    again = np.random.default_rng(0)
    repeated = speak_consonants(draw_consonants(talker, ["s"], 3, again), talker, RATE, again)
    assert all((a == b).all() for a, b in zip(sounds, repeated, strict=True))
    assert plan["duration"].nunique() == 3


def test_unknown_consonants_are_refused():
    with pytest.raises(CorpusError, match="found consonants x"):
        draw_consonants(Talker("m01", "m"), ["x"], 1, np.random.default_rng(0))
