"""The token table: counts of real speech, every rule with its report, joins, storage and summaries."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from phonoscope.audio import cut
from phonoscope.corpora import TokenRules, read_corpus, read_tokens, summary, write_tokens
from phonoscope.corpora.select import class_labels
from phonoscope.corpora.textgrid import Interval, TextGrid, Tier, write_textgrid
from phonoscope.errors import AudioError, CorpusError
from phonoscope.phones import paper_voiceless, paper_vowels

RATE = 8000
# Counted in the text of the 32 phone tiers: IY AE ER AA UW with any stress, and the eight voiceless consonants.
LJ_COUNTS = {
    "i": 93, "æ": 57, "ɝ": 76, "ɑ": 30, "u": 25,
    "p": 67, "t": 164, "k": 71, "f": 59, "s": 99, "tʃ": 15, "ʃ": 22, "θ": 10,
}  # fmt: skip


def utterance(root: Path, name: str, phones: list[tuple[float, str]], words: str = "", seconds: float = 4.0) -> None:
    """Recording of silence with phones of given durations (s); `words` gives one word per phone."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(root / f"{name}.wav", np.zeros(round(seconds * RATE)), RATE)
    ends = np.cumsum([duration for duration, _ in phones])
    starts = [0.0, *ends[:-1]]
    intervals = [Interval(a, b, label) for a, b, (_, label) in zip(starts, ends, phones, strict=True)]
    tiers = [Tier("phones", tuple(intervals))]
    if words:
        labels = words.split()
        tiers.append(Tier("words", tuple(Interval(i.start, i.end, w) for i, w in zip(intervals, labels, strict=True))))
    write_textgrid(root / f"{name}.TextGrid", TextGrid(0.0, float(ends[-1]), tuple(tiers)), fill_gaps=False)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "mini"
    utterance(
        root, "anna/1",
        [(0.2, "sil"), (0.1, "S"), (0.1, "IY1"), (0.04, "AE1"), (0.0, "AA1"), (0.1, "IY0"), (0.1, "QQ"), (0.1, "M"),
         (0.1, "T")],
        "- see see at at me odd me at",
    )  # fmt: skip
    utterance(root, "bea/2", [(0.1, "IY1"), (0.1, "S"), (0.1, "AE1"), (0.1, "EY1"), (0.1, "IY2")], "he is at the sea")
    utterance(root, "bea/3", [(0.1, "IY1"), (0.1, "S"), (0.5, "AE1")], seconds=0.65)
    return root


def reasons(tokens: pd.DataFrame, what: str = "token") -> dict[str, int]:
    return {entry["reason"]: entry["count"] for entry in tokens.attrs["left_out"] if entry["what"] == what}


def test_ljspeech_counts(shared_data):
    tokens = read_corpus(shared_data / "ljspeech", alignments=shared_data / "ljspeech" / "textgrids", min_duration=0)
    assert tokens["label"].value_counts().to_dict() == LJ_COUNTS
    assert tokens["token"].is_unique
    assert set(tokens["speaker"]) == {"LJ"}
    assert tokens.attrs["settings"]["phone_set"] == "arpabet"
    # What is kept and what is left out makes the whole: counted in the files as text.
    folder = shared_data / "ljspeech" / "textgrids"
    texts = [path.read_text() for path in folder.iterdir()]
    intervals = sum(text[text.index('"phones"') :].count("text =") for text in texts)
    assert len(tokens) + sum(reasons(tokens).values()) == intervals
    assert (tokens["stress"].isna() == tokens["label"].isin(paper_voiceless())).all()
    waveforms, kept = cut(tokens, context_seconds=0.025)
    assert len(waveforms) == len(kept) == len(tokens)


