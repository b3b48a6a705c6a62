"""The paper's second experiment on real recordings, two epochs, from end to end."""

import numpy as np
import pytest

from phonoscope.experiments.folder import Run


def test_five_vowels_of_ljspeech(shared_data, phonoscope, tmp_path):
    root = shared_data / "ljspeech"
    answer = phonoscope(
        "run", "vowels-4k", "--corpus", root, "--alignments", root / "textgrids", "--out", tmp_path / "run",
        "--epochs", 2, "--folds", 1, "--json",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    run = Run(tmp_path / "run")
    assert run.labels == ["i", "æ", "ɝ", "ɑ", "u"]
    assert run.facts["unit"] == "recording"  # one speaker
    assert run.facts["sample_rate"] == 22050
    parts = run.tokens.groupby("recording")["split"].agg(["min", "max"])
    assert (parts["min"] == parts["max"]).all()
    assert len(run.tokens) > 200
    assert len(run.predictions) == (run.tokens["split"] == "test").sum()
    # the formants of her /i/ and /ɑ/ lie where those of women lie
    table = run.formants.merge(run.tokens[["token", "class"]], on="token").groupby("class")[["f1_50", "f2_50"]].median()
    assert table.loc["i", "f1_50"] < 500 < 600 < table.loc["ɑ", "f1_50"]
    assert table.loc["i", "f2_50"] > 2000 > 1700 > table.loc["ɑ", "f2_50"]
    maps = run.maps()
    assert maps["frequency"].values == pytest.approx(31.25 + 250 * np.arange(16))
    assert np.abs(maps["incompleteness"].values).max() < 1e-4
    assert answer.json["shares"]["i"]["F2"]["n"] > 0
    assert all(isinstance(part["share"], float) for part in answer.json["shares"]["all"].values())
