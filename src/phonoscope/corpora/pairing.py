"""Pairs recordings with alignments by the ends of their paths, in a parallel tree or beside each other."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from phonoscope.corpora.formats import READERS
from phonoscope.corpora.recording import AUDIO_SUFFIXES, Recording, files_with

# Folders in which people keep alignments, looked for inside the corpus when none is named.
ALIGNMENT_FOLDERS = frozenset({"textgrid", "textgrids", "alignment", "alignments", "aligned", "mfa"})
NO_ALIGNMENT = "no alignment (make one with: phonoscope align)"


def with_alignments(
    recordings: Sequence[Recording], root: Path, alignments: Path | None = None, suffixes: Collection[str] = READERS
) -> list[Recording]:
    """Give each recording its alignment; one that the layout says stays, unless another folder is named.

    Parameters
    ----------
    recordings : sequence of Recording
        From a layout.
    root : path
        Folder of the corpus.
    alignments : path, optional
        Folder of the alignments; by default see `alignment_folder`.
    suffixes : collection of str
        Of the alignments, the preferred ones first.
    """
    if alignments is None and all(recording.alignment for recording in recordings):
        return list(recordings)
    paired = pair_alignments(root, [recording.audio for recording in recordings], alignments, suffixes)
    return [
        recording if alignments is None and recording.alignment else replace(recording, alignment=path)
        for recording, path in zip(recordings, paired, strict=True)
    ]


def pair_alignments(
    root: Path, audio: Sequence[Path], alignments: Path | None, suffixes: Collection[str] = READERS
) -> list[Path | None]:
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
    suffixes : collection of str
        Of the alignments, the preferred ones first.

    Returns
    -------
    list of path or None
        One per recording.
    """
    folder = alignment_folder(root, alignments)
    files: dict[tuple[str, ...], Path] = {}
    for suffix in suffixes:
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


def alignment_folder(root: Path, alignments: Path | None) -> Path:
    """Folder to search for alignments: the one named, else the usual one inside the corpus, else the corpus itself."""
    if alignments is not None:
        return alignments
    usual = [path for path in sorted(root.iterdir()) if path.is_dir() and path.name.lower() in ALIGNMENT_FOLDERS]
    return usual[0] if len(usual) == 1 else root


def why_unaligned(
    recordings: Iterable[Recording], root: Path, alignments: Path | None = None, suffixes: Collection[str] = READERS
) -> str:
    """Say why recordings have no alignment, and which files of other formats are named like them.

    Parameters
    ----------
    recordings, root, alignments, suffixes
        As in `with_alignments`, from which `recordings` come.
    """
    names = {_key(recording.audio, root)[-1] for recording in recordings if recording.alignment is None}
    folder = alignment_folder(root, alignments)
    unread = Counter(
        path.suffix.lower()
        for path in (files_with(folder, None) if names else [])
        if path.suffix and _key(path, folder)[-1] in names
    )
    others = [
        f"{count} {suffix} file{'s' if count > 1 else ''}"
        for suffix, count in unread.most_common(3)
        if suffix not in AUDIO_SUFFIXES and suffix not in suffixes
    ]
    if not others:
        return NO_ALIGNMENT
    return f"{NO_ALIGNMENT}; {', '.join(others)} found; supported formats: {', '.join(suffixes)}"


def _key(path: Path, folder: Path) -> tuple[str, ...]:
    """Path below `folder` without suffix (a conversion's, ``a.WAV.wav``, has two), as a tuple of lower-case names."""
    stem, _ = os.path.splitext(os.path.relpath(path, folder).casefold())
    first, second = os.path.splitext(stem)
    return Path(first if second in AUDIO_SUFFIXES else stem).parts
