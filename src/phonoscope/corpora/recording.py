"""What a layout says about each recording, and how recordings and alignments of two trees are paired."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".sph", ".aif", ".aiff"})
ALIGNMENT_SUFFIXES = (".textgrid", ".phn")
# Folders in which people keep alignments, looked for inside the corpus when none is named.
ALIGNMENT_FOLDERS = frozenset({"textgrid", "textgrids", "alignment", "alignments", "aligned", "mfa"})


@dataclass(frozen=True)
class Recording:
    """One recording of a corpus: where it lies, where its alignment lies (if any), who speaks and what is said."""

    audio: Path
    alignment: Path | None
    speaker: str | None = None
    sex: str | None = None
    transcript: str | None = None
    warnings: tuple[str, ...] = ()


class Layout(Protocol):
    """A way in which corpora are laid out in folders: a module with these two functions."""

    def detect(self, root: Path) -> bool:
        """Whether the folder `root` looks like this layout."""
        ...

    def recordings(self, root: Path, alignments: Path | None) -> Iterator[Recording]:
        """Yield the recordings in a fixed order; `alignments` is the folder of alignments if the user named one."""
        ...


def files_with(folder: Path, suffixes: Sequence[str] | frozenset[str]) -> list[Path]:
    """Files below `folder` whose suffix, in lower case, is one of `suffixes`; sorted, hidden ones skipped."""
    found = []
    for directory, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        found += [
            os.path.join(directory, name)
            for name in names
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes
        ]
    return [Path(name) for name in sorted(found)]


def alignment_folder(root: Path, alignments: Path | None) -> Path:
    """Folder to search for alignments: the one named, else the usual one inside the corpus, else the corpus itself."""
    if alignments is not None:
        return alignments
    usual = [path for path in sorted(root.iterdir()) if path.is_dir() and path.name.lower() in ALIGNMENT_FOLDERS]
    return usual[0] if len(usual) == 1 else root


def pair_alignments(root: Path, audio: Sequence[Path], alignments: Path | None) -> list[Path | None]:
    """Find the alignment of each recording by the end of its path, in a parallel tree or beside it.

    ``wav/anna/01.wav`` belongs to ``textgrids/anna/01.TextGrid``; the file name alone (``01``) is believed only where
    no other recording and no other alignment has it.

    Parameters
    ----------
    root : path
        Folder of the corpus.
    audio : sequence of path
        Recordings below `root`.
    alignments : path, optional
        Folder of the alignments; by default see `alignment_folder`.

    Returns
    -------
    list of path or None
        One per recording.
    """
    folder = alignment_folder(root, alignments)
    files: dict[tuple[str, ...], Path] = {}
    for suffix in ALIGNMENT_SUFFIXES:
        for path in files_with(folder, (suffix,)):
            files.setdefault(_key(path, folder), path)
    audio_keys = [_key(path, root) for path in audio]
    paired: list[Path | None] = [files.pop(key, None) for key in audio_keys]
    for length in range(max(map(len, audio_keys), default=0), 0, -1):
        if not files or all(paired):
            break
        audio_ends = Counter(key[-length:] for key in audio_keys if len(key) >= length)
        file_ends = Counter(key[-length:] for key in files if len(key) >= length)
        by_end = {key[-length:]: key for key in files if len(key) >= length and file_ends[key[-length:]] == 1}
        for index, key in enumerate(audio_keys):
            end = key[-length:]
            if paired[index] is None and len(end) == length and audio_ends[end] == 1 and end in by_end:
                paired[index] = files.pop(by_end.pop(end))
    return paired


def _key(path: Path, folder: Path) -> tuple[str, ...]:
    """Path below `folder` without suffix, as a tuple of lower-case names."""
    return Path(os.path.splitext(os.path.relpath(path, folder))[0].casefold()).parts
