"""Intervals: closed forms, laws, and that they cover with few speakers and with few trainings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm, t

from phonoscope.judgement.intervals import (
    jackknife_interval,
    limits,
    mean_interval,
    standard_error,
    training_interval,
)


def test_the_interval_of_independent_values_is_students():
    values = np.random.default_rng(0).normal(3.0, 2.0, 15)
    interval = mean_interval(values)
    half = t.ppf(0.975, 14) * values.std(ddof=1) / np.sqrt(15) * np.sqrt(15 / 14)  # CR3
    assert interval.estimate == pytest.approx(values.mean())
    assert (interval.low, interval.high) == (pytest.approx(values.mean() - half), pytest.approx(values.mean() + half))
    assert (interval.n_units, interval.unit, interval.df) == (15, "token", pytest.approx(14))


def test_means_and_ratios_are_those_of_their_statistics():
    rng = np.random.default_rng(2)
    values, over, speaker = rng.normal(size=48), rng.uniform(1, 2, 48), np.repeat(np.arange(8), 6)
    mean = jackknife_interval(lambda w: w @ values / w.sum(axis=1), 48, speaker)
    assert np.allclose(mean_interval(values, speaker)[:3], mean[:3])
    ratio = jackknife_interval(lambda w: w @ values / (w @ over), 48, speaker)
    assert np.allclose(mean_interval(values, speaker, over=over)[:3], ratio[:3])


def test_a_mean_over_units_counts_every_speaker_the_same():
    speaker = np.repeat(np.arange(7), [100, 1, 1, 1, 1, 1, 1])
    hits = np.where(speaker == 0, 1.0, 0.0)
    hits[100] = 1.0
    of_units, pooled = (mean_interval(hits, speaker, of_units=each, scale="proportion") for each in (True, False))
    assert of_units.estimate == pytest.approx(2 / 7)
    assert pooled.estimate == pytest.approx(101 / 106)
    assert of_units.df == pytest.approx(6)
    assert pooled.df == 1.0  # as good as one speaker


def test_proportions_stay_between_0_and_1_and_a_flawless_test_has_wilsons_bound():
    nearly = mean_interval(np.r_[np.zeros(1), np.ones(59)], np.repeat(np.arange(6), 10), scale="proportion")
    assert 0 < nearly.low < nearly.estimate < nearly.high < 1
    flawless = mean_interval(np.ones(60), np.repeat(np.arange(6), 10), scale="proportion")
    assert flawless.high == 1.0
    assert flawless.low == pytest.approx(6 / (6 + norm.ppf(0.975) ** 2))
    same = mean_interval(np.zeros(60), np.repeat(np.arange(6), 10), scale="difference")
    assert same.low == pytest.approx(-same.high)
    assert same.high == pytest.approx(1 - flawless.low)


def test_fewer_than_six_units_give_no_interval():
    interval = mean_interval(np.arange(30.0), np.repeat(np.arange(5), 6))
    assert interval.estimate == pytest.approx(14.5)
    assert np.isnan([interval.low, interval.high, interval.p_above(0), interval.p_below(0)]).all()


@pytest.mark.parametrize("scale", ["plain", "proportion", "ratio"])
def test_p_and_interval_agree(scale):
    rng = np.random.default_rng(4)
    interval = mean_interval(rng.uniform(0.3, 0.6, 80), np.repeat(np.arange(8), 10), scale=scale)
    assert interval.p_above(interval.low) == pytest.approx(0.05)
    assert interval.p_below(interval.high) == pytest.approx(0.05)
    assert interval.p_above(interval.low - 0.01) < 0.05 < interval.p_above(interval.low + 0.01)
    assert interval.p_above(interval.high) == 1.0


def test_p_of_a_flawless_test_agrees_with_its_bound():
    flawless = mean_interval(np.ones(60), np.repeat(np.arange(6), 10), scale="proportion")
    assert flawless.p_above(flawless.low) == pytest.approx(0.05)
    assert flawless.p_above(0.5) < 0.05


def test_equal_trainings_change_nothing_and_different_ones_count():
    rng = np.random.default_rng(5)
    speaker, hits = np.repeat(np.arange(10), 20), rng.random((1, 200)) < 0.8
    one = mean_interval(hits, speaker, of_units=True, scale="proportion")
    same = mean_interval(np.repeat(hits, 3, axis=0), speaker, of_units=True, scale="proportion")
    assert np.allclose(one[:3], same[:3])
    assert (one.n_trainings, same.n_trainings, same.from_trainings) == (1, 3, 0.0)
    apart = mean_interval(np.stack([hits[0], np.ones(200), hits[0]]), speaker, of_units=True, scale="proportion")
    assert apart.high - apart.low > one.high - one.low
    assert apart.from_trainings > 0.3


def test_trainings_alone():
    interval = training_interval(np.array([0.5, 0.55, 0.6]))
    half = t.ppf(0.975, 2) * 0.05 / np.sqrt(3)
    assert (interval.low, interval.high) == (pytest.approx(0.55 - half), pytest.approx(0.55 + half))
    assert np.isnan(training_interval(np.array([0.5])).low)


@given(st.integers(6, 20), st.integers(0, 1000))
def test_intervals_do_not_depend_on_the_order_of_tokens(n_units, seed):
    rng = np.random.default_rng(seed)
    codes = np.r_[np.arange(n_units), rng.integers(0, n_units, 40)]
    values, order = rng.normal(size=len(codes)), rng.permutation(len(codes))
    assert np.allclose(mean_interval(values, codes)[:3], mean_interval(values[order], codes[order])[:3])


def covered(rates, hits_of, runs, true):
    """Coverage of accuracies over speakers (mean of units), all runs at once: rates (unit, training, run)."""
    of_units = hits_of(rates)
    observed = of_units.mean(axis=0)
    left_out = (of_units.sum(axis=0) - of_units) / (len(of_units) - 1)
    estimate, error, df, _ = standard_error(observed, left_out, np.ones((len(of_units), runs)), scale="proportion")
    low, high = limits(estimate, error, df, len(of_units), scale="proportion")
    return np.mean((low <= true) & (true <= high))


@pytest.mark.parametrize(("speakers", "least", "most"), [(6, 0.92, 0.99), (12, 0.93, 0.97), (32, 0.93, 0.97)])
def test_accuracies_of_speakers_who_differ_are_covered(speakers, least, most):
    """Beta(9.5, 0.5), unequal numbers of tokens; 4000 runs have a standard error of 0.4 points."""
    rng, runs = np.random.default_rng(0), 4000
    rates = rng.beta(9.5, 0.5, (speakers, 1, runs))
    n = np.maximum(5, rng.lognormal(np.log(40), 0.8, rates.shape)).astype(int)
    assert least - 0.008 <= covered(rates, lambda p: rng.binomial(n, p) / n, runs, 0.95) <= most + 0.008


def test_trainings_count_too():
    """Trainings that differ: with five of them a sixth is covered; one alone passes off its own luck as knowledge."""
    rng, runs, speakers = np.random.default_rng(1), 3000, 12
    centre = logit(0.8)
    deviation = rng.normal(0, 0.4, (speakers, 1, runs))
    luck = rng.normal(0, 0.5, (1, 5, runs))
    true = expit(centre + np.random.default_rng(2).normal(0, np.hypot(0.4, 0.5), 400_000)).mean()
    rates = expit(centre + deviation + luck)
    assert 0.92 <= covered(rates, lambda p: rng.binomial(50, p) / 50, runs, true) <= 0.98
    assert covered(rates[:, :1], lambda p: rng.binomial(50, p) / 50, runs, true) < 0.75


def test_tokens_taken_for_independent_do_not_cover():
    rng = np.random.default_rng(3)
    speaker = np.repeat(np.arange(12), 30)
    missed = 0
    for _ in range(200):
        values = rng.normal(size=12)[speaker] + rng.normal(size=360)
        missed += not mean_interval(values).low <= 0 <= mean_interval(values).high
    assert missed / 200 > 0.3
