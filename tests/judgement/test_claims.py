"""Verdicts: supported, contradicted or open; wrong one time in twenty at most, and decided where effects are large."""

import numpy as np
import pytest

from phonoscope.judgement.claims import (
    CONTRADICTED,
    OPEN,
    SUPPORTED,
    Claim,
    Finding,
    Judged,
    above,
    all_of,
    below,
    between,
    by_test,
    claims_json,
    claims_table,
    enough,
    more_often,
    unmeasured,
)
from phonoscope.judgement.intervals import Interval, mean_interval

RUNS = 400
WRONG = 0.05 + 2 * np.sqrt(0.05 * 0.95 / RUNS)  # what a rate of 5 % may look like in so many runs
SPEAKERS = np.repeat(np.arange(12), 10)


def speakers_mean(mean, rng, spread=0.3):
    """Values of 12 speakers who differ, from a family that the intervals were not chosen on."""
    return mean_interval(mean + rng.uniform(-spread, spread, 12)[SPEAKERS] + rng.laplace(0, 0.2, 120), SPEAKERS)


def verdicts(rule, mean):
    rng = np.random.default_rng(0)
    given = [rule(speakers_mean(mean, rng)).verdict() for _ in range(RUNS)]
    return {verdict: given.count(verdict) / RUNS for verdict in (SUPPORTED, CONTRADICTED, OPEN)}


@pytest.mark.parametrize(
    ("rule", "at_bound", "true", "false"),
    [
        (lambda i: above(i, 1.05), 1.05, 1.5, 0.6),
        (lambda i: below(i, 1.05), 1.05, 0.6, 1.5),
        (lambda i: between(i, 0.7, 1.3), 1.3, 1.0, 1.8),
        (lambda i: all_of([above(i, 1.05), above(i, 0.5)]), 1.05, 1.5, 0.6),
    ],
)
def test_verdicts_are_wrong_one_time_in_twenty_at_most_and_decide_where_the_effect_is_large(
    rule, at_bound, true, false
):
    at = verdicts(rule, at_bound)
    assert at[SUPPORTED] <= WRONG
    assert at[CONTRADICTED] <= WRONG
    assert verdicts(rule, true)[SUPPORTED] > 0.9
    assert verdicts(rule, false)[CONTRADICTED] > 0.9


def test_absence_of_evidence_refutes_nothing():
    """The audit's case: "nothing important" was said to hold in 67 % of runs in which it was false."""
    rng, said = np.random.default_rng(1), []
    unit = np.repeat(np.arange(6), 4)
    for _ in range(RUNS):
        share = 0.55 * 1.1 + rng.normal(0, 0.08, 6)[unit] + rng.normal(0, 0.1, 24)
        said.append(below(mean_interval(share / 0.55, unit, scale="ratio"), 1.05).verdict())
    assert said.count(SUPPORTED) / RUNS <= WRONG
    assert said.count(OPEN) / RUNS > 0.5


def test_rates_on_different_tokens_are_compared_without_taking_none_for_never():
    rng, wrong, right = np.random.default_rng(2), 0, 0
    unit = np.repeat(np.arange(12), 8)

    def rate(p):
        of_speakers = rng.beta(20 * p, 20 * (1 - p), 12)
        return mean_interval((rng.random(96) < of_speakers[unit]).astype(float), unit, scale="proportion")

    for _ in range(RUNS):
        wrong += more_often(rate(0.03), rate(0.03)).verdict() != OPEN
        right += more_often(rate(0.35), rate(0.03)).verdict() == SUPPORTED
    assert wrong / RUNS <= WRONG
    assert right / RUNS > 0.9
    never, seldom = (mean_interval(np.r_[np.ones(k), np.zeros(96 - k)], unit, scale="proportion") for k in (0, 2))
    assert more_often(seldom, never).verdict() == OPEN
    assert more_often(never, never).verdict() == OPEN


