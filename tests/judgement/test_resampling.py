"""Bootstrap samples that travel with their units: intervals widen where few were drawn."""

import numpy as np
import pytest

from phonoscope.judgement.resampling import Resampling, resample
from phonoscope.judgement.units import resampling_unit

SPEAKERS = np.repeat(np.arange(8), 3)


def test_whole_units_are_drawn():
    drawn = resample(resampling_unit(SPEAKERS, 24), 50, seed=4)
    assert (drawn.weights.sum(axis=1) == 24).all()
    assert drawn.n_units == 8
    assert (drawn.weights[:, ::3] == drawn.weights[:, 2::3]).all()


@pytest.mark.parametrize("chosen", [np.arange(6), SPEAKERS < 2])
def test_only_units_of_the_chosen_tokens_count(chosen):
    some = resample(resampling_unit(SPEAKERS, 24), 20).among(chosen)
    assert some.n_units == 2
    assert some.weights.shape == (20, 6)


def test_intervals_of_six_speakers_cover_and_raw_quantiles_do_not():
    random, misses, raw_misses, runs = np.random.default_rng(0), 0, 0, 400
    for run in range(runs):
        values = random.standard_normal(6)
        drawn = resample(resampling_unit(np.arange(6), 6), 400, seed=run)
        means = drawn.weights @ values / 6
        low, high = drawn.interval(means)
        misses += not low <= 0 <= high
        raw_low, raw_high = np.quantile(means, [0.025, 0.975])
        raw_misses += not raw_low <= 0 <= raw_high
    assert misses / runs < 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert raw_misses / runs > 0.08


def test_few_units_give_no_interval():
    low, high = Resampling(np.ones((10, 5)), np.arange(5)).interval(np.random.default_rng(0).random((10, 2)))
    assert np.isnan(low).all()
    assert np.isnan(high).all()
