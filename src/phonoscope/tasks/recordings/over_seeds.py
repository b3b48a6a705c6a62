"""Accuracies of a network that was trained several times: their mean, each of them, and an interval for both chances.

Which speakers are tested is one chance, which seed a training has is another; every speaker meets every training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from phonoscope.judgement.bootstrap import interval_of, resampling_unit, unit_weights
from phonoscope.phonetics.confusions import accuracy_table

N_BOOTSTRAP = 1000
MEASURES = ("accuracy", "balanced accuracy")


def accuracy_over_seeds(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Accuracies of all trainings of one network on the same recordings.

    Parameters
    ----------
    predictions : DataFrame
        ``seed, class, predicted, speaker, recording``; every training with the same recordings.
    seed : int
        Of the draws.

    Returns
    -------
    DataFrame
        As of ``accuracy_table``: estimates are means over trainings. Where there are several trainings, the intervals
        of accuracy and balanced accuracy resample speakers (or recordings) *and* trainings, each with replacement and
        independently (Owen 2007), which is wide rather than narrow; those of hit rates resample speakers only.
    """
    clusters = predictions[["speaker", "recording"]].reset_index(drop=True)
    truth, guess = predictions["class"].tolist(), predictions["predicted"].tolist()
    table = accuracy_table(truth, guess, clusters, seed=seed)
    trainings, names = pd.factorize(predictions["seed"], sort=True)
    n_trainings = len(names)
    if n_trainings == 1:
        return table
    unit = resampling_unit(clusters, len(clusters))
    classes, labels = pd.factorize(predictions["class"], sort=True)
    members, hits = np.zeros((2, n_trainings, unit.n_units, len(labels)))
    np.add.at(members, (trainings, unit.codes, classes), 1.0)
    np.add.at(hits, (trainings, unit.codes, classes), np.array(truth) == np.array(guess))
    speakers = unit_weights(unit.n_units, N_BOOTSTRAP, seed)
    drawn = np.random.default_rng([seed, 1]).multinomial(n_trainings, [1 / n_trainings] * n_trainings, N_BOOTSTRAP)
    # of each draw: tokens and hits of each class, (draw, class)
    counts, right = (
        np.einsum("bs,bsc->bc", drawn, np.einsum("bu,suc->bsc", speakers, values)) for values in (members, hits)
    )
    with np.errstate(invalid="ignore"):
        balanced = np.nanmean(right / counts, axis=1)
    for measure, samples in zip(MEASURES, (right.sum(axis=1) / counts.sum(axis=1), balanced), strict=True):
        low, high = interval_of(samples, n_units=unit.n_units)
        table.loc[table["measure"] == measure, ["low", "high"]] = [float(low), float(high)]
    return table


def balanced_over_seeds(predictions: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Balanced accuracy of `accuracy_over_seeds` with its interval: ``balanced_accuracy, low, high``."""
    row = accuracy_over_seeds(predictions, seed).set_index("measure").loc["balanced accuracy"]
    return {"balanced_accuracy": row["estimate"], "low": row["low"], "high": row["high"]}


def summary_over_seeds(curve: pd.DataFrame, predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Balanced accuracy of every network and share of the recordings over its trainings.

    Parameters
    ----------
    curve : DataFrame
        One row a training: ``network, seed, share, n_train, balanced_accuracy, cpu_seconds``.
    predictions : DataFrame
        Of the same trainings, with ``network`` and ``share`` beside what `accuracy_over_seeds` needs.
    seed : int
        Of the resampling.

    Returns
    -------
    DataFrame
        ``network, share, n_train, seeds, balanced_accuracy`` (mean), ``low, high``, ``sd`` (of the trainings, NaN for
        one), ``least, most, each`` (in the order of the seeds, percent) and ``cpu_seconds`` (mean of a training).
    """
    rows: list[dict[str, Any]] = []
    for (network, share), group in curve.groupby(["network", "share"], sort=False):
        own = predictions[(predictions["network"] == network) & (predictions["share"] == share)]
        each = group.sort_values("seed")["balanced_accuracy"]
        rows.append(
            {
                "network": network,
                "share": share,
                "n_train": int(group["n_train"].max()),
                "seeds": len(group),
                **balanced_over_seeds(own, seed),
                "sd": each.std(ddof=1),
                "least": each.min(),
                "most": each.max(),
                "each": ", ".join(f"{100 * value:.1f}" for value in each),
                "cpu_seconds": group["cpu_seconds"].mean(),
            }
        )
    return pd.DataFrame(rows)
