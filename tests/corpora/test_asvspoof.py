"""ASVspoof 2019 LA: where it is found, what its protocols say, what is missing."""

from pathlib import Path

import pytest

from phonoscope.corpora import LAYOUTS, asvspoof
from phonoscope.corpora.asvspoof import SYSTEMS, Trial, available_partitions, read_trials, system_kind
from phonoscope.errors import CorpusError

PROTOCOL = """LA_0079 LA_T_1138215 - - bonafide
LA_0079 LA_T_1271820 - A01 spoof
LA_0080 LA_T_1272637 - A05 spoof
"""


@pytest.fixture
def database(tmp_path) -> Path:
    """Two partitions with empty recordings, one of which is missing, below a folder of some name."""
    home = tmp_path / "database" / "LA"
    for part, letter, end in (("train", "T", "trn"), ("eval", "E", "trl")):
        protocol = home / "ASVspoof2019_LA_cm_protocols" / f"ASVspoof2019.LA.cm.{part}.{end}.txt"
        protocol.parent.mkdir(parents=True, exist_ok=True)
        protocol.write_text(PROTOCOL.replace("LA_T", f"LA_{letter}"))
        folder = home / f"ASVspoof2019_LA_{part}" / "flac"
        folder.mkdir(parents=True)
        for number in (1138215, 1271820):
            (folder / f"LA_{letter}_{number}.flac").touch()
    (home / "ASVspoof2019_LA_dev" / "flac").mkdir(parents=True)
    return home


def test_it_is_found_from_the_usual_roots(database):
    train = database / "ASVspoof2019_LA_train"
    for root in (database, database.parent, database.parent.parent):
        found = asvspoof.detect(root)
        assert found == (root != database.parent.parent)
    assert list(available_partitions(database)) == list(available_partitions(database.parent)) == ["eval", "train"]
    assert list(available_partitions(train)) == list(available_partitions(train / "flac")) == ["train"]
    assert next(name for name, layout in LAYOUTS.items() if layout.detect(database)) == "asvspoof"
    nested = database.rename(database.parent / "LA_")
    (database.parent / "LA").mkdir()
    nested.rename(database.parent / "LA" / "LA")
    assert asvspoof.detect(database.parent)
    assert not asvspoof.detect(database / "no such folder")


def test_the_protocol_says_who_is_spoofed_by_what(database):
    found = read_trials(database, "train")
    assert found.trials == [
        Trial("LA_T_1138215", "LA_0079", None),
        Trial("LA_T_1271820", "LA_0079", "A01"),
        Trial("LA_T_1272637", "LA_0080", "A05"),
    ]
    assert sorted(found.audio) == ["LA_T_1138215", "LA_T_1271820"]
    assert read_trials(database).partition == "eval"
    assert read_trials(database / "ASVspoof2019_LA_train").partition == "train"
    with pytest.raises(CorpusError, match=r"'dev' was not found.*eval, train"):
        read_trials(database, "dev")
    with pytest.raises(CorpusError, match="not both"):
        read_trials(database, "eval", database / "x.txt")
    with pytest.raises(CorpusError, match="cannot be read"):
        read_trials(database, protocol=database / "x.txt")


def test_a_protocol_of_ones_own_names_recordings_in_any_folders(database, tmp_path):
    (tmp_path / "sounds" / "a" / "b").mkdir(parents=True)
    (tmp_path / "sounds" / "a" / "b" / "one.wav").touch()
    own = tmp_path / "own.txt"
    faulty = "anna one - A01 spoof\nnonsense\na b - - spoof\n\n"
    own.write_text(f"anna one - - bonafide\nanna two - newvoice spoof\n{faulty}")
    found = read_trials(tmp_path / "sounds", protocol=own)
    assert found.trials == [Trial("one", "anna", None), Trial("two", "anna", "newvoice")]
    assert found.audio == {"one": (tmp_path / "sounds" / "a" / "b" / "one.wav").resolve()}
    assert [line.partition(":")[0] for line in found.faulty] == ["line 3", "line 4", "line 5"]
    own.write_text("word speaker\n")
    with pytest.raises(CorpusError, match="contains no line"):
        read_trials(tmp_path / "sounds", protocol=own)
    with pytest.raises(CorpusError, match="not laid out"):
        read_trials(tmp_path / "sounds")


def test_as_a_corpus_only_bona_fide_recordings_have_a_speaker(database):
    found = list(asvspoof.recordings(database))
    assert [(r.audio.stem, r.speaker) for r in found] == [
        ("LA_E_1138215", "LA_0079"),
        ("LA_E_1271820", None),
        ("LA_E_1272637", None),
        ("LA_T_1138215", "LA_0079"),
        ("LA_T_1271820", None),
        ("LA_T_1272637", None),
    ]
    assert found[1].warnings == ("spoofed speech (A01): nobody spoke",)
    assert not found[2].audio.is_file()


def test_the_nineteen_systems_are_of_three_kinds():
    assert list(SYSTEMS) == [f"A{number:02d}" for number in range(1, 20)]
    kinds = {kind: [name for name in SYSTEMS if system_kind(name) == kind] for kind in ("TTS", "TTS + VC", "VC")}
    assert kinds["TTS + VC"] == ["A13", "A14", "A15"]
    assert kinds["VC"] == ["A05", "A06", "A17", "A18", "A19"]
    assert len(kinds["TTS"]) == 11
    # The evaluation set repeats two systems of the training set.
    assert SYSTEMS["A16"] == SYSTEMS["A04"]
    assert SYSTEMS["A19"] == SYSTEMS["A06"]
    assert system_kind("newvoice") == "other"
