"""Claims: sentences that can be tested, each with a verdict of three values, right nineteen times in twenty.

A claim is *supported* or *contradicted* only by an interval that lies clear of a stated bound; what an interval leaves
open *cannot be told*, and then it is said about how many units it would take. Absence of evidence decides nothing.
All claims of a report are corrected together (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtr, stdtrit

from phonoscope.judgement.intervals import Interval
from phonoscope.judgement.permutation import holm

SUPPORTED, CONTRADICTED, OPEN = "supported", "contradicted", "cannot be told"
ALPHA = 0.05
_FAR = 100  # no one records a hundred times as many speakers
_LEAST_WIDTH = 1e-9  # of half an interval
_FEW_TRAININGS = 5  # with fewer, how much they differ is hardly known

# Smallest effects that count, unless a recipe says otherwise; see ``docs/rooms/statistics.md``.
SMALLEST_EFFECTS = {
    "share": 0.05,  # of chance: a share within 0.95 to 1.05 times chance is practically at chance
    "accuracy": 0.01,  # a difference of one point or less is none
    "correlation": 0.5,  # from which on two profiles are called alike
}


class Judged(NamedTuple):
    """How an interval stands to what a sentence says.

    Attributes
    ----------
    p_for, p_against
        Two-sided p of what the sentence denies, and of what it says; NaN where there is no interval.
    errors
        How many standard errors the estimate lies from the nearest bound; NaN if that is not known.
    interval
        What decides; None where none does.
    """

    p_for: float
    p_against: float
    errors: float = float("nan")
    interval: Interval | None = None

    @property
    def p(self) -> float:
        """The smaller p, which is corrected for the number of claims."""
        return float(np.fmin(self.p_for, self.p_against))

    def verdict(self, p: float | None = None) -> str:
        """Verdict by a p that was corrected for the number of claims; by its own by default."""
        p = self.p if p is None else p
        if not p < ALPHA:
            return OPEN
        return SUPPORTED if self.p_for <= self.p_against or np.isnan(self.p_against) else CONTRADICTED


class Finding(NamedTuple):
    """What was measured of a claim, in words, how it stands to the claim, and what it is to be read with."""

    measured: str
    judged: Judged
    detail: str


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper, its section, and the function that measures it on whatever a task hands over."""

    section: str
    says: str
    measure: Callable[[Any], Finding]


COLUMNS = (
    "claim", "paper_section", "paper_says", "measured", "verdict", "estimate", "low", "high", "n", "unit",
    "p", "p_holm", "detail",
)  # fmt: skip


def claims_table(claims: Iterable[Claim], context: Any) -> pd.DataFrame:
    """Measure claims, and correct them for their number.

    Parameters
    ----------
    claims
        In the order in which they are numbered.
    context
        What their functions take.

    Returns
    -------
    DataFrame
        ``claim`` (number), ``paper_section, paper_says, measured, verdict``; ``estimate, low, high`` (95 %), ``n``
        units and ``unit``; ``p`` and ``p_holm``, by which the verdict is reached; ``detail``. No rows where there are
        no claims.
    """
    measured = [(claim, claim.measure(context)) for claim in claims]
    adjusted = holm([finding.judged.p for _, finding in measured])
    rows = []
    for number, ((claim, (words, judged, detail)), p) in enumerate(zip(measured, adjusted, strict=True), start=1):
        verdict, interval = judged.verdict(p), judged.interval
        numbers = (np.nan, np.nan, np.nan, pd.NA, "") if interval is None else (
            interval.estimate, interval.low, interval.high, interval.n_units, interval.unit
        )  # fmt: skip
        notes = [detail, enough(judged, len(measured)) if verdict == OPEN else ""]
        row = (number, claim.section, claim.says, words, verdict, *numbers, judged.p, p, "; ".join(filter(None, notes)))
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n": "Int64"})


