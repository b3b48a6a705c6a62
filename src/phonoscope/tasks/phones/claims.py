"""What the first paper says, claim by claim, beside what a run measures.

The paper reads its maps by eye. Here a region claim ("important above 5500 Hz for /i/") becomes the share of the map's
positive part in that region, held against the region's part of the axis and against the maps of the other classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.judgement.bootstrap import Interval, mean_interval
from phonoscope.judgement.claims import FAILS, HOLDS, OPEN, PARTLY, Claim, Finding, holds_if, unmeasured
from phonoscope.phonetics.overlap import overlap_against_confusions
from phonoscope.phonetics.profiles import band_share, cell_centres, density
from phonoscope.tasks.phones.measure import UNITS, Measured

Measure = Callable[["Context"], Finding]


@dataclass(frozen=True)
class Context:
    """What claims are measured on."""

    measured: Measured
    accuracy: pd.DataFrame
    confusions: pd.DataFrame
    correlations: pd.DataFrame
    shares: pd.DataFrame | None
    seed: int


def _with_settings(function: Callable[..., Finding]) -> Callable[..., Measure]:
    """Let a function of a context and settings take its settings first: what it returns measures on a context."""
    return lambda *settings, **named: lambda context: function(context, *settings, **named)


@_with_settings
def _accuracy_above(context: Context, bound: float) -> Finding:
    table = context.accuracy.set_index("measure")
    row, balanced = table.loc["accuracy"], table.loc["balanced accuracy"]
    return Finding(
        f"{row['estimate']:.1%} ({row['low']:.1%}–{row['high']:.1%})",
        holds_if(bool(row["estimate"] > bound)),
        f"balanced {balanced['estimate']:.1%}; tokens of {row['n_units']:.0f} {row['unit']} units that were not "
        "trained on",
    )


@_with_settings
def _region(context: Context, name: str, low_hz: float, high_hz: float | None = None) -> Finding:
    """Importance of a class lies in a region: more than the region's part of the axis, more than in other classes."""

    classes = context.measured.tokens["class"].to_numpy(dtype=object)
    top = context.measured.max_hz if high_hz is None else min(high_hz, context.measured.max_hz)
    if not (classes == name).any():
        return unmeasured(f"no tested token of {name}")
    if low_hz >= context.measured.max_hz:
        return unmeasured(f"the network hears nothing above {context.measured.max_hz:g} Hz")
    share = _positive_share(context.measured, low_hz, top)
    area = (top - low_hz) / context.measured.max_hz
    own = (classes == name) & np.isfinite(share)
    rest = (classes != name) & np.isfinite(share)
    if not own.any() or not rest.any():
        return unmeasured("no map with a positive part")
    table = context.measured.tokens[list(UNITS)]
    here = _mean_interval(share[own], table[own], context.seed)
    others = _mean_interval(share[rest], table[rest], context.seed)
    measured = f"{here.estimate:.0%} ({here.low:.0%}–{here.high:.0%}) of the map in {area:.0%} of the axis"
    above_area, above_others = here.low > area, here.low > others.high
    verdict = HOLDS if above_area and above_others else PARTLY if above_area else FAILS
    detail = f"maps of the other classes: {others.estimate:.0%} ({others.low:.0%}–{others.high:.0%})"
    resolution = float(context.measured.placement["resolution_hz"])
    if top - low_hz < resolution:
        detail += f"; the region is narrower than the map resolves ({resolution:.0f} Hz)"
    return Finding(measured, verdict, detail)


@_with_settings
def _not_in_region(context: Context, name: str, low_hz: float) -> Finding:
    finding = _region(name, low_hz)(context)
    return finding if finding.verdict == OPEN else finding._replace(verdict=holds_if(finding.verdict == FAILS))


def _mean_interval(values: np.ndarray, clusters: pd.DataFrame, seed: int) -> Interval:
    return mean_interval(values, clusters, seed=seed)


