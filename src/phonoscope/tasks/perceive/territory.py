"""Territory: every token moved to every place in the plane of two formants, and what is answered where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xarray as xr

from phonoscope.errors import PerceptionError
from phonoscope.experiments.parts import WORK, PartTokens, Progress, sources_of
from phonoscope.files import write_with
from phonoscope.perception import (
    FormantGrid,
    Trials,
    agreement,
    boundary_lines,
    grid_stimuli,
    normalisation,
    published_territory,
    territory,
    trading_relation,
)
from phonoscope.perception.planes import hertz_for_hertz
from phonoscope.tasks.perceive.asking import (
    Answered,
    Asking,
    answered,
    as_rows,
    with_answers,
)
from phonoscope.tasks.perceive.names import CONTROLS, NETWORK, OWN_VOWELS
from phonoscope.work.executor import Executor

TABLES = (
    "territory", "territory_lines", "territory_people", "people_lines", "people_vowels", "agreement", "trading",
    "normalisation",
)  # fmt: skip
_TOKENS_PER_PART = 5
_BROUGHT_ALONG = ("f3", "f0")  # by which people normalise
_HZ = 100.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class AskingPlaces(Asking):
    """Tokens moved to every place of a grid; see `phonoscope.experiments.parts.Ask`."""

    grid: FormantGrid

    def rows(self, part: PartTokens) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
        """Yield stimuli with their answers, some tokens at a time; one drawing of random weights answers."""
        who = self.who(part)
        for made in grid_stimuli(
            part.tokens, part.sounds, part.sample_rate, self.grid, context=part.context_seconds, ceiling=self.ceiling,
            device=self.device,
        ):  # fmt: skip
            yield as_rows(made.table, who.answers(made.sounds, draws=1)), {"absent": who.absent}


def ask_places(
    asking: Asking,
    tokens: pd.DataFrame,
    grid: FormantGrid,
    labels: Sequence[str],
    work: Path,
    *,
    executor: Executor,
    progress: Progress,
) -> Answered:
    """Move tokens to every place of a grid, and ask.

    Parameters
    ----------
    asking
        Who is asked.
    tokens
        With their ``fold``.
    grid
        The places.
    labels
        The answers to choose from.
    work
        Folder for what is finished.
    executor, progress
        As of `phonoscope.experiments.parts.make_parts`.
    """
    few = tokens.assign(part=tokens.groupby("fold").cumcount() // _TOKENS_PER_PART)
    few.attrs = tokens.attrs
    places = AskingPlaces(**vars(asking), grid=grid)
    sources = sources_of(few, work / "tokens", ["fold", "part"])
    return answered(places, sources, work, len(labels), executor=executor, progress=progress)


def territories(
    asking: Asking,
    tokens: pd.DataFrame,
    grids: Sequence[FormantGrid],
    labels: Sequence[str],
    folder: Path,
    *,
    executor: Executor,
    say: Say,
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Ask about every place of each plane; the stimuli and their answers are kept beside the tables.

    Parameters
    ----------
    asking, tokens, labels, executor
        As of `ask_places`.
    grids
        The planes.
    folder
        Of the run.
    say
        Prints a line of progress.

    Returns
    -------
    tables, absent
        As of `territory_tables`, all planes together; who did not answer, and why.
    """
    parts: dict[str, list[pd.DataFrame]] = {}
    absent: dict[str, str] = {}
    for grid in grids:
        name = plane_name(grid)
        say(f"moving {' and '.join(name.upper().split(','))} of {len(tokens)} tokens to every place")
        found = ask_places(
            asking, tokens, grid, labels, folder / WORK / name, executor=executor,
            progress=lambda done, count: say(f"  {done} of {count} tokens"),
        )  # fmt: skip
        kept = with_answers(found.table, found.answers[NETWORK], labels)
        path = folder / f"territory-{name.replace(',', '-')}.parquet"
        write_with(path, lambda path, kept=kept: kept.to_parquet(path, index=False))
        tables = territory_tables(found, grid, labels)
        tables |= {OWN_VOWELS: own_vowels(found.table)} if OWN_VOWELS not in parts else {}
        for key, table in tables.items():
            parts.setdefault(key, []).append(table)
        absent |= found.absent
    return {key: pd.concat(tables, ignore_index=True) for key, tables in parts.items()}, absent


