"""How much a classifier reacts to a token that is louder or softer, as heard and with the front end's scaling held."""

from __future__ import annotations

import pandas as pd
import torch

from phonoscope.attribution.method import network_inputs
from phonoscope.attribution.scaling import reference_level
from phonoscope.evidence.case import Case, per_token, read_scores
from phonoscope.modules import evaluation_mode

STEP_DB = 6.0


def level_reaction(case: Case) -> pd.DataFrame:
    """What the target loses, and whether the decision changes, when a token is 6 dB softer or louder.

    A front end that scales each token hears no difference. With its scaling held, as it is while sounds are changed,
    all of its input moves by 6 dB: what the network makes of that is how much of an effect mere level can have.

    Parameters
    ----------
    case
        Classifier, tokens and targets, from `open_case`.

    Returns
    -------
    DataFrame
        One row a token, change and way: ``token, target, change_db`` (−6, 6), ``held`` (whether the scaling was),
        ``loss`` (of the target's logit), ``changed`` (whether another class wins).
    """
    classifier, tables = case.setting.classifier, []
    with evaluation_mode(classifier), torch.no_grad():
        for rows, batch in case.batches():
            level = reference_level(classifier, batch)
            weights = batch.weigh(batch.inputs)
            before = read_scores(classifier.network(batch.inputs.clone()), weights, classifier.scores)
            for change_db in (-STEP_DB, STEP_DB):
                louder = batch.sounds * 10 ** (change_db / 20)
                for held in (False, True):
                    inputs = network_inputs(classifier, batch, louder, level=level if held else None)
                    after = read_scores(classifier.network(inputs), weights, classifier.scores)
                    columns = {"change_db": change_db, "held": held, "loss": before.logit - after.logit}
                    columns |= {"changed": after.winner != before.winner}
                    tables.append(per_token(case, rows, columns))
    return pd.concat(tables, ignore_index=True)


def level_table(tokens: pd.DataFrame) -> pd.DataFrame:
    """Means of `level_reaction` over tokens: ``change_db, held, loss`` (size, logit), ``changed`` (share), ``n``."""
    sizes = tokens.assign(loss=tokens["loss"].abs(), changed=tokens["changed"].astype(float))
    means = {"loss": ("loss", "mean"), "changed": ("changed", "mean"), "n": ("token", "size")}
    return sizes.groupby(["change_db", "held"]).agg(**means).reset_index()
