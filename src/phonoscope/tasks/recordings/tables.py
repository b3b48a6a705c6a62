"""The result tables of a task on whole recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from phonoscope.experiments.fit import Trained
from phonoscope.experiments.frame import left_out_table
from phonoscope.experiments.settings import Say
from phonoscope.experiments.twin import beside_twin, twin_predictions
from phonoscope.filters import bank_of, spectrum_bank
from phonoscope.judgement.claims import claims_table
from phonoscope.phonetics.baselines import Baseline
from phonoscope.phonetics.confusions import confusion_table
from phonoscope.tasks.recordings.claims import Evidence, recordings_claims
from phonoscope.tasks.recordings.fit import baselines, new_classifier
from phonoscope.tasks.recordings.over_seeds import accuracy_over_seeds, balanced_over_seeds, summary_over_seeds
from phonoscope.tasks.recordings.recipe import RecordingsRecipe
from phonoscope.tasks.recordings.spectra import chosen_clips, listen, mean_geometry, mean_spectra

UNITS = ("speaker", "recording")  # what intervals resample, from the highest level down


def make_tables(
    recipe: RecordingsRecipe,
    waveforms: Sequence[np.ndarray],
    tokens: pd.DataFrame,
    trained: Sequence[Trained],
    predictions: pd.DataFrame,
    twin: Baseline,
    say: Say,
) -> dict[str, pd.DataFrame]:
    """Make all result tables.

    Parameters
    ----------
    recipe
        Of the run.
    waveforms
        1-D arrays of the recipe's rate and length.
    tokens
        One row a waveform, with ``class`` and ``split``.
    trained
        All trainings.
    predictions
        Of all trainings, with ``network, seed, share, speaker, recording``.
    twin
        The linear twin of the networks.
    say
        Called with lines about the progress.
    """
    whole = predictions[predictions["share"] == 1]
    labels = trained[0].classifier.labels
    of_network = {name: whole[whole["network"] == name] for name in recipe.networks}
    of_twin = twin_predictions(tokens, twin.predictions)
    tables = {
        "counts": tokens.groupby(["class", "split"])
        .agg(count=("token", "size"), speakers=("speaker", "nunique"), seconds=("end", "sum"))
        .reset_index(),
        "left_out": left_out_table(tokens),
        "accuracy": _joined({name: accuracy_over_seeds(table) for name, table in of_network.items()}),
        "confusions": _joined(
            {name: confusion_table(table["class"], table["predicted"], labels) for name, table in of_network.items()}
        ),
        "learning_curve": _learning_curve(trained, predictions),
        "baselines": pd.concat(
            [baselines(mean_spectra(spectrum_bank(recipe.sample_rate), waveforms), tokens), _row(twin)],
            ignore_index=True,
        ),
        "linear_twin": _joined(
            {
                name: pd.DataFrame(
                    [beside_twin(table, of_twin, tokens, UNITS, name=twin.name, smallest=recipe.smallest["accuracy"])]
                )
                for name, table in of_network.items()
            }
        ),
    }
    tables["over_seeds"] = summary_over_seeds(tables["learning_curve"], predictions)
    tables |= _of_first_layers(recipe, waveforms, tokens, trained, say)
    tables["claims"] = claims_table(
        recordings_claims(recipe.task, recipe.networks),
        Evidence(
            task=recipe.task,
            networks=recipe.networks,
            predictions=whole,
            bands=tables["bands"],
            geometry=tables["geometry_seeds"],
            geometry_null=tables["geometry"],
            highest_hz=min(recipe.sample_rate, int(tokens["native_rate"].min())) / 2,
            smallest=recipe.smallest,
        ),
    )
    return tables


def _row(twin: Baseline) -> pd.DataFrame:
    """The twin as a row of the baselines."""
    return pd.DataFrame(
        [
            {
                "name": twin.name,
                "accuracy": twin.accuracy,
                "balanced_accuracy": twin.balanced_accuracy,
                "n_tested": twin.n_tested,
            }
        ]
    )


def _of_first_layers(
    recipe: RecordingsRecipe,
    waveforms: Sequence[np.ndarray],
    tokens: pd.DataFrame,
    trained: Sequence[Trained],
    say: Say,
) -> dict[str, pd.DataFrame]:
    """Response spectra of the first layers beside random weights, and the geometry of all layers."""
    clips = chosen_clips(tokens, recipe.clips_per_class, recipe.seed)
    spectra = {}
    for name in recipe.networks:
        names = {"network": name, "share": 1}
        whole = [each for each in trained if names.items() <= each.training.names.items()]
        say(f"response spectra of {name}: {len(clips)} recordings, {recipe.null_seeds} null layers")
        labels = whole[0].classifier.labels
        initial = [new_classifier(recipe, name, labels, each.training.names["seed"]) for each in whole]
        spectra[name] = listen(
            [each.classifier for each in whole],
            [bank_of(classifier, recipe.sample_rate) for classifier in initial],
            [waveforms[i] for i in clips],
            tokens.iloc[clips].reset_index(drop=True),
            null_seeds=recipe.null_seeds,
            seed=recipe.seed,
        )
    tables = {
        table: _joined({name: parts[table] for name, parts in spectra.items()}) for table in spectra[recipe.networks[0]]
    }
    return {**tables, "geometry": mean_geometry(tables["geometry_seeds"])}


def _joined(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of several networks as one, with the column ``network``."""
    return pd.concat([table.assign(network=name) for name, table in tables.items()], ignore_index=True)


def _learning_curve(trained: Sequence[Trained], predictions: pd.DataFrame) -> pd.DataFrame:
    """Balanced accuracy of every training, with its interval, the number of recordings it had and what it cost."""
    rows = []
    for each in trained:
        names = dict(each.training.names)
        of_training = predictions[(predictions[list(names)] == pd.Series(names)).all(axis=1)]
        rows.append(
            {
                **names,
                "n_train": len(each.training.train),
                "epochs": len(each.epochs),
                **balanced_over_seeds(of_training),
                "cpu_seconds": each.cpu_seconds,
            }
        )
    return pd.DataFrame(rows)
