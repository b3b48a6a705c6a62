"""Formants taken out of the sound: a network that hears one formant loses it, and nothing else."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from phonoscope import Classifier, Waveform
from phonoscope.evidence.case import open_case
from phonoscope.evidence.removal import formant_removal, removal_table

RATE = 16000
PLACES = {"low": (500.0, 1200.0), "high": (500.0, 2400.0)}


class SecondTone(nn.Module):
    """Logits are the levels in dB around 1200 and 2400 Hz."""

    def forward(self, x):
        power = torch.fft.rfft(x[:, 0]).abs().square()
        hertz = torch.arange(power.shape[1]) * RATE / x.shape[2]
        bands = [((hertz - place).abs() < 100).float() for place in (1200.0, 2400.0)]
        return torch.stack([10 * torch.log10((power * band).sum(1) + 1e-3) for band in bands], 1)


def material(count=12):
    classifier = Classifier(Waveform(RATE, 0.2, standardise=False), SecondTone(), ["low", "high"])
    time = np.arange(round(0.3 * RATE)) / RATE
    classes = ["low", "high"] * (count // 2)
    sounds = [sum(0.1 * np.sin(2 * np.pi * hz * time) for hz in PLACES[name]).astype(np.float32) for name in classes]
    names = [f"t{i}" for i in range(count)]
    formants = pd.DataFrame(
        {
            "token": names,
            "f1_50": 500.0,
            "f2_50": [PLACES[name][1] for name in classes],
            "f3_50": np.nan,
            "f4_50": 9000.0,
        }
    )
    return classifier, sounds, formants, names, classes


def case_of(classifier, sounds, names, classes):
    return open_case(classifier, sounds, target="true", true_labels=classes, tokens=names, context_seconds=0.05)


def test_the_network_loses_the_formant_that_it_hears_and_no_other():
    classifier, sounds, formants, names, classes = material()
    found = formant_removal(case_of(classifier, sounds, names, classes), formants, max_hz=8000)
    assert set(found["formant"]) == {"F1", "F2"}
    effects = found.groupby("formant")[["effect", "chance"]].mean()
    # 40 dB down, and up again by 3 dB: the other tone alone makes the level.
    assert effects.loc["F2", "effect"] == pytest.approx(37, abs=0.5)
    assert effects.loc["F1", "effect"] == pytest.approx(-3, abs=0.2)
    assert effects.loc["F2", "chance"] == pytest.approx(0, abs=0.2)
    assert effects.loc["F1", "chance"] == pytest.approx(effects.loc["F1", "effect"], abs=1e-3)


def test_the_table_has_every_class_with_its_chance_and_intervals():
    classifier, sounds, formants, names, classes = material()
    found = formant_removal(case_of(classifier, sounds, names, classes), formants, max_hz=8000)
    clusters = pd.DataFrame({"token": names, "speaker": [f"s{i % 6}" for i in range(len(names))]})
    table = removal_table(found, clusters).set_index(["label", "formant"])
    assert list(dict.fromkeys(table.index.get_level_values(0))) == ["all", "high", "low"]
    row = table.loc[("all", "F2")]
    assert row["excess"] == pytest.approx(row["effect"] - row["chance"])
    assert row["excess_low"] > 30
    assert row["n"] == 12
    assert row["unit"] == "speaker"
    assert table.loc[("high", "F1"), "excess"] == pytest.approx(0, abs=1e-3)
