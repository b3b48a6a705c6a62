"""Control maps: of the data alone, of the network with random weights, of another network for the same task.

A map that does not beat the first says nothing about the network that the data did not say before it was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from phonoscope.attribution import explain
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.evidence.controls import data_map
from phonoscope.evidence.randomisation import with_random_weights
from phonoscope.reference import even_places

DATA, DIFFERENCE, RANDOM, OTHER = (
    "control-data",
    "control-difference",
    "control-random-weights",
    "control-other-network",
)
CONTROLS = {
    DATA: "the data alone",
    DIFFERENCE: "the difference of the class means alone",
    RANDOM: "random weights",
    OTHER: "another network",
}
MOST_REFERENCE = 1024  # training tokens that the maps of the data are made from, at most


@dataclass(frozen=True)
class ControlledTokens:
    """Tokens whose maps are controlled, the classifier that is explained, and what stands against it.

    Parameters
    ----------
    classifier
        That never met the tokens.
    other
        Another one for the same task; None if there is none.
    method
        By which networks are explained.
    waveforms
        1-D arrays with their context.
    context_seconds
        Before and after each token.
    names, targets
        Name of each token, and the class that is explained in it.
    reference, reference_classes
        Waveforms of training tokens without context, and their classes.
    """

    classifier: Classifier
    other: Classifier | None
    method: str
    waveforms: Sequence[np.ndarray]
    context_seconds: float
    names: Sequence[str]
    targets: Sequence[str]
    reference: Sequence[np.ndarray]
    reference_classes: Sequence[str]


def control_maps(control: str, tokens: ControlledTokens, seed: int = 0) -> xr.DataArray:
    """Make the maps of one control.

    Parameters
    ----------
    control
        One of `CONTROLS`.
    tokens
        Which tokens, networks and method.
    seed
        Of random weights, and of whatever the method draws.

    Raises
    ------
    AttributionError
        If there is no other network, the method does not suit the network, or the training tokens lack a class.
    """
    if control in (DATA, DIFFERENCE):
        edge = round(tokens.context_seconds * tokens.classifier.sample_rate)
        alone = [waveform[edge : len(waveform) - edge] for waveform in tokens.waveforms]
        kind = "weighted" if control == DATA else "difference"
        reference, targets = (tokens.reference, tokens.reference_classes), list(tokens.targets)
        maps = data_map(tokens.classifier, alone, targets, *reference, kind=kind)
        return maps.assign_coords(
            token=("token", np.asarray(tokens.names, dtype=object)),
            target=("token", np.asarray(targets, dtype=object)),
        )
    if control == RANDOM:
        classifier = with_random_weights(tokens.classifier, seed)
    elif tokens.other is None:
        raise AttributionError("the run has one network; the control needs another for the same task")
    else:
        classifier = tokens.other
    return explain(
        classifier,
        tokens.waveforms,
        "true",
        tokens.method,
        true_labels=list(tokens.targets),
        tokens=list(tokens.names),
        context_seconds=tokens.context_seconds,
        seed=seed,
    )


def reference_places(classes: Sequence[str], positions: np.ndarray) -> np.ndarray:
    """Positions of at most 1,024 training tokens among those given, every class in turn."""
    order = positions[np.argsort(np.asarray(classes, dtype=str)[positions], kind="stable")]
    return np.sort(order[even_places(len(order), MOST_REFERENCE)])
