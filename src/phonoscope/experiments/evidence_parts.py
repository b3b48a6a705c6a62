"""Judges methods on the tokens of a run: a method on a fold is a unit of work, kept until all are done."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope import __version__
from phonoscope.attribution import explain, read_maps, write_maps
from phonoscope.attribution.maps import joined
from phonoscope.errors import AttributionError
from phonoscope.evidence.case import Case, open_case
from phonoscope.evidence.faithful import Measured, measure_maps
from phonoscope.evidence.measures import CAUSAL, FILLED, TRAININGS, choose_measures
from phonoscope.experiments.control_maps import CONTROLS
from phonoscope.experiments.evidence_controls import fold_controls, measures_of
from phonoscope.experiments.folder import Run
from phonoscope.experiments.held_out import HeldOut, held_out, run_identity
from phonoscope.files import write_with
from phonoscope.phonetics.profiles import profile
from phonoscope.work.executor import Executor
from phonoscope.work.units import complete, done, mark_done

LEVELS = ("speaker", "recording")  # resampled for intervals
REFERENCES = (CAUSAL, FILLED)
_MAPS = "maps"


@dataclass(frozen=True)
class EvidenceSettings:
    """What all that is judged of a run has in common.

    Parameters
    ----------
    run
        Folder of the run.
    tokens
        Names of the tokens of all folds.
    measures
        Names, or ``package.module:name``.
    seed
        Of all that is drawn.
    trust_imports
        Whether the classifiers may import their networks' code.
    """

    run: str
    tokens: tuple[str, ...]
    measures: tuple[str, ...]
    seed: int
    trust_imports: bool

    def parts(self) -> list[HeldOut]:
        """The tokens, fold by fold."""
        only = np.asarray(self.tokens, dtype=object)
        return list(held_out(Run(self.run), only=only, trust_imports=self.trust_imports))


@dataclass(frozen=True)
class MethodEvidence:
    """Maps of one method, fold by fold, and what the measures say of them.

    Parameters
    ----------
    maps
        By the classifiers that never met the tokens.
    measured
        What the measures say, fold by fold.
    """

    method: str
    maps: list[xr.DataArray]
    measured: list[Measured]

    @property
    def all_maps(self) -> xr.DataArray:
        """Maps of all tokens."""
        return joined(self.maps)

    @property
    def profiles(self) -> xr.DataArray:
        """Importance of each frequency in all tokens."""
        return joined([profile(maps) for maps in self.maps])


@dataclass(frozen=True)
class _Unit:
    """One method on one fold, the position of the fold among those that have tokens, and the folder of the results.

    ``references`` are the folders of the causal maps of the fold; none to make these and no more.
    """

    settings: EvidenceSettings
    identity: str
    method: str
    fold: int
    folder: Path
    references: tuple[Path, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """What makes the results what they are; where anything lies is not among it."""
        settings = {**asdict(self.settings), "run": self.identity}
        return {**settings, "method": self.method, "fold": self.fold, "measured": bool(self.references)}


def judge_methods(
    settings: EvidenceSettings,
    methods: Sequence[str],
    folds: int,
    work: Path,
    *,
    executor: Executor,
    say: Callable[[str], object],
) -> tuple[list[MethodEvidence], list[dict[str, str]]]:
    """Judge every method that suits the network; the causal maps are made first and shared.

    Parameters
    ----------
    settings
        Run, tokens and measures.
    methods
        As they are written in tables.
    folds
        Number of folds that the tokens are of.
    work
        Folder for what is finished while others are still at work.
    executor
        How the work is spread over processes or machines; the results do not depend on it.
    say
        Called with each method when it is done.

    Returns
    -------
    tuple
        The evidence of each method, and ``method, reason`` of those that were left out.
    """
    work = work.absolute()  # others may work in another folder
    identity = f"{__version__} {run_identity(Run(settings.run))}"
    causal = [
        _Unit(settings, identity, method, fold, work / f"reference-{number}-{fold}")
        for number, method in enumerate(REFERENCES)
        for fold in range(folds)
    ]
    units = [
        _Unit(
            settings, identity, method, fold, work / f"{number}-{fold}",
            tuple(work / f"reference-{of}-{fold}" for of in range(len(REFERENCES))),
        )
        for number, method in enumerate(methods)
        for fold in range(folds)
    ]  # fmt: skip
    say(f"{CAUSAL}: maps")
    for _ in complete(causal, _is_done, _judge, executor):
        pass
    for unit in complete(units, _is_done, _judge, executor):
        if unit.fold == folds - 1:
            say(f"{unit.method}: maps and measures")
    judged, left_out = [], []
    for method in methods:
        of_method = [unit for unit in units if unit.method == method]
        reasons = [notes["left_out"] for unit in of_method if (notes := done(unit.folder, unit.facts)) is not None]
        if any(reasons):
            left_out.append({"method": method, "reason": next(filter(None, reasons))})
            say(f"{method}: left out ({left_out[-1]['reason']})")
            continue
        folders = [unit.folder for unit in of_method]
        judged.append(
            MethodEvidence(
                method,
                [read_maps(folder / _MAPS) for folder in folders],
                [_read(folder) for folder in folders if (folder / "measures.parquet").is_file()],
            )
        )
    return judged, left_out


def case_of(part: HeldOut, seed: int) -> Case:
    """The tokens of a fold with their true classes as targets."""
    return open_case(part.classifier, part.waveforms, target="true", seed=seed, **part.known)


def _is_done(unit: _Unit) -> bool:
    return done(unit.folder, unit.facts) is not None


def _judge(unit: _Unit) -> None:
    """Make the maps of one method and fold, and the measures; runs in whatever process the executor chose."""
    shutil.rmtree(unit.folder, ignore_errors=True)  # may hold results of other settings
    reason = None
    try:
        _make(unit)
    except AttributionError as error:
        reason = str(error)
    mark_done(unit.folder, unit.facts, left_out=reason)


def _make(unit: _Unit) -> None:
    settings = unit.settings
    parts = _parts(settings, unit.identity)
    part = parts[unit.fold]
    if not unit.references:
        _write(unit.folder / _MAPS, _maps(unit, part, part))
        return
    causal, filled = (read_maps(folder / _MAPS).load() for folder in unit.references)
    known = dict(zip(REFERENCES, (causal, filled), strict=True))
    maps = known[unit.method] if unit.method in known else _maps(unit, part, part)
    _write(unit.folder / _MAPS, maps)
    other = None
    wanted = measures_of(unit.method, settings.measures)
    if len(parts) > 1 and TRAININGS in wanted:  # the classifier of another fold was trained on these tokens
        other = _maps(unit, part, parts[unit.fold - 1])
    # The random networks are the same for all folds: one is enough to see whether maps follow the weights.
    chosen = zip(wanted, choose_measures(wanted), strict=True)
    names = [name for name, measure in chosen if unit.fold == 0 or not measure.once]
    if not names:
        return
    tables = measure_maps(
        case_of(part, settings.seed),
        unit.method,
        maps=maps,
        causal=causal,
        filled=filled,
        other=other,
        measures=names,
    )
    for name, table in tables._asdict().items():
        write_with(unit.folder / f"{name}.parquet", lambda path, table=table: table.to_parquet(path, index=False))


@lru_cache(maxsize=1)
def _parts(settings: EvidenceSettings, identity: str) -> list[HeldOut]:
    """The tokens fold by fold, read once a process."""
    del identity  # of what is cached
    return settings.parts()


def _maps(unit: _Unit, part: HeldOut, by: HeldOut) -> xr.DataArray:
    """Maps of a part's tokens by its own classifier, or by that of another fold; or those of a control."""
    if unit.method in CONTROLS:
        run = Run(unit.settings.run)
        return fold_controls(unit.method, run, _parts(unit.settings, unit.identity), unit.fold, unit.settings.seed)
    return explain(by.classifier, part.waveforms, "true", unit.method, seed=unit.settings.seed, **part.known)


def _write(folder: Path, maps: xr.DataArray) -> None:
    write_maps(folder, [maps], maps.sizes["token"])


def _read(folder: Path) -> Measured:
    return Measured(*(pd.read_parquet(folder / f"{name}.parquet") for name in Measured._fields))
