"""Reading, writing and cutting of recordings; every fault of a file is named in an AudioError."""

import hashlib
import math
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import soundfile
import soxr

from phonoscope.errors import AudioError, CorpusError
from phonoscope.files import write_with
from phonoscope.left_out import LeftOut

# Alignments are made on frames of 10 ms, so the last boundary may lie up to one frame behind the last sample.
END_TOLERANCE_SECONDS = 0.010
SOUND_HASH = "audio_sha256"  # column of token tables: the same for copies of one recording under several names


@dataclass(frozen=True)
class AudioInfo:
    """What the header of a recording says: duration in s, sample rate in Hz, number of channels."""

    duration: float
    sample_rate: int
    channels: int


@contextmanager
def _opened(path: Path) -> Generator[soundfile.SoundFile]:
    try:
        status = path.stat()
    except (OSError, ValueError):
        status = None
    if status is None or not stat.S_ISREG(status.st_mode):
        raise AudioError(f"recording not found: {path}")
    if status.st_size == 0:
        raise AudioError(f"{path} is an empty file (0 bytes); copy the recording again")
    try:
        recording = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        raise AudioError(
            f"{path} cannot be read as audio ({error}); expected WAV, FLAC, OGG, MP3 or uncompressed NIST SPHERE"
        ) from error
    with recording:
        yield recording


def audio_info(path: str | Path) -> AudioInfo:
    """Read the header of a recording without its samples.

    Raises
    ------
    AudioError
        If the file is missing, empty or not audio.
    """
    with _opened(Path(path)) as recording:
        return AudioInfo(recording.frames / recording.samplerate, recording.samplerate, recording.channels)


def read_audio(
    path: str | Path, sample_rate: int | None = None, start: float | None = None, end: float | None = None
) -> tuple[np.ndarray, int]:
    """Read a recording, or a stretch of it, as one channel.

    Channels are averaged. Resampling (soxr, high quality) is done on the whole recording before the stretch is cut, so
    that ``read_audio(path, rate, start, end)`` is exactly that part of ``read_audio(path, rate)``.

    Parameters
    ----------
    path : path
        WAV (8 to 32 bit, float), FLAC, OGG, MP3 or uncompressed NIST SPHERE file.
    sample_rate : int, optional
        Rate wanted, in Hz; the recording's own rate if not given.
    start, end : float, optional
        Limits of the stretch in s. An end up to 10 ms behind the last sample is trimmed.

    Returns
    -------
    waveform : ndarray, float32, shape (samples,)
        Within [-1, 1] for integer formats.
    sample_rate : int
        Rate of `waveform` in Hz.

    Raises
    ------
    AudioError
        If the file is missing, empty, corrupt or has samples that are not finite, or the stretch is not inside it.
    """
    path = Path(path)
    if sample_rate is not None and sample_rate <= 0:
        raise AudioError(f"the sample rate must be positive; got {sample_rate} Hz")
    with _opened(path) as recording:
        rate, frames = recording.samplerate, recording.frames
        if frames == 0:
            raise AudioError(f"{path} holds no samples; record or copy it again")
        stretch = start is not None or end is not None
        first, last = _limits(path, frames / rate, rate, start, end) if stretch else (0, frames)
        resample = sample_rate is not None and sample_rate != rate
        try:
            if not resample and first:
                recording.seek(first)
            # A stretch that is resampled is cut afterwards: soxr needs the neighbouring samples.
            channels = recording.read(-1 if resample else last - first, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise AudioError(f"{path} is damaged: its samples cannot be read ({error})") from error
    if len(channels) < (frames if resample else last - first):
        raise AudioError(f"{path} is damaged: its header promises {frames} samples, fewer could be read")
    waveform = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1, dtype=np.float32)
    if not np.isfinite(waveform).all():
        raise AudioError(f"{path} holds samples that are not finite (NaN or infinity); export it again")
    if resample:
        waveform = soxr.resample(waveform, rate, sample_rate)
        rate = int(sample_rate or rate)
        if stretch:
            first, last = _limits(path, frames / recording.samplerate, rate, start, end)
            waveform = waveform[first:last]
    return np.ascontiguousarray(waveform, dtype=np.float32), int(rate)


