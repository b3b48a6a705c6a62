"""Front ends: a slow twin in float64, sines on their rows, batches equal singles, gradients, silence, settings."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phonoscope.errors import ClassifierError
from phonoscope.frontends import Spectrogram, Waveform, build_front_end, pad_waveforms

RATE = 8000


def slow_twin(front, waveform):
    """Spectrogram by an explicit sum over every sample of every frame, in float64, from the class' definition."""
    axis, config = front.frequency_axis, front.config()
    n, length = front.window_samples, len(waveform)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
    columns = config["columns"]
    if config["time"] == "stretch":
        half = min(n, length) / 2
        centres = half - 0.5 + np.arange(columns) / (columns - 1) * (length - 2 * half)
    else:
        offsets = (np.arange(columns) + 0.5) / columns - 0.5
        centres = (length - 1) / 2 + offsets * config["seconds"] * front.sample_rate
    points = int(np.ceil(np.diff(axis.edges).max() / (front.sample_rate / n)))
    a = np.exp(-2 * np.pi * config["preemphasis_hz"] / front.sample_rate) if config["preemphasis_hz"] > 0 else 0.0
    power = np.zeros((axis.rows, columns))
    for column, centre in enumerate(centres):
        first = int(np.round(centre - (n - 1) / 2))
        for row in range(axis.rows):
            low, high = axis.edges[row], axis.edges[row + 1]
            for point in range(points):
                hz = low + (point + 0.5) / points * (high - low)
                total = 0j
                for k in range(n):
                    if 0 <= first + k < length:
                        total += window[k] * waveform[first + k] * np.exp(-2j * np.pi * hz * k / front.sample_rate)
                gain = abs(1 - a * np.exp(-2j * np.pi * hz / front.sample_rate)) ** 2
                power[row, column] += abs(2 * total / window.sum()) ** 2 * gain / points
    if config["reference"] == "token":
        power /= power.max()
    return 10 * np.log10(power + 10 ** (-config["range_db"] / 10))


@pytest.mark.parametrize("scale", ["linear", "mel", "erb"])
@pytest.mark.parametrize("time", ["stretch", "fixed"])
@pytest.mark.parametrize("reference", ["token", "full-scale"])
def test_equals_a_sum_over_every_sample_in_float64(scale, time, reference):
    front = Spectrogram(
        RATE, 3000, 0.005, 6, 5, scale=scale, time=time, seconds=0.04, reference=reference, preemphasis_hz=80.0
    )
    for length in (25, 230):  # shorter and longer than the window of 40 samples
        waveform = np.random.default_rng(length).normal(size=length) * 0.1
        result = front.double()(torch.from_numpy(waveform)[None])[0, 0].numpy()
        assert result == pytest.approx(slow_twin(front, waveform), abs=2e-3)


@pytest.mark.parametrize("window_samples", [2, 3, 40, 41])
def test_windows_of_even_and_odd_length_equal_the_sum(window_samples):
    front = Spectrogram(RATE, 3000, window_samples / RATE, 16, 5, preemphasis_hz=0)
    assert front.window_samples == window_samples
    waveform = np.random.default_rng(window_samples).normal(size=120) * 0.1
    result = front.double()(torch.from_numpy(waveform)[None])[0, 0].numpy()
    assert result == pytest.approx(slow_twin(front, waveform), abs=2e-3)


@pytest.mark.parametrize("scale", ["linear", "mel", "erb"])
@pytest.mark.parametrize("time", ["stretch", "fixed"])
@pytest.mark.parametrize("row", [3, 10, 20, 30])
def test_a_sine_is_loudest_in_its_own_row(scale, time, row):
    front = Spectrogram(16000, window_seconds=0.03, rows=32, columns=6, scale=scale, time=time, seconds=0.1)
    hz = float(front.frequency_axis.centres[row])
    waveform = 0.3 * torch.sin(2 * np.pi * hz * torch.arange(3200) / 16000)
    picture = front(waveform[None])[0, 0]
    assert picture.shape == (32, 6)
    assert (picture.argmax(0) == row).all()
    assert picture.max() == pytest.approx(0.0, abs=0.01)


def test_a_full_scale_sine_has_0_db_re_full_scale():
    front = Spectrogram(16000, rows=16, columns=4, reference="full-scale", preemphasis_hz=0, window_seconds=0.002)
    hz = float(front.frequency_axis.centres[5])
    picture = front(torch.sin(2 * np.pi * hz * torch.arange(4000) / 16000)[None])[0, 0]
    assert picture[5].numpy() == pytest.approx(np.zeros(4), abs=0.05)
    half = front(0.5 * torch.sin(2 * np.pi * hz * torch.arange(4000) / 16000)[None])[0, 0]
    assert half[5].numpy() == pytest.approx(np.full(4, -6.02), abs=0.05)


