"""Words and phrases with times: CHAT, SubRip and WebVTT. They hold no phones."""

import re
from collections.abc import Iterator
from pathlib import Path

from phonoscope.corpora.annotations.tiers_of import ITSELF, Grids, Rows, fault, grid_of

_BULLET = re.compile("\x15[^\x15]*?(\\d+)_(\\d+)\x15")
_STAMP = r"(?:(\d+):)?(\d\d?):(\d\d?)[.,](\d{1,3})"
_MARKS = re.compile(r"<[^>]*>|\{[^}]*\}")
_CUE = re.compile(rf"\s*{_STAMP}\s*-->\s*{_STAMP}")


def is_chat(text: str) -> bool:
    """Whether it begins as CHAT files do: ``@UTF8`` or ``@Begin``."""
    return text.lstrip("\ufeff").startswith(("@UTF8", "@Begin"))


def read_chat(text: str, path: Path) -> Grids:
    """Read CHAT: utterances of each speaker with their bullets, and words from ``%wor`` lines; times in ms.

    Tiers are called ``CHI - words`` and ``CHI - utterances``. Source: the CHAT manual (TalkBank), "Media linking".
    """
    rows: dict[str, Rows] = {}
    speaker, untimed = "", 0
    for line in re.sub(r"\n[\t ]+", " ", text).split("\n"):
        head, _, rest = line.partition(":")
        if head.startswith("*"):
            speaker, bullet = head[1:].strip(), _BULLET.search(rest)
            untimed += bullet is None
            if bullet:
                said = _BULLET.sub("", rest).strip()
                rows.setdefault(f"{speaker} - utterances", []).append((*_seconds(bullet), said))
        elif head.strip() == "%wor":
            reached = 0
            for bullet in _BULLET.finditer(rest):
                said = rest[reached : bullet.start()].split()
                reached = bullet.end()
                rows.setdefault(f"{speaker} - words", []).append((*_seconds(bullet), said[-1] if said else ""))
    if not rows:
        fault(path, None, "times of utterances or words (bullets); this file holds words only")
    warnings = [f"{untimed} utterances have no time"] if untimed else []
    return {ITSELF: grid_of(rows, path, warnings)}


def _seconds(bullet: re.Match) -> tuple[float, float]:
    return int(bullet[1]) / 1000, int(bullet[2]) / 1000


def is_subtitles(text: str) -> bool:
    """Whether it is SubRip or WebVTT: a cue's times stand in one of its first lines."""
    lines = text.lstrip("\ufeff").split("\n")
    return any(_CUE.match(line) for line in lines[:40]) and (
        lines[0].startswith("WEBVTT") or lines[0].strip().isdigit()
    )


def read_subtitles(text: str, path: Path) -> Grids:
    """Read SubRip and WebVTT: a cue is a word where all are single words, else a phrase. Marks are taken off."""
    rows: Rows = []
    lines = text.split("\n")
    for place, line in enumerate(lines):
        if "-->" not in line:
            continue
        match = _CUE.match(line)
        if match is None:
            fault(path, place + 1, "'00:00:01,000 --> 00:00:02,000'", line)
        said = [
            (_MARKS.sub("", each) if "<" in each or "{" in each else each).strip()
            for each in _until_blank(lines, place + 1)
        ]
        stamps = match.groups()
        rows.append((_stamp(*stamps[:4]), _stamp(*stamps[4:]), " ".join(said)))
    single = all(len(label.split()) <= 1 for _, _, label in rows)
    return {ITSELF: grid_of({"words" if single else "phrases": rows}, path)}


def _until_blank(lines: list[str], place: int) -> Iterator[str]:
    while place < len(lines) and lines[place].strip():
        yield lines[place]
        place += 1


def _stamp(hours: str | None, minutes: str, seconds: str, parts: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(parts) / 10 ** len(parts)
