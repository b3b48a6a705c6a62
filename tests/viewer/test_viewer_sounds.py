"""Sounds that go to the page and come from it: ramps where they begin abruptly, loudness, how many are held."""

import io

import numpy as np
import pytest
import soundfile
from scipy.signal import lfilter

from phonoscope.viewer.pictures import tracks_of, wav_of
from phonoscope.viewer.query import UnknownNameError
from phonoscope.viewer.subject import subject_of
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


def test_formants_of_what_is_much_softer_than_the_rest_are_not_shown() -> None:
    pulses = np.zeros(4000)
    pulses[::80] = 1.0
    for hertz in (500.0, 1500.0):
        angle, radius = 2 * np.pi * hertz / RATE, np.exp(-np.pi * 60 / RATE)
        pulses = lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], pulses)
    pulses[2000:] *= 1e-3  # -60 dB
    subject = subject_of((pulses / np.abs(pulses).max()).astype(np.float32), RATE, 0.0, 0.5, token="vowel")
    tracks = tracks_of(subject)
    time, first = np.array(tracks["time"]), np.array(tracks["frequency"][0])
    assert first[(time > 0.05) & (time < 0.2)] == pytest.approx(500, abs=50)
    assert np.isnan(np.array(tracks["frequency"])[:, (time > 0.3) & (time < 0.45)]).all()


def test_of_many_uploads_the_oldest_are_forgotten() -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(80), RATE, format="WAV")
    uploads = Uploads()
    numbers = [uploads.add(buffer.getvalue(), f"{n}.wav").number for n in range(22)]
    assert len(set(numbers)) == 22
    assert [uploads.get(number).name for number in numbers[2:]] == [f"{n}.wav" for n in range(2, 22)]
    for number in numbers[:2]:
        with pytest.raises(UnknownNameError):
            uploads.get(number)
