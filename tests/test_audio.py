"""Reading, writing and cutting recordings: exact samples, and every kind of faulty file by name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from phonoscope.audio import audio_info, cut, read_audio, write_audio
from phonoscope.errors import AudioError, CorpusError

RATE = 16_000


def ramp(samples: int) -> np.ndarray:
    """Samples that are all different and exact in float32 and 16 bit, so that a shift by one is seen."""
    return (np.arange(samples) % 30_000).astype(np.float32) / 32_768


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    soundfile.write(path, ramp(RATE), RATE, subtype="PCM_16")
    return path


@pytest.mark.parametrize(
    ("suffix", "container", "subtype", "tolerance"),
    [
        ("wav", "WAV", "PCM_U8", 1 / 127),
        ("wav", "WAV", "PCM_16", 0),
        ("wav", "WAV", "PCM_24", 0),
        ("wav", "WAV", "PCM_32", 0),
        ("wav", "WAV", "FLOAT", 0),
        ("flac", "FLAC", "PCM_16", 0),
        ("WAV", "NIST", "PCM_16", 0),
    ],
)
def test_every_sample_format_is_read_as_the_same_wave(tmp_path, suffix, container, subtype, tolerance):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, ramp(4000), RATE, format=container, subtype=subtype)
    if container == "NIST":
        assert path.read_bytes().startswith(b"NIST_1A")
    waveform, rate = read_audio(path)
    assert (waveform.dtype, waveform.shape, rate) == (np.float32, (4000,), RATE)
    np.testing.assert_allclose(waveform, ramp(4000), atol=tolerance, rtol=0)


def test_ogg_is_read(tmp_path):
    sine = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    soundfile.write(tmp_path / "a.ogg", sine, RATE)
    waveform, _ = read_audio(tmp_path / "a.ogg")
    assert np.corrcoef(waveform[: len(sine)], sine)[0, 1] > 0.99


def test_channels_are_averaged(tmp_path):
    left, right = ramp(100), ramp(100)[::-1]
    soundfile.write(tmp_path / "a.wav", np.column_stack([left, right]), RATE, subtype="FLOAT")
    waveform, _ = read_audio(tmp_path / "a.wav")
    np.testing.assert_allclose(waveform, (left + right) / 2, rtol=1e-6)
    assert audio_info(tmp_path / "a.wav").channels == 2


def test_stretch_is_the_same_as_slicing(wav):
    whole, _ = read_audio(wav)
    part, _ = read_audio(wav, start=0.25, end=0.5)
    np.testing.assert_array_equal(part, whole[4000:8000])
    whole, rate = read_audio(wav, 8000)
    part, _ = read_audio(wav, 8000, start=0.25, end=0.5)
    assert rate == 8000
    np.testing.assert_array_equal(part, whole[2000:4000])


@given(first=st.floats(0, 15_000), length=st.floats(2, 900))
def test_limits_lie_at_the_nearest_samples(tmp_path_factory, first, length):
    path = tmp_path_factory.getbasetemp() / "limits.wav"
    if not path.is_file():
        soundfile.write(path, ramp(RATE), RATE, subtype="PCM_16")
    part, _ = read_audio(path, start=first / RATE, end=(first + length) / RATE)
    begin = round(float(part[0]) * 32_768)
    assert abs(begin - first) <= 0.5 + 1e-6
    assert abs(begin + len(part) - (first + length)) <= 0.5 + 1e-6


def test_resampling_keeps_a_tone(tmp_path):
    time = np.arange(22_050) / 22_050
    write_audio(tmp_path / "a.wav", np.sin(2 * np.pi * 1000 * time) / 2, 22_050)
    waveform, _ = read_audio(tmp_path / "a.wav", RATE)
    assert len(waveform) == RATE
    expected = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE) / 2
    np.testing.assert_allclose(waveform[800:-800], expected[800:-800], atol=2e-3)


def test_end_within_one_frame_is_trimmed_and_beyond_is_an_error(wav):
    assert len(read_audio(wav, start=0.9, end=1.009)[0]) == 1600
    with pytest.raises(AudioError, match=r"lasts 1\.000 s.*0\.900–1\.011 s reaches more than 10 ms beyond the end"):
        read_audio(wav, start=0.9, end=1.011)


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [(-0.1, 0.5, "begins before"), (0.5, 0.5, "no sample"), (0.6, 0.5, "no sample"), (1.0, 1.005, "no sample"),
     (float("nan"), 0.5, "finite")],
)  # fmt: skip
def test_bad_stretches_are_named(wav, start, end, reason):
    with pytest.raises(AudioError, match=reason):
        read_audio(wav, start=start, end=end)


def test_faulty_files_are_named(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is not audio" * 20)
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), RATE)
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan, 0]), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "cut.flac", np.random.default_rng(0).uniform(-1, 1, RATE), RATE)
    whole = (tmp_path / "cut.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    expected = {
        "missing.wav": "not found",
        "empty.wav": "0 bytes",
        "text.wav": "cannot be read as audio",
        "nothing.wav": "no samples",
        "nan.wav": "not finite",
        "cut.flac": "damaged",
    }
    for name, words in expected.items():
        with pytest.raises(AudioError, match=words) as caught:
            read_audio(tmp_path / name)
        assert name in str(caught.value)


def test_written_audio_comes_back(tmp_path):
    noise = np.random.default_rng(1).normal(size=500).astype(np.float32)
    write_audio(tmp_path / "new" / "a.wav", noise, RATE)
    np.testing.assert_array_equal(read_audio(tmp_path / "new" / "a.wav")[0], noise)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.wav"]


def test_writing_refuses_what_would_be_lost(tmp_path):
    for name, waveform, words in [
        ("a.flac", np.array([0.0, 1.5]), "clipped"),
        ("a.wav", np.zeros((2, 3)), "shape"),
        ("a.wav", np.array([np.nan]), "finite"),
        ("a.xyz", np.zeros(3), "suffix"),
    ]:
        with pytest.raises(AudioError, match=words):
            write_audio(tmp_path / name, waveform, RATE)
    assert list(tmp_path.iterdir()) == []


def token_table(root: Path, *rows: tuple[str, float, float]) -> pd.DataFrame:
    tokens = pd.DataFrame(rows, columns=["recording", "start", "end"])
    tokens["token"] = [f"t{index}" for index in range(len(rows))]
    tokens["corpus"] = "mini"
    tokens.attrs = {"roots": {"mini": str(root)}, "left_out": []}
    return tokens


def test_cut_gives_the_samples_of_each_token(wav):
    tokens = token_table(wav.parent, ("a.wav", 0.5, 0.75), ("a.wav", 0.0, 0.25), ("a.wav", 0.9, 1.005))
    waveforms, kept = cut(tokens)
    whole = ramp(RATE)
    for waveform, expected in zip(waveforms, [whole[8000:12000], whole[:4000], whole[14400:]], strict=True):
        np.testing.assert_array_equal(waveform, expected)
    assert list(kept["token"]) == ["t0", "t1", "t2"]
    assert kept.attrs["left_out"] == []


@given(start=st.integers(0, 15_900), length=st.integers(1, 16_000), context=st.integers(0, 20_000))
def test_context_is_the_recording_with_zeros_around_it(tmp_path_factory, start, length, context):
    path = tmp_path_factory.getbasetemp() / "context.wav"
    if not path.exists():
        soundfile.write(path, ramp(RATE), RATE)
    end = min(start + length, RATE)
    tokens = token_table(path.parent, ("context.wav", start / RATE, end / RATE))
    (waveform,), _ = cut(tokens, context_seconds=context / RATE)
    padded = np.pad(ramp(RATE), 20_000)
    np.testing.assert_array_equal(waveform, padded[20_000 + start - context : 20_000 + end + context])


def test_cut_leaves_out_and_counts_what_cannot_be_cut(wav):
    (wav.parent / "bad.wav").write_bytes(b"RIFF....junk")
    tokens = token_table(
        wav.parent,
        ("a.wav", 0.1, 0.2),
        ("gone.wav", 0.0, 0.1),
        ("bad.wav", 0.0, 0.1),
        ("bad.wav", 0.1, 0.2),
        ("a.wav", 0.3, 0.3),
        ("a.wav", 0.9, 1.2),
        ("a.wav", 0.2, 0.3),
    )
    tokens.attrs["left_out"] = [{"what": "token", "reason": "earlier", "count": 7, "examples": ["x"]}]
    waveforms, kept = cut(tokens)
    assert list(kept["token"]) == ["t0", "t6"]
    assert [len(waveform) for waveform in waveforms] == [1600, 1600]
    counts = {(entry["what"], entry["reason"]): entry["count"] for entry in kept.attrs["left_out"]}
    assert counts[("token", "earlier")] == 7
    assert counts[("token", "audio missing")] == counts[("recording", "audio missing")] == 1
    assert counts[("token", "audio unreadable")] == 2
    assert sum(n for (what, reason), n in counts.items() if what == "token" and reason != "earlier") == 5
    assert tokens.attrs["left_out"][0]["count"] == 7
    assert len(tokens.attrs["left_out"]) == 1
    with pytest.raises(AudioError, match=r"gone\.wav"):
        cut(tokens.iloc[:4], strict=True)


def test_cut_resamples_each_recording_as_read_audio_does(wav):
    tokens = token_table(wav.parent, ("a.wav", 0.25, 0.5))
    (waveform,), _ = cut(tokens, 8000)
    np.testing.assert_array_equal(waveform, read_audio(wav, 8000, 0.25, 0.5)[0])


def test_different_rates_must_be_resolved(wav):
    soundfile.write(wav.parent / "b.wav", ramp(800), 8000)
    tokens = token_table(wav.parent, ("a.wav", 0.0, 0.1), ("b.wav", 0.0, 0.1))
    with pytest.raises(CorpusError, match=r"8000 Hz \(b\.wav\), 16000 Hz \(a\.wav\)"):
        cut(tokens)
    waveforms, _ = cut(tokens, 8000)
    assert [len(waveform) for waveform in waveforms] == [800, 800]


def test_recordings_may_keep_their_own_rates(wav):
    soundfile.write(wav.parent / "b.wav", ramp(800), 8000)
    tokens = token_table(wav.parent, ("a.wav", 0.0, 0.1), ("b.wav", 0.0, 0.1))
    waveforms, kept = cut(tokens, own_rates=True)
    assert [len(waveform) for waveform in waveforms] == [1600, 800]
    assert kept["native_rate"].tolist() == [16000, 8000]
    _, kept = cut(tokens, 8000)
    assert kept["native_rate"].tolist() == [16000, 8000]
    assert "native_rate" not in cut(tokens.iloc[:1].reset_index(drop=True))[1]


@pytest.mark.parametrize("rate", [None, 8000, 44100])
@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize("hashed", [True, False])
def test_blocks_leave_no_trace(wav, monkeypatch, rate, block, hashed):
    soundfile.write(wav.parent / "a.wav", np.random.default_rng(0).uniform(-0.9, 0.9, (3000, 2)), 16000)
    stretches = [("a.wav", 0.1, 0.18), ("a.wav", 0.0, 0.05), ("a.wav", 0.02, 0.187), ("a.wav", 0.1, 0.11)]
    tokens = token_table(wav.parent, *stretches)
    whole, known = cut(tokens, rate, context_seconds=0.01)
    monkeypatch.setattr("phonoscope.audio._BLOCK_FRAMES", block)
    pieces, kept = cut(tokens, rate, context_seconds=0.01, hashed=hashed)
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not hashed or kept["audio_sha256"].tolist() == known["audio_sha256"].tolist()
    for entry, waveform in zip(stretches, whole, strict=True):
        expected, own = read_audio(wav.parent / "a.wav", rate, entry[1], entry[2])
        np.testing.assert_array_equal(waveform[round(0.01 * own) :][: len(expected)], expected)


def test_unknown_corpus_is_named(wav):
    tokens = token_table(wav.parent, ("a.wav", 0.0, 0.1))
    tokens.attrs["roots"] = {"other": "x"}
    with pytest.raises(CorpusError, match=r"'mini'.*other"):
        cut(tokens)


def test_real_recording(shared_data):
    path = shared_data / "ljspeech" / "wavs" / "LJ001-0001.wav"
    info = audio_info(path)
    waveform, rate = read_audio(path)
    assert (info.sample_rate, info.channels, rate) == (22_050, 1, 22_050)
    assert len(waveform) == round(info.duration * rate)
    assert 0.05 < np.abs(waveform).max() <= 1
