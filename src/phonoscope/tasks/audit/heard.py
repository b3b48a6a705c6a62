"""Sounds of an audit: recordings as they are, and with one property of another class or of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from phonoscope.audio import write_audio
from phonoscope.audit.battery import IN_DATA, REACTS, USED
from phonoscope.audit.shortcuts import SHORTCUTS
from phonoscope.tasks.audit.asking import Ready, Unit, found_pairs

FOLDER = "sounds"
AS_RECORDED, OF_OWN, OF_OTHER = "as recorded", "of its own class", "of another class"
_MOST = 4  # shortcuts
_LONGEST_SECONDS = 4.0
_LOUDEST = 0.99


def write_examples(folder: Path, units: Sequence[Unit], findings: pd.DataFrame, here: Ready) -> pd.DataFrame:
    """Write the recording that an exchange moved most, of each shortcut that was found, in three versions.

    Parameters
    ----------
    folder
        Of the run.
    units
        Shortcuts that were made.
    findings
        Of `phonoscope.tasks.audit.findings.findings_of`, the worst first.
    here
        The recordings.

    Returns
    -------
    DataFrame
        ``shortcut, token, class, version, donor, file, answer, log_odds`` (of what is answered to the recording).
    """
    by_name = {unit.name: unit for unit in units}
    found = findings[findings["finding"].isin((USED, REACTS, IN_DATA)) & findings["shortcut"].isin(by_name)]
    rows = []
    for name in found["shortcut"].head(_MOST):
        pairs, _ = found_pairs(by_name[name])
        rows += _versions(folder, name, pairs.recording, pairs.own, pairs.other, here)
    columns = ["shortcut", "token", "class", "version", "donor", "file", "answer", "log_odds"]
    return pd.DataFrame(rows, columns=columns)


def _versions(
    folder: Path, name: str, recording: np.ndarray, own: np.ndarray, other: np.ndarray, here: Ready
) -> list[dict[str, object]]:
    short = np.array([len(each.samples) <= _LONGEST_SECONDS * each.rate for each in here.anatomies])[recording]
    if not short.any():
        return []
    rate, label = here.auditing.sample_rate, here.before.mean(axis=0).argmax(axis=1)
    sure = np.where(short, here.before.mean(axis=0)[recording, label[recording]], -np.inf)
    among = np.argsort(-sure, kind="stable")[: max(1, int(short.sum()) // 2)]  # decisions that were not close
    made = {at: SHORTCUTS[name].exchange(here.anatomies[recording[at]], here.anatomies[other[at]], int(at))
            for at in among[:24]}  # fmt: skip
    odds = {at: here.answers([sound.astype(np.float32)], recording[[at]])[:, 0].mean(axis=0)
            for at, sound in made.items()}  # fmt: skip
    at = max(made, key=lambda k: sure[k] - odds[k][label[recording[k]]])
    i = int(recording[at])
    versions = [
        (AS_RECORDED, i, here.anatomies[i].samples),
        (OF_OWN, int(own[at]), SHORTCUTS[name].exchange(here.anatomies[i], here.anatomies[own[at]], int(at))),
        (OF_OTHER, int(other[at]), made[at]),
    ]
    largest = max(float(np.abs(sound).max()) for _, _, sound in versions)
    gain = min(1.0, _LOUDEST / max(largest, 1e-9))
    rows: list[dict[str, object]] = []
    for number, (version, donor, sound) in enumerate(versions):
        file = f"{FOLDER}/{name}-{number}.wav"
        (folder / FOLDER).mkdir(exist_ok=True)
        write_audio(folder / file, (gain * sound).astype(np.float32), rate)
        answered = here.answers([sound.astype(np.float32)], np.array([i]))[:, 0].mean(axis=0)
        tokens = here.tokens["token"]
        rows.append({
            "shortcut": name, "token": str(tokens.iloc[i]), "class": here.recordings.classes[i], "version": version,
            "donor": str(tokens.iloc[donor]), "file": file, "answer": here.labels[int(answered.argmax())],
            "log_odds": float(answered[label[i]]),
        })  # fmt: skip
    return rows
