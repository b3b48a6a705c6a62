"""Copies of one recording under two names never stand on both sides of a split, in any format, however it is split."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile

from phonoscope.audio import read_audio, sound_hash
from phonoscope.corpora import read_corpus
from phonoscope.corpora.shards import write_shards
from phonoscope.corpora.sounds import TokenSounds
from phonoscope.errors import ExperimentError
from phonoscope.experiments.material import material_of
from phonoscope.experiments.tested import parts_without_network
from phonoscope.tasks import load_recipe
from phonoscope.tasks.phones.experiment import PhonesExperiment
from phonoscope.tasks.phones.material import plan_folds
from phonoscope.tasks.sections import copies_sentence
from phonoscope.tasks.spoof.judge import folds_of
from phonoscope.training import copied_recordings, folds, split_tokens, split_unit

SEEDS = range(5)


@pytest.fixture(scope="module")
def copied(talkers, tmp_path_factory):
    """Twelve recordings of one folder, each again under another name, as float where the first has 16 bits."""
    root = tmp_path_factory.mktemp("copied") / "corpus"
    for path in talkers.rglob("*.wav"):
        for suffix, subtype in (("", "PCM_16"), ("b", "FLOAT")):
            copy = root / f"{path.stem}{suffix}.wav"
            waveform, rate = read_audio(path)
            root.mkdir(exist_ok=True)
            soundfile.write(copy, (waveform * 32768).astype(np.int16) if suffix == "" else waveform, rate, subtype)
            shutil.copy(path.with_suffix(".TextGrid"), copy.with_suffix(".TextGrid"))
    return root


@pytest.fixture(scope="module")
def tokens(copied):
    """Tokens of the copied recordings, each recording cut, without speakers."""
    return read_corpus(copied, classes="vowels", min_duration=0.05).assign(speaker=pd.NA)


def original(tokens: pd.DataFrame) -> pd.Series:
    return tokens["recording"].str.removesuffix(".wav").str.removesuffix("b")


def sides(fold, tokens: pd.DataFrame) -> pd.Series:
    side = np.empty(len(tokens), dtype=object)
    for name in ("train", "validation", "test"):
        side[getattr(fold, name)] = name
    return pd.Series(side)


@pytest.mark.parametrize(
    "settings", [{"by": "recording", "folds": 1}, {"by": "recording", "folds": 5}, {"folds": "each"}]
)
def test_none_of_twelve_recordings_is_split_from_its_copy(tokens, recipe_file, settings):
    material = material_of(tokens, {})
    assert copied_recordings(material.tokens) == 12
    for seed in SEEDS:
        recipe = replace(load_recipe(recipe_file), split=settings, seed=seed)
        plan, unit = plan_folds(recipe, material.tokens)
        assert unit == "recording"
        assert len(plan) == {1: 1, 5: 5, "each": 12}[settings["folds"]]
        for fold in plan:
            assert sides(fold, material.tokens).groupby(original(material.tokens)).nunique().max() == 1


def test_a_run_says_how_many_recordings_are_copies(copied, recipe_file, tmp_path):
    experiment = PhonesExperiment(load_recipe(recipe_file), copied)
    kept = experiment.read(tmp_path)
    assert kept["recording"].nunique() == 24  # nothing is left out
    assert experiment.describe().endswith("; 12 recordings are copies of others")
    assert copies_sentence(12).startswith("12 recordings are sample-for-sample copies of others; copies never stand")
    assert copies_sentence(1).startswith("1 recording is a sample-for-sample copy of another; copies never stand")


def test_a_split_by_token_keeps_the_two_copies_of_a_token_together(tokens):
    table = material_of(tokens, {}).tokens
    for seed in SEEDS:
        part = split_tokens(table, by="token", seed=seed)
        copies = [original(table), table["start"]]
        assert part.groupby(copies).nunique().max() == 1
        assert (part.groupby(copies).size() == 2).all()
        assert part.groupby(original(table)).nunique().max() > 1  # single tokens are dealt, not recordings


def test_folds_of_the_tested_tokens_of_a_classifier_trained_elsewhere_part_no_copies(tokens):
    table = material_of(tokens, {}).tokens
    for seed in SEEDS:
        for split_by, unit in (("auto", "recording"), ("token", "token")):
            parts, how = parts_without_network(table, [], split_by, seed)
            assert how == f"5 folds by {unit}"
            fold = pd.Series(parts["folds"])
            assert fold.groupby([original(table), table["start"]]).nunique().max() == 1
            assert unit == "token" or fold.groupby(original(table)).nunique().max() == 1


def test_tokens_cut_before_are_kept_together_too(tokens, tmp_path):
    write_shards(tokens, tmp_path / "cut")
    table = material_of(TokenSounds(tmp_path / "cut"), {}).tokens
    assert copied_recordings(table) == 12
    pd.testing.assert_series_equal(table["audio_sha256"], material_of(tokens, {}).tokens["audio_sha256"])
    for seed in SEEDS:
        part = split_tokens(table, by="recording", seed=seed)
        assert part.groupby(original(table)).nunique().max() == 1


def test_speakers_who_share_a_recording_stay_on_one_side(tokens):
    table = material_of(tokens, {}).tokens
    speaker = table["recording"].str.removesuffix(".wav")  # every recording and every copy a speaker of its own
    table = table.assign(speaker=speaker)
    assert split_unit(table) == "speaker"
    for seed in SEEDS:
        part = split_tokens(table, by="speaker", seed=seed)
        assert part.groupby(original(table)).nunique().max() == 1
        for fold in folds(table, 4, by="speaker", seed=seed):
            assert sides(fold, table).groupby(original(table)).nunique().max() == 1


def test_too_few_different_recordings_are_refused_in_words(tokens):
    few = material_of(
        tokens[original(tokens).isin(["m01", "f01"])].reset_index(drop=True).pipe(_with, tokens), {}
    ).tokens
    assert few["recording"].nunique() == 4
    with pytest.raises(ExperimentError, match=r"2 recordings \(those that share the same recording counted once\)"):
        split_tokens(few, by="recording")
    # eight names of speakers, four of whom are different: too few to split by speaker without being asked
    eight = material_of(tokens[original(tokens).isin(["m01", "f01", "m02", "f02"])].pipe(_with, tokens), {}).tokens
    assert split_unit(eight.assign(speaker=eight["recording"])) == "recording"


def _with(rows: pd.DataFrame, tokens: pd.DataFrame) -> pd.DataFrame:
    rows.attrs = tokens.attrs
    return rows


def test_the_order_of_the_rows_does_not_matter(tokens):
    table = material_of(tokens, {}).tokens
    shuffled = table.sample(frac=1, random_state=3)
    assert split_tokens(shuffled, seed=1).loc[table.index].equals(split_tokens(table, seed=1))


def test_a_hash_is_of_what_is_heard(tmp_path):
    waveform = (np.random.default_rng(0).integers(-9000, 9000, 800) / 32768).astype(np.float32)
    waveform[:3] = 0.0
    hashes = {sound_hash(waveform), sound_hash(np.where(waveform == 0, -0.0, waveform))}
    for name, subtype in (("a.wav", "PCM_16"), ("b.wav", "FLOAT"), ("c.flac", "PCM_24"), ("d.flac", "PCM_16")):
        soundfile.write(
            tmp_path / name, np.rint(waveform * 32768).astype(np.int16) if "16" in subtype else waveform, 8000, subtype
        )
        hashes.add(sound_hash(read_audio(tmp_path / name)[0]))
    soundfile.write(tmp_path / "stereo.wav", np.column_stack([waveform, waveform]), 8000, "FLOAT")
    hashes.add(sound_hash(read_audio(tmp_path / "stereo.wav")[0]))
    assert len(hashes) == 1
    assert sound_hash(waveform + np.float32(1e-6)) not in hashes
    assert sound_hash(np.zeros(10)) is None  # silence is nobody's copy
    silent = pd.DataFrame({"recording": ["a", "b", "c"], "label": "i", "corpus": "x", "audio_sha256": [np.nan] * 3})
    assert split_tokens(silent, by="recording", shares=(1, 1, 1)).nunique() == 3
    assert copied_recordings(silent) == 0


def test_real_and_spoofed_copies_are_judged_together():
    table = pd.DataFrame({"recording": [f"r{i}" for i in range(20)], "audio_sha256": [f"h{i % 10}" for i in range(20)]})
    table["speaker"] = table["recording"]
    for seed in SEEDS:
        for train, test in folds_of(table, np.arange(20) % 2 == 0, "recording", seed):
            assert not set(table["audio_sha256"].iloc[train]) & set(table["audio_sha256"].iloc[test])
