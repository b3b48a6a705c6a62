"""Claims: sentences that can be tested, each with what was measured, a verdict, and what stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

HOLDS, PARTLY, FAILS, OPEN = "holds", "holds, but not for this class alone", "does not hold", "cannot be told"


class Finding(NamedTuple):
    """What was measured of a claim, in words, the verdict, and what it is to be read with."""

    measured: str
    verdict: str
    detail: str


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper, its section, and the function that measures it on whatever a task hands over."""

    section: str
    says: str
    measure: Callable[[Any], Finding]


def claims_table(claims: Iterable[Claim], context: Any) -> pd.DataFrame:
    """Measure claims.

    Parameters
    ----------
    claims
        In the order in which they are numbered.
    context
        What their functions take.

    Returns
    -------
    DataFrame
        ``claim`` (number), ``paper_section, paper_says, measured, verdict, detail``; no rows where there are no claims.
    """
    rows = [
        (number, claim.section, claim.says, *claim.measure(context)) for number, claim in enumerate(claims, start=1)
    ]
    return pd.DataFrame(rows, columns=["claim", "paper_section", "paper_says", "measured", "verdict", "detail"])


def unmeasured(reason: str) -> Finding:
    """What is said of a claim that cannot be measured here, and why."""
    return Finding("", OPEN, reason)


def holds_if(true: bool) -> str:
    """Verdict of a rule that decides either way."""
    return HOLDS if true else FAILS


def by_sign(low: float, high: float) -> str:
    """Verdict on "more than nothing" by the interval of a difference: open where it holds zero."""
    return HOLDS if low > 0 else FAILS if high < 0 else OPEN


def all_hold(verdicts: Iterable[str]) -> str:
    """Verdict on several parts of one sentence: one that fails refutes it, one that is open leaves it open."""
    parts = list(verdicts)
    return FAILS if FAILS in parts else OPEN if OPEN in parts else HOLDS
