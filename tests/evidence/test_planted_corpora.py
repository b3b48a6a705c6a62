"""Planted corpora: classes differ where the truth says, and nowhere else; twins are the same token."""

import numpy as np
import pytest

from phonoscope.errors import CorpusError
from phonoscope.evidence.carriers import TOKENS_PER_TALKER
from phonoscope.evidence.cues import CUES, FADE_SECONDS, band_noise, bump
from phonoscope.evidence.planted import MAX_HZ, SAMPLE_RATE, plant
from phonoscope.evidence.truth import inside_share
from phonoscope.frontends import pad_waveforms

KINDS = [(name, number) for name, cue in CUES.items() for number in cue.values]
IN_FREQUENCY = [kind for kind in KINDS if not CUES[kind[0]].in_time]


def _next_class(corpus):
    return (corpus.classes + 1) % len(corpus.labels)


def _spectrum_db(waveforms):
    """Long-term spectrum of all tokens together, dB, at multiples of 25 Hz."""
    hertz = np.arange(0, 5001, 25.0)
    power = np.zeros(hertz.size)
    for waveform in waveforms:
        spectrum = np.abs(np.fft.rfft(waveform.astype(float) * np.hanning(waveform.size))) ** 2 / waveform.size
        power += np.interp(hertz, np.fft.rfftfreq(waveform.size, 1 / SAMPLE_RATE), spectrum)
    return hertz, 10 * np.log10(power)


@pytest.mark.parametrize(("cue", "classes"), IN_FREQUENCY)
def test_twins_differ_in_the_planted_bands_and_nowhere_else(cue, classes):
    corpus = plant(cue, classes=classes, n_tokens=20, seed=3)
    hertz, own = _spectrum_db(corpus.waveforms)
    _, other = _spectrum_db(corpus.twins(_next_class(corpus)))
    regions = [region for truth in corpus.truth() for region in truth.regions]
    inside = np.any([(hertz >= r.low_hz) & (hertz <= r.high_hz) for r in regions], axis=0)
    assert np.abs(own - other)[~inside].max() < 0.2  # dB


@pytest.mark.parametrize(("cue", "classes"), KINDS)
def test_the_networks_input_differs_inside_the_truth(cue, classes):
    corpus = plant(cue, classes=classes, n_tokens=20, seed=4)
    front_end = corpus.front_end()
    twins = corpus.twins(_next_class(corpus))
    change = (front_end(*pad_waveforms(twins)) - front_end(*pad_waveforms(corpus.waveforms))).abs()[:, 0].numpy()
    seconds = front_end.time_axis.seconds
    shares = []
    for token, truth in enumerate(corpus.truth()):
        duration = corpus.waveforms[token].size / SAMPLE_RATE
        start, end = (0.0, duration) if seconds is None else ((duration - seconds) / 2, (duration + seconds) / 2)
        inside = inside_share(truth.regions, front_end.frequency_axis.edges, np.linspace(start, end, 33))
        shares.append((change[token] * inside).sum() / change[token].sum())
    assert np.mean(shares) > 0.85  # the rest is the window's side lobes and rows that a band covers in part
    assert change.mean() > 0.25  # dB over the whole picture


@pytest.mark.parametrize("cue", ["f1", "f2", "f3", "noise-band", "f0", "distractor"])
def test_carriers_do_not_know_the_class(cue):
    two, five = (plant(cue, classes=number, n_tokens=10, seed=5) for number in (2, 5))
    for a, b in zip(two.carriers.sounds, five.carriers.sounds, strict=True):
        np.testing.assert_array_equal(a, b)


def test_classes_of_different_tokens_are_alike_outside_the_planted_bands():
    corpus = plant("f2", n_tokens=200, seed=5)
    spectra = np.array([_spectrum_db([waveform])[1] for waveform in corpus.waveforms])
    means = [spectra[corpus.classes[:, 0] == k].mean(axis=0) for k in (0, 1)]
    hertz = np.arange(0, 5001, 25.0)
    regions = [region for truth in corpus.truth() for region in truth.regions]
    inside = np.any([(hertz >= r.low_hz) & (hertz <= r.high_hz) for r in regions], axis=0)
    # Means over 100 tokens each: what is left comes from the draw of the other formants.
    assert np.abs(means[0] - means[1])[~inside].mean() < 1.5  # dB
    assert np.abs(means[0] - means[1])[(hertz > 1200) & (hertz < 1300)].min() > 6


def test_a_longer_twin_holds_the_shorter_one():
    corpus = plant("duration", n_tokens=10, seed=6)
    short, long = corpus.twins(np.zeros(10, int)), corpus.twins(np.ones(10, int))
    fade = round(FADE_SECONDS * SAMPLE_RATE)
    for a, b in zip(short, long, strict=True):
        first = (b.size - a.size) // 2
        assert b.size > a.size
        assert (b.size - a.size) % 2 == 0
        np.testing.assert_array_equal(a[fade:-fade], b[first : first + a.size][fade:-fade])


