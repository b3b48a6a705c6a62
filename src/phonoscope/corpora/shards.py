"""Cuts the sounds of a token table once, into a folder of Parquet files that any program reads and that resumes."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from phonoscope.audio import NATIVE_RATE, SOUND_HASH, audio_info, cut
from phonoscope.corpora.storage import TEXT_COLUMNS
from phonoscope.errors import AudioError, CorpusError
from phonoscope.files import digest_of, to_json, write_json, write_with
from phonoscope.left_out import LeftOut
from phonoscope.work.executor import Executor, in_this_process
from phonoscope.work.folders import HIDDEN_CHECKSUMS_NAME, contents, locked, open_again, write_checksums
from phonoscope.work.units import complete

# Readers of Parquet folders pass over names that begin with an underscore.
BEGUN_NAME, MANIFEST_NAME = "_begun.json", "_manifest.json"
SOUND = "sound"
_OWN_KINDS = {"sample_rate": pa.int32(), "context_seconds": pa.float64(), SOUND: pa.binary()}
OWN_COLUMNS = tuple(_OWN_KINDS)
_KINDS = {"start": pa.float64(), "end": pa.float64(), "stress": pa.int8(), **dict.fromkeys(TEXT_COLUMNS, pa.string())}
FULL_SCALE = 32768  # of 16-bit samples
TOKENS_PER_SHARD = 8192
_ROWS_PER_GROUP = 256  # what is read at a time: about 1 MB of speech
_MOST_ROWS_AT_ONCE = 16 * _ROWS_PER_GROUP
_ROWS_HASHED_AT_ONCE = 2**16
_FORMAT = 2
_METADATA_KEY = "phonoscope"


@dataclass(frozen=True)
class _Shard:
    """One file to be written: its tokens, how they are cut, and what shows whether it is already there."""

    path: Path
    tokens: pd.DataFrame
    schema: pa.Schema
    settings: dict[str, Any]
    strict: bool
    identity: str


def write_shards(
    tokens: pd.DataFrame,
    folder: str | Path,
    *,
    sample_rate: int | None = None,
    context_seconds: float = 0.05,
    tokens_per_shard: int = TOKENS_PER_SHARD,
    executor: Executor = in_this_process,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Cut the tokens out of their recordings, as 16-bit samples beside everything that the token table says about them.

    The folder holds ``part-00000.parquet`` …: the columns of the table, ``sample_rate`` (Hz), ``context_seconds`` and
    ``sound`` (bytes: little-endian int16, full scale 32768), in groups of 256 rows. Each file appears whole or not at
    all; those that an interrupted call finished are kept by the next one with the same tokens and settings, unless
    their recordings have changed since. Samples of 16-bit recordings that are not resampled stay as they are.

    Parameters
    ----------
    tokens
        Token table with ``attrs["roots"]``.
    folder
        Where the files go; new, empty, or begun with the same tokens and settings.
    sample_rate
        Rate to resample to, Hz; the recordings' own, which must be one and the same, if not given.
    context_seconds
        Sound kept before and after each token (zeros where the recording has none). Formants and the methods that
        filter the sound need 0.05 s; the network hears the token alone.
    tokens_per_shard
        Tokens in a file, or more, because the tokens of a recording stay together.
    executor
        How the work is spread over processes or machines; the files do not depend on it.
    strict
        Stop at the first token that cannot be cut.
    progress
        Called with (tokens done, tokens in all).

    Returns
    -------
    dict
        The manifest: ``sample_rate, context_seconds, tokens, clipped`` (tokens louder than full scale), ``shards``
        (``file, tokens``), ``left_out`` and ``attrs`` of the table.

    Raises
    ------
    CorpusError
        If the folder was begun with other tokens or settings or holds something else, sample rates differ, or no token
        can be cut.
    AudioError
        With `strict`, for the first token or recording at fault.
    """
    if tokens_per_shard < 1 or context_seconds < 0:
        raise CorpusError(
            f"tokens_per_shard ({tokens_per_shard}) must be at least 1, context_seconds ({context_seconds}) at least 0"
        )
    if len(tokens) == 0:
        raise CorpusError("there is no token to cut")
    taken = sorted(set(OWN_COLUMNS) & set(tokens.columns))
    if taken:
        raise CorpusError(f"the token table has columns whose names are reserved for cut tokens: {', '.join(taken)}")
    folder = Path(folder).absolute()  # workers may be in another folder
    rate, hashes = sample_rate or first_rate(tokens), _row_hashes(tokens)
    settings = {
        "format": _FORMAT,
        "sample_rate": rate,
        "resampled": sample_rate is not None,
        "context_seconds": context_seconds,
        "tokens_per_shard": tokens_per_shard,
        "tokens": len(tokens),
        "tokens_sha256": digest_of(hashes.tobytes(), ",".join(map(str, tokens.columns))),
    }
    with locked(folder), _claimed(folder, settings):
        plan = list(_plan(tokens, hashes, folder, settings, strict))
        if not all(map(_is_finished, plan)) or not (folder / MANIFEST_NAME).is_file():
            open_again(folder)
            (folder / MANIFEST_NAME).unlink(missing_ok=True)
        done = 0
        for shard in complete(plan, _is_finished, _write, executor):
            done += len(shard.tokens)
            if progress is not None:
                progress(done, len(tokens))
        return _close(folder, plan, settings, tokens)


