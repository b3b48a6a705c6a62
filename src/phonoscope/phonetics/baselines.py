"""What needs no network: a linear model on its picture or on formants, low-band energy, the commonest class.

They get the same split or folds as the network; an accuracy means nothing without them beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.judgement.units import PerToken
from phonoscope.phonetics.discriminant import fit_discriminant
from phonoscope.phonetics.profiles import as_labels

Measure = Literal["power", "energy"]

LOW_BAND_HZ = 700.0
SILENCE_POWER = 1e-12  # −120 dB re full scale: digital silence has no level of its own


@dataclass(frozen=True)
class Baseline:
    """Result of one baseline.

    Attributes
    ----------
    name : str
    accuracy, balanced_accuracy : float
        Over the tested tokens; balanced is the mean of the classes' hit rates.
    predictions : Series (token,)
        Predicted class; NA for tokens that were not tested.
    n_tested : int
    details : dict
        What was imputed, learnt or left out, ready for JSON.
    """

    name: str
    accuracy: float
    balanced_accuracy: float
    predictions: pd.Series
    n_tested: int
    details: dict[str, Any] = field(default_factory=dict)


def formant_lda(
    formants: pd.DataFrame,
    labels: PerToken,
    *,
    folds: PerToken | None = None,
    train: np.ndarray | None = None,
    test: np.ndarray | None = None,
    columns: Sequence[str] = ("f1_50", "f2_50", "f3_50"),
) -> Baseline:
    """Linear discriminant analysis on log formants: what a phonetician's three numbers alone can tell.

    A missing formant is given the median of the training tokens; how many were is in ``details["imputed"]``.

    Parameters
    ----------
    formants : DataFrame
        One row a token in the order of `labels`, Hz.
    labels : sequence of n_tokens
        Classes; tokens without one (NA) take no part.
    folds : sequence of n_tokens, optional
        Fold of each token, e.g. its recording or speaker: each fold is tested once by a model trained on all others.
    train, test : bool ndarray (token,), optional
        Instead of folds: the network's own split.
    columns : sequence of str
        Formants used.

    Raises
    ------
    PhonoscopeError
        If columns are missing, a formant was measured in no training token, or neither folds nor a split is given.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    names = as_labels(labels, len(formants))
    if lacking := [column for column in columns if column not in formants]:
        has = ", ".join(map(str, formants.columns))
        raise PhonoscopeError(f"the formant table has no column {', '.join(lacking)}; it has: {has}.")
    hertz = formants[list(columns)].to_numpy(dtype=float, na_value=np.nan)
    logs = np.log(np.where(hertz > 0, hertz, np.nan))

    def classify(training: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        known = np.isfinite(logs[training]).any(axis=0)
        if not known.all():
            never = ", ".join(np.array(columns)[~known])
            raise PhonoscopeError(f"{never} was measured in no training token: leave the column out or train on more.")
        filled = np.where(np.isnan(logs), np.nanmedian(logs[training], axis=0), logs)
        model = LinearDiscriminantAnalysis().fit(filled[training], names[training].to_numpy(dtype=str))
        return model.predict(filled[held_out])

    imputed = {column: int(missing) for column, missing in zip(columns, np.isnan(logs).sum(axis=0), strict=True)}
    return _run("LDA on log formants", names, classify, folds, train, test, {"imputed": imputed})


def linear_twin(
    pictures: np.ndarray,
    labels: PerToken,
    *,
    name: str = "linear twin",
    folds: PerToken | None = None,
    train: np.ndarray | None = None,
    test: np.ndarray | None = None,
) -> Baseline:
    """Linear discriminant analysis, its covariance shrunk, on the picture that the network itself gets.

    What it recognises needs no network. A class that no training token of a fold has is never predicted there; how many
    tested tokens that concerns is in ``details["class_not_trained"]``.

    Parameters
    ----------
    pictures : ndarray (token, cell)
        One row a token; see `phonoscope.phonetics.discriminant.fit_discriminant`.
    labels : sequence of n_tokens
        Classes; NA takes no part.
    name : str
        Of the result.
    folds, train, test
        As in `formant_lda`.

    Raises
    ------
    PhonoscopeError
        If neither folds nor a split is given, or a training part has fewer than two classes.
    """
    names = as_labels(labels, len(pictures))
    not_trained = 0

    def classify(training: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        nonlocal not_trained
        model = fit_discriminant(pictures, names.to_numpy(dtype=object), np.flatnonzero(training))
        not_trained += int((~names[held_out].isin(model.classes)).sum())
        return model.predict(pictures, np.flatnonzero(held_out))

    result = _run(name, names, classify, folds, train, test, {"cells": int(pictures.shape[1])})
    result.details["class_not_trained"] = not_trained
    return result


def low_band_energy(
    waveforms: Sequence[np.ndarray],
    sample_rate: float,
    labels: PerToken,
    *,
    folds: PerToken | None = None,
    train: np.ndarray | None = None,
    test: np.ndarray | None = None,
    cutoff_hz: float = LOW_BAND_HZ,
    measure: Measure = "power",
) -> Baseline:
    """Voiced or voiceless from one number, the level below `cutoff_hz`, and one threshold learnt on training tokens.

    Parameters
    ----------
    waveforms : sequence of ndarray (sample,)
        The tokens themselves, without context.
    sample_rate : float
        Hz.
    labels : sequence of n_tokens
        Exactly two classes (voiced and voiceless, under any names); NA takes no part.
    folds, train, test
        As in `formant_lda`.
    cutoff_hz : float
        Upper edge of the low band.
    measure : {"power", "energy"}
        Mean power, or energy, to which duration adds (vowels are long): the fairer rival of a network that is shown
        how long a token is. See `low_band_level`.

    Returns
    -------
    Baseline
        ``details["thresholds_db"]``: one a fold; ``details["above"]``: the class that lies above it.

    Raises
    ------
    PhonoscopeError
        If there are not two classes, or neither folds nor a split is given.
    """
    names = as_labels(labels, len(waveforms))
    if names.nunique() != 2:
        found = ", ".join(sorted(map(str, names.dropna().unique()))) or "none"
        raise PhonoscopeError(f"one threshold tells two classes apart, voiced and voiceless; found: {found}.")
    level = low_band_level(waveforms, sample_rate, cutoff_hz, measure)
    thresholds: list[float] = []
    above: list[str] = []

    def classify(training: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        threshold, over, under = _best_threshold(level[training], names[training].to_numpy(dtype=str))
        thresholds.append(threshold)
        above.append(over)
        return np.where(level[held_out] > threshold, over, under)

    details = {"cutoff_hz": float(cutoff_hz), "measure": measure}
    result = _run(f"{measure} below {cutoff_hz:g} Hz", names, classify, folds, train, test, details)
    result.details["thresholds_db"] = thresholds
    result.details["above"] = sorted(set(above))
    return result


def low_band_level(
    waveforms: Sequence[np.ndarray],
    sample_rate: float,
    cutoff_hz: float = LOW_BAND_HZ,
    measure: Measure = "power",
) -> np.ndarray:
    """Level below a frequency: ndarray (token,), dB, at least −120 dB.

    The token is weighted by a Hann window w, because the ends of an interval often belong to its neighbours (on 32
    LJSpeech recordings the threshold is right in 93 % of tokens with the window and in 89 % without). By Parseval's
    theorem the mean power is ``Σ |X[k]|² / (n Σ w²)`` over all bins of the discrete Fourier transform; those with
    ``|f| < cutoff_hz`` count.

    Parameters
    ----------
    waveforms : sequence of ndarray (sample,)
    sample_rate : float
        Hz.
    cutoff_hz : float
    measure : {"power", "energy"}
        Mean power, dB re a power of 1; or energy, dB re a power of 1 for 1 s, which grows with duration.
    """
    power = np.zeros(len(waveforms))
    for i, waveform in enumerate(waveforms):
        samples = np.asarray(waveform, dtype=np.float64)
        if samples.size == 0:
            continue
        window = np.hanning(samples.size + 2)[1:-1]  # no zeros at the ends, so one sample has a level too
        spectrum = np.abs(np.fft.fft(samples * window)) ** 2 / (samples.size * (window**2).sum())
        power[i] = spectrum[np.abs(np.fft.fftfreq(samples.size, 1.0 / sample_rate)) < cutoff_hz].sum()
        if measure == "energy":
            power[i] *= samples.size / sample_rate
    return 10 * np.log10(np.maximum(power, SILENCE_POWER))


def majority_class(
    labels: PerToken,
    *,
    folds: PerToken | None = None,
    train: np.ndarray | None = None,
    test: np.ndarray | None = None,
) -> Baseline:
    """Always the commonest class of the training tokens (the first in alphabetical order if several are).

    Parameters
    ----------
    labels : sequence (token,)
        Classes.
    folds, train, test
        As in `formant_lda`.
    """
    names = as_labels(labels, len(labels))

    def classify(training: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        classes, counts = np.unique(names[training].to_numpy(dtype=str), return_counts=True)
        return np.full(int(held_out.sum()), classes[counts.argmax()], dtype=object)

    return _run("majority class", names, classify, folds, train, test, {})


def balanced_accuracy(true: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over the classes that occur in `true` of the share that was recognised."""
    return float(np.mean([np.mean(predicted[true == name] == name) for name in np.unique(true)]))


def _run(
    name: str,
    names: pd.Series,
    classify: Callable[[np.ndarray, np.ndarray], np.ndarray],
    folds: PerToken | None,
    train: np.ndarray | None,
    test: np.ndarray | None,
    details: dict[str, Any],
) -> Baseline:
    labelled = names.notna().to_numpy()
    predictions = pd.Series(pd.NA, index=range(len(names)), dtype="object")
    for training, held_out in _rounds(len(names), folds, train, test):
        training, held_out = training & labelled, held_out & labelled
        if not held_out.any():
            continue
        if names[training].nunique() < 2:
            raise PhonoscopeError(f"{name}: a training part has fewer than two classes. Use larger or fewer folds.")
        predictions[held_out] = classify(training, held_out)
    tested = predictions.notna().to_numpy()
    if not tested.any():
        raise PhonoscopeError(f"{name}: no labelled token is in a test part.")
    true, predicted = names[tested].to_numpy(dtype=str), predictions[tested].to_numpy(dtype=str)
    details = details | {"unlabelled": int((~labelled).sum())}
    accuracy = float(np.mean(true == predicted))
    return Baseline(name, accuracy, balanced_accuracy(true, predicted), predictions, int(tested.sum()), details)


def _rounds(
    n_tokens: int, folds: PerToken | None, train: np.ndarray | None, test: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Masks (training, test) of each round."""
    if folds is not None:
        fold = pd.factorize(pd.Series(list(folds), dtype="object"))[0]
        if len(fold) != n_tokens or (fold < 0).any() or fold.max(initial=0) < 1:
            raise PhonoscopeError(f"folds must name one of at least two folds for each of the {n_tokens} tokens.")
        for number in range(fold.max() + 1):
            yield fold != number, fold == number
        return
    if train is None or test is None:
        raise PhonoscopeError("say how to split: folds (e.g. tokens['recording']), or train and test masks.")
    training, held_out = np.asarray(train, dtype=bool), np.asarray(test, dtype=bool)
    if len(training) != n_tokens or len(held_out) != n_tokens or (training & held_out).any():
        raise PhonoscopeError(f"train and test must be masks over the {n_tokens} tokens that share none of them.")
    yield training, held_out


def _best_threshold(level: np.ndarray, names: np.ndarray) -> tuple[float, str, str]:
    """Threshold with the fewest training errors (the middle of equally good ones), and the class above and below."""
    order = np.argsort(level, kind="stable")
    level, first = level[order], names[order] == np.unique(names)[0]
    # cut k puts the k lowest tokens below; between equal levels no cut is possible
    errors = np.concatenate([[0], np.cumsum(first)]) + np.concatenate([np.cumsum(~first[::-1])[::-1], [0]])
    edges = np.concatenate([[level[0] - 1.0], (level[1:] + level[:-1]) / 2, [level[-1] + 1.0]])
    possible = np.concatenate([[True], level[1:] > level[:-1], [True]])
    best = []
    for wrong in (errors, len(level) - errors):
        cost = np.where(possible, wrong, len(level) + 1)
        best.append((int(cost.min()), np.flatnonzero(cost == cost.min())))
    flipped = best[1][0] < best[0][0]
    cuts = best[int(flipped)][1]
    lower, upper = np.unique(names)
    threshold = float(edges[cuts[len(cuts) // 2]])
    return (threshold, str(upper), str(lower)) if flipped else (threshold, str(lower), str(upper))
