"""What a measure of maps is: a function of one method's maps, and what must be known to read its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import AttributionError
from phonoscope.evidence.case import Case
from phonoscope.judgement.bootstrap import PerToken

Clusters = pd.DataFrame | PerToken | None
Result = TypeVar("Result")


class NotMeasuredError(AttributionError):
    """A measure has no value for these maps; the message says why, and stands in the table as its note."""


class TokenValues(NamedTuple):
    """What a measure says of each token; the evidence pools it, with intervals and a verdict.

    Attributes
    ----------
    value
        One a token; tokens whose value is not finite are left out and counted.
    chance
        What a map that says nothing would get: one a token, or one for all; None where there is no chance level.
    over
        Divisors of the values: the measure is then the sum of the values over the sum of these, not their mean.
    rows
        Positions of the tokens in the case, where they are not all.
    verdict, note
        Verdict of a measure that has a rule of its own (``Measure.by_chance``), and what led to it.
    """

    value: np.ndarray | pd.Series
    chance: np.ndarray | pd.Series | float | None = None
    over: np.ndarray | pd.Series | None = None
    rows: np.ndarray | None = None
    verdict: str = ""
    note: str = ""


class PooledValue(NamedTuple):
    """What a measure says of all tokens together; NaN with a note where it has no value."""

    value: float
    note: str = ""


@dataclass(frozen=True)
class Effort:
    """How much is drawn and made by the measures that draw at random.

    Parameters
    ----------
    sanity_tokens
        Tokens, evenly picked, for measures that make maps again and again: sensitivity and randomisation.
    steps
        Steps of the curves of deletion and insertion.
    draws
        Maps by chance for deletion, insertion and masks.
    changes, disturbances, networks
        Random changes of each token for infidelity; for sensitivity; networks with random weights.
    chance
        ``moved``: the map's own values shifted to random places; ``shuffled``: in random order.
    """

    sanity_tokens: int = 16
    steps: int = 10
    draws: int = 1
    changes: int = 32
    disturbances: int = 6
    networks: int = 5
    chance: str = "moved"


DEFAULT_EFFORT = Effort()


@dataclass(frozen=True)
class Trial:
    """One method's maps of some tokens: what a measure is given.

    Parameters
    ----------
    case
        The classifier, the tokens with their targets and classes, the reference speech and the seed.
    method
        As `explain` takes it.
    maps
        Signed maps by the method, dims (token, frequency, time), of the tokens of the case.
    causal, filled
        The two methods that filter the sound, which others are compared with, or their maps of the same tokens: one
        leaves nothing in the place of what it takes away, the other what is usual there.
    other
        Maps by the method and another training of the network; None where there is none.
    effort
        How much is drawn at random.
    """

    case: Case
    method: str
    maps: xr.DataArray
    causal: str | xr.DataArray
    filled: str | xr.DataArray
    other: xr.DataArray | None = None
    effort: Effort = DEFAULT_EFFORT
    results: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def shared(self, compute: Callable[[Trial], Result]) -> Result:
        """Return a result that several measures read, computed when the first of them needs it."""
        if compute not in self.results:
            self.results[compute] = compute(self)
        return self.results[compute]


@dataclass(frozen=True)
class Measure:
    """One measure of how far maps deserve belief.

    A measure is a function from a `Trial` (one method's maps, with the classifier, the tokens and all that they are
    compared with) to `TokenValues` or, where it cannot be told token by token, to a `PooledValue`. Where it has no
    value it raises `NotMeasuredError`. Random numbers come from ``trial.case.setting.seed``. Intervals, chance levels,
    pooling over folds, tables and the report follow from what it returns and from what stands here.

    To add one, write it and list it in `MEASURES`; or keep it in a module of your own and name it
    ``package.module:NAME``, on the command line or in ``faithfulness(measures=...)``; or announce it as an entry point
    of the group ``phonoscope.measures``.

    Parameters
    ----------
    name, title
        As in tables, and in words.
    better
        Whether ``higher`` or ``lower`` values are better, or ``neither``.
    units
        Of its values.
    shows
        One or two sentences: what it can and cannot show.
    source
        Where it is defined.
    function
        What measures; None only of what `from_about` describes.
    chance
        What it is compared with, in words; empty where it has no chance level.
    low, high
        Ends of its range; None where there is none.
    by_chance
        Whether it is judged by how far it lies from chance; if not, the function gives the verdict.
    least
        Smallest distance from chance that counts, in its units: below it a map is practically at chance.
    once
        Whether one classifier of several is enough: what it asks is a matter of the method and the kind of network.
    beside
        Name of a measure that always stands beside it, since it is misread alone.
    drawn
        Whether the report draws it; its table holds every measure.
    """

    name: str
    title: str
    better: Literal["higher", "lower", "neither"]
    units: str
    shows: str
    source: str
    function: Callable[[Trial], TokenValues | PooledValue] | None = None
    chance: str = ""
    low: float | None = None
    high: float | None = None
    by_chance: bool = True
    least: float = 0.05
    once: bool = False
    beside: str = ""
    drawn: bool = False

    def about(self) -> dict[str, Any]:
        """All but the function, as plain values."""
        return {name: getattr(self, name) for name in _ABOUT}

    @classmethod
    def from_about(cls, about: dict[str, Any]) -> Measure:
        """Return the measure that `about` describes, for readers: it cannot measure."""
        return cls(**{name: about[name] for name in _ABOUT if name in about})


_ABOUT = [field.name for field in fields(Measure) if field.name != "function"]
