"""All measures of how far a map deserves belief, one function each, with what each can show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.attribution.method_spec import parse_method
from phonoscope.errors import AttributionError
from phonoscope.evidence.agreement import causal_agreement, class_specificity, training_agreement
from phonoscope.evidence.audio_measures import audio_measures, masked_scores, shape_measures
from phonoscope.evidence.measure import Measure, NotMeasuredError, PooledValue, TokenValues, Trial
from phonoscope.evidence.perturbation_curves import curve_areas, perturbation_curves
from phonoscope.evidence.randomisation import Randomised, parameter_randomisation
from phonoscope.evidence.sanity import infidelity, max_sensitivity
from phonoscope.registry import Registry

# Filtering shows what is lost with a sound; with the band at its average level, also what its absence said.
CAUSAL, FILLED = "band-stop", "band-stop(fill=mean)"
TRAININGS = "classifier-agreement"
ALL = "all"
# Those that are measured where nobody names any; the others say the same in other words, or have no chance level.
DEFAULT_MEASURES = (
    "causal-agreement",
    "causal-agreement-in-class",
    "filled-agreement",
    "filled-agreement-in-class",
    "deletion",
    "insertion",
    "ff-best",
    "infidelity",
    "randomisation",
    "incompleteness",
    TRAININGS,
)


def _causal(trial: Trial) -> pd.DataFrame:
    return _agreement(trial, trial.causal)


def _filled(trial: Trial) -> pd.DataFrame:
    return _agreement(trial, trial.filled)


def _agreement(trial: Trial, given: str | xr.DataArray) -> pd.DataFrame:
    name = given if isinstance(given, str) else str(given.attrs.get("method", ""))
    if name == str(parse_method(trial.method)):
        raise NotMeasuredError("this method is the one that others are compared with")
    causal = trial.case.explain(given) if isinstance(given, str) else given
    return causal_agreement(trial.maps, causal, trial.case.classes)


def _trainings(trial: Trial) -> TokenValues:
    if trial.other is None:
        raise NotMeasuredError("the run has one classifier; compare with a run of another seed")
    table = training_agreement(trial.maps, trial.other, trial.case.classes)
    return TokenValues(table["agreement"], table["other_class"])


def _column(
    trial: Trial, *, of: Callable[[Trial], pd.DataFrame], value: str, chance: str | float | None = None
) -> TokenValues:
    """A column of a table with a row a token; its chance level is another column, or the same number for all."""
    table = trial.shared(of)
    return TokenValues(table[value], table[chance] if isinstance(chance, str) else chance)


def curves(trial: Trial) -> pd.DataFrame:
    """Curves of deletion and insertion; see `perturbation_curves`."""
    effort = trial.effort
    return perturbation_curves(trial.case, trial.maps, steps=effort.steps, draws=effort.draws, chance=effort.chance)


def _areas(trial: Trial) -> pd.DataFrame:
    return curve_areas(trial.shared(curves))


def _logit_area(trial: Trial, *, way: str) -> TokenValues:
    areas = trial.shared(_areas)
    return TokenValues(areas[f"{way}_gain_logit"], 0.0, over=areas["way_logit"].abs())


def _soft_masks(trial: Trial) -> pd.DataFrame:
    return _masks(trial, "soft")


def _best_masks(trial: Trial) -> pd.DataFrame:
    return _masks(trial, "best")


def _masks(trial: Trial, kind: str) -> pd.DataFrame:
    effort = trial.effort
    scores = masked_scores(trial.case, trial.maps, kinds=[kind], draws=effort.draws, chance=effort.chance)
    return audio_measures(scores)


def _masked_input(trial: Trial, *, name: str, of: Callable[[Trial], pd.DataFrame]) -> TokenValues:
    of_mask = trial.shared(of)
    of_map = of_mask[of_mask["draw"] == 0].set_index("token")[name]
    by_chance = of_mask[of_mask["draw"] > 0].groupby("token")[name].mean()
    return TokenValues(of_map.loc[trial.case.names], by_chance.loc[trial.case.names])


def _shapes(trial: Trial) -> pd.DataFrame:
    return shape_measures(trial.case, trial.maps)


def _infidelity(trial: Trial) -> pd.DataFrame:
    return infidelity(trial.case, trial.maps, draws=trial.effort.changes, chance=trial.effort.chance)


def _max_sensitivity(trial: Trial) -> TokenValues:
    rows, case = trial.case.some(trial.effort.sanity_tokens)
    table = max_sensitivity(case, trial.method, draws=trial.effort.disturbances)
    return TokenValues(table["sensitivity"], rows=rows)


def _randomised(trial: Trial) -> Randomised:
    _, case = trial.case.some(trial.effort.sanity_tokens)
    return parameter_randomisation(case, trial.method, networks=trial.effort.networks)


def _randomisation(trial: Trial, *, kind: str) -> TokenValues:
    rows, case = trial.case.some(trial.effort.sanity_tokens)
    check = trial.shared(_randomised)
    table = check.tokens[check.tokens["kind"] == kind].set_index("token").loc[case.names]
    values = TokenValues(table["similarity"], table["unrelated"], rows=rows)
    return values._replace(verdict=check.verdict, note=check.sentence) if kind == "signed" else values


def _incompleteness(trial: Trial) -> TokenValues:
    left = np.abs(trial.maps["incompleteness"].values.astype(float))
    if not np.isfinite(left).any():
        raise NotMeasuredError("the method does not promise what its maps sum to")
    return TokenValues(left)


def _class_similarity(trial: Trial) -> PooledValue:
    value = class_specificity(trial.maps, trial.case.classes)
    return PooledValue(value, "" if np.isfinite(value) else "fewer than two classes, or a single band")


_MOVED = "the same maps shifted to random places"
_OTHER_CLASSES = "profiles of tokens of other classes"
_SAME_CLASS = "profiles of other tokens of the same class"
_RANDOM_NETWORKS = "maps of unrelated tokens by networks with random weights"
_SHARE = "share of the way from the token to the neutral input"
_RHO = "rank correlation"
_PETSIUK, _YEH, _LMAC = "Petsiuk et al. 2018", "Yeh et al. 2019", "Paissan et al. 2024 (L-MAC)"
_ADEBAYO = "Adebayo et al. 2018, cascading randomisation"
_CURVES = (
    "It shows whether the map finds what the network needs in this input; changed inputs are unlike speech, so some of "
    "what is lost is lost for that reason, which the same maps at other places lose too."
)
_MASKS = {
    "soft": "The mask is the positive part of the map over its maximum, so a map of few peaks keeps little of the "
    "input.",
    "best": "The mask is the best 20 % of the area, so that fat and thin maps are compared alike.",
}
# Name, title, better, range, units, what it shows, source: each with the soft mask, and with the best fifth.
_MASKED: tuple[tuple[str, str, Literal["higher", "lower"], tuple[float, float], str, str, str], ...] = (
    (
        "ai", "average increase (AI)", "higher", (0.0, 100.0), "% of tokens",
        "Share of tokens whose probability rises when the rest is made neutral; a rise counts whatever its size.",
        f"Chattopadhay et al. 2018 (Grad-CAM++); {_LMAC}",
    ),
    (
        "ad", "average drop (AD)", "lower", (0.0, 100.0), "% of the probability",
        "What the probability loses when the rest is made neutral; a mask that keeps everything loses nothing.",
        f"Chattopadhay et al. 2018 (Grad-CAM++); {_LMAC}",
    ),
    (
        "ag", "average gain (AG)", "higher", (0.0, 100.0), "% of what was missing to certainty",
        "What the probability gains when the rest is made neutral; small where the network is sure anyway.",
        f"Zhang et al. 2024 (Opti-CAM); {_LMAC}",
    ),
    (
        "ff", "faithfulness on spectra (FF)", "higher", (-1.0, 1.0), "probability",
        "What the probability loses when the part is taken out; cues that stand in for each other hide the loss.",
        f"Parekh et al. 2022 (L2I); {_LMAC}",
    ),
    (
        "fid-in", "input fidelity (Fid-In)", "higher", (0.0, 1.0), "share of tokens",
        "Share of tokens whose class stays the same on the part alone; it does not ask how sure the network is.",
        _LMAC,
    ),
)  # fmt: skip


def _with_mask(mask: Literal["soft", "best"]) -> list[Measure]:
    name_end, title_end, of = ("", "", _soft_masks) if mask == "soft" else ("-best", ", best 20 %", _best_masks)
    return [
        Measure(
            name + name_end, title + title_end, better, units, f"{shows} {_MASKS[mask]}", source,
            partial(_masked_input, name=name, of=of), _MOVED, *bounds, least=0.05 if bounds[1] == 1 else 5.0,
            drawn=name + name_end == "ff-best",
        )
        for name, title, better, bounds, units, shows, source in _MASKED
    ]  # fmt: skip


_EMPTIED = "filtering sees what is present, so evidence from a missing sound can disagree and be true."
_FILLING = "here the band is not emptied but brought to its average level, so evidence from a missing sound counts."


def _with_reference(name: str, title: str, of: Callable[[Trial], pd.DataFrame], but: str) -> list[Measure]:
    """Agreement with one causal reference, beside chance between the classes and within them."""
    across, within = f"{name}-agreement", f"{name}-agreement-in-class"
    source, value = "Spearman's ρ over bands", partial(_column, of=of, value="agreement")
    return [
        Measure(
            across, f"agreement with {title}", "higher", _RHO,
            f"It shows whether the map orders the bands of a token as that filtering does; {but}",
            source, partial(value, chance="other_class"), _OTHER_CLASSES, -1.0, 1.0, beside=within, drawn=True,
        ),
        Measure(
            within, f"agreement with {title}, within the class", "higher", _RHO,
            "It shows whether the map knows this token rather than its class; near chance it draws the class's picture "
            "every time, which may still be a true picture of the class.",
            source, partial(value, chance="same_class"), _SAME_CLASS, -1.0, 1.0, beside=across,
        ),
    ]  # fmt: skip


_ALL = (
    *_with_reference("causal", "band-stop filtering", _causal, _EMPTIED),
    *_with_reference("filled", "band-stop filtering that fills with the average", _filled, _FILLING),
    Measure(
        "deletion", "deletion, logit", "higher", _SHARE,
        "Area between chance and the curve of the logit when the most important cells go first. " + _CURVES,
        f"{_PETSIUK}; Samek et al. 2017", partial(_logit_area, way="deletion"), _MOVED, drawn=True,
    ),
    Measure(
        "deletion-probability", "deletion, probability", "higher", "probability",
        "As deletion, on the probability; a sure network hides what it loses until the decision turns.",
        _PETSIUK, partial(_column, of=_areas, value="deletion_gain_probability", chance=0.0), _MOVED, -1.0, 1.0,
    ),
    Measure(
        "insertion", "insertion, logit", "higher", _SHARE,
        "Area between the curve of the logit when the most important cells come first, and chance. " + _CURVES,
        _PETSIUK, partial(_logit_area, way="insertion"), _MOVED, drawn=True,
    ),
    Measure(
        "insertion-probability", "insertion, probability", "higher", "probability",
        "As insertion, on the probability; a sure network hides what it gains after the decision has turned.",
        _PETSIUK, partial(_column, of=_areas, value="insertion_gain_probability", chance=0.0), _MOVED, -1.0, 1.0,
    ),
    *_with_mask("soft"),
    *_with_mask("best"),
    Measure(
        "sps", "sparseness (SPS)", "neither", "Gini index",
        "It says how few cells hold the evidence of the map, not whether they are the right ones.",
        f"Chalasani et al. 2020; {_LMAC}", partial(_column, of=_shapes, value="sps"), low=0.0, high=1.0,
    ),
    Measure(
        "comp", "complexity (COMP)", "neither", "nat",
        "It says how evenly the map's evidence is spread, not whether it is in the right place.",
        f"Bhatt et al. 2020; {_LMAC}", partial(_column, of=_shapes, value="comp"), low=0.0,
    ),
    Measure(
        "infidelity", "infidelity", "lower", "share of the change",
        "It shows whether the map foretells what many small changes of the input do to the logit; it says little "
        "about taking a cue away altogether, and it favours slopes, which foretell small changes best.",
        f"{_YEH}, eq. 1 with the optimal scale, relative to an empty map",
        partial(_column, of=_infidelity, value="infidelity", chance="chance"), _MOVED, 0.0, 1.0, drawn=True,
    ),
    Measure(
        "max-sensitivity", "maximum sensitivity", "lower", "relative change of the map",
        "It shows whether maps of almost the same sound are almost the same; a map that never changes is perfect "
        "here and worthless, so read it beside the others.",
        f"{_YEH}, SENS_MAX, relative, by random search", _max_sensitivity, low=0.0,
    ),
    # Whether a map stays alike is not a matter of a little above chance: the check has its own rule.
    Measure(
        "randomisation", "similarity after randomisation", "lower", _RHO,
        "Near chance the map depends on what the network has learnt; far above it shows the input, whatever the "
        "network; passing does not show that the map is true.",
        _ADEBAYO, partial(_randomisation, kind="signed"), _RANDOM_NETWORKS, -1.0, 1.0, by_chance=False, once=True,
    ),
    Measure(
        "randomisation-size", "similarity after randomisation, absolute values", "lower", _RHO,
        "As randomisation, without the sign: far above chance, the size of a map's values shows the input, and "
        "only their sign the network.",
        _ADEBAYO, partial(_randomisation, kind="size"), _RANDOM_NETWORKS, -1.0, 1.0, by_chance=False, once=True,
    ),
    Measure(
        "incompleteness", "what the map leaves unexplained", "lower", "logit",
        "Difference between what the map should sum to and what it does; zero shows that nothing is lost in the "
        "sum, not that it is shared out rightly.",
        "Sundararajan et al. 2017, prop. 1", _incompleteness, low=0.0,
    ),
    Measure(
        "class-similarity", "similarity of the classes' mean profiles", "lower", "correlation",
        "Near 1 the maps of all classes look the same and cannot say what makes a class; classes that share a cue "
        "are rightly alike.",
        "Pearson's r between mean profiles, mean over pairs of classes", _class_similarity, low=-1.0, high=1.0,
    ),
    Measure(
        TRAININGS, "agreement of two trainings", "higher", _RHO,
        "It shows whether another training gives the same map; networks that use different cues equally well "
        "rightly disagree, and maps that are always the same agree for no reason.",
        "Spearman's ρ over bands", _trainings, _OTHER_CLASSES, -1.0, 1.0, drawn=True,
    ),
)  # fmt: skip
MEASURES: Registry[Measure] = Registry("measure", {measure.name: measure for measure in _ALL}, error=AttributionError)


def measure_names(names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Names of the measures that are meant: the usual ones by default, ``all``, or these and what stands beside them.

    Raises
    ------
    AttributionError
        If one is not known, what was imported is no measure, or none is named.
    """
    if names is None:
        return DEFAULT_MEASURES
    chosen: dict[str, None] = {}
    for name in MEASURES if ALL in names else names:
        measure = MEASURES.find(name)
        if not isinstance(measure, Measure):
            raise AttributionError(f"{name} is {measure!r}; expected a phonoscope.evidence.measure.Measure")
        chosen |= dict.fromkeys((name, measure.beside) if measure.beside else (name,))
    if not chosen:
        raise AttributionError(f"no measure is named; choose among {', '.join(MEASURES)}, or {ALL}")
    return tuple(chosen)


def choose_measures(names: Sequence[str] | None = None) -> list[Measure]:
    """Return measures by name or import path, in this order; see `measure_names`."""
    measures = (MEASURES.find(name) for name in measure_names(names))
    return list({measure.name: measure for measure in measures}.values())


def describe_measure(name: str) -> Measure:
    """Return a measure by name; AttributionError lists the names if there is none such."""
    return MEASURES.find(name)
