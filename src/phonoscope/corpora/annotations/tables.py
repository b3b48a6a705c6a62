"""Tables of stretches: MFA's CSV, Praat's tables, and a plain ``recording,start,end,label``."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from phonoscope.corpora.annotations.tiers_of import ITSELF, Grids, Rows, fault, grid_of, number, phones_or_words

# What each column may be called, in lower case.
_STARTS = ("begin", "tmin", "start", "start_time", "xmin", "onset")
_ENDS = ("end", "tmax", "end_time", "xmax", "offset", "stop")
_LABELS = ("label", "text", "phone", "segment", "phoneme", "word")
_TIERS = ("type", "tier")
_RECORDINGS = ("recording", "file", "filename", "file_name", "audio", "utterance", "bundle")


def _head(text: str) -> tuple[list[str], str]:
    """Names of the columns in lower case, and what separates them."""
    first = text.lstrip("\ufeff").partition("\n")[0]
    separator = max("\t,;", key=first.count)
    return [name.strip().strip('"').casefold() for name in first.split(separator)], separator


def _place(columns: Sequence[str], names: Sequence[str]) -> int | None:
    return next((columns.index(name) for name in names if name in columns), None)


def is_table(text: str) -> bool:
    """Whether the first line names columns of a start, an end and a label (and it is no table of tokens)."""
    columns, _ = _head(text)
    return "token" not in columns and all(_place(columns, names) is not None for names in (_STARTS, _ENDS, _LABELS))


def read_table(text: str, path: Path) -> Grids:
    """Read a table with a line of column names: of MFA (``Begin,End,Label,Type,Speaker``), of Praat
    (``tmin tier text tmax``), or plain (``recording,start,end,label``); commas, semicolons or tabs; times in s.

    With a column of recordings a table holds many of them.
    """
    columns, separator = _head(text)
    places = [_place(columns, names) for names in (_STARTS, _ENDS, _LABELS)]
    if any(place is None for place in places):
        fault(path, 1, "columns of a start, an end and a label", ", ".join(columns))
    start_at, end_at, label_at = (place or 0 for place in places)
    tier_at, recording_at = _place(columns, _TIERS), _place(columns, _RECORDINGS)
    speaker_at = _place(columns, ("speaker",))
    found: dict[str, dict[tuple[str, str], Rows]] = {}
    rows = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=separator)
    try:
        for row in rows:
            if rows.line_num == 1 or not any(field.strip() for field in row):
                continue
            if len(row) != len(columns):
                fault(path, rows.line_num, f"{len(columns)} columns ({', '.join(columns)})", separator.join(row))
            start, end = (number(row[at], path, rows.line_num) for at in (start_at, end_at))
            recording = row[recording_at].strip().replace("\\", "/") if recording_at is not None else ITSELF
            tier = row[tier_at].strip() if tier_at is not None else ""
            speaker = row[speaker_at].strip() if speaker_at is not None else ""
            found.setdefault(recording, {}).setdefault((speaker, tier), []).append((start, end, row[label_at]))
    except csv.Error as error:
        fault(path, rows.line_num, f"a table ({error})")
    grids = {}
    for recording, tiers in found.items():
        several = len({speaker for speaker, _ in tiers}) > 1
        named: dict[str, Rows] = {}
        for (speaker, tier), entries in tiers.items():
            name = tier or phones_or_words([label for _, _, label in entries], path)
            named[f"{speaker} - {name}" if several and speaker else name] = entries
        grids[recording] = grid_of(named, path)
    return grids
