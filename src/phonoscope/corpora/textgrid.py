"""Praat TextGrids: the data types, the reader for every text form and encoding, and the writer.

The regular long form has a fast path; all else, and every fault, goes to the tolerant reader, which names the line.
"""

import bisect
import math
import operator
import re
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

from phonoscope.errors import CorpusError, MissingExtraError
from phonoscope.files import write_bytes

# Boundaries that differ by less are the same: aligners round to 0.1 ms or worse when they write.
TIME_TOLERANCE_SECONDS = 1e-4


class Interval(NamedTuple):
    """A labelled stretch of time, in s."""

    start: float
    end: float
    label: str


class Point(NamedTuple):
    """A labelled moment, in s."""

    time: float
    label: str


@dataclass(frozen=True)
class Tier:
    """A tier of a TextGrid: `intervals` in order of time, or (``kind == "point"``) `points`."""

    name: str
    intervals: tuple[Interval, ...] = ()
    points: tuple[Point, ...] = ()
    kind: Literal["interval", "point"] = "interval"


@dataclass(frozen=True)
class TextGrid:
    """The tiers of one recording; times in s. `warnings` tells what the reader tolerated."""

    xmin: float
    xmax: float
    tiers: tuple[Tier, ...]
    warnings: tuple[str, ...] = ()

    @property
    def tier_names(self) -> list[str]:
        """Names of the tiers in order; a name may occur twice."""
        return [tier.name for tier in self.tiers]

    def tier(self, name: str) -> Tier:
        """First tier called `name`; CorpusError, with the names there are, if there is none."""
        for tier in self.tiers:
            if tier.name == name:
                return tier
        raise CorpusError(f"tier {name!r} not found; the TextGrid has: {', '.join(self.tier_names) or 'no tiers'}")


def read_textgrid(path: str | Path) -> TextGrid:
    """Read a TextGrid: long or short text in any encoding; binary and chronological ones with the `praat` extra.

    Encodings are told apart by their byte-order mark, then tried as UTF-8 and at last taken as Windows-1252 (Latin-1)
    with a warning. Overlaps and intervals beyond the end of the grid are kept with a warning.

    Raises
    ------
    CorpusError
        With file and line, if the file is missing, is no TextGrid, has decimal commas, other counts than its headers
        say, or times that run backwards.
    MissingExtraError
        If a binary or chronological TextGrid is met and parselmouth is not installed.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: the TextGrid cannot be read ({error.strerror or error})") from error
    if raw.startswith(b"ooBinaryFile"):
        return _read_with_praat(path)
    text, encoding_warning = decode(raw)
    if "chronological TextGrid" in text[:200]:
        return _read_with_praat(path)
    grid = _read_regular(text)
    warnings = [encoding_warning] if encoding_warning else []
    if grid is None:
        grid = _Scanner(path, text).grid()
        warnings += _overlaps(grid)
    warnings += _beyond_the_ends(grid)
    return TextGrid(grid.xmin, grid.xmax, grid.tiers, tuple(warnings)) if warnings else grid


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
            # cp1252 leaves five bytes undefined; Latin-1 defines them all.
            try:
                text = raw.decode("cp1252")
            except UnicodeDecodeError:
                text = raw.decode("latin-1")
            warning = "not UTF-8: read as Windows-1252 (Latin-1); check the labels and save the file as UTF-8"
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
    return grid if position == len(text) and math.isfinite(grid.xmax - grid.xmin) else None


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


_TOKEN = re.compile(
    r'(?P<string>"(?:[^"]|"")*")'
    r"|(?P<open>\")"
    r"|(?P<flag><[^>\n]*>)"
    r"|(?P<comment>(?<!\S)!.*)"
    r"|(?P<comma>(?:(?<=[\s=])|^)[-+]?\d+,\d+(?!\S))"
    r"|(?P<number>(?:(?<=[\s=])|^)[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?!\S))",
    re.MULTILINE,
)


class _Scanner:
    """Tolerant reader: as Praat does, it sees only free-standing numbers, quoted strings and <flags>."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text = path, text
        self.tokens = [(match.lastgroup, match) for match in _TOKEN.finditer(text) if match.lastgroup != "comment"]
        self.line_starts = [0] + [match.end() for match in re.finditer("\n", text)]
        self.next = 0

    def fail(self, problem: str, position: int) -> NoReturn:
        raise CorpusError(f"{self.path}, line {bisect.bisect_right(self.line_starts, position)}: {problem}")

    def take(self, kind: str, what: str) -> re.Match[str]:
        if self.next >= len(self.tokens):
            self.fail(
                f"the file ends where {what} should follow; it was cut short, or a count is too high", len(self.text)
            )
        found, match = self.tokens[self.next]
        if found == "comma":
            self.fail(f"{match[0]} has a decimal comma; save the TextGrid with decimal points", match.start())
        if found == "open":
            self.fail('a label is opened by " and never closed', match.start())
        if found != kind:
            self.fail(f"expected {what}, found {match[0][:40]}; a count or an entry is wrong", match.start())
        self.next += 1
        return match

    def number(self, what: str) -> tuple[float, int]:
        match = self.take("number", what)
        return float(match[0]), match.start()

    def count(self, what: str) -> int:
        value, position = self.number(what)
        if value != int(value) or value < 0:
            self.fail(f"{what} must be a whole number; found {value:g}", position)
        return int(value)

    def string(self, what: str) -> tuple[str, int]:
        match = self.take("string", what)
        return match[0][1:-1].replace('""', '"'), match.start()

    def grid(self) -> TextGrid:
        if not self.text.strip():
            self.fail("the file is empty; expected a TextGrid", 0)
        if not re.match(r'[\s\S]{0,80}?"ooTextFile', self.text):
            self.fail('not a TextGrid: the first line should be File type = "ooTextFile"', 0)
        self.string("the file type")
        object_class, position = self.string("the object class")
        if object_class.split()[0:1] != ["TextGrid"]:
            self.fail(f'not a TextGrid but a Praat object of class "{object_class}"', position)
        xmin, _ = self.number("the start of the TextGrid (xmin)")
        xmax, position = self.number("the end of the TextGrid (xmax)")
        if xmax < xmin:
            self.fail(f"the TextGrid ends ({xmax:g} s) before it begins ({xmin:g} s)", position)
        flag = self.take("flag", "<exists> (whether there are tiers)")
        tiers = tuple(self.tier() for _ in range(self.count("the number of tiers"))) if flag[0] == "<exists>" else ()
        if self.next < len(self.tokens):
            _, match = self.tokens[self.next]
            self.fail(f"{match[0][:40]} follows after the last tier; a count is too low", match.start())
        return TextGrid(xmin, xmax, tiers)

    def tier(self) -> Tier:
        kind, position = self.string('the class of a tier ("IntervalTier" or "TextTier")')
        if kind not in ("IntervalTier", "TextTier"):
            self.fail(
                f'expected a tier ("IntervalTier" or "TextTier"), found "{kind[:40]}"; a count is wrong', position
            )
        name, _ = self.string("the name of a tier")
        self.number("the start of a tier")
        self.number("the end of a tier")
        size = self.count(f"the number of entries of tier {name!r}")
        intervals, points, previous = [], [], -math.inf
        for index in range(1, size + 1):
            start, position = self.number(f"the time of entry {index} of {size} of tier {name!r}")
            if start < previous:
                self.fail(f"time runs backwards in tier {name!r}: {start:g} s after {previous:g} s", position)
            previous = start
            if kind == "TextTier":
                points.append(Point(start, self.string(f"the label of point {index} of tier {name!r}")[0]))
                continue
            end, position = self.number(f"the end of interval {index} of {size} of tier {name!r}")
            if end < start:
                self.fail(
                    f"interval {index} of tier {name!r} ends ({end:g} s) before it begins ({start:g} s)", position
                )
            intervals.append(Interval(start, end, self.string(f"the label of interval {index} of tier {name!r}")[0]))
        return Tier(name, tuple(intervals), tuple(points), "point" if kind == "TextTier" else "interval")


