"""Alignment formats: which reader for which suffix; a new one is a reader that returns a TextGrid and a line here."""

from collections.abc import Callable
from pathlib import Path

from phonoscope.corpora.textgrid import TextGrid, read_textgrid
from phonoscope.corpora.timit import read_phn
from phonoscope.errors import CorpusError

READERS: dict[str, Callable[[Path], TextGrid]] = {
    ".textgrid": read_textgrid,
    ".phn": read_phn,
}
# Formats that are always written in one phone set need no guess.
PHONE_SET_OF_FORMAT = {".phn": "timit"}


def read_alignment(path: Path) -> TextGrid:
    """Read an alignment of any known format; CorpusError if the suffix or the content is not understood."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise CorpusError(f"{path}: unknown kind of alignment; the suffix must be one of {', '.join(READERS)}")
    return reader(path)
