"""Layout of the Free Spoken Digit Dataset: ``<digit>_<speaker>_<take>.wav``, one English digit in each recording."""

import re
from collections.abc import Iterator
from pathlib import Path

from phonoscope.corpora.recording import AUDIO_SUFFIXES, Recording, files_with, pair_alignments

DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# Share of the recordings whose names must fit: a stray file is no other corpus, a mixed folder is.
SHARE_THAT_FITS = 0.9
_NAME = re.compile(r"(?P<digit>[0-9])_(?P<speaker>.+)_[0-9]+$")


def detect(root: Path) -> bool:
    """Whether nearly all recordings lie in `root` or ``recordings/`` and are called ``<digit>_<speaker>_<take>``."""
    audio = files_with(root, AUDIO_SUFFIXES)
    fitting = sum(_match(root, path) is not None for path in audio)
    return bool(audio) and fitting >= SHARE_THAT_FITS * len(audio)


def recordings(root: Path, alignments: Path | None) -> Iterator[Recording]:
    """Yield every recording with its digit, spelt out in English, and its speaker."""
    audio = files_with(root, AUDIO_SUFFIXES)
    for path, alignment in zip(audio, pair_alignments(root, audio, alignments), strict=True):
        match = _match(root, path)
        yield Recording(
            audio=path,
            alignment=alignment,
            speaker=match["speaker"] if match else None,
            transcript=DIGIT_WORDS[int(match["digit"])] if match else None,
            warnings=() if match else ("not named <digit>_<speaker>_<take>: speaker and word unknown",),
        )


def _match(root: Path, path: Path) -> re.Match[str] | None:
    folders = path.relative_to(root).parts[:-1]
    return _NAME.match(path.stem) if folders in ((), ("recordings",)) else None
