"""Recordings and alignments: what is paired by names that differ, and that nothing without a partner goes unnamed."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from phonoscope.corpora import pairing_report, read_corpus, summary
from phonoscope.corpora.textgrid import Interval, TextGrid, Tier, write_textgrid
from phonoscope.errors import CorpusError

RATE = 8000


def sound(path: Path, seconds: float = 1.0, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).normal(0, 0.05, round(seconds * rate))
    soundfile.write(path, noise, rate, format="OGG" if path.suffix == ".oga" else None)
    return path


def grid(path: Path, seconds: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    phones = (Interval(0.1, 0.3, "IY1"), Interval(0.3, 0.5, "S"), Interval(0.5, 0.7, "AE1"))
    write_textgrid(path, TextGrid(0.0, seconds, (Tier("phones", phones),)))
    return path


def counts(tokens, what: str) -> dict[str, int]:
    return {entry["reason"]: entry["count"] for entry in tokens.attrs["left_out"] if entry["what"] == what}


@pytest.mark.parametrize(
    ("audio", "alignment"),
    [
        ("my_talk.wav", "my-talk.TextGrid"), ("a b.wav", "a_b.TextGrid"), ("u1.wav", "U1.TextGrid"),
        ("u1.wav", "u1-palign.TextGrid"), ("u1.wav", "u1_aligned.TextGrid"), ("u1_ch1.wav", "u1.TextGrid"),
        (unicodedata.normalize("NFD", "Jörg.wav"), unicodedata.normalize("NFC", "Jörg.TextGrid")),
    ],
)  # fmt: skip
def test_names_that_differ_a_little_are_paired_and_counted(tmp_path, audio, alignment):
    sound(tmp_path / audio)
    grid(tmp_path / alignment)
    tokens = read_corpus(tmp_path)
    assert len(tokens) == 3
    assert counts(tokens, "alignment") == {}
    said = " ".join(tokens.attrs["settings"]["warnings"])
    exactly = unicodedata.normalize("NFC", Path(audio).stem.casefold()) == Path(alignment).stem.casefold()
    assert ("names that differ" in said) is not exactly
    assert bool([e for e in pairing_report(tmp_path) if e["what"] == "pair"]) is not exactly


def test_what_could_be_two_things_is_not_paired(tmp_path):
    for name in ("a_1", "a-1"):
        sound(tmp_path / f"{name}.wav")
    grid(tmp_path / "a 1.TextGrid")
    sound(tmp_path / "b.wav")
    grid(tmp_path / "b.TextGrid")
    sound(tmp_path / "c.wav")
    grid(tmp_path / "c-palign.TextGrid")
    grid(tmp_path / "c_mfa.TextGrid")
    tokens = read_corpus(tmp_path)
    assert set(tokens["recording"]) == {"b.wav"}
    assert counts(tokens, "alignment") == {"no recording of this name": 3}
    assert sum(counts(tokens, "recording").values()) == 3


def test_every_file_without_a_partner_is_named(tmp_path):
    for name in ("u1.wav", "u5.wav", "u6.oga"):
        sound(tmp_path / name)
    (tmp_path / "u7.m4a").write_bytes(b"\0" * 9)
    sound(tmp_path / "u1.flac")
    for name in ("u1", "u1_old", "u2", "u3", "u6", "u7"):
        grid(tmp_path / f"{name}.TextGrid")
    (tmp_path / "u1.phn").write_text("0 1600 iy\n")
    tokens = read_corpus(tmp_path)
    assert set(tokens["recording"]) == {"u1.flac", "u6.oga"}
    assert counts(tokens, "recording") == {
        ".m4a cannot be read; convert it to WAV or FLAC": 1,
        "the same recording is read from another file of this name": 1,
        "no alignment (make one with: phonoscope align)": 1,
    }
    assert counts(tokens, "alignment") == {
        "no recording of this name": 4,
        "another alignment of this name is read": 1,
    }
    report = {(e["what"], e["reason"]): e["count"] for e in pairing_report(tmp_path)}
    told = {(e["what"], e["reason"]): e["count"] for e in tokens.attrs["left_out"] if e["what"] != "token"}
    assert {key: report[key] for key in told} == report == told
    assert "u1_old.TextGrid" in summary(tokens)
    assert "u7.m4a" in summary(tokens)


def test_a_grid_longer_than_its_sound_is_left_out_with_both_numbers(tmp_path):
    sound(tmp_path / "a.wav", 1.0)
    grid(tmp_path / "a.TextGrid", 1.05)
    sound(tmp_path / "b.wav", 0.5)
    grid(tmp_path / "b.TextGrid", 1.0)
    tokens = read_corpus(tmp_path)
    assert set(tokens["recording"]) == {"a.wav"}
    (entry,) = [e for e in tokens.attrs["left_out"] if e["what"] == "recording"]
    assert entry["reason"] == "alignment longer than the sound"
    assert "1.000 s" in entry["examples"][0]
    assert "0.500 s" in entry["examples"][0]
    with pytest.raises(CorpusError, match=r"b\.wav: the alignment lasts 1\.000 s, the sound 0\.500 s"):
        read_corpus(tmp_path, strict=True)


def test_different_rates_are_kept_with_a_note(tmp_path):
    for name, rate in (("a", 8000), ("b", 16000)):
        sound(tmp_path / name / "1.wav", rate=rate)
        grid(tmp_path / name / "1.TextGrid")
    tokens = read_corpus(tmp_path)
    assert set(tokens["speaker"]) == {"a", "b"}
    assert any("8000 Hz (1), 16000 Hz (1)" in line for line in tokens.attrs["settings"]["warnings"])


@pytest.mark.parametrize(("session", "speaker"), [("0000_ses", None), ("anna_ses", "anna")])
def test_an_emu_database_is_no_speaker(tmp_path, session, speaker):
    home = tmp_path / "ae_emuDB" / session
    for name in ("m03", "m10"):
        sound(home / f"{name}_bndl" / f"{name}.wav")
        grid(home / f"{name}_bndl" / f"{name}.TextGrid")
    for root in (tmp_path, tmp_path / "ae_emuDB"):
        tokens = read_corpus(root)
        assert set(tokens["speaker"].dropna()) == ({speaker} if speaker else set())
        assert ("--speaker-from" in summary(tokens)) is (speaker is None)


@pytest.mark.parametrize(
    ("pattern", "speakers"),
    [("{speaker}_*", {"p1", "p2"}), ("*_{speaker}", {"x", "y"}), ("{speaker}/*", {"s_a"}), ("s_{speaker}/*", {"a"})],
)
def test_speakers_from_names(tmp_path, pattern, speakers):
    for name in ("p1_x", "p2_y"):
        sound(tmp_path / "wav" / "s_a" / f"{name}.wav")
        grid(tmp_path / "wav" / "s_a" / f"{name}.TextGrid")
    assert set(read_corpus(tmp_path, speaker_from=pattern)["speaker"]) == speakers


def test_speakers_from_names_that_do_not_fit(tmp_path):
    for name in ("p1_x", "other"):
        sound(tmp_path / f"{name}.wav")
        grid(tmp_path / f"{name}.TextGrid")
    tokens = read_corpus(tmp_path, speaker_from="{speaker}_*")
    assert tokens.dropna(subset="speaker").groupby("recording")["speaker"].first().to_dict() == {"p1_x.wav": "p1"}
    assert tokens["recording"].nunique() == 2
    assert any("does not fit 1 of 2" in line for line in tokens.attrs["settings"]["warnings"])
    with pytest.raises(CorpusError, match="fits no recording"):
        read_corpus(tmp_path, speaker_from="{speaker}#*")
    with pytest.raises(CorpusError, match=r"expected \{speaker\} once"):
        read_corpus(tmp_path, speaker_from="p*")
