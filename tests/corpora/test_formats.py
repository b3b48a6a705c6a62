"""Formats other than TextGrid: the same alignment in each gives the same tokens, and no file crashes a reader."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpora.written_formats import FORMATS, RATE
from typer.testing import CliRunner

from phonoscope.cli import app
from phonoscope.corpora import READERS, AlignmentReader, pairing_report, read_corpus
from phonoscope.corpora.annotations.tiers_of import phones_or_words
from phonoscope.corpora.annotations.written import ctm_text, emu_text, table_text
from phonoscope.corpora.formats import kind_of_text, read_alignment, reader_of
from phonoscope.corpora.textgrid import Interval, Point, TextGrid, Tier, read_textgrid, write_textgrid
from phonoscope.errors import CorpusError

SHARED = Path(__file__).parents[3] / "shared" / "data"
CASES = SHARED / "field_cases"
LJ = SHARED / "ljspeech"


def small_grid() -> TextGrid:
    """ "see a cat" with silence around it."""
    edges = [0.0, 0.1, 0.2213, 0.3431, 0.4017, 0.5209, 0.6411, 0.7503, 0.9]
    labels = ["", "S", "IY1", "AH0", "K", "AE1", "T", ""]
    phones = [Interval(a, b, label) for a, b, label in zip(edges, edges[1:], labels, strict=False)]
    words = [Interval(0.0, 0.1, ""), Interval(0.1, 0.3431, "see"), Interval(0.3431, 0.4017, "a")]
    words += [Interval(0.4017, 0.7503, "cat"), Interval(0.7503, 0.9, "")]
    return TextGrid(0.0, 0.9, (Tier("words", tuple(words)), Tier("phones", tuple(phones))))


def corpus_of(root: Path, grid: TextGrid, files: dict[str, str], name: str = "utt1") -> Path:
    root.mkdir(parents=True)
    soundfile.write(root / f"{name}.wav", np.zeros(round((grid.xmax + 0.05) * RATE)), RATE)
    for file, text in files.items():
        (root / file).write_text(text, encoding="utf-8")
    return root


def same_tokens(tmp_path: Path, grid: TextGrid, kind: str, name: str = "utt1") -> None:
    expected = corpus_of(tmp_path / "grids", grid, {}, name)
    write_textgrid(expected / f"{name}.TextGrid", grid)
    asked = {"classes": "any-vowel", "min_duration": 0.02}
    expected_tokens = read_corpus(expected, **asked)
    found = read_corpus(corpus_of(tmp_path / kind, grid, FORMATS[kind](grid, name), name), **asked)
    assert list(found["label"]) == list(expected_tokens["label"])
    assert len(found) >= 3
    for edge in ("start", "end"):
        np.testing.assert_allclose(found[edge], expected_tokens[edge], atol=1e-3)
    if kind not in ("htk", "mlf", "stretches"):  # these hold one tier
        assert list(found["word"]) == list(expected_tokens["word"])


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_tokens_of_the_textgrid(tmp_path, kind):
    same_tokens(tmp_path, small_grid(), kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_utterance_of_ljspeech_in_every_format(tmp_path, kind):
    grids = sorted((LJ / "textgrids").glob("**/*.TextGrid")) if LJ.is_dir() else []
    if not grids:
        pytest.skip("LJSpeech is not there")
    same_tokens(tmp_path, read_textgrid(grids[0]), kind, grids[0].stem)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_encodings_and_line_ends(tmp_path, kind, encoding):
    grid = small_grid()
    words = tuple(each._replace(label=each.label.replace("see", "café")) for each in grid.tiers[0].intervals)
    grid = TextGrid(0.0, 0.9, (Tier("words", words), grid.tiers[1]))
    root = corpus_of(tmp_path / "corpus", grid, {})
    for file, text in FORMATS[kind](grid, "utt1").items():
        (root / file).write_bytes(text.replace("\n", "\r\n").encode(encoding))
    tokens = read_corpus(root, classes="any-vowel", min_duration=0.02)
    assert list(tokens["label"]) == ["i", "ə", "æ"]
    if kind not in ("htk", "mlf", "stretches", "emu", "mfa-json", "gentle"):  # those of JSON escape their letters
        assert tokens["word"].iloc[0] == "café"


def outcome(reader: AlignmentReader, path: Path) -> Any:
    """What a reader gives, or the message of its error; any other error is the test's."""
    try:
        return reader.read(path)
    except CorpusError as error:
        return str(error)


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_any_beginning_of_a_file_is_read_or_refused_clearly(tmp_path, kind):
    for file, text in FORMATS[kind](small_grid(), "utt1").items():
        path = tmp_path / file
        path.write_text(text, encoding="utf-8")
        reader = reader_of(path)
        assert reader is not None, file
        for length in range(len(text)):
            path.write_text(text[:length], encoding="utf-8")
            found = outcome(reader, path)
            assert isinstance(found, str) or all(isinstance(each, TextGrid) for each in found.values())
            assert not isinstance(found, str) or str(path) in found


