"""The words of a recording in a text file beside it, and files there that look like one and hold times."""

import re
from pathlib import Path

from phonoscope.corpora.formats import kind_of_text
from phonoscope.corpora.textgrid import decode

TRANSCRIPT_SUFFIXES = (".txt", ".lab")
_NUMBER = r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_INTERVAL = re.compile(rf"\s*({_NUMBER})([\s,]+)({_NUMBER})(?:[\s,]+\S.*)?$")
_MOMENT = re.compile(r"\s*\d+\.\d+[\s,]+\S+$")
# Times in samples or in units of 100 ns are at least this; plain numbers that are read out seldom are.
_LARGE = 1000


def text_beside(audio: Path) -> tuple[str | None, str]:
    """Find what is said in a recording in the .txt or .lab beside it.

    Parameters
    ----------
    audio : path
        The recording.

    Returns
    -------
    text : str or None
        None if there is no such file, or none that holds words.
    reason : str
        Why a file that is there was not taken; else empty.
    """
    reason = ""
    for suffix in TRANSCRIPT_SUFFIXES:
        path = audio.with_suffix(suffix)
        if not path.is_file():
            continue
        text = decode(path.read_bytes())[0]
        kind = kind_of_labels(text)
        if not kind:
            return text, ""
        reason = f"{path.name} holds {kind}, not the words alone; give the words in a .txt, or in a CSV (--words)"
    return None, reason


def kind_of_labels(text: str) -> str:
    """What a file holds that is no transcript; empty if it may be one.

    Parameters
    ----------
    text : str
        All of the file.
    """
    recognised = kind_of_text(text)
    if recognised:
        return f"times and labels ({recognised})"
    lines = [line for line in text.replace("\r", "\n").split("\n") if line.strip()]
    if not lines:
        return ""
    head = "\n".join(lines[:3])
    if re.search(r"ooTextFile|Object class = \"|IntervalTier", head):
        return "a Praat TextGrid"
    if head.lstrip("\ufeff \t").startswith(("<?xml", "{", "MillisecondsPerFrame")):
        return "XML, JSON or data of another program"
    # xwaves and Festival: a head that ends with a line of its own.
    hashes = [number for number, line in enumerate(lines) if line.strip() == "#"]
    body = lines[hashes[0] + 1 :] if hashes else lines
    found = [_INTERVAL.match(line) for line in body]
    spans = [match for match in found if match and float(match[1]) <= float(match[3])]
    if body and len(spans) == len(body):
        marked = any("\t" in match[2] or "." in match[1] + match[3] or float(match[3]) >= _LARGE for match in spans)
        if marked or hashes:
            return "times and labels"
    return "times and labels" if len(body) > 1 and all(_MOMENT.match(line) for line in body) else ""
