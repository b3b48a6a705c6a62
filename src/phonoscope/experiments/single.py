"""Parts of a run on their own: training one classifier from a token table, explaining the tokens of a run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.attribution import explain_batches, write_maps
from phonoscope.attribution.reference import evenly_picked
from phonoscope.attribution.store import COORDINATES, TOKENS, VALUES
from phonoscope.attribution.targets import Target
from phonoscope.audio import cut
from phonoscope.classifier import Classifier
from phonoscope.corpora import write_tokens
from phonoscope.corpora.sounds import TokenSounds, open_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments import fit as fitting
from phonoscope.experiments.folder import Run
from phonoscope.experiments.frame import claimed_folder, hold_to_material
from phonoscope.experiments.held_out import held_out
from phonoscope.experiments.material import CONTEXT_SECONDS, check_rate, material_of
from phonoscope.experiments.recipe import Recipe
from phonoscope.files import write_json, write_with
from phonoscope.folders import CHECKSUMS_NAME, contents, locked, open_again, write_checksums
from phonoscope.phonetics.confusions import accuracy_table
from phonoscope.training.processes import is_first_process

Say = Callable[[str], None]

_MAP_FILES = (VALUES, COORDINATES, TOKENS, CHECKSUMS_NAME)


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


def explain_run(
    source: str | Path,
    out: str | Path,
    *,
    method: str,
    target: Target,
    layer: str | None = None,
    seed: int = 0,
    trust_imports: bool = False,
) -> xr.DataArray:
    """Make maps of the tested tokens of a run, each by the classifier that never met it, and store them.

    Returns
    -------
    DataArray
        The first batch of maps, without tokens: its attributes say how fine the maps are.
    """
    run = Run(source)

    def batches() -> Iterator[xr.DataArray]:
        for part in held_out(run, trust_imports=trust_imports):
            yield from explain_batches(
                part.classifier,
                part.waveforms,
                target,
                method,
                layer=layer,
                seed=seed,
                **part.known,
            )

    return _stored(out, batches(), int(run.tokens["fold"].notna().sum()))


def explain_tokens(
    source: str | Path,
    table: str | Path,
    out: str | Path,
    *,
    method: str,
    target: Target,
    layer: str | None = None,
    seed: int = 0,
    trust_imports: bool = False,
) -> xr.DataArray:
    """Make maps of tokens by a saved classifier, and store them; see ``explain_run``.

    Parameters
    ----------
    table
        Token table, or folder of tokens with their sound.

    Raises
    ------
    ExperimentError
        If the tokens were cut at another rate than the classifier's.
    """
    classifier = Classifier.from_pretrained(source, trust_imports=trust_imports)
    tokens = open_tokens(table)
    waveforms: Sequence[np.ndarray]
    context_seconds, reference = CONTEXT_SECONDS, None
    if isinstance(tokens, TokenSounds):
        check_rate(tokens, classifier.sample_rate)
        waveforms, context_seconds = tokens, tokens.context_seconds
        # Picked here as `explain` would, but without holding all tokens in memory.
        reference = evenly_picked(tokens.without_context())
        tokens = tokens.tokens
    else:
        waveforms, tokens = cut(tokens, classifier.sample_rate, context_seconds=CONTEXT_SECONDS)
    classes = tokens["class"] if "class" in tokens else tokens["label"]
    batches = explain_batches(
        classifier,
        waveforms,
        target,
        method,
        true_labels=[str(c) for c in classes],
        tokens=[str(t) for t in tokens["token"]],
        layer=layer,
        reference=reference,
        context_seconds=context_seconds,
        seed=seed,
    )
    return _stored(out, batches, len(tokens))


def _stored(out: str | Path, batches: Iterator[xr.DataArray], count: int) -> xr.DataArray:
    if count == 0:
        raise ExperimentError("there is no token to explain")
    heads: list[xr.DataArray] = []

    def watched() -> Iterator[xr.DataArray]:
        for batch in batches:
            if not heads:
                heads.append(batch.isel(token=slice(0, 0)))
            yield batch

    with locked(out):
        others = [path.name for path in contents(Path(out)) if path.name not in _MAP_FILES]
        if others:
            raise ExperimentError(f"{out} holds something else than maps ({others[0]}); choose a new folder")
        open_again(out)
        write_maps(out, watched(), count)
        write_checksums(out)
    return heads[0]
