"""The planted-truth benchmark: cues × networks × seeds, every method scored against the truth and ranked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.attribution import RECOMMENDED, explain
from phonoscope.attribution import methods as known_methods
from phonoscope.attribution.method_spec import parse_method
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError, ExperimentError
from phonoscope.evidence.causal import Learner, learn
from phonoscope.evidence.cues import CUES
from phonoscope.evidence.peers import explain_like, importable_peers, on_input_grid
from phonoscope.evidence.planted import CONFLICT_NAME, Truth
from phonoscope.evidence.truth import score_maps
from phonoscope.frontends import pad_waveforms
from phonoscope.judgement.bootstrap import mean_interval
from phonoscope.work.executor import in_processes

NETWORKS = ("compact", "compact-local", "resnet18")
NAMES = ("compact", "compact-local", "resnet18", "resnet50", "resnet101")  # networks on spectrograms
ALL_CUES = (*CUES, CONFLICT_NAME)
SEEDS = 3
QUICK_NETWORKS = ("compact", "compact-local")
QUICK_CUES = ("f2", "noise-band", "duration", "hum", "distractor", CONFLICT_NAME)
# Method as `explain` is asked for it. Costs are cut to what does not change a score (draws, masks, steps).
METHODS = (
    "cam",
    "grad-cam",
    "grad-cam++",
    "hires-cam",
    "layer-cam",
    "score-cam",
    "gradient",
    "smooth(gradient, samples=8)",
    "var(gradient, samples=8)",
    "gradient-x-input",
    "smooth(gradient-x-input, samples=8)",
    "integrated-gradients(baseline=mean, steps=8)",
    "integrated-gradients(baseline=floor, steps=8)",
    "expected-gradients(samples=16)",
    "captum:deep-lift",
    "occlusion",
    "band-occlusion",
    "rise(masks=128)",
    "band-stop",
    "band-stop(fill=mean)",
    "notch",
    "band-pass",
    "low-pass",
    "high-pass",
)
# What no method computes: the sound itself, and what the cue changed in it. No map can be expected to beat the second.
ENERGY, CEILING = "input energy", "planted difference"
BOUNDS = (ENERGY, CEILING)
COLUMNS = (
    "method", "kind", "cue", "classes", "network", "seed", "mass", "null", "energy", "auc", "pointing",
    "pointing_null", "error_hz", "error_seconds", "mass_positive", "mass_present", "null_present", "empty", "tokens",
    "learnt", "causal", "accuracy", "epochs", "train_seconds", "seconds", "problem",
)  # fmt: skip
_FEW_TO_SCORE = 5
_FEWER_TOKENS = {"resnet18": 0.3}  # of the explained tokens: a pass costs ten times as much


@dataclass(frozen=True)
class Cell:
    """One network trained on one cue with one seed."""

    cue: str
    classes: int
    network: str
    seed: int


@dataclass(frozen=True)
class Sizes:
    """How much is done in each cell."""

    n_train: int = 600
    n_test: int = 100
    n_explained: int = 40
    epochs: tuple[int, ...] | None = None


FULL, QUICK = Sizes(), Sizes(n_train=400, n_test=60, n_explained=20)


@dataclass(frozen=True)
class Benchmark:
    """What a run of the benchmark found.

    Attributes
    ----------
    table
        One row a method and cell, with `COLUMNS`; ``kind`` is "method", "peer" or "bound". Scores are means over
        tokens (see `summarise`); they are NaN where the cue was not learnt or the method did not suit the network, and
        ``problem`` says which. ``seconds`` is for one token.
    absent
        Methods and peers that could not be run at all, with the reason.
    """

    table: pd.DataFrame
    absent: dict[str, str] = field(default_factory=dict)


def run_benchmark(
    *,
    cues: Sequence[str] = ALL_CUES,
    networks: Sequence[str] = NETWORKS,
    seeds: int = SEEDS,
    classes: Sequence[int] = (2,),
    methods: Sequence[str] | None = None,
    peers: bool = True,
    sizes: Sizes = FULL,
    workers: int = 2,
    progress: Callable[[int, int], object] | None = None,
) -> Benchmark:
    """Train, check and explain in every cell, and score every method.

    Parameters
    ----------
    cues, networks
        Names among `ALL_CUES` and `NAMES`.
    seeds
        How many; 0, 1, 2 …
    classes
        2, 5 or both; five where the cue comes in five places.
    methods
        As `explain` takes them; `METHODS` by default.
    peers
        Also run other libraries where they can be imported.
    sizes
        Tokens and epochs.
    workers
        Processes; 1 for none but this one.
    progress
        Called with the number of cells done and their total.

    Raises
    ------
    ExperimentError
        If a name is not known, or nothing is left to run.
    """
    cells = [
        Cell(cue, number, network, seed)
        for network, cue, number, seed in product(reversed(networks), cues, classes, range(seeds))
        if _comes_in(cue, number)
    ]
    wanted, absent = available(methods)
    names, missing = importable_peers() if peers else ([], {})
    unknown = [name for name in cues if name not in ALL_CUES] + [name for name in networks if name not in NAMES]
    if unknown:
        raise ExperimentError(
            f"{', '.join(unknown)} cannot be run; cues are {', '.join(ALL_CUES)}, networks {', '.join(NAMES)}"
        )
    if not cells or not wanted:
        raise ExperimentError("there is nothing to run: name at least one cue, network, seed and known method")
    rows: list[dict[str, Any]] = []
    work = partial(run_cell if workers <= 1 else _in_one_thread, methods=wanted, peers=names, sizes=sizes)
    for done, result in enumerate(in_processes(work, cells, workers), start=1):
        rows += result
        if progress is not None:
            progress(done, len(cells))
    order = ["cue", "classes", "network", "seed", "method"]
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS)).sort_values(order, ignore_index=True)
    return Benchmark(table, absent | missing)


def available(methods: Sequence[str] | None = None) -> tuple[list[str], dict[str, str]]:
    """Methods that `explain` knows, of those asked for, and the others with the reason."""
    known = known_methods()
    wanted = list(METHODS if methods is None else methods)
    runnable = [method for method in wanted if method.partition("(")[0].strip() in known]
    return runnable, {method: "explain() does not know it" for method in wanted if method not in runnable}


def _comes_in(cue: str, classes: int) -> bool:
    return classes == 2 if cue == CONFLICT_NAME or cue not in CUES else classes in CUES[cue].values


def _in_one_thread(cell: Cell, methods: Sequence[str], peers: Sequence[str], sizes: Sizes) -> list[dict[str, Any]]:
    """Run a cell in a process beside others, which share the cores."""
    import torch

    torch.set_num_threads(1)
    return run_cell(cell, methods, peers, sizes)


def run_cell(
    cell: Cell, methods: Sequence[str], peers: Sequence[str] = (), sizes: Sizes = FULL
) -> list[dict[str, Any]]:
    """Train the network of a cell, check what it has learnt, and score every method on tokens it got right.

    Parameters
    ----------
    cell
        Cue, network and seed.
    methods, peers
        As `explain` takes them; names of `PEERS`.
    sizes
        Tokens and epochs.

    Returns
    -------
    list of dict
        A row of the table for every method, peer and bound.
    """
    started = time.perf_counter()
    learner = learn(**asdict(cell), n_train=sizes.n_train, n_test=sizes.n_test, epochs=sizes.epochs)
    check = learner.check
    facts = {
        **asdict(cell), "learnt": check.learnt, "causal": check.following, "accuracy": check.accuracy,
        "epochs": learner.epochs, "train_seconds": time.perf_counter() - started,
    }  # fmt: skip
    kinds = {**dict.fromkeys(methods, "method"), **dict.fromkeys(peers, "peer"), **dict.fromkeys(BOUNDS, "bound")}
    rows: list[dict[str, Any]] = [
        {"method": name, "kind": kind, **facts, "problem": ""} for name, kind in kinds.items()
    ]
    chosen = check.tokens[: round(sizes.n_explained * _FEWER_TOKENS.get(cell.network, 1.0))]
    if not check.learnt or len(chosen) < _FEW_TO_SCORE:
        why = "cue not learnt: the decision does not follow it" if check.used is not None else "both cues are used"
        return [row | {"problem": why} for row in rows]
    every = learner.test.truth(check.used or 0)
    truth = [every[token] for token in chosen]
    energy = input_energy(learner.classifier, [learner.test.waveforms[token] for token in chosen])
    for row in rows:
        began = time.perf_counter()
        try:
            maps = _maps(row["method"], row["kind"], learner, chosen, energy)
        except AttributionError as error:
            row["problem"] = str(error)
            continue
        row["seconds"] = (time.perf_counter() - began) / len(chosen)
        row |= summarise(maps, truth, energy)
    return rows


def summarise(maps: xr.DataArray, truth: Sequence[Truth], energy: xr.DataArray) -> dict[Any, float]:
    """Mean scores over tokens; see `score_maps`.

    Parameters
    ----------
    maps
        Dims (token, frequency, time).
    truth
        One a token.
    energy
        The tokens' own spectrograms, not negative.

    ``mass_positive`` counts evidence for the class only, ``mass_present`` asks for it where the cue *is* (NaN where the
    class is told by absence).
    """
    scores = score_maps(maps, truth, energy=energy).drop(columns="token").mean().to_dict()
    positive = score_maps(maps, truth, part="positive")["mass"].mean()
    mass, null = score_maps(maps, truth, which="present")[["mass", "null"]].mean()
    return {**scores, "mass_positive": positive, "mass_present": mass, "null_present": null, "tokens": len(truth)}


def _maps(name: str, kind: str, learner: Learner, chosen: np.ndarray, energy: xr.DataArray) -> xr.DataArray:
    classifier, corpus = learner.classifier, learner.test
    waveforms = [corpus.waveforms[token] for token in chosen]
    if name == ENERGY:
        return energy
    if name == CEILING:
        return planted_difference(learner, chosen)
    if kind == "peer":
        cue = learner.check.used or 0
        return explain_like(name, classifier, waveforms, [corpus.labels[k] for k in corpus.classes[chosen, cue]])
    return explain(classifier, waveforms, target="predicted", method=name, reference=learner.reference)


def input_energy(classifier: Classifier, waveforms: Sequence[np.ndarray]) -> xr.DataArray:
    """Each cell of the front end's picture above its floor, in its unit: what a picture of the sound shows."""
    outputs = classifier.front_end(*pad_waveforms(waveforms))[:, 0].numpy()
    floor = outputs.min() if classifier.front_end.floor is None else classifier.front_end.floor
    return on_input_grid(classifier.front_end, np.maximum(outputs - floor, 0.0), waveforms, method=ENERGY)


