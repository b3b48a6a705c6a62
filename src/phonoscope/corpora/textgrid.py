"""Praat TextGrids: the reader for every form and encoding, and the writer.

The regular long form has a fast path; all else, and every fault, goes to the tolerant reader, which names the line.
"""

import math
import operator
import re
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from phonoscope.corpora.textgrid_types import TIME_TOLERANCE_SECONDS, Interval, Point, TextGrid, Tier
from phonoscope.corpora.textgrid_values import BINARY_HEADER, grid_of_bytes, grid_of_text
from phonoscope.errors import CorpusError
from phonoscope.files import write_bytes

__all__ = [
    "TIME_TOLERANCE_SECONDS", "Interval", "Point", "TextGrid", "Tier", "decode", "read_textgrid", "without_gaps",
    "write_textgrid",
]  # fmt: skip


def read_textgrid(path: str | Path) -> TextGrid:
    """Read a TextGrid: long, short or chronological text in any encoding, or Praat's binary form.

    Encodings are told apart by their byte-order mark, then tried as UTF-8 and at last taken as Windows-1252 (Latin-1)
    with a warning. Overlaps and intervals beyond the end of the grid are kept with a warning.

    Raises
    ------
    CorpusError
        With file and line (or byte), if the file is missing, is no TextGrid, has decimal commas, other counts than its
        headers say, or times that run backwards or are not finite.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: the TextGrid cannot be read ({error.strerror or error})") from error
    warnings = []
    if raw.startswith(BINARY_HEADER):
        grid = grid_of_bytes(path, raw)
        warnings += _overlaps(grid)
    else:
        text, encoding_warning = decode(raw)
        warnings += [encoding_warning] if encoding_warning else []
        grid = _read_regular(text)
        if grid is None:
            grid = grid_of_text(path, text)
            warnings += _overlaps(grid)
    warnings += _beyond_the_ends(grid)
    return TextGrid(grid.xmin, grid.xmax, grid.tiers, tuple(warnings)) if warnings else grid


_NOT_IN_CP1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")


def decode(raw: bytes) -> tuple[str, str | None]:
    """Text of a file of unknown encoding with ``\\n`` line ends, and a warning if the encoding had to be guessed."""
    warning = None
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = raw.decode("utf-16", errors="replace")
    elif b"\0" in raw[:64]:
        text = raw.decode("utf-16-be" if raw[:1] == b"\0" else "utf-16-le", errors="replace")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            warning = "not UTF-8: read as Windows-1252 (Latin-1); check the labels and save the file as UTF-8"
            # cp1252 leaves five bytes undefined; Latin-1 defines them all.
            text = raw.decode("latin-1" if set(raw) & _NOT_IN_CP1252 else "cp1252")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, warning


_HEAD = re.compile(
    r'\s*File type = "ooTextFile"\s*Object class = "TextGrid"\s*xmin = (\S+)\s*xmax = (\S+)\s*'
    r"tiers\? <exists>\s*size = (\d+)\s*item \[\]:\s*"
)
_TIER = re.compile(
    r'item \[\d+\]:\s*class = "(IntervalTier|TextTier)"\s*name = "((?:[^"]|"")*)"\s*xmin = \S+\s*xmax = \S+\s*'
    r"(?:intervals|points): size = (\d+)\s*"
)
_INTERVAL = re.compile(
    r'intervals \[\d+\]:\s*xmin = ([-+.\deE]+)\s*xmax = ([-+.\deE]+)\s*text = "([^"\n]*(?:""[^"\n]*)*)"\s*?\n'
)
_POINT = re.compile(r'points \[\d+\]:\s*(?:number|time) = ([-+.\deE]+)\s*mark = "([^"\n]*(?:""[^"\n]*)*)"\s*?\n')
# As Interval(*entry) and Point(*entry), but without a Python call per entry: half of the reading time.
_new_interval = partial(tuple.__new__, Interval)
_new_point = partial(tuple.__new__, Point)


def _read_regular(text: str) -> TextGrid | None:
    """Fast path: the long form as Praat and the aligners write it; None as soon as anything is unusual."""
    head = _HEAD.match(text)
    if head is None:
        return None
    text = text.rstrip() + "\n"
    position = head.end()
    tiers = []
    try:
        for _ in range(int(head[3])):
            tier = _TIER.match(text, position)
            if tier is None:
                return None
            # A label that holds "item [" cuts the tier short: the count is wrong then, and the other reader takes over.
            following = text.find("item [", tier.end())
            end = following if following >= 0 else len(text)
            pattern = _INTERVAL if tier[1] == "IntervalTier" else _POINT
            entries = pattern.findall(text, tier.end(), end)
            # Lines are counted too: whatever the pattern skipped would be a line too many.
            lines = (4 if pattern is _INTERVAL else 3) * len(entries)
            if len(entries) != int(tier[3]) or text.count("\n", tier.end(), end) != lines:
                return None
            has_quotes = text.count('"', tier.end(), end) != 2 * len(entries)
            tiers.append(_regular_tier(tier[1], tier[2].replace('""', '"'), entries, has_quotes))
            position = end
        grid = TextGrid(float(head[1]), float(head[2]), tuple(tiers))
    except ValueError:
        return None
    return grid if position == len(text) and 0 <= grid.xmax - grid.xmin < math.inf else None


def _regular_tier(kind: str, name: str, entries: list[tuple[str, ...]], has_quotes: bool) -> Tier:
    """Turn the matches of one tier into a Tier; ValueError if a time is odd (the other reader then finds the line)."""
    if not entries:
        return Tier(name, kind="interval" if kind == "IntervalTier" else "point")
    *times, labels = zip(*entries, strict=True)
    if has_quotes:
        labels = [label.replace('""', '"') for label in labels]
    starts = list(map(float, times[0]))
    ends = list(map(float, times[-1]))
    # "not all <=" rather than "any >": a NaN must fail too.
    if not all(map(operator.le, starts, ends)) or not all(map(operator.le, ends, islice(starts, 1, None))):
        raise ValueError
    if not math.isfinite(ends[-1] - starts[0]):
        raise ValueError
    if kind == "TextTier":
        return Tier(name, points=tuple(map(_new_point, zip(starts, labels, strict=True))), kind="point")
    return Tier(name, tuple(map(_new_interval, zip(starts, ends, labels, strict=True))))


def _overlaps(grid: TextGrid) -> list[str]:
    """Tiers whose intervals overlap, which leaves the labels usable; the fast path passes such tiers on."""
    warnings = []
    for tier in grid.tiers:
        pairs = zip(tier.intervals, tier.intervals[1:], strict=False)
        overlaps = sum(before.end - after.start > TIME_TOLERANCE_SECONDS for before, after in pairs)
        if overlaps:
            warnings.append(f"tier {tier.name!r}: {overlaps} intervals overlap the next one")
    return warnings


def _beyond_the_ends(grid: TextGrid) -> list[str]:
    """Tiers that begin before or end after the TextGrid, which leaves the labels usable."""
    warnings = []
    for tier in grid.tiers:
        entries = tier.intervals or tier.points
        if not entries:
            continue
        first, last = entries[0][0], entries[-1][-2]
        if last > grid.xmax + TIME_TOLERANCE_SECONDS:
            warnings.append(f"tier {tier.name!r} reaches {last:g} s, beyond the end of the TextGrid ({grid.xmax:g} s)")
        if first < grid.xmin - TIME_TOLERANCE_SECONDS:
            warnings.append(f"tier {tier.name!r} begins at {first:g} s, before the TextGrid ({grid.xmin:g} s)")
    return warnings


def write_textgrid(
    path: str | Path, grid: TextGrid, *, short: bool = False, encoding: str = "utf-8", fill_gaps: bool = True
) -> None:
    """Write a TextGrid as text; times keep every digit, and the file appears whole or not at all.

    Parameters
    ----------
    path : path
        File to write; folders are made as needed.
    grid : TextGrid
        What to write.
    short : bool
        Praat's short form (values only) instead of the long one.
    encoding : str
        "utf-8", "utf-8-sig", "utf-16" (with byte-order mark), "latin-1" ...
    fill_gaps : bool
        Put empty intervals where a tier has none, as Praat needs for editing.

    Raises
    ------
    CorpusError
        If times are not finite or not in order, or the encoding cannot write a label.
    """
    path = Path(path)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]

    def put(level: int, name: str, value: str) -> None:
        lines.append(value if short else f"{'    ' * level}{name} = {value} ")

    def say(level: int, text: str) -> None:
        if not short:
            lines.append("    " * level + text)

    put(0, "xmin", _number(path, grid.xmin))
    put(0, "xmax", _number(path, grid.xmax))
    lines.append("<exists>" if short else "tiers? <exists> ")
    put(0, "size", str(len(grid.tiers)))
    say(0, "item []: ")
    for number, tier in enumerate(grid.tiers, 1):
        entries = tier.points if tier.kind == "point" else _in_order(path, tier, grid, fill_gaps)
        kind, what, time_names, text_name = _WORDS[tier.kind]
        say(1, f"item [{number}]:")
        put(2, "class", _quoted(kind))
        put(2, "name", _quoted(tier.name))
        put(2, "xmin", _number(path, grid.xmin))
        put(2, "xmax", _number(path, grid.xmax))
        put(2, f"{what}: size", str(len(entries)))
        for index, (*times, label) in enumerate(entries, 1):
            say(2, f"{what} [{index}]:")
            for name, time in zip(time_names, times, strict=True):
                put(3, name, _number(path, time))
            put(3, text_name, _quoted(label))
    text = "\n".join(lines) + "\n"
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError as error:
        bad = text[error.start : error.end]
        raise CorpusError(f"{path}: {encoding} cannot write {bad!r}; choose encoding='utf-8'") from error
    write_bytes(path, data)


# Kind of tier to its class, what its entries are called, and the names of their values.
_WORDS = {
    "interval": ("IntervalTier", "intervals", ("xmin", "xmax"), "text"),
    "point": ("TextTier", "points", ("number",), "mark"),
}


def _number(path: Path, value: float) -> str:
    if not math.isfinite(value):
        raise CorpusError(f"cannot write {path}: a time is {value}; expected a number of seconds")
    return repr(float(value))


def _quoted(label: str) -> str:
    return '"' + label.replace('"', '""') + '"'


def _in_order(path: Path, tier: Tier, grid: TextGrid, fill_gaps: bool) -> tuple[Interval, ...]:
    """Intervals checked for order and, if wanted, with empty ones in between."""
    reached = grid.xmin
    for start, end, label in tier.intervals:
        if end < start or start < reached - TIME_TOLERANCE_SECONDS:
            raise CorpusError(
                f"cannot write {path}: tier {tier.name!r} has the interval {start:g}–{end:g} s {label!r} "
                f"after {reached:g} s; intervals must be in order and must not overlap"
            )
        reached = end
    return without_gaps(tier.intervals, grid.xmin, grid.xmax) if fill_gaps else tier.intervals


def without_gaps(intervals: Sequence[Interval], start: float, end: float) -> tuple[Interval, ...]:
    """Intervals in order with empty ones in between, from a start to an end; all in s.

    Parameters
    ----------
    intervals
        In order, without overlap, all between `start` and `end`.
    start, end
        What the result covers, s.
    """
    filled = []
    for interval in (*intervals, Interval(end, end, "")):
        if interval.start > start:
            filled.append(Interval(start, interval.start, ""))
        filled.append(interval)
        start = interval.end
    return tuple(filled[:-1])
