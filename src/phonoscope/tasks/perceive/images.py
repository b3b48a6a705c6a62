"""Classification images: tokens changed at random in bubbles of Hz and time, and which cells move the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xarray as xr

from phonoscope.classifier import class_position
from phonoscope.errors import PerceptionError
from phonoscope.experiments.parts import WORK, PartTokens, Progress, sources_of
from phonoscope.files import write_with
from phonoscope.perception import Bubbles, BubbleTrials, Trials, image_of, perturbations, read_classification_trials
from phonoscope.perception.images import image_weights
from phonoscope.perception.reverse import cell_middles
from phonoscope.perception.trials import calibrated
from phonoscope.scales import erb_to_hz, hz_to_erb
from phonoscope.tasks.perceive.asking import Answered, Asking, answered, as_rows
from phonoscope.tasks.perceive.names import CONTROLS, LINEAR, NETWORK, PEOPLE
from phonoscope.work.executor import Executor

TABLES = ("images", "image_clusters", "image_strengths")
TRIALS_NAME = "bubble_trials.parquet"
MOST_PAIRS = 10
_TRIALS_PER_PART, _TOKENS_PER_PART = 1000, 1000
_CELLS = "cells"

Say = Callable[[str], None]


@dataclass(frozen=True)
class AskingBubbles(Asking):
    """Tokens changed at random; see `phonoscope.experiments.parts.Ask`."""

    design: Bubbles

    def rows(self, part: PartTokens) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
        """Yield the trials of a block with their answers; one drawing of random weights answers."""
        who = self.who(part)
        first = part.tokens.iloc[0]
        edge = round(part.context_seconds * part.sample_rate)
        sounds = [sound[edge : len(sound) - edge] for sound in part.sounds]
        made = perturbations(
            sounds, part.sample_rate, int(first["trials"]), self.design,
            seed=(self.seed, int(first["fold"]), int(first["block"])), device=self.device,
        )  # fmt: skip
        table = part.tokens.iloc[made.token][["token", "class", "speaker", "recording"]].reset_index(drop=True)
        table[_CELLS] = list(made.cells.reshape(len(made.cells), -1))
        yield as_rows(table, who.answers(made.sounds, draws=1)), {"absent": who.absent}


def ask_bubbles(
    asking: Asking,
    tokens: pd.DataFrame,
    trials: int,
    labels: Sequence[str],
    work: Path,
    *,
    executor: Executor,
    progress: Progress,
) -> Answered:
    """Change tokens at random, and ask; trials are shared out among the folds by their numbers of tokens.

    Parameters
    ----------
    asking
        Who is asked.
    tokens
        With their ``fold``.
    trials
        How many.
    labels
        The answers to choose from.
    work
        Folder for what is finished.
    executor
        As of `phonoscope.experiments.parts.make_parts`.
    progress
        Called with (trials done, trials in all).
    """
    some = tokens.groupby("fold").head(_TOKENS_PER_PART)
    parts, done, shared = [], 0, 0
    for _, rows in some.groupby("fold"):
        done += len(rows)
        count = round(done / len(some) * trials) - shared
        shared += count
        for block, start in enumerate(range(0, count, _TRIALS_PER_PART)):
            parts.append(rows.assign(block=block, trials=min(_TRIALS_PER_PART, count - start)))
    table = pd.concat(parts, ignore_index=True)
    table.attrs = tokens.attrs
    sources = sources_of(table, work / "tokens", ["fold", "block"])
    each = trials / len(table)  # progress is counted in tokens
    bubbles = AskingBubbles(**vars(asking), design=Bubbles())
    return answered(
        bubbles, sources, work, len(labels), executor=executor,
        progress=lambda done, _: progress(round(done * each), trials),
    )  # fmt: skip


def classification_images(
    asking: Asking,
    tokens: pd.DataFrame,
    trials: int,
    labels: Sequence[str],
    folder: Path,
    *,
    executor: Executor,
    say: Say,
    people: Path | None = None,
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Ask about random changes and draw the conclusions; the trials are kept beside the tables.

    Parameters
    ----------
    asking, tokens, trials, labels, executor
        As of `ask_bubbles`.
    folder
        Of the run.
    say
        Prints a line of progress.
    people
        What people answered to random changes, see `phonoscope.perception.read_classification_trials`.

    Returns
    -------
    tables, absent
        As of `image_tables`; who did not answer, and why.
    """
    say(f"changing {len(tokens)} tokens at random, {trials} times")
    found = ask_bubbles(
        asking, tokens, trials, labels, folder / WORK / "bubbles", executor=executor,
        progress=lambda done, count: say(f"  {done} of {count} trials"),
    )  # fmt: skip
    heard = None if people is None else read_classification_trials(people, labels=labels)
    rate = int(asking.sample_rate or 0)
    kept = bubble_trials(found, NETWORK, labels, rate).table()
    kept.insert(1, "class", found.table["class"])
    write_with(folder / TRIALS_NAME, lambda path: kept.to_parquet(path, index=False))
    return image_tables(found, labels, rate, seed=asking.seed, people=heard), found.absent