def planted_difference(learner: Learner, chosen: np.ndarray) -> xr.DataArray:
    """What the cue changes in the network's input: mean absolute difference to the token's twins of all other classes.

    The map of an ideal listener who attends to all of the cue and to nothing else.
    """
    corpus, cue = learner.test, learner.check.used or 0
    n_classes = len(corpus.labels)
    waveforms = [corpus.waveforms[token] for token in chosen]
    pictures = learner.classifier.front_end(*pad_waveforms(waveforms))
    changes = []
    for step in range(1, n_classes):
        twins = corpus.twins(corpus.with_next_class(cue, step))
        changes.append(learner.classifier.front_end(*pad_waveforms([twins[k] for k in chosen])) - pictures)
    values = np.abs(np.stack(changes))[:, :, 0].sum(axis=0) / (n_classes - 1)
    return on_input_grid(learner.classifier.front_end, values, waveforms, method=CEILING)


def ranking(table: pd.DataFrame) -> pd.DataFrame:
    """Rank methods by mean localisation.

    Localisation of a cell is ``(mass − null) / (1 − null)``: 0 is what a map that says nothing scores, 1 a map with
    all of its evidence where the cue is. A method that does not suit a network counts 0 there. Cells whose cue was not
    learnt are left out for all methods alike.

    Parameters
    ----------
    table
        Of `run_benchmark`.

    Returns
    -------
    DataFrame
        One row a method, peer or bound, best first: ``method, kind, localisation, low, high`` (95 % bootstrap over
        cells, i.e. cue × network × seed), means of ``mass, null, auc, pointing, pointing_null, error_hz``, ``cells``
        scored, ``seconds`` a token.
    """
    learnt = table[table["learnt"].astype(bool)].copy()
    learnt["localisation"] = localisation(learnt)
    columns = ["mass", "null", "auc", "pointing", "pointing_null", "error_hz", "seconds"]
    rows = []
    for (method, kind), group in learnt.groupby(["method", "kind"], sort=False):
        interval = mean_interval(group["localisation"].fillna(0.0).to_numpy(), n_bootstrap=2000)
        row: dict[Any, Any] = {"method": method, "kind": kind, "localisation": interval.estimate}
        row |= {"low": interval.low, "high": interval.high} | group[columns].mean().to_dict()
        rows.append(row | {"cells": int(group["mass"].notna().sum())})
    names = ["method", "kind", "localisation", "low", "high", *columns, "cells"]
    return pd.DataFrame(rows, columns=names).sort_values("localisation", ascending=False, ignore_index=True)


