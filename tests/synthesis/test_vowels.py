import dataclasses
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import spearmanr

from phonoscope.errors import CorpusError
from phonoscope.phonetics.ceilings import ceiling_for
from phonoscope.phonetics.formants import token_formants
from phonoscope.synthesis.corpus import synthesise_tokens
from phonoscope.synthesis.source_filter import GLOTTAL_POLE_HZ, cascade, unit_level
from phonoscope.synthesis.talkers import Talker, draw_talkers, published_vowels
from phonoscope.synthesis.vowels import (
    F0_SLOPE_MEAN,
    F0_SLOPE_SD,
    PLACES,
    RUNNING_SPEECH_TEMPO,
    SPACING_HZ,
    draw_vowels,
    resonances,
    vowel_sources,
)

VOWELS = ["i", "æ", "ɝ", "ɑ", "u"]


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    """2400 talkers, one token a vowel: the design of the published study, 50 times over."""
    plans = []
    for number, talker in enumerate(draw_talkers(2400, seed=5)):
        plan = draw_vowels(talker, VOWELS, 1, np.random.default_rng([5, number]))
        plans.append(plan.assign(sex=talker.sex))
    return pd.concat(plans, ignore_index=True)


@pytest.mark.parametrize("sex", ["m", "f", "c"])
@pytest.mark.parametrize("vowel", VOWELS)
def test_means_and_spreads_are_the_published_ones(many, sex, vowel):
    tokens = many[(many["sex"] == sex) & (many["label"] == vowel)]
    published = published_vowels()[sex, vowel]
    n = len(tokens)
    for k in (1, 2, 3, 4):
        steady = tokens[f"true_f{k}_50"] / published.get(f"f{k}_50_ratio", 1.0)
        mean, sd = published[f"f{k}"], published[f"f{k}_sd"]
        # Four standard errors, and 4 % for the draws that were repeated because two formants met.
        assert steady.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(n) + 0.01 * mean)
        assert steady.std() == pytest.approx(sd, rel=4 / np.sqrt(2 * n) + 0.04)
    assert tokens["true_f0_50"].std() == pytest.approx(published["f0_sd"], rel=0.14)
    duration = published["duration_ms"] * RUNNING_SPEECH_TEMPO / 1000
    assert tokens["duration"].mean() == pytest.approx(duration, rel=0.03)


def test_spread_within_a_talker_is_smaller_than_over_all():
    talker = Talker("f01", "f")
    own = draw_vowels(talker, ["æ"], 4000, np.random.default_rng(0))
    published = published_vowels()["f", "æ"]
    assert own["true_f2_50"].std() < 0.9 * published["f2_sd"] * published["f2_50_ratio"]
    assert own["true_f0_50"].std() == pytest.approx(0.04 * published["f0"], rel=0.1)


def test_pitch_falls_over_a_token_as_planted(many):
    slope = np.log(many["true_f0_80"] / many["true_f0_20"])
    assert slope.mean() == pytest.approx(F0_SLOPE_MEAN, abs=4 * F0_SLOPE_SD / np.sqrt(len(many)))
    assert slope.std() == pytest.approx(F0_SLOPE_SD, rel=4 / np.sqrt(2 * len(many)))
    np.testing.assert_allclose(many["true_f0_50"] ** 2, many["true_f0_20"] * many["true_f0_80"])


def test_formants_stay_in_order_and_apart(many):
    for place in PLACES:
        formants = many[[f"true_f{k}_{place}" for k in range(1, 5)]].to_numpy()
        assert (formants[:, 1:] / formants[:, :-1] >= 1.08).all()


def test_resonances_fill_the_spectrum():
    for talker in draw_talkers(9):
        plan = draw_vowels(talker, VOWELS, 1, np.random.default_rng(0))
        frequencies, bandwidths = resonances(plan, talker)
        assert frequencies.shape == bandwidths.shape == (5, 3, 12)
        assert (np.diff(frequencies, axis=2) > 0).all()
        assert (frequencies[:, :, -1] > 11025).all()


@cache
def spoken(room):
    return synthesise_tokens(36, repeats=2, seed=21, room=room)


def closed_loop(sex, room):
    """Absolute errors (token, formant) in % of F1 to F3 at 50 %, planted against tracked, and relative ones of F0."""
    sounds, table = spoken(room)
    kept = (table["sex"] == sex).to_numpy()
    sounds = [sound for sound, keep in zip(sounds, kept, strict=True) if keep]
    found = token_formants(sounds, 22050, ceiling=ceiling_for(sex))
    truth = table[kept].reset_index(drop=True)
    errors = [(found[f"f{k}_50"] / truth[f"true_f{k}_50"] - 1).abs() * 100 for k in (1, 2, 3)]
    return np.stack(errors, axis=1), (found["f0_50"] / truth["true_f0_50"] - 1).abs()


