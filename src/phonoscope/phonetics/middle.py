"""Between which frequencies the middle half of the evidence lies, class by class."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.judgement.intervals import interval_of
from phonoscope.judgement.units import PerToken, cluster_rows, resampling_unit, unit_sums
from phonoscope.phonetics.profiles import as_labels, cell_centres, require_dims, signed_part

QUARTERS = (0.25, 0.75)
ALL = "all"


def middle_half(
    profiles: xr.DataArray,
    labels: PerToken,
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    max_hz: float,
) -> pd.DataFrame:
    """Where the middle half of what speaks for a class lies: a quarter is below, a quarter above.

    Every token counts the same: the positive part of its profile is divided by its sum. Between the edges of cells
    (half-way between their centres) evidence is spread evenly.

    Parameters
    ----------
    profiles : DataArray, dims (token, frequency)
        Of maps, or of energy.
    labels : sequence of n_tokens
        Class of each; those without one (NA) take no part.
    clusters : DataFrame or sequence of n_tokens, optional
        Levels from the highest down.
    max_hz : float
        Upper end of the axis, Hz.

    Returns
    -------
    DataFrame
        ``label`` ("all" first), ``low_hz, low_hz_low, low_hz_high, high_hz, high_hz_low, high_hz_high`` (95 %),
        ``n, n_units, unit``. Tokens in which nothing speaks for the class take no part.
    """
    require_dims(profiles, "token", "frequency")
    centres = cell_centres(profiles)
    values = signed_part(profiles.transpose("token", "frequency").values.astype(float), "positive")
    sums = values.sum(axis=1)
    known = (sums > 0) & np.isfinite(sums)
    shares = values / np.where(known, sums, 1.0)[:, None]
    names = as_labels(labels, len(values))
    edges = np.concatenate([[0.0], (centres[1:] + centres[:-1]) / 2, [max(max_hz, centres[-1])]])
    rows = []
    for label in [ALL, *sorted(names.dropna().unique())]:
        chosen = np.flatnonzero(known & (names.notna() if label == ALL else names == label).to_numpy(dtype=bool))
        if len(chosen) == 0:
            continue
        unit = resampling_unit(cluster_rows(clusters, chosen), len(chosen))
        of_units = unit_sums(shares[chosen], unit.codes, unit.n_units)
        total = of_units.sum(axis=0)
        row = {"label": label}
        for name, share in zip(("low_hz", "high_hz"), QUARTERS, strict=True):
            left_out = np.array([[_quantile(total - each, edges, share)] for each in of_units])
            found = interval_of(np.array([_quantile(total, edges, share)]), left_out, unit, scale="ratio")
            row |= {name: found.estimate, f"{name}_low": found.low, f"{name}_high": min(found.high, edges[-1])}
        rows.append(row | {"n": len(chosen), "n_units": unit.n_units, "unit": unit.level})
    columns = [f"{name}{end}" for name in ("low_hz", "high_hz") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["label", *columns, "n", "n_units", "unit"])


def _quantile(mass: np.ndarray, edges: np.ndarray, share: float) -> float:
    """Frequency below which a share of the mass of the cells lies; NaN where there is none."""
    summed = np.concatenate([[0.0], np.cumsum(np.maximum(mass, 0.0))])
    if summed[-1] <= 0:
        return float("nan")
    target = share * summed[-1]
    cell = int(np.searchsorted(summed, target)) - 1
    return float(edges[cell] + (target - summed[cell]) / (summed[cell + 1] - summed[cell]) * np.diff(edges)[cell])
