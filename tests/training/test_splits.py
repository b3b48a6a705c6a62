"""Splits: no unit in two parts, shares near what was asked, every token tested once, every part filled."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phonoscope.errors import ExperimentError
from phonoscope.training import folds, split_tokens, split_unit


def make_tokens(units, classes=5, per_class=4, speakers=None, seed=0):
    """Tokens of recordings of random size, all classes in each."""
    random = np.random.default_rng(seed)
    rows = []
    for unit in range(units):
        for label in range(classes):
            row = (f"r{unit}", f"s{unit % speakers}" if speakers else None, f"c{label}")
            rows += [row] * int(random.integers(1, per_class + 1))
    table = pd.DataFrame(rows, columns=["recording", "speaker", "label"])
    table.insert(0, "token", [f"t{i}" for i in range(len(table))])
    return table.sample(frac=1, random_state=seed)


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 40), st.integers(0, 50), st.sampled_from(["recording", "speaker", "token"]))
def test_no_unit_is_in_two_parts_and_no_part_is_empty(units, seed, by):
    tokens = make_tokens(units, speakers=units, seed=seed)
    split = split_tokens(tokens, by=by, seed=seed)
    assert split.index.equals(tokens.index)
    assert set(split) == {"train", "validation", "test"}
    assert len(tokens.assign(split=split)[[by, "split"]].drop_duplicates()) == tokens[by].nunique()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100))
def test_shares_are_met_class_by_class_with_many_units(seed):
    tokens = make_tokens(60, seed=seed)
    split = split_tokens(tokens, by="recording", shares=(0.6, 0.15, 0.25), seed=seed)
    table = pd.crosstab(tokens["label"], split, normalize="index")
    for part, share in (("train", 0.6), ("validation", 0.15), ("test", 0.25)):
        assert table[part].to_numpy() == pytest.approx(np.full(5, share), abs=0.08)


def test_a_split_by_token_meets_the_shares_of_each_class_closely():
    tokens = make_tokens(40)
    split = split_tokens(tokens, by="token", shares=(65, 5, 30))
    counts = pd.crosstab(tokens["label"], split)
    expected = counts.sum(axis=1).to_numpy()[:, None] * np.array([0.30, 0.65, 0.05])
    assert np.abs(counts[["test", "train", "validation"]].to_numpy() - expected).max() <= 2


def test_the_same_seed_deals_the_same_and_another_does_not():
    tokens = make_tokens(30)
    assert split_tokens(tokens, seed=4).equals(split_tokens(tokens, seed=4))
    assert not split_tokens(tokens, seed=4).equals(split_tokens(tokens, seed=5))
    # the order of the rows does not matter to which recording goes where
    shuffled = tokens.sample(frac=1, random_state=9)
    assert split_tokens(shuffled, seed=4).loc[tokens.index].equals(split_tokens(tokens, seed=4))


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 25), st.one_of(st.integers(2, 5), st.just("each")), st.integers(0, 20))
def test_folds_test_each_token_once_by_a_network_that_never_met_its_recording(units, count, seed):
    tokens = make_tokens(units, per_class=2, seed=seed)
    tested = np.zeros(len(tokens), dtype=int)
    recordings = tokens["recording"].to_numpy()
    made = list(folds(tokens, count, by="recording", seed=seed))
    assert len(made) == (units if count == "each" else count)
    for fold in made:
        tested[fold.test] += 1
        parts = [set(recordings[part]) for part in (fold.train, fold.validation, fold.test)]
        assert all(parts)
        assert sum(map(len, parts)) == units
        assert set.union(*parts) == set(recordings)
        assert set(tokens["label"].iloc[fold.train]) == set(tokens["label"])
    assert (tested == 1).all()


@pytest.mark.parametrize("units", [3, 4, 5, 6])
def test_leaving_out_one_of_few_recordings_works(units):
    made = list(folds(make_tokens(units), "each", by="recording"))
    assert len(made) == units


def test_auto_takes_speakers_when_there_are_five_else_recordings():
    assert split_unit(make_tokens(10, speakers=5)) == "speaker"
    assert split_unit(make_tokens(10, speakers=4)) == "recording"
    some = make_tokens(10, speakers=6)
    some.iloc[3, some.columns.get_loc("speaker")] = None
    assert split_unit(some) == "recording"
    with pytest.raises(ExperimentError, match="1 tokens have no speaker"):
        split_unit(some, "speaker")
    with pytest.raises(ExperimentError, match="auto, speaker, recording, token"):
        split_unit(some, "word")


def test_impossible_splits_are_refused():
    with pytest.raises(ExperimentError, match="2 recordings cannot be dealt to 3 parts"):
        split_tokens(make_tokens(2))
    for count in (1, 2, 7, "each"):
        units = {1: 5, 2: 2, 7: 6, "each": 1}[count]
        with pytest.raises(ExperimentError, match="folds cannot be made"):
            list(folds(make_tokens(units), count, by="recording"))
    for shares in ((0.5, 0.5), (0.7, -0.1, 0.4), (0, 0, 1)):
        with pytest.raises(ExperimentError, match="shares are"):
            split_tokens(make_tokens(5), shares=shares)


def test_a_share_of_zero_leaves_its_part_empty():
    split = split_tokens(make_tokens(12), shares=(0.8, 0, 0.2))
    assert set(split) == {"train", "test"}
