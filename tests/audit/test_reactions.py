"""What a model bears: each change does what it says, and a model that hears it reacts, beyond its sham."""

import numpy as np
import pandas as pd
import pytest

from phonoscope.audit.anatomy import Anatomy
from phonoscope.audit.reactions import REACTIONS, react, reactions_table
from phonoscope.judgement.claims import SUPPORTED


@pytest.fixture(scope="module")
def anatomies(heard):
    return [heard(k, floor_db=-34, lead=0.15 + 0.01 * k) for k in range(24)]


def made(name, own):
    return REACTIONS[name].change(own, 1)


def band(samples, low, high, rate=8000):
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / rate)
    return power[(hertz >= low) & (hertz < high)].sum()


@pytest.mark.parametrize("name", list(REACTIONS))
def test_a_change_is_finite_repeats_and_changes_something(anatomies, name):
    own = anatomies[0]
    found = made(name, own)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, made(name, own))
    assert len(found) != len(own.samples) or np.abs(found - own.samples).max() > 1e-5


def test_silence_is_cut_off_and_added(anatomies):
    own = anatomies[3]
    first, end = own.span
    assert len(made("trimmed", own)) == end - first
    assert len(made("padded", own)) == len(own.samples) + 2 * 2000
    assert np.std(made("padded", own)[:1500]) == pytest.approx(own.floor, rel=0.2)


def test_speech_and_background_are_taken_away(anatomies):
    own = anatomies[2]
    loudest = np.abs(made("speech-removed", own)).max()
    assert loudest < 0.2 * np.abs(own.samples).max()
    alone = made("background-removed", own)
    assert not alone[: own.span[0]].any()
    assert np.corrcoef(alone, own.samples)[0, 1] > 0.95


def test_level_and_band_are_changed_as_said(anatomies):
    own = anatomies[1]
    np.testing.assert_allclose(made("louder", own), 2 * own.samples)
    for name in ("telephone-band", "resampled"):
        found = made(name, Anatomy(np.random.default_rng(0).standard_normal(16000) * 0.1, 16000.0))
        assert band(found, 4500, 8000, 16000) < 1e-3 * band(found, 300, 3000, 16000)


def test_codecs_and_devices_leave_the_speech_to_be_heard(anatomies):
    own = anatomies[0]
    for name in ("mu-law", "codec", "device"):
        assert np.corrcoef(made(name, own), own.samples)[0, 1] > 0.8, name


def test_a_model_reacts_to_what_it_hears_and_to_nothing_else(anatomies):
    def loudness(sound):
        return 10 * np.log10(np.mean(sound**2))

    usual = np.median([loudness(each.samples) for each in anatomies])

    def answer(sounds):
        odds = np.array([loudness(each) - usual - 4.5 for each in sounds])
        return np.stack([-odds, odds], axis=-1)[None]

    before = answer([each.samples for each in anatomies])
    clusters = pd.DataFrame({"speaker": [f"s{k}" for k in range(24)], "recording": [str(k) for k in range(24)]})
    correct = before[0].argmax(axis=1)
    found = [
        (REACTIONS[name], *react(REACTIONS[name], anatomies, answer)) for name in ("louder", "time-shift", "padded")
    ]
    table = reactions_table(found, before, correct, clusters).set_index("reaction")
    assert table.loc["louder", "verdict"] == SUPPORTED
    assert table.loc["louder", "accuracy"] < table.loc["louder", "accuracy_before"] == 1.0
    assert table.loc["time-shift", "decisions"] < 0.1
    assert np.isnan(table.loc["padded", "sham"])
    assert table["p_holm"].between(0, 1).all()


def test_a_band_of_the_speech_is_taken_out_and_the_others_stay(anatomies):
    own = anatomies[1]
    parts = {"speech-low": (0, 1000), "speech-middle": (1000, 3400)}
    for name, removed in parts.items():
        found = made(name, own)
        for low, high in parts.values():
            ratio = band(found, low, high) / band(own.samples, low, high)
            assert ratio < 0.1 if (low, high) == removed else ratio == pytest.approx(1, abs=0.01)
        quiet = slice(0, own.span[0] // 2)
        assert np.std(found[quiet]) == pytest.approx(np.std(own.samples[quiet]), rel=0.3)  # the background stays
