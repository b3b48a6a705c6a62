"""What a front end is, and how waveforms of different length are put into one batch for it."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from phonoscope.axes import FrequencyAxis, TimeAxis
from phonoscope.errors import ClassifierError, CutSoundWarning, PhonoscopeError

# Power re full scale below which a token counts as silence: far below any recording (24 bit: 1e-15), and far enough
# above the smallest float that gradients stay finite.
LEAST_POWER = 1e-20
# Columns of the time axis of a picture that is as long as its sound.
NATURAL_COLUMNS = 100
# Logarithmic units of pictures, in dB.
DB_PER_UNIT = {"dB": 1.0, "neper": 20 / math.log(10)}


def pad_waveforms(waveforms: Sequence[np.ndarray | Tensor]) -> tuple[Tensor, Tensor]:
    """Stack 1-D waveforms of different length.

    Returns
    -------
    padded, lengths
        Float32 tensor (batch, longest), zeros after each end, and int64 lengths in samples, shape (batch,).

    Raises
    ------
    ClassifierError
        If there is no waveform, or one is not of samples (`as_samples`).
    """
    if len(waveforms) == 0:
        raise ClassifierError("no waveform was given; pass a list of 1-D arrays")
    tensors = [torch.from_numpy(as_samples(w, f"waveform {i}")) for i, w in enumerate(waveforms)]
    padded = nn.utils.rnn.pad_sequence(tensors, batch_first=True)
    return padded, torch.tensor([t.numel() for t in tensors])


def as_samples(waveform: Any, name: str, error: type[PhonoscopeError] = ClassifierError) -> np.ndarray:
    """Samples of one sound in single precision, shape (samples,).

    Parameters
    ----------
    waveform
        1-D array, tensor or list of numbers within ±1.
    name
        What a message calls it.
    error
        Raised if it is none: of integers, which may be of any full scale; of several channels; empty; not finite.
    """
    if isinstance(waveform, (str, Path)):
        raise error(f"{name} is the name {str(waveform)!r}; read it with phonoscope.read_audio(path, sample_rate)")
    try:
        samples = np.asarray(_array_of(waveform))
    except (TypeError, ValueError) as fault:
        raise error(f"{name} is no array of samples: {fault}") from fault
    if samples.dtype.kind in "iu":
        raise error(
            f"{name} holds integers ({samples.dtype}), but samples lie within ±1: divide it by its full scale, which "
            "is 32768 for 16 bit"
        )
    if samples.dtype.kind != "f":
        raise error(f"{name} is no array of samples: it holds {samples.dtype}")
    if samples.ndim != 1 or len(samples) == 0:
        several = samples.ndim == 2 and min(samples.shape) > 0
        mean = f"; average its channels: waveform.mean({int(np.argmin(samples.shape))})" if several else ""
        raise error(f"{name} has shape {samples.shape}; expected a non-empty 1-D array of samples{mean}")
    if not np.isfinite(samples).all():
        raise error(f"{name} holds values that are not finite; repair or leave out the recording")
    return np.ascontiguousarray(samples, dtype=np.float32)


def listed_waveforms(waveforms: Any, error: type[PhonoscopeError] = ClassifierError) -> Sequence[np.ndarray]:
    """Waveforms as a list: a single one is one token.

    Parameters
    ----------
    waveforms
        A list of 1-D arrays, or one such array.
    error
        Raised if it is neither.
    """
    dimensions = getattr(waveforms, "ndim", None)
    if dimensions == 1 and str(getattr(waveforms, "dtype", "")) != "object":
        return [_array_of(waveforms)]
    if (dimensions is not None and dimensions != 1) or not isinstance(waveforms, (Sequence, np.ndarray)):
        what = type(waveforms).__name__ if dimensions is None else f"an array with {dimensions} dimensions"
        raise error(f"waveforms are {what}; expected a list of 1-D arrays of samples, one a token")
    if isinstance(waveforms, str):
        raise error(f"got the name {waveforms!r}, not waveforms; read it with phonoscope.read_audio(path, sample_rate)")
    if isinstance(waveforms, (list, tuple)):
        return [_array_of(waveform) for waveform in waveforms]
    return cast("Sequence[np.ndarray]", waveforms)


def _array_of(waveform: Any) -> Any:
    """A tensor as an array; anything else as it is."""
    if not isinstance(waveform, Tensor):
        return waveform
    values = waveform.detach().cpu()
    return (values.float() if values.is_floating_point() else values).numpy()


def in_batches(front_end: FrontEnd, count: int, size: int, samples_of: Callable[[int], int]) -> Iterator[slice]:
    """Cut a list of sounds into batches, in order: of equal lengths alone where the front end takes them as they are.

    Parameters
    ----------
    front_end
        Says whether lengths may differ (``natural``).
    count
        Number of sounds.
    size
        Most sounds of a batch.
    samples_of
        Length of a sound by its position; called only where lengths matter.
    """
    start = 0
    while start < count:
        stop = min(start + size, count)
        if front_end.natural:
            samples = samples_of(start)
            stop = next((i for i in range(start + 1, stop) if samples_of(i) != samples), stop)
        yield slice(start, stop)
        start = stop


def warn_of_cuts(front_end: FrontEnd, durations: np.ndarray, stacklevel: int = 3) -> None:
    """Say how much of sounds a front end of fixed length does not hear.

    Parameters
    ----------
    front_end
        Its time axis says how much it takes; one column more is not missed.
    durations
        Of the sounds, s, shape (sounds,).
    stacklevel
        Of the warning: 2 points at the caller of this function.

    Warns
    -----
    CutSoundWarning
        If a sound is longer.
    """
    axis = front_end.time_axis
    if axis.seconds is None:
        return
    beyond = np.maximum(durations - axis.seconds, 0.0)
    cut = int((beyond > axis.seconds / axis.columns).sum())
    if cut:
        where = "on both sides of their middle" if axis.start_seconds is None else "at their end"
        warnings.warn(
            f"{cut} of {len(durations)} sounds {'is' if cut == 1 else 'are'} longer than the {axis.seconds:.2f} s that "
            f"the front end {front_end.kind!r} takes: {beyond.sum():.2f} s of {durations.sum():.2f} s, {where}, are "
            "not heard. Cut the sounds, or choose a front end that takes more",
            CutSoundWarning,
            stacklevel=stacklevel,
        )


class FrontEnd(nn.Module, ABC):
    """The contract of a front end: what turns waveforms into a network's input and says where that lies in Hz and s.

    A front end of one's own is a subclass in one file. Wherever a front end is named (``build_front_end``, ``kind`` in
    a recipe's ``[front_end]``) it is known by its import path, ``package.module:Name``, or by the name of an entry
    point in the group ``phonoscope.front_ends``. Its arguments are ``sample_rate`` and any options of its own, as JSON
    values and not called ``kind``; it passes what follows to ``super().__init__`` and has two methods, ``forward`` and
    ``config``. What it makes must not depend on the other waveforms of the batch, nor on the padding; gradients must
    pass through it for the methods that change the sound. One that scales each token by its own sound, so that a change
    anywhere changes everything, has a third, ``reference_level``, and its ``forward`` takes ``level``: methods of
    attribution then hold the scaling of the untouched token still.

    Parameters
    ----------
    sample_rate
        Of the waveforms it takes, Hz.
    time_axis
        Columns of the picture, or samples.
    frequency_axis
        Rows of the picture, anywhere in Hz; None where the network's input has time only.
    unit
        Of the values: ``dB``, ``neper``, ``power`` …
    db_per_unit
        What one unit is in dB where the values are logarithms of power; known of the units in ``DB_PER_UNIT``. A slope
        is then in logits per dB, whatever the unit; in logits per unit where this is None.
    floor
        Value of a cell that holds nothing; None where each token's own least value is the best that can be said.
    window_seconds
        Length of the analysis window (Hann, or the like), s: no row resolves more finely than it can. None where a row
        resolves what it is high.
    usual_seconds
        Length of the sounds with which a network is looked at where no token says otherwise.

    Attributes
    ----------
    kind
        Name by which ``build_front_end`` finds it again: written into saved classifiers beside ``config()``.
    alone
        Whether it can be built without the network: not so if it is a part of it, see ``within``.
    natural
        Whether its output is as long as the sound: sounds of a batch are then equally long (see ``in_batches``), and
        its time axis is made of cells that are shares of the sound.
    """

    kind: str
    alone: bool = True
    natural: bool = False

    def __init__(
        self,
        sample_rate: int,
        time_axis: TimeAxis,
        frequency_axis: FrequencyAxis | None = None,
        *,
        unit: str = "dB",
        db_per_unit: float | None = None,
        floor: float | None = None,
        window_seconds: float | None = None,
        usual_seconds: float = 0.1,
    ) -> None:
        super().__init__()
        self.sample_rate, self.time_axis, self.frequency_axis = int(sample_rate), time_axis, frequency_axis
        self.unit, self.floor, self.window_seconds = unit, floor, window_seconds
        self.usual_seconds = usual_seconds
        self.db_per_unit = DB_PER_UNIT.get(unit) if db_per_unit is None else float(db_per_unit)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "kind" not in cls.__dict__:
            cls.kind = f"{cls.__module__}:{cls.__qualname__}"

    @abstractmethod
    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the network's input of zero-padded waveforms, shape (batch, *self.shape), lowest frequency first.

        Parameters
        ----------
        waveforms
            Shape (batch, samples), full scale ±1; zero after each length.
        lengths
            Samples of each waveform, shape (batch,); all the same when omitted.
        """

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the arguments that rebuild this front end, ``sample_rate`` among them, as JSON values."""

    def reference_level(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor | None:
        """What ``forward`` scales each of these waveforms by, shape (batch, …); None where it scales none.

        ``forward(changed, lengths, level=front_end.reference_level(untouched))`` then shows the change alone.
        """
        del waveforms, lengths
        return None

    def within(self, network: nn.Module) -> None:
        """Take notice of the network behind it, whenever a classifier is made of both; nothing by default."""
        del network

    @property
    def finest_hz(self) -> float | np.ndarray:
        """What rows resolve at best, however low they are, Hz: half-power width of a Hann window, or of each row."""
        return 0.0 if self.window_seconds is None else 1.44 / self.window_seconds

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one output: (1, rows, columns) or (1, samples)."""
        rows = () if self.frequency_axis is None else (self.frequency_axis.rows,)
        return 1, *rows, self.time_axis.columns

    def extra_repr(self) -> str:
        """Return the settings, for ``repr``."""
        return ", ".join(f"{key}={value!r}" for key, value in self.config().items())
