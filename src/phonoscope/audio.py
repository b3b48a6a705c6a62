"""Reading, writing and cutting of recordings; every fault of a file is named in an AudioError."""

import hashlib
import math
import stat
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import soundfile
import soxr

from phonoscope.errors import AudioError, CorpusError
from phonoscope.files import write_with
from phonoscope.left_out import LeftOut

# Alignments are made on frames of 10 ms, so the last boundary may lie up to one frame behind the last sample.
END_TOLERANCE_SECONDS = 0.010
CHANNEL = "channel"  # column of token tables: which channel of the recording holds the token, from 1
NATIVE_RATE = "native_rate"  # column of token tables: rate of the recording, Hz, where it was resampled
SOUND_HASH = "audio_sha256"  # column of token tables: the same for copies of one recording under several names
_BLOCK_FRAMES = 2**18  # samples of each channel that are held in memory while a recording is read
_EXACT_SEEKS = frozenset({"WAV", "WAVEX", "RF64", "W64", "AIFF", "CAF", "AU", "FLAC", "NIST"})


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
            f"{path} cannot be read as audio ({error}); expected WAV, FLAC, OGG, Opus, MP3, CAF or uncompressed NIST "
            "SPHERE; convert others with: ffmpeg -i RECORDING OUT.wav"
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
    path: str | Path,
    sample_rate: int | None = None,
    start: float | None = None,
    end: float | None = None,
    *,
    channel: int | None = None,
) -> tuple[np.ndarray, int]:
    """Read a recording, or a stretch of it, as one channel.

    Channels are averaged, unless one is named. Resampling (soxr, high quality) is done on the whole recording before
    the stretch is cut, so that ``read_audio(path, rate, start, end)`` is exactly that part of ``read_audio(path,
    rate)``.

    Parameters
    ----------
    path : path
        WAV (8 to 32 bit, float), FLAC, OGG, MP3 or uncompressed NIST SPHERE file.
    sample_rate : int, optional
        Rate wanted, in Hz; the recording's own rate if not given.
    start, end : float, optional
        Limits of the stretch in s. An end up to 10 ms behind the last sample is trimmed.
    channel : int, optional
        The channel to read, from 1 (left).

    Returns
    -------
    waveform : ndarray, float32, shape (samples,)
        Within [-1, 1] for integer formats.
    sample_rate : int
        Rate of `waveform` in Hz.

    Raises
    ------
    AudioError
        If the file is missing, empty, corrupt or has samples that are not finite, or the stretch is not inside it, or
        there is no such channel.
    """
    path = Path(path)
    if sample_rate is not None and sample_rate <= 0:
        raise AudioError(f"the sample rate must be positive; got {sample_rate} Hz")
    with _opened(path) as recording:
        duration, rate = recording.frames / recording.samplerate, int(sample_rate or recording.samplerate)
        first, last = 0, None
        if start is not None or end is not None:
            first, last = _limits(path, duration, rate, start, end)
        pieces = list(_blocks(path, recording, sample_rate, channel, first, last))
    return np.concatenate(pieces), rate


def _blocks(
    path: Path,
    recording: soundfile.SoundFile,
    sample_rate: int | None,
    channel: int | None,
    first: int = 0,
    last: int | None = None,
) -> Iterator[np.ndarray]:
    """Yield the samples ``first`` to ``last`` (at the rate wanted) of an open recording, float32, some at a time."""
    frames, rate, n_channels = recording.frames, recording.samplerate, recording.channels
    if frames == 0:
        raise AudioError(f"{path} holds no samples; record or copy it again")
    if channel is not None and not 1 <= channel <= n_channels:
        raise AudioError(f"{path} has {n_channels} channel(s); channel {channel} was asked for")
    resampler = None
    if sample_rate not in (None, rate):
        resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32")
    # Compressed formats may be a little off after a jump, and the resampler needs the neighbouring samples.
    begin = first if resampler is None and recording.format in _EXACT_SEEKS else 0
    stop = frames if resampler is not None or last is None else last
    place, read = begin, begin  # of the next sample given, and the next one read
    try:
        if begin:
            recording.seek(begin)
        while read < stop:
            channels = recording.read(min(_BLOCK_FRAMES, stop - read), dtype="float32", always_2d=True)
            read += len(channels)
            if len(channels) == 0:
                raise AudioError(f"{path} is damaged: its header promises {frames} samples, fewer could be read")
            if channel is None and n_channels > 1:
                block = channels.mean(axis=1, dtype=np.float32)
            else:
                block = channels[:, (channel or 1) - 1]
            if not np.isfinite(block).all():
                raise AudioError(f"{path} holds samples that are not finite (NaN or infinity); export it again")
            if resampler is not None:
                block = resampler.resample_chunk(np.ascontiguousarray(block), last=read >= stop)
            wanted = block[max(first - place, 0) : None if last is None else max(last - place, 0)]
            place += len(block)
            if len(wanted):
                yield np.ascontiguousarray(wanted, dtype=np.float32)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"{path} is damaged: its samples cannot be read ({error})") from error


