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
from phonoscope.evidence.measures import CAUSAL, FILLED, choose_measures, curves
from phonoscope.evidence.randomisation import worst_verdict
from phonoscope.evidence.verdicts import chance_tests, with_verdicts
from phonoscope.judgement.bootstrap import MIN_UNITS, cluster_rows, mean_interval, resampling_unit

_NUMBERS = ("value", "low", "high", "chance", "excess", "excess_low", "excess_high", "p", "p_least")
_COLUMNS = ("method", "measure", *_NUMBERS, "p_corrected", "verdict", "n", "unit", "n_units", "note")
_TOKEN_COLUMNS = ("method", "token", "target", "measure", "value", "chance", "weight")
_CURVE_COLUMNS = ("token", "target", "curve", "fraction", "logit", "probability")


class Measured(NamedTuple):
    """What the measures say of one method's maps of some tokens, token by token.

    Attributes
    ----------
    measures
        One row a measure: ``method, measure, value`` and ``n`` of what is told of all tokens together, the ``verdict``
        of a rule of its own, and ``note``.
    tokens
        Tidy, one row a token and measure: ``method, token, target, measure, value, chance, weight`` (a mean over
        tokens is the sum of the values over the sum of the weights).
    curves
        From `perturbation_curves`, with ``method``; without rows if no measure needed them.
    """

    measures: pd.DataFrame
    tokens: pd.DataFrame
    curves: pd.DataFrame


class Faithfulness(NamedTuple):
    """What `faithfulness` finds for one method.

    Attributes
    ----------
    measures
        One row a measure: ``method, measure, value, low, high`` (95 %, cluster bootstrap), ``chance``, ``excess,
        excess_low, excess_high`` (value − chance, with its own interval), ``p, p_least`` (see `chance_tests`),
        ``p_corrected`` and ``verdict`` (see `with_verdicts`; for ``randomisation`` that of the check, whose sentence is
        the note), ``n`` tokens, ``unit`` (what was resampled), ``n_units``, ``note``. Fewer than six units have no
        interval and no verdict.
    tokens, curves
        As of `Measured`.
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
    filled: str | xr.DataArray = FILLED,
    other: xr.DataArray | None = None,
    clusters: Clusters = None,
    measures: Sequence[str] | None = None,
    effort: Effort = DEFAULT_EFFORT,
    say: Callable[[str], object] = lambda _text: None,
) -> Faithfulness:
    """Judge the maps of one method by every measure that needs no planted truth; see `MEASURES`.

    Parameters
    ----------
    case, method, maps, causal, filled, other, measures, effort, say
        As of `measure_maps`.
    clusters
        What is resampled for the intervals, e.g. ``tokens[["speaker", "recording"]]``; see `resampling_unit`.

    Raises
    ------
    AttributionError
        As of `measure_maps`.
    """
    part = measure_maps(
        case, method, maps=maps, causal=causal, filled=filled, other=other, measures=measures, effort=effort, say=say
    )
    table = pooled_measures([part], clusters, names=case.names, measures=measures, seed=case.setting.seed)
    return Faithfulness(table, part.tokens, part.curves)


def measure_maps(
    case: Case,
    method: str,
    *,
    maps: xr.DataArray | None = None,
    causal: str | xr.DataArray = CAUSAL,
    filled: str | xr.DataArray = FILLED,
    other: xr.DataArray | None = None,
    measures: Sequence[str] | None = None,
    effort: Effort = DEFAULT_EFFORT,
    say: Callable[[str], object] = lambda _text: None,
) -> Measured:
    """Measure the maps of one method, token by token.

    Parameters
    ----------
    case
        Classifier, tokens and targets, from `open_case`.
    method
        As in `explain`.
    maps
        Maps of these tokens by this method, if they have been made already.
    causal, filled
        Methods that maps are compared with, or their maps: make them once when several methods are judged.
    other
        Maps by this method and another training of the network, for the agreement of trainings.
    measures
        Names, or ``package.module:name``; see `measure_names`.
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
    trial = Trial(case, method, maps, causal, filled, other, effort)
    rows, tables = [], []
    for measure in chosen:
        assert measure.function is not None  # those that were chosen can measure
        say(f"{method}: {measure.title}")
        row: dict[str, object] = {"measure": measure.name, "value": np.nan, "n": 0, "verdict": "", "note": ""}
        try:
            result = measure.function(trial)
        except NotMeasuredError as reason:
            row["note"] = str(reason)
        else:
            if isinstance(result, PooledValue):
                row |= {"value": result.value, "note": result.note, "n": len(case)}
            else:
                row |= {"verdict": result.verdict, "note": result.note}
                tables.append(_token_table(trial, measure, result))
        rows.append(row)
    drawn = trial.results.get(curves, pd.DataFrame(columns=list(_CURVE_COLUMNS)))
    tokens = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(_TOKEN_COLUMNS))
    return Measured(pd.DataFrame(rows).assign(method=method), tokens, drawn.assign(method=method))