def test_few_units_decide_nothing():
    few = mean_interval(np.full(20, 0.99) + np.arange(20) * 1e-4, np.repeat(np.arange(5), 4), scale="proportion")
    assert above(few, 0.5).verdict() == OPEN
    assert enough(above(few, 0.5)) == ""


def test_parts_of_a_sentence_must_all_be_right_and_one_that_is_wrong_refutes_it():
    sure, open_, wrong = Judged(0.001, 1.0), Judged(0.3, 0.8), Judged(1.0, 0.001)
    unknown = Judged(np.nan, np.nan)
    assert all_of([sure, sure]).verdict() == SUPPORTED
    assert all_of([sure, open_]).verdict() == OPEN
    assert all_of([open_, wrong]).verdict() == CONTRADICTED
    assert all_of([sure, unknown]).verdict() == OPEN
    assert all_of([Judged(1.0, 0.03), *[open_] * 9]).verdict() == OPEN  # one of ten parts: corrected


def test_claims_are_corrected_for_their_number_and_numbered():
    interval = Interval(1.5, 1.1, 1.9, 12, "speaker", 0.18, 11.0)
    findings = {"sure": Judged(0.001, 1.0, 3.0, interval), "close": Judged(0.03, 1.0, 2.2, interval)}
    claims = [Claim("4.1", name, lambda c, f=each: Finding(c, f, "as is")) for name, each in findings.items()]
    claims.append(Claim("4.2", "unknown", lambda _c: unmeasured("no such class")))
    table = claims_table(claims, "1.5")
    assert table["claim"].tolist() == [1, 2, 3]
    assert table["verdict"].tolist() == [SUPPORTED, SUPPORTED, OPEN]
    assert table["p_holm"].tolist()[:2] == [0.002, 0.03]
    more = claims_table([*claims, claims[1]], "1.5")
    assert more["verdict"].tolist() == [SUPPORTED, OPEN, OPEN, OPEN]
    assert more.loc[1, "detail"] == "as is; about 28 speakers would be needed to tell"
    assert claims_json(table)[0] | {"detail": ""} == {
        "claim": "sure", "verdict": SUPPORTED, "estimate": 1.5, "low": 1.1, "high": 1.9, "n": 12, "unit": "speaker",
        "p_holm": 0.002, "detail": "",
    }  # fmt: skip
    assert claims_json(table)[2]["estimate"] is None
    assert claims_table([], None).columns.tolist() == table.columns.tolist()


def test_a_test_decides_for_its_side_only():
    assert by_test(0.01, positive=True).verdict() == SUPPORTED
    assert by_test(0.01, positive=False).verdict() == CONTRADICTED
    assert by_test(0.2, positive=False).verdict() == OPEN


def test_how_many_more_would_tell():
    near, nearer = (Interval(value, 0.8, 1.4, 12, "speaker", 0.15, 11.0) for value in (1.2, 1.06))
    assert enough(above(near, 1.05)) == "about 95 speakers would be needed to tell"
    assert enough(above(nearer, 1.05)) == "too near the bound for any practical number of speakers to decide"
    of_trainings = Interval(1.2, 0.8, 1.9, 24, "speaker", 0.2, 1.5, "ratio", 2, 0.9)
    assert enough(above(of_trainings, 1.05)).endswith("trainings would be needed to tell")
    assert enough(Judged(0.5, 0.5)) == ""


def test_as_many_units_as_it_says_do_tell():
    """Twelve speakers leave it open; with as many as it says, four out of five runs decide."""
    rng = np.random.default_rng(5)

    def draw(count):
        unit = np.repeat(np.arange(count), 5)
        return above(mean_interval(1.3 + rng.uniform(-1, 1, count)[unit] + rng.normal(0, 0.2, 5 * count), unit), 1.05)

    needed = round(12 * (2.8 / (0.25 / (np.sqrt(1 / 3 + 0.04 / 5) / np.sqrt(12)))) ** 2)
    told = np.mean([draw(needed).verdict() == SUPPORTED for _ in range(300)])
    assert 0.72 <= told <= 0.9
