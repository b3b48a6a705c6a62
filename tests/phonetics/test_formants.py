import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from phonoscope.errors import AudioError
from phonoscope.phonetics.ceilings import ceiling_for
from phonoscope.phonetics.formants import burg, formants, token_formants


def slow_burg(x, order):
    """One frame, written down from the definition."""
    forward, backward, a = list(x), list(x), []
    for _ in range(order):
        f, b = forward[1:], backward[:-1]
        energy = sum(u * u + v * v for u, v in zip(f, b, strict=True))
        k = 2 * sum(u * v for u, v in zip(f, b, strict=True)) / energy if energy > 0 else 0.0
        a = [p - k * q for p, q in zip(a, reversed(a), strict=True)] + [k]
        forward = [u - k * v for u, v in zip(f, b, strict=True)]
        backward = [v - k * u for u, v in zip(f, b, strict=True)]
    return np.array(a)


def resonant_noise(frequencies, bandwidths, rate, seconds=3.0, seed=0):
    x = np.random.default_rng(seed).standard_normal(int(seconds * rate))
    for f, b in zip(frequencies, bandwidths, strict=True):
        r = np.exp(-np.pi * b / rate)
        x = lfilter([1.0], [1, -2 * r * np.cos(2 * np.pi * f / rate), r * r], x)
    return x


def vowel(rate=16000, f0=110.0, seconds=0.3, shift=0):
    x = np.zeros(int(seconds * rate))
    x[(np.arange(0, seconds * rate - 40, rate / f0) + shift).astype(int)] = 1
    x = lfilter([1], [1, -1.9, 0.9025], x)
    for f, b in zip(
        (620, 1200, 2550, 3500, 4500, 5500, 6500, 7500), (60, 80, 130, 200, 250, 300, 350, 400), strict=True
    ):
        r = np.exp(-np.pi * b / rate)
        x = lfilter([1.0], [1, -2 * r * np.cos(2 * np.pi * f / rate), r * r], x)
    return np.diff(x, prepend=0.0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.integers(1, 12), length=st.integers(14, 60))
def test_burg_is_its_definition(seed, order, length):
    frames = np.random.default_rng(seed).standard_normal((3, length))
    found = burg(frames, order)
    for frame, coefficients in zip(frames, found, strict=True):
        np.testing.assert_allclose(coefficients, slow_burg(frame, order), rtol=1e-8, atol=1e-8)


def test_burg_finds_the_coefficients_of_a_long_autoregressive_process():
    true = np.array([1.2, -0.9, 0.3, -0.1])
    x = lfilter([1.0], np.concatenate([[1.0], -true]), np.random.default_rng(0).standard_normal(200_000))
    np.testing.assert_allclose(burg(x[None], 4)[0], true, atol=0.01)


def test_known_poles_are_recovered():
    frequencies, bandwidths = (500, 1500, 2500, 3500, 4500), (80, 90, 120, 150, 200)
    # A pole at 50 Hz's pre-emphasis undoes the tilt that the tracker's own pre-emphasis brings.
    x = lfilter([1.0], [1, -np.exp(-2 * np.pi * 50 / 10000)], resonant_noise(frequencies, bandwidths, 10000))
    tracks = formants(x, 10000, ceiling=5000, window_seconds=1.4)
    np.testing.assert_allclose(tracks.frequency.median("time"), frequencies, rtol=0.01)
    np.testing.assert_allclose(tracks.bandwidth.median("time"), bandwidths, rtol=0.25)


def test_dataset_is_labelled_in_hertz_and_seconds():
    tracks = formants(vowel(), 16000, ceiling=5000, n_formants=5)
    assert tracks.frequency.dims == ("time", "formant")
    assert tracks.frequency.attrs["units"] == "Hz"
    assert tracks.time.attrs["units"] == "s"
    assert list(tracks.formant.values) == [1, 2, 3, 4, 5]
    assert np.diff(tracks.time).tolist() == pytest.approx([0.00625] * (tracks.time.size - 1))
    assert tracks.attrs["ceiling"] == 5000.0