def test_truth_of_a_duration_is_what_one_class_has_and_the_other_lacks():
    corpus = plant("duration", n_tokens=10, seed=6)
    blur = 0.004  # half a window of 8 ms
    for token, truth in enumerate(corpus.truth()):
        factor = corpus.carriers.place[token]
        own = (0.09, 0.16)[corpus.classes[token, 0]] * factor
        begin, end = 0.045 * factor - FADE_SECONDS - blur, 0.08 * factor + blur
        before, after = truth.regions
        assert after.start == pytest.approx(own / 2 + begin)
        assert after.end == pytest.approx(own / 2 + end)
        assert before.start == pytest.approx(own / 2 - end)
        assert (before.low_hz, before.high_hz) == (0.0, MAX_HZ)
        assert bool(truth.present) == (corpus.classes[token, 0] == 1)


def test_truth_of_a_formant_lies_around_its_place_in_this_token():
    corpus = plant("f2", n_tokens=10, seed=6)
    for token, truth in enumerate(corpus.truth()):
        places = np.array([1250.0, 1750.0]) * corpus.carriers.place[token]
        own = corpus.classes[token, 0]
        (present,), (elsewhere,) = truth.present, truth.elsewhere
        assert present.low_hz == pytest.approx(places[own] - 180 - 125)
        assert present.high_hz == pytest.approx(places[own] + 180 + 125)
        assert (elsewhere.low_hz + elsewhere.high_hz) / 2 == pytest.approx(places[1 - own])


def test_absence_has_a_place_too():
    corpus = plant("noise-band", n_tokens=4, seed=1)
    absent, present = corpus.truth()[:2]
    assert not absent.present
    assert len(absent.elsewhere) == 1
    assert len(present.present) == 1
    assert not present.elsewhere


def test_five_classes_have_four_other_places():
    truth = plant("f3", classes=5, n_tokens=5, seed=1).truth()[2]
    assert len(truth.present) == 1
    assert len(truth.elsewhere) == 4


def test_a_bump_is_zero_outside_and_its_height_at_the_centre():
    impulse = np.zeros(4096)
    impulse[2048] = 1
    raised = bump(impulse, SAMPLE_RATE, 2000.0, 200.0, 12.0)
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(raised)))
    hertz = np.fft.rfftfreq(4096, 1 / SAMPLE_RATE)
    assert gain_db[np.argmin(np.abs(hertz - 2000))] == pytest.approx(12.0, abs=0.1)
    assert np.abs(gain_db[np.abs(hertz - 2000) > 210]).max() < 0.05


def test_planted_noise_has_the_level_asked_for_and_stays_in_its_band():
    rng = np.random.default_rng(0)
    carrier = rng.standard_normal(64000)
    noise = band_noise(carrier, SAMPLE_RATE, 3000.0, 200.0, 6.0, rng)
    power = {name: np.abs(np.fft.rfft(x * np.hanning(x.size))) ** 2 for name, x in (("c", carrier), ("n", noise))}
    hertz = np.fft.rfftfreq(64000, 1 / SAMPLE_RATE)
    centre = np.abs(hertz - 3000) < 150
    assert 10 * np.log10(power["n"][centre].mean() / power["c"][centre].mean()) == pytest.approx(6.0, abs=0.5)
    assert power["n"][np.abs(hertz - 3000) > 210].sum() < 1e-6 * power["n"].sum()


def test_the_low_and_the_high_voice_are_equally_loud():
    corpus = plant("f0", n_tokens=10, seed=2)
    low, high = (corpus.twins(np.full(10, k)) for k in (0, 1))
    level = [[20 * np.log10(np.sqrt(np.mean(w**2))) for w in part] for part in (low, high)]
    np.testing.assert_allclose(level[0], level[1], atol=0.3)


def test_the_same_seed_gives_the_same_tokens_and_fewer_are_the_first_of_more():
    few, many = plant("f1", n_tokens=10, seed=9), plant("f1", n_tokens=20, seed=9)
    for a, b in zip(few.waveforms, many.waveforms[:10], strict=True):
        np.testing.assert_array_equal(a, b)
    twins = few.twins(few.classes)
    for a, b in zip(few.waveforms, twins, strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_talker_says_all_classes_equally_often_and_seeds_share_no_talker():
    corpus = plant("f1", classes=5, n_tokens=40, seed=9)
    for talker in set(corpus.talkers):
        said = [label for label, who in zip(corpus.tokens, corpus.talkers, strict=True) if who == talker]
        assert len(said) == TOKENS_PER_TALKER
        assert {said.count(label) for label in corpus.labels} == {2}
    assert not set(corpus.talkers) & set(plant("f1", n_tokens=40, seed=10).talkers)


def test_cues_of_a_conflict_agree_or_disagree():
    agree, disagree = plant("conflict", n_tokens=4), plant("conflict", n_tokens=4, disagree=True)
    assert (agree.classes[:, 0] == agree.classes[:, 1]).all()
    assert (disagree.classes[:, 0] != disagree.classes[:, 1]).all()
    formant, noise = disagree.truth(0)[0].regions, disagree.truth(1)[0].regions
    assert max(r.high_hz for r in formant) < min(r.low_hz for r in noise)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cue": "f9"}, "there is no cue 'f9'.*f1, f2"),
        ({"cue": "hum", "classes": 5}, "comes with 2 classes, not with 5"),
        ({"cue": "f1", "disagree": True}, "single cue"),
        ({"cue": "f1", "n_tokens": 0}, "at least one"),
    ],
)
def test_impossible_corpora_are_refused(arguments, words):
    with pytest.raises(CorpusError, match=words):
        plant(**arguments)
