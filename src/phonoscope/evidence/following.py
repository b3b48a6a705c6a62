"""Do maps move with the formants? The slope of a profile's peak against the measured formant, beside two controls.

Between classes a peak can only say that classes have different maps; the question is whether, within a class, the peak
goes up when a talker's formant does (slope 1), or not (slope 0: the network listens to a fixed band).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.judgement.claims import ALPHA, between
from phonoscope.judgement.intervals import Interval, jackknife_interval
from phonoscope.judgement.permutation import holm
from phonoscope.judgement.units import PerToken
from phonoscope.left_out import LeftOut
from phonoscope.phonetics.profiles import as_labels, cell_centres

POOLED = "all"
FEWEST_TOKENS = 10
_REPAIRINGS = 20
_MARGIN_SD = 2.5
FOLLOWS, DOES_NOT_FOLLOW, OPEN = "follows", "does not follow", "cannot be told"
# A peak follows if it moves by between half and one and a half of what a map of its resolution would that does.
LEAST_SHARE, MOST_SHARE = 0.5, 1.5
# Below this slope of the control, a map of this resolution could not show that it follows.
LEAST_CONTROL = 0.5


def formant_following(
    profiles: xr.DataArray,
    formants: pd.DataFrame,
    labels: PerToken,
    clusters: pd.DataFrame | PerToken | None = None,
    *,
    numbers: Sequence[int] = (1, 2, 3),
    seed: int = 0,
) -> pd.DataFrame:
    """Slope of the peak of each token's profile against its formant, within classes.

    The peak is sought where the formants of the token's class lie (mean ± 2.5 standard deviations, at least ± the
    map's resolution), as the vertex of the parabola through the highest cell and its neighbours; only positive values
    count. Means of the class are taken off peaks and formants, so that nothing of the slope comes from differences
    between classes. An error of the formant measurement pulls the slope towards 0, and so does a map coarser than the
    spread of the formants: the control says how much.

    Parameters
    ----------
    profiles : DataArray, dims (token, frequency)
        Signed profiles; ``attrs["resolution_hz"]`` is the map's effective width.
    formants : DataFrame
        ``token`` and ``f1_50`` … in Hz, NaN where missing.
    labels, clusters : sequence, DataFrame
        Class and cluster columns of the profiles' tokens, in their order.
    numbers : sequence of int
        Which formants.
    seed : int
        Of the resampling and of the pairs at random.

    Returns
    -------
    DataFrame
        One row a class (and ``all``) and formant: ``label, formant, slope, low, high`` (95 % over units),
        ``control_follows`` (the slope that maps of this resolution get which truly follow the formant; would be 1),
        ``control_fixed`` (the slope when profiles and formants of the class are paired at random; would be 0),
        ``formant_sd`` (Hz, within classes), ``n, n_units, unit, p, note, p_holm, verdict``. The verdict is *follows* if
        the slope is shown to lie between 0.5 and 1.5 times ``control_follows``, *does not follow* if it is shown not
        to, else *cannot be told*, and so it is, as the note says, with fewer than six units or a map that is too
        coarse. Shown means p < .05 after Holm's correction; see `with_verdicts`.
        ``attrs["left_out"]`` lists tokens without formant or without positive values there.
    """
    values = np.maximum(profiles.transpose("token", "frequency").values.astype(float), 0.0)
    centres = cell_centres(profiles)
    resolution = float(profiles.attrs.get("resolution_hz", np.median(np.diff(centres)) if len(centres) > 1 else 0.0))
    names = as_labels(labels, len(values))
    table = formants.set_index("token") if "token" in formants.columns else formants
    table = table.reindex(profiles["token"].values)
    clusters = None if clusters is None else pd.DataFrame(clusters).reset_index(drop=True)
    left_out, rows = LeftOut(), []
    for number in numbers:
        measured = table[f"f{number}_50"].to_numpy(dtype=float)
        low, high = _windows(measured, names, resolution)
        peaks = profile_peaks(values, centres, low, high)
        oracle = np.exp(-0.5 * ((centres - measured[:, None]) / max(resolution / 2, 1.0)) ** 2)
        follows = profile_peaks(np.nan_to_num(oracle), centres, low, high)
        known = np.isfinite(measured) & names.notna().to_numpy()
        left_out.add("token", f"no F{number}", int((~known).sum()))
        left_out.add("token", f"nothing positive around F{number}", int((known & ~np.isfinite(peaks)).sum()))
        known &= np.isfinite(peaks) & np.isfinite(follows)
        for label in [POOLED, *sorted(names[known].unique())]:
            chosen = known if label == POOLED else known & (names == label).to_numpy(dtype=bool)
            if chosen.sum() < FEWEST_TOKENS:
                continue
            groups = pd.factorize(names[chosen])[0]
            units = None if clusters is None else clusters[chosen]
            rows.append(
                {"label": label, "formant": f"F{number}"}
                | _slopes(measured[chosen], peaks[chosen], follows[chosen], groups, units, seed)
            )
    columns = ["label", "formant", "slope", "low", "high", "control_follows", "control_fixed", "formant_sd"]
    result = pd.DataFrame(rows, columns=[*columns, "n", "n_units", "unit", "p", "note"])
    result = with_verdicts(result)
    result.attrs["left_out"] = left_out.entries()
    return result


def profile_peaks(values: np.ndarray, centres: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Frequency of the highest value of each profile inside its own window.

    Parameters
    ----------
    values : ndarray (token, cell), not negative
    centres : ndarray (cell,), Hz
    low, high : ndarray (token,), Hz

    Returns
    -------
    ndarray (token,), Hz
        Vertex of the parabola through the highest cell and its neighbours, kept inside the window; NaN where the
        window holds no cell or nothing positive.
    """
    inside = (centres >= low[:, None]) & (centres <= high[:, None])
    masked = np.where(inside, values, -1.0)
    best = masked.argmax(axis=1)
    peaks = centres[best].astype(float)
    middle = (best > 0) & (best < len(centres) - 1)
    rows, at = np.flatnonzero(middle), best[middle]
    left, here, right = values[rows, at - 1], values[rows, at], values[rows, at + 1]
    before, after = centres[at] - centres[at - 1], centres[at + 1] - centres[at]
    rise, fall = (here - left) / before, (here - right) / after
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = 0.5 * (rise * after - fall * before) / (rise + fall) + 0.0
    vertex = (rise >= 0) & (fall >= 0) & (rise + fall > 0)  # else the window's edge is highest
    peaks[rows[vertex]] += np.clip(shift[vertex], -before[vertex] / 2, after[vertex] / 2)
    peaks = np.clip(peaks, low, high)
    return np.where(masked.max(axis=1) > 0, peaks, np.nan)


