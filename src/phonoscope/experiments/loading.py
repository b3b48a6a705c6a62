"""The one place where an experiment is given a model: how it is loaded, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phonoscope.classifier import Classifier
from phonoscope.errors import ClassifierError
from phonoscope.models import load
from phonoscope.models.describing import gives_in_words, takes_in_words
from phonoscope.models.loading import describes_itself
from phonoscope.models.picturing import at_picture

# What an experiment is told of its model, beside its rate, and what `phonoscope.load` calls it.
SAID = {name: name for name in ("output", "kind", "activation", "frames", "picture")} | {"model_labels": "labels"}


def taken_out(options: dict[str, Any]) -> dict[str, Any]:
    """Take what is said of the model out of the options of an experiment, as `load_model` takes it."""
    said = {SAID[name]: options.pop(name) for name in SAID if name in options}
    if isinstance(said.get("labels"), str):
        said["labels"] = [name.strip() for name in said["labels"].split(",") if name.strip()]
    return said


def load_model(
    source: str | Path | Classifier,
    said: Mapping[str, Any] | None = None,
    *,
    trust_imports: bool = False,
    device: str | None = None,
    sample_rate: int | None = None,
    labels: Sequence[str] = (),
) -> Classifier:
    """Load a model that was trained elsewhere, or by an earlier run.

    Parameters
    ----------
    source
        As of `phonoscope.load`; a classifier that is loaded already is taken as it is.
    said
        What is said of the model, as `phonoscope.load` takes it: ``sample_rate``, ``labels``, ``output`` …
    trust_imports
        Allow it to import the code of its network.
    device
        Where it computes.
    sample_rate, labels
        Of the recordings (Hz, and their classes in order): for a model of which neither is known.

    Raises
    ------
    ClassifierError
        If it cannot be loaded.
    """
    if isinstance(source, Classifier):
        placed = source if device is None else source.to(device)
        return at_picture(placed, (said or {}).get("picture"))
    how: dict[str, Any] = {"trust_imports": trust_imports, "device": device, **(said or {})}
    if describes_itself(source):
        return load(source, **how)
    if sample_rate is not None:
        how.setdefault("sample_rate", sample_rate)
    if "labels" in how:
        return load(source, **how)
    try:
        classifier = load(source, **how)
    except ClassifierError:
        if not labels:
            raise
        return load(source, **how, labels=list(labels))  # one logit, whose two sides need names
    if labels and classifier.labels == [str(i) for i in range(len(labels))]:
        classifier.labels = [str(label) for label in labels]
    return classifier


def describe_model(classifier: Classifier, source: object) -> dict[str, Any]:
    """What a model is: ``source, takes, gives, labels, sample_rate`` (Hz), as a run and its results say it."""
    return {
        "source": type(source).__name__ if isinstance(source, Classifier) else str(source),
        "takes": takes_in_words(classifier),
        "gives": gives_in_words(classifier),
        "labels": classifier.labels,
        "sample_rate": classifier.sample_rate,
    }
