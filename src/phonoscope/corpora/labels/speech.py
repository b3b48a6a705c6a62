"""Words and phrases with times, without phones: CHAT, SubRip, WebVTT."""

import re
from pathlib import Path

from phonoscope.corpora.labels.build import fail, grid_of, text_of
from phonoscope.corpora.textgrid_types import Interval, TextGrid

_CHAT_LINE = re.compile(r"([*%@][^:\t]*):?\t(.*)$")
_BULLET = re.compile(r"\x15(\d+)_(\d+)\x15")
_CUE = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{2})[,.](\d{1,3})\s*-->\s*(?:(\d+):)?(\d{1,2}):(\d{2})[,.](\d{1,3})")
_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")


def is_chat(head: str, _: str) -> bool:
    """CHAT of CHILDES and TalkBank."""
    return bool(re.search(r"^@(?:UTF8|Begin)\b", head, re.MULTILINE))


def read_chat(path: Path) -> TextGrid:
    """Read CHAT: words with times from ``%wor``, else whole utterances; tiers of each speaker, "CHI: words".

    Raises
    ------
    CorpusError
        If a line does not begin as CHAT has it.
    """
    tiers: dict[str, list[Interval]] = {}
    speaker = ""
    for line, content in _joined(path):
        match = _CHAT_LINE.match(content)
        if match is None:
            if content.startswith("@"):
                continue
            fail(path, line, f"expected a line of CHAT (*CHI:, %wor: or @), found {content[:40]!r}")
        if match[1].startswith("*"):
            speaker = match[1][1:].strip()
            parts = _BULLET.split(match[2])
            if len(parts) > 1:
                said = _plain(parts[0])
                tiers.setdefault(f"{speaker}: utterances", []).append(_span(parts[1], parts[2], said))
        elif match[1] == "%wor":
            parts = _BULLET.split(match[2])
            for text, start, end in zip(parts[::3], parts[1::3], parts[2::3], strict=False):
                word = (text.split() or [""])[-1]
                tiers.setdefault(f"{speaker}: words", []).append(_span(start, end, word))
    return grid_of(path, tiers)


def _joined(path: Path) -> list[tuple[int, str]]:
    """Lines with their number; one that begins with a tab goes on."""
    lines: list[tuple[int, str]] = []
    for number, content in enumerate(text_of(path).split("\n"), 1):
        if content.startswith("\t") and lines:
            lines[-1] = lines[-1][0], f"{lines[-1][1]} {content.strip()}"
        elif content.strip():
            lines.append((number, content.rstrip("\n")))
    return lines


def _plain(said: str) -> str:
    return " ".join(re.sub(r"\[[^\]]*\]|[<>]", " ", said).split())


def _span(start: str, end: str, label: str) -> Interval:
    return Interval(int(start) / 1000, int(end) / 1000, label)


def is_subtitles(head: str, _: str) -> bool:
    """SubRip and WebVTT."""
    return head.lstrip("\ufeff \n").startswith("WEBVTT") or bool(
        re.match(r"\s*\d+\s*\n\s*(?:\d+:)?\d{1,2}:\d{2}[,.]\d{1,3}\s*-->", head.lstrip("\ufeff"))
    )


def read_subtitles(path: Path) -> TextGrid:
    """Read SubRip or WebVTT: a tier ``words`` where every cue is one word, else ``phrases``.

    Raises
    ------
    CorpusError
        With the line of a time that cannot be read.
    """
    cues: list[tuple[float, float, list[str]]] = []
    is_open = False
    for line, content in enumerate(text_of(path).split("\n"), 1):
        if "-->" in content:
            match = _CUE.search(content)
            if match is None:
                fail(path, line, f"expected 'hh:mm:ss,mmm --> hh:mm:ss,mmm', found {content.strip()[:60]!r}")
            cues.append((_seconds(match.groups()[:4]), _seconds(match.groups()[4:]), []))
            is_open = True
        elif not content.strip():
            is_open = False
        elif is_open:
            cues[-1][2].append(_TAG.sub("", content).strip())
    intervals = [Interval(start, end, " ".join(text).strip()) for start, end, text in cues]
    single = bool(intervals) and all(len(interval.label.split()) <= 1 for interval in intervals)
    return grid_of(path, {"words" if single else "phrases": intervals})


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds) + int(fraction) / 10 ** len(fraction)
