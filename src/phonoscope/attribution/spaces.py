"""Where a map is made: on the network's picture, or on the sound through an exact STFT and its inverse.

A space turns a batch into examples, examples into logits, and values at the examples into maps in Hz and s. Methods
that work on inputs are written once and hold in every space.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from phonoscope.attribution.maps import Placement, input_placement, spread_in_time
from phonoscope.attribution.method import Batch, Setting
from phonoscope.attribution.passes import Forward
from phonoscope.attribution.scaling import reference_level
from phonoscope.axes import TimeAxis
from phonoscope.cells import Cells
from phonoscope.errors import AttributionError
from phonoscope.frontends import DB_PER_UNIT

BASELINES = "zero, silence, floor, mean, or class:NAME"
_TIME_CELLS = 64

# From a batch and its examples to the examples that stand for "nothing said".
Neutral = Callable[[Batch, Tensor], Tensor]


def choose_space(setting: Setting, name: str) -> Space:
    """Return the space called ``picture`` or ``sound``; ``auto`` takes the picture where the network sees one.

    Raises
    ------
    AttributionError
        If the name is not known, or the network sees no picture.
    """
    has_picture = setting.classifier.front_end.frequency_axis is not None
    if name not in ("auto", "picture", "sound"):
        raise AttributionError(f"space={name} is not known; choose auto, picture or sound")
    if name == "picture" and not has_picture:
        raise AttributionError("this classifier takes waveforms and sees no picture: choose space=sound")
    return Picture(setting) if has_picture and name != "sound" else Sound(setting)


class Picture:
    """The network's own input: a picture in the front end's unit, standardised.

    ``scale`` is how much of ``unit`` one step of a network's input is: dB wherever the picture is logarithmic.
    """

    reads = "inputs"

    def __init__(self, setting: Setting) -> None:
        front_end = setting.classifier.front_end
        self.setting, self.placement = setting, input_placement(front_end)
        self.unit = front_end.unit if front_end.db_per_unit is None else "dB"
        self.scale = setting.classifier.input_sd * (front_end.db_per_unit or 1.0)

    def examples(self, batch: Batch) -> Tensor:
        """Return the network's inputs, shape (batch, channels, rows, columns)."""
        return batch.inputs

    def forward(self, batch: Batch) -> Forward:
        """Return the network."""
        del batch
        network = self.setting.classifier.network
        return lambda examples, _owners: network(examples)

    def neutral(self, baseline: str) -> Neutral:
        """Baselines: see ``BASELINES``; ``zero`` is the mean level of the training pictures."""
        classifier, reference = self.setting.classifier, self.setting.reference
        kind, _, label = baseline.partition(":")
        if baseline == "floor":
            return lambda _batch, examples: examples.amin((1, 2, 3), keepdim=True).expand_as(examples)
        if baseline == "zero":
            picture = torch.zeros(1, 1, 1, 1)
        elif baseline == "silence":
            front_end = classifier.front_end
            with torch.no_grad():
                picture = classifier.inputs(torch.zeros(1, round(front_end.usual_seconds * classifier.sample_rate)))
            if front_end.natural:
                picture = picture.mean(-1, keepdim=True)
        elif baseline == "mean":
            picture = reference.mean_input
        elif kind == "class" and label:
            picture = reference.class_mean_input(classifier.index_of(label))
        else:
            raise AttributionError(f"baseline={baseline} is not known; choose {BASELINES}")
        return lambda _batch, examples: picture.to(examples).expand_as(examples)

    def to_map(self, values: Tensor, batch: Batch) -> Tensor:
        """Sum over the channels; columns of pictures that are as long as their sounds go into the cells they cover."""
        del batch
        maps, front_end = values.sum(1), self.setting.classifier.front_end
        if not front_end.natural:
            return maps
        columns = maps.shape[2]
        return maps @ spread_in_time(Cells(0, 0, 1, columns), columns, front_end.time_axis.columns).to(maps)

    def per_unit(self, gradients: Tensor, examples: Tensor) -> Tensor:
        """Undo the standardisation: per dB of a logarithmic picture, else per unit of the front end."""
        del examples
        return gradients / self.scale


