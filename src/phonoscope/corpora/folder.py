"""Any folder of recordings with alignments beside them or in a parallel tree; first-level folders are the speakers."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from phonoscope.corpora.recording import AUDIO_SUFFIXES, Recording, files_with

_EMU = re.compile(r"_(?:emuDB|ses|bndl)$")
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
        yield Recording(path, speaker=_of_emu(folders) if _is_emu(root, folders) else next(iter(folders), None))


def _is_emu(root: Path, folders: Sequence[str]) -> bool:
    """Whether folders are those of an EMU-SDMS database: ``db_emuDB/anna_ses/utterance_bndl``."""
    return root.name.endswith("_emuDB") or any(_EMU.search(name) for name in folders)


def _of_emu(folders: Sequence[str]) -> str | None:
    """Speaker of an EMU-SDMS recording: its session, unless that is a mere number; bundles are utterances."""
    session = next((name.removesuffix("_ses") for name in folders if name.endswith("_ses")), "")
    return None if not session or session.isdigit() else session
