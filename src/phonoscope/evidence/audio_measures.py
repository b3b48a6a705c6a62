"""The measures of the audio community: what a classifier says of the part that a map picks out, and of the rest.

AI, AD, AG, FF, Fid-In, SPS and COMP as in Paissan et al. (2024, L-MAC), on probabilities after one softmax. (The code
published with that paper takes the softmax of probabilities once more for AD, which hides most of a drop.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from phonoscope.attribution.method import Batch
from phonoscope.errors import AttributionError
from phonoscope.evidence.case import (
    LEAST_CHANGE,
    Case,
    Scores,
    classify,
    classify_each,
    generators,
    per_token,
    unravelled,
)
from phonoscope.evidence.regions import choose_null, ranks, spread
from phonoscope.modules import evaluation_mode

BEST_AREA = 0.2
MASKS = ("soft", "best")
_PURPOSE = 2


def masked_scores(
    case: Case,
    maps: xr.DataArray,
    *,
    kinds: Sequence[str] = MASKS,
    area: float = BEST_AREA,
    draws: int = 2,
    chance: str = "moved",
    neutral: str = "mean",
) -> pd.DataFrame:
    """Probabilities of the target for each token's masked-in and masked-out input.

    The mask m is the positive part of the map over its maximum, one a token, on the cells of the network's input:
    ``x_in = m · x + (1 − m) · neutral`` and ``x_out = (1 − m) · x + m · neutral``. A second mask is 1 on the best
    ``area`` of the input and 0 elsewhere, so that methods with fat and with thin maps are compared on the same area.

    Parameters
    ----------
    case
        Classifier, tokens and targets, from `open_case`.
    maps
        Signed, dims (token, frequency, time), of the tokens of the case.
    kinds
        Masks that are wanted: ``soft``, ``best``.
    area
        Share of the input that the second mask keeps.
    draws
        Maps by chance.
    chance
        ``moved`` or ``shuffled``.
    neutral
        Baseline put in the place of what is masked; see `spaces.BASELINES`.

    Returns
    -------
    DataFrame
        ``token, target, mask`` (``soft``, ``best``), ``draw`` (0 is the map; others are maps by chance, see
        `regions.moved`), ``probability`` (untouched), ``probability_in, probability_out``, ``same`` (whether the
        winning class of the masked-in input is that of the token).
    """
    if not 0 < area < 1 or draws < 1:
        raise AttributionError(f"area={area}, draws={draws}: expected an area between 0 and 1 and at least 1 draw")
    null, tables = choose_null(chance), []
    with evaluation_mode(case.setting.classifier), torch.no_grad():
        fill = case.space.neutral(neutral)
        for rows, batch in case.batches():
            scores = spread(maps, case, batch, rows)
            random = generators(case, batch, _PURPOSE)
            examples = case.space.examples(batch)
            for kind in kinds:
                mask = soft_mask(scores) if kind == "soft" else best_mask(ranks(scores, random), area)
                masks = np.nan_to_num(np.stack([mask] + [null(mask, random) for _ in range(draws)]))
                made = _table(case, rows, batch, examples, fill(batch, examples), masks)
                tables += [table.assign(mask=kind) for table in made]
    return pd.concat(tables, ignore_index=True)


def soft_mask(scores: np.ndarray) -> np.ndarray:
    """Positive part over its maximum, one a token (batch, ...), 0…1; all zero where nothing is positive."""
    positive = np.maximum(scores, 0.0)
    most = np.nanmax(positive.reshape(len(positive), -1), axis=1).reshape(-1, *[1] * (positive.ndim - 1))
    return positive / np.where(most > 0, most, 1.0)


def best_mask(places: np.ndarray, area: float) -> np.ndarray:
    """1 on the best share of each token's cells, 0 elsewhere; from `ranks`, same shape, NaN where they are."""
    sizes = (~np.isnan(places)).reshape(len(places), -1).sum(1)
    best = places < np.round(area * sizes).reshape(-1, *[1] * (places.ndim - 1))
    return np.where(np.isnan(places), np.nan, best)


