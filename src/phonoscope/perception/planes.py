"""Logistic planes through answers to a grid: what a cue is worth in another; does a boundary follow the talker?

The share of one answer among two is a logistic function that is linear, in Bark, in the formants that were moved, and
in what the talker brings along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from phonoscope.errors import PerceptionError
from phonoscope.judgement.intervals import Interval, interval_of
from phonoscope.judgement.units import resampling_unit
from phonoscope.perception.slopes import SMALLEST_CHANGE
from phonoscope.perception.trials import Trials
from phonoscope.scales import bark_to_hz, hz_to_bark

COLUMNS = (
    "label", "against", "cue", "by", "shift", "low", "high", "unit", "spread", "n", "pushed", "n_units",
    "unit_of_interval", "trainings", "why_not",
)  # fmt: skip
_STEPS, _DONE, _RIDGE, _LONGEST = 40, 1e-8, 1e-9, 4.0
_PUSHED_BARK = 0.3  # a neighbour that was moved further has not stayed
_LEAST_SPREAD = 0.05  # Bark, between tokens: of less nothing can be said


def logistic_plane(
    x: np.ndarray, shares: np.ndarray, weights: np.ndarray | None = None, start: np.ndarray | None = None
) -> np.ndarray:
    """Logistic regression of shares on several values by maximum likelihood: intercept and slopes, (value + 1,).

    Parameters
    ----------
    x : ndarray (n, value)
        The values.
    shares : ndarray (n,)
        Between 0 and 1: probabilities, or answers of 0 and 1.
    weights : ndarray (n,), optional
        How much each counts.
    start : ndarray (value + 1,), optional
        Where to begin.
    """
    weights = np.ones(len(x)) if weights is None else weights
    weights = weights / max(weights.sum(), 1e-300)
    middle = weights @ x
    spread = np.sqrt(weights @ (x - middle) ** 2)
    spread = np.where(spread > 0, spread, 1.0)
    z = np.column_stack([np.ones(len(x)), (x - middle) / spread])
    found = np.zeros(z.shape[1])
    if start is not None:
        found = np.concatenate([[start[0] + start[1:] @ middle], start[1:] * spread])
    for _ in range(_STEPS):
        p = expit(z @ found)
        curvature = (z * (weights * p * (1 - p))[:, None]).T @ z + _RIDGE * np.eye(len(found))
        step = np.linalg.solve(curvature, z.T @ (weights * (shares - p)) - _RIDGE * found)
        # Newton's step, no longer than what keeps a plane that is nearly a step from running away.
        found = found + step * min(1.0, _LONGEST / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < _DONE * max(1.0, float(np.abs(found).max())):
            break
    slopes = found[1:] / spread
    return np.concatenate([[found[0] - slopes @ middle], slopes])


def trading_relation(
    trials: Trials, label: str, against: str, *, first: str = "f1", second: str = "f2"
) -> dict[str, Any]:
    """How much of one cue makes up for one unit of another at the boundary between two answers.

    Parameters
    ----------
    trials
        Of a grid of both cues, with their measured values in Hz; stimuli that missed are left out.
    label, against
        The two answers.
    first, second
        The cues.

    Returns
    -------
    dict
        ``trade``: if the first cue rises by 1 Bark, by how many Bark the second has to change for both answers to stay
        equally likely, with the 95 % interval ``low, high``; ``slope_first, slope_second`` in logits per Bark, with
        ``low_…, high_…``; ``n``, ``n_units``, ``unit_of_interval``, ``trainings``; where the second cue moves nothing
        for certain, ``trade`` is missing and ``why_not`` says why.
    """
    some, x = _known(trials.heard(), [first, second])
    planes = _Planes(some, x, label, against)
    slopes = [planes.interval(lambda found, at=at: found[..., at]) for at in (1, 2)]
    row: dict[str, Any] = {"label": label, "against": against, "first": first, "second": second, "unit": "Bark/Bark"}
    for name, slope in zip(("first", "second"), slopes, strict=True):
        row |= {f"slope_{name}": slope.estimate, f"low_{name}": slope.low, f"high_{name}": slope.high}
    row |= {"n": len(some), "n_units": slopes[0].n_units, "unit_of_interval": slopes[0].unit}
    row |= {"trainings": slopes[0].n_trainings, "trade": np.nan, "low": np.nan, "high": np.nan, "why_not": ""}
    if _nothing(slopes[1], x[:, 1]):
        return row | {"why_not": f"{second} moves neither answer for certain"}
    trade = planes.interval(lambda found: -found[..., 1] / found[..., 2])
    return row | {"trade": trade.estimate, "low": trade.low, "high": trade.high}


def normalisation(
    trials: Trials,
    label: str,
    against: str,
    *,
    cue: str = "f2",
    by: Sequence[str] = ("f3", "f0"),
    of_talker: bool = False,
) -> pd.DataFrame:
    """Does the boundary of a cue move with what the talker brings along, as it does for people?

    Listeners who use F2 alone have their boundary at the same F2 whoever speaks: a shift of 0. For those who use the
    distance F3 − F2, it moves by 1 Bark with every Bark of F3.

    Parameters
    ----------
    trials
        Of a grid of formants, `cue` among them, with what the recorded tokens measure (``before_f3`` …, ``f0``).
        Stimuli that missed, and those in which a neighbour named in `by` was pushed away, are left out.
    label, against
        The two answers.
    cue
        Whose boundary.
    by
        What may move it; all at once, so that each is told with the others held fixed.
    of_talker
        Whether each talker's mean counts, not the token's own value.

    Returns
    -------
    DataFrame
        One row a name in `by`: the ``shift`` of the boundary in Bark per Bark with its 95 % interval ``low, high`` over
        ``n_units`` speakers or recordings and trainings; ``spread``, the standard deviation over tokens of what moves
        it, Bark; ``n`` stimuli, and how many were ``pushed``. Where nothing can be said, ``why_not`` says why.

    Raises
    ------
    PerceptionError
        If the cue was not moved, or something in `by` was not measured.
    """
    heard = trials.heard()
    moved = str(heard.table["cue"].iloc[0]).split("+") if len(heard) else [cue]
    if cue not in moved:
        raise PerceptionError(f"{cue} was not moved in these trials: {', '.join(moved)} were")
    stayed = np.ones(len(heard), dtype=bool)
    for name in by:
        if name in moved:
            raise PerceptionError(f"{name} was moved itself; leave it out of by=")
        if f"before_{name}" in heard.table:
            now, before = (_bark(heard.table, [column])[:, 0] for column in (name, f"before_{name}"))
            stayed &= ~(np.abs(now - before) > _PUSHED_BARK)
    kept = heard.where(stayed)
    own = [name if f"before_{name}" not in kept.table else f"before_{name}" for name in by]
    some, x = _known(kept, [*moved, *own])
    if of_talker:
        x[:, len(moved) :] = _means_of_talkers(some.table, x[:, len(moved) :])
    planes, at = _Planes(some, x, label, against), 1 + moved.index(cue)
    tokens = some.table.reset_index(drop=True).drop_duplicates("token").index.to_numpy()
    slope = planes.interval(lambda found: found[..., at])
    rows = []
    for place, name in enumerate(by, start=1 + len(moved)):
        spread = float(x[tokens, place - 1].std(ddof=1)) if len(tokens) > 1 else 0.0
        row = {"label": label, "against": against, "cue": cue, "by": name, "unit": "Bark/Bark", "spread": spread,
               "n": len(some), "pushed": int((~stayed).sum()), "n_units": slope.n_units,
               "unit_of_interval": slope.unit, "trainings": slope.n_trainings, "why_not": ""}  # fmt: skip
        if spread < _LEAST_SPREAD:
            row["why_not"] = f"the tokens hardly differ in {name}"
        elif _nothing(slope, x[:, at - 1]):
            row["why_not"] = f"{cue} moves neither answer for certain"
        else:
            shift = planes.interval(lambda found, place=place: -found[..., place] / found[..., at])
            row |= {"shift": shift.estimate, "low": shift.low, "high": shift.high}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def hertz_for_hertz(at: float, by: float) -> float:
    """How many Hz of one formant a relation of 1 Bark/Bark is for each Hz of another.

    Parameters
    ----------
    at, by
        Where both lie, Hz.
    """
    widths = [float(np.diff(bark_to_hz(hz_to_bark(hertz) + np.array([-0.01, 0.01])))[0]) for hertz in (at, by)]
    return widths[0] / widths[1]


class _Planes:
    """A plane of each training through the answers, and those with each unit left out."""

    def __init__(self, trials: Trials, x: np.ndarray, label: str, against: str) -> None:
        own, other = trials.position(label), trials.position(against)
        if len(trials) < 2 * (x.shape[1] + 1):
            raise PerceptionError(f"{len(trials)} stimuli are too few for a plane in {x.shape[1]} dimensions")
        shares = expit(trials.log_p[..., own] - trials.log_p[..., other])
        # Where a third answer is heard, the odds of these two count for little.
        counts = np.exp(np.logaddexp(trials.log_p[..., own], trials.log_p[..., other]))
        self.unit = resampling_unit(trials.clusters if trials.clusters.columns.size else trials.table["token"], len(x))
        self.whole = np.stack([logistic_plane(x, *each) for each in zip(shares, counts, strict=True)])
        self.left_out = np.stack([
            [logistic_plane(x, share, count * (self.unit.codes != i), start)
             for share, count, start in zip(shares, counts, self.whole, strict=True)]
            for i in range(self.unit.n_units)
        ])  # fmt: skip

    def interval(self, statistic: Callable[[np.ndarray], np.ndarray]) -> Interval:
        """Of a function of intercept and slopes (..., value + 1)."""
        return interval_of(statistic(self.whole), statistic(self.left_out), self.unit)


def _nothing(slope: Interval, x: np.ndarray) -> bool:
    """Whether a slope could be 0, or changes the odds by less than a tenth over the range presented."""
    return slope.low <= 0 <= slope.high or abs(slope.estimate) * float(np.ptp(x)) < SMALLEST_CHANGE


def _known(trials: Trials, names: Sequence[str]) -> tuple[Trials, np.ndarray]:
    """Trials in which all is known, and the values in Bark (stimulus, name)."""
    lacking = [name for name in names if name not in trials.table]
    if lacking:
        raise PerceptionError(f"{', '.join(lacking)} was not measured in these trials")
    values = _bark(trials.table, names)
    known = np.asarray(np.isfinite(values).all(axis=1))
    return trials.where(known), values[known]


def _bark(table: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    return hz_to_bark(table[list(names)].to_numpy(dtype=float))


def _means_of_talkers(table: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """Mean over the tokens of each talker; of tokens without a speaker, their own."""
    if "speaker" not in table:
        raise PerceptionError("the tokens have no column speaker, so nobody's mean is known")
    own = "token " + table["token"].astype(str)
    names = table["speaker"].astype("object").where(table["speaker"].notna(), own).to_numpy()
    tokens = pd.DataFrame(values).assign(token=table["token"].to_numpy(), speaker=names).drop_duplicates("token")
    return tokens.drop(columns="token").groupby("speaker").mean().loc[names].to_numpy()
