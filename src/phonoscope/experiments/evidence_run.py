"""Is the picture of a finished run to be trusted? Every method on the same tested tokens, judged, beside the formants.

The tables go to ``evidence/`` in the run folder, where the report finds them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope import __version__
from phonoscope.attribution import contrast, explain
from phonoscope.attribution.maps import joined
from phonoscope.attribution.method_spec import MethodSpec, parse_method
from phonoscope.attribution.registry import find_method
from phonoscope.attribution.scaling import scaling_of
from phonoscope.errors import ExperimentError
from phonoscope.evidence.agreement import method_agreement
from phonoscope.evidence.faithful import pooled_measures
from phonoscope.evidence.following import formant_following
from phonoscope.evidence.following import with_verdicts as with_verdicts_on_slopes
from phonoscope.evidence.level import level_reaction, level_table
from phonoscope.evidence.measures import CAUSAL, FILLED, choose_measures, measure_names
from phonoscope.evidence.randomisation import FAILS, PASSES
from phonoscope.evidence.removal import formant_removal, removal_table
from phonoscope.evidence.verdicts import with_verdicts
from phonoscope.experiments.control_maps import CONTROLS, DATA
from phonoscope.experiments.evidence_controls import beside_data, controls_for, measures_of
from phonoscope.experiments.evidence_parts import (
    LEVELS,
    EvidenceSettings,
    MethodEvidence,
    case_of,
    judge_methods,
)
from phonoscope.experiments.folder import Run, write_table
from phonoscope.experiments.held_out import HeldOut, held_out
from phonoscope.experiments.parts import WORK
from phonoscope.files import write_json
from phonoscope.phonetics.confusions import beside_human, confusion_table
from phonoscope.phonetics.overlap import overlap_against_confusions
from phonoscope.phonetics.profiles import class_profiles, profile, profile_correlations
from phonoscope.phonetics.shares import formant_shares
from phonoscope.work.executor import Executor, in_this_process
from phonoscope.work.folders import locked, open_again, write_checksums

FOLDER, FACTS = "evidence", "evidence.json"
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


@dataclass(frozen=True)
class _Sample:
    """The tokens that are judged, fold by fold, and the run that they are of."""

    run: Run
    parts: list[HeldOut]
    seed: int

    @cached_property
    def tokens(self) -> pd.DataFrame:
        """Rows of the run's token table."""
        return pd.concat([part.tokens for part in self.parts], ignore_index=True)

    @property
    def classes(self) -> list[str]:
        """Class of each token."""
        return self.tokens["class"].astype(str).tolist()

    @property
    def clusters(self) -> pd.DataFrame:
        """What is resampled."""
        return self.tokens[list(LEVELS)]

    @cached_property
    def formants(self) -> pd.DataFrame | None:
        """Measured formants of the run's tokens; None where it has none."""
        try:
            formants = self.run.formants
        except ExperimentError:
            return None
        return formants if len(formants) else None

    @property
    def max_hz(self) -> float:
        """Upper end of what the classifiers see, Hz."""
        return float(self.run.facts["max_hz"])


