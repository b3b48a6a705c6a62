"""Reading what a page asks for: numbers within limits, names from short lists, and the filters of the table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from phonoscope.errors import PhonoscopeError
from phonoscope.viewer.tokens import Wanted

_LONGEST = 300


class AskedError(PhonoscopeError):
    """A request that makes no sense."""


def text(asked: Mapping[str, str], name: str, default: str = "") -> str:
    """A short text."""
    value = asked.get(name, default)
    if len(value) > _LONGEST:
        raise AskedError(f"{name} is longer than {_LONGEST} letters")
    return value


def choice(asked: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """One of a few names, the first by default."""
    value = asked.get(name, choices[0])
    if value not in choices:
        raise AskedError(f"{name} is {value[:40]!r}; choose one of {', '.join(choices)}")
    return value


def optional_number(asked: Mapping[str, str], name: str) -> float | None:
    """A finite number, or None where nothing was given."""
    raw = asked.get(name, "")
    if raw == "":
        return None
    try:
        value = float(raw)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AskedError(f"{name} is {raw[:40]!r}; expected a number")
    return value


def number(asked: Mapping[str, str], name: str, default: float | None, low: float, high: float) -> float:
    """A number between two limits; there must be one where `default` is None."""
    value = optional_number(asked, name)
    value = default if value is None else value
    if value is None or not low <= value <= high:
        raise AskedError(f"{name} is {asked.get(name, 'missing')!s:.40}; expected a number from {low:g} to {high:g}")
    return value


def whole(asked: Mapping[str, str], name: str, default: int = 0) -> int:
    """A whole number, 0 or more."""
    return round(number(asked, name, default, 0, 2**31))


def wanted(asked: Mapping[str, str]) -> Wanted:
    """The filters and the order of the table."""
    return Wanted(
        class_=text(asked, "class"),
        predicted=text(asked, "predicted"),
        speaker=text(asked, "speaker"),
        outcome=text(asked, "outcome"),
        confidence=(optional_number(asked, "min_confidence"), optional_number(asked, "max_confidence")),
        share=(optional_number(asked, "min_share"), optional_number(asked, "max_share")),
        find=text(asked, "find"),
        order=text(asked, "order"),
    )