def check_recommended(ranked: pd.DataFrame) -> None:
    """Fail unless the recommended method finds planted cues better than every method of another library.

    Parameters
    ----------
    ranked
        From `ranking`.

    Raises
    ------
    ExperimentError
        If it does not, or was not run.
    """
    ours = ranked[
        [parse_method(m).name == RECOMMENDED for m in ranked["method"].where(ranked["kind"] == "method", "-")]
    ]
    peers = ranked[ranked["kind"] == "peer"]
    if ours.empty or peers.empty:
        raise ExperimentError(f"{RECOMMENDED} and the methods of other libraries must both be run to be compared")
    best, peer = ours.iloc[0], peers.iloc[0]
    if not best["localisation"] > peer["localisation"]:
        raise ExperimentError(
            f"{best['method']} finds planted cues no better ({best['localisation']:.2f}) than {peer['method']} "
            f"({peer['localisation']:.2f}); another method should be recommended"
        )


def localisation(table: pd.DataFrame) -> pd.Series:
    """``(mass − null) / (1 − null)`` of every row: 0 is chance, 1 is all, negative is worse than chance."""
    return (table["mass"] - table["null"]) / (1 - table["null"])


def to_json_object(benchmark: Benchmark) -> dict[str, Any]:
    """The whole result as one JSON value: ``ranking`` of methods, ``scores``, ``peers``, and what could not be run."""
    ranked = ranking(benchmark.table)
    names = ["method", "cue", "classes", "network", "seed", "mass", "null", "energy", "auc", "pointing", "error_hz",
             "learnt", "causal"]  # fmt: skip
    unlearnt = benchmark.table[~benchmark.table["learnt"].astype(bool)]
    return {
        "ranking": ranked.loc[ranked["kind"] == "method", "method"].tolist(),
        "peers": ranked.loc[ranked["kind"] == "peer", "method"].tolist(),
        "localisation": ranked.to_dict("records"),
        "not_learnt": unlearnt[["cue", "classes", "network", "seed", "causal"]].drop_duplicates().to_dict("records"),
        "absent": benchmark.absent,
        "scores": benchmark.table[names].to_dict("records"),
    }
