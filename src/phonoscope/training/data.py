"""Tokens as training data: front-end outputs kept when they fit into memory, made batch by batch when not."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from phonoscope.corpora.sounds import TokenSounds
from phonoscope.errors import ExperimentError
from phonoscope.frontends import FrontEnd, pad_waveforms

_CACHE_BYTES = 1 << 30
_CHUNK = 256
# Groups of rows that are mixed with each other when tokens stream from the disk; a reader keeps three times as many.
BUFFER_GROUPS = 32
_BATCHES_AHEAD = 2  # a thread
_SHARE_OF_GPU = 0.4  # of its free memory; the rest is for the network


def free_bytes(device: torch.device) -> int:
    """Memory for front-end outputs of recordings that are not to be held in memory: a part of the GPU's, or none."""
    return int(_SHARE_OF_GPU * torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else 0


class TokenInputs:
    """Front-end outputs of tokens, before standardisation.

    They are computed once and kept when they take less than ``cache_bytes`` (a front end has no weights), else anew
    for each batch, on ``device``. Unless told otherwise, that is 1 GiB, or a part of the GPU's free memory where that
    is more. Tokens with sound on the disk (``TokenSounds``) are never in memory as a whole: those
    whose outputs are not kept stream, read ahead by ``workers`` threads.
    """

    def __init__(
        self,
        front_end: FrontEnd,
        waveforms: Sequence[np.ndarray],
        *,
        device: torch.device | str = "cpu",
        cache_bytes: int | None = None,
        workers: int = 2,
    ) -> None:
        if len(waveforms) == 0:
            raise ExperimentError("there is no token to train on")
        self._front_end = front_end.to(device)
        self._device = torch.device(device)
        self._workers = workers
        self._waveforms: Sequence[np.ndarray] = (
            waveforms if isinstance(waveforms, TokenSounds) else [np.asarray(w, dtype=np.float32) for w in waveforms]
        )
        self._kept: Tensor | None = None
        if cache_bytes is None:
            cache_bytes = max(_CACHE_BYTES, free_bytes(self._device))
        if int(np.prod(front_end.shape)) * 4 * len(self._waveforms) <= cache_bytes:
            kept = torch.empty((len(self), *front_end.shape), device=self._device)
            parts = in_chunks(np.arange(len(self)))
            for part, outputs in zip(parts, self.batches(parts), strict=True):
                kept[int(part[0]) : int(part[-1]) + 1] = outputs
            self._kept = kept

    def __len__(self) -> int:
        return len(self._waveforms)

    def _padded(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """Waveforms side by side and their lengths, in memory from which a GPU copies while it works."""
        padded, lengths = pad_waveforms([self._waveforms[i] for i in index])
        return (padded.pin_memory(), lengths.pin_memory()) if self._device.type == "cuda" else (padded, lengths)

    @torch.no_grad()
    def _made(self, sounds: tuple[Tensor, Tensor]) -> Tensor:
        padded, lengths = (part.to(self._device, non_blocking=True) for part in sounds)
        return self._front_end(padded, lengths)

    def order(self, index: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Positions of `index` in the order of an epoch: any, or by ``streaming_order`` for tokens that stream."""
        if self._kept is None and isinstance(self._waveforms, TokenSounds):
            return streaming_order(self._waveforms.groups, index, random)
        return random.permutation(index)

    def batches(self, parts: Sequence[np.ndarray]) -> Iterator[Tensor]:
        """Front-end outputs of the tokens at the positions of each part, one part after the other.

        What is not kept is read and padded ahead, and copied to the device while that works; what comes out is the
        same for any number of threads. The host never waits for the device.
        """
        if self._kept is not None:
            yield from (self._kept[index] for index in on_device(parts, self._device))
        elif self._workers < 1:
            yield from (self._made(self._padded(part)) for part in parts)
        else:
            yield from self._read_ahead(parts)

    def _read_ahead(self, parts: Sequence[np.ndarray]) -> Iterator[Tensor]:
        coming = iter(parts)
        waiting: deque[Future[tuple[Tensor, Tensor]]] = deque()
        with ThreadPoolExecutor(self._workers) as pool:
            try:
                for part in islice(coming, _BATCHES_AHEAD * self._workers):
                    waiting.append(pool.submit(self._padded, part))
                while waiting:
                    sounds = waiting.popleft().result()
                    for part in islice(coming, 1):
                        waiting.append(pool.submit(self._padded, part))
                    yield self._made(sounds)
            finally:
                for future in waiting:
                    future.cancel()

    def __getitem__(self, index: np.ndarray) -> Tensor:
        """Front-end outputs of the tokens at these positions, shape (len(index), *front_end.shape)."""
        if self._kept is not None:
            return self._kept[torch.as_tensor(index, device=self._device)]
        return self._made(self._padded(index))

    def statistics(self, index: np.ndarray) -> tuple[float, float]:
        """Mean and standard deviation of the outputs over the tokens at these positions."""
        count, sums = 0, torch.zeros(2, dtype=torch.float64, device=self._device)
        for outputs in self.batches(in_chunks(index)):
            values = outputs.double()
            count += values.numel()
            sums += torch.stack([values.sum(), values.square().sum()])
        total, squares = sums.tolist()
        mean = total / count
        return mean, max((squares / count - mean**2) ** 0.5, 1e-6)


def in_chunks(index: np.ndarray) -> list[np.ndarray]:
    """Positions in parts that are large enough for the device and small enough for its memory."""
    return [index[start : start + _CHUNK] for start in range(0, len(index), _CHUNK)]


def on_device(parts: Sequence[np.ndarray], device: torch.device) -> tuple[Tensor, ...]:
    """Whole numbers of several arrays as tensors on a device, all copied at once."""
    if not parts:
        return ()
    return torch.from_numpy(np.concatenate(parts)).to(device).split([len(part) for part in parts])


def streaming_order(
    groups: np.ndarray, index: np.ndarray, random: np.random.Generator, buffer_groups: int = BUFFER_GROUPS
) -> np.ndarray:
    """Shuffle positions so that tokens that lie together on the disk are wanted at about the same time.

    The groups are shuffled; then the tokens of each `buffer_groups` of them are shuffled with each other. The order
    depends on the generator alone.

    Parameters
    ----------
    groups : ndarray of int
        Group of every token.
    index : ndarray of int
        Positions to shuffle.
    random
        Source of the draws.
    buffer_groups
        Groups whose tokens are mixed with each other.
    """
    of_token = groups[index]
    present = random.permutation(np.unique(of_token))
    rank = np.empty(int(present.max(initial=0)) + 1, dtype=np.int64)
    rank[present] = np.arange(len(present)) // buffer_groups
    shuffled = random.permutation(len(index))
    # A stable sort by buffer keeps the shuffled order inside each.
    return index[shuffled[np.argsort(rank[of_token[shuffled]], kind="stable")]]
