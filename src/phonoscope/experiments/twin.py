"""The linear twin of a network: a linear model on the network's own input, and whether the network is any better.

What a linear rule on the picture does as well says nothing about the network.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import avg_pool2d

from phonoscope.attribution.maps import in_cells
from phonoscope.classifier import Classifier
from phonoscope.evidence.controls import picture_of
from phonoscope.files import write_with
from phonoscope.frontends import FrontEnd, in_batches, pad_waveforms
from phonoscope.judgement.claims import CONTRADICTED, OPEN, SMALLEST_EFFECTS, SUPPORTED, above
from phonoscope.judgement.differences import paired_interval
from phonoscope.judgement.intervals import Interval, mean_interval
from phonoscope.judgement.words import points_with_interval
from phonoscope.phonetics.baselines import Baseline, linear_twin
from phonoscope.report.numbers import percent

BETTER, NOT_BETTER = "better", "not better"
TWIN = "linear twin"  # its names in tables begin with it
OF_SPECTRUM = f"{TWIN} (LDA on the short-time spectrum)"
MOST_CELLS = 4096  # of a picture; larger ones are averaged
TWIN_NAME = "twin.parquet"
_BYTES_IN_MEMORY = 2**29
_BATCH = 64


def twin_name(classifier: Classifier) -> str:
    """What the twin of a classifier is called in tables: its picture is the network's, or a spectrum of the sound."""
    return f"{TWIN} (LDA on the network's picture)" if picture_of(classifier) is classifier.front_end else OF_SPECTRUM


def train_twin(
    classifier: Classifier, waveforms: Sequence[np.ndarray], tokens: pd.DataFrame, parts: Mapping[str, Any]
) -> Baseline:
    """Train the linear twin of a classifier.

    Parameters
    ----------
    classifier, waveforms
        As of `twin_pictures`.
    tokens
        With ``class``, one row a waveform.
    parts
        Which of them train and test it, as keywords of `linear_twin`.
    """
    pictures = twin_pictures(classifier, waveforms)
    return linear_twin(pictures, tokens["class"].tolist(), name=twin_name(classifier), **parts)


def keep_twin(folder: Path, twin: Baseline, tokens: pd.DataFrame, units: Sequence[str]) -> dict[str, float]:
    """Write what a twin said of the tested tokens, and return its accuracy; see `twin_predictions`, `twin_accuracy`.

    Parameters
    ----------
    folder
        Of the run.
    twin
        From `train_twin`.
    tokens, units
        As of `twin_accuracy`.
    """
    kept = twin_predictions(tokens, twin.predictions)
    write_with(folder / TWIN_NAME, lambda path: kept.to_parquet(path, index=False))
    return twin_accuracy(kept, tokens, units)


