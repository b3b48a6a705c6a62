"""The report of a run, whatever its task; to be replaced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phonoscope.experiments.folder import Run
from phonoscope.report.comparison_page import write_comparison

__all__ = ["write_comparison", "write_report"]


def write_report(run_folder: str | Path, out: str | Path | None = None, *, formats: Sequence[str] = ("svg",)) -> Path:
    """Write the report of a run."""
    run = Run(run_folder)
    kind = run.facts.get("kind")
    if kind in ("recordings", "waveform"):
        from phonoscope.tasks.recordings.page import write_waveform_report

        return write_waveform_report(run, out, formats)
    if kind == "spoof":
        from phonoscope.tasks.spoof.page import write_spoof_report

        return write_spoof_report(run, out, formats)
    from phonoscope.tasks.phones.page import write_report as write_phones

    return write_phones(run_folder, out, formats=formats)
