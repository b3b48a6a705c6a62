"""A model from elsewhere as a network of ours: from a front end's output to one number a label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from phonoscope.errors import ClassifierError, PhonoscopeError, ShortSoundError
from phonoscope.frontends.inner import Layout, answer_to, picture_of
from phonoscope.modules import device_of, random_numbers_kept
from phonoscope.networks.outside.calling import Takes
from phonoscope.networks.outside.reading import Gives, Reader, scores_in
from phonoscope.networks.outside.sources import rebuilt_model

_SEARCHED_SECONDS = 4.0  # for how short a sound a model takes


class Outside(nn.Module):
    """A model, how it is called, and what its output means.

    Sounds longer than ``window_seconds`` are heard in windows of that length that overlap by half, and the answer is
    the mean over the windows: so memory does not grow with the length of a recording. A model that remembers what it
    heard gets windows that follow one another.

    Parameters
    ----------
    model
        Any module; its weights' type is that of the sounds it gets.
    takes, gives
        How it is called, and what it gives.
    sample_rate
        Of the sounds, Hz.
    columns_per_second
        Of its input: samples, or columns of a picture; the sample rate by default.
    window_seconds
        Longest sound that it hears in one piece; None for no limit, and for models of pictures.
    differentiable
        Whether gradients reach the sound.
    exact
        Whether it takes sounds of exactly this length: shorter ones are padded with zeros at their end.
    reader
        Takes the scores out of the model's output, instead of the path in ``gives``.
    source
        How the model is built again, see `phonoscope.networks.outside.sources`; None where only its owner can.
    references
        Embeddings of labels, shape (labels, dimensions): scores are then cosines of the model's embedding with them.

    Notes
    -----
    Input (batch, 1, samples) or (batch, 1, rows, columns), all of a batch equally long; output (batch, labels).
    Where a front end's picture arises inside the model (`starting_at`), pictures take their place there, and a sound is
    heard in one piece.
    """

    holds = "model"  # what the names of its layers leave out, see ``layers_of``
    references: Tensor | None
    layout: Layout | None

    def __init__(
        self,
        model: nn.Module,
        takes: Takes,
        gives: Gives,
        *,
        sample_rate: int,
        columns_per_second: float | None = None,
        window_seconds: float | None = None,
        exact: bool = False,
        differentiable: bool = True,
        reader: Reader | None = None,
        source: Mapping[str, Any] | None = None,
        references: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.model, self.takes, self.gives = model, takes, gives
        self.sample_rate, self.window_seconds, self.exact = sample_rate, window_seconds, exact
        self.columns_per_second, self.differentiable = columns_per_second or float(sample_rate), differentiable
        self.reader, self.source = reader, None if source is None else dict(source)
        self.register_buffer("references", references)
        self.picture, self.layout = "", None

    @property
    def options(self) -> dict[str, Any]:
        """Arguments with which `outside` rebuilds it, as JSON values."""
        return {
            "source": self.source,
            "takes": asdict(self.takes),
            "gives": asdict(self.gives),
            "sample_rate": self.sample_rate,
            "columns_per_second": self.columns_per_second,
            "window_seconds": self.window_seconds,
            "exact": self.exact,
            "differentiable": self.differentiable,
            "references": None if self.references is None else list(self.references.shape),
        }

    @property
    def words(self) -> str:
        """What it gives."""
        return f"{self.gives}{'' if self.references is None else ', compared with references of each label (cosine)'}"

    def read_as(self, gives: Gives, references: Tensor | None = None) -> Outside:
        """Return the same model, its output read in another way."""
        other = Outside(
            self.model,
            self.takes,
            gives,
            sample_rate=self.sample_rate,
            columns_per_second=self.columns_per_second,
            window_seconds=self.window_seconds,
            exact=self.exact,
            differentiable=self.differentiable,
            reader=self.reader,
            source=self.source,
            references=references,
        )
        other.picture, other.layout = self.picture, self.layout
        return other

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores (batch, labels) of inputs (batch, 1, samples) or (batch, 1, rows, columns)."""
        if self.layout is not None:
            return self._of_window(inputs)
        if inputs.dim() == 2:
            inputs = inputs[:, None]
        window = None if self.window_seconds is None else round(self.window_seconds * self.sample_rate)
        if window is None or inputs.dim() > 3 or inputs.shape[-1] <= window:
            return self._of_window(self._padded(inputs, window))
        total = torch.zeros((), device=inputs.device)
        follow = bool(self.takes.reset)
        starts = list(range(0, inputs.shape[-1], window)) if follow else window_starts(inputs.shape[-1], window)
        for start in starts:
            part = self._padded(inputs[..., start : start + window], window)
            if not follow and torch.is_grad_enabled() and part.requires_grad:
                # The pass is made again when gradients come back.
                total = total + checkpoint(self._of_window, part, use_reentrant=False)
            else:
                total = total + self._of_window(part, goes_on=follow and start > 0)
        return total / len(starts)

    def raw(self, inputs: Tensor, *, goes_on: bool = False) -> Tensor:
        """The part of the model's output that holds the scores, as the model gives it.

        Parameters
        ----------
        inputs
            As of ``forward``, not longer than a window.
        goes_on
            As of ``Takes.call``.
        """
        if self.layout is None:
            output = self.answer(inputs, goes_on=goes_on)
        else:
            output = answer_to(self.model, self.picture, self.layout, self.answer, inputs)
        return scores_in(output, self.gives.output, self.reader)

    def answer(self, inputs: Tensor, *, goes_on: bool = False) -> Any:
        """Whatever the model answers to its inputs, whose type becomes that of its weights.

        Parameters
        ----------
        inputs, goes_on
            As of ``Takes.call``.
        """
        kind = float_type(self.model)
        given = inputs if kind is None else inputs.to(kind)
        try:
            return self.takes.call(self.model, given, self.sample_rate, goes_on=goes_on)
        except PhonoscopeError:
            raise
        except Exception as error:  # a model may raise anything
            least = None if self.exact else self._least_length(given)
            if least is None:
                raise
            length, rate = given.shape[-1], self.columns_per_second
            raise ShortSoundError(
                f"a sound of {length / rate:.3f} s ({length} {'samples' if given.dim() < 4 else 'columns'}) is too "
                f"short for the model, which takes {least / rate:.3f} s ({least}) or more; leave it out, or pad it"
            ) from error

    def _least_length(self, inputs: Tensor) -> int | None:
        """Shortest input that the model takes, where it takes none as short as these; None if length is not at fault.

        Parameters
        ----------
        inputs
            That it did not take.
        """

        def taken(length: int) -> bool:
            silence = inputs.new_zeros(1, *inputs.shape[1:-1], length)
            with random_numbers_kept(inputs.device), torch.no_grad():
                try:
                    self.takes.call(self.model, silence, self.sample_rate)
                except Exception:
                    return False
            return True

        low = high = inputs.shape[-1]
        if taken(low):
            return None
        while not taken(high):
            low, high = high, 2 * high
            if high > _SEARCHED_SECONDS * self.columns_per_second:
                return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if taken(middle) else (middle, high)
        return high

    @torch.no_grad()
    def places(self, inputs: Tensor, seconds: float, heard: Sequence[float] | None = None) -> Tensor:
        """Where a recogniser hears the marked part of each text, in s of the inputs, shape (batch, texts, 2).

        Parameters
        ----------
        inputs
            As of ``forward``.
        seconds
            Duration of the inputs.
        heard
            Where the sound in each of them ends, s.

        Raises
        ------
        ClassifierError
            If the model does not say where it hears texts.
        """
        model: Any = self.model
        if not callable(getattr(model, "places", None)):
            raise ClassifierError(
                f"{type(model).__name__} does not say where it hears a text: it has no method places()"
            )
        window = None if self.window_seconds is None else round(self.window_seconds * self.sample_rate)
        padded = self._padded(inputs[:, None] if inputs.dim() == 2 else inputs, window)
        kind = float_type(self.model)
        arranged = self.takes.arranged(padded if kind is None else padded.to(kind))
        return model.places(arranged, seconds * padded.shape[-1] / inputs.shape[-1], heard)

    def starting_at(self, picture: str, layout: Layout) -> Callable[[Tensor], Tensor]:
        """Take pictures from now on; returns what makes them of sounds (batch, 1, samples).

        Parameters
        ----------
        picture
            Name of the module of the model that makes the picture.
        layout
            How it lies in the module's output.
        """
        self.picture, self.layout = picture, layout
        return self.picture_made

    def picture_made(self, sounds: Tensor) -> Tensor:
        """What the module makes that the picture is named after, of sounds (batch, 1, samples)."""
        if self.takes.singly and len(sounds) > 1:
            return torch.cat([self.picture_made(sound[None]) for sound in sounds])
        fitting = self.fitted(sounds).to(device_of(self.model))
        return picture_of(self.model, self.picture, self.answer, fitting).to(sounds.dtype)

    def fitted(self, sounds: Tensor) -> Tensor:
        """Sounds (batch, 1, samples) as long as the model takes them, if it takes one length alone: cut, or padded."""
        if not self.exact or self.window_seconds is None:
            return sounds
        window = round(self.window_seconds * self.sample_rate)
        return self._padded(sounds[..., :window], window)

    def _padded(self, inputs: Tensor, window: int | None) -> Tensor:
        """Sounds with zeros at their end where the model takes no shorter ones."""
        missing = window - inputs.shape[-1] if window is not None and self.exact else 0
        return functional.pad(inputs, (0, missing)) if missing else inputs

    def _seconds(self, columns: int) -> float:
        """How long a sound is whose input has so many columns, or samples."""
        if self.layout is None:
            return columns / self.columns_per_second
        return self.layout.samples_of(columns) / self.sample_rate

    def _of_window(self, inputs: Tensor, *, goes_on: bool = False) -> Tensor:
        if self.takes.singly and len(inputs) > 1:
            return torch.cat([self._of_window(inputs[i : i + 1]) for i in range(len(inputs))])
        values = self.raw(inputs, goes_on=goes_on)
        scores = self.gives.read(values, self._seconds(inputs.shape[-1])).to(inputs.dtype)
        if self.references is None:
            return scores
        return functional.normalize(scores, dim=1) @ functional.normalize(self.references.to(scores), dim=1).T


