"""Binary and chronological TextGrids, read in Python: as Praat writes them, and whatever else calls itself so."""

import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpora.test_textgrid import grids

from phonoscope.corpora.textgrid import Interval, Point, TextGrid, Tier, read_textgrid, write_textgrid
from phonoscope.errors import CorpusError

GRID = TextGrid(
    0.0,
    2.5,
    (
        Tier("phones", (Interval(0.0, 0.5, "a"), Interval(0.5, 0.75, "ʃ𝐀 x"), Interval(0.75, 2.5, ""))),
        Tier("clicks", points=(Point(0.25, "burst"), Point(1.0, "é")), kind="point"),
        Tier("silent"),
        Tier("no points", kind="point"),
    ),
)
SEGMENTATION_FAULT = b"ooBinaryFile\x08TextGrid\xa4\xdd\x6f" + b"\xff" * 11 + b"\0" * 10


def binary(grid: TextGrid) -> bytes:
    """TextGrid in Praat's binary form."""

    def string(text: str) -> bytes:
        if text.isascii():
            return struct.pack(">H", len(text)) + text.encode()
        return struct.pack(">HH", 0xFFFF, len(text)) + text.encode("utf-16-be")

    raw = b"ooBinaryFile\x08TextGrid" + struct.pack(">dd?i", grid.xmin, grid.xmax, True, len(grid.tiers))
    for tier in grid.tiers:
        kind = b"TextTier" if tier.kind == "point" else b"IntervalTier"
        entries = tier.points or tier.intervals
        raw += bytes([len(kind)]) + kind + string(tier.name)
        raw += struct.pack(">ddi", grid.xmin, grid.xmax, len(entries))
        for *times, label in entries:
            raw += struct.pack(f">{len(times)}d", *times) + string(label)
    return raw


def chronological(grid: TextGrid) -> str:
    """TextGrid as Praat's chronological text."""

    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    lines = ['"Praat chronological TextGrid text file"', f"{grid.xmin} {grid.xmax}   ! Time domain.", ""]
    lines[2] = f"{len(grid.tiers)}   ! Number of tiers."
    entries = []
    for number, tier in enumerate(grid.tiers, 1):
        kind = "TextTier" if tier.kind == "point" else "IntervalTier"
        lines.append(f'"{kind}" {quoted(tier.name)} {grid.xmin} {grid.xmax}')
        entries += [(times, number, label) for *times, label in tier.points or tier.intervals]
    for times, number, label in sorted(entries, key=lambda entry: entry[0][0]):
        lines += ["", "! whose:", " ".join(map(str, [number, *times])), quoted(label)]
    return "\n".join(lines) + "\n"


def as_file(folder: Path, content: bytes, name: str = "x.TextGrid") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def refused_or_read(path: Path) -> TextGrid | None:
    """TextGrid, or None where the reader refuses in words; anything else fails the test."""
    try:
        return read_textgrid(path)
    except CorpusError as error:
        message = str(error)
    assert path.name in message
    return None


@given(grid=grids())
@settings(max_examples=80)
def test_what_is_written_in_binary_comes_back(tmp_path_factory, grid):
    assert read_textgrid(as_file(tmp_path_factory.getbasetemp(), binary(grid), "binary.TextGrid")) == grid


@given(grid=grids())
@settings(max_examples=80)
def test_what_is_written_in_order_of_time_comes_back(tmp_path_factory, grid):
    content = chronological(grid).encode()
    assert read_textgrid(as_file(tmp_path_factory.getbasetemp(), content, "chronological.TextGrid")) == grid


def test_overlaps_in_binary_are_kept_with_a_warning(tmp_path):
    grid = TextGrid(0.0, 2.0, (Tier("a", (Interval(0.0, 1.5, "x"), Interval(1.0, 2.0, "y"))),))
    again = read_textgrid(as_file(tmp_path, binary(grid)))
    assert again.tiers == grid.tiers
    assert again.warnings == ("tier 'a': 1 intervals overlap the next one",)


