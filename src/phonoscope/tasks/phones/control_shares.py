"""Shares of formants in control maps: what the maps of the network have to beat, on the same tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.attribution.maps import joined
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.experiments.control_maps import (
    CONTROLS,
    DATA,
    DIFFERENCE,
    OTHER,
    RANDOM,
    ControlledTokens,
    control_maps,
    reference_places,
)
from phonoscope.experiments.fit import Trained
from phonoscope.experiments.material import Material
from phonoscope.experiments.measured import UNITS, Measured
from phonoscope.phonetics.profiles import profile
from phonoscope.phonetics.shares import formant_shares
from phonoscope.tasks.phones.recipe import PhonesRecipe

OWN = "this network"
MOST_TOKENS = 240
RANDOM_NETWORKS = 3
_KEPT = ("label", "formant", "null", "n", "n_units", "unit", "share", "permuted", "ratio", "low", "high")


def control_share_table(
    recipe: PhonesRecipe,
    material: Material,
    trained: Sequence[Trained],
    measured: Measured,
    formants: pd.DataFrame,
    parts: Mapping[str, Any],
) -> pd.DataFrame:
    """Shares of formants in the maps of the network and in control maps, on at most 240 of the tested tokens.

    Parameters
    ----------
    recipe
        Method, target and seed.
    material
        All tokens of the run, with their waveforms.
    trained
        The classifiers, and which tokens each was tested on.
    measured
        Profiles of the network's own maps.
    formants
        Of the vowel tokens, from ``measure_formants``.
    parts
        Which tokens the maps of the data are made from: from ``parts_without_network``.

    Returns
    -------
    DataFrame
        ``map`` (this network, the data alone, the difference of the class means alone, random weights, another
        network), ``networks`` (how many it is the mean of), ``sd`` (of the ratio over random networks), and of
        ``formant_shares`` the columns ``label, formant, null, n, n_units, unit, share, permuted, ratio, low, high``;
        without rows where no tested token has formants.
    """
    known = measured.tokens["token"].isin(set(formants["token"]))
    places = _some(measured.tokens[known].drop_duplicates("token"), recipe.seed)
    tokens, own = measured.tokens.iloc[places], measured.profiles[places]
    if len(tokens) < 2:
        return pd.DataFrame(columns=["map", "networks", *_KEPT, "sd"])

    def shares(profiles: xr.DataArray) -> pd.DataFrame:
        rows = tokens.set_index("token").loc[profiles["token"].values]
        top = min(measured.max_hz, float(profiles.attrs["max_hz"]))
        classes, clusters = rows["class"].tolist(), rows[list(UNITS)].reset_index(drop=True)
        table = formant_shares(profiles, formants, max_hz=top, labels=classes, clusters=clusters, seed=recipe.seed)
        return table[list(_KEPT)]

    tables = [shares(own).assign(map=OWN, networks=1)]
    rounds = list(_rounds(recipe, material, trained, own, parts))
    for control in (DATA, DIFFERENCE, OTHER):
        try:
            profiles = _profiles(control, rounds, recipe.seed)
        except AttributionError:  # there is no other network, or the method maps no class
            continue
        tables.append(shares(profiles).assign(map=CONTROLS[control], networks=int(control == OTHER)))
    with suppress(AttributionError):  # a function has no weights that could be drawn
        each = [shares(_profiles(RANDOM, rounds, recipe.seed + n)) for n in range(RANDOM_NETWORKS)]
        tables.append(_mean(each).assign(map=CONTROLS[RANDOM], networks=RANDOM_NETWORKS))
    every = pd.concat(tables, ignore_index=True)
    return every.reindex(columns=["map", "networks", *_KEPT, "sd"])


def _some(tokens: pd.DataFrame, seed: int) -> np.ndarray:
    """Index of at most so many tokens, drawn at random, as many of each class as there is room for."""
    shuffled = tokens.iloc[np.random.default_rng(seed).permutation(len(tokens))]
    order = shuffled.groupby("class").cumcount().to_numpy()
    return np.sort(shuffled.index.to_numpy()[np.argsort(order, kind="stable")[:MOST_TOKENS]])


def _rounds(
    recipe: PhonesRecipe,
    material: Material,
    trained: Sequence[Trained],
    own: xr.DataArray,
    parts: Mapping[str, Any],
) -> Iterator[ControlledTokens]:
    """The tokens whose own profiles are given, each with a classifier and training tokens that never met it."""
    places = pd.Index(material.tokens["token"]).get_indexer(pd.Index(own["token"].values))
    classes = material.tokens["class"].astype(str).tolist()
    folds = np.asarray(parts["folds"]) if "folds" in parts else np.zeros(len(classes), dtype=int)
    explained = dict(zip(places.tolist(), own["target"].values.tolist(), strict=True))
    left = set(places.tolist())
    for number, one in enumerate(trained):
        mine = left & set(one.test.tolist())
        left -= mine
        for fold in sorted({folds[place] for place in mine}):
            chosen = np.array(sorted(place for place in mine if folds[place] == fold), dtype=int)
            learnt = np.flatnonzero(folds != fold if "folds" in parts else parts["train"])
            reference = reference_places(classes, learnt)
            yield ControlledTokens(
                one.classifier,
                _other(trained, number),
                recipe.method,
                [material.waveforms[i] for i in chosen],
                0.0,
                material.tokens["token"].iloc[chosen].astype(str).tolist(),
                # a contrast is of two classes: its controls are of the true one
                [explained[i] if explained[i] in one.classifier.labels else classes[i] for i in chosen],
                [material.waveforms[i] for i in reference],
                [classes[i] for i in reference],
            )


def _other(trained: Sequence[Trained], number: int) -> Classifier | None:
    """Another training on the same tokens if there is one, else the classifier of another fold."""
    test = trained[number].test
    others = [trained[(number + step) % len(trained)] for step in range(1, len(trained))]
    others.sort(key=lambda one: not np.array_equal(one.test, test))
    return others[0].classifier if others else None


def _profiles(control: str, rounds: Sequence[ControlledTokens], seed: int) -> xr.DataArray:
    parts = [profile(control_maps(control, tokens, seed)) for tokens in rounds]
    return joined(parts)


def _mean(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean of the shares of several networks, row by row, with the standard deviation of the ratio."""
    every = pd.concat(tables, ignore_index=True)
    rows = every.groupby(["label", "formant", "null"], sort=False)
    means = rows.agg({"n": "min", "n_units": "min", "unit": "first", "share": "mean", "permuted": "mean"})
    return means.assign(ratio=rows["ratio"].mean(), sd=rows["ratio"].std()).reset_index()