def _windows(measured: np.ndarray, names: pd.Series, resolution: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the peak of each token is sought: around the formants of its class."""
    by_class = pd.Series(measured).groupby(names)
    centre = by_class.transform("mean").to_numpy(dtype=float)
    reach = np.maximum(_MARGIN_SD * np.nan_to_num(by_class.transform("std").to_numpy(dtype=float)), resolution)
    return np.maximum(centre - reach, 0.0), centre + reach


def _slopes(
    formant: np.ndarray,
    peaks: np.ndarray,
    follows: np.ndarray,
    groups: np.ndarray,
    clusters: pd.DataFrame | None,
    seed: int,
) -> dict[str, object]:
    member = np.eye(groups.max() + 1)[groups]

    def slope(heights: np.ndarray, weights: np.ndarray) -> np.ndarray:
        total = weights @ member
        with np.errstate(invalid="ignore", divide="ignore"):
            x = formant - np.nan_to_num((weights * formant) @ member / total)[:, groups]
            y = heights - np.nan_to_num((weights * heights) @ member / total)[:, groups]
            return (weights * x * y).sum(axis=1) / (weights * x * x).sum(axis=1)

    once = np.ones((1, len(formant)))
    interval = jackknife_interval(lambda w: slope(peaks, w), len(formant), clusters)
    control = float(slope(follows, once)[0])
    random = np.random.default_rng(seed)
    fixed = np.mean([slope(peaks[_repaired(groups, random)], once)[0] for _ in range(_REPAIRINGS)])
    spread = float(np.sqrt(np.mean((formant - (formant @ member / member.sum(axis=0))[groups]) ** 2)))
    return {
        "slope": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "control_follows": control,
        "control_fixed": float(fixed),
        "formant_sd": spread,
        "n": len(formant),
        "n_units": interval.n_units,
        "unit": interval.unit,
    } | _judged(interval, control)


def _repaired(groups: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Order of tokens shuffled within each group."""
    order = np.arange(len(groups))
    for group in range(groups.max() + 1):
        members = np.flatnonzero(groups == group)
        order[members] = random.permutation(members)
    return order


def _judged(interval: Interval, control: float) -> dict[str, object]:
    """Uncorrected p of a slope against the bounds within which a peak follows, and why there is none if so."""
    if not np.isfinite(interval.low):
        return {"p": np.nan, "note": "too few units for an interval"}
    if control < LEAST_CONTROL:
        return {"p": np.nan, "note": "the map is too coarse: one that follows the formant would hardly move"}
    return {"p": between(interval, LEAST_SHARE * control, MOST_SHARE * control).p, "note": ""}


def with_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Give each slope its verdict, corrected (Holm) for the slopes of all classes together, or of single classes.

    Parameters
    ----------
    table : DataFrame
        ``label, slope, control_follows, p`` of any number of methods.

    Returns
    -------
    DataFrame
        With ``p_holm`` and ``verdict``.
    """
    pooled = (table["label"] == POOLED).to_numpy()
    p = table["p"].to_numpy(dtype=float)
    adjusted = np.where(pooled, holm(np.where(pooled, p, np.nan)), holm(np.where(pooled, np.nan, p)))
    slope, control = (table[name].to_numpy(dtype=float) for name in ("slope", "control_follows"))
    inside = (slope >= LEAST_SHARE * control) & (slope <= MOST_SHARE * control)
    shown = np.where(inside, FOLLOWS, DOES_NOT_FOLLOW)
    return table.assign(p_holm=adjusted, verdict=np.where(adjusted < ALPHA, shown, OPEN))
