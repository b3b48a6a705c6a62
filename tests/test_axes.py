"""Frequency and time axes: scales, rows anywhere, tokens of any length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phonoscope.axes import FrequencyAxis, TimeAxis, cell_edges, hz_per_position
from phonoscope.errors import AttributionError, ClassifierError


@given(
    st.integers(1, 300),
    st.floats(100, 24000),
    st.sampled_from(["linear", "mel", "erb"]),
)
def test_frequency_axes_rise_from_0_to_max_and_clip(rows, max_hz, scale):
    axis = FrequencyAxis(rows, max_hz, scale)
    assert axis.edges[0] == pytest.approx(0, abs=1e-6)
    assert axis.edges[-1] == pytest.approx(max_hz)
    assert (np.diff(axis.edges) > 0).all()
    assert ((axis.edges[:-1] < axis.centres) & (axis.centres < axis.edges[1:])).all()
    assert axis.at(-50) == pytest.approx(0, abs=1e-6)
    assert axis.at(rows + 50) == pytest.approx(max_hz)
    assert hz_per_position(axis) * rows == pytest.approx(max_hz)


def test_rows_have_equal_height_on_their_own_scale():
    assert np.diff(FrequencyAxis(8, 4000.0).centres) == pytest.approx(np.full(7, 500.0))
    mel = 2595 * np.log10(1 + FrequencyAxis(9, 8000.0, "mel").edges / 700)
    assert np.diff(mel) == pytest.approx(np.full(9, mel[-1] / 9))
    erb = 21.4 * np.log10(1 + 0.00437 * FrequencyAxis(9, 8000.0, "erb").edges)
    assert np.diff(erb) == pytest.approx(np.full(9, erb[-1] / 9))
    assert erb[-1] == pytest.approx(33.3, abs=0.1)  # 8 kHz lies near the 33rd ERB


def test_time_axes_say_where_columns_lie_in_each_token():
    stretched = TimeAxis(5, edge_seconds=0.004)
    assert stretched.stretched
    assert stretched.centres == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    seconds = stretched.in_token(stretched.centres, np.array([0.1, 0.006]))
    assert seconds[0] == pytest.approx([0.004, 0.027, 0.05, 0.073, 0.096])
    assert seconds[1] == pytest.approx(np.full(5, 0.003))  # shorter than the window: all frames in its middle
    fixed = TimeAxis(3, seconds=0.15)
    assert fixed.centres == pytest.approx([0.025, 0.075, 0.125])
    assert fixed.in_token(fixed.centres, np.array([0.15, 0.05])) == pytest.approx(
        np.array([[0.025, 0.075, 0.125], [-0.025, 0.025, 0.075]])
    )
    assert TimeAxis(1).in_token(np.array([0.5]), np.array([0.2])) == pytest.approx(np.array([[0.1]]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: FrequencyAxis(0, 100.0),
        lambda: FrequencyAxis(4, -1.0),
        lambda: FrequencyAxis(4, float("nan")),
        lambda: FrequencyAxis(4, 100.0, "bark"),
        lambda: TimeAxis(0),
        lambda: TimeAxis(4, 0.0),
    ],
)
def test_impossible_axes_are_refused(make):
    with pytest.raises(ClassifierError):
        make()


def test_cell_edges_lie_half_way_and_are_closed_by_the_limits():
    assert cell_edges(np.array([100.0, 300.0, 700.0]), 0, 1000) == pytest.approx([0, 200, 500, 1000])
    with pytest.raises(AttributionError):
        cell_edges(np.array([]), 0, 1)
    with pytest.raises(AttributionError):
        cell_edges(np.array([1.0]), 0, float("inf"))
