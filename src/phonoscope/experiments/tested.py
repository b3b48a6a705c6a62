"""Which tokens of a run are tested, by the network and by what stands beside it without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from phonoscope.training import Fold, count_groups, split_unit
from phonoscope.training.splits import deal

DEFAULT_FOLDS = 5


def parts_without_network(
    tokens: pd.DataFrame, plan: list[Fold], split_by: str, seed: int
) -> tuple[dict[str, Any], str]:
    """Which tokens train and test what needs no network: the network's own split or folds.

    A classifier that was trained elsewhere has none: then the tested tokens are cross-validated, in five folds of whole
    units where there are as many.

    Parameters
    ----------
    tokens
        Token table of the run, with ``class`` and ``fold``.
    plan
        The folds of the network; none if it was trained elsewhere.
    split_by
        What is kept together where there is no plan; see ``split_unit``.
    seed
        Of the folds where there is no plan.

    Returns
    -------
    dict, str
        ``folds``, or ``train`` and ``test``, as functions of `phonoscope.phonetics.baselines` take them; and how the
        tokens were divided where there was no plan, else nothing.
    """
    if len(plan) == 1:
        train, test = np.zeros((2, len(tokens)), dtype=bool)
        train[plan[0].train], train[plan[0].validation], test[plan[0].test] = True, True, True
        return {"train": train, "test": test}, ""
    if plan:
        return {"folds": tokens["fold"].to_numpy()}, ""
    table = tokens.assign(label=tokens["class"])
    for unit in dict.fromkeys((split_unit(table, split_by), "recording", "token")):
        count = min(DEFAULT_FOLDS, count_groups(table, unit))
        if count < 2:
            continue
        parts = deal(table, unit, np.full(count, 1 / count), np.random.default_rng(seed))
        if all(len(set(table["label"][parts != part])) > 1 for part in range(count)):
            return {"folds": parts}, f"{count} folds by {unit}"
    return {"folds": np.arange(len(tokens))}, f"{len(tokens)} folds by token"


def with_parts(tokens: pd.DataFrame, plan: list[Fold], predictions: pd.DataFrame) -> pd.DataFrame:
    """Add ``split`` (the part in a single split; in folds every token is tested) and ``fold`` (that tested it).

    Parameters
    ----------
    tokens
        Token table.
    plan
        The folds; none for a classifier that was trained elsewhere.
    predictions
        Tested tokens: ``token`` and ``fold``.
    """
    attrs = tokens.attrs
    split = np.full(len(tokens), "test", dtype=object)
    if len(plan) == 1:
        split[plan[0].train], split[plan[0].validation] = "train", "validation"
    tested = predictions.set_index("token")["fold"]
    tokens = tokens.assign(split=split, fold=tokens["token"].map(tested).astype("Int64"))
    tokens.attrs = attrs
    return tokens
