"""A listener whose rule is known: log odds that are linear in what each stimulus measures."""

import numpy as np
import pandas as pd
from scipy.special import log_softmax

from phonoscope.perception import Trials
from phonoscope.perception.cue_scales import cue_scale

LABELS = ["i", "u", "ɑ"]
UNITS = {"f1": "Hz", "f2": "Hz", "f3": "Hz", "f0": "Hz", "level": "dB"}
STEPS = {
    "f1": [-160.0, -80.0, 0.0, 80.0, 160.0],
    "f2": [-600.0, -300.0, 0.0, 300.0, 600.0],
    "f3": [-400.0, -200.0, 0.0, 200.0, 400.0],
    "f0": [-20.0, -10.0, 0.0, 10.0, 20.0],
    "level": [-6.0, -3.0, 0.0, 3.0, 6.0],
}
SPOKEN = {"i": (300, 2300, 3000), "u": (330, 1000, 2300), "ɑ": (750, 1150, 2500)}


def presented(tokens=12, cues=("f1", "f2", "f3", "f0", "level"), crosstalk=0.0, seed=0):
    """Stimuli of some tokens a class, each of its own recording, with everything measured; F2 drags F1 along."""
    rng = np.random.default_rng(seed)
    rows, token = [], 0
    for spoken, formants in SPOKEN.items():
        for _ in range(tokens):
            token += 1
            natural = dict(zip(("f1", "f2", "f3"), rng.normal(formants, 40), strict=True))
            natural |= {"f0": rng.normal(200, 15), "level": rng.normal(60, 2)}
            for cue in cues:
                for step in STEPS[cue]:
                    measured = dict(natural)
                    measured[cue] += step
                    if cue == "f2":
                        measured["f1"] += crosstalk * step
                    rows.append({"token": token, "class": spoken, "recording": f"r{token}", "speaker": None,
                                 "cue": cue, "step": step, "achieved": measured[cue], "before": natural[cue],
                                 "missed": False, "unit": UNITS[cue], "step_unit": UNITS[cue],
                                 **measured})  # fmt: skip
    return pd.DataFrame(rows)


def answered(table, rule, trainings=1, noise=0.0, seed=0):
    """Answers by a rule: for each label the weight of each cue, per unit of its scale, around the middle of vowels."""
    rng = np.random.default_rng(seed)
    logits = np.zeros((trainings, len(table), len(LABELS)))
    for label, weights in rule.items():
        for cue, weight in weights.items():
            scaled = cue_scale(cue, UNITS[cue]).to(table[cue].to_numpy())
            logits[..., LABELS.index(label)] += weight * (scaled - _middle(cue))
    logits += noise * rng.normal(size=(trainings, table["token"].nunique(), len(LABELS)))[:, table["token"] - 1]
    return Trials(table, LABELS, log_softmax(logits, axis=-1))


def _middle(cue):
    return {"f1": cue_scale("f1").to(450.0), "f2": cue_scale("f2").to(1500.0), "f3": cue_scale("f3").to(2600.0),
            "f0": cue_scale("f0").to(200.0), "level": 60.0}[cue]  # fmt: skip
