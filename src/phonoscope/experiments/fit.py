"""Training the networks of a run, each on some of its tokens, and letting each predict the tokens it never met."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.classifier import Classifier, prediction_table
from phonoscope.corpora.sounds import TokenSounds
from phonoscope.experiments.settings import Say, Settings
from phonoscope.files import digest_of, write_text, write_with
from phonoscope.training import EpochReport, TokenInputs, TrainingRecipe, choose_device, train
from phonoscope.training.processes import is_first_process
from phonoscope.work.units import done, mark_done, undo

_LINES_PER_TRAINING = 10  # small corpora have many short epochs


@dataclass(frozen=True, eq=False)
class Training:
    """One network to be trained.

    Parameters
    ----------
    names
        What tells it from the other trainings of the run, column by column: ``{"fold": 0}``, or network, seed, share.
    folder
        Where it is kept inside the run.
    train, validation, test
        Positions of the tokens to train on, to choose the epoch by, and to predict.
    recipe
        Settings, with its seed.
    notes
        Kept with the classifier.
    """

    names: Mapping[str, Any]
    folder: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    recipe: TrainingRecipe
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """A training that is done: its classifier, the logits of its test tokens, its epochs and processor time (s)."""

    training: Training
    classifier: Classifier
    logits: np.ndarray
    epochs: pd.DataFrame
    cpu_seconds: float

    @property
    def test(self) -> np.ndarray:
        """Positions of the tokens that it predicts."""
        return self.training.test


def fit_all(
    plan: Sequence[Training],
    waveforms: Sequence[np.ndarray],
    classes: Sequence[str],
    build: Callable[[Training], Classifier],
    folder: Path,
    *,
    facts: Any,
    settings: Settings,
    cache_bytes: int | None = None,
) -> list[Trained]:
    """Train what is planned, or take up where a killed run stopped, and predict the test tokens of each.

    Parameters
    ----------
    plan
        The trainings, in order; all have the front end of the first.
    waveforms, classes
        All tokens of the run: 1-D arrays at the classifiers' sample rate, and their true classes.
    build
        Makes the untrained classifier of a training; the same training gives the same weights.
    folder
        Of the run.
    facts
        All that every training depends on beside its positions, as JSON values.
    settings
        Device, whether to go on with an interrupted run, and whom to tell.
    cache_bytes
        What front-end outputs may take on the device; as much as there is room for by default.
    """
    device = choose_device(settings.device)
    room = {} if cache_bytes is None else {"cache_bytes": cache_bytes}
    inputs = TokenInputs(build(plan[0]).front_end, waveforms, device=device, **room)
    trained = []
    for number, training in enumerate(plan, 1):
        place = folder / training.folder
        identity = {"facts": facts, "names": dict(training.names), "tokens": _digest(training, classes)}
        classifier = build(training)
        kept = done(place, identity) if settings.resume else None
        if kept is not None:
            # Into the network of the recipe: nothing is imported that the folder asks for.
            classifier.load_state(place / "classifier")
            epochs, cpu_seconds = pd.read_csv(place / "training.csv"), kept["cpu_seconds"]
        else:
            if is_first_process():
                undo(place)
            settings.say(_announcement(training, number, len(plan)))
            started = time.process_time()
            epochs = train(
                classifier,
                waveforms,
                classes,
                train_index=training.train,
                validation_index=training.validation,
                recipe=training.recipe,
                folder=place,
                resume=settings.resume,
                device=settings.device,
                progress=_epoch_printer(settings.say),
                inputs=inputs,
            )
            cpu_seconds = time.process_time() - started
            classifier.keep_reference(chosen(waveforms, training.train), [classes[i] for i in training.train])
            classifier.notes = dict(training.notes) | classifier.notes
            if is_first_process():
                classifier.save_pretrained(place / "classifier")
                mark_done(place, identity, cpu_seconds=cpu_seconds)
        classifier = classifier.to(device).eval()
        logits = classifier.logits(chosen(waveforms, training.test))
        trained.append(Trained(training, classifier, logits, epochs, cpu_seconds))
    return trained


def write_fits(trained: Sequence[Trained], tokens: pd.DataFrame, folder: Path, *, main: int = 0) -> pd.DataFrame:
    """Write ``classifier/``, ``training.csv`` and ``predictions.parquet`` of a run; returns the last.

    Parameters
    ----------
    trained
        The finished trainings.
    tokens
        The token table of the run, with ``class``.
    folder
        Of the run.
    main
        Which training's classifier stands for the run.
    """
    table = predictions_of(trained, tokens)
    if is_first_process():
        trained[main].classifier.save_pretrained(folder / "classifier")
        epochs = [each.epochs.assign(**each.training.names) for each in trained if len(each.epochs)]
        if epochs:
            write_text(folder / "training.csv", pd.concat(epochs).to_csv(index=False))
        write_with(folder / "predictions.parquet", lambda path: table.to_parquet(path, index=False))
    return table


def predictions_of(trained: Sequence[Trained], tokens: pd.DataFrame) -> pd.DataFrame:
    """One row a tested token and training: ``token, class, predicted, p_<class> …`` and the names of the training."""
    tables = []
    for each in trained:
        table = prediction_table(each.logits, each.classifier.labels, each.classifier.scores)
        table.insert(0, "token", tokens["token"].to_numpy()[each.test])
        table.insert(1, "class", tokens["class"].to_numpy()[each.test])
        tables.append(table.assign(**each.training.names))
    return pd.concat(tables, ignore_index=True)


def applied(classifier: Classifier, waveforms: Sequence[np.ndarray], names: Mapping[str, Any]) -> Trained:
    """Let a classifier that was trained elsewhere predict all tokens.

    Parameters
    ----------
    classifier
        On its device. One that carries no reference takes these tokens for it: what methods put in the place of what
        they take away.
    waveforms
        1-D arrays at the classifier's sample rate, without context.
    names
        As of `Training`.
    """
    if classifier.reference is None:
        classifier.keep_reference(chosen(waveforms, np.arange(len(waveforms))))
    none, places = np.arange(0), np.arange(len(waveforms))
    if classifier.front_end.natural:  # sounds of a batch are equally long
        places = np.argsort([len(waveforms[i]) for i in places], kind="stable")
    training = Training(names, "", none, none, places, TrainingRecipe())
    return Trained(training, classifier, classifier.logits(chosen(waveforms, places)), pd.DataFrame(), 0.0)


def chosen(waveforms: Sequence[np.ndarray], index: np.ndarray) -> Sequence[np.ndarray]:
    """Waveforms at some positions; those that lie on a disk stay there."""
    return waveforms.chosen(index) if isinstance(waveforms, TokenSounds) else [waveforms[i] for i in index]


def _digest(training: Training, classes: Sequence[str]) -> str:
    """What stands for the tokens of a training, their classes and their parts."""
    positions = (np.asarray(part, dtype=np.int64).tobytes() for part in (training.train, training.validation))
    return digest_of(*positions, training.test.astype(np.int64).tobytes(), "\n".join(map(str, classes)))


def _announcement(training: Training, number: int, count: int) -> str:
    names = ", ".join(f"{name} {value}" for name, value in training.names.items())
    return (
        f"training {number} of {count} ({names}): {len(training.train)} to train on, {len(training.validation)} to "
        f"choose the epoch by, {len(training.test)} to test"
    )


def _epoch_printer(say: Say) -> Callable[[EpochReport], None]:
    def report(epoch: EpochReport) -> None:
        if epoch.epoch % max(1, epoch.epochs // _LINES_PER_TRAINING) == 0 or epoch.epoch == epoch.epochs:
            say("  " + epoch.line())

    return report
