"""The runner of the second paper's tasks: from whole recordings to a run folder with networks, spectra and claims."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.corpora import write_tokens
from phonoscope.experiments.folder import Run
from phonoscope.experiments.frame import (
    claimed_folder,
    finish_run,
    hold_to_material,
    left_out_lines,
    left_out_table,
)
from phonoscope.files import write_text, write_with
from phonoscope.filters import bank_of
from phonoscope.phonetics.confusions import confusion_table
from phonoscope.tasks.recordings.claims import Evidence, waveform_claims
from phonoscope.tasks.recordings.fit import Trained, all_predictions, baselines, fit_all, new_classifier
from phonoscope.tasks.recordings.material import assign_parts, read_whole_recordings
from phonoscope.tasks.recordings.over_seeds import accuracy_over_seeds, summary_over_seeds
from phonoscope.tasks.recordings.recipe import WaveformRecipe
from phonoscope.tasks.recordings.spectra import chosen_clips, listen, long_term_spectra, mean_geometry
from phonoscope.training import choose_device
from phonoscope.training.store import WaveformStore
from phonoscope.work.folders import locked

Say = Callable[[str], None]

KIND = "waveform"


def run_waveform_experiment(
    recipe: WaveformRecipe,
    out: str | Path,
    *,
    corpus: str | Path,
    device: str = "auto",
    resume: bool = False,
    strict: bool = False,
    say: Say = lambda _line: None,
) -> Run:
    """Execute a task of the second paper on a corpus of whole recordings.

    Parameters
    ----------
    recipe
        What to do.
    out
        Run folder; new or empty, or that of an interrupted run with ``resume``.
    corpus
        Folder of the recordings.
    device
        ``auto``, ``cpu``, ``cuda`` …
    say
        Called with lines about the progress.

    Returns
    -------
    Run
        Beside ``run.json``, ``recipe.toml``, ``tokens.parquet`` and ``predictions.parquet`` the folder holds
        ``fits/<network>/seed-<n>-share-<percent>/``, ``classifier/`` (of the first network, on all recordings) and
        ``tables/``: ``counts, left_out, accuracy, confusions, learning_curve`` (one row a training), ``over_seeds``,
        ``baselines, curves, curve_tests, bands, peaks, geometry`` (means over trainings), ``geometry_seeds, claims``.

    Raises
    ------
    ExperimentError
        If the folder is in use, or recordings, classes or settings do not make an experiment.
    """
    choose_device(device)
    with locked(out):
        return _run(recipe, Path(out), corpus, device=device, resume=resume, strict=strict, say=say)


def _run(
    recipe: WaveformRecipe, out: Path, corpus: str | Path, *, device: str, resume: bool, strict: bool, say: Say
) -> Run:
    with claimed_folder(out, recipe, resume):
        store = WaveformStore(out) if recipe.streamed else None
        waveforms, tokens = read_whole_recordings(corpus, recipe, strict=strict, store=store, say=say)
        attrs = tokens.attrs
        tokens = tokens.assign(split=assign_parts(tokens, recipe))
        tokens.attrs = attrs
        hold_to_material(out, tokens, waveforms)
    for line in left_out_lines(tokens):
        say(line)
    duplicates = int(tokens["audio_sha256"].duplicated().sum())
    counts = ", ".join(f"{name} {count}" for name, count in tokens["split"].value_counts().items())
    say(f"{len(tokens)} recordings of {tokens['class'].nunique()} classes ({counts}; {duplicates} identical copies)")
    write_tokens(out / "tokens.parquet", tokens)
    trained = fit_all(recipe, waveforms, tokens, out, device=device, resume=resume, say=say)
    predictions = all_predictions(trained).merge(tokens[["token", "speaker", "recording"]], on="token", how="left")
    write_with(out / "predictions.parquet", lambda path: predictions.to_parquet(path, index=False))
    epochs = [one.epochs.assign(**_names(one)) for one in trained]
    write_text(out / "training.csv", pd.concat(epochs).to_csv(index=False))
    whole = [one for one in trained if one.training.share == 1]
    whole[0].classifier.save_pretrained(out / "classifier")
    tables = _tables(recipe, waveforms, tokens, trained, predictions, say)
    facts = _facts(recipe, tokens, trained, duplicates)
    results = _results(recipe, tokens, tables, out)
    run = finish_run(recipe, out, tokens, tables, facts=facts, results=results, device=device)
    for row in run.results["networks"]:
        say(
            f"{row['network']}: balanced accuracy {row['balanced_accuracy']:.1%} "
            f"({row['balanced_accuracy_interval'][0]:.1%}–{row['balanced_accuracy_interval'][1]:.1%}), each training "
            + ", ".join(f"{value:.1%}" for value in row["balanced_accuracy_of_each"])
        )
    return run


def _names(one: Trained) -> dict[str, Any]:
    return {"network": one.training.network, "seed": one.training.seed, "share": one.training.share}


def _tables(
    recipe: WaveformRecipe,
    waveforms: Sequence[np.ndarray],
    tokens: pd.DataFrame,
    trained: list[Trained],
    predictions: pd.DataFrame,
    say: Say,
) -> dict[str, pd.DataFrame]:
    whole = predictions[predictions["share"] == 1]
    labels = trained[0].classifier.labels
    by_network = {name: whole[whole["network"] == name] for name in recipe.networks}
    tables = {
        "counts": tokens.groupby(["class", "split"])
        .agg(count=("token", "size"), speakers=("speaker", "nunique"), seconds=("end", "sum"))
        .reset_index(),
        "left_out": left_out_table(tokens),
        "accuracy": pd.concat(
            [accuracy_over_seeds(table, recipe.seed).assign(network=name) for name, table in by_network.items()],
            ignore_index=True,
        ),
        "confusions": pd.concat(
            [
                confusion_table(table["class"], table["predicted"], labels).assign(network=name)
                for name, table in by_network.items()
            ],
            ignore_index=True,
        ),
        "learning_curve": _learning_curve(trained, predictions, recipe),
        "baselines": baselines(long_term_spectra(waveforms, recipe.sample_rate), tokens),
    }
    tables["over_seeds"] = summary_over_seeds(tables["learning_curve"], predictions, recipe.seed)
    clips = chosen_clips(tokens, recipe.clips_per_class, recipe.seed)
    heard = {}
    for name in recipe.networks:
        own = [one for one in trained if one.training.network == name and one.training.share == 1]
        say(f"response spectra of {name}: {len(clips)} recordings, {recipe.null_seeds} null layers")
        heard[name] = listen(
            [one.classifier for one in own],
            [bank_of(new_classifier(recipe, name, labels, one.training.seed), recipe.sample_rate) for one in own],
            [waveforms[i] for i in clips],
            tokens.iloc[clips].reset_index(drop=True),
            null_seeds=recipe.null_seeds,
            seed=recipe.seed,
        )
    for table, part in (("curves", "curves"), ("curve_tests", "tests"), ("bands", "bands"), ("peaks", "peaks")):
        tables[table] = pd.concat([getattr(h, part).assign(network=n) for n, h in heard.items()], ignore_index=True)
    tables["geometry_seeds"] = pd.concat([h.geometry.assign(network=n) for n, h in heard.items()], ignore_index=True)
    tables["geometry"] = mean_geometry(tables["geometry_seeds"])
    tables["claims"] = waveform_claims(
        Evidence(
            task=recipe.task,
            networks=recipe.networks,
            accuracy=tables["accuracy"],
            predictions=whole,
            bands=tables["bands"],
            geometry=tables["geometry"],
            highest_hz=min(recipe.sample_rate, int(tokens["native_rate"].min())) / 2,
            seed=recipe.seed,
        )
    )
    return tables


def _learning_curve(trained: list[Trained], predictions: pd.DataFrame, recipe: WaveformRecipe) -> pd.DataFrame:
    """Balanced accuracy of every training, with its interval, the number of recordings it had and what it cost."""
    rows = []
    for one in trained:
        own = predictions[
            (predictions["network"] == one.training.network)
            & (predictions["seed"] == one.training.seed)
            & (predictions["share"] == one.training.share)
        ]
        row = accuracy_over_seeds(own, recipe.seed).set_index("measure").loc["balanced accuracy"]
        rows.append(
            {
                **_names(one),
                "n_train": one.n_train,
                "epochs": len(one.epochs),
                "balanced_accuracy": row["estimate"],
                "low": row["low"],
                "high": row["high"],
                "cpu_seconds": one.cpu_seconds,
            }
        )
    return pd.DataFrame(rows)


def _facts(recipe: WaveformRecipe, tokens: pd.DataFrame, trained: list[Trained], duplicates: int) -> dict[str, Any]:
    return {
        "kind": KIND,
        "task": recipe.task,
        "labels": trained[0].classifier.labels,
        "unit": recipe.split.get("by", "speaker"),
        "plan": {name: int(count) for name, count in tokens["split"].value_counts().items()},
        "sample_rate": recipe.sample_rate,
        "native_rates": sorted(map(int, tokens["native_rate"].unique())),
        "duplicates": duplicates,
    }


def _results(
    recipe: WaveformRecipe, tokens: pd.DataFrame, tables: dict[str, pd.DataFrame], out: Path
) -> dict[str, Any]:
    accuracy, curve = tables["accuracy"], tables["learning_curve"]
    networks = []
    for name in recipe.networks:
        entry: dict[str, Any] = {"network": name}
        for measure in ("accuracy", "balanced accuracy"):
            row = accuracy[(accuracy["network"] == name) & (accuracy["measure"] == measure)].iloc[0]
            entry[measure.replace(" ", "_")] = row["estimate"]
            entry[measure.replace(" ", "_") + "_interval"] = [row["low"], row["high"]]
        own = curve[(curve["network"] == name) & (curve["share"] == 1)]
        entry |= {"seeds": len(own), "balanced_accuracy_of_each": own["balanced_accuracy"].tolist()}
        networks.append(entry | {"cpu_seconds": own["cpu_seconds"].tolist()})
    return {
        "networks": networks,
        "baselines": tables["baselines"].to_dict("records"),
        "learning_curve": curve.to_dict("records"),
        "over_seeds": tables["over_seeds"].to_dict("records"),
        "claims": tables["claims"].to_dict("records"),
        "n_test": int((tokens["split"] == "test").sum()),
        "classifier": (out / "classifier").as_posix(),
    }
