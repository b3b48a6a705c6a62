"""Is a method's map faithful for this classifier and these tokens? All measures of one method, one row each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import AttributionError
from phonoscope.evidence.case import Case
from phonoscope.evidence.measure import (
    DEFAULT_EFFORT,
    Clusters,
    Effort,
    Measure,
    NotMeasuredError,
    PooledValue,
    TokenValues,
    Trial,
)
from phonoscope.evidence.measures import choose_measures, curves
from phonoscope.judgement.intervals import mean_interval
from phonoscope.judgement.units import cluster_rows, resampling_unit

CAUSAL = "band-stop"
_NUMBERS = ("value", "low", "high", "chance", "excess", "excess_low", "excess_high")
_TOKEN_COLUMNS = ("method", "token", "target", "measure", "value", "chance", "weight")
_CURVE_COLUMNS = ("token", "target", "curve", "fraction", "logit", "probability")


class Faithfulness(NamedTuple):
    """What `faithfulness` finds for one method.

    Attributes
    ----------
    measures
        One row a measure: ``method, measure, value, low, high`` (95 %, cluster bootstrap), ``chance``, ``excess,
        excess_low, excess_high`` (value − chance, with its own interval), ``passes`` (the interval of the excess lies
        on the good side of zero; for ``randomisation`` the verdict of the check, whose sentence is the note; NA where
        there is no chance level), ``n`` tokens, ``unit`` (what was resampled), ``n_units``, ``note``.
    tokens
        Tidy, one row a token and measure: ``method, token, target, measure, value, chance, weight`` (a mean over
        tokens is the sum of the values over the sum of the weights).
    curves
        From `perturbation_curves`, with ``method``; without rows if no measure needed them.
    """

    measures: pd.DataFrame
    tokens: pd.DataFrame
    curves: pd.DataFrame


def faithfulness(
    case: Case,
    method: str,
    *,
    maps: xr.DataArray | None = None,
    causal: str | xr.DataArray = CAUSAL,
    clusters: Clusters = None,
    measures: Sequence[str] | None = None,
    effort: Effort = DEFAULT_EFFORT,
    say: Callable[[str], object] = lambda _text: None,
) -> Faithfulness:
    """Judge the maps of one method by every measure that needs no planted truth; see `MEASURES`.

    Parameters
    ----------
    case
        Classifier, tokens and targets, from `open_case`.
    method
        As in `explain`.
    maps
        Maps of these tokens by this method, if they have been made already.
    causal
        Method that maps are compared with, or its maps: make them once when several methods are judged.
    clusters
        What is resampled for the intervals, e.g. ``tokens[["speaker", "recording"]]``; see `resampling_unit`.
    measures
        Names, or ``package.module:name``; all by default.
    effort
        How much is drawn at random.
    say
        Called with what is being measured.

    Raises
    ------
    AttributionError
        If the method or a measure is not known, the method does not suit the network, or maps are not of these tokens.
    """
    chosen = choose_measures(measures)
    if maps is None:
        say(f"{method}: maps")
        maps = case.explain(method)
    trial = Trial(case, method, maps, causal, clusters, effort)
    rows, tables = [], []
    for measure in chosen:
        if measure.function is None:
            continue
        say(f"{method}: {measure.title}")
        try:
            result = measure.function(trial)
        except NotMeasuredError as reason:
            rows.append(_unmeasured(method, measure.name, str(reason)))
            continue
        if isinstance(result, PooledValue):
            row = _unmeasured(method, measure.name, result.note)
            rows.append(row | {"value": result.value, "n": len(case)})
            continue
        table = _token_table(trial, measure, result)
        at = np.arange(len(case)) if result.rows is None else result.rows
        row = _pooled(measure, table, cluster_rows(clusters, at), case.setting.seed)
        if not measure.by_chance:
            row |= {"passes": result.passes, "note": result.note or row["note"]}
        rows.append(row)
        tables.append(table)
    drawn = trial.results.get(curves, pd.DataFrame(columns=list(_CURVE_COLUMNS)))
    tokens = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(_TOKEN_COLUMNS))
    return Faithfulness(_table_of(rows), tokens, drawn.assign(method=method))


def pooled_measures(
    parts: Sequence[Faithfulness],
    clusters: pd.DataFrame | None,
    *,
    measures: Sequence[str] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Pool what one method got on the tokens of several classifiers, such as the folds of a run.

    Parameters
    ----------
    parts
        One a classifier.
    clusters
        Rows of all tokens, in the order of the classifiers.
    measures
        As `faithfulness` was given them.
    seed
        Of the bootstrap.

    Returns
    -------
    DataFrame
        As ``measures``. A check with a rule of its own passes if it does for every classifier; what is not told token
        by token is the mean over classifiers.
    """
    if len(parts) == 1:
        return parts[0].measures
    tokens = pd.concat([part.tokens for part in parts], ignore_index=True)
    order = list(dict.fromkeys(tokens["token"]))
    if clusters is not None and len(clusters) != len(order):
        raise AttributionError(f"{len(clusters)} rows of clusters were given for {len(order)} tokens")
    position = {token: row for row, token in enumerate(order)}
    known = {measure.name: measure for measure in choose_measures(measures)}
    rows = []
    for name in parts[0].measures["measure"]:
        of_parts = pd.concat([part.measures[part.measures["measure"] == name] for part in parts], ignore_index=True)
        row: dict[str, object] = {str(column): value for column, value in of_parts.iloc[0].items()}
        values = tokens[tokens["measure"] == name]
        if len(values):
            at = values["token"].map(position).to_numpy(dtype=int)
            row |= _pooled(known[name], values, cluster_rows(clusters, at), seed)
        else:
            row |= {"value": float(of_parts["value"].mean()), "n": int(of_parts["n"].sum())}
        if not known[name].by_chance:
            failed = of_parts[of_parts["passes"].eq(False).fillna(False)]
            deciding = (failed if len(failed) else of_parts).iloc[0]
            row |= {"passes": deciding["passes"], "note": deciding["note"]}
        rows.append(row)
    return _table_of(rows)


