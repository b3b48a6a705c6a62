"""Figures of response spectra and filters: the data behind them, their axes, their labels."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from phonoscope.errors import PhonoscopeError
from phonoscope.filters import (
    Branch,
    FilterBank,
    cumulative_response,
    filter_atlas,
    learned_minus_null,
    null_responses,
    random_bank,
    response_spectrum,
)
from phonoscope.report.filters import atlas_figure, crs_figure, strs_figure, strs_surface, wigner_figure

RATE = 8000


@pytest.fixture(scope="module")
def bank() -> FilterBank:
    return random_bank(FilterBank([Branch(np.ones((6, 24)), 16, padding=(12, 11))], RATE))


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(4000)


def drawn(figure: Figure) -> Figure:
    figure.canvas.draw()
    return figure


def test_waveform_and_spectrum_share_their_time_axis(bank: FilterBank, wave: np.ndarray) -> None:
    strs = response_spectrum(bank, wave, RATE)
    figure = drawn(strs_figure(strs, wave, max_hz=3000, title="yes"))
    above, _, picture, side = figure.axes[:4]
    assert above.get_xlim() == picture.get_xlim()
    assert picture.get_ylim() == side.get_ylim() == (0, 3000)
    assert picture.get_xlabel() == "Time (s)"
    assert picture.get_ylabel() == "Frequency (Hz)"
    mesh = picture.collections[0]
    shown = np.asarray(mesh.get_array())
    assert shown.max() == pytest.approx(20 * np.log10(strs.sel(frequency=slice(0, 3000)).max() / strs.max()))
    assert shown.shape[1] == strs.sizes["time"]
    curve = side.lines[0]
    np.testing.assert_allclose(curve.get_xdata(), strs.mean("time").sel(frequency=slice(0, 3000)).values)
    with pytest.raises(PhonoscopeError, match="one response spectrum"):
        strs_figure(response_spectrum(bank, np.stack([wave, wave]), RATE), wave)


def test_the_surface_stands_over_time_and_frequency(bank: FilterBank, wave: np.ndarray) -> None:
    axes = drawn(strs_surface(response_spectrum(bank, wave, RATE), max_hz=3000)).axes[0]
    assert axes.get_ylabel() == "Frequency (kHz)"
    assert 2.9 < axes.get_ylim()[1] < 3.3


def test_panels_show_every_class_beside_its_null(bank: FilterBank) -> None:
    waves = [np.random.default_rng(seed).standard_normal(1000) for seed in range(4)]
    learned, nulls = cumulative_response(bank, waves, RATE), null_responses(bank, waves, n_seeds=4)
    table = learned_minus_null(learned, nulls, labels=["i", "i", "ɑ", "u"])
    figure = drawn(crs_figure(table, columns=2, lowest_hz=100))
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert [title for title in titles if title] == ["i, n = 2", "u, n = 1", "ɑ, n = 1"]
    upper = figure.axes[0]
    rows = table[(table["label"] == "i") & (table["frequency"] >= 100)]
    line = next(line for line in upper.lines if line.get_label() == "learned")
    np.testing.assert_allclose(line.get_ydata(), rows["learned"])
    assert figure.legends[0].get_texts()[0].get_text() == "random weights"
    assert not any(axes.get_visible() for axes in (figure.axes[5], figure.axes[7]))


def test_the_atlas_is_ordered_by_centre(bank: FilterBank) -> None:
    left, middle, right = drawn(atlas_figure(bank)).axes
    order = filter_atlas(bank)["filter"].to_numpy()
    shown = np.asarray(left.images[0].get_array())
    atoms = bank.dictionary.T[order]
    np.testing.assert_allclose(shown, atoms / np.abs(atoms).max(axis=1, keepdims=True))
    assert np.asarray(middle.images[0].get_array()).max() == 0
    assert [text.get_text().split(" ")[0] for text in right.get_legend().get_texts()] == [
        "peaks",
        "linear",
        "mel",
        "ERB",
    ]


def test_every_filter_has_its_contour(bank: FilterBank) -> None:
    from matplotlib.contour import QuadContourSet

    axes, bar = drawn(wigner_figure(bank, max_hz=3500)).axes
    assert sum(isinstance(one, QuadContourSet) for one in axes.collections) == bank.n_filters
    assert axes.get_ylim() == (0, 3500)
    assert axes.get_xlabel() == "Time from the frame's middle (ms)"
    assert "total energy" in bar.get_ylabel()


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("compared", [True, False])
def test_the_legend_lies_within_the_figure(bank: FilterBank, count: int, compared: bool) -> None:
    waves = [np.random.default_rng(seed).standard_normal(1000) for seed in range(4)]
    learned, nulls = cumulative_response(bank, waves, RATE), null_responses(bank, waves, n_seeds=3)
    table = learned_minus_null(learned, nulls if compared else None, learned, initial=learned, labels=list("abcd"))
    table.attrs["null"] = "parameters drawn anew"
    figure = drawn(crs_figure(table[table["label"].isin(list("abcd")[:count])]))
    legend = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= legend.y0
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    band = ["parameters drawn anew"] if compared else []
    assert names == [*band, "plain spectrum", "learned" if compared else "the layer", "before training"]
