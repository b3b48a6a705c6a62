"""What a notebook shows: the figure for arrays of phonoscope, xarray's own text for all others."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from phonoscope.classifier import Classifier
from phonoscope.errors import PhonoscopeError
from phonoscope.frontends import Spectrogram
from phonoscope.report.notebook import kind_of, load_ipython_extension, show, unload_ipython_extension


def maps(tokens: int = 8) -> xr.DataArray:
    coords = {"token": [f"t{i}" for i in range(tokens)], "frequency": [500.0, 1500.0], "time": [0.25, 0.75]}
    values = np.arange(4.0 * tokens).reshape(tokens, 2, 2)
    attrs = {"max_hz": 2000.0, "method": "cam", "units": "logit"}
    return xr.DataArray(values, dims=("token", "frequency", "time"), coords=coords, name="map", attrs=attrs)


def test_maps_become_panels_on_one_scale_up_to_the_networks_border():
    shown = show(maps())
    panels = [axes for axes in shown.figure.axes if axes.get_ylim() == (0, 2000)]
    assert len(panels) == 6
    assert {panel.collections[0].get_clim() for panel in panels} == {(-23.0, 23.0)}
    assert "8 tokens" in repr(shown)
    assert "<svg" in shown._repr_svg_()
    assert 'role="img"' in shown._repr_html_()


def test_profiles_and_single_maps_are_drawn():
    profiles = maps().sum("time", keep_attrs=True).rename("profile")
    np.testing.assert_array_equal(show(profiles).figure.axes[0].lines[1].get_ydata(), profiles.values[0])
    assert kind_of(maps()[0]) == "map"
    assert show(maps()[0]).figure.axes


def test_arrays_of_others_are_refused_by_name():
    other = xr.DataArray(np.zeros(3), dims="x", name="wind")
    assert kind_of(other) is None
    with pytest.raises(PhonoscopeError, match="'wind'"):
        show(other)


def test_extension_draws_ours_and_leaves_others_alone():
    class Formatter(dict):
        def for_type(self, kind, function):
            self[kind] = function

    class Shell:
        class display_formatter:  # noqa: N801
            formatters = {"text/html": Formatter()}  # noqa: RUF012

    load_ipython_extension(Shell)
    draw = Shell.display_formatter.formatters["text/html"][xr.DataArray]
    other = xr.DataArray(np.zeros(3), dims="x")
    assert 'role="img"' not in draw(other)
    assert "xarray" in draw(other)
    assert 'role="img"' in draw(maps())
    assert "xarray" in draw(maps())
    unload_ipython_extension(Shell)
    assert Shell.display_formatter.formatters["text/html"] == {}


def test_card_of_a_classifier_says_what_it_is_and_escapes_labels():
    classifier = Classifier.build(Spectrogram(8000, max_hz=4000.0, rows=16, columns=8), "compact", ["i", "<script>"])
    card = classifier._repr_html_()
    assert "8000 Hz" in card
    assert "compact" in card
    assert "&lt;script&gt;" in card
    assert "<script>" not in card
