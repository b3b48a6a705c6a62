"""What the first paper says, claim by claim, beside what a run measures.

The paper reads its maps by eye. Here a region claim ("important above 5500 Hz for /i/") becomes the share of the map's
positive part in that region, held against the region's part of the axis; the maps of the other classes stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.experiments.measured import UNITS, Measured
from phonoscope.judgement.claims import (
    Claim,
    Finding,
    Judged,
    above,
    all_of,
    below,
    by_test,
    more_often,
    unmeasured,
)
from phonoscope.judgement.intervals import Interval, jackknife_interval, mean_interval
from phonoscope.judgement.words import over, percent_with_interval, times_with_interval
from phonoscope.phonetics.confusions import accuracy_intervals
from phonoscope.phonetics.overlap import overlap_against_confusions
from phonoscope.phonetics.pairing import POOLED
from phonoscope.phonetics.profiles import band_share, cell_centres, density

Measure = Callable[["Context"], Finding]


@dataclass(frozen=True)
class Context:
    """What claims are measured on.

    ``measured``: profiles of the tested tokens; ``tested``: these tokens with ``class`` and `UNITS`, and ``guesses``,
    what each training took them for; ``confusions, correlations, shares``: tables of the run; ``smallest``: effects
    that count.
    """

    measured: Measured
    tested: pd.DataFrame
    guesses: Sequence[Sequence[str]]
    confusions: pd.DataFrame
    correlations: pd.DataFrame
    shares: pd.DataFrame | None
    smallest: Mapping[str, float]
    seed: int


def _with_settings(function: Callable[..., Finding]) -> Callable[..., Measure]:
    """Let a function of a context and settings take its settings first: what it returns measures on a context."""
    return lambda *settings, **named: lambda context: function(context, *settings, **named)


@_with_settings
def _accuracy_above(context: Context, bound: float) -> Finding:
    tested = context.tested
    intervals = accuracy_intervals(tested["class"].tolist(), context.guesses, tested[list(UNITS)])[1]
    overall, pooled, balanced = (intervals[f"{kind}accuracy", ""] for kind in ("", "pooled ", "balanced "))
    detail = (
        f"mean over {overall.unit}s that were not trained on; pooled {pooled.estimate:.1%}, balanced "
        f"{balanced.estimate:.1%}"
    )
    return Finding(percent_with_interval(overall), above(overall, bound), detail)


@_with_settings
def _region(
    context: Context, name: str, low_hz: float, high_hz: float | None = None, *, absent: bool = False
) -> Finding:
    """Importance of a class lies in a region, or none does: more of the map than the region's part of the axis."""
    classes = context.measured.tokens["class"].to_numpy(dtype=object)
    top = context.measured.max_hz if high_hz is None else min(high_hz, context.measured.max_hz)
    if not (classes == name).any():
        return unmeasured(f"no tested token of {name}")
    if low_hz >= context.measured.max_hz:
        return unmeasured(f"the network hears nothing above {context.measured.max_hz:g} Hz")
    share = _positive_share(context.measured, low_hz, top)
    area = (top - low_hz) / context.measured.max_hz
    finite = np.isfinite(share).all(axis=0)
    of_class, rest = (classes == name) & finite, (classes != name) & finite
    if not of_class.any():
        return unmeasured("no map with a positive part")
    table = context.measured.tokens[list(UNITS)]
    here = mean_interval(share[:, of_class] / area, table[of_class], scale="ratio")
    bound = 1 + context.smallest["share"]
    detail = f"{here.estimate * area:.0%} of the map in {area:.0%} of the axis"
    if rest.any():
        others = mean_interval(share[:, rest], table[rest], scale="proportion")
        detail += f"; in the maps of the other classes {others.estimate:.0%} ({others.low:.0%}–{others.high:.0%})"
    resolution = float(context.measured.placement["resolution_hz"])
    if top - low_hz < resolution:
        detail += f"; the region is narrower than the map resolves ({resolution:.0f} Hz)"
    return Finding(times_with_interval(here), below(here, bound) if absent else above(here, bound), detail)


