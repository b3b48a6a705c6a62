"""How a network from elsewhere is called: the layout of its input, and what it wants to know beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from phonoscope.errors import ClassifierError

# From the network's input, (batch, 1, samples) or (batch, 1, rows, columns), to what the model takes.
_SOUNDS: dict[str, Callable[[Tensor], Tensor]] = {
    "(batch, samples)": lambda x: x[:, 0],
    "(batch, 1, samples)": lambda x: x,
}
_PICTURES: dict[str, Callable[[Tensor], Tensor]] = {
    "(batch, 1, rows, columns)": lambda x: x,
    "(batch, 3, rows, columns)": lambda x: x.expand(-1, 3, -1, -1),
    "(batch, rows, columns)": lambda x: x[:, 0],
    "(batch, columns, rows)": lambda x: x[:, 0].transpose(1, 2),
}
_LAYOUTS = _SOUNDS | _PICTURES

# What a second argument of one of these names asks for.
_NAMES: dict[str, tuple[str, ...]] = {
    "lengths": (
        *("lengths", "length", "lens", "input_lengths", "x_lens", "x_len", "xlens", "ilens", "audio_lengths"),
        *("wave_lengths", "waveform_lengths", "feature_lengths", "seq_lens", "n_samples", "audio_len", "x_length"),
    ),
    "shares": ("wav_lens", "relative_lengths", "rel_lengths"),
    "mask": ("attention_mask", "mask", "padding_mask", "attn_mask", "input_mask"),
    "rate": ("sr", "fs", "rate", "sample_rate", "sampling_rate"),
}
_RESETS = ("reset_states", "reset_state", "reset")


def layouts(*, picture: bool) -> list[str]:
    """Layouts that a network of sounds, or of pictures, may want, in the order in which they are tried."""
    return list(_PICTURES if picture else _SOUNDS)


def meanings_of(name: str) -> tuple[str, ...]:
    """What a second argument of this name may ask for, the likeliest first."""
    known = tuple(kind for kind, names in _NAMES.items() if name.lower() in names)
    return known if known and known != ("shares",) else (*known, *(kind for kind in _NAMES if kind not in known))


def means_something(name: str) -> bool:
    """Whether an argument is named like one for lengths, a mask or the sample rate."""
    return any(name.lower() in names for names in _NAMES.values())


def resets_of(model: Any) -> str:
    """Name of the method with which a model forgets what it was given before; empty where it remembers nothing."""
    return next((name for name in _RESETS if callable(getattr(model, name, None))), "")


@dataclass(frozen=True)
class Takes:
    """How a model is called.

    Parameters
    ----------
    layout
        One of `layouts`.
    beside
        What the second argument tells of each sound: ``lengths`` (samples, or columns of a picture), ``shares`` (1: the
        whole of the longest), ``mask`` (1 where there is sound), or the sample ``rate``; nothing where empty.
    name
        Of the second argument; it is passed by position where empty.
    reset
        Method of the model that is called first, so that it forgets earlier sounds.
    stack
        Neighbouring columns of a picture that are joined into one, for the layout (batch, columns, rows).
    singly
        Whether sounds are given one by one, because the answer depends on the others of a batch.
    """

    layout: str = "(batch, samples)"
    beside: str = ""
    name: str = ""
    reset: str = ""
    stack: int = 1
    singly: bool = False

    def __post_init__(self) -> None:
        if self.layout not in _LAYOUTS or (self.beside and self.beside not in _NAMES):
            raise ClassifierError(
                f"a network cannot be called with {self.layout!r} and {self.beside!r}; the layouts are "
                f"{'; '.join(_LAYOUTS)}"
            )

    def __str__(self) -> str:
        words = {
            "lengths": "the length of each",
            "shares": "the relative length of each",
            "mask": "a mask",
            "rate": "the sample rate",
        }
        second = f" and {words[self.beside]} ({self.name or 'second argument'})" if self.beside else ""
        return f"{self.layout}{second}{', one sound at a time' if self.singly else ''}"

    def arranged(self, inputs: Tensor) -> Tensor:
        """Inputs (batch, 1, …) in the model's layout; columns that are left over where some are joined are dropped."""
        arranged = _LAYOUTS[self.layout](inputs)
        if self.stack == 1:
            return arranged
        whole = arranged.shape[1] // self.stack
        return arranged[:, : whole * self.stack].reshape(len(arranged), whole, -1)

    def call(self, model: nn.Module, inputs: Tensor, sample_rate: int, *, goes_on: bool = False) -> Any:
        """Call a model.

        Parameters
        ----------
        model
            Any module.
        inputs
            Shape (batch, 1, …); all of a batch are equally long.
        sample_rate
            Of the sounds, Hz.
        goes_on
            Whether the sounds go on from those of the last call, for models that remember.
        """
        if self.reset and not goes_on:
            getattr(model, self.reset)()
        arranged = self.arranged(inputs)
        if not self.beside:
            return model(arranged)
        count, length, device = len(inputs), inputs.shape[-1], inputs.device
        second = {
            "lengths": lambda: torch.full((count,), length, dtype=torch.int64, device=device),
            "shares": lambda: torch.ones(count, dtype=arranged.dtype, device=device),
            "mask": lambda: torch.ones(count, length, dtype=torch.int64, device=device),
            "rate": lambda: sample_rate,
        }[self.beside]()
        return model(arranged, **{self.name: second}) if self.name else model(arranged, second)