def claims_json(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Claims as JSON values: ``claim`` (the sentence), ``verdict, estimate, low, high, n, unit, p_holm, detail``."""
    named = table.assign(claim=table["paper_says"])
    columns = ("claim", "verdict", "estimate", "low", "high", "n", "unit", "p_holm", "detail")
    return [{name: None if pd.isna(row[name]) else row[name] for name in columns} for row in named.to_dict("records")]


def unmeasured(reason: str) -> Finding:
    """What is said of a claim that cannot be measured here, and why."""
    return Finding("", Judged(np.nan, np.nan), reason)


def above(interval: Interval, bound: float) -> Judged:
    """How an interval stands to "more than `bound`"."""
    return Judged(interval.p_above(bound), interval.p_below(bound), interval.errors_from(bound), interval)


def below(interval: Interval, bound: float) -> Judged:
    """How an interval stands to "less than `bound`"."""
    return Judged(interval.p_below(bound), interval.p_above(bound), interval.errors_from(bound), interval)


def between(interval: Interval, low: float, high: float) -> Judged:
    """How an interval stands to "practically the same": two one-sided tests (Schuirmann 1987).

    Parameters
    ----------
    interval
        Of what was measured.
    low, high
        Bounds between which a value counts as the same.
    """
    inside = max(interval.p_above(low), interval.p_below(high))
    outside = min(interval.p_below(low), interval.p_above(high))
    return Judged(inside, outside, interval.errors_from(low, high), interval)


def all_of(parts: Sequence[Judged]) -> Judged:
    """How several parts of one sentence stand together: all must be right, and one that is wrong refutes it.

    The least certain part decides that it is right (no correction is needed), the surest that it is wrong, corrected
    for the number of parts.
    """
    weakest = max(parts, key=lambda part: part.p_for if np.isfinite(part.p_for) else np.inf)
    worst = min(parts, key=lambda part: part.p_against if np.isfinite(part.p_against) else np.inf)
    against = float(np.minimum(1.0, len(parts) * worst.p_against))
    deciding = worst if against < weakest.p_for else weakest
    return Judged(weakest.p_for, against, deciding.errors, deciding.interval)


def more_often(first: Interval, second: Interval) -> Judged:
    """How two rates on different tokens stand to "the first is higher".

    The interval of their difference is made of the intervals of both (Newcombe 1998), so a rate of zero in few speakers
    is not taken for never.
    """
    difference = first.estimate - second.estimate
    down, up = (
        float(np.hypot(a, b))
        for a, b in (
            (first.estimate - first.low, second.high - second.estimate),
            (first.high - first.estimate, second.estimate - second.low),
        )
    )
    df = float(np.fmin(first.df, second.df))
    smaller, unit = min((each.n_units, each.unit) for each in (first, second))
    t = stdtrit(df, 1 - ALPHA / 2)
    down, up = max(down, _LEAST_WIDTH), max(up, _LEAST_WIDTH)  # NaN stays NaN
    interval = Interval(difference, difference - down, difference + up, smaller, unit, down / t, df, "difference")
    p_for, p_against = (
        float(np.minimum(2 * stdtr(df, side * difference * t / width), 1.0)) if np.isfinite(width) else np.nan
        for side, width in ((-1, down), (1, up))
    )
    return Judged(p_for, p_against, interval.errors_from(0.0), interval)


def by_test(p: float, *, positive: bool) -> Judged:
    """How a two-sided test stands to a claim: for it where the effect is `positive`, against it otherwise."""
    return Judged(p, 1.0) if positive else Judged(1.0, p)


def enough(judged: Judged, n_tests: int = 1) -> str:
    """About how many units, or trainings, are needed for a verdict four times in five; empty where that is not known.

    As many as make the distance to the bound so many standard errors that the p survives a correction for `n_tests`
    (2.8 for one: 1.96 for two-sided 5 %, .84 for a power of 80 %), if all else stays as it is.
    """
    interval = judged.interval
    if interval is None or not np.isfinite(interval.low) or not np.isfinite(judged.errors):
        return ""
    wanted = float(ndtri(1 - ALPHA / 2 / n_tests) + ndtri(0.8))
    more = (wanted / judged.errors) ** 2 if judged.errors > 0 else np.inf
    trainings = interval.from_trainings > 0.5  # the larger part of the doubt
    have, what = (interval.n_trainings, "training") if trainings else (interval.n_units, interval.unit)
    if more > _FAR:
        return f"too near the bound for any practical number of {what}s to decide"
    needed = max(more * have, have + 1, _FEW_TRAININGS if trainings else 0)
    digits = 10 ** max(0, int(np.log10(needed)) - 1)
    return f"about {int(np.ceil(needed / digits) * digits)} {what}s would be needed to tell"