def test_rules_and_their_report(corpus):
    tokens = read_corpus(corpus, stressed_only=True, exclude_words=["AT"])
    assert list(tokens["token"]) == ["anna/1:0001", "anna/1:0002", "bea/2:0000", "bea/2:0001", "bea/2:0004",
                                     "bea/3:0000", "bea/3:0001"]  # fmt: skip
    assert reasons(tokens) == {
        "silence or noise": 1,
        "label not mapped": 1,
        "other phones, not asked for": 2,
        "zero length": 1,
        "shorter than 0.05 s": 1,
        "alignment longer than audio": 1,
        "unstressed vowel": 1,
        "excluded word": 2,
    }
    assert list(reasons(tokens)) == [e["reason"] for e in tokens.attrs["left_out"] if e["what"] == "token"]
    labels = [entry for entry in tokens.attrs["left_out"] if entry["what"] == "label"]
    assert labels == [{"what": "label", "reason": "not a phone of arpabet", "count": 1, "examples": ["QQ (1)"]}]
    assert len(tokens) + sum(reasons(tokens).values()) == 9 + 5 + 3


def test_columns(corpus):
    tokens = read_corpus(corpus)
    assert list(tokens.columns) == (
        "token recording start end phone label stress word previous next speaker sex corpus split".split()  # noqa: SIM905
    )
    first = tokens.iloc[0]
    assert (first["recording"], first["phone"], first["label"], first["word"]) == ("anna/1.wav", "S", "s", "see")
    assert (first["previous"], first["next"], first["speaker"], first["corpus"]) == ("sil", "IY1", "anna", "mini")
    assert tokens["stress"].dtype == "Int8"
    assert tokens["stress"].isna().tolist()[:2] == [True, False]
    assert tokens[["sex", "split"]].isna().all(axis=None)
    assert tokens.attrs["roots"] == {"mini": str(corpus.resolve())}
    edges = tokens.set_index("token")
    assert pd.isna(edges.loc["bea/2:0000", "previous"])
    assert pd.isna(edges.loc["bea/2:0004", "next"])
    assert pd.isna(edges.loc["bea/3:0000", "word"])


def test_unusable_recordings_are_reported_and_strict_stops(corpus):
    utterance(corpus, "cleo/4", [(0.1, "S")])
    (corpus / "cleo" / "4.TextGrid").write_text('File type = "ooTextFile"\nObject class = "TextGrid"\n0 1,5\n')
    utterance(corpus, "cleo/5", [(0.1, "S")])
    (corpus / "cleo" / "5.wav").write_bytes(b"RIFFjunk")
    utterance(corpus, "cleo/6", [(0.1, "S")])
    (corpus / "cleo" / "6.TextGrid").unlink()
    utterance(corpus, "cleo/7", [(0.1, "S")])
    write_textgrid(corpus / "cleo" / "7.TextGrid", TextGrid(0.0, 1.0, (Tier("notes", (Interval(0.0, 1.0, "S"),)),)))
    calls = []
    tokens = read_corpus(corpus, progress=lambda done, total: calls.append((done, total)))
    assert reasons(tokens, "recording") == {
        "alignment unreadable": 1,
        "audio unreadable": 1,
        "no alignment (make one with: phonoscope align)": 1,
        "no such tier in the alignment": 1,
    }
    assert calls == [(done, 7) for done in range(1, 8)]
    examples = " ".join(example for entry in tokens.attrs["left_out"] for example in entry["examples"])
    for part in ("4.TextGrid, line 3: 1,5 has a decimal comma", "5.wav", "cleo/6.wav", "it has: notes"):
        assert part in examples
    with pytest.raises(CorpusError, match=r"4\.TextGrid, line 3"):
        read_corpus(corpus, strict=True)


def test_broken_binary_textgrids_are_reported(corpus):
    (corpus / "bea" / "2.TextGrid").write_bytes(b"ooBinaryFile\x08TextGrid")
    tokens = read_corpus(corpus)
    (entry,) = (entry for entry in tokens.attrs["left_out"] if entry["what"] == "recording")
    assert entry["reason"] == "alignment unreadable"
    assert "2.TextGrid, byte 22" in entry["examples"][0]
    assert "cut short" in entry["examples"][0]