def channels_cancel(path: str | Path, seconds: float = 30.0) -> bool:
    """Whether the channels of a recording are in opposite phase: their mean has less than 1 % of their power.

    Parameters
    ----------
    path : path
        The recording.
    seconds : float
        How much of its beginning is looked at, and as much of its middle.

    Raises
    ------
    AudioError
        If the file is missing, empty or not audio.
    """
    with _opened(Path(path)) as recording:
        frames, alone, mean = round(seconds * recording.samplerate), 0.0, 0.0
        try:
            for first in {0, recording.frames // 2}:
                recording.seek(first)
                samples = np.nan_to_num(recording.read(frames, dtype="float32", always_2d=True))
                alone += float(np.mean(np.square(samples)))
                mean += float(np.mean(np.square(samples.mean(axis=1))))
        except (soundfile.LibsndfileError, RuntimeError, ValueError):
            return False  # reading the token says what is wrong
    return alone > 0 and mean < 0.01 * alone


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
    tokens: pd.DataFrame,
    sample_rate: int | None = None,
    context_seconds: float = 0.0,
    strict: bool = False,
    *,
    own_rates: bool = False,
    hashed: bool = True,
) -> tuple[list[np.ndarray], pd.DataFrame]:
    """Cut the waveforms of tokens out of their recordings.

    Each recording is opened once and read (and resampled) some seconds at a time. Tokens that cannot be cut are left
    out and reported.

    Parameters
    ----------
    tokens : DataFrame
        Token table with ``attrs["roots"]`` (corpus name to the folder of the corpus).
    sample_rate : int, optional
        Rate wanted, in Hz. If not given the recordings keep their own rate, which must be one and the same unless
        `own_rates` is set.
    context_seconds : float
        Audio kept before and after each token, in s. Where the recording begins or ends earlier, zeros stand for it, so
        that the token always begins `context_seconds` after the beginning of its waveform.
    strict : bool
        Raise at the first token that cannot be cut.
    own_rates : bool
        Allow recordings of different rates, each left as it is; the column ``native_rate`` tells the rate.
    hashed : bool
        Read each recording to its end, for ``audio_sha256``; else only as far as its tokens need.

    Returns
    -------
    waveforms : list of ndarray, float32, shape (samples,)
        One per token kept, in the order of the table.
    kept : DataFrame
        The tokens that could be cut, same order, with ``audio_sha256`` of their recording (see `sound_hash`), and
        ``native_rate`` (Hz) where a rate was asked for; ``attrs["left_out"]`` tells of the others.

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
    native = np.zeros(len(tokens), dtype=np.int32)
    starts, ends, names = tokens["start"].to_numpy(), tokens["end"].to_numpy(), tokens["token"].to_numpy()
    heard = ["corpus", "recording", *({CHANNEL} & set(tokens.columns))]
    for key, positions in tokens.groupby(heard, sort=False, dropna=False).indices.items():
        corpus, recording = cast("tuple[str, str]", key)[:2]
        if corpus not in roots:
            raise CorpusError(
                f"the token table does not say where corpus {corpus!r} lies; expected tokens.attrs['roots'] to "
                f"name it, found: {', '.join(map(str, roots)) or 'nothing'}"
            )
        path = roots[corpus] / str(recording)
        channel, faults = channel_of(tokens.iloc[positions[0]]), []
        try:
            with _opened(path) as opened:
                duration, own = opened.frames / opened.samplerate, opened.samplerate
                rate = int(sample_rate or own)
                stretches = []
                for position in positions:
                    start, end = float(starts[position]), float(ends[position])
                    reason = _stretch_fault(start, end, duration, rate)
                    if reason:
                        faults.append((position, f"{start:.3f}–{end:.3f} s", reason))
                    else:
                        stretches.append((position, *_limits(path, duration, rate, start, end)))
                sounds, digest = _stretches(
                    path, opened, sample_rate, channel, stretches, round(context_seconds * rate), hashed
                )
        except AudioError as error:
            if strict:
                raise
            reason = "audio missing" if not path.is_file() else "audio unreadable"
            left_out.add("recording", reason, 1, [str(error)])
            left_out.add("token", reason, len(positions), names[positions])
            continue
        rates.setdefault(rate, str(recording))
        hashes[positions], native[positions] = digest or np.nan, own
        for position, stretch, reason in faults:
            if strict:
                raise AudioError(f"token {names[position]} ({stretch}) {reason} ({path}, {duration:.3f} s)")
            left_out.add("token", reason, 1, [names[position]])
        for position, sound in sounds.items():
            waveforms[position] = sound
    if len(rates) > 1 and not own_rates:
        listed = ", ".join(f"{rate} Hz ({recording})" for rate, recording in sorted(rates.items()))
        raise CorpusError(
            f"the recordings have different sample rates: {listed}. Choose one with sample_rate=... (--sample-rate)"
        )
    kept = tokens
    if hashed:
        text = pd.Series(["text"]).dtype
        kept = kept.assign(**{SOUND_HASH: pd.Series(hashes, index=tokens.index, dtype=text)})
    if own_rates or sample_rate is not None:
        kept = kept.assign(**{NATIVE_RATE: native})
    kept = kept[[waveform is not None for waveform in waveforms]].reset_index(drop=True)
    kept.attrs = {**tokens.attrs, "left_out": left_out.entries()}
    return [waveform for waveform in waveforms if waveform is not None], kept


def _stretches(
    path: Path,
    recording: soundfile.SoundFile,
    sample_rate: int | None,
    channel: int | None,
    stretches: Sequence[tuple[int, int, int]],
    context: int,
    hashed: bool,
) -> tuple[dict[int, np.ndarray], str | None]:
    """Sounds of stretches (key, first, last sample) with context, by key, and the `sound_hash` of the recording."""
    sounds = {key: np.zeros(last - first + 2 * context, dtype=np.float32) for key, first, last in stretches}
    begins = np.array([first - context for _, first, _ in stretches], dtype=np.int64)
    order = np.argsort(begins, kind="stable")
    ahead = begins[order]
    lengths = np.array([len(sounds[stretches[k][0]]) for k in order], dtype=np.int64)
    finished = np.maximum.accumulate(ahead + lengths) if len(order) else ahead  # no earlier stretch ends behind this
    if not stretches and not hashed:
        return sounds, None
    place, stop = (0, None) if hashed else (max(int(ahead[0]), 0), int(finished[-1]))
    digest, lowest, highest = hashlib.sha256(), np.inf, -np.inf
    rate = sample_rate or recording.samplerate
    if stop is not None and rate == recording.samplerate:
        stop = min(stop, recording.frames)
    for block in _blocks(path, recording, sample_rate, channel, place, stop):
        if hashed:
            lowest, highest = min(lowest, block.min()), max(highest, block.max())
            digest.update((block + np.float32(0.0)).tobytes())  # float formats tell −0 from 0, others do not
        after = place + len(block)
        for k in order[np.searchsorted(finished, place, side="right") : np.searchsorted(ahead, after)]:
            begin, sound = int(begins[k]), sounds[stretches[k][0]]
            low, high = max(begin, place), min(begin + len(sound), after)
            if low < high:
                sound[low - begin : high - begin] = block[low - place : high - place]
        place = after
    return sounds, digest.hexdigest() if highest > lowest else None


def channel_of(token: Mapping[str, Any] | pd.Series) -> int | None:
    """Channel of its recording that a token is read from, from 1; None to average them.

    Parameters
    ----------
    token : mapping or Series
        A row of the token table; only some tables have the column ``channel``.
    """
    channel = token.get(CHANNEL)
    return None if channel is None or pd.isna(channel) else int(channel)


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
