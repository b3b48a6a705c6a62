"""Real against spoofed speech by what a first layer hears: response spectra, a support vector machine, controls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
import pandas as pd

from phonoscope.audio import SOUND_HASH
from phonoscope.experiments.settings import Say, silent
from phonoscope.experiments.twin import OF_SPECTRUM, pictures_through
from phonoscope.filters import FilterBank, random_bank, spectrum_bank
from phonoscope.frontends import Spectrogram
from phonoscope.judgement.intervals import Interval, interval_of
from phonoscope.judgement.units import resampling_unit, unit_sums
from phonoscope.phonetics.confusions import accuracy_intervals
from phonoscope.phonetics.discriminant import fit_discriminant
from phonoscope.tasks.recordings.spectra import SPECTRUM_POINTS, mean_spectra
from phonoscope.tasks.spoof.equal_error import equal_error_interval
from phonoscope.tasks.spoof.material import Clip
from phonoscope.training.splits import joined_units

CONTROL = "control: real against real"
LAYER, RANDOM, SPECTRUM = "CRS of the first layer", "CRS of random filters", "long-term spectrum"
TWIN = OF_SPECTRUM
REAL, SPOOFED = "real", "spoofed"
ATTACK, KIND, ALL = "attack", "kind", "all"  # levels of the problems
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
        Layers of the same shape with random weights; there are none beside filters that are fixed, or of which nobody
        can see how they began.
    seed : int
        Of the first random layer; the others count on from it.

    Returns
    -------
    tokens : DataFrame
        One row a recording.
    features : list of Feature
        CRS (root-mean-square scaling) and long-term spectra in `SPECTRUM_POINTS` points, linear; and for the linear
        twin the short-time spectrum, dB.
    """
    features = {(LAYER, 0): partial(mean_spectra, bank, strict=True)}
    for number in range(random_seeds if bank.untrained.can_be_drawn else 0):
        features[RANDOM, number] = partial(mean_spectra, random_bank(bank, seed + number), strict=True)
    features[SPECTRUM, 0] = partial(mean_spectra, spectrum_bank(int(bank.sample_rate)))
    features[TWIN, 0] = partial(_pictures, int(bank.sample_rate))
    rows: list[dict[str, object]] = []
    blocks: dict[tuple[str, int], list[np.ndarray]] = {feature: [] for feature in features}
    stream = iter(clips)
    while some := list(islice(stream, _CLIPS_AT_ONCE)):
        rows += [clip.row for clip in some]
        for feature, spectra in features.items():
            blocks[feature].append(spectra([clip.waveform for clip in some]))
    nothing = [np.zeros((0, SPECTRUM_POINTS))]
    return pd.DataFrame(rows), [
        Feature(*feature, np.concatenate(block or nothing)) for feature, block in blocks.items()
    ]


