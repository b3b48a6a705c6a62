"""The values of a TextGrid one after the other, from text or from Praat's binary form, and the grid they make.

All forms hold the same values in the same order (the chronological one apart), so that one function reads them all.
Nothing is read ahead or set aside for a count: a count that is too high ends at the end of the file.
"""

import math
import re
import struct
from pathlib import Path
from typing import NoReturn

from phonoscope.corpora.textgrid_types import Interval, Point, TextGrid, Tier
from phonoscope.errors import CorpusError

BINARY_HEADER = b"ooBinaryFile"
# No file holds more of anything.
_LARGEST_COUNT = 2**31

_TOKEN = re.compile(
    r'(?P<string>"(?:[^"]|"")*")'
    r"|(?P<open>\")"
    r"|(?P<flag><[^<>\n]*>)"
    r"|(?P<comment>(?<!\S)!.*)"
    r"|(?P<comma>(?:(?<=[\s=])|^)[-+]?\d+,\d+(?!\S))"
    r"|(?P<number>(?:(?<=[\s=])|^)[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?!\S))",
    re.MULTILINE,
)


class _TextValues:
    """Values of a text in order: as Praat does, it sees only free-standing numbers, quoted strings and <flags>.

    Each method takes the next value; `what` it should be is for messages. `position` is that of the last value.
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.position, self._text = path, 0, text
        self._tokens = (match for match in _TOKEN.finditer(text) if match.lastgroup != "comment")
        self._next = next(self._tokens, None)

    def fail(self, problem: str) -> NoReturn:
        raise CorpusError(f"{self.path}, line {self._text.count(chr(10), 0, self.position) + 1}: {problem}")

    def _take(self, kind: str, what: str) -> str:
        match = self._next
        if match is None:
            self.position = len(self._text)
            self.fail(f"the file ends where {what} should follow; it was cut short, or a count is too high")
        self.position = match.start()
        if match.lastgroup == "comma":
            self.fail(f"{match[0][:40]} has a decimal comma; save the TextGrid with decimal points")
        if match.lastgroup == "open":
            self.fail('a label is opened by " and never closed')
        if match.lastgroup != kind:
            self.fail(f"expected {what}, found {match[0][:40]}; a count or an entry is wrong")
        self._next = next(self._tokens, None)
        return match[0]

    def number(self, what: str) -> float:
        written = self._take("number", what)
        value = float(written)
        if not math.isfinite(value):
            self.fail(f"{what} is {written[:40]}; expected a finite number")
        return value

    def count(self, what: str) -> int:
        value = self.number(what)
        if not 0 <= value < _LARGEST_COUNT or value != int(value):
            self.fail(f"{what} must be a whole number; found {value:g}")
        return int(value)

    def string(self, what: str) -> str:
        return self._take("string", what)[1:-1].replace('""', '"')

    class_name = string

    def flag(self, what: str) -> bool:
        return self._take("flag", what) == "<exists>"

    def rest(self) -> str:
        if self._next is None:
            return ""
        self.position = self._next.start()
        return self._next[0][:40]


class _BinaryValues:
    """The same of Praat's binary form: big-endian numbers, strings with their length before them."""

    def __init__(self, path: Path, raw: bytes) -> None:
        self.path, self.position, self._raw, self._next = path, 0, raw, len(BINARY_HEADER)

    def fail(self, problem: str) -> NoReturn:
        raise CorpusError(f"{self.path}, byte {self.position + 1}: {problem}")

    def _take(self, size: int, what: str) -> bytes:
        self.position, end = self._next, self._next + size
        if end > len(self._raw):
            self.fail(f"the file ends within {what}; it was cut short, or a count is too high")
        self._next = end
        return self._raw[self.position : end]

    def number(self, what: str) -> float:
        (value,) = struct.unpack(">d", self._take(8, what))
        if not math.isfinite(value):
            self.fail(f"{what} is {value}; expected a finite number")
        return value

    def count(self, what: str) -> int:
        value = int.from_bytes(self._take(4, what), "big", signed=True)
        room = len(self._raw) - self._next
        if not 0 <= value <= room:
            self.fail(f"{what} is {value}, but only {room} bytes of the file remain")
        return value

    def string(self, what: str) -> str:
        start = self._next
        length = int.from_bytes(self._take(2, what), "big")
        if length == 0xFFFF:  # not ASCII: UTF-16 after its own length, which counts a pair of surrogates once
            length = int.from_bytes(self._take(2, what), "big")
            end = self._next
            for _ in range(length):
                end += 4 if b"\xd8" <= self._raw[end : end + 1] <= b"\xdb" else 2
            text = self._take(end - self._next, what).decode("utf-16-be", "replace")
        else:
            text = self._take(length, what).decode("latin-1")
        self.position = start
        return text

    def class_name(self, what: str) -> str:
        start = self._next
        text = self._take(self._take(1, what)[0], what).decode("latin-1")
        self.position = start
        return text

    def flag(self, what: str) -> bool:
        return self._take(1, what) != b"\0"

    def rest(self) -> str:
        self.position = self._next
        return "more" if self._next < len(self._raw) else ""


