"""The committed result of the planted-truth benchmark: what is known of each method where the truth is known.

Made by ``phonoscope bench truth --out truth`` (nine cues, three networks, three seeds; 81 cells, 80 of them learnt).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd

from phonoscope.evidence.benchmark import localisation, ranking
from phonoscope.evidence.planted_scores import RESULTS, method_key


@cache
def planted_results() -> pd.DataFrame:
    """Scores of all methods, peers and bounds in every cell; columns as in `benchmark.COLUMNS`, some left out."""
    with (files("phonoscope.data") / RESULTS).open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=True)


def planted_score(method: str) -> dict[str, Any] | None:
    """How well a method finds planted cues: its row of the ranking, or None if it was never tried.

    Parameters
    ----------
    method
        As `explain` takes it. A method that was tried with other options is found by its name and the options that
        decide what it shows (``baseline``, ``fill``); ``asked`` in the result says how it was tried.
    """
    ranked = _ranked()
    wanted = method_key(method)
    rows = ranked[[method_key(name) == wanted for name in ranked["method"]]]
    if rows.empty:
        return None
    facts = {str(name): value for name, value in rows.iloc[0].items()}
    best = ranked[ranked["kind"] == "method"].iloc[0]
    return {**facts, "asked": facts["method"], "best": best["method"], "best_localisation": best["localisation"]}


@cache
def _ranked() -> pd.DataFrame:
    ranked = ranking(planted_results())
    return ranked[ranked["kind"] != "peer"].reset_index(drop=True)


def by_cue(table: pd.DataFrame) -> pd.DataFrame:
    """Mean localisation of each method, peer and bound for each cue, best on average first: (method, cue)."""
    learnt = table[table["learnt"].astype(bool)]
    scored = learnt.assign(localisation=localisation(learnt).fillna(0.0))
    wide = scored.pivot_table(index="method", columns="cue", values="localisation", sort=False)
    order = scored.groupby("method")["localisation"].mean().sort_values(ascending=False).index
    return wide.loc[order]
