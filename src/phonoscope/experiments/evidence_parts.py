"""Judges methods on the tokens of a run, method by method and fold by fold, each in a folder until all are done."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope import __version__
from phonoscope.attribution import explain, read_maps, write_maps
from phonoscope.errors import AttributionError
from phonoscope.evidence.faithful import CAUSAL, Faithfulness, faithfulness
from phonoscope.evidence.randomisation import Randomised
from phonoscope.experiments.folder import Run
from phonoscope.experiments.held_out import HeldOut, held_out, run_identity
from phonoscope.files import to_json, write_json, write_with
from phonoscope.phonetics.profiles import profile
from phonoscope.work.executor import Each

UNITS = ("speaker", "recording")
_DONE, _OWN, _OTHER = "done.json", "maps", "other_fold"
_TABLES = ("measures", "tokens", "curves")
_RANDOMISED = ("stops", "tokens")


@dataclass(frozen=True)
class Judged:
    """What was found for one method: maps and their profiles, maps of the same tokens by another fold's classifier
    (none for a run with one classifier), and the measures."""

    method: str
    profiles: xr.DataArray
    maps: list[xr.DataArray]
    others: list[xr.DataArray]
    found: list[Faithfulness]

    @property
    def all_maps(self) -> xr.DataArray:
        """Maps of all tokens, each by the classifier that never met it."""
        return joined(self.maps)


@dataclass(frozen=True)
class _Task:
    """One method on one fold.

    Parameters
    ----------
    chosen
        Names of the tokens of all folds.
    place
        Position of the fold among those that have tokens.
    causal
        Folder of the causal maps of this fold; None to make these and no more.
    folder
        Where everything goes.
    identity
        Stands for the run, and for phonoscope.
    """

    run: str
    chosen: tuple[str, ...]
    place: int
    method: str
    seed: int
    trust_imports: bool
    causal: str | None
    folder: str
    identity: str

    def facts(self) -> dict[str, Any]:
        """What makes the results what they are; where they lie is not among it."""
        return json.loads(to_json({**asdict(self), "causal": self.causal is not None, "folder": None, "run": None}))


def judge_methods(
    run: Run,
    chosen: Sequence[str],
    folds: int,
    methods: Sequence[str],
    work: Path,
    *,
    seed: int,
    trust_imports: bool,
    each: Each,
    say: Callable[[str], object],
) -> tuple[list[Judged], list[dict[str, str]]]:
    """Judge every method that suits the network; the causal maps are made first and shared.

    Parameters
    ----------
    chosen
        Names of tested tokens.
    folds
        Number of folds that they are of.
    work
        Folder for what is finished while others are still at work.
    each
        How the work is spread over processes or machines; what is found does not depend on it.

    Returns
    -------
    tuple
        What was found for each method, and ``method, reason`` of those that were left out.
    """
    work = work.absolute()  # others may work in another folder
    identity = f"{__version__} {run_identity(run)}"
    first = _Task(
        str(run.folder.absolute()), tuple(map(str, chosen)), 0, CAUSAL, seed, trust_imports, None, "", identity
    )
    causal = [replace(first, place=fold, folder=str(work / f"causal-{fold}")) for fold in range(folds)]
    say(f"{CAUSAL}: maps")
    _finish(causal, each)
    judged, left_out = [], []
    tasks = [
        replace(first, method=method, place=fold, causal=causal[fold].folder, folder=str(work / f"{number}-{fold}"))
        for number, method in enumerate(methods)
        for fold in range(folds)
    ]
    _finish(tasks, each, lambda task: say(f"{task.method}: maps and measures") if task.place == folds - 1 else None)
    for method in methods:
        folders = [Path(task.folder) for task in tasks if task.method == method]
        reasons = [reason for folder in folders if (reason := _done(folder)["left_out"]) is not None]
        if reasons:
            say(f"{method}: left out ({reasons[0]})")
            left_out.append({"method": method, "reason": reasons[0]})
            continue
        maps = [read_maps(folder / _OWN) for folder in folders]
        others = [read_maps(folder / _OTHER) for folder in folders if folds > 1]
        judged.append(
            Judged(method, joined([profile(m) for m in maps]), maps, others, [_read_found(f) for f in folders])
        )
    return judged, left_out


def joined(parts: Sequence[xr.DataArray]) -> xr.DataArray:
    """Put arrays of some tokens each behind each other."""
    return xr.concat(list(parts), dim="token", combine_attrs="override", join="override")


def _finish(tasks: Sequence[_Task], each: Each, told: Callable[[_Task], object] = lambda _task: None) -> None:
    """Do the tasks that are not done yet."""
    todo = [task for task in tasks if _done(Path(task.folder)).get("task") != task.facts()]
    for task, _ in zip(todo, each(_judge, todo), strict=True):
        told(task)


def _done(folder: Path) -> dict[str, Any]:
    """What a finished folder says of itself; nothing if it is not finished."""
    try:
        return json.loads((folder / _DONE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _judge(task: _Task) -> None:
    """Make the maps of one method and fold, and the measures; runs in whatever process the engine chose."""
    folder = Path(task.folder)
    (folder / _DONE).unlink(missing_ok=True)
    parts = _parts(task.run, task.chosen, task.trust_imports, task.identity)
    part, reason = parts[task.place], None
    try:
        if task.causal is None:
            _write(folder / _OWN, _explain(part, task))
        else:
            causal = read_maps(Path(task.causal) / _OWN).load()
            maps = causal if task.method == CAUSAL else _explain(part, task)
            _write(folder / _OWN, maps)
            if len(parts) > 1:
                _write(folder / _OTHER, _explain(part, task, by=parts[task.place - 1]))
            found = faithfulness(
                part.classifier,
                part.waveforms,
                task.method,
                target="true",
                clusters=part.tokens[list(UNITS)],
                seed=task.seed,
                maps=maps,
                causal=causal,
                **part.known,
            )
            _write_found(folder, found)
    except AttributionError as error:
        reason = str(error)
    write_json(folder / _DONE, {"task": task.facts(), "left_out": reason})


@lru_cache(maxsize=1)
def _parts(run: str, chosen: tuple[str, ...], trust_imports: bool, identity: str) -> list[HeldOut]:
    """The tokens fold by fold, read once a process."""
    del identity  # of what is cached
    return list(held_out(Run(run), only=np.asarray(chosen, dtype=object), trust_imports=trust_imports))


def _explain(part: HeldOut, task: _Task, by: HeldOut | None = None) -> xr.DataArray:
    """Maps of a part's tokens by its own classifier, or by that of another fold."""
    by = part if by is None else by
    return explain(by.classifier, part.waveforms, "true", task.method, seed=task.seed, **part.known)


def _write(folder: Path, maps: xr.DataArray) -> None:
    write_maps(folder, [maps], maps.sizes["token"])


def _write_found(folder: Path, found: Faithfulness) -> None:
    named = {name: getattr(found, name) for name in _TABLES}
    named |= {f"randomised_{name}": getattr(found.randomised, name) for name in _RANDOMISED}
    for name, table in named.items():
        write_with(folder / f"{name}.parquet", lambda path, table=table: table.to_parquet(path, index=False))
    verdict = {"passes": bool(found.randomised.passes), "sentence": found.randomised.sentence}
    write_json(folder / "randomised.json", verdict)


def _read_found(folder: Path) -> Faithfulness:
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
    details = {name: pd.read_parquet(folder / f"randomised_{name}.parquet") for name in _RANDOMISED}
    verdict = json.loads((folder / "randomised.json").read_text(encoding="utf-8"))
    return Faithfulness(**tables, randomised=Randomised(**verdict, **details))