def territory_tables(found: Answered, grid: FormantGrid, labels: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Result tables of one plane; `TABLES`, without those that have nothing to say.

    Parameters
    ----------
    found
        From `ask_places`.
    grid
        The places.
    labels
        The answers to choose from.
    """
    trials = {name: Trials(found.table, labels, values) for name, values in found.answers.items()}
    maps = {name: territory(each, grid) for name, each in trials.items()}
    lines = {name: _lines(boundary_lines(each), grid) for name, each in maps.items()}
    tables = {
        "territory": _joined({name: _places(each, grid) for name, each in maps.items()}),
        "territory_lines": _joined(lines),
    }
    try:
        people = published_territory(grid, labels)
    except PerceptionError:  # the answers are no vowels of the published table
        pass
    else:
        groups = {str(group): people.sel(group=group) for group in people["group"].values}
        tables["territory_people"] = _joined({name: _nearest(each, grid) for name, each in groups.items()}, "group")
        tables["people_lines"] = _joined(
            {name: _lines(boundary_lines(each), grid) for name, each in groups.items()}, "group"
        )
        tables["people_vowels"] = _joined({name: _means(each) for name, each in groups.items()}, "group")
        tables["agreement"] = _joined({name: agreement(each, people, grid) for name, each in trials.items()})
    between = lines[NETWORK].groupby(["label", "against"], sort=False)[["first_hz", "second_hz"]]
    middles = {pair: (len(rows), *rows.median()) for pair, rows in between}
    tables["trading"] = _trading(trials, middles, grid)
    tables["normalisation"] = _normalisation(trials[NETWORK], middles, grid)
    return {
        name: table.assign(plane=plane_name(grid))[["plane", *table]] for name, table in tables.items() if len(table)
    }


def own_vowels(table: pd.DataFrame) -> pd.DataFrame:
    """Where the tokens that were moved lie as they were recorded: ``token, class, f0, f1 … f4`` in Hz.

    Parameters
    ----------
    table
        Stimuli of a grid.
    """
    columns = {name: name.removeprefix("before_") for name in map(str, table) if name.startswith("before_")}
    own = table.drop_duplicates("token").reset_index(drop=True)
    before = {name: own[column] for column, name in columns.items()}
    return own[["token", "class", "f0"]].assign(**before)


def plane_name(grid: FormantGrid) -> str:
    """A plane as tables call it: ``f1,f2``."""
    return f"{grid.first},{grid.second}"


def moved_by(grid: FormantGrid) -> tuple[str, str]:
    """Whose boundary is told, and the other formant, which may move it: F2 and the other where F2 is one of both."""
    return (grid.second, grid.first) if grid.second == "f2" else (grid.first, grid.second)


def _joined(tables: Mapping[str, pd.DataFrame], by: str = "who") -> pd.DataFrame:
    parts = [table.assign(**{by: name})[[by, *table]] for name, table in tables.items()]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _lines(lines: pd.DataFrame, grid: FormantGrid) -> pd.DataFrame:
    return lines.rename(columns={grid.first: "first_hz", grid.second: "second_hz"})


def _places(found: xr.Dataset, grid: FormantGrid) -> pd.DataFrame:
    """One row a place: the most frequent answer, its share and interval, and the share of every answer."""
    first, second = (plane.ravel() for plane in np.meshgrid(*grid.places, indexing="ij"))
    names = {"winner": "answer", "winner_share": "share", "low": "low", "high": "high", "n": "n", "missed": "missed"}
    columns = {new: found[old].values.ravel() for old, new in names.items()}
    shares = found["share"].values.reshape(len(first), -1)
    each = {f"share_{label}": shares[:, i] for i, label in enumerate(found["label"].values)}
    table = pd.DataFrame({"first_hz": first, "second_hz": second, **columns, **each})
    return table[(table["n"] > 0) | (table["missed"] > 0)].reset_index(drop=True)


def _nearest(published: xr.Dataset, grid: FormantGrid) -> pd.DataFrame:
    """One row a place: the vowel of a group of talkers that lies nearest, and how probable it is there."""
    first, second = (plane.ravel() for plane in np.meshgrid(*grid.places, indexing="ij"))
    share = published["share"].max("label").values.ravel()
    answer = published["winner"].values.ravel()
    return pd.DataFrame({"first_hz": first, "second_hz": second, "answer": answer, "share": share})


def _means(published: xr.Dataset) -> pd.DataFrame:
    """One row a vowel: mean and standard deviation of both formants over a group of talkers."""
    columns = {
        f"{name}_{unit}": published[of].values[:, axis]
        for axis, name in enumerate(("first", "second"))
        for of, unit in (("mean", "hz"), ("sd", "sd"))
    }
    return pd.DataFrame({"class": published["label"].values, **columns})


def _trading(trials: Mapping[str, Trials], middles: Mapping[Any, tuple[float, ...]], grid: FormantGrid) -> pd.DataFrame:
    """How far the boundary in one formant moves with the other, for each pair of answers that border on each other."""
    cue, by = moved_by(grid)
    rows = []
    for (label, against), (points, *at) in middles.items():
        found = trading_relation(trials[NETWORK], label, against, first=by, second=cue)
        hertz = dict(zip((grid.first, grid.second), at, strict=True))
        per = hertz_for_hertz(hertz[cue], hertz[by]) * _HZ
        row = {"label": label, "against": against, "cue": cue, "by": by, "points": points}
        row |= {name: found[name] for name in ("trade", "low", "high", "unit")}
        row |= {f"hz_{name}": per * found[old] for name, old in (("trade", "trade"), ("low", "low"), ("high", "high"))}
        row |= {f"at_{name}": value for name, value in hertz.items()}
        for name in CONTROLS:
            if name in trials:
                row[name] = trading_relation(trials[name], label, against, first=by, second=cue)["trade"]
        row |= {name: found[name] for name in ("n", "n_units", "unit_of_interval", "trainings", "why_not")}
        rows.append(row)
    return pd.DataFrame(rows)


def _normalisation(network: Trials, middles: Mapping[Any, tuple[float, ...]], grid: FormantGrid) -> pd.DataFrame:
    """How far the boundary moves with what tokens bring along, for each pair of answers that border on each other."""
    cue, _ = moved_by(grid)
    own = own_vowels(network.table)
    by = [name for name in _BROUGHT_ALONG if name not in (grid.first, grid.second) and own[name].notna().mean() > 0.5]
    parts = []
    for (label, against), (points, *at) in middles.items() if by else ():
        found = normalisation(network, label, against, cue=cue, by=by)
        hertz = dict(zip((grid.first, grid.second), at, strict=True))[cue]
        per = np.array([hertz_for_hertz(hertz, float(own[name].mean())) for name in found["by"]]) * _HZ
        parts.append(
            found.assign(points=points, **{f"hz_{name}": per * found[name] for name in ("shift", "low", "high")})
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