def _positive_share(measured: Measured, low_hz: float, high_hz: float) -> np.ndarray:
    positive = np.maximum(measured.profiles.transpose("token", "frequency").values.astype(float), 0)
    centres = cell_centres(measured.profiles)
    densities = density(positive, centres, measured.max_hz)
    return band_share(densities, centres, np.full(len(positive), low_hz), np.full(len(positive), high_hz))


def _overlap_explains_confusions(context: Context) -> Finding:
    overlap = context.correlations[context.correlations["source"] == "map"]
    found = overlap_against_confusions(overlap, context.confusions, seed=context.seed)
    if not np.isfinite(found.rho):
        return unmeasured(found.note)
    verdict, detail = holds_if(found.rho > 0 and found.p < 0.05), f"{found.pairs} pairs; {found.note} for the test"
    return Finding(f"ρ = {found.rho:.2f}, p = {found.p:.2f}", verdict, detail)


@_with_settings
def _least_confused(context: Context, true: str, predicted: str) -> Finding:
    table = context.confusions[context.confusions["true"] != context.confusions["predicted"]]
    row = table[(table["true"] == true) & (table["predicted"] == predicted)]
    if row.empty or row["row_percent"].isna().all():
        return unmeasured(f"{true} and {predicted} are not both among the classes")
    rate = float(row["row_percent"].iloc[0])
    fewer = int((table["row_percent"] < rate).sum())
    equal = int((table["row_percent"] == rate).sum())
    detail = f"{fewer} of {len(table)} confusions are rarer, {equal} equally rare (itself included)"
    return Finding(f"{rate:.1f} % of /{true}/", holds_if(fewer == 0), detail)


@_with_settings
def _asymmetric(context: Context, a: str, b: str) -> Finding:
    from scipy.stats import binomtest

    counts = context.confusions.set_index(["true", "predicted"])["count"]
    if (a, b) not in counts.index or (b, a) not in counts.index:
        return unmeasured(f"{a} and {b} are not both among the classes")
    there, back = int(counts[a, b]), int(counts[b, a])
    if there + back == 0:
        return Finding("0 against 0", OPEN, "the two are never confused")
    p = float(binomtest(there, there + back).pvalue)
    verdict = holds_if(there > back and p < 0.05)
    return Finding(f"{there} against {back}, p = {p:.2f}", verdict, "exact binomial test")


@_with_settings
def _similar(context: Context, a: str, b: str, *, alike: bool) -> Finding:
    table = context.correlations[context.correlations["source"] == "map"]
    row = table[table["label_a"].isin([a, b]) & table["label_b"].isin([a, b])]
    if row.empty or not np.isfinite(row["r"].iloc[0]):
        return unmeasured(f"{a} and {b} are not both among the classes")
    r, mean = float(row["r"].iloc[0]), float(table["r"].mean())
    verdict = holds_if(r > max(mean, 0.5) if alike else r < 0.5)
    return Finding(f"r = {r:.2f}", verdict, f"mean over all pairs of classes {mean:.2f}")


@_with_settings
def _on_formants(context: Context, name: str | None, formant: str, null: str = "class") -> Finding:
    """Maps lie on their own token's formants more than on those of other tokens."""

    if context.shares is None:
        return unmeasured("no tested token has formants")
    label = "all" if name is None else name
    table = context.shares
    row = table[(table["label"] == label) & (table["formant"] == formant) & (table["null"] == null)]
    if row.empty or not np.isfinite(row["ratio"].iloc[0]):
        return unmeasured("too few tokens with formants")
    facts: dict[Any, Any] = row.iloc[0].to_dict()
    measured = f"{facts['ratio']:.2f} × chance ({facts['low']:.2f}–{facts['high']:.2f})"
    above = facts["low"] > 1 and facts["ratio"] > facts["energy_ratio"]
    detail = f"the plain energy of the input scores {facts['energy_ratio']:.2f} × chance"
    return Finding(measured, holds_if(above), detail)


