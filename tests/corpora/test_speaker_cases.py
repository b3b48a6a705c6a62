"""Corpora as they come from the field: speakers, channels and names, each with what its README expects."""

from pathlib import Path

import pytest

from phonoscope.audio import cut
from phonoscope.corpora import read_corpus


@pytest.fixture
def cases(shared_data) -> Path:
    folder = shared_data / "field_cases"
    if not folder.is_dir():
        pytest.skip("the field cases are not there")
    return folder


def read(cases: Path, name: str, table: str | None = None, **rules):
    if not (cases / name).is_dir():
        pytest.skip(f"the field case {name} is not there")
    return read_corpus(cases / name / "corpus", speakers=table and cases / name / table, **rules)


def said(tokens) -> str:
    return " ".join([*tokens.attrs["settings"]["warnings"], str(tokens.attrs["left_out"])])


@pytest.mark.parametrize(
    ("name", "speakers"),
    [
        ("spk_colon", ["ANNA", "BEN"]), ("spk_dash", ["Speaker 1", "Speaker's 2"]), ("spk_hyphen", ["spk1", "spk2"]),
        ("spk_num", ["1", "2"]), ("spk_under", ["spk1", "spk2"]),
    ],
)  # fmt: skip
def test_two_speakers(cases, name, speakers):
    tokens = read(cases, name, classes="any-vowel")
    assert tokens.groupby("speaker").size().to_dict() == dict.fromkeys(speakers, 10)
    assert tokens["word"].notna().all()


def test_stereo(cases):
    tokens = read(cases, "stereo_overlap", classes="any-vowel")
    assert "several channels and 2 speakers" in said(tokens)
    assert (tokens["overlap"] > 0).any()
    tokens = read(cases, "stereo_antiphase", classes="any-vowel")
    assert "cancel out" in said(tokens)
    assert min(abs(w).max() for w in cut(tokens)[0]) > 0.01


def test_names_and_tables(cases):
    for table in ("speakers.csv", "speakers_de.csv"):
        tokens = read(cases, "speakers_latin1", table)
        assert tokens.groupby("speaker")["sex"].first().to_dict() == {"Anna": "f", "Jörg": "m"}
        assert tokens.attrs["settings"]["warnings"] == []
    assert "u1-token.TextGrid" in said(read(cases, "name_suffix"))
    for name in ("u1_old", "u2", "u3"):
        assert f"{name}.TextGrid" in said(read(cases, "no_wav"))


def test_damaged_files_and_rates(cases):
    tokens = read(cases, "one_broken")
    assert set(tokens["recording"]) == {"a.wav", "d.wav"}
    assert "b.TextGrid, line" in said(tokens)
    assert "c.wav is an empty file" in said(tokens)
    tokens = read(cases, "audio_formats", classes="any-vowel")
    assert tokens["recording"].nunique() == 17
    assert "different sample rates" in said(tokens)
    gaps = read(cases, "tier_gaps", classes="all")
    follows = abs(gaps["start"].to_numpy()[1:] - gaps["end"].to_numpy()[:-1]) < 0.002
    assert not follows.all()
    assert (gaps["previous"].isna().to_numpy()[1:] == ~follows).all()
