"""Bookkeeping with a stand-in for the decoder; everything acoustic with the real one on real recordings."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phonoscope.audio import read_audio, write_audio
from phonoscope.corpora import align, aligner
from phonoscope.corpora.align import align_corpus
from phonoscope.corpora.aligner import Alignment, align_waveform, load_decoder
from phonoscope.corpora.pronunciations import MODEL_PHONES, read_dictionary, spoken_words
from phonoscope.corpora.textgrid import Interval, read_textgrid
from phonoscope.errors import CorpusError, MissingExtraError

RATE = aligner.SAMPLE_RATE_HZ
DICTIONARY = {"yes", "no", "mr.", "x-ray", "ray", "twenty", "one", "'tis", "dogs", "don't", "i", "e", "the", "end"}


# --- words and dictionaries -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Yes, no!", ["yes", "no"]),
        ("“Yes” — no… (yes)", ["yes", "no", "yes"]),
        ("Mr. No. Yes.", ["mr.", "no", "yes"]),
        ("the end.\nthe  end", ["the", "end", "the", "end"]),
        ("x-ray twenty-one", ["x-ray", "twenty", "one"]),
        ("yes--no", ["yes", "no"]),
        ("’Tis the dogs’ 'end'", ["'tis", "the", "dogs", "end"]),
        ("Don’t", ["don't"]),
        ("i.e.", ["i", "e"]),
        (" - ... ", []),
    ],
)
def test_text_becomes_words_of_the_dictionary(text, words):
    assert spoken_words(text, DICTIONARY.__contains__) == (words, [])


def test_unknown_words_are_named_once_and_numbers_are_not_guessed():
    words, unknown = spoken_words("Yes 1,862 Schoeffer, Schoeffer: 3.5", DICTIONARY.__contains__)
    assert words == ["yes", "1,862", "schoeffer", "schoeffer", "3.5"]
    assert unknown == ["1,862", "schoeffer", "3.5"]


@given(st.text(), st.booleans())
def test_no_letter_or_digit_of_a_text_is_lost(text, known):
    words, _ = spoken_words(text, lambda _: known)
    assert align._letters("".join(words)) == align._letters(text)


def test_own_dictionary_is_read_with_variants_comments_and_stress(tmp_path):
    path = tmp_path / "own.dict"
    path.write_text(";;; mine\nHAWED  HH AO1 D\nhawed(2) hh aa1 d # other\n\nZed Z EH1 D\n", encoding="utf-8")
    assert read_dictionary(path) == {"hawed": ["HH AO D", "HH AA D"], "zed": ["Z EH D"]}


@pytest.mark.parametrize(
    ("content", "found"),
    [("YES Y EH S\nhawed h O: d\n", "line 2.*H, O:"), ("hawed\n", "line 1.*none"), (";;; nothing\n", "no entries")],
)
def test_faults_of_a_dictionary_are_named_with_their_line(tmp_path, content, found):
    path = tmp_path / "own.dict"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=found):
        read_dictionary(path)
    with pytest.raises(CorpusError, match="not found"):
        read_dictionary(tmp_path / "none.dict")


# --- arithmetic of the aligner ----------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(3, 40)), min_size=1, max_size=12),
    st.integers(0, 30),
    st.floats(0, 0.0001),
)
def test_tiers_cover_the_recording_without_gaps(steps, rest, beyond):
    first, phones = 0, []
    length = (sum(map(sum, steps)) + rest) * aligner.FRAME_SECONDS + aligner.WINDOW_SECONDS
    for pause, frames in steps:
        phones.append(aligner._interval("AA", first + pause, first + pause + frames, length))
        first += pause + frames
    duration = length + beyond / RATE
    grid = Alignment("aligned", phones=tuple(phones)).textgrid(duration)
    intervals = grid.tier("phones").intervals
    assert intervals[0].start == 0
    assert intervals[-1].end == duration == grid.xmax
    assert all(a.end == b.start for a, b in pairwise(intervals))
    assert all(interval.end > interval.start for interval in intervals)
    assert sum(interval.label == "AA" for interval in intervals) == len(steps)
    assert not any(not a.label and not b.label for a, b in pairwise(intervals))


def test_a_boundary_lies_halfway_between_the_centres_of_its_windows():
    interval = aligner._interval("AA", 10, 20, 1.0)
    centre_before, centre_after = (9 * 0.010 + 0.025625 / 2), (10 * 0.010 + 0.025625 / 2)
    assert interval.start == pytest.approx((centre_before + centre_after) / 2, abs=1e-6)
    assert interval.end - interval.start == pytest.approx(0.1)


def test_level_of_a_sine_is_3_db_below_full_scale():
    time = np.arange(RATE) / RATE
    levels = aligner._level(np.sin(2 * np.pi * 200 * time) + 0.3)
    assert levels == pytest.approx(-10 * np.log10(2), abs=0.01)


def test_words_on_a_quiet_stretch_are_disbelieved():
    waveform = np.random.default_rng(0).normal(size=RATE) * 0.01
    waveform[: RATE // 2] *= 10
    quiet, loud = (Alignment("aligned", words=(Interval(*times, "yes"),)) for times in ((0.6, 0.9), (0.1, 0.4)))
    fault = aligner.misplaced(waveform, quiet)
    assert fault is not None
    assert fault.status == "failed"
    assert "20 dB louder" in fault.reason
    assert aligner.misplaced(waveform, loud) is None


@pytest.mark.parametrize(("frames", "status"), [([3, 3, 3], "silent"), ([3, 3, 9], "failed"), ([3, 9], None)])
def test_words_squeezed_into_no_time_are_disbelieved(frames, status):
    ends = np.cumsum(frames)
    phones = [("AA", int(end - count), int(end)) for end, count in zip(ends, frames, strict=True)]
    fault = aligner._implausible([("word", phones)])
    assert (fault.status if fault else None) == status


# --- bookkeeping ------------------------------------------------------------------------------------------------------


class StandIn:
    """Knows a few words; whatever is aligned takes the middle of the recording."""

    def lookup_word(self, word: str) -> str | None:
        return "Y EH S" if word in DICTIONARY else None

    def __call__(self, decoder, waveform, words) -> Alignment:
        self.asked.append(list(words))
        if not np.any(waveform):
            return Alignment("silent", "nothing there")
        times = np.linspace(0.2, 0.8, len(words) + 1)
        return Alignment("aligned", "", *(tuple(map(Interval, times[:-1], times[1:], words)),) * 2)

    def __init__(self) -> None:
        self.asked: list[list[str]] = []


@pytest.fixture
def stand_in(monkeypatch) -> StandIn:
    decoder = StandIn()
    monkeypatch.setattr(align, "load_decoder", lambda dictionary, alternatives: decoder)
    monkeypatch.setattr(align, "align_waveform", decoder)
    return decoder


def record(root: Path, *names: str, level: float = 0.1) -> Path:
    for name in names:
        waveform = np.random.default_rng(0).normal(size=8000).clip(-4, 4).astype(np.float32) * level
        write_audio(root / name, waveform, 8000)
    return root


def statuses(report) -> dict[str, str]:
    return dict(zip(report.table["recording"], report.table["status"], strict=True))


def test_one_textgrid_a_recording_in_a_parallel_tree(tmp_path, stand_in):
    root = record(tmp_path / "c", "yes/0a_nohash_0.wav", "no/0a_nohash_0.wav", "_background_noise_/tap.wav")
    report = align_corpus(root, tmp_path / "out")
    assert statuses(report) == {
        "_background_noise_/tap.wav": "silent",
        "no/0a_nohash_0.wav": "aligned",
        "yes/0a_nohash_0.wav": "aligned",
    }
    assert report.counts == {"aligned": 2, "fallback": 0, "rough": 0, "failed": 0, "silent": 1}
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert written == ["alignment_report.csv", "no/0a_nohash_0.TextGrid", "yes/0a_nohash_0.TextGrid"]
    grid = read_textgrid(tmp_path / "out/yes/0a_nohash_0.TextGrid")
    assert grid.tier_names == ["words", "phones"]
    assert [interval.label for interval in grid.tier("words").intervals] == ["", "yes", ""]
    on_disk = pd.read_csv(tmp_path / "out" / "alignment_report.csv")
    assert list(on_disk.columns) == ["recording", "status", "reason", "seconds"]
    assert on_disk["recording"].tolist() == report.table["recording"].tolist()


def test_unknown_words_are_counted_and_the_recording_left_out(tmp_path, stand_in):
    root = record(tmp_path / "c", "yes/0a_nohash_0.wav", "hawed/0a_nohash_0.wav", "hawed/0b_nohash_0.wav")
    report = align_corpus(root, tmp_path / "out")
    assert report.out_of_vocabulary == {"hawed": 2}
    assert report.counts["failed"] == 2
    assert not (tmp_path / "out" / "hawed").exists()
    assert "hawed (2)" in "\n".join(report.summary())
    with pytest.raises(CorpusError, match=r"hawed/0a_nohash_0.*dictionary: hawed"):
        align_corpus(root, tmp_path / "out", strict=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("auto", [["no"], None, ["yes", "no"]]),
        ("transcripts", [["no"], None, ["yes", "no"]]),
        ("from-folder", [["no"], ["one"], ["yes"]]),
        ("list.csv", [["yes"], ["the", "end"], None]),
    ],
)
def test_where_the_words_come_from(tmp_path, stand_in, words, expected):
    root = record(tmp_path / "c", "no/a.wav", "one/b.wav", "yes/c.wav")
    (root / "no/a.lab").write_text("NO\n", encoding="utf-8")
    (root / "yes/c.txt").write_text("Yes, no.", encoding="utf-16")
    if words == "list.csv":
        words = tmp_path / words
        words.write_text('recording,text\nno/a.wav,Yes\nb,"The end."\nelse/where.wav,no\n', encoding="utf-8-sig")
    report = align_corpus(root, tmp_path / "out", words=words)
    assert stand_in.asked == [said for said in expected if said is not None]
    assert report.table["status"].tolist() == ["failed" if said is None else "aligned" for said in expected]
    assert len(report.notes) == (1 if isinstance(words, Path) else 0)


def test_a_list_that_fits_nothing_is_refused(tmp_path, stand_in):
    root = record(tmp_path / "c", "a.wav")
    wrong = tmp_path / "wrong.csv"
    for content, message in (
        ("file,word\na,yes\n", "columns file, word"),
        ("recording,text\nz,yes\n", "none of the 1"),
    ):
        wrong.write_text(content, encoding="utf-8")
        with pytest.raises(CorpusError, match=message):
            align_corpus(root, tmp_path / "out", words=wrong)
    with pytest.raises(CorpusError, match="list of words not found"):
        align_corpus(root, tmp_path / "out", words="folder")


def test_damaged_and_silent_recordings_do_not_stop_the_rest(tmp_path, stand_in):
    root = record(tmp_path / "c", "yes/0a_nohash_0.wav")
    record(root, "yes/0c_nohash_0.wav", level=0)
    (root / "yes/0b_nohash_0.wav").write_bytes(b"RIFF and then nothing")
    report = align_corpus(root, tmp_path / "out")
    assert report.table["status"].tolist() == ["aligned", "failed", "silent"]
    assert "cannot be read as audio" in report.table["reason"][1]
    assert len(list((tmp_path / "out").rglob("*.TextGrid"))) == 1


def test_recordings_that_share_a_name_do_not_overwrite_each_other(tmp_path, stand_in):
    root = record(tmp_path / "c", "yes/0a_nohash_0.flac", "yes/0a_nohash_0.wav")
    report = align_corpus(root, tmp_path / "out")
    assert report.table["status"].tolist() == ["aligned", "failed"]
    assert "0a_nohash_0.flac has the same name" in report.table["reason"][1]


def test_a_second_run_keeps_what_is_whole_and_mends_the_rest(tmp_path, stand_in):
    root = record(tmp_path / "c", *(f"yes/0{name}_nohash_0.wav" for name in "abcd"))
    out = tmp_path / "out"
    align_corpus(root, out)
    whole, cut, foreign, edited = (out / f"yes/0{name}_nohash_0.TextGrid" for name in "abcd")
    before = whole.read_bytes()
    cut.write_bytes(before[: len(before) // 2])
    foreign.write_text(before.decode().replace('"phones"', '"tones"'), encoding="utf-8")
    edited.write_text(before.decode().replace('"yes"', '"yeah"'), encoding="utf-8")
    kept = [path.stat().st_mtime_ns for path in (whole, foreign, edited)]
    stand_in.asked.clear()
    done = []
    report = align_corpus(root, out, progress=lambda now, total: done.append((now, total)))
    assert stand_in.asked == [["yes"]]
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert cut.read_bytes() == before
    assert [path.stat().st_mtime_ns for path in (whole, foreign, edited)] == kept
    assert report.table["status"].tolist() == ["aligned", "aligned", "failed", "aligned"]
    assert report.table["reason"][0] == align.KEPT
    assert "words, tones" in report.table["reason"][2]
    assert "yeah" in report.table["reason"][3]
    align_corpus(root, out, resume=False)
    assert foreign.read_bytes() == edited.read_bytes() == before


def test_without_resume_a_failure_leaves_no_old_textgrid(tmp_path, stand_in):
    root = record(tmp_path / "c", "yes/0a_nohash_0.wav")
    align_corpus(root, tmp_path / "out")
    record(root, "yes/0a_nohash_0.wav", level=0)
    align_corpus(root, tmp_path / "out", resume=False)
    assert not list((tmp_path / "out").rglob("*.TextGrid"))


def test_an_interrupted_run_reports_what_it_did(tmp_path, stand_in):
    root = record(tmp_path / "c", *(f"yes/0{name}_nohash_0.wav" for name in "abc"))

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        align_corpus(root, tmp_path / "out", progress=stop)
    assert len(pd.read_csv(tmp_path / "out" / "alignment_report.csv")) == 2
    assert len(list((tmp_path / "out").rglob("*.TextGrid"))) == 2


def test_what_cannot_begin_says_why(tmp_path, stand_in):
    with pytest.raises(CorpusError, match=r"corpus folder .* was not found"):
        align_corpus(tmp_path / "none", tmp_path / "out")
    with pytest.raises(CorpusError, match="no recordings"):
        align_corpus(tmp_path, tmp_path / "out")
    root = record(tmp_path / "c", "a.wav")
    with pytest.raises(CorpusError, match=r"layout 'x' is not known.*speech_commands"):
        align_corpus(root, tmp_path / "out", layout="x")
    with pytest.raises(CorpusError, match="at least 1"):
        align_corpus(root, tmp_path / "out", jobs=0)
    (tmp_path / "file").touch()
    with pytest.raises(CorpusError, match="cannot be written"):
        align_corpus(root, tmp_path / "file" / "out")
    assert not (tmp_path / "out").exists()


def test_missing_pocketsphinx_is_named_with_its_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(MissingExtraError, match=r"pocketsphinx.*phonoscope\[align\]"):
        align_corpus(record(tmp_path / "c", "yes/0a_nohash_0.wav"), tmp_path / "out")


# --- the real decoder -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def decoder():
    pytest.importorskip("pocketsphinx", reason="pocketsphinx is not installed (extra: align)")
    return load_decoder()


def clips(shared_data: Path, word: str, count: int) -> list[Path]:
    return sorted((shared_data / "speech_commands" / word).glob("*.flac"))[:count]


def test_noise_and_silence_hold_no_word(decoder):
    noise = np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    for waveform in (noise * 0, noise * 1e-5, noise * 0.03, np.full(RATE, 0.5, dtype=np.float32)):
        assert align_waveform(decoder, waveform, ["yes"]).status == "silent"
    assert align_waveform(decoder, noise[:1000] * 0.03, ["yes"]).status == "failed"
    assert align_waveform(decoder, noise[:2000] * 0.03, ["extraordinary"]).status == "failed"


def test_all_phones_of_the_model_can_be_aligned_alone(decoder):
    assert [decoder.lookup_word(aligner._PHONE_WORD + phone) for phone in MODEL_PHONES] == list(MODEL_PHONES)


def test_results_do_not_depend_on_the_order_of_the_files(decoder, shared_data):
    files = [path for word in ("stop", "left", "yes") for path in clips(shared_data, word, 4)]
    waveforms = {path: read_audio(path, RATE)[0] for path in files}
    forward = {path: align_waveform(decoder, waveforms[path], [path.parent.name]) for path in files}
    backward = {path: align_waveform(decoder, waveforms[path], [path.parent.name]) for path in reversed(files)}
    fresh = load_decoder()
    alone = align_waveform(fresh, waveforms[files[-1]], [files[-1].parent.name])
    assert forward == backward
    assert alone == forward[files[-1]]
    assert sum(alignment.status == "aligned" for alignment in forward.values()) >= 10


class FailsInTheSecondPass:
    """The real decoder, but for the fault that some recordings provoke in the state aligner."""

    def __init__(self, decoder) -> None:
        self._decoder = decoder

    def __getattr__(self, name):
        return getattr(self._decoder, name)

    def set_alignment(self) -> None:
        raise RuntimeError("Failed to stop utterance processing")


def test_phones_as_words_stand_in_for_the_state_aligner(decoder, shared_data):
    differences = []
    for path in clips(shared_data, "left", 8) + clips(shared_data, "stop", 8):
        waveform = read_audio(path, RATE)[0]
        usual = align_waveform(decoder, waveform, [path.parent.name])
        other = align_waveform(FailsInTheSecondPass(decoder), waveform, [path.parent.name])
        if usual.status != "aligned" or other.status != "fallback":
            continue
        assert [phone.label for phone in other.phones] == [phone.label for phone in usual.phones]
        assert [word.label for word in other.words] == [path.parent.name]
        assert (other.words[0].start, other.words[0].end) == (other.phones[0].start, other.phones[-1].end)
        differences += [abs(a.start - b.start) for a, b in zip(usual.phones, other.phones, strict=True)]
    assert len(differences) >= 40
    assert np.median(differences) <= 0.030


def test_own_pronunciations_add_and_replace(decoder, shared_data, tmp_path):
    own = tmp_path / "own.dict"
    own.write_text("HAWED  HH AO1 D\nSTOP  S T AO1 P\n", encoding="utf-8")
    mine = load_decoder(own)
    assert decoder.lookup_word("hawed") is None
    assert mine.lookup_word("hawed") == "HH AO D"
    assert mine.lookup_word("yes") == decoder.lookup_word("yes")
    waveform = read_audio(clips(shared_data, "stop", 1)[0], RATE)[0]
    assert [phone.label for phone in align_waveform(decoder, waveform, ["stop"]).phones] == ["S", "T", "AA", "P"]
    assert [phone.label for phone in align_waveform(mine, waveform, ["stop"]).phones] == ["S", "T", "AO", "P"]


def test_the_number_of_processes_changes_nothing(decoder, shared_data, tmp_path):
    root = tmp_path / "c"
    for path in clips(shared_data, "yes", 3) + clips(shared_data, "up", 3):
        target = root / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    one, two = (align_corpus(root, tmp_path / str(jobs), jobs=jobs) for jobs in (1, 2))
    assert one.table.drop(columns="seconds").equals(two.table.drop(columns="seconds"))
    grids = sorted((tmp_path / "1").rglob("*.TextGrid"))
    assert len(grids) == one.counts["aligned"] > 0
    assert all(path.read_bytes() == (tmp_path / "2" / path.relative_to(tmp_path / "1")).read_bytes() for path in grids)


def test_recordings_of_8_khz_are_aligned(decoder, shared_data):
    path = shared_data / "free_spoken_digits" / "recordings" / "7_theo_0.wav"
    alignment = align_waveform(decoder, read_audio(path, RATE)[0], ["seven"])
    assert alignment.status == "aligned"
    assert [phone.label for phone in alignment.phones] == ["S", "EH", "V", "AH", "N"]


def test_vowels_of_running_speech_lie_where_another_aligner_puts_them(decoder, shared_data):
    """Sentences of LJSpeech against published alignments of another make (Montreal Forced Aligner)."""
    vowels = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"}
    lines = (shared_data / "ljspeech" / "metadata.csv").read_text(encoding="utf-8").splitlines()
    errors = []
    for line in lines[:10]:
        name, text = line.split("|")[0], line.split("|")[2]
        words, unknown = spoken_words(text, lambda word: decoder.lookup_word(word) is not None)
        if unknown:
            continue
        waveform, _ = read_audio(shared_data / "ljspeech" / "wavs" / f"{name}.wav", RATE)
        ours = [phone for phone in align_waveform(decoder, waveform, words).phones if phone.label in vowels]
        reference = read_textgrid(shared_data / "ljspeech" / "textgrids" / f"{name}.TextGrid").tier("phones").intervals
        theirs = [phone for phone in reference if phone.label.rstrip("012") in vowels]
        if len(ours) == len(theirs):
            errors += [(a.start - b.start, a.end - b.end) for a, b in zip(ours, theirs, strict=True)]
    assert len(errors) > 150
    assert np.median(np.abs(errors)) <= 0.030
    assert np.percentile(np.abs(errors), 90) <= 0.060
    assert abs(np.median(errors)) <= 0.015


def test_single_words_are_taken_in_their_first_pronunciation(tmp_path, shared_data):
    """ "Zero" has two; which of them fits better must not decide its vowel among single words."""
    root = tmp_path / "digits"
    root.mkdir()
    for take in range(6):
        for speaker in ("george", "jackson", "theo"):
            name = f"0_{speaker}_{take}.wav"
            (root / name).write_bytes((shared_data / "free_spoken_digits" / "recordings" / name).read_bytes())
    align_corpus(root, tmp_path / "grids")
    said = {
        tuple(i.label for i in read_textgrid(path).tier("phones").intervals if i.label)
        for path in (tmp_path / "grids").glob("**/*.TextGrid")
    }
    assert said == {("Z", "IH", "R", "OW")}
