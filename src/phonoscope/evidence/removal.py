"""What the network loses without one formant: the token's own filtered out of its sound, beside a wrong one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from phonoscope.attribution.effects import band_effects
from phonoscope.classifier import Classifier
from phonoscope.judgement.bootstrap import bootstrap_interval

HALF_HZ = 125.0  # of the band that is taken away around a formant
FORMANTS = (1, 2, 3, 4)
POOLED = "all"


def formant_removal(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray],
    formants: pd.DataFrame,
    *,
    tokens: Sequence[str],
    classes: Sequence[str],
    max_hz: float,
    reference: Sequence[np.ndarray] | None = None,
    context_seconds: float = 0.0,
    at: int = 50,
    prefix: str = "",
    seed: int = 0,
) -> pd.DataFrame:
    """Filter F1 … F4 out of each token, one at a time, and as wide a band where a token of another class has it.

    Parameters
    ----------
    formants
        Formant table with ``token`` and ``f1_50`` …, Hz; formants that are missing, or above `max_hz`, are left out.
    tokens, classes
        Name and class of each waveform; the target is the class.

    Returns
    -------
    DataFrame
        One row a token and formant: ``token, label, formant, effect`` (what the class's logit loses without the band of
        250 Hz around the formant), ``chance`` (without the band where a random token of another class has the same
        formant).
    """
    names = np.asarray(classes, dtype=object)
    rows = formants.set_index("token").reindex(list(tokens))
    centres = rows[[f"{prefix}f{k}_{at}" for k in FORMANTS]].to_numpy(dtype=float, na_value=np.nan)
    centres = np.where(centres < max_hz, centres, np.nan)
    elsewhere = _of_other_classes(centres, names, np.random.default_rng(seed))
    both = np.concatenate([centres, elsewhere], axis=1)
    bands = np.stack([np.maximum(both - HALF_HZ, 0.0), np.minimum(both + HALF_HZ, max_hz)], axis=2)
    effects = band_effects(
        classifier,
        waveforms,
        bands,
        "true",
        true_labels=list(classes),
        tokens=list(tokens),
        reference=reference,
        context_seconds=context_seconds,
        seed=seed,
    ).values
    own, other = effects[:, : len(FORMANTS)], effects[:, len(FORMANTS) :]
    tables = [
        pd.DataFrame(
            {"token": list(tokens), "label": names, "formant": f"F{k}", "effect": own[:, i], "chance": other[:, i]}
        )
        for i, k in enumerate(FORMANTS)
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
            own = merged[chosen].reset_index(drop=True)
            if own.empty:
                continue
            effect, chance = own["effect"].to_numpy(), own["chance"].to_numpy()
            found = [
                bootstrap_interval(lambda w, v=v: w @ v / w.sum(axis=1), len(v), own[levels], seed=seed)
                for v in (effect, effect - chance)
            ]
            rows.append(
                {
                    "label": label,
                    "formant": formant,
                    "effect": found[0].estimate,
                    "low": found[0].low,
                    "high": found[0].high,
                    "chance": float(chance.mean()),
                    "excess": found[1].estimate,
                    "excess_low": found[1].low,
                    "excess_high": found[1].high,
                    "n": len(own),
                    "n_units": found[0].n_units,
                    "unit": found[0].unit,
                }
            )
    return pd.DataFrame(rows)


def _of_other_classes(centres: np.ndarray, classes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Formants of a random token of another class for each token; NaN where there is none."""
    chosen = np.full_like(centres, np.nan)
    for label in dict.fromkeys(classes):
        members, others = np.flatnonzero(classes == label), np.flatnonzero(classes != label)
        if len(others):
            chosen[members] = centres[random.choice(others, size=len(members))]
    return chosen
