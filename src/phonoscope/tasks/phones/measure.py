"""Maps of the tested tokens, and everything that is measured on them: class means, profiles, shares, correlations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.attribution import ClassMeans, Explainer, read_maps, write_maps
from phonoscope.attribution.maps import describe_cells
from phonoscope.experiments.fit import Trained
from phonoscope.experiments.map_parts import tidy_means
from phonoscope.experiments.material import Material
from phonoscope.experiments.pictures import network_pictures
from phonoscope.phonetics.profiles import class_profiles, energy_profile, profile, profile_correlations
from phonoscope.phonetics.shares import formant_shares, token_shares
from phonoscope.tasks.phones.recipe import PhonesRecipe

UNITS = ("speaker", "recording")  # what intervals are over, from the highest level down


@dataclass
class Measured:
    """Profiles of the tested tokens in the order of the map store, and class means of maps and spectrograms."""

    tokens: pd.DataFrame
    profiles: xr.DataArray
    energy: xr.DataArray
    means: pd.DataFrame
    placement: dict[str, Any]
    max_hz: float
    max_incompleteness: float
    cells: str
    others: list[xr.DataArray] = field(default_factory=list)  # profiles of further trainings

    @property
    def trainings(self) -> list[xr.DataArray]:
        """Profiles of every training."""
        return [self.profiles, *self.others]


def measure_maps(
    recipe: PhonesRecipe,
    material: Material,
    fitted: Sequence[Trained],
    folder: Path,
    *,
    others: Sequence[Sequence[Trained]] = (),
) -> Measured:
    """Explain every tested token with the classifier that never met it; store the maps, stream their means.

    Memory holds one profile a token beside the waveforms, never the maps.

    Parameters
    ----------
    recipe
        Attribution method and target.
    material
        Tokens, with ``class``, and their waveforms.
    fitted
        The classifiers and the tokens that each predicts.
    folder
        Of the run; maps go to ``maps/<method>``.
    others
        The classifiers of further trainings on the same folds; of their maps only profiles are kept.
    """
    method = recipe.method
    labels = fitted[0].classifier.labels
    waveforms = material.waveforms
    names = material.tokens["token"].to_numpy()
    classes = material.tokens["class"].to_numpy(dtype=object)
    map_means, spectrogram_means = ClassMeans(labels), ClassMeans(labels)
    map_profiles: list[xr.DataArray] = []
    energies: list[xr.DataArray] = []
    worst = 0.0

    def batches() -> Iterator[xr.DataArray]:
        nonlocal worst
        for one in fitted:
            chosen = [waveforms[i] for i in one.test]
            done = 0
            for maps in Explainer(one.classifier, method).batches(
                chosen,
                recipe.target,
                true_labels=[str(c) for c in classes[one.test]],
                tokens=[str(n) for n in names[one.test]],
            ):
                part = slice(done, done + maps.sizes["token"])
                done = part.stop
                true = classes[one.test][part]
                spectrograms = network_pictures(
                    one.classifier.front_end, chosen[part], maps["token"].values.tolist(), one.classifier.device
                )
                map_means.update(maps, true, maps["predicted"].values)
                spectrogram_means.update(spectrograms, true, maps["predicted"].values)
                map_profiles.append(profile(maps))
                energies.append(energy_profile(spectrograms, spectrograms.attrs.get("floor")))
                worst = max(worst, float(np.abs(maps["incompleteness"].values).max()))
                yield maps

    count = sum(len(one.test) for one in fitted)
    stored = read_maps(write_maps(folder / "maps" / method, batches(), count), slice(0, 1))
    profiles = xr.concat(map_profiles, dim="token", combine_attrs="override", join="override")
    energy = xr.concat(energies, dim="token", combine_attrs="override", join="override")
    order = np.concatenate([one.test for one in fitted])
    means = pd.concat(
        [tidy_means(map_means.result(), "map"), tidy_means(spectrogram_means.result(), "spectrogram")],
        ignore_index=True,
    )
    return Measured(
        material.tokens.iloc[order].reset_index(drop=True),
        profiles,
        energy,
        means,
        {k: v for k, v in profiles.attrs.items() if k not in ("units", "method", "completeness", "max_hz")},
        float(profiles.attrs["max_hz"]),
        worst,
        describe_cells(stored),
        [_profiles(recipe, material, training) for training in others],
    )


def _profiles(recipe: PhonesRecipe, material: Material, fitted: Sequence[Trained]) -> xr.DataArray:
    """Profiles of the tested tokens by the classifiers of one training, fold by fold."""
    names, classes = material.tokens["token"].astype(str).to_numpy(), material.tokens["class"].astype(str).to_numpy()
    parts = [
        profile(maps)
        for each in fitted
        for maps in Explainer(each.classifier, recipe.method).batches(
            [material.waveforms[i] for i in each.test],
            recipe.target,
            true_labels=classes[each.test].tolist(),
            tokens=names[each.test].tolist(),
        )
    ]
    return xr.concat(parts, dim="token", combine_attrs="override", join="override")


def profile_tables(measured: Measured) -> dict[str, pd.DataFrame]:
    """Tables ``profiles`` (maps and energy, with intervals) and ``profile_correlations`` between classes."""
    clusters = measured.tokens[list(UNITS)]
    classes = measured.tokens["class"].tolist()
    maps = class_profiles(measured.profiles, classes, clusters)
    energy = class_profiles(measured.energy, classes, clusters)
    correlations = pd.concat(
        [profile_correlations(maps).assign(source="map"), profile_correlations(energy).assign(source="energy")],
        ignore_index=True,
    )
    return {
        "profiles": pd.concat([maps.assign(source="map"), energy.assign(source="energy")], ignore_index=True),
        "profile_correlations": correlations,
    }


def share_tables(measured: Measured, formants: pd.DataFrame, smallest: float, seed: int) -> dict[str, pd.DataFrame]:
    """Tables ``shares`` (per class, formant and null) and ``token_shares``; empty when no tested token has formants.

    Parameters
    ----------
    measured
        Profiles of the tested tokens, of maps and of energy.
    formants
        Of the vowel tokens, from ``measure_formants``.
    smallest
        Smallest part of chance that counts as a difference.
    seed
        Of the orders of classes, where there are too many to try all.
    """
    known = measured.tokens["token"].isin(set(formants["token"])).to_numpy()
    if not known.any():
        return {}
    tokens = measured.tokens[known]
    profiles, energy = measured.profiles[known], measured.energy[known]
    shares = formant_shares(
        [each[known] for each in measured.trainings],
        formants,
        max_hz=measured.max_hz,
        labels=tokens["class"].tolist(),
        clusters=tokens[list(UNITS)],
        energy=energy,
        smallest=smallest,
        seed=seed,
    )
    each = token_shares(profiles, formants, max_hz=measured.max_hz, energy=energy)
    context = ["token", "class", "label", "speaker", "sex", "word", "previous", "next", "recording"]
    return {"shares": shares, "token_shares": each.merge(tokens[context], on="token")}
