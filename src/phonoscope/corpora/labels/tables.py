"""Tables with a header: Praat's, the Montreal Forced Aligner's CSV, and a list of stretches of any program."""

from collections import defaultdict
from pathlib import Path

from phonoscope.corpora.labels.build import grid_of, number, tier_kind
from phonoscope.corpora.textgrid_types import Interval, TextGrid
from phonoscope.errors import CorpusError
from phonoscope.files import read_table

_NAMES = {
    "start": ("start", "begin", "tmin", "xmin", "onset", "start_time", "begin_time"),
    "end": ("end", "tmax", "xmax", "offset", "stop", "end_time"),
    "duration": ("duration", "dur"),
    "label": ("label", "text", "phone", "segment", "phoneme", "word"),
    "tier": ("type", "tier"),
    "speaker": ("speaker",),
    "recording": ("recording", "file", "filename", "file_name", "audio", "path", "utterance"),
}


def is_table(head: str, _: str) -> bool:
    """A header with a column of begins, one of ends (or durations) and one of labels."""
    columns = _columns([cell.strip(' "').lower() for cell in _split(head.split("\n", 1)[0])])
    return {"start", "label"} <= set(columns) and bool({"end", "duration"} & set(columns))


def read_label_table(path: Path) -> dict[str | None, TextGrid]:
    """Read a table of intervals: one grid a recording, or one in all (key None) where no column names recordings.

    Columns by any usual name: begin (``start``, ``begin``, ``tmin`` …), ``end``/``tmax`` or ``duration``, s; label
    (``label``, ``text``, ``phone`` …); maybe ``tier`` or ``type``, ``speaker``, and ``recording`` or ``file``.

    Raises
    ------
    CorpusError
        With the line of what is no time.
    """
    table = read_table(path, what="alignment").fillna("")
    columns = _columns(list(table.columns))
    if not {"start", "label"} <= set(columns) or not {"end", "duration"} & set(columns):
        raise CorpusError(f"{path}: expected columns of begin, end and label; found: {', '.join(table.columns)}")

    def column(what: str) -> list[str]:
        return table[columns[what]].tolist() if what in columns else [""] * len(table)

    ends = "end" if "end" in columns else "duration"
    plain = tier_kind(path, table[columns["label"]].head(1000))
    found: dict[str | None, dict[str, list[Interval]]] = defaultdict(lambda: defaultdict(list))
    rows = zip(*(column(name) for name in ("recording", "speaker", "tier", "start", ends, "label")), strict=True)
    for line, (recording, speaker, tier, start, end, label) in enumerate(rows, 2):
        begin, until = number(path, line, start), number(path, line, end)
        name = f"{speaker} - {tier or plain}" if speaker else (tier or plain)
        found[recording or None][name].append(Interval(begin, until if ends == "end" else begin + until, label))
    return {recording: grid_of(path, tiers) for recording, tiers in found.items()}


def _split(line: str) -> list[str]:
    separator = max(",;\t", key=line.count)
    return line.split(separator)


def _columns(names: list[str]) -> dict[str, str]:
    """What each column is, by its name; the usual name goes first."""
    return {
        what: next(name for name in known if name in names) for what, known in _NAMES.items() if set(known) & set(names)
    }
