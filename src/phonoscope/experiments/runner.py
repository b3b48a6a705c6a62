"""The runner: from an experiment to a run folder with everything needed to repeat and to report it.

It locks and claims the folder, reads, holds the run to its material, trains, measures, finishes, and lets follow what
builds on the finished run; what each of these means is the experiment's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from phonoscope.errors import ExperimentError
from phonoscope.experiments.fit import Trained
from phonoscope.experiments.folder import Run
from phonoscope.experiments.frame import claimed_folder, finish_run, hold_to_material, left_out_lines, write_recipe
from phonoscope.experiments.recipe import Recipe
from phonoscope.experiments.settings import Settings
from phonoscope.training import choose_device
from phonoscope.work.folders import locked


@dataclass(frozen=True)
class Results:
    """What an experiment found.

    Parameters
    ----------
    tokens
        The token table of the run, as it is kept.
    tables
        Result tables by name.
    facts
        What the run says about itself beside name, question, corpus, recipe and provenance.
    results
        The results as one object, as ``phonoscope run --json`` prints it.
    """

    tokens: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    facts: Mapping[str, Any]
    results: Mapping[str, Any]


@dataclass
class Experiment(ABC):
    """One execution of a recipe on some material: what a task does, step by step, while the runner does the rest.

    A task's experiment is a subclass, also a dataclass: its further fields, all with defaults, are the options that
    say what it runs on (see ``options``).

    Parameters
    ----------
    recipe
        What to do.
    corpus
        Root of a corpus; None for material that the task makes itself.
    settings
        How it is executed.
    """

    recipe: Any
    corpus: Path | None = None
    settings: Settings = field(default_factory=Settings)

    needs_corpus: ClassVar[bool] = True  # whether there is nothing to run on without one

    @classmethod
    def options(cls) -> set[str]:
        """Names of the options that ``of`` takes."""
        return {each.name for each in fields(cls)} - {"recipe", "corpus", "settings"}

    @classmethod
    def of(cls, recipe: Recipe, corpus: Path | None, settings: Settings, **options: Any) -> Self:
        """Make the experiment; ``options`` are among those of ``options()``."""
        return cls(recipe, corpus, settings, **options)

    @abstractmethod
    def read(self, folder: Path) -> pd.DataFrame:
        """Read the material and return its token table; ``attrs["left_out"]`` says what is missing and why.

        Whatever the later steps need of the material is kept in the experiment. What the recipe leaves to the material,
        such as the method of the maps, is settled here: ``self.recipe`` is the recipe as it is executed.

        Raises
        ------
        ExperimentError
            If it makes no experiment, or the settings do not fit it; the folder is given back then.
        """

    def sounds(self) -> Iterable[np.ndarray]:
        """Waveforms that the run is held to: an interrupted one goes on with the same only."""
        return ()

    @abstractmethod
    def describe(self) -> str:
        """One line on the material, for the progress."""

    def train(self, folder: Path) -> Sequence[Trained]:
        """Train the networks, if there are any; ``folder`` is that of the run."""
        del folder
        return []

    @abstractmethod
    def measure(self, trained: Sequence[Trained], folder: Path) -> Results:
        """Measure everything, and write what is neither a table nor ``run.json``."""

    def follow(self, run: Run) -> None:
        """Do what follows once the run is finished, such as a further run in a folder of its own inside it."""
        del run

    def summary(self, results: Mapping[str, Any]) -> Sequence[str]:
        """Lines on what was found: ``results`` are those of ``run.json``."""
        del results
        return []


def execute(experiment: Experiment, out: str | Path, kind: str) -> Run:
    """Execute an experiment.

    Parameters
    ----------
    experiment
        With its recipe, corpus and settings.
    out
        Run folder; new or empty, or that of an interrupted run with ``settings.resume``.
    kind
        Task of the experiment, as the run says it.

    Raises
    ------
    ExperimentError
        If the folder is in use or was altered, or tokens, classes or settings do not make an experiment.
    """
    out, settings, recipe = Path(out), experiment.settings, experiment.recipe
    if experiment.corpus is None and experiment.needs_corpus:
        raise ExperimentError(f"{recipe.name} needs recordings: --corpus FOLDER")
    choose_device(settings.device)  # one that is not there is refused before anything is read
    with locked(out):
        with claimed_folder(out, recipe, settings.resume):
            tokens = experiment.read(out)
            hold_to_material(out, tokens, experiment.sounds())
            write_recipe(out, experiment.recipe)
        for line in left_out_lines(tokens):
            settings.say(line)
        settings.say(experiment.describe())
        trained = experiment.train(out)
        found = experiment.measure(trained, out)
        run = finish_run(experiment.recipe, out, found, kind=kind, device=settings.device)
    for line in experiment.summary(run.results):
        settings.say(line)
    experiment.follow(run)
    return run
