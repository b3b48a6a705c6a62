"""Alignment formats: which reader for which suffix."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from phonoscope.corpora.textgrid import TextGrid, read_textgrid
from phonoscope.corpora.timit import read_phn
from phonoscope.errors import CorpusError
from phonoscope.registry import Registry


@dataclass(frozen=True)
class AlignmentReader:
    """A format in which alignments are written: everything that phonoscope needs to know of it.

    A format of your own is one such object. It is used as ``alignment_format="package.module:NAME"``
    (``--alignment-format`` on the command line), or always, if a package announces it as an entry point of the group
    ``phonoscope.alignment_formats`` under its suffix.

    Parameters
    ----------
    suffix
        Suffix of the files, in lower case and with the dot: ``.lab``. A recording and its alignment are paired by
        their paths without suffix.
    read
        Turns the path of a file into a `TextGrid`: times in s, intervals of a tier in order; the tier of the phones is
        best called ``phones``, that of the words ``words``. Raises CorpusError, with the file and the line, for what it
        cannot read; that recording is then left out and reported.
    phone_set
        The phone set that files of this format are always written in; None to tell it from the labels.
    """

    suffix: str
    read: Callable[[Path], TextGrid]
    phone_set: str | None = None


READERS: Registry[AlignmentReader] = Registry(
    "alignment format",
    {
        reader.suffix: reader
        for reader in (AlignmentReader(".textgrid", read_textgrid), AlignmentReader(".phn", read_phn, "timit"))
    },
    error=CorpusError,
)


def chosen_readers(alignment_format: str | AlignmentReader | None) -> Mapping[str, AlignmentReader]:
    """Readers by suffix: all that are known, or the one of a format (its suffix, import path, or the reader itself).

    Raises
    ------
    CorpusError
        If there is no such format, or what the path leads to is no `AlignmentReader`.
    """
    if alignment_format is None:
        return READERS
    reader = READERS.find(alignment_format) if isinstance(alignment_format, str) else alignment_format
    if not isinstance(reader, AlignmentReader):
        raise CorpusError(
            f"alignment format {alignment_format!r} is a {type(reader).__name__}; expected an AlignmentReader "
            "(phonoscope.corpora.formats)"
        )
    return {reader.suffix: reader}


def read_alignment(path: Path, readers: Mapping[str, AlignmentReader] = READERS) -> TextGrid:
    """Read an alignment; CorpusError if its suffix or its content is not understood."""
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CorpusError(f"{path}: unknown kind of alignment; the suffix must be one of {', '.join(readers)}")
    try:
        grid = reader.read(path)
    except CorpusError:
        raise
    except Exception as error:  # a reader from outside: whatever it raises
        raise CorpusError(
            f"{path}: the reader of {reader.suffix} files failed ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(grid, TextGrid):
        raise CorpusError(f"{path}: the reader of {reader.suffix} files returned {type(grid).__name__}, not a TextGrid")
    return grid
