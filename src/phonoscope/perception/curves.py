"""Identification curves: which share of the tokens is called what along the steps of a cue."""

from __future__ import annotations

import numpy as np
import pandas as pd

from phonoscope.judgement.intervals import mean_interval
from phonoscope.perception.trials import Trials

COLUMNS = (
    "class",
    "cue",
    "step",
    "step_unit",
    "achieved",
    "unit",
    "n",
    "missed",
    "label",
    "share",
    "low",
    "high",
    "log_odds",
)


def identification_curves(trials: Trials) -> pd.DataFrame:
    """Shares of answers, a row a class as spoken, cue, step and label.

    Parameters
    ----------
    trials
        Of any cues and classes; stimuli that missed are counted and left out.

    Returns
    -------
    DataFrame
        ``class, cue, step`` (in ``step_unit``), ``achieved`` (median of the measured values, in ``unit``), ``n``
        stimuli, how many ``missed``
        beside them, and for every ``label``: the ``share`` of answers, its 95 % interval (``low, high``) over speakers
        or recordings and trainings, and the mean log odds of the label against all others.
    """
    rows = []
    heard = ~trials.table["missed"].to_numpy(dtype=bool)
    keys = trials.table[["class", "cue", "step"]]
    places = pd.Series(np.arange(len(keys)))
    for key, group in places.groupby([keys[name].to_numpy() for name in keys], sort=True):
        here = group.to_numpy()
        asked = here[heard[here]]
        some = trials.where(asked)
        counts = {"n": len(asked), "missed": len(here) - len(asked)}
        units = trials.table[["step_unit", "unit"]].iloc[here[0]].to_dict()
        achieved = float(np.nanmedian(some.table["achieved"])) if len(asked) else np.nan
        for position, label in enumerate(trials.labels):
            share = {"share": np.nan, "low": np.nan, "high": np.nan, "log_odds": np.nan}
            if len(asked):
                chosen = (some.answers == position).astype(float)
                interval = mean_interval(chosen, some.clusters, scale="proportion")
                share = {"share": interval.estimate, "low": interval.low, "high": interval.high,
                         "log_odds": float(log_odds(some.log_p)[..., position].mean())}  # fmt: skip
            rows.append({**dict(zip(keys, key, strict=True)), "achieved": achieved, **units, **counts,
                         "label": label, **share})  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def number_curves(trials: Trials) -> pd.DataFrame:
    """Mean numbers that a model gives along each cue, a row a number, cue and step.

    Parameters
    ----------
    trials
        With the model's numbers; stimuli that missed are counted and left out.

    Returns
    -------
    DataFrame
        As of `identification_curves`; ``class`` and ``label`` are the name of the number, and in the place of the share
        stands its mean ``value`` with a 95 % interval.
    """
    rows = []
    steps = trials.table[["cue", "step"]]
    for cue, step in steps.drop_duplicates().itertuples(index=False):
        some = trials.where((steps["cue"] == cue) & (steps["step"] == step))
        heard = some.heard()
        achieved = float(np.nanmedian(heard.table["achieved"])) if len(heard) else np.nan
        told = {"cue": cue, "step": step, "step_unit": some.table["step_unit"].iloc[0], "unit": some.unit,
                "achieved": achieved, "n": len(heard), "missed": len(some) - len(heard)}  # fmt: skip
        for position, name in enumerate(trials.labels):
            found = {"value": np.nan, "low": np.nan, "high": np.nan}
            if len(heard):
                interval = mean_interval(heard.log_p[..., position], heard.clusters)
                found = {"value": interval.estimate, "low": interval.low, "high": interval.high}
            rows.append({"class": name, "label": name, **told, **found})
    columns = [*COLUMNS[: COLUMNS.index("share")], "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns).sort_values(["class", "cue", "step"], ignore_index=True)


def log_odds(log_p: np.ndarray) -> np.ndarray:
    """Log odds of each label against all others, from log probabilities (…, label) of labels that exclude each other.

    Computed from the others' own probabilities: one minus a probability near one would be rounding.
    """
    count = log_p.shape[-1]
    others = [np.logaddexp.reduce(np.delete(log_p, i, axis=-1), axis=-1) for i in range(count)]
    return log_p - np.stack(others, axis=-1)
