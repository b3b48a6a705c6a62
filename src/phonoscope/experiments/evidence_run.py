"""Is the picture of a finished run to be trusted? Every method on the same tested tokens, judged, beside the formants.

The tables go to ``evidence/`` in the run folder, where the report finds them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope import __version__
from phonoscope.attribution import contrast, explain
from phonoscope.attribution.method_spec import MethodSpec, parse_method
from phonoscope.attribution.registry import find_method
from phonoscope.errors import ExperimentError
from phonoscope.evidence.agreement import method_agreement
from phonoscope.evidence.faithful import CAUSAL, pooled_measures
from phonoscope.evidence.following import formant_following
from phonoscope.evidence.removal import formant_removal, removal_table
from phonoscope.experiments.evidence_parts import UNITS, Judged, joined, judge_methods
from phonoscope.experiments.folder import Run, write_table
from phonoscope.experiments.held_out import HeldOut, held_out
from phonoscope.experiments.parts import WORK
from phonoscope.files import write_json
from phonoscope.phonetics.confusions import beside_human, confusion_table
from phonoscope.phonetics.overlap import overlap_against_confusions
from phonoscope.phonetics.profiles import class_profiles, profile, profile_correlations
from phonoscope.phonetics.shares import formant_shares
from phonoscope.work.executor import Each, in_this_process
from phonoscope.work.folders import locked, open_again, write_checksums

FOLDER, FACTS = "evidence", "evidence.json"
# Filtering shows what is lost with a sound; with the band at its average level, also what its absence said.
FILLED = f"{CAUSAL}(fill=mean)"
DEFAULT_METHODS = (
    "integrated-gradients",
    "expected-gradients",
    "band-occlusion",
    "gradient-x-input",
    "smooth(gradient-x-input)",
    "layer-cam",
    "grad-cam",
    "cam",
)
DEFAULT_TOKENS = 120
MOST_PAIRS = 3

Say = Callable[[str], None]


def run_evidence(
    source: str | Path,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    tokens: int = DEFAULT_TOKENS,
    seed: int = 0,
    trust_imports: bool = False,
    each: Each = in_this_process,
    say: Say = lambda _line: None,
) -> dict[str, Any]:
    """Judge the maps of several methods on the tested tokens of a run.

    Parameters
    ----------
    methods
        As `explain` takes them; the causal references ``band-stop(fill=mean)`` and ``band-stop`` are always among them.
        Methods that do not suit the network are reported and left out.
    tokens
        Most tokens, the same number of each class where there are enough, drawn at random from all folds.
    each
        How the work is spread over processes or machines; what is found does not depend on it.

    Returns
    -------
    dict
        Facts of ``evidence/evidence.json``: settings, tokens, a row of verdicts a method, what was left out.

    Raises
    ------
    AttributionError
        If a method is not known.
    ExperimentError
        If the run is not one of tokens with a classifier, or fewer than two tested tokens can be read.
    """
    run = Run(source)
    with locked(run.folder / FOLDER):
        return _run(run, methods, tokens, seed, trust_imports, each, say)


def _run(
    run: Run, methods: Sequence[str], tokens: int, seed: int, trust_imports: bool, each: Each, say: Say
) -> dict[str, Any]:
    asked = list(dict.fromkeys([*(_known(method) for method in methods), FILLED, CAUSAL]))
    chosen = choose_tokens(run, tokens, seed)
    parts = list(held_out(run, only=chosen, trust_imports=trust_imports))
    table = pd.concat([part.tokens for part in parts], ignore_index=True)
    clusters = table[list(UNITS)]
    classes = table["class"].astype(str).tolist()
    folder = run.folder / FOLDER
    # Without them the tables of an earlier attempt and of this one cannot be taken for each other's.
    open_again(folder)
    (folder / FACTS).unlink(missing_ok=True)
    judged, left_out = judge_methods(
        run,
        chosen.tolist(),
        len(parts),
        asked,
        folder / WORK,
        seed=seed,
        trust_imports=trust_imports,
        each=each,
        say=say,
    )
    formants = _formants(run)
    max_hz = float(run.facts["max_hz"])
    collected: dict[str, list[pd.DataFrame]] = {name: [] for name in ("shares", "following", "specificity", "profiles")}
    confusions = confusion_table(table["class"], _predicted(run, table), run.facts["labels"])
    verdicts = []
    for one in judged:
        say(f"{one.method}: formants and confusions")
        profiles = one.profiles
        of_classes = class_profiles(profiles, classes, clusters, seed=seed)
        collected["profiles"].append(of_classes.assign(method=one.method))
        overlap = overlap_against_confusions(profile_correlations(of_classes), confusions, seed=seed)
        collected["specificity"].append(
            pd.DataFrame([{"method": one.method, "rho": overlap.rho, "p": overlap.p, "note": overlap.note}])
        )
        if formants is not None:
            _add_formants(collected, one, formants, table, max_hz, seed)
        verdicts.append({"method": one.method, **_verdict(one)})
    tables = {name: pd.concat(rows, ignore_index=True) for name, rows in collected.items() if rows}
    if formants is not None:
        say("each formant taken out of the sound")
        removed = [_removed(part, formants, max_hz, seed) for part in parts]
        tables["removal"] = removal_table(pd.concat(removed), table[["token", *UNITS]], seed=seed)
    tables["measures"] = pd.concat([_measures(one, classes, clusters, seed) for one in judged], ignore_index=True)
    tables["token_measures"] = pd.concat([f.tokens for one in judged for f in one.found], ignore_index=True)
    tables["curves"] = _mean_curves(judged)
    tables["agreement"] = method_agreement(
        {one.method: one.all_maps for one in judged},
        classes,
        clusters,
        seed=seed,
    )
    if run.has_table("asymmetry") and len(run.table("asymmetry")):
        tables["asymmetry"] = beside_human(run.table("asymmetry"))
    tables["contrasts"] = _contrasts(run, trust_imports, seed, say)
    for name, one in tables.items():
        write_table(folder, name, one)
    facts = {
        "phonoscope": __version__,
        "methods": [one.method for one in judged],
        "left_out": left_out,
        "tokens": table["token"].astype(str).tolist(),
        "classes": run.facts["labels"],
        "target": "true",
        "seed": seed,
        "verdicts": verdicts,
        "tables": sorted(tables),
    }
    write_json(folder / FACTS, facts)
    shutil.rmtree(folder / WORK)
    write_checksums(folder)
    return facts


def choose_tokens(run: Run, count: int, seed: int) -> np.ndarray:
    """Names of tested tokens, as many of each class as there is room for, drawn at random.

    Raises
    ------
    ExperimentError
        If fewer than two were tested, or the run has no tokens.
    """
    tokens = run.tokens
    if "fold" not in tokens or "class" not in tokens:
        raise ExperimentError(
            f"{run.folder} is not a run of tokens (such as `phonoscope run vowels` makes); its report judges itself"
        )
    tested = tokens[tokens["fold"].notna()]
    if len(tested) < 2:
        raise ExperimentError(f"{run.folder} has {len(tested)} tested tokens; evidence needs at least two")
    random = np.random.default_rng(seed)
    shuffled = tested.iloc[random.permutation(len(tested))]
    # The n-th token of every class before the (n + 1)-th of any.
    order = shuffled.groupby("class").cumcount().to_numpy()
    kept = shuffled.iloc[np.argsort(order, kind="stable")[:count]]
    return kept["token"].to_numpy()


def _known(method: str) -> str:
    """Return the method as it is written in tables; AttributionError if there is none of its name."""
    spec = parse_method(method)
    part: MethodSpec | None = spec
    while part is not None:
        find_method(part)
        part = part.inner
    return str(spec)


def _predicted(run: Run, table: pd.DataFrame) -> pd.Series:
    return table["token"].map(run.predictions.set_index("token")["predicted"])


def _formants(run: Run) -> pd.DataFrame | None:
    """Measured formants of the run's tokens; None where it has none."""
    try:
        formants = run.formants
    except ExperimentError:
        return None
    return formants if len(formants) else None


