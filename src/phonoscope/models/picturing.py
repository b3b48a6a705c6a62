"""Classifiers whose picture arises inside the model: maps then begin there, with rows in Hz and columns in s."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from phonoscope.classifier import Classifier
from phonoscope.errors import ClassifierError
from phonoscope.frontends import InnerPicture
from phonoscope.frontends.inner import find_picture
from phonoscope.networks import OUTSIDE
from phonoscope.networks.outside import Outside
from phonoscope.networks.outside.sources import FileModel, FunctionModel, OnnxModel, ScriptModel

_SECONDS = 1.0


def at_picture(classifier: Classifier, picture: str | None) -> Classifier:
    """Let a classifier begin at a picture inside its model; its axes are measured by clicks and tones.

    Parameters
    ----------
    classifier
        Of a model from elsewhere.
    picture
        Name of the module whose output is the picture; the classifier is returned as it is where None.

    Raises
    ------
    ClassifierError
        If its network sees a picture already, nobody can look into it, or the module makes no picture.
    """
    if picture is None:
        return classifier
    network, front_end = classifier.network, classifier.front_end
    if isinstance(front_end, InnerPicture) and front_end.picture == picture:
        return classifier
    if not isinstance(network, Outside) or front_end.frequency_axis is not None:
        raise ClassifierError(
            f"the front end {front_end.kind!r} makes a picture already, with rows in Hz: leave out picture={picture!r} "
            "(--picture)"
        )
    if isinstance(network.model, (FileModel, FunctionModel)):
        kinds = {OnnxModel: "an ONNX model", ScriptModel: "TorchScript"}
        kind = kinds.get(type(network.model), "a function")
        raise ClassifierError(
            f"the model is {kind}, which cannot be entered: no picture {picture!r} can be seen in it. Leave it out, or "
            "load the model from its Python code"
        )

    def run(inputs: Tensor) -> Any:
        return network.answer(network.fitted(inputs))

    seconds = front_end.usual_seconds if network.exact else max(front_end.usual_seconds, _SECONDS)
    axes = find_picture(network.model, picture, front_end, run, seconds, singly=network.takes.singly)
    if network.exact:
        samples = round(front_end.usual_seconds * classifier.sample_rate)
        axes = replace(axes, layout=replace(axes.layout, samples=samples))
    # The network anew: the other classifier goes on as it is.
    begun = network.read_as(network.gives, network.references)
    return Classifier(
        InnerPicture(front_end, picture, axes),
        begun,
        classifier.labels,
        scores=classifier.scores,
        network_name=OUTSIDE,
        network_options=begun.options,
    )
