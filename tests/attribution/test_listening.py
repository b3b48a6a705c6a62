"""Masked sounds: tones and clicks under maps whose place is known come through whole or not at all."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from phonoscope.attribution.listening import RAMP_SECONDS, masked_sounds
from phonoscope.errors import AttributionError

RATE = 16000
CONTEXT = 0.05
TOKEN = 0.2
SAMPLES = round((TOKEN + 2 * CONTEXT) * RATE)
INSIDE = slice(round((CONTEXT + 0.02) * RATE), round((CONTEXT + TOKEN - 0.02) * RATE))
CENTRES = np.arange(250.0, 8000.0, 500.0)


def tone(hertz: float) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(SAMPLES) / RATE)


def map_of(values: np.ndarray, frequency=CENTRES, seconds=None, **attrs) -> xr.DataArray:
    columns = values.shape[1]
    seconds = (np.arange(columns) + 0.5) / columns * TOKEN if seconds is None else seconds
    coords = {"frequency": frequency, "seconds": ("time", np.asarray(seconds))}
    return xr.DataArray(values, dims=("frequency", "time"), coords=coords, attrs=attrs)


def band(low: float, high: float, columns: int = 4) -> xr.DataArray:
    rows = ((low <= CENTRES) & (high >= CENTRES)).astype(float)
    return map_of(np.repeat(rows[:, None], columns, axis=1))


def level_db(sound: np.ndarray, of: np.ndarray) -> float:
    power = np.square(sound[INSIDE]).mean() / np.square(of[INSIDE]).mean()
    return 10 * np.log10(power + 1e-30)


def masked(sound, token_map, **options):
    return masked_sounds(sound, RATE, token_map, context_seconds=CONTEXT, keep_context=True, **options)


def test_tone_under_the_map_comes_through_and_is_gone_from_the_rest() -> None:
    sound = tone(1500.0)
    out = masked(sound, band(700, 2300), match=False)
    assert level_db(out.only, sound) == pytest.approx(0.0, abs=0.01)
    assert level_db(out.without, sound) < -60
    np.testing.assert_allclose(out.only[INSIDE], sound[INSIDE], atol=1e-4)
    assert out.power_share == pytest.approx(1.0, abs=1e-3)


def test_tone_beside_the_map_is_gone_and_stays_in_the_rest() -> None:
    sound = tone(4500.0)
    out = masked(sound, band(700, 2300), match=False)
    assert level_db(out.only, sound) < -60
    assert level_db(out.without, sound) == pytest.approx(0.0, abs=0.01)
    assert out.power_share < 1e-6


def test_gain_is_a_straight_line_between_centres() -> None:
    values = np.zeros((len(CENTRES), 1))
    values[3] = 1.0  # 1750 Hz; 1250 and 2250 Hz are 0
    out = masked(tone(2000.0), map_of(values), match=False)
    assert level_db(out.only, tone(2000.0)) == pytest.approx(20 * np.log10(0.5), abs=0.1)
    at_threshold = masked(tone(1900.0), map_of(values), match=False, threshold=0.3)
    assert level_db(at_threshold.only, tone(1900.0)) == pytest.approx(0.0, abs=0.05)


def test_only_the_positive_part_of_a_map_is_let_through() -> None:
    token_map = band(700, 2300) - 2 * band(4000, 5000)
    both = tone(1500.0) + tone(4500.0)
    out = masked(both, token_map.assign_attrs(), match=False)
    np.testing.assert_allclose(out.only[INSIDE], tone(1500.0)[INSIDE], atol=1e-3)
    np.testing.assert_allclose(out.without[INSIDE], tone(4500.0)[INSIDE], atol=1e-3)


def test_cells_lie_at_their_times() -> None:
    values = np.zeros((len(CENTRES), 4))
    values[:, 2:] = 1.0
    sound = tone(1500.0)
    out = masked(sound, map_of(values, seconds=[0.025, 0.075, 0.125, 0.175]), match=False)
    early = slice(round((CONTEXT + 0.02) * RATE), round((CONTEXT + 0.06) * RATE))
    late = slice(round((CONTEXT + 0.14) * RATE), round((CONTEXT + 0.18) * RATE))
    assert np.abs(out.only[early]).max() < 0.01
    np.testing.assert_allclose(out.only[late], sound[late], atol=1e-3)
    np.testing.assert_allclose(out.without[early], sound[early], atol=1e-2)


@pytest.mark.parametrize("at", [0.06, 0.1, 0.14])
def test_click_is_weighted_by_the_gain_at_its_own_time(at: float) -> None:
    rising = map_of(np.tile([0.0, 1.0], (len(CENTRES), 1)), seconds=[0.0, TOKEN])
    click = np.zeros(SAMPLES)
    click[round((CONTEXT + at) * RATE)] = 1.0
    assert masked(click, rising, match=False).only.max() == pytest.approx(at / TOKEN, abs=0.005)


def test_nothing_above_the_network_s_axis_was_used() -> None:
    values = np.ones((4, 1))
    low = map_of(values, frequency=np.array([500.0, 1500.0, 2500.0, 3500.0]), max_hz=4000.0)
    out = masked(tone(6000.0), low, match=False)
    assert level_db(out.only, tone(6000.0)) < -60
    assert level_db(out.without, tone(6000.0)) == pytest.approx(0.0, abs=0.01)


def test_loudness_is_matched_and_silence_is_not_raised() -> None:
    both = tone(1500.0) + 0.1 * tone(4500.0)
    out = masked_sounds(both, RATE, band(4000, 5000), context_seconds=CONTEXT)
    token = both[round(CONTEXT * RATE) : round((CONTEXT + TOKEN) * RATE)]
    assert np.square(out.only).mean() == pytest.approx(np.square(token).mean(), rel=0.05)
    nothing = masked_sounds(both, RATE, -band(700, 2300), context_seconds=CONTEXT)
    assert not nothing.only.any()
    assert np.square(nothing.without).mean() == pytest.approx(np.square(token).mean(), rel=0.05)
    assert not masked_sounds(0 * both, RATE, band(700, 2300)).only.any()


def test_ends_are_ramped_and_context_is_kept_as_it_is() -> None:
    sound = tone(1500.0)
    whole = masked(sound, band(3900, 5000), match=False)
    before = slice(0, round(CONTEXT * RATE))
    np.testing.assert_allclose(whole.only[before], sound[before], atol=1e-6)
    alone = masked_sounds(sound, RATE, band(700, 2300), context_seconds=CONTEXT)
    assert len(alone.only) == len(alone.without) == round(TOKEN * RATE)
    ramp = round(RAMP_SECONDS * RATE)
    assert abs(alone.only[0]) < 1e-3
    rise = np.abs(alone.only[: ramp // 4]).max()
    assert rise < 0.2 * np.abs(alone.only[ramp : 4 * ramp]).max()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 9), st.sampled_from([8000, 16000, 22050]))
def test_the_two_parts_sum_to_the_sound(seed: int, columns: int, rows: int, rate: int) -> None:
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, 0.1, rng.integers(rate // 10, rate // 3))
    frequency = np.sort(rng.uniform(0, rate / 2, rows)) + np.arange(rows)
    token_map = map_of(rng.normal(size=(rows, columns)), frequency, np.sort(rng.uniform(0, 0.3, columns)))
    out = masked_sounds(sound, rate, token_map, context_seconds=0.02, match=False, keep_context=True, depth_db=-np.inf)
    if out.only.any():
        inside = slice(round(0.025 * rate) + 1, len(sound) - round(0.025 * rate) - 1)
        np.testing.assert_allclose((out.only + out.without)[inside], sound[inside], atol=1e-5)


def test_what_is_no_map_of_one_token_is_refused() -> None:
    several = band(700, 2300).expand_dims(token=2)
    with pytest.raises(AttributionError, match=r"maps\[0\]"):
        masked_sounds(tone(1000.0), RATE, several)
    with pytest.raises(AttributionError, match="threshold"):
        masked_sounds(tone(1000.0), RATE, band(700, 2300), threshold=0.0)
    with pytest.raises(AttributionError, match="context"):
        masked_sounds(tone(1000.0), RATE, band(700, 2300), context_seconds=1.0)
    with pytest.raises(AttributionError, match="not finite"):
        masked_sounds(tone(1000.0), RATE, band(700, 2300) * np.nan)
