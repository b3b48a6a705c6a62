"""Sounds that go to the page and come from it: ramps where they begin abruptly, loudness, how many are held."""

import io

import numpy as np
import pytest
import soundfile

from phonoscope.viewer.pictures import wav_of
from phonoscope.viewer.uploads import Uploads

RATE = 8000


def decoded(content: bytes) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(content))
    assert rate == RATE
    return samples


def test_a_sound_rises_and_falls_within_five_milliseconds() -> None:
    sound = decoded(wav_of(np.full(400, 0.5), RATE, ramps=True))
    assert sound[40:-40] == pytest.approx(np.full(320, 0.5), abs=1e-4)
    assert sound[0] < 0.01
    assert (np.diff(sound[:40]) > 0).all()
    assert sound[::-1] == pytest.approx(sound)
    assert decoded(wav_of(np.full(400, 0.5), RATE, ramps=False)) == pytest.approx(np.full(400, 0.5), abs=1e-4)
    assert len(decoded(wav_of(np.full(3, 0.5), RATE, ramps=True))) == 3


def test_a_sound_that_would_be_clipped_is_softer_as_a_whole() -> None:
    loud = np.sin(np.arange(400.0)) * [[1.0], [3.0]]
    one, other = (decoded(wav_of(sound, RATE, ramps=False)) for sound in loud)
    assert np.abs(other).max() <= 0.99 + 1e-4
    assert other == pytest.approx(one * 0.99 / np.abs(one).max(), abs=2e-4)


def test_of_many_uploads_the_oldest_are_forgotten() -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(80), RATE, format="WAV")
    uploads = Uploads()
    numbers = [uploads.add(buffer.getvalue(), f"{n}.wav").number for n in range(22)]
    assert len(set(numbers)) == 22
    assert [uploads.get(number).name for number in numbers[2:]] == [f"{n}.wav" for n in range(2, 22)]
    for number in numbers[:2]:
        with pytest.raises(KeyError):
            uploads.get(number)
