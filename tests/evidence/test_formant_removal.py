"""Formants taken out of the sound: a network that hears one formant loses it, and nothing else."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from phonoscope import Classifier, Waveform
from phonoscope.evidence.case import open_case
from phonoscope.evidence.removal import formant_removal, removal_table, same_energy_bands

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
    effects = found.groupby(["formant", "control"])[["effect", "chance"]].mean()
    assert effects.loc["F2", "effect"].to_numpy() == pytest.approx(40, abs=0.5)
    assert effects.loc["F1", "effect"].to_numpy() == pytest.approx(0, abs=0.2)
    # Where the other class has it there is nothing; another token of the class has it at the same place; a band with
    # as much energy holds the other tone, which nobody hears.
    assert effects.loc[("F2", "other class"), "chance"] == pytest.approx(0, abs=0.2)
    assert effects.loc[("F2", "same class"), "chance"] == pytest.approx(40, abs=0.5)
    assert effects.loc[("F2", "same energy"), "chance"] == pytest.approx(0, abs=0.2)
    assert effects.loc[("F1", "same energy"), "chance"] == pytest.approx(40, abs=1.0)
    assert effects.loc[("F1", "same class"), "chance"] == pytest.approx(0, abs=0.2)


def energy_in(sound, low, high):
    power = np.square(np.abs(np.fft.rfft(sound, n=4 * RATE)))
    hertz = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    return power[(hertz >= low) & (hertz < high)].sum()


def test_a_band_of_the_same_energy_lies_elsewhere_and_holds_as_much():
    random = np.random.default_rng(0)
    sounds = [np.cumsum(random.normal(size=3000)) * 0.01 for _ in range(5)]
    bands = np.tile([[[300.0, 550.0], [1800.0, 2050.0], [np.nan, np.nan]]], (5, 1, 1))
    matched = same_energy_bands(sounds, bands, RATE, 8000.0, np.random.default_rng(1))
    assert np.isnan(matched[:, 2]).all()
    known = 0
    for sound, own, other in zip(sounds, bands, matched, strict=True):
        for (low, high), (first, last) in zip(own[:2], other[:2], strict=True):
            if np.isfinite(first):
                known += 1
                assert last <= low or first >= high
                assert 50 <= last - first <= 1000
                assert energy_in(sound, first, last) == pytest.approx(energy_in(sound, low, high), rel=0.05)
    assert known >= 5
    # The loudest of all has no equal: nothing is made up.
    tone = 0.1 * np.sin(2 * np.pi * 500 * np.arange(3000) / RATE) + 1e-5 * random.normal(size=3000)
    alone = same_energy_bands([tone], np.array([[[375.0, 625.0]]]), RATE, 8000.0, np.random.default_rng(1))
    assert np.isnan(alone).all()


def test_the_table_has_every_class_with_its_chance_and_intervals():
    classifier, sounds, formants, names, classes = material()
    found = formant_removal(case_of(classifier, sounds, names, classes), formants, max_hz=8000)
    clusters = pd.DataFrame({"token": names, "speaker": [f"s{i % 6}" for i in range(len(names))]})
    table = removal_table(found, clusters).set_index(["label", "formant", "control"])
    assert list(dict.fromkeys(table.index.get_level_values(0))) == ["all", "high", "low"]
    row = table.loc[("all", "F2", "other class")]
    assert row["excess"] == pytest.approx(row["effect"] - row["chance"])
    assert row["excess_low"] > 30
    assert row["n"] == 12
    assert row["unit"] == "speaker"
    assert table.loc[("high", "F1", "other class"), "excess"] == pytest.approx(0, abs=1e-3)
    assert table.loc[("all", "F2", "same class"), "excess"] == pytest.approx(0, abs=0.5)
    few = removal_table(found[found["token"].isin(names[:5])], clusters)
    assert few[["low", "high", "excess_low"]].isna().all(axis=None)  # five tokens of five speakers
