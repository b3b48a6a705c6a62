"""Sounds changed in one property: what is asked for comes, the rest stays, and step 0 changes nothing."""

import numpy as np
import pytest

import phonoscope as ps
from phonoscope.errors import AudioError
from phonoscope.manipulate import CUES, Asked, Cue, Sounds, cues, stimuli
from phonoscope.manipulate.numbering import numbered
from phonoscope.manipulate.voice import change_voice
from phonoscope.synthesis.corpus import synthesise_tokens

RATE = 16000
FILTERED = ("f1", "f2", "f3", "f4", "b1", "b2", "b3", "tract", "level", "tilt", "high_band", "voicing_bar", "centre")


@pytest.fixture(scope="module")
def vowels():
    sounds, table = synthesise_tokens(3, repeats=1, seed=0, sample_rate=RATE)
    return [sound.astype(np.float32) for sound in sounds], table


@pytest.mark.parametrize("cue", [*FILTERED, "hnr"])
def test_step_zero_gives_the_sound_back(vowels, cue):
    made = stimuli(vowels[0][:3], RATE, cue, [0.0])
    for changed, sound in zip(made.sounds, vowels[0], strict=False):
        assert np.linalg.norm(changed - sound) < 1e-6 * np.linalg.norm(sound)


@pytest.mark.parametrize("cue", ["f1", "f2", "f3"])
def test_formants_move_as_far_as_asked_and_the_others_stay(vowels, cue):
    made = stimuli(vowels[0], RATE, cue, [-100.0, 100.0]).table
    assert made["missed"].mean() <= 0.1
    hit = made[~made["missed"]]
    slope = (hit["achieved"] - hit["before"]) / hit["step"]
    assert slope.median() == pytest.approx(1, abs=0.05)
    still = stimuli(vowels[0], RATE, cue, [0.0]).table
    for other in {"f1", "f2", "f3"} - {cue}:
        assert np.nanmedian(np.abs(hit[other] / still[other].to_numpy()[hit["token"]] - 1)) < 0.02
    assert np.nanmedian(np.abs(hit["f0"] / still["f0"].to_numpy()[hit["token"]] - 1)) < 0.01
    assert (hit["duration"] == still["duration"].to_numpy()[hit["token"]]).all()


def test_the_measured_formant_moves_where_the_truth_is_known(vowels):
    sounds, table = vowels
    made = stimuli(sounds, RATE, "f2", [0.0]).table
    assert np.nanmedian(np.abs(made["before"] / table["true_f2_50"] - 1)) < 0.05


@pytest.mark.parametrize(
    ("cue", "steps", "least"), [("level", [-6, 6], 1.0), ("tilt", [-3, 3], 1.0), ("high_band", [-6, 6], 0.9)]
)
def test_spectral_cues_reach_their_values(vowels, cue, steps, least):
    made = stimuli(vowels[0], RATE, cue, steps).table
    assert (~made["missed"]).mean() >= least


def test_a_level_is_exact_and_formants_do_not_follow(vowels):
    made = stimuli(vowels[0], RATE, "level", [-6.0, 0.0])
    for soft, same in zip(made.sounds[::2], made.sounds[1::2], strict=True):
        np.testing.assert_allclose(soft, same * 10 ** (-6 / 20), atol=1e-6)


def test_noise_has_the_ratio_asked_for_and_the_same_seed_draws_the_same(vowels):
    made = stimuli(vowels[0][:2], RATE, "noise", [10.0, 0.0])
    for sound, step, token in zip(made.sounds, made.table["step"], made.table["token"], strict=True):
        added = sound - vowels[0][token]
        assert 10 * np.log10(np.sum(vowels[0][token] ** 2) / np.sum(added**2)) == pytest.approx(step, abs=0.1)
    again = stimuli(vowels[0][:2], RATE, "noise", [10.0, 0.0])
    np.testing.assert_array_equal(made.sounds[0], again.sounds[0])


