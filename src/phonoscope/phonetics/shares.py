"""How much of a map lies inside the formants of its own token, against chance levels, with intervals and a test.

The share itself says little: maps and formants both sit at low frequencies. What counts is the share in the token's
*own* formants over the share expected when maps and formants are paired at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.judgement.claims import ALPHA, OPEN, SMALLEST_EFFECTS, Judged, above, below, between, by_test, enough
from phonoscope.judgement.permutation import holm
from phonoscope.judgement.units import MIN_UNITS, PerToken, Unit, resampling_unit
from phonoscope.left_out import LeftOut
from phonoscope.phonetics.pairing import MIN_CLASSES, POOLED, paired_shares
from phonoscope.phonetics.profiles import as_labels, band_weights, cell_centres, density, require_dims, signed_part

Part = Literal["positive", "absolute", "negative"]

FORMANT_SETS = {"F1": (1,), "F2": (2,), "F3": (3,), "F4": (4,), "F1–F3": (1, 2, 3), "F1–F4": (1, 2, 3, 4)}
_WHAT = ["label", "formant", "null", "n", "n_units", "unit"]
_CHANCE = [
    "share",
    "area",
    "energy",
    "other_formants",
    "other_maps",
    "permuted",
    "ratio",
    "low",
    "high",
    "error",
    "df",
    "p",
    "p_holm",
]
_COLUMNS = [*_WHAT, *_CHANCE, "energy_ratio", "band_hz", "resolution_hz", "finer", "verdict"]


@dataclass(frozen=True)
class FormantBands:
    """Which formants of a table, and how wide their bands are.

    Parameters
    ----------
    at, prefix
        The columns are ``f"{prefix}f1_{at}"``: ``prefix="true_"`` for planted formants.
    min_bandwidth_hz
        Bands are at least this wide; also used where only the bandwidth is missing.
    """

    at: int = 50
    prefix: str = ""
    min_bandwidth_hz: float = 50.0


def token_shares(
    profiles: xr.DataArray,
    formants: pd.DataFrame,
    *,
    max_hz: float,
    part: Part = "positive",
    energy: xr.DataArray | None = None,
    bands: FormantBands = FormantBands(),
) -> pd.DataFrame:
    """Share of each token's map inside its own formants, one row a token and formant set, for models of one's own.

    Parameters
    ----------
    profiles, formants, max_hz, part, energy, bands
        As in `formant_shares`.

    Returns
    -------
    DataFrame
        ``token, formant`` (F1 … F4, F1–F3, F1–F4), ``share``, ``area`` (the bands' part of 0…max_hz), ``energy`` and
        ``band_hz``; NaN where a formant of the set is missing or above `max_hz`, or the map has no mass of that sign.
    """
    maps, _ = _densities(profiles, max_hz, part)
    low, high = formant_bands(formants, _token_ids(profiles), max_hz, bands)
    energies = _energies(energy, profiles, max_hz)
    tables = []
    for name, edges in _merged_sets(low, high):
        weights = band_weights(cell_centres(profiles), *edges).sum(axis=1)
        width = (edges[1] - edges[0]).sum(axis=1)
        columns = {"token": _token_ids(profiles), "formant": name, "share": (weights * maps).sum(axis=1)}
        columns |= {"area": width / max_hz, "energy": np.nan, "band_hz": width}
        if energy is not None and energies is not None:
            columns["energy"] = (band_weights(cell_centres(energy), *edges).sum(axis=1) * energies).sum(axis=1)
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def formant_shares(
    profiles: xr.DataArray | Sequence[xr.DataArray],
    formants: pd.DataFrame,
    *,
    max_hz: float,
    labels: PerToken,
    clusters: pd.DataFrame | PerToken | None = None,
    part: Part = "positive",
    energy: xr.DataArray | None = None,
    bands: FormantBands = FormantBands(),
    smallest: float = SMALLEST_EFFECTS["share"],
    seed: int = 0,
) -> pd.DataFrame:
    """Share of maps inside F1 … F4 ± half a bandwidth per class, with area, energy and re-pairing nulls.

    Let ``s(i, j)`` be the share of map i in the formant bands of token j. The share of a class is the mean of ``s(i,
    i)``. Three chance levels re-pair maps with the formants of *other* tokens (``permuted``); they answer different
    questions:

    ``null = "run"``
        Maps and formants of the whole run paired at random, keeping what the maps of this class are like
        (``other_formants``: its maps in everybody's bands, R) and where its bands lie (``other_maps``: everybody's
        maps in its bands, Q): ``permuted = R·Q/G`` with G the mean over all pairs, as in a contingency table; for all
        classes together R = Q = G. R alone would call every low-frequency-heavy set of maps "on the formants" of a
        class with low formants. *Not* controlled: anything the maps of a class have in common. A map that is constant
        per class is, in effect, one draw per class, and random constant maps come out "significant" with many tokens:
        such a row says where the maps of *this* network lie, not that networks follow formants. Read it with the two
        others.
    ``null = "class"``
        Formants of other tokens of the same class. Class means cannot produce it: it needs maps that follow the
        formants of talkers and contexts.
    ``null = "classes"`` (pooled row only)
        Whole classes exchanged: maps of /i/ with the formants of /ɑ/ and so on, each class one draw, all orders tried
        when there are at most six classes. Valid for maps that are constant per class; needs four classes or more.
        Its ``share`` is that of maps in the formants of *other* tokens of their class, every class weighing the same.

    Intervals of the ratio come from leaving out units (speakers; recordings when there are fewer than six speakers; see
    `phonoscope.judgement.units.resampling_unit`), with Student's t on the logarithm, and count trainings as well
    where there are several. Tokens within a unit may depend on each other in any way. A row is above chance where its
    interval lies above ``1 + smallest``, below where it lies below ``1 − smallest``, practically at chance where it
    lies between, and otherwise cannot be told. ``p_holm`` corrects over classes × formants within each null; rows
    that pool classes and rows of joint formants are families of their own.

    Parameters
    ----------
    profiles : DataArray, dims (token, frequency), or a sequence of such, one a training
        Signed profiles, Hz at cell centres; ``attrs["resolution_hz"]``, if present, is the map's effective width. Of
        several trainings, shares are means, and intervals count both chances.
    formants : DataFrame
        Formant table with ``token`` (or tokens as index) and ``f1_50, b1_50`` … in Hz, NaN where missing.
    max_hz : float
        Upper edge of what the network hears; formants centred above it are left out, bands that reach over it are
        cut.
    labels, clusters : sequence, DataFrame
        Class and cluster columns of the profiles' tokens, in their order.
    part : {"positive", "absolute", "negative"}
        Which part of the signed profile is shared out.
    energy : DataArray, dims (token, frequency), optional
        Energy profile of the same tokens (`energy_profile`), non-negative; its own frequency axis.
    bands : FormantBands
        Which columns of the table, and the least width.
    smallest : float
        Smallest part of chance that counts as a difference.
    seed : int
        Of the orders of classes, where there are too many to try all.

    Returns
    -------
    DataFrame
        Tidy, one row a (label, formant, null): ``n`` tokens, ``n_units, unit``; ``share, area, energy,
        other_formants, other_maps, permuted``; ``ratio`` (share / permuted) with ``low, high`` and the standard error
        and degrees of freedom of its logarithm (``error, df``); ``p, p_holm`` (of the verdict);
        ``energy_ratio`` (the same ratio for the plain energy: what a map of energy would score); ``band_hz,
        resolution_hz, finer`` (the bands are narrower than the map resolves); ``verdict`` in words. Label "all" pools
        the classes. ``attrs["left_out"]`` and ``attrs["settings"]`` are ready for JSON.

    Raises
    ------
    PhonoscopeError
        If labels, clusters or energy do not fit the profiles, or formant columns are missing.
    """
    trainings = [profiles] if isinstance(profiles, xr.DataArray) else list(profiles)
    first = trainings[0]
    tokens = _token_ids(first)
    if any(not np.array_equal(_token_ids(each), tokens) for each in trainings):
        raise PhonoscopeError("profiles of several trainings must be of the same tokens, in the same order.")
    names = as_labels(labels, len(tokens))
    if (names == POOLED).any():
        raise PhonoscopeError(f"a class is called {POOLED!r}, the name of the rows that pool the classes: rename it.")
    left_out = LeftOut()
    densities = [_densities(each, max_hz, part) for each in trainings]
    maps = [values for values, _ in densities]
    reasons = {reason: np.logical_or.reduce([masks[reason] for _, masks in densities]) for reason in densities[0][1]}
    low, high = formant_bands(formants, tokens, max_hz, bands, left_out=left_out)
    reasons["no label"] = names.isna().to_numpy()
    usable = np.ones(len(tokens), dtype=bool)
    for reason, mask in reasons.items():
        left_out.add("token", reason, int((mask & usable).sum()), tokens[mask & usable])
        usable &= ~mask
    unit = resampling_unit(clusters, len(tokens))
    energies = _energies(energy, first, max_hz)
    rows: list[dict[str, Any]] = []
    for formant, edges in _merged_sets(low, high):
        single = edges[1] - edges[0]
        width = single.sum(axis=1)
        kept = usable & np.isfinite(width)
        weights = band_weights(cell_centres(first), *edges).sum(axis=1)
        table = paired_shares(maps, weights, names, kept, unit, seed)
        plain: dict[tuple[str, str], dict[str, Any]] = {}
        if energy is not None and energies is not None:
            finite = kept & np.isfinite(energies).all(axis=1)
            energy_weights = band_weights(cell_centres(energy), *edges).sum(axis=1)
            of_energy = paired_shares([energies], energy_weights, names, finite, unit, seed)
            plain = {(row["label"], row["null"]): row for row in of_energy}
        for row in table:
            chosen = kept & ((names == row["label"]).to_numpy(dtype=bool) | (row["label"] == POOLED))
            band_hz = float(width[chosen].mean()) if chosen.any() else np.nan
            widest = float(single[chosen].mean(axis=0).max()) if chosen.any() else np.nan
            of_plain = plain.get((row["label"], row["null"]), {})
            row |= {"formant": formant, "unit": unit.level, "area": band_hz / max_hz, "band_hz": band_hz}
            row |= {"energy": of_plain.get("share", np.nan), "energy_ratio": of_plain.get("ratio", np.nan)}
            middle = float((edges[0] + edges[1])[chosen].mean() / 2) if chosen.any() else None
            resolution_hz = map_resolution(first, middle)
            row |= {"resolution_hz": resolution_hz, "finer": bool(widest < resolution_hz)}
        rows += table
    ways = [_ways(row, smallest) for row in rows]
    result = pd.DataFrame(rows).drop(columns="interval")
    result["p"] = [min((way.p_for for way in each.values() if np.isfinite(way.p_for)), default=np.nan) for each in ways]
    result["p_holm"] = np.nan
    joint = [len(FORMANT_SETS[row["formant"]]) > 1 for row in rows]
    for _, family in result.groupby(["null", result["label"] == POOLED, np.array(joint)], sort=False):
        result.loc[family.index, "p_holm"] = holm(family["p"].to_numpy())
    result["verdict"] = [
        _verdict(row | {"p_holm": p}, each, unit) for row, each, p in zip(rows, ways, result["p_holm"], strict=True)
    ]
    result = result[_COLUMNS]
    result.attrs["left_out"] = left_out.entries()
    result.attrs["settings"] = {
        "max_hz": float(max_hz),
        "part": part,
        "min_bandwidth_hz": float(bands.min_bandwidth_hz),
        "columns": f"{bands.prefix}f1_{bands.at}",
        "unit": unit.level,
        "note": unit.note,
        "smallest": smallest,
        "trainings": len(trainings),
        "seed": seed,
    }
    return result


def formant_bands(
    formants: pd.DataFrame,
    tokens: np.ndarray,
    max_hz: float,
    bands: FormantBands = FormantBands(),
    *,
    left_out: LeftOut | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Edges of F1 … F4 ± half a bandwidth of each token, in Hz.

    Parameters
    ----------
    formants : DataFrame
        Formant table with ``token``, or tokens as index.
    tokens : array (token,)
        Whose edges are wanted, in their order.
    max_hz : float
        Bands are cut at 0 and here; formants centred above are missing.
    bands : FormantBands
        Which columns of the table, and the least width.
    left_out : LeftOut, optional
        Counts the formants that are missing or centred above `max_hz`.

    Returns
    -------
    low, high : array (token, 4)
        NaN where there is no band.
    """
    table = formants.set_index("token") if "token" in formants else formants
    wanted = [f"{bands.prefix}f{k}_{bands.at}" for k in range(1, 5)]
    if lacking := [column for column in wanted if column not in table]:
        raise PhonoscopeError(
            f"the formant table has no column {', '.join(lacking)}; it has: {', '.join(table.columns)}."
        )
    if table.index.has_duplicates:
        raise PhonoscopeError(
            f"token {table.index[table.index.duplicated()][0]} has several rows in the formant table."
        )
    unknown = ~np.isin(tokens, table.index.to_numpy())
    rows = table.reindex(tokens)
    left_out = LeftOut() if left_out is None else left_out
    left_out.add("token", "not in the formant table", int(unknown.sum()), tokens[unknown])
    low, high = np.full((2, len(tokens), 4), np.nan)
    for k, column in enumerate(wanted):
        centre = rows[column].to_numpy(dtype=float, na_value=np.nan)
        breadth = f"{bands.prefix}b{k + 1}_{bands.at}"
        given = rows[breadth].to_numpy(dtype=float, na_value=np.nan) if breadth in rows else np.full(len(rows), np.nan)
        missing, above = np.isnan(centre) & ~unknown, centre > max_hz
        bare = np.isnan(given) & np.isfinite(centre) & ~above
        left_out.add("formant", f"F{k + 1} missing", int(missing.sum()), tokens[missing])
        left_out.add("formant", f"F{k + 1} above {max_hz:g} Hz", int(above.sum()), tokens[above])
        reason = f"F{k + 1} without bandwidth: {bands.min_bandwidth_hz:g} Hz taken"
        left_out.add("bandwidth", reason, int(bare.sum()), tokens[bare])
        half = np.fmax(given, bands.min_bandwidth_hz) / 2
        inside = np.where(above, np.nan, centre)
        low[:, k], high[:, k] = np.maximum(inside - half, 0.0), np.minimum(inside + half, max_hz)
    return low, high


def merged_bands(low_hz: np.ndarray, high_hz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Trim bands (token, band) so that none overlaps another: their sum is the union, nothing is counted twice."""
    order = np.argsort(low_hz, axis=1)
    low, high = np.take_along_axis(low_hz, order, axis=1), np.take_along_axis(high_hz, order, axis=1)
    reached = np.maximum.accumulate(high, axis=1)
    low[:, 1:] = np.maximum(low[:, 1:], reached[:, :-1])
    # one formant missing: the whole set is missing
    lost = np.isnan(low_hz + high_hz).any(axis=1)
    low[lost], reached[lost] = np.nan, np.nan
    return low, np.maximum(reached, low)


def _merged_sets(low: np.ndarray, high: np.ndarray) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Name of each set of formants, and the edges of its bands, merged."""
    for name, numbers in FORMANT_SETS.items():
        columns = [number - 1 for number in numbers]
        yield name, merged_bands(low[:, columns], high[:, columns])


def map_resolution(profiles: xr.DataArray, hz: float | None = None) -> float:
    """Finest detail in Hz that a map can show: its effective width, and never less than the distance of its cells.

    Parameters
    ----------
    profiles : DataArray with a dim frequency
    hz : float, optional
        Where, for maps whose rows differ in height; the coarsest of them without it.
    """
    centres = cell_centres(profiles)
    spacing = np.diff(centres)
    if hz is not None and len(spacing) and "resolution" in profiles.coords:
        around = float(np.interp(hz, (centres[1:] + centres[:-1]) / 2, spacing))
        return max(around, float(np.interp(hz, centres, profiles["resolution"].values)))
    cells = float(spacing.max()) if len(spacing) else np.inf
    return max(cells, float(profiles.attrs.get("resolution_hz", 0.0)))


def _ways(row: dict[str, Any], smallest: float) -> dict[str, Judged]:
    """How a row stands to being above chance, below it, and practically at it; exchanged classes decide the first two.

    Where a p of its own says that nothing differs (a difference that the re-pairing itself can make), nothing is.
    """
    interval = row["interval"]
    if row["null"] == "classes":
        return {
            "above": by_test(row["p"], positive=row["ratio"] > 1),
            "below": by_test(row["p"], positive=row["ratio"] < 1),
        }
    ways = {
        "above": above(interval, 1 + smallest),
        "below": below(interval, 1 - smallest),
        "practically at": between(interval, 1 - smallest, 1 + smallest),
    }
    return {"practically at": ways["practically at"]} if row["p"] == 1.0 else ways


def _verdict(row: dict[str, Any], ways: dict[str, Judged], unit: Unit) -> str:
    """The row in plain words."""
    if row["n"] == 0:
        return "no token has these formants below the upper edge"
    if not np.isfinite(row["ratio"]):
        return "no chance level: nothing to pair with, or no map has mass in any band"
    if not np.isfinite(row["p_holm"]):
        if row["null"] == "classes":
            return f"not tested: exchanging classes needs at least {MIN_CLASSES} of them"
        few = row["n_units"] < MIN_UNITS
        return f"not tested: {row['n_units']} {unit.level}s are too few (at least {MIN_UNITS})" if few else OPEN
    way = min(ways, key=lambda name: ways[name].p_for)
    limits = f" ({row['low']:.2f}–{row['high']:.2f})" if np.isfinite(row["low"]) else ""
    measured = f"{row['ratio']:.2f} ×{limits}"
    words = f"{way} chance: {measured}"
    if not row["p_holm"] < ALPHA:
        words = "; ".join(filter(None, [f"{OPEN}: {measured}", enough(ways[way])]))
    if row["finer"]:
        words += f"; finer than the map's resolution ({row['resolution_hz']:.0f} Hz): about the region, not the formant"
    return f"{words}; {unit.note}" if unit.note else words


def _densities(profiles: xr.DataArray, max_hz: float, part: Part) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Density (token, cell) of one part of signed profiles, and masks of tokens that have none, by reason."""
    require_dims(profiles, "token", "frequency")
    if max_hz <= 0:
        raise PhonoscopeError(
            f"max_hz is {max_hz}; it must be the positive upper edge of what the network hears, in Hz."
        )
    values = profiles.transpose("token", "frequency").values.astype(np.float64)
    infinite = np.asarray(~np.isfinite(values).all(axis=1))
    wanted = np.where(infinite[:, None], np.nan, signed_part(values, part))
    densities = density(wanted, cell_centres(profiles), max_hz)
    empty = np.asarray(np.isnan(densities).any(axis=1) & ~infinite)
    return densities, {"map not finite": infinite, f"map has no {part} part below {max_hz:g} Hz": empty}


def _token_ids(profiles: xr.DataArray) -> np.ndarray:
    if "token" not in profiles.coords:
        raise PhonoscopeError(
            "the profiles have no token ids: add the coordinate 'token' with the ids of the token table."
        )
    return profiles["token"].values


def _energies(energy: xr.DataArray | None, profiles: xr.DataArray, max_hz: float) -> np.ndarray | None:
    """Densities (token, cell) of the energy profiles of the same tokens, if there are any."""
    if energy is None:
        return None
    if not np.array_equal(_token_ids(energy), _token_ids(profiles)):
        raise PhonoscopeError(
            "the energy profiles are of other tokens than the maps: pass the same tokens in the same order."
        )
    return _densities(energy, max_hz, "positive")[0]
