"""Bands in Hz: they cover the axis without gaps, are equally wide on their scale, and carry Hz on uneven layouts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import LABELS

from phonoscope import Classifier, Spectrogram, Waveform
from phonoscope.attribution.bands import LAYOUTS, band_layout, top_of
from phonoscope.errors import AttributionError
from phonoscope.phonetics.profiles import density

TO_SCALE = {
    "hz": lambda f: f,
    "third-octave": lambda f: 3 * np.log2(f / 1000),
    "bark": lambda f: 26.81 / (1 + 1960 / f) - 0.53,  # Traunmüller (1990), as he writes it
    "erb": lambda f: 21.4 * np.log10(4.37 * f / 1000 + 1),
}


@given(st.sampled_from(LAYOUTS), st.floats(1500, 24000), st.floats(0.3, 2.5), st.floats(0.2, 1.0))
def test_bands_cover_the_axis_and_are_equally_wide_on_their_scale(layout, max_hz, width, share):
    width = width * 300 if layout == "hz" else width
    laid = band_layout(layout, max_hz, width, width * share)
    edges = laid.edges
    assert edges[0, 0] == 0
    assert edges[-1, 1] == max_hz
    assert (np.diff(edges, axis=0) > 0).all()
    assert (edges[1:, 0] <= edges[:-1, 1] + 1e-6).all()
    assert (laid.widths > 0).all()
    assert laid.centres == pytest.approx((edges[:, 0] + edges[:, 1]) / 2)
    inner = TO_SCALE[layout](edges[1:-1])
    assert np.diff(inner, axis=1) == pytest.approx(np.full((len(inner), 1), width), rel=1e-6)
    assert np.diff(inner[:, 0]) == pytest.approx(np.full(max(len(inner) - 1, 0), width * share), rel=1e-6)


def test_the_usual_bands():
    assert band_layout("hz", 4000).edges.ravel().tolist() == [
        e for k in range(16) for e in (250.0 * k, 250.0 * k + 250)
    ]
    assert len(band_layout("hz", 4000, overlap=0.5)) == 31
    # nominal centres of third octaves (IEC 61260): the lowest band takes in all below
    octaves = band_layout("third-octave", 11313.708)
    assert np.sqrt(octaves.edges[1:, 0] * octaves.edges[1:, 1]) == pytest.approx(
        [
            125,
            160,
            200,
            250,
            315,
            400,
            500,
            630,
            800,
            1000,
            1250,
            1600,
            2000,
            2500,
            3150,
            4000,
            5000,
            6300,
            8000,
            10000,
        ],
        rel=0.02,
    )
    # one ERB around 1 kHz is 24.7 (4.37 + 1) Hz wide (Glasberg & Moore 1990, eq. 3)
    erb = band_layout("erb", 8000)
    at = int(np.abs(erb.centres - 1000).argmin())
    assert erb.widths[at] == pytest.approx(24.7 * (4.37 * erb.centres[at] / 1000 + 1), rel=0.02)


def test_the_last_band_ends_at_the_top():
    assert band_layout("hz", 4100).edges[-2:].tolist() == [[3500, 3750], [3750, 4100]]
    assert band_layout("hz", 4130).edges[-2:].tolist() == [[3750, 4000], [4000, 4130]]


def test_one_cell_a_band_over_the_whole_token():
    laid = band_layout("bark", 8000)
    picture = laid.placement(Classifier.build(Spectrogram(16000), "compact", LABELS))
    assert picture.frequency == pytest.approx(laid.centres)
    assert picture.time.tolist() == [0.5]
    assert (picture.cell_time, picture.resolution_time) == (1.0, 1.0)
    assert picture.field_hz == pytest.approx(8000 / len(laid))
    fixed = laid.placement(Classifier.build(Spectrogram(16000, time="fixed", seconds=0.3), "compact", LABELS), 400.0)
    assert fixed.time == pytest.approx([0.15])
    assert fixed.cell_time == pytest.approx(0.3)
    assert fixed.resolution_hz == 400


def test_even_evidence_is_an_even_density_on_every_layout():
    for layout in LAYOUTS:
        laid = band_layout(layout, 8000)
        found = density(laid.widths[None], laid.centres, 8000.0)[0]
        inner = slice(2, -2)
        assert found[inner] == pytest.approx(np.full(len(laid) - 4, 1 / 8000), rel=0.07)


def test_the_top_is_what_the_network_is_shown():
    assert top_of(Classifier.build(Spectrogram(16000, max_hz=5000), "compact", LABELS)) == 5000
    assert top_of(Classifier.build(Waveform(16000, 0.1), "segmental", LABELS)) == 8000


@pytest.mark.parametrize(
    ("layout", "width", "step"), [("mel", 0, 0), ("hz", -1, 0), ("hz", 250, 300), ("hz", 2500, 0), ("hz", 250, -5)]
)
def test_layouts_that_are_none_are_refused(layout, width, step):
    with pytest.raises(AttributionError, match=r"hz, third-octave, bark, erb|step ≤ width"):
        band_layout(layout, 4000, width, step)
