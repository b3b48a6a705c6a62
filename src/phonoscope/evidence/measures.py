"""All measures of how far a map deserves belief, in one place: direction, range, chance level, what each can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from phonoscope.errors import PhonoscopeError


@dataclass(frozen=True)
class Measure:
    """One measure.

    Parameters
    ----------
    name, title
        As in tables, and in words.
    better
        Whether ``higher`` or ``lower`` values are better, or ``neither``.
    low, high
        Ends of its range; None where there is none.
    units
        Of its values.
    chance
        What it is compared with, in words; empty where it has no chance level.
    shows
        One sentence: what it can and cannot show.
    source
        Where it is defined.
    """

    name: str
    title: str
    better: Literal["higher", "lower", "neither"]
    low: float | None
    high: float | None
    units: str
    chance: str
    shows: str
    source: str


_MOVED = "the same maps shifted to random places"
_YEH = "Yeh et al. 2019"
_LMAC = "Paissan et al. 2024 (L-MAC)"
_CURVES = (
    "It shows whether the map finds what the network needs in this input; changed inputs are unlike speech, so some of "
    "what is lost is lost for that reason, which the same maps at other places lose too."
)
_MASK = "The mask is the positive part of the map over its maximum, so a map of few peaks keeps little of the input."
_BEST = "The mask is the best 20 % of the area, so that fat and thin maps are compared alike."


def _masked(
    name: str,
    title: str,
    better: Literal["higher", "lower"],
    bounds: tuple[float, float],
    units: str,
    shows: str,
    source: str,
) -> tuple[Measure, Measure]:
    """Build a measure of masked inputs: with the soft mask, and with the best fifth."""
    soft = Measure(name, title, better, *bounds, units, _MOVED, f"{shows} {_MASK}", source)
    best = Measure(f"{name}-best", f"{title}, best 20 %", better, *bounds, units, _MOVED, f"{shows} {_BEST}", source)
    return soft, best


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure(
            "causal-agreement",
            "agreement with band-stop filtering",
            "higher",
            -1.0,
            1.0,
            "rank correlation",
            "profiles of tokens of other classes",
            "It shows whether the map orders the bands of a token as filtering them out of the sound does; filtering "
            "sees what is present, so evidence from a missing sound can disagree and be true.",
            "Spearman's ρ over bands",
        ),
        Measure(
            "causal-agreement-in-class",
            "agreement with band-stop filtering, within the class",
            "higher",
            -1.0,
            1.0,
            "rank correlation",
            "profiles of other tokens of the same class",
            "It shows whether the map knows this token rather than its class; near chance it draws the class's picture "
            "every time, which may still be a true picture of the class.",
            "Spearman's ρ over bands",
        ),
        Measure(
            "deletion",
            "deletion, logit",
            "higher",
            None,
            None,
            "share of the way from the token to the neutral input",
            _MOVED,
            "Area between chance and the curve of the logit when the most important cells go first. " + _CURVES,
            "Petsiuk et al. 2018; Samek et al. 2017",
        ),
        Measure(
            "insertion",
            "insertion, logit",
            "higher",
            None,
            None,
            "share of the way from the token to the neutral input",
            _MOVED,
            "Area between the curve of the logit when the most important cells come first, and chance. " + _CURVES,
            "Petsiuk et al. 2018",
        ),
        Measure(
            "deletion-probability",
            "deletion, probability",
            "higher",
            -1.0,
            1.0,
            "probability",
            _MOVED,
            "As deletion, on the probability; a sure network hides what it loses until the decision turns.",
            "Petsiuk et al. 2018",
        ),
        Measure(
            "insertion-probability",
            "insertion, probability",
            "higher",
            -1.0,
            1.0,
            "probability",
            _MOVED,
            "As insertion, on the probability; a sure network hides what it gains after the decision has turned.",
            "Petsiuk et al. 2018",
        ),
        *_masked(
            "ai",
            "average increase (AI)",
            "higher",
            (0.0, 100.0),
            "% of tokens",
            "Share of tokens whose probability rises when the rest is made neutral; a rise counts whatever its size.",
            f"Chattopadhay et al. 2018 (Grad-CAM++); {_LMAC}",
        ),
        *_masked(
            "ad",
            "average drop (AD)",
            "lower",
            (0.0, 100.0),
            "% of the probability",
            "What the probability loses when the rest is made neutral; a mask that keeps everything loses nothing.",
            f"Chattopadhay et al. 2018 (Grad-CAM++); {_LMAC}",
        ),
        *_masked(
            "ag",
            "average gain (AG)",
            "higher",
            (0.0, 100.0),
            "% of what was missing to certainty",
            "What the probability gains when the rest is made neutral; small where the network is sure anyway.",
            f"Zhang et al. 2024 (Opti-CAM); {_LMAC}",
        ),
        *_masked(
            "ff",
            "faithfulness on spectra (FF)",
            "higher",
            (-1.0, 1.0),
            "probability",
            "What the probability loses when the part is taken out; cues that stand in for each other hide the loss.",
            f"Parekh et al. 2022 (L2I); {_LMAC}",
        ),
        *_masked(
            "fid-in",
            "input fidelity (Fid-In)",
            "higher",
            (0.0, 1.0),
            "share of tokens",
            "Share of tokens whose class stays the same on the part alone; it does not ask how sure the network is.",
            _LMAC,
        ),
        Measure(
            "sps",
            "sparseness (SPS)",
            "neither",
            0.0,
            1.0,
            "Gini index",
            "",
            "It says how few cells hold the evidence of the map, not whether they are the right ones.",
            f"Chalasani et al. 2020; {_LMAC}",
        ),
        Measure(
            "comp",
            "complexity (COMP)",
            "neither",
            0.0,
            None,
            "nat",
            "",
            "It says how evenly the map's evidence is spread, not whether it is in the right place.",
            f"Bhatt et al. 2020; {_LMAC}",
        ),
        Measure(
            "infidelity",
            "infidelity",
            "lower",
            0.0,
            1.0,
            "share of the change",
            _MOVED,
            "It shows whether the map foretells what many small changes of the input do to the logit; it says little "
            "about taking a cue away altogether, and it favours slopes, which foretell small changes best.",
            f"{_YEH}, eq. 1 with the optimal scale, relative to an empty map",
        ),
        Measure(
            "max-sensitivity",
            "maximum sensitivity",
            "lower",
            0.0,
            None,
            "relative change of the map",
            "",
            "It shows whether maps of almost the same sound are almost the same; a map that never changes is perfect "
            "here and worthless, so read it beside the others.",
            f"{_YEH}, SENS_MAX, relative, by random search",
        ),
        Measure(
            "randomisation",
            "similarity after randomisation",
            "lower",
            -1.0,
            1.0,
            "rank correlation",
            "maps of unrelated tokens by networks with random weights",
            "Near chance the map depends on what the network has learnt; far above it shows the input, whatever the "
            "network; passing does not show that the map is true.",
            "Adebayo et al. 2018, cascading randomisation",
        ),
        Measure(
            "randomisation-size",
            "similarity after randomisation, absolute values",
            "lower",
            -1.0,
            1.0,
            "rank correlation",
            "maps of unrelated tokens by networks with random weights",
            "As randomisation, without the sign: far above chance, the size of a map's values shows the input, and "
            "only their sign the network.",
            "Adebayo et al. 2018, cascading randomisation",
        ),
        Measure(
            "incompleteness",
            "what the map leaves unexplained",
            "lower",
            0.0,
            None,
            "logit",
            "",
            "Difference between what the map should sum to and what it does; zero shows that nothing is lost in the "
            "sum, not that it is shared out rightly.",
            "Sundararajan et al. 2017, prop. 1",
        ),
        Measure(
            "class-similarity",
            "similarity of the classes' mean profiles",
            "lower",
            -1.0,
            1.0,
            "correlation",
            "",
            "Near 1 the maps of all classes look the same and cannot say what makes a class; classes that share a cue "
            "are rightly alike.",
            "Pearson's r between mean profiles, mean over pairs of classes",
        ),
        Measure(
            "method-agreement",
            "agreement of two methods",
            "higher",
            -1.0,
            1.0,
            "rank correlation",
            "profiles of tokens of other classes",
            "Methods that agree may err together; methods that disagree cannot all be right.",
            "Krishna et al. 2022 (the disagreement problem)",
        ),
        Measure(
            "classifier-agreement",
            "agreement of two trainings",
            "higher",
            -1.0,
            1.0,
            "rank correlation",
            "profiles of tokens of other classes",
            "It shows whether another training gives the same map; networks that use different cues equally well "
            "rightly disagree, and maps that are always the same agree for no reason.",
            "Spearman's ρ over bands",
        ),
    )
}


def describe_measure(name: str) -> Measure:
    """Return a measure by name; PhonoscopeError lists the names if there is none such."""
    if name not in MEASURES:
        raise PhonoscopeError(f"measure {name!r} is not known; choose one of {', '.join(MEASURES)}")
    return MEASURES[name]
