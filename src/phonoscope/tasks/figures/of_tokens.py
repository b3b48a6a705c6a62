"""One token of a run: its spectrogram, wide- and narrow-band, and the map of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.report.labels import class_name
from phonoscope.report.overlays import add_colour_bar, draw_overlay
from phonoscope.report.spectrograms import wideband_spectrogram
from phonoscope.report.speech import draw_speech, nearby_tiers
from phonoscope.report.style import MUTED
from phonoscope.tasks.figures.figure import Figure, FigureRequest
from phonoscope.tasks.figures.made_up import RATE, made_up_map, vowels
from phonoscope.tasks.figures.tokens import chosen_token, sound_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


_CONTEXT_SECONDS = 0.25
_MAX_HZ = {"wide": 5000.0, "narrow": 3000.0}


def speech_of_run(request: FigureRequest, window: str) -> Canvas:
    """Spectrogram (`window` wide or narrow) of a token in its recording, with the tiers of its alignment."""
    from phonoscope.phonetics.formants import ceiling_for, formants

    row = chosen_token(request)
    waveform, rate, token = sound_of(request, row, _CONTEXT_SECONDS)
    begin = float(row["start"]) - token[0]
    recording = request.content.tokens[request.content.tokens["recording"] == row["recording"]]
    tiers = nearby_tiers(recording, begin, begin + len(waveform) / rate)
    ceiling = min(ceiling_for(row.get("sex")), rate / 2)
    figure = request.canvas(70.0 + 8.0 * len(tiers))
    draw_speech(
        figure.subplots(),
        waveform,
        rate,
        window=window,
        max_hz=_MAX_HZ[window],
        tracks=formants(waveform, rate, ceiling=ceiling) if window == "wide" else None,
        tiers=tiers,
        token=token,
        title=f"{class_name(row['class'])}, {row['token']}",
    )
    return figure


def _wide_example(axes: Axes) -> None:
    from phonoscope import formants

    sounds, tokens = vowels()
    speech, ends = np.concatenate(sounds[:4]), np.cumsum([len(sound) for sound in sounds[:4]]) / RATE
    phones = pd.DataFrame({"start": [0.0, *ends[:-1]], "end": ends, "label": tokens["label"][:4]})
    draw_speech(axes, speech, RATE, tracks=formants(speech, RATE), tiers={"phone": phones})


def _narrow_example(axes: Axes) -> None:
    draw_speech(axes, np.concatenate(vowels()[0][:4]), RATE, window="narrow", max_hz=3000)


WIDE = Figure(
    name="spectrogram-wide",
    says="wide-band spectrogram with formant speckles and the tiers of the alignment",
    needs="a waveform; formant tracks and tiers if there are any",
    draw=draw_speech,
    of_run=partial(speech_of_run, window="wide"),
    example=_wide_example,
    choices=("class", "token"),
    height_mm=70,
)
NARROW = Figure(
    name="spectrogram-narrow",
    says="narrow-band spectrogram: harmonics instead of formants",
    needs="a waveform",
    draw=draw_speech,
    of_run=partial(speech_of_run, window="narrow"),
    example=_narrow_example,
    choices=("class", "token"),
)


_MAP_CONTEXT_SECONDS = 0.03


def token_map_of_run(request: FigureRequest) -> Canvas:
    """Map of one token over its spectrogram, with a little of what stands around it."""
    content, row = request.content, chosen_token(request)
    waveform, rate, (start, end) = sound_of(request, row, _MAP_CONTEXT_SECONDS)
    picture = wideband_spectrogram(waveform, rate, max_hz=content.max_hz)
    picture = picture.assign_coords(time=picture["time"] - start)
    token_map, method = _map(request, row, waveform[round(start * rate) : round(end * rate)])
    figure = request.canvas(62.0)
    axes = figure.subplots()
    mappable = draw_overlay(
        axes,
        picture,
        token_map,
        max_hz=content.max_hz,
        span=(0.0, end - start),
        sign=request.sign,
        title=f"{class_name(row['class'])}, {row['token']}, {method}",
        x="Time in the token (s)",
    )
    for limit in (0.0, end - start):
        axes.axvline(limit, color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
    axes.set_xlim(float(picture["time"][0]), float(picture["time"][-1]))
    add_colour_bar(axes, mappable, f"{token_map.attrs.get('units', content.unit)} per cell")
    return figure


def _map(request: FigureRequest, row: dict[str, Any], token: np.ndarray) -> tuple[xr.DataArray, str]:
    """Stored map of the token, or one that is computed now by the classifier that never met it."""
    run = request.content.run
    method = request.method or request.content.method
    try:
        return run.maps(method, [row["token"]])[0], method
    except PhonoscopeError:
        pass
    from phonoscope.attribution import explain

    fold = row.get("fold")
    held_out = fold is not None and pd.notna(fold) and (run.folder / "folds" / str(int(fold))).is_dir()
    classifier = run.classifier(int(fold) if held_out else None)
    maps = explain(classifier, [token], target=str(row["class"]), method=method, tokens=[str(row["token"])])
    return maps[0], method


def _map_example(axes: Axes) -> None:
    sound = vowels()[0][0]
    token_map = made_up_map().assign_coords(time=(np.arange(5) + 0.5) / 5 * len(sound) / RATE)
    span = (0.0, len(sound) / RATE)
    mappable = draw_overlay(axes, wideband_spectrogram(sound, RATE), token_map, max_hz=4000, span=span)
    add_colour_bar(axes, mappable, "logit per cell")


TOKEN_MAP = Figure(
    name="map",
    says="map of one token over its spectrogram, in Hz and Bark",
    needs="a spectrogram (frequency, time) in dB and a map (frequency, time)",
    draw=draw_overlay,
    of_run=token_map_of_run,
    example=_map_example,
    choices=("class", "token", "method", "sign"),
    height_mm=62,
)
