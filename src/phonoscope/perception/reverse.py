"""Reverse correlation: what moves an answer is found from answers to random changes, without naming a cue."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr

from phonoscope.errors import PerceptionError
from phonoscope.perception.bubbles import Bubbles, perturbations
from phonoscope.perception.images import classification_image
from phonoscope.scales import erb_to_hz, hz_to_erb

BLOCK_TRIALS = 500
UNITS = {"share": "share of the token", "s": "s"}
_CELL = re.compile(r"f(\d+(?:\.\d+)?)_(share|s)(\d+(?:\.\d+)?)")
_LEAST_OF_PAIR = 1e-12  # of the probability of one of two answers

Answer = Callable[[list[np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class BubbleTrials:
    """Random changes of cells, and the answers to them.

    Parameters
    ----------
    cells
        Change of each cell in dB, shape (trial, frequency, time).
    token
        Which sound was changed, and by whom it was heard where that matters, shape (trial,).
    p
        Probability of each answer, shape (trial, label); of people 0 or 1.
    labels
        The answers.
    frequency
        Middles of the cells, Hz.
    time
        Middles of the cells, in the unit of `clock`.
    clock
        ``share`` of the token, or ``s``.
    """

    cells: np.ndarray
    token: np.ndarray
    p: np.ndarray
    labels: Sequence[str]
    frequency: np.ndarray
    time: np.ndarray
    clock: str = "share"

    def __len__(self) -> int:
        return len(self.cells)

    def where(self, rows: np.ndarray) -> BubbleTrials:
        """Some of the trials, by a mask or positions."""
        return replace(self, cells=self.cells[rows], token=self.token[rows], p=self.p[rows])

    def table(self) -> pd.DataFrame:
        """One row a trial: ``token, answer`` (the most probable), and a column a cell, as ``f1234.5_share0.25``."""
        names = [f"f{hertz:.1f}_{self.clock}{time:.4g}" for hertz in self.frequency for time in self.time]
        answers = np.asarray(self.labels, dtype=object)[self.p.argmax(axis=1)]
        cells = pd.DataFrame(self.cells.reshape(len(self), -1), columns=names)
        return pd.concat([pd.DataFrame({"token": self.token, "answer": answers}), cells], axis=1)

    @classmethod
    def joined(cls, blocks: Sequence[BubbleTrials]) -> BubbleTrials:
        """All trials of several blocks of one experiment."""
        if not blocks:
            raise PerceptionError("there is no block of trials to join")
        first = blocks[0]
        parts = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("cells", "token", "p"))
        return cls(*parts, first.labels, first.frequency, first.time, first.clock)


def bubble_block(
    answer: Answer,
    waveforms: Sequence[np.ndarray],
    sample_rate: float,
    labels: Sequence[str],
    number: int,
    *,
    trials: int = BLOCK_TRIALS,
    design: Bubbles | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> BubbleTrials:
    """Make and ask one block of trials; it depends on its number and the seed alone, so blocks come in any order.

    Parameters
    ----------
    answer
        From sounds (1-D arrays) to log probabilities (sound, label), as ``functools.partial(ask, classifier)``.
    waveforms, sample_rate, design, device
        As of `phonoscope.perception.bubbles.perturbations`.
    labels
        The answers, in the order of `answer`.
    number
        Of the block, from 0.
    trials
        Of the block.
    seed
        Of the whole experiment.
    """
    design = design or Bubbles()
    made = perturbations(waveforms, sample_rate, trials, design, seed=(seed, number), device=device)
    log_p = np.asarray(answer(made.sounds), dtype=float)
    if log_p.shape != (trials, len(labels)):
        raise PerceptionError(f"answers have the shape {log_p.shape}; expected ({trials} sounds, {len(labels)} labels)")
    longest = max(len(waveform) for waveform in waveforms) / sample_rate
    middles = cell_middles(design, sample_rate, longest)
    return BubbleTrials(made.cells, made.token, np.exp(log_p), list(labels), *middles, design.clock)


def cell_middles(design: Bubbles, sample_rate: float, longest: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Middles of the cells of a grid: in Hz, and in the unit of its clock.

    Parameters
    ----------
    design
        The grid.
    sample_rate
        In Hz.
    longest
        Duration of the longest token, s; only a clock in s needs it.
    """
    hertz = erb_to_hz(_middles(hz_to_erb(design.frequency_edges(sample_rate))))
    return hertz, _middles(design.time_edges(longest))


