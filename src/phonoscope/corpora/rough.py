"""Rough alignment for languages without an acoustic model: the recording is warped onto the speech of espeak-ng."""

import numpy as np
import soxr
from scipy.fft import dct
from scipy.ndimage import uniform_filter1d

from phonoscope.corpora.aligner import (
    FRAME_SECONDS,
    SAMPLE_RATE_HZ,
    SHORTEST_RECORDING_SECONDS,
    SILENCE_DB,
    Alignment,
    misplaced,
)
from phonoscope.corpora.espeak import speak
from phonoscope.corpora.textgrid import Interval

WINDOW_SECONDS = 0.025
COEFFICIENTS = 6
BANDS = 32
# A stretch is a pause if it stays for this long below this share of the range from floor to speech, in dB.
PAUSE_SECONDS = 0.12
PAUSE_SHARE = 0.3
SHORTEST_PHONE_FRAMES = 2
# The whole table of distances is kept: 90 s against as many are 650 MB.
LONGEST_SECONDS = 90.0
# Standing still in one of the two costs more than going on in both.
STILL_COST = 1.5
# How often the synthetic voice is fitted to the recording by regression, and the weight of the ridge in it.
FITS = 2
RIDGE = 1.0


def align_rough(waveform: np.ndarray, text: str, language: str) -> Alignment:
    """Align a recording roughly with its text, in any language that espeak-ng speaks.

    Pauses are cut out of both; level, the first mel-frequency cepstra and the slopes of all, standardised over the
    utterance so that voice and room count less, are matched by dynamic time warping (Sakoe and Chiba 1978, IEEE Trans.
    ASSP 26(1), 43–49, with symmetric steps). Twice the synthetic voice is then fitted to the recording by ridge
    regression over the matched frames, and matched again. The phones of espeak-ng are carried over. They are those of a
    careful speaker: what was said otherwise, or left out, is not noticed. Boundaries lie on a 10-ms grid; no phone is
    shorter than 20 ms.

    Parameters
    ----------
    waveform : ndarray, shape (samples,)
        One channel at 16 kHz, within [-1, 1].
    text : str
        What is said.
    language : str
        A code of espeak-ng, such as "de" or "cmn".

    Returns
    -------
    Alignment
        Status "rough", or "failed" or "silent" with a reason. Phones are IPA.

    Raises
    ------
    CorpusError
        If espeak-ng is not installed, does not speak the language or says nothing.
    """
    duration = len(waveform) / SAMPLE_RATE_HZ
    if not SHORTEST_RECORDING_SECONDS <= duration <= LONGEST_SECONDS:
        span = f"{SHORTEST_RECORDING_SECONDS:g} to {LONGEST_SECONDS:g} s"
        return Alignment("failed", f"the recording lasts {duration:.3f} s; a rough alignment takes {span}: cut it")
    spoken = speak(text, language)
    model = soxr.resample(spoken.waveform, spoken.sample_rate, SAMPLE_RATE_HZ)
    mine, levels = _features(waveform)
    theirs, _ = _features(model)
    loudest = levels.max()
    if loudest < SILENCE_DB:
        return Alignment("silent", f"nothing is louder than {loudest:.0f} dB below full scale")
    kept = np.flatnonzero(_speech(levels))
    # The phones say where espeak-ng pauses.
    frames = [(round(p.start / FRAME_SECONDS), round(p.end / FRAME_SECONDS)) for p in spoken.phones]
    said = np.unique(np.concatenate([np.arange(a, min(max(b, a + 1), len(theirs))) for a, b in frames]))
    if len(kept) < SHORTEST_PHONE_FRAMES * len(frames):
        reason = f"{len(frames)} phones do not fit into {len(kept) * FRAME_SECONDS:.2f} s of speech; is it cut off?"
        return Alignment("failed", reason)
    first = _fitted_warp(mine[kept], theirs[said])
    edges = np.append(first[np.searchsorted(said, [a for a, _ in frames]).clip(max=len(said) - 1)], len(kept))
    edges[0] = 0
    phones = [
        _interval(p.label, kept[a:b], duration)
        for p, a, b in zip(spoken.phones, *_spread(edges, len(kept)), strict=True)
    ]
    words = []
    for number, word in enumerate(spoken.words):
        own = [phone for phone, of in zip(phones, spoken.word_of, strict=True) if of == number]
        words.append(Interval(own[0].start, own[-1].end, word))
    alignment = Alignment("rough", f"espeak-ng ({language}) and time warping", tuple(words), tuple(phones))
    return misplaced(waveform, alignment) or alignment


