"""Does a first layer respond otherwise than layers with random weights do, somewhere or in a band named beforehand?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.filters.nulls import check_same, class_shape, distance, each_training, label_names, learned_minus_null
from phonoscope.filters.peaks import band_shares

MOST_GROUPINGS = 5000


def null_test(
    learned: xr.DataArray, nulls: xr.DataArray, *, labels: Iterable[Any] | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """Test, for a whole curve at once, whether a learned response differs from that of random weights.

    The statistic is the largest |z| over frequency, so looking at many frequencies costs nothing (max-statistic;
    Westfall & Young 1993). Which layers are the trained ones is permuted: of all ways to choose as many of the layers,
    trained and random together, p is the share with so large a statistic. With 20 random layers one training cannot
    give a p below 1/21 = 0.048; three can give 1/1771.

    Parameters
    ----------
    learned, nulls, labels
        As of `learned_minus_null`: `learned` may hold several trainings (dimension ``seed``).
    confidence : float
        Share of the choices that stay below ``critical_z``, 0 to 1.

    Returns
    -------
    DataFrame
        ``label, max_z, at_hz, critical_z, p, n_seeds, n_trainings``, and ``r_learned_null``: correlation of the two
        shapes in dB, which is high even when something was learned.
    """
    names = label_names(labels, learned.sizes["token"])
    table = learned_minus_null(learned, nulls, labels=names)
    trained, random = each_training(learned), nulls.transpose("seed", "token", "frequency").values
    rows = []
    for label, group in table.groupby("label", sort=False):
        chosen = np.flatnonzero((names == label).to_numpy(dtype=bool))
        shapes = np.stack([class_shape(layer, chosen) for layer in (*trained, *random)])
        others = permuted_z(shapes, len(trained))
        largest = float(others[0])
        rows.append(
            {
                "label": label,
                "max_z": largest,
                "at_hz": float(group["frequency"].to_numpy()[int(np.argmax(group["z"].abs()))]),
                "critical_z": float(np.quantile(others, confidence)),
                "p": p_of(others),
                "n_seeds": len(random),
                "n_trainings": len(trained),
                "r_learned_null": float(np.corrcoef(group["learned"], group["null"])[0, 1]),
            }
        )
    return pd.DataFrame(rows)


def band_test(
    learned: xr.DataArray,
    nulls: xr.DataArray | None,
    bands: Mapping[str, tuple[float, float]],
    *,
    labels: Iterable[Any] | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Say whether a class's response puts more into a band than random weights do on the same sounds.

    Bands are named before looking, so each is one question: this test finds what `null_test`, which looks at every
    frequency, cannot.

    Parameters
    ----------
    learned, nulls, labels
        As of `learned_minus_null`.
    bands : mapping
        Name to (low, high) in Hz.
    confidence : float
        Share of the seeds between ``null_low`` and ``null_high``, 0 to 1.

    Returns
    -------
    DataFrame
        ``label, band, low_hz, high_hz``; ``share`` of the class mean of the response in the band (over trainings: their
        mean, with ``share_least`` and ``share_most``); ``null, null_low, null_high`` (mean and percentiles of the
        seeds), ``z``, ``p`` (two-sided, as of `null_test`; not corrected for the number of bands), ``n_seeds`` and
        ``n_trainings``. Without nulls (fixed filters) all that is told from them is NaN.
    """
    names = label_names(labels, learned.sizes["token"])
    frequency, trained = learned["frequency"].values, each_training(learned)
    random = trained[:0]
    if nulls is not None:
        check_same(learned, nulls)
        random = nulls.transpose("seed", "token", "frequency").values
    layers = xr.DataArray(
        np.concatenate([trained, random]),
        dims=("layer", "token", "frequency"),
        coords={"frequency": frequency},
    )
    rows = []
    for label in sorted(names.dropna().unique(), key=str):
        chosen = np.flatnonzero((names == label).to_numpy(dtype=bool))
        shares = band_shares(layers.isel(token=chosen).mean("token"), bands)
        for (band, low_hz, high_hz), group in shares.groupby(["band", "low_hz", "high_hz"], sort=False):
            values = group.sort_values("layer")["share"].to_numpy()
            of_trained, null = values[: len(trained)], values[len(trained) :]
            row = {"label": label, "band": band, "low_hz": low_hz, "high_hz": high_hz, "share": of_trained.mean()}
            row |= {"share_least": of_trained.min(), "share_most": of_trained.max()}
            row |= dict.fromkeys(("null", "null_low", "null_high", "z", "p"), np.nan) | {"n_seeds": len(null)}
            if len(null):
                low, high = np.quantile(null, [(1 - confidence) / 2, (1 + confidence) / 2])
                row |= {"null": null.mean(), "null_low": low, "null_high": high, "z": float(distance(of_trained, null))}
                row |= {"p": p_of(permuted_z(values[:, None], len(trained)))}
            row |= {"n_trainings": len(trained)}
            rows.append(row)
    return pd.DataFrame(rows)


def permuted_z(layers: np.ndarray, n_trained: int, seed: int = 0) -> np.ndarray:
    """Largest |z| over the last axis for every choice of `n_trained` of the layers; the first is the true choice.

    Parameters
    ----------
    layers : ndarray (layer, frequency)
        The trained ones first.
    n_trained : int
    seed : int
        Of the choices that are tried when there are more than 5000.

    Returns
    -------
    ndarray (choice,)
    """
    count = len(layers)
    if comb(count, n_trained) <= MOST_GROUPINGS:
        choices = np.array(list(combinations(range(count), n_trained)))  # the first is 0 … n_trained − 1
    else:
        random = np.random.default_rng(seed)
        drawn = [random.permutation(count)[:n_trained] for _ in range(MOST_GROUPINGS - 1)]
        choices = np.array([np.arange(n_trained), *drawn])
    member = np.zeros((len(choices), count))
    np.put_along_axis(member, choices, 1.0, axis=1)
    # Sums over each choice give the mean of it and of the rest, and the spread of the rest (`distance`) at once.
    centred = layers - layers.mean(axis=0)
    chosen, n_rest = member @ centred, count - n_trained
    rest = centred.sum(axis=0) - chosen
    squares = (1 - member) @ centred**2 - rest**2 / n_rest
    spread = np.sqrt(np.maximum(squares, 0) / (n_rest - 1) * (1 / n_trained + 1 / n_rest))
    return np.abs((chosen / n_trained - rest / n_rest) / np.maximum(spread, 1e-12)).max(axis=1)


def p_of(statistics: np.ndarray) -> float:
    """Share of the choices with a statistic at least that of the first, the true one (itself included)."""
    return float((statistics >= statistics[0] * (1 - 1e-9)).mean())
