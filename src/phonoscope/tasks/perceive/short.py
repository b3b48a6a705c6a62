"""The short perception experiment that follows a run, in a folder of its own inside it, and its part of the page."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from phonoscope.errors import ExperimentError, PhonoscopeError
from phonoscope.experiments.folder import RUN_NAME, Run
from phonoscope.experiments.settings import Settings
from phonoscope.report.page import Section
from phonoscope.tasks.content import read_content
from phonoscope.tasks.perceive.figures import identification_plate

FOLDER = "perception"


def perceive_in_short(run: Run, how: Mapping[str, Any], settings: Settings) -> None:
    """Execute a short perception experiment on a finished run; where it cannot be done, it is said why.

    Parameters
    ----------
    run
        The run.
    how
        ``cues`` and ``tokens``.
    settings
        How the run was executed.
    """
    from phonoscope.experiments.runner import execute
    from phonoscope.tasks.perceive.experiment import PerceiveExperiment
    from phonoscope.tasks.perceive.recipe import PerceiveRecipe
    from phonoscope.tasks.reporting import write_report

    out = run.folder / FOLDER
    if (out / RUN_NAME).is_file():
        return
    shutil.rmtree(out, ignore_errors=True)
    settings.say("moving formants and asking the network again")
    recipe = PerceiveRecipe("perceive", title=f"What the network of {run.facts.get('name', 'the run')} hears", **how)
    quiet = replace(settings, resume=False, say=lambda line: settings.say(line) if line.startswith("It ") else None)
    try:
        execute(PerceiveExperiment(recipe, None, quiet, source=run.folder), out, "perceive")
        write_report(out)
    except PhonoscopeError as error:
        shutil.rmtree(out, ignore_errors=True)
        settings.say(f"no perception experiment: {error}")


def heard_in_short(run: Run) -> tuple[list[str], Section | None]:
    """What the short experiment of a run found: its sentences, and its section of the page; nothing without one.

    Parameters
    ----------
    run
        The run that was asked.
    """
    try:
        content = read_content(Run(run.folder / FOLDER))
    except ExperimentError:
        return [], None
    results = content.facts["results"]
    text = (
        f"{len(content.tokens)} tokens were presented with one formant moved in steps, everything else as it was "
        f"recorded, and the network that never met them was asked what it hears. Slopes beside random weights, a "
        f"linear twin and a sham, boundaries and cue weights are in {FOLDER}/report.html; with more tokens: phonoscope "
        f"perceive {run.folder.as_posix()} --out FOLDER"
    )
    return results["sentences"], Section("heard", "What the network hears", [text], [identification_plate(content)])
