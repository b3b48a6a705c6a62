"""What all readers share: text of a file, numbers with their place in it, and tiers made of what was read."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from phonoscope.corpora.textgrid import decode
from phonoscope.corpora.textgrid_types import Interval, Point, TextGrid, Tier
from phonoscope.errors import CorpusError

# Entries of one tier that overlap by less are rounded, not wrong.
_ROUNDING_SECONDS = 0.002
_LONGEST_PHONE = 3.5  # letters: mean length of labels above which they are words


def text_of(path: Path) -> str:
    """Text of a file in any encoding; CorpusError if it cannot be read."""
    try:
        return decode(path.read_bytes())[0]
    except OSError as error:
        raise CorpusError(f"{path}: the alignment cannot be read ({error.strerror or error})") from error


def fail(path: Path, line: int, problem: str) -> NoReturn:
    """Raise a CorpusError with file and line."""
    raise CorpusError(f"{path}, line {line}: {problem}")


def number(path: Path, line: int, written: str) -> float:
    """A finite number, not below 0, as it is written in a line.

    Parameters
    ----------
    path, line
        Where it stands, for the message.
    written
        What stands there.
    """
    try:
        value = float(written)
    except ValueError:
        comma = " (a decimal comma; save the file with decimal points)" if re.fullmatch(r"\d+,\d+", written) else ""
        fail(path, line, f"expected a time, found {written[:40]!r}{comma}")
    if not 0 <= value < float("inf"):
        fail(path, line, f"expected a time from 0 on, found {written[:40]!r}")
    return value


def tier_kind(path: Path, labels: Iterable[str]) -> str:
    """Whether the one tier of a file is of "phones" or "words": by the file's name, else by how long the labels are.

    Parameters
    ----------
    path
        Of the file.
    labels
        All or some of them.
    """
    name = path.name.casefold()
    if "word" in name:
        return "words"
    if "phon" in name or "phn" in name or "segment" in name:
        return "phones"
    written = {label for label in labels if label.strip() and not re.match(r"[<\[{(]", label)}
    return "words" if written and sum(map(len, written)) > _LONGEST_PHONE * len(written) else "phones"


def grid_of(
    path: Path,
    tiers: Mapping[str, Sequence[Interval]],
    points: Mapping[str, Sequence[Point]] | None = None,
    warnings: Sequence[str] = (),
) -> TextGrid:
    """Put tiers together; intervals are sorted by time.

    Parameters
    ----------
    path
        Of the file, for messages.
    tiers
        Name → intervals.
    points
        Name → points.
    warnings
        What the reader tolerated.

    Raises
    ------
    CorpusError
        If an interval ends before it begins.
    """
    made, notes = [], list(warnings)
    for name, intervals in tiers.items():
        ordered = sorted(intervals, key=lambda interval: interval[:2])
        for interval in ordered:
            if interval.end < interval.start:
                times = f"ends at {interval.end:.3f} s, before it begins ({interval.start:.3f} s)"
                raise CorpusError(f"{path}: {interval.label!r} {times}")
        over = sum(b.start < a.end - _ROUNDING_SECONDS for a, b in zip(ordered, ordered[1:], strict=False))
        if over:
            notes.append(f"tier {name!r}: {over} intervals overlap the next one")
        made.append(Tier(name, tuple(ordered)))
    made += [Tier(name, points=tuple(marks), kind="point") for name, marks in (points or {}).items()]
    ends = [interval.end for tier in made for interval in tier.intervals[-1:]]
    return TextGrid(0.0, max(ends, default=0.0), tuple(made), tuple(notes))
