"""Which cells of a class's mean map differ from chance: the test of grids, on the maps of a run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.phonetics.grids import ALPHA, class_difference
from phonoscope.tasks.content import Content

MOST_VALUES = 60_000_000  # of all maps together: more would not fit beside the rest in a laptop's memory


def compare_with_chance(content: Content, method: str | None = None) -> xr.Dataset | None:
    """Test every class's mean map of a run against the mean of the other classes; None where there are no maps.

    Classes and speakers come from the run's tokens. See `class_difference` for null and correction.
    """
    method = content.method if method is None else method
    if "class" not in content.tokens:
        return None
    try:
        maps = content.run.maps(method)
    except PhonoscopeError:
        return None
    if maps.size > MOST_VALUES:
        return None
    rows = content.tokens.set_index("token").reindex(maps["token"].values.astype(str))
    levels = [level for level in ("speaker", "recording") if level in rows]
    return class_difference(maps, rows["class"].tolist(), rows[levels] if levels else None)


def chance_cells(tested: xr.Dataset | None, label: str) -> np.ndarray | None:
    """Cells of a class that do not differ from chance, bool (frequency, time); None where nothing could be tested."""
    if tested is None or label not in tested["label"].values or not np.isfinite(tested["t"].values).any():
        return None
    return tested["p_region"].sel(label=label).values >= ALPHA


def with_tests(table: pd.DataFrame, tested: xr.Dataset | None) -> pd.DataFrame:
    """Add ``difference, t, p_region, p_cell`` to a tidy table of mean maps (``class, frequency, time``)."""
    if tested is None:
        return table
    names = ["difference", "t", "p_region", "p_cell"]
    cells = tested[names].to_dataframe().reset_index().rename(columns={"label": "class"})
    return table.merge(cells, on=["class", "frequency", "time"], how="left")


def words_of_test(tested: xr.Dataset | None) -> str:
    """Say which test hatched what, or why nothing is hatched."""
    if tested is None:
        return "Nothing is hatched: the run does not hold its maps."
    if not np.isfinite(tested["t"].values).any():
        return f"Nothing is hatched: {tested.attrs['note']}."
    return (
        "Hatched cells do not differ from chance (the mean map of all other classes): regions of neighbouring cells "
        f"were tested by flipping the signs of {tested.attrs['n_units']} {tested.attrs['unit']}s, corrected for all "
        "cells of all classes. An unhatched region says that the maps differ there, not that its border is exact."
    )
