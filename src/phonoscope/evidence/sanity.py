"""Infidelity and maximum sensitivity of a map (Yeh et al. 2019): does it predict small changes, and is it steady?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from phonoscope.attribution.method import Batch, Prepared, network_inputs
from phonoscope.attribution.registry import METHODS, Method
from phonoscope.attribution.spaces import Picture
from phonoscope.errors import AttributionError
from phonoscope.evidence.case import Case, classify, classify_each, generators, map_values, per_token, unravelled
from phonoscope.evidence.measure import NotMeasuredError
from phonoscope.evidence.regions import choose_null, spread
from phonoscope.modules import evaluation_mode

SIZE = 0.5
RADIUS = 0.1
_INFIDELITY, _SENSITIVITY = 3, 4


def infidelity(
    case: Case, maps: xr.DataArray, *, size: float = SIZE, draws: int = 32, nulls: int = 4, chance: str = "moved"
) -> pd.DataFrame:
    """How badly a map predicts what the target loses when the input is changed a little at random.

    Yeh et al. (2019), eq. 1: ``E_I (β Iᵀ Φ − (f(x) − f(x − I)))²`` with the optimal scale β, here never
    negative (the sign of a map has a meaning), relative to ``E_I (f(x) − f(x − I))²``: 0 predicts all, 1 no more than
    an empty map. I is Gaussian, ``size`` standard deviations of each cell's own distance from the neutral input, so
    ``Iᵀ Φ`` is in logits for every method: maps in logit are summed with the share of the cell's distance, maps in
    logit/dB with the change itself.

    Parameters
    ----------
    case
        Classifier, tokens and targets, from `open_case`.
    maps
        Dims (token, frequency, time), with ``attrs["units"]`` ``logit`` or, of slopes, ``logit/dB`` (or another unit).
    size
        Standard deviation of the change, relative to the distance from the neutral input.
    draws
        Random changes a token.
    nulls
        Maps by chance on the same changes.
    chance
        ``moved`` or ``shuffled``.

    Returns
    -------
    DataFrame
        ``token, target, infidelity, chance, change`` (root mean square of what the target lost, logit).

    Raises
    ------
    NotMeasuredError
        If the units of the maps are others: then there is nothing to predict a change with.
    """
    units = str(maps.attrs.get("units", "logit"))
    slope = f"logit/{case.space.unit}"
    if units not in ("logit", slope):
        raise NotMeasuredError(f"maps in {units} do not say what a change of the input does; infidelity needs logits")
    if not size > 0 or draws < 2 or nulls < 1:
        raise AttributionError(f"size={size}, draws={draws}, nulls={nulls}: expected size above 0 and 2 draws, 1 null")
    null, tables = choose_null(chance), []
    # A sound has no neutral coefficients but silence: shares of them are changes of level.
    picture = isinstance(case.space, Picture)
    with evaluation_mode(case.setting.classifier), torch.no_grad():
        neutral = case.space.neutral("mean" if picture else "zero")
        for rows, batch in case.batches():
            scores = spread(maps, case, batch, rows)
            random = generators(case, batch, _INFIDELITY)
            others = [null(scores, random) for _ in range(nulls)]
            examples = case.space.examples(batch)
            way = examples - neutral(batch, examples)
            noise = np.stack([rng.normal(0.0, size, (draws, *scores.shape[1:])) for rng in random])
            noise = torch.from_numpy(noise).to(examples)
            lost = _losses(case, batch, examples, way, noise)
            shares = noise.double().cpu().numpy()
            if units == slope and picture:
                shares = shares * way.mean(1, keepdim=True).double().cpu().numpy() * case.space.scale
            values = [normalised_infidelity(_predicted(shares, image), lost) for image in (scores, *others)]
            columns = {
                "infidelity": values[0],
                "chance": np.mean(values[1:], axis=0),
                "change": np.sqrt(np.square(lost).mean(1)),
            }
            tables.append(per_token(case, rows, columns))
    return pd.concat(tables, ignore_index=True)


def _losses(case: Case, batch: Batch, examples: Tensor, way: Tensor, noise: Tensor) -> np.ndarray:
    """What the target loses by each change, shape (batch, draw)."""
    count, draws = noise.shape[:2]

    def make(part: slice) -> tuple[Tensor, Tensor]:
        row, draw = unravelled(part, (count, draws), examples.device)
        return examples[row] - noise[row, draw][:, None] * way[row], row

    return classify_each(case, batch, examples).logit[:, None] - classify(
        case, batch, count * draws, make
    ).logit.reshape(count, draws)


def _predicted(shares: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Sum of change times map, shape (batch, draw)."""
    return np.einsum("bdft,bft->bd", shares, np.nan_to_num(scores))


