"""Do two groups of tokens, or two models on the same tokens, differ in a mean? By units, not by tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtr

from phonoscope.judgement.bootstrap import (
    MIN_UNITS,
    interval_of,
    mean_samples,
    resampling_unit,
    sign_flip_p,
    unit_sums,
)

N_BOOTSTRAP = 2000
N_FLIPS = 2000


def difference_test(
    first: np.ndarray,
    second: np.ndarray,
    clusters: tuple[pd.DataFrame | None, pd.DataFrame | None],
    *,
    paired: bool,
    seed: int = 0,
) -> dict[str, Any]:
    """Difference of two means with its 95 % interval and p, by units.

    Pairs: the signs of the differences of whole units are flipped, with a cluster-bootstrap interval. Unrelated groups:
    both are resampled by their own units, and p is that of the difference over its bootstrap standard error (Student's
    t).

    Parameters
    ----------
    first, second : ndarray (token,)
        Finite values; the same tokens in the same order if `paired`.
    clusters
        Levels of each, from the highest down; the first's serve both if `paired`.
    paired : bool
    seed : int
        Of the resampling.

    Returns
    -------
    dict
        ``first, second`` (means), ``difference, low, high, p, n_first, n_second, n_units, unit, test``. No p with fewer
        than six units.
    """
    sizes = {"n_first": len(first), "n_second": len(second)}
    if len(first) == 0 or len(second) == 0:
        unknown = dict.fromkeys(("first", "second", "difference", "low", "high", "p"), np.nan)
        return unknown | sizes | {"n_units": 0, "unit": "", "test": "no token"}
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    means = {"first": float(first.mean()), "second": float(second.mean())}
    difference = means["first"] - means["second"]
    unit, p = resampling_unit(clusters[0], len(first)), np.nan
    if paired:
        change = first - second
        samples, n_units = mean_samples(change, unit.codes, N_BOOTSTRAP, seed), unit.n_units
        if n_units >= MIN_UNITS:
            p = float(sign_flip_p(unit_sums(change, unit.codes, n_units)[:, None], N_FLIPS, seed)[0])
        test = f"signs of {n_units} {unit.level}s flipped"
    else:
        other = resampling_unit(clusters[1], len(second))
        samples = mean_samples(first, unit.codes, N_BOOTSTRAP, seed)
        samples -= mean_samples(second, other.codes, N_BOOTSTRAP, seed + 1)
        n_units = min(unit.n_units, other.n_units)
        if n_units >= MIN_UNITS:
            # as of the interval: few units vary too little among themselves and call for Student's t
            error = float(samples[np.isfinite(samples)].std(ddof=1)) * np.sqrt(n_units / (n_units - 1))
            t = abs(difference) / error if error > 0 else (np.inf if difference else 0.0)
            p = float(2 * stdtr(n_units - 1, -t))
        level = unit.level if unit.level == other.level else f"{unit.level}s and {other.level}"
        test = f"{unit.n_units} and {other.n_units} {level}s resampled"
    low, high = interval_of(samples, n_units=n_units)
    tested = {"difference": difference, "low": float(low), "high": float(high), "p": p}
    return means | tested | sizes | {"n_units": n_units, "unit": unit.level, "test": test}