@settings(max_examples=150, deadline=None)
@given(raw=st.binary(max_size=200), name=st.sampled_from([name for name in READERS if READERS[name].fits]))
def test_noise_is_a_clear_error(tmp_path_factory, raw, name):
    reader = READERS[name]
    path = tmp_path_factory.mktemp("noise") / f"a{reader.suffix}"
    path.write_bytes(raw)
    found = outcome(reader, path)
    assert not isinstance(found, str) or str(path) in found


def test_kinds_are_told_by_content():
    told = {kind: {kind_of_text(text) for text in FORMATS[kind](small_grid(), "a").values()} for kind in FORMATS}
    names = {"htk": "HTK labels", "mlf": "HTK master label file", "ctm": "CTM", "buckeye": "xwaves labels (Buckeye)"}
    names |= {"par": "BAS Partitur", "eaf": "ELAN", "emu": "emuDB annotation", "mfa-json": "MFA JSON"}
    names |= {"gentle": "gentle JSON", "audacity": "Audacity labels"}
    names |= dict.fromkeys(("mfa-csv", "stretches", "praat-table"), "table of stretches")
    assert told == {kind: {name} for kind, name in names.items()}
    for text in ("she had your dark suit", "1 2 3\n4 5 6\n", "", "Monday\t3\n", '{"a": 1}', "speaker,sex\nA,f\n"):
        assert kind_of_text(text) == ""


def read(tmp_path: Path, name: str, text: str) -> TextGrid:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_alignment(tmp_path / name)


def test_ctm_alternatives_channels_and_comments(tmp_path):
    text = (
        ";; a comment\nt A 0.0 0.5 aa 1.0\nt A * * <ALT_BEGIN>\nt A 0.5 0.5 iy\nt A * * <ALT>\nt A 0.5 0.5 ih\n"
        "t A * * <ALT_END>\nt B 0.25 0.5 uw\n"
    )
    grid = read(tmp_path, "phones.ctm", text)
    assert grid.tiers == (
        Tier("ch1 - phones", (Interval(0, 0.5, "aa"), Interval(0.5, 1.0, "iy"))),
        Tier("ch2 - phones", (Interval(0.25, 0.75, "uw"),)),
    )
    assert grid.warnings == ("1 labels of further alternatives are not read",)
    with pytest.raises(CorpusError, match=r"line 2: expected 'recording channel start duration label'"):
        READERS["ctm"].read(_file(tmp_path, "b.ctm", "t A 0 1 aa\nt A 1\n"))


