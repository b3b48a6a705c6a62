"""What reports and figures are made of: one run, read once, with the facts that several figures share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import Run
from phonoscope.report.bands import class_formants

TABLES = (
    "counts",
    "left_out",
    "accuracy",
    "confusions",
    "asymmetry",
    "baselines",
    "linear_twin",
    "profiles",
    "profile_correlations",
    "shares",
    "control_shares",
    "claims",
)


_CLASSES = {"true": "the true class", "predicted": "the predicted class"}


@dataclass(frozen=True)
class Content:
    """A run as the report needs it; tables that the run does not have are empty, and `absent` says why.

    Attributes
    ----------
    facts : dict
        ``run.json``.
    labels : list of str
        Classes in the classifier's order.
    max_hz, last_time : float
        Upper borders of the network's input: Hz, and 1 (share of the token) or s.
    time_label : str
    unit : str
        Unit of the maps.
    item : str
        What the run explains: a token, or a recording.
    tables : dict of DataFrame
    tokens, formants, means, examples, training : DataFrame
    bands : DataFrame
        Mean formants of every class over its tested tokens, from `class_formants`.
    absent : dict
        What is missing (``formants``, ``examples`` ...) and why, in words.
    """

    run: Run
    facts: dict[str, Any]
    labels: list[str]
    max_hz: float
    last_time: float
    time_label: str
    unit: str
    tables: dict[str, pd.DataFrame]
    tokens: pd.DataFrame
    formants: pd.DataFrame
    means: pd.DataFrame
    examples: pd.DataFrame
    training: pd.DataFrame
    bands: pd.DataFrame
    absent: dict[str, str] = field(default_factory=dict)
    item: str = "token"

    @property
    def is_number(self) -> bool:
        """Whether the model gives numbers, which no recording is right or wrong about."""
        return self.facts.get("scores") == "numbers"

    @property
    def ends(self) -> tuple[str, str]:
        """What negative and positive values of a map mean."""
        return ("lowers the number", "raises it") if self.is_number else ("against the class", "for the class")

    @property
    def units(self) -> str:
        """Unit of the maps in the plural."""
        first, of, rest = self.unit.partition(" of ")
        return f"{first[:-1]}ies{of}{rest}" if first.endswith("y") else f"{first}s{of}{rest}"

    @property
    def explained(self) -> str:
        """What the maps explain, as a sentence says it."""
        target = str(self.facts.get("target", ""))
        of_class = f"the class {target}" if target in self.labels else target
        return "the number" if self.is_number else _CLASSES.get(target, of_class)

    @property
    def method(self) -> str:
        """Method of the run's maps."""
        return str(self.facts.get("method", "cam"))

    def table(self, name: str) -> pd.DataFrame:
        """Result table of a task's own; empty where the run does not have it."""
        return self.run.table(name) if self.run.has_table(name) else pd.DataFrame()

    def bands_of(self, label: str) -> pd.DataFrame:
        """Mean formants of a class."""
        return self.bands[self.bands["class"] == label]


def read_content(source: Run | str | Path) -> Content:
    """Read a run or the one in a folder; what is missing is noted, not fatal, except ``run.json`` itself.

    Raises
    ------
    ExperimentError
        If the folder holds no finished run, or its upper frequency border is not known.
    """
    run = source if isinstance(source, Run) else Run(source)
    absent: dict[str, str] = {}

    def part(name: str) -> pd.DataFrame:
        try:
            return getattr(run, name)
        except (ExperimentError, OSError, ValueError) as error:
            absent[name] = str(error)
            return pd.DataFrame()

    parts = {name: part(name) for name in ("tokens", "formants", "means", "examples", "training")}
    if parts["formants"].empty and "formants" not in absent:
        absent["formants"] = "no token of this run has measured formants"
    tables = {name: run.table(name) if run.has_table(name) else pd.DataFrame() for name in TABLES}
    max_hz, last_time, time_label = _axes(run)
    tokens, bands = parts["tokens"], class_formants(pd.DataFrame({"token": []}), {})
    if "class" in tokens and "token" in parts["formants"]:
        tested = tokens[tokens["split"] == "test"] if "split" in tokens else tokens
        classes = dict(zip(tested["token"], tested["class"], strict=True))
        bands = class_formants(parts["formants"], classes)
    return Content(
        run=run,
        facts=run.facts,
        labels=[str(label) for label in run.labels],
        max_hz=max_hz,
        last_time=last_time,
        time_label=time_label,
        unit=str(run.facts.get("output_unit", "logit")),
        tables=tables,
        bands=bands,
        absent=absent,
        tokens=parts["tokens"],
        formants=parts["formants"],
        means=parts["means"],
        examples=parts["examples"],
        training=parts["training"],
    )


def _axes(run: Run) -> tuple[float, float, str]:
    """Upper borders of the network's input in Hz and time, from the run's facts or its classifier's settings."""
    settings = run.facts.get("front_end")
    if settings is None:
        path = run.folder / "classifier" / "config.json"
        written = json.loads(path.read_text(encoding="utf-8"))["front_end"] if path.is_file() else {}
        settings = written | run.facts.get("recipe", {}).get("front_end", {})
    max_hz = run.facts.get("max_hz") or settings.get("max_hz")
    if not max_hz and settings.get("kind") == "waveform":
        max_hz = float(settings["sample_rate"]) / 2
    if not max_hz:
        raise ExperimentError(
            f"{run.folder} does not say up to which frequency its network hears (max_hz in run.json); run it again"
        )
    of_spectrogram = settings.get("seconds", 0.15) if settings.get("time", "stretch") == "fixed" else None
    seconds = run.facts.get("time_seconds", of_spectrogram)  # older runs do not say it
    return float(max_hz), float(seconds or 1.0), "Time (s)" if seconds else "Share of the token"
