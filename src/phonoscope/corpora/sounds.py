"""Reads cut tokens back: looks like a list of waveforms, holds a few groups of rows in memory at a time."""

from __future__ import annotations

import copy
import json
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from phonoscope.corpora.shards import FULL_SCALE, MANIFEST_NAME, OWN_COLUMNS, SOUND
from phonoscope.corpora.storage import as_written, read_tokens
from phonoscope.errors import CorpusError

# Groups of rows that are kept, about 1 MB of speech each: for tokens in shuffled order, and in their own.
GROUPS_KEPT = 96
GROUPS_IN_ORDER = 2


class TokenSounds(Sequence[np.ndarray]):
    """Tokens of a folder that ``phonoscope tokens --sound`` wrote, with their waveforms.

    A sequence of waveforms (sample,), float32, with ``context_seconds`` on either side; several threads may read.

    Parameters
    ----------
    folder : path
        Where the files lie.

    Attributes
    ----------
    paths : list of Path
        The files, in their order.
    sample_rate : int
        Hz.
    context_seconds : float
        Sound before and after each token.
    groups : ndarray of int, shape (len(self),)
        Which tokens lie together on the disk and are read at once.

    Raises
    ------
    CorpusError
        If the folder was not finished, or a file is missing or damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        path = folder / MANIFEST_NAME
        if not path.is_file():
            raise CorpusError(
                f"{folder} holds no finished tokens with sound: there is no {MANIFEST_NAME}. Make them, or continue "
                "what was interrupted: phonoscope tokens CORPUS --sound --out FOLDER"
            )
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            names = [folder / shard["file"] for shard in manifest["shards"]]
            self.sample_rate, self.context_seconds = int(manifest["sample_rate"]), float(manifest["context_seconds"])
            attrs = manifest["attrs"]
        except (ValueError, KeyError, TypeError) as error:
            raise CorpusError(f"{path} is damaged ({error}); cut the tokens again") from error
        self._open(names, attrs, GROUPS_KEPT)
        if len(self) != manifest["cut"]:
            raise CorpusError(f"{folder} holds {len(self)} tokens, but {manifest['cut']} were cut; cut them again")

    @classmethod
    def of_file(cls, path: str | Path) -> TokenSounds:
        """Open one file of such a folder by itself, to be read in order; what the folder says of the corpus is not in
        its ``attrs``."""
        sounds = cls.__new__(cls)
        sounds._open([Path(path)], {}, GROUPS_IN_ORDER)
        cut = pq.ParquetFile(path).read_row_group(0, columns=["sample_rate", "context_seconds"])
        sounds.sample_rate, sounds.context_seconds = (column[0].as_py() for column in cut.columns)
        return sounds

    def _open(self, paths: Sequence[Path], attrs: dict[Hashable | None, Any], groups_kept: int) -> None:
        self.paths = list(paths)
        self._reader = _Reader(paths, groups_kept)
        self._rows = np.arange(self._reader.count)
        self._attrs, self._trim = attrs, 0
        self._tokens: pd.DataFrame | None = None

    @property
    def tokens(self) -> pd.DataFrame:
        """The token table, one row a waveform, ``attrs`` and all; read when it is first asked for."""
        if self._tokens is None:
            every = self._reader.table()
            whole = len(self._rows) == len(every) and bool((self._rows == np.arange(len(every))).all())
            self._tokens = every if whole else every.iloc[self._rows].reset_index(drop=True)
            self._tokens.attrs = self._attrs
        return self._tokens

    @property
    def context(self) -> int:
        """Samples before and after each token."""
        return round(self.context_seconds * self.sample_rate)

    @property
    def groups(self) -> np.ndarray:
        """Number of the group of rows in which each waveform lies, shape (len(self),)."""
        return self._reader.group_of(self._rows)

    def chosen(self, index: Iterable[int]) -> TokenSounds:
        """Return some of the tokens, in this order, on the same files."""
        part = copy.copy(self)
        picked = np.fromiter(index, dtype=np.int64)
        part._rows = self._rows[picked]
        if self._tokens is not None:
            part._tokens = self._tokens.iloc[picked].reset_index(drop=True)
            part._tokens.attrs = self._attrs
        return part

    def first(self, count: int) -> TokenSounds:
        """Return the first tokens, without reading the table of the others."""
        files, count_so_far = [], 0
        for path in self.paths:
            if count_so_far < count:
                files.append(path)
                count_so_far += pq.read_metadata(path).num_rows
        part = copy.copy(self)
        part._open(files, self._attrs, GROUPS_IN_ORDER)
        return part.chosen(range(min(count, len(part))))

    def without_context(self) -> TokenSounds:
        """Return the tokens alone."""
        part = copy.copy(self)
        part._trim, part.context_seconds = self._trim + self.context, 0.0
        return part

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> list[np.ndarray]: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        """Return a waveform (sample,), float32, or a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        samples = self._reader.samples(int(self._rows[index]))
        samples = samples[self._trim : len(samples) - self._trim]
        return samples.astype(np.float32) / np.float32(FULL_SCALE)


