"""Tokens as training data: waveforms in memory, network inputs cached when they fit, made batch by batch when not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from phonoscope.classifier import Classifier
from phonoscope.errors import ExperimentError
from phonoscope.frontends import pad_waveforms

_CACHE_BYTES = 1 << 30


class TokenInputs:
    """Front-end outputs of tokens, standardised by the classifier's input mean and deviation when read.

    Outputs are computed once and kept when they take less than ``cache_bytes`` (the front end has no weights), else
    anew for each batch on the classifier's device.
    """

    def __init__(
        self, classifier: Classifier, waveforms: Sequence[np.ndarray], *, cache_bytes: int = _CACHE_BYTES
    ) -> None:
        if len(waveforms) == 0:
            raise ExperimentError("there is no token to train on")
        self._classifier = classifier
        self._waveforms = [np.asarray(w, dtype=np.float32) for w in waveforms]
        size = int(np.prod(classifier.front_end.shape)) * 4
        self.cached: Tensor | None = None
        if size * len(self._waveforms) <= cache_bytes:
            self.cached = torch.cat([self._outputs(part) for part in self._chunks()])

    def __len__(self) -> int:
        return len(self._waveforms)

    def _chunks(self, size: int = 256) -> list[np.ndarray]:
        everything = np.arange(len(self))
        return [everything[start : start + size] for start in range(0, len(self), size)]

    @torch.no_grad()
    def _outputs(self, index: np.ndarray) -> Tensor:
        padded, lengths = pad_waveforms([self._waveforms[i] for i in index])
        device = self._classifier.device
        return self._classifier.front_end(padded.to(device), lengths.to(device))

    def raw(self, index: np.ndarray) -> Tensor:
        """Front-end outputs of the tokens at these positions, shape (len(index), *shape), on the device."""
        if self.cached is not None:
            return self.cached[torch.as_tensor(index)]
        return self._outputs(index)

    def batch(self, index: np.ndarray) -> Tensor:
        """Network inputs of the tokens at these positions."""
        return (self.raw(index) - self._classifier.input_mean) / self._classifier.input_sd

    def statistics(self, index: np.ndarray) -> tuple[float, float]:
        """Mean and standard deviation of the front-end output over the tokens at these positions."""
        count, total, squares = 0, 0.0, 0.0
        for start in range(0, len(index), 256):
            values = self.raw(index[start : start + 256]).double()
            count += values.numel()
            total += float(values.sum())
            squares += float(values.square().sum())
        mean = total / count
        return mean, max((squares / count - mean**2) ** 0.5, 1e-6)
