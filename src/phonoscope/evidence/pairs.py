"""Pairs of cues that can stand for the same class, at graded distances from each other in Hz or in ms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from phonoscope.evidence.cues import ABSENT, SOFTER_DB, Cue, click, formant, hum, noise, pitch, stretch

SAMPLE_RATE = 16000
MAX_HZ = 5000.0
ENDS_SECONDS = 0.24  # of every token whose cues lie in time
_NARROW_BAND = {"window_seconds": 0.025}
_IN_TIME: dict[str, Any] = {"time": "fixed", "seconds": 0.256}
_STEADY = {"seconds": (ENDS_SECONDS, ENDS_SECONDS + 1e-4)}


@dataclass(frozen=True)
class Pair:
    """Two cues, of which either tells the classes apart.

    Attributes
    ----------
    name
        Both cues: ``f2 + noise``. Pairs of several distances share it.
    distance
        From the middle of the one to the middle of the other, where they come closest: Hz, or ms.
    cues
        The first and the second.
    carriers
        Arguments of `draw_carriers`: what the cues will occupy is kept clear.
    front_end
        Settings of the spectrogram that shows both.
    """

    name: str
    distance: float
    cues: tuple[Cue, Cue]
    carriers: Mapping[str, Any] = field(default_factory=dict)
    front_end: Mapping[str, Any] = field(default_factory=dict)

    @property
    def in_time(self) -> bool:
        """Whether the cues lie apart in time rather than in frequency."""
        return self.cues[0].in_time

    @property
    def key(self) -> str:
        """Name and distance: ``f2 + noise, 500 Hz``."""
        return f"{self.name}, {self.distance:g} {'ms' if self.in_time else 'Hz'}"


def _hum_and_f1(distance: float) -> Pair:
    low = 100.0 + distance
    cues = hum(), formant("f1", (low, low + 300.0), half_hz=120.0)
    clear = {"damped": ("f1",), "ranges_hz": {"f2": (low + 700.0, low + 1000.0)}}
    return Pair("hum + f1", distance, cues, clear, _NARROW_BAND)


def _f1_and_f2(distance: float) -> Pair:
    low = 600.0 + distance
    cues = formant("f1", (350.0, 600.0), half_hz=120.0), formant("f2", (low, low + 350.0))
    clear = {"damped": ("f1", "f2"), "ranges_hz": {"f3": (low + 900.0, low + 1100.0)}}
    return Pair("f1 + f2", distance, cues, clear)


def _f2_and_f3(distance: float) -> Pair:
    low = 1600.0 + distance
    cues = formant("f2", (1250.0, 1600.0)), formant("f3", (low + 400.0, low))
    clear = {"damped": ("f2", "f3"), "ranges_hz": {"f4": (low + 900.0, low + 1100.0)}}
    return Pair("f2 + f3", distance, cues, clear)


def _f2_and_noise(distance: float) -> Pair:
    cues = formant("f2", (1250.0, 1750.0)), noise((ABSENT, 1750.0 + distance))
    clear = {"damped": ("f2",), "ranges_hz": {"f1": (300.0, 560.0), "f3": (2850.0, 3200.0)}}
    return Pair("f2 + noise", distance, cues, clear)


def _two_noises(distance: float) -> Pair:
    """One in each class, so that neither class is the louder one."""
    cues = noise((ABSENT, 2000.0), half_hz=80.0), noise((2000.0 + distance, ABSENT), half_hz=80.0)
    return Pair("noise + noise", distance, cues, {"ranges_hz": {"f2": (1050.0, 1500.0)}})


def _f0_and_noise(distance: float) -> Pair:
    return Pair("f0 + noise", distance, (pitch(), noise((500.0 + distance, ABSENT))), front_end=_NARROW_BAND)


def _apart_in_time(name: str, distance: float, first: Cue, second: Cue) -> Pair:
    return Pair(name, distance, (first, second), _STEADY, _IN_TIME)


def _onset_and_click(distance: float) -> Pair:
    first = stretch("onset", (ABSENT, 0.0125))
    return _apart_in_time("onset + click", distance, first, click((ABSENT, 0.0125 + distance / 1000)))


def _onset_and_level(distance: float) -> Pair:
    second = stretch("level", (0.0125 + distance / 1000, ABSENT), SOFTER_DB)
    return _apart_in_time("onset + level", distance, stretch("onset", (ABSENT, 0.0125)), second)


def _gap_and_level(distance: float) -> Pair:
    second = stretch("level", (ABSENT, 0.06 + distance / 1000), SOFTER_DB)
    return _apart_in_time("gap + level", distance, stretch("gap", (ABSENT, 0.06)), second)


def _gap_and_click(distance: float) -> Pair:
    second = click((0.06 + distance / 1000, ABSENT))
    return _apart_in_time("gap + click", distance, stretch("gap", (ABSENT, 0.06)), second)


def _level_and_duration(distance: float) -> Pair:
    end = ENDS_SECONDS - 0.0125
    first = stretch("level", (ABSENT, end - distance / 1000), SOFTER_DB)
    return _apart_in_time("level + duration", distance, first, stretch("duration", (ABSENT, end)))


def _click_and_duration(distance: float) -> Pair:
    end = ENDS_SECONDS - 0.0125
    first = click((end - distance / 1000, ABSENT))
    return _apart_in_time("click + duration", distance, first, stretch("duration", (ABSENT, end)))


# Makers of pairs with the distances at which each comes, Hz or ms; the middle one is a goal of the benchmark.
_DISTANCES = (
    (_hum_and_f1, (300.0, 500.0, 1000.0)),
    (_f1_and_f2, (300.0, 500.0, 1000.0)),
    (_f2_and_f3, (300.0, 500.0, 1000.0)),
    (_f2_and_noise, (250.0, 500.0, 2500.0)),
    (_two_noises, (200.0, 500.0, 2500.0)),
    (_f0_and_noise, (1000.0, 2000.0, 3500.0)),
    (_onset_and_click, (20.0, 40.0, 150.0)),
    (_onset_and_level, (30.0, 40.0, 100.0)),
    (_gap_and_level, (30.0, 40.0, 100.0)),
    (_gap_and_click, (20.0, 40.0, 150.0)),
    (_level_and_duration, (30.0, 40.0, 100.0)),
    (_click_and_duration, (20.0, 40.0, 200.0)),
)
PAIRS: dict[str, Pair] = {
    pair.key: pair for make, distances in _DISTANCES for pair in (make(distance) for distance in distances)
}
