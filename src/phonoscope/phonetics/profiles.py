"""Importance against frequency: a map summed over time, its mean per class with a band, its exact integral over Hz.

A profile may be coarse (seven cells): between cell centres it is a straight line, so every band has a closed-form
integral.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.judgement.intervals import limits, standard_error
from phonoscope.judgement.units import PerToken, resampling_unit, unit_sums
from phonoscope.left_out import LeftOut


def profile(maps: xr.DataArray) -> xr.DataArray:
    """Sum maps over time: importance against frequency, signed, in the maps' own unit.

    Parameters
    ----------
    maps : DataArray, dims (token, frequency, time) in any order
        Signed attribution with ``frequency`` in Hz.

    Returns
    -------
    DataArray, dims (token, frequency)
        The attributes of the maps (unit, method, ``resolution_hz`` ...) are kept.
    """
    require_dims(maps, "token", "frequency", "time")
    summed = maps.sum("time", skipna=False, keep_attrs=True).transpose("token", "frequency")
    return summed.rename("profile")


def time_profile(maps: xr.DataArray) -> xr.DataArray:
    """Sum maps over frequency: importance against time, signed, (token, time); see `profile`."""
    require_dims(maps, "token", "frequency", "time")
    summed = maps.sum("frequency", skipna=False, keep_attrs=True).transpose("token", "time")
    return summed.rename("profile")


def signed_part(values: np.ndarray, part: str) -> np.ndarray:
    """One part of signed values, not negative: ``positive``, ``negative``, or both as ``absolute`` values.

    Raises
    ------
    PhonoscopeError
        If there is no such part.
    """
    parts = {"positive": np.maximum(values, 0.0), "absolute": np.abs(values), "negative": np.maximum(-values, 0.0)}
    if part not in parts:
        raise PhonoscopeError(f"part is {part!r}; it must be one of {', '.join(parts)}.")
    return parts[part]


def energy_profile(spectrograms: xr.DataArray, floor_db: float | None = None) -> xr.DataArray:
    """Mean level above the floor against frequency: what is plainly *there*, the null that a map has to beat.

    Parameters
    ----------
    spectrograms : DataArray, dims (token, frequency, time)
        The network's own input in dB.
    floor_db : float, optional
        Level counted as nothing; each token's own minimum when not given.

    Returns
    -------
    DataArray, dims (token, frequency), dB above the floor, never negative
    """
    require_dims(spectrograms, "token", "frequency", "time")
    floor = spectrograms.min(("frequency", "time")) if floor_db is None else floor_db
    above = (spectrograms - floor).clip(min=0.0).mean("time", skipna=False).transpose("token", "frequency")
    return above.rename("energy").assign_attrs(
        spectrograms.attrs | {"units": f"{spectrograms.attrs.get('units', 'dB')} above the floor"}
    )


def class_profiles(
    profiles: xr.DataArray,
    labels: PerToken,
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Mean profile of every class with an interval over speakers (or recordings), point by point.

    Parameters
    ----------
    profiles : DataArray, dims (token, frequency), or (token, time) of a profile over time
    labels : sequence of n_tokens
        Class of each token; tokens without a class (NA) and tokens whose profile is not finite are left out.
    clusters : DataFrame or sequence of n_tokens, optional
        Columns from the highest level down, e.g. ``tokens[["speaker", "recording"]]``; see `resampling_unit`.
    confidence : float
        Coverage of the band, between 0 and 1.

    Returns
    -------
    DataFrame
        Tidy: ``label, frequency`` (Hz; or ``time``), ``mean, low, high`` (unit of the maps), ``n`` tokens, ``n_units``,
        ``unit``.
        The band is NaN where a class has fewer than six units. ``attrs["left_out"]`` lists what was left out.
    """
    axis = "time" if "time" in profiles.dims else "frequency"
    require_dims(profiles, "token", axis)
    values = profiles.transpose("token", axis).values.astype(np.float64)
    names = as_labels(labels, len(values))
    finite = np.asarray(np.isfinite(values).all(axis=1))
    kept = finite & names.notna().to_numpy()
    left_out = LeftOut()
    ids = profiles["token"].values if "token" in profiles.coords else np.arange(len(values))
    left_out.add("token", "profile not finite", int((~finite).sum()), ids[~finite])
    unlabelled = names.isna().to_numpy() & finite
    left_out.add("token", "no label", int(unlabelled.sum()), ids[unlabelled])
    unit = resampling_unit(clusters, len(values))
    tables = []
    for label in sorted(names[kept].unique()):
        chosen = kept & (names == label).to_numpy(dtype=bool)
        codes = np.unique(unit.codes[chosen], return_inverse=True)[1]
        n_units = int(codes.max()) + 1
        counts, sums = np.bincount(codes)[:, None].astype(float), unit_sums(values[chosen], codes, n_units)
        with np.errstate(invalid="ignore", divide="ignore"):
            without = (sums.sum(axis=0) - sums) / (counts.sum() - counts)
        mean, error, df, _ = standard_error(values[chosen].mean(axis=0)[None], without[:, None], counts)
        low, high = limits(mean, error, df, n_units, confidence=confidence)
        columns = {"label": label, axis: profiles[axis].values, "mean": mean}
        columns |= {"low": low, "high": high}
        tables.append(pd.DataFrame(columns | {"n": int(chosen.sum()), "n_units": n_units, "unit": unit.level}))
    columns = ["label", axis, "mean", "low", "high", "n", "n_units", "unit"]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    table.attrs["left_out"] = left_out.entries()
    return table