def bubble_trials(found: Answered, who: str, labels: Sequence[str], sample_rate: int) -> BubbleTrials:
    """The trials as `phonoscope.perception` takes them, with the mean probability of each answer over trainings.

    Parameters
    ----------
    found
        From `ask_bubbles`.
    who
        Who answered.
    labels
        The answers to choose from.
    sample_rate
        Of the tokens, Hz.
    """
    design = Bubbles()
    cells = np.stack(found.table[_CELLS].to_list()).reshape(-1, design.frequencies, design.times)
    log_p = found.answers[who]
    if who == LINEAR:
        log_p = calibrated(Trials(found.table.assign(step=0.0), labels, log_p)).log_p
    p = np.exp(log_p).mean(axis=0)
    return BubbleTrials(
        cells, found.table["token"].to_numpy(dtype=object), p, list(labels), *cell_middles(design, sample_rate)
    )


def image_tables(
    found: Answered, labels: Sequence[str], sample_rate: int, *, seed: int = 0, people: BubbleTrials | None = None
) -> dict[str, pd.DataFrame]:
    """Result tables: `TABLES`.

    Parameters
    ----------
    found
        From `ask_bubbles`.
    labels, sample_rate
        As of `bubble_trials`.
    seed
        Of the shuffles.
    people
        Trials of people.

    Returns
    -------
    dict of DataFrame
        ``images`` (a row a cell), ``image_clusters`` (a row a significant cluster: where it lies, and ``p``) and
        ``image_strengths`` (a row a pair and who answered: ``strength``, by how many logits the changes moved the
        answer, as standard deviation over trials; ``explained``; ``r`` with the network's image; ``r_trainings``,
        between the images of single trainings).
    """
    own = np.array([class_position(labels, str(name)) for name in found.table["class"]])
    trials = {name: bubble_trials(found, name, labels, sample_rate) for name in found.answers}
    images, clusters, strengths = [], [], []
    for a, b in _pairs(trials[NETWORK].p, own, len(labels)):
        of_both = np.isin(own, (a, b))
        pair = {"label": labels[a], "against": labels[b]}
        some = trials[NETWORK].where(of_both)
        try:
            image = image_of(some, labels[a], labels[b], seed=seed)
        except PerceptionError:  # too few trials, or all answers alike
            continue
        network = image["weights"].values
        each = [_weights(some, np.exp(log_p[of_both]), (a, b), image) for log_p in found.answers[NETWORK]]
        r = np.corrcoef([weights.ravel() for weights in each]) if len(each) > 1 else np.full((1, 1), np.nan)
        between = float(r[np.triu_indices(len(r), 1)].mean()) if len(each) > 1 else np.nan
        images.append(_cells_of(image, NETWORK, pair))
        clusters.append(_clusters_of(image, NETWORK, pair))
        strengths.append(_strength(some, image, NETWORK, pair) | {"r": 1.0, "r_trainings": between})
        for name in CONTROLS:
            if name in trials:
                weights = _weights(some, trials[name].p[of_both], (a, b), image)
                beside = image.assign(weights=image["weights"].copy(data=weights)).drop_vars(["z", "cluster"])
                images.append(_cells_of(beside, name, pair))
                strengths.append(_strength(some, beside, name, pair) | {"r": _correlation(weights, network)})
        if people is not None:
            try:
                heard = image_of(people, labels[a], labels[b], seed=seed)
            except PerceptionError:
                continue
            images.append(_cells_of(heard, PEOPLE, pair))
            clusters.append(_clusters_of(heard, PEOPLE, pair))
            alike = _correlation(heard["weights"].values, network)
            strengths.append(_strength(people, heard, PEOPLE, pair) | {"r": alike})
    tables = (pd.concat(rows, ignore_index=True) if rows else pd.DataFrame() for rows in (images, clusters))
    return dict(zip(TABLES, (*tables, pd.DataFrame(strengths)), strict=True))


