"""The tested tokens of a finished run, fold by fold, each with the classifier that never met them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.attribution.reference import even_places
from phonoscope.audio import cut
from phonoscope.classifier import WEIGHTS_NAME, Classifier
from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import Run
from phonoscope.experiments.material import CONTEXT_SECONDS
from phonoscope.files import sha256


@dataclass(frozen=True)
class HeldOut:
    """Tokens of one fold.

    Parameters
    ----------
    classifier
        Trained on other tokens.
    tokens
        Rows of the run's token table.
    waveforms
        With ``context_seconds`` around each token.
    reference
        Training tokens of the classifier (the tested ones where it was trained elsewhere), without context: what
        stands for the speech that it knows.
    """

    fold: int
    classifier: Classifier
    tokens: pd.DataFrame
    waveforms: list[np.ndarray]
    context_seconds: float
    reference: list[np.ndarray]

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
        return {
            "true_labels": self.classes,
            "tokens": self.names,
            "reference": self.reference,
            "context_seconds": self.context_seconds,
        }


def held_out(run: Run, *, only: np.ndarray | None = None, trust_imports: bool = False) -> Iterator[HeldOut]:
    """Yield the tested tokens of a run, fold by fold.

    Parameters
    ----------
    only
        Names of the tokens wanted; all tested ones by default.

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
        waveforms, rows = cut(rows, rate, context_seconds=CONTEXT_SECONDS)
        if not waveforms:
            raise ExperimentError(
                f"none of the recordings of {run.folder} can be read any more; they are looked for in "
                f"{', '.join(map(str, every.attrs.get('roots', {}).values()))}"
            )
        yield HeldOut(
            int(fold),
            Classifier.from_pretrained(classifier_folder(run, int(fold)), trust_imports=trust_imports),
            rows,
            waveforms,
            CONTEXT_SECONDS,
            reference_tokens(every, int(fold), rate),
        )


def classifier_folder(run: Run, fold: int) -> Path:
    """Folder of the classifier of a fold: its own, or that of the whole run where there is one alone."""
    own = run.folder / "folds" / str(fold) / "classifier"
    return own if own.is_dir() else run.folder / "classifier"


def run_identity(run: Run) -> str:
    """What stands for the tokens of a run and for the classifiers that were tested on them: their checksums."""
    folds = sorted(run.tokens["fold"].dropna().unique())
    folders = dict.fromkeys(classifier_folder(run, int(fold)) for fold in folds)
    return " ".join(sha256(path) for path in (run.folder / "tokens.parquet", *(f / WEIGHTS_NAME for f in folders)))


def reference_tokens(tokens: pd.DataFrame, fold: int, rate: int) -> list[np.ndarray]:
    """Waveforms of at most 128 tokens that the classifier of a fold was trained on, evenly picked."""
    trained = tokens["split"].eq("train") if tokens["split"].eq("train").any() else tokens["fold"].ne(fold).fillna(True)
    candidates = np.flatnonzero(trained.to_numpy(dtype=bool))
    if len(candidates) == 0:
        candidates = np.arange(len(tokens))
    picked = candidates[even_places(len(candidates))]
    rows = tokens.iloc[picked].reset_index(drop=True)
    rows.attrs = tokens.attrs
    return cut(rows, rate)[0]