def _positive_share(measured: Measured, low_hz: float, high_hz: float) -> np.ndarray:
    """Share of the positive part of each map in a region, (training, token)."""
    shares = []
    for profiles in measured.trainings:
        positive = np.maximum(profiles.transpose("token", "frequency").values.astype(float), 0)
        centres = cell_centres(profiles)
        densities = density(positive, centres, measured.max_hz)
        edges = np.full((2, len(positive)), [[low_hz], [high_hz]])
        shares.append(band_share(densities, centres, *edges))
    return np.stack(shares)


def _overlap_explains_confusions(context: Context) -> Finding:
    overlap = context.correlations[context.correlations["source"] == "map"]
    result = overlap_against_confusions(overlap, context.confusions, seed=context.seed)
    if not np.isfinite(result.rho):
        return unmeasured(result.note)
    two_sided = min(1.0, 2 * min(result.p, 1 - result.p))
    detail = f"{result.pairs} pairs of classes; {result.note} for the test"
    measured = f"ρ = {result.rho:.2f}, p = {two_sided:.2f}".replace("-", "−")
    return Finding(measured, by_test(two_sided, positive=result.p < 0.5), detail)


def _taken_for(context: Context, true: str, predicted: str) -> Interval | None:
    """How often one class is taken for another; None where it was not tested."""
    rows = (context.tested["class"] == true).to_numpy()
    if not rows.any() or not (context.tested["class"] == predicted).any():
        return None
    taken = np.array([np.asarray(guess, dtype=object)[rows] == predicted for guess in context.guesses], dtype=float)
    return mean_interval(taken, context.tested.loc[rows, list(UNITS)], scale="proportion")


@_with_settings
def _least_confused(context: Context, true: str, predicted: str) -> Finding:
    rate = _taken_for(context, true, predicted)
    if rate is None:
        return unmeasured(f"{true} and {predicted} are not both among the classes")
    classes = sorted(context.tested["class"].unique())
    others = {
        (a, b): _taken_for(context, a, b) for a in classes for b in classes if a != b and (a, b) != (true, predicted)
    }
    known = [other for other in others.values() if other is not None]
    rarer = sum(other.estimate < rate.estimate for other in known)
    same = sum(other.estimate == rate.estimate for other in known)
    detail = f"of the {len(known)} other confusions {rarer} are rarer and {same} as rare"
    return Finding(percent_with_interval(rate), all_of([more_often(other, rate) for other in known]), detail)


@_with_settings
def _asymmetric(context: Context, a: str, b: str) -> Finding:
    there, back = _taken_for(context, a, b), _taken_for(context, b, a)
    if there is None or back is None:
        return unmeasured(f"{a} and {b} are not both among the classes")
    measured = f"{there.estimate:.1%} against {back.estimate:.1%} ({over(there)})"
    return Finding(measured, more_often(there, back), "of the tokens of each class")


@_with_settings
def _similar(context: Context, a: str, b: str, *, alike: bool) -> Finding:
    tokens = context.measured.tokens
    chosen = tokens["class"].isin([a, b]).to_numpy()
    classes = tokens.loc[chosen, "class"].to_numpy(dtype=object)
    if len(set(classes)) < 2:
        return unmeasured(f"{a} and {b} are not both among the classes")
    profiles = [
        each.transpose("token", "frequency").values[chosen].astype(float) for each in context.measured.trainings
    ]

    def correlation(weights: np.ndarray) -> np.ndarray:
        means = [[(weights * (classes == name)) @ values for name in (a, b)] for values in profiles]
        centred = [[mean - mean.mean(axis=1, keepdims=True) for mean in pair] for pair in means]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack(
                [(x * y).sum(axis=1) / np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1)) for x, y in centred], axis=1
            )

    clusters = tokens.loc[chosen, list(UNITS)]
    r = jackknife_interval(correlation, int(chosen.sum()), clusters, scale="correlation")
    if not np.isfinite(r.estimate):
        return unmeasured("a mean map is flat")
    bound = context.smallest["correlation"]
    table = context.correlations[context.correlations["source"] == "map"]
    detail = (
        f"maps count as alike where r is above {bound:g}; the mean over all pairs of classes is {table['r'].mean():.2f}"
    )
    measured = f"r = {r.estimate:.2f} ({r.low:.2f} to {r.high:.2f}, {over(r)})".replace("-", "−")
    return Finding(measured, above(r, bound) if alike else below(r, bound), detail)


