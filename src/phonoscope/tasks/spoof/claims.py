"""What the second paper's Table 1 says of spoofed speech, beside what a run measures and its controls."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from phonoscope.corpora.asvspoof import HYBRID, TTS, VC
from phonoscope.judgement.claims import HOLDS, Claim, Finding, unmeasured
from phonoscope.tasks.spoof.judge import ATTACK, CONTROL, LAYER, RANDOM, SPECTRUM

# Table 1: accuracy and spread by kind of attack, of the two networks' first layers, on ASVspoof 2019 LA, eval.
PAPER_TABLE = {
    TTS: {"ResNet": (0.90, 0.015), "InceptionNet": (0.89, 0.017)},
    HYBRID: {"ResNet": (0.91, 0.02), "InceptionNet": (0.90, 0.01)},
    VC: {"ResNet": (0.67, 0.056), "InceptionNet": (0.62, 0.043)},
}
NOT_BEYOND_RANDOM = "above chance, but not beyond random filters"
NOT_BEYOND_CONTROL = "not beyond what real recordings differ among themselves"
_SECTION = "3.2, Table 1"


def spoof_claims(results: pd.DataFrame) -> list[Claim]:
    """Table 1 of the paper, kind by kind, then other attacks: is the layer better than random filters and the control?

    Parameters
    ----------
    results : DataFrame
        Of `phonoscope.tasks.spoof.judge.tell_apart`; each claim is measured on its `rows_of`.
    """
    layers = [row for row in results.to_dict("records") if row["feature"] == LAYER and row["attack"] != CONTROL]
    claims = []
    for kind, accuracies in PAPER_TABLE.items():
        paper = " and ".join(f"{value:.2f} ± {spread:g} ({name})" for name, (value, spread) in accuracies.items())
        says = f"{kind}: the first layer's CRS tells {paper} of the recordings apart"
        of_kind = [row for row in layers if row["kind"] == kind]
        pooled = next((row for row in of_kind if row["level"] != ATTACK), of_kind[0] if len(of_kind) == 1 else None)
        if pooled is None:
            claims.append(Claim(_SECTION, says, lambda _rows: unmeasured("the corpus holds no such attack")))
        else:
            attack = pooled["attack"]
            claims.append(Claim(_SECTION, f"{says}; here: {attack}", partial(_beyond_controls, attack=attack)))
    for row in layers:
        if row["kind"] not in PAPER_TABLE and row["level"] == ATTACK:
            says = f"The first layer itself captures what tells spoofed from real speech; here: {row['attack']}"
            claims.append(Claim("3.2", says, partial(_beyond_controls, attack=row["attack"])))
    return claims


def rows_of(results: pd.DataFrame) -> dict[tuple[str, str], dict[Any, Any]]:
    """Rows of the results by attack and feature."""
    return {(row["attack"], row["feature"]): row for row in results.to_dict("records")}


def _beyond_controls(rows: Mapping[tuple[str, str], Mapping[Any, Any]], *, attack: str) -> Finding:
    """Is the layer beyond what real recordings differ by, and beyond random filters?"""
    layer, random, plain = (rows[attack, feature] for feature in (LAYER, RANDOM, SPECTRUM))
    control = rows[CONTROL, LAYER]
    above = layer["low"] > max(0.5, control["balanced_accuracy"])
    verdict = (HOLDS if layer["beyond_random_low"] > 0 else NOT_BEYOND_RANDOM) if above else NOT_BEYOND_CONTROL
    measured = (
        f"balanced {layer['balanced_accuracy']:.1%} ({layer['low']:.1%}–{layer['high']:.1%}), EER {layer['eer']:.1%} "
        f"({layer['eer_low']:.1%}–{layer['eer_high']:.1%}); accuracy {layer['accuracy']:.1%}"
    )
    detail = (
        f"random filters {random['balanced_accuracy']:.1%} (the layer {100 * layer['beyond_random']:+.1f} points, "
        f"{100 * layer['beyond_random_low']:+.1f} to {100 * layer['beyond_random_high']:+.1f}), long-term spectrum "
        f"{plain['balanced_accuracy']:.1%}, control {control['balanced_accuracy']:.1%}; naming the commoner side "
        f"always would be right in {layer['majority']:.1%}"
    )
    return Finding(measured, verdict, detail)