def test_loudness_does_not_matter():
    x = vowel()
    np.testing.assert_allclose(
        formants(1000 * x, 16000, ceiling=5000).frequency, formants(x, 16000, ceiling=5000).frequency, rtol=1e-6
    )


def test_silence_has_no_formants():
    tracks = formants(np.zeros(8000), 16000)
    assert np.isnan(tracks.frequency).all()
    assert np.isnan(token_formants([np.zeros(4000)], 16000).filter(regex="^f").to_numpy()).all()


def test_sound_shorter_than_the_window_is_one_frame():
    tracks = formants(vowel(seconds=0.04), 16000, ceiling=5000)
    assert tracks.time.size == 1
    assert tracks.time.values[0] == pytest.approx(0.02)


def test_tokens_agree_with_the_whole_recording():
    x = np.concatenate([np.zeros(3000), vowel(f0=120), np.zeros(3000)]) + 1e-4 * np.random.default_rng(
        0
    ).standard_normal(10800)
    start, end, context = 0.25, 0.40, 0.05
    cut = x[round((start - context) * 16000) : round((end + context) * 16000)]
    table = token_formants([cut], 16000, ceiling=5000, context=context, max_bandwidth=np.inf)
    times = [start + share * (end - start) for share in (0.2, 0.5, 0.8)]
    whole = formants(x, 16000, ceiling=5000, times=times)
    for column, place in enumerate((20, 50, 80)):
        for k in (1, 2, 3):
            # Half a sample of difference in where the frame lies.
            assert table[f"f{k}_{place}"][0] == pytest.approx(float(whole.frequency[column, k - 1]), rel=0.01)


def test_a_frame_lies_at_its_position_to_a_fraction_of_a_sample():
    """A chirp of 6 Hz per ms: half a sample of 62.5 µs would move its frequency by 0.375 Hz."""
    rate, begin, n_samples, margin = 8000, 1000, 1600, 400
    time = (np.arange(4000) + 0.5) / rate
    chirp = np.sin(2 * np.pi * (200 * time + 3000 * time**2)) + 1e-3 * np.random.default_rng(0).standard_normal(4000)
    token = chirp[begin - margin : begin + n_samples + margin]
    options = {"ceiling": rate / 2, "n_formants": 1}
    table = token_formants([token], rate, context=margin / rate, max_bandwidth=np.inf, **options)
    # All positions lie between two samples, where a frame of an even number of samples is centred without resampling.
    times = [(begin + share * n_samples) / rate for share in (0.2, 0.5, 0.8)]
    expected = formants(chirp, rate, times=times, **options).frequency.values[:, 0]
    np.testing.assert_allclose(expected, 200 + 6000 * np.array(times), atol=1)
    np.testing.assert_allclose(table[["f1_20", "f1_50", "f1_80"]].to_numpy()[0], expected, atol=0.02)


def test_a_batch_is_its_tokens():
    rng = np.random.default_rng(1)
    tokens = [vowel(f0=f0, seconds=s) for f0, s in ((90, 0.2), (140, 0.03), (200, 0.11), (110, 0.2), (230, 0.05))]
    tokens = [token + 1e-3 * rng.standard_normal(token.size) for token in tokens]
    ceilings = np.array([5000, 5500, 5500, 8000, 5000])
    together = token_formants(tokens, 16000, ceiling=ceilings)
    assert together["ceiling"].tolist() == ceilings.tolist()
    for row, (token, ceiling) in enumerate(zip(tokens, ceilings, strict=True)):
        alone = token_formants([token], 16000, ceiling=ceiling)
        np.testing.assert_allclose(together.iloc[row].to_numpy(), alone.iloc[0].to_numpy(), rtol=1e-6)


def test_columns_of_the_formant_table():
    table = token_formants([vowel()], 16000, ceiling=5000)
    expected = [f"{m}_{p}" for p in (20, 50, 80) for m in ("f0", "f1", "f2", "f3", "f4", "b1", "b2", "b3", "b4")]
    assert list(table.columns) == [*expected, "ceiling"]
    assert table["f0_50"][0] == pytest.approx(110, rel=0.005)
    assert table["f1_50"][0] == pytest.approx(620, rel=0.03)
    assert table["f2_50"][0] == pytest.approx(1200, rel=0.02)


