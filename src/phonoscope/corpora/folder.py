"""Any folder of recordings with alignments beside them or in a parallel tree; first-level folders are the speakers."""

from collections.abc import Iterator
from pathlib import Path

from phonoscope.corpora.recording import AUDIO_SUFFIXES, Recording, files_with

# Folder names that say what is inside, not who speaks.
_NOT_A_SPEAKER = frozenset(
    {"wav", "wavs", "audio", "clips", "flac", "recordings", "recording", "sound", "sounds", "data"}
)


def detect(root: Path) -> bool:
    """Whether there is any recording below `root`."""
    return bool(files_with(root, AUDIO_SUFFIXES))


def recordings(root: Path) -> Iterator[Recording]:
    """Yield every recording below `root`; its speaker is the first folder on the way that is not called "wav" or so."""
    for path in files_with(root, AUDIO_SUFFIXES):
        folders = [name for name in path.relative_to(root).parts[:-1] if name.lower() not in _NOT_A_SPEAKER]
        yield Recording(path, speaker=folders[0] if folders else None)