def pooled_measures(
    parts: Sequence[Measured],
    clusters: Clusters,
    *,
    names: Sequence[str] | np.ndarray,
    measures: Sequence[str] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Pool what one method got on the tokens of one classifier, or of several, such as the folds of a run.

    Parameters
    ----------
    parts
        One a classifier.
    clusters
        Rows of all tokens.
    names
        Names of all tokens, in the order of the clusters.
    measures
        As `measure_maps` was given them.
    seed
        Of the bootstrap.

    Returns
    -------
    DataFrame
        See `Faithfulness`. A check with a rule of its own passes if it does for every classifier; what is not told
        token by token is the mean over classifiers. Of several methods, correct the verdicts together: `with_verdicts`.
    """
    if clusters is not None and len(clusters) != len(names):
        raise AttributionError(f"{len(clusters)} rows of clusters were given for {len(names)} tokens")
    method = str(parts[0].measures["method"].iloc[0])
    tokens = pd.concat([part.tokens for part in parts], ignore_index=True)
    facts = pd.concat([part.measures for part in parts], ignore_index=True)
    position, chosen, rows = {name: row for row, name in enumerate(names)}, choose_measures(measures), []
    for measure in chosen:
        of_measure, values = facts[facts["measure"] == measure.name], tokens[tokens["measure"] == measure.name]
        deciding = of_measure.iloc[worst_verdict(of_measure["verdict"].tolist())]
        if len(values):
            at = values["token"].map(position).to_numpy(dtype=int)
            row = _pooled(measure, values, cluster_rows(clusters, at), seed)
        else:
            row = _unmeasured(method, measure.name, "")
            row |= {"value": float(of_measure["value"].mean()), "n": int(of_measure["n"].sum())}
        rows.append(row | {"verdict": deciding["verdict"], "note": deciding["note"] or row["note"]})
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    return with_verdicts(table, {measure.name: measure for measure in chosen})


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
    lacking = int((~kept).sum())
    note = f"{lacking} {'token' if lacking == 1 else 'tokens'} without a value left out" if lacking else ""
    if not kept.any() or not weight[kept].sum() > 0:
        return _unmeasured(method, measure.name, note or "nothing changes between the token and the neutral input")
    clusters = cluster_rows(clusters, np.flatnonzero(kept))
    value, by_chance, weight = value[kept], by_chance[kept], weight[kept]
    unit = resampling_unit(clusters, len(value))
    few = f"{unit.n_units} {unit.level}s are too few for an interval" if unit.n_units < MIN_UNITS else ""
    row = _unmeasured(method, measure.name, "; ".join(part for part in (note, few, unit.note) if part))
    row |= _interval(value, weight, unit.codes, seed) | {"n": len(value), "unit": unit.level, "n_units": unit.n_units}
    if has_chance:
        excess = _interval(value - by_chance, weight, unit.codes, seed)
        row |= {"chance": float(by_chance.sum() / weight.sum())}
        row |= {f"excess{end}": excess[name] for end, name in (("", "value"), ("_low", "low"), ("_high", "high"))}
        if measure.by_chance and measure.better != "neither":
            better = (by_chance - value) if measure.better == "lower" else (value - by_chance)
            row["p"], row["p_least"] = chance_tests(better, weight, unit.codes, measure.least)
    return row


def _unmeasured(method: str, name: str, note: str) -> dict[str, object]:
    """Row of a measure that has no value here, and why."""
    row: dict[str, object] = {"method": method, "measure": name, **dict.fromkeys(_NUMBERS, np.nan), "verdict": ""}
    return row | {"n": 0, "unit": "", "n_units": 0, "note": note}


def _interval(value: np.ndarray, weight: np.ndarray, codes: np.ndarray, seed: int) -> dict[str, float]:
    """Sum of the values over that of the weights, with its interval where there are units enough."""
    interval = mean_interval(value, codes, over=weight, seed=seed)
    low, high = (interval.low, interval.high) if codes.max() + 1 >= MIN_UNITS else (np.nan, np.nan)
    return {"value": interval.estimate, "low": low, "high": high}
