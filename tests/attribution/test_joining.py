"""A method joined with occlusion: its formula, its size, and what it does to coarse maps and networks on waveforms."""

import numpy as np
import pytest
from small_networks import LABELS, NETWORKS, build, waves

from phonoscope import explain


def _maps(classifier, method):
    sounds = waves(3, context_seconds=0.0)
    return explain(classifier, sounds, target=LABELS[0], method=method, reference=waves(6, seed=1, context_seconds=0.0))


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_joined_map_is_the_product_at_its_methods_size(dimensions):
    classifier = build(NETWORKS["plain"], dimensions)
    plain, occlusion = _maps(classifier, "gradient-x-input"), _maps(classifier, "occlusion")
    joined = _maps(classifier, "joined(gradient-x-input)")
    product = plain.values * np.abs(occlusion.values)
    expected = product * (np.abs(plain.values).sum((1, 2)) / np.abs(product).sum((1, 2)))[:, None, None]
    np.testing.assert_allclose(joined.values, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
    assert np.isnan(joined["incompleteness"]).all()
    assert joined.attrs["method"] == "joined(gradient-x-input)"


def test_signs_are_those_of_the_method():
    classifier = build(NETWORKS["plain"], 2)
    plain, joined = _maps(classifier, "gradient"), _maps(classifier, "joined(gradient)")
    kept = joined.values != 0
    assert (np.sign(joined.values)[kept] == np.sign(plain.values)[kept]).all()


def test_a_coarse_map_takes_the_nearest_cells():
    classifier = build(NETWORKS["plain"], 2)
    joined, plain = (_maps(classifier, method) for method in ("joined(cam)", "cam"))
    occlusion = _maps(classifier, "occlusion")
    assert joined.shape == plain.shape
    near = occlusion.sel(frequency=plain["frequency"], time=plain["time"], method="nearest")
    product = plain.values * np.abs(near.values)
    ratio = joined.values / np.where(product == 0, np.nan, product)
    assert (np.nanstd(ratio, axis=(1, 2)) < 1e-3 * np.nanmean(ratio, axis=(1, 2))).all()
