"""Reading the query of a request: numbers within limits, names from short lists, and the filters of the table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phonoscope.errors import PhonoscopeError
from phonoscope.viewer.tokens import Wanted

_LONGEST = 300


class QueryError(PhonoscopeError):
    """A request that makes no sense."""


class UnknownNameError(QueryError):
    """A run, token, map or recording that the viewer does not hold."""


@dataclass(frozen=True)
class Query:
    """The values that a page sends with its request, by name."""

    values: Mapping[str, str]

    def text(self, name: str, default: str = "") -> str:
        """A short text."""
        value = self.values.get(name, default)
        if len(value) > _LONGEST:
            raise QueryError(f"{name} is longer than {_LONGEST} letters")
        return value

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of a few names, the first by default."""
        value = self.values.get(name, choices[0])
        if value not in choices:
            raise QueryError(f"{name} is {value[:40]!r}; choose one of {', '.join(choices)}")
        return value

    def optional_number(self, name: str) -> float | None:
        """A finite number, or None where nothing was given."""
        raw = self.values.get(name, "")
        if raw == "":
            return None
        try:
            value = float(raw)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise QueryError(f"{name} is {raw[:40]!r}; expected a number")
        return value

    def number(self, name: str, default: float | None, low: float, high: float) -> float:
        """A number between two limits; there must be one where ``default`` is None."""
        value = self.optional_number(name)
        value = default if value is None else value
        if value is None or not low <= value <= high:
            given = self.values.get(name, "missing")
            raise QueryError(f"{name} is {given:.40}; expected a number from {low:g} to {high:g}")
        return value

    def whole(self, name: str, default: int = 0) -> int:
        """A whole number, 0 or more."""
        return round(self.number(name, default, 0, 2**31))

    def limits(self, name: str) -> tuple[float | None, float | None]:
        """Lowest and highest value of a column of the table."""
        return self.optional_number(f"min_{name}"), self.optional_number(f"max_{name}")

    def wanted(self) -> Wanted:
        """The filters and the order of the table."""
        texts = {name: self.text(name) for name in ("predicted", "speaker", "outcome", "find", "order")}
        return Wanted(
            class_=self.text("class"), confidence=self.limits("confidence"), share=self.limits("share"), **texts
        )
