"""What all benchmarks share: bars, measurements, rounds in turn, and the table that is printed."""

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


class LackingError(Exception):
    """A benchmark cannot run here; the message says what it lacks."""


def require(module: str, extra: str, package: str | None = None) -> None:
    """Raise LackingError unless a module can be imported; an extra brings it, maybe in a package of another name."""
    if find_spec(module) is None:
        raise LackingError(f"{package or module} is not installed (extra {extra})")


@dataclass(frozen=True)
class Bar:
    """Limit of a ratio: as a rule peer / ours, so that more is better. Without a peer, the limit of a plain number.

    An `absolute` one has a number in the place of the peer: such ratios move with the load of the machine.
    """

    limit: float
    at_least: bool = True
    peer: str = "the peer"
    absolute: bool = False

    def met_by(self, ratio: float) -> bool:
        """Whether a ratio is on the right side of the limit."""
        return ratio >= self.limit if self.at_least else ratio <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}" + (f" × {self.peer}" if self.peer else "")


@dataclass(frozen=True)
class Measurement:
    """One line of the table: what was measured, our figure and the peer's, and the ratio of every round."""

    what: str
    ours: float
    peer: float
    unit: str
    ratios: tuple[float, ...]
    note: str = ""
    curve: tuple[tuple[float, float], ...] = ()  # of growth: size and median

    @property
    def ratio(self) -> float:
        """Median over the rounds."""
        return float(np.median(self.ratios))


Measure = Callable[[int], Iterator[Measurement]]


def alternately(
    rounds: int,
    *functions: Callable[[], object],
    repeats: int = 1,
    clock: Callable[[], float] = time.process_time,
) -> np.ndarray:
    """CPU seconds of one call, array (round, function).

    All functions are called in every round, the other way round in every second one, so that they meet the same load
    of the machine. One call of each is not counted.

    Parameters
    ----------
    repeats
        Calls of each function in a round.
    clock
        Seconds; another one than the processor's where something else works beside it.
    """
    for function in functions:
        function()
    spent = np.empty((rounds, len(functions)))
    for row in range(rounds):
        gc.collect()
        for column in list(range(len(functions)))[:: -1 if row % 2 else 1]:
            begin = clock()
            for _ in range(repeats):
                functions[column]()
            spent[row, column] = (clock() - begin) / repeats
    return spent


_PER_SECOND = {"s": 1.0, "ms": 1e3, "µs": 1e6}


def compared(
    what: str,
    ours: np.ndarray,
    peer: np.ndarray,
    *,
    per: float = 1.0,
    unit: str = "ms",
    cost: bool = False,
    note: str = "",
) -> Measurement:
    """How many times faster than the peer, or how much more it costs.

    Parameters
    ----------
    what
        As in BARS.
    ours, peer
        Seconds of the rounds, array (round,).
    per
        Times are of a `per`-th.
    unit
        Of the figures: s, ms or µs, and a slash and of what.
    cost
        Whether the ratio is ours / peer.
    note
        Stands behind the line.
    """
    scale = _PER_SECOND[unit.partition("/")[0]] / per
    ratios = tuple((ours / peer if cost else peer / ours).tolist())
    return Measurement(what, float(np.median(ours)) * scale, float(np.median(peer)) * scale, unit, ratios, note)


def figures(value: float) -> str:
    """Three significant figures, without an exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def line(found: Measurement, bar: Bar) -> str:
    """One line of the table."""
    spread = f"{figures(found.ratio)} ({figures(min(found.ratios))}–{figures(max(found.ratios))})"
    verdict = "met" if bar.met_by(found.ratio) else "MISSED"
    numbers = f"{figures(found.ours):>8} {figures(found.peer):>8} {found.unit:<9}"
    return f"{found.what:<44} {numbers} {spread:<22} {bar!s:<34} {verdict:<6} {found.note}".rstrip()


HEAD = f"{'what':<44} {'ours':>8} {'peer':>8} {'unit':<9} {'ratio (least–most)':<22} {'bar':<34} met"


def show(bars: dict[str, Bar], found: Iterable[Measurement]) -> None:
    """Print the table's lines as the measurements come."""
    for measurement in found:
        print(line(measurement, bars[measurement.what]), flush=True)


def alone(bars: dict[str, Bar], measure: Measure, rounds: int = 5) -> None:
    """Run one benchmark by itself: the number of rounds may follow on the command line."""
    print(HEAD)
    try:
        show(bars, measure(int(sys.argv[1]) if len(sys.argv) > 1 else rounds))
    except LackingError as reason:
        print(f"skipped: {reason}")