class _Reader:
    """Groups of rows of several Parquet files, the last ones kept."""

    def __init__(self, paths: Sequence[Path], groups_kept: int) -> None:
        self._metadata: dict[Path, pq.FileMetaData] = {}
        places: list[tuple[Path, int]] = []
        counts = []
        for path in paths:
            try:
                metadata = pq.read_metadata(path)
            except (OSError, pa.ArrowException) as error:
                raise CorpusError(f"{path} is missing or damaged ({error}); cut the tokens again") from error
            self._metadata[path] = metadata
            places += [(path, number) for number in range(metadata.num_row_groups)]
            counts += [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        self._ends = np.cumsum(counts, dtype=np.int64)
        self.count = sum(counts)
        self._group = lru_cache(groups_kept)(partial(_read_group, places, self._metadata))

    def group_of(self, rows: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._ends, rows, side="right")

    def table(self) -> pd.DataFrame:
        """All columns but those of the sound."""
        parts = []
        for path, metadata in self._metadata.items():
            names = [name for name in metadata.schema.to_arrow_schema().names if name not in OWN_COLUMNS]
            parts.append(as_written(pq.read_table(path, columns=names, partitioning=None).to_pandas()))
        return pd.concat(parts, ignore_index=True)  # file by file: text is not copied when it is put together

    def samples(self, row: int) -> np.ndarray:
        """16-bit samples of a row."""
        group = int(self.group_of(np.array([row]))[0])
        values, offsets = self._group(group)
        row_in_group = row - (int(self._ends[group - 1]) if group else 0)
        return values[offsets[row_in_group] : offsets[row_in_group + 1]]


def _read_group(
    places: list[tuple[Path, int]], metadata: dict[Path, pq.FileMetaData], group: int
) -> tuple[np.ndarray, np.ndarray]:
    """Samples of a group one after the other, and where those of each row begin."""
    path, number = places[group]
    try:
        with pq.ParquetFile(path, metadata=metadata[path], memory_map=True) as file:
            column = file.read_row_group(number, columns=[SOUND], use_threads=False).column(0).combine_chunks()
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"{path} is damaged ({error}); cut the tokens again") from error
    chunk = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    _, ends, data = chunk.buffers()
    offsets = np.frombuffer(ends, dtype=np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    return np.frombuffer(data, dtype="<i2", count=int(offsets[-1]) // 2), offsets // 2


def open_tokens(path: str | Path) -> pd.DataFrame | TokenSounds:
    """Open what a command was given: a token table, or a folder of tokens with their sound.

    Raises
    ------
    CorpusError
        If it is neither, or cannot be read.
    """
    return TokenSounds(path) if Path(path).is_dir() else read_tokens(path)