@contextmanager
def _claimed(folder: Path, settings: dict[str, Any]) -> Generator[None]:
    """Refuse a folder that holds something else; empty a new one again if its tokens cannot be cut this way."""
    path = folder / BEGUN_NAME
    begun = bool(contents(folder))
    if begun and not path.is_file():
        raise CorpusError(f"{folder} holds something other than cut tokens; choose a new folder")
    if begun:
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = sorted(name for name in {*before, *settings} if before.get(name) != settings.get(name))
        if changed:
            other = "another list of tokens" if "tokens_sha256" in changed else f"other settings ({', '.join(changed)})"
            raise CorpusError(
                f"{folder} was begun with {other}: the corpus, or the rules by which it is read, changed. Choose a new "
                "folder, or remove this one"
            )
    else:
        write_json(path, settings)
    try:
        yield
    except (AudioError, CorpusError):
        if not begun:
            for item in contents(folder):
                item.unlink()
        raise


def _plan(
    tokens: pd.DataFrame, hashes: np.ndarray, folder: Path, settings: dict[str, Any], strict: bool
) -> Iterator[_Shard]:
    """Distribute the tokens over files, recording by recording."""
    schema = _schema(tokens, settings["resampled"])
    roots = tokens.attrs.get("roots", {})
    # In the order of the table, but for recordings whose tokens are not together in it.
    numbers = tokens.groupby(["corpus", "recording"], sort=False, dropna=False).ngroup().to_numpy()
    order = np.argsort(numbers, kind="stable")
    as_they_are = bool((order == np.arange(len(order))).all())
    ends = np.flatnonzero(np.diff(numbers[order], append=-1)) + 1  # behind the last token of each recording
    first, number = 0, 0
    for end in ends:
        if end - first < settings["tokens_per_shard"] and end != len(tokens):
            continue
        # A slice shares the memory of the table.
        part = tokens.iloc[slice(first, end) if as_they_are else order[first:end]].reset_index(drop=True)
        part.attrs = {"roots": roots}
        identity = digest_of(
            json.dumps(settings, sort_keys=True), hashes[order[first:end]].tobytes(), recordings_state(part)
        )
        yield _Shard(folder / f"part-{number:05d}.parquet", part, schema, settings, strict, identity)
        first, number = end, number + 1


def _row_hashes(tokens: pd.DataFrame) -> np.ndarray:
    """A number for each row of a table that stands for all its values."""
    pieces = (tokens.iloc[row : row + _ROWS_HASHED_AT_ONCE] for row in range(0, len(tokens), _ROWS_HASHED_AT_ONCE))
    return np.concatenate([pd.util.hash_pandas_object(piece, index=False).to_numpy() for piece in pieces])


def recordings_state(part: pd.DataFrame) -> str:
    """Size and time of change of the recordings of some tokens, a line each: files that changed are cut again."""
    lines = []
    for corpus, recording in dict.fromkeys(zip(part["corpus"], part["recording"], strict=True)):
        root = part.attrs["roots"].get(corpus)
        try:
            status = (Path(root or "") / str(recording)).stat()
            lines.append(f"{status.st_size} {status.st_mtime_ns}")
        except OSError:
            lines.append("missing")
    return "\n".join(lines)


def _is_finished(shard: _Shard) -> bool:
    """Whether a complete file of these tokens and settings is already there."""
    return file_facts(shard.path).get("identity") == shard.identity


