"""Layout and alignments of TIMIT: ``DR?/<sex><speaker>/*.PHN`` in samples at 16 kHz, names in any case."""

import re
from collections.abc import Iterator
from pathlib import Path

from phonoscope.corpora.recording import AUDIO_SUFFIXES, Recording, files_with
from phonoscope.corpora.textgrid import Interval, TextGrid, Tier, decode
from phonoscope.errors import CorpusError

# TIMIT's boundaries count samples at this rate, whatever the rate of a converted recording.
SAMPLE_RATE_HZ = 16_000
_SPEAKER = re.compile(r"[fm][a-z]{3}\d$", re.IGNORECASE)
# Which releases may follow a closure as one and the same consonant.
_RELEASES = {
    "bcl": {"b"}, "dcl": {"d", "jh"}, "gcl": {"g"},
    "pcl": {"p"}, "tcl": {"t", "ch"}, "kcl": {"k"},
}  # fmt: skip


def detect(root: Path) -> bool:
    """Whether there are PHN files in folders named like TIMIT's speakers (FCJF0, mdab0 ...)."""
    return any(_SPEAKER.match(path.parent.name) for path in files_with(root, (".phn",)))


def recordings(root: Path) -> Iterator[Recording]:
    """Yield the recordings of all speakers; sex is the first letter of the speaker's name.

    A recording is the ``.WAV`` (NIST SPHERE) beside the PHN file, or ``X.WAV.wav``, its conversion, where that exists.
    """
    files: dict[tuple[Path, str], dict[str, Path]] = {}
    for path in files_with(root, (*AUDIO_SUFFIXES, ".phn", ".txt")):
        stem, _, suffix = path.name.casefold().partition(".")
        files.setdefault((path.parent, stem), {})[suffix] = path
    for (folder, _), beside in files.items():
        alignment, text = beside.get("phn"), beside.get("txt")
        audio = next((beside[suffix] for suffix in ("wav.wav", "wav", "flac", "sph") if suffix in beside), None)
        if audio is None:
            if alignment is None:
                continue
            audio = alignment.with_suffix(".WAV")
        known = _SPEAKER.match(folder.name) is not None
        yield Recording(
            audio,
            alignment,
            speaker=folder.name.upper() if known else None,
            sex=folder.name[0].lower() if known else None,
            transcript=re.sub(r"^\s*\d+\s+\d+\s+", "", decode(text.read_bytes())[0]).strip() if text else None,
        )


def read_phn(path: str | Path) -> TextGrid:
    """Read a PHN file, and the WRD file beside it, as the tiers ``phones`` and ``words``.

    A closure is joined to its release (``pcl p``, ``tcl ch`` ...): one interval, labelled as the release, that begins
    with the closure, as aligners for other corpora do. A closure without release stays as it is.

    Raises
    ------
    CorpusError
        With file and line, where a line is not ``begin end label`` or time runs backwards.
    """
    path = Path(path)
    phones = _joined(_read_samples(path))
    beside = (path.with_suffix(suffix) for suffix in (".WRD", ".wrd", ".Wrd"))
    words = next((_read_samples(file) for file in beside if file.is_file()), [])
    tiers = [Tier("phones", tuple(phones))] + ([Tier("words", tuple(words))] if words else [])
    return TextGrid(0.0, max((interval.end for interval in phones + words), default=0.0), tuple(tiers))


def _read_samples(path: Path) -> list[Interval]:
    """Intervals of a file whose lines are ``begin end label``, begin and end in samples."""
    try:
        lines = decode(path.read_bytes())[0].split("\n")
    except OSError as error:
        raise CorpusError(f"{path}: the alignment cannot be read ({error.strerror or error})") from error
    intervals: list[Interval] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = re.match(r"\s*(\d+)\s+(\d+)\s+(.*\S)\s*$", line)
        if match is None:
            raise CorpusError(
                f"{path}, line {number}: expected 'begin end label' in samples, found {line.strip()[:40]!r}"
            )
        start, end = int(match[1]) / SAMPLE_RATE_HZ, int(match[2]) / SAMPLE_RATE_HZ
        if end < start or (intervals and start < intervals[-1].start):
            raise CorpusError(f"{path}, line {number}: time runs backwards in {line.strip()[:40]!r}")
        intervals.append(Interval(start, end, match[3]))
    return intervals


def _joined(phones: list[Interval]) -> list[Interval]:
    """Join each closure to the release that follows it at once."""
    joined: list[Interval] = []
    for phone in phones:
        previous = joined[-1] if joined else None
        releases = _RELEASES.get(previous.label.lower(), set()) if previous else set()
        if previous and phone.label.lower() in releases and previous.end == phone.start:
            joined[-1] = Interval(previous.start, phone.end, phone.label)
        else:
            joined.append(phone)
    return joined
