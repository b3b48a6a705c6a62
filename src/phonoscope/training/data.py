"""Tokens as training data: front-end outputs kept when they fit into memory, made batch by batch when not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from phonoscope.errors import ExperimentError
from phonoscope.frontends import Spectrogram, Waveform, pad_waveforms

_CACHE_BYTES = 1 << 30
_CHUNK = 256
_SHARE_OF_GPU = 0.4  # of its free memory; the rest is for the network


def free_bytes(device: torch.device) -> int:
    """Memory for front-end outputs of recordings that are not to be held in memory: a part of the GPU's, or none."""
    return int(_SHARE_OF_GPU * torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else 0


class TokenInputs:
    """Front-end outputs of tokens, before standardisation.

    They are computed once and kept when they take less than ``cache_bytes`` (a front end has no weights), else anew
    for each batch, on ``device``.
    """

    def __init__(
        self,
        front_end: Spectrogram | Waveform,
        waveforms: Sequence[np.ndarray],
        *,
        device: torch.device | str = "cpu",
        cache_bytes: int = _CACHE_BYTES,
    ) -> None:
        if len(waveforms) == 0:
            raise ExperimentError("there is no token to train on")
        self._front_end = front_end.to(device)
        self._device = torch.device(device)
        self._waveforms = [np.asarray(w, dtype=np.float32) for w in waveforms]
        self._kept: Tensor | None = None
        if int(np.prod(front_end.shape)) * 4 * len(self._waveforms) <= cache_bytes:
            kept = torch.empty((len(self), *front_end.shape), device=self._device)
            for start in range(0, len(self), _CHUNK):
                part = np.arange(start, min(start + _CHUNK, len(self)))
                kept[start : start + len(part)] = self._outputs(part)
            self._kept = kept

    def __len__(self) -> int:
        return len(self._waveforms)

    @torch.no_grad()
    def _outputs(self, index: np.ndarray) -> Tensor:
        padded, lengths = pad_waveforms([self._waveforms[i] for i in index])
        return self._front_end(padded.to(self._device), lengths.to(self._device))

    def __getitem__(self, index: np.ndarray) -> Tensor:
        """Front-end outputs of the tokens at these positions, shape (len(index), *front_end.shape)."""
        if self._kept is not None:
            return self._kept[torch.as_tensor(index)]
        return self._outputs(index)

    def statistics(self, index: np.ndarray) -> tuple[float, float]:
        """Mean and standard deviation of the outputs over the tokens at these positions."""
        count, total, squares = 0, 0.0, 0.0
        for start in range(0, len(index), _CHUNK):
            values = self[index[start : start + _CHUNK]].double()
            count += values.numel()
            total += float(values.sum())
            squares += float(values.square().sum())
        mean = total / count
        return mean, max((squares / count - mean**2) ** 0.5, 1e-6)