def _table(
    case: Case, rows: slice, batch: Batch, examples: Tensor, neutral: Tensor, masks: np.ndarray
) -> list[pd.DataFrame]:
    shape = (2, *masks.shape[:2])  # masked in, masked out; draw; token
    on_device = torch.from_numpy(masks).to(examples)

    def make(part: slice) -> tuple[Tensor, Tensor]:
        side, draw, row = unravelled(part, shape, examples.device)
        mask = on_device[draw, row][:, None]
        keep = torch.where(side.view(-1, 1, 1, 1) == 0, mask, 1 - mask)
        return keep * examples[row] + (1 - keep) * neutral[row], row

    whole = classify_each(case, batch, examples)
    masked = Scores(*(a.reshape(shape) for a in classify(case, batch, int(np.prod(shape)), make)))
    return [
        per_token(
            case,
            rows,
            {
                "draw": draw,
                "probability": whole.probability,
                "probability_in": masked.probability[0, draw],
                "probability_out": masked.probability[1, draw],
                "same": masked.winner[0, draw] == whole.winner,
            },
        )
        for draw in range(len(masks))
    ]


def audio_measures(scores: pd.DataFrame) -> pd.DataFrame:
    """Measures of each token from `masked_scores`; their means over tokens are the published numbers.

    With p, p_in and p_out the probabilities of the target (Chattopadhay et al. 2018; Zhang et al. 2024; Parekh et al.
    2022; Paissan et al. 2024): ``ai`` = 100 · [p_in > p], ``ad`` = 100 · max(0, p − p_in) / p, ``ag`` = 100 ·
    max(0, p_in − p) / (1 − p), ``ff`` = p − p_out, ``fid-in`` = [same winning class].

    Returns
    -------
    DataFrame
        ``token, target, mask, draw`` and one column a measure.
    """
    p, inside, outside = (
        scores[name].to_numpy(dtype=float) for name in ("probability", "probability_in", "probability_out")
    )
    gain = inside - p
    table = scores[["token", "target", "mask", "draw"]].copy()
    # A probability of one cannot grow, and one of zero cannot fall.
    table["ai"] = 100.0 * (gain > LEAST_CHANGE)
    table["ad"] = 100.0 * np.divide(np.maximum(-gain, 0.0), p, out=np.zeros_like(p), where=p > 0)
    table["ag"] = 100.0 * np.divide(np.maximum(gain, 0.0), 1 - p, out=np.zeros_like(p), where=p < 1 - LEAST_CHANGE)
    table["ff"] = p - outside
    table["fid-in"] = scores["same"].to_numpy(dtype=float)
    return table


def shape_measures(case: Case, maps: xr.DataArray) -> pd.DataFrame:
    """How concentrated each map is, whether true or not: ``sps`` and ``comp`` of absolute values on the input's cells.

    ``sps`` is the Gini index (Chalasani et al. 2020), ``comp`` the entropy of the shares of evidence, nat (Bhatt et al.
    2020). Maps are spread over the cells of the network's input first, so that a coarse map does not seem simple
    because it has few cells.
    """
    tables = []
    for rows, batch in case.batches():
        scores = np.abs(spread(maps, case, batch, rows)).reshape(batch.inputs.shape[0], -1)
        cells = [values[~np.isnan(values)] for values in scores]
        columns = {"sps": [gini(values) for values in cells], "comp": [entropy(values) for values in cells]}
        tables.append(per_token(case, rows, columns))
    return pd.concat(tables, ignore_index=True)


def gini(values: np.ndarray) -> float:
    """Gini index of non-negative values: 0 all alike, 1 − 1/n all in one; NaN where all are zero."""
    values = np.sort(np.asarray(values, dtype=float))
    n, total = len(values), values.sum()
    if not total > 0:
        return float("nan")
    return float(((2 * np.arange(1, n + 1) - n - 1) * values).sum() / (n * total))


def entropy(values: np.ndarray) -> float:
    """Entropy of the shares of non-negative values, nat: 0 all in one, ln n all alike; NaN where all are zero."""
    values = np.asarray(values, dtype=float)
    if not values.sum() > 0:
        return float("nan")
    shares = values[values > 0] / values.sum()
    return float(max(0.0, -(shares * np.log(shares)).sum()))
