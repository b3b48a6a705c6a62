"""Waveforms on disk that look like a list: a corpus may be larger than the memory."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

import numpy as np


class WaveformStore(Sequence[np.ndarray]):
    """Waveforms in one temporary file, which vanishes with the object; what is read is mapped, not loaded.

    Samples are kept in single precision, as they were given, so that whatever is computed from them is the same as
    from a list. The file takes 4 bytes a sample: 64 kB a second at 16 kHz.

    Parameters
    ----------
    folder : path
        Where the file lies; a folder on a disk, not in memory.
    """

    def __init__(self, folder: str | Path) -> None:
        # Closed, and so removed, when the last view of it is gone.
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._spans: list[slice] = []
        self._samples = 0
        self._mapped: np.ndarray | None = None

    def append(self, waveform: np.ndarray) -> None:
        """Put a waveform (sample,) behind those that are there."""
        samples = np.ascontiguousarray(waveform, dtype=np.float32)
        self._file.seek(4 * self._samples)
        self._file.write(samples.tobytes())
        self._spans.append(slice(self._samples, self._samples + len(samples)))
        self._samples += len(samples)
        self._mapped = None

    def chosen(self, index: Iterable[int]) -> WaveformStore:
        """Return a store of some of the waveforms, in this order, on the same file."""
        part = copy.copy(self)
        part._spans = [self._spans[i] for i in index]
        return part

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> list[np.ndarray]: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        """Return a waveform (sample,), float32, read when its samples are looked at; changes never reach the file."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if self._mapped is None:
            self._file.flush()
            # copy-on-write, because PyTorch takes no arrays that cannot be written
            self._mapped = np.asarray(np.memmap(self._file, np.float32, "c")) if self._samples else np.zeros(0, "f4")
        return self._mapped[self._spans[index]]