def nested(parselmouth, n_intervals: int = 1):
    """A TextGrid of Praat's own with as many intervals, IPA, an empty and a filled tier of points."""
    call = parselmouth.praat.call
    praat = call("Create TextGrid", 0.0, 20.0, "phones words silence clicks", "silence clicks")
    for index in range(1, n_intervals):
        call(praat, "Insert boundary", 1, 20.0 * index / n_intervals)
    for index, label in enumerate(("p", "ʃ𝐀 x", "é", 'say "hi"', "x" * 300)[:n_intervals], 1):
        call(praat, "Set interval text", 1, index, label)
    call(praat, "Insert point", 4, 0.5, "burst")
    call(praat, "Insert point", 4, 1.0 / 3.0, "ɓ")
    return praat


@pytest.mark.parametrize("n_intervals", [1, 5, 2000])
def test_praat_and_we_read_the_same(tmp_path, n_intervals):
    parselmouth = pytest.importorskip("parselmouth")
    praat = nested(parselmouth, n_intervals)
    paths = {}
    for form in ("text", "short text", "binary", "chronological text"):
        paths[form] = tmp_path / f"{form}.TextGrid"
        parselmouth.praat.call(praat, f"Save as {form} file", str(paths[form]))
    assert paths["binary"].read_bytes().startswith(b"ooBinaryFile")
    text, *others = [read_textgrid(path) for path in paths.values()]
    assert [len(tier.intervals) + len(tier.points) for tier in text.tiers] == [n_intervals, 1, 0, 2]
    assert all(grid == text for grid in others)


def test_praat_reads_the_writer_of_these_tests(tmp_path):
    """The oracle of the other direction: files as `binary` and `chronological` make them are Praat's."""
    parselmouth = pytest.importorskip("parselmouth")
    for content in (binary(GRID), chronological(GRID).encode()):
        praat = parselmouth.read(str(as_file(tmp_path, content)))
        parselmouth.praat.call(praat, "Save as text file", str(tmp_path / "again.TextGrid"))
        assert read_textgrid(tmp_path / "again.TextGrid").tiers[:2] == GRID.tiers[:2]


def test_nothing_hostile_reaches_praat(tmp_path):
    """42 bytes that end a process where Praat's own reader gets them."""
    with pytest.raises(CorpusError, match=r"x\.TextGrid, byte 30: .*nan"):
        read_textgrid(as_file(tmp_path, SEGMENTATION_FAULT))
    for source in sorted((Path(__file__).parents[2] / "src").rglob("*.py")):
        if source.name not in ("voice.py", "planted_listeners.py"):  # they give Praat samples, and never a file
            assert "import parselmouth" not in source.read_text(encoding="utf-8"), source


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw.replace(b"\x08TextGrid", b"\x05Sound"), 'class "Sound"'),
        (lambda raw: raw.replace(b"IntervalTier", b"IntervalTear"), 'found "IntervalTear"'),
        (lambda raw: raw[:-1], "the file ends within the number of entries.*cut short"),
        (lambda raw: raw + b"\0", "more follows after the last tier"),
        (
            lambda raw: raw.replace(b"\0\0\0\x04\x0cInterval", b"\x7f\xff\xff\xff\x0cInterval"),
            "2147483647, but only",
        ),
        (lambda raw: raw.replace(b"\0\0\0\x04\x0cInterval", b"\xff\xff\xff\xff\x0cInterval"), "is -1, but only"),
        (lambda raw: raw.replace(struct.pack(">d", 0.25), struct.pack(">d", float("nan"))), "nan; expected a finite"),
        (lambda raw: raw.replace(struct.pack(">d", 1.0), struct.pack(">d", 0.125)), "time runs backwards in tier 'cl"),
    ],
)
def test_faults_are_named_with_file_and_byte(tmp_path, change, words):
    raw = binary(GRID)
    assert change(raw) != raw
    with pytest.raises(CorpusError, match=r"x\.TextGrid, byte \d+: .*(" + words + ")"):
        read_textgrid(as_file(tmp_path, change(raw)))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("\n1 0.0 0.5", "\n9 0.0 0.5", "line 10: an entry belongs to tier 9; there are 4"),
        ("\n1 0.0 0.5", "\n0 0.0 0.5", "line 10: an entry belongs to tier 0"),
        ("\n2 1.0", "\n2 0.125", "time runs backwards in tier 'clicks'"),
        ("4   ! Number", "5   ! Number", "expected the class of a tier"),
        ('"burst"\n', "", "expected the label of point 1"),
    ],
)
def test_faults_of_chronological_files_are_named(tmp_path, old, new, words):
    text = chronological(GRID)
    assert old in text
    with pytest.raises(CorpusError, match=words):
        read_textgrid(as_file(tmp_path, text.replace(old, new, 1).encode()))


