"""Ratios of earlier runs, kept in ``benchmarks/results``, and the rule that tells whether a new run is worse."""

import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).resolve().parent / "results"
LIBRARIES = ("numpy", "scipy", "torch", "pandas", "pyarrow", "librosa", "captum", "praat-parselmouth", "praatio")
LEAST_LOSS = 0.10  # of the median ratio: what is smaller is not worth an alarm
LEVEL = 0.01  # of the rank test: with five rounds against five, at most one pair in 25 is in the wrong order
FEWEST = 5  # rounds on either side, for fewer the rank test cannot reach its level


@dataclass(frozen=True)
class Regression:
    """A ratio that is worse than the stored one, beyond noise."""

    what: str
    stored: float
    found: float
    p: float

    def __str__(self) -> str:
        return f"{self.what}: {self.found:.3g}, stored {self.stored:.3g} (p = {self.p:.2g})"


def machine() -> dict[str, Any]:
    """What was measured on, in words that name no one: kind of processor, cores, system."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass  # not Linux, or a processor that does not say its name
    return {"processor": model, "cores": os.cpu_count(), "system": platform.system()}


def versions() -> dict[str, str]:
    """Versions of Python and of what is compared."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found


def circumstances() -> dict[str, Any]:
    """When, on what and with what something was measured."""
    return {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(), "versions": versions()}


def worse(what: str, stored: Sequence[float], found: Sequence[float], *, more_is_better: bool) -> Regression | None:
    """Whether the rounds of a ratio are worse than the stored ones; None if not, or if either side has too few.

    Worse is what fulfils all three: a one-sided Mann–Whitney test of the rounds has p ≤ `LEVEL`; the median lost at
    least `LEAST_LOSS`; and on the scale of logarithms the loss is more than the interquartile range of either side.

    Parameters
    ----------
    what
        As in BARS.
    stored, found
        Ratios of the rounds, then and now.
    more_is_better
        Which way worse is.
    """
    if min(len(stored), len(found)) < FEWEST or min(*stored, *found) <= 0:
        return None
    from scipy.stats import mannwhitneyu

    sign = 1 if more_is_better else -1
    before, now = sign * np.log(stored), sign * np.log(found)
    loss = np.median(before) - np.median(now)
    noise = max(np.subtract(*np.percentile(side, [75, 25])) for side in (before, now))
    if loss <= max(-np.log(1 - LEAST_LOSS), noise):
        return None
    p = float(mannwhitneyu(now, before, alternative="less").pvalue)
    return Regression(what, float(np.median(stored)), float(np.median(found)), p) if p <= LEVEL else None


def read_stored(name: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """Return what was stored of a benchmark; None if nothing was."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def store(name: str, rows: Sequence[dict[str, Any]], facts: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write the measurements of a benchmark over the earlier ones.

    Parameters
    ----------
    name
        Of the benchmark.
    rows
        Its measurements as JSON objects.
    facts
        Machine, versions, date and command.
    folder
        Where results are kept.
    """
    path = folder / f"{name}.json"
    folder.mkdir(parents=True, exist_ok=True)
    # five significant figures of every fraction
    short = json.loads(json.dumps(rows), parse_float=lambda text: float(f"{float(text):.5g}"))
    text = json.dumps({"benchmark": name, **facts, "results": short}, ensure_ascii=False, indent=1)
    text = re.sub(r'\[\n([^][{}"]*)\]', lambda found: f"[{' '.join(found[1].split())}]", text)  # numbers on one line
    path.write_text(text + "\n", encoding="utf-8")
    return path


def regressions(rows: Sequence[dict[str, Any]], before: dict[str, Any]) -> list[Regression]:
    """Which measurements of a benchmark are worse than its stored ones.

    Growth, and what has no peer in the same run, are held to their bars only.
    """
    stored = {row["what"]: row for row in before["results"]}
    found = []
    for row in rows:
        if row["what"] not in stored or row["curve"] or row["bar"].get("absolute"):
            continue
        ratios = stored[row["what"]]["ratios"], row["ratios"]
        judged = worse(row["what"], *ratios, more_is_better=row["bar"]["at_least"])
        found += [judged] if judged else []
    return found