def _pictures(sample_rate: int, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    """Log power of the short-time spectrum of clips of one length, (clip, cell)."""
    front_end = Spectrogram(sample_rate, time="fixed", seconds=len(waveforms[0]) / sample_rate)
    return pictures_through(front_end, waveforms)


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
    real = np.flatnonzero(tokens["attack"].isna())
    spoofed = np.flatnonzero(tokens["attack"].notna())
    attack, kind = (tokens[name].to_numpy(dtype=object)[spoofed] for name in ("attack", "kind"))
    attacks = {name: list(dict.fromkeys(attack[kind == name])) for name in dict.fromkeys(kind)}

    def problem(name: str, level: str, of_kind: str, rows: np.ndarray) -> Problem:
        sides = np.repeat([False, True], [len(real), len(rows)])
        return Problem(name, level, of_kind, np.concatenate([real, rows]), sides)

    problems, too_small = [], []
    for of_kind, names in attacks.items():
        for name in names if of_kind == "vocoder" else sorted(names):
            rows = spoofed[attack == name]
            if len(rows) < FEWEST_OF_A_SIDE:
                too_small.append(name)
            else:
                problems.append(problem(name, ATTACK, of_kind, rows))
    for of_kind, names in attacks.items():
        rows = spoofed[kind == of_kind]
        if len(names) > 1 and len(rows) >= FEWEST_OF_A_SIDE:
            problems.append(problem(f"all {of_kind}", KIND, of_kind, rows))
    if len(attacks) > 1:
        problems.append(problem("all attacks", ALL, "all", spoofed))
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
    speaker) and everything made of it stay together, and identical recordings too. The linear twin is a linear
    discriminant with a shrunk covariance on the short-time spectrum, in the same folds.

    Parameters
    ----------
    tokens : DataFrame
        ``speaker, recording, audio_sha256, attack``.
    features : sequence of Feature
        Spectra with one row for each of the tokens.
    problems : sequence of Problem
        Their rows are positions among the tokens.
    folds_by : {"recording", "speaker"}
        What stays in one fold.
    kernel_offset : float
        ``c`` of the kernel (γ x·y + c)³.
    seed : int
        Of the control's halves and the folds.
    say : callable
        Called with each problem before it is judged.

    Returns
    -------
    results : DataFrame
        One row a problem (the control last) and feature: ``attack, level, kind, feature, accuracy, balanced_accuracy,
        low, high, eer, eer_low, eer_high`` (0 to 1, 95 % intervals over speakers or recordings) ``, majority`` (what
        naming the commoner side always would score) ``, beyond_random, beyond_random_low, beyond_random_high`` (of the
        layer: balanced accuracy above that of random filters on the same recordings, where there are any) ``, n_real,
        n_spoofed, n_units, unit``.
    scores : DataFrame
        One row a recording, problem and feature: ``attack, feature, part, token, recording, speaker, truth, predicted,
        score``.
    """
    real = np.flatnonzero(tokens["attack"].isna().to_numpy())
    halves = [
        Problem(CONTROL, "control", "", real, _half(tokens.iloc[real], np.random.default_rng([seed, number])))
        for number in range(_CONTROL_HALVES)
    ]
    results, scores = [], []
    for versions in [*([problem] for problem in problems), halves]:
        name = versions[0].name
        say(f"{name}: {len(versions[0].rows)} recordings, {len(features)} features")
        folds = [folds_of(tokens.iloc[problem.rows], problem.spoofed, folds_by, seed) for problem in versions]
        # By feature, the scores by each of its random layers, or for each way to halve the speakers.
        judged: dict[str, list[pd.DataFrame]] = {}
        for feature in features:
            for problem, parts in zip(versions, folds, strict=True):
                table = _judged(feature, tokens, problem, parts, kernel_offset)
                tables = judged.setdefault(feature.name, [])
                tables.append(table.assign(part=len(tables), attack=name, feature=feature.name))
        for feature_name, tables in judged.items():
            compared = feature_name == LAYER and name != CONTROL and RANDOM in judged
            beyond = beyond_random(tables, judged[RANDOM])[:3] if compared else (np.nan,) * 3
            result = _result(versions[0], feature_name, tables)
            results.append(result | dict(zip(_BEYOND, beyond, strict=True)))
            scores += tables
    return pd.DataFrame(results), pd.concat(scores, ignore_index=True)


def folds_of(
    tokens: pd.DataFrame, spoofed: np.ndarray, folds_by: str, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to train on and rows to judge, in up to five folds with like shares of spoofed recordings.

    Recordings of one unit (``recording`` or ``speaker``) are judged together, and so are recordings with the very same
    samples.

    Parameters
    ----------
    tokens : DataFrame
        ``speaker, recording, audio_sha256``.
    spoofed : ndarray of bool (recording,)
        One value a row of the tokens.
    folds_by : {"recording", "speaker"}
        The unit.
    seed : int
        Of the division.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    units = joined_units(tokens[folds_by].fillna(tokens["recording"]), tokens[SOUND_HASH])
    # Never more folds than units, nor than recordings of both sides.
    folds = min(FOLDS, len(set(units)), max(int(spoofed.sum()), int((~spoofed).sum())))
    if folds < 2:
        return [(np.array([], dtype=int), np.arange(len(tokens)))]
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    parts = splitter.split(np.zeros((len(tokens), 1)), spoofed, units)
    return [(train, test) for train, test in parts if len(test)]


_BEYOND = ("beyond_random", "beyond_random_low", "beyond_random_high")


def _half(tokens: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
    """Take half of the speakers for spoofed, although all are real; of the recordings, with fewer than four."""
    by = "speaker" if tokens["speaker"].nunique() >= 4 else "recording"
    units = tokens[by].fillna(tokens["recording"])
    codes = joined_units(units, tokens[SOUND_HASH])
    return np.isin(codes, random.permutation(codes.max() + 1)[: (codes.max() + 1) // 2])


def _judged(
    feature: Feature,
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
    values = feature.values[problem.rows]
    level = values if feature.name == TWIN else 20 * np.log10(np.maximum(values, np.finfo(float).tiny))
    scores, predicted = np.zeros(len(own)), np.zeros(len(own), dtype=bool)
    for train, test in folds:
        if len(set(problem.spoofed[train])) < 2:
            # One side lies whole in the other fold: nothing can be learnt, everything gets the same answer.
            predicted[test] = len(train) > 0 and problem.spoofed[train][0]
            continue
        if feature.name == TWIN:
            sides = fit_discriminant(level, np.where(problem.spoofed, SPOOFED, REAL), train).scores(level, test)
            scores[test] = sides[:, 1] - sides[:, 0]  # the sides are in alphabetical order
            predicted[test] = scores[test] > 0
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


def beyond_random(layer: Sequence[pd.DataFrame], random: Sequence[pd.DataFrame]) -> Interval:
    """Balanced accuracy of the layer above the mean of random layers on the same recordings."""
    first = layer[0]
    hits = [np.mean([part["truth"] == part["predicted"] for part in parts], axis=0) for parts in (layer, random)]
    spoofed = (first["truth"] == SPOOFED).to_numpy()
    side = np.column_stack([~spoofed, spoofed]).astype(float)
    unit = resampling_unit(first[["speaker", "recording"]], len(first))
    gained = unit_sums(side * (hits[0] - hits[1])[:, None], unit.codes, unit.n_units)
    counts = unit_sums(side, unit.codes, unit.n_units)
    with np.errstate(invalid="ignore", divide="ignore"):
        left_out = ((gained.sum(axis=0) - gained) / (counts.sum(axis=0) - counts)).mean(axis=1)
    observed = (gained.sum(axis=0) / counts.sum(axis=0)).mean()
    rarer = counts[:, np.argmin((counts > 0).sum(axis=0))]
    return interval_of(np.array([observed]), left_out[:, None], unit, counts=rarer, scale="difference")


def accuracies(parts: Sequence[pd.DataFrame]) -> dict[tuple[str, str], Interval]:
    """Accuracies of several detectors of the same recordings, by measure and side, over speakers (or recordings)."""
    judged = pd.concat(parts, ignore_index=True)
    clusters = judged[["speaker", "recording"]]
    return accuracy_intervals(judged["truth"].tolist(), judged["predicted"].tolist(), clusters)[1]


def _result(problem: Problem, feature: str, parts: list[pd.DataFrame]) -> dict[str, object]:
    overall, balanced = (accuracies(parts)[name, ""] for name in ("accuracy", "balanced accuracy"))
    rate = equal_error_interval(parts)
    n_spoofed = int(problem.spoofed.sum())
    n_real = len(problem.rows) - n_spoofed
    return {
        "attack": problem.name,
        "level": problem.level,
        "kind": problem.kind,
        "feature": feature,
        "accuracy": overall.estimate,
        "balanced_accuracy": balanced.estimate,
        "low": balanced.low,
        "high": balanced.high,
        "eer": rate.estimate,
        "eer_low": rate.low,
        "eer_high": rate.high,
        "majority": max(n_real, n_spoofed) / (n_real + n_spoofed),
        "n_real": n_real,
        "n_spoofed": n_spoofed,
        "n_units": balanced.n_units,
        "unit": balanced.unit,
    }
