"""Which formats there are, and which of them a file is, by what stands in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from phonoscope.corpora.labels import columns, objects, speech, tables, trees
from phonoscope.corpora.textgrid import decode, read_textgrid
from phonoscope.corpora.textgrid_types import TextGrid
from phonoscope.errors import CorpusError

_HEAD_BYTES = 1 << 14
_HEAD_OF_JSON_BYTES = 1 << 22  # Whisper begins with all that was said


@dataclass(frozen=True)
class Kind:
    """A format of labels.

    Parameters
    ----------
    name
        What users call it.
    suffixes
        Of its files, lower case; a file of another suffix is not looked into.
    recognise
        (beginning of the text, whole lines; name of the file in lower case) → whether it is of this format.
    read
        Path → `TextGrid`, or recording → `TextGrid` where a file may hold several.
    has_phones
        Whether there may be phones in it; else words or phrases alone.
    several
        Whether a file may hold several recordings.
    """

    name: str
    suffixes: tuple[str, ...]
    recognise: Callable[[str, str], bool]
    read: Callable[[Path], Any]
    has_phones: bool = True
    several: bool = False


def _is_textgrid(head: str, _: str) -> bool:
    return (
        "ooTextFile" in head[:200] or "ooBinaryFile" in head[:200] or head.lstrip().startswith('"Praat chronological')
    )


KINDS = (
    Kind("TextGrid", (".txt",), _is_textgrid, read_textgrid),
    Kind("HTK master label file", (".mlf",), columns.is_mlf, columns.read_mlf, several=True),
    Kind("ELAN", (".eaf",), trees.is_eaf, trees.read_eaf),
    Kind("BAS Partitur", (".par",), trees.is_partitur, trees.read_partitur),
    Kind("EMU-SDMS annotation", (".json",), objects.is_emu, objects.read_emu),
    Kind("MFA JSON", (".json",), objects.is_mfa_json, objects.read_mfa_json),
    Kind("Whisper JSON", (".json",), objects.is_whisper, objects.read_whisper, has_phones=False),
    Kind("gentle JSON", (".json",), objects.is_gentle, objects.read_gentle),
    Kind("ESPS labels", (".phones", ".lab", ".seg", ".txt"), columns.is_xlabel, columns.read_xlabel),
    Kind(
        "LibriSpeech alignment", (".txt",), columns.is_condensed, columns.read_condensed, has_phones=False, several=True
    ),
    Kind("CTM", (".ctm", ".txt"), columns.is_ctm, columns.read_ctm, several=True),
    Kind(
        "table of intervals",
        (".csv", ".tsv", ".txt", ".tab", ".table"),
        tables.is_table,
        tables.read_label_table,
        several=True,
    ),
    Kind("HTK labels", (".lab", ".rec", ".txt"), columns.is_htk, columns.read_htk),
    Kind("Audacity labels", (".txt",), columns.is_audacity, columns.read_audacity),
    Kind("CHAT", (".cha",), speech.is_chat, speech.read_chat, has_phones=False),
    Kind("subtitles", (".srt", ".vtt"), speech.is_subtitles, speech.read_subtitles, has_phones=False),
)
LABEL_SUFFIXES = tuple(dict.fromkeys(suffix for kind in KINDS for suffix in kind.suffixes))


def kind_of(path: Path) -> Kind | None:
    """Format of a file by its content; None if it is none of those known, or cannot be opened.

    Parameters
    ----------
    path : path
        The file.
    """
    most = _HEAD_OF_JSON_BYTES if path.suffix.lower() == ".json" else _HEAD_BYTES
    try:
        with path.open("rb") as file:
            raw = file.read(most)
    except OSError:
        return None
    if len(raw) == most:
        raw = raw[: max(raw.rfind(b"\n") + 1, len(raw) // 2)]
    return kind_of_text(decode(raw)[0], path.name)


def kind_of_text(head: str, name: str) -> Kind | None:
    """Format of a text by its beginning; None if it is none of those known.

    Parameters
    ----------
    head : str
        Beginning of the text, whole lines where it has any.
    name : str
        Of the file.
    """
    lower = name.lower()
    fitting = (kind for kind in KINDS if lower.endswith(kind.suffixes))
    return next((kind for kind in fitting if kind.recognise(head, lower)), None)


def read_labels(path: str | Path) -> TextGrid:
    """Read a file of labels of one recording, whatever its format.

    Parameters
    ----------
    path : path
        The file.

    Raises
    ------
    CorpusError
        If its format is not known, it is at fault, or it holds several recordings.
    """
    path = Path(path)
    kind = _kind(path)
    found = kind.read(path)
    return found if isinstance(found, TextGrid) else columns.as_one(found, path, kind.name)


def entries_of(path: str | Path) -> Mapping[str | None, TextGrid]:
    """Read a file of labels that may hold several recordings; the one of an unnamed recording has the key None.

    Parameters
    ----------
    path : path
        The file.

    Raises
    ------
    CorpusError
        If its format is not known or it is at fault.
    """
    path = Path(path)
    try:
        state = path.stat()
    except OSError as error:
        raise CorpusError(f"{path}: the alignment cannot be read ({error.strerror or error})") from error
    return _entries(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _entries(path: Path, changed: int, size: int) -> Mapping[str | None, TextGrid]:
    found = _kind(path).read(path)
    return {None: found} if isinstance(found, TextGrid) else found


def _kind(path: Path) -> Kind:
    kind = kind_of(path)
    if kind is None:
        known = ", ".join(kind.name for kind in KINDS)
        raise CorpusError(f"{path}: not recognised as one of {known}")
    return kind
