"""What people heard: psychometric functions of each participant and of all, beside a network's boundaries and slopes.

Participants are what is independent: every interval is over them. Boundaries are told in the same measures as a
network's (`phonoscope.perception.boundaries`), so that both lie on one axis.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from phonoscope.errors import PerceptionError
from phonoscope.judgement.claims import Judged, above, all_of, below, between
from phonoscope.judgement.differences import unpaired_interval
from phonoscope.judgement.intervals import Interval, interval_of, mean_interval
from phonoscope.judgement.permutation import holm
from phonoscope.judgement.units import resampling_unit
from phonoscope.perception.boundaries import LEAST_CHANGE, measures_of
from phonoscope.perception.cue_scales import cue_scale
from phonoscope.perception.logistic import Psychometric, fit_psychometric

COLUMNS = (
    "participant", "class", "cue", "against", "measure", "boundary", "low", "high", "unit", "logits_per_unit",
    "logits_low", "logits_high", "lapse", "spread", "from", "to", "n", "n_units", "unit_of_interval", "why_not",
)  # fmt: skip
SHARES = ("class", "cue", "step", "achieved", "unit", "n", "label", "share", "low", "high", "n_units",
          "unit_of_interval")  # fmt: skip
BESIDE = (
    "class", "cue", "against", "measure", "unit", "network", "network_low", "network_high", "people", "people_low",
    "people_high", "difference", "low", "high", "same_within", "p", "p_holm", "verdict", "network_slope",
    "people_slope", "slope_difference", "slope_low", "slope_high", "same_within_factor", "slope_p_holm",
    "slope_verdict", "n_units", "n_participants", "why_not",
)  # fmt: skip
FEWEST_ANSWERS = 8  # to two labels, for a curve through them
SAME_WITHIN_JND = 2.0
SAME_WITHIN_FACTOR = 2.0


class _Fit(NamedTuple):
    """A fitted curve, the range of what was heard, and why there is no boundary (empty if there is one)."""

    curve: Psychometric
    low: float
    high: float
    why_not: str


def listener_curves(answers: pd.DataFrame, labels: Sequence[str] | None = None) -> pd.DataFrame:
    """Psychometric functions, slips allowed for, along each cue between each class as spoken and every other label.

    Of the answers that are one of the two. The one of all participants goes through all their answers, so it is as flat
    as they differ; how much they do is its ``spread``.

    Parameters
    ----------
    answers
        From `phonoscope.perception.read_answers`; shams are left out.
    labels
        The answers that could be given; ``answers.attrs["labels"]`` by default.

    Returns
    -------
    DataFrame
        For each pair and measure a row of all (``participant`` is missing) and one of each participant. The columns are
        those of `phonoscope.perception.boundaries`: the ``boundary``, ``logits_per_unit`` (the slope there), both with
        95 % intervals over ``n_units`` participants; and ``lapse``, the share of answers given at random; ``spread``,
        the standard deviation of the participants' own boundaries; ``n`` answers. Where there is no boundary within
        what was heard, ``why_not`` says why.

    Raises
    ------
    PerceptionError
        If there is no answer, or no labels to choose from.
    """
    answers, labels = _heard(answers), _labels(answers, labels)
    rows: list[dict[str, Any]] = []
    for spoken, cue, some in _by_cue(answers):
        for against in labels:
            if against == spoken:
                continue
            two = some[some["answer"].isin([spoken, against])]
            pair = {"class": spoken, "cue": cue, "against": against}
            for measure in measures_of(cue, some):
                x = measure.values(two)
                known = np.isfinite(x)
                row = pair | {"measure": measure.name, "unit": measure.unit}
                chosen = (two["answer"] == spoken).to_numpy(dtype=float)
                rows += _rows_of(row, x[known], chosen[known], two["participant"].to_numpy()[known])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def listener_shares(answers: pd.DataFrame, labels: Sequence[str] | None = None) -> pd.DataFrame:
    """Shares of people's answers, a row a class as spoken, cue, step and label: their identification curves.

    Parameters
    ----------
    answers
        From `phonoscope.perception.read_answers`; shams are left out.
    labels
        The answers that could be given; ``answers.attrs["labels"]`` by default.

    Returns
    -------
    DataFrame
        ``class, cue, step, achieved`` (median, in ``unit``), ``n`` answers, and for every ``label`` the ``share`` with
        its 95 % interval over participants.
    """
    answers, labels = _heard(answers), _labels(answers, labels)
    rows = []
    for (spoken, cue, step), some in answers.groupby(["class", "cue", "step"], sort=True):
        row = {"class": spoken, "cue": cue, "step": step, "achieved": float(some["achieved"].median()),
               "unit": some["unit"].iloc[0], "n": len(some)}  # fmt: skip
        for label in labels:
            given = (some["answer"] == label).to_numpy(dtype=float)
            interval = mean_interval(given, some[["participant"]], scale="proportion")
            rows.append(row | {"label": label, "share": interval.estimate, "low": interval.low, "high": interval.high,
                               "n_units": interval.n_units, "unit_of_interval": interval.unit})  # fmt: skip
    return pd.DataFrame(rows, columns=list(SHARES))


def beside_listeners(
    network: pd.DataFrame,
    people: pd.DataFrame,
    *,
    within: float = SAME_WITHIN_JND,
    factor: float = SAME_WITHIN_FACTOR,
) -> pd.DataFrame:
    """A network's boundaries and slopes beside those of people, and whether they are the same.

    Both were fitted to answers along the same measure. Participants and speakers (or recordings) are unrelated, so the
    interval of a difference has Welch's degrees of freedom, from ``n_units − 1`` of each.

    Parameters
    ----------
    network
        From `phonoscope.perception.boundaries`.
    people
        From `listener_curves`; its rows of all participants.
    within
        Boundaries are the same within so many just-noticeable differences of listeners.
    factor
        Slopes are the same if neither is so many times the other.

    Returns
    -------
    DataFrame
        A row for each pair and measure that both have a row of: the boundary of each with its interval; their
        ``difference`` (network − people) with its interval; ``same_within``, the bound in ``unit``; the ``verdict`` on
        "the boundaries are the same within it", by ``p_holm``, corrected for all pairs of that kind of measure; the
        slopes, in logits per unit, likewise. What one of them lacks is in ``why_not``.

    Raises
    ------
    PerceptionError
        If the bounds are not positive, or no pair is in both.
    """
    if not within > 0 or not factor > 1:
        raise PerceptionError(f"expected within > 0 and factor > 1; got {within:g} and {factor:g}")
    key = ["class", "cue", "against", "measure", "unit"]
    pooled = people[people["participant"].isna()]
    both = network.merge(pooled, on=key, suffixes=("_network", "_people"))
    if not len(both):
        raise PerceptionError("network and people have no class, cue and label in common: nothing to compare")
    rows, judged = [], []
    for values in both.to_dict("records"):
        row, *verdicts = _compared(values, within, factor)
        rows.append({name: values[name] for name in key} | row)
        judged.append(verdicts)
    table = pd.DataFrame(rows)
    kinds = table.groupby(["class", "cue", "against"]).cumcount().to_numpy()  # own unit, Bark, differences in Bark
    for at, (p, adjusted, verdict) in enumerate(
        (("p", "p_holm", "verdict"), ("slope_p", "slope_p_holm", "slope_verdict"))
    ):
        table[p] = [each[at].p for each in judged]
        table[adjusted] = np.nan
        for kind in np.unique(kinds):
            table.loc[kinds == kind, adjusted] = holm(table.loc[kinds == kind, p].to_numpy())
        table[verdict] = [each[at].verdict(p) for each, p in zip(judged, table[adjusted], strict=True)]
    return table.reindex(columns=list(BESIDE))


def _heard(answers: pd.DataFrame) -> pd.DataFrame:
    """Answers to stimuli, not to shams."""
    some = answers[~answers["sham"].astype(bool)] if "sham" in answers else answers
    if not len(some):
        raise PerceptionError("there are no answers of people to fit")
    return some


def _labels(answers: pd.DataFrame, labels: Sequence[str] | None) -> list[str]:
    found = list(answers.attrs.get("labels", ()) if labels is None else labels)
    if not found:
        raise PerceptionError("which answers could be given? pass labels=")
    return found


def _by_cue(answers: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for (spoken, cue), some in answers.groupby(["class", "cue"], sort=True):
        yield str(spoken), str(cue), some


def _rows_of(row: dict[str, Any], x: np.ndarray, chosen: np.ndarray, who: np.ndarray) -> list[dict[str, Any]]:
    """The row of all participants, and one of each."""
    unit = resampling_unit(pd.DataFrame({"participant": who}), len(who))
    names = pd.unique(who)
    own = [_fit(x[who == name], chosen[who == name]) for name in names]
    whole = _fit(x, chosen)
    of_all = (
        row | {"participant": pd.NA, "n_units": unit.n_units, "unit_of_interval": unit.level} | _told(whole, len(x))
    )
    if not whole.why_not:
        left_out = [fit_psychometric(x[keep], chosen[keep], np.ones(keep.sum()))
                    for keep in (unit.codes != i for i in range(unit.n_units)) if keep.any()]  # fmt: skip
        for name, low, high in (("boundary", "low", "high"), ("slope", "logits_low", "logits_high")):
            without = np.array([[getattr(each, name)] for each in left_out]).reshape(-1, 1)
            if len(without) == unit.n_units:
                interval = interval_of(np.array([getattr(whole.curve, name)]), without, unit)
                of_all |= {low: interval.low, high: interval.high}
        single = [each.curve.boundary for each in own if not each.why_not]
        of_all["spread"] = float(np.std(single, ddof=1)) if len(single) > 1 else np.nan
    each = [row | {"participant": name} | _told(fit, int((who == name).sum()))
            for name, fit in zip(names, own, strict=True)]  # fmt: skip
    return [of_all, *each]


def _told(fit: _Fit, n: int) -> dict[str, Any]:
    """A fit as cells of a row."""
    row: dict[str, Any] = {"from": fit.low, "to": fit.high, "n": n, "why_not": fit.why_not}
    if fit.why_not:
        return row
    curve = fit.curve
    return row | {"boundary": curve.boundary, "logits_per_unit": curve.slope, "lapse": curve.lapse}


def _fit(x: np.ndarray, chosen: np.ndarray) -> _Fit:
    """Curve through answers of 0 and 1, if they show a boundary."""
    nothing = Psychometric(np.nan, np.nan, np.nan)
    if len(x) < FEWEST_ANSWERS:
        return _Fit(nothing, np.nan, np.nan, f"fewer than {FEWEST_ANSWERS} answers with either label")
    low, high = (float(value) for value in np.percentile(x, [5, 95]))
    if not high > low:
        return _Fit(nothing, low, high, "the cue does not move")
    if chosen.min() == chosen.max():
        return _Fit(nothing, low, high, "one of the two labels was never given")
    curve = fit_psychometric(x, chosen, np.ones(len(x)))
    first, last = curve(np.array([low, high]))
    if not abs(last - first) >= LEAST_CHANGE:
        return _Fit(curve, low, high, f"the share changes by less than {LEAST_CHANGE:g}")
    if not low <= curve.boundary <= high:
        return _Fit(curve, low, high, "not within the range that was presented")
    return _Fit(curve, low, high, "")


def _compared(values: Mapping[Hashable, Any], within: float, factor: float) -> tuple[dict[str, Any], Judged, Judged]:
    """A row of the comparison, and how boundaries and slopes stand to "the same"."""
    row: dict[str, Any] = {
        "network": values["boundary_network"], "network_low": values["low_network"],
        "network_high": values["high_network"], "people": values["boundary_people"],
        "people_low": values["low_people"], "people_high": values["high_people"],
        "network_slope": values["logits_per_unit_network"], "people_slope": values["logits_per_unit_people"],
        "n_units": values["n_units_network"], "n_participants": values["n_units_people"],
        "same_within_factor": factor,
    }  # fmt: skip
    missing = [f"{who}: {values[f'why_not_{who}']}" for who in ("network", "people") if values[f"why_not_{who}"]]
    nothing = Judged(np.nan, np.nan)
    if missing:
        return row | {"why_not": "; ".join(missing)}, nothing, nothing
    bound = _bound(str(values["cue"]), str(values["unit"]), float(values["boundary_people"]), within)
    first, second = (_stored(values, who, "boundary", "low", "high") for who in ("network", "people"))
    apart = unpaired_interval(first, second)
    row |= {"difference": apart.estimate, "low": apart.low, "high": apart.high, "same_within": bound}
    row["why_not"] = "" if np.isfinite(bound) else "no just-noticeable difference of this cue is published"
    same = between(apart, -bound, bound) if np.isfinite(bound) else nothing
    steep, steep_people = (
        _stored(values, who, "logits_per_unit", "logits_low", "logits_high") for who in ("network", "people")
    )
    change = unpaired_interval(steep, steep_people)
    row |= {"slope_difference": change.estimate, "slope_low": change.low, "slope_high": change.high}
    sign = -1.0 if steep_people.estimate < 0 else 1.0
    alike = all_of([
        above(unpaired_interval(_times(steep, sign), _times(steep_people, sign / factor)), 0.0),
        below(unpaired_interval(_times(steep, sign), _times(steep_people, sign * factor)), 0.0),
    ])  # fmt: skip
    return row, same, alike


def _bound(cue: str, unit: str, at: float, within: float) -> float:
    """So many just-noticeable differences in the unit of a measure, upwards from a value; NaN where none is known."""
    scale = cue_scale("f1") if unit == "Bark" else cue_scale(cue, unit)
    if unit == scale.unit:
        return within * scale.jnd
    return float(scale.back(scale.to(at) + within * scale.jnd) - at)


def _stored(values: Mapping[Hashable, Any], who: str, name: str, low: str, high: str) -> Interval:
    """An interval of a table: its standard error is what its width says."""
    n_units = int(values[f"n_units_{who}"])
    df = max(n_units - 1, 1)
    bounds = float(values[f"{low}_{who}"]), float(values[f"{high}_{who}"])
    error = (bounds[1] - bounds[0]) / 2 / stdtrit(df, 0.975)
    unit = str(values[f"unit_of_interval_{who}"])
    return Interval(float(values[f"{name}_{who}"]), *bounds, n_units, unit, float(error), df)


def _times(interval: Interval, by: float) -> Interval:
    low, high = sorted((interval.low * by, interval.high * by))
    return interval._replace(estimate=interval.estimate * by, low=low, high=high, error=interval.error * abs(by))
