"""Figures from labelled tables, and the one-file report of a run."""

from importlib import import_module
from typing import Any

_HOME = {
    "write_report": "phonoscope.tasks.reporting",
    "write_comparison": "phonoscope.tasks.reporting",
    "figure_of_run": "phonoscope.tasks.figures",
    "save_figure": "phonoscope.report.printed",
    "show": "phonoscope.report.notebook",
}

__all__ = [*sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'phonoscope.report' has no attribute {name!r}")
