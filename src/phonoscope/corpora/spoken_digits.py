"""Layout of the Free Spoken Digit Dataset: ``<digit>_<speaker>_<take>.wav``, one English digit in each recording."""

import re
from collections.abc import Iterator
from pathlib import Path

from phonoscope.corpora.recording import AUDIO_SUFFIXES, Recording, files_with, nearly_all

DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NAME = re.compile(r"(?P<digit>[0-9])_(?P<speaker>.+)_[0-9]+$")


def detect(root: Path) -> bool:
    """Whether nearly all recordings lie in `root` or ``recordings/`` and are called ``<digit>_<speaker>_<take>``."""
    return nearly_all(files_with(root, AUDIO_SUFFIXES), lambda path: _match(root, path))


def recordings(root: Path) -> Iterator[Recording]:
    """Yield every recording with its digit, spelt out in English, and its speaker."""
    for path in files_with(root, AUDIO_SUFFIXES):
        match = _match(root, path)
        if match is None:
            yield Recording(path, warnings=("not named <digit>_<speaker>_<take>: speaker and word unknown",))
        else:
            yield Recording(path, speaker=match["speaker"], transcript=DIGIT_WORDS[int(match["digit"])])


def _match(root: Path, path: Path) -> re.Match[str] | None:
    folders = path.relative_to(root).parts[:-1]
    return _NAME.match(path.stem) if folders in ((), ("recordings",)) else None
