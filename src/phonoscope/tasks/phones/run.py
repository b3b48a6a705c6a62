"""The runner: from a recipe and a corpus to a run folder with everything needed to repeat and to report it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.classifier import Classifier
from phonoscope.corpora import write_tokens
from phonoscope.experiments import fit as fitting
from phonoscope.experiments.folder import Run
from phonoscope.experiments.frame import (
    claimed_folder,
    finish_run,
    hold_to_material,
    left_out_lines,
    left_out_table,
)
from phonoscope.experiments.material import Material, gather, measure_formants
from phonoscope.files import write_with
from phonoscope.phonetics.baselines import Baseline, formant_lda, low_band_energy, majority_class
from phonoscope.phonetics.confusions import accuracy_table, asymmetry_table, confusion_table
from phonoscope.tasks.phones.claims import Context, claims_table
from phonoscope.tasks.phones.examples import write_examples
from phonoscope.tasks.phones.measure import Measured, measure_maps, profile_tables, share_tables
from phonoscope.tasks.phones.recipe import Recipe
from phonoscope.training import choose_device
from phonoscope.work.folders import locked

Say = Callable[[str], None]


def run_experiment(
    recipe: Recipe,
    out: str | Path,
    *,
    corpus: str | Path | None = None,
    alignments: str | Path | None = None,
    corpus_options: dict[str, Any] | None = None,
    classifier: str | Path | None = None,
    trust_imports: bool = False,
    device: str = "auto",
    resume: bool = False,
    strict: bool = False,
    say: Say = lambda _line: None,
) -> Run:
    """Execute an experiment.

    Parameters
    ----------
    recipe
        What to do.
    out
        Run folder; new or empty, or that of an interrupted run with ``resume``.
    corpus
        Root of a corpus; synthetic talkers are made when it is None.
    alignments, corpus_options
        Where the alignments are, and rules of the token table that replace the recipe's (see ``read_corpus``).
    classifier
        Folder of a classifier trained elsewhere: nothing is trained, all tokens are tested.
    device
        ``auto``, ``cpu``, ``cuda`` …
    say
        Called with lines about the progress.

    Raises
    ------
    ExperimentError
        If the folder is in use, or tokens, classes or settings do not make an experiment.
    """
    choose_device(device)
    with locked(out):
        return _run(
            recipe,
            Path(out),
            source={"corpus": corpus, "alignments": alignments, "corpus_options": corpus_options or {}},
            classifier=classifier,
            trust_imports=trust_imports,
            device=device,
            resume=resume,
            strict=strict,
            say=say,
        )


def _run(
    recipe: Recipe,
    out: Path,
    *,
    source: dict[str, Any],
    classifier: str | Path | None,
    trust_imports: bool,
    device: str,
    resume: bool,
    strict: bool,
    say: Say,
) -> Run:
    """Execute an experiment in a folder that is locked; ``source`` says where the tokens come from."""
    ready = None
    if classifier is not None:
        ready = Classifier.from_pretrained(classifier, trust_imports=trust_imports)
    with claimed_folder(out, recipe, resume):
        material = gather(
            recipe,
            folder=out,
            **source,
            sample_rate=recipe.front_end.get("sample_rate") if ready is None else ready.sample_rate,
            labels=None if ready is None else ready.labels,
            strict=strict,
            say=say,
        )
        if ready is None:
            plan, unit = fitting.plan_folds(recipe, material.tokens)
            # Settings that do not fit the recordings are found before anything is measured.
            fitting.new_classifier(recipe, fitting.class_order(material.tokens["class"]), material.sample_rate)
        hold_to_material(out, material.tokens, material.with_context)
    for line in left_out_lines(material.tokens):
        say(line)
    say(f"{len(material.tokens)} tokens: {_counts_line(material.tokens['class'])}")
    formants = measure_formants(material)
    write_with(out / "formants.parquet", lambda path: formants.to_parquet(path, index=False))

    if classifier is not None:
        plan, unit = [], "none: the classifier was trained elsewhere"
        fitted = fitting.apply_classifier(classifier, material, device=device, trust_imports=trust_imports)
        fitted[0].classifier.save_pretrained(out / "classifier")
    else:
        fitted = fitting.fit(recipe, material, plan, out, device=device, resume=resume, say=say)
    predictions = fitting.predictions(fitted, material.tokens)
    write_with(out / "predictions.parquet", lambda path: predictions.to_parquet(path, index=False))
    material.tokens = fitting.with_parts(material.tokens, plan, predictions)
    write_tokens(out / "tokens.parquet", material.tokens)

    say(f"explaining {len(predictions)} tokens by {recipe.explain.get('method', 'cam')}")
    measured = measure_maps(recipe, material, fitted, out)
    say(measured.cells)
    write_with(out / "means.parquet", lambda path: measured.means.to_parquet(path, index=False))
    write_examples(out, material, predictions)
    tables = _tables(recipe, material, fitted, predictions, measured, formants, plan)
    run = finish_run(
        recipe,
        out,
        material.tokens,
        tables,
        facts=_facts(recipe, material, fitted, measured, plan, unit),
        results=_results(measured, tables, out),
        device=device,
    )
    say(_result_line(run.results))
    return run


def _counts_line(classes: pd.Series) -> str:
    return ", ".join(f"{name} {count}" for name, count in classes.value_counts().items())


def _tables(
    recipe: Recipe,
    material: Material,
    fitted: list[fitting.Fitted],
    predictions: pd.DataFrame,
    measured: Measured,
    formants: pd.DataFrame,
    plan: list[fitting.Fold],
) -> dict[str, pd.DataFrame]:
    labels = fitted[0].classifier.labels
    max_hz = measured.max_hz
    clusters = ["speaker", "recording"]
    tokens = material.tokens
    tested = predictions.merge(tokens[["token", *clusters]], on="token", how="left")
    tables = {
        "counts": _counts(tokens),
        "left_out": left_out_table(tokens),
        "accuracy": accuracy_table(tested["class"], tested["predicted"], tested[clusters], seed=recipe.seed),
        "confusions": confusion_table(tested["class"], tested["predicted"], labels),
        "asymmetry": asymmetry_table(tested["class"], tested["predicted"]),
        "baselines": _baselines_table(material, formants, plan),
        **profile_tables(measured, clusters, recipe.seed),
        **share_tables(measured, formants, max_hz=max_hz, unit_columns=clusters, seed=recipe.seed),
    }
    context = Context(
        measured=measured,
        accuracy=tables["accuracy"],
        confusions=tables["confusions"],
        correlations=tables["profile_correlations"],
        shares=tables.get("shares"),
        max_hz=max_hz,
        unit_columns=clusters,
        seed=recipe.seed,
    )
    tables["claims"] = claims_table(recipe.paper, context)
    return tables


def _counts(tokens: pd.DataFrame) -> pd.DataFrame:
    grouped = tokens.assign(seconds=tokens["end"] - tokens["start"]).groupby(["class", "label", "split"], sort=False)
    return grouped.agg(
        count=("token", "size"),
        speakers=("speaker", "nunique"),
        recordings=("recording", "nunique"),
        seconds=("seconds", "sum"),
    ).reset_index()


def _baselines_table(material: Material, formants: pd.DataFrame, plan: list[fitting.Fold]) -> pd.DataFrame:
    """Trivial baselines on the same split or folds; none for a classifier that was trained elsewhere."""
    rows: list[Baseline] = []
    if plan:
        classes = material.tokens["class"].tolist()
        parts: dict[str, Any] = {}
        if len(plan) == 1:
            train, test = np.zeros((2, len(classes)), dtype=bool)
            train[plan[0].train], train[plan[0].validation], test[plan[0].test] = True, True, True
            parts = {"train": train, "test": test}
        else:
            parts = {"folds": material.tokens["fold"].to_numpy()}
        rows.append(majority_class(classes, **parts))
        aligned = material.tokens[["token"]].merge(formants, on="token", how="left")
        if len(formants) and set(formants["token"]) >= set(material.tokens["token"]):
            rows.append(formant_lda(aligned, classes, **parts))
        if material.tokens["class"].nunique() == 2:
            for measure in ("power", "energy"):
                level = low_band_energy(material.waveforms, material.sample_rate, classes, measure=measure, **parts)
                rows.append(level)
    return pd.DataFrame(
        [
            {
                "name": row.name,
                "accuracy": row.accuracy,
                "balanced_accuracy": row.balanced_accuracy,
                "n_tested": row.n_tested,
                "details": json.dumps(row.details, ensure_ascii=False, default=str),
            }
            for row in rows
        ],
        columns=["name", "accuracy", "balanced_accuracy", "n_tested", "details"],
    )


def _facts(
    recipe: Recipe,
    material: Material,
    fitted: list[fitting.Fitted],
    measured: Measured,
    plan: list[fitting.Fold],
    unit: str,
) -> dict[str, Any]:
    config = fitted[0].classifier.config()
    return {
        "paper": recipe.paper,
        "labels": fitted[0].classifier.labels,
        "method": recipe.explain.get("method", "cam"),
        "target": recipe.explain.get("target", "true"),
        "unit": unit,
        "plan": fitting.describe_plan(plan, unit) if plan else None,
        "max_hz": measured.max_hz,
        "time_seconds": fitted[0].classifier.front_end.time_axis.seconds,
        "sample_rate": material.sample_rate,
        "placement": measured.placement,
        "corpus": {"synthetic": fitting.recipe_is_synthetic(material.tokens)},
        "network": config["network"],
        "front_end": config["front_end"],
    }


def _results(measured: Measured, tables: dict[str, pd.DataFrame], out: Path) -> dict[str, Any]:
    overall, balanced = (
        tables["accuracy"].set_index("measure").loc[name].to_dict() for name in ("accuracy", "balanced accuracy")
    )
    correlations = tables["profile_correlations"]
    of_maps = correlations.loc[correlations["source"] == "map", "r"]
    return {
        "accuracy": overall["estimate"],
        "accuracy_interval": [overall["low"], overall["high"]],
        "balanced_accuracy": balanced["estimate"],
        "balanced_accuracy_interval": [balanced["low"], balanced["high"]],
        "n_test": overall["n"],
        "baselines": tables["baselines"].drop(columns="details").to_dict("records"),
        "shares": nested_shares(tables.get("shares")),
        "profile_correlation": float(of_maps.mean()) if len(of_maps) else None,
        "resolution_hz": float(measured.placement["resolution_hz"]),
        "cell_hz": float(measured.placement["cell_hz"]),
        "max_incompleteness": measured.max_incompleteness,
        "classifier": (out / "classifier").as_posix(),
    }


def nested_shares(shares: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    """Shares per class and formant as nested plain values: share, every null, interval, p and verdict.

    ``permuted`` pairs maps and formants over the whole run, ``permuted_same_class`` within the class; ratio and
    interval are of the latter under ``same_class`` and of the former at the top.
    """
    if shares is None:
        return {}
    result: dict[str, dict[str, Any]] = {}
    indexed = {(r["label"], r["formant"], r["null"]): r for r in shares.to_dict("records")}
    for (label, formant, null), row in indexed.items():
        if null != "run":
            continue
        within = indexed.get((label, formant, "class"))
        entry = {
            "n": int(row["n"]),
            "share": _number(row["share"]),
            "nulls": {
                "area": _number(row["area"]),
                "energy": _number(row["energy"]),
                "permuted": _number(row["permuted"]),
                "permuted_same_class": None if within is None else _number(within["permuted"]),
            },
            "ratio": _number(row["ratio"]),
            "interval": [_number(row["low"]), _number(row["high"])],
            "p_holm": _number(row["p_holm"]),
            "energy_ratio": _number(row["energy_ratio"]),
            "verdict": row["verdict"],
        }
        if within is not None:
            entry["same_class"] = {
                "ratio": _number(within["ratio"]),
                "interval": [_number(within["low"]), _number(within["high"])],
                "p_holm": _number(within["p_holm"]),
                "verdict": within["verdict"],
            }
        result.setdefault(str(label), {})[str(formant)] = entry
    return result


def _number(value: Any) -> float | None:
    """JSON has no NaN: missing becomes null."""
    return None if value is None or not np.isfinite(value) else float(value)


def _result_line(results: dict[str, Any]) -> str:
    low, high = results["accuracy_interval"]
    return (
        f"accuracy {results['accuracy']:.1%} ({low:.1%}–{high:.1%}), balanced {results['balanced_accuracy']:.1%}, on "
        f"{results['n_test']} tokens that were not trained on"
    )
