"""Which level counts as independent."""

import numpy as np
import pandas as pd
import pytest

from phonoscope.errors import PhonoscopeError
from phonoscope.judgement.units import resampling_unit, unit_sums


def corpus(n_speakers, n_recordings, n_tokens):
    size = n_speakers * n_recordings * n_tokens
    speaker = np.repeat(np.arange(n_speakers), size // n_speakers)
    recording = np.tile(np.repeat(np.arange(n_recordings), n_tokens), n_speakers)
    return pd.DataFrame({"speaker": speaker, "recording": recording})


def test_the_highest_level_with_enough_units_counts():
    assert resampling_unit(corpus(6, 2, 2), 24)[1:] == ("speaker", 6, "")
    one_speaker = resampling_unit(corpus(1, 8, 3), 24)
    assert one_speaker[1:] == ("recording", 8, "holds for these only: 1 speaker")
    assert resampling_unit(None, 9)[1:] == ("token", 9, "")


def test_tokens_of_few_recordings_are_never_taken_for_independent():
    few = resampling_unit(corpus(2, 2, 10), 40)
    assert few[1:3] == ("recording", 4)
    assert few.note == "no interval: only 2 speakers and 4 recordings, and at least 6 of either are needed"


def test_recordings_of_two_speakers_with_one_name_are_two():
    table = pd.DataFrame({"speaker": ["a", "a", "b", "b"] * 2, "recording": ["1.wav"] * 8})
    assert resampling_unit(table, 8, min_units=2).n_units == 2
    nested = resampling_unit(pd.DataFrame({"corpus": ["x"] * 8} | dict(table.items())), 8, min_units=2)
    assert nested.level == "speaker"
    by_recording = resampling_unit(table.assign(speaker=["a", "b", "c", "d"] * 2), 8, min_units=4)
    assert by_recording.n_units == 4


def test_a_missing_speaker_is_not_one_big_speaker():
    recording = np.repeat([f"r{i}" for i in range(7)], 2)
    unknown = pd.DataFrame({"speaker": [pd.NA] * 14, "recording": recording})
    assert resampling_unit(unknown, 14)[1:3] == ("recording", 7)
    partly = pd.DataFrame({"speaker": ["a"] * 4 + [pd.NA] * 10, "recording": recording})
    assert resampling_unit(partly, 14)[1:3] == ("speaker", 6)
    nothing_known = pd.DataFrame({"speaker": ["a"] * 4 + [pd.NA] * 10})
    assert resampling_unit(nothing_known, 14)[1:3] == ("speaker", 11)


def test_a_wrong_number_of_clusters_is_refused():
    with pytest.raises(PhonoscopeError, match="3 rows for 5 tokens"):
        resampling_unit(["a", "b", "c"], 5)


def test_sums_over_units():
    codes, values = np.array([0, 2, 0, 2, 2]), np.arange(10.0).reshape(5, 2)
    assert unit_sums(values, codes, 3).tolist() == [[4.0, 6.0], [0.0, 0.0], [16.0, 19.0]]
