"""Pairs recordings with alignments by the ends of their paths, in a parallel tree or beside each other."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from phonoscope.corpora.formats import (
    READERS,
    UNREAD_KINDS,
    AlignmentReader,
    chosen_readers,
    entries_of,
    file_of,
    supported,
    words_beside,
)
from phonoscope.corpora.layouts import find_recordings
from phonoscope.corpora.recording import AUDIO_SUFFIXES, UNREAD_SUFFIXES, Recording, channel_in, files_with
from phonoscope.errors import CorpusError
from phonoscope.left_out import LeftOut

# Folders in which people keep alignments, looked for inside the corpus when none is named.
ALIGNMENT_FOLDERS = frozenset({"textgrid", "textgrids", "alignment", "alignments", "aligned", "mfa"})
NO_ALIGNMENT = "no alignment (make one with: phonoscope align)"


# What tools put behind a recording's name in that of its alignment: the kinds that hold phones.
_SUFFIX_OF_TOOLS = re.compile(r"[-_. ](?:palign|phones?|phon|mau|maus|mfa|aligned|align|alignment|fave|textgrid|tg)$")
_CHANNEL_OF_NAME = re.compile(r"[-_. ]ch(?:annel)?[-_]?[1-9]$")
_SEPARATORS = re.compile(r"[-_ ]+")
# Files of these suffixes may be anything, such as texts of what was said: they are no alignment that was left over.
_OF_MANY_KINDS = frozenset({".txt", ".csv", ".tsv", ".json", ".lab", ".xml", ".words", ".wrd"})


class Pairing(NamedTuple):
    """Recordings with their alignments, and what was done to find them.

    `left_out` has the entries of `phonoscope.left_out.LeftOut`: alignments without a recording, doubles, recordings of
    kinds that cannot be read. `notes` are lines about pairs whose names differ.
    """

    recordings: list[Recording]
    left_out: list[dict[str, Any]]
    notes: list[str]


def with_alignments(
    recordings: Sequence[Recording],
    root: Path,
    alignments: Path | None = None,
    readers: Mapping[str, AlignmentReader] = READERS,
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
    readers : mapping
        Name → reader of the alignments, the preferred ones first.
    """
    return pair(recordings, root, alignments, readers).recordings


def pair(
    recordings: Sequence[Recording],
    root: Path,
    alignments: Path | None = None,
    readers: Mapping[str, AlignmentReader] = READERS,
) -> Pairing:
    """Pair recordings with alignments, and account for every file of either kind that has no partner.

    Parameters
    ----------
    recordings, root, alignments, readers
        As in `with_alignments`.
    """
    left_out, notes = LeftOut(), []
    unread = [path.relative_to(root).as_posix() for path in files_with(root, UNREAD_SUFFIXES)]
    for suffix in sorted({Path(name).suffix.lower() for name in unread}):
        names = [name for name in unread if name.lower().endswith(suffix)]
        left_out.add("recording", f"{suffix} cannot be read; convert it to WAV or FLAC", len(names), names)
    if alignments is None and all(recording.alignment for recording in recordings):
        return Pairing(list(recordings), left_out.entries(), notes)
    folder = alignment_folder(root, alignments)
    files, doubles = _alignments_in(folder, _sure(readers))
    open_ = [each for each in recordings if alignments is not None or each.alignment is None]
    keys = [_key(each.audio, root) for each in open_]
    alone = _pair_exactly(keys, files)
    if not all(alone):
        # Only now: to recognise a file by its content it must be opened.
        further, more_doubles = _recognised_in(folder, readers)
        doubles += more_doubles
        doubles += [further[key] for key in set(files) & set(further)]
        waiting = [place for place, path in enumerate(alone) if path is None]
        for place, path in zip(waiting, _pair_exactly([keys[place] for place in waiting], further), strict=True):
            alone[place] = path
        files = {**further, **files}
    paired = iter(alone)
    given = [
        each if alignments is None and each.alignment else replace(each, alignment=next(paired)) for each in recordings
    ]
    found, differing = _pair_loosely(given, root, files)
    if differing:
        example = ", ".join(f"{audio.name} with {path.name}" for audio, path in differing[:3])
        notes.append(f"{len(differing)} recording(s) paired by names that differ a little: {example}")
    used = {each.alignment for each in found}
    apart = [path.relative_to(folder).as_posix() for path in files.values() if path not in used and _is_told(path)]
    left_out.add("alignment", "no recording of this name", len(apart), apart)
    doubles = [path for path in doubles if path not in used and _is_told(path)]
    names = [path.relative_to(folder).as_posix() for path in doubles]
    left_out.add("alignment", "another alignment of this name is read", len(names), names)
    return Pairing(_without_copies(found, root, left_out), left_out.entries(), notes)