def reverse_correlation(
    answer: Answer,
    waveforms: Sequence[np.ndarray],
    sample_rate: float,
    labels: Sequence[str],
    label: str,
    *,
    against: str | None = None,
    trials: int = 20_000,
    design: Bubbles | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> xr.Dataset:
    """Which cells of hertz and seconds move an answer.

    Parameters
    ----------
    answer, waveforms, sample_rate, labels, design, seed, device
        As of `bubble_block`.
    label
        The answer in question.
    against
        The one that it is told from; all others by default.
    trials
        How many sounds are asked about, in blocks of 500: memory does not grow with them but for the cells.

    Returns
    -------
    Dataset
        As of `image_of`.
    """
    blocks = [
        bubble_block(
            answer, waveforms, sample_rate, labels, number, trials=min(BLOCK_TRIALS, trials - first), design=design,
            seed=seed, device=device,
        )
        for number, first in enumerate(range(0, trials, BLOCK_TRIALS))
    ]  # fmt: skip
    return image_of(BubbleTrials.joined(blocks), label, against, seed=seed)


def image_of(
    trials: BubbleTrials, label: str, against: str | None = None, *, shuffles: int = 500, seed: int = 0
) -> xr.Dataset:
    """Classification image of trials of a model, or of people.

    Parameters
    ----------
    trials
        From `bubble_block`, or `read_classification_trials`.
    label, against
        As of `reverse_correlation`.
    shuffles, seed
        As of `phonoscope.perception.images.classification_image`.

    Returns
    -------
    Dataset
        Dims (frequency, time): ``weights`` (change of the log odds of the answer for 1 dB in a cell), ``z``,
        ``cluster`` (number of the significant cluster, 0 outside). Coordinates are the middles of the cells, in Hz, and
        in s or as shares of the token. ``attrs``: ``label, against, trials, penalty, explained``, and of all clusters
        that were tested ``cluster_sign, cluster_cells, cluster_p``; of the cells ``cell_erb`` and ``cell_time``.

    Raises
    ------
    PerceptionError
        If a label is unknown, the trials are too few, or all answers are the same.
    """
    names = list(trials.labels)
    for name in (label, against):
        if name is not None and name not in names:
            raise PerceptionError(f"there is no answer {name!r}; choose one of {', '.join(names)}")
    own = trials.p[:, names.index(label)]
    total = np.ones(len(trials)) if against is None else own + trials.p[:, names.index(against)]
    kept = total > _LEAST_OF_PAIR
    share = own[kept] / total[kept]
    image = classification_image(trials.cells[kept], share, trials.token[kept], shuffles=shuffles, seed=seed)
    dims = ("frequency", "time")
    clusters = image.clusters
    return xr.Dataset(
        {
            "weights": (dims, image.weights, {"units": "logit/dB"}),
            "z": (dims, image.z),
            "cluster": (dims, image.cluster),
        },
        {
            "frequency": ("frequency", trials.frequency, {"units": "Hz"}),
            "time": ("time", trials.time, {"units": UNITS[trials.clock]}),
        },
        {
            "label": label,
            "against": against or "all others",
            "trials": image.n_trials,
            "penalty": float(image.penalty),
            "explained": image.explained,
            **{f"cluster_{name}": clusters[name].tolist() for name in ("sign", "cells", "p")},
            "cell_erb": _spacing(hz_to_erb(trials.frequency)),
            "cell_time": _spacing(trials.time),
        },
    )


def read_classification_trials(
    answers: str | PathLike[str], stimuli: pd.DataFrame | None = None, labels: Sequence[str] = ()
) -> BubbleTrials:
    """Read what people answered to random changes.

    Parameters
    ----------
    answers
        A CSV with a row a trial: ``answer``; a column a cell, named as `BubbleTrials.table` names them, or ``file``;
        ``token`` and ``listener`` where there are several: each pair has its own intercept.
    stimuli
        The cells of each ``file`` (and its ``token``), where the CSV lacks them.
    labels
        The answers to choose from; those that were given by default.

    Raises
    ------
    PerceptionError
        If a column, a file or an answer is not known, or the cells are no grid.
    """
    table = pd.read_csv(answers, dtype={"answer": str, "file": str, "token": str, "listener": str})
    if "answer" not in table:
        raise PerceptionError(f"{answers} has no column answer; found {', '.join(map(str, table.columns))}")
    found = _cells_of(table)
    if not found:
        if stimuli is None or "file" not in table or "file" not in stimuli:
            raise PerceptionError(
                f"{answers} has no columns of cells (f1234.5_share0.25); pass stimuli= with a column file, "
                "and name the files in the answers"
            )
        known = stimuli.assign(file=stimuli["file"].astype(str))
        unknown = sorted(set(table["file"]) - set(known["file"]))
        if unknown:
            raise PerceptionError(f"{answers} answers {unknown[0]!r}, which is none of the {len(known)} stimuli")
        extra = known.drop(columns=[name for name in known if name != "file" and name in table])
        table = table.merge(extra, on="file", how="left", validate="many_to_one")
        found = _cells_of(table)
    clocks = {clock for _, clock, _ in found.values()}
    hertz, times = (sorted({place[at] for place in found.values()}) for at in (0, 2))
    if len(clocks) != 1 or len(found) != len(hertz) * len(times):
        raise PerceptionError(f"the {len(found)} columns of cells are no grid of frequencies and times")
    order = sorted(found, key=lambda name: (found[name][0], found[name][2]))
    cells = table[order].to_numpy(dtype=float).reshape(len(table), len(hertz), len(times))
    names = list(labels) or sorted(table["answer"].dropna().unique())
    given = ~table["answer"].isna().to_numpy()
    foreign = sorted(set(table["answer"][given]) - set(names))
    if foreign:
        raise PerceptionError(f"{answers} has the answer {foreign[0]!r}, which is none of {', '.join(names)}")
    p = (table["answer"].to_numpy(dtype=object)[:, None] == np.asarray(names, dtype=object)).astype(float)
    both = [table[name].astype(str) for name in ("token", "listener") if name in table]
    heard = sum(both[1:], start=both[0]).to_numpy() if both else np.zeros(len(table), dtype=int)
    return BubbleTrials(cells[given], heard[given], p[given], names, np.array(hertz), np.array(times), *clocks)


def holds_cells(answers: str | PathLike[str]) -> bool:
    """Whether a file of answers is one of answers to random changes: a CSV with columns of cells.

    Parameters
    ----------
    answers
        A file, or a folder of other answers.
    """
    path = Path(answers)
    return path.is_file() and path.suffix.lower() == ".csv" and bool(_cells_of(pd.read_csv(path, nrows=0)))


def _cells_of(table: pd.DataFrame) -> dict[str, tuple[float, str, float]]:
    """Columns of cells: frequency, clock and time of each."""
    matches = ((str(name), _CELL.fullmatch(str(name))) for name in table)
    return {name: (float(found[1]), found[2], float(found[3])) for name, found in matches if found}


def _middles(edges: np.ndarray) -> np.ndarray:
    return (edges[1:] + edges[:-1]) / 2


def _spacing(places: np.ndarray) -> float:
    return float(np.diff(places).mean()) if len(places) > 1 else float("nan")
