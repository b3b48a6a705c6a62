"""Writing files whole or not at all, telling whether they changed, and reading tables that people made."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import math
import os
import platform
import re
import tempfile
import time
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phonoscope.errors import CorpusError, PhonoscopeError

if TYPE_CHECKING:
    import pandas as pd

# Names of files that are not whole yet, with who writes them; one that is left over is of a process that was killed.
_BEGUN_NAME = re.compile(r"\.(?P<stem>.*)\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-\w+\.begun(\..*)?", re.DOTALL)
_ABANDONED_SECONDS = 24 * 3600


def write_with(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a temporary neighbour of ``path`` and rename it, so that ``path`` is whole or absent.

    The neighbour has the same suffix as ``path``: many writers choose their format by it. Its name says which process
    of which machine writes it (see ``sweep``).
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = f"{_machine()}-{os.getpid()}-"
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.{owner}", suffix=f".begun{path.suffix}")
    os.close(descriptor)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write bytes atomically."""
    return write_with(path, lambda temporary: temporary.write_bytes(content))


def write_text(path: str | Path, text: str) -> Path:
    """Write UTF-8 text atomically."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> Path:
    """Write JSON atomically, human-readable, UTF-8; see ``to_json``."""
    return write_text(path, to_json(value, indent=2) + "\n")


def to_json(value: Any, indent: int | None = None) -> str:
    """Turn a value into JSON that any program reads: JSON has no NaN and no infinity, they become null.

    NumPy scalars and arrays become numbers and lists, paths become text.
    """
    return json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def is_begun(path: Path) -> bool:
    """Whether a file is one that ``write_with`` has not finished."""
    return _BEGUN_NAME.fullmatch(path.name) is not None


def sweep(folder: str | Path, *, alone: bool = False, stem: str | None = None) -> None:
    """Remove the unfinished files of killed processes in a folder, and below it.

    Parameters
    ----------
    folder
        Where to look.
    alone
        Nobody else writes to the folder (see ``phonoscope.work.folders.locked``): every unfinished file goes. Without
        it only those whose process is dead, or which are of another machine and a day old.
    stem
        Only files that should have had this name (without suffix), in the folder itself.
    """
    for directory, below, names in os.walk(folder):
        if stem is not None:
            below.clear()
        for name in names:
            match = _BEGUN_NAME.fullmatch(name)
            if match is None or (stem is not None and match["stem"] != stem):
                continue
            path = Path(directory, name)
            if alone or _is_left(path, match["machine"], int(match["process"])):
                path.unlink(missing_ok=True)


def _is_left(path: Path, machine: str, process: int) -> bool:
    """Whether nobody will finish this file any more."""
    if machine == _machine() and os.name == "posix":
        return not _alive(process)
    try:
        return time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
    except FileNotFoundError:
        return False


def _machine() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _alive(process: int) -> bool:
    """Whether a process of this (POSIX) machine lives; another user's does."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def digest_of(*parts: str | bytes) -> str:
    """SHA-256 of several texts or bytes, one after the other, hexadecimal."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update((part.encode("utf-8") if isinstance(part, str) else part) + b"|")
    return digest.hexdigest()


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def read_table(path: str | Path, *, what: str = "table", error: type[PhonoscopeError] = CorpusError) -> pd.DataFrame:
    """Read a table that people made (speakers, phones, words) as text, as a spreadsheet or an editor saved it.

    Commas, semicolons or tabs; UTF-8 with or without a byte order mark, UTF-16, else Windows-1252. Text is composed
    (Unicode NFC), so that names from macOS match those from elsewhere.

    Parameters
    ----------
    path : path
        The file; its first line names the columns.
    what : str
        What the table is, for messages.
    error : type
        Kind of error to raise.

    Returns
    -------
    DataFrame
        Text; names of columns in lower case; empty cells are missing (NaN), but names such as "NA" or "007" stay.

    Raises
    ------
    PhonoscopeError
        Of the kind `error`, if the file cannot be read, is empty, names a column twice, or a row is too long.
    """
    import pandas as pd

    try:
        text = _decoded(Path(path).read_bytes())
    except (OSError, UnicodeError) as fault:
        raise error(f"{path}: the {what} cannot be read ({fault})") from fault
    if "\0" in text:
        raise error(f"{path}: the {what} cannot be read (it is no text); save it as CSV, UTF-8")
    heading = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(",;\t", key=heading.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if any(cell.strip() for cell in row)]
    except csv.Error as fault:
        raise error(f"{path}: the {what} cannot be read ({fault})") from fault
    if not rows:
        raise error(f"{path}: the {what} cannot be read (it is empty); its first line must name the columns")
    names = [cell.strip().lower() for cell in rows[0]]
    while names and not names[-1]:  # spreadsheets write empty columns behind the last
        names.pop()
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise error(f"{path}: the {what} has two columns called {doubled!r}; rename one")
    for number, row in enumerate(rows[1:], 2):
        if any(cell.strip() for cell in row[len(names) :]):
            raise error(
                f"{path}: the {what} has {len(row)} cells in row {number} ({', '.join(row[:3])} ...), but "
                f"{len(names)} columns; put cells that hold {separator!r} in quotes"
            )
    cells = [[cell.strip() or math.nan for cell in (row + [""] * len(names))[: len(names)]] for row in rows[1:]]
    return pd.DataFrame(cells, columns=names, dtype=object)


def _decoded(content: bytes) -> str:
    """Decode the text of a table, whichever program saved it, and compose its letters (Unicode NFC)."""
    encoding = "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in content[:2]:  # UTF-16 without its mark; columns' names begin with a letter of one byte
        encoding = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8-sig":
            raise
        # Windows leaves five bytes undefined that Latin-1 has as control characters.
        text = content.decode("cp1252", errors="replace")
    return unicodedata.normalize("NFC", text)


def _plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays, paths and numbers that are not finite into what JSON knows."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, Path):
        return value.as_posix()
    return None if isinstance(value, float) and not math.isfinite(value) else value
