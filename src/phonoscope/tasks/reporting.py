"""Reports of runs of every task: which page a run gets, and which runs can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from phonoscope.errors import ExperimentError

if TYPE_CHECKING:
    from phonoscope.experiments.folder import Run

REPORT_NAME = "report.html"
_TASK_OF_KIND = {None: "phones", "waveform": "recordings", "spoof": "spoof"}  # ``kind`` in run.json


def task_of(run: Run) -> str:
    """Name of the task that a run is of.

    Raises
    ------
    ExperimentError
        If this version of phonoscope knows no such task.
    """
    kind = run.facts.get("kind")
    if kind not in _TASK_OF_KIND:
        raise ExperimentError(f"{run.folder} is a run of the kind {kind!r}, which this version does not know")
    return _TASK_OF_KIND[kind]


def write_report(run_folder: str | Path, out: str | Path | None = None, *, formats: Sequence[str] = ("svg",)) -> Path:
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
    return write_page(out, _page_module(task_of(run)).page(run), formats)


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
    first = task_of(runs[0])
    for run in runs:
        if not hasattr(_page_module(task_of(run)), "comparison"):
            raise ExperimentError(f"{run.folder} is a run of the task {task_of(run)}, whose runs are not compared")
        if task_of(run) != first:
            raise ExperimentError(
                f"{runs[0].folder} and {run.folder} are of two tasks, {first} and {task_of(run)}; "
                "runs of one task can be compared"
            )
    return write_page(Path(out), _page_module(first).comparison(runs, seed=seed), formats)


def _page_module(task: str) -> ModuleType:
    return import_module(f"phonoscope.tasks.{task}.page")
