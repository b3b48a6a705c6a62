"""Who is asked: the networks of a finished run, each about tokens that it never met, or any one model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from phonoscope.audio import cut
from phonoscope.classifier import Classifier
from phonoscope.corpora import read_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments.control_maps import reference_places
from phonoscope.experiments.evidence_controls import training_tokens
from phonoscope.experiments.folder import Run
from phonoscope.experiments.held_out import classifier_folder, classifier_identity, load_classifier
from phonoscope.experiments.loading import load_model
from phonoscope.files import digest_of, sha256
from phonoscope.tasks.recordings.hearing import hearing_around_energy

Learnt = tuple[list[np.ndarray], list[str]]


class Asked(Protocol):
    """Those who are asked. A frozen dataclass of plain values: it is sent to other processes."""

    def trainings(self, fold: int) -> list[Classifier]:
        """The classifiers that are asked about the tokens of a fold."""
        ...

    def learnt(self, fold: int, judged: set[str]) -> Learnt:
        """Waveforms without context and their classes, for a linear twin; none of the tokens that are asked about.

        Raises
        ------
        ExperimentError
            If there can be none.
        """
        ...


@dataclass(frozen=True)
class AskedRun:
    """The classifiers of a finished run.

    Parameters
    ----------
    folder
        Of the run.
    trust_imports
        Allow them to import their networks' code.
    """

    folder: str
    trust_imports: bool = False

    def trainings(self, fold: int) -> list[Classifier]:
        """The classifiers that never met the tokens of a fold: that of the run, and those of its further trainings."""
        return trainings_of_fold(Run(self.folder), fold, trust_imports=self.trust_imports)

    def learnt(self, fold: int, judged: set[str]) -> Learnt:
        """Tokens that the classifier of the fold was trained on."""
        return training_tokens(Run(self.folder), fold, judged)

    def identity(self, folds: Sequence[int]) -> str:
        """Checksums of the run's tokens and of the classifiers that are asked."""
        run = Run(self.folder)
        return digest_of(sha256(run.folder / "tokens.parquet"), *map(classifier_identity, folders_of(run, folds)))


@dataclass(frozen=True)
class AskedModel:
    """Any model of `phonoscope.load`.

    Parameters
    ----------
    source
        Folder, file, name on the hub, or import path.
    said
        What is said of it, as `phonoscope.load` takes it: pairs of names and values.
    trust_imports
        Allow it to import code.
    sample_rate, labels
        Of the recordings (Hz, and their labels), for a model of which neither is known.
    others
        Token table of what is not asked about, in the model's classes, for a linear twin; empty where nothing is
        labelled.
    """

    source: str
    said: tuple[tuple[str, Any], ...] = ()
    trust_imports: bool = False
    sample_rate: int | None = None
    labels: tuple[str, ...] = ()
    others: str = ""

    @classmethod
    def of(cls, source: str, said: Mapping[str, Any], *, trust_imports: bool, sample_rate: int,
           labels: Sequence[str]) -> AskedModel:  # fmt: skip
        """Take what is said of the model as it comes."""
        plain = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
        return cls(source, tuple(plain.items()), trust_imports, sample_rate, tuple(labels))

    def load(self) -> Classifier:
        """Load the model."""
        said = {name: list(value) if isinstance(value, tuple) else value for name, value in self.said}
        return load_model(self.source, said, trust_imports=self.trust_imports, sample_rate=self.sample_rate,
                          labels=self.labels)  # fmt: skip

    def trainings(self, fold: int) -> list[Classifier]:
        """The model, whatever the fold."""
        del fold
        return [self.load()]

    def learnt(self, fold: int, judged: set[str]) -> Learnt:
        """Labelled tokens beside those that are asked about: they are the model's own, or not; nobody knows."""
        del fold
        if not self.others:
            raise ExperimentError("the recordings have no labels to train it on")
        tokens = read_tokens(self.others)
        learnt = np.flatnonzero(~tokens["token"].isin(judged).to_numpy())
        if not len(learnt):
            raise ExperimentError("there are no tokens beside those that are asked about to train it on")
        rows = tokens.iloc[reference_places(tokens["class"].tolist(), learnt)].reset_index(drop=True)
        rows.attrs = tokens.attrs
        waveforms, rows = cut(rows, self.load().sample_rate)
        return waveforms, rows["class"].astype(str).tolist()


def model_identity(classifier: Classifier) -> str:
    """What stands for a model: its configuration and its weights. Code of its own is not in it."""
    found = hashlib.sha256(json.dumps(classifier.config(), sort_keys=True, default=str).encode())
    for name, values in sorted(classifier.network.state_dict().items()):
        found.update(name.encode())
        if hasattr(values, "detach"):
            found.update(values.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def trainings_of_fold(run: Run, fold: int, *, trust_imports: bool = False) -> list[Classifier]:
    """The classifiers that never met the tokens of a fold: that of the run, and those of its further trainings.

    Parameters
    ----------
    run
        A finished run.
    fold
        Number of the fold.
    trust_imports
        Allow them to import their networks' code.
    """
    if is_of_recordings(run):
        loaded = [load_model(folder, trust_imports=trust_imports) for folder in _folders(run, fold)]
        return [hearing_around_energy(each) for each in loaded]
    first = load_classifier(run, fold, trust_imports=trust_imports)
    return [first, *(load_model(folder, trust_imports=trust_imports) for folder in _folders(run, fold)[1:])]


def is_of_recordings(run: Run) -> bool:
    """Whether networks were trained on whole recordings, with a split instead of folds."""
    return run.facts.get("kind") == "recordings" and "fold" not in run.tokens


def folders_of(run: Run, folds: Sequence[int]) -> list[Path]:
    """Folders of all classifiers that are asked."""
    return list(dict.fromkeys(folder for fold in folds for folder in _folders(run, fold)))


def _folders(run: Run, fold: int) -> list[Path]:
    """Folders of a fold's classifiers: that of the run, then those of its further trainings."""
    if is_of_recordings(run):  # all trainings of the network whose classifier stands for the run, on all it had
        network = run.results["networks"][0]["network"]
        found = run.folder.glob(f"fits/{network}/seed-*-share-100/classifier")
        return sorted(found, key=lambda folder: int(folder.parts[-2].split("-")[1])) or [run.folder / "classifier"]
    return [classifier_folder(run, fold), *sorted(run.folder.glob(f"trainings/seed-*/{fold}/classifier"), key=_seed)]


def _seed(folder: Path) -> int:
    return int(folder.parts[-3].removeprefix("seed-"))
