"""Real against spoofed speech by what a first layer hears: response spectra, a support vector machine, controls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import pandas as pd

from phonoscope.experiments.settings import Say, silent
from phonoscope.filters import FilterBank, cumulative_response, random_bank
from phonoscope.judgement.bootstrap import interval_of, resampling_unit, unit_sums, unit_weights, wilson_interval
from phonoscope.phonetics.confusions import accuracy_table
from phonoscope.tasks.recordings.material import joined_units
from phonoscope.tasks.recordings.spectra import long_term_spectra
from phonoscope.tasks.spoof.equal_error import N_DRAWS, equal_error_interval
from phonoscope.tasks.spoof.material import Clip

CONTROL = "control: real against real"
LAYER, RANDOM, SPECTRUM = "CRS of the first layer", "CRS of random filters", "long-term spectrum"
REAL, SPOOFED = "real", "spoofed"
ATTACK, KIND, ALL = "attack", "kind", "all"  # levels of the problems
POINTS = 64  # a spectrum is averaged to so many points before it is classified
FOLDS = 5
FEWEST_OF_A_SIDE = 10
_CONTROL_HALVES = 5
_CLIPS_AT_ONCE = 128


class Feature(NamedTuple):
    """A way to describe recordings: its name, the seed of its random filters, and spectra (recording, point)."""

    name: str
    seed: int
    values: np.ndarray


class Problem(NamedTuple):
    """Recordings to be told apart: name, level, kind of attack, their rows, which of them count as spoofed."""

    name: str
    level: str
    kind: str
    rows: np.ndarray
    spoofed: np.ndarray


@dataclass(frozen=True)
class Told:
    """What a machine said of every recording of a problem; one part a random layer or way to halve the speakers."""

    problem: Problem
    feature: str
    parts: list[pd.DataFrame]


def hear(
    clips: Iterable[Clip], bank: FilterBank, *, random_seeds: int, seed: int
) -> tuple[pd.DataFrame, list[Feature]]:
    """Send recordings through the layer, through random filters and through none, holding few of them at a time.

    Parameters
    ----------
    clips : iterable of Clip
        Of the layer's sample rate.
    bank : FilterBank
        First layer of the network.
    random_seeds : int
        Layers of the same shape with random weights.

    Returns
    -------
    tokens : DataFrame
        One row a recording.
    features : list of Feature
        CRS (root-mean-square scaling) and long-term spectra in `POINTS` points, linear.
    """
    rate = int(bank.sample_rate)
    banks = [(LAYER, 0, bank), *((RANDOM, number, random_bank(bank, seed + number)) for number in range(random_seeds))]
    rows: list[dict[str, object]] = []
    blocks: list[list[np.ndarray]] = [[] for _ in range(len(banks) + 1)]
    stream = iter(clips)
    while some := list(islice(stream, _CLIPS_AT_ONCE)):
        waves = [clip.waveform for clip in some]
        rows += [clip.row for clip in some]
        for block, (_, _, one) in zip(blocks, banks, strict=False):
            block.append(_spectra(one, waves))
        blocks[-1].append(long_term_spectra(waves, rate, POINTS))
    names = [*((name, number) for name, number, _ in banks), (SPECTRUM, 0)]
    return pd.DataFrame(rows), [
        Feature(name, number, np.concatenate(block) if block else np.zeros((0, POINTS)))
        for (name, number), block in zip(names, blocks, strict=True)
    ]


def problems_of(tokens: pd.DataFrame) -> tuple[list[Problem], list[str]]:
    """Every attack against the real recordings, every kind with several attacks, and all attacks if of several kinds.

    Parameters
    ----------
    tokens : DataFrame
        With ``attack, kind`` (NA: real).

    Returns
    -------
    problems : list of Problem
    too_small : list of str
        Attacks with fewer than `FEWEST_OF_A_SIDE` recordings; they count in their kind all the same.
    """
    attack, kind = (tokens[name].astype("object").where(tokens[name].notna(), None) for name in ("attack", "kind"))
    real = np.flatnonzero(attack.isna())
    kinds = list(dict.fromkeys(kind.dropna()))
    problems, too_small = [], []

    def add(name: str, level: str, its_kind: str, spoofed: np.ndarray) -> None:
        rows = np.concatenate([real, spoofed])
        problems.append(Problem(name, level, its_kind, rows, np.repeat([False, True], [len(real), len(spoofed)])))

    by_kind = {name: list(dict.fromkeys(attack[kind == name])) for name in kinds}
    for its_kind, names in by_kind.items():
        for name in sorted(names) if its_kind != "vocoder" else names:
            own = np.flatnonzero(attack == name)
            if len(own) < FEWEST_OF_A_SIDE:
                too_small.append(name)
            else:
                add(name, ATTACK, its_kind, own)
    for its_kind, names in by_kind.items():
        own = np.flatnonzero(kind == its_kind)
        if len(names) > 1 and len(own) >= FEWEST_OF_A_SIDE:
            add(f"all {its_kind}", KIND, its_kind, own)
    if len(kinds) > 1:
        add("all attacks", ALL, "all", np.flatnonzero(attack.notna()))
    return problems, too_small


def tell_apart(
    tokens: pd.DataFrame,
    features: Sequence[Feature],
    problems: Sequence[Problem],
    *,
    folds_by: str = "recording",
    kernel_offset: float = 1.0,
    seed: int = 0,
    say: Say = silent,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tell real from spoofed recordings by every feature, and real ones from other real ones.

    A support vector machine with a polynomial kernel of degree 3 (as in the paper) gets the spectra in dB,
    standardised; errors weigh as much on the rare side as on the common one. Five folds, in which a recording (or
    speaker) and everything made of it stay together, and identical recordings too.

    Parameters
    ----------
    tokens : DataFrame
        ``speaker, recording, audio_sha256, attack``.
    folds_by : {"recording", "speaker"}
        What stays in one fold.
    kernel_offset : float
        ``c`` of the kernel (γ x·y + c)³.

    Returns
    -------
    results : DataFrame
        One row a problem (the control last) and feature: ``attack, level, kind, feature, accuracy, balanced_accuracy,
        low, high, eer, eer_low, eer_high`` (0 to 1, 95 % intervals over speakers or recordings) ``, majority`` (what
        naming the commoner side always would score) ``, beyond_random, beyond_random_low, beyond_random_high`` (of the
        layer: balanced accuracy above that of random filters on the same recordings) ``, n_real, n_spoofed, n_units,
        unit``.
    scores : DataFrame
        One row a recording, problem and feature: ``attack, feature, part, token, recording, speaker, truth, predicted,
        score``.
    """
    real = np.flatnonzero(tokens["attack"].isna().to_numpy())
    halves = [
        Problem(CONTROL, "control", "", real, _half(tokens.iloc[real], np.random.default_rng([seed, number])))
        for number in range(_CONTROL_HALVES)
    ]
    names = list(dict.fromkeys(feature.name for feature in features))
    results, scores = [], []
    for versions in [*([problem] for problem in problems), halves]:
        say(f"{versions[0].name}: {len(versions[0].rows)} recordings, {len(features)} features")
        told = {name: Told(versions[0], name, []) for name in names}
        folds = [folds_of(tokens.iloc[problem.rows], problem.spoofed, folds_by, seed) for problem in versions]
        for feature in features:
            for problem, parts in zip(versions, folds, strict=True):
                table = _judged(feature.values, tokens, problem, parts, kernel_offset)
                told[feature.name].parts.append(table.assign(part=len(told[feature.name].parts)))
        for name in names:
            beyond = _beyond(told[LAYER], told[RANDOM], seed) if name == LAYER and len(versions) == 1 else (np.nan,) * 3
            results.append(_result(told[name], seed) | dict(zip(_BEYOND, beyond, strict=True)))
            scores += [part.assign(attack=versions[0].name, feature=name) for part in told[name].parts]
    return pd.DataFrame(results), pd.concat(scores, ignore_index=True)


