"""Is a method's map faithful for this classifier and these tokens? All measures of one method, one row each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.attribution import explain
from phonoscope.attribution.method_spec import parse_method
from phonoscope.attribution.targets import Target
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.evidence.agreement import causal_agreement, class_specificity
from phonoscope.evidence.audio_measures import audio_measures, masked_answers, shape_measures
from phonoscope.evidence.case import Case, open_case
from phonoscope.evidence.measures import describe_measure
from phonoscope.evidence.perturbation_curves import curve_areas, perturbation_curves
from phonoscope.evidence.randomisation import Randomised, parameter_randomisation
from phonoscope.evidence.sanity import infidelity, max_sensitivity
from phonoscope.judgement.bootstrap import PerToken, bootstrap_interval, resampling_unit

CAUSAL = "band-stop"
SANITY_TOKENS = 24
_MASKED = ("ai", "ad", "ag", "ff", "fid-in")

Clusters = pd.DataFrame | PerToken | None


class Faithfulness(NamedTuple):
    """What `faithfulness` found for one method.

    Attributes
    ----------
    measures
        One row a measure: ``method, measure, value, low, high`` (95 %, cluster bootstrap), ``chance``, ``excess,
        excess_low, excess_high`` (value − chance, with its own interval), ``passes`` (the interval of the excess lies
        on the good side of zero; for ``randomisation`` the verdict of the check; NA where there is no chance level),
        ``n`` tokens, ``unit`` (what was resampled), ``n_units``, ``note``.
    tokens
        Tidy, one row a token and measure: ``method, token, target, measure, value, chance, weight`` (a mean over
        tokens is the sum of the values over the sum of the weights).
    curves
        From `perturbation_curves`, with ``method``.
    randomised
        From `parameter_randomisation`: ``passes`` and ``sentence`` belong wherever a map is drawn.
    """

    measures: pd.DataFrame
    tokens: pd.DataFrame
    curves: pd.DataFrame
    randomised: Randomised


def faithfulness(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray],
    method: str,
    *,
    target: Target = "predicted",
    true_labels: Sequence[str] | None = None,
    tokens: Sequence[str] | None = None,
    clusters: Clusters = None,
    reference: Sequence[np.ndarray] | None = None,
    context_seconds: float = 0.0,
    seed: int = 0,
    maps: xr.DataArray | None = None,
    causal: str | xr.DataArray = CAUSAL,
    sanity_tokens: int = SANITY_TOKENS,
    draws: int = 2,
    changes: int = 32,
    disturbances: int = 6,
    networks: int = 5,
    chance: str = "moved",
    say: Callable[[str], object] | None = None,
) -> Faithfulness:
    """Judge the maps of one method by every measure that needs no planted truth; see `MEASURES`.

    Parameters
    ----------
    classifier, waveforms, method, target, true_labels, tokens, reference, context_seconds, seed
        As in `explain`.
    clusters
        What is resampled for the intervals, e.g. ``tokens[["speaker", "recording"]]``; see `resampling_unit`.
    maps
        Maps of these tokens by this method, if they have been made already.
    causal
        Method that maps are compared with, or its maps: make them once when several methods are judged.
    sanity_tokens
        Tokens, evenly picked, for the measures that make maps again and again: sensitivity and randomisation.
    draws
        Maps by chance for deletion, insertion and masks.
    changes, disturbances, networks
        Random changes of each token for infidelity; for sensitivity; networks with random weights.
    chance
        ``moved``: the map's own values shifted to random places; ``shuffled``: in random order.
    say
        Told what is being measured.

    Raises
    ------
    AttributionError
        If the method is not known or does not suit the network, or maps are not of these tokens.
    """
    tell = say or (lambda _text: None)
    case = open_case(
        classifier,
        waveforms,
        target=target,
        true_labels=true_labels,
        tokens=tokens,
        context_seconds=context_seconds,
        reference=reference,
        seed=seed,
    )

    def make_maps(name: str) -> xr.DataArray:
        return explain(
            classifier,
            waveforms,
            target,
            name,
            true_labels=true_labels,
            tokens=tokens,
            reference=reference,
            context_seconds=context_seconds,
            seed=seed,
        )

    tell(f"{method}: maps")
    maps = make_maps(method) if maps is None else maps
    collected = _Collected(method, case, clusters)
    classes = case.targets if true_labels is None else np.asarray(true_labels, dtype=object)

    tell(f"{method}: agreement with the causal profile")
    _add_agreement(collected, maps, causal, classes, make_maps)
    tell(f"{method}: deletion and insertion")
    curves = perturbation_curves(case, maps, draws=draws, chance=chance)
    _add_curves(collected, curve_areas(curves))
    tell(f"{method}: masked inputs")
    _add_masked(collected, audio_measures(masked_answers(case, maps, draws=draws, chance=chance)))
    shapes = shape_measures(case, maps)
    for name in ("sps", "comp"):
        collected.add(name, shapes[name])
    tell(f"{method}: small changes")
    try:
        found = infidelity(case, maps, draws=changes, chance=chance)
        collected.add("infidelity", found["infidelity"], found["chance"])
    except AttributionError as error:
        collected.add_missing("infidelity", str(error))
    rows, few = case.some(sanity_tokens)
    steady = max_sensitivity(few, method, draws=disturbances)
    collected.add("max-sensitivity", steady["sensitivity"], rows=rows)
    tell(f"{method}: random weights")
    randomised = parameter_randomisation(few, method, networks=networks)
    for name, kind in (("randomisation", "signed"), ("randomisation-size", "size")):
        table = randomised.tokens[randomised.tokens["kind"] == kind].set_index("token").loc[few.names]
        collected.add(name, table["similarity"], table["unrelated"], rows=rows)
    # Whether a map stays alike is not a matter of a little above chance: the check has its own rule.
    collected.rows[-2] |= {"passes": randomised.passes, "note": randomised.sentence}
    collected.rows[-1] |= {"passes": None}
    left = np.abs(maps["incompleteness"].values.astype(float))
    if np.isfinite(left).any():
        collected.add("incompleteness", left)
    else:
        collected.add_missing("incompleteness", "the method does not promise what its maps sum to")
    _add_class_similarity(collected, maps, classes)
    measures = pd.DataFrame(collected.rows)
    measures["passes"] = measures["passes"].astype("boolean")
    return Faithfulness(
        measures, pd.concat(collected.tokens, ignore_index=True), curves.assign(method=method), randomised
    )


def pooled_measures(found: Sequence[Faithfulness], clusters: pd.DataFrame | None, *, seed: int = 0) -> pd.DataFrame:
    """Pool what was found for one method on the tokens of several classifiers, such as the folds of a run.

    Parameters
    ----------
    found
        One a classifier.
    clusters
        Rows of all tokens, in the order of the classifiers.

    Returns
    -------
    DataFrame
        As ``measures``. The check of randomisation passes if it does for every classifier; the similarity of classes
        is the mean over classifiers.
    """
    if len(found) == 1:
        return found[0].measures
    method = str(found[0].measures["method"].iloc[0])
    tokens = pd.concat([one.tokens for one in found], ignore_index=True)
    order = list(dict.fromkeys(tokens["token"]))
    if clusters is not None and len(clusters) != len(order):
        raise AttributionError(f"{len(clusters)} rows of clusters were given for {len(order)} tokens")
    place = {token: position for position, token in enumerate(order)}
    rows = []
    for name in found[0].measures["measure"]:
        own = tokens[tokens["measure"] == name]
        each = pd.concat([one.measures[one.measures["measure"] == name] for one in found], ignore_index=True)
        at = own["token"].map(place).to_numpy(dtype=int)
        table = _measured(method, name, own, None if clusters is None else clusters.iloc[at], seed) if len(own) else {}
        row = {**each.iloc[0].to_dict(), **table}
        if name == "class-similarity":
            row |= {"value": float(each["value"].mean()), "n": int(each["n"].sum())}
        if name in ("randomisation", "randomisation-size"):
            failed = each[each["passes"].eq(False).fillna(False)]
            row |= (failed if len(failed) else each).iloc[0][["passes", "note"]].to_dict()
        rows.append(row)
    measures = pd.DataFrame(rows)
    measures["passes"] = measures["passes"].astype("boolean")
    return measures


def _add_agreement(
    collected: _Collected,
    maps: xr.DataArray,
    causal: str | xr.DataArray,
    classes: np.ndarray,
    make_maps: Callable[[str], xr.DataArray],
) -> None:
    names = ("causal-agreement", "causal-agreement-in-class")
    asked = causal if isinstance(causal, str) else str(causal.attrs.get("method", ""))
    if asked == str(parse_method(collected.method)):
        for name in names:
            collected.add_missing(name, "this method is the one that others are compared with")
        return
    table = causal_agreement(maps, make_maps(causal) if isinstance(causal, str) else causal, classes)
    for name, other in zip(names, ("other_class", "same_class"), strict=True):
        collected.add(name, table["agreement"], table[other])


def _add_curves(collected: _Collected, areas: pd.DataFrame) -> None:
    for way in ("deletion", "insertion"):
        collected.add(way, areas[f"{way}_gain_logit"], 0.0, over=areas["way_logit"].abs())
        collected.add(f"{way}-probability", areas[f"{way}_gain_probability"], 0.0)


def _add_masked(collected: _Collected, table: pd.DataFrame) -> None:
    for mask, ending in (("soft", ""), ("best", "-best")):
        of_mask = table[table["mask"] == mask]
        own = of_mask[of_mask["draw"] == 0].set_index("token").loc[collected.case.names]
        others = of_mask[of_mask["draw"] > 0].groupby("token")[list(_MASKED)].mean().loc[collected.case.names]
        for name in _MASKED:
            collected.add(name + ending, own[name], others[name])


def _add_class_similarity(collected: _Collected, maps: xr.DataArray, classes: np.ndarray) -> None:
    value = class_specificity(maps, classes, collected.clusters)
    note = "" if np.isfinite(value) else "fewer than two classes, or a single band"
    collected.add_missing("class-similarity", note)
    collected.rows[-1] |= {"value": value, "n": len(collected.case)}


class _Collected:
    """Rows of the table of measures as they come, and the values of the tokens behind them."""

    def __init__(self, method: str, case: Case, clusters: Clusters) -> None:
        self.method, self.case, self.clusters = method, case, clusters
        self.rows: list[dict[str, object]] = []
        self.tokens: list[pd.DataFrame] = []

    def add(
        self,
        name: str,
        values: pd.Series | np.ndarray,
        chance: pd.Series | np.ndarray | float | None = None,
        *,
        over: pd.Series | None = None,
        rows: np.ndarray | None = None,
    ) -> None:
        """Add the mean of a measure over tokens, or the ratio of two sums.

        Parameters
        ----------
        values, chance
            One a token; tokens whose value is not finite are left out and counted in the note.
        over
            Divisor of the sum of the values.
        rows
            Positions of the tokens, where they are not all.
        """
        rows = np.arange(len(self.case)) if rows is None else rows
        value = np.asarray(values, dtype=float)
        by_chance = (
            np.full(len(value), np.nan) if chance is None else np.broadcast_to(chance, value.shape).astype(float)
        )
        weight = np.ones(len(value)) if over is None else np.asarray(over, dtype=float)
        each = pd.DataFrame({"method": self.method, "token": self.case.names[rows], "target": self.case.targets[rows]})
        self.tokens.append(each.assign(measure=name, value=value, chance=by_chance, weight=weight))
        clusters = _rows_of(self.clusters, rows)
        self.rows.append(_measured(self.method, name, self.tokens[-1], clusters, self.case.setting.seed))

    def add_missing(self, name: str, note: str) -> None:
        """Add a measure that has no value here, and why."""
        self.rows.append(_unmeasured(self.method, name, note))


def _measured(method: str, name: str, tokens: pd.DataFrame, clusters: Clusters, seed: int) -> dict[str, object]:
    """Row of one measure from the values of the tokens; those without a value are left out and counted."""
    value, by_chance, weight = (tokens[column].to_numpy(dtype=float) for column in ("value", "chance", "weight"))
    has_chance = bool(np.isfinite(by_chance).any())
    kept = np.isfinite(value) & (np.isfinite(by_chance) | (not has_chance))
    note = "" if kept.all() else f"{int((~kept).sum())} tokens without a value are left out"
    if not kept.any() or not weight[kept].sum() > 0:
        return _unmeasured(method, name, note or "nothing changes between the token and the neutral input")
    clusters = _rows_of(clusters, np.flatnonzero(kept))
    value, by_chance, weight = value[kept], by_chance[kept], weight[kept]
    row: dict[str, object] = {"method": method, "measure": name, **_interval(value, weight, clusters, seed)}
    row |= {"chance": np.nan, "excess": np.nan, "excess_low": np.nan, "excess_high": np.nan, "passes": None}
    if has_chance:
        above = _interval(value - by_chance, weight, clusters, seed)
        row |= {"chance": float(by_chance.sum() / weight.sum())}
        row |= {"excess": above["value"], "excess_low": above["low"], "excess_high": above["high"]}
        row["passes"] = _passes(name, above["low"], above["high"])
    unit = resampling_unit(clusters, len(value))
    notes = "; ".join(part for part in (note, unit.note) if part)
    return row | {"n": len(value), "unit": unit.level, "n_units": unit.n_units, "note": notes}


def _unmeasured(method: str, name: str, note: str) -> dict[str, object]:
    """Row of a measure that has no value here, and why."""
    empty = dict.fromkeys(("value", "low", "high", "chance", "excess", "excess_low", "excess_high"), np.nan)
    row: dict[str, object] = {"method": method, "measure": name, **empty, "passes": None}
    return row | {"n": 0, "unit": "", "n_units": 0, "note": note}


def _interval(value: np.ndarray, weight: np.ndarray, clusters: Clusters, seed: int) -> dict[str, float]:
    found = bootstrap_interval(lambda w: (w @ value) / (w @ weight), len(value), clusters, seed=seed)
    return {"value": found.estimate, "low": found.low, "high": found.high}


def _passes(name: str, low: float, high: float) -> bool | None:
    better = describe_measure(name).better
    if better == "neither" or not np.isfinite(low):
        return None
    return low > 0 if better == "higher" else high < 0


def _rows_of(clusters: Clusters, rows: np.ndarray) -> Clusters:
    if clusters is None:
        return None
    if isinstance(clusters, pd.DataFrame):
        return clusters.iloc[rows]
    every = list(clusters)
    return [every[i] for i in rows]
