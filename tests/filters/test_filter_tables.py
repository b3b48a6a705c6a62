"""What the command writes: recordings in, a folder of tables and figures out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import nn

import phonoscope.filters as filters
from phonoscope.audio import write_audio
from phonoscope.classifier import Classifier
from phonoscope.errors import AudioError, PhonoscopeError
from phonoscope.filters import bank_of, read_recordings, response_spectrum
from phonoscope.frontends import Waveform
from phonoscope.report.filter_folder import FilterSettings, write_filters

RATE = 8000


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    for number in range(6):
        samples = 0.1 * np.random.default_rng(number).standard_normal(2000)
        folder = tmp_path / "sounds" / ("yes" if number % 2 else "no")
        folder.mkdir(parents=True, exist_ok=True)
        write_audio(folder / f"{number}.wav", samples.astype(np.float32), RATE)
    (tmp_path / "sounds" / "no" / "bad.wav").write_bytes(b"RIFF")
    (tmp_path / "sounds" / "no" / "notes.txt").write_text("not a sound")
    return tmp_path / "sounds"


def test_recordings_are_read_with_their_folders(recordings: Path) -> None:
    waves, tokens = read_recordings([recordings], RATE)
    assert [len(wave) for wave in waves] == [2000] * 6
    assert tokens["label"].tolist() == ["no"] * 3 + ["yes"] * 3
    assert [entry["count"] for entry in tokens.attrs["left_out"]] == [1]
    half, alone = read_recordings([recordings / "yes" / "1.wav"], RATE // 2)
    assert len(half[0]) == 1000
    assert "label" not in alone
    with pytest.raises(AudioError, match=r"bad\.wav"):
        read_recordings([recordings], RATE, strict=True)
    with pytest.raises(AudioError, match="no recording can be read"):
        read_recordings([recordings / "no" / "bad.wav"], RATE)


def test_a_folder_of_tables_and_figures(recordings: Path, tmp_path: Path) -> None:
    waves, tokens = read_recordings([recordings], RATE)
    waves[2] = np.zeros(2000, dtype=np.float32)  # cannot be scaled
    bank = bank_of(nn.Sequential(nn.Conv1d(1, 5, 24, 8)), RATE)
    out = tmp_path / "out"
    summary = write_filters(bank, waves, tokens, out, FilterSettings(n_seeds=4, n_bootstrap=50, rotation=()))
    assert summary["tokens"] == 5
    assert "constant" in summary["left_out"][0]["reason"]
    assert summary["unit"] == "recording"
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["files"] == summary["files"]
    assert {Path(name).name for name in summary["files"]} | {"summary.json"} == {path.name for path in out.iterdir()}
    curves = pd.read_csv(out / "crs.csv")
    assert curves.groupby("label")["n"].first().to_dict() == {"no": 2, "yes": 3}
    assert curves["low"].isna().all()  # two and three tokens
    assert len(pd.read_csv(out / "atlas.csv")) == len(pd.read_csv(out / "contours.csv")) == 5
    assert all((out / f"{name}.png").stat().st_size > 5000 for name in ("strs", "surface", "crs", "atlas", "wigner"))


def test_settings_reach_what_they_are_about(tmp_path: Path) -> None:
    waves = [np.random.default_rng(seed).standard_normal(1500).astype(np.float32) for seed in range(6)]
    tokens = pd.DataFrame({"token": [f"t{k}" for k in range(6)], "label": list("aabbab"), "speaker": list("uvwxyz")})
    bank = bank_of(nn.Sequential(nn.Conv1d(1, 4, 24, 8)), RATE)

    def curves(**settings: Any) -> pd.DataFrame:
        chosen = FilterSettings(**({"n_seeds": 3, "n_bootstrap": 50, "rotation": ()} | settings))
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        summary = write_filters(bank, waves, tokens, out, chosen)
        assert (summary["scaling"], summary["by"], summary["unit"]) == (chosen.scaling, chosen.by, "speaker")
        return pd.read_csv(out / "crs.csv")

    first, other = curves(), curves(seed=9)
    assert (first["learned"] == other["learned"]).all()
    assert (first["null"] != other["null"]).mean() > 0.9
    assert (first["learned_low"] != other["learned_low"]).any()
    with pytest.raises(PhonoscopeError, match="curves by 'colour'"):
        FilterSettings(by="colour")


def test_a_classifier_is_its_network_at_its_rate() -> None:
    classifier = Classifier.build(Waveform(RATE, 0.5), "sub-segmental", ["a", "b"])
    wave = np.random.default_rng(0).standard_normal(3000)
    found, expected = (response_spectrum(one, wave, RATE) for one in (classifier, classifier.network))
    np.testing.assert_array_equal(found.values, expected.values)
    with pytest.raises(PhonoscopeError, match="resample"):
        response_spectrum(classifier, wave, 16_000)


def test_the_room_says_what_it_offers() -> None:
    assert all(hasattr(filters, name) for name in filters.__all__)
