"""Maps of the tested tokens, and what every task measures on them: class means, profiles, correlations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.attribution import ClassMeans, Explainer, read_maps, write_maps
from phonoscope.attribution.maps import describe_cells, joined
from phonoscope.attribution.targets import parse_target
from phonoscope.evidence.controls import picture_of
from phonoscope.experiments.fit import Trained
from phonoscope.experiments.map_parts import tidy_means
from phonoscope.experiments.material import Material
from phonoscope.experiments.pictures import network_pictures
from phonoscope.phonetics.profiles import (
    class_profiles,
    energy_profile,
    profile,
    profile_correlations,
    time_profile,
)

UNITS = ("speaker", "recording")  # what intervals are over, from the highest level down


@dataclass
class Measured:
    """Profiles of the tested tokens in the order of the map store, and class means of maps and spectrograms.

    ``profiles`` are over frequency, ``times`` over time; ``energy`` is the sound's own over frequency.
    """

    tokens: pd.DataFrame
    profiles: xr.DataArray
    times: xr.DataArray
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
    material: Material,
    fitted: Sequence[Trained],
    folder: Path,
    *,
    method: str,
    target: str,
    others: Sequence[Sequence[Trained]] = (),
) -> Measured:
    """Explain every tested token with the classifier that never met it; store the maps, stream their means.

    Memory holds the profiles of each token beside the waveforms, never the maps. Of a network that takes waveforms the
    spectrograms are those of the sounds themselves.

    Parameters
    ----------
    material
        Tokens, with ``class``, and their waveforms.
    fitted
        The classifiers and the tokens that each predicts.
    folder
        Of the run; maps go to ``maps/<method>``.
    method, target
        As of `explain`.
    others
        The classifiers of further trainings on the same folds; of their maps only profiles are kept.
    """
    labels = fitted[0].classifier.labels
    waveforms = material.waveforms
    names = material.tokens["token"].to_numpy()
    classes = material.tokens["class"].to_numpy(dtype=object)
    map_means, spectrogram_means = ClassMeans(labels), ClassMeans(labels)
    map_profiles: list[xr.DataArray] = []
    map_times: list[xr.DataArray] = []
    energies: list[xr.DataArray] = []
    position = {str(name): i for i, name in enumerate(names)}
    worst = 0.0

    def batches() -> Iterator[xr.DataArray]:
        nonlocal worst
        for each in fitted:
            picture = picture_of(each.classifier).to(each.classifier.device)
            explainer = Explainer(each.classifier, method)
            for maps in _batches(explainer, material, each.test, target):
                rows = [position[str(name)] for name in maps["token"].values]
                true, predicted = classes[rows], maps["predicted"].values
                spectrograms = network_pictures(
                    picture, [waveforms[i] for i in rows], names[rows].tolist(), each.classifier.device
                )
                map_means.update(maps, true, predicted)
                spectrogram_means.update(spectrograms, true, predicted)
                map_profiles.append(profile(maps))
                map_times.append(time_profile(maps))
                energies.append(energy_profile(spectrograms, spectrograms.attrs.get("floor")))
                worst = max(worst, float(np.abs(maps["incompleteness"].values).max()))
                yield maps

    count = sum(len(each.test) for each in fitted)
    stored = read_maps(write_maps(folder / "maps" / method, batches(), count), slice(0, 1))
    profiles, times, energy = (joined(parts) for parts in (map_profiles, map_times, energies))
    order = [position[str(name)] for name in profiles["token"].values]
    means = pd.concat(
        [tidy_means(map_means.result(), "map"), tidy_means(spectrogram_means.result(), "spectrogram")],
        ignore_index=True,
    )
    return Measured(
        material.tokens.iloc[order].reset_index(drop=True),
        profiles,
        times,
        energy,
        means,
        {k: v for k, v in profiles.attrs.items() if k not in ("units", "method", "completeness", "max_hz")},
        float(profiles.attrs["max_hz"]),
        worst,
        describe_cells(stored),
        [_profiles(material, training, method, target) for training in others],
    )


def _batches(explainer: Explainer, material: Material, places: np.ndarray, target: str) -> Iterator[xr.DataArray]:
    """Maps of the tokens at some places, a batch at a time, in their order."""
    rows = material.tokens.iloc[places]
    return explainer.batches(
        [material.waveforms[i] for i in places],
        parse_target(target, explainer.classifier.labels),
        true_labels=rows["class"].astype(str).tolist(),
        tokens=rows["token"].astype(str).tolist(),
    )


def _profiles(material: Material, fitted: Sequence[Trained], method: str, target: str) -> xr.DataArray:
    """Profiles of the tested tokens by the classifiers of one training, fold by fold."""
    parts = [
        profile(maps)
        for each in fitted
        for maps in _batches(Explainer(each.classifier, method), material, each.test, target)
    ]
    return joined(parts)


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
