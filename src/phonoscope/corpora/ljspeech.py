"""Layout of LJSpeech and the many voices published like it: ``metadata.csv``, ``wavs/`` and a folder of TextGrids."""

import re
from collections.abc import Iterator
from pathlib import Path

from phonoscope.corpora.recording import AUDIO_SUFFIXES, Recording, files_with
from phonoscope.corpora.textgrid import decode

_LJ_NAME = re.compile(r"LJ\d{3}-\d{4}$")


def detect(root: Path) -> bool:
    """Whether there are a ``metadata.csv`` and a folder ``wavs``."""
    return (root / "metadata.csv").is_file() and (root / "wavs").is_dir()


def recordings(root: Path) -> Iterator[Recording]:
    """Yield the recordings of ``metadata.csv`` (``id|text|normalised text``), then those that it does not list."""
    transcripts = {}
    for line in decode((root / "metadata.csv").read_bytes())[0].split("\n"):
        name, *texts = line.split("|")
        if name.strip():
            transcripts[name.strip()] = texts[-1].strip() if texts else None
    present = {path.stem: path for path in files_with(root / "wavs", AUDIO_SUFFIXES)}
    names = [*transcripts, *(name for name in present if name not in transcripts)]
    for name in names:
        # LJSpeech itself is read by one woman; other corpora in this layout do not say who speaks.
        is_lj = _LJ_NAME.match(name) is not None
        yield Recording(
            present.get(name, root / "wavs" / f"{name}.wav"),
            speaker="LJ" if is_lj else None,
            sex="f" if is_lj else None,
            transcript=transcripts.get(name),
            warnings=() if name in transcripts else ("not listed in metadata.csv",),
        )
