"""Patterns of signs and Holm's correction: closed forms and laws."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from phonoscope.judgement.permutation import holm, sign_flips


def test_few_units_have_all_their_patterns_and_many_a_random_sample():
    every = np.concatenate(list(sign_flips(3, 8, 5)))
    assert sorted(map(tuple, every)) == sorted(itertools.product((-1.0, 1.0), repeat=3))
    blocks = list(sign_flips(40, 100, 30, seed=2))
    assert [len(block) for block in blocks] == [30, 30, 30, 10]
    assert abs(np.concatenate(blocks).mean()) < 0.1
    assert np.array_equal(np.concatenate(blocks), np.concatenate(list(sign_flips(40, 100, 30, seed=2))))


def test_holm_by_hand():
    adjusted = holm([0.01, np.nan, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, np.nan, 0.06, 0.06, 0.02], nan_ok=True)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_holm_lies_between_the_raw_p_and_bonferroni(p):
    adjusted = holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1.0, np.array(p) * len(p)) + 1e-15).all()
    assert (adjusted >= false_discovery_control(p) - 1e-12).all()
