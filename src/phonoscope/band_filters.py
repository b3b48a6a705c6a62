"""Taking bands of frequency out of sounds, or everything else: zero-phase filters of finite length, levels matched.

The pass response is 1 inside a band and 0 outside, with raised-cosine edges in Hz; bands that share edges of the same
width add up to the whole sound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from phonoscope.errors import AudioError, ClassifierError

EDGE_HZ = 100.0
DEPTH_DB = -40.0
# The response to a click ends here, in reciprocals of the edge's width: 50 ms for edges of 100 Hz.
REACH_PER_EDGE = 5.0
_MOST_GAIN_DB = 40.0
# What a front end is deaf to must not shine through the range of a spectrogram.
_DEAF_DB = -80.0


def edges_hz(bands: np.ndarray, sample_rate: int, edge_hz: float = EDGE_HZ) -> np.ndarray:
    """Width of the transition at each edge of each band, Hz, shape of ``bands`` (..., 2).

    Parameters
    ----------
    bands
        Lower and upper edge of each, Hz, shape (..., 2).
    sample_rate
        Hz.
    edge_hz
        Width that is wanted.

    Notes
    -----
    It lies half inside and half outside the band. It is ``edge_hz``, but no more than the band's own width, and no
    more than fits between the edge and 0 Hz or half the sample rate; where a fifth of it does not fit there is no edge,
    marked by 0: the band reaches 0 Hz or half the sample rate.
    """
    bands = np.asarray(bands, dtype=float)
    if not np.isfinite(bands).all() or bands.shape[-1:] != (2,) or (bands[..., 1] <= bands[..., 0]).any():
        raise AudioError("bands need a lower and a higher edge in Hz each, the lower first; found " + str(bands[:3]))
    if not edge_hz > 0:
        raise AudioError(f"the edges of a filter need a width in Hz; got {edge_hz}")
    room = 2 * np.minimum(np.maximum(bands, 0.0), np.maximum(sample_rate / 2 - bands, 0.0))
    width = np.broadcast_to((bands[..., 1] - bands[..., 0])[..., None], bands.shape)
    # The upper edge of a narrow band at 0 Hz is an edge, though little room lies below it.
    no_edge = room < edge_hz / 5
    no_edge[..., 1] = 2 * (sample_rate / 2 - bands[..., 1]) < edge_hz / 5
    return np.where(no_edge, 0.0, np.minimum(np.minimum(room, width), edge_hz))


def reach_samples(bands: np.ndarray, sample_rate: int, edge_hz: float = EDGE_HZ) -> int:
    """Samples before and after a click after which the filters are exactly silent.

    Parameters
    ----------
    bands, sample_rate, edge_hz
        See ``edges_hz``.
    """
    edges = edges_hz(bands, sample_rate, edge_hz)
    narrowest = edges[edges > 0].min(initial=np.inf)
    return 0 if math.isinf(narrowest) else math.ceil(REACH_PER_EDGE / narrowest * sample_rate)


def pass_kernels(bands: np.ndarray, sample_rate: int, edge_hz: float = EDGE_HZ) -> np.ndarray:
    """Impulse responses that let bands pass, symmetric, shape (band, 2 · reach + 1), float64.

    Parameters
    ----------
    bands, sample_rate, edge_hz
        See ``edges_hz``; shape (band, 2).

    Notes
    -----
    Each edge is a low-pass ``2 f sinc(2 f t) · (π/4)(sinc(wt + ½) + sinc(wt − ½))``: a rectangle of half-width ``f``
    smoothed by a half cosine of width ``w`` in Hz. It is cut off at ``5 / w``, where its envelope has fallen 70 dB.
    """
    bands = np.asarray(bands, dtype=float)
    edges, reach = edges_hz(bands, sample_rate, edge_hz), reach_samples(bands, sample_rate, edge_hz)
    seconds = np.arange(-reach, reach + 1) / sample_rate

    def below(hertz: np.ndarray, width: np.ndarray) -> np.ndarray:
        """Let pass what lies below an edge: nothing below 0 Hz, everything below half the sample rate."""
        hertz, width = hertz[:, None], width[:, None]
        smooth = np.pi / 4 * (np.sinc(width * seconds + 0.5) + np.sinc(width * seconds - 0.5))
        taps = 2 * hertz * np.sinc(2 * hertz * seconds) * smooth / sample_rate
        inside = np.abs(seconds) * width <= REACH_PER_EDGE
        everything = np.where(hertz > sample_rate / 4, (seconds == 0).astype(float), 0.0)
        return np.where(width > 0, taps * inside, everything)

    return below(bands[:, 1], edges[:, 1]) - below(bands[:, 0], edges[:, 0])


def pass_responses(
    bands: np.ndarray, sample_rate: int, points: int, edge_hz: float = EDGE_HZ, device: torch.device | str = "cpu"
) -> Tensor:
    """Responses of ``pass_kernels`` at the frequencies of an FFT, real, shape (band, points // 2 + 1).

    Parameters
    ----------
    bands, sample_rate, edge_hz
        See ``edges_hz``; shape (band, 2).
    points
        Samples of the FFT.
    device
        Of the result.

    Raises
    ------
    AudioError
        If the FFT is shorter than the kernels.
    """
    kernels = pass_kernels(bands, sample_rate, edge_hz)
    reach = kernels.shape[1] // 2
    if points < kernels.shape[1]:
        raise AudioError(f"an FFT of {points} samples is too short for filters of {kernels.shape[1]}")
    around_zero = np.zeros((len(kernels), points))
    around_zero[:, : reach + 1] = kernels[:, reach:]
    if reach:
        around_zero[:, -reach:] = kernels[:, :reach]
    return torch.from_numpy(np.fft.rfft(around_zero).real.astype(np.float32)).to(device)


def fft_points(samples: int, reach: int) -> int:
    """Length of an FFT that holds filtered sounds whole: nothing wraps around, and powers can be read off spectra."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(samples + 2 * reach, real=True))


def power(sounds: Tensor, lengths: Tensor, context: int = 0) -> Tensor:
    """Mean square of each sound without its context, shape (batch,).

    Parameters
    ----------
    sounds, lengths
        Zero-padded waveforms (batch, samples) and the samples of each, shape (batch,).
    context
        Samples before and after each token.
    """
    sample = torch.arange(sounds.shape[1], device=sounds.device)
    inside = (sample >= context) & (sample < (lengths - context)[:, None])
    return (sounds.square() * inside).sum(1) / (lengths - 2 * context).clamp_min(1)


def match_power(sounds: Tensor, wanted: Tensor, lengths: Tensor, context: int = 0) -> Tensor:
    """Bring sounds to a mean square, raised by 40 dB at most; silence stays silence.

    Parameters
    ----------
    sounds, lengths, context
        See ``power``.
    wanted
        Mean square of each, shape (batch,).
    """
    is_power = power(sounds, lengths, context)
    gain = (wanted / is_power.clamp_min(torch.finfo(sounds.dtype).tiny)).sqrt()
    return sounds * gain.clamp_max(10 ** (_MOST_GAIN_DB / 20))[:, None]


def filter_sounds(
    sounds: Tensor,
    lengths: Tensor,
    sample_rate: int,
    bands: np.ndarray,
    *,
    keep: bool = False,
    depth_db: float = DEPTH_DB,
    edge_hz: float = EDGE_HZ,
    match: bool = True,
    context: int = 0,
    fill: Tensor | None = None,
) -> Tensor:
    """Take a band out of each sound, or everything but the band, with zero phase.

    Parameters
    ----------
    sounds, lengths
        Zero-padded waveforms (batch, samples) and the samples of each, shape (batch,).
    sample_rate
        Hz.
    bands
        Hz, shape (batch, 2), or (2,) for the same band in all.
    keep
        False attenuates the band (band-stop), True everything else (band-pass).
    depth_db
        Level of what is taken away, dB; ``-inf`` leaves nothing.
    edge_hz
        Width of the raised-cosine edges; see ``edges_hz``. A click rings for at most ``5 / edge_hz`` seconds.
    match
        Bring each sound back to its own mean square (without its context), raised by 40 dB at most.
    context
        Samples before and after each token that belong to the sound but not to the token.
    fill
        Sounds (batch, samples) that are put where something is taken away.

    Returns
    -------
    Tensor
        Shape (batch, samples), zero behind each length.

    Raises
    ------
    AudioError
        If a band has no width or the depth is above 0 dB.
    """
    if not depth_db <= 0:
        raise AudioError(f"depth_db is {depth_db}; what is taken away needs a level of 0 dB or below, e.g. -40")
    rows = np.broadcast_to(np.asarray(bands, dtype=float), (len(sounds), 2))
    different, which = np.unique(rows, axis=0, return_inverse=True)
    points = fft_points(sounds.shape[1], reach_samples(different, sample_rate, edge_hz))
    passed = pass_responses(different, sample_rate, points, edge_hz, sounds.device)
    kept = (passed if keep else 1 - passed)[torch.from_numpy(which.reshape(-1)).to(sounds.device)]
    inside = torch.arange(sounds.shape[1], device=sounds.device) < lengths[:, None]
    sounds = sounds * inside
    left = 10 ** (depth_db / 20)
    spectra = torch.fft.rfft(sounds, n=points) * (left + (1 - left) * kept)
    if fill is not None:
        spectra = spectra + torch.fft.rfft(fill * inside, n=points) * (1 - kept)
    filtered = torch.fft.irfft(spectra, n=points)[:, : sounds.shape[1]] * inside
    return match_power(filtered, power(sounds, lengths, context), lengths, context) if match else filtered


def checked_bands(bands: Sequence[Sequence[float]], sample_rate: int) -> list[list[float]]:
    """Bands that a front end is to be deaf to, Hz; ClassifierError unless something is left to hear."""
    try:
        pairs = [[float(low), float(high)] for low, high in bands]
    except (TypeError, ValueError):
        pairs = [[0.0, 0.0]]
    for low, high in pairs:
        if not 0 <= low < high or low >= sample_rate / 2 or (low == 0 and high >= sample_rate / 2):
            raise ClassifierError(
                f"without_hz is {bands!r}; expected pairs of a lower and an upper edge between 0 and "
                f"{sample_rate / 2:g} Hz that leave something to hear, e.g. [[0, 700], [2000, 3000]]"
            )
    return pairs


def without_bands(
    sounds: Tensor, lengths: Tensor | None, sample_rate: int, bands: Sequence[Sequence[float]]
) -> tuple[Tensor, Tensor]:
    """Take bands out of sounds altogether, one after the other, and say how long each sound is.

    Parameters
    ----------
    sounds
        Zero-padded waveforms (batch, samples).
    lengths
        Samples of each, shape (batch,); all the same when omitted.
    sample_rate
        Hz.
    bands
        Lower and upper edge of each, Hz, as from ``checked_bands``.

    Returns
    -------
    sounds, lengths
        Both on the device of the sounds.
    """
    batch, samples = sounds.shape
    lengths = (torch.full((batch,), samples) if lengths is None else lengths).to(sounds.device)
    for band in bands:
        sounds = filter_sounds(sounds, lengths, sample_rate, np.array(band), depth_db=_DEAF_DB, match=False)
    return sounds, lengths