def normalised_infidelity(predicted: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """Infidelity with the best scale that is not negative, over that of an empty map: 0…1.

    Parameters
    ----------
    predicted, lost
        ``Iᵀ Φ`` and ``f(x) − f(x − I)``, shape (token, draw).

    Returns
    -------
    ndarray (token,)
        NaN where nothing was ever lost.
    """
    both, size, all_lost = (predicted * lost).sum(1), np.square(predicted).sum(1), np.square(lost).sum(1)
    scale = np.divide(np.maximum(both, 0.0), size, out=np.zeros_like(size), where=size > 0)
    left = np.square(scale[:, None] * predicted - lost).sum(1)
    return np.divide(left, all_lost, out=np.full_like(left, np.nan), where=all_lost > 0)


def max_sensitivity(
    case: Case, method: str, *, radius: float = RADIUS, draws: int = 6, methods: Mapping[str, Method] = METHODS
) -> pd.DataFrame:
    """How much a map changes, at most, when its token is changed by no more than a small radius.

    Yeh et al. (2019), SENS_MAX, relative to the map: ``max ‖Φ(y) − Φ(x)‖ / ‖Φ(x)‖`` over random y with
    ``|y − x| ≤ radius`` in every cell. Methods that read the network's input get the change there (the unit is then
    the standard deviation of the training inputs); methods that read the sound get it there, relative to the root mean
    square of the token. What a method draws at random stays the same for a token and its changed copies.

    Parameters
    ----------
    case
        Classifier, tokens and targets, from `open_case`.
    method
        As in `explain`.
    radius
        Largest change of a cell, or of a sample.
    draws
        Changed copies of each token.
    methods
        Where methods are looked up.

    Returns
    -------
    DataFrame
        ``token, target, sensitivity``; NaN where a map is zero everywhere.
    """
    if not radius > 0 or draws < 1:
        raise AttributionError(f"radius={radius}, draws={draws}: expected a radius above 0 and at least 1 draw")
    tables = []
    with evaluation_mode(case.setting.classifier):
        prepared = case.prepare(method, methods)
        for rows, batch in case.batches():
            maps = map_values(prepared, batch)
            random = generators(case, batch, _SENSITIVITY)
            largest = np.zeros(len(maps))
            for _ in range(draws):
                other = map_values(prepared, _disturbed(case, prepared, batch, random, radius))
                largest = np.maximum(largest, _norm(other - maps))
            size = _norm(maps)
            sensitivity = np.divide(largest, size, out=np.full_like(size, np.nan), where=size > 0)
            tables.append(per_token(case, rows, {"sensitivity": sensitivity}))
    return pd.concat(tables, ignore_index=True)


def _norm(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(values).sum((1, 2)))


@torch.no_grad()
def _disturbed(case: Case, prepared: Prepared, batch: Batch, random: list[np.random.Generator], radius: float) -> Batch:
    if prepared.reads == "inputs":
        x = batch.inputs
        added = np.stack([rng.uniform(-radius, radius, tuple(x.shape[1:])) for rng in random])
        return replace(batch, inputs=x + torch.from_numpy(added).to(x))
    sounds = batch.sounds.clone()
    for row, (rng, length) in enumerate(zip(random, batch.lengths.tolist(), strict=True)):
        sound = sounds[row, :length]
        added = torch.from_numpy(rng.uniform(-radius, radius, length)).to(sound)
        sounds[row, :length] = sound + added * sound.square().mean().sqrt()
    return replace(batch, sounds=sounds, inputs=network_inputs(case.setting.classifier, batch, sounds))