def window_starts(samples: int, window: int) -> list[int]:
    """First samples of windows that overlap by about half and fill a sound from its first to its last sample.

    Parameters
    ----------
    samples
        Of the sound, more than ``window``.
    window
        Samples.
    """
    count = -(-2 * (samples - window) // window)  # steps of half a window at most
    return [round(i * (samples - window) / count) for i in range(count + 1)]


def float_type(model: nn.Module) -> torch.dtype | None:
    """Type of the model's weights; None where it has none."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), None)


def outside(
    n_classes: int,
    *,
    source: Mapping[str, Any] | None,
    takes: Mapping[str, Any],
    gives: Mapping[str, Any],
    references: list[int] | None = None,
    model: nn.Module | None = None,
    **settings: Any,
) -> Outside:
    """Build the network of a saved classifier again; its weights come later.

    Parameters
    ----------
    n_classes
        Number of labels.
    source, takes, gives, **settings
        As of `Outside`, as JSON values.
    references
        Shape of the references, where there are any.
    model
        The model, instead of one that is built from its source.

    Raises
    ------
    ClassifierError
        If nothing says how the model is built.
    """
    del n_classes  # what the model gives follows from its weights
    if model is None:
        if source is None:
            raise ClassifierError(
                "nothing says how to build the model, which was wrapped in memory: pass it as network=, or make the "
                "run with a model that has a name (package.module:name, a folder, a file)"
            )
        model = rebuilt_model(source)
    empty = None if references is None else torch.zeros(references)
    return Outside(model, Takes(**takes), Gives(**gives), source=source, references=empty, **settings)
