"""The Montreal Forced Aligner, where its program ``mfa`` is on the path: run on a corpus, and its TextGrids read."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from phonoscope.audio import read_audio, write_audio
from phonoscope.corpora.aligner import SAMPLE_RATE_HZ, Alignment
from phonoscope.corpora.recording import heard_channel
from phonoscope.corpora.textgrid import Interval, Tier, read_textgrid
from phonoscope.corpora.tiers import choose_tiers
from phonoscope.errors import AudioError, CorpusError

# ISO 639 code to the name in MFA's models, such as german_mfa.
LANGUAGES = {
    "bg": "bulgarian", "cmn": "mandarin", "cs": "czech", "de": "german", "es": "spanish", "fr": "french",
    "ha": "hausa", "hr": "croatian", "ja": "japanese", "ko": "korean", "pl": "polish", "pt": "portuguese",
    "ru": "russian", "sv": "swedish", "sw": "swahili", "ta": "tamil", "th": "thai", "tr": "turkish",
    "uk": "ukrainian", "vi": "vietnamese",
}  # fmt: skip
_SILENCE = {"", "sil", "sp", "<eps>"}
_UNKNOWN = "spn"


def is_here() -> bool:
    """Whether the program is on the path."""
    return shutil.which("mfa") is not None


def find_models(language: str) -> tuple[str, str] | None:
    """Name MFA's acoustic model and dictionary of a language, as far as they were downloaded here.

    Parameters
    ----------
    language : str
        ISO 639 code, such as "de" or "cmn".

    Returns
    -------
    tuple of str, or None
        Acoustic model and dictionary; None without MFA or without both of them. Of several dictionaries (countries)
        the first by name is taken.

    Raises
    ------
    CorpusError
        If the program does not run.
    """
    name = LANGUAGES.get(language.split("-")[0])
    if name is None or not is_here():
        return None
    acoustic, dictionary = (
        sorted(set(re.findall(rf"\b{name}(?:_[a-z]+)*_mfa\b", _mfa("model", "list", kind))))
        for kind in ("acoustic", "dictionary")
    )
    return (acoustic[0], dictionary[0]) if acoustic and dictionary else None


def download_advice(language: str) -> str:
    """How to get MFA's models of a language; empty if it has none.

    Parameters
    ----------
    language : str
        ISO 639 code.
    """
    name = LANGUAGES.get(language.split("-")[0])
    if name is None:
        return ""
    return f"mfa model download acoustic {name}_mfa and mfa model download dictionary {name}_mfa"


def run_mfa(
    items: Sequence[tuple[str, Path, str]], acoustic: str, dictionary: str, folder: Path, jobs: int = 1
) -> dict[str, str]:
    """Align recordings with MFA (``mfa align``); recordings of one folder count as one speaker.

    Parameters
    ----------
    items : sequence of (str, path, str)
        A name of its own for each recording (used as file name), the recording, and what is said.
    acoustic, dictionary : str
        MFA's names of them; the dictionary may be a file.
    folder : path
        An empty folder to work in; `read_mfa` finds the TextGrids there.
    jobs : int
        Processes of MFA.

    Returns
    -------
    dict
        Recordings that were not given to MFA because they cannot be read, with the reason.

    Raises
    ------
    CorpusError
        With MFA's last lines, if it fails.
    """
    speakers: dict[Path, str] = {}
    unread: dict[str, str] = {}
    for name, audio, text in items:
        place = folder / "corpus" / speakers.setdefault(audio.parent, f"speaker{len(speakers)}")
        place.mkdir(parents=True, exist_ok=True)
        try:
            # Resampling may overshoot full scale a little.
            waveform = np.clip(read_audio(audio, SAMPLE_RATE_HZ, channel=heard_channel(audio))[0], -1, 1)
            write_audio(place / f"{name}.wav", waveform, SAMPLE_RATE_HZ, "PCM_16")
        except AudioError as error:
            unread[name] = str(error)
            continue
        (place / f"{name}.lab").write_text(" ".join(text.split()) + "\n", encoding="utf-8")
    if len(unread) < len(items):
        options = ("--clean", "--output_format", "long_textgrid", "-j", str(jobs))
        _mfa("align", *options, str(folder / "corpus"), dictionary, acoustic, str(folder / "out"))
    return unread


def read_mfa(folder: Path, name: str) -> Alignment:
    """Read what MFA made of one recording.

    Parameters
    ----------
    folder : path
        As given to `run_mfa`.
    name : str
        Of the recording.

    Returns
    -------
    Alignment
        Phones as MFA writes them; "failed" if MFA wrote nothing.

    Raises
    ------
    CorpusError
        If the TextGrid has no phones.
    """
    path = next((folder / "out").rglob(f"{name}.TextGrid"), None)
    if path is None:
        return Alignment("failed", "MFA wrote no TextGrid for it: the words do not fit, or it is too short")
    tiers = choose_tiers(read_textgrid(path), path)[0][0]
    phones = _spoken(tiers.phones)
    if not phones:
        return Alignment("silent", "MFA found no speech that fits the words")
    unknown = sum(phone.label == _UNKNOWN for phone in phones)
    reason = f"MFA; {unknown} words not in its dictionary are called {_UNKNOWN}" if unknown else "MFA"
    return Alignment("aligned", reason, _spoken(tiers.words) if tiers.words else (), phones)


def _spoken(tier: Tier) -> tuple[Interval, ...]:
    return tuple(each for each in tier.intervals if each.label.strip() not in _SILENCE)


def _mfa(*arguments: str) -> str:
    """What MFA prints."""
    done = subprocess.run(
        [str(shutil.which("mfa")), *arguments], capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        last = " / ".join((done.stdout + done.stderr).strip().splitlines()[-3:])
        raise CorpusError(f"`mfa {' '.join(arguments[:2])} …` failed (status {done.returncode}): {last}")
    return done.stdout + done.stderr