def test_a_click_appears_in_the_frames_around_it():
    waveform = torch.zeros(1, 4000)
    waveform[0, 1000] = 1.0
    stretch = Spectrogram(16000, columns=40)
    picture = stretch(waveform)[0, 0].mean(0).numpy()
    seconds = stretch.time_axis.in_token(stretch.time_axis.centres, np.array([4000 / 16000]))[0]
    assert seconds[picture.argmax()] == pytest.approx(1000 / 16000, abs=0.004)
    assert (picture[np.abs(seconds - 1000 / 16000) > 0.005] == picture.min()).all()
    fixed = Spectrogram(16000, columns=40, time="fixed", seconds=0.2)
    picture = fixed(waveform)[0, 0].mean(0).numpy()
    seconds = fixed.time_axis.in_token(fixed.time_axis.centres, np.array([4000 / 16000]))[0]
    assert seconds[picture.argmax()] == pytest.approx(1000 / 16000, abs=0.004)


FRONTS = [
    Spectrogram(RATE, 4000, rows=8, columns=7),
    Spectrogram(RATE, 3000, rows=8, columns=7, scale="mel", time="fixed", seconds=0.03),
    Spectrogram(RATE, rows=5, columns=1),
    Waveform(RATE, 0.02),
    Waveform(RATE, 0.02, standardise=False),
]


@pytest.mark.parametrize("front", FRONTS, ids=lambda f: f"{f.kind}-{f.time_axis.seconds}")
@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.integers(0, 100), st.floats(-5, 5))
def test_batches_equal_singles_whatever_lies_in_the_padding(front, lengths, seed, junk):
    random = np.random.default_rng(seed)
    waveforms = [random.normal(size=n).astype(np.float32) * 0.1 for n in lengths]
    padded, counts = pad_waveforms(waveforms)
    assert counts.tolist() == lengths
    together = front(padded, counts)
    assert together.shape == (len(lengths), *front.shape)
    for index, n in enumerate(lengths):
        padded[index, n:] = junk
    assert torch.equal(front(padded, counts), together)
    for index, waveform in enumerate(waveforms):
        alone = front(torch.from_numpy(waveform)[None])[0]
        assert alone.numpy() == pytest.approx(together[index].numpy(), abs=1e-3)


@pytest.mark.parametrize("time", ["stretch", "fixed"])
def test_neither_gradients_nor_the_number_worked_on_at_once_change_the_picture(time, monkeypatch):
    front = Spectrogram(RATE, rows=8, columns=7, time=time, seconds=0.03)
    random = np.random.default_rng(1)
    padded, lengths = pad_waveforms([random.normal(size=n) * 0.1 for n in (400, 70, 65, 64, 63, 2)])
    together = front(padded, lengths)
    assert front(padded.requires_grad_(True), lengths).detach().numpy() == pytest.approx(together.numpy(), abs=1e-3)
    monkeypatch.setattr("phonoscope.frontends.spectrogram._CHUNK_VALUES", 1)  # four at once, then two
    assert front(padded.detach(), lengths).numpy() == pytest.approx(together.numpy(), abs=1e-3)


@pytest.mark.parametrize("range_db", [20.0, 60.0, 300.0])
def test_silence_lies_at_the_floor_whatever_the_range(range_db):
    picture = Spectrogram(RATE, rows=4, columns=3, range_db=range_db)(torch.zeros(1, 200))
    assert picture.numpy() == pytest.approx(np.full((1, 1, 4, 3), -range_db))


@given(st.floats(1e-4, 1e3), st.integers(20, 300))
@settings(max_examples=20, deadline=None)
def test_the_level_of_a_token_does_not_matter_re_its_own_maximum(gain, length):
    waveform = torch.from_numpy(np.random.default_rng(length).normal(size=(1, length))) * 0.01
    for front in (Spectrogram(RATE, rows=8, columns=4).double(), Waveform(RATE, 0.02)):
        assert front(waveform * gain).numpy() == pytest.approx(front(waveform).numpy(), abs=1e-6)
    loud = Spectrogram(RATE, rows=8, columns=4, reference="full-scale").double()
    if gain > 2:
        assert (loud(waveform * gain) > loud(waveform)).all()


@pytest.mark.parametrize("front", FRONTS, ids=lambda f: f"{f.kind}-{f.time_axis.seconds}")
def test_gradients_equal_finite_differences(front):
    waveforms = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 90))).requires_grad_(True)
    lengths = torch.tensor([90, 50])
    assert torch.autograd.gradcheck(lambda w: front(w, lengths), waveforms, atol=1e-4, fast_mode=True)
    (gradient,) = torch.autograd.grad(front(waveforms, lengths).sum(), waveforms)
    assert not gradient[1, 50:].any()  # padding is never looked at


