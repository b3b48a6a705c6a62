"""Verdicts: what an interval decides and what it leaves open, and what several parts of one sentence come to."""

import pytest

from phonoscope.judgement.claims import FAILS, HOLDS, OPEN, Claim, Finding, all_hold, by_sign, claims_table, holds_if


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.5, HOLDS), (-0.5, -0.1, FAILS), (-0.1, 0.5, OPEN), (-0.5, 0.1, OPEN), (0.0, 0.5, OPEN), (-0.5, 0.0, OPEN)],
)
def test_an_interval_decides_only_where_it_leaves_out_zero(low, high, verdict):
    assert by_sign(low, high) == verdict


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, OPEN], OPEN),
        ([OPEN, FAILS], FAILS),
        ([FAILS, HOLDS, OPEN], FAILS),
        ([], HOLDS),
    ],
)
def test_one_part_that_fails_refutes_a_sentence_and_one_that_is_open_leaves_it_open(parts, verdict):
    assert all_hold(parts) == verdict


def test_claims_are_numbered_in_their_order():
    claims = [Claim(str(n), f"says {n}", lambda bound, n=n: Finding(f"{n}", holds_if(n > bound), "")) for n in (1, 2)]
    table = claims_table(claims, 1)
    assert table["claim"].tolist() == [1, 2]
    assert table["verdict"].tolist() == [FAILS, HOLDS]
    assert claims_table([], None).columns.tolist() == table.columns.tolist()
