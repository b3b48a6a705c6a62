"""The atlas on filters whose place, width and delay are known in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phonoscope.axes import FrequencyAxis
from phonoscope.errors import PhonoscopeError
from phonoscope.filters import Branch, FilterBank, filter_atlas, random_bank, spacing
from phonoscope.filters.atlas import frequency_response

RATE = 16_000


def gabor(hz: float, sigma: float, taps: int = 401, shift: float = 0.0, phase: float = 0.4) -> np.ndarray:
    n = np.arange(taps) - (taps - 1) / 2 - shift
    return np.exp(-(n**2) / (2 * sigma**2)) * np.cos(2 * np.pi * hz * n / RATE + phase)


def atlas_of(*filters: np.ndarray, **options: int) -> tuple:
    table = filter_atlas(FilterBank([Branch(np.stack(filters), **options)], RATE))
    return table, table.iloc[0]


@settings(max_examples=25, deadline=None)
@given(hz=st.floats(1200, 6500), sigma=st.floats(12, 45), shift=st.floats(-40, 40))
def test_a_gabor_atom_is_measured_as_it_was_made(hz: float, sigma: float, shift: float) -> None:
    row = atlas_of(gabor(hz, sigma, shift=shift))[1]
    width = RATE / (2 * np.pi * sigma)  # standard deviation of the amplitude response, Hz
    assert row["centre_hz"] == pytest.approx(hz, rel=1e-3)
    assert row["peak_hz"] == pytest.approx(hz, abs=RATE / 4096)
    assert row["spread_hz"] == pytest.approx(width / 2**0.5, rel=1e-2)
    assert row["bandwidth_hz"] == pytest.approx(2 * width * np.log(2) ** 0.5, rel=1e-2)
    assert row["erb_hz"] == pytest.approx(width * np.pi**0.5, rel=1e-2)
    assert row["q"] == pytest.approx(row["peak_hz"] / row["bandwidth_hz"])
    assert row["delay_seconds"] == pytest.approx(shift / RATE, abs=2e-6)
    assert row["group_delay_seconds"] == pytest.approx(shift / RATE, abs=2e-6)
    assert row["duration_seconds"] == pytest.approx(2**0.5 * sigma / RATE, rel=1e-2)
    assert row["time_bandwidth"] == pytest.approx(1, rel=1e-2)


def test_nothing_is_more_compact_than_a_gabor_atom() -> None:
    table = filter_atlas(random_bank(FilterBank([Branch(np.ones((100, 60)))], RATE)))
    assert table["time_bandwidth"].min() > 1


def test_clicks_sinusoids_and_noise_are_told_apart() -> None:
    n = np.arange(200)
    table, _ = atlas_of(np.eye(200)[90], np.cos(2 * np.pi * 0.1 * n), np.random.default_rng(0).standard_normal(200))
    by_filter = table.set_index("filter")
    assert by_filter["character"].tolist() != []
    assert by_filter.loc[0, "character"] == "transient"
    assert by_filter.loc[0, "tonality"] == pytest.approx(-1)
    assert by_filter.loc[1, "character"] == "tonal"
    assert by_filter.loc[2, "character"] == "mixed"
    assert by_filter.loc[0, "group_delay_seconds"] == pytest.approx((90 - 99.5) / RATE)


@pytest.mark.parametrize("taps", [7, 30, 300])
def test_random_filters_have_no_character(taps: int) -> None:
    table = filter_atlas(random_bank(FilterBank([Branch(np.ones((500, taps)))], RATE), seed=1))
    assert (table["character"] == "mixed").mean() > 0.98


def test_rows_are_ordered_and_point_back() -> None:
    filters = [gabor(hz, 20) for hz in (4000, 1500, 2500)]
    table, _ = atlas_of(*filters)
    assert table["filter"].tolist() == [1, 2, 0]
    assert table["rank"].tolist() == [0, 1, 2]
    assert table["centre_hz"].is_monotonic_increasing


def test_dead_filters_and_branches_are_named() -> None:
    branches = [Branch(np.zeros((1, 10)), name="a"), Branch(gabor(2000, 5, 31)[None], padding=(10, 10), name="b")]
    table = filter_atlas(FilterBank(branches, RATE)).set_index("branch")
    assert table.loc["a", "character"] == "dead"
    assert np.isnan(table.loc["a", "centre_hz"])
    assert table.loc["b", "taps"] == 31
    assert abs(table.loc["b", "delay_seconds"]) < 1e-5
    with pytest.raises(PhonoscopeError, match="every filter of this bank is dead"):
        spacing(filter_atlas(FilterBank([Branch(np.zeros((2, 5)))], RATE)))


def test_dilated_filters_have_images_and_the_same_character() -> None:
    n = np.arange(100)
    plain, dilated = (atlas_of(np.cos(0.3 * n), dilation=step)[1] for step in (1, 2))
    assert plain["character"] == dilated["character"] == "tonal"
    assert dilated["peak_hz"] in (pytest.approx(0.3 * RATE / (4 * np.pi), abs=5),
                                  pytest.approx(RATE / 2 - 0.3 * RATE / (4 * np.pi), abs=5))  # fmt: skip
    assert dilated["duration_seconds"] == pytest.approx(2 * plain["duration_seconds"])


def test_a_symmetrical_filter_has_no_phase() -> None:
    gain = frequency_response(FilterBank([Branch(np.array([[1.0, 3.0, 1.0]]))], RATE))
    assert abs(gain.values.imag).max() < 1e-12
    np.testing.assert_allclose(gain.values.real[0], 3 + 2 * np.cos(2 * np.pi * gain["frequency"].values / RATE))


@pytest.mark.parametrize("scale", ["linear", "mel", "erb"])
def test_spacing_recognises_the_scale_of_its_filters(scale: str) -> None:
    centres = FrequencyAxis(24, RATE / 2, scale).centres
    n = np.arange(2001) - 1000
    filters = [np.cos(2 * np.pi * hz * n / RATE) * np.hanning(2001) for hz in centres]
    places, distances = spacing(atlas_of(*filters)[0])
    deviations = distances.set_index("scale")["deviation"]
    assert deviations.idxmin() == scale
    assert deviations[scale] < 0.01
    np.testing.assert_allclose(places[scale], centres)
