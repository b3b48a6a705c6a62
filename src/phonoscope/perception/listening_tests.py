"""Listening tests for people, from the stimuli that a model was asked about: an experiment for Praat, and a web page.

A participant hears one stimulus at a time and says which label it was. Both forms present every stimulus as often, in
rounds: each round holds all stimuli once in random order, and none is heard twice in a row.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from phonoscope.audio import write_audio
from phonoscope.errors import PerceptionError
from phonoscope.files import digest_of, write_text
from phonoscope.manipulate import CUES
from phonoscope.perception.presenting import Presented

STIMULI_NAME = "stimuli.csv"
PRAAT_NAME = "listening.praat"
ANSWER_KEYS = "123456789qwertyuiop"  # of the buttons, in their order
EXPERIMENT_COLUMNS = ("file", "token", "class", "cue", "step", "achieved", "unit")
QUESTION = "Which sound did you hear?"
_PEAK = 0.9  # of the loudest stimulus
_RAMP_SECONDS = 0.005  # a sound cut in its middle clicks
_SOUNDS = "sounds"
_TEMPLATES = Path(__file__).parent / "templates"


def listening_stimuli(
    presented: Presented, sample_rate: int, *, seed: int = 0, shams: bool = False
) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """Stimuli as people hear them.

    Those that missed what was asked for are left out. All are multiplied by one factor, so that the loudest peak is
    0.9 of full scale and a difference of level stays one; both edges rise and fall within 5 ms.

    Parameters
    ----------
    presented
        From `phonoscope.perception.presenting.present`.
    sample_rate
        In Hz.
    seed
        Of the numbers in the file names, which tell nothing of the stimuli.
    shams
        Whether shams are heard too.

    Returns
    -------
    DataFrame
        ``file, token, class, cue, step, achieved, unit``, and what was measured in each (``f1``, ``f0`` …); ``sham`` if
        there are any.
    list of ndarray
        Their sounds, in the same order.

    Raises
    ------
    PerceptionError
        If nothing is left, or all is silence.
    """
    heard = ~presented.table["missed"].to_numpy(dtype=bool)
    sham = presented.table["sham"].to_numpy(dtype=bool) if "sham" in presented.table else np.zeros(len(heard), bool)
    chosen = np.flatnonzero(heard & (shams | ~sham))
    if not len(chosen):
        raise PerceptionError("there is no stimulus that is what was asked for: nothing to listen to")
    chosen = np.random.default_rng(seed).permutation(chosen)
    own = presented.table.iloc[chosen].reset_index(drop=True)
    names = [f"s{number:0{len(str(len(own)))}d}.wav" for number in range(1, len(own) + 1)]
    measured = [name for name in own if name in CUES]
    table = own[[*EXPERIMENT_COLUMNS[1:], *measured, *(["sham"] if own.get("sham", pd.Series([False])).any() else [])]]
    table.insert(0, "file", names)
    sounds = [_with_ramps(presented.sounds[i], sample_rate) for i in chosen]
    loudest = max(float(np.abs(sound).max(initial=0.0)) for sound in sounds)
    if not loudest > 0:
        raise PerceptionError("all stimuli are silent: nothing to listen to")
    return table, [np.float32(_PEAK / loudest) * sound for sound in sounds]


def write_for_praat(
    folder: str | Path,
    presented: Presented,
    sample_rate: int,
    labels: Sequence[str],
    *,
    title: str = "Listening test",
    question: str = QUESTION,
    repeats: int = 2,
    break_after: int = 50,
    seed: int = 0,
    shams: bool = False,
) -> Path:
    """Write a listening test for Praat: sounds (WAV, 16 bit), an ExperimentMFC file, and a table of the stimuli.

    Parameters
    ----------
    folder
        Of ``listening.praat`` (opened in Praat with *Read from file*, then *Run*), ``stimuli.csv`` and ``sounds/``.
    presented
        From `phonoscope.perception.presenting.present`.
    sample_rate
        In Hz.
    labels
        One button each.
    title, question
        What stands on the first page, and above the buttons.
    repeats
        How often each stimulus is heard.
    break_after
        Trials until a break; none at 0.
    seed, shams
        As of `listening_stimuli`. The order of the trials is Praat's: another one each time.

    Returns
    -------
    Path
        The ExperimentMFC file.

    Raises
    ------
    PerceptionError
        If there are fewer than two labels or more than keys, a label stands twice, or nothing is to be heard.
    """
    _check(labels, repeats)
    folder = Path(folder)
    table, sounds = listening_stimuli(presented, sample_rate, seed=seed, shams=shams)
    for name, sound in zip(table["file"], sounds, strict=True):
        write_audio(folder / _SOUNDS / name, sound, sample_rate, "PCM_16")
    write_text(folder / STIMULI_NAME, table.to_csv(index=False))
    start = (
        f"{_shown(title)}\n\n{len(table) * repeats} sounds. After each, choose what you heard: click a button,\n"
        "or press the key below it.\n\nClick to begin."
    )
    lines = [
        '"ooTextFile"', '"ExperimentMFC 7"', "blankWhilePlaying? <no>", "stimuliAreSounds? <yes>",
        f'stimulusFileNameHead = "{_SOUNDS}/"', 'stimulusFileNameTail = ".wav"', 'stimulusCarrierBefore = ""',
        'stimulusCarrierAfter = ""', "stimulusInitialSilenceDuration = 0.5 seconds",
        "stimulusMedialSilenceDuration = 0", "stimulusFinalSilenceDuration = 0.1 seconds",
        f"numberOfDifferentStimuli = {len(table)}",
        *(f'    {_quoted(Path(name).stem)} ""' for name in table["file"]),
        f"numberOfReplicationsPerStimulus = {repeats}", f"breakAfterEvery = {break_after}",
        "randomize = <PermuteBalancedNoDoublets>", f"startText = {_quoted(start)}",
        f"runText = {_quoted(_shown(question))}", 'pauseText = "Take a break if you like. Click to go on."',
        'endText = "That was all: thank you!"', "maximumNumberOfReplays = 5",
        'replayButton = 0.4 0.6 0.04 0.12 "hear it again" " "', 'okButton = 0 0 0 0 "" ""',
        'oopsButton = 0 0 0 0 "" ""', 'responsesAreSounds? <no> "" "" "" "" 0 0 0',
        f"numberOfDifferentResponses = {len(labels)}",
        *_buttons(labels), "numberOfGoodnessCategories = 0", "",
    ]  # fmt: skip
    return write_text(folder / PRAAT_NAME, "\n".join(lines))


def write_for_web(
    file: str | Path,
    presented: Presented,
    sample_rate: int,
    labels: Sequence[str],
    *,
    title: str = "Listening test",
    question: str = QUESTION,
    repeats: int = 2,
    break_after: int = 50,
    seed: int = 0,
    shams: bool = False,
) -> Path:
    """Write a listening test as one HTML page that holds its sounds and needs no network.

    It asks for a participant code, presents the stimuli in an order that follows from it, keeps the answers in the
    browser until they are saved, and saves them as CSV: ``participant, trial, file, token, class, cue, step, achieved,
    unit, answer, seconds`` (from the onset of the sound to the answer), and what was measured in each stimulus.

    Parameters
    ----------
    file
        The page.
    presented
        From `phonoscope.perception.presenting.present`.
    sample_rate
        In Hz.
    labels
        One button each.
    title, question
        Heading of the page, and what is asked of each sound.
    repeats
        How often each stimulus is heard.
    break_after
        Trials until a break; none at 0.
    seed, shams
        As of `listening_stimuli`.

    Raises
    ------
    PerceptionError
        If there are fewer than two labels or more than keys, a label stands twice, or nothing is to be heard.
    """
    _check(labels, repeats)
    table, sounds = listening_stimuli(presented, sample_rate, seed=seed, shams=shams)
    texts = table.astype(object).where(table.notna(), "").map(_plain)
    experiment = {
        "labels": list(labels), "keys": list(ANSWER_KEYS[: len(labels)]), "repeats": repeats, "pause": break_after,
        "columns": list(texts), "stimuli": texts.to_numpy().tolist(),
        "sounds": [_wav(sound, sample_rate) for sound in sounds],
    }  # fmt: skip
    experiment["id"] = digest_of(title, str(experiment))[:16]
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    script = (_TEMPLATES / "listening.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    text = environment.get_template("listening.html").render(
        title=title,
        question=question,
        experiment=experiment,
        trials=len(table) * repeats,
        style=Markup((_TEMPLATES / "listening.css").read_text(encoding="utf-8")),
        script=Markup(script),
        policy=Markup(f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'"),
    )
    return write_text(file, text)


def _check(labels: Sequence[str], repeats: int) -> None:
    if not 2 <= len(labels) <= len(ANSWER_KEYS):
        raise PerceptionError(f"a listening test has 2 to {len(ANSWER_KEYS)} labels; found {len(labels)}")
    if len(set(labels)) < len(labels):
        raise PerceptionError(f"each label needs a button of its own; found {', '.join(labels)}")
    if repeats < 1:
        raise PerceptionError(f"each stimulus is heard at least once; got {repeats} repeats")


def _with_ramps(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    length = min(round(_RAMP_SECONDS * sample_rate), len(sound) // 2)
    rise = np.sin(np.linspace(0, np.pi / 2, length, endpoint=False)) ** 2
    ramped = np.array(sound, dtype=np.float32)
    ramped[:length] *= rise
    ramped[len(ramped) - length :] *= rise[::-1]
    return ramped


def _buttons(labels: Sequence[str]) -> list[str]:
    """Places of the answers on Praat's page, 0 to 1 from the left and from below: rows of at most five."""
    across = min(len(labels), 5)
    rows = -(-len(labels) // across)
    height = min(0.6 / rows, 0.22)
    lines = []
    for number, label in enumerate(labels):
        row, column = divmod(number, across)
        in_row = min(across, len(labels) - row * across)
        left = 0.5 + (column - in_row / 2) * 0.9 / across
        top = 0.8 - row * height
        key = ANSWER_KEYS[number]
        lines.append(
            f"    {left + 0.01:.3f} {left + 0.9 / across - 0.01:.3f} {top - 0.85 * height:.3f} {top:.3f} "
            f"{_quoted(f'{_shown(label)}  ({key})')} 24 {_quoted(key)} {_quoted(label)}"
        )
    return lines


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _shown(text: str) -> str:
    """Text as Praat shows it: what it takes for signs of style or of special letters is escaped."""
    text = text.replace("\\", "\\bs")
    for sign in "%#^_":
        text = text.replace(sign, f"\\{sign} ")
    return text


def _plain(value: object) -> str:
    """A value as it stands in a table."""
    return f"{value:.7g}" if isinstance(value, float | np.floating) else str(value)


def _wav(sound: np.ndarray, sample_rate: int) -> str:
    """A WAV file of 16 bit, base64."""
    content = io.BytesIO()
    soundfile.write(content, sound, sample_rate, "PCM_16", format="WAV")
    return base64.b64encode(content.getvalue()).decode("ascii")
