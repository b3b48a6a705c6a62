"""A picture that arises inside a model: the model up to it as a front end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from phonoscope.errors import ClassifierError
from phonoscope.frontends.contract import FrontEnd
from phonoscope.frontends.inner.axes import PictureAxes

# From the input of a model to what one of its modules makes of it.
Made = Callable[[Tensor], Tensor]


class InnerPicture(FrontEnd):
    """The model up to one of its modules, whose output is the picture; its axes are measured.

    Parameters
    ----------
    of
        Front end that makes the model's input of sounds.
    picture
        Name of the module, as in ``model.named_modules()``.
    axes
        Where its rows and columns lie; see `measure_axes`.
    made
        From the model's input (batch, 1, samples) to the module's output; without it, the network is awaited that
        makes it (see ``within``).

    Notes
    -----
    Output (batch, 1, rows, columns), lowest frequency first, in the module's own values.
    """

    kind = "inner-picture"
    alone = False

    def __init__(self, of: FrontEnd, picture: str, axes: PictureAxes, made: Made | None = None) -> None:
        super().__init__(
            of.sample_rate,
            axes.time_axis,
            axes.frequency_axis,
            unit=axes.unit,
            db_per_unit=axes.db_per_unit,
            usual_seconds=of.usual_seconds,
        )
        self.of, self.picture, self.axes, self.natural, self._made = of, picture, axes, axes.layout.natural, made

    def config(self) -> dict[str, Any]:
        """Return the arguments of ``build_front_end``; the model has to be brought by the network, see ``within``."""
        of = {"kind": self.of.kind, **self.of.config()}
        return {"sample_rate": self.sample_rate, "of": of, "picture": self.picture, "axes": self.axes.config()}

    def extra_repr(self) -> str:
        """Return the picture's name and axes in words, for ``repr``."""
        return f"{self.picture!r}: {self.axes.words(self.sample_rate)}"

    def within(self, network: nn.Module) -> None:
        """Tell the network behind it where its picture arises, so that it makes it and goes on from it."""
        starting_at = getattr(network, "starting_at", None)
        if starting_at is not None:
            self._made = starting_at(self.picture, self.axes.layout)

    @property
    def finest_hz(self) -> np.ndarray:
        """Measured half-power width of each row, Hz, shape (rows,)."""
        return np.nan_to_num(self.axes.widths)

    @torch.no_grad()
    def reference_level(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor | None:
        """What sounds are scaled by before the model hears them."""
        return self.of.reference_level(waveforms, lengths)

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None, level: Tensor | None = None) -> Tensor:
        """Pictures of waveforms (see ``FrontEnd``), shape (batch, 1, rows, columns).

        Sounds of different length go through the model one at a time, each without padding.
        """
        if self._made is None:
            raise ClassifierError(
                f"the picture {self.picture!r} arises inside a model: load the whole classifier "
                "(Classifier.from_pretrained)"
            )
        if lengths is None or bool((lengths == lengths[0]).all()):
            held = {} if level is None else {"level": level}
            return self.axes.layout.arranged(self._made(self.of(waveforms, lengths, **held)))
        if self.natural:
            raise ClassifierError(
                f"the picture of {self.picture!r} is as long as the sound; pass sounds of one length at a time"
            )
        each = enumerate(zip(waveforms, lengths, strict=True))
        levels = [None] * len(waveforms) if level is None else level.split(1)
        return torch.cat([self(sound[None], n[None], levels[i]) for i, (sound, n) in each])
