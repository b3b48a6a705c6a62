"""The first paper's task: phones told apart, and what the network looks at in them."""

from pathlib import Path

from phonoscope.tasks.task import Task

TASK = Task(
    "phones",
    recipe="phonoscope.tasks.phones.recipe:PhonesRecipe",
    experiment="phonoscope.tasks.phones.experiment:PhonesExperiment",
    page="phonoscope.tasks.phones.page:page",
    recipes=Path(__file__).parent / "recipes",
    entries=("phones",),
    kinds=("phones", None),
    comparison="phonoscope.tasks.phones.page:comparison",
)