def test_only_the_stretch_is_changed(vowels):
    sound = np.concatenate([vowels[0][0], vowels[0][1], vowels[0][0]])
    length = len(vowels[0][0]) / RATE
    start, end = length, length + len(vowels[0][1]) / RATE
    changed = ps.manipulate(sound, RATE, cue="f2", by=200.0, stretch=(start, end)).values
    outside = round((start - 0.04) * RATE)
    np.testing.assert_allclose(changed[:outside], sound[:outside], atol=1e-6)
    assert np.abs(changed - sound)[round(start * RATE) : round(end * RATE)].max() > 0.01 * np.abs(sound).max()


def test_one_sound_says_what_was_done(vowels):
    sound = ps.manipulate(vowels[0][0], RATE, cue="f2", by=1.0, unit="Bark")
    assert sound.dims == ("time",)
    assert sound.dtype == np.float32
    assert not sound.attrs["missed"]
    assert sound.attrs["achieved"] == pytest.approx(sound.attrs["intended"], rel=0.03)
    assert abs(sound.attrs["crosstalk"]["f1"]) < 0.03
    to = ps.manipulate(vowels[0][0], RATE, cue="f2", to=1500.0)
    assert to.attrs["intended"] == 1500.0


def test_a_trajectory_is_followed(vowels):
    sound = vowels[0][0]
    seconds = len(sound) / RATE
    path = np.array([[0.0, 1300.0], [seconds, 1900.0]])
    changed = ps.manipulate(sound, RATE, cue="f2", to=path)
    found = ps.formants(changed.values, RATE, times=[0.3 * seconds, 0.7 * seconds]).frequency.values[:, 1]
    np.testing.assert_allclose(found, [1480.0, 1720.0], rtol=0.06)


def test_stimuli_do_not_depend_on_their_neighbours(vowels):
    together = stimuli(vowels[0], RATE, "f2", [-200.0, 200.0])
    alone = stimuli(vowels[0][4:5], RATE, "f2", [-200.0, 200.0])
    np.testing.assert_allclose(together.sounds[8], alone.sounds[0], atol=1e-5)
    assert list(together.table["token"][:4]) == [0, 0, 1, 1]


def test_context_is_kept_and_can_be_taken_off(vowels):
    framed = [np.pad(sound, 800) for sound in vowels[0][:2]]
    made = stimuli(framed, RATE, "level", [6.0], context=0.05)
    assert [len(sound) for sound in made.sounds] == [len(sound) for sound in framed]
    assert [len(sound) for sound in made.without_context()] == [len(sound) for sound in vowels[0][:2]]


def test_stretches_without_voice_and_silence_have_the_duration_asked_for():
    noise = np.random.default_rng(0).standard_normal(3200).astype(np.float32)
    made = stimuli([noise], RATE, "vot", [-0.05, 0.0, 0.1])
    assert [len(sound) for sound in made.sounds] == [2400, 3200, 4800]
    assert np.std(made.sounds[2]) == pytest.approx(1, abs=0.1)
    quiet = stimuli([noise], RATE, "silence", [0.05])
    assert quiet.table["achieved"][0] == pytest.approx(0.05, abs=0.001)
    assert len(quiet.sounds[0]) == 3200 + 1600


@pytest.mark.parametrize(("cue", "step"), [("f0", 3.0), ("duration", 30.0)])
def test_voices_go_higher_and_longer(vowels, cue, step):
    pytest.importorskip("parselmouth", reason="F0 and duration need the extra praat")
    stimuli_of = stimuli(vowels[0][:4], RATE, cue, [step], rounds=1)
    made = stimuli_of.table
    for before, after in zip(vowels[0][:4], stimuli_of.sounds, strict=True):
        assert 20 * np.log10(np.std(after) / np.std(before)) == pytest.approx(0, abs=0.05)
    assert not made["missed"].any()
    factor = 2 ** (step / 12) if cue == "f0" else 1 + step / 100
    np.testing.assert_allclose(made["achieved"] / made["before"], factor, rtol=0.02)


def test_f0_and_duration_change_in_one_overlap_add(vowels):
    pytest.importorskip("parselmouth", reason="F0 and duration need the extra praat")
    sound = vowels[0][0]
    seconds = len(sound) / RATE
    recorded = Sounds.of([sound], RATE, np.zeros(1), np.array([seconds]))
    f0, duration = (CUES[name].measure(recorded) for name in ("f0", "duration"))
    one = np.zeros(1, dtype=int)
    made = change_voice(recorded, Asked(one, f0, 1.2 * f0), Asked(one, duration, 1.5 * duration))
    assert CUES["f0"].measure(made) == pytest.approx(1.2 * f0, rel=0.02)
    assert CUES["duration"].measure(made) == pytest.approx(1.5 * duration, rel=0.01)
    for name in ("f1", "f2"):
        assert CUES[name].measure(made) == pytest.approx(CUES[name].measure(recorded), rel=0.08)


