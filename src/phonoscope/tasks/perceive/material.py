"""The tokens of a run that are asked about, and the listening test that is made of the same ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from phonoscope.audio import cut
from phonoscope.classifier import class_position
from phonoscope.errors import ExperimentError
from phonoscope.experiments.evidence_run import choose_tokens
from phonoscope.experiments.folder import Run
from phonoscope.files import write_with
from phonoscope.perception import present, write_for_praat, write_for_web
from phonoscope.tasks.perceive.recipe import PerceiveRecipe

FOR = ("praat", "web")
WEB_NAME = "listening.html"


def asked_tokens(run: Run, recipe: PerceiveRecipe) -> pd.DataFrame:
    """The tested tokens that are asked about, as many of each class as there is room for.

    Raises
    ------
    ExperimentError
        If none of the run's classes is an answer of its network.
    """
    names, every = set(choose_tokens(run, recipe.tokens, recipe.seed)), run.tokens
    known = np.array([class_position(run.labels, str(name)) is not None for name in every["class"]], dtype=bool)
    tokens = every[every["token"].isin(names) & known].reset_index(drop=True)
    if not len(tokens):
        raise ExperimentError(
            f"none of the classes of {run.folder} is an answer of its network, which are: {', '.join(run.labels)}"
        )
    tokens.attrs = {**every.attrs, "left_out": []}
    return tokens


def keep_formants(run: Run, tokens: pd.DataFrame, folder: Path) -> None:
    """Write the formants that the run measured in these tokens into the folder of the experiment, if it did.

    Parameters
    ----------
    run
        That is asked.
    tokens
        Which are asked about.
    folder
        Of the experiment.
    """
    try:
        formants = run.formants
    except ExperimentError:
        return
    kept = formants[formants["token"].isin(tokens["token"])].reset_index(drop=True)
    if len(kept):
        write_with(folder / "formants.parquet", lambda path: kept.to_parquet(path, index=False))


def write_listening_test(source: str | Path, recipe: PerceiveRecipe, out: str | Path, kind: str) -> Path:
    """Write a listening test for people, of the tokens and continua that the network is asked about.

    Parameters
    ----------
    source
        A finished run.
    recipe
        Cues, steps and tokens.
    out
        Folder for it.
    kind
        ``praat`` or ``web``.

    Returns
    -------
    Path
        The file to open.

    Raises
    ------
    ExperimentError
        If the kind is not known, or the recordings are gone.
    """
    if kind not in FOR:
        raise ExperimentError(f"--for is {kind!r}; choose praat or web")
    run, out = Run(source), Path(out)
    rate, context = int(run.facts["sample_rate"]), run.context_seconds
    waveforms, tokens = cut(asked_tokens(run, recipe), rate, context_seconds=context)
    if not waveforms:
        raise ExperimentError(f"none of the recordings of {run.folder} can be read any more")
    made = present(tokens, waveforms, rate, recipe.continua, context=context, ceiling=recipe.ceiling)
    out.mkdir(parents=True, exist_ok=True)
    if kind == "praat":
        return write_for_praat(out, made, rate, run.labels, seed=recipe.seed)
    return write_for_web(out / WEB_NAME, made, rate, run.labels, seed=recipe.seed)
