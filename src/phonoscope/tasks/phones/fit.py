"""The trainings of an experiment on phones: one classifier a fold and seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from phonoscope.classifier import Classifier
from phonoscope.errors import ExperimentError
from phonoscope.experiments.fit import Trained, Training, fit_all
from phonoscope.experiments.material import Material
from phonoscope.experiments.recipe import without_words
from phonoscope.experiments.settings import Settings
from phonoscope.frontends import build_front_end
from phonoscope.networks.resnet import ResNet, load_imagenet
from phonoscope.tasks.phones.material import class_order
from phonoscope.tasks.phones.recipe import PhonesRecipe
from phonoscope.training import Fold


def new_classifier(recipe: PhonesRecipe, labels: Sequence[str], sample_rate: int) -> Classifier:
    """Build the recipe's untrained classifier; the same seed gives the same weights.

    Parameters
    ----------
    recipe
        Front end, network, initial weights and seed.
    labels
        Classes in their order.
    sample_rate
        Of the recordings, Hz.

    Raises
    ------
    ClassifierError
        If the front end asks for more than the recordings carry, or the network or its weights cannot be loaded.
    """
    settings = {"kind": recipe.front_end_kind, **recipe.front_end, "sample_rate": sample_rate}
    options = {name: value for name, value in recipe.network.items() if name != "name"}
    front_end = build_front_end(**settings)
    torch.manual_seed(recipe.seed)
    classifier = Classifier.build(front_end, recipe.network["name"], labels, **options)
    if recipe.init != "random":
        network = classifier.network
        if not isinstance(network, ResNet):
            raise ExperimentError(f"initial weights {recipe.init!r} are for ResNets; {recipe.network['name']} is none")
        load_imagenet(network, network.depth, None if recipe.init == "imagenet" else recipe.init)
    return classifier


def fit(
    recipe: PhonesRecipe, material: Material, plan: Sequence[Fold], folder: Path, settings: Settings
) -> list[Trained]:
    """Train one classifier a fold and seed, and let each predict the tokens that it never met.

    Parameters
    ----------
    recipe
        Of the run.
    material
        Its tokens, with ``class``.
    plan
        See ``plan_folds``.
    folder
        Of the run; fold by fold in ``folds/<n>``, further trainings in ``trainings/seed-<seed>/<n>``.
    settings
        As of `fit_all`.
    """
    labels = class_order(material.tokens["class"])
    trainings = [
        Training(
            {"fold": fold.index, "seed": seed},
            f"folds/{fold.index}" if seed == recipe.seed else f"trainings/seed-{seed}/{fold.index}",
            fold.train,
            fold.validation,
            fold.test,
            recipe.training.changed(seed=seed),
            {"experiment": recipe.name, "fold": fold.index, "seed": seed},
        )
        for seed in recipe.seeds
        for fold in plan
    ]
    return fit_all(
        trainings,
        material.waveforms,
        material.tokens["class"].tolist(),
        lambda training: new_classifier(recipe.seeded(training.recipe.seed), labels, material.sample_rate),
        folder,
        facts=without_words(recipe.to_dict()),
        settings=settings,
    )


def trainings_of(trained: Sequence[Trained]) -> list[list[Trained]]:
    """The classifiers of each training, fold by fold; the first stands for the run."""
    grouped: dict[int, list[Trained]] = {}
    for each in trained:
        grouped.setdefault(each.training.recipe.seed, []).append(each)
    return list(grouped.values())
