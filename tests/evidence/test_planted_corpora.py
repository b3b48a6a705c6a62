"""Planted corpora: classes differ where the truth says, and nowhere else; every token exists in four ways."""

import numpy as np
import pytest

from phonoscope.errors import CorpusError
from phonoscope.evidence.carriers import TOKENS_PER_TALKER
from phonoscope.evidence.causal import front_end_for
from phonoscope.evidence.cues import FADE_SECONDS, band_noise, bump
from phonoscope.evidence.pairs import PAIRS, SAMPLE_RATE
from phonoscope.evidence.planted import plant
from phonoscope.evidence.truth import inside_share
from phonoscope.frontends import pad_waveforms

N_TOKENS = 10


@pytest.fixture(scope="module", params=list(PAIRS))
def corpus(request):
    return plant(PAIRS[request.param], n_tokens=N_TOKENS, seed=4)


def _classes(first, second):
    return np.tile([first, second], (N_TOKENS, 1))


def _change(corpus, cue):
    """How far the picture moves, dB re full scale, when one cue of each token goes from one class to the other."""
    front_end = front_end_for(corpus.pair, "compact", "full-scale")
    away = _classes(1 - cue, cue)
    pictures = [
        front_end(*pad_waveforms([corpus.waveforms[k] for k in corpus.positions(classes)]))[:, 0].numpy()
        for classes in (_classes(0, 0), away)
    ]
    return front_end, np.abs(pictures[1] - pictures[0])


@pytest.mark.parametrize("cue", [0, 1])
def test_an_exchanged_cue_changes_the_picture_inside_its_truth(corpus, cue):
    front_end, change = _change(corpus, cue)
    seconds, shares = front_end.time_axis.seconds, []
    for token, truth in enumerate(corpus.truth(cue, _classes(0, 0))):
        duration = corpus.carriers.durations[token]
        start, end = (0.0, duration) if seconds is None else ((duration - seconds) / 2, (duration + seconds) / 2)
        regions = truth.blurred(*corpus.blur).regions
        inside = inside_share(regions, front_end.frequency_axis.edges, np.linspace(start, end, 33))
        shares.append((change[token] * inside).sum() / change[token].sum())
    assert np.mean(shares) > 0.78  # the rest is the window's side lobes and cells that the truth covers in part
    assert change.mean() > 0.1  # dB over the whole picture


def test_the_cues_are_as_far_apart_as_the_pair_says(corpus):
    both = [corpus.truth(cue, corpus.agreeing()) for cue in (0, 1)]
    nearest = []
    for truths in zip(*both, strict=True):
        middles = [
            [(r.start + r.end) * 500 if corpus.pair.in_time else (r.low_hz + r.high_hz) / 2 for r in truth.regions]
            for truth in truths
        ]
        nearest.append(min(abs(a - b) for a in middles[0] for b in middles[1]))
    # Tokens deviate by 2 % from their place, and a hum lies from 0 to 150 Hz (its middle line is at 100).
    assert np.median(nearest) == pytest.approx(corpus.pair.distance, rel=0.03, abs=2 if corpus.pair.in_time else 40)


def test_there_are_pairs_over_frequency_and_time_at_graded_distances():
    names = {name: [pair.distance for pair in PAIRS.values() if pair.name == name] for name in
             {pair.name for pair in PAIRS.values()}}  # fmt: skip
    assert all(distances == sorted(distances) and len(distances) == 3 for distances in names.values())
    in_time = {pair.name for pair in PAIRS.values() if pair.in_time}
    assert len(in_time) >= 4
    assert len(names) - len(in_time) >= 4
    cues = {cue.name for pair in PAIRS.values() for cue in pair.cues}
    assert cues >= {"f1", "f2", "f3", "noise", "hum", "f0", "onset", "gap", "click", "duration", "level"}