CLAIMS: dict[str, list[Claim]] = {
    "4.1": [
        Claim("4.1", "Five vowels are told apart with more than 96 % accuracy.", _accuracy_above(0.96)),
        Claim("4.1", "/i/: important above 5500 Hz.", _region("i", 5500)),
        Claim("4.1", "/u/: important above 5500 Hz.", _region("u", 5500)),
        Claim("4.1", "/æ/: important above 3500 Hz.", _region("æ", 3500)),
        Claim("4.1", "/æ/: important between 500 and 1000 Hz, its first formant.", _region("æ", 500, 1000)),
        Claim("4.1", "/ɝ/: important between 500 and 1000 Hz.", _region("ɝ", 500, 1000)),
        Claim("4.1", "/ɑ/: important between 1000 and 3500 Hz.", _region("ɑ", 1000, 3500)),
        Claim("4.1", "/ɝ/: nothing important above 5000 Hz.", _not_in_region("ɝ", 5000)),
        Claim("4.1", "/ɑ/: nothing important above 5000 Hz.", _not_in_region("ɑ", 5000)),
        Claim("4.1", "/ɑ/ is least often taken for /i/.", _least_confused("ɑ", "i")),
        Claim("4.1", "/i/ is taken for /ɝ/ more often than the reverse.", _asymmetric("i", "ɝ")),
        Claim("4.1", "Classes with overlapping maps are confused more often.", _overlap_explains_confusions),
        Claim("4.3", "The network focuses on the formants (F1 to F4 of each token).", _on_formants(None, "F1–F4")),
    ],
    "4.2": [
        Claim("4.2", "Five vowels are told apart with more than 96 % accuracy.", _accuracy_above(0.96)),
        Claim("4.2", "/ɝ/: important between 1500 and 2500 Hz.", _region("ɝ", 1500, 2500)),
        Claim("4.2", "/u/: important between 500 and 1000 Hz.", _region("u", 500, 1000)),
        Claim("4.2", "/i/: important between 500 and 1000 Hz.", _region("i", 500, 1000)),
        Claim("4.2", "/ɑ/: important below 1000 Hz.", _region("ɑ", 0, 1000)),
        Claim("4.2", "/ɑ/ is least often taken for /i/.", _least_confused("ɑ", "i")),
        Claim("4.2", "/æ/ and /ɑ/ have similar maps.", _similar("æ", "ɑ", alike=True)),
        Claim("4.2", "/æ/ and /u/ have disjoint maps.", _similar("æ", "u", alike=False)),
        Claim("4.3", "/i/: focus on F1 and F2, below 1500 Hz.", _region("i", 0, 1500)),
        Claim("4.3", "/ɑ/: focus on F1 and F2, below 1500 Hz.", _region("ɑ", 0, 1500)),
        Claim("4.3", "/æ/: focus on F1 and F2, below 1500 Hz.", _region("æ", 0, 1500)),
        Claim("4.3", "/u/: focus below 1000 Hz, where its F1 and F2 lie.", _region("u", 0, 1000)),
        Claim("4.3", "/ɝ/: around 2000 Hz, its third formant.", _on_formants("ɝ", "F3", "run")),
        Claim("4.2", "Classes with overlapping maps are confused more often.", _overlap_explains_confusions),
        Claim("4.3", "The network focuses on the formants (F1 to F4 of each token).", _on_formants(None, "F1–F4")),
    ],
    "4.3": [
        Claim("4.3", "Voiced and unvoiced sounds are told apart with more than 98 % accuracy.", _accuracy_above(0.98)),
        Claim("4.3", "Unvoiced: important below 700 Hz, where F0 would be.", _region("unvoiced", 0, 700)),
        Claim("4.3", "Voiced: important where the first four formants lie.", _on_formants("voiced", "F1–F4")),
    ],
}
