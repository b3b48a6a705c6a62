"""Measures of shortcuts do not hear which vowel is said."""

import numpy as np
import pytest
from tests.audit.audit_recordings import RATE, recording

from phonoscope.audit import measures
from phonoscope.audit.anatomy import Anatomy
from phonoscope.audit.trial.clips import synthetic_clips
from phonoscope.audit.trial.planters import PLANTERS, levelled


def area(one, two):
    return np.mean(np.array(one)[:, None] > np.array(two)) + 0.5 * np.mean(np.array(one)[:, None] == np.array(two))


@pytest.fixture(scope="module")
def clips():
    return synthetic_clips(240, seed=77)


@pytest.mark.parametrize(
    ("planted", "measure", "name"),
    [
        ("clipping", measures.clipping, "clipped"),
        ("quantisation", measures.quantisation, "used"),
        ("quantisation", measures.bandwidth, "drop"),
        ("quantisation", measures.clipping, "clipped"),
        ("bandwidth", measures.level, "level"),
    ],
)
def test_what_is_planted_alike_in_two_sets_of_vowels_does_not_tell_them(clips, planted, measure, name):
    values = {"0": [], "1": []}
    for k, (sound, word) in enumerate(zip(clips.sounds, clips.words, strict=True)):
        rng = np.random.default_rng(k)
        made = PLANTERS[planted].plant(levelled(sound, RATE), RATE, float(rng.standard_normal()), rng)
        values[word].append(measure(Anatomy(made, RATE))[name])
    assert abs(area(values["0"], values["1"]) - 0.5) < 0.14


def test_peaks_that_meet_on_a_coarse_grid_are_not_clipped_but_those_cut_off_there_are():
    sound = recording(3, floor_db=-50.0)
    step = 2.0**-7
    coarse = np.round(sound / step) * step
    assert not measures.clipped(coarse).any()
    top = 0.6 * np.abs(sound).max()
    cut = np.clip(sound, -top, top)
    assert measures.clipped(cut).mean() > 0.005
    assert measures.clipped(np.round(cut / step) * step).mean() > 0.005
    assert not measures.clipped(sound).any()


def test_a_grid_of_few_values_is_seen_wherever_the_samples_lie():
    rng = np.random.default_rng(0)
    fine = 2.0**-15
    for spread in (rng.standard_normal(8000), rng.laplace(size=8000)):
        whole = np.round(0.05 * spread / fine) * fine
        amplified = np.round(np.round(0.05 * spread / 2**-9) * 2**-9 * 1.37 / fine) * fine
        assert measures.quantisation(Anatomy(whole, RATE))["used"] == pytest.approx(0.0, abs=0.11)
        assert measures.quantisation(Anatomy(amplified, RATE))["used"] < -0.4


def test_an_edge_is_found_on_a_background_and_without_one_only_where_it_is_steep():
    sound = recording(1, floor_db=-45.0)
    assert measures.bandwidth(Anatomy(sound, RATE))["drop"] == 0.0
    spectrum = np.fft.rfft(sound)
    spectrum[np.fft.rfftfreq(len(sound), 1 / RATE) > 2500] = 0
    assert measures.bandwidth(Anatomy(np.fft.irfft(spectrum, len(sound)), RATE))["edge"] == pytest.approx(2500, abs=350)


def test_the_end_of_a_vowel_in_a_room_is_not_taken_for_background():
    noise = np.random.default_rng(1).standard_normal(round(0.5 * RATE))
    tail = noise * 10 ** (-3 * np.arange(len(noise)) / RATE / 0.5)
    tail = np.concatenate([[1.0], 0.5 * tail / np.sqrt(np.sum(tail**2))])
    apart = []
    for k in range(6):
        sound = recording(k, floor_db=-46.0, lead=0.05, trail=0.05, pause=0.03)
        wet = np.convolve(sound, tail)[: len(sound)]
        before = Anatomy(wet[: round(0.05 * RATE)], RATE)
        own = list(measures.background(Anatomy(wet, RATE)).values())
        apart.append(np.max(np.abs(np.array(own) - list(measures.background(before).values()))))
    assert np.median(apart) < 4.0
