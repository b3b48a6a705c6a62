"""Layout of Google Speech Commands: ``<word>/<speaker>_nohash_<n>.wav``, one spoken word in each recording."""

import re
from collections.abc import Iterator
from pathlib import Path

from phonoscope.corpora.recording import AUDIO_SUFFIXES, Recording, files_with, nearly_all

NOISE_FOLDER = "_background_noise_"
_NAME = re.compile(r"(?P<speaker>.+)_nohash_\d+$")


def detect(root: Path) -> bool:
    """Whether nearly all recordings (noise aside) are called ``<word>/<speaker>_nohash_<n>``."""
    audio = [path for path in files_with(root, AUDIO_SUFFIXES) if not _is_noise(root, path)]
    return nearly_all(audio, lambda path: _speaker(root, path))


def recordings(root: Path) -> Iterator[Recording]:
    """Yield every recording with its word (the folder's name) and speaker (first part of the file name).

    The recordings of ``_background_noise_`` come too, with an empty transcript and a warning, so that they are counted
    by whoever leaves them out.
    """
    for path in files_with(root, AUDIO_SUFFIXES):
        if _is_noise(root, path):
            yield Recording(path, transcript="", warnings=("background noise: no word is spoken",))
            continue
        speaker = _speaker(root, path)
        if speaker is None:
            yield Recording(path, warnings=("not named <word>/<speaker>_nohash_<n>: speaker and word unknown",))
        else:
            yield Recording(path, speaker=speaker, transcript=path.parent.name)


def official_split(root: str | Path) -> dict[str, str]:
    """Say to which part of the published split each recording belongs (Warden 2018, arXiv 1804.03209, section 7).

    The lists ``validation_list.txt`` and ``testing_list.txt`` name WAV files; a copy in another audio format is found
    by the same path without suffix.

    Returns
    -------
    dict
        Recording (POSIX path below `root`) to "train", "validation" or "test"; empty if the lists are not there.
    """
    root = Path(root)
    listed: dict[str, str] = {}
    for name, part in (("validation_list.txt", "validation"), ("testing_list.txt", "test")):
        if (root / name).is_file():
            lines = (root / name).read_text(encoding="utf-8").split()
            listed |= {line.rsplit(".", 1)[0]: part for line in lines}
    if not listed:
        return {}
    audio = [path for path in files_with(root, AUDIO_SUFFIXES) if not _is_noise(root, path)]
    names = [path.relative_to(root).as_posix() for path in audio]
    return {name: listed.get(name.rsplit(".", 1)[0], "train") for name in names}


def _is_noise(root: Path, path: Path) -> bool:
    return path.relative_to(root).parts[0] == NOISE_FOLDER


def _speaker(root: Path, path: Path) -> str | None:
    """Speaker of a recording one folder below `root` with a name that fits; None otherwise."""
    match = _NAME.match(path.stem)
    return match["speaker"] if match and len(path.relative_to(root).parts) == 2 else None
