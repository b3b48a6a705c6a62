"""Territory maps: which answer is given where in the plane of two formants, and where people's vowels lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import map_coordinates
from scipy.special import softmax

from phonoscope.errors import PerceptionError, PhonoscopeError
from phonoscope.judgement.intervals import mean_interval
from phonoscope.judgement.units import cluster_rows
from phonoscope.perception.grids import FormantGrid
from phonoscope.perception.trials import Trials
from phonoscope.phones import resolve_label
from phonoscope.scales import bark_to_hz, hz_to_bark
from phonoscope.synthesis.talkers import SEXES, published_vowels

GROUPS = {"m": "men", "f": "women", "c": "children"}
_ROUNDING = 1e-9
_STEADY = {"eɪ": "e", "oʊ": "o"}  # diphthongs, as the published table calls them
NOBODY = ""  # winner of a cell without stimuli


def territory(trials: Trials, grid: FormantGrid | None = None) -> xr.Dataset:
    """Which answer is given where: each stimulus counts at the place that it was measured at.

    Parameters
    ----------
    trials
        From `phonoscope.perception.grids.grid_trials`.
    grid
        Its places.

    Returns
    -------
    Dataset
        Dims are the names of the two formants, in Hz, and ``label``. ``share`` of the answers; ``n``, how many stimuli
        lie in the cell; ``missed``, how many that were meant for it are not where they were meant to be, and are left
        out; ``winner``, the most frequent answer (empty where there is no stimulus), its ``winner_share`` and the 95 %
        interval ``low, high`` over speakers or recordings and trainings. ``attrs``: ``stimuli, missed, outside`` (of
        the grid, left out) and ``tokens``.
    """
    grid = grid or FormantGrid()
    heard = trials.heard()
    cells = grid.cells(heard.table[grid.first].to_numpy(dtype=float), heard.table[grid.second].to_numpy(dtype=float))
    some, cells = heard.where(cells >= 0), cells[cells >= 0]
    n_cells, n_labels = int(np.prod(grid.steps)), len(trials.labels)
    counts = np.bincount(cells, minlength=n_cells)
    chosen = some.answers
    votes = np.zeros((n_cells, n_labels))
    np.add.at(votes, (np.broadcast_to(cells, chosen.shape), chosen), 1.0 / max(len(chosen), 1))
    with np.errstate(invalid="ignore"):
        shares = votes / counts[:, None]
    winners = votes.argmax(axis=1)
    low, high = np.full(n_cells, np.nan), np.full(n_cells, np.nan)
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        right = (chosen[:, rows] == winners[cell]).astype(float)
        interval = mean_interval(right, cluster_rows(some.clusters, rows), scale="proportion")
        low[cell], high[cell] = interval.low, interval.high
    missed = trials.table["missed"].to_numpy(dtype=bool)
    aimed = trials.table["step"].to_numpy(dtype=int)[missed]
    plane = (grid.first, grid.second)

    def shaped(values: np.ndarray) -> tuple[tuple[str, str], np.ndarray]:
        return plane, values.reshape(grid.steps)

    names = np.where(counts > 0, np.asarray(trials.labels, dtype=object)[winners], NOBODY)
    return xr.Dataset(
        {
            "share": ((*plane, "label"), shares.reshape(*grid.steps, n_labels)),
            "n": shaped(counts),
            "missed": shaped(np.bincount(aimed[aimed >= 0], minlength=n_cells)),
            "winner": shaped(names),
            "winner_share": shaped(shares[np.arange(n_cells), winners]),
            "low": shaped(low),
            "high": shaped(high),
        },
        _coordinates(grid) | {"label": list(trials.labels)},
        {
            "stimuli": len(trials),
            "missed": int(missed.sum()),
            "outside": len(heard) - len(some),
            "tokens": int(trials.table["token"].nunique()),
        },
    )


def boundary_lines(found: xr.Dataset, share: str = "share") -> pd.DataFrame:
    """Lines on which the two most frequent answers are equally frequent.

    Parameters
    ----------
    found
        From `territory` or, for one group of talkers, `published_territory`.
    share
        Name of the shares in it.

    Returns
    -------
    DataFrame
        One row a point: ``label, against``, number of the ``line``, and the two formants in Hz.
    """
    from matplotlib.figure import Figure

    first, second = found[share].dims[:2]
    x, y = (hz_to_bark(found[name].values) for name in (first, second))
    values, labels = found[share].values, found["label"].values
    rows, line, axes = [], 0, Figure().subplots()  # nothing is drawn: it finds the lines
    for a in range(len(labels)):
        for b in range(a + 1, len(labels)):
            level = np.ma.masked_invalid(values[..., a] - values[..., b])
            if level.count() < 4 or np.ma.min(level) * np.ma.max(level) >= 0:
                continue
            paths = (np.asarray(path) for path in axes.contour(y, x, level, levels=[0.0]).allsegs[0])
            for path in (path for path in paths if len(path) > 1):
                there = _between(values, x, y, path[:, 1], path[:, 0])  # (point, label)
                others = np.delete(there, [a, b], axis=1).max(axis=1, initial=0.0)
                ahead = there[:, [a, b]].min(axis=1) > others - _ROUNDING
                for part in np.split(np.arange(len(path)), np.flatnonzero(np.diff(ahead)) + 1):
                    if not ahead[part[0]] or len(part) < 2:
                        continue
                    rows += [
                        {"label": labels[a], "against": labels[b], "line": line, first: hz[0], second: hz[1]}
                        for hz in bark_to_hz(path[part][:, ::-1])
                    ]
                    line += 1
    return pd.DataFrame(rows, columns=["label", "against", "line", first, second])


def published_territory(grid: FormantGrid | None = None, vowels: Sequence[str] = ()) -> xr.Dataset:
    """Which vowel of American talkers lies nearest at each place: men, women and children separately.

    Means and standard deviations of Hillenbrand et al. (1995), all vowels equally frequent. The formants of a vowel are
    taken as independent and normal within a group of talkers: their correlations are not in the published table.

    Parameters
    ----------
    grid
        The places, in the plane of F1 to F4.
    vowels
        Which vowels there are to choose from, in IPA or as `phonoscope.phones` spells them; all by default.

    Returns
    -------
    Dataset
        Dims ``group`` (men, women, children), the two formants, and ``label``: ``share``, the probability of each vowel
        there, and the ``winner``; ``mean`` and ``sd`` of each vowel in Hz, by ``formant``.

    Raises
    ------
    PerceptionError
        If a vowel is not in the published table.
    """
    grid = grid or FormantGrid()
    table = published_vowels()
    known = list(dict.fromkeys(vowel for _, vowel in table))
    names = [_in_table(name, known) for name in vowels] or known
    planes = np.meshgrid(*grid.places, indexing="ij")
    density = np.zeros((len(SEXES), *grid.steps, len(names)))
    moments = np.zeros((2, len(SEXES), len(names), 2))  # mean and standard deviation
    for group, sex in enumerate(SEXES):
        for at, vowel in enumerate(names):
            row = table[sex, vowel]
            for axis, (cue, hertz) in enumerate(zip((grid.first, grid.second), planes, strict=True)):
                moments[:, group, at, axis] = row[cue], row[f"{cue}_sd"]
                z = (hertz - row[cue]) / row[f"{cue}_sd"]
                density[group, ..., at] -= 0.5 * z**2 + np.log(row[f"{cue}_sd"])
    shares = softmax(density, axis=-1)
    plane = ("group", grid.first, grid.second)
    labels = list(vowels) or known
    return xr.Dataset(
        {
            "share": ((*plane, "label"), shares),
            "winner": (plane, np.asarray(labels, dtype=object)[shares.argmax(axis=-1)]),
            "mean": (("group", "label", "formant"), moments[0]),
            "sd": (("group", "label", "formant"), moments[1]),
        },
        _coordinates(grid)
        | {"group": [GROUPS[sex] for sex in SEXES], "label": labels, "formant": [grid.first, grid.second]},
        {"source": "Hillenbrand et al. (1995), J. Acoust. Soc. Am. 97, 3099"},
    )


def agreement(trials: Trials, published: xr.Dataset, grid: FormantGrid | None = None) -> pd.DataFrame:
    """How often the answer is the vowel that people's formants say lies nearest, every cell counting the same.

    Parameters
    ----------
    trials
        From `phonoscope.perception.grids.grid_trials`.
    published
        From `published_territory`, of the same grid and the labels of the trials.
    grid
        Its places.

    Returns
    -------
    DataFrame
        One row a ``group`` of talkers: ``agreement`` with its 95 % interval ``low, high`` over ``n_units`` speakers or
        recordings and trainings; ``chance``, what answers of the same frequencies would reach that know nothing of the
        place; ``n`` stimuli and ``cells``.
    """
    grid = grid or FormantGrid()
    heard = trials.heard()
    cells = grid.cells(heard.table[grid.first].to_numpy(dtype=float), heard.table[grid.second].to_numpy(dtype=float))
    some, cells = heard.where(cells >= 0), cells[cells >= 0]
    if not len(some):
        raise PerceptionError("no stimulus lies within the grid, so nothing can be compared")
    weights = 1.0 / np.bincount(cells)[cells]
    answers = np.asarray(trials.labels, dtype=object)[some.answers]  # (training, stimulus)
    rows = []
    for group in published["group"].values:
        nearest = published["winner"].sel(group=group).values.reshape(-1)[cells]
        right = (answers == nearest) * weights
        interval = mean_interval(right, some.clusters, over=np.broadcast_to(weights, right.shape), scale="proportion")
        pairs = [((answers == label) * weights).sum() * ((nearest == label) * weights).sum() for label in trials.labels]
        rows.append({
            "group": group, "agreement": interval.estimate, "low": interval.low, "high": interval.high,
            "chance": sum(pairs) / (len(answers) * weights.sum() ** 2), "n": len(some),
            "cells": len(np.unique(cells)), "n_units": interval.n_units, "unit_of_interval": interval.unit,
            "trainings": interval.n_trainings,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _coordinates(grid: FormantGrid) -> dict[str, object]:
    names = (grid.first, grid.second)
    return {name: (name, hertz, {"units": "Hz"}) for name, hertz in zip(names, grid.places, strict=True)}


def _between(values: np.ndarray, x: np.ndarray, y: np.ndarray, at_x: np.ndarray, at_y: np.ndarray) -> np.ndarray:
    """Values (x, y, label) of even axes, interpolated at points: shape (point, label)."""
    places = [(at - axis[0]) / (axis[1] - axis[0]) for at, axis in ((at_x, x), (at_y, y))]
    known = np.nan_to_num(np.moveaxis(values, 2, 0))
    return np.stack([map_coordinates(each, places, order=1, mode="nearest") for each in known], axis=1)


def _in_table(name: str, known: Sequence[str]) -> str:
    try:
        label = name if name in known else resolve_label(name)
    except PhonoscopeError:
        label = name
    label = _STEADY.get(label, label)
    if label not in known:
        raise PerceptionError(f"there is no vowel {name!r} in the published table; choose among {', '.join(known)}")
    return label
