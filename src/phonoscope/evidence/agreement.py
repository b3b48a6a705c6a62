"""Do maps agree with what filtering the sound does, with each other, between trainings, and are they the class's own?

Everything is compared as importance against frequency in common bands, by rank correlation token by token, and beside
the same correlation with the profiles of *other* tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.axes import cell_edges
from phonoscope.errors import AttributionError
from phonoscope.evidence.similarity import mean_where, rank_correlations
from phonoscope.judgement.bootstrap import PerToken, mean_interval
from phonoscope.phonetics.profiles import band_weights, cell_centres, class_profiles, profile, profile_correlations


def common_bands(maps: Sequence[xr.DataArray]) -> np.ndarray:
    """Edges in Hz of the bands of the coarsest of several maps, up to where the lowest of them ends."""
    if not maps:
        raise AttributionError("there are no maps to find common bands of")
    top = min(float(each.attrs["max_hz"]) for each in maps)
    coarsest = max(maps, key=lambda each: top / each.sizes["frequency"])
    edges = band_edges(coarsest)
    return np.append(edges[edges < top - 1e-6], top)


def band_edges(maps: xr.DataArray) -> np.ndarray:
    """Edges of a map's own cells in Hz, half-way between their centres."""
    centres = maps["frequency"].values.astype(float)
    return cell_edges(centres, 0.0, max(float(maps.attrs["max_hz"]), float(centres[-1])))


def band_profiles(maps: xr.DataArray, edges: np.ndarray) -> np.ndarray:
    """Mean importance in bands, per Hz, shape (token, band): a map summed over time, signed, as a density.

    A cell's value is a mass; divided by the spacing of the cells it is a density, which runs straight from centre to
    centre and is integrated over each band exactly (`band_weights`).

    Parameters
    ----------
    maps
        Dims (token, frequency, time).
    edges
        Edges of the bands, Hz, increasing.
    """
    importance = profile(maps)
    centres = cell_centres(importance)
    values = importance.values.astype(np.float64)
    height = values / np.gradient(centres) if len(centres) > 1 else values / edges[-1]
    return height @ band_weights(centres, edges[:-1], edges[1:]).T / np.diff(edges)


def token_agreement(a: np.ndarray, b: np.ndarray, classes: PerToken) -> pd.DataFrame:
    """Rank correlation of each token's two profiles, beside those with other tokens' profiles.

    Parameters
    ----------
    a, b
        Profiles of the same tokens in the same bands, shape (token, band).
    classes
        Class of each token.

    Returns
    -------
    DataFrame
        One row a token: ``agreement``; ``same_class``, ``other_class``: mean correlation of the token's profile in
        ``a`` with those of other tokens in ``b``; NaN where there is none.
    """
    names = np.asarray(list(classes), dtype=object)
    alike = rank_correlations(a, b)
    if a.shape[1] < 3:
        alike = np.full_like(alike, np.nan)  # two bands have no order to speak of
    mates = (names[:, None] == names[None, :]) & ~np.eye(len(names), dtype=bool)
    strangers = names[:, None] != names[None, :]
    return pd.DataFrame(
        {
            "agreement": np.diagonal(alike),
            "same_class": mean_where(alike, mates),
            "other_class": mean_where(alike, strangers),
        }
    )


def causal_agreement(maps: xr.DataArray, causal: xr.DataArray, classes: PerToken) -> pd.DataFrame:
    """Agreement of maps with what taking bands out of the sound does, token by token; see `token_agreement`.

    Parameters
    ----------
    maps
        Dims (token, frequency, time).
    causal
        Maps of the same tokens and targets by a causal method, e.g. ``band-stop``; its bands are those of the
        comparison, so that all methods are asked the same.
    classes
        Class of each token.
    """
    _require_same_tokens(maps, causal)
    edges = band_edges(causal)
    table = token_agreement(band_profiles(maps, edges), band_profiles(causal, edges), classes)
    table.insert(0, "token", maps["token"].values)
    return table


def training_agreement(maps: xr.DataArray, other: xr.DataArray, classes: PerToken) -> pd.DataFrame:
    """Agreement of maps of the same tokens by two trainings, token by token; see `token_agreement`.

    Parameters
    ----------
    maps, other
        Dims (token, frequency, time); compared in the bands of the coarser.
    classes
        Class of each token.
    """
    _require_same_tokens(maps, other)
    edges = common_bands([maps, other])
    return token_agreement(band_profiles(maps, edges), band_profiles(other, edges), classes)


def method_agreement(
    maps: Mapping[str, xr.DataArray],
    classes: PerToken,
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean agreement of each pair of maps of the same tokens: methods with each other, or trainings.

    Parameters
    ----------
    maps
        By name.
    classes, clusters
        Class of each token; what is resampled (see `resampling_unit`).
    seed
        Of the resampling.

    Returns
    -------
    DataFrame
        One row a pair: ``a, b, agreement, low, high, same_class, other_class`` (chance levels), ``n, unit, n_units``.
    """
    if len(maps) < 2:
        raise AttributionError("agreement needs at least two maps")
    edges = common_bands(list(maps.values()))
    profiles = {name: band_profiles(of_name, edges) for name, of_name in maps.items()}
    rows = []
    for a, b in combinations(maps, 2):
        _require_same_tokens(maps[a], maps[b])
        table = token_agreement(profiles[a], profiles[b], classes)
        values = table["agreement"].to_numpy()
        mean = mean_interval(values, clusters, seed=seed)
        columns = {"a": a, "b": b, "agreement": mean.estimate, "low": mean.low, "high": mean.high}
        columns |= {name: float(table[name].mean()) for name in ("same_class", "other_class")}
        rows.append(columns | {"n": len(values), "unit": mean.unit, "n_units": mean.n_units})
    return pd.DataFrame(rows)


def class_specificity(maps: xr.DataArray, classes: PerToken, clusters: pd.DataFrame | PerToken | None = None) -> float:
    """Mean Pearson correlation between the mean profiles of classes: near 1 means that maps do not tell them apart.

    NaN for fewer than two classes.

    Parameters
    ----------
    maps
        Dims (token, frequency, time).
    classes, clusters
        Class of each token; what is resampled (see `resampling_unit`).
    """
    table = class_profiles(profile(maps), classes, clusters, n_bootstrap=2)
    return float(profile_correlations(table).attrs["mean_r"]) if len(table) else float("nan")


def _require_same_tokens(a: xr.DataArray, b: xr.DataArray) -> None:
    if a["token"].values.tolist() != b["token"].values.tolist():
        raise AttributionError("the maps are not of the same tokens in the same order, so they cannot be compared")
