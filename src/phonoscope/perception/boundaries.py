"""Category boundaries: where, along a cue, two answers are equally likely."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from phonoscope.judgement.intervals import Interval, jackknife_interval
from phonoscope.perception.logistic import logistic_lines
from phonoscope.perception.trials import Trials
from phonoscope.scales import hz_to_bark

COLUMNS = (
    "class", "cue", "against", "measure", "boundary", "low", "high", "unit", "logits_per_unit",
    "logits_low", "logits_high", "from", "to", "n", "n_units", "unit_of_interval", "trainings", "why_not",
)  # fmt: skip
LEAST_CHANGE = 0.2  # of the share between the ends: less is no boundary


class Measure(NamedTuple):
    """What a boundary is measured in: its name, its unit, and its value in each stimulus of a table."""

    name: str
    unit: str
    values: Callable[[pd.DataFrame], np.ndarray]


def measures_of(cue: str, table: pd.DataFrame) -> list[Measure]:
    """In what the boundaries along a cue are told: its own unit, Bark, and the Bark differences of Syrdal & Gopal.

    Parameters
    ----------
    cue
        That was moved.
    table
        Of the stimuli; only what was measured in them can be told.
    """
    unit = str(table["unit"].iloc[0]) if len(table) else ""
    found = [Measure(cue, unit, lambda rows: rows["achieved"].to_numpy(dtype=float))]
    if cue in ("f1", "f2", "f3", "f4"):
        found.append(Measure(cue, "Bark", lambda rows: hz_to_bark(rows["achieved"].to_numpy(dtype=float))))
    for high, low in (("f3", "f2"), ("f1", "f0")):
        if cue in (high, low) and {high, low} <= set(table.columns):
            found.append(Measure(f"{high}-{low}", "Bark", _difference(high, low)))
    return found


def boundaries(trials: Trials) -> pd.DataFrame:
    """Boundaries between each class as spoken and every other label along each cue, by logistic regression.

    Parameters
    ----------
    trials
        What was answered; stimuli that missed are left out.

    Returns
    -------
    DataFrame
        ``class, cue, against``; ``measure`` (the cue, ``f3-f2``, ``f1-f0``) and ``unit``; the ``boundary`` with its
        95 % interval; ``logits_per_unit``, the slope there, with its own (``logits_low, logits_high``); the range
        ``from … to`` that was presented (5th to 95th percentile). Where there is no boundary within it, ``boundary`` is
        missing and ``why_not`` says why.
    """
    rows = []
    for spoken, cue, some in trials.by_cue():
        own = trials.position(spoken)
        for position, against in enumerate(trials.labels):
            if position == own or not len(some):
                continue
            pair = {"class": spoken, "cue": cue, "against": against}
            rows += [pair | _boundary(some, measure, own, position) for measure in measures_of(cue, some.table)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _boundary(trials: Trials, measure: Measure, own: int, against: int) -> dict[str, object]:
    x = measure.values(trials.table)
    known = np.isfinite(x)
    some, x = trials.where(known), x[known]
    row: dict[str, object] = {"measure": measure.name, "unit": measure.unit, "n": len(some), "why_not": ""}
    if len(np.unique(x)) < 2:
        return row | {"why_not": "nothing was measured"}
    shares = expit(some.log_p[..., own] - some.log_p[..., against])
    low, high = np.percentile(x, [5, 95])
    row |= {"from": low, "to": high}

    def cross(weights: np.ndarray) -> np.ndarray:
        intercept, slope = logistic_lines(x, shares, weights[:, None])
        with np.errstate(invalid="ignore", divide="ignore"):
            return -intercept / slope

    ones = np.ones(len(x))
    intercept, slope = logistic_lines(x, shares, ones)
    ends = expit(intercept.mean() + slope.mean() * np.array([low, high]))
    row |= {"logits_per_unit": float(slope.mean())}
    if not abs(ends[1] - ends[0]) >= LEAST_CHANGE:
        return row | {"why_not": f"the share changes by less than {LEAST_CHANGE:g}"}
    if not low <= np.mean(-intercept / slope) <= high:
        return row | {"why_not": "not within the range that was presented"}
    interval: Interval = jackknife_interval(cross, len(x), some.clusters)
    steep = jackknife_interval(lambda weights: logistic_lines(x, shares, weights[:, None])[1], len(x), some.clusters)
    row |= {"logits_low": steep.low, "logits_high": steep.high}
    return row | {"boundary": interval.estimate, "low": interval.low, "high": interval.high,
                  "n_units": interval.n_units, "unit_of_interval": interval.unit,
                  "trainings": interval.n_trainings}  # fmt: skip


def _difference(high: str, low: str) -> Callable[[pd.DataFrame], np.ndarray]:
    def bark(rows: pd.DataFrame) -> np.ndarray:
        first, second = (hz_to_bark(rows[name].to_numpy(dtype=float)) for name in (high, low))
        return first - second

    return bark
