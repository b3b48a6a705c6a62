"""Tokens cut into Parquet files: the sounds of the recordings, readable by others, finished after a kill."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from phonoscope import read_corpus
from phonoscope.audio import cut
from phonoscope.corpora import shards as writing
from phonoscope.corpora import write_tokens
from phonoscope.corpora.shards import to_int16, write_shards
from phonoscope.corpora.sounds import TokenSounds, open_tokens
from phonoscope.errors import AudioError, CorpusError
from phonoscope.synthesis.corpus import write_corpus
from phonoscope.work.folders import verify

CONTEXT_SECONDS = 0.05


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spoken") / "corpus"
    write_corpus(folder, talkers=6, repeats=2, consonants=(), sample_rate=16000, seed=1)
    return folder


@pytest.fixture(scope="module")
def tokens(corpus):
    return read_corpus(corpus, classes="vowels")


@pytest.fixture(scope="module")
def folder(tokens, tmp_path_factory):
    """Cut tokens in several files; not to be changed."""
    out = tmp_path_factory.mktemp("cut") / "tokens"
    write_shards(tokens, out, tokens_per_shard=15)
    return out


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_sounds_and_table_are_those_of_the_recordings(tokens, folder):
    waveforms, kept = cut(tokens, context_seconds=CONTEXT_SECONDS)
    read = TokenSounds(folder)
    pd.testing.assert_frame_equal(read.tokens, kept)
    assert read.tokens.attrs == kept.attrs
    assert (read.sample_rate, read.context_seconds, read.context) == (16000, CONTEXT_SECONDS, 800)
    assert len(read) == len(tokens) == len(waveforms)
    # the recordings hold 16 bits, so nothing is lost
    for found, expected in zip(read, waveforms, strict=True):
        np.testing.assert_array_equal(found, expected)
    for alone in (read.without_context(), read.without_context().without_context()):  # once is enough, twice no more
        for found, expected in zip(alone, cut(tokens)[0], strict=True):
            np.testing.assert_array_equal(found, expected)
    assert read.without_context().context == 0


def test_some_tokens_in_any_order(folder):
    read = TokenSounds(folder)
    picked = [17, 3, 44, 3]
    part = read.chosen(picked)
    assert part.tokens["token"].tolist() == read.tokens["token"].iloc[picked].tolist()
    for found, place in zip(part[:], picked, strict=True):
        np.testing.assert_array_equal(found, read[place])
    np.testing.assert_array_equal(part.chosen([2])[0], read[44])
    assert part.groups.tolist() == read.groups[picked].tolist()


def test_files_hold_whole_recordings_and_say_everything_of_their_tokens(tokens, folder):
    parts = [pq.read_table(path).to_pandas() for path in sorted(folder.glob("*.parquet"))]
    assert len(parts) == 3
    assert all(len(part) >= 20 for part in parts)
    assert pd.concat(part["recording"].drop_duplicates() for part in parts).is_unique
    table = pd.concat(parts, ignore_index=True)
    assert list(table.columns) == [*tokens.columns, "audio_sha256", "sample_rate", "context_seconds", "sound"]
    assert set(table["sample_rate"]) == {16000}
    lengths = table["sound"].map(len) / 2 / 16000 - 2 * CONTEXT_SECONDS
    assert lengths.to_numpy() == pytest.approx((table["end"] - table["start"]).to_numpy(), abs=1 / 16000)
    assert len({pq.read_schema(path) for path in folder.glob("*.parquet")}) == 1


def test_other_programs_read_the_folder_as_it_is(tokens, folder):
    expected = cut(tokens, context_seconds=CONTEXT_SECONDS)[0][7]
    table = pd.read_parquet(folder)
    assert table["token"].tolist() == tokens["token"].tolist()
    np.testing.assert_array_equal(np.frombuffer(table["sound"][7], "<i2") / 32768, expected)


def test_duckdb_reads_the_folder_as_it_is(tokens, folder):
    duckdb = pytest.importorskip("duckdb")
    rows = duckdb.sql(f"SELECT label, count(*), avg(octet_length(sound)) FROM '{folder}/*.parquet' GROUP BY label")
    counts = {label: count for label, count, _ in rows.fetchall()}
    assert counts == tokens["label"].value_counts().to_dict()


def test_hugging_face_datasets_reads_the_folder_as_it_is(tokens, folder, tmp_path):
    datasets = pytest.importorskip("datasets")
    read = datasets.load_dataset("parquet", data_files=f"{folder}/*.parquet", split="train", cache_dir=str(tmp_path))
    assert read["token"][:] == tokens["token"].tolist()
    expected = cut(tokens, context_seconds=CONTEXT_SECONDS)[0][7]
    np.testing.assert_array_equal(np.frombuffer(read[7]["sound"], "<i2") / 32768, expected)


def test_ray_reads_the_folder_as_it_is(tokens, folder):
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        assert ray.data.read_parquet(str(folder)).count() == len(tokens)
    finally:
        ray.shutdown()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=50))
def test_samples_of_16_bits_stay_as_they_are(samples):
    values = np.array(samples)
    np.testing.assert_array_equal(to_int16((values / 32768).astype(np.float32)), values)


def test_other_samples_become_the_nearest_and_loud_ones_are_clipped_and_counted(tmp_path, tokens, corpus):
    assert to_int16(np.array([0.6, -0.6, 1.4]) / 32768).tolist() == [1, -1, 1]
    assert to_int16(np.array([1.0, 2.0, -2.0])).tolist() == [32767, 32767, -32768]
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root)
    recording = root / tokens["recording"].iloc[0]
    samples, rate = soundfile.read(recording)
    soundfile.write(recording, samples / np.abs(samples).max() * 3, rate, subtype="FLOAT")
    manifest = write_shards(read_corpus(root, classes="vowels"), tmp_path / "out")
    loud = (tokens["recording"] == tokens["recording"].iloc[0]).sum()
    assert 0 < manifest["clipped"] <= loud
    assert all(np.abs(waveform).max() <= 1 for waveform in TokenSounds(tmp_path / "out"))


def test_bad_recordings_are_reported_and_left_out(tmp_path, corpus, tokens):
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root)
    listed = read_corpus(root, classes="vowels")
    first, second = listed["recording"].unique()[:2]
    (root / first).unlink()
    (root / second).write_bytes(b"RIFF")
    write_shards(listed, tmp_path / "out")
    read = TokenSounds(tmp_path / "out")
    assert not set(read.tokens["recording"]) & {first, second}
    assert len(read) == len(read.tokens) == (~listed["recording"].isin([first, second])).sum()
    reasons = {(e["what"], e["reason"]): e["count"] for e in read.tokens.attrs["left_out"]}
    assert reasons["recording", "audio missing"] == reasons["recording", "audio unreadable"] == 1
    with pytest.raises(AudioError):
        write_shards(listed, tmp_path / "strict", strict=True)
    assert not (tmp_path / "strict").exists()
    for recording in listed["recording"].unique():
        (root / recording).unlink(missing_ok=True)
    with pytest.raises(CorpusError, match="no recording of the token table can be read"):
        write_shards(listed, tmp_path / "none")


def test_recordings_with_very_many_tokens_are_cut_in_parts(tokens, folder, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_ROWS_PER_GROUP", 2)
    monkeypatch.setattr(writing, "_MOST_ROWS_AT_ONCE", 4)
    short = pd.concat([tokens.iloc[:1], tokens.iloc[10:19], tokens.iloc[20:21]], ignore_index=True)
    divided = [
        (part["recording"].nunique(), len(part), continued) for part, continued in writing._some_recordings(short)
    ]
    # one recording with a token, one with nine, one with a token: what remains of the second stands alone
    assert divided == [(2, 4, False), (1, 4, True), (1, 2, True), (1, 1, False)]
    parts = list(writing._some_recordings(tokens))
    assert max(len(part) for part, _ in parts) == 4
    assert [continued for _, continued in parts] == [False, True, True] * 6
    pd.testing.assert_frame_equal(pd.concat([part for part, _ in parts], ignore_index=True), tokens)
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root)
    listed = read_corpus(root, classes="vowels")
    (root / listed["recording"].iloc[0]).unlink()
    write_shards(listed, tmp_path / "out")
    counts = {e["what"]: e["count"] for e in TokenSounds(tmp_path / "out").tokens.attrs["left_out"]
              if e["reason"] == "audio missing"}  # fmt: skip
    assert counts == {"recording": 1, "token": 10}
    for found, expected in zip(TokenSounds(tmp_path / "out"), list(TokenSounds(folder))[10:], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_recordings_at_different_rates_need_a_rate(tmp_path, corpus):
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root)
    listed = read_corpus(root, classes="vowels")
    last = root / listed["recording"].iloc[-1]
    samples, _ = soundfile.read(last)
    soundfile.write(last, samples[::2], 8000, subtype="PCM_16")
    with pytest.raises(CorpusError, match=r"different sample rates.*8000 Hz.*--sample-rate"):
        write_shards(listed, tmp_path / "out", tokens_per_shard=10)
    assert not (tmp_path / "out").exists()
    write_shards(listed, tmp_path / "out", sample_rate=8000)
    waveforms, _ = cut(listed, 8000, context_seconds=CONTEXT_SECONDS)
    for found, expected in zip(TokenSounds(tmp_path / "out"), waveforms, strict=True):
        np.testing.assert_allclose(found, expected, atol=0.5 / 32768 + 1e-9)


class KilledError(BaseException):
    pass


def test_what_was_finished_is_kept_and_the_rest_is_cut(tokens, folder, tmp_path, monkeypatch):
    out, write, written = tmp_path / "tokens", writing._write, []

    def counted(shard):
        written.append(shard.path.name)
        if len(written) == 2:
            raise KilledError
        write(shard)

    monkeypatch.setattr(writing, "_write", counted)
    with pytest.raises(KilledError):
        write_shards(tokens, out, tokens_per_shard=15)
    with pytest.raises(CorpusError, match="no finished tokens"):
        TokenSounds(out)
    written[:] = ["none"] * 5
    write_shards(tokens, out, tokens_per_shard=15)
    assert written[5:] == ["part-00001.parquet", "part-00002.parquet"]
    assert content(out) == content(folder)
    # and a third time there is nothing to do
    times = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    write_shards(tokens, out, tokens_per_shard=15)
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == times


def test_going_on_with_other_tokens_or_settings_is_refused(tokens, folder):
    before = content(folder)
    fewer = tokens.iloc[:-1].reset_index(drop=True)
    fewer.attrs = tokens.attrs
    with pytest.raises(CorpusError, match="another list of tokens"):
        write_shards(fewer, folder, tokens_per_shard=15)
    with pytest.raises(CorpusError, match=r"other settings .*context_seconds"):
        write_shards(tokens, folder, tokens_per_shard=15, context_seconds=0.1)
    assert content(folder) == before


def test_a_recording_that_changed_is_cut_again(corpus, tmp_path):
    root, out = tmp_path / "corpus", tmp_path / "out"
    shutil.copytree(corpus, root)
    listed = read_corpus(root, classes="vowels")
    write_shards(listed, out, tokens_per_shard=10)
    before = content(out)
    recording = root / listed["recording"].iloc[0]
    samples, rate = soundfile.read(recording, dtype="int16")
    soundfile.write(recording, samples // 2, rate, subtype="PCM_16")
    write_shards(listed, out, tokens_per_shard=10)
    changed = {name for name, data in content(out).items() if data != before[name]}
    assert changed == {"part-00000.parquet", "_checksums.json"}
    np.testing.assert_array_equal(TokenSounds(out)[0], cut(listed, context_seconds=CONTEXT_SECONDS)[0][0])
    assert verify(out).as_written


def test_a_folder_with_something_else_is_left_alone(tokens, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CorpusError, match="something other than cut tokens"):
        write_shards(tokens, tmp_path)
    assert content(tmp_path) == {"thesis.txt": b"mine"}


def test_damaged_and_missing_files_are_named(folder, tmp_path):
    for number, damage in enumerate((lambda p: p.unlink(), lambda p: p.write_bytes(p.read_bytes()[:-40]))):
        copy = tmp_path / str(number)
        shutil.copytree(folder, copy)
        damage(copy / "part-00001.parquet")
        with pytest.raises(CorpusError, match=r"part-00001.parquet is missing or damaged"):
            TokenSounds(copy)
        assert not verify(copy).as_written
    shutil.copytree(folder, tmp_path / "bad")
    (tmp_path / "bad" / "_manifest.json").write_text("{}")
    with pytest.raises(CorpusError, match="is damaged"):
        TokenSounds(tmp_path / "bad")


def test_a_table_and_a_folder_are_opened_by_what_they_are(tokens, folder, tmp_path):
    write_tokens(tmp_path / "tokens.parquet", tokens)
    pd.testing.assert_frame_equal(open_tokens(tmp_path / "tokens.parquet"), tokens)
    assert isinstance(open_tokens(folder), TokenSounds)


def test_the_command_writes_the_folder_with_any_number_of_processes(corpus, folder, tmp_path):
    ask = [
        sys.executable,
        "-m",
        "phonoscope",
        "tokens",
        corpus,
        "--classes",
        "vowels",
        "--sound",
        "--shard-tokens",
        "15",
    ]
    done = subprocess.run(
        [*ask, "--out", tmp_path / "t", "--jobs", "2", "--json"], capture_output=True, text=True, check=True
    )
    assert "60 sounds at 16000 Hz" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["counts"] == dict.fromkeys(["i", "æ", "ɝ", "ɑ", "u"], 12)
    assert content(tmp_path / "t") == content(folder)
    assert verify(folder).as_written


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--jobs", "2"), "--jobs applies only to the tokens' sound"),
        (("--sound",), "--sound writes a folder, not a file"),
    ],
)
def test_options_that_contradict_each_other_are_refused(corpus, tmp_path, monkeypatch, capsys, options, says):
    from phonoscope.cli import main

    ask = ["phonoscope", "tokens", str(corpus), "--out", str(tmp_path / "t.parquet"), *options]
    monkeypatch.setattr(sys, "argv", ask)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
