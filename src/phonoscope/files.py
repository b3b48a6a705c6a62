"""Writing files whole or not at all, and telling whether they changed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_with(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a temporary neighbour of ``path`` and rename it, so that ``path`` is whole or absent.

    The neighbour has the same suffix as ``path``: many writers choose their format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
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


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


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
