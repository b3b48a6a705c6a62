"""Cue weights: how much each cue moves a decision, all cues at once, on the values that the stimuli really have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from phonoscope.errors import PerceptionError
from phonoscope.judgement.intervals import interval_of
from phonoscope.judgement.units import Unit, resampling_unit, unit_sums
from phonoscope.perception.cue_scales import cue_scale
from phonoscope.perception.curves import log_odds
from phonoscope.perception.trials import Trials

COLUMNS = (
    "class", "cue", "weight", "low", "high", "per_jnd", "per_unit", "unit", "spread", "share", "n", "n_units",
    "unit_of_interval", "trainings",
)  # fmt: skip

# What a tracker finds. It may take another peak for them: a value further from the recorded one than the cue was ever
# moved on purpose is such an error.
TRACKED = ("f0", "f1", "f2", "f3", "f4")
# Changes of level, of the spectrum's shape, of noise and of time move no resonance and no F0. Trackers are drawn aside
# by them all the same (and by F0, whose harmonics they follow), and that is no move.
_STEADY = (
    "level", "tilt", "high_band", "voicing_bar", "centre", "noise", "hnr", "duration", "vot", "silence",
)  # fmt: skip
_RESONANCES = ("f1", "f2", "f3", "f4", "b1", "b2", "b3", "tract")


def cue_weights(
    trials: Trials, controls: Mapping[str, Trials] | None = None, *, among: Sequence[str] = ()
) -> pd.DataFrame:
    """Weights of all cues that were moved in the decision for each class.

    A logistic model whose log odds are linear in the cues, fitted within tokens: what tells tokens apart anyway plays
    no part. Its predictors are the values of *all* cues as measured in each stimulus, so that what was moved by
    accident is not taken for what was moved on purpose. The model says its probabilities, so the log odds themselves
    are fitted.

    Parameters
    ----------
    trials
        With every cue to be weighed moved in some of them, each with a column of its measured values, or else known
        only where it was moved itself.
    controls
        What other models answered to the same stimuli, by name: ``random`` weights, a ``linear`` twin.
    among
        Classes as spoken whose tokens are asked; all by default.

    Returns
    -------
    DataFrame
        One row a class (a label) and cue: the ``weight``, the change of the class's log odds as the cue rises by one
        standard deviation of what talkers do (``spread``, in ``unit``), with its 95 % interval; the weight of each
        control; ``per_jnd``, for one just-noticeable difference of listeners (NaN where none is published);
        ``per_unit``; and ``share``, its part of the summed absolute weights of the class.

    Raises
    ------
    PerceptionError
        If the cues cannot be told apart in these stimuli.

    Notes
    -----
    The fit is by instrumental variables, which are the steps that were asked for (Wright 1928): along the continuum of
    each cue, the log odds rise by the sum over all cues of how far each moves there, times its weight. Least squares
    on measured values would take errors of measuring for moves, and so find too little weight where there is one, and
    some where there is none. Formants and F0 count as recorded where nothing was done that could move them: a tracker
    that is drawn aside by a tilt, by noise or by other harmonics would make a cue of them.
    """
    planes = _Planes.of(trials, among)
    beside = {name: _among(other, among).log_p for name, other in (controls or {}).items()}
    table = planes.trials.table
    spreads = np.array([spread_of(table, cue) for cue in planes.cues])
    rows = []
    for position, label in enumerate(trials.labels):
        observed, left_out = planes.fit(position)
        others = {name: planes.weights(log_p, position).mean(axis=0) for name, log_p in beside.items()}
        total = np.abs(observed.mean(axis=0) * spreads).sum()
        for at, cue in enumerate(planes.cues):
            interval = interval_of(observed[:, at] * spreads[at], left_out[:, :, at] * spreads[at], planes.unit)
            scale = cue_scale(cue, _unit(table, cue))
            per_unit = float(observed[:, at].mean())
            rows.append({
                "class": label, "cue": cue, "weight": interval.estimate, "low": interval.low, "high": interval.high,
                **{name: float(weights[at] * spreads[at]) for name, weights in others.items()},
                "per_jnd": per_unit * scale.jnd, "per_unit": per_unit, "unit": scale.unit, "spread": spreads[at],
                "share": abs(interval.estimate) / total if total > 0 else np.nan, "n": len(table),
                "n_units": interval.n_units, "unit_of_interval": interval.unit, "trainings": interval.n_trainings,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=[*COLUMNS[:5], *beside, *COLUMNS[5:]])


def weight_ratio(
    trials: Trials, label: str, first: str, second: str, *, among: Sequence[str] = ()
) -> tuple[float, float, float]:
    """How many times as much a unit of one cue moves the decision for a label as a unit of another.

    Parameters
    ----------
    trials, among
        As in `cue_weights`.
    label
        The answer.
    first, second
        The cues: the ratio is the weight of the first per unit of its scale over that of the second.

    Returns
    -------
    ratio, low, high
        With its 95 % interval; the mean of the logarithm over trainings. NaN where the weights differ in sign.
    """
    planes = _Planes.of(trials, among)
    observed, left_out = planes.fit(trials.position(label))
    one, two = planes.cues.index(first), planes.cues.index(second)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = [np.log(weights[..., one] / weights[..., two]) for weights in (observed, left_out)]
    found = interval_of(*logs, planes.unit)
    ratio, low, high = np.exp([found.estimate, found.low, found.high])
    return float(ratio), float(low), float(high)


def _among(trials: Trials, among: Sequence[str]) -> Trials:
    """Trials whose stimulus is what was asked for, of all classes or of some."""
    heard = trials.heard()
    return heard.where(heard.table["class"].isin(list(among))) if among else heard


@dataclass(frozen=True)
class _Planes:
    """Log odds that are linear in all cues, to be fitted for any answer.

    Parameters
    ----------
    asked
        How far each cue was asked to be moved, within tokens, (stimulus, cue).
    products
        Of that with how far each cue did move, by unit, (unit, cue, cue).
    """

    trials: Trials
    cues: list[str]
    codes: np.ndarray
    unit: Unit
    asked: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, trials: Trials, among: Sequence[str]) -> _Planes:
        heard = _among(trials, among)
        cues = list(dict.fromkeys(heard.table["cue"]))
        codes = pd.factorize(heard.table["token"])[0]
        values, asked = (
            _within(np.stack([of(heard.table, cue) for cue in cues], axis=1), codes) for of in (_values, _steps)
        )
        unit = resampling_unit(heard.clusters, len(heard))
        products = unit_sums(asked[:, :, None] * values[:, None, :], unit.codes, unit.n_units)
        if np.linalg.matrix_rank(products.sum(axis=0)) < len(cues):
            names = ", ".join(cues)
            raise PerceptionError(f"the cues {names} cannot be told apart: some never move, or always together")
        return cls(heard, cues, codes, unit, asked, products)

    def _sums(self, log_p: np.ndarray, position: int) -> np.ndarray:
        """Products of what was asked for and the log odds of an answer, by unit, (unit, cue, training)."""
        odds = _within(log_odds(log_p)[..., position].T, self.codes)
        return unit_sums(self.asked[:, :, None] * odds[:, None, :], self.unit.codes, self.unit.n_units)

    def weights(self, log_p: np.ndarray, position: int) -> np.ndarray:
        """Weight of each cue per unit of its scale, (training, cue), of anyone's answers to these stimuli."""
        return np.linalg.solve(self.products.sum(axis=0), self._sums(log_p, position).sum(axis=0)).T

    def fit(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights (training, cue), and with each unit left out (unit, training, cue)."""
        sums = self._sums(self.trials.log_p, position)
        whole, total = self.products.sum(axis=0), sums.sum(axis=0)
        left_out = [
            np.linalg.lstsq(whole - own, total - of_unit, rcond=None)[0].T
            for own, of_unit in zip(self.products, sums, strict=True)
        ]
        return np.linalg.solve(whole, total).T, np.stack(left_out)


def spread_of(table: pd.DataFrame, cue: str) -> float:
    """Standard deviation of a cue over a talker's tokens as they were recorded, on the cue's scale.

    Within talkers, pooled over them, where speakers are known.

    Parameters
    ----------
    table
        Of the stimuli, with ``before``, the value in the recorded sound.
    cue
        Its name.
    """
    own = table[table["cue"] == cue].drop_duplicates("token")
    values = cue_scale(cue, _unit(table, cue)).to(own["before"].to_numpy(dtype=float))
    speakers = own["speaker"] if "speaker" in own else pd.Series(["?"] * len(own))
    groups = pd.factorize(speakers.astype("object").where(speakers.notna(), "?"))[0]
    known = np.isfinite(values)
    values, groups = values[known], pd.factorize(groups[known])[0]
    if len(values) < 2:
        return float("nan")
    away = values - (np.bincount(groups, values) / np.bincount(groups))[groups]
    return float(np.sqrt((away**2).sum() / max(len(values) - len(np.unique(groups)), 1)))


def _values(table: pd.DataFrame, cue: str) -> np.ndarray:
    """Values of a cue in every stimulus, on its scale; where it was not measured, or lost, as if it had not moved."""
    moved = (table["cue"] == cue).to_numpy()
    achieved = table["achieved"].to_numpy(dtype=float)
    to = cue_scale(cue, _unit(table, cue)).to
    raw = table[cue].to_numpy(dtype=float) if cue in table else np.full(len(table), np.nan)
    scaled, own = to(np.where(moved, achieved, raw)), to(np.where(moved, achieved, np.nan))
    recorded = _of_token(table, to(np.where(moved, table["before"].to_numpy(dtype=float), np.nan)))
    away = np.abs(scaled - recorded)
    if cue in TRACKED:
        furthest = np.nanmax(np.abs(own - recorded), initial=0.0)
        kept = table["cue"].isin([*_STEADY, *(_RESONANCES if cue == "f0" else ("f0",))]).to_numpy()
        scaled = np.where(moved | ~(kept | (away > furthest)), scaled, np.nan)
    known = np.isfinite(scaled)
    still = np.where(np.isfinite(recorded), recorded, _of_token(table, scaled))
    still = np.where(np.isfinite(still), still, 0.0)  # never measured in this token: it does not move
    return np.where(known, scaled, still)


def _steps(table: pd.DataFrame, cue: str) -> np.ndarray:
    """How far each stimulus was asked to be moved in a cue, in units of its steps: 0 where another cue was moved."""
    moved = (table["cue"] == cue).to_numpy()
    steps = np.where(moved, table["step"].to_numpy(dtype=float), np.nan)
    without = ~np.isfinite(table["before"].to_numpy(dtype=float)) & moved  # the recorded sound has no value: no zero
    steps = np.where(without, steps - _of_token(table, steps), steps)
    return np.where(moved, steps, 0.0)


def _of_token(table: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """Mean of what is known of the token of each stimulus, (stimulus,); NaN where nothing is."""
    return pd.Series(values).where(np.isfinite(values)).groupby(table["token"].to_numpy()).transform("mean").to_numpy()


def _within(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Values (stimulus, ...) without the mean of each token."""
    count = codes.max(initial=-1) + 1
    means = unit_sums(values, codes, count) / np.bincount(codes, minlength=count).reshape(-1, *(1,) * (values.ndim - 1))
    return values - means[codes]


def _unit(table: pd.DataFrame, cue: str) -> str:
    own = table.loc[table["cue"] == cue, "unit"]
    return str(own.iloc[0]) if len(own) else ""
