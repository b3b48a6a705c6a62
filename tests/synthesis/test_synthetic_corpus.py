import hashlib

import numpy as np
import pandas as pd
import pytest
import soundfile

import phonoscope.synthesis.corpus as corpus_room
from phonoscope.corpora import read_corpus
from phonoscope.errors import CorpusError
from phonoscope.synthesis.corpus import synthesise_tokens, write_corpus


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("synthetic") / "talkers"
    seen = []
    table = write_corpus(out, talkers=5, repeats=2, seed=9, progress=lambda done, total: seen.append((done, total)))
    return out, table, seen


def digests(folder):
    return {
        p.relative_to(folder): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.*") if p.is_file()
    }


def test_the_reader_finds_what_was_planted(written):
    out, table, _ = written
    read = read_corpus(out, speakers=out / "speakers.csv")
    pd.testing.assert_frame_equal(read, table[list(read.columns)], rtol=1e-9)
    assert read.attrs["roots"] == table.attrs["roots"]
    truth = pd.read_parquet(out / "truth.parquet")
    assert truth["token"].is_unique
    assert set(read["token"]) == set(truth["token"])


def test_truth_is_there_for_vowels_and_missing_for_consonants(written):
    _, table, _ = written
    vowels = table["label"].isin(["i", "æ", "ɝ", "ɑ", "u"])
    planted = table.filter(like="true_")
    assert len(table) == 5 * 2 * 13
    assert planted.shape[1] == 27
    assert planted[vowels].notna().all(axis=None)
    assert planted[~vowels].isna().all(axis=None)
    assert table["stress"].isna().equals(~vowels)


def test_recordings_are_whole_and_pauses_hold_background(written):
    out, table, seen = written
    assert seen == [(k, 5) for k in range(1, 6)]
    for recording, tokens in table.groupby("recording"):
        samples, rate = soundfile.read(out / str(recording))
        assert soundfile.info(out / str(recording)).subtype == "PCM_16"
        assert np.abs(samples).max() < 0.999
        assert tokens["end"].iloc[-1] < samples.size / rate
        pauses = tokens["start"].to_numpy()[1:] - tokens["end"].to_numpy()[:-1]
        assert ((pauses > 0.055) & (pauses < 0.105)).all()
        first = samples[: int(tokens["start"].iloc[0] * rate)]
        vowel = tokens[tokens["label"] == "ɑ"].iloc[0]
        loud = samples[int(vowel["start"] * rate) : int(vowel["end"] * rate)]
        snr = 10 * np.log10(np.mean(loud**2) / np.mean(first**2))
        assert 14 < snr < 44


def test_same_seed_same_bytes_other_seed_other_bytes(written, tmp_path):
    out, _, _ = written
    write_corpus(tmp_path / "again" / "talkers", talkers=5, repeats=2, seed=9)
    assert digests(out) == digests(tmp_path / "again" / "talkers")
    write_corpus(tmp_path / "other" / "talkers", talkers=5, repeats=2, seed=10)
    other = digests(tmp_path / "other" / "talkers")
    same = {path.name for path, digest in digests(out).items() if other[path] == digest}
    assert same == {"speakers.csv"}


def test_a_talker_does_not_depend_on_the_others(written, tmp_path):
    out, _, _ = written
    write_corpus(tmp_path / "two", talkers=2, repeats=2, seed=9)
    first, _ = soundfile.read(out / "m01" / "m01.wav", dtype="int16")
    second, _ = soundfile.read(tmp_path / "two" / "m01" / "m01.wav", dtype="int16")
    assert np.abs(first.astype(int) - second).max() <= 1


def test_in_memory_tokens_are_those_of_the_files(written):
    out, table, _ = written
    sounds, in_memory = synthesise_tokens(5, consonants=corpus_room.CONSONANTS, repeats=2, seed=9)
    by_token = dict(zip(in_memory["token"], sounds, strict=True))
    for row in table.iloc[::17].itertuples():
        samples, rate = soundfile.read(out / row.recording)
        cut = samples[round(row.start * rate) : round(row.end * rate)]
        np.testing.assert_allclose(by_token[row.token], cut, atol=1.1 / 32768)


def test_levels_do_not_tell_the_vowels_apart():
    sounds, table = synthesise_tokens(24, repeats=3, seed=1)
    level = pd.Series([10 * np.log10(np.mean(sound.astype(float) ** 2)) for sound in sounds])
    between = level.groupby(table["label"]).mean()
    assert np.ptp(between) < 1.5 < level.std()


def test_a_clean_corpus_has_dead_silence_between_tokens(tmp_path):
    table = write_corpus(tmp_path / "clean", talkers=1, vowels=["i"], consonants=[], repeats=2, room=False)
    samples, rate = soundfile.read(tmp_path / "clean" / "m01" / "m01.wav")
    assert (samples[: int(table["start"][0] * rate) - 1] == 0).all()


def test_other_sample_rates_and_classes(tmp_path):
    table = write_corpus(tmp_path / "c", talkers=3, vowels=["ɪ", "ʌ"], consonants=["s"], repeats=1, sample_rate=16000)
    assert soundfile.info(tmp_path / "c" / "f01" / "f01.wav").samplerate == 16000
    assert sorted(table["phone"].unique()) == ["AH1", "IH1", "S"]


def test_a_full_folder_is_not_touched(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CorpusError, match="exists and is not an empty folder"):
        write_corpus(tmp_path, talkers=1)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_nothing_is_left_behind_when_it_stops(tmp_path, monkeypatch):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_corpus(tmp_path / "half", talkers=2, vowels=["i"], consonants=[], repeats=1, progress=stop)
    assert not (tmp_path / "half").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"vowels": [], "consonants": []}, "at least one phone"), ({"repeats": 0}, "repeat"), ({"talkers": 0}, "talkers")],
)
def test_impossible_requests_are_refused(tmp_path, options, message):
    with pytest.raises(CorpusError, match=message):
        write_corpus(tmp_path / "x", **options)
    assert not (tmp_path / "x").exists()
