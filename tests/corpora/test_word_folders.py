from pathlib import Path

import numpy as np
import pytest

from phonoscope.audio import write_audio
from phonoscope.corpora import LAYOUTS, speech_commands, spoken_digits
from phonoscope.corpora.pairing import with_alignments


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def first_layout(root: Path) -> str | None:
    return next((name for name, layout in LAYOUTS.items() if layout.detect(root)), None)


def test_speech_commands_word_and_speaker_come_from_the_path(tmp_path):
    touch(tmp_path, "yes/0a1b2c3d_nohash_0.wav", "yes/0a1b2c3d_nohash_1.wav", "no/ffee0011_nohash_0.flac")
    found = {
        recording.audio.relative_to(tmp_path).as_posix(): (recording.transcript, recording.speaker, recording.sex)
        for recording in speech_commands.recordings(tmp_path)
    }
    assert found == {
        "yes/0a1b2c3d_nohash_0.wav": ("yes", "0a1b2c3d", None),
        "yes/0a1b2c3d_nohash_1.wav": ("yes", "0a1b2c3d", None),
        "no/ffee0011_nohash_0.flac": ("no", "ffee0011", None),
    }
    assert first_layout(tmp_path) == "speech_commands"


def test_background_noise_is_named_not_dropped(tmp_path):
    touch(tmp_path, "yes/0a1b2c3d_nohash_0.wav", "_background_noise_/doing_the_dishes.wav")
    assert first_layout(tmp_path) == "speech_commands"
    noise = [r for r in speech_commands.recordings(tmp_path) if r.audio.parent.name == "_background_noise_"]
    assert [(r.transcript, r.speaker) for r in noise] == [("", None)]
    assert "noise" in noise[0].warnings[0]


def test_a_stray_file_keeps_its_place_without_a_word(tmp_path):
    touch(tmp_path, *(f"yes/0a1b2c3d_nohash_{n}.wav" for n in range(19)), "yes/test.wav")
    assert first_layout(tmp_path) == "speech_commands"
    (stray,) = [r for r in speech_commands.recordings(tmp_path) if r.audio.name == "test.wav"]
    assert stray.transcript is None
    assert stray.warnings


def test_alignments_of_a_parallel_tree_are_paired(tmp_path):
    corpus = touch(tmp_path / "corpus", "yes/0a_nohash_0.wav", "no/0a_nohash_0.wav")
    grids = touch(tmp_path / "grids", "yes/0a_nohash_0.TextGrid")
    recordings = with_alignments(list(speech_commands.recordings(corpus)), corpus, grids)
    paired = {r.transcript: r.alignment for r in recordings}
    assert paired == {"yes": grids / "yes" / "0a_nohash_0.TextGrid", "no": None}


def test_official_split_is_read_whatever_the_audio_format(tmp_path):
    touch(tmp_path, "yes/0a_nohash_0.flac", "yes/0b_nohash_0.flac", "no/0c_nohash_0.flac", "_background_noise_/tap.wav")
    assert speech_commands.official_split(tmp_path) == {}
    (tmp_path / "validation_list.txt").write_text("yes/0a_nohash_0.wav\n", encoding="utf-8")
    (tmp_path / "testing_list.txt").write_text("no/0c_nohash_0.wav\n", encoding="utf-8")
    assert speech_commands.official_split(tmp_path) == {
        "yes/0a_nohash_0.flac": "validation",
        "yes/0b_nohash_0.flac": "train",
        "no/0c_nohash_0.flac": "test",
    }


@pytest.mark.parametrize("folder", ["", "recordings/"])
def test_spoken_digits_are_spelt_out(tmp_path, folder):
    touch(tmp_path, f"{folder}0_theo_3.wav", f"{folder}7_mary_ann_12.wav")
    found = [(r.transcript, r.speaker) for r in spoken_digits.recordings(tmp_path)]
    assert found == [("zero", "theo"), ("seven", "mary_ann")]
    assert first_layout(tmp_path) == "spoken_digits"


@pytest.mark.parametrize(
    "names",
    [
        ["anna/0_nohash.wav", "anna/b.wav"],
        ["a/b/0a_nohash_0.wav"],  # a folder too deep
        ["0a_nohash_0.wav"],  # no word
        ["take_1.wav", "10_anna_1.wav"],
        ["digits/7_anna_1.wav"],
        ["yes/0a_nohash_0.wav", "7_anna_1.wav"],
    ],
)
def test_other_folders_are_not_taken_for_either(tmp_path, names):
    touch(tmp_path, *names)
    assert first_layout(tmp_path) == "folder"


def test_an_empty_folder_is_neither(tmp_path):
    assert not speech_commands.detect(tmp_path)
    assert not spoken_digits.detect(tmp_path)


def test_real_corpora_are_told_apart(shared_data):
    assert first_layout(shared_data / "speech_commands") == "speech_commands"
    assert first_layout(shared_data / "free_spoken_digits") == "spoken_digits"
    assert first_layout(shared_data / "ljspeech") == "ljspeech"
    digits = list(spoken_digits.recordings(shared_data / "free_spoken_digits"))
    assert len(digits) == 900
    assert {r.speaker for r in digits} == {"george", "jackson", "lucas", "nicolas", "theo", "yweweler"}
    assert all(sum(r.transcript == word for r in digits) == 90 for word in spoken_digits.DIGIT_WORDS)


def test_layouts_feed_the_token_table(tmp_path):
    from phonoscope.corpora import read_corpus
    from phonoscope.corpora.textgrid import Interval, TextGrid, Tier, write_textgrid

    write_audio(tmp_path / "corpus" / "3_anna_0.wav", np.zeros(8000, dtype=np.float32), 8000)
    phones = (Interval(0.0, 0.2, "TH"), Interval(0.2, 0.4, "R"), Interval(0.4, 1.0, "IY"))
    grid = TextGrid(0.0, 1.0, (Tier("words", (Interval(0.0, 1.0, "three"),)), Tier("phones", phones)))
    write_textgrid(tmp_path / "grids" / "3_anna_0.TextGrid", grid)
    tokens = read_corpus(tmp_path / "corpus", alignments=tmp_path / "grids", classes="paper")
    assert tokens[["label", "word", "speaker"]].to_numpy().tolist() == [["θ", "three", "anna"], ["i", "three", "anna"]]
    assert tokens["stress"].isna().all()
