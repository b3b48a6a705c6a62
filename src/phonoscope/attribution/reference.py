"""Tokens that stand for the speech a classifier knows: what is put in place of what a method takes away."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError

MOST_TOKENS = 128


def _content(waveform: np.ndarray) -> tuple[int, int]:
    """Length and checksum: an order of tokens that does not depend on how they were listed."""
    return len(waveform), zlib.crc32(np.ascontiguousarray(waveform, dtype=np.float32).tobytes())


def even_places(count: int) -> np.ndarray:
    """Positions of at most 128 of so many tokens, evenly spread over their list, shape (n,)."""
    return np.linspace(0, count - 1, min(count, MOST_TOKENS)).round().astype(int)


def evenly_picked(waveforms: Sequence[np.ndarray]) -> list[np.ndarray]:
    """At most 128 of the waveforms, evenly picked over their durations; only those are held in memory."""
    contents = [_content(waveform) for waveform in waveforms]
    order = sorted(range(len(contents)), key=contents.__getitem__)
    return [waveforms[order[i]] for i in even_places(len(order))]


class Reference:
    """Evenly picked tokens, their network inputs and classes.

    Parameters
    ----------
    waveforms
        1-D arrays at the classifier's sample rate, without context; at most 128 of them are used, evenly picked over
        their durations. The order in which they are given makes no difference.
    """

    def __init__(self, classifier: Classifier, waveforms: Sequence[np.ndarray]) -> None:
        if len(waveforms) == 0:
            raise AttributionError("no reference token was given; pass waveforms, or leave reference= out")
        self.classifier = classifier
        self.waveforms = [np.asarray(waveform, dtype=np.float32) for waveform in evenly_picked(waveforms)]

    @cached_property
    @torch.no_grad()
    def inputs(self) -> Tensor:
        """Network inputs, shape (n, channels, *spatial)."""
        return torch.cat([inputs for _, inputs in self.classifier.batches(self.waveforms)])

    @cached_property
    def classes(self) -> np.ndarray:
        """Class that the classifier gives each, as its position among the labels, shape (n,)."""
        return self.classifier.logits(self.waveforms).argmax(axis=1)

    @cached_property
    def mean_input(self) -> Tensor:
        """Mean input, every class weighing the same, shape (1, channels, *spatial)."""
        return torch.stack([self.inputs[self.classes == c].mean(0) for c in np.unique(self.classes)]).mean(0)[None]

    def class_mean_input(self, label: str) -> Tensor:
        """Mean input of one class, shape (1, channels, *spatial).

        Raises
        ------
        AttributionError
            If no reference token was given that class.
        """
        chosen = self.classes == self.classifier.index_of(label)
        if not chosen.any():
            raise self._unheard(label)
        return self.inputs[torch.from_numpy(chosen)].mean(0)[None]

    def spectrum(self, label: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Long-term spectrum of the tokens, each at the same level: Hz, and share of the power at each.

        Parameters
        ----------
        label
            Only tokens that are heard as this class; without it every class weighs the same.
        """
        from scipy.signal import welch

        rate = self.classifier.sample_rate
        length = 2 ** int(np.log2(0.032 * rate))
        classes = np.unique(self.classes) if label is None else [self.classifier.index_of(label)]
        of_class = []
        for number in classes:
            spectra = [
                welch(np.pad(wave, (0, max(0, length - len(wave)))), rate, nperseg=length)[1]
                for wave, heard in zip(self.waveforms, self.classes, strict=True)
                if heard == number and np.any(wave)
            ]
            if spectra:
                of_class.append(np.mean([spectrum / spectrum.sum() for spectrum in spectra], axis=0))
        if not of_class:
            raise self._unheard(label)
        return np.fft.rfftfreq(length, 1 / rate), np.mean(of_class, axis=0)

    def _unheard(self, label: str | None) -> AttributionError:
        what = "sounds at all" if label is None else f"is heard as {label!r}"
        return AttributionError(f"none of the {len(self.waveforms)} reference tokens {what}; pass more with reference=")
