"""Training one classifier from a token table, and testing it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from phonoscope.corpora import write_tokens
from phonoscope.corpora.sounds import TokenSounds
from phonoscope.experiments import fit as fitting
from phonoscope.experiments.frame import claimed_folder, hold_to_material
from phonoscope.experiments.material import material_of
from phonoscope.files import write_json, write_with
from phonoscope.phonetics.confusions import accuracy_table
from phonoscope.tasks.phones.recipe import Recipe
from phonoscope.training.processes import is_first_process
from phonoscope.work.folders import locked, write_checksums

Say = Callable[[str], None]


def train_classifier(
    recipe: Recipe,
    tokens: pd.DataFrame | TokenSounds,
    out: str | Path,
    *,
    device: str = "auto",
    resume: bool = False,
    say: Say,
) -> dict[str, Any]:
    """Train one classifier on tokens with a split by speaker or recording, and test it.

    Under ``torchrun`` all processes train together; the first one writes.

    Returns
    -------
    dict
        ``classifier`` (folder), ``accuracy``, ``balanced_accuracy``, their intervals and ``n_test``.

    Raises
    ------
    ExperimentError
        If the folder holds something else, or the tokens do not make a classification task.
    """
    out = Path(out)
    # Only one of several processes writes.
    with locked(out) if is_first_process() else nullcontext():
        return _train(recipe, tokens, out, device=device, resume=resume, say=say)


def _train(
    recipe: Recipe, tokens: pd.DataFrame | TokenSounds, out: Path, *, device: str, resume: bool, say: Say
) -> dict[str, Any]:
    """Train in a folder that is locked."""
    with claimed_folder(out, recipe, resume) if is_first_process() else nullcontext():
        material = material_of(tokens, recipe.classes, sample_rate=recipe.front_end.get("sample_rate"))
        plan, unit = fitting.plan_folds(replace(recipe, split={**recipe.split, "folds": 1}), material.tokens)
        if is_first_process():
            hold_to_material(out, material.tokens, material.with_context)
    say(f"{len(material.tokens)} tokens, split by {unit}")
    fitted = fitting.fit(recipe, material, plan, out, device=device, resume=resume, say=say)
    table = fitting.predictions(fitted, material.tokens)
    clusters = table.merge(material.tokens[["token", "speaker", "recording"]], on="token")[["speaker", "recording"]]
    accuracy = accuracy_table(table["class"], table["predicted"], clusters, seed=recipe.seed).set_index("measure")
    result: dict[str, Any] = {"classifier": (out / "classifier").as_posix(), "n_test": len(table)}
    for name in ("accuracy", "balanced accuracy"):
        row = accuracy.loc[name].to_dict()
        result[name.replace(" ", "_")] = row["estimate"]
        result[name.replace(" ", "_") + "_interval"] = [row["low"], row["high"]]
    if is_first_process():
        write_with(out / "predictions.parquet", lambda path: table.to_parquet(path, index=False))
        write_tokens(out / "tokens.parquet", fitting.with_parts(material.tokens, plan, table))
        write_json(out / "result.json", result)
        write_checksums(out)
    return result
