"""Differences of means by units: calibrated, and never by tokens."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phonoscope.judgement.differences import difference_test


def test_difference_of_unrelated_groups_is_calibrated():
    rng = np.random.default_rng(0)
    clusters = pd.DataFrame({"speaker": np.arange(12).repeat(5)})
    p = []
    for _ in range(400):
        groups = [rng.normal(0, 1, 60) + rng.normal(0, 1, 12).repeat(5) for _ in range(2)]
        p.append(difference_test(*groups, (clusters, clusters), paired=False)["p"])
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.08  # taking tokens as units gives 0.3


def test_pairs_are_tested_by_units_not_tokens():
    speaker = pd.DataFrame({"speaker": np.arange(8).repeat(50)})
    first = np.ones(400)
    second = np.where(speaker["speaker"] < 1, 0.0, 1.0)  # one speaker makes all of the difference
    found = difference_test(first, second, (speaker, speaker), paired=True)
    assert found["difference"] == pytest.approx(1 / 8)
    assert found["low"] < 0 < found["high"]
    assert found["p"] > 0.3
    assert found["n_units"] == 8


def test_too_few_units_have_no_p():
    found = difference_test(np.ones(4), np.zeros(4), (None, None), paired=True)
    assert np.isnan(found["p"])


def test_a_side_without_tokens_is_unknown():
    found = difference_test(np.ones(4), np.array([]), (None, None), paired=False)
    assert np.isnan(found["difference"])
    assert (found["n_first"], found["n_second"], found["test"]) == (4, 0, "no token")
