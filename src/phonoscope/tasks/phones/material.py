"""The tokens of an experiment on phones: of a corpus, or of synthetic talkers; and how they are split."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.corpora import read_corpus
from phonoscope.experiments.settings import Settings
from phonoscope.experiments.tested import DEFAULT_FOLDS
from phonoscope.synthesis.corpus import write_corpus
from phonoscope.tasks.phones.recipe import PhonesRecipe
from phonoscope.training import Fold, count_groups, folds, split_tokens, split_unit

# Below this many tokens a single test part would be too small to say much: cross-validate.
_FEW_TOKENS = 5000


def read_tokens_of(
    recipe: PhonesRecipe,
    corpus: Path | None,
    alignments: Path | None,
    changed_rules: Mapping[str, Any],
    folder: Path,
    settings: Settings,
) -> pd.DataFrame:
    """Read the token table of a corpus by the recipe's rules, or of synthetic talkers.

    Parameters
    ----------
    recipe
        Rules of the token table, seed and settings of the synthetic talkers.
    corpus
        Root of a corpus, or None for synthetic talkers, which are written to ``folder/corpus``.
    alignments
        Where the alignments are, if not beside the recordings.
    changed_rules
        Of ``read_corpus``, instead of the recipe's.
    folder
        Of the run.
    settings
        Whether to stop at a recording that cannot be used, and whom to tell.
    """
    rules: dict[str, Any] = {**recipe.tokens, "seed": recipe.seed, **changed_rules}
    if corpus is not None:
        settings.say(f"reading {corpus}")
        return read_corpus(corpus, alignments=alignments, strict=settings.strict, **rules)
    root = folder / "corpus"
    if not (root / "truth.parquet").is_file():
        settings.say(f"synthesising {recipe.synthetic.get('talkers', 60)} talkers")
        # Under another name first: a run that is killed here begins it anew.
        begun = folder / "corpus.begun"
        shutil.rmtree(begun, ignore_errors=True)
        options: dict[str, Any] = {**recipe.synthetic, "seed": recipe.seed}
        write_corpus(begun, **options)
        begun.rename(root)
    rules["speakers"] = root / "speakers.csv"
    tokens = read_corpus(root, strict=settings.strict, **rules)
    attrs = tokens.attrs
    tokens = tokens.merge(pd.read_parquet(root / "truth.parquet"), on="token", how="left")
    tokens.attrs = attrs
    return tokens


def is_synthetic(tokens: pd.DataFrame) -> bool:
    """Whether the tokens come from synthetic talkers, of which there are always enough."""
    return any(str(name).startswith("true_") for name in tokens.columns)


def plan_folds(recipe: PhonesRecipe, tokens: pd.DataFrame) -> tuple[list[Fold], str]:
    """Decide which tokens train, choose and test: one split, or folds in which every token is tested once.

    Returns
    -------
    folds, unit
        The parts as positions, and what is kept together: speaker, recording or token.
    """
    settings = {"by": "auto", "folds": "auto", "shares": [0.7, 0.1, 0.2], **recipe.split}
    table = tokens.assign(label=tokens["class"])
    unit = split_unit(table, settings["by"])
    count = settings["folds"]
    if count == "auto":
        count = DEFAULT_FOLDS if len(tokens) < _FEW_TOKENS and not is_synthetic(tokens) else 1
        count = min(count, count_groups(table, unit))
    if count == "each" or int(count) > 1:
        return list(folds(table, count, by=settings["by"], seed=recipe.seed)), unit
    parts = split_tokens(table, by=settings["by"], shares=settings["shares"], seed=recipe.seed).to_numpy()
    return [Fold(0, *(np.flatnonzero(parts == name) for name in ("train", "validation", "test")))], unit


def describe_plan(plan: list[Fold], unit: str) -> dict[str, Any]:
    """Say how the tokens were divided, for the run's facts."""
    return {
        "unit": unit,
        "folds": len(plan),
        "train": int(np.mean([len(fold.train) for fold in plan])),
        "validation": int(np.mean([len(fold.validation) for fold in plan])),
        "test": int(sum(len(fold.test) for fold in plan)),
    }


def class_order(classes: pd.Series) -> list[str]:
    """Classes in the order of the phone table (front vowels first), others as they come."""
    from phonoscope.phones import phones

    present = list(dict.fromkeys(classes.dropna()))
    known = [phone.label for phone in phones() if phone.label in present]
    return [*dict.fromkeys(known), *(name for name in present if name not in known)]
