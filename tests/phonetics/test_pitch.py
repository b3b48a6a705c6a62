import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phonoscope.errors import AudioError
from phonoscope.phonetics.pitch import pitch, token_pitch

RATE = 16000


def tone(f0, seconds=0.3, rate=RATE):
    t = np.arange(int(seconds * rate)) / rate
    return sum(np.cos(2 * np.pi * k * f0 * t + k) / k for k in range(1, 8))


@settings(max_examples=25, deadline=None)
@given(f0=st.floats(80, 550))
def test_a_steady_tone_has_its_pitch(f0):
    contour = pitch(tone(f0), RATE)
    assert np.isfinite(contour).all()
    np.testing.assert_allclose(contour, f0, rtol=0.002)
    found = token_pitch([tone(f0)], RATE, np.array([[0.06, 0.15, 0.24]]))
    np.testing.assert_allclose(found, f0, rtol=0.002)


def test_a_glide_is_followed():
    t = np.arange(RATE) / RATE
    phase = 2 * np.pi * (120 * t + 40 * t**2)  # 120 to 200 Hz in one second
    contour = pitch(sum(np.cos(k * phase) / k for k in range(1, 6)), RATE)
    np.testing.assert_allclose(contour, 120 + 80 * contour.time, rtol=0.005)


def test_tokens_of_a_glide_have_the_pitch_of_their_positions():
    t = (np.arange(RATE) + 0.5) / RATE
    phase = 2 * np.pi * (120 * t + 40 * t**2)  # 80 Hz in one second: half a window aside would be 1.6 Hz
    sound = sum(np.cos(k * phase) / k for k in range(1, 6))
    times = np.array([[0.2, 0.5, 0.8]])
    np.testing.assert_allclose(token_pitch([sound], RATE, times), 120 + 80 * times, rtol=0.002)


def test_noise_and_silence_are_unvoiced():
    noise = np.random.default_rng(0).standard_normal(RATE)
    assert np.isnan(pitch(noise, RATE)).mean() > 0.9
    assert np.isnan(pitch(np.zeros(RATE), RATE)).all()
    assert np.isnan(token_pitch([np.zeros(2000)], RATE, np.array([[0.05]]))).all()


def test_a_pause_between_tones_is_unvoiced():
    x = np.concatenate([tone(150), 1e-4 * np.random.default_rng(0).standard_normal(RATE // 2), tone(200)])
    contour = pitch(x, RATE)
    assert np.isnan(contour.sel(time=slice(0.35, 0.75))).all()
    np.testing.assert_allclose(contour.sel(time=slice(0.03, 0.25)), 150, rtol=0.005)
    np.testing.assert_allclose(contour.sel(time=slice(0.85, 1.05)), 200, rtol=0.005)


def test_a_batch_is_its_tokens_and_short_ones_are_used_whole():
    sounds = [tone(100), tone(180, 0.03), tone(300, 0.02), tone(220, 0.1)]
    times = np.array([[0.2, 0.5, 0.8]]) * np.array([[s.size / RATE] for s in sounds])
    together = token_pitch(sounds, RATE, times)
    alone = np.concatenate([token_pitch([s], RATE, t[None]) for s, t in zip(sounds, times, strict=True)])
    np.testing.assert_allclose(together, alone)
    np.testing.assert_allclose(together[:, 1], [100, 180, 300, 220], rtol=0.02)


def test_sound_shorter_than_the_window_gives_an_empty_contour():
    assert pitch(tone(200, 0.02), RATE).size == 0


@pytest.mark.parametrize(("floor", "ceiling"), [(0, 600), (300, 200), (75, 9000)])
def test_an_impossible_range_is_refused(floor, ceiling):
    with pytest.raises(AudioError, match="F0 range"):
        pitch(tone(100), RATE, floor=floor, ceiling=ceiling)


def test_more_than_one_channel_is_refused():
    with pytest.raises(AudioError, match="one channel"):
        pitch(np.zeros((2, 4000)), RATE)


def test_same_as_praat_on_real_speech(shared_data):
    parselmouth = pytest.importorskip("parselmouth")
    import soundfile

    samples, rate = soundfile.read(shared_data / "ljspeech" / "wavs" / "LJ001-0004.wav")
    theirs = parselmouth.Sound(samples, rate).to_pitch_ac()
    ours = pitch(samples, rate)
    np.testing.assert_allclose(ours.time, theirs.xs(), atol=1e-6)
    hertz = theirs.selected_array["frequency"]
    assert ((hertz > 0) == np.isfinite(ours.values)).mean() > 0.97
    both = (hertz > 0) & np.isfinite(ours.values)
    ratio = ours.values[both] / hertz[both]
    assert (np.abs(ratio - 1) > 0.2).mean() < 0.01
    assert np.median(np.abs(ratio - 1)) < 1e-3
