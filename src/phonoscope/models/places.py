"""When a recogniser hears the texts that it compares: by its own alignment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from phonoscope.classifier import Classifier
from phonoscope.errors import ClassifierError
from phonoscope.modules import evaluation_mode
from phonoscope.networks.outside import Outside
from phonoscope.networks.outside.texts import CtcTexts, SequenceTexts


def text_places(classifier: Classifier, waveforms: Sequence[np.ndarray], batch_size: int = 64) -> pd.DataFrame:
    """Say where a recogniser hears the marked part of each text: by forced alignment, or by its cross-attention.

    A recogniser with CTC outputs aligns a text by its most probable path; an encoder-decoder by its attention, which
    knows words better than phones (see ``SequenceTexts.places``).

    Parameters
    ----------
    classifier
        A recogniser that compares texts, from `phonoscope.load` or of a network of texts; it is left as it was.
    waveforms
        1-D arrays at its rate.
    batch_size
        Sounds at a time.

    Returns
    -------
    DataFrame
        One row a sound and text: ``sound`` (its number), ``text``, ``start`` and ``end`` (s from the sound's start).

    Raises
    ------
    ClassifierError
        If the model compares no texts, or does not give its cross-attention.
    """
    places = np.zeros((len(waveforms), len(classifier.labels), 2))
    with evaluation_mode(classifier):
        for part, inputs in classifier.batches(waveforms, batch_size):
            durations = np.array([len(sound) for sound in waveforms[part]]) / classifier.sample_rate
            places[part] = places_in_inputs(classifier, inputs, durations)
    return pd.DataFrame(
        {
            "sound": np.repeat(np.arange(len(places)), places.shape[1]),
            "text": list(classifier.labels) * len(places),
            "start": places[..., 0].ravel(),
            "end": places[..., 1].ravel(),
        }
    )


def hears_texts(classifier: Classifier) -> bool:
    """Whether a classifier's labels are texts, of which a recogniser says how probable each is."""
    network = classifier.network
    if isinstance(network, Outside):
        return network.gives.kind == "texts"
    return isinstance(network, (CtcTexts, SequenceTexts))


def places_in_inputs(classifier: Classifier, inputs: Tensor, durations: np.ndarray) -> np.ndarray:
    """Start and end of each text's marked part, s from each sound's start, shape (batch, texts, 2).

    Parameters
    ----------
    classifier
        A recogniser that compares texts, in evaluation mode.
    inputs
        Of its network, shape (batch, channels, …).
    durations
        Of the sounds, s, shape (batch,).

    Raises
    ------
    ClassifierError
        As of `text_places`.
    """
    network: Any = classifier.network
    if not hears_texts(classifier):
        raise ClassifierError("the model compares no texts, so there is no place of a text: name texts as its labels")
    axis = classifier.front_end.time_axis
    # Places are asked for as shares of the inputs, which then are put in the sound.
    starts = (
        np.zeros(len(durations)) if axis.seconds is None else np.broadcast_to(axis.start_in(durations), len(durations))
    )
    heard = np.ones(len(durations)) if axis.seconds is None else np.clip((durations - starts) / axis.seconds, 0, 1)
    with torch.no_grad():
        shares = network.places(inputs, 1.0, heard.tolist()).double().cpu().numpy()
    seconds = shares * (durations if axis.seconds is None else np.full(len(durations), axis.seconds))[:, None, None]
    return np.clip(seconds + starts[:, None, None], 0, durations[:, None, None])