def _add_formants(
    collected: dict[str, list[pd.DataFrame]],
    one: Judged,
    formants: pd.DataFrame,
    table: pd.DataFrame,
    max_hz: float,
    seed: int,
) -> None:
    known = table["token"].isin(set(formants["token"])).to_numpy()
    if known.sum() < 2:
        return
    profiles, rows = one.profiles[known], table[known].reset_index(drop=True)
    classes, clusters = rows["class"].astype(str).tolist(), rows[list(UNITS)]
    top = min(max_hz, float(profiles.attrs["max_hz"]))
    shares = formant_shares(profiles, formants, max_hz=top, labels=classes, clusters=clusters, seed=seed)
    following = formant_following(profiles, formants, classes, clusters, seed=seed)
    collected["shares"].append(shares.assign(method=one.method))
    collected["following"].append(following.assign(method=one.method))


def _removed(part: HeldOut, formants: pd.DataFrame, max_hz: float, seed: int) -> pd.DataFrame:
    return formant_removal(
        part.classifier,
        part.waveforms,
        formants,
        tokens=part.names,
        classes=part.classes,
        max_hz=max_hz,
        context_seconds=part.context_seconds,
        seed=seed,
    )


def _measures(one: Judged, classes: Sequence[str], clusters: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Measures pooled over the folds, with the agreement of classifiers that were trained on other tokens."""
    measures = pooled_measures(one.found, clusters, seed=seed)
    row: dict[str, Any] = {"method": one.method, "measure": "classifier-agreement", "n": 0, "n_units": 0, "unit": ""}
    row["note"] = "the run has one classifier; compare with a run of another seed"
    if one.others:
        both = {"own": one.all_maps, "other fold": joined(one.others)}
        found = method_agreement(both, classes, clusters, seed=seed).iloc[0].to_dict()
        row |= {"value": found["agreement"], "low": found["low"], "high": found["high"], "chance": found["other_class"]}
        row |= {"n": found["n"], "n_units": found["n_units"], "unit": found["unit"]}
        row["note"] = "with the classifier of another fold, which was trained on these tokens"
    return pd.concat([measures, pd.DataFrame([row])], ignore_index=True)


def _verdict(one: Judged) -> dict[str, Any]:
    """Whether the method passed the randomisation check for every classifier, and the sentence of the worst."""
    checks = [f.randomised for f in one.found]
    worst = next((check for check in checks if not check.passes), checks[0])
    return {"randomisation": worst.passes, "summary": worst.sentence}


def _mean_curves(judged: Sequence[Judged]) -> pd.DataFrame:
    curves = pd.concat([f.curves for one in judged for f in one.found], ignore_index=True)
    means = curves.groupby(["method", "curve", "fraction"], sort=False)[["logit", "probability"]].mean()
    return means.reset_index()


def _contrasts(run: Run, trust_imports: bool, seed: int, say: Say) -> pd.DataFrame:
    """Why one class rather than the other, for the most confused pairs: mean profiles of hits and of confusions."""
    columns = ["pair", "group", "frequency", "mean", "low", "high", "n", "n_units", "unit"]
    predictions = run.predictions
    errors = predictions[predictions["class"] != predictions["predicted"]]
    pairs = errors.apply(lambda row: tuple(sorted((row["class"], row["predicted"]))), axis=1, result_type="reduce")
    tables = []
    for pair in pairs.value_counts().index[:MOST_PAIRS] if len(errors) else []:
        say(f"/{pair[0]}/ or /{pair[1]}/: contrastive maps")
        both = predictions[predictions["class"].isin(pair) & predictions["predicted"].isin(pair)]
        random = np.random.default_rng(seed)
        shuffled = both.iloc[random.permutation(len(both))]
        wrong = shuffled["class"] != shuffled["predicted"]
        few = pd.concat([shuffled[wrong], shuffled[~wrong].groupby("class").head(DEFAULT_TOKENS // 4)])
        parts = list(held_out(run, only=few["token"].to_numpy(), trust_imports=trust_imports))
        profiles = [profile(_contrast(part, pair, seed)) for part in parts]
        every = joined(profiles)
        rows = pd.concat([part.tokens for part in parts], ignore_index=True)
        heard = _predicted(run, rows)
        groups = [
            f"{spoken}, recognised" if spoken == taken else f"{spoken}, taken for {taken}"
            for spoken, taken in zip(rows["class"], heard, strict=True)
        ]
        found = class_profiles(every, groups, rows[list(UNITS)], seed=seed)
        tables.append(found.rename(columns={"label": "group"}).assign(pair=f"{pair[0]} − {pair[1]}"))
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _contrast(part: HeldOut, pair: tuple[str, str], seed: int) -> xr.DataArray:
    return explain(part.classifier, part.waveforms, contrast(*pair), CAUSAL, seed=seed, **part.known)