def warp(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Match two series of vectors by dynamic time warping.

    Parameters
    ----------
    mine : ndarray, shape (n, features)
        The one to be divided.
    theirs : ndarray, shape (m, features)
        The one whose divisions are known.

    Returns
    -------
    ndarray of int, shape (m,)
        For each vector of `theirs` the first of `mine` that is matched with it; never falls.
    """
    squares = (mine**2).sum(1)[:, None] + (theirs**2).sum(1) - 2 * mine @ theirs.T
    cost = np.sqrt(np.maximum(squares, 0))
    total = np.empty_like(cost)
    total[0] = np.cumsum(cost[0])
    for row in range(1, len(cost)):
        above, here = total[row - 1], cost[row]
        # Diagonal steps count both of the frames that they pass, so that no path is short by being crooked.
        best = above + STILL_COST * here
        best[1:] = np.minimum(best[1:], above[:-1] + 2 * here[1:])
        # Steps along the row: total[j] = min over i ≤ j of best[i] + the costs from i + 1 to j.
        along = STILL_COST * np.cumsum(here)
        total[row] = along + np.minimum.accumulate(best - along)
    first = np.zeros(len(theirs), dtype=int)
    row, column = cost.shape[0] - 1, cost.shape[1] - 1
    while row or column:
        first[column] = row
        step = cost[row, column]
        ways = [
            (total[row - 1, column - 1] + 2 * step, row - 1, column - 1) if row and column else (np.inf, 0, 0),
            (total[row - 1, column] + STILL_COST * step, row - 1, column) if row else (np.inf, 0, 0),
            (total[row, column - 1] + STILL_COST * step, row, column - 1) if column else (np.inf, 0, 0),
        ]
        _, row, column = min(ways)
    first[0] = 0
    return first


def _fitted_warp(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Warp, with `theirs` moved towards `mine` by what an earlier warp matched."""
    mine, theirs = _standard(mine), _standard(theirs)
    first = warp(mine, theirs)
    known = np.hstack([theirs, np.ones((len(theirs), 1))])
    ridge = RIDGE * len(known) * np.eye(known.shape[1])
    for _ in range(FITS):
        ends = np.maximum(np.append(first[1:], len(mine)), first + 1)
        matched = np.array([mine[start:end].mean(0) for start, end in zip(first, ends, strict=True)])
        first = warp(mine, _standard(known @ np.linalg.solve(known.T @ known + ridge, known.T @ matched)))
    return first


def _features(waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cepstra, level and their slopes, shape (frames, 14), and the level alone, in dB re full scale."""
    size, step = round(WINDOW_SECONDS * SAMPLE_RATE_HZ), round(FRAME_SECONDS * SAMPLE_RATE_HZ)
    # Frame i is centred on i + 1/2 steps.
    padded = np.pad(waveform, (size // 2 - step // 2, size))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::step][: len(waveform) // step]
    power = np.abs(np.fft.rfft((windows - windows.mean(1, keepdims=True)) * np.hanning(size), 512)) ** 2
    bands = np.log(power @ _mel_bands() + 1e-8)
    cepstra = dct(bands, norm="ortho")[:, 1 : COEFFICIENTS + 1]
    level = 10 * np.log10(np.mean(windows**2, axis=1) + 1e-20)
    features = np.column_stack([cepstra, level])
    return np.hstack([features, np.gradient(uniform_filter1d(features, 3, axis=0), axis=0)]), level


def _mel_bands() -> np.ndarray:
    """Triangles equally wide in mel from 80 to 7600 Hz, shape (bins, bands)."""
    mels = np.linspace(*(2595 * np.log10(1 + np.array([80, 7600]) / 700)), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    bins = np.fft.rfftfreq(512, 1 / SAMPLE_RATE_HZ)[:, None]
    rising, falling = (bins - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - bins) / np.diff(edges)[1:]
    return np.clip(np.minimum(rising, falling), 0, None)


def _speech(levels: np.ndarray) -> np.ndarray:
    """Whether each frame belongs to speech, short closures included."""
    floor, top = np.percentile(levels, [5, 95])
    quiet = levels < floor + PAUSE_SHARE * (top - floor)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet, [0]])))
    speech = np.ones(len(levels), dtype=bool)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if (end - start) * FRAME_SECONDS >= PAUSE_SECONDS or start == 0 or end == len(levels):
            speech[start:end] = False
    return speech


def _standard(features: np.ndarray) -> np.ndarray:
    return (features - features.mean(0)) / np.maximum(features.std(0), 1e-6)


def _spread(edges: np.ndarray, total: int) -> tuple[np.ndarray, np.ndarray]:
    """First frame of each phone and the one after its last, every phone at least `SHORTEST_PHONE_FRAMES` long."""
    steps = SHORTEST_PHONE_FRAMES * np.arange(len(edges))
    late = np.maximum.accumulate(edges - steps) + steps
    most = total - SHORTEST_PHONE_FRAMES * (len(edges) - 1) + steps
    late = np.minimum(late, most)
    return late[:-1], late[1:]


def _interval(label: str, frames: np.ndarray, duration: float) -> Interval:
    """A phone's frames to s; one that a pause divides keeps its longer part."""
    parts = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    part = max(parts, key=len)
    end = (part[-1] + 1) * FRAME_SECONDS
    return Interval(
        round(part[0] * FRAME_SECONDS, 6), duration if duration - end < FRAME_SECONDS else round(end, 6), label
    )
