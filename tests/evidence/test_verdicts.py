"""Verdicts on measures: three answers, wrong one time in twenty at most over a whole table, none with too few units."""

import numpy as np
import pandas as pd
import pytest

from phonoscope.evidence.measures import MEASURES
from phonoscope.evidence.verdicts import BETTER, NO_BETTER, OPEN, chance_tests, with_verdicts

NAMES = ["deletion", "insertion", "ff-best", "infidelity", "causal-agreement-in-class", "filled-agreement-in-class"]


def table_of(excess, units):
    """A table of comparisons: excess (row, token) on the better side of chance, of tokens of so many units."""
    codes, rows = np.arange(excess.shape[1]) % units, []
    for number, values in enumerate(excess):
        name = NAMES[number % len(NAMES)]
        p, p_least = chance_tests(values, np.ones(len(values)), codes, MEASURES[name].least)
        sign = -1 if MEASURES[name].better == "lower" else 1
        rows.append({"measure": name, "excess": sign * values.mean(), "p": p, "p_least": p_least, "verdict": ""})
    return with_verdicts(pd.DataFrame(rows), MEASURES)


@pytest.mark.parametrize("family", ["normal", "skewed", "heavy"])
@pytest.mark.parametrize(("true", "wrong"), [(0.0, BETTER), (0.05, NO_BETTER)])
def test_a_table_holds_a_wrong_verdict_one_time_in_twenty_at_most(family, true, wrong):
    """Units differ from each other; the truth lies at the bound that the wrong verdict would need to be beyond."""
    random, units, tables = np.random.default_rng(0), 16, 60
    draws = {
        "normal": lambda size: random.normal(size=size),
        "skewed": lambda size: random.gamma(4.0, 0.5, size) - 2.0,
        "heavy": lambda size: random.standard_t(4, size) / np.sqrt(2),
    }[family]
    spoilt = 0
    for _ in range(tables):
        of_unit = 0.1 * draws((12, units))
        excess = true + of_unit[:, np.arange(64) % units] + 0.2 * draws((12, 64))
        spoilt += wrong in set(table_of(excess, units)["verdict"])
    assert spoilt <= 7  # of 60: one in twenty, and what chance adds to it one time in a hundred


def test_large_effects_and_none_at_all_are_told():
    random = np.random.default_rng(1)
    large = 0.5 + 0.2 * random.normal(size=(12, 80))
    none = -0.02 + 0.02 * random.normal(size=(12, 80))
    assert set(table_of(large, 20)["verdict"]) == {BETTER}
    assert set(table_of(none, 20)["verdict"]) == {NO_BETTER}
    wide = 0.03 + 0.5 * random.normal(size=(12, 80))
    assert set(table_of(wide, 20)["verdict"]) == {OPEN}


def test_the_more_comparisons_the_harder_it_is():
    random = np.random.default_rng(2)
    some = 0.12 + 0.2 * random.normal(size=(1, 36))
    assert table_of(some, 12)["verdict"].tolist() == [BETTER]
    among = np.concatenate([some, 0.3 * random.normal(size=(39, 36))])
    table = table_of(among, 12)
    assert table.loc[0, "verdict"] == OPEN
    assert table.loc[0, "p_corrected"] == pytest.approx(40 * table.loc[0, "p"], rel=0.1)


def test_fewer_than_six_units_have_no_verdict():
    table = table_of(1.0 + 0.01 * np.random.default_rng(3).normal(size=(3, 20)), 5)
    assert table["p"].isna().all()
    assert set(table["verdict"]) == {OPEN}


def test_rules_of_their_own_and_measures_without_chance_are_left_alone():
    rows = [
        {"measure": "randomisation", "excess": 0.4, "p": np.nan, "p_least": np.nan, "verdict": "fails"},
        {"measure": "incompleteness", "excess": np.nan, "p": np.nan, "p_least": np.nan, "verdict": ""},
    ]
    assert with_verdicts(pd.DataFrame(rows), MEASURES)["verdict"].tolist() == ["fails", ""]
