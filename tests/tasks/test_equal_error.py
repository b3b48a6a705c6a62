"""Equal error rates: known scores, laws, and intervals that cover the truth as often as they promise."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

from phonoscope.tasks.spoof.equal_error import equal_error_interval, equal_error_rate, equal_error_rates


def test_equal_error_rates_of_separated_equal_and_swapped_scores():
    spoofed = np.array([False] * 10 + [True] * 10)
    assert equal_error_rate(spoofed, np.arange(20.0)) == 0
    assert equal_error_rate(spoofed, -np.arange(20.0)) == 1
    assert equal_error_rate(spoofed, np.zeros(20)) == pytest.approx(0.5)
    # One of ten real ones scores above one of ten spoofed ones.
    scores = np.arange(20.0)
    scores[[9, 10]] = scores[[10, 9]]
    assert equal_error_rate(spoofed, scores) == pytest.approx(0.1)
    assert np.isnan(equal_error_rate(spoofed, scores, np.where(spoofed, 1.0, 0.0)))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=30), st.integers(1, 4))
def test_equal_error_rate_ignores_copies_and_monotone_changes_and_mirrors(pairs, copies):
    spoofed = np.array([a for a, _ in pairs] + [True, False])
    scores = np.array([float(b) for _, b in pairs] + [3.0, 4.0])
    rate = equal_error_rate(spoofed, scores)
    assert 0 <= rate <= 1
    assert equal_error_rate(spoofed, scores**3 + scores) == pytest.approx(rate)
    assert equal_error_rate(spoofed, scores, np.full(len(scores), float(copies))) == pytest.approx(rate)
    assert equal_error_rate(np.tile(spoofed, 2), np.tile(scores, 2)) == pytest.approx(rate)
    assert equal_error_rate(~spoofed, -scores) == pytest.approx(rate)
    assert equal_error_rate(spoofed, -scores) == pytest.approx(1 - rate)


def test_weights_count_recordings_as_often_as_they_say():
    random = np.random.default_rng(0)
    spoofed, scores = random.random(40) < 0.4, random.standard_normal(40).round(1)
    weights = random.integers(0, 4, (6, 40))
    expected = [equal_error_rate(np.repeat(spoofed, row), np.repeat(scores, row)) for row in weights]
    np.testing.assert_allclose(equal_error_rates(spoofed, scores, weights.astype(float)), expected)


def test_it_is_where_the_curve_of_both_errors_meets():
    """A slow twin: the corner points of the ROC, joined by lines, against the line of equal errors."""
    random = np.random.default_rng(1)
    for _ in range(50):
        spoofed, scores = random.random(25) < 0.5, random.integers(0, 8, 25).astype(float)
        spoofed[:2] = True, False
        steps = [-np.inf, *sorted(set(scores))]
        points = [((scores[spoofed] <= t).mean(), (scores[~spoofed] > t).mean()) for t in steps]
        fine = np.concatenate([np.linspace(a, b, 2001) for a, b in pairwise(points)])
        nearest = fine[np.abs(fine[:, 0] - fine[:, 1]).argmin()]
        assert equal_error_rate(spoofed, scores) == pytest.approx(nearest.mean(), abs=1e-3)


def two_gaussians(distance: float, spread: float, speakers: int, takes: int, random: np.random.Generator):
    """Scores of real and spoofed recordings of speakers who differ from each other by `spread`."""
    own = np.repeat(np.arange(speakers), takes)
    shift = random.normal(0, spread, speakers)[own]
    sides = [(truth, shift + side * distance + random.standard_normal(len(own)))
             for side, truth in enumerate(("real", "spoofed"))]  # fmt: skip
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "speaker": own.astype(str),
                    "recording": [f"{truth}-{i}" for i in range(len(own))],
                    "truth": truth,
                    "score": score,
                }
            )
            for truth, score in sides
        ],
        ignore_index=True,
    )


@pytest.mark.parametrize(
    ("distance", "spread", "speakers", "takes"), [(1.0, 0.0, 60, 1), (1.0, 0.7, 20, 5), (2.5, 0.7, 30, 3)]
)
def test_intervals_cover_the_equal_error_rate_of_two_gaussians(distance, spread, speakers, takes):
    """Scores N(0, v) and N(d, v) have the equal error rate Φ(−d / 2√v); of 100 intervals 95 should hold it."""
    random = np.random.default_rng(0)
    truth = norm.cdf(-distance / 2 / np.sqrt(1 + spread**2))
    found = [equal_error_interval([two_gaussians(distance, spread, speakers, takes, random)]) for _ in range(100)]
    covered = sum(one.low <= truth <= one.high for one in found)
    # Fewer than so many would happen once in a thousand if 95 % were the truth; all of them is no sign of a fault,
    # but intervals as wide as chance itself would be.
    assert covered >= binom.ppf(0.001, 100, 0.95)
    assert np.mean([one.estimate for one in found]) == pytest.approx(truth, abs=0.02)
    assert np.mean([one.high - one.low for one in found]) < 6 * np.std([one.estimate for one in found])


def test_clusters_make_intervals_wider_and_few_units_are_owned_up_to():
    random = np.random.default_rng(2)
    table = two_gaussians(1.0, 1.0, 12, 20, random)
    clustered = equal_error_interval([table])
    # Where whole speakers are on one side, their number is what counts.
    apart = table[table["truth"].eq("real") == table["speaker"].astype(int).mod(2).eq(0)]
    alone = equal_error_interval([apart.assign(speaker=pd.NA)])
    assert equal_error_interval([apart]).high - equal_error_interval([apart]).low > 1.5 * (alone.high - alone.low)
    assert clustered.low < clustered.estimate < clustered.high
    both = equal_error_interval([table, table])
    assert both[:3] == clustered[:3]
    assert both.n_trainings == 2
    one_each = table.groupby("truth").head(1)
    assert np.isnan(equal_error_interval([one_each]).low)
