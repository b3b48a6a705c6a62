"""Trainings of raw-waveform networks on whole recordings: every network, seed and share of the training recordings."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from phonoscope.classifier import Classifier, prediction_table
from phonoscope.files import write_json, write_with
from phonoscope.filters.initial import NOTE as INITIAL
from phonoscope.filters.initial import initial_note
from phonoscope.frontends import Waveform
from phonoscope.phonetics.baselines import majority_class
from phonoscope.tasks.recordings.material import nested_share
from phonoscope.tasks.recordings.recipe import WaveformRecipe
from phonoscope.training import EpochReport, TokenInputs, choose_device, train
from phonoscope.training.data import free_bytes

Say = Callable[[str], None]


@dataclass(frozen=True)
class Training:
    """What is trained: which network, with which seed, on which share of the training recordings."""

    network: str
    seed: int
    share: float

    @property
    def folder(self) -> str:
        """Where it is kept inside the run."""
        return f"fits/{self.network}/seed-{self.seed}-share-{round(100 * self.share)}"


@dataclass
class Trained:
    """A training that is done: its classifier, predictions of the tested recordings, epochs and processor time."""

    training: Training
    classifier: Classifier
    predictions: pd.DataFrame
    epochs: pd.DataFrame
    cpu_seconds: float
    n_train: int


def planned(recipe: WaveformRecipe) -> Iterator[Training]:
    """All trainings of a recipe: every network with every seed, some of them on smaller shares too."""
    for network in recipe.networks:
        for seed in range(recipe.seed, recipe.seed + recipe.seeds):
            shares = [*sorted(recipe.curve), 1.0] if network in recipe.curve_networks else [1.0]
            yield from (Training(network, seed, share) for share in shares)


def new_classifier(recipe: WaveformRecipe, network: str, labels: Sequence[str], seed: int) -> Classifier:
    """Build an untrained classifier of the recipe; the same seed gives the same weights."""
    torch.manual_seed(seed)
    front_end = Waveform(recipe.sample_rate, recipe.seconds)
    options = {"head": recipe.head, "dropout": recipe.dropout, "samples": front_end.samples}
    return Classifier.build(front_end, network, labels, **options)


def fit_all(
    recipe: WaveformRecipe,
    waveforms: Sequence[np.ndarray],
    tokens: pd.DataFrame,
    folder: Path,
    *,
    device: str,
    resume: bool,
    say: Say,
) -> list[Trained]:
    """Train what the recipe asks for (or take up where a killed run stopped) and predict the tested recordings.

    Parameters
    ----------
    tokens
        With ``class`` and ``split``, one row a waveform.
    """
    labels = sorted(tokens["class"].unique()) if not recipe.classes else _in_order(recipe.classes, tokens["class"])
    classes, parts = tokens["class"].to_numpy(dtype=object), tokens["split"].to_numpy(dtype=object)
    train_all, validation, test = (np.flatnonzero(parts == name) for name in ("train", "validation", "test"))
    front_end, place = Waveform(recipe.sample_rate, recipe.seconds), choose_device(device)
    room = {"cache_bytes": free_bytes(place)} if recipe.streamed else {}
    inputs = TokenInputs(front_end, waveforms, device=place, **room)
    done = []
    plan = list(planned(recipe))
    for number, training in enumerate(plan, 1):
        kept_in = folder / training.folder
        index = train_all
        if training.share < 1:
            index = nested_share(classes, train_all, training.share, recipe.seed)
        facts = {"recipe": recipe.to_dict(), "train": index.tolist(), "test": test.tolist()}
        finished = kept_in / "done.json"
        if resume and finished.is_file():
            kept = json.loads(finished.read_text(encoding="utf-8"))
            if kept["facts"] == json.loads(json.dumps(facts)):
                classifier = Classifier.from_pretrained(kept_in / "classifier", device=str(place))
                table = pd.read_parquet(kept_in / "predictions.parquet")
                epochs = pd.read_csv(kept_in / "training.csv")
                done.append(Trained(training, classifier, table, epochs, kept["cpu_seconds"], len(index)))
                continue
        say(
            f"training {number} of {len(plan)}: {training.network}, seed {training.seed}, on {len(index)} recordings"
            f" ({len(validation)} choose the epoch, {len(test)} test)"
        )
        classifier = new_classifier(recipe, training.network, labels, training.seed)
        began = initial_note(classifier.network, training.seed)
        started = time.process_time()
        epochs = train(
            classifier,
            waveforms,
            classes.tolist(),
            train_index=index,
            validation_index=validation,
            recipe=recipe.training.changed(seed=training.seed),
            folder=kept_in,
            resume=resume,
            device=device,
            progress=_printer(say),
            inputs=inputs,
        )
        cpu_seconds = time.process_time() - started
        notes = {"experiment": recipe.name, "seed": training.seed, "share": training.share}
        classifier.notes = {**notes, INITIAL: began}
        classifier.keep_reference([waveforms[i] for i in index], list(classes[index]))
        classifier.save_pretrained(kept_in / "classifier")
        table = prediction_table(classifier.logits([waveforms[i] for i in test]), labels)
        table.insert(0, "token", tokens["token"].to_numpy()[test])
        table.insert(1, "class", classes[test])
        write_with(kept_in / "predictions.parquet", lambda path, t=table: t.to_parquet(path, index=False))
        write_json(finished, {"facts": facts, "cpu_seconds": cpu_seconds})
        done.append(Trained(training, classifier.eval(), table, epochs, cpu_seconds, len(index)))
    return done


def all_predictions(trained: Sequence[Trained]) -> pd.DataFrame:
    """One row a tested recording and training: ``network, seed, share, token, class, predicted, p_<class> …``."""
    tables = []
    for one in trained:
        table = one.predictions.copy()
        for place, name in enumerate(("network", "seed", "share")):
            table.insert(place, name, getattr(one.training, name))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def baselines(spectra: np.ndarray, tokens: pd.DataFrame) -> pd.DataFrame:
    """What recognises the same tested recordings without a network, trained on the same training recordings.

    Parameters
    ----------
    spectra : ndarray (recording, frequency)
        Long-term spectra, linear.

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


def _in_order(wanted: Sequence[str], present: pd.Series) -> list[str]:
    found = set(present)
    return [name for name in wanted if name in found]


def _printer(say: Say) -> Callable[[EpochReport], None]:
    def report(epoch: EpochReport) -> None:
        if epoch.epoch % max(1, epoch.epochs // 6) == 0 or epoch.epoch == epoch.epochs:
            say("  " + epoch.line())

    return report
