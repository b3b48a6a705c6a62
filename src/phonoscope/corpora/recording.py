"""What a layout is, and what it says about each recording."""

import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from phonoscope.audio import audio_info, channels_cancel

# Share of the recordings whose names must fit a layout: a stray file is no other corpus, a mixed folder is.
SHARE_THAT_FITS = 0.9
AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".sph", ".aif", ".aiff"})
AUDIO_SUFFIXES |= {".opus", ".oga", ".w64", ".caf", ".au", ".rf64"}
_CHANNEL = re.compile(r"[\W_]ch(?:annel)?[_-]?([1-9])(?:$|\W)|^ch(?:annel)?[_-]?([1-9])(?:$|[\W_])", re.IGNORECASE)
# Sound that libsndfile cannot read: recordings of these kinds are named, not passed over.
UNREAD_SUFFIXES = frozenset({".m4a", ".mp4", ".aac", ".wma", ".amr", ".3gp", ".webm", ".mkv", ".mov", ".ape", ".shn"})


@dataclass(frozen=True)
class Recording:
    """One recording of a corpus, and what its layout knows of it.

    Parameters
    ----------
    audio
        Its path, below the folder of the corpus; a recording that is listed but missing is reported.
    alignment
        Its alignment; None to have it found by its path (see `phonoscope.corpora.pairing`).
    speaker, sex, transcript
        Who speaks ("m", "f" or "c" for children), and what is said; None where the layout does not tell.
    channel
        Which channel of the file it is, from 1; None for the mean of all.
    warnings
        What is odd about it, for the report.
    """

    audio: Path
    alignment: Path | None = None
    speaker: str | None = None
    sex: str | None = None
    transcript: str | None = None
    channel: int | None = None
    warnings: tuple[str, ...] = ()


def channel_in(name: str) -> int | None:
    """Channel that a name of a file or tier ends or begins with, as in ``dialogue_ch1``; None if it names none."""
    match = _CHANNEL.search(name)
    return int(match[1] or match[2]) if match else None


def heard_channel(path: Path) -> int | None:
    """Channel to read where the channels cancel out, so that their mean is silence: the first; None for the mean.

    Parameters
    ----------
    path
        Of the recording.

    Raises
    ------
    AudioError
        If the file is missing, empty or not audio.
    """
    return 1 if audio_info(path).channels > 1 and channels_cancel(path) else None


class Layout(Protocol):
    """A way in which corpora are laid out in folders: anything with these two functions, such as a module or a class.

    A layout of your own needs nothing else. It is used as ``layout="package.module:Name"`` (``--layout`` on the command
    line), or by name and when layouts are detected, if a package announces it as an entry point of the group
    ``phonoscope.layouts``.
    """

    def detect(self, root: Path) -> bool:
        """Whether the folder `root` looks like this layout and no other: it is then taken without asking."""
        ...

    def recordings(self, root: Path) -> Iterator[Recording]:
        """Yield the recordings below `root` (a full path) in a fixed order; CorpusError if that cannot be done."""
        ...


def files_with(folder: Path, suffixes: Collection[str] | None) -> list[Path]:
    """Files below `folder` with one of `suffixes` (lower case; None: any suffix), sorted, hidden ones skipped."""
    files = []
    for directory, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        files += [
            os.path.join(directory, name)
            for name in names
            if not name.startswith(".") and (suffixes is None or os.path.splitext(name)[1].lower() in suffixes)
        ]
    return [Path(name) for name in sorted(files)]


def nearly_all(audio: Collection[Path], fits: Callable[[Path], object]) -> bool:
    """Whether there are recordings, and nearly all fit."""
    return bool(audio) and sum(bool(fits(path)) for path in audio) >= SHARE_THAT_FITS * len(audio)
