"""How well each method finds planted cues, in one number: read from the committed results without pandas or torch."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

from phonoscope.attribution.method_spec import parse_method
from phonoscope.attribution.registry import METHODS
from phonoscope.errors import AttributionError

RESULTS = "truth.csv"
_TELLING = ("baseline", "fill")


def planted_localisation(method: str) -> float | None:
    """Mean localisation of a method over the cells whose cue was learnt, 0 for those it does not suit; None if untried.

    Of several ways in which it was tried, all alike in the options that decide what it shows, the best counts.
    """
    wanted = method_key(method)
    return max((score for name, score in _scores().items() if method_key(name) == wanted), default=None)


def method_key(method: str) -> tuple[str, ...]:
    """Name, wrapped method, and the options that decide what is shown."""
    try:
        spec = parse_method(method)
    except AttributionError:
        return (method,)
    known = METHODS[spec.name].options if spec.name in METHODS else {}
    options = {k: v for k, v in spec.options.items() if k in _TELLING and v != known.get(k)}
    inner = () if spec.inner is None else method_key(str(spec.inner))
    return (spec.name, *(f"{k}={v}" for k, v in sorted(options.items())), *inner)


@cache
def _scores() -> dict[str, float]:
    cells: dict[str, list[float]] = {}
    with (files("phonoscope.data") / RESULTS).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["kind"] != "peer" and row["learnt"] == "True":
                mass, null = (float(row[name] or "nan") for name in ("mass", "null"))
                share = (mass - null) / (1 - null)
                cells.setdefault(row["method"], []).append(0.0 if share != share else share)
    return {method: sum(shares) / len(shares) for method, shares in cells.items()}
