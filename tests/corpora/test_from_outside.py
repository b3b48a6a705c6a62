"""A layout and an alignment format of somebody else: one file, no edit, through the API and the command line."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from phonoscope.cli import app
from phonoscope.corpora import LAYOUTS, READERS, read_corpus, read_tokens
from phonoscope.corpora.align import align_corpus
from phonoscope.errors import CorpusError
from phonoscope.tasks import load_recipe

TOY = '''
from pathlib import Path
from phonoscope.corpora import AlignmentReader, Recording
from phonoscope.corpora.textgrid import Interval, TextGrid, Tier

def read_lab(path):
    """HTK's labels: begin and end in units of 100 ns."""
    rows = [line.split() for line in path.read_text().splitlines()]
    phones = tuple(Interval(int(begin) * 1e-7, int(end) * 1e-7, label) for begin, end, label in rows)
    return TextGrid(0.0, phones[-1].end, (Tier("phones", phones),))

LAB = AlignmentReader(".lab", read_lab, phone_set="sampa")
WRONG = AlignmentReader(".lab", lambda path: path.read_text())
NO_READER = read_lab

class Clips:
    """Recordings that a list names, with their speakers."""

    @staticmethod
    def detect(root):
        return (root / "clips.tsv").is_file()

    @staticmethod
    def recordings(root):
        for line in (root / "clips.tsv").read_text().splitlines():
            name, speaker = line.split("\\t")
            yield Recording(root / name, speaker=speaker, sex="f")
'''


@pytest.fixture
def toy(tmp_path, monkeypatch) -> str:
    """Folder with the module ``toy_corpus``, importable for the time of a test."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "toy_corpus.py").write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    yield "toy_corpus"
    sys.modules.pop("toy_corpus", None)


@pytest.fixture
def announced(toy, tmp_path):
    """The same module as an installed package that announces its layout and its format."""
    info = tmp_path / "elsewhere" / "toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[phonoscope.layouts]\nclips = toy_corpus:Clips\n[phonoscope.alignment_formats]\n.lab = toy_corpus:LAB\n"
    )
    for registry in (LAYOUTS, READERS):
        registry.__dict__.pop("_announced", None)
    yield
    for registry in (LAYOUTS, READERS):
        registry.__dict__.pop("_announced", None)


@pytest.fixture
def corpus(tmp_path) -> Path:
    """Eight recordings of "see", aligned in HTK's format."""
    root = tmp_path / "corpus"
    root.mkdir()
    for number in range(8):
        soundfile.write(root / f"{number}.wav", np.zeros(16_000), 16_000)
        (root / f"{number}.lab").write_text("0 2000000 s\n2000000 5000000 i:\n")
    (root / "clips.tsv").write_text("".join(f"{number}.wav\tspeaker{number % 2}\n" for number in range(8)))
    return root


def check(tokens, *, speakers: set[str] | None) -> None:
    assert list(tokens["label"]) == ["s", "i"] * 8
    np.testing.assert_allclose(tokens["end"][:2], [0.2, 0.5])
    assert set(tokens["speaker"].dropna()) == (speakers or set())
    assert tokens.attrs["settings"]["phone_set"] == "sampa"


def test_an_alignment_format_by_its_path(corpus, toy):
    check(read_corpus(corpus, alignment_format=f"{toy}:LAB"), speakers=None)
    from toy_corpus import LAB  # ty: ignore[unresolved-import]

    check(read_corpus(corpus, alignment_format=LAB), speakers=None)


def test_a_layout_by_its_path(corpus, toy):
    tokens = read_corpus(corpus, layout=f"{toy}:Clips", alignment_format=f"{toy}:LAB")
    check(tokens, speakers={"speaker0", "speaker1"})
    assert tokens.attrs["settings"]["layout"] == f"{toy}:Clips"
    assert set(tokens["sex"]) == {"f"}


def test_both_on_the_command_line(corpus, toy, tmp_path):
    out = tmp_path / "tokens.parquet"
    command = ["tokens", str(corpus), "--layout", f"{toy}:Clips", "--alignment-format", f"{toy}:LAB", "--out", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    check(read_tokens(out), speakers={"speaker0", "speaker1"})


def test_announced_ones_need_no_option(corpus, announced, tmp_path):
    assert ".lab" in READERS
    assert "clips" in LAYOUTS
    check(read_corpus(corpus), speakers={"speaker0", "speaker1"})
    out = tmp_path / "tokens.csv"
    assert CliRunner().invoke(app, ["tokens", str(corpus), "--out", str(out)]).exit_code == 0
    check(read_tokens(out), speakers={"speaker0", "speaker1"})


def test_unread_formats_are_named_and_counted(corpus):
    for path in corpus.glob("*.lab"):
        path.rename(path.with_suffix(".trs"))
    expected = (
        r"8 recordings no alignment .*; 8 \.trs files \(Transcriber, not read yet\) found; read are: \.textgrid, "
    )
    with pytest.raises(CorpusError, match=expected):
        read_corpus(corpus)


def test_what_a_strange_format_does_wrong_is_said(corpus, toy):
    with pytest.raises(CorpusError, match=r"0\.lab: the reader of \.lab files returned str, not a TextGrid"):
        read_corpus(corpus, alignment_format=f"{toy}:WRONG", strict=True)
    with pytest.raises(CorpusError, match=r"NO_READER' is a function; expected an AlignmentReader"):
        read_corpus(corpus, alignment_format=f"{toy}:NO_READER")
    with pytest.raises(CorpusError, match=r"alignment format '\.eaf' is not known; choose one of \.textgrid, \.phn"):
        read_corpus(corpus, alignment_format=".eaf")
    (corpus / "3.lab").write_text("no numbers here\n")
    (entry,) = (
        entry
        for entry in read_corpus(corpus, alignment_format=f"{toy}:LAB").attrs["left_out"]
        if entry["what"] == "recording"
    )
    assert (entry["reason"], entry["count"]) == ("alignment unreadable", 1)
    assert "3.lab: the reader of .lab files failed (ValueError: invalid literal" in entry["examples"][0]


def test_the_aligner_takes_a_layout_from_outside_too(corpus, toy, tmp_path):
    with pytest.raises(CorpusError, match="cannot be imported"):
        align_corpus(corpus, tmp_path / "out", layout=f"{toy}:Missing")


def test_a_recipe_imports_no_layout_without_trust(tmp_path):
    path = tmp_path / "foreign.toml"
    path.write_text('name = "foreign"\n[tokens]\nlayout = "toy_corpus:Clips"\n')
    with pytest.raises(CorpusError, match="asks to import its layout"):
        load_recipe(path)