def test_rules_are_known_by_name(corpus):
    with pytest.raises(CorpusError, match=r"clases: no such rule of the token table; .*classes.*exclude_words"):
        read_corpus(corpus, clases="paper")
    with pytest.raises(CorpusError, match="min_duration -1 must be at least 0"):
        read_corpus(corpus, min_duration=-1)
    assert len(inspect.signature(read_corpus).parameters) <= 10
    for name in TokenRules.names():
        assert name in TokenRules.__doc__
        assert f"``{name}``" in read_corpus.__doc__


def test_words_to_leave_out_may_stand_in_one_text():
    assert TokenRules(exclude_words="a, the,").exclude_words == ("a", "the")


def test_missing_audio_is_reported(corpus):
    (corpus / "metadata.csv").write_text("1|see\n2|he\n")
    (corpus / "wavs").mkdir()
    for number in (1, 2):
        speaker = "anna" if number == 1 else "bea"
        (corpus / speaker / f"{number}.TextGrid").rename(corpus / "wavs" / f"{number}.TextGrid")
    (corpus / "anna" / "1.wav").rename(corpus / "wavs" / "1.wav")
    tokens = read_corpus(corpus)
    assert set(tokens["recording"]) == {"wavs/1.wav"}
    assert reasons(tokens, "recording") == {"audio missing": 1}
    with pytest.raises(AudioError, match=r"recording not found.*2\.wav"):
        read_corpus(corpus, strict=True)


def test_class_requests():
    assert class_labels("paper") == ([*paper_vowels(), *paper_voiceless()], None)
    assert class_labels("i, er,ʃ,S") == (["i", "ɝ", "ʃ"], None)
    assert class_labels(["ae", "ǃ"], {"ǃ"}) == (["æ", "ǃ"], None)
    assert class_labels("vowels:3")[1] == 3
    assert {"eɪ", "ɪ", "ɝ"} <= set(class_labels("vowels:3")[0])
    for bad in ("vowels:", "vowels:0", "", "i,zz"):
        with pytest.raises(CorpusError):
            class_labels(bad)


def test_most_frequent_vowels(corpus):
    tokens = read_corpus(corpus, classes="vowels:2", min_duration=0)
    # i five times, æ twice (the one beyond the audio does not count), eɪ once.
    assert tokens["label"].value_counts().to_dict() == {"i": 5, "æ": 2}
    assert reasons(tokens)["not one of the 2 most frequent vowels"] == 1
    assert tokens.attrs["settings"]["labels"] == ["i", "æ"]


def test_limits_are_drawn_by_seed(shared_data):
    root = shared_data / "ljspeech"
    few = read_corpus(root, max_per_class=10, seed=1)
    assert (few["label"].value_counts() <= 10).all()
    assert few["token"].is_monotonic_increasing
    same, other = read_corpus(root, max_per_class=10, seed=1), read_corpus(root, max_per_class=10, seed=2)
    pd.testing.assert_frame_equal(few, same)
    assert set(few["token"]) != set(other["token"])
    even = read_corpus(root, balanced=True, classes="vowels")
    whole = read_corpus(root, classes="vowels")
    assert set(even["label"].value_counts()) == {whole["label"].value_counts().min()}
    assert len(even) + sum(reasons(even).values()) == len(whole) + sum(reasons(whole).values())


def test_mapping_brings_new_classes(corpus):
    tokens = read_corpus(corpus, mapping={"QQ": "ǃ", "IY0": "ɪ"}, classes=["ǃ", "ih"])
    assert tokens["label"].tolist() == ["ɪ", "ǃ"]


def test_stress_that_is_not_written(tmp_path):
    utterance(tmp_path, "a", [(0.1, "ʃ"), (0.1, "i"), (0.1, "æ")])
    assert read_corpus(tmp_path)["stress"].isna().all()
    with pytest.raises(CorpusError, match="mark no stress"):
        read_corpus(tmp_path, stressed_only=True)


def test_stress_that_is_written_and_never_there(tmp_path):
    utterance(tmp_path, "a", [(0.1, "IY0"), (0.1, "AE0")])
    with pytest.raises(CorpusError, match=r"no token of .* is left(.|\n)*2 tokens +unstressed vowel"):
        read_corpus(tmp_path, stressed_only=True)