def folds_of(
    tokens: pd.DataFrame, spoofed: np.ndarray, folds_by: str, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to train on and rows to judge, in up to five folds with like shares of spoofed recordings.

    Recordings of one unit (``recording`` or ``speaker``) are judged together, and so are recordings with the very same
    samples.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    units = joined_units(tokens[folds_by].fillna(tokens["recording"]), tokens["audio_sha256"])
    # Never more folds than units, nor than recordings of both sides.
    folds = min(FOLDS, len(set(units)), max(int(spoofed.sum()), int((~spoofed).sum())))
    if folds < 2:
        return [(np.array([], dtype=int), np.arange(len(tokens)))]
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    parts = splitter.split(np.zeros((len(tokens), 1)), spoofed, units)
    return [(train, test) for train, test in parts if len(test)]


_BEYOND = ("beyond_random", "beyond_random_low", "beyond_random_high")


def _spectra(bank: FilterBank, waves: Sequence[np.ndarray]) -> np.ndarray:
    curves = cumulative_response(bank, waves, bank.sample_rate, scaling="rms", strict=True).values[:, 1:]
    return curves[:, : curves.shape[1] // POINTS * POINTS].reshape(len(curves), POINTS, -1).mean(axis=2)


def _half(tokens: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
    """Take half of the speakers for spoofed, although all are real; of the recordings, with fewer than four."""
    by = "speaker" if tokens["speaker"].nunique() >= 4 else "recording"
    units = tokens[by].fillna(tokens["recording"])
    codes = joined_units(units, tokens["audio_sha256"])
    return np.isin(codes, random.permutation(codes.max() + 1)[: (codes.max() + 1) // 2])


def _judged(
    values: np.ndarray,
    tokens: pd.DataFrame,
    problem: Problem,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    kernel_offset: float,
) -> pd.DataFrame:
    """Scores and predictions of every recording by a machine that never met it nor anything made of it."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    own = tokens.iloc[problem.rows]
    level = 20 * np.log10(np.maximum(values[problem.rows], np.finfo(float).tiny))
    scores, predicted = np.zeros(len(own)), np.zeros(len(own), dtype=bool)
    for train, test in folds:
        if len(set(problem.spoofed[train])) < 2:
            # One side lies whole in the other fold: nothing can be learnt, everything gets the same answer.
            predicted[test] = len(train) > 0 and problem.spoofed[train][0]
            continue
        machine = make_pipeline(
            StandardScaler(), SVC(kernel="poly", degree=3, coef0=kernel_offset, class_weight="balanced")
        )
        machine.fit(level[train], problem.spoofed[train])
        scores[test], predicted[test] = machine.decision_function(level[test]), machine.predict(level[test])
    return pd.DataFrame(
        {
            "token": own["token"].to_numpy(),
            "recording": own["recording"].to_numpy(),
            "speaker": own["speaker"].to_numpy(),
            "truth": np.where(problem.spoofed, SPOOFED, REAL),
            "predicted": np.where(predicted, SPOOFED, REAL),
            "score": scores,
        }
    )


def _beyond(layer: Told, random: Told, seed: int) -> tuple[float, float, float]:
    """Balanced accuracy of the layer above the mean of random layers on the same recordings, with its interval."""
    first = layer.parts[0]
    hits = [np.mean([part["truth"] == part["predicted"] for part in told.parts], axis=0) for told in (layer, random)]
    spoofed = layer.problem.spoofed
    side = np.column_stack([~spoofed, spoofed]).astype(float)
    unit = resampling_unit(first[["speaker", "recording"]], len(first))
    gained = unit_sums(side * (hits[0] - hits[1])[:, None], unit.codes, unit.n_units)
    counts = unit_sums(side, unit.codes, unit.n_units)
    weights = unit_weights(unit.n_units, N_DRAWS, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = ((weights @ gained) / (weights @ counts)).mean(axis=1)
    low, high = interval_of(drawn, n_units=int((counts > 0).sum(axis=0).min()))
    return float((gained.sum(axis=0) / counts.sum(axis=0)).mean()), float(low), float(high)


def _result(told: Told, seed: int) -> dict[str, object]:
    own = pd.concat(told.parts, ignore_index=True)
    table = accuracy_table(
        own["truth"].tolist(), own["predicted"].tolist(), own[["speaker", "recording"]], seed=seed
    ).set_index("measure")
    overall, balanced = (table.loc[[name]].to_dict("records")[0] for name in ("accuracy", "balanced accuracy"))
    rate = equal_error_interval(told.parts, seed=seed)
    # Where no recording is mistaken, no sample is either: the bound is that of so many speakers without a mistake.
    flawless = wilson_interval(int(balanced["n_units"]), int(balanced["n_units"]))[0]
    n_spoofed = int(told.problem.spoofed.sum())
    n_real = len(told.problem.rows) - n_spoofed
    return {
        "attack": told.problem.name,
        "level": told.problem.level,
        "kind": told.problem.kind,
        "feature": told.feature,
        "accuracy": overall["estimate"],
        "balanced_accuracy": balanced["estimate"],
        "low": flawless if balanced["estimate"] == 1 else balanced["low"],
        "high": balanced["high"],
        "eer": rate.estimate,
        "eer_low": rate.low,
        "eer_high": 1 - flawless if rate.estimate == 0 else rate.high,
        "majority": max(n_real, n_spoofed) / (n_real + n_spoofed),
        "n_real": n_real,
        "n_spoofed": n_spoofed,
        "n_units": balanced["n_units"],
        "unit": balanced["unit"],
    }
