"""Spectrograms of a token and what stands around it, wide- and narrow-band."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phonoscope.report.labels import class_name
from phonoscope.report.speech import draw_speech, nearby_tiers
from phonoscope.tasks.figures.figure import Figure, FigureRequest
from phonoscope.tasks.figures.made_up import RATE, vowels
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
