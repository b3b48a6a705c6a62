"""Controls among the methods that are judged: maps of the data alone, of random weights, of another network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.audio import cut
from phonoscope.experiments.control_maps import (
    CONTROLS,
    DATA,
    DIFFERENCE,
    ControlledTokens,
    control_maps,
    reference_places,
)
from phonoscope.experiments.folder import Run
from phonoscope.experiments.held_out import HeldOut
from phonoscope.judgement.intervals import mean_interval
from phonoscope.judgement.permutation import holm

# Of maps alone (others explain again, or ask what a method promises), and few, so that controls cost little.
CONTROL_MEASURES = (
    "causal-agreement",
    "causal-agreement-in-class",
    "filled-agreement",
    "filled-agreement-in-class",
    "deletion",
    "insertion",
)
ABOVE, BELOW, OPEN = "above the data alone", "below the data alone", "cannot be told"
_COMPARED = ("causal-agreement", "filled-agreement", "deletion", "insertion")
_LEVEL = 0.05


def measures_of(method: str, names: Sequence[str]) -> tuple[str, ...]:
    """Those of the measures that a method is judged by: all, but for controls, which have maps and nothing else."""
    return tuple(name for name in names if method not in CONTROLS or name in CONTROL_MEASURES)


def controls_for(names: Sequence[str]) -> list[str]:
    """The controls, if there is a measure that they can be judged by."""
    return [control for control in CONTROLS if measures_of(control, names)]


def fold_controls(control: str, run: Run, parts: Sequence[HeldOut], number: int, seed: int) -> xr.DataArray:
    """Maps of one control for the judged tokens of a fold, by the method whose maps the run draws.

    Parameters
    ----------
    control
        One of `CONTROLS`.
    run
        The run, with its tokens and its method.
    parts
        The judged tokens, fold by fold.
    number
        Position of the fold among the parts.
    seed
        Of random weights, and of whatever the method draws.

    Raises
    ------
    AttributionError
        If the run has no other network, or too few training tokens.
    """
    part = parts[number]
    reference: tuple[list[np.ndarray], list[str]] = ([], [])
    if control in (DATA, DIFFERENCE):
        reference = training_tokens(run, part.fold, {name for each in parts for name in each.names})
    tokens = ControlledTokens(
        part.classifier,
        parts[number - 1].classifier if len(parts) > 1 else None,
        str(run.facts.get("method", "cam")),
        part.waveforms,
        part.context_seconds,
        part.names,
        part.classes,
        *reference,
    )
    return control_maps(control, tokens, seed)


def training_tokens(run: Run, fold: int, judged: set[str]) -> tuple[list[np.ndarray], list[str]]:
    """Some tokens that the classifier of a fold was trained on; of one trained elsewhere, some that are not judged.

    Parameters
    ----------
    run
        A finished run of tokens.
    fold
        Number of the fold.
    judged
        Names of tokens that are never among them where the classifier was trained elsewhere.

    Returns
    -------
    list of ndarray, list of str
        Waveforms without context, and their classes.
    """
    tokens = run.tokens
    learnt = tokens["split"].eq("train").to_numpy()
    if not learnt.any():
        learnt = tokens["fold"].ne(fold).fillna(True).to_numpy(dtype=bool)
    if not learnt.any():
        learnt = ~tokens["token"].isin(judged).to_numpy()
    if not learnt.any():
        return [], []
    rows = tokens.iloc[reference_places(tokens["class"].tolist(), np.flatnonzero(learnt))].reset_index(drop=True)
    rows.attrs = tokens.attrs
    waveforms, rows = cut(rows, int(run.facts["sample_rate"]))
    return waveforms, rows["class"].astype(str).tolist()


def beside_data(token_measures: pd.DataFrame, clusters: pd.DataFrame) -> pd.DataFrame:
    """Does a method score higher than the map of the data alone, on the same tokens? Controls are not asked.

    Parameters
    ----------
    token_measures
        One row a method, measure and token: ``method, measure, token, value, weight``.
    clusters
        ``token`` and what intervals are over, from the highest level down.

    Returns
    -------
    DataFrame
        ``method, measure, value, data, difference, low, high, p, p_holm`` (over all rows), ``n, n_units, unit,
        verdict`` (above or below the data alone, or cannot be told).
    """
    rows: list[dict[str, Any]] = []
    for measure in _COMPARED:
        of_measure = token_measures[token_measures["measure"] == measure]
        # Means are sums of the values over the sum of the weights, which are the tokens' own, whatever the method.
        values = of_measure.assign(value=of_measure["value"] / of_measure["weight"].mean())
        wide = values.pivot_table(index="token", columns="method", values="value", sort=False)
        if DATA not in wide:
            continue
        units = clusters.set_index("token").loc[wide.index].reset_index(drop=True)
        for method in wide.columns[~wide.columns.isin(list(CONTROLS))]:
            kept = wide[[method, DATA]].notna().all(axis=1).to_numpy()
            both, of_units = wide[[method, DATA]][kept].to_numpy(), units[kept]
            test = mean_interval(both[:, 0] - both[:, 1], of_units)
            row = {"method": str(method), "measure": measure, "value": both[:, 0].mean(), "data": both[:, 1].mean()}
            row |= {"difference": test.estimate, "low": test.low, "high": test.high, "n_units": test.n_units}
            p = float(np.minimum(test.p_above(0), test.p_below(0)))
            rows.append(row | {"unit": test.unit, "p": p, "n": len(both)})
    columns = ["method", "measure", "value", "data", "difference", "low", "high", "p", "p_holm", "n", "n_units", "unit"]
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
    side = np.where(table["difference"] > 0, ABOVE, BELOW)
    return table.assign(verdict=np.where(table["p_holm"] < _LEVEL, side, OPEN))
