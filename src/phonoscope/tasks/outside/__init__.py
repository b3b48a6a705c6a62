"""Models that were trained elsewhere, on whole recordings: what they say of them, and what they listen to."""

from pathlib import Path

from phonoscope.tasks.task import Task

TASK = Task(
    "outside",
    recipe="phonoscope.tasks.outside.recipe:OutsideRecipe",
    experiment="phonoscope.tasks.outside.experiment:OutsideExperiment",
    page="phonoscope.tasks.outside.page:page",
    recipes=Path(__file__).parent / "recipes",
    entries=("outside",),
    kinds=("outside",),
)