def test_poles_between_formants_are_passed_over():
    poles = np.array([[500.0, 1100.0, 1500.0, 2500.0, 3500.0]])
    widths = np.array([[60.0, 900.0, 80.0, 120.0, 200.0]])
    frequency, _ = numbered(poles, widths, np.array([[480.0, 1550.0, 2400.0, 3400.0]]))
    np.testing.assert_array_equal(frequency, [[500.0, 1500.0, 2500.0, 3500.0]])
    lost, _ = numbered(poles, widths, np.array([[480.0, 2450.0, 3450.0, 6000.0]]))
    np.testing.assert_array_equal(lost, [[500.0, 2500.0, 3500.0, np.nan]])


def test_a_first_formant_stops_at_f0(vowels):
    made = stimuli(vowels[0], RATE, "f1", [-300.0, -40.0, 40.0]).table
    limited, other = made[made["limited"]], made[~made["limited"]]
    assert len(limited)
    assert len(other)
    still = stimuli(vowels[0], RATE, "f1", [0.0]).table
    lowest = np.minimum(still["f0"].to_numpy()[limited["token"]], limited["before"])
    np.testing.assert_allclose(limited["intended"], lowest)
    assert (limited["before"] + limited["step"] < lowest).all()
    np.testing.assert_allclose(other["intended"], other["before"] + other["step"])
    assert made["missed"].mean() <= 0.1
    assert not stimuli(vowels[0][:2], RATE, "f2", [-600.0]).table["limited"].any()


def test_breath_has_nothing_below_the_first_harmonic(vowels):
    sounds, table = vowels
    voice = int(table["true_f0_50"].argmax())  # a child's
    recorded, made = sounds[voice], stimuli([sounds[voice]], RATE, "hnr", [-6.0])
    power = np.abs(np.fft.rfft(made.sounds[0] - recorded)) ** 2
    hertz = np.fft.rfftfreq(len(recorded), 1 / RATE)
    first = table["true_f0_50"].iloc[voice]
    assert first > 180
    below, above = power[hertz < first - 100].mean(), power[(hertz > first) & (hertz < first + 300)].mean()
    assert below < 0.02 * above
    assert made.table["achieved"].sub(made.table["before"]).iloc[0] == pytest.approx(-6.0, abs=1.0)


@pytest.mark.parametrize("cue", [*FILTERED, "hnr", "noise"])
def test_what_cannot_be_measured_stays_as_it_is(cue):
    silence = np.zeros(2400, dtype=np.float32)
    made = stimuli([silence], RATE, cue, [10.0])
    assert np.isfinite(made.sounds[0]).all()
    if np.isnan(made.table["before"][0]) and cue != "noise":
        assert made.table["missed"][0]
        np.testing.assert_array_equal(made.sounds[0], silence)


def test_what_cannot_be_done_is_said(vowels):
    sound = vowels[0][0]
    with pytest.raises(AudioError, match="cue 'f9' is not known"):
        ps.manipulate(sound, RATE, cue="f9", by=1.0)
    with pytest.raises(AudioError, match="no steps in 'dB'"):
        ps.manipulate(sound, RATE, cue="f1", by=1.0, unit="dB")
    with pytest.raises(AudioError, match="no option loud"):
        ps.manipulate(sound, RATE, cue="level", by=1.0, loud=2)
    with pytest.raises(AudioError, match="either by="):
        ps.manipulate(sound, RATE, cue="f1")
    with pytest.raises(AudioError, match="not more than its context"):
        stimuli([sound], RATE, "f1", [0.0], context=1.0)


def test_every_cue_is_in_the_table():
    assert list(cues()["cue"]) == list(CUES)
    assert all(isinstance(cue, Cue) for cue in CUES.values())
    assert set(CUES) >= {*FILTERED, "noise", "hnr", "f0", "duration", "vot", "silence"}
