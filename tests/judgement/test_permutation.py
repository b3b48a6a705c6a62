"""Sign-flip tests and Holm's correction: closed forms and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, wilcoxon

from phonoscope.judgement.permutation import holm, sign_flip_p


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
