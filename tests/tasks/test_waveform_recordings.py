"""Whole recordings as tokens: classes, speakers, copies, parts; the stretch that networks get."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from phonoscope.audio import channel_of, write_audio
from phonoscope.errors import AudioError, CorpusError, ExperimentError
from phonoscope.experiments.recipe import recipe_from
from phonoscope.tasks.recordings.material import (
    around_energy,
    assign_parts,
    joined_units,
    nested_share,
    read_whole_recordings,
)
from phonoscope.tasks.recordings.recipe import RecordingsRecipe

RATE = 8000


def tone(hz: float, seed: int, seconds: float = 0.5) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (0.3 * np.sin(2 * np.pi * hz * time) + 0.01 * noise).astype(np.float32)


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> Path:
    """Two words of ten speakers, one copy under another name, a word of one clip, noise, silence, a broken file."""
    root = tmp_path_factory.mktemp("corpora") / "words"
    for place, (word, hz) in enumerate({"yes": 400.0, "no": 1500.0}.items()):
        for speaker in range(10):
            write_audio(root / word / f"s{speaker}_nohash_0.wav", tone(hz, 10 * place + speaker), RATE)
    write_audio(root / "yes" / "s0_nohash_1.wav", tone(400.0, 0), RATE)
    for word in ("yes", "no"):
        write_audio(root / word / "s1_nohash_7.wav", tone(900.0, 99), RATE)
    write_audio(root / "up" / "s1_nohash_0.wav", tone(700.0, 5), RATE)
    write_audio(root / "_background_noise_" / "hum.wav", tone(50.0, 1, 2.0), RATE)
    write_audio(root / "no" / "s2_nohash_9.wav", np.zeros(RATE, dtype=np.float32), RATE)
    (root / "no" / "s3_nohash_9.wav").write_bytes(b"RIFF")
    return root


def recipe(task: str = "words", **values) -> RecordingsRecipe:
    return recipe_from(RecordingsRecipe, {"name": "x", "task": task, "sample_rate": RATE, **values})


def left_out(tokens: pd.DataFrame) -> dict[str, int]:
    return {entry["reason"]: entry["count"] for entry in tokens.attrs["left_out"]}


def test_the_class_is_the_word_and_what_cannot_be_used_is_counted(words):
    waveforms, tokens = read_whole_recordings(words, recipe())
    assert len(waveforms) == len(tokens) == 21
    assert set(tokens["class"]) == {"yes", "no"}
    assert tokens["speaker"].nunique() == 10
    assert (tokens["native_rate"] == RATE).all()
    assert tokens["audio_sha256"].duplicated().sum() == 1
    assert {len(wave) for wave in waveforms} == {RATE}
    assert tokens["end"].tolist() == [0.5] * 21
    assert left_out(tokens) == {
        "background noise: no word is spoken": 1,
        "audio missing, unreadable or silent": 2,
        "the same sound stands under several classes": 2,
        "its class has fewer than 8 recordings": 1,
    }
    chosen = read_whole_recordings(words, recipe(classes=["yes", "no"]))[1]
    assert left_out(chosen)["of none of the classes asked for"] == 1
    with pytest.raises(AudioError):
        read_whole_recordings(words, recipe(), strict=True)
    with pytest.raises(ExperimentError, match="fewer than two classes"):
        read_whole_recordings(words, recipe(classes=["yes", "up"]))
    with pytest.raises(ExperimentError, match="no recording"):
        read_whole_recordings(words, recipe(classes=["maybe"]))
    with pytest.raises(CorpusError, match="was not found"):
        read_whole_recordings(words / "absent", recipe())


def test_speakers_come_from_the_names_of_utterances_and_digits(tmp_path):
    for speaker in (19, 27):
        for number in range(8):
            name = f"train/{speaker}/7/{speaker}-7-{number:04d}.wav"
            write_audio(tmp_path / "libri" / name, tone(20.0 * speaker, number), RATE)
            write_audio(tmp_path / "digits" / f"{number}_talker{speaker}_0.wav", tone(20.0 * speaker, number), RATE)
    speakers = recipe("speakers", split={"by": "recording"})
    assert set(read_whole_recordings(tmp_path / "libri", speakers)[1]["class"]) == {"19", "27"}
    assert set(read_whole_recordings(tmp_path / "digits", speakers)[1]["class"]) == {"talker19", "talker27"}


def test_speakers_and_copies_stay_on_one_side(words):
    tokens = read_whole_recordings(words, recipe())[1]
    for by in ("speaker", "recording"):
        for seed in range(5):
            parts = assign_parts(tokens, recipe(split={"by": by}, seed=seed))
            table = tokens.assign(part=parts)
            assert set(parts) == {"train", "validation", "test"}
            assert table.groupby("audio_sha256")["part"].nunique().max() == 1
            if by == "speaker":
                assert table.groupby("speaker")["part"].nunique().max() == 1
    nobody = tokens.assign(speaker=pd.Series(pd.NA, index=tokens.index))
    with pytest.raises(ExperimentError, match="no speaker"):
        assign_parts(nobody, recipe())
    with pytest.raises(ExperimentError, match="shares"):
        assign_parts(tokens, recipe(split={"shares": [1.0, 0.0, 0.0]}))


def test_official_lists_are_followed_but_no_copy_of_a_tested_clip_is_trained_on(words):
    tokens = read_whole_recordings(words, recipe())[1]
    official = recipe(split={"by": "official"})
    with pytest.raises(ExperimentError, match="testing_list"):
        assign_parts(tokens, official)
    (words / "testing_list.txt").write_text("yes/s0_nohash_1.wav\nno/s4_nohash_0.wav\n")
    (words / "validation_list.txt").write_text("no/s5_nohash_0.wav\n")
    parts = dict(zip(tokens["recording"], assign_parts(tokens, official), strict=True))
    tested = {name for name, part in parts.items() if part == "test"}
    assert tested == {"yes/s0_nohash_1.wav", "yes/s0_nohash_0.wav", "no/s4_nohash_0.wav"}
    assert [name for name, part in parts.items() if part == "validation"] == ["no/s5_nohash_0.wav"]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=30))
def test_joined_units_are_the_finest_that_keep_units_and_copies_together(pairs):
    units, copies = pd.Series([a for a, _ in pairs]), pd.Series([f"h{b}" for _, b in pairs])
    joined = joined_units(units, copies)
    for column in (units, copies):
        assert pd.Series(joined).groupby(column.to_numpy()).nunique().max() == 1
    # A slow twin: labels spread along shared units and copies until nothing changes.
    slow = np.arange(len(pairs))
    for _ in pairs:
        for column in (units, copies):
            slow = pd.Series(slow).groupby(column.to_numpy()).transform("min").to_numpy()
    assert len(set(joined)) == len(set(slow))


@given(st.integers(0, 100), st.sampled_from([0.2, 0.5, 0.8]))
def test_smaller_shares_lie_in_larger_ones_and_hold_every_class(seed, share):
    classes = np.array(["a"] * 20 + ["b"] * 10 + ["c"] * 30, dtype=object)
    index = np.arange(0, 60, 2)
    part = nested_share(classes, index, share, seed)
    more = nested_share(classes, index, min(1.0, share + 0.2), seed)
    assert set(part) <= set(more) <= set(index)
    for name in "abc":
        own = (classes[index] == name).sum()
        assert (classes[part] == name).sum() == max(2, round(share * own))


def test_a_word_stands_in_the_middle_wherever_it_was_spoken():
    word = np.hanning(800).astype(np.float32) * tone(500.0, 3)[:800]
    stretches = []
    for at in (0, 1234, 3200):
        recording = np.zeros(4000, dtype=np.float32)
        recording[at : at + 800] = word
        stretches.append(around_energy(recording, 1000))
        middle = np.searchsorted(np.cumsum(stretches[-1] ** 2), np.sum(stretches[-1] ** 2) / 2)
        assert stretches[-1].shape == (1000,)
        assert abs(int(middle) - 500) <= 1
        assert np.sum(stretches[-1] ** 2) == pytest.approx(np.sum(word**2), rel=1e-3)
    # They differ by the mean alone, which is taken off inside the recording and not in the silence around it.
    assert np.ptp(stretches, axis=0).max() < 2e-3


def test_channels_that_cancel_out_are_not_silence(tmp_path):
    for word, hz in (("yes", 400), ("no", 900)):
        (tmp_path / word).mkdir()
        for speaker in range(10):
            sound = tone(hz, speaker)
            channels = np.column_stack([sound, -sound]) if speaker == 3 else sound
            soundfile.write(tmp_path / word / f"s{speaker}_nohash_0.wav", channels, RATE, subtype="FLOAT")
    waveforms, tokens = read_whole_recordings(tmp_path, recipe())
    assert len(tokens) == 20
    stereo = tokens["recording"].str.contains("s3_").to_numpy()
    assert [channel_of(row) for _, row in tokens.iterrows()] == [1 if each else None for each in stereo]
    assert min(np.ptp(waveform) for waveform in waveforms) > 0.5


def test_what_lies_outside_the_recording_is_silent():
    stretch = around_energy(np.array([0, 0, 0, 1, -1, 0], dtype=np.float32), 20)
    assert np.flatnonzero(stretch).tolist() in ([10, 11], [9, 10])
    offset = around_energy(np.array([5, 5, 6, 4, 5, 5], dtype=np.float32), 4)
    assert offset.tolist() == [0, 0, 1, -1] or offset.tolist() == [0, 1, -1, 0]