_Values = _TextValues | _BinaryValues


def grid_of_text(path: Path, text: str) -> TextGrid:
    """Read a TextGrid from text in the long, the short or the chronological form."""
    values = _TextValues(path, text)
    if not text.strip():
        values.fail("the file is empty; expected a TextGrid")
    if re.match(r'\s*"Praat chronological TextGrid', text):
        values.string("the file type")
        return _chronological_grid(values)
    if not re.match(r'[\s\S]{0,80}?"ooTextFile', text):
        values.fail('not a TextGrid: the first line should be File type = "ooTextFile"')
    values.string("the file type")
    return _grid(values)


def grid_of_bytes(path: Path, raw: bytes) -> TextGrid:
    """Read a TextGrid in Praat's binary form."""
    return _grid(_BinaryValues(path, raw))


def _grid(values: _Values) -> TextGrid:
    """Tier after tier, from the name of the object's class on."""
    object_class = values.class_name("the object class")
    if object_class.split()[0:1] != ["TextGrid"]:
        values.fail(f'not a TextGrid but a Praat object of class "{object_class[:40]}"')
    xmin, xmax = _domain(values)
    has_tiers = values.flag("<exists> (whether there are tiers)")
    tiers = []
    for _ in range(values.count("the number of tiers") if has_tiers else 0):
        tier = _OpenTier(values)
        size = values.count(f"the number of entries of tier {tier.name!r}")
        for _ in range(size):
            tier.take_entry(f" of {size}")
        tiers.append(tier.closed())
    if rest := values.rest():
        values.fail(f"{rest} follows after the last tier; a count is too low")
    return TextGrid(xmin, xmax, tuple(tiers))


def _chronological_grid(values: _Values) -> TextGrid:
    """All tiers' heads, then their entries in order of time, each after the number of its tier."""
    xmin, xmax = _domain(values)
    tiers = [_OpenTier(values) for _ in range(values.count("the number of tiers"))]
    while values.rest():
        number = values.count("the number of an entry's tier")
        if not 1 <= number <= len(tiers):
            values.fail(f"an entry belongs to tier {number}; there are {len(tiers)}")
        tiers[number - 1].take_entry()
    return TextGrid(xmin, xmax, tuple(tier.closed() for tier in tiers))


def _domain(values: _Values) -> tuple[float, float]:
    xmin = values.number("the start of the TextGrid (xmin)")
    xmax = values.number("the end of the TextGrid (xmax)")
    if xmax < xmin:
        values.fail(f"the TextGrid ends ({xmax:g} s) before it begins ({xmin:g} s)")
    return xmin, xmax


class _OpenTier:
    """A tier whose entries are being read; its head is read when it is made."""

    def __init__(self, values: _Values) -> None:
        kind = values.class_name('the class of a tier ("IntervalTier" or "TextTier")')
        if kind not in ("IntervalTier", "TextTier"):
            values.fail(f'expected a tier ("IntervalTier" or "TextTier"), found "{kind[:40]}"; a count is wrong')
        self.values, self.is_points = values, kind == "TextTier"
        self.name = values.string("the name of a tier")
        values.number("the start of a tier")
        values.number("the end of a tier")
        self.intervals: list[Interval] = []
        self.points: list[Point] = []
        self.reached = -math.inf

    def take_entry(self, of_how_many: str = "") -> None:
        """Read the next entry and check the order of its times."""
        values, index = self.values, len(self.points) + len(self.intervals) + 1
        start = values.number(f"the time of entry {index}{of_how_many} of tier {self.name!r}")
        if start < self.reached:
            values.fail(f"time runs backwards in tier {self.name!r}: {start:g} s after {self.reached:g} s")
        self.reached = start
        if self.is_points:
            self.points.append(Point(start, values.string(f"the label of point {index} of tier {self.name!r}")))
            return
        end = values.number(f"the end of interval {index}{of_how_many} of tier {self.name!r}")
        if end < start:
            values.fail(f"interval {index} of tier {self.name!r} ends ({end:g} s) before it begins ({start:g} s)")
        label = values.string(f"the label of interval {index} of tier {self.name!r}")
        self.intervals.append(Interval(start, end, label))

    def closed(self) -> Tier:
        """Return the tier as it was read."""
        kind = "point" if self.is_points else "interval"
        return Tier(self.name, tuple(self.intervals), tuple(self.points), kind)
