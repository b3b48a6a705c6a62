"""What the second paper's Table 1 says of spoofed speech, beside what a run measures and its controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from phonoscope.corpora.asvspoof import HYBRID, TTS, VC
from phonoscope.judgement.claims import Claim, Finding, above, all_of, unmeasured
from phonoscope.tasks.spoof.judge import ATTACK, CONTROL, LAYER, RANDOM, SPECTRUM, accuracies, beyond_random

# Table 1: accuracy and spread by kind of attack, of the two networks' first layers, on ASVspoof 2019 LA, eval.
PAPER_TABLE = {
    TTS: {"ResNet": (0.90, 0.015), "InceptionNet": (0.89, 0.017)},
    HYBRID: {"ResNet": (0.91, 0.02), "InceptionNet": (0.90, 0.01)},
    VC: {"ResNet": (0.67, 0.056), "InceptionNet": (0.62, 0.043)},
}
_SECTION = "3.2, Table 1"


def spoof_claims(results: pd.DataFrame) -> list[Claim]:
    """Table 1 of the paper, kind by kind, then other attacks: is the layer better than random filters and the control?

    Parameters
    ----------
    results : DataFrame
        Of `phonoscope.tasks.spoof.judge.tell_apart`; each claim is measured on a `Context`.
    """
    layers = [row for row in results.to_dict("records") if row["feature"] == LAYER and row["attack"] != CONTROL]
    claims = []
    for kind, of_networks in PAPER_TABLE.items():
        paper = " and ".join(f"{value:.2f} ± {spread:g} ({name})" for name, (value, spread) in of_networks.items())
        says = f"{kind}: the first layer's CRS tells {paper} of the recordings apart"
        of_kind = [row for row in layers if row["kind"] == kind]
        pooled = next((row for row in of_kind if row["level"] != ATTACK), of_kind[0] if len(of_kind) == 1 else None)
        if pooled is None:
            claims.append(Claim(_SECTION, says, lambda _context: unmeasured("the corpus holds no such attack")))
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


@dataclass(frozen=True)
class Context:
    """What the claims are measured on: ``rows`` as of `rows_of`, and the scores of `tell_apart`."""

    rows: Mapping[tuple[str, str], Mapping[Any, Any]]
    scores: pd.DataFrame

    def parts(self, attack: str, feature: str) -> list[pd.DataFrame]:
        """Scores of an attack by a feature, one table a detector."""
        chosen = self.scores[(self.scores["attack"] == attack) & (self.scores["feature"] == feature)]
        return [part.reset_index(drop=True) for _, part in chosen.groupby("part", sort=True)]


def _beyond_controls(context: Context, *, attack: str) -> Finding:
    """Is the layer beyond what real recordings differ by, and beyond random filters?"""
    if (attack, RANDOM) not in context.rows:
        return unmeasured("there are no random filters to compare with: those of this layer cannot be drawn anew")
    layer, random, plain = (context.rows[attack, feature] for feature in (LAYER, RANDOM, SPECTRUM))
    control = context.rows[CONTROL, LAYER]["balanced_accuracy"]
    of_layer = context.parts(attack, LAYER)
    balanced = accuracies(of_layer)["balanced accuracy", ""]
    gained = beyond_random(of_layer, context.parts(attack, RANDOM))
    measured = (
        f"balanced {layer['balanced_accuracy']:.1%} ({layer['low']:.1%}–{layer['high']:.1%}), EER {layer['eer']:.1%} "
        f"({layer['eer_low']:.1%}–{layer['eer_high']:.1%}); accuracy {layer['accuracy']:.1%}"
    )
    detail = (
        f"the layer must beat the control, real against real recordings ({control:.1%}), and random filters "
        f"({random['balanced_accuracy']:.1%}; difference {100 * layer['beyond_random']:+.1f} points, "
        f"{100 * layer['beyond_random_low']:+.1f} to {100 * layer['beyond_random_high']:+.1f}); the long-term spectrum "
        f"reaches {plain['balanced_accuracy']:.1%}, always naming the larger class {layer['majority']:.1%}"
    )
    return Finding(measured, all_of([above(balanced, max(0.5, control)), above(gained, 0.0)]), detail)
