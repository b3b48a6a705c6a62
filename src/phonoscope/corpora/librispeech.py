"""Layout of LibriSpeech: ``<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac``, words beside them."""

import re
from collections.abc import Iterator
from pathlib import Path

from phonoscope.corpora.recording import AUDIO_SUFFIXES, Recording, files_with, nearly_all
from phonoscope.corpora.textgrid import decode

SPEAKERS_FILE = "SPEAKERS.TXT"
_UTTERANCE = re.compile(r"(?P<speaker>\d+)-(?P<chapter>\d+)-\d+$")


def detect(root: Path) -> bool:
    """Whether nearly all recordings, below any folders, are called as in LibriSpeech."""
    return nearly_all(files_with(root, AUDIO_SUFFIXES), _speaker)


def recordings(root: Path) -> Iterator[Recording]:
    """Yield every recording with its speaker, the speaker's sex and the words, where the corpus says them.

    The sex stands in ``SPEAKERS.TXT`` in `root` or up to two folders above it (``LibriSpeech/train-clean-100``), the
    words in ``<speaker>-<chapter>.trans.txt`` beside the recordings.
    """
    sex = _sexes(root)
    chapter, words = None, {}
    for path in files_with(root, AUDIO_SUFFIXES):
        speaker = _speaker(path)
        if speaker is None:
            yield Recording(path, warnings=("not named <speaker>-<chapter>-<number>: speaker unknown",))
            continue
        if path.parent != chapter:
            chapter, words = path.parent, _words(path.parent)
        yield Recording(path, speaker=speaker, sex=sex.get(speaker), transcript=words.get(path.stem))


def _speaker(path: Path) -> str | None:
    """Speaker of a recording whose name repeats its two folders; None otherwise."""
    match = _UTTERANCE.match(path.stem)
    if match is None or path.parts[-3:-1] != (match["speaker"], match["chapter"]):
        return None
    return match["speaker"]


def _sexes(root: Path) -> dict[str, str]:
    """Speaker to "f" or "m" from lines such as ``14 | F | train-clean-360 | 25.03 | Kristin LeMoine``."""
    for folder in (root, *root.parents[:2]):
        path = folder / SPEAKERS_FILE
        if path.is_file():
            lines = decode(path.read_bytes())[0].split("\n")
            rows = [[field.strip() for field in line.split("|")] for line in lines if not line.startswith(";")]
            return {row[0]: row[1].lower() for row in rows if len(row) > 1 and row[1] in ("F", "M")}
    return {}


def _words(folder: Path) -> dict[str, str]:
    """Recording (without suffix) to its words, from the chapter's list of them."""
    lists = [decode(path.read_bytes())[0] for path in sorted(folder.glob("*.trans.txt"))]
    lines = (line.strip().partition(" ") for text in lists for line in text.split("\n"))
    return {name: words for name, _, words in lines if words}
