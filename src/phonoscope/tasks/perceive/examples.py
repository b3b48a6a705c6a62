"""Some stimuli to listen to: of each class and cue one token as it was recorded, and moved to both ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phonoscope.audio import cut, read_audio, write_audio
from phonoscope.errors import PhonoscopeError
from phonoscope.report.labels import class_name, file_slug
from phonoscope.report.numbers import fixed
from phonoscope.report.plates import Sound
from phonoscope.report.sounds import evenly_raised, ramped, wav_address
from phonoscope.tasks.content import Content

if TYPE_CHECKING:
    from phonoscope.tasks.perceive.recipe import PerceiveRecipe

FOLDER = "sounds"
_LONGEST_SECONDS = 4.0  # longer ones would burden the page
TABLE = "sounds"
_COLUMNS = ["class", "cue", "token", "step", "step_unit", "answer", "file"]


def keep_sounds(
    stimuli: pd.DataFrame, tokens: pd.DataFrame, recipe: PerceiveRecipe, folder: Path, sample_rate: int, context: float
) -> pd.DataFrame:
    """Make the stimuli to listen to once more, and write them into the folder of the experiment.

    Parameters
    ----------
    stimuli
        What was asked about, with the ``answer`` to each.
    tokens
        Their token table.
    recipe
        Cues and steps.
    folder
        Of the experiment.
    sample_rate
        In Hz.
    context
        Sound before and after each token, s.

    Returns
    -------
    DataFrame
        ``class, cue, token, step`` (in ``step_unit``), ``answer`` and ``file``, a row a sound.
    """
    from phonoscope.perception import Continuum, present

    rows: list[dict[str, object]] = []
    short = tokens.loc[tokens["end"] - tokens["start"] <= _LONGEST_SECONDS, "token"]
    own = stimuli[~stimuli["sham"].astype(bool) & ~stimuli["missed"].astype(bool) & stimuli["token"].isin(short)]
    for continuum in recipe.continua:
        chosen = _chosen(own[own["cue"] == continuum.cue])
        if chosen.empty:
            continue
        few = tokens[tokens["token"].isin(chosen["token"])].reset_index(drop=True)
        few.attrs = tokens.attrs
        steps = tuple(sorted(chosen["step"].unique()))
        try:
            waveforms, few = cut(few, sample_rate, context_seconds=context)
            moved = Continuum(continuum.cue, steps, continuum.unit)
            made = present(few, waveforms, sample_rate, [moved], context=context, ceiling=recipe.ceiling)
        except PhonoscopeError:  # the recordings went away: nothing to listen to
            continue
        places = {(row["token"], row["step"]): at for at, row in enumerate(made.table.to_dict("records"))}
        for row in chosen.to_dict("records"):
            at = places.get((row["token"], row["step"]))
            if at is None:
                continue
            file = f"{FOLDER}/{file_slug(row['class']) or 'class'}-{row['cue']}-{len(rows)}.wav".replace(":", "-")
            write_audio(folder / file, made.sounds[at], sample_rate)
            rows.append({**{name: row[name] for name in _COLUMNS[:-1]}, "file": file})
    return pd.DataFrame(rows, columns=_COLUMNS)


def sounds_of(content: Content, label: str, cue: str) -> list[Sound]:
    """Sounds of a class and cue for a page, all raised by one factor.

    Parameters
    ----------
    content
        Of the run.
    label
        The class.
    cue
        Name of the cue.
    """
    table = content.table(TABLE)
    rows = table[(table["class"] == label) & (table["cue"] == cue)] if len(table) else table
    rows = rows.sort_values("step") if len(rows) else rows
    try:
        read = [read_audio(content.run.folder / file) for file in rows["file"]] if len(rows) else []
    except PhonoscopeError:
        return []
    raised = evenly_raised([ramped(sound, rate) for sound, rate in read])
    found = []
    for row, sound, (_, rate) in zip(rows.to_dict("records"), raised, read, strict=True):
        name = "as recorded" if row["step"] == 0 else f"{_signed(row['step'])} {row['step_unit']}"
        alt = f"{class_name(label)}, token {row['token']}, {cue.upper()} {name}"
        found.append(Sound(f"{name}: {class_name(row['answer'])}", wav_address(sound, rate), alt))
    return found


def _chosen(stimuli: pd.DataFrame) -> pd.DataFrame:
    """Rows of one token a class at both ends and in the middle: one that is heard as spoken there, and turns."""
    parts: list[pd.DataFrame] = []
    if stimuli.empty:
        return stimuli
    steps = np.sort(stimuli["step"].unique())
    wanted = _distinct([float(steps[0]), float(steps[np.abs(steps).argmin()]), float(steps[-1])])
    some = stimuli[stimuli["step"].isin(wanted)]
    for _, group in some.groupby("class", sort=False):
        best: tuple[int, pd.DataFrame] | None = None
        for _, rows in group.groupby("token", sort=True):
            rows = rows.drop_duplicates("step")
            if len(rows) < len(wanted):
                continue
            middle = rows.iloc[int(np.argmin(rows["step"].abs()))]
            right = middle["answer"] == middle["class"]
            turned = (rows["answer"] != middle["answer"]).any()
            worth = 2 * int(right) + int(turned)
            if best is None or worth > best[0]:
                best = worth, rows
        if best is not None:
            parts.append(best[1].sort_values("step"))
    return pd.concat(parts, ignore_index=True) if parts else stimuli.head(0)


def _distinct(values: Sequence[float]) -> list[float]:
    return list(dict.fromkeys(values))


def _signed(step: float) -> str:
    text = f"{step:+g}" if float(step).is_integer() else fixed(step, 1)
    return text.replace("-", "−")
