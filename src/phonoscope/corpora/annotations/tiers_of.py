"""What all readers need: numbers with a fault that names the line, and tiers from rows in any order."""

import gc
import math
import operator
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

from phonoscope.corpora.textgrid_types import TIME_TOLERANCE_SECONDS, Interval, Point, TextGrid, Tier
from phonoscope.errors import CorpusError
from phonoscope.phones import PHONE_SETS, known_share

# A label in a list of words may be a phone's by chance ("a", "I"); most of a list is not.
_MOSTLY = 0.6
# The name that stands for the recording beside the file.
ITSELF = ""

# As Interval(*row), but without a Python call per row.
_new_interval = partial(tuple.__new__, Interval)

Rows = list[tuple[float, float, str]]
Grids = dict[str, TextGrid]


@contextmanager
def collector_paused() -> Generator[None]:
    """Pause the garbage collector while a file is read.

    Rows hold no cycles, but there are so many that the collector, looking through all objects of the process again and
    again, takes half of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def fault(path: Path, line: int | None, expected: str, found: str = "") -> NoReturn:
    """Raise the error of a file that is not what its format says.

    Parameters
    ----------
    path
        The file.
    line
        From 1; None where it cannot be told.
    expected, found
        What the format says, and what stands there.
    """
    where = f"{path}, line {line}" if line else str(path)
    shown = f", found {found.strip()[:60]!r}" if found else ""
    raise CorpusError(f"{where}: expected {expected}{shown}")


def number(text: str, path: Path, line: int | None, what: str = "a time") -> float:
    """Finite number in a text; decimal commas are understood.

    Parameters
    ----------
    text
        The number.
    path, line
        Where it stands, for messages.
    what
        What it is, for messages.
    """
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        fault(path, line, f"{what} as a number", text)
    if not math.isfinite(value):
        fault(path, line, f"{what} that is finite", text)
    return value


def interval_tier(name: str, rows: Iterable[tuple[float, float, str]], path: Path, warnings: list[str]) -> Tier:
    """Tier of rows ``(start, end, label)`` in s, put in order of time; overlaps are kept with a warning.

    Parameters
    ----------
    name
        Of the tier.
    rows
        In any order.
    path
        The file, for messages.
    warnings
        Takes what was tolerated.

    Raises
    ------
    CorpusError
        If an interval ends before it begins, or begins before 0.
    """
    ordered = list(rows)
    if not ordered:
        return Tier(name)
    starts, ends, _ = zip(*ordered, strict=True)
    if not (all(map(operator.le, starts, starts[1:])) and all(map(operator.le, ends, ends[1:]))):
        ordered.sort(key=operator.itemgetter(0, 1))
        starts, ends, _ = zip(*ordered, strict=True)
    if not (all(map(operator.le, starts, ends)) and starts[0] >= 0 and max(ends) < math.inf):
        for start, end, label in ordered:
            if not 0 <= start <= end < math.inf:
                raise CorpusError(f"{path}: {label!r} in {name!r} lasts from {start:g} to {end:g} s, backwards in time")
    overlaps = sum(end - start > TIME_TOLERANCE_SECONDS for end, start in zip(ends, starts[1:], strict=False))
    if overlaps:
        warnings.append(f"tier {name!r}: {overlaps} intervals overlap the next one")
    return Tier(name, tuple(map(_new_interval, ordered)))


def point_tier(name: str, points: Iterable[tuple[float, str]]) -> Tier:
    """Tier of points in order of time."""
    return Tier(name, points=tuple(sorted(Point(*each) for each in points)), kind="point")


def grid(tiers: Sequence[Tier], warnings: Sequence[str] = (), end: float = 0.0) -> TextGrid:
    """TextGrid from 0 to the last end of its tiers, or to a later end.

    Parameters
    ----------
    tiers
        All of it.
    warnings
        What the reader tolerated.
    end
        In s.
    """
    ends = [tier.intervals[-1].end for tier in tiers if tier.intervals]
    ends += [tier.points[-1].time for tier in tiers if tier.points]
    return TextGrid(0.0, max([end, *ends]), tuple(tiers), tuple(warnings))


def grid_of(
    rows: Mapping[str, Rows], path: Path, warnings: Sequence[str] = (), points: Mapping[str, list] | None = None
) -> TextGrid:
    """TextGrid of the rows of each tier.

    Parameters
    ----------
    rows
        Tier → rows ``(start, end, label)`` in s.
    path
        The file, for messages.
    warnings
        What the reader tolerated.
    points
        Tier → ``(time, label)`` in s.
    """
    said = list(warnings)
    tiers = [interval_tier(name, entries, path, said) for name, entries in rows.items()]
    tiers += [point_tier(name, entries) for name, entries in (points or {}).items()]
    return grid(tiers, said)


def phones_or_words(labels: Iterable[str], path: Path | None = None) -> str:
    """Say what a list of labels is that does not tell: "phones" or "words".

    Parameters
    ----------
    labels
        As written.
    path
        A file whose name holds "phone" or "word" is believed.
    """
    name = path.name.casefold() if path else ""
    for word, kind in (("phone", "phones"), ("word", "words")):
        if word in name:
            return kind
    counts = Counter(label.strip() for label in labels)
    names = [name for name in PHONE_SETS if name != "none"]
    return "phones" if any(known_share(counts, name) >= _MOSTLY for name in names) else "words"
