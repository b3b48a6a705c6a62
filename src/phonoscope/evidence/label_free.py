"""Measures that need no planted truth, taken where the truth is planted: which of them predicts it?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from phonoscope.classifier import Classifier
from phonoscope.evidence.case import Case, open_case
from phonoscope.evidence.faithful import CAUSAL, faithfulness
from phonoscope.evidence.measure import Effort
from phonoscope.evidence.measures import MEASURES

# Of all measures those that are cheap, and hold for every method.
LABEL_FREE = ("causal-agreement-in-class", "deletion", "insertion", "ff-best", "infidelity")
_EFFORT = Effort(draws=1, changes=8)


def open_trial(
    classifier: Classifier, waveforms: Sequence[np.ndarray], labels: Sequence[str], reference: Sequence[np.ndarray]
) -> tuple[Case, xr.DataArray]:
    """Tokens on which methods are measured, and the maps by filtering that they are compared with.

    Parameters
    ----------
    classifier
        The classifier.
    waveforms, labels
        Tokens and their classes, which are explained.
    reference
        Waveforms that stand for the speech that is known.
    """
    case = open_case(classifier, waveforms, target="true", true_labels=labels, reference=reference)
    return case, case.explain(CAUSAL)


def measured(trial: tuple[Case, xr.DataArray], method: str, maps: xr.DataArray) -> dict[str, float]:
    """Value of each measure of `LABEL_FREE` for one method, turned so that more is better.

    Parameters
    ----------
    trial
        From `open_trial`.
    method
        As in `explain`.
    maps
        Its maps of these tokens.

    Notes
    -----
    Where a measure has a chance level, what it has above chance counts. A measure that compares with band-stop says
    nothing about band-stop itself.
    """
    case, causal = trial
    names = [name for name in LABEL_FREE if not (name.startswith("causal") and method == CAUSAL)]
    table = faithfulness(case, method, maps=maps, causal=causal, measures=names, effort=_EFFORT).measures
    values = table["excess"].where(table["excess"].notna(), table["value"])
    signs = [-1.0 if MEASURES[name].better == "lower" else 1.0 for name in table["measure"]]
    return {str(name): float(value) for name, value in zip(table["measure"], values * signs, strict=True)}
