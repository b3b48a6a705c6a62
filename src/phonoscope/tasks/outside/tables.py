"""The result tables of a model on whole recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.classifier import Classifier
from phonoscope.errors import ClassifierError
from phonoscope.evidence.case import open_case
from phonoscope.evidence.level import level_reaction, level_table
from phonoscope.experiments.frame import left_out_table
from phonoscope.experiments.material import Material
from phonoscope.experiments.measured import UNITS, Measured, profile_tables
from phonoscope.experiments.twin import beside_twin, twin_predictions
from phonoscope.judgement.calibration import calibration, reliability
from phonoscope.models.places import hears_texts, text_places
from phonoscope.phonetics.baselines import Baseline, majority_class
from phonoscope.phonetics.confusions import accuracy_table, asymmetry_table, confusion_table
from phonoscope.phonetics.middle import middle_half
from phonoscope.phonetics.profiles import class_profiles
from phonoscope.tasks.outside.recipe import OutsideRecipe

_MOST_LEVELS = 120  # recordings on which the reaction to level is measured


def map_tables(material: Material, measured: Measured) -> dict[str, pd.DataFrame]:
    """Tables of what the maps say: counts, profiles over frequency and time, the middle half of the evidence.

    Parameters
    ----------
    material
        All recordings.
    measured
        Profiles of their maps, and of the energy of the sounds.
    """
    tokens = measured.tokens
    classes, clusters = tokens["class"].tolist(), tokens[list(UNITS)]
    halves = [
        middle_half(profiles, classes, clusters, max_hz=measured.max_hz).assign(source=source)
        for source, profiles in (("map", measured.profiles), ("energy", measured.energy))
    ]
    return {
        "counts": _counts(material.tokens),
        "left_out": left_out_table(material.tokens),
        **profile_tables(measured),
        "time_profiles": class_profiles(measured.times, classes, clusters),
        "middle_half": pd.concat(halves, ignore_index=True),
    }


def recognition_tables(
    predictions: pd.DataFrame, tokens: pd.DataFrame, recipe: OutsideRecipe
) -> dict[str, pd.DataFrame]:
    """Tables of how well the model recognises labelled recordings, and how well it knows that.

    Parameters
    ----------
    predictions
        ``token, class, predicted``, and ``p_<class>`` where the model gives probabilities.
    tokens
        Token table.
    recipe
        Smallest effects, and seed.
    """
    tested = predictions.merge(tokens[["token", *UNITS]], on="token", how="left")
    true, predicted, clusters = tested["class"], tested["predicted"], tested[list(UNITS)]
    labels = [str(name).removeprefix("p_") for name in predictions if str(name).startswith("p_")]
    present = {*true, *predicted}
    ordered = [name for name in labels if name in present] or sorted(present)
    tables = {
        "accuracy": accuracy_table(true, predicted, clusters),
        "confusions": confusion_table(true, predicted, ordered),
        "asymmetry": asymmetry_table(true, predicted, clusters),
    }
    if labels:
        confidence = tested[[f"p_{name}" for name in labels]].max(axis=1).to_numpy(dtype=float)
        right = (true == predicted).to_numpy()
        of_run = calibration(confidence, right, clusters, smallest=recipe.smallest["accuracy"], seed=recipe.seed)
        tables["reliability"] = reliability(confidence, right, clusters)
        tables["calibration"] = pd.DataFrame([of_run])
    return tables


def twin_tables(
    predictions: pd.DataFrame, tokens: pd.DataFrame, twin: Baseline, parts: Mapping[str, Any], smallest: float
) -> dict[str, pd.DataFrame]:
    """What recognises the same recordings without the model, and whether the model is any better.

    Parameters
    ----------
    predictions
        Of the model.
    tokens
        Token table.
    twin
        The linear twin.
    parts
        Which recordings it was trained and tested on.
    smallest
        Smallest difference of two accuracies that counts.
    """
    rows = [majority_class(tokens["class"].tolist(), **parts), twin]
    columns = ["name", "accuracy", "balanced_accuracy", "n_tested"]
    of_twin = twin_predictions(tokens, twin.predictions)
    beside = beside_twin(predictions, of_twin, tokens, UNITS, name=twin.name, smallest=smallest)
    return {
        "baselines": pd.DataFrame([{name: getattr(row, name) for name in columns} for row in rows]),
        "linear_twin": pd.DataFrame([beside | {"trainings": 0}]),
    }


def level_reactions(classifier: Classifier, material: Material, seed: int) -> pd.DataFrame:
    """What the model makes of recordings that are 6 dB softer and louder; see `level_table`.

    Parameters
    ----------
    classifier
        The model.
    material
        The recordings, with ``class``; at most 120 are drawn.
    seed
        Of the draw.
    """
    count = len(material.tokens)
    places = np.sort(np.random.default_rng(seed).permutation(count)[:_MOST_LEVELS])
    rows = material.tokens.iloc[places]
    case = open_case(
        classifier,
        [material.waveforms[i] for i in places],
        target="true",
        true_labels=rows["class"].astype(str).tolist(),
        tokens=rows["token"].astype(str).tolist(),
        seed=seed,
    )
    return level_table(level_reaction(case))


def place_tables(classifier: Classifier, material: Material) -> dict[str, pd.DataFrame]:
    """Where a recogniser hears each of its texts in each recording: ``places`` (token, text, start, end in s).

    There is no such table of other models, nor of those that do not tell.

    Parameters
    ----------
    classifier
        The model.
    material
        The recordings.
    """
    if not hears_texts(classifier):
        return {}
    try:
        places = text_places(classifier, material.waveforms)
    except ClassifierError:
        return {}
    names = material.tokens["token"].to_numpy()[places.pop("sound")]
    return {"places": places.assign(token=names)[["token", "text", "start", "end"]]}


def _counts(tokens: pd.DataFrame) -> pd.DataFrame:
    grouped = tokens.assign(seconds=tokens["end"] - tokens["start"]).groupby("class", sort=False)
    sums = {"count": ("token", "size"), "speakers": ("speaker", "nunique"), "seconds": ("seconds", "sum")}
    return grouped.agg(**sums).reset_index()
