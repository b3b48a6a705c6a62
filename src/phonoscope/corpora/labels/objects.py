"""Labels in JSON: EMU-SDMS, the Montreal Forced Aligner, gentle, Whisper and WhisperX."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from phonoscope.corpora.labels.build import grid_of, text_of
from phonoscope.corpora.textgrid_types import Interval, Point, TextGrid
from phonoscope.errors import CorpusError


def is_emu(head: str, name: str) -> bool:
    """EMU-SDMS: ``*_annot.json``."""
    return name.endswith("_annot.json") or _has(head, "annotates", "sampleRate")


def is_mfa_json(head: str, _: str) -> bool:
    """``mfa align --output_format json``."""
    return _has(head, "tiers") and _has(head, "start", "end")


def is_gentle(head: str, _: str) -> bool:
    """gentle: words with their phones."""
    return _has(head, "words") and (_has(head, "transcript") or _has(head, "alignedWord"))


def is_whisper(head: str, _: str) -> bool:
    """Whisper and WhisperX: segments with words."""
    return _has(head, "segments") or _has(head, "word_segments")


def read_emu(path: Path) -> TextGrid:
    """Read an EMU-SDMS ``_annot.json``: segments, events, and items by the segments that they are linked to.

    A segment of ``sampleDur`` d that begins at sample s ends where sample s + d + 1 begins. Each label of an item is a
    tier of its name.

    Raises
    ------
    CorpusError
        If it is no such file.
    """
    content = _load(path)
    with _Expecting(path, "an EMU-SDMS annotation"):
        rate = float(content["sampleRate"])
        if not rate > 0:
            raise ValueError(f"sampleRate {rate}")
        levels = content["levels"]
        spans = {
            item["id"]: (item["sampleStart"] / rate, (item["sampleStart"] + item["sampleDur"] + 1) / rate)
            for level in levels
            if level["type"] == "SEGMENT"
            for item in level["items"]
        }
        spans |= _linked(levels, content.get("links") or [], spans)
        tiers: dict[str, list[Interval]] = defaultdict(list)
        points: dict[str, list[Point]] = defaultdict(list)
        lost = 0
        for level in levels:
            for item in level["items"]:
                for label in item["labels"]:
                    if level["type"] == "EVENT":
                        points[label["name"]].append(Point(item["samplePoint"] / rate, str(label["value"])))
                    elif item["id"] in spans:
                        tiers[label["name"]].append(Interval(*spans[item["id"]], str(label["value"])))
                    else:
                        lost += 1
        warnings = [f"{lost} labels of items without times are left out: no link leads to a segment"] if lost else []
        return grid_of(path, tiers, points, warnings)
    raise AssertionError


def _linked(levels: Any, links: Any, spans: Mapping[int, tuple[float, float]]) -> dict[int, tuple[float, float]]:
    """Span of each item by the segments below it."""
    below: dict[int, list[int]] = defaultdict(list)
    for link in links:
        below[link["fromID"]].append(link["toID"])
    found: dict[int, tuple[float, float]] = {}

    def span(item: int, above: frozenset[int]) -> tuple[float, float] | None:
        if item in spans:
            return spans[item]
        if item not in found:
            parts = [span(each, above | {item}) for each in below[item] if each not in above]
            known = [part for part in parts if part]
            if not known:
                return None
            found[item] = min(part[0] for part in known), max(part[1] for part in known)
        return found[item]

    for level in levels:
        for item in level["items"] if level["type"] == "ITEM" else ():
            span(item["id"], frozenset())
    return found


def read_mfa_json(path: Path) -> TextGrid:
    """Read the JSON of the Montreal Forced Aligner: tiers of entries ``[begin, end, label]``, s.

    Raises
    ------
    CorpusError
        If it is no such file.
    """
    content = _load(path)
    with _Expecting(path, "an alignment of the Montreal Forced Aligner"):
        tiers = {
            name: [Interval(float(start), float(end), str(label)) for start, end, label in tier["entries"]]
            for name, tier in content["tiers"].items()
            if tier.get("type", "interval") == "interval"
        }
        return grid_of(path, tiers)
    raise AssertionError


def read_gentle(path: Path) -> TextGrid:
    """Read gentle's JSON: words, and phones by their durations; words that were not found are left out with a warning.

    Raises
    ------
    CorpusError
        If it is no such file.
    """
    content = _load(path)
    words, phones, lost = [], [], 0
    with _Expecting(path, "gentle's words"):
        for word in content["words"]:
            if word.get("case", "success") != "success" or "start" not in word:
                lost += 1
                continue
            words.append(Interval(float(word["start"]), float(word["end"]), str(word.get("word", ""))))
            now = words[-1].start
            for phone in word.get("phones", ()):
                phones.append(Interval(now, now + float(phone["duration"]), str(phone["phone"])))
                now = phones[-1].end
    warnings = [f"{lost} words were not found in the sound by gentle"] if lost else []
    return grid_of(path, {"phones": phones, "words": words} if phones else {"words": words}, warnings=warnings)


def read_whisper(path: Path) -> TextGrid:
    """Read the words (or, without them, the segments) of Whisper's or WhisperX's JSON; no phones are in it.

    Raises
    ------
    CorpusError
        If it is no such file.
    """
    content = _load(path)
    with _Expecting(path, "Whisper's segments"):
        segments = content.get("segments") or []
        said = [word for segment in segments for word in segment.get("words", ())] or content.get("word_segments", [])
        if said:
            words, lost = _spoken(said, "word")
            warnings = [f"{lost} words have no times"] if lost else []
            return grid_of(path, {"words": words}, warnings=warnings)
        return grid_of(path, {"phrases": _spoken(segments, "text")[0]})
    raise AssertionError


def _spoken(entries: Iterable[Any], key: str) -> tuple[list[Interval], int]:
    timed, lost = [], 0
    for entry in entries:
        if entry.get("start") is None or entry.get("end") is None:
            lost += 1
        else:
            timed.append(Interval(float(entry["start"]), float(entry["end"]), str(entry.get(key, "")).strip()))
    return timed, lost


def _has(head: str, *names: str) -> bool:
    return head.lstrip("\ufeff \t\n").startswith("{") and all(re.search(rf'"{name}"\s*:', head) for name in names)


def _load(path: Path) -> Any:
    try:
        content = json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{path}: no JSON, or cut short ({error})") from error
    if not isinstance(content, dict):
        raise CorpusError(f"{path}: expected a JSON object, found a {type(content).__name__}")
    return content


class _Expecting:
    """Turns what a content of another shape raises into a CorpusError."""

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (KeyError, TypeError, ValueError, AttributeError, RecursionError)):
            named = f"{type(error).__name__}: {error}"
            raise CorpusError(f"{self.path}: expected {self.what}; something is missing or odd ({named})") from error
