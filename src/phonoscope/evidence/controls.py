"""Maps that no network made: where the classes of a corpus differ, and how one token differs from what is usual.

They are the chance level that a map has to beat before it says anything about a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr

from phonoscope.attribution.maps import in_cells
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.evidence.peers import on_input_grid
from phonoscope.frontends import FrontEnd, Spectrogram, in_batches, pad_waveforms

Kind = Literal["weighted", "difference"]
KINDS: tuple[Kind, ...] = ("weighted", "difference")

# Of the mean variance: a cell that hardly varies must not outweigh all others.
_LEAST_VARIANCE = 0.01
_BATCH = 64
_COLUMNS_OF_RECORDINGS = 128  # frames of a whole recording, which may last seconds


def data_map(
    classifier: Classifier,
    waveforms: Sequence[np.ndarray],
    targets: Sequence[str],
    reference: Sequence[np.ndarray],
    reference_labels: Sequence[str],
    *,
    kind: Kind = "weighted",
) -> xr.DataArray:
    """Map tokens from the data alone: the network is never run, only its front end.

    Parameters
    ----------
    classifier
        Its front end makes the pictures; one that gives waveforms is replaced by a spectrogram of the same stretch.
    waveforms
        1-D arrays at ``classifier.sample_rate``, without context: the tokens to map.
    targets
        Class that each of them is mapped for.
    reference
        Waveforms of the corpus, without context, from which means and variances are taken.
    reference_labels
        Class of each; at least two classes.
    kind
        ``weighted``: (x − μ) · (μ_class − μ_rest) / σ², cell by cell, with the mean of all class means μ, the mean of
        the other classes' means μ_rest, and the variance within classes σ²: what a linear classifier without
        correlations sees. ``difference``: \\|μ_class − μ_rest\\|, the same for all tokens of a class, in the front
        end's unit.

    Returns
    -------
    DataArray, dims (token, frequency, time)
        On the grid of the network's input; signed for ``weighted``.

    Raises
    ------
    AttributionError
        If the kind is not known, labels and waveforms differ in number, or a target is no class of the reference.
    """
    if kind not in KINDS:
        raise AttributionError(f"kind is {kind!r}; choose one of {', '.join(KINDS)}")
    for what, sounds, labels in (("token", waveforms, targets), ("reference token", reference, reference_labels)):
        if len(sounds) != len(labels):
            raise AttributionError(f"{len(labels)} classes for {len(sounds)} {what}s; give one to each")
    front_end = picture_of(classifier)
    classes = np.asarray(reference_labels, dtype=str)
    names = sorted(set(classes))
    strange = sorted(set(map(str, targets)) - set(names))
    if len(names) < 2 or strange:
        raise AttributionError(
            f"the reference tokens are of {', '.join(names) or 'no class'}; expected at least two classes, among them "
            f"every target; found {', '.join(strange) or 'nothing else'}"
        )
    pictures = _pictures(front_end, reference)
    means = {name: pictures[classes == name].mean(axis=0) for name in names}
    contrasts = {
        name: means[name] - np.mean([means[other] for other in names if other != name], axis=0) for name in names
    }
    wanted = np.stack([contrasts[str(target)] for target in targets])
    if kind == "difference":
        values = np.abs(wanted)
    else:
        within = pictures - np.stack([means[name] for name in classes])
        variance = np.square(within).mean(axis=0)
        variance = np.maximum(variance, _LEAST_VARIANCE * variance.mean())
        values = (_pictures(front_end, waveforms) - np.mean(list(means.values()), axis=0)) * wanted / variance
    return on_input_grid(front_end, values, waveforms, method=f"data ({kind})")


def picture_of(classifier: Classifier) -> FrontEnd:
    """The classifier's front end, or a spectrogram of the same stretch of sound where it takes waveforms."""
    front_end = classifier.front_end
    if front_end.frequency_axis is not None:
        return front_end
    seconds = front_end.time_axis.seconds
    if seconds is None:
        return Spectrogram(front_end.sample_rate, columns=_COLUMNS_OF_RECORDINGS)
    return Spectrogram(front_end.sample_rate, time="fixed", seconds=seconds)


def _pictures(front_end: FrontEnd, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    """Front-end outputs in its unit, (token, rows, columns)."""
    import torch

    with torch.no_grad():
        parts = [
            in_cells(front_end, front_end(*pad_waveforms(waveforms[part])))[:, 0].double().numpy()
            for part in in_batches(front_end, len(waveforms), _BATCH, lambda i: len(waveforms[i]))
        ]
    return np.concatenate(parts)