def file_facts(path: Path) -> dict[str, Any]:
    """What a Parquet file of ours records about itself; empty if the file is missing, incomplete or not ours."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
        return json.loads(metadata[_METADATA_KEY.encode()])
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return {}


def write_facts(writer: pq.ParquetWriter, facts: dict[str, Any]) -> None:
    """Store facts in a Parquet file that is being written; see ``file_facts``."""
    writer.add_key_value_metadata({_METADATA_KEY: to_json(facts)})


def _write(shard: _Shard) -> None:
    """Cut the tokens of one file and write it; runs in a worker process."""
    rate, resampled, context = (shard.settings[name] for name in ("sample_rate", "resampled", "context_seconds"))

    def fill(path: Path) -> None:
        left_out, clipped = LeftOut(), 0
        compression = {name: "NONE" if name == SOUND else "ZSTD" for name in shard.schema.names}
        # Columns with few different values: a dictionary makes them small.
        labels = [field.name for field in shard.schema if pa.types.is_string(field.type) and field.name != "token"]
        with pq.ParquetWriter(path, shard.schema, compression=compression, use_dictionary=labels) as writer:
            for part, continued in _some_recordings(shard.tokens):
                waveforms, kept = cut(part, rate if resampled else None, context, shard.strict)
                for entry in kept.attrs["left_out"]:
                    if not (continued and entry["what"] == "recording"):  # was counted with the part before
                        left_out.add(**entry)
                if len(kept) == 0:
                    continue
                if not resampled:
                    _check_rate(kept, rate)
                clipped += sum(bool(np.abs(waveform).max(initial=0) > 1) for waveform in waveforms)
                samples = [to_int16(waveform).tobytes() for waveform in waveforms]
                rows = kept.assign(sample_rate=rate, context_seconds=context, **{SOUND: samples})
                writer.write_table(pa.Table.from_pandas(rows, shard.schema), row_group_size=_ROWS_PER_GROUP)
            facts = {"identity": shard.identity, "left_out": left_out.entries(), "clipped": clipped}
            write_facts(writer, facts)

    write_with(shard.path, fill)


def ends_of_recordings(tokens: pd.DataFrame) -> np.ndarray:
    """Positions behind the last of the tokens of a recording that stand together, shape (n,)."""
    recordings = (tokens["corpus"] + "/" + tokens["recording"]).to_numpy()
    return np.flatnonzero(np.append(recordings[1:] != recordings[:-1], True)) + 1


def _some_recordings(tokens: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, bool]]:
    """Tokens of whole recordings, a group of rows or more at a time: what is held in memory.

    A recording with very many tokens comes in several parts; the flag beside each part says whether it continues the
    recording of the part before.
    """
    first, continued = 0, False
    for end in ends_of_recordings(tokens):
        # What remains of a recording that was divided stands alone.
        while first < end and (continued or end == len(tokens) or end - first >= _ROWS_PER_GROUP):
            last = min(end, first + _MOST_ROWS_AT_ONCE)
            part = tokens.iloc[first:last].reset_index(drop=True)
            part.attrs = dict(tokens.attrs)
            yield part, continued
            first, continued = last, last < end


def to_int16(waveform: np.ndarray) -> np.ndarray:
    """Samples as 16-bit numbers, the nearest ones; what is louder than full scale is clipped."""
    scaled = np.rint(np.asarray(waveform, dtype=np.float64) * FULL_SCALE)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype("<i2")


def _schema(tokens: pd.DataFrame, resampled: bool) -> pa.Schema:
    """One schema for all files, also where a file misses a whole column."""

    def kind(name: str) -> pa.DataType:
        known = _KINDS.get(name) or pa.array(tokens[name], from_pandas=True).type
        return pa.string() if pa.types.is_null(known) or pa.types.is_large_string(known) else known

    added = {SOUND_HASH: pa.string()} | ({NATIVE_RATE: pa.int32()} if resampled else {})
    return pa.schema({**{str(name): kind(name) for name in tokens.columns}, **added, **_OWN_KINDS})


def first_rate(tokens: pd.DataFrame) -> int:
    """Sample rate of the first recording that can be read; all others must have it too."""
    roots = tokens.attrs.get("roots", {})
    error: AudioError | None = None
    for corpus, recording in dict.fromkeys(zip(tokens["corpus"], tokens["recording"], strict=True)):
        if corpus in roots:
            try:
                return audio_info(Path(roots[corpus]) / str(recording)).sample_rate
            except AudioError as fault:
                error = error or fault
    raise CorpusError(
        f"no recording of the token table can be read; the first error is: {error or 'its corpus is unknown'}"
    )


def _check_rate(kept: pd.DataFrame, rate: int) -> None:
    row = kept.iloc[0]
    own_rate = audio_info(Path(kept.attrs["roots"][row["corpus"]]) / row["recording"]).sample_rate
    if own_rate != rate:
        raise CorpusError(
            f"the recordings have different sample rates: {row['recording']} has {own_rate} Hz, those before it {rate} "
            "Hz. Choose one with --sample-rate"
        )


def _close(folder: Path, plan: Sequence[_Shard], settings: dict[str, Any], tokens: pd.DataFrame) -> dict[str, Any]:
    """Write the manifest, which marks the folder as finished, and then the checksums."""
    before = len(tokens.attrs.get("left_out", ()))
    left_out, clipped, shards = LeftOut(tokens.attrs.get("left_out", ())), 0, []
    for shard in plan:
        facts = file_facts(shard.path)
        if not facts:
            raise CorpusError(f"{shard.path} changed while the other tokens were cut; run the command again")
        for entry in facts["left_out"]:
            left_out.add(**entry)
        clipped += facts["clipped"]
        shards.append({"file": shard.path.name, "tokens": pq.read_metadata(shard.path).num_rows})
    count = sum(shard["tokens"] for shard in shards)
    if count == 0:
        reasons = "; ".join(f"{e['count']} × {e['what']}: {e['reason']}" for e in left_out.entries()[before:])
        raise CorpusError(f"no token could be cut: {reasons}")
    attrs = {**tokens.attrs, "left_out": left_out.entries()}
    manifest = {**settings, "cut": count, "clipped": clipped, "shards": shards, "attrs": attrs}
    path = folder / MANIFEST_NAME
    if not (folder / HIDDEN_CHECKSUMS_NAME).is_file():
        write_json(path, manifest)
        write_checksums(folder, HIDDEN_CHECKSUMS_NAME)
    return json.loads(path.read_text(encoding="utf-8"))
