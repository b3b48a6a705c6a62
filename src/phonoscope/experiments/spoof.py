"""Real against vocoded speech by what a first layer hears: response spectra, a support vector machine, controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from phonoscope.experiments.vocoding import ATTACKS, requantised
from phonoscope.experiments.waveform_spectra import long_term_spectra
from phonoscope.experiments.whole_recordings import joined_units
from phonoscope.filters import FilterBank, cumulative_response, random_bank
from phonoscope.phonetics.bootstrap import resampling_unit, unit_weights
from phonoscope.phonetics.confusions import accuracy_table

Say = Callable[[str], None]

CONTROL = "control: real against real"
LAYER, RANDOM, SPECTRUM = "CRS of the first layer", "CRS of random filters", "long-term spectrum"
POINTS = 64  # a spectrum is averaged to so many points before it is classified
FOLDS = 5
_EER_DRAWS = 300


def spoof_tables(
    bank: FilterBank,
    waveforms: Sequence[np.ndarray],
    tokens: pd.DataFrame,
    *,
    random_seeds: int,
    seed: int,
    say: Say,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tell real recordings from vocoded copies of them, by several features, and real ones from other real ones.

    A support vector machine with a polynomial kernel of degree 3 (as in the paper) gets the spectra in dB,
    standardised; five folds in which a recording and everything made of it stay together.

    Parameters
    ----------
    bank : FilterBank
        First layer of the network.
    waveforms, tokens
        Real recordings, one row each, with ``speaker, recording, audio_sha256``.
    random_seeds : int
        Layers of the same shape with random weights.

    Returns
    -------
    results : DataFrame
        One row an attack (and the control) and feature: ``attack, feature, accuracy, balanced_accuracy, low, high,
        eer, eer_low, eer_high`` (0 to 1, 95 % intervals over speakers or recordings) ``, n, unit, n_units``.
    scores : DataFrame
        One row a recording, attack and feature: ``attack, feature, seed, recording, truth, predicted, score``.
    """
    rate = int(bank.sample_rate)
    random = np.random.default_rng(seed)
    real = [requantised(wave) for wave in waveforms]
    groups = joined_units(tokens["recording"], tokens["audio_sha256"])
    banks = [(LAYER, 0, bank), *((RANDOM, number, random_bank(bank, seed + number)) for number in range(random_seeds))]
    makers: list[tuple[str, int, Callable[[Sequence[np.ndarray]], np.ndarray]]] = [
        (name, number, lambda waves, one=one: _spectra(one, waves)) for name, number, one in banks
    ]
    makers.append((SPECTRUM, 0, lambda waves: long_term_spectra(waves, rate, POINTS)))
    of_real = [make(real) for _, _, make in makers]
    scored = []
    for attack, vocode in ATTACKS.items():
        say(f"{attack}: {len(real)} recordings made anew")
        fake = [requantised(vocode(np.asarray(wave, dtype=np.float64), rate, random)) for wave in waveforms]
        truth = np.array(["real"] * len(real) + ["spoofed"] * len(fake), dtype=object)
        both = pd.concat([tokens, tokens], ignore_index=True)
        for (name, number, make), known in zip(makers, of_real, strict=True):
            features = np.concatenate([known, make(fake)])
            scored.append(_scored(features, truth, np.tile(groups, 2), both, seed).assign(
                attack=attack, feature=name, seed=number))  # fmt: skip
    halves = _halves(tokens, random)
    for (name, number, _), known in zip(makers, of_real, strict=True):
        scored.append(_scored(known, halves, groups, tokens, seed).assign(attack=CONTROL, feature=name, seed=number))
    scores = pd.concat(scored, ignore_index=True)
    rows = [
        _result(own, seed) | {"attack": a, "feature": f}
        for (a, f), own in scores.groupby(["attack", "feature"], sort=False)
    ]
    return pd.DataFrame(rows), scores


