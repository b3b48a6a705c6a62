"""Rows of different height: maps say what each row resolves, on disk too; claims are judged where they are made."""

import json

import numpy as np
import pytest
import xarray as xr
from small_networks import LABELS, Plain, build, waves

from phonoscope import Classifier, Spectrogram, explain
from phonoscope.attribution.maps import input_placement
from phonoscope.attribution.store import COORDINATES, maps_to_table, read_maps, table_to_maps, write_maps
from phonoscope.axes import FrequencyAxis, hz_around, is_even
from phonoscope.phonetics.shares import map_resolution


@pytest.fixture(scope="module")
def on_mel():
    network = build(Plain, 2).network
    front_end = Spectrogram(8000, rows=32, columns=8, scale="mel", window_seconds=0.05)
    return Classifier(front_end, network, LABELS, input_mean=-30.0, input_sd=15.0)


def maps_of(classifier, method):
    return explain(classifier, waves(context_seconds=0), "i", method)


def test_a_row_of_the_picture_resolves_its_height_or_the_window(on_mel):
    maps = maps_of(on_mel, "gradient")
    heights = np.diff(on_mel.front_end.frequency_axis.edges)
    finest = 1.44 / 0.05
    assert heights[0] < finest * 2.5 < heights[-1]
    assert maps["resolution"].dims == ("frequency",)
    assert maps["resolution"].values == pytest.approx(np.maximum(heights, finest))
    assert maps.attrs["resolution_hz"] == pytest.approx(np.maximum(heights, finest).mean())


def test_rows_of_equal_height_need_no_more_than_one_number():
    assert "resolution" not in maps_of(build(Plain, 2), "gradient").coords
    assert "resolution" not in maps_of(build(Plain, 2), "grad-cam").coords
    assert "resolution" not in maps_of(build(Plain, 1), "grad-cam").coords


@pytest.mark.parametrize("method", ["grad-cam", "hires-cam(layer=conv1+conv2)", "occlusion(height_hz=100, width=0.5)"])
def test_what_cells_of_layers_and_patches_resolve_grows_with_the_rows_below_them(on_mel, method):
    maps = maps_of(on_mel, method)
    resolution = maps["resolution"].values
    assert len(resolution) == maps.sizes["frequency"]
    assert (np.diff(resolution) >= -1e-9).all()
    assert resolution[-1] > 1.5 * resolution[0]
    assert maps.attrs["resolution_hz"] == pytest.approx(resolution.mean())
    if method.startswith("occlusion"):
        assert resolution.min() == 100


def test_several_layers_resolve_no_more_than_the_coarsest_in_any_row(on_mel):
    both, alone = maps_of(on_mel, "hires-cam(layer=conv1+conv2)"), maps_of(on_mel, "hires-cam(layer=conv2)")
    coarse = np.interp(both["frequency"], alone["frequency"], alone["resolution"])
    assert (both["resolution"].values >= coarse - 1e-9).all()


def test_bands_of_different_width_resolve_what_they_are_wide():
    maps = maps_of(build(Plain, 2), "band-stop(bands=third-octave)")
    assert maps["resolution"].values[-1] > 5 * maps["resolution"].values[0]


def test_a_stretch_of_rows_spans_what_lies_between_its_ends():
    axis = FrequencyAxis(20, 4000.0, "mel")
    assert hz_around(axis, np.arange(20), 1.0) == pytest.approx(np.diff(axis.edges))
    assert hz_around(axis, np.array([0.0, 10.0, 19.0]), 40.0) == pytest.approx(np.full(3, 4000.0))
    assert hz_around(axis, np.array([10.0]), 4.0) == pytest.approx(axis.at(12.0) - axis.at(8.0))
    assert hz_around(axis, np.array([0.0]), 4.0) == pytest.approx(axis.edges[4])  # moved inside
    assert not is_even(axis)
    assert is_even(FrequencyAxis(20, 4000.0))


def test_it_travels_with_the_maps_and_maps_without_it_are_read_as_before(on_mel, tmp_path):
    maps = maps_of(on_mel, "gradient")
    assert read_maps(write_maps(tmp_path / "a", [maps], 3))["resolution"].equals(maps["resolution"])
    assert table_to_maps(*maps_to_table(maps))["resolution"].equals(maps["resolution"])
    facts = json.loads((tmp_path / "a" / COORDINATES).read_text())
    del facts["resolution"]
    (tmp_path / "a" / COORDINATES).write_text(json.dumps(facts))
    before = read_maps(tmp_path / "a")
    assert np.array_equal(before.values, maps.values)
    assert "resolution" not in before.coords
    assert maps.mean(("token", "time"))["resolution"].equals(maps["resolution"])


def test_a_claim_is_judged_by_what_the_map_resolves_there():
    profiles = xr.DataArray(
        np.ones((2, 4)),
        dims=("token", "frequency"),
        coords={"frequency": [100.0, 200.0, 400.0, 800.0], "resolution": ("frequency", [120.0, 120.0, 250.0, 500.0])},
        attrs={"resolution_hz": 247.5},
    )
    assert map_resolution(profiles, 150.0) == pytest.approx(120.0)
    assert map_resolution(profiles, 800.0) == pytest.approx(500.0)
    assert map_resolution(profiles) == pytest.approx(400.0)  # the largest distance of cells
    assert map_resolution(profiles.drop_vars("resolution"), 150.0) == pytest.approx(400.0)


def test_a_placement_of_an_uneven_axis_keeps_its_rows_apart(on_mel):
    placement = input_placement(on_mel.front_end)
    assert placement.no_finer(200.0, 0.1).resolution.min() == 200.0
    assert placement.resolution_at(np.array([4000.0]))[0] == pytest.approx(placement.resolution[-1])
