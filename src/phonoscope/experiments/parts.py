"""Work on tokens part by part: a Parquet file of tokens in, one of results out, whole or not at all.

What was finished before a kill stays; the parts are made in this process, in several, or on a cluster, by the same
function.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from phonoscope.audio import cut
from phonoscope.corpora import read_tokens, write_tokens
from phonoscope.corpora.shards import ends_of_recordings, file_facts, first_rate, recordings_state, write_facts
from phonoscope.corpora.sounds import TokenSounds
from phonoscope.errors import ExperimentError, PhonoscopeError
from phonoscope.files import digest_of, sha256, write_with
from phonoscope.left_out import LeftOut
from phonoscope.work.executor import Executor
from phonoscope.work.units import complete

WORK = "_parts"  # folder of what is finished while others are still made
TOKENS_PER_PART = 1024  # or more, of a table of tokens without sound

Progress = Callable[[int, int], None]


class PartTokens(NamedTuple):
    """Tokens of one part, their waveforms with context (s), and the rate of these (Hz)."""

    tokens: pd.DataFrame
    sounds: Sequence[np.ndarray]
    context_seconds: float
    sample_rate: int


class Ask(Protocol):
    """What is to be made of each part: all that the results depend on beside the tokens.

    A frozen dataclass of plain values: it is sent to other processes, and results of another one are made anew.
    """

    @property
    def sample_rate(self) -> int | None:
        """Rate to cut recordings at, Hz; their own if None."""
        ...

    @property
    def context_seconds(self) -> float:
        """Sound that is cut before and after each token of a table, s."""
        ...

    def rows(self, part: PartTokens) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
        """Yield rows of results, some tokens at a time, each time with what all rows share."""
        ...


@dataclass(frozen=True)
class Source:
    """Where the tokens of a part are: a file of cut tokens, or a table of tokens whose recordings are cut."""

    path: Path
    has_sound: bool
    tokens: int
    identity: str
    continued: bool = False  # begins with a recording whose other tokens are in the part before
    as_recorded: bool = False  # recordings of different rates are left as they are

    def read(self, sample_rate: int | None, context_seconds: float) -> tuple[PartTokens, list[dict[str, Any]]]:
        """Read the tokens; tokens that cannot be cut are left out, and said so in the list beside."""
        if self.has_sound:
            sounds = TokenSounds.of_file(self.path)
            return PartTokens(sounds.tokens, sounds, sounds.context_seconds, sounds.sample_rate), []
        table = read_tokens(self.path)
        waveforms, kept = cut(
            table, sample_rate, context_seconds=context_seconds, own_rates=self.as_recorded, hashed=not self.as_recorded
        )
        left_out = kept.attrs["left_out"]
        if self.continued:  # a damaged recording was counted with the part before
            left_out = [entry for entry in left_out if entry["what"] != "recording"]
        rate = sample_rate or (first_rate(table) if len(kept) or not self.as_recorded else 0)
        return PartTokens(kept, waveforms, context_seconds, rate), left_out


@dataclass(frozen=True)
class _Task:
    """One part to be made."""

    ask: Ask
    source: Source
    path: Path
    identity: str


def sources_of(
    tokens: pd.DataFrame | TokenSounds, folder: Path, together: Sequence[str] = (), *, as_recorded: bool = False
) -> list[Source]:
    """Divide tokens into parts: the files of cut tokens as they are, a table into tables in ``folder``.

    Parameters
    ----------
    tokens
        Token table, or tokens with their sound.
    folder
        For the parts of a table; emptied first.
    together
        Columns by which a part must not be mixed; the table is sorted by them.
    as_recorded
        Leave recordings of different rates as they are (``native_rate`` of each token), and read no more of each than
        its tokens need; the tokens of a recording that has very many of them are divided too.
    """
    if isinstance(tokens, TokenSounds):
        paths = [path.absolute() for path in tokens.paths]
        return [Source(path, True, pq.read_metadata(path).num_rows, _identity(path)) for path in paths]
    shutil.rmtree(folder, ignore_errors=True)
    parts: list[tuple[pd.DataFrame, bool]] = []
    groups = [tokens] if not together else [rows for _, rows in tokens.groupby(list(together), sort=True)]
    for rows in groups:
        parts += _divided(rows, TOKENS_PER_PART if as_recorded else len(rows))
    found = []
    for number, (rows, continued) in enumerate(parts):
        part = rows.reset_index(drop=True)
        part.attrs = {"roots": tokens.attrs.get("roots", {})}
        path = folder / f"part-{number:05d}.parquet"
        write_tokens(path, part)
        identity = digest_of(sha256(path), recordings_state(part))
        found.append(Source(path.absolute(), False, len(part), identity, continued, as_recorded))
    return found


def _divided(rows: pd.DataFrame, most: int) -> Iterator[tuple[pd.DataFrame, bool]]:
    """Yield some rows after others, at most ``most``, and whether they continue the recording of those before.

    Those of a recording that stand together come in one part, as long as there are not too many: it is opened once.
    """
    first, continued = 0, False
    for end in ends_of_recordings(rows):
        while end - first > most:
            yield rows.iloc[first : first + most], continued
            first, continued = first + most, True
        if end > first and (end - first >= TOKENS_PER_PART or end == len(rows)):
            yield rows.iloc[first:end], continued
            first, continued = end, False


def make_parts(
    ask: Ask,
    sources: Sequence[Source],
    folder: Path,
    *,
    executor: Executor,
    progress: Progress | None = None,
) -> list[Path]:
    """Make a file of results for each part, but for those that are there already; returns all, in order.

    Parameters
    ----------
    ask
        What to make.
    sources
        The parts.
    folder
        Holds ``part-00000.parquet`` … and nothing else of this name.
    executor
        How the work is spread: ``workers.in_this_process`` or another engine.
    progress
        Called with (tokens done, tokens in all).

    Raises
    ------
    ExperimentError
        If there is no token, or none could be cut.
    """
    tasks = [
        _Task(ask, source, folder.absolute() / f"part-{number:05d}.parquet", digest_of(repr(ask), source.identity))
        for number, source in enumerate(sources)
    ]
    paths = [task.path for task in tasks]
    for path in set(folder.absolute().glob("part-*.parquet")) - set(paths):
        path.unlink()
    count, done = sum(source.tokens for source in sources), 0
    try:
        for task in complete(tasks, _is_made, _make, executor):
            done += task.source.tokens
            if progress is not None:
                progress(done, count)
    except PhonoscopeError:
        if not any(path.exists() for path in paths):
            shutil.rmtree(folder)  # what cannot be done leaves nothing behind
        raise
    if count_rows(paths) == 0:
        reasons = "; ".join(f"{entry['count']} × {entry['what']}: {entry['reason']}" for entry in left_out_of(paths))
        raise ExperimentError(f"there is no token to work on{f': {reasons}' if reasons else ''}")
    return paths


def _is_made(task: _Task) -> bool:
    return file_facts(task.path).get("identity") == task.identity


def _make(task: _Task) -> None:
    """Make one part; runs in whatever process the engine chose."""
    part, left_out = task.source.read(task.ask.sample_rate, task.ask.context_seconds)

    def fill(path: Path) -> None:
        results = task.ask.rows(part) if len(part.tokens) else iter(())
        first, shared = next(results, (None, {}))
        schema = pa.schema([]) if first is None else first.schema
        with pq.ParquetWriter(path, schema, compression=_compression(schema)) as writer:
            if first is not None:
                writer.write_table(first)
            for rows, facts in results:
                writer.write_table(rows)
                shared = facts
            write_facts(writer, {"identity": task.identity, "left_out": left_out, **shared})

    write_with(task.path, fill)


def _compression(schema: pa.Schema) -> dict[str, str]:
    """Values are not compressed: they do not get smaller."""
    return {field.name: "NONE" if pa.types.is_fixed_size_binary(field.type) else "ZSTD" for field in schema}


def groups_of(paths: Iterable[Path]) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    """Yield the rows of finished parts in order, a group at a time, each with what all rows of its part share."""
    for path in paths:
        with pq.ParquetFile(path, memory_map=True) as file:
            facts = file_facts(path)
            for number in range(file.num_row_groups):
                yield file.read_row_group(number), facts


def count_rows(paths: Iterable[Path]) -> int:
    """Rows of finished parts."""
    return sum(pq.read_metadata(path).num_rows for path in paths)


def left_out_of(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """What was left out of finished parts, and why."""
    found = LeftOut()
    for path in paths:
        for entry in file_facts(path)["left_out"]:
            found.add(**entry)
    return found.entries()


def _identity(path: Path) -> str:
    """What stands for the content of a file of cut tokens: what it says of itself, else its checksum."""
    return file_facts(path).get("identity") or sha256(path)
