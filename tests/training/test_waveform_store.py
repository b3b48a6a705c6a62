"""Waveforms on disk against the list that they stand for."""

import gc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phonoscope.frontends import Waveform
from phonoscope.training.data import TokenInputs, free_bytes
from phonoscope.training.store import WaveformStore


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=12), seed=st.integers(0, 9))
def test_what_is_put_in_comes_out(tmp_path_factory: pytest.TempPathFactory, lengths: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    waves = [random.standard_normal(length).astype(np.float32) for length in lengths]
    store = WaveformStore(tmp_path_factory.mktemp("store"))
    for number, wave in enumerate(waves):
        store.append(wave)
        if number == len(waves) // 2:  # reading in between must not disturb what follows
            np.testing.assert_array_equal(store[number], wave)
    assert len(store) == len(waves)
    for found, expected in zip(store, waves, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
    order = random.permutation(len(waves))
    part = store.chosen(order)
    assert [len(wave) for wave in part[1:4]] == [lengths[i] for i in order[1:4]]
    np.testing.assert_array_equal(part[-1], waves[order[-1]])
    with pytest.raises(IndexError):
        store[len(waves)]


def test_nothing_is_left_behind_and_nothing_written_back(tmp_path: Path) -> None:
    store = WaveformStore(tmp_path)
    store.append(np.ones(4, dtype=np.float32))
    part = store.chosen([0])
    del store
    part[0][0] = 7.0
    tensor = torch.as_tensor(part[0])
    assert tensor[1] == 1.0
    del part, tensor
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_batches_are_the_same_from_memory_from_disk_and_made_anew(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    waves = [random.standard_normal(random.integers(60, 140)).astype(np.float32) for _ in range(300)]
    store = WaveformStore(tmp_path)
    for wave in waves:
        store.append(wave)
    front_end = Waveform(100, 1.0)
    kept, streamed = TokenInputs(front_end, waves), TokenInputs(front_end, store, cache_bytes=0)
    index = random.permutation(300)[:40]
    assert torch.equal(kept[index], streamed[index])
    assert kept.statistics(np.arange(300)) == pytest.approx(streamed.statistics(np.arange(300)))


def test_without_a_gpu_nothing_is_kept_of_what_is_streamed() -> None:
    assert free_bytes(torch.device("cpu")) == 0