@_with_settings
def _on_formants(context: Context, name: str | None, formant: str, *, of_class: bool = False) -> Finding:
    """Maps lie on formants more than chance: those of their class, or of their own token beyond their class.

    Either is the formants: maps that sit on the formants of their class pass the exchange of whole classes, which maps
    that are constant cannot pass by chance, and maps that follow talkers pass the exchange within a class. Where both
    the run and the class are below the smallest effect, the claim is contradicted. A claim `of_class` is about where
    the formants of one class lie, and the run alone decides.
    """
    table = pd.DataFrame() if context.shares is None else context.shares
    label = POOLED if name is None else name
    rows: dict[str, dict[Any, Any]] = {
        row["null"]: row for row in table.to_dict("records") if (row["label"], row["formant"]) == (label, formant)
    }
    if not rows or not np.isfinite(rows["run"]["ratio"]):
        return unmeasured("too few tokens with formants")
    keys = ("ratio", "low", "high", "n_units", "unit", "error", "df")
    n_trainings = len(context.measured.trainings)
    intervals = {
        null: Interval(*(row[key] for key in keys), scale="ratio", n_trainings=n_trainings)
        for null, row in rows.items()
    }
    bound = 1 + context.smallest["share"]
    run, within = (above(intervals[null], bound) for null in ("run", "class"))
    ways = [within.p_for]
    if "classes" in rows and rows["run"]["ratio"] > bound:
        ways.append(rows["classes"]["p"])
    ways = [p for p in ways if np.isfinite(p)]
    p_for = min(1.0, len(ways) * min(ways)) if ways else np.nan
    if of_class:
        p_for, within = run.p_for, run
    judged = Judged(p_for, float(np.fmax(run.p_against, within.p_against)), run.errors, intervals["run"])
    facts = rows["run"]
    detail = (
        f"within classes {times_with_interval(intervals['class'])}; the plain energy of the input scores "
        f"{facts['energy_ratio']:.2f} × chance"
    )
    if facts["finer"]:
        detail += f"; finer than the maps resolve ({facts['resolution_hz']:.0f} Hz): about the region, not the formant"
    return Finding(times_with_interval(intervals["run"]), judged, detail)


CLAIMS: dict[str, list[Claim]] = {
    "4.1": [
        Claim("4.1", "Five vowels are told apart with more than 96 % accuracy.", _accuracy_above(0.96)),
        Claim("4.1", "/i/: important above 5500 Hz.", _region("i", 5500)),
        Claim("4.1", "/u/: important above 5500 Hz.", _region("u", 5500)),
        Claim("4.1", "/æ/: important above 3500 Hz.", _region("æ", 3500)),
        Claim("4.1", "/æ/: important between 500 and 1000 Hz, its first formant.", _region("æ", 500, 1000)),
        Claim("4.1", "/ɝ/: important between 500 and 1000 Hz.", _region("ɝ", 500, 1000)),
        Claim("4.1", "/ɑ/: important between 1000 and 3500 Hz.", _region("ɑ", 1000, 3500)),
        Claim("4.1", "/ɝ/: nothing important above 5000 Hz.", _region("ɝ", 5000, absent=True)),
        Claim("4.1", "/ɑ/: nothing important above 5000 Hz.", _region("ɑ", 5000, absent=True)),
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
        Claim("4.3", "/ɝ/: around 2000 Hz, its third formant.", _on_formants("ɝ", "F3", of_class=True)),
        Claim("4.2", "Classes with overlapping maps are confused more often.", _overlap_explains_confusions),
        Claim("4.3", "The network focuses on the formants (F1 to F4 of each token).", _on_formants(None, "F1–F4")),
    ],
    "4.3": [
        Claim("4.3", "Voiced and unvoiced sounds are told apart with more than 98 % accuracy.", _accuracy_above(0.98)),
        Claim("4.3", "Unvoiced: important below 700 Hz, where F0 would be.", _region("unvoiced", 0, 700)),
        Claim("4.3", "Voiced: important where the first four formants lie.", _on_formants("voiced", "F1–F4")),
    ],
}
