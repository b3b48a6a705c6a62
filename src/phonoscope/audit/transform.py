"""Short-time spectra and the way back, all frames at once: an audit takes tens of thousands of recordings apart."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann


class Transform:
    """Short-time Fourier transform of a Hann window, and its inverse by the dual window.

    Windows are placed, and the dual is found, by `scipy.signal.ShortTimeFFT`; phases are those of each frame's own
    beginning.

    Parameters
    ----------
    frame, hop : int
        Length and distance of the windows, samples.
    rate : float
        Sample rate, Hz.
    """

    def __init__(self, frame: int, hop: int, rate: float) -> None:
        scheme = ShortTimeFFT(hann(frame, sym=False), hop, rate, fft_mode="onesided")
        self.frame, self.hop, self.hertz, self.first = frame, hop, scheme.f, scheme.p_min
        self.window, self.dual, self._end = scheme.win, scheme.dual_win, scheme.p_max
        self._before = scheme.m_num_mid - self.first * hop  # samples of the first window that lie before the sound

    def forth(self, samples: np.ndarray) -> np.ndarray:
        """Spectra, complex, shape (frequency, time).

        Parameters
        ----------
        samples : array (sample,)
            At least as many as the window has.
        """
        count = self._end(len(samples)) - self.first
        padded = np.zeros((count - 1) * self.hop + self.frame)
        inside = samples[: len(padded) - self._before]
        padded[self._before : self._before + len(inside)] = inside
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.frame)[:: self.hop]
        return np.fft.rfft(frames * self.window, axis=1).T

    def back(self, spectra: np.ndarray, length: int) -> np.ndarray:
        """The sound of spectra, shape (length,).

        Parameters
        ----------
        spectra : array (frequency, time)
        length : int
            Samples.
        """
        frames = np.fft.irfft(spectra.T, self.frame, axis=1) * self.dual
        pieces = -(-self.frame // self.hop)
        cut = np.pad(frames, ((0, 0), (0, pieces * self.hop - self.frame))).reshape(len(frames), pieces, self.hop)
        made = np.zeros((len(frames) + pieces, self.hop))
        for piece in range(pieces):
            made[piece : piece + len(frames)] += cut[:, piece]
        return made.ravel()[self._before : self._before + length]


@lru_cache(maxsize=8)
def transform_of(frame: int, hop: int, rate: float) -> Transform:
    """The transform for recordings of one rate, made once.

    Parameters
    ----------
    frame, hop, rate
        See `Transform`.
    """
    return Transform(frame, hop, rate)
