"""Example tokens for eyes and ears: a wide-band spectrogram, the network's own input, and the sound."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.audio import read_audio
from phonoscope.errors import PhonoscopeError
from phonoscope.report.labels import class_name
from phonoscope.report.plates import Plate, Sound, make_panel, panel_name
from phonoscope.report.sounds import equally_loud, ramped, wav_address
from phonoscope.report.spectrograms import example_figure
from phonoscope.tasks.content import Content

if TYPE_CHECKING:
    from phonoscope.frontends import FrontEnd

LONGEST_SECONDS = 4.0  # longer sounds stay in the run folder: the page must stay small
SHOWN_PER_CLASS = 2  # of those that the run kept: a page for phones


_OF_RECORDINGS = (
    "Wide-band spectrogram (Gaussian window 5 ms, 70 dB, +6 dB an octave). Errors come first in each class. To hear: "
    "the recording, only what the map says spoke for its class, and the rest.",
    "Listen whether you still recognise the class from what the map kept: the short-time spectrum is multiplied by the "
    "positive part of the map (over its maximum), or by one less that. All are equally loud, so a rest that hardly "
    "held energy is raised. These sounds show the map, they prove nothing about the model.",
)


def chosen_examples(examples: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """Return two examples of each class in the classes' order: an error first, if there is one, then typical ones."""
    right = examples["correct"].astype(bool)
    parts = []
    for label in labels:
        members = examples["class"] == label
        wrong = examples[~right & members].head(1)
        parts += [wrong, examples[right & members].head(SHOWN_PER_CLASS - len(wrong))]
    return pd.concat(parts, ignore_index=True)


def example_plate(content: Content) -> Plate | None:
    """Pictures and sounds of the example tokens; None when the run kept none."""
    if content.examples.empty:
        return None
    table = chosen_examples(content.examples, content.labels)
    front_end, unseen = _front_end(content)
    formants = content.formants.set_index("token") if "token" in content.formants else pd.DataFrame()
    panels, lost = [], []
    for position, row in enumerate(table.to_dict("records")):
        path = _sound_path(content, str(row["file"]))
        try:
            waveform, rate = read_audio(path)
            seen = None if front_end is None else network_input(front_end, waveform, rate, row["start"], row["end"])
            figure = example_figure(
                waveform,
                rate,
                (float(row["start"]), float(row["end"])),
                max_hz=content.max_hz,
                title=_title(row),
                formants=formants.loc[row["token"]].to_dict() if row["token"] in formants.index else None,
                seen=seen,
                time_label=content.time_label,
            )
        except PhonoscopeError as error:
            lost.append(str(error))
            continue
        name = panel_name("example", position, str(row["class"]))
        length = 1000 * (row["end"] - row["start"])
        alt = f"Wide-band spectrogram of {_title(row)}, {length:.0f} ms, token {row['token']}."
        sounds, note = token_sounds(content, row, waveform, rate)
        panels.append(make_panel(name, figure, alt, f"{row['token']}, {length:.0f} ms. {note}".strip(), sounds))
    missing = " ".join(filter(None, [unseen, *(f"An example is missing: {reason}." for reason in lost)]))
    if content.run.context_seconds == 0:
        return Plate(
            "examples", "Recordings to see and to hear", *_OF_RECORDINGS, panels, table, missing, width="medium"
        )
    return Plate(
        "examples",
        "Tokens to see and to hear",
        "Left: wide-band spectrogram (Gaussian window 5 ms, 70 dB, +6 dB an octave) with some context, dashed lines "
        "at the token’s limits, and dots at the formants measured at 20, 50 and 80 %. Right, in a blue frame: what "
        "the network was given of the same token, cell by cell. Errors come first in each class. To hear: the token in "
        "its surroundings, the token alone, only what the map says spoke for its class, and the rest.",
        "The left picture is for people: formants are the dark bars. The network never saw it. What it got, on the "
        "right, has no context and its own, coarser cells; where time is a share of the token, long and short tokens "
        "are stretched to the same width. Listen whether you still recognise the class from what the map kept: the "
        "short-time spectrum is multiplied by the positive part of the map (over its maximum), or by one less that. "
        "All are equally loud, so a rest that hardly held energy is raised. The map is coarse, and so is "
        "what it lets through: these sounds show the map, they prove nothing about the network.",
        panels,
        table,
        missing=missing,
        width="medium",
    )


