"""Parquet tables with a column of sound (of the library ``datasets`` and the model hub) as a folder of recordings."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from phonoscope.corpora.recording import AUDIO_SUFFIXES, files_with
from phonoscope.errors import CorpusError
from phonoscope.files import write_bytes, write_text
from phonoscope.left_out import LeftOut

_AT_ONCE = 64  # rows in memory
_SPEAKERS = ("speaker", "speaker_id", "client_id", "spk_id")
_TEXTS = ("text", "sentence", "transcription", "transcript", "normalized_text")
_BEGINNINGS = {
    b"RIFF": ".wav", b"RF64": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3", b"\xff\xfb": ".mp3",
    b"\xff\xf3": ".mp3", b"FORM": ".aiff", b"NIST": ".sph", b"caff": ".caf",
}  # fmt: skip


def tables_with_sound(root: Path) -> list[Path]:
    """Parquet files at or below `root` that have a column of sound as ``datasets`` writes it.

    Parameters
    ----------
    root : path
        A file or a folder.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = []
    for path in [root] if root.is_file() else files_with(root, {".parquet"}):
        try:
            schema = pq.read_schema(path)
        except (OSError, pa.ArrowException):
            continue
        if _column_of_sound(schema):
            found.append(path)
    return found


def unpack(table: str | Path, out: str | Path, *, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Write the recordings of Parquet tables as files, with what the other columns say of them.

    A recording is called as in the table, else by its row, and lies in the folder of its speaker where a column names
    one (``speaker``, ``speaker_id``, ``client_id``). Its text (``text``, ``sentence``, ``transcription`` …) lies beside
    it as ``.txt``. All columns of numbers and text are in ``recordings.csv``, with the names of classes in the place of
    their numbers.

    Parameters
    ----------
    table : path
        A Parquet file, or a folder of them.
    out : path
        Folder to write to.
    progress : callable, optional
        Called with (rows done, rows in all).

    Returns
    -------
    dict
        ``recordings`` (how many were written), ``columns`` of ``recordings.csv`` and ``left_out``.

    Raises
    ------
    CorpusError
        If no table with a column of sound is there, or no row has sound.
    """
    import pyarrow.parquet as pq

    root, out, left_out = Path(table), Path(out), LeftOut()
    paths = tables_with_sound(root)
    if not paths:
        raise CorpusError(f"no Parquet table with a column of sound (audio: bytes and path) was found at {root}")
    total, done, rows, taken = sum(pq.read_metadata(path).num_rows for path in paths), 0, [], set()
    for path in paths:
        file = pq.ParquetFile(path)
        column, names = _column_of_sound(file.schema_arrow), _names_of_classes(file.schema_arrow)
        for batch in file.iter_batches(batch_size=_AT_ONCE):
            for row in batch.to_pylist():
                place = f"{path.name}, row {done}"
                done += 1
                content, name = _sound(row.pop(column), path.parent)
                if content is None:
                    left_out.add("recording", "no sound in the table, and no file where it points", 1, [place])
                    continue
                facts = {
                    key: names[key][value] if key in names and isinstance(value, int) and value >= 0 else value
                    for key, value in row.items()
                    if isinstance(value, (str, int, float, bool))
                }
                relative = _place(name or f"{path.stem}-{done - 1:06d}", facts, content, taken)
                write_bytes(_made(out / relative), content)
                text = next((str(facts[key]) for key in _TEXTS if facts.get(key)), None)
                if text:
                    write_text((out / relative).with_suffix(".txt"), text + "\n")
                rows.append({"recording": relative.as_posix(), **facts})
                if progress is not None:
                    progress(done, total)
    if not rows:
        raise CorpusError(f"no row of {root} has sound")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    written = io.StringIO()
    writer = csv.DictWriter(written, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out / "recordings.csv", written.getvalue())
    return {"recordings": len(rows), "columns": columns, "left_out": left_out.entries()}


def _column_of_sound(schema: Any) -> str | None:
    """Column with a struct of ``bytes`` and ``path``, or of bytes called ``audio``."""
    import pyarrow as pa

    for field in schema:
        is_struct = pa.types.is_struct(field.type) and {part.name for part in field.type} >= {"bytes", "path"}
        if is_struct or (
            field.name == "audio" and (pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type))
        ):
            return field.name
    return None


def _names_of_classes(schema: Any) -> Mapping[str, list[str]]:
    """Names of the classes of columns that ``datasets`` keeps as numbers."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {key: each["names"] for key, each in features.items() if isinstance(each, dict) and "names" in each}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _sound(value: Any, folder: Path) -> tuple[bytes | None, str | None]:
    """Bytes of a recording and its name, from the table or from the file where it points."""
    content, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    if not content and path and (folder / path).is_file():
        content = (folder / path).read_bytes()
    return content or None, Path(path).stem if path else None


def _place(name: str, facts: Mapping[str, Any], content: bytes, taken: set[Path]) -> Path:
    suffix = next((suffix for begin, suffix in _BEGINNINGS.items() if content.startswith(begin)), ".wav")
    assert suffix in AUDIO_SUFFIXES
    speaker = next((str(facts[key]) for key in _SPEAKERS if facts.get(key) not in (None, "")), None)
    folder = Path(_plain(speaker)) if speaker else Path()
    path, number = folder / f"{_plain(name)}{suffix}", 1
    while path in taken:
        number += 1
        path = folder / f"{_plain(name)}-{number}{suffix}"
    taken.add(path)
    return path


def _plain(name: str) -> str:
    """A name that is one on every file system, and leads to no other folder."""
    return re.sub(r'[\x00-\x1f/\\:*?"<>|]', "_", name).strip(". ") or "_"


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