def test_a_token_stands_where_its_classes_say():
    corpus = plant(PAIRS["f2 + noise, 2500 Hz"], n_tokens=N_TOKENS, seed=1)
    agreeing = corpus.agreeing()
    assert (agreeing[:, 0] == agreeing[:, 1]).all()
    assert agreeing[:, 0].tolist() == [0, 1] * (N_TOKENS // 2)
    position = corpus.positions(agreeing)
    assert position.tolist() == [k if k % 2 == 0 else 3 * N_TOKENS + k for k in range(N_TOKENS)]
    # A cue that is absent in its class leaves the sound alone, so the noise is the difference.
    low = corpus.waveforms[corpus.positions(_classes(0, 0))[0]].astype(float)
    noisy = corpus.waveforms[corpus.positions(_classes(0, 1))[0]].astype(float)
    spectrum = np.abs(np.fft.rfft(noisy - low))
    hertz = np.fft.rfftfreq(low.size, 1 / SAMPLE_RATE)
    assert spectrum[np.abs(hertz - 4250) > 300].sum() < 0.02 * spectrum.sum()


def test_a_stretch_leaves_the_rest_as_it_is_to_the_sample():
    corpus = plant(PAIRS["gap + level, 100 ms"], n_tokens=N_TOKENS, seed=6)
    carrier = corpus.carriers.sounds[0].astype(np.float32)
    silent = corpus.waveforms[corpus.positions(_classes(1, 0))[0]]
    (region,) = corpus.truth(0, _classes(1, 0))[0].present
    time = np.arange(carrier.size) / SAMPLE_RATE
    outside = (time < region.start) | (time > region.end)
    np.testing.assert_array_equal(silent[outside], carrier[outside])
    middle = np.abs(time - (region.start + region.end) / 2) < region.end - region.start - 3 * FADE_SECONDS
    inside = middle & ~outside
    assert np.abs(silent[inside]).mean() < 0.2 * np.abs(carrier[inside]).mean()


def test_truth_of_a_formant_lies_around_its_place_in_this_token():
    corpus = plant(PAIRS["f2 + noise, 500 Hz"], n_tokens=N_TOKENS, seed=6)
    classes = corpus.agreeing()
    for token, truth in enumerate(corpus.truth(0, classes)):
        places = np.array([1250.0, 1750.0]) * corpus.carriers.place[token]
        (present,), (elsewhere,) = truth.present, truth.elsewhere
        spoken = classes[token, 0]
        assert (present.low_hz, present.high_hz) == pytest.approx((places[spoken] - 150, places[spoken] + 150))
        assert (elsewhere.low_hz + elsewhere.high_hz) / 2 == pytest.approx(places[1 - spoken])


def test_absence_has_a_place_too():
    corpus = plant(PAIRS["f2 + noise, 500 Hz"], n_tokens=N_TOKENS, seed=1)
    absent, present = corpus.truth(1, corpus.agreeing())[:2]
    assert not absent.present
    assert len(absent.elsewhere) == 1
    assert len(present.present) == 1
    assert not present.elsewhere


def test_truth_is_widened_by_what_the_front_end_smears():
    corpus = plant(PAIRS["hum + f1, 500 Hz"], n_tokens=N_TOKENS, seed=1)
    assert corpus.blur == pytest.approx((40.0, 0.0125))
    sharp = corpus.truth(0, corpus.agreeing())[0]
    wide = sharp.blurred(*corpus.blur)
    assert (sharp.regions[0].high_hz, wide.regions[0].high_hz) == (150.0, 190.0)
    assert wide.regions[0].low_hz == 0.0
    in_time = plant(PAIRS["onset + click, 40 ms"], n_tokens=N_TOKENS, seed=1)
    click = in_time.truth(1, in_time.agreeing())[1]
    blurred = click.blurred(*in_time.blur).regions[0]
    assert blurred.end - blurred.start == pytest.approx(click.regions[0].end - click.regions[0].start + 0.008)
    assert (blurred.low_hz, blurred.high_hz) == (click.regions[0].low_hz, click.regions[0].high_hz)


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
    corpus = plant(PAIRS["f0 + noise, 2000 Hz"], n_tokens=N_TOKENS, seed=2)
    low, high = ([corpus.waveforms[k] for k in corpus.positions(_classes(voice, 1))] for voice in (0, 1))
    level = [[20 * np.log10(np.sqrt(np.mean(w**2))) for w in part] for part in (low, high)]
    np.testing.assert_allclose(level[0], level[1], atol=0.3)


def test_the_same_seed_gives_the_same_tokens_and_fewer_are_the_first_of_more():
    pair = PAIRS["f1 + f2, 500 Hz"]
    few, many = plant(pair, n_tokens=10, seed=9), plant(pair, n_tokens=20, seed=9)
    for way in range(4):
        for token in range(10):
            np.testing.assert_array_equal(few.waveforms[way * 10 + token], many.waveforms[way * 20 + token])


def test_every_talker_says_both_classes_equally_often_and_seeds_share_no_talker():
    pair = PAIRS["f1 + f2, 500 Hz"]
    corpus = plant(pair, n_tokens=40, seed=9)
    classes, talkers = corpus.agreeing()[:, 0], np.array(corpus.carriers.talkers)
    for talker in set(talkers):
        spoken = classes[talkers == talker]
        assert len(spoken) == TOKENS_PER_TALKER
        assert spoken.mean() == 0.5
    assert not set(talkers) & set(plant(pair, n_tokens=40, seed=10).carriers.talkers)


def test_a_corpus_of_no_token_is_refused():
    with pytest.raises(CorpusError, match="at least one"):
        plant(PAIRS["f1 + f2, 500 Hz"], n_tokens=0)