def network_input(
    front_end: FrontEnd, waveform: np.ndarray, sample_rate: int, start: float, end: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return what a front end makes of a token, and the edges of its cells; None when its input is no picture.

    Parameters
    ----------
    front_end
        Front end of a classifier (`phonoscope.frontends`).
    waveform : ndarray (sample,)
        The token with its context.
    sample_rate : int
        Hz.
    start, end : float
        Where the token lies in the waveform, s.

    Returns
    -------
    values, frequency edges, time edges
        (row, column) in the front end's unit; (row + 1,) Hz; (column + 1,) share of the token, or s.
    """
    import torch

    from phonoscope.frontends import pad_waveforms

    if front_end.frequency_axis is None:
        return None
    token = waveform[round(start * sample_rate) : round(end * sample_rate)]
    with torch.no_grad():
        values = front_end(*pad_waveforms([token]))[0, 0].numpy()
    last = front_end.time_axis.seconds or 1.0
    return values, front_end.frequency_axis.edges, np.linspace(0.0, last, values.shape[1] + 1)


def _front_end(content: Content) -> tuple[Any, str]:
    """Front end of the run's classifier, or None and the reason."""
    from phonoscope.frontends import build_front_end, refuse_imports

    settings: Mapping[str, Any] | None = content.facts.get("front_end")
    if settings is None:
        return None, "What the network got is not shown: the run does not say how its front end was set."
    try:
        refuse_imports(settings, content.run.folder, trust_imports=False)
        front_end = build_front_end(**settings)
    except PhonoscopeError as error:
        return None, f"What the network got is not shown: {error}."
    if not front_end.alone:
        return None, "What the network got is not shown: its picture arises inside the model."
    return front_end, ""


def _sound_path(content: Content, file: str) -> Path:
    inside = content.run.folder / "examples" / file
    return inside if inside.is_file() else content.run.folder / file


def _title(row: Mapping[Any, Any]) -> str:
    spoken = class_name(row["class"])
    return spoken if bool(row["correct"]) else f"{spoken} taken for {class_name(row['predicted'])}"


def token_sounds(
    content: Content, row: Mapping[Any, Any], waveform: np.ndarray, sample_rate: int
) -> tuple[list[Sound], str]:
    """Return the sounds of an example token, equally loud, and a sentence on what is missing or worth knowing.

    Parameters
    ----------
    content
        Of the report; its maps are read from the run.
    row
        Of the run's examples: ``token, class, start, end`` (s in the waveform).
    waveform : ndarray (sample,)
        The token with as much context before as after it.
    sample_rate : int
        Hz.
    """
    from phonoscope.attribution.listening import masked_sounds

    if len(waveform) > LONGEST_SECONDS * sample_rate:
        return [], f"Longer than {LONGEST_SECONDS:g} s: the sound stays in the run folder."
    start, end = (round(float(row[limit]) * sample_rate) for limit in ("start", "end"))
    name = f"{class_name(row['class'])}, token {row['token']}"
    parts = [("the sound", ramped(waveform[start:end], sample_rate), f"{name}, alone")]
    if start > 0:
        parts.insert(0, ("in its surroundings", ramped(waveform, sample_rate), f"{name}, with its surroundings"))
    note = ""
    try:
        token_map = content.run.maps(content.method, [str(row["token"])])[0]
        masked = masked_sounds(waveform, sample_rate, token_map, context_seconds=float(row["start"]))
    except PhonoscopeError as error:
        note = f"Nothing can be masked: {error}."
    else:
        if np.any(masked.only):
            parts.append(("only what the map marks", masked.only, f"{name}, only what the map points at"))
            note = f"{100 * masked.power_share:.0f} % of its power lies under the map."
        else:
            note = "Nothing in the map speaks for the class, so nothing can be let through."
        parts.append(("with that removed", masked.without, f"{name}, without what the map points at"))
    loud = equally_loud([sound for _, sound, _ in parts])
    return [
        Sound(label, wav_address(sound, sample_rate), alt) for (label, _, alt), sound in zip(parts, loud, strict=True)
    ], note