def run_evidence(
    source: str | Path,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    measures: Sequence[str] | None = None,
    tokens: int = DEFAULT_TOKENS,
    seed: int = 0,
    trust_imports: bool = False,
    executor: Executor = in_this_process,
    say: Say = lambda _line: None,
) -> dict[str, Any]:
    """Judge the maps of several methods on the tested tokens of a run.

    Parameters
    ----------
    source
        Folder of the run.
    methods
        As `explain` takes them; the causal references ``band-stop(fill=mean)`` and ``band-stop`` are always among them.
        Methods that do not suit the network are reported and left out.
    measures
        Names, or ``package.module:name``, which runs the code of that module, or ``all``; by default the usual ones.
    tokens
        Most tokens, the same number of each class where there are enough, drawn at random from all folds.
    seed
        Of the tokens and of whatever is drawn to judge them.
    trust_imports
        Whether the classifiers may import their networks' code.
    executor
        How the work is spread over processes or machines; the results do not depend on it.
    say
        Called with what is being done.

    Returns
    -------
    dict
        Facts of ``evidence/evidence.json``: settings, tokens, measures, a row of verdicts a method, what was left out.

    Raises
    ------
    AttributionError
        If a method or a measure is not known.
    ExperimentError
        If the run is not one of tokens with a classifier, or fewer than two tested tokens can be read.
    """
    run = Run(source)
    with locked(run.folder / FOLDER):
        wanted = list(dict.fromkeys([*(_known(method) for method in methods), FILLED, CAUSAL]))
        names = measure_names(measures)
        chosen = choose_measures(names)
        picked = tuple(str(token) for token in choose_tokens(run, tokens, seed))
        settings = EvidenceSettings(str(run.folder.absolute()), picked, names, seed, trust_imports)
        sample = _Sample(run, settings.parts(), seed)
        folder = run.folder / FOLDER
        # Without them the tables of an earlier attempt and of this one cannot be taken for each other's.
        open_again(folder)
        (folder / FACTS).unlink(missing_ok=True)
        wanted += controls_for(names)
        judged, left_out = judge_methods(settings, wanted, len(sample.parts), folder / WORK, executor=executor, say=say)
        tables = _tables(sample, settings, judged, say)
        for name, table in tables.items():
            write_table(folder, name, table)
        facts = {
            "phonoscope": __version__,
            "methods": [evidence.method for evidence in judged if evidence.method not in CONTROLS],
            "controls": {e.method: CONTROLS[e.method] for e in judged if e.method in CONTROLS},
            "left_out": left_out,
            "measures": {measure.name: measure.about() for measure in chosen},
            "tokens": sample.tokens["token"].astype(str).tolist(),
            "classes": run.facts["labels"],
            "target": "true",
            "seed": seed,
            "scaling": scaling_of(sample.parts[0].classifier),
            "verdicts": [_verdict(evidence.method, tables) for evidence in judged if evidence.method not in CONTROLS],
            "tables": sorted(tables),
        }
        write_json(folder / FACTS, facts)
        shutil.rmtree(folder / WORK)
        write_checksums(folder)
        return facts


def _tables(
    sample: _Sample, settings: EvidenceSettings, judged: Sequence[MethodEvidence], say: Say
) -> dict[str, pd.DataFrame]:
    """All tables of the evidence, by name."""
    run, seed, formants = sample.run, sample.seed, sample.formants
    collected: dict[str, list[pd.DataFrame]] = {name: [] for name in ("shares", "following", "specificity", "profiles")}
    confusions = confusion_table(sample.tokens["class"], _predicted(run, sample.tokens), run.facts["labels"])
    for evidence in judged:
        say(f"{evidence.method}: formants and confusions")
        of_classes = class_profiles(evidence.profiles, sample.classes, sample.clusters)
        overlap = overlap_against_confusions(profile_correlations(of_classes), confusions, seed=seed)
        facts = {"method": evidence.method, "rho": overlap.rho, "p": overlap.p, "note": overlap.note}
        of_method = {"profiles": of_classes, "specificity": pd.DataFrame([facts])}
        of_method |= _beside_formants(evidence.profiles, sample)
        for name, table in of_method.items():
            collected[name].append(table.assign(method=evidence.method))
    tables = {name: pd.concat(rows, ignore_index=True) for name, rows in collected.items() if rows}
    if "following" in tables:
        tables["following"] = with_verdicts_on_slopes(tables["following"])
    say("6 dB softer and louder")
    cases = [case_of(part, seed) for part in sample.parts]
    tables["level"] = level_table(pd.concat([level_reaction(case) for case in cases]))
    if formants is not None:
        say("each formant taken out of the sound")
        removed = [formant_removal(case, formants, max_hz=sample.max_hz) for case in cases]
        tables["removal"] = removal_table(pd.concat(removed), sample.tokens[["token", *LEVELS]])
    parts = [part for evidence in judged for part in evidence.measured]
    names = sample.tokens["token"].astype(str).tolist()
    chosen = {measure.name: measure for measure in choose_measures(settings.measures)}
    tables["measures"] = pd.DataFrame()
    for group in (False, True):  # controls are a family of comparisons of their own
        pooled = [
            pooled_measures(
                evidence.measured,
                sample.clusters,
                names=names,
                measures=measures_of(evidence.method, settings.measures),
            )
            for evidence in judged
            if (evidence.method in CONTROLS) == group
        ]
        if pooled:
            rows = with_verdicts(pd.concat(pooled, ignore_index=True), chosen)
            tables["measures"] = pd.concat([tables["measures"], rows], ignore_index=True)
    tables["token_measures"] = pd.concat([part.tokens for part in parts], ignore_index=True)
    if DATA in {evidence.method for evidence in judged}:
        tables["beside_data"] = beside_data(tables["token_measures"], sample.tokens[["token", *LEVELS]])
    curves = pd.concat([part.curves for part in parts], ignore_index=True)
    means = curves.groupby(["method", "curve", "fraction"], sort=False)[["logit", "probability"]].mean()
    tables["curves"] = means.reset_index()
    maps = {evidence.method: evidence.all_maps for evidence in judged}
    tables["agreement"] = method_agreement(maps, sample.classes, sample.clusters)
    if run.has_table("asymmetry") and len(run.table("asymmetry")):
        tables["asymmetry"] = beside_human(run.table("asymmetry"))
    tables["contrasts"] = _contrasts(run, settings.trust_imports, seed, say)
    return tables