def pairing_report(
    root: str | Path,
    alignments: str | Path | None = None,
    *,
    layout: str = "auto",
    alignment_format: str | AlignmentReader | None = None,
) -> list[dict[str, Any]]:
    """Say which recordings and alignments of a corpus have no partner, without reading any of them.

    Parameters
    ----------
    root : path
        Folder of the corpus.
    alignments : path, optional
        Folder of the alignments, as it stands or inside `root`.
    layout : str
        A name in `phonoscope.corpora.LAYOUTS`, an import path, or "auto".
    alignment_format : str or AlignmentReader, optional
        Only this format, as in `read_corpus`.

    Returns
    -------
    list of dict
        ``{"what", "reason", "count", "examples"}`` as in ``tokens.attrs["left_out"]``; ``what`` is "recording",
        "alignment", or "pair" for pairs whose names differ.

    Raises
    ------
    CorpusError
        If the folder, layout or format is not understood.
    """
    readers = chosen_readers(alignment_format)
    folder, _, recordings = find_recordings(root, layout)
    beside = alignment_root(folder, alignments)
    pairing = pair(recordings, folder, beside, readers)
    report = LeftOut()
    names = [each.audio.relative_to(folder).as_posix() for each in pairing.recordings if each.alignment is None]
    report.add("recording", why_unaligned(pairing.recordings, folder, beside, readers), len(names), names)
    for entry in pairing.left_out:
        report.add(**entry)
    for note in pairing.notes:
        report.add("pair", note.partition(":")[0].partition(" ")[2], int(note.partition(" ")[0]), [note])
    return report.entries()


