"""Alignment formats: which reader for which file, by its suffix or by what is in it."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from phonoscope.corpora.annotations import elan, json_files, lines, partitur, tables, transcripts_timed
from phonoscope.corpora.annotations.tiers_of import ITSELF, collector_paused
from phonoscope.corpora.textgrid import TextGrid, decode, read_textgrid
from phonoscope.corpora.timit import read_phn
from phonoscope.errors import CorpusError
from phonoscope.registry import Registry

# What is looked at to recognise a file.
HEAD_BYTES = 65_536
# Kinds of alignment that are known and not read, by suffix.
UNREAD_KINDS = {
    ".trs": "Transcriber", ".exb": "EXMARaLDA", ".antx": "Annotation Pro", ".anvil": "Anvil", ".stm": "NIST STM",
    ".esps": "ESPS", ".hlb": "emu hierarchy", ".xra": "SPPAS", ".sfs": "SFS", ".sgf": "TEI/SGF",
}  # fmt: skip


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
        cannot read; that recording is then left out and reported. A file of many recordings gives a TextGrid by the
        name of each recording.
    phone_set
        The phone set that files of this format are always written in; None to tell it from the labels.
    name
        What the format is called in messages; empty for "X files" by its suffix.
    fits
        Recognises the beginning of a file, as text; None if the suffix says enough.
    also
        Further suffixes that such files may have, where `fits` decides.
    many
        Whether a file may hold many recordings.
    """

    suffix: str
    read: Callable[[Path], TextGrid | Mapping[str, TextGrid]]
    phone_set: str | None = None
    name: str = ""
    fits: Callable[[str], bool] | None = None
    also: tuple[str, ...] = ()
    many: bool = False

    @property
    def suffixes(self) -> tuple[str, ...]:
        """All suffixes that such files may have."""
        return (self.suffix, *self.also)


def _reader(
    name: str,
    suffixes: str,
    fits: Callable[[str], bool],
    read_text: Callable[[str, Path], Mapping[str, TextGrid]],
    *,
    many: bool = False,
) -> AlignmentReader:
    """Reader of a format that is recognised by its content, from a function of its text; `suffixes` by blanks."""

    def read(path: Path) -> Mapping[str, TextGrid]:
        try:
            text, warning = decode(path.read_bytes())
        except OSError as error:
            raise CorpusError(f"{path}: the alignment cannot be read ({error.strerror or error})") from error
        grids = read_text(text, path)
        if warning and grids:
            first = next(iter(grids))
            grid = grids[first]
            grids = {**grids, first: TextGrid(grid.xmin, grid.xmax, grid.tiers, (*grid.warnings, warning))}
        return grids

    first, *others = suffixes.split()
    return AlignmentReader(first, read, name=name, fits=fits, also=tuple(others), many=many)


def _is_textgrid(text: str) -> bool:
    head = text.lstrip("\ufeff \n")[:200]
    return "ooTextFile" in head and "TextGrid" in head


# The preferred ones first: a recording that has several alignments gets the one that comes first here.
READERS: Registry[AlignmentReader] = Registry(
    "alignment format",
    {
        ".textgrid": AlignmentReader(".textgrid", read_textgrid),
        ".phn": AlignmentReader(".phn", read_phn, "timit"),
        "textgrid-text": AlignmentReader(
            ".txt", read_textgrid, name="TextGrid", fits=_is_textgrid, also=(".tg", ".text", ".collection")
        ),
        "emu": _reader("emuDB annotation", ".json", json_files.is_emu, json_files.read_emu),
        "mfa-json": _reader("MFA JSON", ".json", json_files.is_mfa, json_files.read_mfa),
        "gentle": _reader("gentle JSON", ".json", json_files.is_gentle, json_files.read_gentle),
        "eaf": _reader("ELAN", ".eaf .xml", elan.is_eaf, elan.read_eaf),
        "par": _reader("BAS Partitur", ".par .bpf", partitur.is_par, partitur.read_par),
        "xwaves": _reader("xwaves labels (Buckeye)", ".phones .lab .words", lines.is_xwaves, lines.read_xwaves),
        "htk": _reader("HTK labels", ".lab .rec .txt", lines.is_htk, lines.read_htk),
        "mlf": _reader("HTK master label file", ".mlf .txt", lines.is_mlf, lines.read_mlf, many=True),
        "ctm": _reader("CTM", ".ctm .txt", lines.is_ctm, lines.read_ctm, many=True),
        "table": _reader("table of stretches", ".csv .tsv .txt .table", tables.is_table, tables.read_table, many=True),
        "audacity": _reader("Audacity labels", ".txt .lab .tsv", lines.is_audacity, lines.read_audacity),
        "whisper": _reader("Whisper JSON", ".json", json_files.is_whisper, json_files.read_whisper),
        "condensed": _reader("condensed alignments", ".txt", lines.is_condensed, lines.read_condensed, many=True),
        "chat": _reader("CHAT", ".cha", transcripts_timed.is_chat, transcripts_timed.read_chat),
        "subtitles": _reader(
            "subtitles", ".srt .vtt", transcripts_timed.is_subtitles, transcripts_timed.read_subtitles
        ),
    },
    error=CorpusError,
)


