"""The tested tokens of a finished run, fold by fold, each with the classifier that never met them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.audio import cut
from phonoscope.classifier import REFERENCE_NAME, WEIGHTS_NAME, Classifier
from phonoscope.corpora.sounds import TokenSounds
from phonoscope.errors import ExperimentError, PhonoscopeError
from phonoscope.experiments.folder import Run
from phonoscope.experiments.loading import load_model
from phonoscope.experiments.material import check_rate
from phonoscope.files import sha256
from phonoscope.reference import even_places


@dataclass(frozen=True)
class HeldOut:
    """Tokens of one fold.

    Parameters
    ----------
    classifier
        Trained on other tokens; it carries its reference.
    tokens
        Rows of the run's token table.
    waveforms
        With ``context_seconds`` around each token.
    """

    fold: int
    classifier: Classifier
    tokens: pd.DataFrame
    waveforms: list[np.ndarray]
    context_seconds: float

    @property
    def classes(self) -> list[str]:
        """True class of each token."""
        return [str(c) for c in self.tokens["class"]]

    @property
    def names(self) -> list[str]:
        """Name of each token."""
        return [str(t) for t in self.tokens["token"]]

    @property
    def known(self) -> dict[str, Any]:
        """What `explain` is told of the tokens beside their waveforms, whatever the method and the target."""
        return {"true_labels": self.classes, "tokens": self.names, "context_seconds": self.context_seconds}


def held_out(run: Run, *, only: np.ndarray | None = None, trust_imports: bool = False) -> Iterator[HeldOut]:
    """Yield the tested tokens of a run, fold by fold.

    Parameters
    ----------
    run
        A finished run of tokens.
    only
        Names of the tokens wanted; all tested ones by default.
    trust_imports
        Allow its classifiers to import their networks' code.

    Raises
    ------
    ExperimentError
        If nothing was tested, or the recordings are gone.
    """
    every = run.tokens
    chosen = every["fold"].notna() if only is None else every["fold"].notna() & every["token"].isin(only)
    if not chosen.any():
        raise ExperimentError(f"{run.folder} holds no tested token to explain")
    rate = int(run.facts["sample_rate"])
    for fold in sorted(every["fold"][chosen].unique()):
        rows = every[chosen & (every["fold"] == fold)].reset_index(drop=True)
        rows.attrs = every.attrs
        waveforms, rows = cut(rows, rate, context_seconds=run.context_seconds)
        if not waveforms:
            raise ExperimentError(
                f"none of the recordings of {run.folder} can be read any more; they are looked for in "
                f"{', '.join(map(str, every.attrs.get('roots', {}).values()))}"
            )
        classifier = load_classifier(run, int(fold), trust_imports=trust_imports)
        yield HeldOut(int(fold), classifier, rows, waveforms, run.context_seconds)


def load_classifier(run: Run, fold: int | None, *, trust_imports: bool = False) -> Classifier:
    """Load the classifier of a fold, or of the whole run; one of before 0.2 is given its reference from the recordings.

    Parameters
    ----------
    run
        A finished run of tokens.
    fold
        Number of the fold; None for the classifier of the run.
    trust_imports
        Allow the classifier to import its network's code.
    """
    classifier = load_model(classifier_folder(run, fold), trust_imports=trust_imports)
    if classifier.reference is None:
        with suppress(PhonoscopeError):  # where the recordings are gone it is explained without
            classifier.keep_reference(_trained_on(run.tokens, fold, classifier.sample_rate))
    return classifier


def classifier_folder(run: Run, fold: int | None) -> Path:
    """Folder of the classifier of a fold: its own, or that of the whole run where there is one alone."""
    of_fold = run.folder / "folds" / str(fold) / "classifier"
    return of_fold if of_fold.is_dir() else run.folder / "classifier"


def run_identity(run: Run) -> str:
    """What stands for the tokens of a run and for the classifiers that were tested on them: their checksums."""
    folds = sorted(run.tokens["fold"].dropna().unique())
    folders = dict.fromkeys(classifier_folder(run, int(fold)) for fold in folds)
    return " ".join([sha256(run.folder / "tokens.parquet"), *map(classifier_identity, folders)])


def classifier_identity(folder: Path) -> str:
    """Checksums of all that maps by a saved classifier depend on."""
    paths = (folder / WEIGHTS_NAME, folder / REFERENCE_NAME)
    return " ".join(sha256(path) for path in paths if path.is_file())


def _trained_on(tokens: pd.DataFrame, fold: int | None, rate: int) -> list[np.ndarray]:
    """Waveforms of at most 128 tokens that the classifier of a fold was trained on, evenly picked."""
    if "split" not in tokens or "fold" not in tokens:
        return []
    trained = tokens["split"].eq("train")
    if not trained.any():
        trained = tokens["fold"].ne(0 if fold is None else fold).fillna(True)
    candidates = np.flatnonzero(trained.to_numpy(dtype=bool))
    if len(candidates) == 0:
        candidates = np.arange(len(tokens))
    rows = tokens.iloc[candidates].reset_index(drop=True)
    rows.attrs = tokens.attrs
    return some_sounds(rows, rate)


def some_sounds(tokens: pd.DataFrame | TokenSounds, sample_rate: int) -> list[np.ndarray]:
    """Waveforms of at most 128 tokens, evenly picked, without what lies around them.

    Parameters
    ----------
    tokens
        Token table, or tokens with their sound.
    sample_rate
        Hz.

    Raises
    ------
    ExperimentError
        If the tokens were cut at another rate.
    """
    picked = even_places(len(tokens))
    if isinstance(tokens, TokenSounds):
        check_rate(tokens, sample_rate)
        return list(tokens.without_context().chosen(picked))
    rows = tokens.iloc[picked].reset_index(drop=True)
    rows.attrs = tokens.attrs
    return cut(rows, sample_rate)[0]
