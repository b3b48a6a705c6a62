"""LibriSpeech: speakers, their sex and their words from names and lists."""

from pathlib import Path

import pytest

from phonoscope.corpora import LAYOUTS, librispeech

SPEAKERS = """; Some pipe separated metadata
;ID  |SEX| SUBSET           |MINUTES| NAME
14   | F | train-clean-360  | 25.03 | Kristin LeMoine
16   | M | train-clean-360  | 25.11 | Anybody | With A Bar
"""


@pytest.fixture
def books(tmp_path) -> Path:
    for speaker in (14, 16, 17):
        for number in range(4):
            path = tmp_path / "LibriSpeech" / "dev-clean" / f"{speaker}/7/{speaker}-7-{number:04d}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    (tmp_path / "LibriSpeech" / "SPEAKERS.TXT").write_text(SPEAKERS)
    words = tmp_path / "LibriSpeech" / "dev-clean" / "14" / "7" / "14-7.trans.txt"
    words.write_text("14-7-0000 GO DO YOU HEAR\n14-7-0001 BUT IN LESS\n")
    return tmp_path / "LibriSpeech"


@pytest.mark.parametrize("below", [".", "dev-clean"])
def test_speaker_sex_and_words(books, below):
    root = books / below
    assert next(name for name, layout in LAYOUTS.items() if layout.detect(root)) == "librispeech"
    found = {r.audio.stem: (r.speaker, r.sex, r.transcript) for r in librispeech.recordings(root)}
    assert len(found) == 12
    assert found["14-7-0001"] == ("14", "f", "BUT IN LESS")
    assert found["14-7-0002"] == ("14", "f", None)
    assert found["16-7-0000"] == ("16", "m", None)
    assert found["17-7-0003"] == ("17", None, None)


def test_other_names_are_no_librispeech_and_stray_ones_have_no_speaker(books, tmp_path):
    stray = books / "dev-clean" / "14" / "7" / "15-7-0000.flac"
    stray.touch()
    assert librispeech.detect(books)
    odd = next(r for r in librispeech.recordings(books) if r.audio == stray)
    assert odd.speaker is None
    assert "speaker unknown" in odd.warnings[0]
    for number in range(12):
        (books / "dev-clean" / f"take{number}.wav").touch()
    assert not librispeech.detect(books)
    (tmp_path / "empty").mkdir()
    assert not librispeech.detect(tmp_path / "empty")
