"""Is a map better than chance? Three answers, corrected for how many are given together.

Every measure of every method is a comparison with chance. Two questions are tested for each, by flipping the signs of
whole units: is the distance from chance zero, and is it the smallest that counts? Both sets of p are corrected by Holm
over all comparisons of a table, so that at most one table in twenty holds a wrong verdict.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from phonoscope.evidence.measure import Measure
from phonoscope.judgement.bootstrap import MIN_UNITS, holm, sign_flip_p

BETTER, NO_BETTER, OPEN = "better than chance", "no better than chance", "cannot be told"
LEVEL = 0.05
# So many patterns of signs that a p of 1/20000 can still be told after a correction for hundreds of comparisons.
_FLIPS = 20_000


def chance_tests(excess: np.ndarray, weight: np.ndarray, codes: np.ndarray, least: float) -> tuple[float, float]:
    """Two-sided p that tokens are no distance from chance, and that they are the smallest distance that counts.

    Parameters
    ----------
    excess
        Distance from chance on the better side, shape (token,).
    weight
        The statistic is the sum of the excess over the sum of these, shape (token,).
    codes
        Unit of each token, from 0.
    least
        Smallest distance that counts.

    Returns
    -------
    p, p_least
        NaN with fewer than six units.
    """
    n_units = int(codes.max(initial=-1)) + 1
    if n_units < MIN_UNITS:
        return float("nan"), float("nan")
    scores = [np.bincount(codes, weights=values) for values in (excess, excess - least * weight)]
    p, p_least = sign_flip_p(np.stack(scores, axis=1), _FLIPS)
    return float(p), float(p_least)


def with_verdicts(table: pd.DataFrame, measures: dict[str, Measure]) -> pd.DataFrame:
    """Give each row its verdict, corrected for the number of comparisons in the table.

    Parameters
    ----------
    table
        One row a method and measure, with ``measure, excess, p, p_least, verdict``.
    measures
        By name; a measure with a rule of its own keeps the verdict that it came with.

    Returns
    -------
    DataFrame
        ``p_corrected`` (Holm) and ``verdict``: *better than chance*: the distance is shown to be above zero; *no better
        than chance*: it is shown to be below the smallest that counts; *cannot be told*: neither. Empty where there is
        no chance level.
    """
    known = [measures[name] for name in table["measure"]]
    by_chance = np.array([m.by_chance for m in known], dtype=bool)
    sign = np.array([-1.0 if m.better == "lower" else 1.0 for m in known])
    least = np.array([m.least for m in known])
    excess = sign * table["excess"].to_numpy(dtype=float)
    p, p_least = (holm(table[name].to_numpy(dtype=float)) for name in ("p", "p_least"))
    verdict = np.full(len(table), OPEN, dtype=object)
    verdict[(p < LEVEL) & (excess > 0)] = BETTER
    verdict[(p_least < LEVEL) & (excess < least)] = NO_BETTER
    verdict[~np.isfinite(excess) | np.array([m.better == "neither" for m in known], dtype=bool)] = ""
    kept = table["verdict"].fillna("").astype(str).to_numpy()
    return table.assign(p_corrected=p, verdict=np.where(by_chance, verdict, kept))