def test_what_is_cut_short_is_refused_in_words(tmp_path):
    raw = binary(GRID)
    assert all(refused_or_read(as_file(tmp_path, raw[:size])) is None for size in range(len(raw)))
    text = chronological(GRID).encode()
    for size in range(len(text)):
        refused_or_read(as_file(tmp_path, text[:size]))


@given(flips=st.lists(st.tuples(st.integers(12, 10**4), st.integers(0, 7)), min_size=1, max_size=4))
@settings(max_examples=300)
def test_flipped_bits_are_read_or_refused(tmp_path_factory, flips):
    folder = tmp_path_factory.getbasetemp()
    for content in (binary(GRID), chronological(GRID).encode()):
        damaged = bytearray(content)
        for position, bit in flips:
            damaged[position % len(damaged)] ^= 1 << bit
        refused_or_read(as_file(folder, bytes(damaged), "flipped.TextGrid"))


@given(tail=st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes_after_the_header_are_refused_or_read(tmp_path_factory, tail):
    refused_or_read(as_file(tmp_path_factory.getbasetemp(), b"ooBinaryFile\x08TextGrid" + tail, "noise.TextGrid"))


def many(n_intervals: int) -> TextGrid:
    step = 0.01
    entries = (Interval(step * index, step * (index + 1), "ʃ") for index in range(n_intervals))
    return TextGrid(0.0, step * n_intervals, (Tier("phones", tuple(entries)),))


HOSTILE_TEXT = {
    "digits": "1" * 300_000 + "x",
    "decimals": "1." + "1" * 300_000 + "x",
    "angles": "<" * 300_000,
    "quotes": '"' * 300_001,
    "quoted pairs": '"' + '""' * 150_000 + "x",
    "marks": "! " * 150_000,
    "blanks": " " * 300_000,
    "items": "item [1]:\n" * 30_000,
    "intervals": "intervals [1]:\nxmin = " * 15_000,
}


@pytest.mark.parametrize("name", HOSTILE_TEXT)
def test_time_and_memory_stay_linear(tmp_path, name):
    """Text at which a careless pattern would look 300 000 times at 300 000 characters, in every gap of a TextGrid."""
    write_textgrid(tmp_path / "plain.TextGrid", TextGrid(0.0, 1.0, (Tier("a", (Interval(0.0, 1.0, "x"),)),)))
    text = (tmp_path / "plain.TextGrid").read_text(encoding="utf-8")
    gaps = ["xmin", "<exists>", "item [1]", '"IntervalTier"', "intervals [1]", '"x"']
    tracemalloc.start()
    began = time.process_time()
    for gap in gaps:
        at = text.index(gap)
        path = as_file(tmp_path, (text[:at] + HOSTILE_TEXT[name] + text[at:]).encode(), "hostile.TextGrid")
        refused_or_read(path)
    assert time.process_time() - began < 30
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def test_lone_surrogates_take_no_more_than_their_length(tmp_path):
    """Every string names 65 534 characters; each high surrogate takes the unit after it, and no more."""
    head = b"ooBinaryFile\x08TextGrid" + struct.pack(">dd?i", 0.0, 1.0, True, 1) + b"\x08TextTier\0\x01a"
    head += struct.pack(">ddi", 0.0, 1.0, 20)
    entry = struct.pack(">dHH", 0.5, 0xFFFF, 0xFFFE) + b"\xd8\x00" * 2 * 0xFFFE
    began = time.process_time()
    grid = refused_or_read(as_file(tmp_path, head + 20 * entry))
    assert grid is not None
    assert len(grid.tiers[0].points) == 20
    assert refused_or_read(as_file(tmp_path, head + 20 * entry[:-2])) is None
    assert time.process_time() - began < 20


def test_a_count_sets_no_memory_aside(tmp_path):
    raw = binary(many(3))
    path = as_file(tmp_path, raw.replace(struct.pack(">i", 3), struct.pack(">i", 2**31 - 1), 1))
    tracemalloc.start()
    assert refused_or_read(path) is None
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_the_shared_hostile_files_are_read_or_refused(shared_data):
    paths = sorted((shared_data / "hostile" / "textgrid").iterdir())
    assert paths
    for path in paths:
        began = time.process_time()
        refused_or_read(path)
        assert time.process_time() - began < 5, path