def equal_error_rate(spoofed: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Error rate at the threshold where as large a share of spoofed as of real recordings is taken for the other.

    Parameters
    ----------
    spoofed : ndarray of bool (recording,)
    scores : ndarray (recording,)
        Higher means more likely spoofed.
    weights : ndarray (recording,), optional
        How often each recording counts.

    Returns
    -------
    float
        0 to 1; half-way between the two rates where they do not meet exactly. NaN if either kind is missing.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    order = np.argsort(scores, kind="stable")
    fake = np.where(spoofed, weights, 0.0)[order]
    real = np.where(spoofed, 0.0, weights)[order]
    if fake.sum() == 0 or real.sum() == 0:
        return float("nan")
    missed = np.concatenate([[0], np.cumsum(fake)]) / fake.sum()  # spoofed at or below the threshold
    alarms = 1 - np.concatenate([[0], np.cumsum(real)]) / real.sum()  # real above it
    values = scores[order]
    allowed = np.concatenate([[True], values[1:] != values[:-1], [True]])  # no threshold between equal scores
    at = np.flatnonzero(allowed)[np.abs(missed - alarms)[allowed].argmin()]
    return float((missed[at] + alarms[at]) / 2)


def _spectra(bank: FilterBank, waves: Sequence[np.ndarray]) -> np.ndarray:
    curves = cumulative_response(bank, waves, bank.sample_rate, scaling="rms", strict=True).values[:, 1:]
    return curves[:, : curves.shape[1] // POINTS * POINTS].reshape(len(curves), POINTS, -1).mean(axis=2)


def _halves(tokens: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
    """Name half of the speakers (of the recordings, with fewer than four speakers) spoofed, although all are real."""
    by = "speaker" if tokens["speaker"].nunique() >= 4 else "recording"
    codes = joined_units(tokens[by].astype(str), tokens["audio_sha256"])
    chosen = random.permutation(codes.max() + 1)[: (codes.max() + 1) // 2]
    return np.where(np.isin(codes, chosen), "spoofed", "real").astype(object)


def _scored(
    features: np.ndarray, truth: np.ndarray, groups: np.ndarray, tokens: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """Scores and predictions of every recording by a machine that never met it nor anything made of it."""
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    level = 20 * np.log10(np.maximum(features, np.finfo(float).tiny))
    scores, predicted = np.zeros(len(truth)), np.empty(len(truth), dtype=object)
    for train, test in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(level, truth, groups):
        machine = make_pipeline(StandardScaler(), SVC(kernel="poly", degree=3, class_weight="balanced"))
        machine.fit(level[train], truth[train])
        scores[test], predicted[test] = machine.decision_function(level[test]), machine.predict(level[test])
    return pd.DataFrame(
        {
            "recording": tokens["recording"].to_numpy(),
            "speaker": tokens["speaker"].to_numpy(),
            "truth": truth,
            "predicted": predicted,
            "score": scores,
        }
    )


def _result(own: pd.DataFrame, seed: int) -> dict[str, object]:
    clusters = own[["speaker", "recording"]].reset_index(drop=True)
    table = accuracy_table(own["truth"].tolist(), own["predicted"].tolist(), clusters, seed=seed).set_index("measure")
    overall, balanced = table.loc["accuracy"], table.loc["balanced accuracy"]
    parts = [part.reset_index(drop=True) for _, part in own.groupby("seed")]
    rates = [equal_error_rate((p["truth"] == "spoofed").to_numpy(), p["score"].to_numpy()) for p in parts]
    drawn = []
    for part in parts:
        unit = resampling_unit(part[["speaker", "recording"]], len(part))
        weights = unit_weights(unit.n_units, _EER_DRAWS, seed)[:, unit.codes]
        spoofed, score = (part["truth"] == "spoofed").to_numpy(), part["score"].to_numpy()
        drawn.append([equal_error_rate(spoofed, score, row) for row in weights])
    low, high = np.nanquantile(np.mean(drawn, axis=0), [0.025, 0.975])
    return {
        "accuracy": overall["estimate"],
        "balanced_accuracy": balanced["estimate"],
        "low": balanced["low"],
        "high": balanced["high"],
        "eer": float(np.mean(rates)),
        "eer_low": low,
        "eer_high": high,
        "n": len(parts[0]),
        "unit": balanced["unit"],
        "n_units": int(table["n_units"].iloc[0]),
    }
