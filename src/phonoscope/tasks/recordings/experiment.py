"""A task of the second paper, step by step: whole recordings, networks on the waveform, spectra, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.classifier import Classifier
from phonoscope.corpora import write_tokens
from phonoscope.experiments.fit import Trained, write_fits
from phonoscope.experiments.runner import Experiment, Results
from phonoscope.experiments.twin import keep_twin, train_twin, with_twin_sentences
from phonoscope.filters import bank_of
from phonoscope.judgement.claims import claims_json
from phonoscope.judgement.words import percent_with_interval, stored_interval
from phonoscope.phonetics.baselines import Baseline
from phonoscope.phonetics.confusions import accuracy_results
from phonoscope.tasks.recordings.fit import class_order, fit, new_classifier, planned
from phonoscope.tasks.recordings.material import assign_parts, read_whole_recordings
from phonoscope.tasks.recordings.recipe import RecordingsRecipe
from phonoscope.tasks.recordings.tables import UNITS, make_tables
from phonoscope.training import copied_recordings
from phonoscope.training.store import WaveformStore


@dataclass
class RecordingsExperiment(Experiment):
    """Words or speakers told apart in whole recordings by networks on the waveform, and what their first layers hear.

    Beside what every run holds, its folder has ``fits/<network>/seed-<n>-share-<percent>/`` and, of ``tables/``,
    ``learning_curve`` (one row a training), ``over_seeds``, ``curves, curve_tests, bands, peaks, geometry`` (means over
    trainings) and ``geometry_seeds``.
    """

    recipe: RecordingsRecipe

    def read(self, folder: Path) -> pd.DataFrame:
        """Read the recordings, split them, and try out the first layer of every network."""
        recipe, settings = self.recipe, self.settings
        store = WaveformStore(folder) if recipe.streamed else None
        self._waveforms, tokens = read_whole_recordings(
            str(self.corpus), recipe, strict=settings.strict, store=store, say=settings.say
        )
        attrs = tokens.attrs
        self._tokens = tokens.assign(split=assign_parts(tokens, recipe))
        self._tokens.attrs = attrs
        for network in recipe.networks:
            bank_of(new_classifier(recipe, network, class_order(recipe, tokens), recipe.seed), recipe.sample_rate)
        return self._tokens

    def sounds(self) -> Sequence[np.ndarray]:
        """Waveforms of the recordings."""
        return self._waveforms

    def describe(self) -> str:
        """How many recordings there are, of how many classes, and how they are split."""
        tokens = self._tokens
        counts = ", ".join(f"{name} {count}" for name, count in tokens["split"].value_counts().items())
        copies = copied_recordings(tokens)
        return f"{len(tokens)} recordings of {tokens['class'].nunique()} classes ({counts}; {copies} identical copies)"

    def train(self, folder: Path) -> Sequence[Trained]:
        """Train every network with every seed."""
        write_tokens(folder / "tokens.parquet", self._tokens)
        return fit(self.recipe, self._waveforms, self._tokens, folder, self.settings)

    def measure(self, trained: Sequence[Trained], folder: Path) -> Results:
        """Set accuracies, response spectra and geometry beside chance; measure the claims."""
        recipe, tokens = self.recipe, self._tokens
        main = next(i for i, plan in enumerate(planned(recipe)) if plan.share == 1)
        predictions = write_fits(trained, tokens, folder, main=main)
        predictions = predictions.merge(tokens[["token", "speaker", "recording"]], on="token", how="left")
        twin = self._twin(trained[0].classifier)
        linear = {"linear_twin": keep_twin(folder, twin, tokens, UNITS)}
        tables = make_tables(recipe, self._waveforms, tokens, trained, predictions, twin, self.settings.say)
        facts = {
            "task": recipe.task,
            "labels": trained[0].classifier.labels,
            "unit": recipe.split_by,
            "plan": {name: int(count) for name, count in tokens["split"].value_counts().items()},
            "sample_rate": recipe.sample_rate,
            "native_rates": sorted(map(int, tokens["native_rate"].unique())),
            "duplicates": copied_recordings(tokens),
        }
        return Results(tokens, tables, facts, _results(recipe, tokens, tables, folder) | linear)

    def _twin(self, classifier: Classifier) -> Baseline:
        """The linear twin of the networks, which all get the same stretch of sound."""
        self.settings.say("the linear twin of the networks")
        tested = self._tokens["split"].eq("test").to_numpy()
        return train_twin(classifier, self._waveforms, self._tokens, {"train": ~tested, "test": tested})

    def summary(self, results: Mapping[str, Any]) -> Sequence[str]:
        """Balanced accuracy of every network and training; first, which networks are not better than their twin."""
        accuracies = [
            f"{row['network']}: balanced accuracy {percent_with_interval(stored_interval(row, 'balanced_accuracy'))}, "
            "each training " + ", ".join(f"{value:.1%}" for value in row["balanced_accuracy_of_each"])
            for row in results["networks"]
        ]
        twins = [(row["beside_twin"], f"{row['network']} network") for row in results["networks"]]
        return with_twin_sentences(accuracies, twins)


def _results(
    recipe: RecordingsRecipe, tokens: pd.DataFrame, tables: Mapping[str, pd.DataFrame], folder: Path
) -> dict[str, Any]:
    accuracy, curve = tables["accuracy"], tables["learning_curve"]
    networks = []
    for name in recipe.networks:
        entry = {"network": name} | accuracy_results(accuracy[accuracy["network"] == name])
        whole = curve[(curve["network"] == name) & (curve["share"] == 1)]
        entry |= {"balanced_accuracy_of_each": whole["balanced_accuracy"].tolist()}
        of_twin = tables["linear_twin"]
        entry["beside_twin"] = of_twin[of_twin["network"] == name].drop(columns="network").to_dict("records")[0]
        networks.append(entry | {"cpu_seconds": whole["cpu_seconds"].tolist()})
    rows = {name: tables[name].to_dict("records") for name in ("baselines", "learning_curve", "over_seeds")}
    n_test = int((tokens["split"] == "test").sum())
    return {
        "networks": networks,
        **rows,
        "claims": claims_json(tables["claims"]),
        "n_test": n_test,
        "classifier": (folder / "classifier").as_posix(),
    }