def _limits(path: Path, duration: float, rate: int, start: float | None, end: float | None) -> tuple[int, int]:
    """First and last sample (exclusive) of a stretch given in s."""
    begin, stop = (0.0 if start is None else float(start)), (duration if end is None else float(end))
    reason = _stretch_fault(begin, stop, duration, rate)
    if reason:
        raise AudioError(f"{path} lasts {duration:.3f} s; the stretch {begin:.3f}–{stop:.3f} s {reason}")
    return round(begin * rate), min(round(stop * rate), round(duration * rate))


def _stretch_fault(start: float, end: float, duration: float, rate: int) -> str | None:
    """Why a stretch cannot be cut; None if it can."""
    if not (math.isfinite(start) and math.isfinite(end)):
        return "has no finite limits"
    if start < 0:
        return "begins before the recording"
    if end > duration + END_TOLERANCE_SECONDS:
        return "reaches more than 10 ms beyond the end of the recording"
    if min(round(end * rate), round(duration * rate)) <= round(start * rate):
        return "holds no sample (zero length or shorter than a sample)"
    return None


_SUBTYPES = {".wav": "FLOAT", ".flac": "PCM_24", ".ogg": "VORBIS"}


def write_audio(path: str | Path, waveform: np.ndarray, sample_rate: int, subtype: str | None = None) -> None:
    """Write one channel as WAV, FLAC or OGG (by the suffix of `path`); the file appears whole or not at all.

    Parameters
    ----------
    path : path
        File to write; folders are made as needed.
    waveform : ndarray, shape (samples,)
        Samples; within [-1, 1] for every sample type but float.
    sample_rate : int
        In Hz.
    subtype : str, optional
        Sample type in libsndfile's words ("PCM_16", "FLOAT" ...). By default what loses nothing: float for WAV, 24 bit
        for FLAC.

    Raises
    ------
    AudioError
        If the waveform is empty, not one-dimensional, not finite or would be clipped, or the suffix is unknown.
    """
    path = Path(path)
    waveform = np.asarray(waveform)
    suffix = path.suffix.lower()
    if suffix not in _SUBTYPES:
        raise AudioError(f"cannot write {path}: the suffix must be one of {', '.join(_SUBTYPES)}")
    if waveform.ndim != 1 or waveform.size == 0:
        raise AudioError(f"cannot write {path}: expected a waveform of shape (samples,), got shape {waveform.shape}")
    if not np.isfinite(waveform).all():
        raise AudioError(f"cannot write {path}: the waveform holds samples that are not finite")
    subtype = subtype or _SUBTYPES[suffix]
    peak = float(np.abs(waveform).max())
    if peak > 1 and subtype not in ("FLOAT", "DOUBLE"):
        raise AudioError(
            f"cannot write {path} as {subtype}: the peak is {peak:.3g} and would be clipped; scale it first"
        )
    try:
        write_with(
            path, lambda part: soundfile.write(part, waveform, int(sample_rate), subtype, format=suffix[1:].upper())
        )
    except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
        raise AudioError(f"cannot write {path}: {error}") from error