class Sound:
    """A virtual inspection layer (Vielhaben et al. 2024): STFT coefficients of the sound, exactly inverted.

    Frames of a Hann window at a quarter of its length overlap to a constant, so the sound is rebuilt up to rounding.
    Frames are summed into cells of time that all tokens share, so nothing is lost of what a map sums to.

    Parameters
    ----------
    window_seconds
        Length of the window; bins are its reciprocal apart.
    """

    reads, unit = "sounds", "dB"

    def __init__(self, setting: Setting, window_seconds: float = 0.02) -> None:
        self.setting = setting
        classifier = setting.classifier
        rate, axis = classifier.sample_rate, classifier.front_end.time_axis
        self.hop = max(1, round(window_seconds * rate / 4))
        self.window_samples = 4 * self.hop
        self.window = torch.hann_window(self.window_samples, periodic=True)
        front_end = classifier.front_end
        cells = axis.columns if front_end.natural or front_end.frequency_axis is not None else _TIME_CELLS
        self.time_axis = TimeAxis(cells, axis.seconds, start_seconds=axis.start_seconds)
        bins = np.arange(self.window_samples // 2 + 1) * rate / self.window_samples
        width, step = 1.44 * rate / self.window_samples, (axis.seconds or 1.0) / cells
        seconds = self.window_samples / rate
        spread = seconds if axis.seconds else min(1.0, seconds / setting.reference.seconds)
        self.placement = Placement(
            "sound", bins, self.time_axis.centres, float(bins[1]), 4 * float(bins[1]), width, step, spread,
            max(step, spread / 2), self.time_axis,
        )  # fmt: skip

    def examples(self, batch: Batch) -> Tensor:
        """STFT of the tokens, shape (batch, 2, frequency, frame): real and imaginary parts."""
        inside = torch.arange(batch.tokens.shape[1], device=batch.sounds.device) < batch.token_lengths[:, None]
        tokens = functional.pad(batch.tokens * inside, self._margins(batch.tokens.shape[1]))
        frames = tokens.unfold(1, self.window_samples, self.hop) * self.window.to(tokens)
        return torch.view_as_real(torch.fft.rfft(frames)).permute(0, 3, 2, 1).contiguous()

    def _margins(self, samples: int) -> tuple[int, int]:
        """Zeros before and behind, so that every sample lies under four whole windows."""
        return self.window_samples, self.window_samples + (-samples) % self.hop

    def rebuilt(self, examples: Tensor, samples: int) -> Tensor:
        """Sounds of STFT coefficients, shape (n, samples)."""
        spectra = torch.view_as_complex(examples.permute(0, 3, 2, 1).contiguous())
        frames = torch.fft.irfft(spectra, n=self.window_samples) * self.window.to(examples)
        before, behind = self._margins(samples)
        summed = functional.fold(
            frames.transpose(1, 2), (1, samples + before + behind), (1, self.window_samples), stride=(1, self.hop)
        )
        return summed[:, 0, 0, before : before + samples] / 1.5  # four squared Hann windows sum to 3/2

    def forward(self, batch: Batch) -> Forward:
        """From coefficients through the inverse STFT and the untouched front end to the logits.

        What the front end scales a token by is held, so that a change of some coefficients is heard at their places.
        """
        classifier, lengths, samples = self.setting.classifier, batch.token_lengths, batch.tokens.shape[1]
        level = reference_level(classifier, batch)

        def run(examples: Tensor, owners: Tensor) -> Tensor:
            held = None if level is None else level[owners]
            return classifier.network(classifier.inputs(self.rebuilt(examples, samples), lengths[owners], held))

        return run

    def neutral(self, baseline: str) -> Neutral:
        """Baselines: nothing (``zero, silence, floor``), or the token with the average spectrum of speech.

        For ``mean`` and ``class:NAME`` every frame keeps its energy and the phases, and takes on the long-term
        spectrum of the reference tokens; without any, a flat one.
        """
        kind, _, label = baseline.partition(":")
        if baseline in ("zero", "silence", "floor"):
            return lambda _batch, examples: torch.zeros_like(examples)
        if baseline != "mean" and not (kind == "class" and label):
            raise AttributionError(f"baseline={baseline} is not known; choose {BASELINES}")
        classifier, number = self.setting.classifier, self.setting.class_number(label)
        shape = self.setting.reference.spectrum_at(self.placement.frequency, classifier.sample_rate, number)
        magnitude = torch.from_numpy(shape / np.sqrt(np.square(shape).sum()))[:, None]

        def average(_batch: Batch, examples: Tensor) -> Tensor:
            size = examples.square().sum(1, keepdim=True).sqrt()
            energy = size.square().sum(2, keepdim=True).sqrt()
            return examples / size.clamp_min(torch.finfo(size.dtype).tiny) * energy * magnitude.to(examples)

        return average

    def to_map(self, values: Tensor, batch: Batch) -> Tensor:
        """Sum real and imaginary parts, and frames into the cells of time."""
        rate, cells = self.setting.classifier.sample_rate, self.time_axis.columns
        frames = torch.arange(values.shape[3], device=values.device)
        centre = (frames * self.hop - self.window_samples / 2)[None] / rate
        seconds = batch.token_lengths.to(values)[:, None] / rate
        if self.time_axis.seconds is None:
            share = centre / seconds
        else:
            share = (centre - self.time_axis.start_in(seconds)) / self.time_axis.seconds
        index = (share * cells).floor().clamp(0, cells - 1).long()
        maps = values.new_zeros(values.shape[0], values.shape[2], cells)
        return maps.scatter_add_(2, index[:, None].expand(-1, values.shape[2], -1), values.sum(1))

    def per_unit(self, gradients: Tensor, examples: Tensor) -> Tensor:
        """Gradient along each coefficient's own direction, per dB of its level."""
        return gradients * examples / DB_PER_UNIT["neper"]


# ``reads`` is where noise is added: to the ``inputs`` of the network or to the ``sounds``; ``unit`` is that of a cell.
Space = Picture | Sound
