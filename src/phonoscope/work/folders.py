"""Folders that are written by one process at a time and carry checksums: locked, closed with a list, verified."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from phonoscope.errors import ExperimentError
from phonoscope.files import is_begun, sha256, sweep, write_json

LOCK_NAME = ".lock"
CHECKSUMS_NAME = "checksums.json"
# Readers of Parquet folders pass over names that begin with an underscore.
HIDDEN_CHECKSUMS_NAME = "_checksums.json"
# What may change in a folder after it was finished: pictures drawn from it, and the notes of whoever looks at it.
_DERIVED_FILES = frozenset({"report.html", "notes.json"})
_DERIVED_FOLDERS = frozenset({"figures"})


@contextmanager
def locked(folder: str | Path) -> Generator[None]:
    """Make a folder if need be and let nobody else write to it meanwhile.

    The operating system keeps the lock, so that it ends with its process, however that ends. What killed processes
    left unfinished in the folder is removed. A folder that is empty in the end and was not there before is removed.

    Raises
    ------
    ExperimentError
        If another process has the folder, or it is a file.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ExperimentError(f"{folder} is a file; choose a new folder")
    existed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_NAME
    descriptor = _take(path, folder)
    try:
        sweep(folder, alone=True)
        yield
    finally:
        # Removed first, so that whoever takes the next one cannot lock a file that is about to vanish.
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)
        if not existed:
            with suppress(OSError):
                folder.rmdir()


def _take(path: Path, folder: Path) -> int:
    """Descriptor of a lock file that this process has locked and that still is the one at its path."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _lock(descriptor):
                owner = os.read(descriptor, 64).decode("ascii", "replace").strip()
                raise ExperimentError(
                    f"{folder} is being written by another phonoscope{f' (process {owner})' if owner else ''}. Wait "
                    "until it has finished, or choose another folder"
                )
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open file, if no other process has; the operating system unlocks it when this one ends."""
    if sys.platform == "win32":
        import msvcrt

        try:
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # far behind what others read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # Some network file systems know no locks: there nobody can be kept out.
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise
    return True


def contents(folder: Path) -> list[Path]:
    """What lies in a folder, but for the lock and for files that were begun and never finished."""
    return [path for path in folder.iterdir() if path.name != LOCK_NAME and not is_begun(path)]


def write_checksums(folder: str | Path, name: str = CHECKSUMS_NAME) -> Path:
    """Write the SHA-256 of every file of a finished folder into it.

    Left out are the report and its figures, the notes of the viewer, and folders that carry checksums of their own.
    """
    folder = Path(folder)
    files = {key: sha256(folder / key) for key in _names(folder)}
    return write_json(folder / name, {"algorithm": "sha256", "files": files})


def open_again(folder: str | Path) -> None:
    """Remove the checksums of a folder that is about to be written to again."""
    for name in (CHECKSUMS_NAME, HIDDEN_CHECKSUMS_NAME):
        (Path(folder) / name).unlink(missing_ok=True)


def renew_checksum(folder: str | Path, name: str) -> None:
    """Note that one file of a finished folder was written again."""
    listed = _listed(Path(folder))
    if listed is not None:
        path, files = listed
        write_json(path, {"algorithm": "sha256", "files": {**files, name: sha256(Path(folder) / name)}})


@dataclass
class Verified:
    """What became of the files of a folder since its checksums were written; names are relative to ``folder``."""

    folder: Path
    files: int = 0
    altered: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    @property
    def as_written(self) -> bool:
        """Whether nothing was altered, is missing, or is new."""
        return not (self.altered or self.missing or self.new)


def verify(folder: str | Path) -> Verified:
    """Compare a folder with its checksums, and the folders in it that carry their own with theirs.

    A folder without checksums inside one that has them (the classifier of a run) is compared with that list.

    Raises
    ------
    ExperimentError
        If there are no checksums, or they cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ExperimentError(f"there is no folder {folder} to verify")
    holder, listed = folder, _listed(folder)
    for parent in [] if listed else folder.resolve().parents:
        inside = folder.resolve().relative_to(parent).as_posix() + "/"
        found = _listed(parent)
        if found is not None and any(name.startswith(inside) for name in found[1]):
            own = {name.removeprefix(inside): value for name, value in found[1].items() if name.startswith(inside)}
            holder, listed = parent, (found[0], own)
            break
    if listed is None:
        raise ExperimentError(
            f"{folder} carries no checksums ({CHECKSUMS_NAME}): it was not finished, or it was not made by phonoscope. "
            "Go on with an interrupted command: --resume"
        )
    files, present = listed[1], set(_names(folder, top=holder == folder))
    result = Verified(
        folder,
        len(files),
        altered=[name for name in sorted(files.keys() & present) if sha256(folder / name) != files[name]],
        missing=sorted(files.keys() - present),
        new=sorted(present - files.keys()),
    )
    for own in _with_checksums(folder):
        part = verify(own)
        before = own.relative_to(folder).as_posix()
        result.files += part.files
        for kind in ("altered", "missing", "new"):
            getattr(result, kind).extend(f"{before}/{name}" for name in getattr(part, kind))
    return result


def refuse_altered(folder: Path) -> None:
    """Refuse to go on in a finished folder that is not as it was written; one without checksums was not finished.

    Raises
    ------
    ExperimentError
        If a file was altered, is missing, or is new.
    """
    if _checksums_of(folder) is None:
        return
    state = verify(folder)
    if not state.as_written:
        changed = [*state.altered, *state.missing, *state.new]
        raise ExperimentError(
            f"{folder} is not as it was written: {len(changed)} files changed, such as {changed[0]}. Nothing of it is "
            f"used; choose a new folder. To see what changed: phonoscope verify {folder}"
        )


def _listed(folder: Path) -> tuple[Path, dict[str, str]] | None:
    """File of checksums of a folder and what it says; None where there is none."""
    path = _checksums_of(folder)
    if path is None:
        return None
    try:
        return path, dict(json.loads(path.read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExperimentError(f"{path} cannot be read ({error}): it was altered") from error


def _names(folder: Path, top: bool = True) -> Iterator[str]:
    """Files of a folder that belong in its checksums, by their paths in it, in order."""
    for directory, below, files in os.walk(folder):
        here = Path(directory)
        derived = top and here == folder
        below[:] = sorted(
            name for name in below if not (derived and name in _DERIVED_FOLDERS) and not _checksums_of(here / name)
        )
        for name in sorted(files):
            path = here / name
            if name in (CHECKSUMS_NAME, HIDDEN_CHECKSUMS_NAME, LOCK_NAME) or (derived and name in _DERIVED_FILES):
                continue
            if not is_begun(path):
                yield path.relative_to(folder).as_posix()


def _with_checksums(folder: Path) -> Iterator[Path]:
    """Nearest folders below one that carry checksums of their own."""
    for directory, below, _ in os.walk(folder):
        own = sorted(name for name in below if _checksums_of(Path(directory) / name))
        below[:] = sorted(set(below) - set(own))
        yield from (Path(directory) / name for name in own)


def _checksums_of(folder: Path) -> Path | None:
    paths = (folder / CHECKSUMS_NAME, folder / HIDDEN_CHECKSUMS_NAME)
    return next((path for path in paths if path.is_file()), None)
