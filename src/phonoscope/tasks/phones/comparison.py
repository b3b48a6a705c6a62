"""How two runs differ, tested: accuracy, profiles and shares, pairwise on common tokens where there are enough.

A pair of runs shares tokens when names, times and classes agree; otherwise the two are compared as unrelated groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import ExperimentError, PhonoscopeError
from phonoscope.judgement.differences import difference_test
from phonoscope.judgement.intervals import Scale
from phonoscope.judgement.permutation import holm
from phonoscope.phonetics.grids import group_difference, paired_difference
from phonoscope.phonetics.profiles import cell_centres, density, profile
from phonoscope.phonetics.shares import token_shares
from phonoscope.tasks.content import Content

FEWEST_COMMON = 20  # tokens: fewer in common are not worth a paired test


@dataclass(frozen=True)
class Measured:
    """What a comparison needs of one run, tested tokens in one order."""

    name: str
    content: Content
    tokens: pd.DataFrame  # token, class, predicted, hit; speaker and recording where known
    profiles: xr.DataArray | None  # (token, frequency)


@dataclass(frozen=True)
class Comparison:
    """Tables of a comparison of two runs (first minus second) and how it was made.

    ``accuracy`` has one row for all tokens and one a class; ``profiles`` one a class and frequency; ``shares`` one a
    class and formant set; ``common`` is the number of tokens in common, `paired` whether they alone were compared.
    """

    first: Measured
    second: Measured
    paired: bool
    common: int
    accuracy: pd.DataFrame
    profiles: pd.DataFrame
    shares: pd.DataFrame
    common_hz: float


def measure(content: Content, name: str) -> Measured:
    """Collect the tested tokens of a run with their predictions and profiles.

    Raises
    ------
    ExperimentError
        If the run has no predictions.
    """
    predictions = content.run.predictions
    levels = [level for level in ("speaker", "recording") if level in content.tokens]
    known = content.tokens[["token", "start", "end", *levels]]
    tokens = predictions[["token", "class", "predicted"]].merge(known, on="token", how="left")
    tokens["hit"] = (tokens["class"] == tokens["predicted"]).astype(float)
    profiles = None
    try:
        maps = content.run.maps(content.method)
        order = pd.Index(maps["token"].values.astype(str)).get_indexer(pd.Index(tokens["token"]))
        if (order >= 0).all():
            profiles = profile(maps[order])
    except PhonoscopeError:
        pass
    if tokens.empty:
        raise ExperimentError(f"{content.run.folder} holds no tested token to compare")
    return Measured(name, content, tokens.reset_index(drop=True), profiles)


def compare(first: Measured, second: Measured, *, seed: int = 0) -> Comparison:
    """Compare two runs; every difference is first minus second.

    Accuracies and shares by `phonoscope.judgement.differences.difference_test`: of common tokens, the mean difference
    of each speaker (or recording); otherwise both runs have their own units. Profiles are
    compared as densities of their positive part over the frequencies that both runs hear, since logits of two networks
    have no common unit: regions of frequency by `phonoscope.phonetics.grids`. Shares are those of the same density in
    the formants of each token.

    Parameters
    ----------
    first, second : Measured
        From `measure`.
    seed : int
        Of the tests of profiles.

    Raises
    ------
    ExperimentError
        If the runs have no class in common.
    """
    classes = [c for c in first.content.labels if c in second.content.labels]
    if not classes:
        raise ExperimentError(
            f"{first.name} and {second.name} have no class in common: {', '.join(first.content.labels)} and "
            f"{', '.join(second.content.labels)}"
        )
    pairs = _common(first.tokens, second.tokens)
    paired = len(pairs) >= FEWEST_COMMON
    if paired:
        chosen = tuple(pairs[column].to_numpy() for column in ("first", "second"))
    else:
        chosen = tuple(
            np.flatnonzero(run.tokens["class"].isin(classes).to_numpy(dtype=bool)) for run in (first, second)
        )
    tokens = [run.tokens.iloc[i].reset_index(drop=True) for run, i in zip((first, second), chosen, strict=True)]
    common_hz = min(first.content.max_hz, second.content.max_hz)
    accuracy = _accuracy(tokens, classes, paired)
    profiles, shares = pd.DataFrame(), pd.DataFrame()
    if first.profiles is not None and second.profiles is not None:
        cut = [run.profiles[i] for run, i in zip((first, second), chosen, strict=True)]  # ty: ignore[not-subscriptable]
        profiles = _profiles(cut, tokens, classes, paired, common_hz, seed)
        shares = _shares((first, second), cut, tokens, classes, paired, common_hz)
    return Comparison(first, second, paired, len(pairs), accuracy, profiles, shares, common_hz)


def _common(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Positions of the tokens that both runs tested: same name, class and, to 1 ms, times."""
    left = first.assign(first=np.arange(len(first)))
    right = second.assign(second=np.arange(len(second)))
    both = left.merge(right, on=["token", "class"], suffixes=("", "_b"))
    same = (both["start"] - both["start_b"]).abs().lt(1e-3) & (both["end"] - both["end_b"]).abs().lt(1e-3)
    return both.loc[same, ["first", "second"]].reset_index(drop=True)


