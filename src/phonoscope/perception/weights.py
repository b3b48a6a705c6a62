"""Cue weights: how much each cue moves a decision, all cues at once, on the values that the stimuli really have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from phonoscope.errors import PerceptionError
from phonoscope.judgement.intervals import interval_of
from phonoscope.judgement.units import resampling_unit, unit_sums
from phonoscope.perception.cue_scales import cue_scale
from phonoscope.perception.curves import log_odds
from phonoscope.perception.trials import Trials

COLUMNS = (
    "class", "cue", "weight", "low", "high", "per_jnd", "per_unit", "unit", "spread", "share", "n", "n_units",
    "unit_of_interval", "trainings",
)  # fmt: skip


def cue_weights(trials: Trials, *, among: Sequence[str] = ()) -> pd.DataFrame:
    """Weights of all cues that were moved in the decision for each class.

    A logistic model whose log odds are linear in the cues, fitted within tokens: what tells tokens apart anyway plays
    no part. Its predictors are the values of *all* cues as measured in each stimulus, so that what was moved by
    accident is not taken for what was moved on purpose. The model says its probabilities, so the log odds themselves
    are fitted, by least squares.

    Parameters
    ----------
    trials
        With every cue to be weighed moved in some of them, each with a column of its measured values, or else known
        only where it was moved itself.
    among
        Classes as spoken whose tokens are asked; all by default.

    Returns
    -------
    DataFrame
        One row a class (a label) and cue: the ``weight``, the change of the class's log odds as the cue rises by one
        standard deviation of what talkers do (``spread``, in ``unit``), with its 95 % interval; ``per_jnd``, for one
        just-noticeable difference of listeners (NaN where none is published); ``per_unit``; and ``share``, its part of
        the summed absolute weights of the class.

    Raises
    ------
    PerceptionError
        If the cues cannot be told apart in these stimuli.
    """
    heard = trials.heard()
    if among:
        heard = heard.where(heard.table["class"].isin(list(among)))
    cues = list(dict.fromkeys(heard.table["cue"]))
    values = np.stack([_values(heard.table, cue) for cue in cues], axis=1)  # (stimulus, cue)
    codes = pd.factorize(heard.table["token"])[0]
    within = _within(values, codes)
    unit = resampling_unit(heard.clusters, len(heard))
    products = unit_sums(within[:, :, None] * within[:, None, :], unit.codes, unit.n_units)
    whole = products.sum(axis=0)
    if np.linalg.matrix_rank(whole, hermitian=True) < len(cues):
        raise PerceptionError(f"the cues {', '.join(cues)} cannot be told apart: some never move, or always together")
    spreads = np.array([spread_of(heard.table, cue) for cue in cues])
    rows = []
    for position, label in enumerate(trials.labels):
        odds = log_odds(heard.log_p)[..., position]  # (training, stimulus)
        targets = unit_sums(within[:, :, None] * _within(odds.T, codes)[:, None, :], unit.codes, unit.n_units)
        observed = np.linalg.solve(whole, targets.sum(axis=0)).T  # (training, cue)
        left_out = np.stack([
            np.linalg.lstsq(whole - products[i], targets.sum(axis=0) - targets[i], rcond=None)[0].T
            for i in range(unit.n_units)
        ])  # fmt: skip
        total = np.abs(observed.mean(axis=0) * spreads).sum()
        for at, cue in enumerate(cues):
            interval = interval_of(observed[:, at] * spreads[at], left_out[:, :, at] * spreads[at], unit)
            scale = cue_scale(cue, _unit(heard.table, cue))
            per_unit = float(observed[:, at].mean())
            rows.append({
                "class": label, "cue": cue, "weight": interval.estimate, "low": interval.low, "high": interval.high,
                "per_jnd": per_unit * scale.jnd, "per_unit": per_unit, "unit": scale.unit, "spread": spreads[at],
                "share": abs(interval.estimate) / total if total > 0 else np.nan, "n": len(heard),
                "n_units": interval.n_units, "unit_of_interval": interval.unit, "trainings": interval.n_trainings,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


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
    """Values of a cue in every stimulus, on its scale; where it was not measured, as if it had not moved."""
    moved = (table["cue"] == cue).to_numpy()
    raw = table[cue].to_numpy(dtype=float) if cue in table else np.where(moved, table["achieved"], np.nan)
    raw = np.where(moved, table["achieved"].to_numpy(dtype=float), raw)
    scaled = cue_scale(cue, _unit(table, cue)).to(raw)
    codes = pd.factorize(table["token"])[0]
    known = np.isfinite(scaled)
    counts = np.bincount(codes, known, minlength=codes.max(initial=-1) + 1)
    sums = np.bincount(codes, np.where(known, scaled, 0.0), minlength=len(counts))
    means = sums / np.maximum(counts, 1)
    return np.where(known, scaled, means[codes])


def _within(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Values (stimulus, ...) without the mean of each token."""
    count = codes.max(initial=-1) + 1
    means = unit_sums(values, codes, count) / np.bincount(codes, minlength=count).reshape(-1, *(1,) * (values.ndim - 1))
    return values - means[codes]


def _unit(table: pd.DataFrame, cue: str) -> str:
    own = table.loc[table["cue"] == cue, "unit"]
    return str(own.iloc[0]) if len(own) else ""
