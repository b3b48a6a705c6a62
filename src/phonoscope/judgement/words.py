"""Estimates with their intervals in words, always with what they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from phonoscope.judgement.intervals import Interval
from phonoscope.judgement.units import MIN_UNITS


def stored_interval(values: Mapping[str, Any], measure: str) -> Interval:
    """Interval of a measure from the results of a run: ``<measure>, <measure>_interval, n_units, unit, trainings``."""
    low, high = (float("nan") if bound is None else bound for bound in values[f"{measure}_interval"])
    unit, trainings = values["unit"], values["trainings"]
    return Interval(values[measure], low, high, values["n_units"], unit, scale="proportion", n_trainings=trainings)


def percent_with_interval(interval: Interval) -> str:
    """A proportion as ``95.2 % (92.2–97.8 %, over 32 recordings; one training)``."""
    limits = f"{100 * interval.low:.1f}–{100 * interval.high:.1f} %, " if np.isfinite(interval.low) else ""
    return f"{100 * interval.estimate:.1f} % ({limits}{over(interval)})"


def times_with_interval(interval: Interval, of: str = "chance") -> str:
    """A ratio as ``1.23 × chance (1.10–1.37, over 32 recordings; one training)``."""
    limits = f"{interval.low:.2f}–{interval.high:.2f}, " if np.isfinite(interval.low) else ""
    return f"{interval.estimate:.2f} × {of} ({limits}{over(interval)})"


def points_with_interval(interval: Interval) -> str:
    """A difference of proportions as ``+1.2 points (−0.3 to +2.7, over 12 speakers; 5 trainings)``."""
    limits = f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}, " if np.isfinite(interval.low) else ""
    return f"{100 * interval.estimate:+.1f} points ({limits}{over(interval)})".replace("-", "−")


def over(interval: Interval) -> str:
    """What an interval rests on, or why there is none: ``over 32 recordings; one training``."""
    units = f"{interval.n_units} {interval.unit}{'' if interval.n_units == 1 else 's'}"
    if interval.n_units < MIN_UNITS and not np.isfinite(interval.low):
        return f"no interval: {units}, and {MIN_UNITS} are needed"
    if interval.unit == "training":
        return f"over {units}"
    if interval.n_trainings == 0:  # of a model that was trained elsewhere
        return f"over {units}"
    trainings = "one training" if interval.n_trainings == 1 else f"{interval.n_trainings} trainings"
    return f"over {units}; {trainings}"


def doubts_of_basis(n_units: float, unit: str, n_trainings: int) -> list[str]:
    """What to doubt of intervals, by what they rest on; nothing where there is enough of it.

    Parameters
    ----------
    n_units, unit
        How many speakers or recordings, and which of the two.
    n_trainings
        Of each network.
    """
    sentences = []
    if n_units < MIN_UNITS:
        units = f"{n_units:.0f} {unit}{'' if n_units == 1 else 's'}"
        sentences.append(f"There are no intervals: {units} were tested, and at least {MIN_UNITS} are needed.")
    if n_trainings == 1:
        sentences.append(
            "The network was trained once, so the intervals do not cover the chance in training; with --trainings 5 it "
            "is trained five times, and they do."
        )
    return sentences
