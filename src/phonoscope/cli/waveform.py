"""What ``run`` and ``report`` do with the tasks on whole recordings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from phonoscope.cli.terminal import print_json, say
from phonoscope.errors import PhonoscopeError

# Options of ``run`` that mean something for whole recordings; the others are about alignments, maps and formants.
_UNDERSTOOD = (
    "recipe",
    "out",
    "corpus",
    "classes",
    "network",
    "epochs",
    "split_by",
    "sample_rate",
    "seed",
    "seeds",
    "device",
    "resume",
    "strict",
    "as_json",
)
_UNDERSTOOD_BY_SPOOF = (
    "recipe",
    "out",
    "corpus",
    "classifier",
    "network",
    "init",
    "partition",
    "protocol",
    "seed",
    "resume",
    "strict",
    "as_json",
)
_UNSET = (None, False, "", "auto")


def is_whole_recordings(recipe: str) -> bool:
    """Whether a recipe, by name or file, is of this kind; ExperimentError if there is none of that name."""
    from phonoscope.tasks.recordings.recipe import is_waveform_recipe
    from phonoscope.tasks.spoof.recipe import is_spoof_recipe

    return is_spoof_recipe(recipe) or is_waveform_recipe(recipe)


def run_whole_recordings(given: Mapping[str, Any]) -> None:
    """Execute a task on whole recordings and write its report.

    Parameters
    ----------
    given
        Options of the command by name.

    Raises
    ------
    PhonoscopeError
        If no corpus is given, or an option that means nothing here.
    """
    from phonoscope.experiments.frame import note_report
    from phonoscope.report import write_report
    from phonoscope.tasks.recordings.recipe import load_waveform_recipe
    from phonoscope.tasks.recordings.run import run_waveform_experiment
    from phonoscope.tasks.spoof.recipe import is_spoof_recipe

    spoof = is_spoof_recipe(given["recipe"])
    understood = _UNDERSTOOD_BY_SPOOF if spoof else _UNDERSTOOD
    extra = [name for name, value in given.items() if name not in understood and value not in _UNSET]
    if extra:
        written = ", ".join(f"--{name.replace('_', '-')}" for name in extra)
        raise PhonoscopeError(f"{written} means nothing for {given['recipe']}: it takes whole recordings as they are")
    if given["corpus"] is None:
        raise PhonoscopeError(f"{given['recipe']} needs recordings: --corpus FOLDER")
    if spoof:
        _run_spoof(given)
        return
    names = ("network", "epochs", "split_by", "classes", "sample_rate", "seed", "seeds")
    recipe = load_waveform_recipe(given["recipe"]).changed(**{name: given[name] for name in names})
    options = {name: given[name] for name in ("corpus", "device", "resume", "strict")}
    finished = run_waveform_experiment(recipe, given["out"], say=say, **options)
    say("writing the report")
    results = note_report(finished, write_report(finished.folder))
    typer.echo(f"\nread  {given['corpus']}\nwrote {given['out']}\nopen  {results['report']}")
    if given["as_json"]:
        print_json(results)


def _run_spoof(given: Mapping[str, Any]) -> None:
    from phonoscope.experiments.frame import note_report
    from phonoscope.report import write_report
    from phonoscope.tasks.spoof.recipe import load_spoof_recipe
    from phonoscope.tasks.spoof.run import layer_from, run_spoof_experiment

    recipe = load_spoof_recipe(given["recipe"], seed=given["seed"], partition=given["partition"])
    source = {"classifier": given["classifier"], "network": given["network"], "weights": given["init"]}
    bank = layer_from(recipe.sample_rate, **source)
    name = str(given["classifier"] or f"{given['network']} ({Path(given['init']).name})")
    options: dict[str, Any] = {key: given[key] for key in ("corpus", "protocol", "resume", "strict")}
    finished = run_spoof_experiment(recipe, given["out"], bank=bank, layer_name=name, say=say, **options)
    results = note_report(finished, write_report(finished.folder))
    typer.echo(f"\nread  {given['corpus']}\nwrote {given['out']}\nopen  {results['report']}")
    if given["as_json"]:
        print_json(results)
