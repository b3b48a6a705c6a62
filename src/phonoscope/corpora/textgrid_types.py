"""What a TextGrid holds: tiers of labelled intervals and points."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from phonoscope.errors import CorpusError

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
