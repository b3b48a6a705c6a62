"""Tasks: one folder a kind of experiment, one loader of their recipes, one way to run them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phonoscope.errors import ExperimentError
from phonoscope.registry import Registry, imported
from phonoscope.tasks.task import Task

if TYPE_CHECKING:
    from phonoscope.experiments.folder import Run
    from phonoscope.experiments.recipe import Recipe
    from phonoscope.experiments.runner import Experiment
    from phonoscope.experiments.settings import Settings

__all__ = ["TASKS", "Task", "load_recipe", "recipe_names", "run_experiment", "task_named", "task_of_run"]

TASKS: Registry[Task] = Registry(
    "task",
    {
        "audit": "phonoscope.tasks.audit:TASK",
        "phones": "phonoscope.tasks.phones:TASK",
        "outside": "phonoscope.tasks.outside:TASK",
        "perceive": "phonoscope.tasks.perceive:TASK",
        "recordings": "phonoscope.tasks.recordings:TASK",
        "spoof": "phonoscope.tasks.spoof:TASK",
    },
    error=ExperimentError,
)
DEFAULT_TASK = "phones"  # of recipes that name none
_RENAMED = {"classifier": "model"}  # options of older versions


def recipe_names() -> list[str]:
    """Names of the recipes of all tasks."""
    return [name for task in TASKS.values() for name in task.recipe_names()]


def load_recipe(name: str | Path, *, trust_imports: bool = False) -> Recipe:
    """Read a recipe: one of ``recipe_names()``, or a TOML file.

    Parameters
    ----------
    name
        A name, or the path of a file that ends in ``.toml``.
    trust_imports
        Whether the file may name code to import, such as a network ``package.module:name``; what it names runs.

    Raises
    ------
    ExperimentError
        If there is no such recipe, it holds an entry that is not known or of the wrong kind, or it names code to
        import and is not trusted.
    """
    from phonoscope.experiments.recipe import read_toml, recipe_from

    path, trusted = Path(name), trust_imports
    if path.suffix != ".toml":
        named = (task.recipes / f"{name}.toml" for task in TASKS.values() if str(name) in task.recipe_names())
        path, trusted = next(named, path), True
    if path.suffix != ".toml":
        raise ExperimentError(f"recipe {str(name)!r} is not known; choose {', '.join(recipe_names())}, or a TOML file")
    values = read_toml(path)
    entry = values.get("task", DEFAULT_TASK)
    if not isinstance(entry, str):
        raise ExperimentError(f"task in the recipe {name} is {entry!r}; expected text")
    TASKS.refuse_import(entry, f"the recipe {name}", trust_imports=trusted)
    return recipe_from(imported(task_named(entry).recipe), values, origin=f"the recipe {name}", trust_imports=trusted)


def task_named(entry: str) -> Task:
    """The task that the entry ``task`` of a recipe means; ExperimentError if there is none."""
    for task in TASKS.values():
        if entry in task.entries:
            return task
    task = TASKS.find(entry)
    if not isinstance(task, Task):
        raise ExperimentError(f"{entry} is {type(task).__name__}, not a task: see phonoscope.tasks.task.Task")
    return task


def task_of_run(run: Run, *, trust_imports: bool = False) -> Task:
    """The task of a finished run.

    Raises
    ------
    ExperimentError
        If it is not installed, or is an import path and the run is not trusted.
    """
    kind = run.facts.get("kind")
    for task in TASKS.values():
        if kind in task.kinds:
            return task
    TASKS.refuse_import(str(kind), run.folder, trust_imports=trust_imports)
    return task_named(str(kind))


def experiment_of(recipe: Recipe, corpus: str | Path | None, settings: Settings, **options: Any) -> Experiment:
    """Make the experiment of a recipe; ExperimentError names an option that its task does not understand.

    Parameters
    ----------
    recipe, corpus
        As of ``run_experiment``.
    settings
        How it is executed.
    options
        What the task understands, see ``run_experiment``.
    """
    kind = imported(task_named(recipe.task).experiment)
    options = {_RENAMED.get(name, name): value for name, value in options.items()}
    for name in sorted(set(options) - kind.options()):
        understood = ", ".join(f"--{each.replace('_', '-')}" for each in sorted(kind.options() | recipe.changes()))
        elsewhere = "; whole recordings through a model: phonoscope run recordings --model MODEL"
        raise ExperimentError(
            f"--{name.replace('_', '-')} means nothing for {recipe.name}, which takes {understood}"
            f"{elsewhere if name == 'model' else ''}"
        )
    return kind.of(recipe, None if corpus is None else Path(corpus), settings, **options)


def run_experiment(recipe: Recipe, out: str | Path, corpus: str | Path | None = None, **options: Any) -> Run:
    """Execute an experiment: everything that ``phonoscope run`` does, but for the report.

    Parameters
    ----------
    recipe
        What to do; see ``load_recipe``.
    out
        Run folder; new or empty, or that of an interrupted run with ``resume=True``.
    corpus
        Root of a corpus; recipes on phones make synthetic talkers without one.
    options
        How: ``device``, ``resume``, ``strict``, ``trust_imports``, ``say`` (see
        ``phonoscope.experiments.settings.Settings``). And what the task understands: on phones ``model`` (trained
        elsewhere: nothing is trained), ``map, method, target, alignments`` and the rules of ``read_corpus``; on
        whole recordings through a model ``model, labels, label_column, map, method, target`` …; on spoofed speech
        ``model``, or ``network`` and ``init``, and ``protocol``.

    Raises
    ------
    ExperimentError
        If the folder is in use or was altered, or tokens, classes or settings do not make an experiment.
    """
    from phonoscope.experiments.runner import execute
    from phonoscope.experiments.settings import Settings

    how = {field.name: options.pop(field.name) for field in fields(Settings) if field.name in options}
    kind = next((task.name for task in TASKS.values() if recipe.task in task.entries), recipe.task)
    return execute(experiment_of(recipe, corpus, Settings(**how), **options), out, kind)
