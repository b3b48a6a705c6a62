"""The second paper's tasks on whole recordings: words and speakers told apart, and what first layers hear."""

from pathlib import Path

from phonoscope.tasks.task import Task

TASK = Task(
    "recordings",
    recipe="phonoscope.tasks.recordings.recipe:RecordingsRecipe",
    experiment="phonoscope.tasks.recordings.experiment:RecordingsExperiment",
    page="phonoscope.tasks.recordings.page:page",
    recipes=Path(__file__).parent / "recipes",
    entries=("words", "speakers"),
    kinds=("recordings", "waveform"),
)