def _overlaps(grid: TextGrid) -> list[str]:
    """Tiers whose intervals overlap, which leaves the labels usable; the fast path passes such tiers on."""
    warnings = []
    for tier in grid.tiers:
        pairs = zip(tier.intervals, tier.intervals[1:], strict=False)
        overlaps = sum(one.end - following.start > TIME_TOLERANCE_SECONDS for one, following in pairs)
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


def _read_with_praat(path: Path) -> TextGrid:
    """Binary and chronological TextGrids: Praat itself (parselmouth) rewrites them as text."""
    import tempfile

    try:
        import parselmouth  # ty: ignore[import-not-found]
    except ImportError as error:
        raise MissingExtraError("parselmouth (for binary and chronological TextGrids)", "praat") from error
    try:
        data = parselmouth.Data.read(str(path))
    except parselmouth.PraatError as error:
        raise CorpusError(f"{path}: Praat cannot read this file ({str(error).splitlines()[0]})") from error
    if data.class_name != "TextGrid":
        raise CorpusError(f"{path}: not a TextGrid but a Praat object of class {data.class_name}")
    with tempfile.TemporaryDirectory() as folder:
        as_text = Path(folder) / "grid.TextGrid"
        data.save(str(as_text))
        return read_textgrid(as_text)


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
        say(1, f"item [{number}]:")
        put(2, "class", '"TextTier"' if tier.kind == "point" else '"IntervalTier"')
        put(2, "name", _quoted(tier.name))
        put(2, "xmin", _number(path, grid.xmin))
        put(2, "xmax", _number(path, grid.xmax))
        what = "points" if tier.kind == "point" else "intervals"
        lines.append(str(len(entries)) if short else f"        {what}: size = {len(entries)} ")
        time_names = ("number",) if tier.kind == "point" else ("xmin", "xmax")
        for index, (*times, label) in enumerate(entries, 1):
            say(2, f"{what} [{index}]:")
            for name, time in zip(time_names, times, strict=True):
                put(3, name, _number(path, time))
            put(3, "mark" if tier.kind == "point" else "text", _quoted(label))
    text = "\n".join(lines) + "\n"
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError as error:
        bad = text[error.start : error.end]
        raise CorpusError(f"{path}: {encoding} cannot write {bad!r}; choose encoding='utf-8'") from error
    write_bytes(path, data)


def _number(path: Path, value: float) -> str:
    if not math.isfinite(value):
        raise CorpusError(f"cannot write {path}: a time is {value}; expected a number of seconds")
    return repr(float(value))


def _quoted(label: str) -> str:
    return '"' + label.replace('"', '""') + '"'


def _in_order(path: Path, tier: Tier, grid: TextGrid, fill_gaps: bool) -> list[Interval]:
    """Intervals checked for order and, if wanted, with empty ones in between."""
    intervals: list[Interval] = []
    reached = grid.xmin
    for start, end, label in tier.intervals:
        if end < start or start < reached - TIME_TOLERANCE_SECONDS:
            raise CorpusError(
                f"cannot write {path}: tier {tier.name!r} has the interval {start:g}–{end:g} s {label!r} "
                f"after {reached:g} s; intervals must be in order and must not overlap"
            )
        if fill_gaps and start > reached:
            intervals.append(Interval(reached, start, ""))
        intervals.append(Interval(start, end, label))
        reached = end
    if fill_gaps and reached < grid.xmax:
        intervals.append(Interval(reached, grid.xmax, ""))
    return intervals