def test_nothing_left_says_what_was_found(corpus):
    with pytest.raises(CorpusError, match=r"no token of .*mini is left[\s\S]*silence or noise"):
        read_corpus(corpus, classes="T")


def test_speakers_are_joined(corpus, tmp_path):
    table = tmp_path / "speakers.csv"
    table.write_text("speaker;sex;dialect;age\nanna;Female;NE;31\nzoe;m;SW;\n", encoding="utf-8-sig")
    tokens = read_corpus(corpus, speakers=table)
    of_anna = tokens["speaker"] == "anna"
    assert set(tokens.loc[of_anna, "sex"]) == {"f"}
    assert set(tokens.loc[of_anna, "dialect"]) == {"NE"}
    assert tokens.loc[~of_anna, ["sex", "dialect", "age"]].isna().all(axis=None)
    warnings = " ".join(tokens.attrs["settings"]["warnings"])
    assert "has no row for 1 speakers, e.g. bea" in warnings
    assert "1 speakers without tokens, e.g. zoe" in warnings


def test_recordings_are_joined_by_any_name(corpus):
    table = pd.DataFrame(
        {"recording": ["anna/1.wav", "2", "bea/3"], "speaker": ["A", "B", "C"], "sex": ["f", "m", None]}
    )
    tokens = read_corpus(corpus, speakers=table)
    assert dict(zip(tokens["recording"], tokens["speaker"], strict=True)) == {
        "anna/1.wav": "A", "bea/2.wav": "B", "bea/3.wav": "C",
    }  # fmt: skip
    assert tokens["sex"].isna().sum() == (tokens["speaker"] == "C").sum()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,sex\nanna,f\n", "column 'speaker' or 'recording'"),
        ("speaker,sex\nanna,x\n", "sex 'x'"),
        ("speaker,sex\nzoe,f\n", "no speaker matches.*zoe.*anna"),
        ("speaker,sex\nanna,f\nanna,m\n", "'anna' occurs twice"),
        ("speaker,label\nanna,f\n", "rename label"),
    ],
)
def test_faulty_speaker_tables_are_named(corpus, tmp_path, text, words):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(CorpusError, match=words):
        read_corpus(corpus, speakers=tmp_path / "s.csv")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_tables_are_stored_whole(corpus, tmp_path, suffix):
    tokens = read_corpus(corpus)
    # Words that look like missing values are words.
    tokens.loc[0, "word"] = "null"
    path = tmp_path / "out" / f"tokens{suffix}"
    write_tokens(path, tokens)
    again = read_tokens(path)
    pd.testing.assert_frame_equal(again, tokens)
    assert again.attrs == tokens.attrs
    assert len(cut(again)[0]) == len(tokens)


def test_faulty_tables_are_named(tmp_path, corpus):
    tokens = read_corpus(corpus)
    with pytest.raises(CorpusError, match=r"\.parquet or \.csv"):
        write_tokens(tmp_path / "a.xlsx", tokens)
    with pytest.raises(CorpusError, match="cannot be read"):
        read_tokens(tmp_path / "missing.parquet")
    (tmp_path / "junk.parquet").write_bytes(b"PAR1")
    with pytest.raises(CorpusError, match="cannot be read"):
        read_tokens(tmp_path / "junk.parquet")
    tokens.drop(columns="label").to_csv(tmp_path / "lacking.csv", index=False)
    with pytest.raises(CorpusError, match="lacks label"):
        read_tokens(tmp_path / "lacking.csv")


def test_summary_shows_counts_and_reasons(corpus):
    lines = summary(read_corpus(corpus)).split("\n")
    assert lines[0] == "10 tokens of 3 recordings, 2 speakers; phone set arpabet"
    counts = {line.split()[0]: int(line.split()[1]) for line in lines[1:14]}
    assert (counts["i"], counts["s"], counts["θ"], sum(counts.values())) == (5, 3, 0, 10)
    assert any("silence or noise; e.g. anna/1:0000" in line for line in lines)


def test_the_room_knows_nothing_of_networks():
    code = "import sys, phonoscope.corpora; sys.exit(bool({'torch', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
