"""Reverse correlation of listeners with a planted template, and of one who answers at random."""

import numpy as np
import pytest
from scipy.special import expit

from phonoscope.errors import PerceptionError
from phonoscope.perception.images import classification_image

ROWS, COLUMNS = 10, 6


def trials(template, count=4000, tokens=4, seed=0, soft=False):
    rng = np.random.default_rng(seed)
    cells, token = rng.normal(size=(count, ROWS, COLUMNS)), rng.integers(tokens, size=count)
    p = expit((cells * template).sum((1, 2)) + np.linspace(-1, 1, tokens)[token])
    return cells, p if soft else (rng.random(count) < p).astype(float), token


@pytest.fixture
def template():
    planted = np.zeros((ROWS, COLUMNS))
    planted[6:8, 1:4], planted[2, 2:5] = 0.5, -0.5
    return planted


@pytest.mark.parametrize("soft", [False, True])
def test_a_planted_template_is_recovered_cell_by_cell(template, soft):
    cells, answered, tokens = trials(template, soft=soft)
    found = classification_image(cells, answered, tokens, shuffles=100)
    assert np.corrcoef(found.weights.ravel(), template.ravel())[0, 1] > 0.9
    assert found.explained > 0.1
    assert (found.cluster[template != 0] > 0).mean() > 0.9
    assert (found.cluster[template == 0] > 0).mean() < 0.1
    significant = found.clusters[found.clusters["p"] < 0.05]
    assert sorted(significant["sign"]) == [-1, 1]


def test_answers_at_random_have_clusters_one_time_in_twenty():
    hits = 0
    for seed in range(40):
        cells, answered, tokens = trials(np.zeros((ROWS, COLUMNS)), count=300, seed=seed)
        found = classification_image(cells, answered, tokens, shuffles=60, seed=seed)
        hits += bool((found.clusters["p"] < 0.05).any())
    assert hits <= 6


def test_wrong_trials_are_refused():
    cells, answered, tokens = trials(np.zeros((ROWS, COLUMNS)), count=200)
    with pytest.raises(PerceptionError, match="too few"):
        classification_image(cells[:50], answered[:50], tokens[:50])
    with pytest.raises(PerceptionError, match="all answers are the same"):
        classification_image(cells, np.ones(200), tokens)
    with pytest.raises(PerceptionError, match="expected"):
        classification_image(cells, answered[:-1], tokens)
