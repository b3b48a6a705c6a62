"""One token of a run: which, how it sounds, its spectrogram, wide- and narrow-band, and the map of it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.audio import audio_info, channel_of, read_audio
from phonoscope.errors import PhonoscopeError
from phonoscope.report.labels import class_name
from phonoscope.report.overlays import add_colour_bar, draw_overlay
from phonoscope.report.spectrograms import wideband_spectrogram
from phonoscope.report.speech import draw_speech, nearby_tiers
from phonoscope.report.style import ACCENT, MUTED
from phonoscope.tasks.figures.figure import Figure, FigureRequest
from phonoscope.tasks.figures.made_up import RATE, made_up_map, vowels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_CONTEXT_SECONDS = 0.25
_MAX_HZ = {"wide": 5000.0, "narrow": 3000.0}


def tested(tokens: pd.DataFrame) -> pd.DataFrame:
    """Tested tokens of a run; all, where none was tested."""
    return tokens[tokens["split"] == "test"] if "split" in tokens and tokens["split"].eq("test").any() else tokens


def chosen_token(request: FigureRequest) -> dict[str, Any]:
    """Row of the token that is wanted; else the tested token of median duration of the class (or of the first one)."""
    tokens = request.content.tokens
    if "class" not in tokens:
        raise PhonoscopeError(f"the run does not hold its tokens: {request.content.absent.get('tokens', 'no table')}")
    if request.token is not None:
        named = tokens[tokens["token"] == request.token]
        if named.empty:
            raise PhonoscopeError(
                f"the run has no token {request.token!r}; tokens look like {tokens['token'].iloc[0]!r}"
            )
        return {str(k): v for k, v in named.iloc[0].items()}
    rows = tested(tokens)
    there = [label for label in request.labels if (rows["class"] == label).any()]
    label = (there or request.labels)[0]
    rows = rows[rows["class"] == label]
    if rows.empty:
        raise PhonoscopeError(f"no token of class {label} was tested; choose another with --class")
    length = rows["end"] - rows["start"]
    return {str(k): v for k, v in rows.loc[(length - length.median()).abs().idxmin()].items()}


def sound_of(
    request: FigureRequest, row: dict[Any, Any], context_seconds: float = 0.0
) -> tuple[np.ndarray, int, tuple[float, float]]:
    """Read a token with what stands around it.

    Parameters
    ----------
    request : FigureRequest
    row : dict
        Of the token table.
    context_seconds : float
        Before and after; less where the recording ends.

    Returns
    -------
    waveform, sample_rate, (start, end)
        At the run's rate; where the token lies in it, s.
    """
    rate = int(request.content.facts.get("sample_rate") or 0) or None
    root = request.content.tokens.attrs.get("roots", {}).get(row.get("corpus"))
    if root is None:
        raise PhonoscopeError("the run does not say where its recordings lie; run the experiment again")
    path = Path(root) / str(row["recording"])
    start, end = float(row["start"]), float(row["end"])
    begin = max(0.0, start - context_seconds)
    stop = max(min(end + context_seconds, audio_info(path).duration), end)
    waveform, rate = read_audio(path, sample_rate=rate, start=begin, end=stop, channel=channel_of(row))
    return waveform, rate, (start - begin, end - begin)


def first_layer_of(request: FigureRequest) -> Any:
    """Filter bank of the run's network.

    Raises
    ------
    PhonoscopeError
        If the network takes spectrograms.
    """
    from phonoscope.filters.bank import bank_of

    classifier = request.content.run.classifier(trust_imports=request.trust_imports)
    if classifier.front_end.frequency_axis is not None:
        raise PhonoscopeError(
            "this run's network takes spectrograms: it has no first layer on the waveform; this figure is for networks "
            "such as segmental or sub-segmental"
        )
    return bank_of(classifier, classifier.sample_rate)


def speech_of_run(request: FigureRequest, window: str) -> Canvas:
    """Spectrogram (`window` wide or narrow) of a token in its recording, with the tiers of its alignment."""
    from phonoscope.phonetics.ceilings import ceiling_for
    from phonoscope.phonetics.formants import formants

    row = chosen_token(request)
    waveform, rate, token = sound_of(request, row, _CONTEXT_SECONDS)
    begin = float(row["start"]) - token[0]
    recording = request.content.tokens[request.content.tokens["recording"] == row["recording"]]
    tiers = nearby_tiers(recording, begin, begin + len(waveform) / rate)
    ceiling = min(ceiling_for(row.get("sex")), rate / 2)
    return request.drawn(
        70.0 + 8.0 * len(tiers),
        draw_speech,
        waveform,
        rate,
        window=window,
        max_hz=_MAX_HZ[window],
        tracks=formants(waveform, rate, ceiling=ceiling) if window == "wide" else None,
        tiers=tiers,
        token=token,
        title=f"{class_name(row['class'])}, {row['token']}",
    )


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
NARROW = replace(
    WIDE,
    name="spectrogram-narrow",
    says="narrow-band spectrogram: harmonics instead of formants",
    needs="a waveform",
    of_run=partial(speech_of_run, window="narrow"),
    example=_narrow_example,
    height_mm=60,
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
    for name in ("text_start", "text_end"):  # where a recogniser hears the text that is explained
        if name in token_map.coords and np.isfinite(token_map[name]):
            axes.axvline(float(token_map[name]), color=ACCENT, linewidth=0.9)
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
    classifier = run.classifier(int(fold) if held_out else None, trust_imports=request.trust_imports)
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