def _clusters(tokens: pd.DataFrame) -> pd.DataFrame | None:
    levels = [level for level in ("speaker", "recording") if level in tokens]
    return tokens[levels] if levels else None


def _accuracy(tokens: list[pd.DataFrame], classes: list[str], paired: bool) -> pd.DataFrame:
    rows = []
    for label in ["all", *classes]:
        groups = [table if label == "all" else table[table["class"] == label] for table in tokens]
        rows.append({"label": label, **_difference(groups, "hit", paired)})
    return _corrected(pd.DataFrame(rows))


def _difference(groups: list[pd.DataFrame], column: str, paired: bool) -> dict[str, Any]:
    """Test the difference of a column of two tables of tokens."""
    first, second = (table[column].to_numpy() for table in groups)
    clusters = (_clusters(groups[0]), _clusters(groups[1]))
    scale: Scale = "difference" if column == "hit" else "plain"
    return difference_test(first, second, clusters, paired=paired, scale=scale)


def _profiles(
    profiles: list[xr.DataArray], tokens: list[pd.DataFrame], classes: list[str], paired: bool, hz: float, seed: int
) -> pd.DataFrame:
    # cells of the coarser of two maps inside the common band: no finer claim is made than both allow
    grid = min((cell_centres(each)[cell_centres(each) <= hz] for each in profiles), key=len)
    curves = [1000 * _densities(measured, grid, hz) for measured in profiles]  # per kHz
    tables = []
    for label in classes:
        of_class = [(table["class"] == label).to_numpy() for table in tokens]
        finite = [np.isfinite(curve).all(axis=1) & mine for curve, mine in zip(curves, of_class, strict=True)]
        if paired:
            finite = [finite[0] & finite[1]] * 2
        if not (finite[0].any() and finite[1].any()):
            continue
        left, right = (curve[mask] for curve, mask in zip(curves, finite, strict=True))
        clusters = tuple(_clusters(t[mask]) for t, mask in zip(tokens, finite, strict=True))
        if paired:
            difference, tested = paired_difference(left, right, clusters[0], seed=seed)
        else:
            difference, tested = group_difference(left, right, (clusters[0], clusters[1]), seed=seed)
        columns = {"label": label, "frequency": grid, "first": left.mean(axis=0), "second": right.mean(axis=0)}
        columns |= {"difference": difference, "t": tested.t, "p_region": tested.p_region, "p_cell": tested.p_cell}
        sizes = {"n_first": len(left), "n_second": len(right), "n_units": tested.n_units, "unit": tested.unit}
        tables.append(pd.DataFrame(columns | sizes | {"note": tested.note}))
    if not tables:
        return pd.DataFrame()
    table = pd.concat(tables, ignore_index=True)
    # Regions are corrected within a class; a class's smallest p goes through Holm over the classes.
    smallest = table.groupby("label", sort=False)["p_region"].min()
    return table.assign(
        p_holm=table["label"].map(dict(zip(smallest.index, holm(smallest.to_numpy(dtype=float)), strict=True)))
    )


def _densities(profiles: xr.DataArray, grid: np.ndarray, hz: float) -> np.ndarray:
    """Density of the positive part (1/Hz) over 0 … hz at the places of a grid, (token, grid)."""
    centres = cell_centres(profiles)
    values = np.maximum(profiles.transpose("token", "frequency").values.astype(np.float64), 0.0)
    heights = density(values, centres, hz)
    return np.stack([np.interp(grid, centres, row) for row in heights])


def _shares(
    runs: tuple[Measured, Measured],
    profiles: list[xr.DataArray],
    tokens: list[pd.DataFrame],
    classes: list[str],
    paired: bool,
    hz: float,
) -> pd.DataFrame:
    if any("f1_50" not in run.content.formants for run in runs):
        return pd.DataFrame()
    measured = []
    for run, profile_rows, rows in zip(runs, profiles, tokens, strict=True):
        table = token_shares(profile_rows, run.content.formants, max_hz=hz)
        measured.append(table.merge(rows, on="token"))
    rows = []
    for label in ["all", *classes]:
        for formant in dict.fromkeys(measured[0]["formant"]):
            groups = [
                table[(table["formant"] == formant) & ((table["class"] == label) | (label == "all"))]
                for table in measured
            ]
            kept = [part["share"].notna().to_numpy() for part in groups]
            kept = [kept[0] & kept[1]] * 2 if paired else kept
            groups = [part[rows_kept] for part, rows_kept in zip(groups, kept, strict=True)]
            if not all(len(part) for part in groups):
                continue
            area = {"area_first": groups[0]["area"].mean(), "area_second": groups[1]["area"].mean()}
            rows.append({"label": label, "formant": formant, **_difference(groups, "share", paired), **area})
    return _corrected(pd.DataFrame(rows)) if rows else pd.DataFrame()


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(p_holm=holm(table["p"].to_numpy(dtype=float)))