def cut(
    tokens: pd.DataFrame, sample_rate: int | None = None, context_seconds: float = 0.0, strict: bool = False
) -> tuple[list[np.ndarray], pd.DataFrame]:
    """Cut the waveforms of tokens out of their recordings.

    Each recording is opened (and resampled) once. Tokens that cannot be cut are left out and reported.

    Parameters
    ----------
    tokens : DataFrame
        Token table with ``attrs["roots"]`` (corpus name to the folder of the corpus).
    sample_rate : int, optional
        Rate wanted, in Hz. If not given the recordings keep their own rate, which must be one and the same.
    context_seconds : float
        Audio kept before and after each token, in s. Where the recording begins or ends earlier, zeros stand for it, so
        that the token always begins `context_seconds` after the beginning of its waveform.
    strict : bool
        Raise at the first token that cannot be cut.

    Returns
    -------
    waveforms : list of ndarray, float32, shape (samples,)
        One per token kept, in the order of the table.
    kept : DataFrame
        The tokens that could be cut, same order, with ``audio_sha256`` of their recording (see `sound_hash`);
        ``attrs["left_out"]`` tells of the others.

    Raises
    ------
    CorpusError
        If ``attrs["roots"]`` does not name a token's corpus, or sample rates differ and none was asked for.
    AudioError
        With `strict`, for the first token or recording at fault.
    """
    if context_seconds < 0:
        raise AudioError(f"the context must not be negative; got {context_seconds} s")
    roots = {name: Path(root) for name, root in tokens.attrs.get("roots", {}).items()}
    left_out = LeftOut(tokens.attrs.get("left_out", ()))
    waveforms: list[np.ndarray | None] = [None] * len(tokens)
    rates: dict[int, str] = {}
    hashes = np.full(len(tokens), np.nan, dtype=object)
    starts, ends, names = tokens["start"].to_numpy(), tokens["end"].to_numpy(), tokens["token"].to_numpy()
    for key, positions in tokens.groupby(["corpus", "recording"], sort=False, dropna=False).indices.items():
        corpus, recording = cast("tuple[str, str]", key)
        if corpus not in roots:
            raise CorpusError(
                f"the token table does not say where corpus {corpus!r} lies; expected tokens.attrs['roots'] to "
                f"name it, found: {', '.join(map(str, roots)) or 'nothing'}"
            )
        path = roots[corpus] / str(recording)
        try:
            waveform, rate = read_audio(path, sample_rate)
        except AudioError as error:
            if strict:
                raise
            reason = "audio missing" if not path.is_file() else "audio unreadable"
            left_out.add("recording", reason, 1, [str(error)])
            left_out.add("token", reason, len(positions), names[positions])
            continue
        rates.setdefault(rate, str(recording))
        hashes[positions] = sound_hash(waveform) or np.nan
        duration = len(waveform) / rate
        context = round(context_seconds * rate)
        for position in positions:
            start, end = float(starts[position]), float(ends[position])
            reason = _stretch_fault(start, end, duration, rate)
            if reason:
                if strict:
                    raise AudioError(
                        f"token {names[position]} ({start:.3f}–{end:.3f} s) {reason} ({path}, {duration:.3f} s)"
                    )
                left_out.add("token", reason, 1, [names[position]])
                continue
            waveforms[position] = window(waveform, round(start * rate), min(round(end * rate), len(waveform)), context)
    if len(rates) > 1:
        listed = ", ".join(f"{rate} Hz ({recording})" for rate, recording in sorted(rates.items()))
        raise CorpusError(f"the recordings have different sample rates: {listed}. Say which to use: sample_rate=...")
    kept = tokens.assign(**{SOUND_HASH: pd.Series(hashes, index=tokens.index, dtype=pd.Series(["text"]).dtype)})
    kept = kept[[waveform is not None for waveform in waveforms]].reset_index(drop=True)
    kept.attrs = {**tokens.attrs, "left_out": left_out.entries()}
    return [waveform for waveform in waveforms if waveform is not None], kept


def sound_hash(waveform: np.ndarray) -> str | None:
    """SHA-256 of samples as they are heard, whatever the format of their file; None where nothing sounds.

    Copies of a recording under other names, or as 16 bit and as float, share it; silence is nobody's copy.
    """
    if np.ptp(waveform) == 0:
        return None
    samples = np.asarray(waveform, dtype=np.float32) + 0.0  # float formats tell −0 from 0, others do not
    return hashlib.sha256(samples.tobytes()).hexdigest()


def window(waveform: np.ndarray, first: int, last: int, context: int) -> np.ndarray:
    """Samples first-context ... last+context, with zeros where the recording has none.

    Parameters
    ----------
    waveform : ndarray, shape (samples,)
        The recording.
    first, last, context : int
        In samples; `last` is not among them.
    """
    begin, stop = first - context, last + context
    inside = waveform[max(begin, 0) : stop]
    if len(inside) == stop - begin:
        return inside.copy()
    return np.pad(inside, (max(-begin, 0), max(stop - len(waveform), 0)))
