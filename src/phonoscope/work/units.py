"""Units of work: what makes each of them what it is, which are done already, and doing the others.

A unit is whatever can be done alone: a part of the tokens, a method on a fold, a training. What it leaves, a file or a
folder, says which unit it is of; a unit is done again where that is not there, not whole, or of another one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from phonoscope.files import sha256, to_json, write_json
from phonoscope.work.executor import Executor

DONE_NAME = "done.json"

Unit = TypeVar("Unit")


def complete(
    units: Sequence[Unit], is_done: Callable[[Unit], bool], do: Callable[[Unit], Any], executor: Executor
) -> Iterator[Unit]:
    """Do the units that are not done, and yield each when it is; those that were done come first.

    Parameters
    ----------
    units
        In the order in which they are to be done.
    is_done
        Asked in this process, before anything is done.
    do
        A function of a module, which leaves its result where ``is_done`` finds it; it runs where the executor chooses.
    executor
        How the work is spread over processes or machines.
    """
    todo = [unit for unit in units if not is_done(unit)]
    remaining = {id(unit) for unit in todo}
    yield from (unit for unit in units if id(unit) not in remaining)
    for unit, _ in zip(todo, executor(do, todo), strict=True):
        yield unit


def mark_done(folder: Path, facts: Any, **notes: Any) -> None:
    """Say in a folder that the unit of these facts is done, with checksums of the files that it left there.

    Parameters
    ----------
    folder
        Holds the unit's files and nothing else.
    facts
        All that the result depends on, as JSON values.
    notes
        Kept beside them; see ``done``.
    """
    files = {path.relative_to(folder).as_posix(): sha256(path) for path in _files(folder)}
    write_json(folder / DONE_NAME, {"facts": facts, "files": files, **notes})


def done(folder: Path, facts: Any) -> dict[str, Any] | None:
    """What a folder says of the unit of these facts: its notes; None if it is not done, not whole, or another one."""
    try:
        kept = json.loads((folder / DONE_NAME).read_text(encoding="utf-8"))
        if kept.pop("facts") != json.loads(to_json(facts)):
            return None
        files = kept.pop("files")
        whole = all(sha256(folder / name) == digest for name, digest in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return kept if whole else None


def undo(folder: Path) -> None:
    """Let a folder no longer say that its unit is done: it is about to be done again."""
    (folder / DONE_NAME).unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != DONE_NAME)