# High voices sample the spectrum at few harmonics: with F0 at 220 Hz, linear prediction pulls an F1 near 440 Hz to
# a harmonic (Makhoul 1975, section IV). That error of F1 is the tracker's, in Praat as here, not the synthesiser's:
# the two tests that follow this one take the harmonics away and hold women and children to tight bounds.
@pytest.mark.parametrize(("sex", "percent"), [("m", (3, 1.5, 1)), ("f", (4.5, 1.5, 1)), ("c", (4.8, 1.6, 1.2))])
def test_planted_formants_are_tracked(sex, percent):
    errors, f0 = closed_loop(sex, room=False)
    assert np.isfinite(errors).all()
    assert (errors.mean(axis=0) <= percent).all(), errors.mean(axis=0)
    assert f0.median() < 0.005


def voiced(plan, talker, rng):
    sources = vowel_sources(plan, talker, 22050, rng)
    return [unit_level(token) for token in cascade(sources, *resonances(plan, talker), 22050)]


def tracking_errors(sex, *, f0_factor=1.0, source=None):
    """Planted and tracked formants of 12 talkers: (F1 to F3 off by how much, F1 over F0), (token, 3) and (token,)."""
    sounds, plans = [], []
    for number, talker in enumerate(talker for talker in draw_talkers(36, seed=77) if talker.sex == sex):
        plan = draw_vowels(talker, VOWELS, 2, np.random.default_rng([7, number]))
        plan[[f"true_f0_{place}" for place in PLACES]] *= f0_factor
        if source is None:
            sounds += voiced(plan, talker, np.random.default_rng([8, number]))
        else:
            sources = [source(duration, talker.tilt_hz) for duration in plan["duration"]]
            sounds += cascade(sources, *resonances(plan, talker), 22050)
        plans.append(plan)
    truth = pd.concat(plans, ignore_index=True)
    found = token_formants(sounds, 22050, ceiling=ceiling_for(sex))
    errors = [found[f"f{k}_50"] / truth[f"true_f{k}_50"] - 1 for k in (1, 2, 3)]
    return np.stack(errors, axis=1), (truth["true_f1_50"] / truth["true_f0_50"]).to_numpy()


def one_pulse(duration, tilt_hz):
    """A single glottal pulse, shaped and radiated as those of a voice, 8 ms before the middle of the token."""
    pulse = np.zeros(round(duration * 22050))
    pulse[pulse.size // 2 - round(0.008 * 22050)] = 1.0
    poles = np.exp(-2 * np.pi * np.array([GLOTTAL_POLE_HZ, GLOTTAL_POLE_HZ, tilt_hz]) / 22050)
    return np.diff(lfilter([1.0], np.poly(poles), pulse), prepend=0.0)


@pytest.mark.parametrize("sex", ["m", "f", "c"])
def test_without_harmonics_every_group_is_tracked_within_one_percent(sex):
    errors, _ = tracking_errors(sex, source=one_pulse)
    mean = 100 * np.abs(errors).mean(axis=0)
    assert (mean <= 1).all(), mean


@pytest.mark.parametrize(("sex", "percent"), [("f", (3, 1.5, 1)), ("c", (3, 1.5, 1.2))])
def test_women_and_children_at_half_their_pitch_are_tracked_as_men_are(sex, percent):
    errors, _ = tracking_errors(sex, f0_factor=0.5)
    mean = 100 * np.abs(errors).mean(axis=0)
    assert (mean <= percent).all(), mean


def test_a_low_first_formant_is_tracked_towards_the_nearest_harmonic():
    errors, f1_in_harmonics = tracking_errors("f")
    low = f1_in_harmonics < 3
    pull = np.round(f1_in_harmonics[low]) / f1_in_harmonics[low] - 1
    assert spearmanr(errors[low, 0], pull).statistic > 0.6


@pytest.mark.parametrize(("sex", "percent"), [("m", (2.8, 1.2, 1)), ("f", (4, 1.5, 1)), ("c", (4, 1.5, 1.2))])
def test_a_room_does_not_hide_the_planted_formants(sex, percent):
    errors, f0 = closed_loop(sex, room=True)
    assert (np.median(errors, axis=0) <= percent).all(), np.median(errors, axis=0)
    assert (errors[:, 1:] > 10).mean() < 0.06
    assert f0.median() < 0.005


def test_without_upper_resonances_the_loop_would_not_close(monkeypatch):
    """The check can fail: a voice of four formants alone misleads the tracker."""
    talker = dataclasses.replace(draw_talkers(1)[0], snr_db=40)
    plan = draw_vowels(talker, VOWELS, 6, np.random.default_rng(0))

    def error():
        sounds = voiced(plan, talker, np.random.default_rng(1))
        found = token_formants(sounds, 22050, ceiling=5000, max_bandwidth=np.inf)
        return (found["f3_50"] / plan["true_f3_50"] - 1).abs().mean()

    full = error()
    monkeypatch.setitem(SPACING_HZ, "m", 9000.0)
    assert full < 0.02 < 5 * full < error()


def test_unknown_vowels_are_refused():
    with pytest.raises(CorpusError, match="found vowels y"):
        draw_vowels(Talker("m01", "m"), ["i", "y"], 1, np.random.default_rng(0))