def _table_of(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["method", "measure", *_NUMBERS, "passes", "n", "unit", "n_units", "note"])
    return table.astype({"passes": "boolean"})


def _token_table(trial: Trial, measure: Measure, result: TokenValues) -> pd.DataFrame:
    """Rows of the table of tokens: one a token that was measured."""
    rows = np.arange(len(trial.case)) if result.rows is None else result.rows
    value = np.asarray(result.value, dtype=float)
    chance = np.nan if result.chance is None else np.broadcast_to(result.chance, value.shape).astype(float)
    weight = 1.0 if result.over is None else np.asarray(result.over, dtype=float)
    names = {"method": trial.method, "token": trial.case.names[rows], "target": trial.case.targets[rows]}
    return pd.DataFrame({**names, "measure": measure.name, "value": value, "chance": chance, "weight": weight})


def _pooled(measure: Measure, tokens: pd.DataFrame, clusters: Clusters, seed: int) -> dict[str, object]:
    """Row of one measure from the values of the tokens; those without a value are left out and counted."""
    method = str(tokens["method"].iloc[0])
    value, by_chance, weight = (tokens[column].to_numpy(dtype=float) for column in ("value", "chance", "weight"))
    has_chance = bool(np.isfinite(by_chance).any())
    kept = np.isfinite(value) & (np.isfinite(by_chance) | (not has_chance))
    note = "" if kept.all() else f"{int((~kept).sum())} tokens without a value are left out"
    if not kept.any() or not weight[kept].sum() > 0:
        return _unmeasured(method, measure.name, note or "nothing changes between the token and the neutral input")
    clusters = cluster_rows(clusters, np.flatnonzero(kept))
    value, by_chance, weight = value[kept], by_chance[kept], weight[kept]
    unit = resampling_unit(clusters, len(value))
    row = _unmeasured(method, measure.name, "; ".join(part for part in (note, unit.note) if part))
    row |= _interval(value, weight, clusters, seed) | {"n": len(value), "unit": unit.level, "n_units": unit.n_units}
    if has_chance:
        excess = _interval(value - by_chance, weight, clusters, seed)
        row |= {"chance": float(by_chance.sum() / weight.sum()), "excess": excess["value"]}
        row |= {"excess_low": excess["low"], "excess_high": excess["high"]}
        if measure.by_chance and measure.better != "neither" and np.isfinite(excess["low"]):
            row["passes"] = excess["low"] > 0 if measure.better == "higher" else excess["high"] < 0
    return row


def _unmeasured(method: str, name: str, note: str) -> dict[str, object]:
    """Row of a measure that has no value here, and why."""
    row: dict[str, object] = {"method": method, "measure": name, **dict.fromkeys(_NUMBERS, np.nan), "passes": None}
    return row | {"n": 0, "unit": "", "n_units": 0, "note": note}


def _interval(value: np.ndarray, weight: np.ndarray, clusters: Clusters, seed: int) -> dict[str, float]:
    interval = mean_interval(value, clusters, over=weight)
    return {"value": interval.estimate, "low": interval.low, "high": interval.high}
