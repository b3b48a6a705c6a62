"""Training and explaining from cut tokens give what recordings give; threads leave the order of a stream alone."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phonoscope import Classifier, read_corpus
from phonoscope.attribution import read_maps
from phonoscope.audio import cut
from phonoscope.corpora import write_tokens
from phonoscope.corpora.shards import write_shards
from phonoscope.corpora.sounds import TokenSounds
from phonoscope.errors import ExperimentError
from phonoscope.experiments.explaining import explain_tokens
from phonoscope.frontends import Spectrogram
from phonoscope.synthesis.corpus import write_corpus
from phonoscope.tasks import load_recipe
from phonoscope.tasks.phones.single import train_classifier
from phonoscope.training import TokenInputs, train
from phonoscope.training import data as training_data
from phonoscope.training.data import streaming_order
from phonoscope.training.recipe import TrainingRecipe
from phonoscope.work.folders import verify
from small import PHONES, recipe_text


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """Tokens of recordings with 16 bits, so that cutting loses nothing."""
    folder = tmp_path_factory.mktemp("spoken") / "corpus"
    write_corpus(folder, talkers=8, repeats=2, consonants=(), sample_rate=16000, seed=1)
    return read_corpus(folder, classes="vowels")


@pytest.fixture(scope="module")
def folder(tokens, tmp_path_factory):
    out = tmp_path_factory.mktemp("cut") / "tokens"
    write_shards(tokens, out, tokens_per_shard=15)
    return out


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    buffer_groups=st.integers(1, 4),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_the_order_is_a_shuffle_that_wants_few_groups_at_a_time(sizes, buffer_groups, seed, data):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    index = np.array(data.draw(st.lists(st.integers(0, len(groups) - 1), unique=True, min_size=1)))
    order = streaming_order(groups, index, np.random.default_rng(seed), buffer_groups)
    assert sorted(order) == sorted(index)
    again = streaming_order(groups, index, np.random.default_rng(seed), buffer_groups)
    np.testing.assert_array_equal(order, again)
    # a group that was left never comes back, and no more than the buffer are open at a time
    seen = groups[order]
    first = {group: int(np.flatnonzero(seen == group)[0]) for group in set(seen)}
    last = {group: int(np.flatnonzero(seen == group)[-1]) for group in set(seen)}
    for place in range(len(seen)):
        assert sum(first[group] <= place <= last[group] for group in first) <= buffer_groups


def test_every_token_may_come_anywhere():
    groups = np.repeat(np.arange(6), 5)
    first = {int(streaming_order(groups, np.arange(30), np.random.default_rng(seed), 2)[0]) for seed in range(400)}
    assert first == set(range(30))


def streamed_inputs(front_end, folder, workers):
    return TokenInputs(front_end, TokenSounds(folder).without_context(), cache_bytes=0, workers=workers)


def test_batches_are_the_same_for_any_number_of_threads_and_kept_or_not(tokens, folder):
    front_end = Spectrogram(16000, rows=8, columns=8)
    kept = TokenInputs(front_end, cut(tokens)[0])
    parts = np.array_split(np.random.default_rng(0).permutation(len(tokens)), 9)
    expected = [kept[part] for part in parts]
    for workers in (0, 1, 3):
        found = list(streamed_inputs(front_end, folder, workers).batches(parts))
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-3)  # dB


def test_a_fault_in_a_thread_is_raised_and_leaving_early_ends_the_threads(folder):
    inputs = streamed_inputs(Spectrogram(16000, rows=8, columns=8), folder, 2)
    with pytest.raises(IndexError):
        list(inputs.batches([np.array([0]), np.array([10**6])]))
    for _ in inputs.batches(np.array_split(np.arange(len(inputs)), 10)):
        break


def fitted(tokens, inputs, waveforms, epochs=2):
    labels = sorted(tokens["label"].unique())
    torch.manual_seed(0)
    classifier = Classifier.build(Spectrogram(16000, rows=8, columns=8), "compact", labels)
    places = np.arange(len(tokens))
    train(
        classifier,
        waveforms,
        tokens["label"].tolist(),
        train_index=places[::2],
        validation_index=places[1::4],
        recipe=TrainingRecipe(epochs=epochs, min_steps=0),
        inputs=inputs(classifier.front_end),
        device="cpu",
    )
    return classifier.network.state_dict()


def test_streamed_training_is_the_same_for_any_number_of_threads(folder, monkeypatch):
    monkeypatch.setattr(training_data, "BUFFER_GROUPS", 2)
    sounds = TokenSounds(folder)
    weights = [
        fitted(sounds.tokens, lambda front_end, n=n: streamed_inputs(front_end, folder, n), sounds.without_context())
        for n in (0, 3)
    ]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=0, atol=0)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "mini.toml"
    path.write_text(recipe_text(PHONES, training={"epochs": 2}), encoding="utf-8")
    return load_recipe(path)


@pytest.fixture(scope="module")
def trained(tokens, folder, recipe, tmp_path_factory):
    """Folders of classifiers trained from the recordings and from the cut tokens."""
    place = tmp_path_factory.mktemp("trained")
    for name, source in (("recordings", tokens), ("cut", TokenSounds(folder))):
        train_classifier(recipe, source, place / name, device="cpu", say=lambda _line: None)
    return place


def test_training_from_cut_tokens_gives_what_the_recordings_give(trained):
    a, b = trained / "recordings", trained / "cut"
    saved = ("model", "reference")
    for name in (*(f"classifier/{n}.safetensors" for n in saved), "classifier/config.json", "predictions.parquet"):
        assert (a / name).read_bytes() == (b / name).read_bytes(), name
    results = [json.loads((folder / "result.json").read_text()) for folder in (a, b)]
    assert [r.pop("classifier") for r in results] == [(f / "classifier").as_posix() for f in (a, b)]
    assert results[0] == results[1]
    tables = [pd.read_parquet(folder / "tokens.parquet") for folder in (a, b)]
    pd.testing.assert_frame_equal(*tables, check_like=True)
    assert verify(a).as_written
    assert verify(b / "classifier").as_written


@pytest.mark.parametrize("method", ["cam", "band-stop(fill=mean)"])
def test_explaining_cut_tokens_gives_what_the_recordings_give(trained, tokens, folder, tmp_path, method):
    write_tokens(tmp_path / "t.parquet", tokens)
    for name, table in (("recordings", tmp_path / "t.parquet"), ("cut", folder)):
        explain_tokens(trained / "cut" / "classifier", table, tmp_path / name, method=method, target="true")
    a, b = (read_maps(tmp_path / name) for name in ("recordings", "cut"))
    # Batches end with the files, which are others; the same operations round a little differently.
    np.testing.assert_allclose(a.values, b.values, rtol=0, atol=1e-6)
    assert a["token"].values.tolist() == b["token"].values.tolist() == tokens["token"].tolist()
    assert verify(tmp_path / "cut").as_written


def test_tokens_at_another_rate_are_refused(trained, tokens, recipe, tmp_path):
    write_shards(tokens, tmp_path / "t", sample_rate=8000)
    with pytest.raises(ExperimentError, match="cut at 8000 Hz, 16000 Hz are needed"):
        explain_tokens(trained / "cut" / "classifier", tmp_path / "t", tmp_path / "m", method="cam", target="true")
    asked = recipe.changed(sample_rate=16000)
    with pytest.raises(ExperimentError, match="--sample-rate 16000"):
        train_classifier(asked, TokenSounds(tmp_path / "t"), tmp_path / "c", say=lambda _line: None)
    assert not (tmp_path / "c").exists()
    assert not (tmp_path / "m").exists()