def _pairs(p: np.ndarray, own: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Pairs of labels, those first of whose tokens the other is heard most readily."""
    means = np.array([p[own == i].mean(axis=0) if (own == i).any() else np.full(count, np.nan) for i in range(count)])
    pairs = [pair for pair in combinations(range(count), 2) if np.isfinite(means[list(pair)]).all()]
    return sorted(pairs, key=lambda pair: -(means[pair] + means[pair[::-1]]))[:MOST_PAIRS]


def _weights(trials: BubbleTrials, p: np.ndarray, pair: tuple[int, int], image: xr.Dataset) -> np.ndarray:
    """Image of other answers to the same trials, under the same penalty."""
    share = p[:, pair[0]] / np.maximum(p[:, list(pair)].sum(axis=1), 1e-300)
    return image_weights(trials.cells, share, trials.token, image.attrs["penalty"])


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Of two images; missing where one is flat, or their cells are others."""
    if a.shape != b.shape or not (np.ptp(a) > 0 and np.ptp(b) > 0):
        return float("nan")
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _strength(trials: BubbleTrials, image: xr.Dataset, who: str, pair: Mapping[str, str]) -> dict[str, Any]:
    moved = trials.cells.reshape(len(trials), -1) @ image["weights"].values.ravel()
    explained = float("nan") if "z" not in image else image.attrs["explained"]  # of its own fit alone
    return {"who": who, **pair, "strength": float(moved.std()), "explained": explained, "trials": len(trials)}


def _cells_of(image: xr.Dataset, who: str, pair: Mapping[str, str]) -> pd.DataFrame:
    cells = image.to_dataframe().reset_index().rename(columns={"frequency": "frequency_hz", "weights": "weight"})
    return cells.assign(who=who, **pair)[["who", *pair, *cells]]


def _clusters_of(image: xr.Dataset, who: str, pair: Mapping[str, str]) -> pd.DataFrame:
    """One row a significant cluster: its edges in Hz and time, its heaviest cell, and p."""
    hertz, times = hz_to_erb(image["frequency"].values), image["time"].values
    half = image.attrs["cell_erb"] / 2, image.attrs["cell_time"] / 2
    rows = []
    for number, (sign, p) in enumerate(zip(image.attrs["cluster_sign"], image.attrs["cluster_p"], strict=True), 1):
        at = np.argwhere(image["cluster"].values == number)
        if not len(at):
            continue
        peak = at[np.abs(image["weights"].values[tuple(at.T)]).argmax()]
        low, high = erb_to_hz(hertz[[at[:, 0].min(), at[:, 0].max()]] + half[0] * np.array([-1, 1]))
        rows.append({
            "who": who, **pair, "sign": int(sign), "low_hz": float(low), "high_hz": float(high),
            "first": max(float(times[at[:, 1].min()] - half[1]), 0.0), "last": float(times[at[:, 1].max()] + half[1]),
            "peak_hz": float(image["frequency"].values[peak[0]]), "cells": len(at), "p": float(p),
        })  # fmt: skip
    return pd.DataFrame(rows)