def _file(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_htk_levels_missing_ends_and_triphones(tmp_path):
    states = (
        "0 1000000 s2 -55.1 aa -160.0 ah\n1000000 2000000 s3 -54.0\n2000000 5000000 s2 -51.0 t\n5000000 6000000 s2 k go"
    )
    grid = read(tmp_path, "a.lab", states)
    phones = [(round(a, 9), round(b, 9), label) for a, b, label in grid.tier("phones").intervals]
    assert phones == [(0.0, 0.2, "aa"), (0.2, 0.5, "t"), (0.5, 0.6, "k")]
    assert [each.label for each in grid.tier("words").intervals] == ["ah", "go"]
    assert grid.tier("words").intervals[0].end == pytest.approx(0.5)
    grid = read(tmp_path, "b.lab", "0 sil-aa+t\n5000000 aa-t+sil\n8000000 sil\n")
    assert [tuple(each) for each in grid.tier("phones").intervals] == [
        (0.0, 0.5, "aa"), (0.5, pytest.approx(0.8), "t"), (pytest.approx(0.8), pytest.approx(0.8), "sil"),
    ]  # fmt: skip


def test_partitur_words_of_several_phones_and_other_tiers(tmp_path):
    text = "LHD: Partitur 1.3\nSAM: 1000\nLBD:\nORT: 0 to\nORT: 1 us\nORT: 2 lost\n"
    text += "MAU: 0 99 0 t\nMAU: 100 99 0,1 @\nMAU: 200 99 1 s\nMAU: 300 99 -1 <p:>\nPRB: 10 20 3 x\n"
    grid = read(tmp_path, "a.par", text)
    assert grid.tier("ORT-MAU").intervals == (Interval(0, 0.2, "to"), Interval(0.1, 0.3, "us"))
    assert grid.tier("MAU").intervals[-1] == Interval(0.3, 0.4, "<p:>")
    assert any("1 words have no phones" in each for each in grid.warnings)
    assert any("'PRB'" in each for each in grid.warnings)


EAF = """<?xml version="1.0"?><ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds"/><TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="100"/><TIME_SLOT TIME_SLOT_ID="t2"/><TIME_SLOT TIME_SLOT_ID="t3"/>
<TIME_SLOT TIME_SLOT_ID="t4" TIME_VALUE="700"/></TIME_ORDER>
<TIER TIER_ID="gloss"><ANNOTATION><REF_ANNOTATION ANNOTATION_ID="g1" ANNOTATION_REF="r2"><ANNOTATION_VALUE>G
</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="phones">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="t1" TIME_SLOT_REF2="t2"><ANNOTATION_VALUE>p
</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="t2" TIME_SLOT_REF2="t3" CVE_REF="cve1">
<ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="t3" TIME_SLOT_REF2="t4"><ANNOTATION_VALUE>t
</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="halves">
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="r2" ANNOTATION_REF="a3" PREVIOUS_ANNOTATION="r1"><ANNOTATION_VALUE>second
</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="r1" ANNOTATION_REF="a3"><ANNOTATION_VALUE>first</ANNOTATION_VALUE>
</REF_ANNOTATION></ANNOTATION></TIER>
<CONTROLLED_VOCABULARY CV_ID="v"><CV_ENTRY_ML CVE_ID="cve1"><CVE_VALUE LANG_REF="und">a</CVE_VALUE></CV_ENTRY_ML>
</CONTROLLED_VOCABULARY></ANNOTATION_DOCUMENT>"""


def test_elan_slots_without_time_references_and_vocabularies(tmp_path):
    grid = read(tmp_path, "a.eaf", EAF)
    times = {tier.name: [(each.start, each.end, each.label.strip()) for each in tier.intervals] for tier in grid.tiers}
    assert times["phones"] == [
        (0.1, pytest.approx(0.3), "p"), (pytest.approx(0.3), pytest.approx(0.5), "a"), (pytest.approx(0.5), 0.7, "t"),
    ]  # fmt: skip
    assert [(round(a, 6), round(b, 6), label) for a, b, label in times["halves"]] == [
        (0.5, 0.6, "first"), (0.6, 0.7, "second"),
    ]  # fmt: skip
    assert times["gloss"][0][0] == pytest.approx(0.6)
    bomb = EAF.replace('<?xml version="1.0"?>', '<!DOCTYPE x [<!ENTITY a "aaaa">]>')
    with pytest.raises(CorpusError, match="no entities"):
        READERS["eaf"].read(_file(tmp_path, "b.eaf", bomb))


def test_emu_events_attributes_and_items_without_links(tmp_path):
    text = """{"name": "a", "annotates": "a.wav", "sampleRate": 1000, "links": [], "levels": [
    {"name": "Tone", "type": "EVENT", "items": [{"id": 1,
      "samplePoint": 250, "labels": [{"name": "Tone", "value": "H"}]}]},
    {"name": "Phonetic", "type": "SEGMENT", "items": [{"id": 2, "sampleStart": 100, "sampleDur": 99,
     "labels": [{"name": "Phonetic", "value": "t"}, {"name": "IPA", "value": "tʰ"}]}]},
    {"name": "Word", "type": "ITEM", "items": [{"id": 3, "labels": [{"name": "Word", "value": "lost"}]}]}]}"""
    grid = read(tmp_path, "a_annot.json", text)
    assert grid.tier("Tone").points == (Point(0.25, "H"),)
    assert grid.tier("Phonetic").intervals == (Interval(0.1, 0.2, "t"),)
    assert grid.tier("IPA").intervals == (Interval(0.1, 0.2, "tʰ"),)
    assert grid.warnings == ("level 'Word': 1 items are linked to no segment and have no time",)


WHISPER = """{"text": "Hi you", "segments": [{"id": 0, "start": 0.0, "end": 1.0, "text": " Hi you", "words": [
{"word": " Hi", "start": 0.1, "end": 0.4, "probability": 0.9}, {"word": " 42"}]}], "language": "en"}"""
CHAT = (
    "@UTF8\n@Begin\n@Participants:\tCHI Anna Target_Child\n*CHI:\tmore juice\n\tplease . \x15100_1500\x15\n"
    "%wor:\tmore \x15100_500\x15 juice \x15500_900\x15 please \x15900_1500\x15 .\n*MOT:\tno .\n@End\n"
)


def test_words_without_phones(tmp_path):
    grid = read(tmp_path, "a.json", WHISPER)
    assert grid.tier("words").intervals == (Interval(0.1, 0.4, "Hi"),)
    assert grid.warnings == ("1 words have no time",)
    grid = read(tmp_path, "a.cha", CHAT)
    assert grid.tier("CHI - words").intervals[1] == Interval(0.5, 0.9, "juice")
    assert grid.tier("CHI - utterances").intervals == (Interval(0.1, 1.5, "more juice please ."),)
    assert grid.warnings == ("1 utterances have no time",)
    grid = read(tmp_path, "a.srt", "1\n00:00:01,000 --> 00:00:02,500\n<i>in</i> being\n\n")
    assert grid.tier("phrases").intervals == (Interval(1.0, 2.5, "in being"),)
    grid = read(tmp_path, "a.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000 align:start\nhello\n")
    assert grid.tier("words").intervals == (Interval(1.0, 2.0, "hello"),)
    text = '1-2-0000 ",GO,,ON," "0.500,0.800,1.000,1.200,1.500"\n'
    grid = read(tmp_path, "alignment.txt", text)
    assert [tuple(each) for each in grid.tier("words").intervals][1] == (0.5, 0.8, "GO")


def test_words_alone_say_what_to_do(tmp_path):
    root = corpus_of(tmp_path / "corpus", small_grid(), {"utt1.srt": "1\n00:00:00,000 --> 00:00:00,500\nsee a cat\n"})
    with pytest.raises(CorpusError, match=r"words alone, no phones \(make them with: phonoscope align\)"):
        read_corpus(root)


def test_tiers_of_a_partitur_file_that_are_not_read_are_counted(tmp_path):
    path = tmp_path / "a.par"
    path.write_text("LHD: Partitur 1.3\nSAM: 100\nLBD:\nMAU:\t0\t9\t0\ta\nDAS:\t0\t@(NONE)\nDAS:\t1\tx\n")
    grid = read_alignment(path)
    assert grid.tiers[0].intervals == ((0.0, 0.1, "a"),)
    assert grid.warnings == ("tier 'DAS': 2 lines of this kind are not read",)


def test_a_file_of_many_recordings(tmp_path):
    root = tmp_path / "corpus"
    for speaker in ("anna", "bea"):
        corpus_of(root / speaker, small_grid(), {}, "01")
    rows = "".join(
        f"{speaker}/01,{0.1 + shift},{0.3 + shift},IY1\n" for speaker, shift in (("anna", 0), ("bea", 0.2), ("gone", 0))
    )
    (root / "all.csv").write_text("recording,start,end,label\n" + rows, encoding="utf-8")
    tokens = read_corpus(root)
    assert list(tokens["speaker"]) == ["anna", "bea"]
    np.testing.assert_allclose(tokens["start"], [0.1, 0.3])
    entry = next(each for each in pairing_report(root) if each["what"] == "alignment")
    assert entry["count"] == 1
    assert "gone/01" in entry["examples"][0]


def test_kinds_that_are_not_read_are_named_with_their_count(tmp_path):
    root = corpus_of(tmp_path / "corpus", small_grid(), {"utt1.trs": "<Trans/>"})
    with pytest.raises(CorpusError, match=r"1 \.trs file \(Transcriber, not read yet\)"):
        read_corpus(root)


def test_textgrids_are_preferred_and_the_other_file_is_counted(tmp_path):
    root = corpus_of(tmp_path / "corpus", small_grid(), {"utt1.eaf": "<ANNOTATION_DOCUMENT/>"})
    write_textgrid(root / "utt1.TextGrid", small_grid())
    assert list(read_corpus(root, min_duration=0.02, classes="any-vowel")["label"]) == ["i", "ə", "æ"]


def test_lists_of_words_are_told_from_lists_of_phones():
    assert phones_or_words(["S", "IY1", "AH0", "K", "AE1", "T", "sil"]) == "phones"
    assert phones_or_words(["s", "i:", "@", "k", "{", "t"]) == "phones"
    assert phones_or_words(["in", "being", "comparatively", "modern", "a", "I"]) == "words"


labels = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.integers(1, 4000), min_size=1, max_size=12), names=st.data())
def test_what_is_written_is_read_again(tmp_path_factory, lengths, names):
    edges = np.cumsum([0, *lengths]) / RATE
    said = [names.draw(labels) for _ in lengths]
    rows = [Interval(float(a), float(b), label) for a, b, label in zip(edges, edges[1:], said, strict=False)]
    written = TextGrid(0.0, float(edges[-1]), (Tier("phones", tuple(rows)),))
    folder = tmp_path_factory.mktemp("written")
    files = {
        "phones.ctm": (ctm_text({"a": written}, "phones"), "ctm", "a"),
        "a.csv": (table_text({"a": written}), "table", "a"),
    }
    files["a_annot.json"] = (emu_text("a", written, RATE, "a.wav"), "emu", "")
    for file, (text, reader, name) in files.items():
        found = READERS[reader].read(_file(folder, file, text))[name].tier("phones").intervals
        assert [each.label for each in found] == said, file
        np.testing.assert_allclose([each[:2] for each in found], [each[:2] for each in rows], atol=1e-8)


