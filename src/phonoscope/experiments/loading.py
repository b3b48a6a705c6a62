"""The one place where an experiment is given a model: how it is loaded, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phonoscope.classifier import Classifier


def load_model(
    source: str | Path,
    *,
    trust_imports: bool = False,
    device: str = "cpu",
    sample_rate: int | None = None,
    labels: Sequence[str] | None = None,
) -> Classifier:
    """Load a model that was trained elsewhere, or by an earlier run.

    Parameters
    ----------
    source
        Folder of the model, or its name on the Hugging Face Hub.
    trust_imports
        Allow it to import the code of its network.
    device
        Where it computes.
    sample_rate, labels
        Of the recordings (Hz, and their classes in order): for a model that says neither.

    Raises
    ------
    ClassifierError
        If it cannot be loaded.
    """
    del sample_rate, labels  # a saved classifier knows both
    return Classifier.from_pretrained(source, trust_imports=trust_imports, device=device)


def describe_model(classifier: Classifier, source: str | Path) -> dict[str, Any]:
    """What a model is: ``source, takes, gives, labels, sample_rate`` (Hz), as a run and its results say it."""
    seconds = classifier.front_end.time_axis.seconds
    length = "sounds of any length" if seconds is None else f"{seconds:g} s of sound"
    picture = classifier.front_end.frequency_axis
    seen = "" if picture is None else f", as a picture of {picture.rows} rows up to {picture.max_hz:g} Hz"
    return {
        "source": str(source),
        "takes": f"{length} at {classifier.sample_rate} Hz{seen}",
        "gives": f"scores of {len(classifier.labels)} classes",
        "labels": classifier.labels,
        "sample_rate": classifier.sample_rate,
    }
