"""Overlap of class profiles against confusions: a rank correlation whose test renames whole classes."""

import itertools

import numpy as np
import pandas as pd
import pytest

from phonoscope.phonetics.overlap import overlap_against_confusions


def tables(alike, rates):
    names = [f"c{i}" for i in range(len(alike))]
    pairs = list(itertools.combinations(range(len(names)), 2))
    correlations = pd.DataFrame([(names[i], names[j], alike[i][j]) for i, j in pairs],
                                columns=["label_a", "label_b", "r"])  # fmt: skip
    confusions = pd.DataFrame(
        [(a, b, rates[i][j]) for i, a in enumerate(names) for j, b in enumerate(names)],
        columns=["true", "predicted", "row_percent"],
    )
    return correlations, confusions


def distances(points):
    return -np.abs(np.subtract.outer(points, points))


def test_classes_that_are_alike_and_confused_are_found_by_every_order_of_the_classes():
    points = np.array([0.0, 1.0, 3.0, 7.0, 15.0])
    alike = distances(points)
    found = overlap_against_confusions(*tables(alike, np.exp(alike)))
    assert found.rho == pytest.approx(1)
    assert found.p == pytest.approx(1 / 120)
    assert found.pairs == 10
    assert "all orders" in found.note
    assert overlap_against_confusions(*tables(alike, -alike)).rho == pytest.approx(-1)
    assert overlap_against_confusions(*tables(alike, -alike)).p == pytest.approx(1)


def test_random_overlaps_are_rarely_significant():
    random = np.random.default_rng(0)
    p = []
    for _ in range(200):
        a, b = distances(random.normal(size=5)), distances(random.normal(size=5))
        p.append(overlap_against_confusions(*tables(a, np.exp(b))).p)
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(p) == pytest.approx(0.5, abs=0.08)


def test_many_classes_are_renamed_at_random_and_both_directions_count():
    points = np.arange(9.0) ** 1.3
    alike = distances(points)
    rates = np.exp(alike) * np.triu(np.ones((9, 9)))
    found = overlap_against_confusions(*tables(alike, rates), seed=1)
    assert found.rho == pytest.approx(1)
    assert found.p == pytest.approx(1 / 5000)
    assert "random" in found.note


def test_too_few_pairs_and_no_confusions_are_said():
    alike = distances(np.arange(3.0))
    assert np.isnan(overlap_against_confusions(*tables(alike, alike)).rho)
    nothing = overlap_against_confusions(*tables(distances(np.arange(5.0)), np.zeros((5, 5))))
    assert np.isnan(nothing.rho)
    assert "confused" in nothing.note
