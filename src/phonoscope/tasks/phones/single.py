"""Training one classifier on phones from a token table, and testing it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from phonoscope.corpora import write_tokens
from phonoscope.corpora.sounds import TokenSounds
from phonoscope.experiments.fit import write_fits
from phonoscope.experiments.frame import claimed_folder, hold_to_material
from phonoscope.experiments.material import material_of
from phonoscope.experiments.measured import UNITS
from phonoscope.experiments.settings import Settings
from phonoscope.experiments.tested import with_parts
from phonoscope.files import write_json
from phonoscope.phonetics.confusions import accuracy_results, accuracy_table
from phonoscope.tasks.phones.fit import fit
from phonoscope.tasks.phones.material import plan_folds
from phonoscope.tasks.phones.recipe import PhonesRecipe
from phonoscope.training.processes import is_first_process
from phonoscope.work.folders import locked, write_checksums


def train_classifier(
    recipe: PhonesRecipe, tokens: pd.DataFrame | TokenSounds, out: str | Path, **how: Any
) -> dict[str, Any]:
    """Train one classifier on tokens with a split by speaker or recording, and test it.

    Under ``torchrun`` all processes train together; the first one writes.

    Parameters
    ----------
    recipe
        Classes, split (one, whatever its number of folds), network and training.
    tokens
        Token table, or tokens with their sound.
    out
        Folder, new or empty, or that of an interrupted training with ``resume=True``.
    how
        ``device``, ``resume``, ``say``: see ``phonoscope.experiments.settings.Settings``.

    Returns
    -------
    dict
        ``classifier`` (folder), ``accuracy``, ``balanced_accuracy``, their intervals and ``n_test``.

    Raises
    ------
    ExperimentError
        If the folder holds something else, or the tokens do not make a classification task.
    """
    out, settings = Path(out), Settings(**how)
    recipe = replace(recipe, split={**recipe.split, "folds": 1}, trainings=1)
    # Only one of several processes writes.
    with locked(out) if is_first_process() else nullcontext():
        return _train(recipe, tokens, out, settings)


def _train(recipe: PhonesRecipe, tokens: pd.DataFrame | TokenSounds, out: Path, settings: Settings) -> dict[str, Any]:
    """Train in a folder that is locked."""
    with claimed_folder(out, recipe, settings.resume) if is_first_process() else nullcontext():
        material = material_of(tokens, recipe.classes, sample_rate=recipe.front_end.get("sample_rate"))
        plan, unit = plan_folds(recipe, material.tokens)
        if is_first_process():
            hold_to_material(out, material.tokens, material.with_context)
    settings.say(f"{len(material.tokens)} tokens, split by {unit}")
    table = write_fits(fit(recipe, material, plan, out, settings), material.tokens, out)
    clusters = table.merge(material.tokens[["token", *UNITS]], on="token")[list(UNITS)]
    accuracy = accuracy_results(accuracy_table(table["class"], table["predicted"], clusters))
    result = {"classifier": (out / "classifier").as_posix(), "n_test": len(table), **accuracy}
    if is_first_process():
        write_tokens(out / "tokens.parquet", with_parts(material.tokens, plan, table))
        write_json(out / "result.json", result)
        write_checksums(out)
    return result
