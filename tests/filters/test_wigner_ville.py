"""Wigner–Ville distributions against closed forms and their definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from phonoscope.errors import PhonoscopeError
from phonoscope.filters import Branch, FilterBank, contours, coverage, wigner_plane, wigner_ville

RATE = 16_000


def gabor(hz: float, sigma: float, taps: int = 300, shift: float = 0.0) -> np.ndarray:
    n = np.arange(taps) - (taps - 1) / 2 - shift
    return np.exp(-(n**2) / (2 * sigma**2)) * np.cos(2 * np.pi * hz * n / RATE + 0.3)


def measured(*filters: np.ndarray, **options: float) -> dict:
    return contours(FilterBank([Branch(np.stack(filters))], RATE), **options).iloc[0].to_dict()  # ty: ignore[invalid-argument-type]


def analytic(row: np.ndarray) -> np.ndarray:
    """By the definition: no negative frequencies, with half the length of room on either side."""
    padded = np.pad(row, (len(row) + 1) // 2)
    spectrum = np.fft.fft(padded)
    frequency = np.fft.fftfreq(len(padded))
    weight = np.where(frequency > 0, 2.0, np.where(frequency == 0, 1.0, 0.0))
    if len(padded) % 2 == 0:
        weight[len(padded) // 2] = 1.0
    return np.fft.ifft(spectrum * weight)


@settings(max_examples=20, deadline=None)
@given(hz=st.floats(1500, 6500), sigma=st.floats(12, 40), level=st.sampled_from([0.5, 0.7, 0.9]))
def test_area_of_a_gabor_atom(hz: float, sigma: float, level: float) -> None:
    found = measured(gabor(hz, sigma), level=level)
    assert found["area"] == pytest.approx(np.log(1 / level) / 2, rel=0.06 if level < 0.9 else 0.12)
    assert found["components"] == 1
    assert found["peak_hz"] == pytest.approx(hz, abs=20)
    assert found["frequency"] == pytest.approx(hz, rel=1e-3)
    assert 4 * np.pi * found["time_spread"] * found["frequency_spread"] == pytest.approx(1, rel=5e-3)
    assert not found["cross_term"]
    assert found["negative"] < 0.01


def test_the_area_is_exact_in_the_mean_and_on_fine_grids() -> None:
    rng = np.random.default_rng(0)
    atoms = np.stack([gabor(hz, 25, shift=shift) for hz, shift in zip(rng.uniform(2e3, 6e3, 40), rng.uniform(0, 1, 40),
                                                                      strict=True)])  # fmt: skip
    areas = contours(FilterBank([Branch(atoms)], RATE), n_frequencies=2048)["area"]
    assert areas.mean() == pytest.approx(np.log(1 / 0.7) / 2, rel=0.005)


def test_a_late_atom_lies_late() -> None:
    found = measured(gabor(3000, 15, shift=60))
    assert found["peak_seconds"] == pytest.approx(60 / RATE, abs=1 / RATE)
    assert found["time"] == pytest.approx(60 / RATE, abs=1e-6)


@pytest.mark.parametrize("hz", [300, 4000, 7700])
def test_frequencies_do_not_fold(hz: float) -> None:
    # a distribution of the real signal itself, or one with half the lags, would show RATE / 2 - hz as well
    plane = wigner_ville(gabor(hz, 50), RATE)[0]
    energy = plane.sum("time")
    assert float(energy["frequency"][int(energy.values.argmax())]) == pytest.approx(hz, abs=20)
    far = energy.where(abs(energy["frequency"] - hz) > 300, 0.0)
    assert float(abs(far).max()) < 1e-3 * float(energy.max())


def test_the_ridge_of_a_chirp() -> None:
    n = np.arange(400) - 199.5
    rate_of_change = 4000 / (400 / RATE)  # Hz/s
    phase = 2 * np.pi * (4000 * n / RATE + rate_of_change * (n / RATE) ** 2 / 2)
    plane = wigner_ville(np.cos(phase) * np.hanning(400), RATE)[0]
    middle = plane.sel(time=slice(-0.006, 0.006))
    ridge = middle["frequency"].values[middle.transpose("frequency", "time").values.argmax(axis=0)]
    assert_allclose(ridge, 4000 + rate_of_change * middle["time"].values, atol=40)


@pytest.mark.parametrize("taps", [5, 30, 37, 64])
def test_marginals(taps: int) -> None:
    rows = np.random.default_rng(taps).standard_normal((3, taps))
    planes = wigner_ville(rows, RATE, n_frequencies=128, margin=True).values
    for row, plane in zip(rows, planes, strict=True):
        z = analytic(row)
        assert_allclose(plane.sum(axis=0), 128 * np.abs(z) ** 2, atol=1e-3)
        hz = np.arange(128) * RATE / 256
        above, below = (
            np.abs(np.exp(-2j * np.pi * np.outer(hz + shift, np.arange(len(z))) / RATE) @ z) ** 2
            for shift in (0, RATE / 2)
        )
        assert_allclose(plane.sum(axis=1), (above + below) / 2, atol=1e-3 * above.max())


@pytest.mark.parametrize(("taps", "points"), [(12, 64), (13, 64), (20, 6)])
def test_the_definition_sum_by_sum(taps: int, points: int) -> None:
    row = np.random.default_rng(taps).standard_normal(taps)
    z = analytic(row)
    before, size = (taps + 1) // 2, len(z)
    expected = np.zeros((points, taps))
    for i, n in np.ndindex(points, taps):
        at = n + before
        for m in range(-size, size + 1):
            if 0 <= at + m < size and 0 <= at - m < size:
                expected[i, n] += (z[at + m] * z[at - m].conj() * np.exp(-2j * np.pi * i * m / points)).real
    assert_allclose(wigner_ville(row, RATE, n_frequencies=points).values[0], expected, atol=1e-4)


def test_cross_terms_are_flagged_and_fade_with_smoothing() -> None:
    two = gabor(1000, 40) + gabor(3000, 40)
    plain = measured(two)
    assert plain["peak_hz"] == pytest.approx(2000, abs=30)
    assert plain["cross_term"]
    assert plain["power_at_peak_db"] < -40
    smooth = measured(two, lag_seconds=0.01, smooth_seconds=0.003)
    assert not smooth["cross_term"]
    assert min(abs(smooth["peak_hz"] - 1000), abs(smooth["peak_hz"] - 3000)) < 60
    assert smooth["negative"] < plain["negative"]


def test_complex_and_dead_filters() -> None:
    n = np.arange(200) - 99.5
    atom = np.exp(-(n**2) / 800 + 2j * np.pi * 3000 * n / RATE)
    assert measured(atom)["peak_hz"] == pytest.approx(3000, abs=16)
    assert measured(atom)["area"] == pytest.approx(np.log(1 / 0.7) / 2, rel=0.06)
    table = contours(FilterBank([Branch(np.stack([np.zeros(30), gabor(3000, 4, 30)]))], RATE))
    assert table["area"].isna().tolist() == [True, False]
    assert table["filter"].tolist() == [0, 1]


def test_the_plane_holds_all_filters() -> None:
    bank = FilterBank([Branch(np.stack([gabor(2000, 20), gabor(6000, 20)])), Branch(gabor(4000, 10, 100)[None])], RATE)
    plane, table = wigner_plane(bank), contours(bank)
    apart = wigner_ville(bank.dictionary.T, RATE)
    assert_allclose(plane["total"].values, apart.values.sum(axis=0), atol=1e-3)
    cells = (apart >= 0.7 * apart.max(("frequency", "time"))).sum("filter")
    assert (plane["count"].values == cells.values).all()
    # cells counted and the area between them agree to the length of the outline
    assert float(plane["count"].sum()) / (2 * 512) == pytest.approx(table["area"].sum(), rel=0.1)
    numbers = coverage(plane)
    assert numbers["overlap"] == 1
    assert numbers["covered"] == pytest.approx(float(plane["count"].sum()) / plane["count"].size)
    assert numbers["covered_below_1khz"] == 0
    assert numbers["covered_1_to_4khz"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [({"level": 0.0}, "between 0 and 1"), ({"n_frequencies": 1}, "at least 2"), ({"lag_seconds": 0.0}, "more than 0")],
)
def test_errors(options: dict, message: str) -> None:
    with pytest.raises(PhonoscopeError, match=message):
        measured(gabor(2000, 10), **options)
    with pytest.raises(PhonoscopeError, match="finite filters"):
        wigner_ville(np.full(10, np.nan), RATE)
