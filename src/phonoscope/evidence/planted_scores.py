"""What is known of a method where the truth was planted: read from the committed answers without pandas or torch."""

from __future__ import annotations

import csv
import math
from functools import cache
from importlib.resources import files

from phonoscope.attribution.method_spec import parse_method
from phonoscope.attribution.registry import METHODS
from phonoscope.errors import AttributionError

ANSWERS = "truth_answers.csv"
_TELLING = ("baseline", "fill")


def planted_answers(method: str) -> dict[str, dict[str, float]] | None:
    """What a method scored in each question of ``phonoscope bench truth``; None if it was never tried.

    Parameters
    ----------
    method
        As `explain` takes it. A method that was tried with other options is found by its name and the options that
        decide what it shows (``baseline``, ``fill``).

    Returns
    -------
    dict
        By question (``which band``, ``which moment``, ``how much``, ``exact band``, ``exact moment`` …): ``estimate,
        low, high``; NaN where it gave no answer.
    """
    wanted = method_key(method)
    found = [answers for name, answers in _answers().items() if method_key(name) == wanted]
    return found[0] if found else None


def planted_words(method: str) -> str:
    """The answers of a method in words, without a full stop; empty if it was never tried."""
    answers = planted_answers(method)
    if answers is None:
        return ""
    shares = [
        f"the {what} in {_percent(answers[question])}"
        for what, question in (("band", "which band"), ("moment", "which moment"))
        if math.isfinite(answers[question]["estimate"])
    ]
    parts = [f"right about {' and '.join(shares)} of networks"] if shares else []
    if math.isfinite(rho := answers["how much"]["estimate"]):
        parts.append(f"follows how much a cue is used with ρ = {rho:.2f}")
    if math.isfinite(attained := answers["exact band"]["estimate"]):
        parts.append(f"attains {attained:.0%} of the sharpest map in frequency")
    return ", ".join(parts)


def _percent(answer: dict[str, float]) -> str:
    low, high = answer["low"], answer["high"]
    interval = f" ({100 * low:.0f}–{100 * high:.0f})" if math.isfinite(low) else ""
    return f"{answer['estimate']:.0%}{interval}"


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
def _answers() -> dict[str, dict[str, dict[str, float]]]:
    answers: dict[str, dict[str, dict[str, float]]] = {}
    with (files("phonoscope.data") / ANSWERS).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["kind"] == "method":
                numbers = {name: float(row[name] or "nan") for name in ("estimate", "low", "high")}
                answers.setdefault(row["method"], {})[row["question"]] = numbers
    return answers
