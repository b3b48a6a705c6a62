"""Training the classifiers of a run, fold by fold, and letting each predict the tokens it never met."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from phonoscope.classifier import Classifier, prediction_table
from phonoscope.corpora.sounds import TokenSounds
from phonoscope.errors import ExperimentError
from phonoscope.experiments.material import Material
from phonoscope.files import write_json, write_text
from phonoscope.frontends import Spectrogram, Waveform, build_front_end
from phonoscope.networks.resnet import ResNet, load_imagenet
from phonoscope.tasks.phones.recipe import Recipe
from phonoscope.training import EpochReport, Fold, TokenInputs, choose_device, folds, split_tokens, split_unit, train
from phonoscope.training.processes import is_first_process

Say = Callable[[str], None]

# Below this many tokens a single test part would be too small to say much: cross-validate.
_FEW_TOKENS = 5000
_DEFAULT_FOLDS = 5


@dataclass
class Fitted:
    """One classifier and the positions of the tokens it is tested on."""

    fold: int
    classifier: Classifier
    test: np.ndarray
    logits: np.ndarray


def plan_folds(recipe: Recipe, tokens: pd.DataFrame) -> tuple[list[Fold], str]:
    """Decide which tokens train, choose and test: one split, or folds in which every token is tested once.

    Returns
    -------
    folds, unit
        The parts as positions, and what is kept together: speaker, recording or token.
    """
    settings = {"by": "auto", "folds": "auto", "shares": [0.7, 0.1, 0.2], **recipe.split}
    table = tokens.assign(label=tokens["class"])
    unit = split_unit(table, settings["by"])
    count = settings["folds"]
    if count == "auto":
        count = _DEFAULT_FOLDS if len(tokens) < _FEW_TOKENS and not recipe_is_synthetic(tokens) else 1
        count = min(count, table[unit].nunique())
    if count == "each" or int(count) > 1:
        return list(folds(table, count, by=settings["by"], seed=recipe.seed)), unit
    parts = split_tokens(table, by=settings["by"], shares=settings["shares"], seed=recipe.seed).to_numpy()
    return [Fold(0, *(np.flatnonzero(parts == name) for name in ("train", "validation", "test")))], unit


def recipe_is_synthetic(tokens: pd.DataFrame) -> bool:
    """Whether the tokens come from synthetic talkers, of which there are always enough."""
    return any(str(name).startswith("true_") for name in tokens.columns)


def front_end_of(recipe: Recipe, sample_rate: int) -> Spectrogram | Waveform:
    """Build the recipe's front end for recordings at a rate, Hz."""
    settings = {k: v for k, v in recipe.front_end.items() if k not in ("kind", "sample_rate")}
    return build_front_end(recipe.front_end.get("kind", "spectrogram"), sample_rate=sample_rate, **settings)


def new_classifier(recipe: Recipe, labels: Sequence[str], sample_rate: int) -> Classifier:
    """Build the recipe's untrained classifier; the same seed gives the same weights.

    Raises
    ------
    ClassifierError
        If the front end asks for more than the recordings carry, or the network or its weights cannot be had.
    """
    front_end = front_end_of(recipe, sample_rate)
    options = {k: v for k, v in recipe.network.items() if k != "name"}
    torch.manual_seed(recipe.seed)
    classifier = Classifier.build(front_end, recipe.network["name"], labels, **options)
    if recipe.init != "random":
        network = classifier.network
        if not isinstance(network, ResNet):
            raise ExperimentError(f"initial weights {recipe.init!r} are for ResNets; {recipe.network['name']} is none")
        load_imagenet(network, network.depth, None if recipe.init == "imagenet" else recipe.init)
    return classifier


