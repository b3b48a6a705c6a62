"""TextGrids: what is written comes back in every form and encoding; hostile files are read or named with their line."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from phonoscope.corpora.textgrid import (
    Interval,
    Point,
    TextGrid,
    Tier,
    _read_regular,
    decode,
    read_textgrid,
    write_textgrid,
)
from phonoscope.corpora.textgrid_values import grid_of_text
from phonoscope.errors import CorpusError

LABELS = ('say "hi"', "naïve", 'ɑː ʃ tʰ ""', "", "! not a comment <flag> 3.5")
GRID = TextGrid(
    0.0,
    2.5,
    (
        Tier("words", tuple(Interval(0.5 * i, 0.5 * (i + 1), label) for i, label in enumerate(LABELS))),
        Tier("clicks", points=(Point(0.25, "burst"), Point(1.0, 'b"')), kind="point"),
        Tier("empty"),
        Tier("words", (Interval(0.0, 2.5, "item [9]:"),)),
    ),
)


def written(path: Path, grid: TextGrid = GRID, **options) -> Path:
    write_textgrid(path, grid, **({"fill_gaps": False} | options))
    return path


ANY_CHARACTER = st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")


@st.composite
def grids(draw, characters=ANY_CHARACTER):
    label = st.text(characters, max_size=12)
    tiers = []
    for _ in range(draw(st.integers(0, 3))):
        steps = draw(st.lists(st.floats(0, 1e3, allow_subnormal=False), max_size=6))
        times = [sum(steps[: i + 1]) for i in range(len(steps))]
        if draw(st.booleans()):
            tiers.append(Tier(draw(label), points=tuple(Point(t, draw(label)) for t in times), kind="point"))
        else:
            pairs = pairwise(times)
            tiers.append(Tier(draw(label), tuple(Interval(a, b, draw(label)) for a, b in pairs if draw(st.booleans()))))
    return TextGrid(0.0, 1e4, tuple(tiers))


@given(grid=grids(), short=st.booleans(), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
@settings(max_examples=60)
def test_what_is_written_comes_back(tmp_path_factory, grid, short, encoding):
    path = tmp_path_factory.getbasetemp() / "round.TextGrid"
    assert read_textgrid(written(path, grid, short=short, encoding=encoding)) == grid


@given(grid=grids(st.characters(codec="latin-1", exclude_categories=["Cc"])))
@settings(max_examples=30)
def test_latin1_comes_back_with_a_warning(tmp_path_factory, grid):
    path = written(tmp_path_factory.getbasetemp() / "latin.TextGrid", grid, encoding="latin-1")
    again = read_textgrid(path)
    try:
        as_utf8 = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        assert "Windows-1252" in again.warnings[0]
    else:
        assume(as_utf8.isascii())  # few bytes may happen to be UTF-8 too: then nobody can tell
    assert again.tiers == grid.tiers


@given(grid=grids(st.characters(exclude_categories=["Cs", "Cc"])))
@settings(max_examples=40)
def test_both_readers_agree_on_the_regular_form(tmp_path_factory, grid):
    path = written(tmp_path_factory.getbasetemp() / "agree.TextGrid", grid)
    text, _ = decode(path.read_bytes())
    assert grid_of_text(path, text) == grid
    fast = _read_regular(text)
    # The fast path may decline (a label such as "item [" confuses it), but never differ.
    assert fast is None or fast == grid


def test_the_fast_path_reads_what_aligners_write(shared_data):
    for path in sorted((shared_data / "ljspeech" / "textgrids").glob("*.TextGrid"))[:10]:
        text, _ = decode(path.read_bytes())
        fast = _read_regular(text)
        assert fast is not None
        assert fast == grid_of_text(path, text)


def test_a_damaged_file_is_never_misread(tmp_path):
    """Take away or double any one line: an error, or both readers agree."""
    lines = written(tmp_path / "whole.TextGrid").read_text(encoding="utf-8").split("\n")
    path = tmp_path / "damaged.TextGrid"
    outcomes = []
    for index in range(len(lines) - 1):
        for replacement in ([], [lines[index]] * 2):
            text = "\n".join(lines[:index] + replacement + lines[index + 1 :])
            path.write_text(text, encoding="utf-8")
            fast = _read_regular(text)
            try:
                grid = grid_of_text(path, text)
            except CorpusError as error:
                message = str(error)
            else:
                message = ""
                assert grid.tiers == GRID.tiers
            assert fast is None or fast == grid
            assert (message == "") or (fast is None and "damaged.TextGrid, line " in message)
            outcomes.append("error" if message else "read")
    # Lines such as "intervals [2]:" and those without values may come and go; every other one is needed.
    values = sum("=" in line or "?" in line for line in lines)
    assert outcomes.count("error") >= 2 * values - 4


def as_text(path: Path) -> str:
    return written(path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "change", "encoding"),
    [
        ("carriage returns and line feeds", lambda text: text.replace("\n", "\r\n"), "utf-8"),
        ("carriage returns", lambda text: text.replace("\n", "\r"), "utf-8"),
        ("tabs", lambda text: text.replace("    ", "\t"), "utf-8"),
        ("no trailing blanks", lambda text: text.replace(" \n", "\n"), "utf-8"),
        ("as Praat saves IPA", lambda text: "\ufeff" + text, "utf-16-be"),
        ("little-endian", lambda text: "\ufeff" + text, "utf-16-le"),
        ("no byte-order mark, big-endian", str, "utf-16-be"),
        ("no byte-order mark, little-endian", str, "utf-16-le"),
        ("byte-order mark", lambda text: "\ufeff" + text, "utf-8"),
        ("no blanks around =", lambda text: text.replace(" = ", "="), "utf-8"),
        ("comments", lambda text: text.replace("item []:", 'item []: ! here "they" are, all 4\n'), "utf-8"),
        ("old header", lambda text: text.replace('ooTextFile"\nObject class = ', 'ooTextFile short"\n'), "utf-8"),
        ("time for number", lambda text: text.replace("number =", "time ="), "utf-8"),
    ],
)
def test_other_forms_of_the_same_file(tmp_path, name, change, encoding):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(change(as_text(path)).encode(encoding))
    grid = read_textgrid(path)
    assert grid == GRID, name


def test_newlines_inside_labels_stay(tmp_path):
    grid = TextGrid(0.0, 1.0, (Tier("a", (Interval(0.0, 0.5, 'x"\ny'), Interval(0.5, 1.0, "\nintervals [2]:\n"))),))
    assert read_textgrid(written(tmp_path / "a.TextGrid", grid)) == grid


def test_overlap_and_overhang_are_kept_with_a_warning(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(as_text(path).replace("xmax = 1.0 ", "xmax = 1.05 "), encoding="utf-8")
    grid = read_textgrid(path)
    assert grid.tiers[0].intervals[1].end == 1.05
    assert grid.warnings == ("tier 'words': 1 intervals overlap the next one",)
    path.write_text(as_text(path).replace("xmax = 2.5", "xmax = 2.0", 1), encoding="utf-8")
    grid = read_textgrid(path)
    assert grid.tiers == GRID.tiers
    assert grid.warnings[0] == "tier 'words' reaches 2.5 s, beyond the end of the TextGrid (2 s)"


def test_gap_and_zero_length_are_kept(tmp_path):
    grid = TextGrid(0.0, 3.0, (Tier("a", (Interval(0.5, 1.0, "x"), Interval(1.0, 1.0, "y"), Interval(2.0, 3.0, "z"))),))
    assert read_textgrid(written(tmp_path / "a.TextGrid", grid)) == grid
    filled = read_textgrid(written(tmp_path / "b.TextGrid", grid, fill_gaps=True)).tiers[0].intervals
    assert [(i.start, i.end, i.label) for i in filled if not i.label] == [(0.0, 0.5, ""), (1.0, 2.0, "")]


def test_no_tiers(tmp_path):
    grid = TextGrid(0.0, 1.0, ())
    assert read_textgrid(written(tmp_path / "a.TextGrid", grid)) == grid
    (tmp_path / "b.TextGrid").write_text('File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<absent>\n')
    assert read_textgrid(tmp_path / "b.TextGrid").tiers == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("xmin = 0.5 ", "xmin = 0,5 ", 20, "decimal comma"),
        ("intervals: size = 5", "intervals: size = 6", 36, "expected the time of entry 6 of 6"),
        ("intervals: size = 5", "intervals: size = 4", 32, "expected the class of a tier"),
        ("xmin = 0.5 ", "xmin = -0.5 ", 20, "time runs backwards"),
        ("xmax = 1.0 ", "xmax = 0.25 ", 21, "before it begins"),
        ('text = "naïve"', "text = naïve", 24, "expected the label of interval 2"),
        ('class = "TextTier"', 'class = "PitchTier"', None, "PitchTier"),
        ('Object class = "TextGrid"', 'Object class = "Sound"', 2, 'class "Sound"'),
        ("size = 4", "size = 3", None, "after the last tier"),
        ("size = 4", "size = 5", None, "cut short"),
        ('text = "item [9]:"', 'text = "item [9]:', None, "never closed"),
    ],
)
def test_faults_are_named_with_file_and_line(tmp_path, old, new, line, words):
    path = tmp_path / "faulty.TextGrid"
    text = as_text(path)
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CorpusError, match=words) as caught:
        read_textgrid(path)
    assert f"faulty.TextGrid, line {line or ''}" in str(caught.value)


def test_files_that_are_no_textgrids(tmp_path):
    for name, content in [("empty", b""), ("text", b"phones\t0\t1"), ("audio", b"RIFF\0\0\0\0WAVE")]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CorpusError, match=f"{name}, line 1"):
            read_textgrid(tmp_path / name)
    with pytest.raises(CorpusError, match="cannot be read"):
        read_textgrid(tmp_path / "missing.TextGrid")


def test_writing_refuses_what_cannot_be_read_again(tmp_path):
    path = tmp_path / "a.TextGrid"
    for tier, options, words in [
        (Tier("a", (Interval(0.0, 1.0, "x"), Interval(0.5, 2.0, "y"))), {}, "in order"),
        (Tier("a", (Interval(0.0, float("nan"), "x"),)), {}, "nan"),
        (Tier("a", (Interval(0.0, 1.0, "ʃ"),)), {"encoding": "latin-1"}, "ʃ"),
    ]:
        with pytest.raises(CorpusError, match=words):
            write_textgrid(path, TextGrid(0.0, 2.0, (tier,)), **options)
    assert list(tmp_path.iterdir()) == []


def test_tier_by_name():
    assert GRID.tier("clicks").points[0] == Point(0.25, "burst")
    with pytest.raises(CorpusError, match="has: words, clicks, empty, words"):
        GRID.tier("phones")


def test_praat_reads_what_we_write_and_we_read_what_praat_writes(tmp_path):
    parselmouth = pytest.importorskip("parselmouth")
    simple = TextGrid(0.0, 2.5, (GRID.tiers[0], GRID.tiers[1]))
    for short in (False, True):
        praat = parselmouth.read(str(written(tmp_path / f"a{short}.TextGrid", simple, short=short)))
        assert praat.class_name == "TextGrid"
        labels = [parselmouth.praat.call(praat, "Get label of interval", 1, i + 1) for i in range(len(LABELS))]
        assert tuple(labels) == LABELS
    for command in (
        "Save as text file", "Save as short text file", "Save as binary file", "Save as chronological text file",
    ):  # fmt: skip
        path = tmp_path / f"{command}.TextGrid"
        parselmouth.praat.call(praat, command, str(path))
        assert read_textgrid(path) == simple, command


def test_praatio_reads_the_same(shared_data):
    textgrid = pytest.importorskip("praatio.textgrid")
    for path in sorted((shared_data / "ljspeech" / "textgrids").glob("*.TextGrid"))[:5]:
        ours = read_textgrid(path)
        theirs = textgrid.openTextgrid(str(path), includeEmptyIntervals=True)
        for tier in ours.tiers:
            entries = [(entry.start, entry.end, entry.label) for entry in theirs.getTier(tier.name).entries]
            assert [tuple(interval) for interval in tier.intervals] == entries
