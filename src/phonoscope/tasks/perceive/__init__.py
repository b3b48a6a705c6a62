"""Perception experiments: a network is asked about sounds changed in one property, as a listener is."""

from pathlib import Path

from phonoscope.tasks.task import Task

TASK = Task(
    "perceive",
    recipe="phonoscope.tasks.perceive.recipe:PerceiveRecipe",
    experiment="phonoscope.tasks.perceive.experiment:PerceiveExperiment",
    page="phonoscope.tasks.perceive.page:page",
    recipes=Path(__file__).parent / "recipes",
    entries=("perceive",),
    kinds=("perceive",),
)
