"""Spectra of all frames at once: those of scipy, and the way back."""

import numpy as np
import pytest
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from phonoscope.audit.transform import Transform


@pytest.mark.parametrize(("frame", "hop", "length"), [(160, 80, 3000), (441, 220, 5001), (320, 160, 320)])
def test_spectra_and_the_sound_of_changed_spectra_are_those_of_scipy(frame, hop, length):
    rng = np.random.default_rng(0)
    sound = rng.standard_normal(length)
    ours, theirs = Transform(frame, hop, 8000.0), ShortTimeFFT(hann(frame, sym=False), hop, 8000.0)
    found, expected = ours.forth(sound), theirs.stft(sound)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)
    gain = rng.random(found.shape)
    np.testing.assert_allclose(ours.back(found * gain, length), theirs.istft(expected * gain, k1=length), atol=1e-9)
    np.testing.assert_allclose(ours.back(found, length), sound, atol=1e-9)
