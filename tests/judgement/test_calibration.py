"""Confidence beside accuracy: chance, verdicts, bins."""

import numpy as np

from phonoscope.judgement.calibration import OPEN, OVER, UNDER, calibration, reliability


def answers(shift, n=600, seed=0):
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.5, 0.95, n)
    return confidence, random.random(n) < np.clip(confidence - shift, 0, 1)


def test_a_calibrated_model_scores_what_chance_gives_and_others_more():
    found = calibration(*answers(0.0))
    assert found["error"] < found["chance_high"]
    assert found["verdict"] == OPEN
    assert calibration(*answers(0.2))["verdict"] == OVER
    assert calibration(*answers(-0.2))["verdict"] == UNDER
    assert calibration(*answers(0.2))["error_low"] > calibration(*answers(0.2))["chance_high"]


def test_bins_are_equally_large_and_hold_every_token():
    confidence, right = answers(0.1)
    table = reliability(confidence, right, np.repeat(np.arange(60), 10))
    assert table["n"].tolist() == [60] * 10
    assert table["confidence"].is_monotonic_increasing
    assert np.isclose((table["n"] * table["accuracy"]).sum(), right.sum())
    assert reliability(np.full(20, 0.9), np.ones(20))["n"].tolist() == [20]