@pytest.mark.parametrize("front", FRONTS, ids=lambda f: f"{f.kind}-{f.time_axis.seconds}")
def test_silence_is_finite_and_so_are_its_gradients(front):
    waveforms = torch.zeros(1, 200, requires_grad=True)
    result = front(waveforms)
    assert torch.isfinite(result).all()
    assert (result == result.flatten()[0]).all()
    (gradient,) = torch.autograd.grad(result.sum(), waveforms)
    assert torch.isfinite(gradient).all()
    if front.kind == "spectrogram":
        assert float(result.detach().max()) == pytest.approx(-60, abs=1e-3)


def test_fixed_time_keeps_silence_outside_the_token():
    front = Spectrogram(RATE, rows=4, columns=10, time="fixed", seconds=0.1)
    picture = front(torch.randn(1, 160))[0, 0]  # 20 ms in the middle of 100 ms
    assert (picture[:, [0, 1, 2, 7, 8, 9]] < -59).all()
    assert picture[:, 4:6].max() > -1


def test_the_waveform_is_centred_cut_and_standardised():
    front = Waveform(1000, 0.01, standardise=False)
    assert front(torch.arange(1.0, 5.0)[None])[0, 0].tolist() == [0, 0, 0, 1, 2, 3, 4, 0, 0, 0]
    assert front(torch.arange(14.0)[None])[0, 0].tolist() == list(range(2, 12))
    scaled = Waveform(1000, 0.01)(5 + 3 * torch.randn(1, 6))[0, 0]
    assert scaled[2:8].mean() == pytest.approx(0, abs=1e-6)
    assert scaled[2:8].std(correction=0) == pytest.approx(1, abs=1e-5)
    assert (scaled[[0, 1, 8, 9]] == 0).all()


@given(
    st.integers(1, 64),
    st.integers(1, 40),
    st.sampled_from(["linear", "mel", "erb"]),
    st.sampled_from(["stretch", "fixed"]),
    st.sampled_from(["token", "full-scale"]),
)
@settings(max_examples=20, deadline=None)
def test_settings_rebuild_an_equal_front_end(rows, columns, scale, time, reference):
    front = Spectrogram(
        RATE, 3500, 0.006, rows, columns, scale=scale, time=time, seconds=0.2, range_db=50, preemphasis_hz=0,
        reference=reference,
    )  # fmt: skip
    again = build_front_end("spectrogram", **front.config())
    assert again.config() == front.config()
    x = torch.randn(2, 300)
    assert torch.equal(front(x), again(x))
    assert front.frequency_axis == again.frequency_axis
    assert front.time_axis == again.time_axis


def test_waveform_settings_rebuild_an_equal_one():
    front = Waveform(RATE, 0.3, standardise=False)
    again = build_front_end("waveform", **front.config())
    assert again.config() == front.config()
    assert again.shape == front.shape == (1, 2400)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"max_hz": 5000}, "nothing above 4000 Hz"),
        ({"time": "warp"}, "stretch"),
        ({"reference": "peak"}, "full-scale"),
        ({"scale": "bark"}, "mel"),
        ({"rows": 0}, "rows"),
        ({"columns": 0}, "columns"),
        ({"time": "fixed", "seconds": 0}, "seconds"),
        ({"window_seconds": 0}, "positive"),
        ({"colour": True}, "colour"),
    ],
)
def test_impossible_settings_are_refused(settings, says):
    with pytest.raises(ClassifierError, match=says):
        build_front_end("spectrogram", sample_rate=RATE, **settings)


def test_unknown_front_ends_and_unusable_waveforms_are_named():
    with pytest.raises(ClassifierError, match="spectrogram, waveform"):
        build_front_end("mfcc", sample_rate=RATE)
    for waveforms, says in [
        ([], "no waveform"),
        ([np.zeros(3), np.zeros((2, 3))], r"waveform 1 has shape \(2, 3\)"),
        ([np.zeros(0)], "non-empty"),
        ([np.zeros(3), np.array([0.0, np.nan])], "waveform 1 holds values that are not finite"),
        ([np.array([np.inf, -np.inf]), np.zeros(3)], "waveform 0 holds values that are not finite"),
    ]:
        with pytest.raises(ClassifierError, match=says):
            pad_waveforms(waveforms)
    loud, _ = pad_waveforms([np.full(4, 3e38)])  # finite, though their sum is not
    assert (loud == 3e38).all()
