"""Models that give embeddings, as speaker models do: how similar a sound is to references of each label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from phonoscope.audio import read_audio
from phonoscope.classifier import Classifier
from phonoscope.errors import ClassifierError
from phonoscope.frontends import listed_waveforms
from phonoscope.models.loading import load
from phonoscope.models.wrapping import wrap
from phonoscope.modules import evaluation_mode
from phonoscope.networks import OUTSIDE
from phonoscope.networks.outside import Outside

Sound = np.ndarray | str | Path


def similarity(
    model: Classifier | nn.Module | Callable[..., Any] | str | Path,
    references: Mapping[str, Sequence[Sound] | Sound],
    **how: Any,
) -> Classifier:
    """Make a classifier of a model that gives embeddings: its scores are cosines with references of each label.

    Parameters
    ----------
    model
        Anything that `phonoscope.load` or `phonoscope.wrap` takes, or gave.
    references
        Sounds of each label, or one: 1-D arrays at the model's rate, or recordings. Their embeddings, each of length 1,
        are averaged. They are also the speech that the classifier knows, see ``Classifier.keep_reference``.
    how
        As of `load` or `wrap`, e.g. ``sample_rate``.

    Returns
    -------
    Classifier
        Labels in the order of the references; explained is the cosine, and the predicted label is the most similar.

    Raises
    ------
    ClassifierError
        If there are no references of a label, or the model gives no embedding.
    """
    if not isinstance(references, Mapping):
        raise ClassifierError(
            f"references are a {type(references).__name__}; expected a dictionary from each label to its sounds: "
            '{"george": [...], "jackson": [...]}'
        )
    listed = {label: _listed(sounds) for label, sounds in references.items()}
    if not listed or not all(len(sounds) for sounds in listed.values()):
        raise ClassifierError("similarity needs at least one reference sound of each label")
    if not isinstance(model, Classifier):
        how = {"kind": "embedding", **how}
        model = load(model, **how) if isinstance(model, (str, Path)) else wrap(model, **how)
    network = model.network
    if not isinstance(network, Outside) or network.references is not None:
        raise ClassifierError(
            "similarity needs a model from elsewhere that gives an embedding: wrap(…, kind='embedding')"
        )
    gives = replace(network.gives, kind="embedding")
    embedding = network.read_as(gives)
    whole = Classifier(model.front_end, embedding, [str(i) for i in range(_size(model, embedding))], scores="embedding")
    sounds = {label: [_read(sound, model.sample_rate) for sound in given] for label, given in listed.items()}
    centres = torch.stack([_centre(whole, given) for given in sounds.values()])
    compared = network.read_as(gives, centres.to(model.device))
    classifier = Classifier(
        model.front_end,
        compared,
        list(references),
        scores="similarities",
        network_name=OUTSIDE,
        network_options=compared.options,
    )
    classifier.keep_reference(
        [sound for given in sounds.values() for sound in given],
        [label for label, given in sounds.items() for _ in given],
    )
    return classifier


def _size(model: Classifier, embedding: Outside) -> int:
    """Dimensions of the embedding."""
    samples = round(model.front_end.usual_seconds * model.sample_rate)
    with evaluation_mode(embedding), torch.no_grad():
        return embedding(model.inputs(torch.zeros(1, samples))).shape[1]


def _listed(sounds: Sequence[Sound] | Sound) -> Sequence[Sound]:
    """References of a label as a list: a single one is one."""
    return [sounds] if isinstance(sounds, (str, Path)) else listed_waveforms(sounds)


def _read(sound: Sound, sample_rate: int) -> np.ndarray:
    """Samples of a reference."""
    return read_audio(sound, sample_rate)[0] if isinstance(sound, (str, Path)) else sound


def _centre(model: Classifier, sounds: Sequence[np.ndarray]) -> torch.Tensor:
    """Mean of the embeddings of some sounds, each of length 1, shape (dimensions,)."""
    return functional.normalize(torch.from_numpy(model.logits(sounds)), dim=1).mean(0)