def fit(
    recipe: Recipe,
    material: Material,
    plan: Sequence[Fold],
    folder: Path,
    *,
    device: str,
    resume: bool,
    say: Say,
) -> list[Fitted]:
    """Train one classifier a fold (or take up where a killed run stopped) and predict its test tokens."""
    labels = class_order(material.tokens["class"])
    waveforms = material.waveforms
    targets = material.tokens["class"].tolist()
    target_device = choose_device(device)
    inputs = TokenInputs(
        new_classifier(recipe, labels, material.sample_rate).front_end, waveforms, device=target_device
    )
    fitted, metrics = [], []
    for fold in plan:
        place = folder / "folds" / str(fold.index)
        done = place / "done.json"
        facts = {"recipe": recipe.to_dict(), "tokens": len(targets), "train": fold.train.tolist()}
        if resume and done.is_file() and json.loads(done.read_text(encoding="utf-8")) == json.loads(json.dumps(facts)):
            classifier = Classifier.from_pretrained(place / "classifier", trust_imports=True, device=str(target_device))
            epochs = pd.read_csv(place / "training.csv")
        else:
            done.unlink(missing_ok=True)
            classifier = new_classifier(recipe, labels, material.sample_rate)
            say(
                f"fold {fold.index + 1} of {len(plan)}: {len(fold.train)} tokens to train, {len(fold.validation)} to "
                f"choose the epoch, {len(fold.test)} to test"
            )
            epochs = train(
                classifier,
                waveforms,
                targets,
                train_index=fold.train,
                validation_index=fold.validation,
                recipe=recipe.training,
                folder=place,
                resume=resume,
                device=device,
                progress=_epoch_printer(say),
                inputs=inputs,
            )
            classifier.notes = {"experiment": recipe.name, "fold": fold.index, "seed": recipe.seed}
            if is_first_process():
                chosen = _chosen(waveforms, fold.train)
                classifier.keep_reference(chosen, [targets[i] for i in fold.train])
                classifier.save_pretrained(place / "classifier")
                write_json(done, facts)
        metrics.append(epochs.assign(fold=fold.index))
        logits = classifier.logits(_chosen(waveforms, fold.test))
        fitted.append(Fitted(fold.index, classifier.eval(), fold.test, logits))
    if is_first_process():
        fitted[0].classifier.save_pretrained(folder / "classifier")
        write_text(folder / "training.csv", pd.concat(metrics).to_csv(index=False))
    return fitted


def _chosen(waveforms: Sequence[np.ndarray], index: np.ndarray) -> Sequence[np.ndarray]:
    return waveforms.chosen(index) if isinstance(waveforms, TokenSounds) else [waveforms[i] for i in index]


def apply_classifier(source: str | Path, material: Material, *, device: str, trust_imports: bool) -> list[Fitted]:
    """Let a classifier trained elsewhere predict all tokens."""
    classifier = Classifier.from_pretrained(source, trust_imports=trust_imports, device=str(choose_device(device)))
    return [Fitted(0, classifier, np.arange(len(material.tokens)), classifier.logits(material.waveforms))]


def predictions(fitted: Sequence[Fitted], tokens: pd.DataFrame) -> pd.DataFrame:
    """One row a tested token: ``token, class, predicted, p_<class> …, fold``."""
    tables = []
    for one in fitted:
        table = prediction_table(one.logits, one.classifier.labels)
        table.insert(0, "token", tokens["token"].to_numpy()[one.test])
        table.insert(1, "class", tokens["class"].to_numpy()[one.test])
        tables.append(table.assign(fold=one.fold))
    return pd.concat(tables, ignore_index=True)


def with_parts(tokens: pd.DataFrame, plan: Sequence[Fold], predictions: pd.DataFrame) -> pd.DataFrame:
    """Add ``split`` (the part in a single split; in folds every token is tested) and ``fold`` (that tested it)."""
    attrs = tokens.attrs
    split = np.full(len(tokens), "test", dtype=object)
    if len(plan) == 1:
        split[plan[0].train], split[plan[0].validation] = "train", "validation"
    tested = predictions.set_index("token")["fold"]
    tokens = tokens.assign(split=split, fold=tokens["token"].map(tested).astype("Int64"))
    tokens.attrs = attrs
    return tokens


def class_order(classes: pd.Series) -> list[str]:
    """Classes in the order of the phone table (front vowels first), others as they come."""
    from phonoscope.phones import phones

    present = list(dict.fromkeys(classes.dropna()))
    known = [phone.label for phone in phones() if phone.label in present]
    return [*dict.fromkeys(known), *(name for name in present if name not in known)]


def _epoch_printer(say: Say) -> Callable[[EpochReport], None]:
    def report(epoch: EpochReport) -> None:
        # A line for about every tenth of the epochs: small corpora have many short ones.
        if epoch.epoch % max(1, epoch.epochs // 10) == 0 or epoch.epoch == epoch.epochs:
            say("  " + epoch.line())

    return report


def describe_plan(plan: Sequence[Fold], unit: str) -> dict[str, Any]:
    """Say how the tokens were divided, for the run's facts."""
    return {
        "unit": unit,
        "folds": len(plan),
        "train": int(np.mean([len(f.train) for f in plan])),
        "validation": int(np.mean([len(f.validation) for f in plan])),
        "test": int(sum(len(f.test) for f in plan)),
    }
