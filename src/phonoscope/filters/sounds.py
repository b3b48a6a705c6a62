"""Plain recordings, without any alignment, as waveforms to send through filters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from phonoscope.audio import audio_info, read_audio
from phonoscope.errors import AudioError
from phonoscope.left_out import LeftOut

_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".sph")


def read_recordings(
    paths: Iterable[str | Path], sample_rate: int, *, strict: bool = False
) -> tuple[list[np.ndarray], pd.DataFrame]:
    """Read recordings, and those in folders, whole and at one rate.

    Parameters
    ----------
    paths : iterable of path
        Audio files and folders; folders are searched with all they contain, in alphabetical order.
    sample_rate : int
        Hz; recordings of other rates are resampled.
    strict : bool
        Stop at the first recording that cannot be read, instead of leaving it out.

    Returns
    -------
    waveforms : list of ndarray (sample,)
    tokens : DataFrame
        ``token`` and ``recording`` (path as given), ``label``: the folder of each recording, if they lie in several.
        ``attrs["left_out"]`` says what could not be read and why.

    Raises
    ------
    AudioError
        If there is no recording that can be read; with `strict`, at the first that cannot.
    """
    given = list(paths)
    files = [file for path in given for file in _files(Path(path))]
    waveforms, kept, left_out = [], [], LeftOut()
    for file in files:
        try:
            waveforms.append(read_audio(file, sample_rate)[0])
            kept.append(file)
        except AudioError as error:
            if strict:
                raise
            left_out.add("recording", str(error), examples=[file.as_posix()])
    if not kept:
        reasons = "; ".join(entry["reason"] for entry in left_out.entries()[:3])
        where = ", ".join(map(str, given)) or "nothing"
        raise AudioError(f"no recording can be read in {where}{': ' + reasons if reasons else ''}; give audio files")
    names = [file.as_posix() for file in kept]
    tokens = pd.DataFrame({"token": names, "recording": names})
    folders = [file.parent.name for file in kept]
    if len(set(folders)) > 1:
        tokens["label"] = folders
    tokens.attrs["left_out"] = left_out.entries()
    return waveforms, tokens


def usual_rate(paths: Iterable[str | Path]) -> int:
    """Sample rate, Hz, of most of the recordings that `read_recordings` would read.

    Raises
    ------
    AudioError
        If none of them can be read.
    """
    rates: Counter[int] = Counter()
    for file in (file for path in paths for file in _files(Path(path))):
        with suppress(AudioError):
            rates[audio_info(file).sample_rate] += 1
    if not rates:
        raise AudioError(f"no recording can be read in {', '.join(map(str, paths)) or 'nothing'}; give audio files")
    return rates.most_common(1)[0][0]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES)
