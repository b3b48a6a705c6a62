"""The result tables of an experiment on phones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.experiments.frame import left_out_table
from phonoscope.experiments.material import Material
from phonoscope.experiments.measured import UNITS, Measured, profile_tables
from phonoscope.experiments.twin import beside_twin, twin_predictions
from phonoscope.judgement.claims import claims_table
from phonoscope.phonetics.baselines import Baseline, formant_lda, low_band_energy, majority_class
from phonoscope.phonetics.confusions import accuracy_table, asymmetry_table, confusion_table
from phonoscope.phonetics.shares import formant_shares, token_shares
from phonoscope.tasks.phones.claims import CLAIMS, Context
from phonoscope.tasks.phones.recipe import PhonesRecipe


def make_tables(
    recipe: PhonesRecipe,
    material: Material,
    predictions: Sequence[pd.DataFrame],
    measured: Measured,
    formants: pd.DataFrame,
    twin: Baseline,
    parts: Mapping[str, Any],
) -> dict[str, pd.DataFrame]:
    """Make all result tables.

    Parameters
    ----------
    recipe
        Seed, and the paper whose claims are checked.
    material
        All tokens of the run.
    predictions
        Of each training, the run's own first: tested tokens, ``token, class, predicted, p_<class> …``.
    measured
        Profiles of the tested tokens, of maps and of energy.
    formants
        Of the vowel tokens, from ``measure_formants``.
    twin
        The linear twin of the network.
    parts
        Which tokens train and test what needs no network, from ``parts_without_network``.
    """
    tokens, clusters, seed = material.tokens, list(UNITS), recipe.seed
    first = predictions[0]
    labels = [str(name).removeprefix("p_") for name in first if str(name).startswith("p_")]
    tested = first.merge(tokens[["token", *clusters]], on="token", how="left")
    guesses = [each.set_index("token").loc[first["token"], "predicted"].tolist() for each in predictions]
    tables = {
        "counts": _counts(tokens),
        "left_out": left_out_table(tokens),
        "accuracy": accuracy_table(tested["class"], guesses, tested[clusters]),
        "trainings": _each_training(recipe, tested, guesses),
        "confusions": confusion_table(tested["class"], tested["predicted"], labels),
        "asymmetry": asymmetry_table(tested["class"], tested["predicted"], tested[clusters]),
        "baselines": _baselines_table(material, formants, twin, parts),
        "linear_twin": pd.DataFrame(
            [
                beside_twin(
                    pd.concat(predictions),
                    twin_predictions(tokens, twin.predictions),
                    tokens,
                    clusters,
                    name=twin.name,
                    smallest=recipe.smallest["accuracy"],
                )
            ]
        ),
        **profile_tables(measured),
        **share_tables(measured, formants, recipe.smallest["share"], seed),
    }
    context = Context(
        measured=measured,
        tested=tested,
        guesses=guesses,
        confusions=tables["confusions"],
        correlations=tables["profile_correlations"],
        shares=tables.get("shares"),
        smallest=recipe.smallest,
        seed=seed,
    )
    tables["claims"] = claims_table(CLAIMS.get(recipe.paper, []), context)
    return tables


def _each_training(recipe: PhonesRecipe, tested: pd.DataFrame, guesses: Sequence[Sequence[str]]) -> pd.DataFrame:
    """One row a training: its seed, and its accuracies on the same tokens."""
    rows = []
    for seed, guess in zip(recipe.seeds, guesses, strict=False):
        of_training = accuracy_table(tested["class"], guess, tested[list(UNITS)]).set_index("measure")["estimate"]
        names = ("accuracy", "pooled accuracy", "balanced accuracy")
        rows.append({"seed": seed} | {name.replace(" ", "_"): float(of_training[name]) for name in names})
    return pd.DataFrame(rows)


def _counts(tokens: pd.DataFrame) -> pd.DataFrame:
    grouped = tokens.assign(seconds=tokens["end"] - tokens["start"]).groupby(["class", "label", "split"], sort=False)
    return grouped.agg(
        count=("token", "size"),
        speakers=("speaker", "nunique"),
        recordings=("recording", "nunique"),
        seconds=("seconds", "sum"),
    ).reset_index()


def _baselines_table(
    material: Material, formants: pd.DataFrame, twin: Baseline, parts: Mapping[str, Any]
) -> pd.DataFrame:
    """What needs no network, on the same split or folds."""
    classes = material.tokens["class"].tolist()
    rows = [majority_class(classes, **parts)]
    aligned = material.tokens[["token"]].merge(formants, on="token", how="left")
    if len(formants) and set(formants["token"]) >= set(material.tokens["token"]):
        rows.append(formant_lda(aligned, classes, **parts))
    if material.tokens["class"].nunique() == 2:
        for measure in ("power", "energy"):
            level = low_band_energy(material.waveforms, material.sample_rate, classes, measure=measure, **parts)
            rows.append(level)
    rows.append(twin)
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
