"""Deletion and insertion: how soon the target is lost when what a map holds for important is taken away first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from phonoscope.attribution.method import Batch
from phonoscope.errors import AttributionError
from phonoscope.evidence.case import Case, Scores, classify, classify_each, generators, per_token, unravelled
from phonoscope.evidence.regions import choose_null, ranks, spread
from phonoscope.modules import evaluation_mode

STEPS = 20
_PURPOSE = 1


def perturbation_curves(
    case: Case, maps: xr.DataArray, *, steps: int = STEPS, draws: int = 2, chance: str = "moved", neutral: str = "mean"
) -> pd.DataFrame:
    """Logit and probability of the target while the input is replaced by the neutral one, step by step of its area.

    Deletion (Petsiuk et al. 2018) takes the most important cells away first, insertion puts them first into the
    neutral input. Chance does both with maps that say nothing (see `regions.moved`).

    Parameters
    ----------
    case
        Classifier, tokens and targets, from `open_case`.
    maps
        Signed, dims (token, frequency, time); the largest value is the most important for the target.
    steps
        Equal steps of area between nothing and everything; 20 are 5 % each.
    draws
        Orders by chance.
    chance
        ``moved`` or ``shuffled``.
    neutral
        Baseline put in the place of what is taken away; see `spaces.BASELINES`.

    Returns
    -------
    DataFrame
        Tidy: ``token, target, curve`` (``deletion``, ``insertion``, ``chance``: mean of the draws, as deletion),
        ``fraction`` (share of the area that was taken away; for insertion: put in), ``logit``, ``probability``.
    """
    if steps < 2 or draws < 1:
        raise AttributionError(f"steps={steps}, draws={draws}: expected at least 2 steps and 1 draw")
    null, tables = choose_null(chance), []
    with evaluation_mode(case.setting.classifier), torch.no_grad():
        fill = case.space.neutral(neutral)
        for rows, batch in case.batches():
            scores = spread(maps, case, batch, rows)
            random = generators(case, batch, _PURPOSE)
            places = ranks(scores, random)
            sizes = (~np.isnan(scores)).reshape(len(scores), -1).sum(1)
            # Insertion is deletion from the other end.
            orders = [places, sizes[:, None, None] - 1 - places] + [null(places, random) for _ in range(draws)]
            examples = case.space.examples(batch)
            curves = _curves(case, batch, examples, fill(batch, examples), np.stack(orders), sizes, steps)
            tables.append(_table(case, rows, curves, steps))
    return pd.concat(tables, ignore_index=True)


def _curves(
    case: Case, batch: Batch, examples: Tensor, neutral: Tensor, orders: np.ndarray, sizes: np.ndarray, steps: int
) -> dict[str, np.ndarray]:
    """Logits and probabilities while cells are taken away in each order: arrays (order, step, token)."""
    count, grid = len(examples), examples.shape[2:]
    # Shape (order, token, cell); cells that are not the token's own go last.
    last = np.nan_to_num(orders.reshape(*orders.shape[:2], -1), nan=2**30).astype(np.int32)
    places = torch.from_numpy(last).to(examples.device)
    taken = torch.from_numpy(np.round(np.arange(1, steps)[:, None] / steps * sizes).astype(np.int32)).to(places)
    shape = (len(orders), steps - 1, count)

    def make(part: slice) -> tuple[Tensor, Tensor]:
        order, step, row = unravelled(part, shape, places.device)
        away = (places[order, row] < taken[step, row, None]).view(-1, 1, *grid)
        return torch.where(away, neutral[row], examples[row]), row

    inner = classify(case, batch, int(np.prod(shape)), make)
    whole, empty = classify_each(case, batch, examples), classify_each(case, batch, neutral)

    def join(name: str) -> np.ndarray:
        ends = [np.tile(getattr(a, name), (len(orders), 1, 1)) for a in (whole, empty)]
        return np.concatenate([ends[0], getattr(inner, name).reshape(shape), ends[1]], axis=1)

    return {name: join(name) for name in Scores._fields[:2]}


def _table(case: Case, rows: slice, scores: dict[str, np.ndarray], steps: int) -> pd.DataFrame:
    tables = []
    fractions = np.arange(steps + 1) / steps
    for curve, pick in (
        ("deletion", lambda a: a[0]),
        ("insertion", lambda a: a[1, ::-1]),
        ("chance", lambda a: a[2:].mean(0)),
    ):
        values = {name: pick(a) for name, a in scores.items()}
        tables += [
            per_token(case, rows, {"curve": curve, "fraction": fraction, **{n: v[step] for n, v in values.items()}})
            for step, fraction in enumerate(fractions)
        ]
    return pd.concat(tables, ignore_index=True)


def curve_areas(curves: pd.DataFrame) -> pd.DataFrame:
    """Areas under the curves of each token, and how far they are from chance.

    Parameters
    ----------
    curves
        From `perturbation_curves`.

    Returns
    -------
    DataFrame
        One row a token, in their order: ``token, target``; for ``logit`` and ``probability`` the area under each
        curve (``deletion_logit`` …), ``way_…`` (what is lost between the token and the neutral input), and
        ``deletion_gain_…``, ``insertion_gain_…``: area between the curve and chance, positive when the map is better.
    """
    table = curves.drop_duplicates("token")[["token", "target"]].reset_index(drop=True)
    for value in ("logit", "probability"):
        wide = curves.pivot_table(index="token", columns=["curve", "fraction"], values=value, sort=True)
        wide = wide.loc[table["token"]]
        for curve in ("deletion", "insertion", "chance"):
            heights = wide[curve].to_numpy()
            table[f"{curve}_{value}"] = (heights[:, 1:] + heights[:, :-1]).mean(1) / 2  # trapezia over 0…1
        whole = wide["deletion"].to_numpy()
        table[f"way_{value}"] = whole[:, 0] - whole[:, -1]
        table[f"deletion_gain_{value}"] = table[f"chance_{value}"] - table[f"deletion_{value}"]
        table[f"insertion_gain_{value}"] = table[f"insertion_{value}"] - table[f"chance_{value}"]
    return table
