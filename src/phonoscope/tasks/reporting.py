"""Reports of runs of every task: which page a run gets, and which runs can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phonoscope.errors import ExperimentError
from phonoscope.registry import imported
from phonoscope.tasks import task_of_run

REPORT_NAME = "report.html"


def write_report(
    run_folder: str | Path,
    out: str | Path | None = None,
    *,
    formats: Sequence[str] = ("svg",),
    trust_imports: bool = False,
) -> Path:
    """Write the report of a run of any task.

    Parameters
    ----------
    run_folder : path
        A finished run (`phonoscope.experiments.folder`).
    out : path, optional
        The HTML file; ``report.html`` in the run folder if not given. Every figure and its data (CSV) are written to
        ``figures/`` beside it.
    formats : sequence of {"svg", "pdf", "png"}
        Of the figures beside the page.
    trust_imports : bool
        Allow the run to name a task to import, as ``package.module:name``.

    Returns
    -------
    Path
        The HTML file. What the run does not hold is said in the page, in its place.

    Raises
    ------
    ExperimentError
        If the folder holds no finished run.
    PhonoscopeError
        If a format is not known.
    """
    from phonoscope.experiments.folder import Run
    from phonoscope.report.page import check_formats, write_page

    check_formats(formats)
    run = Run(run_folder)
    out = run.folder / REPORT_NAME if out is None else Path(out)
    return write_page(out, imported(task_of_run(run, trust_imports=trust_imports).page)(run), formats)


def write_comparison(
    run_folders: Sequence[str | Path], out: str | Path, *, formats: Sequence[str] = ("svg",), seed: int = 0
) -> Path:
    """Write a report that compares the first run with each of the others.

    Parameters
    ----------
    run_folders : sequence of paths
        Two or more finished runs of one task that can compare its runs.
    out : path
        The HTML file; figures and data are written beside it.
    formats : sequence of {"svg", "pdf", "png"}
        Of the figures beside the page.
    seed : int
        Of the resampling.

    Raises
    ------
    ExperimentError
        If there are fewer than two runs, one is not finished or cannot be compared, or two have no class in common.
    """
    from phonoscope.experiments.folder import Run
    from phonoscope.report.page import check_formats, write_page

    check_formats(formats)
    if len(run_folders) < 2:
        raise ExperimentError("a comparison needs two runs or more")
    runs = [Run(folder) for folder in run_folders]
    tasks = [task_of_run(run) for run in runs]
    for run, task in zip(runs, tasks, strict=True):
        if not task.comparison:
            raise ExperimentError(f"{run.folder} is a run of the task {task.name}, whose runs are not compared")
        if task != tasks[0]:
            raise ExperimentError(
                f"{runs[0].folder} and {run.folder} are of two tasks, {tasks[0].name} and {task.name}; runs of one "
                "task can be compared"
            )
    return write_page(Path(out), imported(tasks[0].comparison)(runs, seed=seed), formats)
