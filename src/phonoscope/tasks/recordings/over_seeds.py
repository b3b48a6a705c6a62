"""Accuracies of a network that was trained several times: their mean, each of them, and an interval for both chances.

Which speakers are tested is one chance, which seed a training has is another; every speaker meets every training.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from phonoscope.phonetics.confusions import accuracy_table


def accuracy_over_seeds(predictions: pd.DataFrame) -> pd.DataFrame:
    """Accuracies of all trainings of one network on the same recordings, as of ``accuracy_table``.

    Parameters
    ----------
    predictions : DataFrame
        ``token, seed, class, predicted, speaker, recording``; every training with the same recordings.
    """
    table = predictions.set_index(["token", "seed"])["predicted"].unstack("seed")  # noqa: PD010
    recordings = predictions.drop_duplicates("token").set_index("token").loc[table.index]
    guesses = [table[seed].tolist() for seed in table]
    return accuracy_table(recordings["class"].tolist(), guesses, recordings[["speaker", "recording"]])


def balanced_over_seeds(predictions: pd.DataFrame) -> dict[str, Any]:
    """Balanced accuracy of `accuracy_over_seeds` with its interval: ``balanced_accuracy, low, high``."""
    row = accuracy_over_seeds(predictions).set_index("measure").loc["balanced accuracy"]
    return {"balanced_accuracy": row["estimate"], "low": row["low"], "high": row["high"]}


def summary_over_seeds(curve: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Balanced accuracy of every network and share of the recordings over its trainings.

    Parameters
    ----------
    curve : DataFrame
        One row a training: ``network, seed, share, n_train, balanced_accuracy, cpu_seconds``.
    predictions : DataFrame
        Of the same trainings, with ``network`` and ``share`` beside what `accuracy_over_seeds` needs.

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
                **balanced_over_seeds(own),
                "sd": each.std(ddof=1),
                "least": each.min(),
                "most": each.max(),
                "each": ", ".join(f"{100 * value:.1f}" for value in each),
                "cpu_seconds": group["cpu_seconds"].mean(),
            }
        )
    return pd.DataFrame(rows)
