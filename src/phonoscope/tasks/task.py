"""What a task is: one kind of experiment, in a folder of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Task:
    """One kind of experiment: its recipe, what it does with its material, and the page that tells what was found.

    A task is a folder with an object of this class, and a line in ``TASKS``, an entry point of the group
    ``phonoscope.tasks``, or its import path. The parts are named as ``module:attribute``, so that nothing is imported
    before it is used.

    Parameters
    ----------
    name
        What it is called.
    recipe
        A subclass of ``phonoscope.experiments.recipe.Recipe``, a dataclass: its fields are the schema of recipe files,
        the keywords of its ``changed`` the options of the command line that change it.
    experiment
        A subclass of ``phonoscope.experiments.runner.Experiment``: reading, training, tables, claims. Its
        ``options()`` are those of the command line that say what it runs on.
    page
        A function from a finished ``Run`` to the ``Page`` that reports it.
    recipes
        Folder of its recipes: TOML files, each found by its name.
    entries
        What ``task`` is in its recipes.
    kinds
        What runs of it say in ``run.json``, and older ones said.
    comparison
        A function from several runs to the ``Page`` that compares the first with the others; empty where there is none.
    """

    name: str
    recipe: str
    experiment: str
    page: str
    recipes: Path
    entries: tuple[str, ...] = ()
    kinds: tuple[str | None, ...] = ()
    comparison: str = ""

    def recipe_names(self) -> list[str]:
        """Names of its recipes."""
        return sorted(path.stem for path in self.recipes.glob("*.toml"))
