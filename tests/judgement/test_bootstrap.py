"""Intervals and sign-flip tests: closed forms, laws, and coverage by simulation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, wilcoxon

from phonoscope.errors import PhonoscopeError
from phonoscope.judgement.bootstrap import (
    bootstrap_interval,
    holm,
    interval_of,
    mean_interval,
    mean_samples,
    resampling_unit,
    sign_flip_p,
    unit_sums,
    unit_weights,
    wilson_interval,
)


def mean_of(values):
    return lambda weights: weights @ values / weights.sum(axis=1)


def corpus(n_speakers, n_recordings, n_tokens):
    size = n_speakers * n_recordings * n_tokens
    speaker = np.repeat(np.arange(n_speakers), size // n_speakers)
    recording = np.tile(np.repeat(np.arange(n_recordings), n_tokens), n_speakers)
    return pd.DataFrame({"speaker": speaker, "recording": recording})


def test_highest_level_with_enough_units_is_resampled():
    assert resampling_unit(corpus(6, 2, 2), 24)[1:] == ("speaker", 6, "")
    one_speaker = resampling_unit(corpus(1, 8, 3), 24)
    assert one_speaker[1:] == ("recording", 8, "holds for these only: 1 speaker")
    few = resampling_unit(corpus(2, 2, 10), 40)
    assert few[1:] == ("token", 40, "holds for these only: 2 speakers, 4 recordings")
    assert resampling_unit(None, 9)[1:] == ("token", 9, "")


def test_recordings_of_two_speakers_with_one_name_are_two():
    table = pd.DataFrame({"speaker": ["a", "a", "b", "b"] * 2, "recording": ["1.wav"] * 8})
    assert resampling_unit(table, 8, min_units=2).n_units == 2
    nested = resampling_unit(pd.DataFrame({"corpus": ["x"] * 8} | dict(table.items())), 8, min_units=2)
    assert nested.level == "speaker"
    by_recording = resampling_unit(table.assign(speaker=["a", "b", "c", "d"] * 2), 8, min_units=4)
    assert by_recording.n_units == 4


def test_missing_speaker_is_not_one_big_speaker():
    recording = np.repeat([f"r{i}" for i in range(7)], 2)
    unknown = pd.DataFrame({"speaker": [pd.NA] * 14, "recording": recording})
    assert resampling_unit(unknown, 14)[1:3] == ("recording", 7)
    partly = pd.DataFrame({"speaker": ["a"] * 4 + [pd.NA] * 10, "recording": recording})
    assert resampling_unit(partly, 14)[1:3] == ("speaker", 6)
    nothing_known = pd.DataFrame({"speaker": ["a"] * 4 + [pd.NA] * 10})
    assert resampling_unit(nothing_known, 14)[1:3] == ("speaker", 11)


def test_wrong_number_of_clusters_is_refused():
    with pytest.raises(PhonoscopeError, match="3 rows for 5 tokens"):
        resampling_unit(["a", "b", "c"], 5)


def test_unit_weights_and_sums_agree_with_drawing_tokens():
    rng = np.random.default_rng(3)
    codes, values = rng.integers(0, 6, 40), rng.normal(size=(40, 2))
    codes[:6] = range(6)
    weights = unit_weights(6, 50, seed=1)
    assert (weights.sum(axis=1) == 6).all()
    assert weights @ unit_sums(values, codes, 6) == pytest.approx(weights[:, codes] @ values)
    drawn = weights[:, codes]
    assert mean_samples(values, codes, 50, seed=1) == pytest.approx(drawn @ values / drawn.sum(axis=1)[:, None])


def test_intervals_of_means_and_of_ratios_are_those_of_their_statistics():
    rng, table = np.random.default_rng(2), corpus(8, 2, 3)
    values, over = rng.normal(size=48), rng.uniform(1, 2, 48)
    assert mean_interval(values, table, seed=3) == bootstrap_interval(mean_of(values), 48, table, seed=3)
    ratio = bootstrap_interval(lambda w: w @ values / (w @ over), 48, table)
    assert mean_interval(values, table, over=over) == ratio


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_bootstrap_of_a_mean_is_close_to_the_normal_interval(method):
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    interval = bootstrap_interval(mean_of(values), 400, method=method, n_bootstrap=4000)
    half = 1.96 * values.std() / 20
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.1 * half)
    assert (interval.n_units, interval.unit) == (400, "token")


def test_same_seed_same_interval_and_order_of_tokens_does_not_matter():
    values, table = np.random.default_rng(0).normal(size=60), corpus(10, 2, 3)
    first = bootstrap_interval(mean_of(values), 60, table, seed=5)
    assert first == bootstrap_interval(mean_of(values), 60, table, seed=5)
    assert first != bootstrap_interval(mean_of(values), 60, table, seed=6)


def test_one_token_has_no_interval():
    interval = bootstrap_interval(mean_of(np.array([2.0])), 1)
    assert interval.estimate == 2.0
    assert np.isnan([interval.low, interval.high]).all()


def test_bca_shifts_towards_the_long_tail():
    values = np.random.default_rng(1).exponential(size=40)
    plain = bootstrap_interval(mean_of(values), 40, n_bootstrap=4000)
    corrected = bootstrap_interval(mean_of(values), 40, n_bootstrap=4000, method="bca")
    assert corrected.low > plain.low
    assert corrected.high > plain.high


def test_interval_skips_samples_without_a_value_and_gives_up_without_any():
    samples = np.column_stack([np.r_[np.full(50, np.nan), np.arange(101.0)], np.full(151, np.nan)])
    low, high = interval_of(samples, confidence=0.9)
    assert (low[0], high[0]) == (pytest.approx(5.0), pytest.approx(95.0))
    assert np.isnan([low[1], high[1]]).all()


def _coverage(*, speaker_sd, n_runs=150, clusters="given", n_speakers=20):
    table = corpus(n_speakers, 2, 3)
    covered = 0
    for run in range(n_runs):
        rng = np.random.default_rng(run)
        values = rng.normal(0.0, speaker_sd, n_speakers)[table["speaker"]] + rng.normal(size=len(table))
        given_clusters = table if clusters == "given" else None
        interval = bootstrap_interval(mean_of(values), len(table), given_clusters, n_bootstrap=200, seed=run)
        covered += interval.low <= 0.0 <= interval.high
    return covered / n_runs


def test_coverage_by_simulation():
    # 150 runs: standard error about 1.8 %
    assert 0.90 <= _coverage(speaker_sd=1.0) <= 0.99
    assert 0.90 <= _coverage(speaker_sd=0.0) <= 0.99
    assert 0.90 <= _coverage(speaker_sd=1.0, n_speakers=7) <= 0.99
    # and tokens taken as independent although speakers differ: the mistake that clusters are for
    assert _coverage(speaker_sd=1.0, clusters="ignored") < 0.75


def test_sign_flip_is_exact_for_few_units():
    assert sign_flip_p(np.arange(1.0, 7.0)[:, None]) == pytest.approx(2 / 2**6)
    scores = np.array([3.0, -1.0, 2.0, 4.0, -0.5, 1.0, 2.5])
    sums = np.abs([sum(s * x for s, x in zip(signs, scores, strict=True)) for signs in _all_signs(7)])
    assert sign_flip_p(scores[:, None])[0] == pytest.approx(np.mean(sums >= abs(scores.sum()) - 1e-12))


def _all_signs(n):
    return [[1 - 2 * (code >> i & 1) for i in range(n)] for code in range(2**n)]


def test_sign_flip_on_ranks_is_wilcoxon():
    ranks = np.arange(1.0, 12.0) * np.array([1, 1, -1, 1, 1, 1, -1, 1, 1, -1, 1])
    assert sign_flip_p(ranks[:, None])[0] == pytest.approx(wilcoxon(ranks, method="exact").pvalue)


def test_sign_flip_of_nothing_is_one_and_of_nan_is_nan():
    scores = np.zeros((20, 2))
    scores[0, 1] = np.nan
    p = sign_flip_p(scores)
    assert p[0] == 1.0
    assert np.isnan(p[1])


def test_sign_flip_sampled_agrees_with_exact():
    scores = np.random.default_rng(0).normal(0.3, 1.0, (13, 1))
    sampled, exact = sign_flip_p(scores, 8000, seed=2)[0], sign_flip_p(scores, 2**13)[0]
    assert sampled == pytest.approx(exact, abs=4 * np.sqrt(exact / 8000))


def test_holm_by_hand():
    adjusted = holm([0.01, np.nan, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, np.nan, 0.06, 0.06, 0.02], nan_ok=True)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_holm_lies_between_the_raw_p_and_bonferroni(p):
    adjusted = holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1.0, np.array(p) * len(p)) + 1e-15).all()
    assert (adjusted >= false_discovery_control(p) - 1e-12).all()


def test_wilson_by_hand_and_at_the_edges():
    low, high = wilson_interval(8, 10)
    assert (low, high) == (pytest.approx(0.4901625, abs=1e-6), pytest.approx(0.9433178, abs=1e-6))
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)
    assert wilson_interval(10, 10)[0] == pytest.approx(1 - wilson_interval(0, 10)[1])
    assert np.isnan(wilson_interval(0, 0)).all()
