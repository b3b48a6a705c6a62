"""Trainings of raw-waveform networks on whole recordings: every network, seed and share of the training recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from phonoscope.classifier import Classifier
from phonoscope.experiments.fit import Trained, Training, fit_all
from phonoscope.experiments.recipe import without_words
from phonoscope.experiments.settings import Settings
from phonoscope.filters.initial import NOTE as INITIAL
from phonoscope.filters.initial import initial_note
from phonoscope.frontends import Waveform
from phonoscope.phonetics.baselines import majority_class
from phonoscope.tasks.recordings.material import nested_share
from phonoscope.tasks.recordings.recipe import RecordingsRecipe
from phonoscope.training import choose_device
from phonoscope.training.data import free_bytes


class Plan(NamedTuple):
    """A training: which network, with which seed, on which share of the training recordings."""

    network: str
    seed: int
    share: float


def planned(recipe: RecordingsRecipe) -> list[Plan]:
    """All trainings of a recipe: every network with every seed, some of them on smaller shares too."""
    return [
        Plan(network, seed, share)
        for network in recipe.networks
        for seed in recipe.seeds
        for share in (*(sorted(recipe.curve) if network in recipe.curve_networks else ()), 1.0)
    ]


def class_order(recipe: RecordingsRecipe, tokens: pd.DataFrame) -> list[str]:
    """Classes that are present, in the recipe's order, or by name."""
    present = set(tokens["class"])
    return [name for name in recipe.classes if name in present] if recipe.classes else sorted(present)


def new_classifier(recipe: RecordingsRecipe, network: str, labels: Sequence[str], seed: int) -> Classifier:
    """Build an untrained classifier of the recipe; the same seed gives the same weights.

    Parameters
    ----------
    recipe
        Sample rate (Hz), duration (s), and head and dropout of the network.
    network
        One of the recipe's.
    labels
        Classes in their order.
    seed
        Of its weights.
    """
    torch.manual_seed(seed)
    front_end = Waveform(recipe.sample_rate, recipe.seconds)
    options = {"head": recipe.head, "dropout": recipe.dropout, "samples": front_end.samples}
    classifier = Classifier.build(front_end, network, labels, **options)
    classifier.notes[INITIAL] = initial_note(classifier.network, seed)
    return classifier


def fit(
    recipe: RecordingsRecipe, waveforms: Sequence[np.ndarray], tokens: pd.DataFrame, folder: Path, settings: Settings
) -> list[Trained]:
    """Train what the recipe asks for, and predict the tested recordings.

    Parameters
    ----------
    recipe
        Networks, seeds and shares to train.
    waveforms
        1-D arrays of the recipe's rate and length.
    tokens
        With ``class`` and ``split``, one row a waveform.
    folder
        Of the run; each training in ``fits/<network>/seed-<n>-share-<percent>``.
    settings
        As of `fit_all`.
    """
    labels = class_order(recipe, tokens)
    classes, parts = tokens["class"].to_numpy(dtype=object), tokens["split"].to_numpy(dtype=object)
    train, validation, test = (np.flatnonzero(parts == name) for name in ("train", "validation", "test"))
    trainings = [
        Training(
            plan._asdict(),
            f"fits/{plan.network}/seed-{plan.seed}-share-{round(100 * plan.share)}",
            train if plan.share == 1 else nested_share(classes, train, plan.share, recipe.seed),
            validation,
            test,
            recipe.training.changed(seed=plan.seed),
            {"experiment": recipe.name, "seed": plan.seed, "share": plan.share},
        )
        for plan in planned(recipe)
    ]
    return fit_all(
        trainings,
        waveforms,
        classes.tolist(),
        lambda training: new_classifier(recipe, training.names["network"], labels, training.names["seed"]),
        folder,
        facts=without_words(recipe.to_dict()),
        settings=settings,
        cache_bytes=free_bytes(choose_device(settings.device)) if recipe.streamed else None,
    )


def baselines(spectra: np.ndarray, tokens: pd.DataFrame) -> pd.DataFrame:
    """What recognises the same tested recordings without a network, trained on the same training recordings.

    Parameters
    ----------
    spectra : ndarray (recording, frequency)
        Long-term spectra, linear.
    tokens : DataFrame
        With ``class`` and ``split``, one row a recording.

    Returns
    -------
    DataFrame
        ``name, accuracy, balanced_accuracy, n_tested``: the majority class, and linear discriminant analysis (shrunk
        covariance, Ledoit & Wolf 2004) on the shape of the long-term spectrum in dB.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import balanced_accuracy_score

    classes, parts = tokens["class"].to_numpy(dtype=object), tokens["split"].to_numpy(dtype=object)
    train, test = parts != "test", parts == "test"
    most = majority_class(classes.tolist(), train=train, test=test)
    rows = [(most.name, most.accuracy, most.balanced_accuracy, most.n_tested)]
    level = 20 * np.log10(np.maximum(spectra, np.finfo(float).tiny))
    level -= level.mean(axis=1, keepdims=True)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(level[train], classes[train])
    guess = model.predict(level[test])
    balanced = balanced_accuracy_score(classes[test], guess)
    rows.append(("LDA on the long-term spectrum", (guess == classes[test]).mean(), balanced, int(test.sum())))
    return pd.DataFrame(rows, columns=["name", "accuracy", "balanced_accuracy", "n_tested"])