def twin_pictures(classifier: Classifier, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of tokens as the network gets them, one row a token.

    A network that takes the waveform has none: its twin gets the log power of the short-time spectrum of the same
    stretch, because a linear model on single samples, whose phases are arbitrary, would be no fair twin. Pictures of
    more than 4096 cells are averaged over equal blocks, down to at most as many.

    Parameters
    ----------
    classifier
        Of the run; only its front end is used.
    waveforms
        1-D arrays at its sample rate, without context; read some at a time.

    Returns
    -------
    ndarray, float32, shape (token, cell)
        In memory up to 512 MB, in a nameless file beyond.
    """
    return pictures_through(picture_of(classifier), waveforms)


def pictures_through(front_end: FrontEnd, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures (token, cell) of waveforms by a front end; see ``twin_pictures``."""
    device = next(front_end.buffers(), torch.zeros(())).device
    values: np.ndarray | None = None
    for part in in_batches(front_end, len(waveforms), _BATCH, lambda i: len(waveforms[i])):
        padded, lengths = pad_waveforms(waveforms[part])
        with torch.no_grad():
            made = in_cells(front_end, front_end(padded.to(device), lengths.to(device)))
            pictures = _coarser(made).flatten(1).float().cpu().numpy()
        if values is None:
            values = _room((len(waveforms), pictures.shape[1]))
        values[part] = pictures
    return np.zeros((0, 0), dtype=np.float32) if values is None else values


def _coarser(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (token, channel, row, column), averaged over the smallest blocks that leave few enough cells."""
    size = 1
    _, channels, rows, columns = pictures.shape
    while channels * -(-rows // size) * -(-columns // size) > MOST_CELLS and size < max(rows, columns):
        size += 1
    blocks = (min(size, rows), min(size, columns))
    return avg_pool2d(pictures, blocks, ceil_mode=True, count_include_pad=False) if size > 1 else pictures


def _room(shape: tuple[int, int]) -> np.ndarray:
    if 4 * shape[0] * shape[1] <= _BYTES_IN_MEMORY:
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile() as file:  # the mapping keeps it until the array is gone
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def twin_predictions(tokens: pd.DataFrame, predicted: pd.Series) -> pd.DataFrame:
    """What the twin said of each tested token, as it is kept in ``twin.parquet``: ``token, class, predicted``."""
    tested = predicted.notna().to_numpy()
    table = tokens.loc[tested, ["token", "class"]].reset_index(drop=True)
    return table.assign(predicted=predicted[tested].astype(str).to_numpy())


def twin_accuracy(twin: pd.DataFrame, tokens: pd.DataFrame, units: Sequence[str]) -> dict[str, float]:
    """Accuracy of the twin with its interval, over the same units as the network's: ``accuracy, low, high``.

    Parameters
    ----------
    twin
        From ``twin_predictions``.
    tokens
        Token table of the run.
    units
        Columns that intervals are over, from the highest level down.
    """
    tested = twin.merge(tokens[["token", *units]], on="token", how="left")
    hits = (tested["class"] == tested["predicted"]).to_numpy(dtype=float)
    interval = mean_interval(hits, tested[list(units)], of_units=True, scale="proportion")
    return {"accuracy": interval.estimate, "low": interval.low, "high": interval.high}


def beside_twin(
    predictions: pd.DataFrame,
    twin: pd.DataFrame,
    tokens: pd.DataFrame,
    units: Sequence[str],
    *,
    name: str = TWIN,
    smallest: float = SMALLEST_EFFECTS["accuracy"],
) -> dict[str, Any]:
    """Is a network better than its twin on the same tokens? The paired difference of their accuracies, and a verdict.

    ``better``: the interval lies above the smallest difference that counts. ``not better``: it lies below, so the
    network is worse, or practically equal. Else it cannot be told.

    Parameters
    ----------
    predictions
        Of the network: ``token, class, predicted``, and ``seed`` where it was trained several times.
    twin
        From ``twin_predictions``.
    tokens
        Token table of the run.
    units
        Columns that intervals are over, from the highest level down.
    name
        Of the twin.
    smallest
        Smallest difference of two accuracies that counts.

    Returns
    -------
    dict
        ``twin`` (its name) ``, accuracy, twin_accuracy`` (means over units) ``, difference, low, high, smallest, n``
        (tokens) ``, n_units, unit, trainings, verdict``.
    """
    hits = predictions.assign(hit=(predictions["predicted"] == predictions["class"]).astype(float))
    seeds = hits["seed"] if "seed" in hits else np.zeros(len(hits))
    of_network = hits.assign(seed=seeds).pivot_table(index="token", columns="seed", values="hit")
    both = twin[twin["token"].isin(of_network.index)].merge(tokens[["token", *units]], on="token", how="left")
    first = of_network.loc[both["token"]].to_numpy().T
    second = (both["predicted"] == both["class"]).to_numpy(dtype=float)
    clusters = both[list(units)]
    interval = paired_interval(first, np.broadcast_to(second, first.shape), clusters)
    means = [mean_interval(values, clusters, of_units=True).estimate for values in (first, second)]
    verdict = {SUPPORTED: BETTER, CONTRADICTED: NOT_BETTER, OPEN: OPEN}[above(interval, smallest).verdict()]
    return {
        "twin": name,
        "accuracy": means[0],
        "twin_accuracy": means[1],
        "difference": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "smallest": smallest,
        "n": len(both),
        "n_units": interval.n_units,
        "unit": interval.unit,
        "trainings": interval.n_trainings,
        "verdict": verdict,
    }


def twin_sentence(beside: Mapping[str, Any], name: str, tokens: str = "tokens") -> str:
    """Say whether a network is better than its twin.

    Parameters
    ----------
    beside
        From ``beside_twin``.
    name
        How the network is called: ``network``, ``sub-segmental network``.
    tokens
        How the tokens are called.
    """
    start = {
        BETTER: f"The {name} is better than its linear twin",
        NOT_BETTER: f"The {name} is not better than its linear twin",
        OPEN: f"Whether the {name} is better than its linear twin cannot be told",
    }[beside["verdict"]]
    low, high = (np.nan if beside[key] is None else beside[key] for key in ("low", "high"))
    values = (beside["difference"], low, high, int(beside["n_units"]), beside["unit"])
    interval = Interval(*values, scale="difference", n_trainings=int(beside["trainings"]))
    return (
        f"{start}: it gets {percent(beside['accuracy'])} of the {beside['n']:.0f} {tokens} right, the {beside['twin']} "
        f"{percent(beside['twin_accuracy'])}. The difference is {points_with_interval(interval)}; less than "
        f"{100 * beside['smallest']:g} does not count."
    )


def with_twin_sentences(
    sentences: Sequence[str], twins: Iterable[tuple[Mapping[str, Any], str]], tokens: str = "tokens"
) -> list[str]:
    """Put what is said of twins before other sentences where a network is not better, or this cannot be told.

    Parameters
    ----------
    sentences
        What else is said.
    twins
        From ``beside_twin``, and how the network is called.
    tokens
        How the tokens are called.
    """
    said = [(beside["verdict"] == BETTER, twin_sentence(beside, name, tokens)) for beside, name in twins]
    before, after = ([line for is_better, line in said if is_better == wanted] for wanted in (False, True))
    return [*before, *sentences, *after]