def profile_correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Pearson correlation between the mean profiles of classes: near 1 means that the maps are *not* class-specific.

    Parameters
    ----------
    table : DataFrame
        From `class_profiles`.

    Returns
    -------
    DataFrame
        ``label_a, label_b, r``, one row a pair; ``attrs["mean_r"]`` is their mean (NaN below two classes). A flat
        profile has no correlation: its ``r`` is NaN and stays out of the mean.
    """
    wide = table.pivot_table(index="label", columns="frequency", values="mean", sort=True)
    centred = wide.to_numpy() - wide.to_numpy().mean(axis=1, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=1))
    # a flat profile keeps rounding noise when its mean is taken off: that is no shape to correlate
    flat = norm <= 1e-12 * np.abs(wide.to_numpy()).max(initial=0.0) * np.sqrt(max(1, wide.shape[1]))
    centred[flat] = np.nan
    norm[flat] = np.nan
    matrix = centred @ centred.T / np.outer(norm, norm)
    first, second = np.triu_indices(len(wide), k=1)
    names = wide.index.to_numpy()
    pairs = pd.DataFrame({"label_a": names[first], "label_b": names[second], "r": matrix[first, second]})
    pairs.attrs["mean_r"] = float(pairs["r"].mean())
    return pairs


def band_weights(centres_hz: np.ndarray, low_hz: np.ndarray, high_hz: np.ndarray) -> np.ndarray:
    """Integral over a band of each cell's share in the piecewise-linear curve through the cells.

    A curve that is linear between cell centres and constant outside the outermost is a sum of hat functions ``h_c``;
    the integral of the curve over a band is therefore ``values @ weights`` with ``weights[c] = ∫ h_c(f) df`` (closed
    form).

    Parameters
    ----------
    centres_hz : ndarray (cell,), Hz, increasing
    low_hz, high_hz : ndarray (...), Hz
        Edges of bands; an empty band (``high <= low``) weighs nothing, NaN edges give NaN.

    Returns
    -------
    ndarray (..., cell), Hz
    """
    low, high = np.asarray(low_hz, dtype=float), np.asarray(high_hz, dtype=float)
    high = np.where(high < low, low, high)
    return _hat_integrals(centres_hz, high) - _hat_integrals(centres_hz, low)


def density(values: np.ndarray, centres_hz: np.ndarray, max_hz: float) -> np.ndarray:
    """Turn non-negative cell values into a density over 0…max_hz that integrates to 1 (see `band_weights`).

    The value of a cell is a mass; on an uneven axis (mel, Bark) it is divided by the cell's width first.

    Parameters
    ----------
    values : ndarray (token, cell), non-negative
    centres_hz : ndarray (cell,), Hz, increasing
    max_hz : float
        Upper edge of the analysis band.

    Returns
    -------
    ndarray (token, cell), 1/Hz at the cell centres
        NaN for tokens that hold no mass at all in the band.
    """
    height = values / np.gradient(centres_hz) if len(centres_hz) > 1 else np.asarray(values, dtype=float)
    total = height @ band_weights(centres_hz, np.array(0.0), np.array(max_hz))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total[:, None] > 0, height / total[:, None], np.nan)


def band_share(densities: np.ndarray, centres_hz: np.ndarray, low_hz: np.ndarray, high_hz: np.ndarray) -> np.ndarray:
    """Share of each token's density inside its own bands.

    Parameters
    ----------
    densities : ndarray (token, cell)
        From `density`.
    centres_hz : ndarray (cell,), Hz, increasing
    low_hz, high_hz : ndarray (token,) or (token, band), Hz

    Returns
    -------
    ndarray, shape of `low_hz`, between 0 and 1
    """
    weights = band_weights(centres_hz, low_hz, high_hz)
    return np.einsum("t...c,tc->t...", weights, densities)


def cell_centres(profiles: xr.DataArray) -> np.ndarray:
    """Cell centres of a profile in Hz, checked: increasing and finite.

    Raises
    ------
    PhonoscopeError
        If the axis does not increase.
    """
    centres = np.asarray(profiles["frequency"].values, dtype=float)
    if not np.isfinite(centres).all() or (np.diff(centres) <= 0).any():
        raise PhonoscopeError(
            f"the frequency axis must increase in Hz, lowest first; found {centres[:4]}… "
            "Sort the maps with .sortby('frequency')."
        )
    return centres


def as_labels(labels: PerToken, n_tokens: int) -> pd.Series:
    """Labels as a Series in the order of the tokens; raises PhonoscopeError if there is not one label a token."""
    series = pd.Series(list(labels), dtype="object").reset_index(drop=True)
    if len(series) != n_tokens:
        raise PhonoscopeError(f"{len(series)} labels for {n_tokens} tokens: pass one label a token, in the same order.")
    return series.where(series.notna(), None)


def _hat_integrals(centres_hz: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Antiderivative of every hat function at x, (..., cell), up to a constant: only differences have meaning."""
    centres = np.asarray(centres_hz, dtype=float)
    x = x[..., None]
    out = np.zeros((*x.shape[:-1], len(centres)))
    out[..., 0] += np.minimum(x[..., 0], centres[0])
    out[..., -1] += np.maximum(x[..., 0] - centres[-1], 0.0)
    if len(centres) > 1:
        width = np.diff(centres)
        t = np.clip((x - centres[:-1]) / width, 0.0, 1.0)
        rising = width * t**2 / 2
        out[..., 1:] += rising
        out[..., :-1] += width * t - rising
    return out


def require_dims(array: xr.DataArray, *dims: str) -> None:
    """Raise PhonoscopeError unless an array has these dims and no others, in any order."""
    if set(array.dims) != set(dims):
        raise PhonoscopeError(f"expected an array with dims {dims}, found {tuple(array.dims)}.")
