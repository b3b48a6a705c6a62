"""A copy of a corpus in which the classes no longer differ in what an audit found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from phonoscope.audio import write_audio
from phonoscope.audit.anatomy import Anatomy
from phonoscope.audit.battery import IN_DATA, USED
from phonoscope.audit.shortcuts import SHORTCUTS
from phonoscope.errors import ExperimentError
from phonoscope.files import write_with
from phonoscope.tasks.audit.asking import Ready

LABELS_NAME = "labels.csv"
# Exchanged one after the other: what has to be measured on the sound as it was comes first, its level last.
ORDER = ("clipping", "quantisation", "room", "duration", "inner-silence", "background", "noise-floor", "channel",
         "bandwidth", "edge-silence", "hum", "dc", "level")  # fmt: skip
_LOUDEST = 0.999


def to_mend(findings: pd.DataFrame) -> list[str]:
    """Names of the properties in which the classes differ, in the order in which they are balanced.

    Parameters
    ----------
    findings
        Of `phonoscope.tasks.audit.findings.findings_of`.
    """
    found = set(findings.loc[findings["finding"].isin((USED, IN_DATA)), "shortcut"])
    return [name for name in (*ORDER, *(each for each in SHORTCUTS if each not in ORDER)) if name in found]


def write_mended(folder: Path, names: Sequence[str], here: Ready) -> Path:
    """Write the recordings with each of some properties taken from a recording that is drawn without regard to class.

    Every recording gives each property to one recording: its distribution over the corpus stays as it was, and no class
    has more of it than another. Nothing is written over.

    Parameters
    ----------
    folder
        New or empty.
    names
        Of the properties.
    here
        The recordings.

    Returns
    -------
    Path
        ``labels.csv``: ``recording, label, speaker`` of what was written.

    Raises
    ------
    ExperimentError
        If the folder holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ExperimentError(f"{folder} is not empty; choose a new folder for the mended recordings")
    rng = np.random.default_rng(here.auditing.seed)
    sounds = list(here.anatomies)
    for name in names:
        donors = rng.permutation(len(sounds))
        exchange = SHORTCUTS[name].exchange
        sounds = [
            Anatomy(exchange(own, here.anatomies[donor], int(at)), own.rate)
            for at, (own, donor) in enumerate(zip(sounds, donors, strict=True))
        ]
    loudest = max(float(np.abs(each.samples).max(initial=0.0)) for each in sounds)
    gain = min(1.0, _LOUDEST / max(loudest, 1e-9))  # one for all: levels stay as they were beside each other
    rows = []
    for token, sound, label, speaker in zip(
        here.tokens["token"], sounds, here.recordings.classes, here.recordings.clusters["speaker"], strict=True
    ):
        file = Path(str(token).rpartition(":")[0] or str(token)).with_suffix(".wav")
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        write_audio(folder / file, (gain * sound.samples).astype(np.float32), here.auditing.sample_rate, "FLOAT")
        rows.append({"recording": file.as_posix(), "label": label, "speaker": speaker})
    table, path = pd.DataFrame(rows), folder / LABELS_NAME
    write_with(path, lambda to: table.to_csv(to, index=False))
    return path
