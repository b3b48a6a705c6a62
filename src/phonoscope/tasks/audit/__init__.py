"""Audits: does a model answer by speech, or by a shortcut that the recordings offer?"""

from pathlib import Path

from phonoscope.tasks.task import Task

TASK = Task(
    "audit",
    recipe="phonoscope.tasks.audit.recipe:AuditRecipe",
    experiment="phonoscope.tasks.audit.experiment:AuditExperiment",
    page="phonoscope.tasks.audit.page:page",
    recipes=Path(__file__).parent / "recipes",
    entries=("audit",),
    kinds=("audit",),
)
