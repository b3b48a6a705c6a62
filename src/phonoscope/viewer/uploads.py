"""Recordings dropped on the page, such as one's own voice: kept in memory, and stretches of them explained."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr

from phonoscope.audio import audio_info, read_audio
from phonoscope.errors import AudioError
from phonoscope.viewer.query import UnknownNameError

MOST_BYTES = 20 * 2**20
MOST_SECONDS = 300.0
_MOST_RECORDINGS = 20
_MOST_CHANNELS = 8


@dataclass(frozen=True, eq=False)
class Upload:
    """A recording that was dropped on the page: its name as given (to be shown, never opened), and its samples."""

    number: int
    name: str
    waveform: np.ndarray
    sample_rate: int

    @property
    def seconds(self) -> float:
        """Duration, s."""
        return len(self.waveform) / self.sample_rate

    def at(self, sample_rate: int) -> np.ndarray:
        """Samples at the rate of a classifier."""
        return self.waveform if sample_rate == self.sample_rate else _resampled(self, sample_rate)


@lru_cache(maxsize=4)
def _resampled(recording: Upload, sample_rate: int) -> np.ndarray:
    return soxr.resample(recording.waveform, recording.sample_rate, sample_rate)


class Uploads:
    """Recordings dropped since the viewer was started; the oldest go when there are more than twenty."""

    def __init__(self) -> None:
        self._kept: dict[int, Upload] = {}
        self._count = 0
        self._lock = threading.Lock()

    def add(self, content: bytes, name: str) -> Upload:
        """Decode a recording.

        Raises
        ------
        AudioError
            If it is too large, too long or no audio.
        """
        if len(content) > MOST_BYTES:
            raise AudioError(f"{name} is larger than {MOST_BYTES // 2**20} MB; cut out what is to be explained first")
        with tempfile.NamedTemporaryFile(prefix="phonoscope-", suffix=".audio") as file:
            file.write(content)
            file.flush()
            try:
                # The header first: a small file may hold hours.
                info = audio_info(file.name)
                if info.duration > MOST_SECONDS:
                    raise AudioError(f"{name} lasts {info.duration:.0f} s; at most {MOST_SECONDS:.0f} s can be shown")
                if info.channels > _MOST_CHANNELS:
                    raise AudioError(f"{name} has {info.channels} channels; mix it down to one first")
                waveform, rate = read_audio(Path(file.name))
            except AudioError as error:
                raise AudioError(str(error).replace(file.name, name)) from None
        with self._lock:
            self._count += 1
            made = Upload(self._count, name, waveform, rate)
            self._kept[made.number] = made
            while len(self._kept) > _MOST_RECORDINGS:
                del self._kept[min(self._kept)]
        return made

    def get(self, number: int) -> Upload:
        """Return one of them; UnknownNameError if it is not held (any more)."""
        if number not in self._kept:
            raise UnknownNameError("this recording is not held any more; drop it on the page again")
        return self._kept[number]
