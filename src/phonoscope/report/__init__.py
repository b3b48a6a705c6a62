"""Figures from labelled tables, and the one-file report of a run."""

from importlib import import_module
from typing import Any

_HOME = {"write_report": "phonoscope.report.page"}

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'phonoscope.report' has no attribute {name!r}")
