"""Participants whose psychometric functions are known, and stimuli to ask them about."""

import numpy as np
import pandas as pd
from scipy.special import expit

from phonoscope.perception.presenting import Presented

RATE = 16000
LABELS = ["i", "u"]
UNITS = {"f2": "Hz", "f0": "Hz", "level": "dB"}


def stimuli_of(tokens=3, steps=7, seed=0, cues=("f2",)):
    """Tokens of /u/ moved along each cue, with sounds of different levels; one stimulus in the middle missed."""
    rng = np.random.default_rng(seed)
    rows, sounds = [], []
    for token in range(tokens):
        for cue in cues:
            for step in np.linspace(-600, 600, steps) if cue == "f2" else np.linspace(-6, 6, steps):
                before = {"f2": 1600.0 + 20 * token, "f0": 200.0, "level": 60.0}[cue]
                value = before + step
                rows.append({"token": f"t{token}", "class": "u", "speaker": "s", "recording": f"r{token}", "cue": cue,
                             "step": step, "achieved": value, "before": before, "missed": False, "unit": UNITS[cue],
                             "sham": False, "pattern": pd.NA, "f1": 320.0, "f3": 2500.0, cue: value})  # fmt: skip
                length = int(0.08 * RATE)
                tone = np.sin(2 * np.pi * (200 + 100 * token) * np.arange(length) / RATE)
                loudness = 0.02 * 10 ** (step / 20) if cue == "level" else 0.02
                sounds.append((loudness * (tone + 0.01 * rng.normal(size=length))).astype(np.float32))
    return Presented(pd.DataFrame(rows), sounds)


def answers_of(stimuli, boundary=1600.0, slope=-0.01, participants=12, repeats=3, lapse=0.04, spread=0.0, seed=0):
    """Answers of people who say /u/ below their boundary of F2 and /i/ above it, and slip now and then.

    ``slope`` is the change of the log odds of /u/ per Hz, ``spread`` the standard deviation of their boundaries.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(participants):
        own = boundary + spread * rng.normal()
        heard = stimuli.iloc[np.concatenate([rng.permutation(len(stimuli)) for _ in range(repeats)])]
        share = lapse / 2 + (1 - lapse) * expit(slope * (heard["achieved"].to_numpy() - own))
        said = np.where(rng.random(len(heard)) < share, "u", "i")
        rows.append(heard.assign(participant=f"p{number}", trial=np.arange(1, len(heard) + 1), answer=said,
                                 seconds=rng.uniform(0.4, 2.0, len(heard)).round(3)))  # fmt: skip
    table = pd.concat(rows, ignore_index=True)
    table.attrs = {"labels": LABELS}
    return table
