"""Real speech against spoofed speech, by what a first layer hears."""

from pathlib import Path

from phonoscope.tasks.task import Task

TASK = Task(
    "spoof",
    recipe="phonoscope.tasks.spoof.recipe:SpoofRecipe",
    experiment="phonoscope.tasks.spoof.experiment:SpoofExperiment",
    page="phonoscope.tasks.spoof.page:page",
    recipes=Path(__file__).parent / "recipes",
    entries=("spoof",),
    kinds=("spoof",),
)