def test_poles_wider_than_a_formant_are_passed_over():
    x = resonant_noise((600, 1800), (80, 100), 10000, seconds=0.3)  # two resonances, five pole pairs to find them with
    everything = token_formants([x], 10000, ceiling=5000, max_bandwidth=np.inf)
    narrow = token_formants([x], 10000, ceiling=5000, max_bandwidth=300)
    widths = narrow.filter(regex="^b").to_numpy()
    assert np.nanmax(widths) <= 300 < np.nanmax(everything.filter(regex="^b").to_numpy())
    assert narrow["f2_50"][0] == pytest.approx(1800, rel=0.02)


@settings(max_examples=15, deadline=None)
@given(shift=st.integers(1, 400))
def test_tracks_move_with_the_sound(shift):
    x = vowel(seconds=0.25)
    time = 0.12
    moved = np.concatenate([np.zeros(shift), x])
    here = formants(x, 16000, ceiling=8000, times=[time]).frequency  # no resampling: samples stay samples
    there = formants(moved, 16000, ceiling=8000, times=[time + shift / 16000]).frequency
    np.testing.assert_allclose(there, here, rtol=0.02)


@pytest.mark.parametrize(
    ("waveform", "options", "message"),
    [
        (np.zeros((2, 100)), {}, "one channel"),
        (np.zeros(0), {}, "at least two samples"),
        (np.array([0.0, np.nan, 1.0]), {}, "not finite"),
        (np.zeros(4000), {"ceiling": 9000.0}, "above half the sample rate"),
        (np.zeros(4000), {"n_formants": 0}, "at least one formant"),
    ],
)
def test_unusable_input_is_refused(waveform, options, message):
    with pytest.raises(AudioError, match=message):
        formants(waveform, 16000, **options)


def test_a_token_must_be_longer_than_its_context():
    with pytest.raises(AudioError, match="waveform 1 lasts"):
        token_formants([np.ones(4000), np.ones(1000)], 16000, context=0.05)


def test_ceiling_by_sex():
    assert [ceiling_for(sex) for sex in ("m", "f", "c")] == [5000, 5500, 6250]
    assert ceiling_for(None) == ceiling_for(float("nan")) == 5500


def praat_tracks(parselmouth, samples, rate, ceiling):
    track = parselmouth.Sound(samples, rate).to_formant_burg(maximum_formant=ceiling)
    times = track.ts()
    return times, np.array([[track.get_value_at_time(k, t) for k in (1, 2, 3, 4)] for t in times])


def test_same_as_praat_on_real_speech(shared_data):
    parselmouth = pytest.importorskip("parselmouth")
    import soundfile

    agree = []
    for name in ("LJ001-0002", "LJ001-0008"):
        samples, rate = soundfile.read(shared_data / "ljspeech" / "wavs" / f"{name}.wav")
        times, theirs = praat_tracks(parselmouth, samples, rate, 5500)
        ours = formants(samples, rate, ceiling=5500)
        np.testing.assert_allclose(ours.time, times, atol=1e-9)
        f0 = parselmouth.Sound(samples, rate).to_pitch_ac()
        voiced = ~np.isnan([f0.get_value_at_time(t) for t in times])
        agree.append((np.abs(ours.frequency.values[:, :4] - theirs) <= 5 + 0.01 * theirs)[voiced])
    share = np.concatenate(agree).mean(axis=0)
    assert (share[:3] >= 0.95).all(), share


def test_exactly_praat_where_nothing_is_resampled(shared_data):
    parselmouth = pytest.importorskip("parselmouth")
    import soundfile

    samples, rate = soundfile.read(shared_data / "ljspeech" / "wavs" / "LJ001-0002.wav")
    half = parselmouth.Sound(samples, rate).resample(11000)
    _, theirs = praat_tracks(parselmouth, half.values[0], 11000, 5500)
    ours = formants(half.values[0], 11000, ceiling=5500).frequency.values[:, :4]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
