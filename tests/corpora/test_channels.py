"""Two speakers in one recording: their channels, what they say at the same time, and holes in their tiers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from phonoscope.audio import cut, read_audio
from phonoscope.corpora import read_corpus, read_tokens, write_tokens
from phonoscope.corpora.align import _heard
from phonoscope.corpora.overlap import _spoken
from phonoscope.corpora.recording import heard_channel
from phonoscope.corpora.textgrid import Interval, TextGrid, Tier, write_textgrid
from phonoscope.errors import AudioError, CorpusError

RATE = 8000
TIMES = np.arange(2 * RATE) / RATE
LEFT, RIGHT = 0.4 * np.sin(2 * np.pi * 200 * TIMES), 0.4 * np.sin(2 * np.pi * 700 * TIMES)


def talk(folder: Path, names=("A - phones", "B - phones"), channels=(LEFT, RIGHT)) -> Path:
    """A talk in which A and B speak at the same time from 0.3 to 0.4 s."""
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / "t.wav", np.column_stack(channels), RATE, subtype="FLOAT")
    one = (Interval(0.0, 0.2, "IY1"), Interval(0.2, 0.4, "AE1"), Interval(0.4, 1.0, ""), Interval(1.5, 1.7, "IY1"))
    two = (Interval(0.0, 0.3, "sil"), Interval(0.3, 0.5, "AE1"), Interval(0.5, 0.6, "IY1"))
    tiers = tuple(Tier(name, tier) for name, tier in zip(names, (one, two), strict=False))
    write_textgrid(folder / "t.TextGrid", TextGrid(0.0, 2.0, tiers), fill_gaps=False)
    return folder


def pitch(waveform: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(waveform, RATE))))


def test_each_speaker_is_heard_on_his_channel(tmp_path):
    corpus = talk(tmp_path / "c")
    tokens = read_corpus(corpus)
    assert any("several channels and 2 speakers" in line for line in tokens.attrs["settings"]["warnings"])
    table = pd.DataFrame({"speaker": ["A", "B"], "channel": ["1", "right"]})
    tokens = read_corpus(corpus, speakers=table)
    assert tokens.attrs["settings"]["warnings"] == []
    for path in (tmp_path / "t.csv", tmp_path / "t.parquet"):
        write_tokens(path, tokens)
        waveforms, kept = cut(read_tokens(path))
        assert {(s, pitch(w)) for s, w in zip(kept["speaker"], waveforms, strict=True)} == {("A", 200), ("B", 700)}
    with pytest.raises(CorpusError, match="channel 'both'; expected 1, 2"):
        read_corpus(corpus, speakers=table.assign(channel="both"))
    wrong = read_corpus(corpus, speakers=table.assign(channel=["1", "3"]))
    _, kept = cut(wrong)
    assert set(kept["speaker"]) == {"A"}
    assert any("channel 3 was asked for" in str(e["examples"]) for e in kept.attrs["left_out"])


def test_names_tell_the_channel(tmp_path):
    tokens = read_corpus(talk(tmp_path / "c", ("A_ch1 - phones", "B_ch2 - phones")))
    waveforms, kept = cut(tokens)
    assert {(s, pitch(w)) for s, w in zip(kept["speaker"], waveforms, strict=True)} == {("A_ch1", 200), ("B_ch2", 700)}
    corpus = talk(tmp_path / "d")
    (corpus / "t.TextGrid").unlink()
    for channel in (1, 2):
        tier = Tier("phones", (Interval(0.1, 0.3, "IY1"),))
        write_textgrid(corpus / f"t_ch{channel}.TextGrid", TextGrid(0.0, 2.0, (tier,)))
    waveforms, kept = cut(read_corpus(corpus))
    assert [pitch(w) for w in waveforms] == [200, 700]
    assert list(kept["speaker"]) == ["t_ch1", "t_ch2"]
    assert kept["token"].is_unique
    assert list(kept["overlap"]) == [1.0, 1.0]


def test_channels_that_cancel_out(tmp_path):
    tokens = read_corpus(talk(tmp_path / "c", ("phones",), (LEFT, -LEFT)))
    assert any("cancel out" in line for line in tokens.attrs["settings"]["warnings"])
    waveforms, _ = cut(tokens)
    assert all(np.abs(w).max() > 0.3 for w in waveforms)
    assert "channel" not in read_corpus(talk(tmp_path / "d", ("phones",), (LEFT, LEFT))).columns


def test_one_channel_of_a_recording(tmp_path):
    path = talk(tmp_path) / "t.wav"
    assert np.array_equal(read_audio(path, channel=2)[0], RIGHT.astype(np.float32))
    np.testing.assert_allclose(read_audio(path)[0], (LEFT + RIGHT) / 2, atol=1e-6)
    for channel in (0, 3):
        with pytest.raises(AudioError, match=f"has 2 channel.*channel {channel} was asked for"):
            read_audio(path, channel=channel)


def test_overlap_is_marked_and_can_be_left_out(tmp_path):
    corpus = talk(tmp_path)
    tokens = read_corpus(corpus)
    shares = {(t.speaker, t.start): round(t.overlap, 6) for t in tokens.itertuples()}
    assert shares == {("A", 0.0): 0, ("A", 0.2): 0.5, ("A", 1.5): 0, ("B", 0.3): 0.5, ("B", 0.5): 0}
    alone = read_corpus(corpus, without_overlap=True)
    assert len(alone) == 3
    assert (alone["overlap"] == 0).all()
    assert {e["reason"]: e["count"] for e in alone.attrs["left_out"]}["overlaps another speaker"] == 2


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), min_size=1, max_size=12), st.integers(0, 75))
def test_time_spoken_is_that_of_the_union(spans, until):
    starts, lengths = np.array(spans, dtype=float).T
    edges, spoken = _spoken(starts, starts + lengths)
    covered = {second for start, length in spans for second in range(start, start + length)}
    assert np.interp(until, edges, spoken) == pytest.approx(len([second for second in covered if second < until]))


def test_neighbours_stop_at_holes(tmp_path):
    names = ("phones",)
    corpus = talk(tmp_path, names)
    hole = (Interval(0.0, 0.2, "IY1"), Interval(0.2, 0.4, "S"), Interval(0.46, 0.6, "AE1"), Interval(0.6005, 0.8, "T"))
    write_textgrid(corpus / "t.TextGrid", TextGrid(0.0, 2.0, (Tier("phones", hole),)), fill_gaps=False)
    tokens = read_corpus(corpus).set_index("phone")
    assert pd.isna(tokens.loc["AE1", "previous"])
    assert pd.isna(tokens.loc["S", "next"])
    assert tokens.loc["S", "previous"] == "IY1"
    assert tokens.loc["AE1", "next"] == "T"


@pytest.mark.parametrize(("channels", "heard"), [((LEFT, -LEFT), 1), ((LEFT, RIGHT), None), ((LEFT,), None)])
def test_the_first_channel_is_heard_where_their_mean_is_silence(tmp_path, channels, heard):
    soundfile.write(tmp_path / "a.wav", np.column_stack(channels), RATE)
    assert heard_channel(tmp_path / "a.wav") == heard
    assert np.ptp(_heard(tmp_path / "a.wav")) > 0.3  # what the aligner gets
