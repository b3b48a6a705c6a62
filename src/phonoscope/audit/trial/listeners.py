"""Models that the audit is tried on: linear, on spectrograms and on waveforms; small, so that many can be trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from phonoscope.classifier import Classifier
from phonoscope.frontends import Spectrogram, Waveform
from phonoscope.training import train
from phonoscope.training.recipe import TrainingRecipe

LABELS = ("A", "B")
SECONDS = 1.3  # that a network hears
_FRAME = 0.032
_BANDS = 20
_POWER_FLOOR = 1e-9
_LEAST_SPREAD = 0.03  # of a measure: what hardly varies is not blown up

Answers = Callable[[Sequence[np.ndarray]], np.ndarray]  # sounds → log odds of the second class, shape (sound,)


def linear(sounds: Sequence[np.ndarray], classes: np.ndarray, rate: float, seed: int) -> Answers:
    """Logistic regression on what band energies, length, offset and the sample values look like.

    Parameters
    ----------
    sounds
        To train on.
    classes : array of 0 and 1 (sound,)
    rate : float
        Sample rate, Hz.
    seed : int
        Without meaning here.
    """
    del seed
    learnt = _features(sounds, rate)
    mean, spread = learnt.mean(axis=0), np.maximum(learnt.std(axis=0), _LEAST_SPREAD)
    model = LogisticRegression(C=0.03, max_iter=300).fit((learnt - mean) / spread, classes)
    return lambda some: model.decision_function((_features(some, rate) - mean) / spread)


def _features(sounds: Sequence[np.ndarray], rate: float) -> np.ndarray:
    size = round(_FRAME * rate)
    edges = np.unique(np.geomspace(1, size // 2 + 1, _BANDS + 1).astype(int))
    window = np.hanning(size)
    rows = []
    for sound in sounds:
        x = np.pad(np.asarray(sound, dtype=float), (0, max(0, size - len(sound))))
        frames = np.lib.stride_tricks.sliding_window_view(x, size)[:: size // 2]
        power = np.abs(np.fft.rfft((frames - x.mean()) * window, axis=1)) ** 2
        bands = np.log(np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1) + _POWER_FLOOR * size)
        loud, ordered = bands.mean(axis=1), np.sort(bands, axis=0)
        at = [round(share * (len(ordered) - 1)) for share in (0.1, 0.5, 0.9)]
        top = np.abs(x) > 0.995 * np.abs(x).max(initial=1e-9)
        spoken = np.flatnonzero(loud >= np.sort(loud)[round(0.6 * (len(loud) - 1))])
        more = [
            30 * x.mean(), np.log(len(x)), np.log10(top.mean() + 1e-4), spoken[0] / 20, spoken[-1] / 20,
            np.log10(np.count_nonzero(np.diff(np.sort(np.round(x, 6)))) + 1), 4 * (loud < loud.max() - 3).mean(),
            np.diff(loud).std(),
        ]  # fmt: skip
        rows.append(np.concatenate([*ordered[at], more]))
    return np.array(rows)


def spectrogram(sounds: Sequence[np.ndarray], classes: np.ndarray, rate: float, seed: int) -> Answers:
    """The ``compact-local`` network on a spectrogram re full scale.

    Parameters
    ----------
    sounds
        To train on.
    classes : array of 0 and 1 (sound,)
    rate : float
        Sample rate, Hz.
    seed : int
        Of weights and order.
    """
    front_end = Spectrogram(
        round(rate), rows=32, columns=48, window_seconds=0.02, time="fixed", seconds=SECONDS, range_db=70.0,
        reference="full-scale",
    )  # fmt: skip
    return _trained(Classifier.build(front_end, "compact-local", LABELS), sounds, classes, seed, 3e-3)


def waveform(sounds: Sequence[np.ndarray], classes: np.ndarray, rate: float, seed: int) -> Answers:
    """The ``sub-segmental`` network on the waveform.

    Parameters
    ----------
    sounds
        To train on.
    classes : array of 0 and 1 (sound,)
    rate : float
        Sample rate, Hz.
    seed : int
        Of weights and order.
    """
    front_end = Waveform(round(rate), seconds=SECONDS)
    built = Classifier.build(front_end, "sub-segmental", LABELS, head="pooled", samples=front_end.time_axis.columns)
    return _trained(built, sounds, classes, seed, 1e-3)


def _trained(
    classifier: Classifier, sounds: Sequence[np.ndarray], classes: np.ndarray, seed: int, learning_rate: float
) -> Answers:
    import torch

    torch.manual_seed(seed)
    for module in classifier.network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()  # ty: ignore[not-callable]
    every = np.arange(len(sounds))
    train(
        classifier, [np.asarray(each, dtype=np.float32) for each in sounds], [LABELS[k] for k in classes],
        train_index=every, validation_index=every[:0], device="cpu",
        recipe=TrainingRecipe(batch_size=32, epochs=6, choose="last", noise=0.2, seed=seed,
                              learning_rate=learning_rate, weight_decay=0.05),
    )  # fmt: skip
    classifier.eval()

    def answers(some: Sequence[np.ndarray]) -> np.ndarray:
        logits = classifier.logits([np.asarray(each, dtype=np.float32) for each in some])
        return (logits[:, 1] - logits[:, 0]).astype(float)

    return answers


LISTENERS = {"linear": linear, "spectrogram": spectrogram, "waveform": waveform}
