"""The front end of networks that take recordings as they are: at their natural length, without padding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from phonoscope.axes import TimeAxis
from phonoscope.errors import ClassifierError
from phonoscope.frontends.contract import FrontEnd

# What transformers' feature extractors add to the variance of a sound before they divide by its root.
_ADDED_VARIANCE = 1e-7


class Recording(FrontEnd):
    """The waveform as it was recorded: nothing is cut, padded or scaled unless the network was trained that way.

    Sounds of a batch are equally long; whoever makes batches sees to it (see ``FrontEnd.natural``). Maps lie on cells
    that are shares of the recording, the same number whatever its length.

    Parameters
    ----------
    sample_rate
        Hz.
    standardise
        Scale each recording to zero mean and unit variance, as the feature extractors of wav2vec 2.0 and its kin do
        where ``do_normalize`` is set.
    cells
        Cells of time on which maps lie.
    usual_seconds
        Length of the sounds with which the network is looked at before any recording is known.

    Notes
    -----
    Input (batch, samples) and lengths (batch,), all the same; output (batch, 1, samples).
    """

    kind = "recording"
    natural = True

    def __init__(
        self, sample_rate: int, *, standardise: bool = False, cells: int = 64, usual_seconds: float = 1.0
    ) -> None:
        if sample_rate <= 0 or usual_seconds <= 0:
            raise ClassifierError(
                f"sample_rate and usual_seconds must be positive, got {sample_rate} and {usual_seconds}"
            )
        super().__init__(
            sample_rate,
            TimeAxis(cells),
            unit="standard deviations" if standardise else "full scale",
            usual_seconds=float(usual_seconds),
        )
        self.standardise = standardise

    def config(self) -> dict[str, Any]:
        """Return the arguments that rebuild this front end."""
        return {
            "sample_rate": self.sample_rate,
            "standardise": self.standardise,
            "cells": self.time_axis.columns,
            "usual_seconds": self.usual_seconds,
        }

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None, level: Tensor | None = None) -> Tensor:
        """Hand the waveforms on, shape (batch, 1, samples).

        Parameters
        ----------
        waveforms, lengths
            See ``FrontEnd``; what lies behind the lengths is cut off.
        level
            Deviation that becomes 1 where recordings are standardised, shape (batch,); each one's own by default.

        Raises
        ------
        ClassifierError
            If the sounds differ in length.
        """
        sounds = _alone(waveforms, lengths)
        if self.standardise:
            scale = _deviation(sounds) if level is None else level.to(sounds)
            sounds = (sounds - sounds.mean(1, keepdim=True)) / scale[:, None]
        return sounds[:, None]

    @torch.no_grad()
    def reference_level(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor | None:
        """Deviation that each recording is divided by, shape (batch,); None where it is not scaled."""
        return _deviation(_alone(waveforms, lengths)) if self.standardise else None


def _alone(waveforms: Tensor, lengths: Tensor | None) -> Tensor:
    """Waveforms without what lies behind their common length."""
    if lengths is None:
        return waveforms
    longest = int(lengths.max())
    if int(lengths.min()) != longest:
        raise ClassifierError(
            f"recordings of {int(lengths.min())} to {longest} samples cannot share a batch, since none is padded: give "
            "recordings of one length at a time"
        )
    return waveforms[:, :longest]


def _deviation(sounds: Tensor) -> Tensor:
    return (sounds.var(1, correction=0) + _ADDED_VARIANCE).sqrt()
