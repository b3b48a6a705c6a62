"""Layout of ASVspoof 2019, logical access (LA): one folder of recordings a partition, and protocols.

``ASVspoof2019_LA_eval/flac/LA_E_1234567.flac`` is one line of
``ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.eval.trl.txt``.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from phonoscope.corpora.recording import AUDIO_SUFFIXES, Recording, files_with
from phonoscope.errors import CorpusError

PROTOCOL_FOLDER = "ASVspoof2019_LA_cm_protocols"
PROTOCOL_FILES = {
    "eval": "ASVspoof2019.LA.cm.eval.trl.txt",
    "dev": "ASVspoof2019.LA.cm.dev.trl.txt",
    "train": "ASVspoof2019.LA.cm.train.trn.txt",
}
TTS, HYBRID, VC = "TTS", "TTS + VC", "VC"
# System to its kind and how it makes the waveform: README.LA.txt of the database, Wang et al. 2020 (arXiv 1911.01601).
SYSTEMS: dict[str, tuple[str, str]] = {
    "A01": (TTS, "neural waveform model"),
    "A02": (TTS, "vocoder"),
    "A03": (TTS, "vocoder"),
    "A04": (TTS, "waveform concatenation"),
    "A05": (VC, "vocoder"),
    "A06": (VC, "spectral filtering"),
    "A07": (TTS, "vocoder and GAN"),
    "A08": (TTS, "neural waveform model"),
    "A09": (TTS, "vocoder"),
    "A10": (TTS, "neural waveform model"),
    "A11": (TTS, "Griffin–Lim"),
    "A12": (TTS, "neural waveform model"),
    "A13": (HYBRID, "waveform concatenation and filtering"),
    "A14": (HYBRID, "vocoder"),
    "A15": (HYBRID, "neural waveform model"),
    "A16": (TTS, "waveform concatenation"),
    "A17": (VC, "waveform filtering"),
    "A18": (VC, "vocoder"),
    "A19": (VC, "spectral filtering"),
}
_PARTITION_FOLDER = re.compile(r"ASVspoof2019_LA_(eval|dev|train)")
_COLUMNS = 5
_KEYS = ("bonafide", "spoof")


@dataclass(frozen=True)
class Trial:
    """One line of a protocol: name of the recording, who speaks or is imitated, the attack (None: bona fide)."""

    name: str
    speaker: str
    attack: str | None


@dataclass(frozen=True)
class Trials:
    """A partition: its name, its lines, lines that could not be read, and where recordings lie by their name."""

    partition: str
    trials: list[Trial]
    faulty: list[str]
    audio: dict[str, Path]


def detect(root: Path) -> bool:
    """Whether `root` holds the protocols, is the folder above, or a partition (or its ``flac``) beside them."""
    return _home(root) is not None


def recordings(root: Path) -> Iterator[Recording]:
    """Yield the recordings of every partition that is there, with the speaker of those that are bona fide.

    Spoofed ones have no speaker (nobody spoke) and a warning, so that they are counted by whoever leaves them out.

    Raises
    ------
    CorpusError
        If no protocol is there, or one holds a line of another form.
    """
    for partition in available_partitions(root):
        listed = read_trials(root, partition)
        if listed.faulty:
            raise CorpusError(f"the protocol of {partition} has a malformed line: {listed.faulty[0]}")
        for trial in listed.trials:
            path = listed.audio.get(trial.name, root / f"{trial.name}.flac")
            spoofed = () if trial.attack is None else (f"spoofed speech ({trial.attack}): nobody spoke",)
            yield Recording(path, speaker=None if spoofed else trial.speaker, warnings=spoofed)


def available_partitions(root: Path) -> dict[str, tuple[Path, Path]]:
    """Partitions that have both a protocol and a folder of recordings; first the one that results are given for."""
    home_and_partition = _home(root)
    if home_and_partition is None:
        raise CorpusError(
            f"{root} is not laid out as ASVspoof 2019 LA: no folder {PROTOCOL_FOLDER} in, above or beside it"
        )
    home, only = home_and_partition
    listed = {
        name: (home / PROTOCOL_FOLDER / file, home / f"ASVspoof2019_LA_{name}") for name, file in PROTOCOL_FILES.items()
    }
    return {
        name: paths
        for name, paths in listed.items()
        if only in (None, name) and paths[0].is_file() and paths[1].is_dir()
    }


def read_trials(root: str | Path, partition: str | None = None, protocol: str | Path | None = None) -> Trials:
    """Read what a protocol says, and find the recordings.

    Parameters
    ----------
    root : path
        The folder of the protocols' folder (``LA``), the one above, or a partition. With `protocol`, any folder of
        recordings.
    partition : {"eval", "dev", "train"}, optional
        By default the first of these that is there: the paper's results are on ``eval``.
    protocol : path, optional
        A protocol in the same form instead of the corpus's own; `root` is searched for its recordings.

    Raises
    ------
    CorpusError
        If the layout, the partition or the protocol is not there or nothing in the protocol can be read.
    """
    root = Path(root).resolve()
    if protocol is not None:
        if partition:
            raise CorpusError("a protocol file already names the recordings: give a partition or a protocol, not both")
        path, folder, name = Path(protocol), root, Path(protocol).stem
    else:
        there = available_partitions(root)
        if not there:
            raise CorpusError(
                f"{root} has no partition with both recordings (ASVspoof2019_LA_eval, _dev or _train) and a "
                f"protocol in {PROTOCOL_FOLDER}"
            )
        name = partition or next(iter(there))
        if name not in there:
            raise CorpusError(f"partition {name!r} was not found in {root}; it has: {', '.join(there)}")
        path, folder = there[name]
    trials, faulty = _read_protocol(path)
    audio = {file.stem: file for file in files_with(folder, AUDIO_SUFFIXES)}
    return Trials(name, trials, faulty, audio)


def system_kind(attack: str) -> str:
    """Kind of an attack: TTS, TTS + VC or VC for A01 to A19, "other" for any other name."""
    return SYSTEMS[attack][0] if attack in SYSTEMS else "other"


def _read_protocol(path: Path) -> tuple[list[Trial], list[str]]:
    """Trials of a protocol, and the lines that are of another form, with their numbers."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"the protocol {path} cannot be read ({error})") from error
    trials: dict[str, Trial] = {}
    faulty = []
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        # SPEAKER_ID AUDIO_FILE_NAME - SYSTEM_ID KEY
        well = len(fields) == _COLUMNS and fields[4] in _KEYS and (fields[3] == "-") == (fields[4] == "bonafide")
        if not well or fields[1] in trials:
            faulty.append(f"line {number}: {line.strip()[:80]}")
            continue
        trials[fields[1]] = Trial(fields[1], fields[0], None if fields[3] == "-" else fields[3])
    if not trials:
        raise CorpusError(
            f"{path} contains no line of a protocol; expected e.g. 'LA_0079 LA_T_1271820 - A01 spoof' or "
            "'LA_0079 LA_T_1138215 - - bonafide'"
        )
    return list(trials.values()), faulty


def _home(root: Path) -> tuple[Path, str | None] | None:
    """Folder that holds the protocols' folder, and the partition if `root` is one; None if there is none."""
    root = Path(root)
    if not root.is_dir():
        return None
    with os.scandir(root) as entries:
        below = sorted(entry.path for entry in entries if entry.is_dir())
    for folder in (root, root / "LA" / "LA", *map(Path, below)):
        if (folder / PROTOCOL_FOLDER).is_dir():
            return folder, None
    for folder in (root, root.parent):
        match = _PARTITION_FOLDER.fullmatch(folder.name)
        if match and (folder.parent / PROTOCOL_FOLDER).is_dir():
            return folder.parent, match[1]
    return None