FIELD = [
    "fmt_audacity", "fmt_bpf_par", "fmt_buckeye", "fmt_ctm", "fmt_eaf", "fmt_emu_annot", "fmt_htk_lab", "fmt_mfa_csv",
    "fmt_mfa_json", "fmt_textgrid_binary", "fmt_textgrid_chronological", "fmt_textgrid_txt", "fmt_timit_phn",
]  # fmt: skip


@pytest.mark.parametrize("case", FIELD)
def test_the_field_trial_gives_the_tokens_of_its_textgrid(case):
    if not (CASES / case).is_dir():
        pytest.skip("the cases of the field trial are not there")
    expected = read_corpus(CASES / "fmt_textgrid_long" / "corpus", classes="any-vowel")
    found = read_corpus(CASES / case / "corpus", classes="any-vowel")
    assert len(found) == len(expected) == 8
    np.testing.assert_allclose(found[["start", "end"]], expected[["start", "end"]], atol=1e-3)


@pytest.mark.parametrize("to", ["textgrid", "ctm", "emu", "csv"])
def test_a_corpus_is_written_in_another_format(tmp_path, to):
    root = corpus_of(tmp_path / "corpus" / "anna", small_grid(), FORMATS["mfa-json"](small_grid(), "utt1")).parent
    soundfile.write(root / "alone.wav", np.zeros(RATE), RATE)
    out = tmp_path / "corpus" / "out"
    result = CliRunner().invoke(app, ["export", "alignments", str(root), "--to", to, "--out", str(out), "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["recordings"] == 1
    assert said["left_out"] == [{"what": "recording", "reason": "no alignment", "count": 1, "examples": ["alone"]}]
    suffixes = {"textgrid": [".textgrid"], "ctm": [".ctm"], "emu": [".json"], "csv": [".csv"]}[to]
    assert sorted({Path(path).suffix.lower() for path in said["files"]}) == suffixes
    (root / "anna" / "utt1.json").unlink()
    tokens = read_corpus(root, out, classes="any-vowel", min_duration=0.02)
    assert list(tokens["label"]) == ["i", "ə", "æ"]
    assert list(tokens["word"]) == ["see", "a", "cat"]
    np.testing.assert_allclose(tokens["start"], [0.2213, 0.3431, 0.5209], atol=1e-4)
