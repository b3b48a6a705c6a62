"""What the network loses without one formant: the token's own filtered out of its sound, beside a wrong one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from phonoscope.attribution.effects import band_effects
from phonoscope.evidence.case import Case
from phonoscope.judgement.intervals import mean_interval

HALF_HZ = 125.0  # of the band that is taken away around a formant
FORMANTS = (1, 2, 3, 4)
POOLED = "all"


def formant_removal(case: Case, formants: pd.DataFrame, *, max_hz: float) -> pd.DataFrame:
    """Filter F1 … F4 out of each token, one at a time, and as wide a band where a token of another class has it.

    Parameters
    ----------
    case
        Tokens with their true classes, which are the targets.
    formants
        Formant table with ``token`` and ``f1_50`` …, Hz; formants that are missing, or above `max_hz`, are left out.
    max_hz
        Upper end of what the classifier sees.

    Returns
    -------
    DataFrame
        One row a token and formant: ``token, label, formant, effect`` (what the class's logit loses without the band of
        250 Hz around the formant), ``chance`` (without the band where a random token of another class has the same
        formant).
    """
    rows = formants.set_index("token").reindex(case.names.tolist())
    centres = rows[[f"f{k}_50" for k in FORMANTS]].to_numpy(dtype=float, na_value=np.nan)
    centres = np.where(centres < max_hz, centres, np.nan)
    classifier, seed = case.setting.classifier, case.setting.seed
    elsewhere = _of_other_classes(centres, case.classes, np.random.default_rng(seed))
    both = np.concatenate([centres, elsewhere], axis=1)
    effects = band_effects(
        classifier,
        case.waveforms,
        np.stack([np.maximum(both - HALF_HZ, 0.0), np.minimum(both + HALF_HZ, max_hz)], axis=2),
        "true",
        true_labels=case.true_labels,
        tokens=case.names.tolist(),
        reference=case.reference,
        context_seconds=case.context / classifier.sample_rate,
        seed=seed,
    ).values
    tables = [
        pd.DataFrame(
            {"token": case.names, "label": case.classes, "formant": f"F{k}", "effect": effect, "chance": chance}
        )
        for k, effect, chance in zip(FORMANTS, effects.T[: len(FORMANTS)], effects.T[len(FORMANTS) :], strict=True)
    ]
    return pd.concat(tables, ignore_index=True).dropna(ignore_index=True)


def removal_table(tokens: pd.DataFrame, clusters: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Mean effect of taking a formant away, per class and formant, with cluster-bootstrap intervals.

    Parameters
    ----------
    tokens
        From `formant_removal`, of one classifier or of several.
    clusters
        ``token`` and the columns to resample, from the highest level down.
    seed
        Of the resampling.

    Returns
    -------
    DataFrame
        ``label`` (and ``all``), ``formant, effect, low, high, chance, excess, excess_low, excess_high`` (effect −
        chance, in logits), ``n, n_units, unit``.
    """
    merged = tokens.merge(clusters, on="token", how="left")
    levels = [column for column in clusters.columns if column != "token"]
    rows = []
    for label in [POOLED, *sorted(merged["label"].unique())]:
        for formant in sorted(merged["formant"].unique()):
            chosen = merged["formant"].eq(formant) & (merged["label"].eq(label) | (label == POOLED))
            of_class = merged[chosen].reset_index(drop=True)
            if of_class.empty:
                continue
            effect, excess = (
                mean_interval(values.to_numpy(), of_class[levels])
                for values in (of_class["effect"], of_class["effect"] - of_class["chance"])
            )
            row = {"label": label, "formant": formant, "effect": effect.estimate, "low": effect.low}
            row |= {"high": effect.high, "chance": float(of_class["chance"].mean()), "excess": excess.estimate}
            row |= {"excess_low": excess.low, "excess_high": excess.high, "n": len(of_class)}
            rows.append(row | {"n_units": effect.n_units, "unit": effect.unit})
    return pd.DataFrame(rows)


def _of_other_classes(centres: np.ndarray, classes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Formants of a random token of another class for each token; NaN where there is none."""
    chosen = np.full_like(centres, np.nan)
    for label in dict.fromkeys(classes):
        members, others = np.flatnonzero(classes == label), np.flatnonzero(classes != label)
        if len(others):
            chosen[members] = centres[random.choice(others, size=len(members))]
    return chosen
