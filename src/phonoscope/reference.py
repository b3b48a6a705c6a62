"""What stands for the speech that a classifier knows: means, spectra and a few inputs of its training tokens."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from phonoscope.errors import AttributionError
from phonoscope.frontends import in_batches, pad_waveforms
from phonoscope.modules import evaluation_mode

if TYPE_CHECKING:
    from phonoscope.classifier import Classifier

TRAINING, GIVEN = "training tokens", "given tokens"
NEUTRAL = "none: silence in pictures, a flat spectrum in sounds"
MOST_TOKENS = 128  # of those given
_MEASURED_TOKENS = 2048  # of those that a classifier was trained on, at most, for means and spectra
_KEPT_INPUTS, _KEPT_BYTES = 64, 4 * 2**20
_BATCH = 64
_PROBES = 8  # inputs on which layers are looked at
_LEVEL = 0.1  # of sounds where no token says otherwise
_WINDOW_SECONDS = 0.032


@dataclass(frozen=True)
class Reference:
    """Means, long-term spectra and some drawn inputs of tokens.

    Parameters
    ----------
    source
        Where it comes from: ``training tokens``, ``given tokens``, or ``none`` and what stands in.
    labels
        Names of the classes; none where there are no tokens.
    counts
        Tokens of each class, shape (classes,); a single class without a name where there are no tokens.
    spectra
        Mean long-term spectrum of each class, every token at the same level, as shares of the power, shape
        (classes, bins): from 0 Hz to half the sample rate.
    pictures
        Mean network input of each class, shape (classes, channels, rows, columns), one column where pictures are as
        long as their sounds; None for networks that take waveforms.
    drawn
        Network inputs of some tokens, shape (n, channels, rows, columns); None where there are none, where they differ
        in length, and for networks that take waveforms: those would be the voices themselves.
    logits
        Of the drawn tokens, shape (n, classes).
    seconds, level
        Medians of the tokens' durations (s) and root mean squares.
    """

    source: str
    labels: Sequence[str]
    counts: np.ndarray
    spectra: np.ndarray
    pictures: Tensor | None
    drawn: Tensor | None
    logits: np.ndarray
    seconds: float
    level: float

    @property
    def inputs(self) -> Tensor:
        """Network inputs of some tokens, shape (n, channels, rows, columns).

        Raises
        ------
        AttributionError
            If there are none.
        """
        if self.drawn is None:
            raise self._lacking("this method draws its baselines from training tokens")
        return self.drawn

    @property
    def mean_input(self) -> Tensor:
        """Mean input, every class weighing the same, shape (1, channels, rows, columns); of silence without tokens."""
        if self.pictures is None:
            raise AttributionError("this classifier takes waveforms, which have no mean picture: choose space=sound")
        return self.pictures[torch.from_numpy(self.counts > 0)].mean(0, keepdim=True)

    def class_mean_input(self, number: int) -> Tensor:
        """Mean input of the class at a position among the labels, shape (1, channels, rows, columns).

        Raises
        ------
        AttributionError
            If there is no token of that class.
        """
        self._check(number)
        assert self.pictures is not None  # only pictures have class means
        return self.pictures[number][None]

    def spectrum(self, number: int | None = None) -> np.ndarray:
        """Long-term spectrum of the class at a position, or of all, each class weighing the same, shape (bins,).

        Without tokens it is flat.
        """
        if number is None:
            return self.spectra[self.counts > 0].mean(axis=0)
        self._check(number)
        return self.spectra[number]

    def spectrum_at(self, hertz: np.ndarray, sample_rate: int, number: int | None = None) -> np.ndarray:
        """Square root of the long-term spectrum, shape of ``hertz``.

        Parameters
        ----------
        hertz
            Frequencies.
        sample_rate
            Of the tokens, Hz.
        number
            See ``spectrum``.
        """
        power = self.spectrum(number)
        return np.sqrt(np.interp(hertz, np.linspace(0, sample_rate / 2, len(power)), power))

    @torch.no_grad()
    def probe(self, classifier: Classifier) -> Tensor:
        """A few network inputs to look at layers with: drawn ones, or noise with the long-term spectrum."""
        if self.drawn is not None:
            return self.drawn[even_places(len(self.drawn), _PROBES)].to(classifier.device)
        samples, rate = max(2, round(self.seconds * classifier.sample_rate)), classifier.sample_rate
        noise = np.fft.rfft(np.random.default_rng(0).standard_normal((_PROBES, samples)))
        noise = np.fft.irfft(noise * self.spectrum_at(np.fft.rfftfreq(samples, 1 / rate), rate), n=samples)
        noise *= self.level / np.sqrt(np.square(noise).mean(axis=1, keepdims=True))
        return classifier.inputs(torch.from_numpy(noise.astype(np.float32)))

    def to_tensors(self) -> dict[str, Tensor]:
        """Everything as tensors by name, to be stored."""
        arrays = {"counts": self.counts, "spectra": self.spectra, "logits": self.logits}
        tensors = {name: torch.from_numpy(values.copy()) for name, values in arrays.items()}
        tensors["typical"] = torch.tensor([self.seconds, self.level])
        pictures = {"pictures": self.pictures, "drawn": self.drawn}
        return tensors | {name: values.contiguous() for name, values in pictures.items() if values is not None}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], labels: Sequence[str]) -> Reference:
        """Make again what ``to_tensors`` took apart.

        Raises
        ------
        ValueError, KeyError
            If something is missing, not finite or of another number of classes.
        """
        counts, spectra = tensors["counts"].numpy(), tensors["spectra"].numpy()
        seconds, level = tensors["typical"].tolist()
        pictures, drawn = tensors.get("pictures"), tensors.get("drawn")
        if not len(counts) == len(spectra) == len(labels) or counts.sum() < 1 or not seconds > 0:
            raise ValueError(f"expected means of {len(labels)} classes, found {len(counts)}")
        if pictures is not None and len(labels) != len(pictures):
            raise ValueError("the mean pictures are of another number of classes")
        whole = pictures is not None and pictures.shape[-1] > 1
        if pictures is not None and whole and (drawn is None or drawn.shape[1:] != pictures.shape[1:]):
            raise ValueError("the mean pictures do not fit the drawn ones")
        if not all(bool(torch.isfinite(values).all()) for values in tensors.values()):
            raise ValueError("values that are not finite")
        logits = tensors["logits"].numpy()
        return cls(TRAINING, labels, counts, spectra, pictures, drawn, logits, seconds, level)

    def _check(self, number: int) -> None:
        if not self.labels:
            raise self._lacking("means of a class need training tokens")
        if not self.counts[number]:
            raise AttributionError(
                f"none of the {self.counts.sum()} reference tokens is of the class {self.labels[number]!r}; pass more "
                "with reference="
            )

    def _lacking(self, what: str) -> AttributionError:
        return AttributionError(
            f"{what}, but the classifier carries none; pass reference=, or have it keep some: "
            "classifier.keep_reference(training_waveforms)"
        )


def measured_reference(classifier: Classifier, waveforms: Sequence[np.ndarray]) -> Reference:
    """Measure what stands for the speech that tokens are of, each of the class that the classifier predicts.

    Parameters
    ----------
    waveforms
        1-D arrays at the classifier's sample rate, without context.
    """
    return _measured(classifier, waveforms, np.arange(len(waveforms)), None, GIVEN, MOST_TOKENS)


def training_reference(
    classifier: Classifier, waveforms: Sequence[np.ndarray], classes: Sequence[str] | None = None
) -> Reference:
    """Measure at most 2,048 of a classifier's training tokens; see ``Classifier.keep_reference``.

    Parameters
    ----------
    classifier
        The classifier; it is left as it was.
    waveforms
        1-D arrays at the classifier's sample rate, without context; read a few at a time.
    classes
        True class of each; the predicted one by default.
    """
    order, numbers = np.arange(len(waveforms)), None
    if classes is not None:
        names, inverse = np.unique(np.asarray(classes, dtype=str), return_inverse=True)
        numbers = np.array([classifier.index_of(str(name)) for name in names], dtype=int)[inverse]
        order = np.argsort(numbers, kind="stable")
    picked = np.sort(order[even_places(len(order), _MEASURED_TOKENS)])
    most = max(1, min(_KEPT_INPUTS, _KEPT_BYTES // int(np.prod(classifier.front_end.shape) * 4)))
    return _measured(classifier, waveforms, picked, numbers, TRAINING, most)


def _measured(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray],
    picked: np.ndarray,
    numbers: np.ndarray | None,
    source: str,
    most_drawn: int,
) -> Reference:
    """Measure the picked waveforms; ``numbers`` are the classes of all, as positions among the labels."""
    if len(picked) == 0:
        raise AttributionError("no reference token was given; pass waveforms, or leave reference= out")
    n_classes, has_picture = len(classifier.labels), classifier.front_end.frequency_axis is not None
    natural = classifier.front_end.natural
    counts, sounding = np.zeros(n_classes, dtype=np.int64), np.zeros(n_classes)
    spectra = np.zeros((n_classes, _window_samples(classifier) // 2 + 1))
    sums, drawn, logits, seconds, levels = torch.zeros(()), [], [], [], []
    kept = np.isin(np.arange(len(picked)), even_places(len(picked), most_drawn))
    with evaluation_mode(classifier), torch.no_grad():
        batches = in_batches(classifier.front_end, len(picked), _BATCH, lambda i: len(waveforms[int(picked[i])]))
        for part in batches:
            waves = [np.asarray(waveforms[int(i)], dtype=np.float32) for i in picked[part]]
            inputs = classifier.inputs(*pad_waveforms(waves))
            outputs = classifier.network(inputs.clone()).float().cpu().numpy()  # a copy: it may work in place
            classes = outputs.argmax(axis=1) if numbers is None else numbers[picked[part]]
            logits.append(outputs[kept[part]])
            if has_picture:
                of_class = torch.nn.functional.one_hot(torch.from_numpy(classes), n_classes).double()
                shown = inputs.cpu()
                if natural:  # pictures as long as their sounds have a mean spectrum in common
                    shown = shown.mean(-1, keepdim=True)
                else:
                    drawn.append(shown[torch.from_numpy(kept[part])])
                sums = sums + torch.einsum("nc,n...->c...", of_class, shown.double())
            np.add.at(counts, classes, 1)
            for wave, number in zip(waves, classes, strict=True):
                seconds.append(len(wave) / classifier.sample_rate)
                levels.append(float(np.sqrt(np.mean(np.square(wave)))))
                if np.any(wave):
                    spectra[number] += _spectrum(wave, classifier)
                    sounding[number] += 1
    if not sounding.any():
        raise AttributionError(f"none of the {len(picked)} reference tokens sounds at all; pass others")
    spectra[sounding == 0] = spectra.sum(0) / sounding.sum()
    spectra /= np.maximum(sounding, 1)[:, None]
    pictures = None
    if has_picture:
        pictures = (sums / torch.from_numpy(counts).clamp_min(1).view(-1, *[1] * (sums.dim() - 1))).float()
    return Reference(
        source, classifier.labels, counts, spectra, pictures, torch.cat(drawn) if drawn else None,
        np.concatenate(logits), float(np.median(seconds)), float(np.median(levels)) or _LEVEL,
    )  # fmt: skip


@torch.no_grad()
def neutral_reference(classifier: Classifier) -> Reference:
    """Return what stands in where no token is known: what the front end makes of silence, and a flat spectrum."""
    bins = _window_samples(classifier) // 2 + 1
    pictures, seconds = None, classifier.front_end.usual_seconds
    if classifier.front_end.frequency_axis is not None:
        pictures = classifier.inputs(torch.zeros(1, round(seconds * classifier.sample_rate)))
        if classifier.front_end.natural:
            pictures = pictures.mean(-1, keepdim=True)
    flat, nothing = np.full((1, bins), 1 / bins), np.zeros((0, len(classifier.labels)))
    return Reference(NEUTRAL, (), np.ones(1, dtype=np.int64), flat, pictures, None, nothing, seconds, _LEVEL)


def choose_reference(classifier: Classifier, waveforms: Sequence[np.ndarray] | None = None) -> Reference:
    """Measure the tokens that are given, or take what the classifier carries, or silence.

    At most 128 tokens are used, evenly picked over their durations: their order makes no difference.
    """
    if waveforms is not None:
        return measured_reference(classifier, evenly_picked(waveforms))
    return classifier.reference or neutral_reference(classifier)


def even_places(count: int, most: int = MOST_TOKENS) -> np.ndarray:
    """Positions of at most so many of a list of tokens, evenly spread over it, shape (n,)."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)


def evenly_picked(waveforms: Sequence[np.ndarray]) -> list[np.ndarray]:
    """At most 128 of the waveforms, evenly picked over their durations; only those are held in memory."""
    # Length and checksum: an order that does not depend on how the tokens were listed.
    contents = [(len(w), zlib.crc32(np.ascontiguousarray(w, dtype=np.float32).tobytes())) for w in waveforms]
    order = sorted(range(len(contents)), key=contents.__getitem__)
    return [np.asarray(waveforms[order[i]], dtype=np.float32) for i in even_places(len(order))]


def _window_samples(classifier: Classifier) -> int:
    return 2 ** int(np.log2(_WINDOW_SECONDS * classifier.sample_rate))


def _spectrum(wave: np.ndarray, classifier: Classifier) -> np.ndarray:
    """Share of a token's power at each frequency, by Welch's method, shape (bins,)."""
    from scipy.signal import welch

    length = _window_samples(classifier)
    power = welch(np.pad(wave, (0, max(0, length - len(wave)))), classifier.sample_rate, nperseg=length)[1]
    return power / power.sum()
