"""Spectrograms against closed forms, palettes that do not lie, and SVG that can be trusted in a page."""

from __future__ import annotations

import numpy as np
import pytest

from phonoscope.errors import AudioError, PhonoscopeError
from phonoscope.report import spectrograms, style

RATE = 16_000


def new_axes():
    return style.new_figure(4, 3).subplots()


def luminance(palette: str) -> np.ndarray:
    import matplotlib

    red, green, blue, _ = matplotlib.colormaps[palette](np.linspace(0, 1, 101)).T
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def sine(hz: float, seconds: float = 0.2) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)


# Spectrograms


@pytest.mark.parametrize("hz", [400.0, 1000.0, 3333.0])
def test_tone_peaks_at_its_frequency_in_every_frame(hz):
    level = spectrograms.wideband_spectrogram(sine(hz), RATE)
    peaks = level["frequency"].values[level.argmax("frequency").values]
    # A line is a Gaussian of half-power width 1.298 / L; a tilt of f**k pulls its maximum to f (f - hz) = k sd**2.
    deviation, power = 1.298 / 0.005 / (2 * np.sqrt(2 * np.log(2))), 6.0 / (10 * np.log10(2))
    expected = hz / 2 + np.sqrt(hz**2 / 4 + power * deviation**2)
    assert peaks == pytest.approx(expected, abs=np.diff(level["frequency"].values)[0])
    assert float(level.max()) == 0.0


def test_bandwidth_is_that_of_a_5_ms_gaussian_window():
    level = spectrograms.wideband_spectrogram(sine(2000.0), RATE, max_hz=8000)
    frequency = level["frequency"].values
    flat = level.values[:, 20] - 6.0 * np.log2(frequency / 1000.0)
    above = frequency[flat > flat.max() - 10 * np.log10(2)]
    assert above[-1] - above[0] == pytest.approx(1.298 / 0.005, abs=2 * np.diff(frequency)[0])


def test_display_rises_by_6_db_an_octave():
    level = spectrograms.wideband_spectrogram(sine(500.0) + sine(1000.0) + sine(2000.0), RATE)
    at = [float(level.sel(frequency=hz, method="nearest").mean("time")) for hz in (500.0, 1000.0, 2000.0)]
    assert np.diff(at) == pytest.approx([6.0, 6.0], abs=0.3)


def test_frames_lie_inside_the_sound_in_steps_of_2_ms():
    level = spectrograms.wideband_spectrogram(sine(500.0, 0.1), RATE, max_hz=5000)
    time = level["time"].values
    assert np.diff(time) == pytest.approx(0.002)
    assert time[0] == pytest.approx(0.005)  # half a physical window
    assert 0.093 < time[-1] <= 0.095
    assert level["frequency"].values[-1] <= 5000
    assert np.diff(level["frequency"].values).max() <= spectrograms.FREQUENCY_STEP_HZ


@pytest.mark.parametrize("sound", [np.zeros(10), np.zeros((200, 2))])
def test_sound_without_one_window_is_refused(sound):
    with pytest.raises(AudioError, match="at least 10 ms"):
        spectrograms.wideband_spectrogram(sound, RATE)


def test_silence_is_drawn_not_refused():
    level = spectrograms.wideband_spectrogram(np.zeros(3200), RATE)
    assert np.isfinite(level.values).all()


def test_spectrogram_is_grey_70_db_deep_and_upright_with_formants_where_measured():
    axes = new_axes()
    level = spectrograms.wideband_spectrogram(sine(1000.0), RATE)
    formants = {"f1_20": 500.0, "f1_50": np.nan, "f2_80": 1500.0, "f3_50": 9000.0}
    spectrograms.draw_spectrogram(axes, level, token=(0.05, 0.15), formants=formants)
    (mesh,) = axes.collections
    assert mesh.get_clim() == (-70.0, 0.0)
    assert mesh.get_cmap().name == "gray_r"
    assert axes.get_ylim()[0] == 0 < axes.get_ylim()[1]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Time (s)", "Frequency (Hz)")
    dots = [tuple(float(v[0]) for v in line.get_data()) for line in axes.lines if line.get_marker() == "o"]
    # neither the missing one nor the one above the axis
    np.testing.assert_allclose(sorted(dots), [(0.07, 500.0), (0.13, 1500.0)])


def test_network_input_is_drawn_cell_by_cell():
    axes = new_axes()
    values = np.arange(12.0).reshape(4, 3)
    spectrograms.draw_input(axes, values, np.linspace(0, 4000, 5), np.linspace(0, 1, 4))
    (mesh,) = axes.collections
    np.testing.assert_array_equal(mesh.get_array(), values)
    np.testing.assert_array_equal(mesh.get_coordinates()[:, 0, 1], [0, 1000, 2000, 3000, 4000])
    assert axes.get_ylim() == (0, 4000)
    assert mesh.get_cmap().name != "gray_r"


# Palettes


@pytest.mark.parametrize("palette", [style.DISPLAY_PALETTE, style.INPUT_PALETTE, style.COUNT_PALETTE])
def test_sequential_palettes_darken_steadily(palette):
    assert (np.diff(luminance(palette)) < 0).all()


def test_signed_palette_is_lightest_at_nothing_and_darkens_to_both_ends():
    light = luminance(style.SIGNED_PALETTE)
    assert light.argmax() == 50
    assert light[50] > 0.9
    assert (np.diff(light[:51]) > 0).all()
    assert (np.diff(light[50:]) < 0).all()


# SVG


def test_svg_is_reproducible_carries_its_name_and_no_text_of_labels():
    def draw():
        figure = style.new_figure(2, 2)
        style.dress(figure.subplots(), title="$\\frac{ <script>", x="Time (s)")
        return style.to_svg(figure, "one")

    document = draw()
    assert document == draw()
    assert "<script" not in document
    assert "<!--" not in document
    ids = [part.split('"')[0] for part in document.split(' id="')[1:]]
    assert ids
    assert all(name.startswith("one-") for name in ids)


def test_svg_name_that_would_break_references_is_refused():
    with pytest.raises(PhonoscopeError, match="letters without accents"):
        style.to_svg(style.new_figure(1, 1), "maps-æ")


def test_inline_svg_shrinks_with_the_page_and_escapes_its_description():
    element = style.inline_svg(style.to_svg(style.new_figure(3, 1), "x"), 'a "b" <c>')
    assert element.startswith("<svg viewBox=")
    assert "a &#34;b&#34; &lt;c&gt;" in element
    assert "max-width:288px" in element
    with pytest.raises(PhonoscopeError, match="viewBox"):
        style.inline_svg("<svg></svg>", "")
