"""Several trainings of one network against random weights, and the weights that a training began from."""

from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from phonoscope.classifier import Classifier
from phonoscope.errors import PhonoscopeError
from phonoscope.filters import (
    Branch,
    FilterBank,
    band_test,
    bank_of,
    cumulative_response,
    initial_bank,
    learned_minus_null,
    null_responses,
    null_test,
    random_bank,
)
from phonoscope.filters.initial import initial_note
from phonoscope.filters.significance import MOST_GROUPINGS, p_of, permuted_z
from phonoscope.frontends import Waveform

RATE = 8000
SHAPE = FilterBank([Branch(np.ones((12, 16)), 8)], RATE)
WAVES = [np.random.default_rng(seed).standard_normal(800) for seed in range(3)]


@pytest.fixture(scope="module")
def nulls() -> xr.DataArray:
    return null_responses(SHAPE, WAVES, n_seeds=12, n_fft=64)


def responses(*banks: FilterBank) -> xr.DataArray:
    own = [cumulative_response(bank, WAVES, RATE, n_fft=64) for bank in banks]
    return xr.concat(own, pd.Index(range(len(own)), name="seed"), combine_attrs="override")


def tuned(seed: int) -> FilterBank:
    """Random filters, a third of which were replaced by resonators at 2 kHz."""
    weights = random_bank(SHAPE, seed).branches[0].weights.copy()
    n = np.arange(16) - 7.5
    weights[:4, 0] = 0.3 * np.cos(2 * np.pi * 2000 / RATE * n + np.arange(4)[:, None]) * np.hanning(18)[1:-1]
    return FilterBank([Branch(weights, 8)], RATE)


def test_every_choice_of_layers_is_tried_once() -> None:
    layers = np.random.default_rng(0).standard_normal((7, 5))
    found = permuted_z(layers, 2)
    assert len(found) == comb(7, 2)
    for value, choice in zip(found, combinations(range(7), 2), strict=True):
        rest = [i for i in range(7) if i not in choice]
        away = layers[list(choice)].mean(axis=0) - layers[rest].mean(axis=0)
        spread = layers[rest].std(axis=0, ddof=1) * np.sqrt(1 / 2 + 1 / 5)
        assert value == pytest.approx(np.abs(away / spread).max())
    many = permuted_z(np.random.default_rng(0).standard_normal((40, 1)), 5)
    assert len(many) == MOST_GROUPINGS
    assert p_of(np.array([3.0, 1.0, 3.0, 2.0])) == 0.5


def test_three_trainings_show_more_than_one(nulls: xr.DataArray) -> None:
    learned = responses(*(tuned(1000 + seed) for seed in range(3)))
    result = null_test(learned, nulls).iloc[0]
    assert result["p"] < 0.01
    assert result["max_z"] > result["critical_z"]
    assert 1700 <= result["at_hz"] <= 2300
    band = band_test(learned, nulls, {"planted": (1700, 2300)}).iloc[0]
    assert band["p"] == pytest.approx(1 / comb(15, 3))
    assert band["share_least"] < band["share"] < band["share_most"]
    assert band["n_trainings"] == 3
    one = band_test(learned.isel(seed=0), nulls, {"planted": (1700, 2300)}).iloc[0]
    assert one["p"] == pytest.approx(1 / 13)
    assert one["share"] in (band["share_least"], band["share_most"]) or (
        band["share_least"] < one["share"] < band["share_most"]
    )


def test_random_layers_are_called_learned_as_often_as_the_level_says() -> None:
    random = np.random.default_rng(0)
    p = np.array([p_of(permuted_z(random.standard_exponential((10, 4)), 3)) for _ in range(300)])
    assert p.min() >= 1 / comb(10, 3)
    for level in (0.05, 0.1, 0.5):  # within three standard deviations
        assert abs((p <= level).mean() - level) < 3 * np.sqrt(level * (1 - level) / 300) + 1 / comb(10, 3)


def test_curves_of_trainings_are_means_of_their_shapes(nulls: xr.DataArray) -> None:
    learned = responses(tuned(7), tuned(8))
    loud = learned * xr.DataArray([1.0, 100.0], dims="seed")  # the scale of the weights must not matter
    table = learned_minus_null(loud, nulls)
    alone = [learned_minus_null(learned.isel(seed=k), nulls) for k in (0, 1)]
    np.testing.assert_allclose(table["learned"], (alone[0]["learned"] + alone[1]["learned"]) / 2)
    assert table.attrs["n_trainings"] == 2


def test_what_training_moved_is_measured_from_where_it_began(nulls: xr.DataArray) -> None:
    before, after = responses(random_bank(SHAPE, 1000)), responses(tuned(1000))
    table = learned_minus_null(after, nulls, initial=before)
    np.testing.assert_allclose(table["moved"], table["learned"] - table["initial"])
    assert 1700 <= table.loc[table["moved"].idxmax(), "frequency"] <= 2300
    still = learned_minus_null(before, nulls, initial=before)
    assert still["moved"].abs().max() == 0
    assert still["moved_low"].isna().all()
    with pytest.raises(PhonoscopeError, match="initial and learned"):
        learned_minus_null(after, nulls, initial=responses(tuned(1), tuned(2)))


def test_a_classifier_that_says_how_it_began_gives_its_first_weights(tmp_path: Path) -> None:
    torch.manual_seed(5)
    classifier = Classifier.build(Waveform(RATE, 0.25), "sub-segmental", ["a", "b"], head="pooled")
    began = bank_of(classifier, RATE).dictionary.copy()
    with pytest.raises(PhonoscopeError, match="does not say"):
        initial_bank(classifier)
    classifier.notes["initial"] = initial_note(classifier.network, 5)
    with torch.no_grad():
        for parameter in classifier.network.parameters():
            parameter.mul_(2.0)  # a training
    classifier.save_pretrained(tmp_path)
    loaded = Classifier.from_pretrained(tmp_path)
    before = torch.get_rng_state()
    np.testing.assert_array_equal(initial_bank(loaded).dictionary, began)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_allclose(bank_of(loaded, RATE).dictionary, 2 * began)
    loaded.notes["initial"]["seed"] = 6
    with pytest.raises(PhonoscopeError, match="other weights"):
        initial_bank(loaded)
