"""A ratio that became worse is told from noise, at a rate of false alarms that is known in closed form."""

import math
from importlib import import_module
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

ROUNDS = 5
ORDERS = math.comb(2 * ROUNDS, ROUNDS)
TRIALS = 600


@pytest.fixture
def stored(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1])
    return import_module("benchmarks.stored")


def alarms(stored, spread, loss=0.0, rounds=ROUNDS):
    """Share of made-up pairs of runs in which the second, `loss` worse, is called so."""
    rng = np.random.default_rng(0)
    pairs = np.exp(spread * rng.standard_normal((TRIALS, 2, rounds)))
    pairs[:, 1] *= 1 - loss
    return np.mean([stored.worse("x", before, now, more_is_better=True) is not None for before, now in pairs])


def test_of_all_orders_of_ten_rounds_two_are_called_worse(stored, monkeypatch):
    """Whatever the noise: those with at most one pair in the wrong order, of 252 that are equally likely."""
    monkeypatch.setattr(stored, "LEAST_LOSS", 0.0)
    monkeypatch.setattr(np, "percentile", lambda side, places: np.zeros(2))  # no spread: ranks decide
    places = range(1, 2 * ROUNDS + 1)
    orders = [(now, [one for one in places if one not in now]) for now in combinations(places, ROUNDS)]
    worse = [now for now, before in orders if stored.worse("x", before, now, more_is_better=True)]
    assert len(orders) == ORDERS
    assert worse == [(1, 2, 3, 4, 5), (1, 2, 3, 4, 6)]


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.4])
def test_noise_is_no_alarm(stored, spread):
    assert alarms(stored, spread) <= 2 / ORDERS


@pytest.mark.parametrize(("spread", "loss"), [(0.02, 0.15), (0.05, 0.3), (0.1, 0.5)])
def test_a_real_slowdown_is_found(stored, spread, loss):
    assert alarms(stored, spread, loss) > 0.95


def test_a_small_slowdown_is_no_alarm_however_certain(stored):
    assert alarms(stored, 0.001, 0.08) == 0
    assert alarms(stored, 0.001, 0.12) == 1


def test_where_less_is_better_the_other_direction_is_worse(stored):
    low, high = [1.0, 1.01, 1.02, 0.99, 0.98], [1.5, 1.51, 1.49, 1.52, 1.48]
    assert stored.worse("x", high, low, more_is_better=True) is not None
    assert stored.worse("x", low, high, more_is_better=True) is None
    assert stored.worse("x", low, high, more_is_better=False) is not None
    assert stored.worse("x", high, low, more_is_better=False) is None


def test_too_few_rounds_and_curves_of_growth_are_not_judged(stored):
    assert stored.worse("x", [2.0] * 4, [1.0] * 5, more_is_better=True) is None
    row = {"what": "x", "curve": [[1, 1], [2, 2]], "bar": {"at_least": False}, "ratios": [1.0] * 5}
    worse = {**row, "ratios": [2.0, 2.1, 2.2, 2.3, 2.4]}
    assert stored.regressions([worse], {"results": [row]}) == []
    plain = [{**one, "curve": []} for one in (row, worse)]
    assert [one.what for one in stored.regressions(plain[1:], {"results": plain[:1]})] == ["x"]
    assert stored.regressions(plain[1:], {"results": []}) == []
    without_peer = {**plain[1], "bar": {"at_least": False, "absolute": True}}
    assert stored.regressions([without_peer], {"results": plain[:1]}) == []


def test_what_is_stored_is_read_back_in_short(stored, tmp_path):
    row = {"what": "x [1, 2]", "ratios": (1.23456789, 2.0), "curve": [[1000.0, 0.000123456]], "note": "a  b"}
    stored.store("sums", [row], {"date": "2026-01-01"}, tmp_path)
    found = stored.read_stored("sums", tmp_path)
    assert found["results"] == [{**row, "ratios": [1.2346, 2.0], "curve": [[1000.0, 0.00012346]]}]
    assert '"ratios": [1.2346, 2.0]' in (tmp_path / "sums.json").read_text(encoding="utf-8")
    assert stored.read_stored("products", tmp_path) is None