def choose_tokens(run: Run, count: int, seed: int, of: pd.DataFrame | None = None) -> np.ndarray:
    """Names of tested tokens, as many of each class as there is room for, drawn at random.

    Parameters
    ----------
    run
        A run of tokens.
    count
        At most so many.
    seed
        Of the draw.
    of
        Its token table with ``fold``, where the run itself has none.

    Raises
    ------
    ExperimentError
        If fewer than two were tested, or the run has no tokens.
    """
    tokens = run.tokens if of is None else of
    if "fold" not in tokens or "class" not in tokens:
        raise ExperimentError(
            f"{run.folder} is not a run of tokens (such as `phonoscope run vowels` makes); its report judges itself"
        )
    tested = tokens[tokens["fold"].notna()]
    if len(tested) < 2:
        raise ExperimentError(f"{run.folder} has {len(tested)} tested tokens; evidence needs at least two")
    return tested["token"].to_numpy()[drawn_evenly(tested["class"], count, seed)]


def drawn_evenly(classes: pd.Series, count: int, seed: int) -> np.ndarray:
    """Positions of at most so many tokens, as many of each class as there is room for, drawn at random.

    Parameters
    ----------
    classes
        Of the tokens.
    count
        At most so many.
    seed
        Of the draw.
    """
    drawn = np.random.default_rng(seed).permutation(len(classes))
    # The n-th token of every class before the (n + 1)-th of any.
    order = classes.reset_index(drop=True).iloc[drawn]
    return drawn[np.argsort(order.groupby(order).cumcount().to_numpy(), kind="stable")[:count]]


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


def _beside_formants(profiles: xr.DataArray, sample: _Sample) -> dict[str, pd.DataFrame]:
    """Shares of formants in the maps of one method, and whether their peaks follow; nothing without formants."""
    formants = sample.formants
    if formants is None:
        return {}
    known = sample.tokens["token"].isin(set(formants["token"])).to_numpy()
    if known.sum() < 2:
        return {}
    profiles, rows = profiles[known], sample.tokens[known].reset_index(drop=True)
    classes, clusters, seed = rows["class"].astype(str).tolist(), rows[list(LEVELS)], sample.seed
    top = min(sample.max_hz, float(profiles.attrs["max_hz"]))
    return {
        "shares": formant_shares(profiles, formants, max_hz=top, labels=classes, clusters=clusters, seed=seed),
        "following": formant_following(profiles, formants, classes, clusters, seed=seed),
    }


def _verdict(method: str, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Whether the method passed the randomisation check for every classifier (None: cannot be told), and why; and
    whether it scores higher than a map of the data alone, measure by measure."""
    measures, beside = tables["measures"], tables.get("beside_data", pd.DataFrame(columns=["method"]))
    own = beside[beside["method"] == method]
    against = {} if own.empty else dict(zip(own["measure"], own["verdict"], strict=True))
    rows = measures[(measures["method"] == method) & (measures["measure"] == "randomisation")]
    if rows.empty:
        return {"method": method, "randomisation": None, "summary": "", "beside_data": against}
    passes = {PASSES: True, FAILS: False}.get(rows["verdict"].iloc[0])
    return {"method": method, "randomisation": passes, "summary": rows["note"].iloc[0], "beside_data": against}


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
        target = contrast(*pair)
        profiles = [
            profile(explain(part.classifier, part.waveforms, target, CAUSAL, seed=seed, **part.known)) for part in parts
        ]
        rows = pd.concat([part.tokens for part in parts], ignore_index=True)
        predicted = _predicted(run, rows)
        groups = [
            f"{spoken}, recognised" if spoken == taken else f"{spoken}, taken for {taken}"
            for spoken, taken in zip(rows["class"], predicted, strict=True)
        ]
        means = class_profiles(joined(profiles), groups, rows[list(LEVELS)])
        tables.append(means.rename(columns={"label": "group"}).assign(pair=f"{pair[0]} − {pair[1]}"))
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