def pair_alignments(
    root: Path, audio: Sequence[Path], alignments: Path | None, readers: Mapping[str, AlignmentReader] = READERS
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
    readers : mapping
        Name → reader of the alignments, the preferred ones first.

    Returns
    -------
    list of path or None
        One per recording.
    """
    return [each.alignment for each in with_alignments([Recording(path) for path in audio], root, alignments, readers)]


def _sure(readers: Mapping[str, AlignmentReader]) -> list[str]:
    """Suffixes that say enough, the preferred ones first."""
    return [reader.suffix for reader in readers.values() if reader.fits is None]


def _alignments_in(folder: Path, suffixes: Sequence[str]) -> tuple[dict[tuple[str, ...], Path], list[Path]]:
    """Alignments by their key, and those of less preferred formats (or written otherwise) that have the same key."""
    files: dict[tuple[str, ...], Path] = {}
    doubles = []
    for suffix in suffixes:
        found = files_with(folder, (suffix,))
        doubles += [path for path in found if files.setdefault(_key(path, folder), path) != path]
    return files, doubles


def _recognised_in(
    folder: Path, readers: Mapping[str, AlignmentReader]
) -> tuple[dict[tuple[str, ...], Path], list[Path]]:
    """Alignments that are recognised by their content, those in files of many recordings each by its own name."""
    sure = set(_sure(readers))
    suffixes = [suffix for reader in readers.values() if reader.fits for suffix in reader.suffixes]
    order = {suffix: place for place, suffix in reversed(list(enumerate(suffixes))) if suffix not in sure}
    files: dict[tuple[str, ...], Path] = {}
    doubles = []
    found = sorted(files_with(folder, order), key=lambda path: order[path.suffix.lower()])
    # The words of phones in another file are read with them.
    words = {words_beside(path) for path in found if words_beside(path) != path}
    for path in found:
        if path in words:
            continue
        for entry in entries_of(path, readers):
            key = _key(entry if entry == path else path.parent / entry.relative_to(path), folder)
            if files.setdefault(key, entry) != entry:
                doubles.append(entry)
    return files, doubles


def _is_told(path: Path) -> bool:
    """Whether an alignment that is left over is reported: not if its suffix is one of texts and lists too."""
    return path.suffix.lower() not in _OF_MANY_KINDS or file_of(path)[0] != path


def _pair_exactly(audio_keys: Sequence[tuple[str, ...]], files: dict[tuple[str, ...], Path]) -> list[Path | None]:
    """Alignment of each recording by the end of its path; what is found is taken out of `files`."""
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


def _pair_loosely(
    recordings: Sequence[Recording], root: Path, files: dict[tuple[str, ...], Path]
) -> tuple[list[Recording], list[tuple[Path, Path]]]:
    """Pair what is left by names that differ in separators, a tool's suffix or a channel, where one fits one.

    A recording that has an alignment for each of its channels comes back once for each.
    """
    waiting = [each for each in recordings if each.alignment is None]
    of_audio = Counter(_loose(_key(each.audio, root)[-1]) for each in waiting)
    of_file: dict[str, list[Path]] = {}
    for key, path in files.items():
        of_file.setdefault(_loose(key[-1]), []).append(path)
    found, differing = [], []
    for each in recordings:
        name = _loose(_key(each.audio, root)[-1])
        fitting = of_file.get(name, []) if each.alignment is None and of_audio[name] == 1 else []
        channels = {channel_in(path.stem): path for path in fitting}
        several = len(fitting) > 1 and None not in channels and len(channels) == len(fitting)
        if len(fitting) != 1 and not several:
            found.append(each)
            continue
        for channel, path in sorted(channels.items(), key=lambda item: item[0] or 0):
            heard = None if channel_in(each.audio.stem) else channel  # the sound of one channel may be a file itself
            speaker = f"{each.speaker or each.audio.stem}_ch{channel}" if several else each.speaker
            found.append(replace(each, alignment=path, channel=heard, speaker=speaker))
            differing.append((each.audio, path))
    return found, differing


def _without_copies(recordings: list[Recording], root: Path, left_out: LeftOut) -> list[Recording]:
    """Leave out sound files without an alignment whose namesake of another kind, in the same folder, has one."""
    aligned = {_key(each.audio, root) for each in recordings if each.alignment}
    copies = [each for each in recordings if each.alignment is None and _key(each.audio, root) in aligned]
    names = [each.audio.relative_to(root).as_posix() for each in copies]
    left_out.add("recording", "the same recording is read from another file of this name", len(names), names)
    return [each for each in recordings if each not in copies] if copies else recordings


def _loose(name: str) -> str:
    """A key's name without what tools put behind it, and with one kind of separator."""
    name = _CHANNEL_OF_NAME.sub("", _SUFFIX_OF_TOOLS.sub("", _CHANNEL_OF_NAME.sub("", name)))
    return _SEPARATORS.sub("_", name)


def alignment_root(root: Path, alignments: str | Path | None) -> Path | None:
    """Folder of alignments that the user named, as it stands or inside the corpus."""
    if alignments is None:
        return None
    for folder in (Path(alignments), root / alignments):
        if folder.is_dir():
            return folder.resolve()
    raise CorpusError(f"the folder of alignments {alignments} was not found, neither as given nor inside {root}")


def alignment_folder(root: Path, alignments: Path | None) -> Path:
    """Folder to search for alignments: the one named, else the usual one inside the corpus, else the corpus itself."""
    if alignments is not None:
        return alignments
    usual = [path for path in sorted(root.iterdir()) if path.is_dir() and path.name.lower() in ALIGNMENT_FOLDERS]
    return usual[0] if len(usual) == 1 else root


def why_unaligned(
    recordings: Iterable[Recording],
    root: Path,
    alignments: Path | None = None,
    readers: Mapping[str, AlignmentReader] = READERS,
) -> str:
    """Say why recordings have no alignment, and which files of other formats are named like them.

    Parameters
    ----------
    recordings, root, alignments, readers
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
        f"{count} {suffix} file{'s' if count > 1 else ''}{_called(suffix)}"
        for suffix, count in unread.most_common(3)
        if suffix not in AUDIO_SUFFIXES and suffix not in _sure(readers)
    ]
    if not others:
        return NO_ALIGNMENT
    return f"{NO_ALIGNMENT}; {', '.join(others)} found; read are: {supported(readers)}"


def _called(suffix: str) -> str:
    return f" ({UNREAD_KINDS[suffix]}, not read yet)" if suffix in UNREAD_KINDS else ""


def _key(path: Path, folder: Path) -> tuple[str, ...]:
    """Path below `folder` without suffix (a conversion's, ``a.WAV.wav``, has two), as a tuple of names,
    lower case and composed: macOS decomposes its letters."""
    stem, _ = os.path.splitext(unicodedata.normalize("NFC", os.path.relpath(path, folder)).casefold())
    stem = stem.removesuffix("_annot") if path.suffix == ".json" else stem  # emuDB's name for its annotations
    first, second = os.path.splitext(stem)
    return Path(first if second in AUDIO_SUFFIXES else stem).parts