def chosen_readers(alignment_format: str | AlignmentReader | None) -> Mapping[str, AlignmentReader]:
    """Readers by name: all that are known, or the one of a format (its name, import path, or the reader itself).

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


def kind_of_text(text: str) -> str:
    """Name of the alignment format that a text is written in; empty if it is none that is recognised by its content.

    Parameters
    ----------
    text : str
        All of a file, or its beginning up to the end of a line.
    """
    return next((reader.name for reader in READERS.values() if reader.fits and reader.fits(text)), "")


def reader_of(path: Path, readers: Mapping[str, AlignmentReader] = READERS) -> AlignmentReader | None:
    """Reader of a file: the one of its suffix, else the first that recognises what is in it; None if none does."""
    suffix = path.suffix.lower()
    if suffix in readers and readers[suffix].fits is None:
        return readers[suffix]
    possible = [reader for reader in readers.values() if suffix in reader.suffixes]
    by_suffix = next((reader for reader in possible if reader.fits is None and reader.suffix == suffix), None)
    if by_suffix or not possible:
        return by_suffix
    head = _head(path)
    return next((reader for reader in possible if reader.fits and reader.fits(head)), None)


def _head(path: Path) -> str:
    """Beginning of a file as text, up to the end of a line."""
    try:
        with path.open("rb") as file:
            raw = file.read(HEAD_BYTES)
    except OSError:
        return ""
    text = decode(raw)[0]
    if len(raw) == HEAD_BYTES and "\n" in text:
        text = text[: text.rindex("\n")]
    return text


def entries_of(path: Path, readers: Mapping[str, AlignmentReader]) -> list[Path]:
    """What a file holds: itself, or ``file/name.suffix`` for each recording of a file of many.

    Only files of formats that can hold many are read; one that cannot be read stands for itself.
    """
    reader = reader_of(path, readers)
    if reader is None or not reader.many:
        return [] if reader is None else [path]
    try:
        value = _read(path, reader)
    except CorpusError:
        return [path]
    if isinstance(value, TextGrid) or set(value) == {ITSELF}:
        return [path]
    return [path / f"{_inside(name)}{path.suffix}" for name in value if name]


def file_of(path: Path) -> tuple[Path, str]:
    """File of an alignment, and the name in it; the name is empty for a file of one recording."""
    if not path.is_file():
        for parent in path.parents:
            if parent.is_file():
                return parent, path.relative_to(parent).as_posix().removesuffix(parent.suffix)
    return path, ITSELF


def located(path: Path, readers: Mapping[str, AlignmentReader] = READERS) -> tuple[AlignmentReader | None, Path, str]:
    """Reader of an alignment (None if no format fits), its file, and the name in it.

    Parameters
    ----------
    path, readers
        As in `read_alignment`.
    """
    # A suffix that says enough is believed without a look at the disk: corpora have many thousands of files.
    reader = readers.get(path.suffix.lower())
    if reader is not None and reader.fits is None:
        return reader, path, ITSELF
    file, name = file_of(path)
    return reader_of(file, readers), file, name


def read_alignment(path: Path, readers: Mapping[str, AlignmentReader] = READERS) -> TextGrid:
    """Read an alignment; CorpusError if its suffix or its content is not understood.

    Parameters
    ----------
    path : Path
        A file, or ``file/name`` of one recording in a file of many, as pairing gives it.
    readers : mapping
        Name → reader.
    """
    reader, file, name = located(path, readers)
    if reader is None:
        known = sorted({suffix for each in readers.values() for suffix in each.suffixes})
        raise CorpusError(
            f"{file}: unknown kind of alignment; known are {_names(readers.values())} ({', '.join(known)})"
        )
    with collector_paused():
        grid = _read(file, reader)
    if isinstance(grid, TextGrid):
        return grid
    found = grid.get(name) or next((each for key, each in grid.items() if _inside(key) == name), None)
    if found is None and name == ITSELF and len(grid) == 1:
        found = next(iter(grid.values()))
    if found is not None:
        return _with_words(found, file, name, readers)
    raise CorpusError(f"{file}: there is no recording {name!r} in it; it has: {', '.join(list(grid)[:10]) or 'none'}")


def _inside(name: str) -> str:
    """Name of a recording as a path below its file."""
    return name.lstrip("/")


def words_beside(path: Path) -> Path:
    """File of the words that belong to a file of phones: ``phones.ctm`` and ``words.ctm``, ``01.phones`` and
    ``01.words``; `path` itself where its name does not say that it holds phones."""
    return path.with_name(re.sub(r"phone(s?)", r"word\1", path.name))


def _with_words(grid: TextGrid, file: Path, name: str, readers: Mapping[str, AlignmentReader]) -> TextGrid:
    """Add the words of the file beside, if there is one and the alignment has none."""
    beside = words_beside(file)
    if beside == file or not beside.is_file() or any("word" in tier.casefold() for tier in grid.tier_names):
        return grid
    place = beside / f"{name}{beside.suffix}" if name else beside
    try:
        words = read_alignment(place, readers)
    except CorpusError as error:
        return TextGrid(
            grid.xmin, grid.xmax, grid.tiers, (*grid.warnings, f"the words beside it are not read: {error}")
        )
    return TextGrid(
        grid.xmin, max(grid.xmax, words.xmax), (*words.tiers, *grid.tiers), (*words.warnings, *grid.warnings)
    )


def _read(path: Path, reader: AlignmentReader) -> TextGrid | Mapping[str, TextGrid]:
    if not reader.many:
        return _checked(path, reader)
    try:
        state = path.stat()
    except OSError:
        return _checked(path, reader)
    return _kept(path, reader, (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=16)
def _kept(path: Path, reader: AlignmentReader, state: tuple[int, int]) -> TextGrid | Mapping[str, TextGrid]:  # noqa: ARG001
    """What a file holds, kept for the next of its recordings until the file changes."""
    return _checked(path, reader)


def _checked(path: Path, reader: AlignmentReader) -> TextGrid | Mapping[str, TextGrid]:
    """What a reader makes of a file; whatever goes wrong in it is a CorpusError."""
    what = reader.name or f"{reader.suffix} files"
    try:
        grid = reader.read(path)
    except CorpusError:
        raise
    except Exception as error:  # a reader from outside: whatever it raises
        raise CorpusError(f"{path}: the reader of {what} failed ({type(error).__name__}: {error})") from error
    grids = grid.values() if isinstance(grid, Mapping) else [grid]
    wrong = next((each for each in grids if not isinstance(each, TextGrid)), None)
    if wrong is not None:
        raise CorpusError(f"{path}: the reader of {what} returned {type(wrong).__name__}, not a TextGrid")
    return grid


def supported(readers: Mapping[str, AlignmentReader] = READERS) -> str:
    """Names of the formats that are read, for messages."""
    return _names(readers.values())


def _names(readers: Iterable[AlignmentReader]) -> str:
    return ", ".join(dict.fromkeys(reader.name or reader.suffix for reader in readers))
