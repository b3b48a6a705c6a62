"""What the page draws and plays of a sound: spectrograms, formant tracks and maps as arrays, sounds as WAV."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import soundfile
import xarray as xr

from phonoscope.report.spectrograms import RANGE_DB, WINDOW_SECONDS, wideband_spectrogram
from phonoscope.synthesis.source_filter import envelope
from phonoscope.viewer.packing import pack
from phonoscope.viewer.placed import edges
from phonoscope.viewer.subject import Subject

WINDOWS_SECONDS = {"wide": WINDOW_SECONDS, "narrow": 0.03}
_TRACKED = 4
_TRACK_STEP_SECONDS = 0.00625
_MOST_PIXELS = 2000  # columns of an overview
_RAMP_SECONDS = 0.005
_HEADROOM = 0.99
# What the page says of a map: of all those made together, and of this token's.
_OF_MAPS = ("units", "method", "layer", "cell_hz", "resolution_hz", "field_hz", "completeness", "max_hz")
_OF_TOKEN = ("target", "predicted", "logit", "incompleteness")


def picture_of(
    waveform: np.ndarray, sample_rate: int, shown_start: float, *, window: str, top_hz: float, **more: Any
) -> bytes:
    """Pack a spectrogram and its waveform.

    Parameters
    ----------
    waveform, sample_rate
        Samples and their rate, Hz.
    shown_start
        Time of the first sample, s of the recording.
    window
        ``wide`` or ``narrow``: 5 or 30 ms.
    top_hz
        Top of the frequency axis.
    more
        Further facts.

    Returns
    -------
    bytes
        See `pack`. Arrays: ``level`` uint8 (frequency, time), 0 for 70 dB below the loudest point and 255 for the
        loudest; ``samples`` int16. Facts: first centre and step of both axes, in Hz and s of the recording.
    """
    picture = wideband_spectrogram(waveform, sample_rate, max_hz=top_hz, window_seconds=WINDOWS_SECONDS[window])
    hertz, seconds = picture["frequency"].values, picture["time"].values
    level = np.clip(picture.values / RANGE_DB + 1.0, 0.0, 1.0)
    every = max(1, len(seconds) // _MOST_PIXELS)
    facts = {
        "first_hz": hertz[0],
        "step_hz": hertz[1] - hertz[0],
        "first_s": shown_start + seconds[0],
        "step_s": (seconds[1] - seconds[0] if len(seconds) > 1 else 1.0) * every,
        "range_db": RANGE_DB,
        "sample_rate": sample_rate,
        "shown_start": shown_start,
        "shown_end": shown_start + len(waveform) / sample_rate,
        **more,
    }
    thinned = level.reshape(len(level), -1)[:, ::every]
    samples = np.clip(np.round(waveform * 32767), -32768, 32767)
    return pack(facts, {"level": np.round(thinned * 255).astype(np.uint8), "samples": samples.astype(np.int16)})


def tracks_of(subject: Subject) -> dict[str, Any]:
    """Formant tracks of what is shown, F1 to F4: ``time`` (s of the recording), ``frequency`` (formant, time), Hz."""
    from phonoscope.phonetics.ceilings import ceiling_for, widest_bandwidth
    from phonoscope.phonetics.formants import formants

    ceiling = min(ceiling_for(subject.sex), subject.sample_rate / 2)
    full = ceiling == ceiling_for(subject.sex)
    tracks = formants(
        subject.waveform,
        subject.sample_rate,
        ceiling=ceiling,
        n_formants=5 if full else max(2, round(ceiling / 1100)),
        time_step=_TRACK_STEP_SECONDS,
    )
    widest = widest_bandwidth(tracks["frequency"].values)
    hertz = tracks["frequency"].where(tracks["bandwidth"] <= widest).values[:, :_TRACKED]
    loud = _is_loud(subject, tracks["time"].values)
    return {
        "time": (tracks["time"].values + subject.shown_start).tolist(),
        "frequency": [np.where(loud, column, np.nan).tolist() for column in hertz.T],
        "ceiling": ceiling,
    }


def _is_loud(subject: Subject, times: np.ndarray) -> np.ndarray:
    """Whether the sound around each time is within 30 dB of its loudest: formants of silence mean nothing."""
    half = round(0.0125 * subject.sample_rate)
    summed = np.concatenate([[0.0], np.cumsum(np.square(subject.waveform.astype(float)))])
    middle = np.round(times * subject.sample_rate).astype(int)
    low, high = np.clip(middle - half, 0, len(summed) - 1), np.clip(middle + half, 0, len(summed) - 1)
    power = summed[high] - summed[low]
    return power > power.max(initial=0.0) * 1e-3


def map_of(placed: xr.DataArray, subject: Subject, **more: Any) -> bytes:
    """Pack a map of one token.

    Parameters
    ----------
    placed
        The map, dims (frequency, time), as `explain` makes it for each token.
    subject
        The token.
    more
        Further facts.

    Returns
    -------
    bytes
        See `pack`. Arrays: ``values`` float32 (frequency, time), ``profile`` float32 (frequency,), ``centres_hz``, and
        the edges of the cells, half-way between their centres: ``edges_hz`` and ``edges_s`` (s of the recording); the
        outermost reach to the borders of what the network was given.
    """
    facts = placed.attrs | {name: placed[name].item() for name in _OF_TOKEN if name in placed.coords}
    edges_hz, edges_s = edges(placed)
    arrays = {
        "values": placed.values.astype(np.float32),
        "profile": placed.values.sum(1).astype(np.float32),
        "centres_hz": placed["frequency"].values.astype(np.float64),
        "edges_hz": edges_hz,
        "edges_s": edges_s + subject.start,
    }
    return pack({**{name: facts.get(name) for name in (*_OF_MAPS, *_OF_TOKEN)}, **more}, arrays)


def wav_of(waveform: np.ndarray, sample_rate: int, *, ramps: bool) -> bytes:
    """A sound as 16-bit WAV.

    Parameters
    ----------
    waveform, sample_rate
        Samples and their rate, Hz; softer if they would be clipped.
    ramps
        Let it rise and fall for 5 ms where it begins and ends abruptly.
    """
    sound = np.asarray(waveform, dtype=np.float64)
    if ramps:
        sound = sound * envelope(len(sound), sample_rate, _RAMP_SECONDS, _RAMP_SECONDS)
    peak = float(np.abs(sound).max(initial=0.0))
    if peak > _HEADROOM:
        sound = sound * _HEADROOM / peak
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, sample_rate, "PCM_16", format="WAV")
    return buffer.getvalue()
